//! From each event to its handler.

use super::handlers::{self, call_all, Handlers, Outcome, Verdict};
use super::questions::{AckTimeout, Answers, Questions};
use super::{ConnectionError, Io, Joining, Served, Socket};
use crate::panics::contain;
use crate::{
    Admission, AdmissionId, Args, ConnectError, DisconnectReason, Endpoint, Error, Event, JoinId,
    Message, NamespaceId, SocketId, Target,
};

impl Io {
    /// Hands an event to its handler. An event that is not Socket.IO's, or is not awaited here, comes back.
    ///
    /// # Errors
    ///
    /// A handler's error. [`Error::Panicked`] when it has panicked: its client is disconnected, and one that a middleware or
    /// `allow_request` was to decide about refused. What the handler had done by then is done, and it is called again for the
    /// next event. A panic out of a verb of [`Endpoint`] goes on, since the server is not what it should be then. [`Error::NotAsked`] and [`Error::OtherIo`] when a client has been disconnected or refused since a
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
        let outcome = contain(|| self.dispatch_guarded(endpoint, event));
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
        let result = match event {
            Event::AllowRequest { ticket, head, peer } => {
                // Each of them has to accept, at once or later, and all have been asked before any of that counts.
                endpoint.expect_admissions(ticket, self.allow_request.len() + 1);
                // An error says that it has been decided already, or that its sender is gone.
                for decide in &mut self.allow_request {
                    if let Some(admission) = decide(endpoint, ticket, &head, peer) {
                        let _ = endpoint.admit(ticket, admission);
                    }
                }
                let _ = endpoint.admit(ticket, Admission::accept());
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
                for handler in &mut self.on_connection_error {
                    handler(&error);
                }
                Ok(())
            }
            Event::NamespaceCreated { namespace } => call_all(&mut self.on_namespace, |handler| {
                handler(endpoint, namespace)
            }),
            Event::Answered {
                ask,
                answers,
                is_complete,
            } => match self.questions.take_ask(ask) {
                Some(handler) => {
                    let answers = Answers {
                        answers: &answers,
                        is_complete,
                    };
                    handler(endpoint, answers)
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
            } => match self.questions.take_fetch(ask) {
                Some(handler) => handler(endpoint, &sockets),
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
            } => call_all(&mut self.on_room, |handler| {
                handler(endpoint, namespace, &room, &change)
            }),
            Event::Timer { timer, token } => match Io::is_own_timer(token) {
                true => self.timer_fired(endpoint, timer, token),
                false => return Ok(Some(Event::Timer { timer, token })),
            },
            Event::Emitted { target, args } => self.emitted(endpoint, &target, &args),
            Event::ServerSide {
                args,
                namespace,
                reply,
            } => call_all(&mut self.on_server_side, |handler| {
                handler(endpoint, namespace, &args, reply)
            }),
            other => return self.dispatch_of_client(endpoint, other),
        };
        heard(result)
    }

    /// What one client has done, or what has become of it.
    fn dispatch_of_client(
        &mut self,
        endpoint: &mut Endpoint,
        event: Event,
    ) -> Result<Option<Event>, Error> {
        let result = match event {
            Event::ConnectRequested {
                ticket,
                namespace,
                auth,
                passed,
            } => self.connect_requested(endpoint, ticket, &namespace, &auth, passed),
            Event::Connected {
                socket,
                namespace,
                auth,
                is_recovered,
            } => self.connected(endpoint, socket, namespace, &auth, is_recovered),
            Event::Message(message) => self.message(endpoint, message),
            Event::Acknowledged { socket, id, args } => {
                self.questions.acknowledged(endpoint, socket, id, Ok(&args))
            }
            Event::AckTimedOut { socket, id } => {
                self.questions
                    .acknowledged(endpoint, socket, id, Err(AckTimeout))
            }
            Event::Disconnecting {
                socket,
                namespace,
                reason,
            } => self.leaving(endpoint, socket, namespace, reason, |handlers| {
                &mut handlers.on_disconnecting
            }),
            Event::Disconnected {
                socket,
                namespace,
                reason,
            } => {
                self.questions.forget(socket);
                let outcome = self.leaving(endpoint, socket, namespace, reason, |handlers| {
                    &mut handlers.on_disconnect
                });
                self.forget(endpoint, socket, namespace);
                outcome
            }
            Event::RecoveryExpired { socket, namespace } => {
                // It may have been asked while it was away.
                self.questions.forget(socket);
                let outcome = self.expired(endpoint, socket, namespace);
                self.forget(endpoint, socket, namespace);
                outcome
            }
            other => return Ok(Some(other)),
        };
        heard(result)
    }

