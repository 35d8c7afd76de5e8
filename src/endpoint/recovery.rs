//! Sockets that lose their connection and come back.

use serde::Deserialize;

use super::connects::Beginning;
use super::events::{Departure, DepartureStep, Ending};
use super::progress::NAMESPACE;
use super::{Endpoint, Event, Sight};
use crate::error::DisconnectReason;
use crate::id::EngineSessionId;
use crate::priority::Priority;
use crate::socket::{Args, Keeping, NamespaceId, SocketId, Target};
use crate::timer::Timer;
use crate::transport::cost;

/// What a returning client says in its CONNECT.
#[derive(Deserialize)]
struct Return {
    pid: String,
    offset: Option<String>,
}

/// Whether the handlers that decide have heard of a client that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Just now.
    Yes,
    /// When it came for the first time, which shall be enough if nothing has changed since.
    Before,
    /// There are none, or the host has decided without them.
    No,
}

impl Endpoint {
    /// A socket's connection is gone: keeps the socket for a while where that was not meant, and begins its end otherwise.
    pub(super) fn lose_socket(
        &mut self,
        socket: SocketId,
        reason: DisconnectReason,
    ) -> Option<Departure> {
        let was_meant = matches!(
            reason,
            DisconnectReason::ClientNamespaceDisconnect
                | DisconnectReason::ServerNamespaceDisconnect
        );
        let recovery = self.config.recovery.as_ref();
        let recovery = recovery.filter(|it| !was_meant && self.sockets.away_count() < it.max_away);
        let until_ms = recovery.map(|it| self.clock.in_ms(it.max_disconnection_ms));
        if !until_ms.is_some_and(|until_ms| self.go_away(socket, until_ms)) {
            return self.begin_leaving(socket, reason);
        }
        self.fail_waiters(socket);
        Some(Departure {
            socket,
            reason,
            step: DepartureStep::TellAwayDisconnecting,
        })
    }

    fn go_away(&mut self, socket: SocketId, until_ms: u64) -> bool {
        let timer = self.clock.arm(until_ms, Timer::Away(socket.0));
        let is_away = self.sockets.go_away(socket, timer);
        if !is_away {
            self.clock.cancel(timer);
        }
        is_away
    }

    /// A socket that is away will not come back: its time is over, or the host does not want it any more.
    pub(super) fn recovery_expired(&mut self, socket: SocketId) {
        if let Some(timer) = self.sockets.take_away_timer(socket) {
            // Nothing is to be cancelled where it has just fired.
            self.clock.cancel(timer);
        }
        if self.sockets.begin_leaving(socket) {
            self.push_departure(Some(Departure {
                socket,
                reason: DisconnectReason::TransportClose,
                step: DepartureStep::LeaveRoomsExpired,
            }));
        }
    }

