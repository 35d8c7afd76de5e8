//! The packet of Socket.IO: what is behind the `4` of an Engine.IO message.

mod encode;
#[cfg(test)]
mod tests;

pub use encode::{
    encode_ack, encode_connect, encode_connect_error, encode_disconnect, encode_event,
};
pub(crate) use encode::{write_ack, write_event};

use std::borrow::Cow;
use std::ops::Range;

use super::Args;
use crate::frame::Frame;
use crate::json::{self, JsonError, Placeholder};

/// Type of a packet; the number is the digit on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Joins a namespace, or says that it is joined.
    Connect = 0,
    /// Leaves a namespace, or puts out of it.
    Disconnect = 1,
    /// An event.
    Event = 2,
    /// The answer to an event.
    Ack = 3,
    /// A namespace cannot be joined.
    ConnectError = 4,
    /// An event with attachments.
    BinaryEvent = 5,
    /// An answer with attachments.
    BinaryAck = 6,
}

/// A packet as it was read; everything in it is a part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its type.
    pub kind: Kind,
    /// The namespace's name, with its query part where there is one.
    pub namespace: &'a str,
    /// Number of the acknowledgement that is asked for or given.
    pub id: Option<u64>,
    /// How many binary messages follow.
    pub attachments: usize,
    /// JSON text, or empty, as it may be in an acknowledgement too, though that then answers nothing.
    pub data: &'a str,
    /// Of events and acknowledgements: byte offset in `data` at which the arguments begin.
    pub args_at: usize,
    /// Of an event: its name without quotes, escapes as they came; `None` when a number stands in its place, see
    /// [`Args::event_name`].
    pub name: Option<&'a str>,
}

/// Why a packet is refused. Each ends the client's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketError {
    /// There is no such type, or no packet at all.
    UnknownType,
    /// The count of attachments is missing or not a number.
    BadAttachmentCount,
    /// More attachments than allowed.
    TooManyAttachments,
    /// The number of the acknowledgement does not fit into 64 bits.
    BadId,
    /// The data is not JSON.
    BadJson,
    /// The data is nested too deep.
    TooDeep,
    /// The data is JSON, but not what this type carries.
    BadPayload,
    /// The event's name is one of Socket.IO's own.
    ReservedEvent,
    /// A placeholder names an attachment that is not there.
    BadPlaceholder,
}

/// What a packet may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Attachments of one packet.
    pub max_attachments: usize,
    /// Levels of nesting in its JSON.
    pub max_json_depth: u32,
}

/// A packet made ready: its text, then its attachments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The packet itself; binary where it is MessagePack.
    pub text: Frame,
    /// What its placeholders stand for, in their order.
    pub attachments: Vec<Frame>,
}

impl Encoded {
    /// Bytes of the packet and its attachments.
    pub fn bytes(&self) -> usize {
        let attachments = self.attachments.iter().map(|frame| frame.payload().len());
        self.text.payload().len() + attachments.sum::<usize>()
    }

    /// The same, to be compressed on the way or not.
    pub(crate) fn compressed(mut self, is_wanted: bool) -> Encoded {
        if !is_wanted {
            self.text = self.text.without_compression();
            let attachments = self.attachments.into_iter();
            self.attachments = attachments.map(Frame::without_compression).collect();
        }
        self
    }

    /// A packet without attachments.
    #[cfg(feature = "msgpack")]
    pub(super) fn alone(text: Frame) -> Encoded {
        Encoded {
            text,
            attachments: Vec::new(),
        }
    }
}

/// Whether this name belongs to Socket.IO itself and so cannot be an event's.
pub fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "connect"
            | "connect_error"
            | "disconnect"
            | "disconnecting"
            | "newListener"
            | "removeListener"
    )
}

/// A namespace's name as clients write it, with a slash in front where a host has left that out.
///
/// ```
/// use pulsewheel::socket::with_slash;
///
/// assert_eq!(with_slash("chat"), "/chat");
/// assert_eq!(with_slash("/chat"), "/chat");
/// ```
pub fn with_slash(name: &str) -> Cow<'_, str> {
    if name.starts_with('/') {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("/{name}"))
    }
}

