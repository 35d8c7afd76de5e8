//! The parser `socket.io-msgpack-parser`: each packet is one binary message, a MessagePack map with the keys `type`, `nsp`,
//! `data` and `id`.
//!
//! Inside, arguments stay what they are with the other parser: JSON text, and binary values beside it. So handlers, rooms and
//! acknowledgements know nothing of the parser, and only this file translates.

mod read;

use rmp::decode;
use rmp::encode;
use serde_json::Value;

use super::packet::{Kind, Limits, Packet, PacketError};
use super::{Args, ConnectError};
use crate::frame::{Frame, FrameBuilder};
use crate::id::IdText;
use crate::json;
use read::{read_json, read_key, read_number, read_optional, read_text};

/// A packet as it was read.
#[derive(Debug)]
pub struct MsgpackPacket {
    kind: Kind,
    namespace: String,
    id: Option<u64>,
    data: String,
    /// The binary values, as the placeholders in the data number them.
    pub attachments: Vec<Frame>,
}

impl MsgpackPacket {
    /// Reads a binary message.
    pub fn decode(mut bytes: &[u8], limits: &Limits) -> Result<MsgpackPacket, PacketError> {
        let input = &mut bytes;
        let (mut kind, mut namespace, mut id, mut data) = (None, None, None, None);
        let mut attachments = Vec::new();
        let entries = decode::read_map_len(input).map_err(|_| PacketError::BadPayload)?;
        for _ in 0..entries {
            match &*read_key(input, limits)? {
                "type" => kind = Some(kind_of(read_number(input)?)?),
                "nsp" => namespace = Some(read_text(input)?.to_owned()),
                "id" => {
                    id = read_optional(input, limits)?
                        .map(|text| text.parse())
                        .transpose()
                        .map_err(|_| PacketError::BadId)?
                }
                "data" => data = Some(read_json(input, limits, &mut attachments)?),
                // Clients send their own notes along, such as `options`.
                _ => {
                    read_json(input, limits, &mut Vec::new())?;
                }
            }
        }
        if !input.is_empty() {
            return Err(PacketError::BadPayload);
        }
        let data = data.filter(|data| data != "null").unwrap_or_default();
        check_places(&data, attachments.len())?;
        Ok(MsgpackPacket {
            kind: kind.ok_or(PacketError::UnknownType)?,
            namespace: namespace.ok_or(PacketError::BadPayload)?,
            id,
            data,
            attachments,
        })
    }

    /// The packet in the terms of the other parser, checked like one of that.
    pub fn packet(&self, limits: &Limits) -> Result<Packet<'_>, PacketError> {
        Packet::checked(self.kind, &self.namespace, self.id, &self.data, limits)
    }
}

/// `CONNECT`, with an id where the client wants to be told, and with a `pid` where it can recover.
pub fn encode_connect(
    frames: &mut FrameBuilder,
    namespace: &str,
    id: Option<IdText>,
    pid: Option<IdText>,
) -> Frame {
    frames.binary(|out| {
        write_head(out, Kind::Connect, namespace, None, id.is_some());
        if let Some(id) = id {
            write_map(out, 1 + u32::from(pid.is_some()));
            write_text(out, "sid");
            write_text(out, id.as_str());
            if let Some(pid) = pid {
                write_text(out, "pid");
                write_text(out, pid.as_str());
            }
        }
    })
}

/// `CONNECT_ERROR`: the message in an object, or bare for clients of Socket.IO 2.
pub fn encode_connect_error(
    frames: &mut FrameBuilder,
    namespace: &str,
    error: &ConnectError,
    is_bare: bool,
) -> Frame {
    let value = serde_json::from_str(&error.to_json(is_bare)).unwrap_or(Value::Null);
    frames.binary(|out| {
        write_head(out, Kind::ConnectError, namespace, None, true);
        write_value(out, &value, &[]);
    })
}

/// `DISCONNECT`.
pub fn encode_disconnect(frames: &mut FrameBuilder, namespace: &str) -> Frame {
    frames.binary(|out| write_head(out, Kind::Disconnect, namespace, None, false))
}

