//! From each event to its handler.

use super::decisions::{Connecting, Next, Opening};
use super::namespace::{heard, Outcome};
use super::questions::{Done, Questions, Responses};
use super::subject::Subject;
use super::{ConnectionError, Context, Io, Namespace, Served, Socket};
use crate::error::AckError;
use crate::http::Request;
use crate::panics::contain;
use crate::{
    Admission, AdmissionId, Args, ConnectError, ConnectId, DisconnectReason, Endpoint, Error,
    Event, Message, NamespaceId, PeerAddr, SocketId,
};

/// The handlers of one namespace, and what they need.
pub(super) struct Found<'a, S: 'static> {
    pub state: &'a mut S,
    pub handlers: &'a mut Namespace<S>,
    pub questions: &'a mut Questions<S>,
}

impl<S: 'static> Io<S> {
    /// Hands an event to its handler. An event that is not Socket.IO's, or is not awaited here, comes back.
    ///
    /// # Errors
    ///
    /// A handler's mistake. [`Error::Panicked`] when it has panicked: its client is disconnected, and one that a middleware or
    /// `allow_request` was to decide about refused. What the handler had done by then is done, the state may be half changed,
    /// and it is called again for the next event. A panic out of a verb of [`Endpoint`] goes on, since the server is not what
    /// it should be then. [`Error::NotAsked`] and [`Error::OtherIo`] when a client has been disconnected or refused since a
    /// middleware or the `allow_request` had not been asked about it.
    pub fn dispatch(
        &mut self,
        endpoint: &mut Endpoint,
        event: Event,
    ) -> Result<Option<Event>, Error> {
        if !self.guard(endpoint, &event)? {
            return Ok(None);
        }
        let subject = Subject::of(&event);
        let outcome = contain(|| match event {
            // Of these there are by far the most.
            Event::Message(message) => self.message(endpoint, message).map(|()| None),
            event @ (Event::Request { .. }
            | Event::RequestBody { .. }
            | Event::RequestBodyEnd { .. }
            | Event::RequestAborted { .. }) => Ok(self.route(endpoint, event)),
            event => self.dispatch_guarded(endpoint, event),
        });
        outcome.unwrap_or_else(|message| {
            self.panics += 1;
            subject.give_up(endpoint);
            Err(Error::Panicked(message))
        })
    }

    fn dispatch_guarded(
        &mut self,
        endpoint: &mut Endpoint,
        event: Event,
    ) -> Result<Option<Event>, Error> {
        let state = &mut self.state;
        let mut context = Context {
            endpoint,
            questions: &mut self.questions,
        };
        let outcome = match event {
            Event::AllowRequest { ticket, head, peer } => {
                self.request_opens(endpoint, ticket, &head, peer);
                Ok(())
            }
            Event::ConnectionError {
                head,
                peer,
                code,
                message,
                context,
            } => {
                let error = ConnectionError {
                    head: &head,
                    peer,
                    code,
                    message: &message,
                    context: &context,
                };
                let handlers = self.hooks.on_connection_error.iter_mut();
                first_error(handlers.map(|handler| handler(state, &error)))
            }
            Event::NamespaceCreated { namespace } => {
                let handlers = self.hooks.on_namespace.iter_mut();
                first_error(handlers.map(|handler| handler(state, &mut context, namespace)))
            }
            Event::Answered {
                ask,
                answers,
                is_complete,
            } => match context.questions.take_ask(ask) {
                Some(handler) => {
                    let responses = Responses {
                        answers,
                        is_complete,
                    };
                    told(handler(state, &mut context, responses))
                }
                None => {
                    return Ok(Some(Event::Answered {
                        ask,
                        answers,
                        is_complete,
                    }))
                }
            },
            Event::Fetched {
                ask,
                sockets,
                is_complete,
            } => match context.questions.take_fetch(ask) {
                Some(handler) => told(handler(state, &mut context, sockets)),
                None => {
                    return Ok(Some(Event::Fetched {
                        ask,
                        sockets,
                        is_complete,
                    }))
                }
            },
            Event::Room {
                namespace,
                room,
                change,
            } => {
                let handlers = self.hooks.on_room.iter_mut();
                first_error(
                    handlers.map(|handler| handler(state, &mut context, namespace, &room, &change)),
                )
            }
            Event::LimitReached { limit, times, peer } => {
                let handlers = self.hooks.on_limit.iter_mut();
                first_error(
                    handlers.map(|handler| handler(state, &mut context, limit, times, peer)),
                )
            }
            Event::Timer { timer, token } => match Self::is_own_timer(token) {
                true => told(self.timer_fired(endpoint, timer, token)),
                false => return Ok(Some(Event::Timer { timer, token })),
            },
            Event::Emitted { target, args } => match self.find(endpoint, target.namespace_id()) {
                None => Ok(()),
                Some(found) => {
                    let mut context = Context {
                        endpoint,
                        questions: found.questions,
                    };
                    let handlers = found.handlers.on_any_outgoing.iter_mut();
                    first_error(
                        handlers.map(|handler| handler(found.state, &mut context, &target, &args)),
                    )
                }
            },
            Event::ServerSide {
                args,
                namespace,
                reply,
            } => {
                let handlers = self.hooks.on_server_side.iter_mut();
                first_error(
                    handlers.map(|handler| handler(state, &mut context, namespace, &args, reply)),
                )
            }
            other => return self.dispatch_of_client(endpoint, other),
        };
        outcome.map(|()| None)
    }

    /// What one client has done, or what has become of it.
    fn dispatch_of_client(
        &mut self,
        endpoint: &mut Endpoint,
        event: Event,
    ) -> Result<Option<Event>, Error> {
        let outcome = match event {
            Event::ConnectRequested {
                ticket,
                namespace,
                auth,
                passed,
            } => {
                let outcome = self.connect_requested(endpoint, ticket, &namespace, &auth, passed);
                outcome.or_else(heard)
            }
            Event::ProgressCommand {
                ticket,
                socket,
                command,
            } if !self.progress.rules.is_empty() => {
                self.progress_command(endpoint, ticket, socket, &command)
            }
            Event::Connected {
                socket,
                namespace,
                auth,
                is_recovered,
            } => self.connected(endpoint, socket, namespace, &auth, is_recovered),
            Event::Acknowledged { socket, id, args } => {
                self.acknowledged(endpoint, socket, id, Ok(&args))
            }
            Event::AckTimedOut { socket, id } => {
                self.acknowledged(endpoint, socket, id, Err(AckError::TimedOut))
            }
            Event::Disconnecting {
                socket,
                namespace,
                reason,
            } => self.leaving(endpoint, socket, namespace, reason, true),
            Event::Disconnected {
                socket,
                namespace,
                reason,
            } => {
                let unanswered = self.give_up_answers(endpoint, socket);
                let outcome = self.leaving(endpoint, socket, namespace, reason, false);
                self.forget(endpoint, socket, namespace);
                unanswered.and(outcome)
            }
            Event::RecoveryExpired { socket, namespace } => {
                let outcome =
                    self.with_socket(endpoint, socket, namespace, |state, handlers, socket| {
                        let mut outcome = Outcome::default();
                        for handler in &mut handlers.on_recovery_expired {
                            outcome.add(handler(state, socket));
                        }
                        outcome
                    });
                self.forget(endpoint, socket, namespace);
                outcome
            }
            other => return Ok(Some(other)),
        };
        outcome.map(|()| None)
    }

    /// Each of them has to accept, at once or later, and all have been asked before any of that counts.
    fn request_opens(
        &mut self,
        endpoint: &mut Endpoint,
        ticket: AdmissionId,
        request: &Request,
        peer: PeerAddr,
    ) {
        endpoint.expect_admissions(ticket, self.hooks.allow_request.len() + 1);
        for decide in &mut self.hooks.allow_request {
            let mut opening = Opening {
                endpoint,
                id: ticket,
                request,
                peer,
                admission: Admission::accept(),
            };
            let decision = decide(&mut self.state, &mut opening);
            let admission = match decision {
                Ok(Next::Go) => opening.admission,
                Ok(Next::Later) => continue,
                Err(refusal) => refusal.into_admission(),
            };
            // An error says that it has been decided already, or that its sender is gone.
            let _ = endpoint.admit(ticket, admission);
        }
        let _ = endpoint.admit(ticket, Admission::accept());
    }

    /// Which handlers serve a namespace of this name, as far as that has been settled or needs no decision.
    fn find_by_name(&mut self, endpoint: &Endpoint, name: &str) -> Option<usize> {
        let is_named = |served: &Served<S>| served.pattern.name() == Some(name);
        self.served.iter().position(is_named).or_else(|| {
            let namespace = endpoint.namespace(name).ok()?;
            self.by_namespace.get(&namespace).copied()
        })
    }

    fn connect_requested(
        &mut self,
        endpoint: &mut Endpoint,
        id: ConnectId,
        name: &str,
        auth: &Args,
        passed: u32,
    ) -> Result<(), Error> {
        let found = self
            .find_by_name(endpoint, name)
            .or_else(|| self.find_by_pattern(name, auth));
        let Some(index) = found else {
            return match endpoint.namespace(name) {
                Ok(_) => endpoint.accept_connect(id).map(|_| ()),
                Err(_) => endpoint.refuse_connect(id, &ConnectError::new("Invalid namespace")),
            };
        };
        let middlewares = &mut self.served[index].handlers.middlewares;
        for (middleware, number) in middlewares.iter_mut().zip(0..).skip(passed as usize) {
            // Where this one decides later, the client is passed on to the one behind it. A client that is gone by now, or has
            // been decided on, is none of the others' business.
            endpoint.set_passed(id, number)?;
            match middleware(&mut self.state, &mut Connecting { endpoint, id }) {
                Ok(Next::Go) => {}
                Ok(Next::Later) => return Ok(()),
                Err(refusal) => return endpoint.refuse_connect(id, &refusal.into_connect_error()),
            }
        }
        match endpoint.accept_connect(id) {
            // There are as many namespaces as may be, which the client has been told.
            Err(Error::BadNamespace(_)) => Ok(()),
            Err(error) => Err(error),
            Ok(socket) => {
                let namespace = endpoint.namespace_of(socket)?;
                self.settle(endpoint, namespace, index);
                Ok(())
            }
        }
    }

    /// Remembers which handlers serve a namespace, and forgets namespaces that are gone.
    fn settle(&mut self, endpoint: &Endpoint, namespace: NamespaceId, index: usize) {
        self.by_namespace.insert(namespace, index);
        if self.by_namespace.len() > 2 * endpoint.namespaces().count() {
            self.by_namespace
                .retain(|known, _| endpoint.namespace_name(*known).is_some());
        }
    }

    /// Finds handlers by pattern for a namespace that has none yet.
    pub(super) fn settle_by_pattern(
        &mut self,
        endpoint: &Endpoint,
        namespace: NamespaceId,
        auth: &Args,
    ) {
        if self.find(endpoint, namespace).is_none() {
            let name = endpoint.namespace_name(namespace).unwrap_or_default();
            if let Some(index) = self.find_by_pattern(name, auth) {
                self.settle(endpoint, namespace, index);
            }
        }
    }

    fn find_by_pattern(&mut self, name: &str, auth: &Args) -> Option<usize> {
        let state = &mut self.state;
        let mut served = self.served.iter_mut();
        served.position(|served| served.pattern.matches(state, name, auth))
    }

    fn connected(
        &mut self,
        endpoint: &mut Endpoint,
        id: SocketId,
        namespace: NamespaceId,
        auth: &Args,
        is_recovered: bool,
    ) -> Result<(), Error> {
        // Its first client may have been let in later, by somebody else than the middlewares.
        self.settle_by_pattern(endpoint, namespace, auth);
        self.with_socket(endpoint, id, namespace, |state, handlers, socket| {
            socket.is_recovered = is_recovered;
            let mut outcome = Outcome::default();
            for handler in &mut handlers.on_connect {
                outcome.add(handler(state, socket));
            }
            outcome
        })
    }

    fn message(&mut self, endpoint: &mut Endpoint, mut message: Message) -> Result<(), Error> {
        let outcome = match self.find(endpoint, message.namespace) {
            Some(found) => {
                let mut socket = Socket::new(endpoint, found.questions, message.socket);
                let handlers = found.handlers;
                handlers.handle(found.state, &mut socket, &mut message)
            }
            None => Ok(()),
        };
        endpoint.recycle(message);
        outcome
    }

    fn leaving(
        &mut self,
        endpoint: &mut Endpoint,
        id: SocketId,
        namespace: NamespaceId,
        reason: DisconnectReason,
        is_still_there: bool,
    ) -> Result<(), Error> {
        self.with_socket(endpoint, id, namespace, |state, handlers, socket| {
            let mut outcome = Outcome::default();
            let handlers = match is_still_there {
                true => &mut handlers.on_disconnecting,
                false => &mut handlers.on_disconnect,
            };
            for handler in handlers {
                outcome.add(handler(state, socket, reason));
            }
            outcome
        })
    }

    /// Calls handlers of a socket, and has told what they have failed with.
    fn with_socket(
        &mut self,
        endpoint: &mut Endpoint,
        id: SocketId,
        namespace: NamespaceId,
        call: impl FnOnce(&mut S, &mut Namespace<S>, &mut Socket<'_, S>) -> Outcome,
    ) -> Result<(), Error> {
        let Some(found) = self.find(endpoint, namespace) else {
            return Ok(());
        };
        let mut socket = Socket::new(endpoint, found.questions, id);
        let outcome = call(found.state, found.handlers, &mut socket);
        found.handlers.tell(found.state, &mut socket, outcome)
    }

    /// Hands an answer to who asked for it.
    fn acknowledged(
        &mut self,
        endpoint: &mut Endpoint,
        id: SocketId,
        number: u64,
        answer: Result<&Args, AckError>,
    ) -> Result<(), Error> {
        let Ok(namespace) = endpoint.namespace_of(id) else {
            // It is gone for good, and so is who would hear of an error.
            let questions = &mut self.questions;
            let done = questions.acknowledged(&mut self.state, endpoint, id, number, answer);
            return told(done);
        };
        let (state, questions) = (&mut self.state, &mut self.questions);
        let mut outcome = Outcome::default();
        outcome.add(questions.acknowledged(state, endpoint, id, number, answer));
        self.with_socket(endpoint, id, namespace, |_, _, _| outcome)
    }

    /// Whoever has gone answers nothing any more, and who asked hears of it.
    fn give_up_answers(&mut self, endpoint: &mut Endpoint, id: SocketId) -> Result<(), Error> {
        let mut first = Ok(());
        for number in self.questions.owed_by(id) {
            let outcome = self.acknowledged(endpoint, id, number, Err(AckError::Disconnected));
            first = first.and(outcome);
        }
        first
    }

    /// A client is gone, though it may come back where it is only away, or be back already.
    fn forget(&mut self, endpoint: &Endpoint, id: SocketId, namespace: NamespaceId) {
        let text = endpoint.socket_id(id);
        if text.is_none_or(|text| endpoint.find_socket(text.as_str()).is_none()) {
            if let Some(found) = self.find(endpoint, namespace) {
                found.handlers.forget(id);
            }
        }
    }

    pub(super) fn find(
        &mut self,
        endpoint: &Endpoint,
        namespace: NamespaceId,
    ) -> Option<Found<'_, S>> {
        let index = match self.by_namespace.get(&namespace) {
            Some(index) => *index,
            None => {
                let name = endpoint.namespace_name(namespace)?;
                let is_named = |served: &Served<S>| served.pattern.name() == Some(name);
                let index = self.served.iter().position(is_named)?;
                self.settle(endpoint, namespace, index);
                index
            }
        };
        Some(Found {
            state: &mut self.state,
            handlers: &mut self.served[index].handlers,
            questions: &mut self.questions,
        })
    }
}

/// The work of a handler that is about no client.
fn told(done: Done) -> Result<(), Error> {
    done.or_else(|failure| heard(failure.into_error()))
}

/// Calls all handlers, whatever becomes of one of them; the first mistake.
fn first_error(handlers: impl Iterator<Item = Done>) -> Result<(), Error> {
    let mut first = Ok(());
    for done in handlers {
        first = first.and(told(done));
    }
    first
}
