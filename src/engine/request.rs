//! What an HTTP request under the Engine.IO path asks for, judged in the order in which the reference judges it.

use crate::id::Secret;

/// Why a request is refused; the number is the `code` of the answer.
///
/// Source: `Server.errors` of the Engine.IO server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// `transport` is missing, unknown or switched off.
    UnknownTransport = 0,
    /// There is no session of this `sid`.
    UnknownSession = 1,
    /// A session can only be opened by `GET`.
    BadHandshakeMethod = 2,
    /// The request does not fit its transport or its session.
    BadRequest = 3,
    /// The host does not want it.
    Forbidden = 4,
    /// `EIO` is not 4.
    UnsupportedProtocolVersion = 5,
}

impl EngineError {
    /// The text of the answer.
    pub fn message(self) -> &'static str {
        match self {
            EngineError::UnknownTransport => "Transport unknown",
            EngineError::UnknownSession => "Session ID unknown",
            EngineError::BadHandshakeMethod => "Bad handshake method",
            EngineError::BadRequest => "Bad request",
            EngineError::Forbidden => "Forbidden",
            EngineError::UnsupportedProtocolVersion => "Unsupported protocol version",
        }
    }

    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            EngineError::Forbidden => 403,
            _ => 400,
        }
    }

    /// The body of the answer to a plain request.
    pub fn body(self) -> String {
        self.body_with(self.message())
    }

    /// As [`EngineError::body`], with another message.
    pub fn body_with(self, message: &str) -> String {
        let message = serde_json::Value::from(message);
        format!("{{\"code\":{},\"message\":{message}}}", self as u8)
    }
}

/// The revision of the protocol that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// That of Socket.IO 2 and before: clients send the pings.
    V3,
    /// That of Socket.IO 3 and later: the server sends the pings.
    V4,
}

/// The transports that a server offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transports {
    /// HTTP long-polling, and WebSocket from the start or by upgrade.
    #[default]
    Both,
    /// HTTP long-polling alone.
    PollingOnly,
    /// WebSocket alone.
    WebSocketOnly,
}

/// The part of a request that Engine.IO looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineRequest<'a> {
    /// Whether the method is `GET`.
    pub is_get: bool,
    /// Whether the method is `POST`.
    pub is_post: bool,
    /// Whether the request asks for a WebSocket.
    pub is_upgrade: bool,
    /// Whether the `Origin` header holds a byte that no header may hold.
    pub has_bad_origin: bool,
    /// Query parameter `transport`.
    pub transport: Option<&'a str>,
    /// Query parameter `EIO`.
    pub protocol: Option<&'a str>,
    /// Query parameter `sid`, unless it is empty.
    pub sid: Option<&'a str>,
    /// Whether there is a query parameter `j`, which asks for JSONP.
    pub is_jsonp: bool,
    /// Whether clients of revision 3 are served.
    pub allow_eio3: bool,
    /// What is served.
    pub transports: Transports,
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A new session by polling.
    OpenPolling,
    /// A new session by WebSocket.
    OpenWebSocket,
    /// A poll of a session that exists, if it does.
    Poll(Secret, u32),
    /// Packets for a session that exists, if it does.
    Post(Secret, u32),
    /// A WebSocket that is to take over a session from polling.
    Upgrade(Secret, u32),
    /// Nothing that a session understands; it is refused for this, if there is such a session.
    Misuse(Secret, u32, EngineError),
}

/// Why a request is refused before anybody has looked for its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// `transport` is none that is served.
    Transport,
    /// The `Origin` header holds what no header may hold.
    Origin,
    /// A WebSocket is asked for without a handshake, or the other way round; or JSONP, which is not served.
    Handshake,
    /// `sid` cannot be an id of ours.
    Session,
    /// A session is opened by another method than `GET`.
    Method,
}

impl Rejection {
    /// The code that it is answered with.
    pub fn error(self) -> EngineError {
        match self {
            Rejection::Transport => EngineError::UnknownTransport,
            Rejection::Origin | Rejection::Handshake => EngineError::BadRequest,
            Rejection::Session => EngineError::UnknownSession,
            Rejection::Method => EngineError::BadHandshakeMethod,
        }
    }
}

