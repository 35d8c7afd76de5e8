//! One TCP connection: which of HTTP and WebSocket it speaks, what has come in and is not complete, what waits to go out.

use crate::data::Data;
#[cfg(feature = "compression")]
use crate::http::Coding;
use crate::http::{BodyDecoder, Field, HeadOptions, HeadScan};
use crate::id::EngineSessionId;
use crate::peer::PeerAddr;
use crate::priority::Priority;
use crate::websocket::Decoder;
use crate::wheel::TimerKey;

use super::outbox::Outbox;
use super::parts::Parts;
use super::unread::Unread;

/// So many lingered bytes stand for more than are read.
const TOO_MUCH_LINGERED: u32 = u32::MAX;

/// State of one connection. Idle, it owns nothing outside of itself.
#[derive(Debug)]
pub(crate) struct Connection {
    pub peer_addr: PeerAddr,
    pub protocol: Protocol,
    pub unread: Unread,
    pub outbox: Outbox,
    pub timer: Option<TimerKey>,
    pub phase: Phase,
    /// In which list of those with output it is.
    pub listed: Option<Priority>,
    /// The peer sends nothing more, but may still read.
    pub is_read_closed: bool,
}

/// How far the end of a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// It ends when the outbox is empty; input is thrown away.
    Finishing,
    /// Our side is closed; input is thrown away until the peer closes too, or the time for that is over.
    Lingering,
}

/// What is spoken.
#[derive(Debug)]
pub(crate) enum Protocol {
    Http(Http),
    WebSocket(WebSocket),
}

/// HTTP/1.1, one exchange after the other.
#[derive(Debug, Default)]
pub(crate) struct Http {
    pub scan: HeadScan,
    /// Numbers the exchanges of this connection.
    pub serial: u32,
    /// Bytes that have been thrown away since the connection was answered for the last time.
    lingered_bytes: u32,
    pub exchange: Option<Box<Exchange>>,
}

/// One request and its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// The body's decoder while the body is not complete.
    pub body: Option<BodyDecoder>,
    pub sink: Sink,
    pub is_answered: bool,
    /// The answer comes in parts, and the last of them has not come.
    pub parts: Option<Parts>,
    pub options: HeadOptions,
    /// `100 Continue` is awaited.
    pub expects_continue: bool,
    /// What the answer says beside its own header fields.
    pub extra_fields: Vec<Field>,
    /// How packets in the answer may be compressed.
    #[cfg(feature = "compression")]
    pub coding: Option<Coding>,
}

/// Where a request's body goes, and so who answers the request.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Nowhere, at most this many bytes.
    Discard { left_bytes: u64 },
    /// Nowhere, at most this many bytes; the request is a poll of a session, of which nothing more is known here.
    Poll {
        session: EngineSessionId,
        left_bytes: u64,
    },
    /// Into memory; then the layer above takes packets for this session out of it. `at` is how far it has come.
    Post {
        session: EngineSessionId,
        payload: Box<Payload>,
        at: usize,
        /// The payload is a binary one of Engine.IO 3.
        is_octets: bool,
        is_complete: bool,
    },
    /// Nowhere before the host has decided whether this request may open a session.
    Admission(Box<Undecided>),
    /// To the host, which takes this many bytes more.
    Host { credit_bytes: usize },
}

/// A request that waits for the host's decision.
#[derive(Debug)]
pub(crate) struct Undecided {
    pub head: Box<[u8]>,
    /// The handlers that decide have heard of it.
    pub is_asked: bool,
    /// How many times it has still to be accepted.
    pub missing: usize,
    /// What those who have accepted it want in the answer.
    pub fields: Vec<Field>,
    /// What is kept with its session, once that opens.
    pub data: Option<Box<Data>>,
}

/// The body of a `POST` to a session.
#[derive(Debug)]
pub(crate) enum Payload {
    /// Not all of it may have come, or it should be text and is not.
    Incoming(Vec<u8>),
    /// Packets as text. That it is text is looked at once, however many turns its packets take.
    Text(String),
    /// Packets in the binary format of Engine.IO 3.
    Octets(Vec<u8>),
}

impl Payload {
    /// Bytes of memory for it.
    pub fn kept_bytes(&self) -> usize {
        match self {
            Payload::Incoming(bytes) | Payload::Octets(bytes) => bytes.capacity(),
            Payload::Text(text) => text.capacity(),
        }
    }

    /// The same once all of it has come.
    pub fn complete(self, is_octets: bool) -> Payload {
        match self {
            Payload::Incoming(bytes) if is_octets => Payload::Octets(bytes),
            Payload::Incoming(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Payload::Text(text),
                Err(error) => Payload::Incoming(error.into_bytes()),
            },
            complete => complete,
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Payload::Incoming(Vec::new())
    }
}

/// A WebSocket, of a session or on the way to become one's.
#[derive(Debug)]
pub(crate) struct WebSocket {
    pub decoder: Decoder,
    pub session: EngineSessionId,
    /// Bytes that have been thrown away since the close frame.
    lingered_bytes: u32,
}

impl WebSocket {
    /// One on which nothing has come in yet.
    pub fn new(session: EngineSessionId) -> Self {
        WebSocket {
            decoder: Decoder::default(),
            session,
            lingered_bytes: 0,
        }
    }
}

impl Connection {
    pub fn new(peer_addr: PeerAddr) -> Self {
        Connection {
            peer_addr,
            protocol: Protocol::Http(Http::default()),
            unread: Unread::default(),
            outbox: Outbox::default(),
            timer: None,
            phase: Phase::Open,
            listed: None,
            is_read_closed: false,
        }
    }

