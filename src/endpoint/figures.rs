//! What an endpoint has done so far, in figures: counted where it happens, by an addition each.

use serde::Deserialize;

use super::limits::LimitCounts;
use super::{Counts, Endpoint};
use crate::error::DisconnectReason;
use crate::http::Head;
use crate::net::Stats;
use crate::socket::{Encoded, Kind};

/// The figures of an [`Endpoint`], as [`Endpoint::stats`] gives them: what there is now, and what has been since it was made. All
/// of the latter only grow, so that rates are differences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStats {
    /// What is alive now.
    pub counts: Counts,
    /// Of the sessions that are alive, those on long-polling.
    pub polling: usize,
    /// Of the sessions that are alive, those on a WebSocket.
    pub websockets: usize,
    /// Progress sessions at work now.
    pub active_sessions: usize,
    /// Bytes that wait for clients now, of all of them; of one there may be
    /// [`Config::max_queued_bytes`](crate::Config::max_queued_bytes).
    pub queued_bytes: usize,
    /// Bytes of what has come in part and is held until the rest is here. The budget for it is
    /// [`Config::max_incomplete_bytes`](crate::Config::max_incomplete_bytes).
    pub held_bytes: usize,
    /// Bytes of all that is held for clients and progress sessions, what they hold while they are idle left out. The budget for it is
    /// [`Config::max_memory_bytes`](crate::Config::max_memory_bytes).
    pub memory_bytes: usize,

    /// Connections that were closed as soon as they were accepted, as there were as many as may be, in all or of their address.
    pub refused_connections: u64,
    /// Requests that would open a session, by what became of them.
    pub handshakes: HandshakeCounts,
    /// Requests that were refused with a code of Engine.IO, by that code: 0 to 5. Those with the id of a session are among them.
    pub refusals: [u64; 6],
    /// Sessions that have gone from long-polling to WebSocket.
    pub upgrades: u64,
    /// Clients that joined a namespace after a lost connection: recovered ones, and those that say so by `"reconnect": true` in their auth
    /// payload, as the browser client does.
    pub reconnections: u64,
    /// Of these, those that got their socket and what they had missed back.
    pub recoveries: u64,
    /// Packets of clients.
    pub packets_in: PacketCounts,
    /// Packets for clients, of each client by itself, be they sent or still waiting. What replaces another packet that was not
    /// sent yet, as progress does, counts when it goes out.
    pub packets_out: PacketCounts,
    /// Events emitted by the host and by progress sessions, each once, however many hear it.
    pub emits: u64,
    /// Sockets that have disconnected, by the reason. Bare Engine.IO sessions, where these are served.
    pub disconnects: DisconnectCounts,
    /// Clients that were disconnected since more waited for them than may.
    pub overfull: u64,
    /// How often each limit was reached.
    pub limits: LimitCounts,
    /// Updates of progress sessions that waited for the next pulse.
    pub throttled: u64,
    /// Progress that was never told, to anybody or to a client that was too slow for it, since newer progress took its place.
    pub conflated: u64,
    /// Volatile events that were dropped, of each client by itself.
    pub dropped: u64,
}

/// Requests that would open a session, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandshakeCounts {
    /// Sessions opened by long-polling.
    pub polling: u64,
    /// Sessions opened by a WebSocket.
    pub websocket: u64,
    /// Refused: by the host, by the rules of the protocol, or for want of room.
    pub refused: u64,
    /// Of the refused, those that came while there were as many sessions as may be, or memory was short.
    pub full: u64,
    /// Of the refused, those whose address had as many sessions, or had begun as many handshakes, as one address may.
    pub limited: u64,
}

/// Packets by their kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketCounts {
    /// CONNECT: a client wants to join a namespace, or has joined it.
    pub connects: u64,
    /// DISCONNECT.
    pub disconnects: u64,
    /// EVENT, and with the MessagePack parser those with binary values too.
    pub events: u64,
    /// ACK.
    pub acks: u64,
    /// CONNECT_ERROR: a client may not join.
    pub connect_errors: u64,
    /// BINARY_EVENT.
    pub binary_events: u64,
    /// BINARY_ACK.
    pub binary_acks: u64,
    /// Pings of Engine.IO.
    pub pings: u64,
    /// Their answers.
    pub pongs: u64,
    /// Messages of bare Engine.IO.
    pub messages: u64,
}

/// How often there was each reason to disconnect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DisconnectCounts([u64; DisconnectReason::ALL.len()]);

impl DisconnectCounts {
    /// How often for this reason.
    pub fn of(&self, reason: DisconnectReason) -> u64 {
        self.0[reason as usize]
    }

    /// All reasons, and how often there was each.
    pub fn iter(&self) -> impl Iterator<Item = (DisconnectReason, u64)> + '_ {
        DisconnectReason::ALL
            .into_iter()
            .map(|reason| (reason, self.of(reason)))
    }

    fn add(&mut self, reason: DisconnectReason) {
        self.0[reason as usize] += 1;
    }
}

impl PacketCounts {
    /// Events of both kinds.
    pub fn all_events(&self) -> u64 {
        self.events + self.binary_events
    }