/// `EVENT`, or `ACK` where there is no name.
pub fn encode_message(
    frames: &mut FrameBuilder,
    namespace: &str,
    id: Option<u64>,
    name: Option<&str>,
    args: &Args,
) -> Frame {
    let kind = if name.is_some() {
        Kind::Event
    } else {
        Kind::Ack
    };
    frames.binary(|out| {
        write_head(out, kind, namespace, id, true);
        let count = args.len() + usize::from(name.is_some());
        infallible(encode::write_array_len(out, count as u32));
        if let Some(name) = name {
            write_text(out, name);
        }
        for raw in args.iter_raw() {
            // Only a lone surrogate in a string makes valid JSON text unreadable here, and MessagePack has none.
            let value = serde_json::from_str(raw).unwrap_or(Value::Null);
            write_value(out, &value, args.attachments());
        }
    })
}

/// Each binary value has one place, and nobody else makes any: a client's own map that looks like a place would be written as
/// the value that it names, and thousands of such maps as thousands of copies of it.
fn check_places(data: &str, attachments: usize) -> Result<(), PacketError> {
    if attachments == 0 {
        return Ok(());
    }
    let places = json::placeholders(data).into_iter();
    if places
        .map(|place| place.number)
        .eq((0..attachments).map(Some))
    {
        Ok(())
    } else {
        Err(PacketError::BadPlaceholder)
    }
}

fn kind_of(number: u64) -> Result<Kind, PacketError> {
    Ok(match number {
        0 => Kind::Connect,
        1 => Kind::Disconnect,
        2 => Kind::Event,
        3 => Kind::Ack,
        4 => Kind::ConnectError,
        _ => return Err(PacketError::UnknownType),
    })
}

fn write_head(out: &mut Vec<u8>, kind: Kind, namespace: &str, id: Option<u64>, has_data: bool) {
    write_map(out, 2 + u32::from(id.is_some()) + u32::from(has_data));
    write_text(out, "type");
    infallible(encode::write_uint(out, kind as u64));
    write_text(out, "nsp");
    write_text(out, namespace);
    if let Some(id) = id {
        write_text(out, "id");
        infallible(encode::write_uint(out, id));
    }
    if has_data {
        write_text(out, "data");
    }
}

/// Recurses at most as deep as the JSON reader that made the value, which is 128 levels.
fn write_value(out: &mut Vec<u8>, value: &Value, attachments: &[Frame]) {
    match value {
        Value::Null => infallible(encode::write_nil(out)),
        Value::Bool(value) => infallible(encode::write_bool(out, *value)),
        Value::Number(number) => {
            if let Some(number) = number.as_u64() {
                infallible(encode::write_uint(out, number));
            } else if let Some(number) = number.as_i64() {
                infallible(encode::write_sint(out, number));
            } else {
                infallible(encode::write_f64(out, number.as_f64().unwrap_or(f64::NAN)));
            }
        }
        Value::String(text) => write_text(out, text),
        Value::Array(values) => {
            infallible(encode::write_array_len(out, values.len() as u32));
            for value in values {
                write_value(out, value, attachments);
            }
        }
        Value::Object(map) => {
            if let Some(attachment) = attachment_of(map, attachments) {
                return infallible(encode::write_bin(out, attachment.payload()));
            }
            write_map(out, map.len() as u32);
            for (key, value) in map {
                write_text(out, key);
                write_value(out, value, attachments);
            }
        }
    }
}

fn attachment_of<'a>(
    map: &serde_json::Map<String, Value>,
    attachments: &'a [Frame],
) -> Option<&'a Frame> {
    if map.get("_placeholder")?.as_bool()? {
        attachments.get(usize::try_from(map.get("num")?.as_u64()?).ok()?)
    } else {
        None
    }
}

fn write_map(out: &mut Vec<u8>, entries: u32) {
    infallible(encode::write_map_len(out, entries));
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    infallible(encode::write_str(out, text));
}

/// Writing to a `Vec` cannot fail, whatever the encoder's signature says.
fn infallible<T, E: std::fmt::Debug>(result: Result<T, E>) {
    result.expect("a Vec takes everything");
}

#[cfg(test)]
mod tests;
