//! Messages out of the frames of a client, in the buffer into which they were read.

use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::header::{Header, Parsed};

/// Fragments of one message beyond this are not taken: they could go on for ever without a byte of payload. A message
/// of 8 MiB in fragments of 64 bytes is still within.
const MAX_FRAGMENTS: u32 = 128 * 1024;

/// Puts the fragments of a message together; all that a connection keeps of what it has received. See the
/// [module](super) for what that is.
#[derive(Debug, Default)]
pub struct Decoder {
    fragments: Option<Box<Fragments>>,
}

#[derive(Debug)]
struct Fragments {
    payload: Vec<u8>,
    count: u32,
    is_text: bool,
    /// How much of a text is known to be UTF-8.
    valid_bytes: usize,
    /// The message has been handed out: the memory goes back at the next opportunity.
    is_complete: bool,
}

/// What there is at the beginning of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// Not a whole frame. The input is unchanged, and the next call is worth its while when it has grown to `needed`
    /// bytes, counted from its beginning; more may turn out to be needed then.
    Incomplete {
        /// At least so many bytes belong to the first frame; with its header there, exactly so many.
        needed: usize,
    },
    /// A frame of `consumed` bytes, after which the next frame begins.
    Complete {
        /// Length of the frame in bytes.
        consumed: usize,
        /// The message that the frame is or completes; `None` while further fragments must follow.
        message: Option<Message<'a>>,
    },
}

/// A message of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
    /// A ping with its payload of at most 125 bytes, to be answered by [`pong_frame`](super::pong_frame).
    Ping(&'a [u8]),
    /// A pong with its payload, asked for or not.
    Pong(&'a [u8]),
    /// The peer closes, with a reason or without one. Nothing that it sends afterwards is of any interest.
    Close(Option<CloseReason<'a>>),
}

/// Why the peer closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseReason<'a> {
    /// A code that may be sent, and so may be echoed: 1000 to 1003, 1007 to 1014, 3000 to 4999.
    pub code: u16,
    /// A text for people, often empty.
    pub reason: &'a str,
}

/// Why the connection must be closed. The decoder is of no use afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The peer broke the protocol, in this way.
    Protocol(&'static str),
    /// A text, or the reason for a close, is not UTF-8.
    InvalidUtf8,
    /// A message is longer than the limit or has too many fragments.
    TooBig,
}

impl Failure {
    /// The code to close with (RFC 6455 section 7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Failure::Protocol(_) => CloseCode::Protocol.into(),
            Failure::InvalidUtf8 => CloseCode::Invalid.into(),
            Failure::TooBig => CloseCode::Size.into(),
        }
    }
}