    /// Which handlers serve a namespace of this name, as far as that has been settled or needs no decision.
    fn find(&mut self, endpoint: &Endpoint, name: &str) -> Option<usize> {
        let is_named = |served: &Served| served.pattern.name() == Some(name);
        self.served.iter().position(is_named).or_else(|| {
            let namespace = endpoint.namespace(name).ok()?;
            self.by_namespace.get(&namespace).copied()
        })
    }

    fn connect_requested(
        &mut self,
        endpoint: &mut Endpoint,
        ticket: JoinId,
        name: &str,
        auth: &Args,
        passed: u32,
    ) -> Outcome {
        let found = self.find(endpoint, name).or_else(|| {
            let mut served = self.served.iter_mut();
            served.position(|served| served.pattern.matches(name, auth))
        });
        let Some(index) = found else {
            return match endpoint.namespace(name) {
                Ok(_) => endpoint.accept_connect(ticket).map(|_| ()),
                Err(_) => endpoint.refuse_connect(ticket, &ConnectError::new("Invalid namespace")),
            };
        };
        let middlewares = &mut self.served[index].handlers.middlewares;
        for (middleware, number) in middlewares.iter_mut().zip(0..).skip(passed as usize) {
            // Where this one decides later, the client is passed on to the one behind it. A client that is gone by now, or has
            // been decided on, is none of the others' business.
            endpoint.set_passed(ticket, number)?;
            match middleware(&mut Joining { endpoint, ticket }) {
                Ok(Verdict::Next) => {}
                Ok(Verdict::Later) => return Ok(()),
                Err(error) => return endpoint.refuse_connect(ticket, &error),
            }
        }
        match endpoint.accept_connect(ticket) {
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
        if self.of(endpoint, namespace).is_none() {
            let name = endpoint.namespace_name(namespace).unwrap_or_default();
            let mut served = self.served.iter_mut();
            if let Some(index) = served.position(|served| served.pattern.matches(name, auth)) {
                self.settle(endpoint, namespace, index);
            }
        }
    }

    fn connected(
        &mut self,
        endpoint: &mut Endpoint,
        id: SocketId,
        namespace: NamespaceId,
        auth: &Args,
        is_recovered: bool,
    ) -> Outcome {
        // Its first client may have been let in later, by somebody else than the middlewares.
        self.settle_by_pattern(endpoint, namespace, auth);
        let Some((handlers, questions)) = self.of(endpoint, namespace) else {
            return Ok(());
        };
        let mut socket = Socket::new(endpoint, questions, id);
        socket.is_recovered = is_recovered;
        call_all(&mut handlers.on_connect, |handler| {
            handler(&mut socket, auth)
        })
    }

    fn message(&mut self, endpoint: &mut Endpoint, mut message: Message) -> Outcome {
        let result = match self.of(endpoint, message.namespace) {
            Some((handlers, questions)) => {
                let mut socket = Socket::new(endpoint, questions, message.socket);
                handlers.handle(&mut socket, &mut message)
            }
            None => Ok(()),
        };
        endpoint.recycle(message);
        result
    }

    fn emitted(&mut self, endpoint: &mut Endpoint, target: &Target, args: &Args) -> Outcome {
        let Some((handlers, _)) = self.of(endpoint, target.namespace_id()) else {
            return Ok(());
        };
        call_all(&mut handlers.on_any_outgoing, |handler| {
            handler(endpoint, target, args)
        })
    }

    fn leaving(
        &mut self,
        endpoint: &mut Endpoint,
        id: SocketId,
        namespace: NamespaceId,
        reason: DisconnectReason,
        which: impl FnOnce(&mut Handlers) -> &mut [handlers::DisconnectHandler],
    ) -> Outcome {
        let Some((handlers, questions)) = self.of(endpoint, namespace) else {
            return Ok(());
        };
        let mut socket = Socket::new(endpoint, questions, id);
        call_all(which(handlers), |handler| handler(&mut socket, reason))
    }

    fn expired(
        &mut self,
        endpoint: &mut Endpoint,
        id: SocketId,
        namespace: NamespaceId,
    ) -> Outcome {
        let Some((handlers, questions)) = self.of(endpoint, namespace) else {
            return Ok(());
        };
        let mut socket = Socket::new(endpoint, questions, id);
        call_all(&mut handlers.on_recovery_expired, |handler| {
            handler(&mut socket)
        })
    }

    /// A client is gone, though it may come back where it is only away, or be back already.
    fn forget(&mut self, endpoint: &Endpoint, id: SocketId, namespace: NamespaceId) {
        let text = endpoint.socket_id(id);
        if text.is_none_or(|text| endpoint.find_socket(text.as_str()).is_none()) {
            if let Some((handlers, _)) = self.of(endpoint, namespace) {
                handlers.forget(id);
            }
        }
    }

    pub(super) fn of(
        &mut self,
        endpoint: &Endpoint,
        namespace: NamespaceId,
    ) -> Option<(&mut Handlers, &mut Questions)> {
        let index = match self.by_namespace.get(&namespace) {
            Some(index) => *index,
            None => {
                let name = endpoint.namespace_name(namespace)?;
                let is_named = |served: &Served| served.pattern.name() == Some(name);
                let index = self.served.iter().position(is_named)?;
                self.settle(endpoint, namespace, index);
                index
            }
        };
        Some((&mut self.served[index].handlers, &mut self.questions))
    }
}

/// Whom a handler's event is about.
enum Subject {
    Request(AdmissionId),
    Join(JoinId),
    Socket(SocketId),
    Nobody,
}

impl Subject {
    fn of(event: &Event) -> Subject {
        match event {
            Event::AllowRequest { ticket, .. } => Subject::Request(*ticket),
            Event::ConnectRequested { ticket, .. } => Subject::Join(*ticket),
            Event::Message(message) => Subject::Socket(message.socket),
            Event::Connected { socket, .. }
            | Event::Acknowledged { socket, .. }
            | Event::AckTimedOut { socket, .. } => Subject::Socket(*socket),
            _ => Subject::Nobody,
        }
    }

    /// The handler has panicked: whom it was about is refused or disconnected. Who has gone meanwhile is no matter.
    fn give_up(self, endpoint: &mut Endpoint) {
        const MESSAGE: &str = "Internal error";
        let _ = match self {
            Subject::Request(ticket) => endpoint.admit(ticket, Admission::refuse(MESSAGE)),
            Subject::Join(ticket) => endpoint.refuse_connect(ticket, &ConnectError::new(MESSAGE)),
            Subject::Socket(socket) => endpoint.disconnect(socket, true),
            Subject::Nobody => Ok(()),
        };
    }
}

/// What a handler's work comes to, where a client that has gone meanwhile is no mistake of the host.
fn heard(outcome: Outcome) -> Result<Option<Event>, Error> {
    match outcome {
        Ok(()) | Err(Error::NoSuchSocket | Error::NoSuchTicket) => Ok(None),
        Err(error) => Err(error),
    }
}
