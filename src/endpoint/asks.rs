//! Questions: acknowledgements of clients with a time limit, and answers gathered from many. Those to other servers of a cluster
//! are in a file of their own.

mod cluster;

use std::collections::{BTreeMap, BTreeSet};

use super::{AskId, Endpoint, Event};
use crate::error::{AckError, Error};
use crate::panics::Verb;
use crate::priority::Priority;
use crate::slots::{Key, Slots};
use crate::socket::{AckRequest, Args, NamespaceId, RemoteSocket, SocketId, Target};
use crate::timer::Timer;
use crate::wheel::TimerKey;

/// All questions that have a time limit.
#[derive(Default)]
pub(super) struct Asks {
    open: Slots<Ask>,
    /// By the number that clients acknowledge.
    by_ack: BTreeMap<(NamespaceId, u64), Key>,
    /// Those whose answer goes to somebody who waits for it elsewhere.
    waiters: BTreeMap<(SocketId, u64), Key>,
}

/// Where one client's answer goes.
pub(crate) type Reply = Box<dyn FnOnce(Result<Args, AckError>) + Send>;

/// Where the answers of many go, and whether they are complete, or why they could not be asked.
pub(crate) type Replies = Box<dyn FnOnce(Result<(Vec<Args>, bool), Error>) + Send>;

/// Where the sockets go that have been asked for.
pub(crate) type FetchReply = Box<dyn FnOnce(Vec<RemoteSocket>) + Send>;

struct Ask {
    timer: Option<TimerKey>,
    /// What clients acknowledge.
    ack: Option<(NamespaceId, u64)>,
    kind: Kind,
    /// How many answers of other servers have come, and how many there will be, as far as that is known.
    remote: u64,
    remote_expected: Option<u64>,
}

enum Kind {
    /// One client's acknowledgement.
    One(SocketId),
    /// The same, for somebody who waits elsewhere.
    Waiter(SocketId, Reply),
    /// Those of many; somebody may wait for them elsewhere.
    Many {
        waiting: BTreeSet<SocketId>,
        answers: Vec<Args>,
        left_bytes: usize,
        replies: Option<Replies>,
    },
    /// Those of many, for another server that knows them by a number of its own.
    Relay {
        waiting: BTreeSet<SocketId>,
        relay: u64,
    },
    /// Sockets of other servers, behind those of this one; somebody may wait for them elsewhere.
    Fetch(Vec<RemoteSocket>, Option<FetchReply>),
}

#[cfg(test)]
impl Asks {
    pub fn is_empty(&self) -> bool {
        self.open.count() == 0 && self.by_ack.is_empty() && self.waiters.is_empty()
    }
}

impl Ask {
    fn is_complete(&self) -> bool {
        let is_local_complete = match &self.kind {
            Kind::One(_) | Kind::Waiter(..) => false,
            Kind::Many { waiting, .. } | Kind::Relay { waiting, .. } => waiting.is_empty(),
            Kind::Fetch(..) => true,
        };
        is_local_complete
            && self
                .remote_expected
                .is_some_and(|answers| self.remote >= answers)
    }
}

impl Endpoint {
    /// Emits an event to one socket and asks for an acknowledgement, which comes as
    /// [`Event::Acknowledged`](super::Event::Acknowledged) with the number given back here, if it comes.
    pub fn emit_with_ack(
        &mut self,
        socket: SocketId,
        event: &str,
        args: &Args,
    ) -> Result<u64, Error> {
        let _verb = Verb::begin();
        self.check_event(event, args)?;
        let namespace = self
            .sockets
            .get(socket)
            .ok_or(Error::NoSuchSocket)?
            .namespace;
        if self.sockets.pending_acks(socket) >= self.config.max_pending_acks {
            return Err(Error::TooManyAcks);
        }
        let id = self
            .sockets
            .next_ack(namespace)
            .ok_or(Error::NoSuchSocket)?;
        self.sockets.ask_ack(socket, id);
        self.emit_packet(socket, Some(id), event, args)?;
        Ok(id)
    }

