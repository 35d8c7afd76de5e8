//! Packets to clients.

use std::io::Write as _;

use super::{Encoded, Kind};
use crate::frame::{Frame, FrameBuilder};
use crate::id::IdText;
use crate::json::{self, Placeholder};
use crate::socket::{Args, ConnectError};

/// `CONNECT` to a client that has joined; without an id to clients of Socket.IO 2, which have their own idea of it, and with
/// a `pid` to clients that can recover.
pub fn encode_connect(
    frames: &mut FrameBuilder,
    namespace: &str,
    id: Option<IdText>,
    pid: Option<IdText>,
) -> Frame {
    frames.text(|out| {
        write_head(out, Kind::Connect, 0, namespace, None);
        if let Some(id) = id {
            push(out, "{\"sid\":\"");
            push(out, id.as_str());
            if let Some(pid) = pid {
                push(out, "\",\"pid\":\"");
                push(out, pid.as_str());
            }
            push(out, "\"}");
        }
    })
}

/// `CONNECT_ERROR` to a client that may not join: the message in an object, or bare as clients of Socket.IO 2 read it.
pub fn encode_connect_error(
    frames: &mut FrameBuilder,
    namespace: &str,
    error: &ConnectError,
    is_bare: bool,
) -> Frame {
    frames.text(|out| {
        write_head(out, Kind::ConnectError, 0, namespace, None);
        push(out, &error.to_json(is_bare));
    })
}

/// `DISCONNECT` to a client that is put out of a namespace.
pub fn encode_disconnect(frames: &mut FrameBuilder, namespace: &str) -> Frame {
    frames.text(|out| write_head(out, Kind::Disconnect, 0, namespace, None))
}

/// `EVENT` or `BINARY_EVENT`, with a number when an acknowledgement is wanted.
pub fn encode_event(
    frames: &mut FrameBuilder,
    namespace: &str,
    id: Option<u64>,
    name: &str,
    args: &Args,
) -> Encoded {
    encode(
        frames,
        Kind::Event,
        Kind::BinaryEvent,
        namespace,
        id,
        Some(name),
        args,
    )
}

/// `EVENT` of arguments without attachments, behind the type of its Engine.IO message.
pub(crate) fn write_event(
    out: &mut Vec<u8>,
    namespace: &str,
    id: Option<u64>,
    name: &str,
    args: &Args,
) {
    debug_assert!(args.attachments().is_empty());
    write_head(out, Kind::Event, 0, namespace, id);
    write_list(out, Some(name), args.raw_list());
}

/// `ACK` of arguments without attachments, behind the type of its Engine.IO message.
pub(crate) fn write_ack(out: &mut Vec<u8>, namespace: &str, id: u64, args: &Args) {
    debug_assert!(args.attachments().is_empty());
    write_head(out, Kind::Ack, 0, namespace, Some(id));
    write_list(out, None, args.raw_list());
}

/// `ACK` or `BINARY_ACK`.
pub fn encode_ack(frames: &mut FrameBuilder, namespace: &str, id: u64, args: &Args) -> Encoded {
    encode(
        frames,
        Kind::Ack,
        Kind::BinaryAck,
        namespace,
        Some(id),
        None,
        args,
    )
}

fn encode(
    frames: &mut FrameBuilder,
    plain: Kind,
    binary: Kind,
    namespace: &str,
    id: Option<u64>,
    name: Option<&str>,
    args: &Args,
) -> Encoded {
    let list = args.raw_list();
    let (renumbered, attachments) = renumber(list, args.attachments());
    let list = renumbered.as_deref().unwrap_or(list);
    let kind = if attachments.is_empty() {
        plain
    } else {
        binary
    };
    let text = frames.text(|out| {
        write_head(out, kind, attachments.len(), namespace, id);
        write_list(out, name, list);
    });
    Encoded { text, attachments }
}

/// The attachments that these arguments really use, each once, in the order of their first places; and the text with the
/// places numbered anew, where that order is not the one they had. Arguments may have lost their first ones on the way.
fn renumber(list: &str, attachments: &[Frame]) -> (Option<String>, Vec<Frame>) {
    if attachments.is_empty() {
        return (None, Vec::new());
    }
    let array = format!("[{list}]");
    let mut used: Vec<usize> = Vec::new();
    // Each place with its new number. Several places may show one attachment, which still travels once.
    let places: Vec<(Placeholder, usize)> = json::placeholders(&array)
        .into_iter()
        .filter_map(|place| {
            let number = place.number.filter(|number| *number < attachments.len())?;
            let known = used.iter().position(|known| *known == number);
            let renumbered = known.unwrap_or_else(|| {
                used.push(number);
                used.len() - 1
            });
            Some((place, renumbered))
        })
        .collect();
    let is_in_order = used.iter().copied().eq(0..used.len());
    let used = used.into_iter().map(|n| attachments[n].clone()).collect();
    if is_in_order {
        return (None, used);
    }
    let mut text = String::with_capacity(array.len());
    let mut copied = 1;
    for (place, number) in places {
        text.push_str(&array[copied..place.range.start]);
        text.push_str(&format!("{{\"_placeholder\":true,\"num\":{number}}}"));
        copied = place.range.end;
    }
    text.push_str(&array[copied..array.len() - 1]);
    (Some(text), used)
}

/// Everything before the data: the Engine.IO type `4` too.
fn write_head(out: &mut Vec<u8>, kind: Kind, attachments: usize, namespace: &str, id: Option<u64>) {
    out.push(b'4');
    out.push(b'0' + kind as u8);
    if attachments > 0 {
        write!(out, "{attachments}-").expect("writing to a Vec cannot fail");
    }
    if namespace != "/" {
        push(out, namespace);
        out.push(b',');
    }
    if let Some(id) = id {
        write!(out, "{id}").expect("writing to a Vec cannot fail");
    }
}

fn write_list(out: &mut Vec<u8>, name: Option<&str>, list: &str) {
    out.push(b'[');
    if let Some(name) = name {
        write_string(out, name);
        if !list.is_empty() {
            out.push(b',');
        }
    }
    push(out, list);
    out.push(b']');
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    if json::is_plain(text) {
        out.push(b'"');
        push(out, text);
        return out.push(b'"');
    }
    serde_json::to_writer(out, text).expect("a string always has a JSON text and a Vec takes it");
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}
