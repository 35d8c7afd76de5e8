//! Requests of Engine.IO that lead to nothing, and what the host hears of them.

use super::handshakes::EngineQuery;
use super::{Endpoint, Event};
use crate::engine::{EngineError, Rejection};
use crate::http::{Field, Head, Response};
use crate::id::{ConnectionId, EngineSessionId};

/// What a request is refused with.
pub(super) struct Refused<'a> {
    pub error: EngineError,
    /// In place of the error's own message.
    pub message: Option<&'a str>,
    /// For the host, which may want to know more.
    pub context: &'a [(&'static str, &'a str)],
    pub fields: Vec<Field>,
}

impl Endpoint {
    /// Refuses a request with a code.
    pub(super) fn refuse(
        &mut self,
        key: ConnectionId,
        head: &Head<'_>,
        error: EngineError,
        context: &[(&'static str, &str)],
    ) {
        let refused = Refused {
            error,
            message: None,
            context,
            fields: Vec::new(),
        };
        self.refuse_with(key, head, refused);
    }

    /// Refuses a request with a code, a message and header fields.
    pub(super) fn refuse_with(&mut self, key: ConnectionId, head: &Head<'_>, refused: Refused<'_>) {
        let Refused { error, context, .. } = refused;
        self.report_refusal(key, head, error, context);
        let message = refused.message.unwrap_or(error.message());
        let mut response = if head.upgrade {
            Response::new(400, "text/html", message.to_owned())
        } else {
            Response::json(error.status(), error.body_with(message))
        };
        response.headers.extend(refused.fields);
        self.refuse_with_status(key, head, response);
    }

    fn report_refusal(
        &mut self,
        key: ConnectionId,
        head: &Head<'_>,
        error: EngineError,
        context: &[(&'static str, &str)],
    ) {
        let Some(peer) = self.peer_of(key, head) else {
            return;
        };
        if let Some(count) = self.tally.refusals.get_mut(usize::from(error as u8)) {
            *count += 1;
        }
        if self.config.connection_errors {
            let context = context.iter();
            self.push_event(Event::ConnectionError {
                head: Box::new(head.into()),
                peer,
                code: error as u8,
                message: error.message().to_owned(),
                context: context
                    .map(|(name, value)| (*name, (*value).to_owned()))
                    .collect(),
            });
        }
    }

    /// Answers a request of Engine.IO that leads to nothing. The connection of a WebSocket handshake ends with it.
    pub(super) fn refuse_with_status(
        &mut self,
        key: ConnectionId,
        head: &Head<'_>,
        mut response: Response,
    ) {
        self.count_refusal(head);
        if head.upgrade {
            response.headers.extend(self.hook_fields(head));
            return self.answer_finally(key, response);
        }
        self.begin_discarding(key, head);
        self.answer(key, response);
    }

    /// Refuses a request for what it says of itself.
    pub(super) fn reject(
        &mut self,
        key: ConnectionId,
        head: &Head<'_>,
        query: &EngineQuery<'_>,
        why: Rejection,
    ) {
        let origin = head.header("Origin").unwrap_or("");
        let context: &[(&'static str, &str)] = match why {
            Rejection::Transport => &[("transport", query.transport.as_deref().unwrap_or(""))],
            Rejection::Session => &[("sid", query.sid.as_deref().unwrap_or(""))],
            Rejection::Method => &[("method", head.method.as_str())],
            Rejection::Handshake => &[("name", "TRANSPORT_HANDSHAKE_ERROR")],
            Rejection::Origin => &[("name", "INVALID_ORIGIN"), ("origin", origin)],
        };
        self.refuse(key, head, why.error(), context);
    }

    /// A request that no session understands; the session is unharmed.
    pub(super) fn misuse(
        &mut self,
        key: ConnectionId,
        session: EngineSessionId,
        head: &Head<'_>,
        error: EngineError,
    ) {
        let is_on_websocket = self.is_on_websocket(session);
        let names_websocket = EngineQuery::of(head).transport.as_deref() == Some("websocket");
        match (names_websocket, is_on_websocket) {
            (false, true) if !head.upgrade => self.mismatch(key, head, "polling", "websocket"),
            (true, false) if !head.upgrade => self.mismatch(key, head, "websocket", "polling"),
            _ if error == EngineError::BadHandshakeMethod => {
                self.refuse(key, head, error, &[("method", head.method.as_str())])
            }
            _ => self.refuse(key, head, error, &[("name", "TRANSPORT_HANDSHAKE_ERROR")]),
        }
    }

    /// The session is on another transport than the request.
    pub(super) fn mismatch(
        &mut self,
        key: ConnectionId,
        head: &Head<'_>,
        asked: &str,
        actual: &str,
    ) {
        let context = [
            ("name", "TRANSPORT_MISMATCH"),
            ("transport", asked),
            ("previousTransport", actual),
        ];
        self.refuse(key, head, EngineError::BadRequest, &context);
    }

    fn is_on_websocket(&self, session: EngineSessionId) -> bool {
        let session = self.sessions.session(session);
        session.is_some_and(|session| !session.is_on_polling())
    }
}