    /// As [`Endpoint::emit_with_ack`]; when no acknowledgement has come within so many milliseconds,
    /// [`Event::AckTimedOut`] does, also when the socket has disconnected meanwhile.
    pub fn emit_with_ack_within(
        &mut self,
        socket: SocketId,
        event: &str,
        args: &Args,
        timeout_ms: u64,
    ) -> Result<u64, Error> {
        let _verb = Verb::begin();
        let id = self.emit_with_ack(socket, event, args)?;
        if let Ok(namespace) = self.namespace_of(socket) {
            self.open_ask(
                Some((namespace, id)),
                Kind::One(socket),
                Some(0),
                Some(timeout_ms),
            );
        }
        Ok(id)
    }

    /// Emits an event to one socket and asks for an acknowledgement, which goes to somebody who waits elsewhere. There is one
    /// reply in any case: when the client has gone, or has not answered within so many milliseconds, that is the reply.
    pub(crate) fn emit_with_reply(
        &mut self,
        socket: SocketId,
        event: &str,
        args: &Args,
        timeout_ms: Option<u64>,
        reply: Reply,
    ) {
        // Whoever is away is not sent a question when it comes back, and so cannot answer it.
        let asked = match self.is_connected(socket) {
            true => self.emit_with_ack(socket, event, args),
            false => Err(Error::NoSuchSocket),
        };
        let id = match asked {
            Ok(id) => id,
            Err(Error::NoSuchSocket) => return reply(Err(AckError::Disconnected)),
            Err(error) => return reply(Err(AckError::Refused(error))),
        };
        let Ok(namespace) = self.namespace_of(socket) else {
            return reply(Err(AckError::Disconnected));
        };
        let kind = Kind::Waiter(socket, reply);
        let ask = self.open_ask(Some((namespace, id)), kind, Some(0), timeout_ms);
        self.asks.waiters.insert((socket, id), ask.0);
    }

    /// A client has gone: it answers nothing any more.
    pub(super) fn fail_waiters(&mut self, socket: SocketId) {
        if self.asks.waiters.is_empty() {
            return;
        }
        let waiters = self.asks.waiters.range((socket, 0)..=(socket, u64::MAX));
        let waiters: Vec<Key> = waiters.map(|(_, key)| *key).collect();
        for key in waiters {
            if let Some(Kind::Waiter(_, reply)) = self.close_ask(key).map(|ask| ask.kind) {
                reply(Err(AckError::Disconnected));
            }
        }
    }

    /// Emits an event to all sockets that a target means and gathers their acknowledgements; those that have come after so
    /// many milliseconds, or all, come as [`Event::Answered`]. Clients that owe too many already, or are away, are not asked.
    pub fn broadcast_with_ack(
        &mut self,
        target: &Target,
        event: &str,
        args: &Args,
        timeout_ms: u64,
    ) -> Result<AskId, Error> {
        let _verb = Verb::begin();
        self.broadcast_and_gather(target, event, args, timeout_ms, None)
    }

    /// As [`Endpoint::broadcast_with_ack`], for somebody who waits elsewhere and hears of it in any case.
    pub(crate) fn broadcast_with_replies(
        &mut self,
        target: &Target,
        event: &str,
        args: &Args,
        timeout_ms: u64,
        replies: Replies,
    ) {
        let is_served = self.namespace_name(target.namespace_id()).is_some();
        let can_ask = self.check_event(event, args).and(match is_served {
            true => Ok(()),
            false => Err(Error::NoSuchNamespace),
        });
        if let Err(error) = can_ask {
            return replies(Err(error));
        }
        let asked = self.broadcast_and_gather(target, event, args, timeout_ms, Some(replies));
        debug_assert!(asked.is_ok(), "what can go wrong was looked at before");
    }

