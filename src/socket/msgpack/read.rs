//! From MessagePack to JSON text.
//!
//! What JSON cannot say is read as the nearest thing that it can, which is mostly what `JSON.stringify` makes of it:
//! `undefined` in an object is left out, and elsewhere null; NaN, the infinities and extensions that nobody here knows are null;
//! dates are their RFC 3339 text. Keys that are no text become what JavaScript calls them.

use std::borrow::Cow;
use std::fmt::Write as _;

use rmp::{decode, Marker};

use crate::frame::Frame;
use crate::json;
use crate::now::javascript_date;
use crate::socket::packet::{Limits, PacketError};

/// Binary values of one packet. The limit of the other parser does not hold here, but each value costs an allocation, so
/// there has to be one.
const MAX_ATTACHMENTS: usize = 1_000;

/// `undefined` as the JavaScript encoder writes it: an extension of one byte.
const UNDEFINED: &[u8] = &[0xd4, 0, 0];

/// What is open while a value is read: how many entries are still to come, and of what.
struct Open {
    left: u32,
    is_map: bool,
    is_first: bool,
}

impl Open {
    fn new(left: u32, is_map: bool) -> Open {
        Open {
            left,
            is_map,
            is_first: true,
        }
    }
}

/// Reads one value and writes it as JSON text, without recursion.
pub fn read_json(
    input: &mut &[u8],
    limits: &Limits,
    attachments: &mut Vec<Frame>,
) -> Result<String, PacketError> {
    let mut out = String::new();
    let mut open: Vec<Open> = Vec::new();
    loop {
        // What comes before a value: a comma, a key, or the ends of what is complete.
        match open.last_mut() {
            None if !out.is_empty() => return Ok(out),
            None => {}
            Some(level) if level.left == 0 => {
                out.push(if level.is_map { '}' } else { ']' });
                open.pop();
                continue;
            }
            Some(level) => {
                level.left -= 1;
                let key = match level.is_map {
                    true => Some(read_key(input, limits)?),
                    false => None,
                };
                if let Some(rest) = input.strip_prefix(UNDEFINED).filter(|_| level.is_map) {
                    *input = rest;
                    continue;
                }
                if !std::mem::take(&mut level.is_first) {
                    out.push(',');
                }
                if let Some(key) = key {
                    push_text(&mut out, &key);
                    out.push(':');
                }
            }
        }
        if let Some(level) = read_scalar_or_open(input, attachments, &mut out)? {
            if open.len() >= limits.max_json_depth.min(json::MAX_DEPTH) as usize {
                return Err(PacketError::TooDeep);
            }
            open.push(level);
        }
    }
}

/// Reads a scalar, or the head of an array or a map.
fn read_scalar_or_open(
    input: &mut &[u8],
    attachments: &mut Vec<Frame>,
    out: &mut String,
) -> Result<Option<Open>, PacketError> {
    match marker(input)? {
        Marker::Null => {
            *input = &input[1..];
            out.push_str("null");
        }
        Marker::True | Marker::False => out.push_str(read_bool(input)?),
        Marker::F32 | Marker::F64 => push_float(out, read_float(input)?),
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            push_text(out, read_text(input)?)
        }
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
            push_binary(out, read_binary(input)?, attachments)?
        }
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
            let left = decode::read_array_len(input).map_err(|_| PacketError::BadPayload)?;
            out.push('[');
            return Ok(Some(Open::new(left, false)));
        }
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
            let left = decode::read_map_len(input).map_err(|_| PacketError::BadPayload)?;
            out.push('{');
            return Ok(Some(Open::new(left, true)));
        }
        kind if is_extension(kind) => match read_extension(input)? {
            Extension::Binary(bytes) => push_binary(out, bytes, attachments)?,
            Extension::Date(text) => push_text(out, &text),
            Extension::Undefined | Extension::Unknown => out.push_str("null"),
        },
        _ => push(out, format_args!("{}", read_integer(input)?)),
    }
    Ok(None)
}

/// Reads the key of a map, which others than JavaScript may make of something that is no text.
pub fn read_key<'a>(input: &mut &'a [u8], limits: &Limits) -> Result<Cow<'a, str>, PacketError> {
    if let Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 = marker(input)? {
        return read_text(input).map(Cow::Borrowed);
    }
    let mut text = String::new();
    push_key(&mut text, input, limits, limits.max_json_depth)?;
    Ok(Cow::Owned(text))
}

