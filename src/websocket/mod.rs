//! WebSocket (RFC 6455), the server's side, as functions over bytes: the opening handshake, messages out of the bytes
//! that have come, frames for the bytes that go. No sockets, no buffers, no state of the connection's life.
//!
//! # What is kept per connection
//!
//! A [`Decoder`], which is one pointer. It points at nothing until a message arrives in fragments; from then until that
//! message has been handled it points at the fragments' bytes, put together. Everything else stays with the caller: a
//! frame is unmasked and handed out in the buffer into which it was read, and the caller keeps unread bytes only while a
//! frame is incomplete; [`Decoded::Incomplete`] says how many there must be. Fragments and the frame that is awaited are
//! together never more than `max_message_bytes`, and the header or control frame that is awaited at most 131 bytes.
//!
//! # What is enforced
//!
//! | rule (section of RFC 6455) | otherwise closed with |
//! |---|---|
//! | frames of clients are masked (5.1), the reserved bits are zero, the opcode is known (5.2) | 1002 |
//! | control frames are whole and have at most 125 bytes (5.5) | 1002 |
//! | lengths take the fewest bytes possible and are below 2^63 (5.2) | 1002 |
//! | a continuation follows a fragment, and nothing else but control frames does (5.4) | 1002 |
//! | a close frame has no payload, or a code that may be sent and a reason (5.5.1, 7.4) | 1002 |
//! | text, and the reason for a close, are UTF-8 (8.1) | 1007 |
//! | a message is not longer than the limit, nor in more than 131,072 fragments (10.4) | 1009 |
//!
//! The length is judged as soon as a frame's header is there, before any of its payload is kept or waited for.

mod decode;
mod encode;
mod handshake;
mod header;
#[cfg(test)]
mod tests;

pub use decode::{CloseReason, Decoded, Decoder, Failure, Message};
pub use encode::{close_frame, frame_header, pong_frame};
pub use handshake::{accept, write_switching_protocols, Accepted, Handshake, HandshakeRefusal};
pub use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
