//! The state of one Engine.IO session: its transport, its upgrade, its heartbeat and what waits for its client.
//!
//! ```text
//!   handshake ──▶ open ──▶ its end stands in the queue of events ──▶ gone
//!                  │         (its input counts no more)              ▲
//!                  │                                                 │
//!                  └──────▶ draining: a last poll gets what waits ───┘
//!
//!   polling ──▶ upgrading ──▶ probed ──▶ WebSocket
//!      ▲            │            │
//!      └────────────┴────────────┘  the WebSocket is given up
//! ```

mod heartbeat;
mod transport;

pub use heartbeat::MAX_DRIFT_MS;
pub use transport::{PollAction, PostAction, ProbeAction, Transport};

use std::collections::VecDeque;

use super::{encode_as_text, HandshakeDetails, Packet, Revision};
use crate::clock::Clock;
use crate::data::Data;
use crate::error::DisconnectReason;
use crate::frame::{Frame, PLACE_BYTES};
use crate::id::{EngineSessionId, Secret};
use crate::peer::PeerAddr;
use crate::priority::Priority;
use crate::timer::Timer;
use crate::wheel::TimerKey;
use heartbeat::Heartbeat;
use transport::Upgrade;

/// The packet that ends a session, the last of it.
pub const CLOSE: &str = "1";
/// The packet that answers a poll when there is nothing to say.
pub const NOOP: &str = "6";

/// How far the end of a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// Its end is in the queue of events, behind what its client sent before.
    EndQueued,
    /// It has ended, and its client may still fetch what is queued by polls.
    Draining,
}

/// Whether a session came in by the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// `allow_request` was asked about it.
    Asked,
    /// There was no `allow_request` to ask.
    Freely,
    /// There was no door.
    Unseen,
}

/// What clients send that begin with a WebSocket and have nothing to add. They are many, so theirs is not stored.
const USUAL_QUERY: &str = "EIO=4&transport=websocket";

/// What a session begins with.
pub struct Opening<'a> {
    pub secret: Secret,
    pub transport: Transport,
    pub revision: Revision,
    /// Whether its client reads binary messages as such.
    pub reads_binary: bool,
    pub peer_addr: PeerAddr,
    pub query: &'a str,
    pub details: Option<Box<HandshakeDetails>>,
    pub admitted: Admitted,
    /// What the host keeps with it, for the layer above.
    pub data: Option<Box<Data>>,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    secret: Secret,
    revision: Revision,
    /// Whether its client reads binary frames and, in revision 3, binary answers to polls; otherwise it gets base64.
    reads_binary: bool,
    transport: Transport,
    upgrade: Option<Box<Upgrade>>,
    heartbeat: Heartbeat,
    /// Pending while no namespace has been joined.
    connect_timer: Option<TimerKey>,
    /// What waits for a poll. On a WebSocket, packets wait in the connection's outbox instead.
    queue: VecDeque<Frame>,
    queued_bytes: usize,
    stage: Stage,
    /// More waited for its client than may, and so nothing more is queued.
    is_overfull: bool,
    /// In which list of those whose poll is to be answered it is.
    pub(super) listed: Option<Priority>,
    origin: Origin,
}

/// What is known of the request that opened a session.
#[derive(Debug)]
struct Origin {
    peer_addr: PeerAddr,
    admitted: Admitted,
    /// The query, as it came; `None` for [`USUAL_QUERY`].
    query: Option<Box<str>>,
    /// More of it, where that is wanted.
    details: Option<Box<HandshakeDetails>>,
}

/// A packet waits for a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InQueue {
    /// How many bytes wait in all.
    pub waiting_bytes: usize,
    /// Whether there is a poll to answer.
    pub can_go: bool,
}