impl<'a> Packet<'a> {
    /// Reads a packet.
    pub fn decode(text: &'a str, limits: &Limits) -> Result<Packet<'a>, PacketError> {
        let kind = match text.as_bytes().first() {
            Some(b'0') => Kind::Connect,
            Some(b'1') => Kind::Disconnect,
            Some(b'2') => Kind::Event,
            Some(b'3') => Kind::Ack,
            Some(b'4') => Kind::ConnectError,
            Some(b'5') => Kind::BinaryEvent,
            Some(b'6') => Kind::BinaryAck,
            _ => return Err(PacketError::UnknownType),
        };
        let rest = &text[1..];
        let (attachments, rest) = match kind {
            Kind::BinaryEvent | Kind::BinaryAck => {
                let (count, rest) = rest
                    .split_once('-')
                    .ok_or(PacketError::BadAttachmentCount)?;
                if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(PacketError::BadAttachmentCount);
                }
                match count.parse() {
                    Ok(count) if count <= limits.max_attachments => (count, rest),
                    _ => return Err(PacketError::TooManyAttachments),
                }
            }
            _ => (0, rest),
        };
        let (namespace, rest) = if rest.starts_with('/') {
            rest.split_once(',').unwrap_or((rest, ""))
        } else {
            ("/", rest)
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (id, data) = rest.split_at(digits);
        let id = match id {
            "" => None,
            id => Some(id.parse().map_err(|_| PacketError::BadId)?),
        };
        let mut packet = Packet {
            kind,
            namespace,
            id,
            attachments,
            data: json::trim(data),
            args_at: 0,
            name: None,
        };
        packet.check_data(limits)?;
        Ok(packet)
    }

    /// A packet put together from its parts by another parser.
    #[cfg(feature = "msgpack")]
    pub(super) fn checked(
        kind: Kind,
        namespace: &'a str,
        id: Option<u64>,
        data: &'a str,
        limits: &Limits,
    ) -> Result<Packet<'a>, PacketError> {
        let mut packet = Packet {
            kind,
            namespace,
            id,
            attachments: 0,
            data,
            args_at: 0,
            name: None,
        };
        packet.check_data(limits)?;
        Ok(packet)
    }

    /// The arguments of an event or an acknowledgement without attachments, as a copy.
    pub fn args(&self) -> Args {
        let (text, first_at) = match self.kind {
            Kind::Event | Kind::Ack if !self.data.is_empty() => (self.data, self.args_at),
            _ => ("[]", 1),
        };
        Args::received(text.to_owned(), first_at, Vec::new())
    }

    fn check_data(&mut self, limits: &Limits) -> Result<(), PacketError> {
        let mut beginning = Beginning {
            values: 0,
            name: 0..0,
            args_at: self.data.len().saturating_sub(1),
        };
        if !self.data.is_empty() {
            json::scan(self.data, limits.max_json_depth, &mut beginning).map_err(|error| {
                match error {
                    JsonError::Syntax(_) => PacketError::BadJson,
                    JsonError::TooDeep => PacketError::TooDeep,
                }
            })?;
        }
        match self.kind {
            Kind::Connect if self.data.is_empty() || self.data.starts_with('{') => Ok(()),
            Kind::Disconnect if self.data.is_empty() => Ok(()),
            Kind::Ack | Kind::BinaryAck if self.data.is_empty() => Ok(()),
            Kind::Ack | Kind::BinaryAck if self.data.starts_with('[') => {
                self.args_at = 1;
                Ok(())
            }
            Kind::Event | Kind::BinaryEvent if self.data.starts_with('[') => {
                self.args_at = beginning.args_at;
                self.check_name(beginning.name)
            }
            // Clients do not refuse servers.
            _ => Err(PacketError::BadPayload),
        }
    }

    fn check_name(&mut self, name: Range<usize>) -> Result<(), PacketError> {
        match self.data.as_bytes()[name.start] {
            b'"' => {
                let quoted = &self.data[name];
                let name = &quoted[1..quoted.len() - 1];
                let is_reserved = if !json::is_plain(name) {
                    serde_json::from_str::<String>(quoted).is_ok_and(|name| is_reserved(&name))
                } else {
                    is_reserved(name)
                };
                if is_reserved {
                    return Err(PacketError::ReservedEvent);
                }
                self.name = Some(name);
                Ok(())
            }
            b'-' | b'0'..=b'9' => Ok(()),
            _ => Err(PacketError::BadPayload),
        }
    }
}

/// What an event's array begins with; of other data it says nothing of use.
struct Beginning {
    /// How many values have begun, the array itself among them.
    values: usize,
    /// The first element, where that is no array and no object. Otherwise empty, at a bracket.
    name: Range<usize>,
    /// The second element, or the closing bracket.
    args_at: usize,
}

impl Beginning {
    fn value(&mut self, range: Range<usize>) {
        match self.values {
            1 => self.name = range,
            2 => self.args_at = range.start,
            _ => {}
        }
        self.values += 1;
    }
}

impl json::Visitor for Beginning {
    fn open(&mut self, at: usize) {
        self.value(at..at);
    }

    fn scalar(&mut self, range: Range<usize>) {
        self.value(range);
    }
}

/// Checks that every placeholder of a packet's data names one of its attachments.
pub(super) fn check_placeholders(data: &str, attachments: usize) -> Result<(), PacketError> {
    let fits = |place: &Placeholder| place.number.is_some_and(|number| number < attachments);
    if json::placeholders(data).iter().all(fits) {
        Ok(())
    } else {
        Err(PacketError::BadPlaceholder)
    }
}
