//! What carries a session: polls, posts, a WebSocket, and the way from the ones to the other.

use super::Session;
use crate::clock::Clock;
use crate::engine::Packet;
use crate::frame::Frame;
use crate::id::ConnectionId;
use crate::wheel::TimerKey;

/// What carries a session's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP long-polling: at most one waiting `GET` and one `POST` that is being received.
    Polling {
        poll: Option<ConnectionId>,
        post: Option<ConnectionId>,
    },
    /// One WebSocket.
    WebSocket(ConnectionId),
}

impl Transport {
    /// The WebSocket, if it is one.
    pub fn websocket(self) -> Option<ConnectionId> {
        match self {
            Transport::WebSocket(connection) => Some(connection),
            Transport::Polling { .. } => None,
        }
    }
}

/// A WebSocket that is about to take over from polling.
#[derive(Clone, Copy, Debug)]
pub(super) struct Upgrade {
    connection: ConnectionId,
    /// Whether its probe has been answered: from then on polls end at once.
    is_probed: bool,
    /// What [`Session::reads_binary`] is from then on.
    reads_binary: bool,
    timer: TimerKey,
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
    Overlap(ConnectionId),
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
    /// The WebSocket that carries it, if one does and it takes packets.
    pub fn websocket(&self) -> Option<ConnectionId> {
        match self.transport {
            Transport::WebSocket(connection) if self.takes_output() => Some(connection),
            _ => None,
        }
    }

    /// Whether it is on polling.
    pub fn is_on_polling(&self) -> bool {
        matches!(self.transport, Transport::Polling { .. })
    }

    /// The `GET` that waits for packets.
    pub fn waiting_poll(&self) -> Option<ConnectionId> {
        match self.transport {
            Transport::Polling { poll, .. } => poll,
            Transport::WebSocket(_) => None,
        }
    }

    /// The waiting `GET` is about to be answered.
    pub fn take_poll(&mut self) -> Option<ConnectionId> {
        match &mut self.transport {
            Transport::Polling { poll, .. } => poll.take(),
            Transport::WebSocket(_) => None,
        }
    }

    /// The `POST` that is being received.
    pub fn incoming_post(&self) -> Option<ConnectionId> {
        match self.transport {
            Transport::Polling { post, .. } => post,
            Transport::WebSocket(_) => None,
        }
    }

    /// The `POST` on this connection is done with: what comes next on it may be for somebody else.
    pub fn end_post(&mut self, connection: ConnectionId) {
        if let Transport::Polling { post, .. } = &mut self.transport {
            if *post == Some(connection) {
                *post = None;
            }
        }
    }

    /// A connection has been cut. True when its poll or its `POST` was on it.
    pub fn cut(&mut self, connection: ConnectionId) -> bool {
        let Transport::Polling { poll, post } = &mut self.transport else {
            return false;
        };
        let request = match *poll == Some(connection) {
            true => poll,
            false => post,
        };
        let is_its = *request == Some(connection);
        if is_its {
            *request = None;
        }
        is_its
    }

    /// A `GET` with this session's id has come in on `connection`. `has_news` says whether there is more to answer with than what is
    /// queued here.
    pub fn poll(&mut self, connection: ConnectionId, has_news: bool) -> PollAction {
        let has_output = has_news || !self.queue.is_empty();
        let is_probed = self.is_probed();
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
    pub fn post(&mut self, connection: ConnectionId) -> PostAction {
        match &mut self.transport {
            Transport::WebSocket(_) => PostAction::WrongTransport,
            Transport::Polling { post: Some(_), .. } => PostAction::Overlap,
            Transport::Polling { post, .. } => {
                *post = Some(connection);
                PostAction::Read
            }
        }
    }

    /// Whether a WebSocket that is opened now can take over.
    pub fn can_upgrade(&self) -> bool {
        self.is_on_polling() && self.upgrade.is_none() && self.takes_input()
    }

    /// A WebSocket with this session's id has been opened.
    pub fn begin_upgrade(&mut self, connection: ConnectionId, reads_binary: bool, timer: TimerKey) {
        self.upgrade = Some(Box::new(Upgrade {
            connection,
            is_probed: false,
            reads_binary,
            timer,
        }));
    }

    /// The WebSocket that is about to take over.
    pub fn upgrading_to(&self) -> Option<ConnectionId> {
        self.upgrade.as_ref().map(|upgrade| upgrade.connection)
    }

    /// Whether the WebSocket that is about to take over waits for polls to end.
    pub fn is_probed(&self) -> bool {
        self.upgrade
            .as_ref()
            .is_some_and(|upgrade| upgrade.is_probed)
    }

    /// Gives up on the WebSocket that was to take over, and names it.
    pub fn abandon_upgrade(&mut self, clock: &mut Clock) -> Option<ConnectionId> {
        let upgrade = self.upgrade.take()?;
        clock.cancel(upgrade.timer);
        Some(upgrade.connection)
    }

    /// A WebSocket takes over: what was queued for polls goes there.
    pub fn complete_upgrade(&mut self, clock: &mut Clock, websocket: ConnectionId) -> Vec<Frame> {
        if let Some(upgrade) = self.upgrade.take() {
            clock.cancel(upgrade.timer);
            self.reads_binary = upgrade.reads_binary;
        }
        let queue = self.take_queue(usize::MAX, usize::MAX);
        self.transport = Transport::WebSocket(websocket);
        let queue = queue.into_iter();
        queue.map(|frame| self.for_websocket(frame)).collect()
    }

    /// The connections that carry the session now.
    pub fn carriers(&self) -> impl Iterator<Item = ConnectionId> {
        let carriers = match self.transport {
            Transport::WebSocket(websocket) => [Some(websocket), None],
            Transport::Polling { poll, post } => [poll, post],
        };
        carriers.into_iter().flatten()
    }

    /// The connection on which packets of its client come in now.
    pub fn input_carrier(&self) -> Option<ConnectionId> {
        match self.transport {
            Transport::WebSocket(websocket) => Some(websocket),
            Transport::Polling { post, .. } => post,
        }
    }

    /// Whether this connection carries the session now, or is about to.
    pub fn uses(&self, connection: ConnectionId) -> bool {
        self.upgrading_to() == Some(connection) || self.carriers().any(|it| it == connection)
    }

    /// Whether a packet emitted now would go out at once: the rule by which volatile ones are kept or dropped.
    pub fn is_writable(&self, websocket_outbox_is_empty: bool) -> bool {
        match self.transport {
            _ if !self.takes_output() => false,
            Transport::WebSocket(_) => websocket_outbox_is_empty,
            Transport::Polling { poll, .. } => poll.is_some() && self.queue.is_empty(),
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
            Some(Packet::Upgrade) if self.is_probed() => ProbeAction::Complete,
            _ => ProbeAction::Refuse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{session, session_with_clock};
    use super::*;
    use crate::timer::Timer;

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
        let (mut session, mut clock, id, a, b) = session_with_clock();
        let timer = clock.arm(10_000, Timer::Upgrade(id));
        session.begin_upgrade(a, true, timer);
        assert_eq!(
            session.receive_probe(Packet::decode("4x")),
            ProbeAction::Refuse
        );
        assert_eq!(
            session.receive_probe(Packet::decode("2")),
            ProbeAction::Refuse
        );
        assert_eq!(
            session.receive_probe(Packet::decode("5")),
            ProbeAction::Refuse,
            "it has not been probed"
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
}