/// What a packet leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketAction<'a> {
    /// Nothing.
    Ignore,
    /// The awaited pong: the next ping is to be scheduled.
    Alive,
    /// A ping of revision 3, to be answered with the same data.
    AnswerPing(&'a str),
    /// A message for the layer above.
    Message(&'a str),
    /// The client wants the session to end.
    Asked,
    /// The session ends.
    Close(DisconnectReason),
}

impl Session {
    /// A session that begins now, with the timers of its heartbeat and, where there are namespaces, of its first CONNECT.
    pub fn new(
        clock: &mut Clock,
        id: EngineSessionId,
        opening: Opening<'_>,
        times: &super::Times,
    ) -> Session {
        let ping_at_ms = clock.in_ms(times.ping_interval_ms);
        let heartbeat = match opening.revision {
            Revision::V4 => Heartbeat::ping_at(clock, id, ping_at_ms),
            // Its client sends the pings; what is awaited is the next of them.
            Revision::V3 => {
                Heartbeat::pong_by(clock, id, ping_at_ms.saturating_add(times.ping_timeout_ms))
            }
        };
        let connect_by_ms = times.connect_timeout_ms.map(|ms| clock.in_ms(ms));
        Session {
            secret: opening.secret,
            revision: opening.revision,
            reads_binary: opening.reads_binary,
            transport: opening.transport,
            upgrade: None,
            heartbeat,
            connect_timer: connect_by_ms.map(|by_ms| clock.arm(by_ms, Timer::Connect(id))),
            queue: VecDeque::new(),
            queued_bytes: 0,
            stage: Stage::Open,
            is_overfull: false,
            listed: None,
            origin: Origin {
                peer_addr: opening.peer_addr,
                admitted: opening.admitted,
                query: (opening.query != USUAL_QUERY).then(|| opening.query.into()),
                details: opening.details,
            },
        }
    }

    /// The secret part of its id.
    pub fn secret(&self) -> Secret {
        self.secret
    }

    pub fn revision(&self) -> Revision {
        self.revision
    }

    pub fn reads_binary(&self) -> bool {
        self.reads_binary
    }

    pub fn peer_addr(&self) -> PeerAddr {
        self.origin.peer_addr
    }

    pub fn admitted(&self) -> Admitted {
        self.origin.admitted
    }

    pub fn query(&self) -> &str {
        self.origin.query.as_deref().unwrap_or(USUAL_QUERY)
    }

    pub fn details(&self) -> Option<&HandshakeDetails> {
        self.origin.details.as_deref()
    }

    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Whether packets from its client still count.
    pub fn takes_input(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Whether packets still reach its client.
    pub fn takes_output(&self) -> bool {
        self.stage != Stage::Draining && !self.is_overfull
    }

    /// Whether its end stands in the queue of events.
    pub fn end_queued(&self) -> bool {
        self.stage == Stage::EndQueued
    }

    /// Whether it has ended, and its client may still fetch what is queued.
    pub fn is_draining(&self) -> bool {
        self.stage == Stage::Draining
    }

    /// Its end is put into the queue of events. False when it is there already.
    pub fn queue_end(&mut self) -> bool {
        let is_new = self.stage != Stage::EndQueued;
        self.stage = Stage::EndQueued;
        is_new
    }

    /// More waits for its client than may: nothing more is queued.
    pub fn set_overfull(&mut self) {
        self.is_overfull = true;
    }

    /// It has ended, and its client has until `by_ms` to fetch what is queued. True when there is a poll to answer.
    pub fn begin_draining(&mut self, clock: &mut Clock, id: EngineSessionId, by_ms: u64) -> bool {
        self.stage = Stage::Draining;
        // A client that polls no more is forgotten like one that pongs no more.
        self.heartbeat.await_pong_by(clock, id, by_ms);
        matches!(self.transport, Transport::Polling { poll: Some(_), .. })
    }

    /// Takes back its timers.
    pub fn cancel_timers(&mut self, clock: &mut Clock) {
        self.heartbeat.cancel(clock);
        self.joined(clock);
    }

    /// Whether it has joined no namespace, and will end for that if nothing else ends it before.
    pub fn is_unjoined(&self) -> bool {
        self.connect_timer.is_some() && !self.end_queued()
    }

    /// It has joined a namespace, for which it has a limited time no longer.
    pub fn joined(&mut self, clock: &mut Clock) {
        if let Some(timer) = self.connect_timer.take() {
            clock.cancel(timer);
        }
    }

    /// Queues a packet for a poll. `None` when nothing reaches its client any more, or not by polls.
    pub fn queue(&mut self, frame: Frame) -> Option<InQueue> {
        match self.transport {
            Transport::Polling { poll, .. } if self.takes_output() => {
                self.queued_bytes += frame.payload().len();
                self.queue.push_back(frame);
                Some(InQueue {
                    waiting_bytes: self.queued_bytes + self.queue.len() * PLACE_BYTES,
                    can_go: poll.is_some(),
                })
            }
            _ => None,
        }
    }

    /// A frame as its client reads it on a WebSocket: in revision 3 binary messages have a type byte too, and there are clients
    /// that want them as text.
    #[inline]
    pub fn for_websocket(&self, frame: Frame) -> Frame {
        let reads_all = self.reads_binary && self.revision == Revision::V4;
        match reads_all || !frame.is_binary() {
            true => frame,
            false => self.binary_for_websocket(frame),
        }
    }

    #[cold]
    fn binary_for_websocket(&self, frame: Frame) -> Frame {
        match self.reads_binary {
            true => Frame::binary(&[&[4], frame.payload()].concat()),
            false => encode_as_text(&frame, self.revision),
        }
    }

    /// Bytes that wait for polls.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Memory for what waits for polls. What several sessions share counts in parts, as it is there once.
    pub fn queue_memory_bytes(&self) -> usize {
        let frames = self.queue.iter();
        frames.map(|frame| frame.memory_bytes() + PLACE_BYTES).sum()
    }

    /// Forgets what waits for polls.
    pub fn forget_queue(&mut self) {
        self.queue = VecDeque::new();
        self.queued_bytes = 0;
    }

    /// Takes what is queued for a poll: so many packets at the most, and no further one beyond so many bytes.
    pub fn take_queue(&mut self, max_packets: usize, max_bytes: usize) -> Vec<Frame> {
        let mut bytes = 0;
        let fits = |frame: &&Frame| {
            let has_room = bytes < max_bytes;
            bytes += if has_room { frame.payload().len() } else { 0 };
            has_room
        };
        let count = self.queue.iter().take(max_packets).take_while(fits).count();
        let frames = self.queue.drain(..count).collect();
        self.queued_bytes -= bytes;
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        frames
    }

    /// A packet has come in on the session's transport.
    pub fn receive<'a>(&self, packet: Option<Packet<'a>>) -> PacketAction<'a> {
        match packet {
            None => PacketAction::Close(DisconnectReason::ParseError),
            Some(Packet::Message(data)) => PacketAction::Message(data),
            Some(Packet::Close) => PacketAction::Asked,
            Some(Packet::Ping(data)) if self.revision == Revision::V3 => {
                PacketAction::AnswerPing(data)
            }
            Some(Packet::Pong(_)) if self.revision == Revision::V3 => {
                PacketAction::Close(DisconnectReason::TransportError)
            }
            // Heartbeats come from the server in revision 4; a client that pings speaks another one.
            Some(Packet::Ping(_)) => PacketAction::Close(DisconnectReason::TransportError),
            Some(Packet::Pong(_)) => match self.heartbeat.awaits_pong() {
                true => PacketAction::Alive,
                false => PacketAction::Ignore,
            },
            Some(Packet::Open | Packet::Upgrade | Packet::Noop) => PacketAction::Ignore,
        }
    }

    /// The ping that was due at `scheduled_ms` goes out: its pong is awaited.
    pub fn sent_ping(
        &mut self,
        clock: &mut Clock,
        id: EngineSessionId,
        scheduled_ms: u64,
        timeout_ms: u64,
    ) {
        self.heartbeat
            .sent_ping(clock, id, scheduled_ms, timeout_ms);
    }

    /// A sign of life is awaited in so many milliseconds.
    pub fn await_pong(&mut self, clock: &mut Clock, id: EngineSessionId, timeout_ms: u64) {
        let by_ms = clock.in_ms(timeout_ms);
        self.heartbeat.await_pong_by(clock, id, by_ms);
    }

    /// The next ping goes out in so many milliseconds.
    pub fn await_ping(&mut self, clock: &mut Clock, id: EngineSessionId, interval_ms: u64) {
        let at_ms = clock.in_ms(interval_ms);
        self.heartbeat.await_ping_at(clock, id, at_ms);
    }

    /// Part of the endpoint's check of its invariants.
    pub fn check(&self) {
        let bytes = self.queue.iter().map(|frame| frame.payload().len());
        assert_eq!(bytes.sum::<usize>(), self.queued_bytes);
        if !self.is_on_polling() {
            assert!(self.queue.is_empty(), "packets wait in the outbox");
        }
    }

    /// By when the pong has to be here, if one is awaited.
    pub fn pong_by_ms(&self) -> Option<u64> {
        self.heartbeat.pong_by_ms()
    }
}

#[cfg(test)]
mod tests;