    pub(super) fn add(&mut self, kind: Kind, count: u64) {
        *match kind {
            Kind::Connect => &mut self.connects,
            Kind::Disconnect => &mut self.disconnects,
            Kind::Event => &mut self.events,
            Kind::Ack => &mut self.acks,
            Kind::ConnectError => &mut self.connect_errors,
            Kind::BinaryEvent => &mut self.binary_events,
            Kind::BinaryAck => &mut self.binary_acks,
        } += count;
    }

    pub(super) fn add_event(&mut self, is_binary: bool, count: u64) {
        match is_binary {
            true => self.binary_events += count,
            false => self.events += count,
        }
    }
}

impl Endpoint {
    /// What there is now and what has been so far, in figures. Counting costs next to nothing; asking for what waits and what is held looks at
    /// each connection and session.
    ///
    /// How long things took is measured by who has a clock: [`Endpoint::loop_stats`].
    ///
    /// ```
    /// use pulsewheel::{http::Response, Io};
    ///
    /// let mut io = Io::new();
    /// io.http("GET", "/metrics", |_, request| {
    ///     let mut server = request.server();
    ///     let endpoint = server.endpoint();
    ///     let (stats, turns) = (endpoint.stats(), &endpoint.loop_stats().turn_us);
    ///     let mut text = format!("events_out {}\n", stats.packets_out.all_events());
    ///     let mut count = 0;
    ///     for (largest, times) in turns.buckets() {
    ///         count += times;
    ///         text += &format!("turn_us_bucket{{le=\"{largest}\"}} {count}\n");
    ///     }
    ///     text += &format!("turn_us_sum {}\nturn_us_count {}\n", turns.sum(), turns.count());
    ///     Response::text(200, text)
    /// });
    /// ```
    pub fn stats(&self) -> EndpointStats {
        let mut stats = self.tally.clone();
        stats.counts = self.counts();
        stats.held_bytes = self.held_bytes();
        stats.memory_bytes = self.memory_bytes();
        for (_, entry) in self.sessions.iter() {
            stats.queued_bytes += entry.session.queued_bytes();
            match entry.session.is_on_polling() {
                true => stats.polling += 1,
                false => stats.websockets += 1,
            }
        }
        let connections = self.transport.iter();
        stats.queued_bytes += connections
            .map(|(key, _)| self.transport.output_bytes(key))
            .sum::<usize>();
        if let Some(tracker) = &self.tracking.tracker {
            stats.active_sessions = tracker.active_sessions();
            let (throttled, conflated) = tracker.held_back();
            stats.throttled += throttled;
            stats.conflated += conflated;
        }
        stats
    }

    /// What the loop around this has done so far, and how long its turns took, where a [`Server`](crate::Server) drives this.
    pub fn loop_stats(&self) -> &Stats {
        &self.outside.loop_stats
    }

    pub(crate) fn loop_stats_mut(&mut self) -> &mut Stats {
        &mut self.outside.loop_stats
    }

    /// A client has joined a namespace, having said this.
    pub(super) fn count_join(&mut self, payload: &str, is_recovered: bool) {
        self.tally.packets_out.connects += 1;
        self.tally.recoveries += u64::from(is_recovered);
        self.tally.reconnections += u64::from(is_recovered || says_it_is_back(payload));
    }

    /// A request of Engine.IO leads to nothing.
    pub(super) fn count_refusal(&mut self, head: &Head<'_>) {
        let is_handshake = super::handshakes::EngineQuery::of(head).sid.is_none();
        self.tally.handshakes.refused += u64::from(is_handshake);
    }

    pub(super) fn count_disconnect(&mut self, reason: DisconnectReason) {
        self.tally.disconnects.add(reason);
    }

    /// An event goes to so many clients.
    pub(super) fn count_event(&mut self, packet: &Encoded, clients: u64) {
        let is_binary = !packet.attachments.is_empty();
        self.tally.packets_out.add_event(is_binary, clients);
    }
}

/// Whether an auth payload says that its client comes back after a lost connection.
fn says_it_is_back(payload: &str) -> bool {
    #[derive(Deserialize)]
    struct Said {
        reconnect: bool,
    }
    // Most say nothing of the kind, and are not read for it.
    payload.contains("\"reconnect\"")
        && serde_json::from_str(payload).is_ok_and(|Said { reconnect }| reconnect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_says_that_its_client_is_back_by_true_alone() {
        for (payload, is_back) in [
            ("", false),
            ("{}", false),
            (r#"{"reconnect":true,"token":"a"}"#, true),
            (r#"{"reconnect":false}"#, false),
            (r#"{"reconnect":"true"}"#, false),
            (r#"{"note":"\"reconnect\":true"}"#, false),
        ] {
            assert_eq!(says_it_is_back(payload), is_back, "{payload}");
        }
    }

    #[test]
    fn every_reason_to_disconnect_has_its_count() {
        let mut disconnects = DisconnectCounts::default();
        for (index, reason) in DisconnectReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            disconnects.add(reason);
        }
        assert!(disconnects.iter().all(|(_, count)| count == 1));
    }
}
