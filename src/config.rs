//! Every path, time and limit, each with its unit, its default, its reason, and what happens beyond it.

use crate::addresses::Network;
use crate::endpoint::Door;
use crate::engine::{HandshakeDetail, Transports};
#[cfg(feature = "compression")]
use crate::http::HttpCompression;
use crate::http::{Cookie, Cors, HeaderHook};
use crate::progress::ProgressConfig;
use crate::socket::{Parser, RecoveryConfig};

/// Settings of an [`Endpoint`](crate::Endpoint); names and defaults are those of the Socket.IO server documentation
/// where it has them.
#[derive(Clone, Debug)]
pub struct Config {
    /// Requests whose path begins with this are Engine.IO's. Default `/socket.io/`; its slash at the end is a matter of
    /// [`Config::add_trailing_slash`].
    pub path: String,
    /// Whether [`Config::path`] ends with a slash, whatever it is given as. Default true; else `/socket.io?EIO=4` is
    /// served too.
    #[doc(alias = "addTrailingSlash")]
    pub add_trailing_slash: bool,
    /// Whether Socket.IO runs on top. Default true; without it the host gets bare Engine.IO messages
    /// ([`Event::EngineMessage`](crate::Event::EngineMessage)).
    pub socket_io: bool,
    /// Namespaces that clients may join; a slash that is left out is added. Default `["/"]`. Joining another is answered
    /// `CONNECT_ERROR {"message":"Invalid namespace"}`.
    pub namespaces: Vec<String>,
    /// Whether the host is asked, by [`Event::ConnectRequested`](crate::Event::ConnectRequested), before a client joins a
    /// namespace, one that is not there yet included. Default false. The host may take its time where the client is in another
    /// namespace; one that is in none is closed after [`Config::connect_timeout_ms`]. What is undecided ends with its session.
    pub connect_requests: bool,
    /// Whether the host is asked, by [`Event::ProgressCommand`](crate::Event::ProgressCommand), before a client lists, tracks or
    /// cancels progress sessions. Default false: the [`Audience`](crate::progress::Audience) of each session decides. What is
    /// undecided after [`Config::connect_timeout_ms`] is refused.
    pub progress_commands: bool,
    /// What clients have to come in by: set by [`Io::configure`](crate::Io::configure), so that the middlewares and the
    /// `allow_request` of that [`Io`](crate::Io) are asked however late they are registered. Default `None`.
    pub door: Option<Door>,
    /// Whether a namespace that was made for a client goes when nobody is in it any more. Default false, as in the reference.
    #[doc(alias = "cleanupEmptyChildNamespaces")]
    pub cleanup_empty_child_namespaces: bool,
    /// Namespaces that may be made for clients. Default 1,000. Beyond it: `CONNECT_ERROR`.
    pub max_child_namespaces: usize,
    /// Whether the host hears of rooms that come, go and change ([`Event::Room`](crate::Event::Room)). Default false.
    pub room_events: bool,
    /// Whether the host hears of limits that peers reach ([`Event::LimitReached`](crate::Event::LimitReached)). Default false.
    pub limit_events: bool,
    /// Whether the host hears of everything that is emitted ([`Event::Emitted`](crate::Event::Emitted)). Default false.
    pub emitted_events: bool,
    /// Bytes of answers that one broadcast with acknowledgements gathers. Default 4 MiB. What comes beyond it counts as not
    /// answered.
    pub max_answer_bytes: usize,
    /// Progress sessions, or `None` for a server without them. Default: on, see [`ProgressConfig`].
    pub progress: Option<ProgressConfig>,
    /// Whether requests for other paths go to the host ([`Event::Request`](crate::Event::Request)). Default false: such
    /// a request is answered 404.
    pub host_http: bool,
    /// Whether `GET` for `*.js` and `*.map` under [`Config::path`] goes to the host, which then serves the client's
    /// files. Default false: such a request is answered 400, code 0.
    #[doc(alias = "serveClient")]
    pub serve_client: bool,

