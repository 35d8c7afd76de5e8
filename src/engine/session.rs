//! The state of one Engine.IO session: its transport, its upgrade, its heartbeat and what waits for its client.

use std::collections::VecDeque;

use super::{HandshakeDetails, Packet, Revision};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::id::Secret;
use crate::outbox::Due;
use crate::slots::Key;
use crate::wheel::TimerKey;

/// What carries a session's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP long-polling: at most one waiting `GET` and one `POST` that is being received.
    Polling {
        poll: Option<Key>,
        post: Option<Key>,
    },
    /// One WebSocket.
    WebSocket(Key),
}

/// A WebSocket that is about to take over from polling.
#[derive(Clone, Copy, Debug)]
pub struct Upgrade {
    pub connection: Key,
    /// Whether its probe has been answered: from then on polls end at once.
    pub is_probed: bool,
    /// What [`Session::reads_binary`] is from then on.
    pub reads_binary: bool,
    pub timer: TimerKey,
}

/// Where the heartbeat stands; the instant is the one at which the timer of the state fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// The next ping goes out then.
    PingAt(u64),
    /// A pong has to be here by then.
    PongBy(u64),
}

/// Milliseconds by which the loop may be late without anybody being given more time for that.
pub const MAX_DRIFT_MS: u64 = 5;

/// One session.
#[derive(Debug)]
pub struct Session {
    pub secret: Secret,
    pub revision: Revision,
    /// Whether its client reads binary frames and, in revision 3, binary answers to polls; otherwise it gets base64.
    pub reads_binary: bool,
    pub transport: Transport,
    pub upgrade: Option<Box<Upgrade>>,
    pub heartbeat: Heartbeat,
    pub heartbeat_timer: TimerKey,
    /// Pending while no namespace has been joined.
    pub connect_timer: Option<TimerKey>,
    /// What waits for a poll. On a WebSocket, packets wait in the connection's outbox instead.
    pub queue: VecDeque<Frame>,
    pub queued_bytes: usize,
    /// The session has ended and only what is queued is still to be fetched by a last poll.
    pub is_closing: bool,
    /// Which of the endpoint's lists of polls to answer it is in.
    pub flush_due: Due,
    /// The query of the request that opened it, as it came.
    pub query: Box<str>,
    /// More of it, where that is wanted.
    pub details: Option<Box<HandshakeDetails>>,
}

/// What a `GET` leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollAction {
    /// There is something to answer with, now.
    Answer,
    /// It waits.
    Wait,
    /// An upgrade is under way and nothing is queued: answer a noop.
    Noop,
    /// Another poll waits already: both end, and the session too.
    Overlap(Key),
    /// The session is not on polling.
    WrongTransport,
}

/// What a `POST` leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostAction {
    /// Its body is read.
    Read,
    /// Another one is being read: the session ends.
    Overlap,
    /// The session is not on polling.
    WrongTransport,
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

/// What a packet on an upgrading WebSocket leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeAction {
    /// `3probe` is the answer.
    Answer,
    /// This WebSocket is the transport from now on.
    Complete,
    /// It is closed; the session goes on by polling.
    Refuse,
}

impl Session {
    /// A `GET` with this session's id has come in on `connection`. `has_news` says whether there is more to answer with than what is
    /// queued here.
    pub fn poll(&mut self, connection: Key, has_news: bool) -> PollAction {
        let has_output = has_news || !self.queue.is_empty();
        let is_probed = self
            .upgrade
            .as_ref()
            .is_some_and(|upgrade| upgrade.is_probed);
        match &mut self.transport {
            Transport::WebSocket(_) => PollAction::WrongTransport,
            Transport::Polling {
                poll: Some(first), ..
            } => PollAction::Overlap(*first),
            Transport::Polling { poll, .. } => {
                if !has_output && is_probed {
                    return PollAction::Noop;
                }
                *poll = Some(connection);
                if has_output {
                    PollAction::Answer
                } else {
                    PollAction::Wait
                }
            }
        }
    }

