//! Nobody comes in whose middlewares, or whose `allow_request`, were not asked, however the host has wired things.

use super::Io;
use crate::{
    Admission, Args, ConnectError, Endpoint, EngineSessionId, Error, Event, NamespaceId, SocketId,
};

/// What clients hear who are refused for a mistake of the host.
const REFUSAL: &str = "Not allowed";

impl<S: 'static> Io<S> {
    /// Looks who an event is about. `Ok(false)` for an event that no handler shall see; an error when somebody has been turned
    /// away for it.
    pub(super) fn guard(&mut self, endpoint: &mut Endpoint, event: &Event) -> Result<bool, Error> {
        let is_in_charge = endpoint.attach_door(&self.door);
        if !self.new_names.is_empty() {
            self.settle_new_names(endpoint);
        }
        match event {
            Event::AllowRequest { ticket, .. } if is_in_charge => {
                endpoint.note_request_asked(*ticket);
                Ok(true)
            }
            Event::AllowRequest { ticket, .. } => {
                let outcome = endpoint.admit(*ticket, Admission::refuse(REFUSAL));
                self.turn_away(outcome, || Error::OtherIo)
            }
            Event::ConnectRequested { ticket, .. } if is_in_charge => {
                endpoint.note_connect_asked(*ticket);
                Ok(true)
            }
            Event::ConnectRequested { ticket, .. } => {
                let outcome = endpoint.refuse_connect(*ticket, &ConnectError::new(REFUSAL));
                self.turn_away(outcome, || Error::OtherIo)
            }
            Event::ProgressCommand { ticket, .. } if !is_in_charge => {
                let outcome = endpoint.progress().decide(*ticket, |_| false);
                self.turn_away(outcome, || Error::OtherIo)
            }
            Event::Connected {
                socket, namespace, ..
            } => self.guard_socket(endpoint, is_in_charge, *socket, *namespace, true),
            Event::Message(message) => {
                let (socket, namespace) = (message.socket, message.namespace);
                self.guard_socket(endpoint, is_in_charge, socket, namespace, false)
            }
            // Whose coming no handler has heard of, of those nobody needs to hear that they go.
            Event::Disconnecting {
                socket, namespace, ..
            }
            | Event::Disconnected {
                socket, namespace, ..
            }
            | Event::RecoveryExpired { socket, namespace } => {
                Ok(is_in_charge && !self.is_barred(endpoint, *socket, *namespace))
            }
            Event::EngineOpened { session } => {
                self.guard_session(endpoint, is_in_charge, *session, true)
            }
            Event::EngineMessage { session, .. } => {
                self.guard_session(endpoint, is_in_charge, *session, false)
            }
            _ => Ok(true),
        }
    }

    fn guard_socket(
        &mut self,
        endpoint: &mut Endpoint,
        is_in_charge: bool,
        socket: SocketId,
        namespace: NamespaceId,
        comes: bool,
    ) -> Result<bool, Error> {
        if is_in_charge && !self.is_barred(endpoint, socket, namespace) {
            if comes {
                // Nothing had to be asked, and what is registered later does not concern it.
                endpoint.let_in(socket);
            }
            return Ok(true);
        }
        let outcome = endpoint.disconnect(socket, true);
        let name = || endpoint.namespace_name(namespace).unwrap_or_default();
        self.turn_away(outcome, || Error::NotAsked(name().to_owned()))
    }

    /// By bare Engine.IO there is nothing to come in by but `allow_request`.
    fn guard_session(
        &mut self,
        endpoint: &mut Endpoint,
        is_in_charge: bool,
        session: EngineSessionId,
        comes: bool,
    ) -> Result<bool, Error> {
        let is_free = self.hooks.allow_request.is_empty() || endpoint.is_admitted(session, comes);
        if is_in_charge && is_free {
            return Ok(true);
        }
        let outcome = endpoint.session_info(session).map(|_| ());
        endpoint.engine_close(session);
        let outcome = outcome.ok_or(Error::NoSuchSocket);
        self.turn_away(outcome, || Error::NotAsked(String::new()))
    }

    /// Whether a socket has come in past something that its namespace has.
    fn is_barred(&mut self, endpoint: &Endpoint, socket: SocketId, namespace: NamespaceId) -> bool {
        let Some(unasked) = endpoint.unasked(socket) else {
            return false;
        };
        if unasked.allow_request && !self.hooks.allow_request.is_empty() {
            return true;
        }
        let asks_of_progress = endpoint.namespace_name(namespace) == Some("/");
        if unasked.commands && asks_of_progress && !self.progress.rules.is_empty() {
            return true;
        }
        if !unasked.middlewares {
            return false;
        }
        let auth = endpoint.auth(socket).unwrap_or("{}");
        let auth = Args::received(format!("[{auth}]"), 1, Vec::new());
        self.settle_by_pattern(endpoint, namespace, &auth);
        let found = self.find(endpoint, namespace);
        found.is_some_and(|found| !found.handlers.middlewares.is_empty())
    }

    /// Counts somebody who has been turned away, unless they had gone before.
    fn turn_away(
        &mut self,
        outcome: Result<(), Error>,
        error: impl FnOnce() -> Error,
    ) -> Result<bool, Error> {
        if outcome.is_err() {
            return Ok(false);
        }
        self.turned_away += 1;
        Err(error())
    }
}