    /// Lets a client take up its socket again, if it asks for that and it can be done: what was missed first, then CONNECT.
    /// `beginning` is what middlewares have said of it this time.
    pub(super) fn recover(
        &mut self,
        session: EngineSessionId,
        namespace: NamespaceId,
        payload: &str,
        asked: Asked,
        beginning: Option<&Beginning>,
    ) -> Option<SocketId> {
        let recovery = self.config.recovery.as_ref()?;
        let max_bytes = recovery
            .max_bytes_per_session
            .min(self.config.max_queued_bytes / 2);
        let Return { pid, offset } = serde_json::from_str(payload).ok()?;
        let socket = self.sockets.find_recoverable(&pid, namespace)?;
        let rules = self.rules();
        let has_passed = self.unasked(socket).is_none()
            && (self.sockets.recovery(socket)).is_some_and(|recovery| recovery.rules == rules);
        if asked == Asked::Before && !has_passed {
            return None;
        }
        let owner = beginning.and_then(|it| it.owner.as_deref());
        let sight = beginning.map_or(Sight::Usual, |it| it.sight);
        let is_another = self.has_changed_hands(socket, owner) || self.sight(socket) != sight;
        if asked != Asked::Before && is_another {
            return None;
        }
        self.end_old_session(socket, session);
        let looked_at = self.sockets.kept_packets(namespace);
        self.transport.ready.charge(cost::ELEMENT * looked_at);
        let missed = self.sockets.missed(socket, offset.as_deref(), max_bytes)?;
        let id = self.sockets.id_text(socket)?;
        if let Some(timer) = self.sockets.take_away_timer(socket) {
            self.clock.cancel(timer);
        }
        self.sockets.come_back(socket, session);
        self.note_unasked(session, socket, has_passed || asked == Asked::Yes);
        if let Some(recovery) = self.sockets.recovery(socket) {
            recovery.rules = rules;
        }
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.client.add_socket(socket, self.clock.now_ms());
            entry.session.joined(&mut self.clock);
        }
        self.push_event(Event::Connected {
            socket,
            namespace,
            auth: Args::received(format!("[{payload}]"), 1, Vec::new()),
            is_recovered: true,
        });
        self.count_join(payload, true);
        for packet in &missed {
            self.count_event(packet, 1);
            self.send_packet(session, packet, Priority::Normal);
        }
        let recovery = self.sockets.recovery(socket);
        let pid = recovery.map(|recovery| recovery.secret.id(socket.0.index));
        let name = self.sockets.namespace_name(namespace)?;
        let parser = self.config.parser;
        let answer = parser.connect(&mut self.codec.frames, name, Some(id), pid);
        let sees_progress = name == NAMESPACE;
        self.send(session, answer, Priority::Normal);
        if sees_progress {
            self.tell_all_progress(session);
        }
        Some(socket)
    }

    /// A client that is back before its old connection was found dead: that one ends now.
    fn end_old_session(&mut self, socket: SocketId, session: EngineSessionId) {
        let old = self
            .sockets
            .get(socket)
            .filter(|socket| !socket.is_away())
            .map(|socket| socket.session);
        if let Some(old) = old.filter(|old| *old != session) {
            self.end_now(old, Ending::Discard(DisconnectReason::TransportClose));
        }
    }

    /// Emits an event with its offset, and keeps it for those who miss it.
    pub(super) fn emit_recoverable(&mut self, target: &Target, event: &str, args: &Args) {
        let namespace = target.namespace_id();
        let recovery = self.config.recovery.as_ref();
        let name = self.sockets.namespace_name(namespace);
        let offset = self.sockets.next_offset(namespace);
        let (Some(recovery), Some(name), Some(offset)) = (recovery, name, offset) else {
            return;
        };
        // Whoever is away for as long as allowed may have had its last answered ping one heartbeat before that.
        let heartbeat_ms = self
            .config
            .ping_interval_ms
            .saturating_add(self.config.ping_timeout_ms);
        let keeping = Keeping {
            now_ms: self.clock.now_ms(),
            for_ms: recovery
                .max_disconnection_ms
                .saturating_add(2 * heartbeat_ms),
            max_bytes: recovery.max_bytes,
        };
        let args = args.with_offset(&offset);
        let parser = self.config.parser;
        let packet = parser.event(&mut self.codec.frames, name, None, event, &args);
        let packet = packet.compressed(target.is_compressed());
        let number = self.sockets.keep_packet(keeping, target, &packet);
        let mut selected = self.sockets.take_selected(target);
        for socket in selected.drain(..) {
            if let Some(recovery) = self.sockets.recovery(socket) {
                recovery.sent(number);
            }
        }
        self.sockets.keep_selected(selected);
        self.broadcast(target, &packet);
    }

    /// A ping is sent to a client, or its pong has come: it has got everything that was sent before that ping.
    pub(super) fn note_heartbeat(&mut self, session: EngineSessionId, is_pong: bool) {
        if self.config.recovery.is_none() {
            return;
        }
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        for socket in entry.client.sockets() {
            if !is_pong {
                self.sockets.note_ping(socket);
            } else if let Some(recovery) = self.sockets.recovery(socket) {
                recovery.ponged();
            }
        }
    }
}