impl EngineRequest<'_> {
    /// Decides, without a look at the sessions that there are.
    pub fn route(&self) -> Result<Route, Rejection> {
        let websocket = match self.transport {
            Some("polling") if self.transports != Transports::WebSocketOnly => false,
            Some("websocket") if self.transports != Transports::PollingOnly => true,
            _ => return Err(Rejection::Transport),
        };
        if self.has_bad_origin {
            return Err(Rejection::Origin);
        }
        // It is a way of polling, and says nothing on other transports.
        if self.is_jsonp && !websocket {
            return Err(Rejection::Handshake);
        }
        if let Some(sid) = self.sid {
            let (secret, index) = Secret::parse(sid).ok_or(Rejection::Session)?;
            let misuse = |error| Ok(Route::Misuse(secret, index, error));
            return match (websocket, self.is_upgrade) {
                (true, true) => Ok(Route::Upgrade(secret, index)),
                (false, false) if self.is_get => Ok(Route::Poll(secret, index)),
                (false, false) if self.is_post => Ok(Route::Post(secret, index)),
                (false, false) => misuse(EngineError::BadHandshakeMethod),
                _ => misuse(EngineError::BadRequest),
            };
        }
        if !self.is_get {
            return Err(Rejection::Method);
        }
        if websocket != self.is_upgrade {
            return Err(Rejection::Handshake);
        }
        Ok(if websocket {
            Route::OpenWebSocket
        } else {
            Route::OpenPolling
        })
    }

    /// The revision that a new session would speak; `None` when that is not served. It is judged last, after the host has
    /// been asked.
    pub fn revision(&self) -> Option<Revision> {
        // Whatever does not say 4 speaks 3: the first clients of revision 3 said nothing at all.
        match self.protocol {
            Some("4") => Some(Revision::V4),
            _ => self.allow_eio3.then_some(Revision::V3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "AAAAAAAAAAAAAAAAAAAA";

    fn get() -> EngineRequest<'static> {
        EngineRequest {
            is_get: true,
            transport: Some("polling"),
            protocol: Some("4"),
            ..EngineRequest::default()
        }
    }

    #[test]
    fn sessions_open_by_get_on_either_transport() {
        assert_eq!(get().route(), Ok(Route::OpenPolling));
        let websocket = EngineRequest {
            transport: Some("websocket"),
            is_upgrade: true,
            ..get()
        };
        assert_eq!(websocket.route(), Ok(Route::OpenWebSocket));
    }

    #[test]
    fn the_transport_is_judged_first() {
        for transport in [
            None,
            Some(""),
            Some("constructor"),
            Some("__proto__"),
            Some("Polling"),
        ] {
            let ask = EngineRequest {
                transport,
                is_get: false,
                is_post: true,
                protocol: None,
                sid: Some("unknown"),
                ..get()
            };
            assert_eq!(ask.route(), Err(Rejection::Transport));
        }
    }

    #[test]
    fn a_transport_that_is_switched_off_is_unknown() {
        let polling = EngineRequest {
            transports: Transports::WebSocketOnly,
            ..get()
        };
        let websocket = EngineRequest {
            transports: Transports::PollingOnly,
            transport: Some("websocket"),
            is_upgrade: true,
            ..get()
        };
        assert_eq!(polling.route(), Err(Rejection::Transport));
        assert_eq!(websocket.route(), Err(Rejection::Transport));
    }

    #[test]
    fn the_version_is_judged_apart() {
        let post = EngineRequest {
            is_get: false,
            is_post: true,
            protocol: Some("3"),
            ..get()
        };
        assert_eq!(post.route(), Err(Rejection::Method));
        assert_eq!(get().revision(), Some(Revision::V4));
        for protocol in [None, Some("3"), Some("5"), Some("04")] {
            let ask = EngineRequest { protocol, ..get() };
            assert_eq!(ask.route(), Ok(Route::OpenPolling));
            assert_eq!(ask.revision(), None);
            let allowed = EngineRequest {
                allow_eio3: true,
                ..ask
            };
            assert_eq!(allowed.revision(), Some(Revision::V3));
        }
    }

    #[test]
    fn a_transport_that_does_not_fit_the_request_is_a_bad_one() {
        let plain_get_for_websocket = EngineRequest {
            transport: Some("websocket"),
            ..get()
        };
        let upgrade_to_polling = EngineRequest {
            is_upgrade: true,
            ..get()
        };
        let jsonp = EngineRequest {
            is_jsonp: true,
            ..get()
        };
        for ask in [plain_get_for_websocket, upgrade_to_polling, jsonp] {
            assert_eq!(ask.route(), Err(Rejection::Handshake));
        }
        let websocket = EngineRequest {
            transport: Some("websocket"),
            is_upgrade: true,
            ..jsonp
        };
        assert_eq!(websocket.route(), Ok(Route::OpenWebSocket));
        let bad_origin = EngineRequest {
            has_bad_origin: true,
            ..jsonp
        };
        assert_eq!(bad_origin.route(), Err(Rejection::Origin));
        assert_eq!(Rejection::Origin.error(), EngineError::BadRequest);
    }

    #[test]
    fn a_session_is_polled_posted_to_or_upgraded() {
        let (secret, index) = Secret::parse(SID).unwrap();
        let poll = EngineRequest {
            sid: Some(SID),
            ..get()
        };
        assert_eq!(poll.route(), Ok(Route::Poll(secret, index)));
        let post = EngineRequest {
            is_get: false,
            is_post: true,
            ..poll
        };
        assert_eq!(post.route(), Ok(Route::Post(secret, index)));
        let put = EngineRequest {
            is_get: false,
            ..poll
        };
        let misuse = |error| Ok(Route::Misuse(secret, index, error));
        assert_eq!(put.route(), misuse(EngineError::BadHandshakeMethod));
        let upgrade_to_polling = EngineRequest {
            is_upgrade: true,
            ..poll
        };
        assert_eq!(upgrade_to_polling.route(), misuse(EngineError::BadRequest));
        let upgrade = EngineRequest {
            is_upgrade: true,
            transport: Some("websocket"),
            ..poll
        };
        assert_eq!(upgrade.route(), Ok(Route::Upgrade(secret, index)));
        let nobody = EngineRequest {
            sid: Some("nobody"),
            ..get()
        };
        assert_eq!(nobody.route(), Err(Rejection::Session));
    }

    #[test]
    fn answers_carry_the_code_as_a_number() {
        assert_eq!(
            EngineError::UnknownSession.body(),
            r#"{"code":1,"message":"Session ID unknown"}"#
        );
        assert_eq!(
            EngineError::Forbidden.body_with("say \"please\""),
            r#"{"code":4,"message":"say \"please\""}"#
        );
        assert_eq!(EngineError::Forbidden.status(), 403);
    }
}