    /// The head of a `POST` with this session's id has come in on `connection`.
    pub fn post(&mut self, connection: Key) -> PostAction {
        match &mut self.transport {
            Transport::WebSocket(_) => PostAction::WrongTransport,
            Transport::Polling { post: Some(_), .. } => PostAction::Overlap,
            Transport::Polling { post, .. } => {
                *post = Some(connection);
                PostAction::Read
            }
        }
    }

    /// A WebSocket with this session's id has been opened.
    pub fn begin_upgrade(&mut self, connection: Key, reads_binary: bool, timer: TimerKey) {
        self.upgrade = Some(Box::new(Upgrade {
            connection,
            is_probed: false,
            reads_binary,
            timer,
        }));
    }

    /// Whether this connection carries the session now, or is about to.
    pub fn uses(&self, connection: Key) -> bool {
        let is_upgrading = self
            .upgrade
            .as_ref()
            .is_some_and(|upgrade| upgrade.connection == connection);
        is_upgrading
            || match self.transport {
                Transport::WebSocket(websocket) => websocket == connection,
                Transport::Polling { poll, post } => {
                    poll == Some(connection) || post == Some(connection)
                }
            }
    }

    /// Whether a packet emitted now would go out at once: the rule by which volatile ones are kept or dropped.
    pub fn is_writable(&self, websocket_outbox_is_empty: bool) -> bool {
        match self.transport {
            Transport::WebSocket(_) => websocket_outbox_is_empty,
            Transport::Polling { poll, .. } => poll.is_some() && self.queue.is_empty(),
        }
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
            Some(Packet::Pong(_)) => match self.heartbeat {
                Heartbeat::PongBy(_) => PacketAction::Alive,
                Heartbeat::PingAt(_) => PacketAction::Ignore,
            },
            Some(Packet::Open | Packet::Upgrade | Packet::Noop) => PacketAction::Ignore,
        }
    }

    /// A packet has come in on the WebSocket that is to take over.
    pub fn receive_probe(&mut self, packet: Option<Packet<'_>>) -> ProbeAction {
        match packet {
            Some(Packet::Ping("probe")) => {
                if let Some(upgrade) = &mut self.upgrade {
                    upgrade.is_probed = true;
                }
                ProbeAction::Answer
            }
            Some(Packet::Upgrade) => ProbeAction::Complete,
            _ => ProbeAction::Refuse,
        }
    }

    /// The ping that was due at `scheduled_ms` goes out at `now_ms`: the instant by which its pong has to be here.
    ///
    /// It counts from when the ping was due, so that what clients see does not drift by the milliseconds that a turn takes;
    /// a ping that goes out later than that gives its client the whole time all the same.
    pub fn pong_deadline(scheduled_ms: u64, now_ms: u64, ping_timeout_ms: u64) -> u64 {
        let is_late = now_ms.saturating_sub(scheduled_ms) > MAX_DRIFT_MS;
        let sent_ms = if is_late { now_ms } else { scheduled_ms };
        sent_ms.saturating_add(ping_timeout_ms)
    }

    /// Whether the pong is overdue, whatever the timer has done so far.
    pub fn is_overdue(&self, now_ms: u64) -> bool {
        matches!(self.heartbeat, Heartbeat::PongBy(deadline) if deadline <= now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::Slots;
    use crate::wheel::Wheel;

    fn session() -> (Session, Key, Key) {
        let mut slots = Slots::default();
        let keys = (slots.insert(()), slots.insert(()));
        let session = Session {
            secret: Secret::draw(&mut |bytes| bytes.fill(1)),
            revision: Revision::V4,
            reads_binary: true,
            transport: Transport::Polling {
                poll: None,
                post: None,
            },
            upgrade: None,
            heartbeat: Heartbeat::PingAt(25_000),
            heartbeat_timer: Wheel::new(0).insert(25_000, ()),
            connect_timer: None,
            queue: VecDeque::new(),
            queued_bytes: 0,
            is_closing: false,
            flush_due: Due::No,
            query: "".into(),
            details: None,
        };
        (session, keys.0, keys.1)
    }

    #[test]
    fn a_poll_waits_until_there_is_something() {
        let (mut session, a, b) = session();
        assert_eq!(session.poll(a, false), PollAction::Wait);
        assert_eq!(session.poll(b, false), PollAction::Overlap(a));
        session.transport = Transport::Polling {
            poll: None,
            post: None,
        };
        session.queue.push_back(Frame::text("4x"));
        assert_eq!(session.poll(b, false), PollAction::Answer);
    }

    #[test]
    fn one_post_at_a_time() {
        let (mut session, a, b) = session();
        assert_eq!(session.post(a), PostAction::Read);
        assert_eq!(session.post(b), PostAction::Overlap);
        session.transport = Transport::WebSocket(a);
        assert_eq!(session.post(b), PostAction::WrongTransport);
        assert_eq!(session.poll(b, false), PollAction::WrongTransport);
    }

    #[test]
    fn polls_end_at_once_between_probe_and_upgrade() {
        let (mut session, a, b) = session();
        session.upgrade = Some(Box::new(Upgrade {
            connection: a,
            is_probed: false,
            reads_binary: true,
            timer: session.heartbeat_timer,
        }));
        assert_eq!(
            session.receive_probe(Packet::decode("4x")),
            ProbeAction::Refuse
        );
        assert_eq!(
            session.receive_probe(Packet::decode("2")),
            ProbeAction::Refuse
        );
        assert_eq!(
            session.receive_probe(Packet::decode("2probe")),
            ProbeAction::Answer
        );
        assert_eq!(session.poll(b, false), PollAction::Noop);
        session.queue.push_back(Frame::text("4x"));
        assert_eq!(session.poll(b, false), PollAction::Answer);
        assert_eq!(
            session.receive_probe(Packet::decode("5")),
            ProbeAction::Complete
        );
    }

    #[test]
    fn only_an_awaited_pong_counts() {
        let (mut session, _, _) = session();
        assert_eq!(session.receive(Packet::decode("3")), PacketAction::Ignore);
        session.heartbeat = Heartbeat::PongBy(5);
        assert_eq!(
            session.receive(Packet::decode("4x")),
            PacketAction::Message("x")
        );
        assert_eq!(session.receive(Packet::decode("3")), PacketAction::Alive);
        assert!(session.is_overdue(5) && !session.is_overdue(4));
    }

    #[test]
    fn wrong_packets_end_the_session_with_their_reason() {
        let (session, _, _) = session();
        for (text, reason) in [
            ("7", DisconnectReason::ParseError),
            ("", DisconnectReason::ParseError),
            ("2", DisconnectReason::TransportError),
            ("2probe", DisconnectReason::TransportError),
        ] {
            assert_eq!(
                session.receive(Packet::decode(text)),
                PacketAction::Close(reason)
            );
        }
        assert_eq!(session.receive(Packet::decode("1")), PacketAction::Asked);
        for text in ["0x", "5", "6"] {
            assert_eq!(session.receive(Packet::decode(text)), PacketAction::Ignore);
        }
    }

    #[test]
    fn in_revision_3_clients_send_the_pings() {
        let (mut session, _, _) = session();
        session.revision = Revision::V3;
        assert_eq!(
            session.receive(Packet::decode("2x")),
            PacketAction::AnswerPing("x")
        );
        assert_eq!(
            session.receive(Packet::decode("3")),
            PacketAction::Close(DisconnectReason::TransportError)
        );
    }

    #[test]
    fn a_late_ping_leaves_the_client_its_whole_time() {
        assert_eq!(Session::pong_deadline(300, 301, 200), 500);
        assert_eq!(Session::pong_deadline(300, 400, 200), 600);
        assert_eq!(Session::pong_deadline(300, 9_000, 200), 9_200);
    }
}