    /// The exchange under way, if HTTP is spoken and one is.
    pub fn exchange(&mut self) -> Option<&mut Exchange> {
        match &mut self.protocol {
            Protocol::Http(http) => http.exchange.as_deref_mut(),
            Protocol::WebSocket(_) => None,
        }
    }

    /// Bytes of memory for what has come in part, for a `POST` whose packets are still being handled, and for what is whole and
    /// larger than one read, and waits for its turn.
    pub fn incomplete_bytes(&self) -> usize {
        self.taken_bytes() + self.unread.kept_bytes()
    }

    /// The same, and for what waits to be handled or to go out.
    pub fn memory_bytes(&self) -> usize {
        self.taken_bytes() + self.unread.memory_bytes() + self.outbox.memory_bytes()
    }

    /// Bytes of memory for what is no longer among the unread, and waits for its rest.
    fn taken_bytes(&self) -> usize {
        match &self.protocol {
            Protocol::WebSocket(websocket) => websocket.decoder.kept_bytes(),
            Protocol::Http(http) => match http.exchange.as_deref().map(|it| &it.sink) {
                Some(Sink::Post { payload, .. }) => payload.kept_bytes(),
                _ => 0,
            },
        }
    }

    /// Gives back the memory of all that has come in: nothing will be done with it.
    pub fn forget_input(&mut self) {
        self.unread = Unread::default();
        match &mut self.protocol {
            Protocol::WebSocket(websocket) => websocket.decoder = Decoder::default(),
            Protocol::Http(http) => {
                let exchange = http.exchange.as_deref_mut();
                if let Some(Sink::Post { payload, .. }) = exchange.map(|it| &mut it.sink) {
                    **payload = Payload::default();
                }
            }
        }
    }

    /// Bytes have been thrown away behind the last answer. When there have been more than `max_bytes`, no more are wanted.
    pub fn count_lingered(&mut self, bytes: usize, max_bytes: u32) {
        // Where each protocol has four bytes to spare.
        let count = match &mut self.protocol {
            Protocol::Http(http) => &mut http.lingered_bytes,
            Protocol::WebSocket(websocket) => &mut websocket.lingered_bytes,
        };
        *count = count.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if *count > max_bytes {
            *count = TOO_MUCH_LINGERED;
        }
    }

    fn has_lingered_too_much(&self) -> bool {
        let count = match &self.protocol {
            Protocol::Http(http) => http.lingered_bytes,
            Protocol::WebSocket(websocket) => websocket.lingered_bytes,
        };
        count == TOO_MUCH_LINGERED
    }

    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// How the request under way is being answered, where that happens in parts.
    pub fn parts(&self) -> Option<Parts> {
        self.exchange_under_way()?.parts
    }

    /// Whether the host has a request of it to answer.
    pub fn has_host_request(&self) -> bool {
        let exchange = self.exchange_under_way();
        exchange.is_some_and(|it| matches!(it.sink, Sink::Host { .. }) && !it.is_answered)
    }

    /// Whether the request under way is one of a session.
    pub fn has_session_request(&self) -> bool {
        let sink = self.exchange_under_way().map(|it| &it.sink);
        matches!(sink, Some(Sink::Poll { .. } | Sink::Post { .. }))
    }

    fn exchange_under_way(&self) -> Option<&Exchange> {
        match &self.protocol {
            Protocol::Http(http) => http.exchange.as_deref(),
            Protocol::WebSocket(_) => None,
        }
    }

    /// Whether what comes in are WebSocket frames.
    pub fn speaks_frames(&self) -> bool {
        matches!(self.protocol, Protocol::WebSocket(_))
    }

    /// Whether more input is wanted now: no more is read while some waits that could be handled, now or later.
    pub fn can_take_input(&self) -> bool {
        if self.phase != Phase::Open {
            return !self.has_lingered_too_much();
        }
        if !self.unread.wants_more() {
            return false;
        }
        match &self.protocol {
            Protocol::WebSocket(_) => true,
            Protocol::Http(http) => match http.exchange.as_deref() {
                None => self.outbox.is_empty(),
                Some(Exchange { body: None, .. }) => false,
                Some(Exchange {
                    sink: Sink::Admission(_),
                    ..
                }) => false,
                Some(Exchange {
                    sink: Sink::Host { credit_bytes },
                    ..
                }) => *credit_bytes > 0,
                Some(_) => true,
            },
        }
    }
}