impl Decoder {
    /// Decodes the frame at the beginning of `input`.
    ///
    /// Call it again behind the consumed bytes until the frame there is incomplete. `max_message_bytes` is the limit on a
    /// message's payload, in whatever number of fragments it comes. Nothing is allocated but for fragments, and for these
    /// never more than that limit, whatever lengths the peer claims.
    pub fn decode<'a>(
        &'a mut self,
        input: &'a mut [u8],
        max_message_bytes: usize,
    ) -> Result<Decoded<'a>, Failure> {
        self.release();
        let header = match Header::parse(input)? {
            Parsed::Header(header) => header,
            Parsed::Incomplete { needed } => return Ok(Decoded::Incomplete { needed }),
        };
        self.check_sequence(&header, max_message_bytes)?;
        // `check_sequence` has compared data frames with the limit, which is a usize, and control frames are short.
        let consumed = header.bytes.saturating_add(header.payload_bytes as usize);
        let Some(payload) = input.get_mut(header.bytes..consumed) else {
            return Ok(Decoded::Incomplete { needed: consumed });
        };
        header.unmask(payload);
        let message = match header.opcode {
            OpCode::Control(control) => Some(control_message(control, payload)?),
            OpCode::Data(Data::Text) if header.is_final => Some(Message::Text(utf8(payload)?)),
            OpCode::Data(Data::Binary) if header.is_final => Some(Message::Binary(payload)),
            OpCode::Data(data) => {
                self.add_fragment(data, header.is_final, payload, max_message_bytes)?
            }
        };
        Ok(Decoded::Complete { consumed, message })
    }

    /// Gives back the memory of a fragmented message that has been handed out. The next call of [`Decoder::decode`] does
    /// so too, but a client may have nothing more to say for a long time.
    pub fn release(&mut self) {
        if self
            .fragments
            .as_ref()
            .is_some_and(|fragments| fragments.is_complete)
        {
            self.fragments = None;
        }
    }

    /// Bytes of memory for the message that is being put together.
    pub fn kept_bytes(&self) -> usize {
        let fragments = self.fragments.as_ref();
        fragments.map_or(0, |fragments| fragments.payload.capacity())
    }

    /// What may follow upon what, and how much of it.
    fn check_sequence(&self, header: &Header, max_message_bytes: usize) -> Result<(), Failure> {
        let (kept_bytes, count) = match (header.opcode, &self.fragments) {
            (OpCode::Control(_), _) => return Ok(()),
            (OpCode::Data(Data::Continue), None) => {
                return Err(Failure::Protocol("a continuation without a beginning"));
            }
            (OpCode::Data(Data::Continue), Some(fragments)) => {
                (fragments.payload.len(), fragments.count)
            }
            (OpCode::Data(_), Some(_)) => {
                return Err(Failure::Protocol(
                    "a new message before the last one has ended",
                ));
            }
            (OpCode::Data(_), None) => (0, 0),
        };
        let left_bytes = max_message_bytes.saturating_sub(kept_bytes) as u64;
        if header.payload_bytes > left_bytes || count >= MAX_FRAGMENTS {
            return Err(Failure::TooBig);
        }
        Ok(())
    }

    fn add_fragment(
        &mut self,
        data: Data,
        is_final: bool,
        payload: &[u8],
        max_message_bytes: usize,
    ) -> Result<Option<Message<'_>>, Failure> {
        let fragments = self.fragments.get_or_insert_with(|| {
            Box::new(Fragments {
                payload: Vec::new(),
                count: 0,
                is_text: data == Data::Text,
                valid_bytes: 0,
                is_complete: false,
            })
        });
        fragments.add(payload, max_message_bytes);
        if fragments.is_text {
            fragments.check_utf8(is_final)?;
        }
        if !is_final {
            return Ok(None);
        }
        fragments.is_complete = true;
        Ok(Some(if fragments.is_text {
            Message::Text(utf8(&fragments.payload)?)
        } else {
            Message::Binary(&fragments.payload)
        }))
    }
}

impl Fragments {
    fn add(&mut self, payload: &[u8], max_message_bytes: usize) {
        let length = self.payload.len() + payload.len();
        debug_assert!(length <= max_message_bytes);
        if length > self.payload.capacity() {
            // Doubled, so as not to copy for every fragment, but not beyond what the message can become.
            let capacity = length.max(2 * self.payload.len()).min(max_message_bytes);
            self.payload.reserve_exact(capacity - self.payload.len());
        }
        self.payload.extend_from_slice(payload);
        self.count += 1;
    }

    /// Looks at what has come since the last time, so that a bad text is refused at the fragment that makes it bad. A
    /// character may be cut by the end of any fragment but the last.
    fn check_utf8(&mut self, is_final: bool) -> Result<(), Failure> {
        match std::str::from_utf8(&self.payload[self.valid_bytes..]) {
            Ok(_) => self.valid_bytes = self.payload.len(),
            Err(error) if error.error_len().is_none() && !is_final => {
                self.valid_bytes += error.valid_up_to()
            }
            Err(_) => return Err(Failure::InvalidUtf8),
        }
        Ok(())
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(bytes).map_err(|_| Failure::InvalidUtf8)
}

fn control_message(control: Control, payload: &[u8]) -> Result<Message<'_>, Failure> {
    match control {
        Control::Ping => Ok(Message::Ping(payload)),
        Control::Pong => Ok(Message::Pong(payload)),
        Control::Close => Ok(Message::Close(close_reason(payload)?)),
        Control::Reserved(_) => Err(Failure::Protocol("unknown opcode")),
    }
}

fn close_reason(payload: &[u8]) -> Result<Option<CloseReason<'_>>, Failure> {
    match payload {
        [] => Ok(None),
        [_] => Err(Failure::Protocol("half a close code")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            // 1014 was registered later than tungstenite's list, as 1012 and 1013 were later than the RFC's.
            if !CloseCode::from(code).is_allowed() && code != 1014 {
                return Err(Failure::Protocol("a close code that must not be sent"));
            }
            Ok(Some(CloseReason {
                code,
                reason: utf8(reason)?,
            }))
        }
    }
}

#[cfg(test)]
mod tests;
