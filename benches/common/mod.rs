//! What a client sends, by hand: no client library shall be part of what is measured.

mod masked;

pub use masked::masked;

/// Asks for a session by WebSocket.
pub const HANDSHAKE: &[u8] = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Joins the namespace `/`.
pub const JOIN: &str = "40";