    /// Milliseconds after which a WebSocket handshake for another path is closed if the host, which got it by
    /// [`Config::host_http`], has not answered it. Default 1,000; `None` for never.
    #[doc(alias = "destroyUpgradeTimeout")]
    pub destroy_upgrade_ms: Option<u64>,

    /// Whether the host is asked before a session opens ([`Event::AllowRequest`](crate::Event::AllowRequest)). Default
    /// false. What it has not decided within [`Config::connect_timeout_ms`] is refused.
    #[doc(alias = "allowRequest")]
    pub allow_request: bool,
    /// Whether the host hears of every request that is refused with a code
    /// ([`Event::ConnectionError`](crate::Event::ConnectionError)). Default false, as each is copied for it.
    pub connection_errors: bool,
    /// Fields for the first answer of each session. Default `None`.
    pub initial_headers: Option<HeaderHook>,
    /// Fields for every answer to a request of Engine.IO, refusals and the answers to WebSocket handshakes included, but not
    /// preflights. It is called when the request has come in, which for a poll may be long before its answer. Default `None`.
    pub headers: Option<HeaderHook>,
    /// A message that each session begins with: it comes along with the open packet. Default `None`. Clients of Socket.IO
    /// expect none that they have not joined a namespace for; it is of use to those of bare Engine.IO.
    #[doc(alias = "initialPacket")]
    pub initial_packet: Option<String>,
    /// How much is kept of the request that opened a session. Default [`HandshakeDetail::Minimal`].
    pub handshake: HandshakeDetail,
    /// Which answers to polls are compressed, with gzip or deflate as their clients accept. Default: those of 1,024 bytes
    /// to 64 KiB. `None`: no answer.
    #[cfg(feature = "compression")]
    #[doc(alias = "httpCompression")]
    pub http_compression: Option<HttpCompression>,

    /// The transports that are offered. Default both; one that is not is answered 400, code 0.
    pub transports: Transports,
    /// Whether a session may go from polling to WebSocket. Default true; else handshakes offer no upgrade, and one that is
    /// tried all the same is closed.
    #[doc(alias = "allowUpgrades")]
    pub allow_upgrades: bool,
    /// What pages of other origins may read. Default `None`: nothing, as in the reference.
    pub cors: Option<Cors>,
    /// The cookie with the session's id that polling clients get. Default `None`: no cookie.
    pub cookie: Option<Cookie>,
    /// Whether clients of Engine.IO 3, which are those of Socket.IO 2, are served too. Default false: such a request is
    /// answered 400, code 5.
    #[doc(alias = "allowEIO3")]
    pub allow_eio3: bool,
    /// Connection state recovery: what a client missed while its connection was gone is sent to it when it comes back.
    /// Default `None`: off, as in the reference.
    #[doc(alias = "connectionStateRecovery")]
    pub recovery: Option<RecoveryConfig>,
    /// How Socket.IO packets are written. Default [`Parser::Json`]; clients have to use the same.
    pub parser: Parser,
    /// Names that `Host` may hold in requests to Engine.IO and to handlers of [`Io::http`](crate::Io::http), beside loopback ones; see
    /// [`is_allowed_host`](crate::http::is_allowed_host). Default `None`: any. Others are answered 403, by Engine.IO with code 4.
    pub allowed_hosts: Option<Vec<String>>,

    /// Origins, such as `https://app.example`, whose pages may open sessions, beside pages of this server itself. Default
    /// `None`: any, as in the reference. Others are answered 403, code 4, on WebSocket handshakes too, which browsers let
    /// every page send. Nor may their pages send what is not `GET`, `HEAD` or `OPTIONS` to handlers of
    /// [`Io::http`](crate::Io::http). Requests without an `Origin` do not come from pages and are not concerned.
    pub allowed_origins: Option<Vec<String>>,

