//! Sockets that lose their connection and may come back.

use super::{NamespaceId, SocketId, Sockets};
use crate::id::{EngineSessionId, IdText, Secret};
use crate::socket::{Encoded, PacketLog, Recovery, Target};
use crate::wheel::TimerKey;

/// How long, and how much of, a packet is kept for those who miss it.
#[derive(Clone, Copy, Debug)]
pub struct Keeping {
    pub now_ms: u64,
    pub for_ms: u64,
    /// Of all namespaces together.
    pub max_bytes: usize,
}

impl Sockets {
    /// Bytes of the packets that are kept for sockets which may come back.
    pub fn log_bytes(&self) -> usize {
        self.log_bytes
    }

    /// Makes a socket one that can come back, having passed so many rules, and gives its `pid`. `None` where recovery is off.
    pub fn make_recoverable(&mut self, id: SocketId, secret: Secret, rules: u32) -> Option<IdText> {
        let socket = self.sockets.get_mut(id.0)?;
        let log = self.namespaces.get(socket.namespace.0)?.log.as_ref()?;
        socket.cold().recovery = Some(Recovery::new(secret, log.last(), rules));
        Some(secret.id(id.0.index))
    }

    /// A socket has lost its connection: true when it stays, in its rooms, and may come back before `timer` fires.
    pub fn go_away(&mut self, id: SocketId, timer: TimerKey) -> bool {
        let socket = self.sockets.get_mut(id.0);
        match socket.and_then(|socket| socket.recovery_mut()) {
            Some(recovery) if !recovery.is_away => {
                recovery.is_away = true;
                recovery.away_timer = Some(timer);
                self.away += 1;
                true
            }
            _ => false,
        }
    }

    /// A socket's client is leaving it on purpose, so it shall not come back.
    pub fn make_unrecoverable(&mut self, id: SocketId) {
        if let Some(cold) = self.sockets.get_mut(id.0).and_then(|s| s.cold.as_mut()) {
            cold.recovery = None;
        }
    }

    /// The timer that ends a socket's being away.
    pub fn take_away_timer(&mut self, id: SocketId) -> Option<TimerKey> {
        self.recovery(id)?.away_timer.take()
    }

    /// The socket that a returning client means.
    pub fn find_recoverable(&self, pid: &str, namespace: NamespaceId) -> Option<SocketId> {
        let (secret, index) = Secret::parse(pid)?;
        let id = SocketId(self.sockets.key_at(index)?);
        let socket = self.get(id)?;
        let is_it = socket.recovery()?.secret == secret && socket.namespace == namespace;
        is_it.then_some(id)
    }

    /// How many packets of a namespace are kept for those who miss them.
    pub fn kept_packets(&self, namespace: NamespaceId) -> usize {
        let namespace = self.namespaces.get(namespace.0);
        let log = namespace.and_then(|namespace| namespace.log.as_ref());
        log.map_or(0, PacketLog::len)
    }

    /// What a socket has missed; `None` when that cannot be told any more.
    pub fn missed(
        &self,
        id: SocketId,
        offset: Option<&str>,
        max_bytes: usize,
    ) -> Option<Vec<Encoded>> {
        let socket = self.get(id)?;
        let log = self.namespaces.get(socket.namespace.0)?.log.as_ref()?;
        let own = socket.secret.id(id.0.index);
        let mut joined: Vec<&str> = self.rooms(id).collect();
        joined.sort_unstable();
        let is_in = |room: &str| room == own.as_str() || joined.binary_search(&room).is_ok();
        log.missed(socket.recovery()?, offset, max_bytes, |target| {
            target.means(id, is_in)
        })
    }

    /// A socket is back, on another session. What its client was asked before is not asked again, so it owes nothing.
    pub fn come_back(&mut self, id: SocketId, session: EngineSessionId) {
        if let Some(socket) = self.sockets.get_mut(id.0) {
            socket.cold().pending_acks.clear();
            self.away -= usize::from(socket.is_away());
            socket.session = session;
            if let Some(recovery) = socket.recovery_mut() {
                recovery.is_away = false;
            }
        }
    }

    /// The offset that the next packet of a namespace carries, where recovery is on.
    pub fn next_offset(&self, namespace: NamespaceId) -> Option<String> {
        let log = self.namespaces.get(namespace.0)?.log.as_ref()?;
        Some(log.next_offset())
    }

    /// Keeps a packet for those who miss it, and gives its number.
    pub fn keep_packet(&mut self, keeping: Keeping, target: &Target, packet: &Encoded) -> u64 {
        let namespace = self.namespaces.get_mut(target.namespace_id().0);
        let Some(log) = namespace.and_then(|namespace| namespace.log.as_mut()) else {
            return 0;
        };
        self.log_bytes -= log.bytes();
        log.push(
            keeping.now_ms,
            keeping.for_ms,
            target.clone(),
            packet.clone(),
        );
        self.log_bytes += log.bytes();
        let number = log.last();
        while self.log_bytes > keeping.max_bytes && self.forget_oldest_packet() {}
        number
    }

    /// Forgets the oldest packet of all namespaces: one in which nothing is sent any more has no right to its share for ever.
    fn forget_oldest_packet(&mut self) -> bool {
        let logs = self.namespaces.iter().filter_map(|(key, namespace)| {
            let oldest_ms = namespace.log.as_ref()?.oldest_ms()?;
            Some((oldest_ms, key))
        });
        let log = logs
            .min()
            .and_then(|(_, key)| self.namespaces.get_mut(key)?.log.as_mut());
        let Some(log) = log else {
            return false;
        };
        self.log_bytes -= log.bytes();
        log.forget_oldest();
        self.log_bytes += log.bytes();
        true
    }

    /// A ping is sent to a socket's client.
    pub fn note_ping(&mut self, id: SocketId) {
        if let Some(socket) = self.sockets.get_mut(id.0) {
            let namespace = self.namespaces.get(socket.namespace.0);
            let log = namespace.and_then(|namespace| namespace.log.as_ref());
            if let (Some(recovery), Some(log)) = (socket.recovery_mut(), log) {
                recovery.pinged(log.last());
            }
        }
    }

    /// What is known of a socket for the case that it loses its connection.
    pub fn recovery(&mut self, id: SocketId) -> Option<&mut Recovery> {
        self.sockets.get_mut(id.0)?.recovery_mut()
    }

    /// Bytes of a log that is about to go with its namespace.
    pub(super) fn drop_log(&mut self, log: Option<PacketLog>) {
        self.log_bytes -= log.map_or(0, |log| log.bytes());
    }
}