/// Appends what JavaScript calls a key: `1`, `true`, `null`, `1.5`, `1,2` for an array.
fn push_key(
    out: &mut String,
    input: &mut &[u8],
    limits: &Limits,
    depth_left: u32,
) -> Result<(), PacketError> {
    match marker(input)? {
        Marker::Null => {
            *input = &input[1..];
            out.push_str("null");
        }
        Marker::True | Marker::False => out.push_str(read_bool(input)?),
        Marker::F32 | Marker::F64 => out.push_str(&json::javascript_text_of(read_float(input)?)),
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            out.push_str(read_text(input)?)
        }
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
            out.push_str(&String::from_utf8_lossy(read_binary(input)?))
        }
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
            let count = decode::read_array_len(input).map_err(|_| PacketError::BadPayload)?;
            let depth_left = depth_left.checked_sub(1).ok_or(PacketError::TooDeep)?;
            for index in 0..count {
                if index > 0 {
                    out.push(',');
                }
                match input
                    .strip_prefix(UNDEFINED)
                    .or(input.strip_prefix(&[0xc0]))
                {
                    Some(rest) => *input = rest,
                    None => push_key(out, input, limits, depth_left)?,
                }
            }
        }
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
            let depth_left = depth_left.checked_sub(1).ok_or(PacketError::TooDeep)?;
            let limits = Limits {
                max_json_depth: depth_left,
                ..*limits
            };
            read_json(input, &limits, &mut Vec::new())?;
            out.push_str("[object Object]");
        }
        kind if is_extension(kind) => match read_extension(input)? {
            Extension::Binary(bytes) => out.push_str(&String::from_utf8_lossy(bytes)),
            Extension::Date(text) => out.push_str(&text),
            Extension::Undefined => out.push_str("undefined"),
            Extension::Unknown => out.push_str("null"),
        },
        _ => push(out, format_args!("{}", read_integer(input)?)),
    }
    Ok(())
}

/// What JavaScript has and MessagePack has not, as the client's encoder writes it.
enum Extension<'a> {
    Undefined,
    /// Its text.
    Date(String),
    /// An `ArrayBuffer` or a typed array, which Node's encoder does not write as binary.
    Binary(&'a [u8]),
    Unknown,
}

fn is_extension(kind: Marker) -> bool {
    matches!(
        kind,
        Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32
    )
}

fn read_extension<'a>(input: &mut &'a [u8]) -> Result<Extension<'a>, PacketError> {
    if let Some(rest) = input.strip_prefix(UNDEFINED) {
        *input = rest;
        return Ok(Extension::Undefined);
    }
    let kind = marker(input)?;
    let meta = decode::read_ext_meta(input).map_err(|_| PacketError::BadPayload)?;
    let bytes = take(input, meta.size as usize)?;
    if meta.typeid != 0 {
        return Ok(Extension::Unknown);
    }
    // Eight bytes of the form for exactly eight are a date, whose milliseconds are signed; of any other form they are not.
    let date = match (kind, <[u8; 8]>::try_from(bytes)) {
        (Marker::FixExt8, Ok(bytes)) => javascript_date(i64::from_be_bytes(bytes)),
        _ => None,
    };
    Ok(date.map_or(Extension::Binary(bytes), Extension::Date))
}

fn push_binary(
    out: &mut String,
    bytes: &[u8],
    attachments: &mut Vec<Frame>,
) -> Result<(), PacketError> {
    if attachments.len() >= MAX_ATTACHMENTS {
        return Err(PacketError::TooManyAttachments);
    }
    push(
        out,
        format_args!("{{\"_placeholder\":true,\"num\":{}}}", attachments.len()),
    );
    attachments.push(Frame::binary(bytes));
    Ok(())
}

fn push_float(out: &mut String, number: f64) {
    match serde_json::Number::from_f64(number) {
        Some(number) => push(out, format_args!("{number}")),
        None => out.push_str("null"),
    }
}

fn push_text(out: &mut String, text: &str) {
    let json = serde_json::to_string(text).expect("a string always has a JSON text");
    out.push_str(&json);
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text)
        .expect("writing to a String cannot fail");
}

fn marker(input: &[u8]) -> Result<Marker, PacketError> {
    match input.first().copied().map(Marker::from_u8) {
        None | Some(Marker::Reserved) => Err(PacketError::BadPayload),
        Some(marker) => Ok(marker),
    }
}

fn read_bool(input: &mut &[u8]) -> Result<&'static str, PacketError> {
    let value = decode::read_bool(input).map_err(|_| PacketError::BadPayload)?;
    Ok(if value { "true" } else { "false" })
}

fn read_float(input: &mut &[u8]) -> Result<f64, PacketError> {
    let value = match marker(input)? {
        Marker::F32 => decode::read_f32(input).map(f64::from),
        _ => decode::read_f64(input),
    };
    value.map_err(|_| PacketError::BadPayload)
}

fn read_integer(input: &mut &[u8]) -> Result<i128, PacketError> {
    decode::read_int(input).map_err(|_| PacketError::BadPayload)
}

fn read_binary<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], PacketError> {
    let length = decode::read_bin_len(input).map_err(|_| PacketError::BadPayload)?;
    take(input, length as usize)
}

/// Reads a text.
pub fn read_text<'a>(input: &mut &'a [u8]) -> Result<&'a str, PacketError> {
    let length = decode::read_str_len(input).map_err(|_| PacketError::BadPayload)?;
    let bytes = take(input, length as usize)?;
    std::str::from_utf8(bytes).map_err(|_| PacketError::BadPayload)
}

/// Reads a type.
pub fn read_number(input: &mut &[u8]) -> Result<u64, PacketError> {
    decode::read_int(input).map_err(|_| PacketError::UnknownType)
}

/// A value as JSON text, or `None` for null and `undefined`.
pub fn read_optional(input: &mut &[u8], limits: &Limits) -> Result<Option<String>, PacketError> {
    let text = read_json(input, limits, &mut Vec::new())?;
    Ok(Some(text).filter(|text| text != "null"))
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> Result<&'a [u8], PacketError> {
    let (taken, rest) = input
        .split_at_checked(length)
        .ok_or(PacketError::BadPayload)?;
    *input = rest;
    Ok(taken)
}