    /// Milliseconds between a pong and the next ping. Default 25,000. Announced in the handshake.
    #[doc(alias = "pingInterval")]
    pub ping_interval_ms: u64,
    /// Milliseconds that a pong may take. Default 20,000, then the session is closed with the reason `ping timeout`.
    /// Announced in the handshake.
    #[doc(alias = "pingTimeout")]
    pub ping_timeout_ms: u64,
    /// Milliseconds that an upgrade may take from its WebSocket handshake to its last packet. Default 10,000, then that
    /// WebSocket is closed and the session goes on by polling.
    #[doc(alias = "upgradeTimeout")]
    pub upgrade_timeout_ms: u64,
    /// Milliseconds in which a new session has to join a namespace. Default 45,000, then it is closed, whatever it waits for.
    #[doc(alias = "connectTimeout")]
    pub connect_timeout_ms: u64,
    /// Largest body of a `POST` and largest WebSocket message, in bytes. Default 1,000,000, as `maxHttpBufferSize` of the
    /// reference. Announced in the handshake as `maxPayload`. Beyond it: 413, or close code 1009, and the session ends.
    #[doc(alias = "maxHttpBufferSize")]
    pub max_payload_bytes: usize,
    /// Packets in one answer to a poll. Default 16: python-engineio gives up on a payload of more.
    pub max_packets_per_poll: usize,
    /// Binary attachments of one packet. Default 10, as in socket.io-parser, whose clients take no more. Beyond it the session
    /// that sent it is closed, and emitting it is an error. The MessagePack parser has no attachments, but
    /// takes no more than 1,000 binary values in a packet.
    pub max_attachments: usize,
    /// Milliseconds from the first part of a packet with attachments to its last attachment, however many come in between.
    /// Default 10,000, then the session is closed with the reason `forced close`, and what has come is dropped. The MessagePack
    /// parser has no such packets.
    pub attachment_timeout_ms: u64,
    /// Bytes of what has come in part and is kept until the rest is here, of all peers together: request heads, bodies of
    /// `POST`s, WebSocket messages, packets without all of their attachments; and of messages that are whole, larger than 64 KiB,
    /// and wait for their turn. Default 12 MiB. Beyond it those give way who
    /// have most of it: a WebSocket is closed with code 1013, a request is answered 503, and their sessions end with the reason
    /// `memory limit`. All is counted whenever an eighth of it has been added, so there may be an eighth more. A server to
    /// which many upload large messages at a time needs more.
    pub max_incomplete_bytes: usize,
    /// Bytes that may be held for all clients and progress sessions together: what has come in and is not handled yet, what waits to go
    /// out, and the sessions. `None`, the default, for any number. Beyond it those clients give way who hold the most, with the reason
    /// [`DisconnectReason::MemoryLimit`](crate::DisconnectReason::MemoryLimit) and close code 1013; progress sessions never do.
    /// From seven eighths of it on nothing new is begun: a handshake is answered 503 with `Retry-After`, a progress session is
    /// refused with `SERVER_OVERLOAD`. Progress sessions with more than half of it grow no more: new ones, metadata and results are
    /// refused so. It is counted at the beginning of each turn and while input is read, each time an eighth
    /// of it has been added; what a client holds while it is idle does not count.
    pub max_memory_bytes: Option<usize>,
    /// Levels of nesting in the JSON of one packet. Default and maximum 128. Beyond it the session is closed.
    pub max_json_depth: u32,
    /// Namespaces that one client may have joined, or wait to be let into, at a time. Default 32. Beyond it: `CONNECT_ERROR`.
    pub max_namespaces_per_client: usize,
    /// Bytes of the auth payload of a CONNECT. Default 16 KiB, as it is kept with the socket. Beyond it: `CONNECT_ERROR`.
    pub max_auth_bytes: usize,
    /// Rooms that one socket may be in, its own not counted. Default 1,000. Beyond it joining is an error.
    pub max_rooms_per_socket: usize,
    /// Bytes of a room's name, as many hosts take them from clients. Default 1,024. Beyond it joining is an error.
    pub max_room_name_bytes: usize,
    /// Acknowledgements that one socket may owe at a time. Default 10,000. Beyond it asking for another is an error.
    pub max_pending_acks: usize,
    /// Bytes that may wait for one client, 32 of them for each packet's place in the queue. Default 4 MiB. Beyond it the client
    /// is disconnected: whoever does not read
    /// shall not fill the memory of a server that does.
    pub max_queued_bytes: usize,