    fn broadcast_and_gather(
        &mut self,
        target: &Target,
        event: &str,
        args: &Args,
        timeout_ms: u64,
        replies: Option<Replies>,
    ) -> Result<AskId, Error> {
        self.check_event(event, args)?;
        self.note_emitted(target, event, args);
        let left_bytes = self.config.max_answer_bytes;
        let kind = |waiting| Kind::Many {
            waiting,
            answers: Vec::new(),
            left_bytes,
            replies,
        };
        let ask = self.ask_clients(target, event, args, timeout_ms, kind)?;
        if self.reaches_others(target) {
            let request = AckRequest {
                ask: ask.to_number(),
                timeout_ms,
            };
            self.publish(target, |adapter, audience| {
                adapter.emit(audience, event, args, Some(request))
            });
        } else {
            self.cluster().expect_acks(ask, 0);
        }
        Ok(ask)
    }

    /// Emits an event with one number to all that a target means here, and waits for them.
    fn ask_clients(
        &mut self,
        target: &Target,
        event: &str,
        args: &Args,
        timeout_ms: u64,
        kind: impl FnOnce(BTreeSet<SocketId>) -> Kind,
    ) -> Result<AskId, Error> {
        let namespace = target.namespace_id();
        let id = self
            .sockets
            .next_ack(namespace)
            .ok_or(Error::NoSuchNamespace)?;
        let max_pending = self.config.max_pending_acks;
        let asked = self.fetch_sockets(target);
        // Whoever is away is not sent a question when it comes back, and so cannot answer it.
        let can_answer = |socket: &SocketId| {
            self.sockets.pending_acks(*socket) < max_pending && !self.is_away(*socket)
        };
        let waiting: BTreeSet<SocketId> = asked.into_iter().filter(can_answer).collect();
        let sockets: Vec<SocketId> = waiting.iter().copied().collect();
        let priority = Priority::of(sockets.len());
        let ask = self.open_ask(Some((namespace, id)), kind(waiting), None, Some(timeout_ms));
        let name = self.sockets.namespace_name(namespace).unwrap_or_default();
        let parser = self.config.parser;
        let packet = parser.event(&mut self.codec.frames, name, Some(id), event, args);
        let packet = packet.compressed(target.is_compressed());
        self.tally.emits += 1;
        self.count_event(&packet, sockets.len() as u64);
        for socket in sockets {
            self.sockets.ask_ack(socket, id);
            if let Some(session) = self.sockets.get(socket).map(|socket| socket.session) {
                self.send_packet(session, &packet, priority);
            }
        }
        Ok(ask)
    }

    /// A client has acknowledged something that it was asked.
    pub(super) fn answered(&mut self, socket: SocketId, id: u64, args: Args) {
        let namespace = self.sockets.get(socket).map(|socket| socket.namespace);
        let key = namespace.and_then(|namespace| self.asks.by_ack.get(&(namespace, id)).copied());
        let Some(ask) = key.and_then(|key| self.asks.open.get_mut(key)) else {
            return self.push_event(Event::Acknowledged { socket, id, args });
        };
        if let (Some(key), Kind::Waiter(..)) = (key, &ask.kind) {
            if let Some(Kind::Waiter(_, reply)) = self.close_ask(key).map(|ask| ask.kind) {
                reply(Ok(args));
            }
            return;
        }
        let is_one = match &mut ask.kind {
            Kind::One(_) | Kind::Waiter(..) => true,
            Kind::Many {
                waiting,
                answers,
                left_bytes,
                ..
            } => {
                if keep_answer(answers, left_bytes, args.clone()) {
                    waiting.remove(&socket);
                }
                false
            }
            Kind::Relay { waiting, relay } => {
                waiting.remove(&socket);
                self.outside.adapter.client_answered(*relay, &args);
                false
            }
            Kind::Fetch(..) => false,
        };
        if let Some(key) = key.filter(|_| is_one) {
            self.close_ask(key);
            self.push_event(Event::Acknowledged { socket, id, args });
        } else if let Some(key) = key {
            self.close_if_complete(key);
        }
    }