    /// Connections at a time. Default 20,000. Beyond it a connection is closed as soon as it is accepted.
    pub max_connections: usize,
    /// Engine.IO sessions at a time, those included that close and still have something queued. Default 20,000. Beyond it
    /// the session ends that has joined no namespace for the longest time, as one connection can open many of these; where all have
    /// joined one, a handshake is answered 503 with `Retry-After`.
    pub max_sessions: usize,
    /// Connections of one address at a time, as `limit_conn` of nginx; of IPv6 the first 64 bits count as one address. `None`, the
    /// default, for any number. Beyond it a connection is closed as soon as it is accepted.
    pub max_connections_per_address: Option<u32>,
    /// Engine.IO sessions of one address at a time. `None`, the default, for any number. Beyond it a handshake is answered 503 with
    /// `Retry-After`.
    pub max_sessions_per_address: Option<u32>,
    /// Handshakes that one address may begin in a second, as many of them at once as it likes. `None`, the default, for any number.
    /// Beyond it they are answered 503 with `Retry-After`, which says 1 to 4 seconds by chance, so that not all come back together.
    pub max_handshakes_per_second: Option<u32>,
    /// Messages that one session may send in a second, pongs included, as many of them at once as it likes. `None`, the default, for
    /// any number. Beyond it no input of the session is handled until it may send again: its connection is not read, so that its
    /// client is held back, and nothing is lost.
    pub max_messages_per_second: Option<u32>,
    /// Bytes of messages that one session may send in a second. `None`, the default, for any number. Beyond it, as for
    /// [`Config::max_messages_per_second`]: after a message that is larger than this, the session waits for several seconds.
    pub max_bytes_per_second: Option<u32>,
    /// Times that one session may ask in a second to join a namespace. `None`, the default, for any number. Beyond it the answer is
    /// `CONNECT_ERROR` with the data `{"code":"RATE_LIMIT_EXCEEDED"}`; a session that asks twice as often all the same ends, with the reason
    /// [`DisconnectReason::RateLimit`](crate::DisconnectReason::RateLimit).
    pub max_joins_per_second: Option<u32>,
    /// Commands about progress sessions that one session may give in a second. `None`, the default, for any number. Beyond it they are
    /// answered `RATE_LIMIT_EXCEEDED`, or, where no acknowledgement is asked for, by an event `error` of `{"code", "message"}`; a
    /// session that gives twice as many all the same ends, with the reason
    /// [`DisconnectReason::RateLimit`](crate::DisconnectReason::RateLimit).
    pub max_commands_per_second: Option<u32>,
    /// Addresses that the limits for each address do not concern, such as that of a proxy, behind which all have one address. Default none.
    pub exempt_addresses: Vec<Network>,
    /// Proxies in front of this server, which say for whom they pass a request on by `X-Forwarded-For` or `Forwarded`. Default none:
    /// these header fields mean nothing. Of a request that comes from one of these addresses the client is the last address
    /// in the field that is none of them; it counts for the limits on sessions and handshakes, and is what handlers are told. Where both
    /// fields are there and name different clients, where they name nobody, and where the address cannot be read, the proxy's own address
    /// stays. [`Config::max_connections_per_address`] does not concern them.
    pub trusted_proxies: Vec<Network>,
    /// Bytes of a request head, its request line included. Default 16 KiB, as in Node. Beyond it: 431.
    pub max_head_bytes: usize,
    /// Bytes of a request line, of which the query is the part that clients make long. Default 16 KiB, so that only
    /// [`Config::max_head_bytes`] bounds it; both have to grow for a longer one. Beyond it: 414.
    pub max_request_line_bytes: usize,
    /// Header fields of a request. Default 100, and 256 at most, whatever this says. Beyond it: 431.
    pub max_header_fields: usize,
    /// Milliseconds from a request's first byte to the end of its head, and between two reads of its body. Default
    /// 10,000; then 408. Also for how long a peer may take nothing of its answer; then it is disconnected.
    pub request_timeout_ms: u64,
    /// Milliseconds that a connection may wait for its next request, once its last answer is written. Default 75,000, longer than browsers and proxies
    /// wait, so that the side that closes is rarely the one that is just being asked.
    pub keep_alive_ms: u64,
    /// Milliseconds for which a connection that has been answered for the last time is still read from, so that what
    /// the peer had under way does not destroy the answer. Default 2,000.
    pub linger_ms: u64,
    /// Bytes that are read and thrown away meanwhile, whatever they are. Default 1 MiB, about as much as a request of
    /// [`Config::max_payload_bytes`] may have under way. Beyond it nothing more is read: the peer is held back until the
    /// connection is closed, and may read its answer until then.
    pub max_linger_bytes: u32,
    /// Bytes of an unwanted request body that are read and thrown away to keep the connection. Default 256 KiB; a longer
    /// one closes it. The body of a poll, which has no meaning, may be as long; a longer one is answered 413.
    pub max_discarded_bytes: u64,
    /// Events that may wait for the host before the endpoint stops reading its input for a moment. Default 256; it
    /// bounds what a payload of very many tiny packets can make the queue grow to.
    pub max_pending_events: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            path: "/socket.io/".to_owned(),
            add_trailing_slash: true,
            socket_io: true,
            namespaces: vec!["/".to_owned()],
            connect_requests: false,
            progress_commands: false,
            door: None,
            cleanup_empty_child_namespaces: false,
            max_child_namespaces: 1_000,
            room_events: false,
            limit_events: false,
            emitted_events: false,
            max_answer_bytes: 4 * 1024 * 1024,
            progress: Some(ProgressConfig::default()),
            host_http: false,
            serve_client: false,
            destroy_upgrade_ms: Some(1_000),
            allow_request: false,
            connection_errors: false,
            initial_headers: None,
            headers: None,
            initial_packet: None,
            handshake: HandshakeDetail::Minimal,
            #[cfg(feature = "compression")]
            http_compression: Some(HttpCompression::default()),
            transports: Transports::Both,
            allow_upgrades: true,
            cors: None,
            cookie: None,
            allow_eio3: false,
            recovery: None,
            parser: Parser::default(),
            allowed_hosts: None,
            allowed_origins: None,
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            upgrade_timeout_ms: 10_000,
            connect_timeout_ms: 45_000,
            max_payload_bytes: 1_000_000,
            max_packets_per_poll: 16,
            max_attachments: 10,
            attachment_timeout_ms: 10_000,
            max_incomplete_bytes: 12 * 1024 * 1024,
            max_memory_bytes: None,
            max_json_depth: 128,
            max_namespaces_per_client: 32,
            max_auth_bytes: 16 * 1024,
            max_rooms_per_socket: 1_000,
            max_room_name_bytes: 1_024,
            max_pending_acks: 10_000,
            max_queued_bytes: 4 * 1024 * 1024,
            max_connections: 20_000,
            max_sessions: 20_000,
            max_connections_per_address: None,
            max_sessions_per_address: None,
            max_handshakes_per_second: None,
            max_messages_per_second: None,
            max_bytes_per_second: None,
            max_joins_per_second: None,
            max_commands_per_second: None,
            exempt_addresses: Vec::new(),
            trusted_proxies: Vec::new(),
            max_head_bytes: 16 * 1024,
            max_request_line_bytes: 16 * 1024,
            max_header_fields: 100,
            request_timeout_ms: 10_000,
            keep_alive_ms: 75_000,
            linger_ms: 2_000,
            max_linger_bytes: 1024 * 1024,
            max_discarded_bytes: 256 * 1024,
            max_pending_events: 256,
        }
    }
}

impl Config {
    /// Bare Engine.IO on this path: neither Socket.IO nor progress sessions.
    pub fn engine_only(path: &str) -> Config {
        Config {
            path: path.to_owned(),
            socket_io: false,
            progress: None,
            ..Config::default()
        }
    }
}