    /// A question's time is over.
    pub(super) fn ask_timed_out(&mut self, key: Key) {
        let Some(ask) = self.close_ask(key) else {
            return;
        };
        match (ask.kind, ask.ack) {
            (Kind::One(socket), Some((_, id))) => {
                self.sockets.take_ack(socket, id);
                self.push_event(Event::AckTimedOut { socket, id });
            }
            (Kind::Waiter(socket, reply), Some((_, id))) => {
                self.sockets.take_ack(socket, id);
                reply(Err(AckError::TimedOut));
            }
            (kind, ack) => self.tell_answers(key, kind, ack, false),
        }
    }

    fn open_ask(
        &mut self,
        ack: Option<(NamespaceId, u64)>,
        kind: Kind,
        remote_expected: Option<u64>,
        timeout_ms: Option<u64>,
    ) -> AskId {
        let now_ms = self.clock.now_ms();
        let by_ms = timeout_ms.map(|timeout_ms| now_ms.saturating_add(timeout_ms));
        let wheel = &mut self.clock.wheel;
        let key = self.asks.open.insert_with(|key| Ask {
            timer: by_ms.map(|by_ms| wheel.insert(by_ms, Timer::Ask(key))),
            ack,
            kind,
            remote: 0,
            remote_expected,
        });
        if let Some(ack) = ack {
            self.asks.by_ack.insert(ack, key);
        }
        AskId(key)
    }

    fn close_ask(&mut self, key: Key) -> Option<Ask> {
        let ask = self.asks.open.remove(key)?;
        if let Some(timer) = ask.timer {
            self.clock.cancel(timer);
        }
        if let Some(ack) = ask.ack {
            self.asks.by_ack.remove(&ack);
        }
        if let (Kind::Waiter(socket, _), Some((_, id))) = (&ask.kind, ask.ack) {
            self.asks.waiters.remove(&(*socket, id));
        }
        Some(ask)
    }

    fn close_if_complete(&mut self, key: Key) {
        if self.asks.open.get(key).is_some_and(Ask::is_complete) {
            if let Some(ask) = self.close_ask(key) {
                self.tell_answers(key, ask.kind, ask.ack, true);
            }
        }
    }

    fn tell_answers(
        &mut self,
        key: Key,
        kind: Kind,
        ack: Option<(NamespaceId, u64)>,
        is_complete: bool,
    ) {
        let event = match kind {
            Kind::One(_) | Kind::Waiter(..) => return,
            Kind::Relay { waiting, .. } => return self.forget_acks(ack, waiting),
            Kind::Many {
                waiting,
                answers,
                replies,
                ..
            } => {
                self.forget_acks(ack, waiting);
                if let Some(replies) = replies {
                    return replies(Ok((answers, is_complete)));
                }
                Event::Answered {
                    ask: AskId(key),
                    answers,
                    is_complete,
                }
            }
            Kind::Fetch(sockets, Some(reply)) => return reply(sockets),
            Kind::Fetch(sockets, None) => Event::Fetched {
                ask: AskId(key),
                sockets,
                is_complete,
            },
        };
        self.push_event(event);
    }

    /// Waits no longer for those who have not answered.
    fn forget_acks(&mut self, ack: Option<(NamespaceId, u64)>, waiting: BTreeSet<SocketId>) {
        if let Some((_, id)) = ack {
            for socket in waiting {
                self.sockets.take_ack(socket, id);
            }
        }
    }
}

/// Keeps an answer, unless there is no room for it any more.
fn keep_answer(answers: &mut Vec<Args>, left_bytes: &mut usize, answer: Args) -> bool {
    const OVERHEAD_BYTES: usize = 64;
    let bytes = answer.bytes() + OVERHEAD_BYTES;
    let has_room = bytes <= *left_bytes;
    if has_room {
        *left_bytes -= bytes;
        answers.push(answer);
    }
    has_room
}
