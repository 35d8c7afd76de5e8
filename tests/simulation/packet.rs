//! Packets of Engine.IO and Socket.IO, in the words of a client that shares no code with the server.

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use serde_json::{json, Value};

/// A message of Engine.IO, whatever carries it.
#[derive(Clone, Debug, PartialEq)]
pub enum Packet {
    Text(String),
    Binary(Vec<u8>),
}

impl Packet {
    /// Bytes.
    pub fn len(&self) -> usize {
        match self {
            Packet::Text(text) => text.len(),
            Packet::Binary(bytes) => bytes.len(),
        }
    }
}

/// What Socket.IO says with one.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Connect {
        namespace: String,
        data: Value,
    },
    ConnectError {
        namespace: String,
    },
    Disconnect {
        namespace: String,
    },
    /// Blobs stand apart; in the arguments is their place.
    Event {
        namespace: String,
        id: Option<u64>,
        args: Vec<Value>,
        blobs: usize,
    },
    Ack {
        namespace: String,
        id: u64,
        args: Vec<Value>,
    },
}

/// Which dialect a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Of Engine.IO: 3 or 4.
    pub revision: u64,
    pub is_msgpack: bool,
}

impl Dialect {
    /// The body of a POST with these packets.
    pub fn payload(&self, packets: &[Packet]) -> Vec<u8> {
        let mut body = Vec::new();
        for (number, packet) in packets.iter().enumerate() {
            let text = match packet {
                Packet::Text(text) => text.clone(),
                Packet::Binary(bytes) if self.revision == 3 => {
                    format!("b4{}", STANDARD.encode(bytes))
                }
                Packet::Binary(bytes) => format!("b{}", STANDARD.encode(bytes)),
            };
            if self.revision == 3 {
                body.extend(format!("{}:", text.encode_utf16().count()).bytes());
            } else if number > 0 {
                body.push(0x1e);
            }
            body.extend(text.bytes());
        }
        body
    }

    /// The packets of an answer to a poll.
    pub fn read_payload(&self, body: &[u8]) -> Vec<Packet> {
        let body = std::str::from_utf8(body).expect("a payload is text");
        let packet = |text: &str| self.read_packet(text);
        if self.revision == 4 {
            return body.split('\x1e').map(packet).collect();
        }
        let mut packets = Vec::new();
        let mut rest = body;
        while !rest.is_empty() {
            let (length, behind) = rest.split_once(':').expect("a length in front");
            let units: usize = length.parse().expect("a number");
            let mut left = units;
            let end = behind.char_indices().find(|(_, c)| {
                let is_end = left == 0;
                left = left.saturating_sub(c.len_utf16());
                is_end
            });
            let (text, behind) = behind.split_at(end.map_or(behind.len(), |(at, _)| at));
            packets.push(packet(text));
            rest = behind;
        }
        packets
    }

    /// A packet as text, which may be a binary message in base64.
    fn read_packet(&self, text: &str) -> Packet {
        let mark = if self.revision == 3 { "b4" } else { "b" };
        match text.strip_prefix(mark) {
            Some(base64) => Packet::Binary(STANDARD.decode(base64).expect("base64")),
            None => Packet::Text(text.to_owned()),
        }
    }

    /// A message on a WebSocket.
    pub fn frame(&self, packet: &Packet) -> (u8, Vec<u8>) {
        match packet {
            Packet::Text(text) => (0x81, text.clone().into_bytes()),
            Packet::Binary(bytes) if self.revision == 3 => (0x82, [&[4], &bytes[..]].concat()),
            Packet::Binary(bytes) => (0x82, bytes.clone()),
        }
    }

    pub fn read_frame(&self, first_byte: u8, payload: Vec<u8>) -> Packet {
        match first_byte {
            0x81 => self.read_packet(std::str::from_utf8(&payload).expect("text is UTF-8")),
            _ if self.revision == 3 => {
                assert_eq!(payload[0], 4, "revision 3 has a type in front");
                Packet::Binary(payload[1..].to_vec())
            }
            _ => Packet::Binary(payload),
        }
    }

    /// Socket.IO's packet of this type, with its attachments behind it.
    fn packets(
        &self,
        kind: u64,
        namespace: &str,
        id: Option<u64>,
        data: Option<&Value>,
        blobs: &[Vec<u8>],
    ) -> Vec<Packet> {
        if self.is_msgpack {
            let mut out = Vec::new();
            let entries = 2 + u8::from(id.is_some()) + u8::from(data.is_some());
            out.push(0x80 | entries);
            write_msgpack(&mut out, &json!("type"), blobs);
            write_msgpack(&mut out, &json!(kind), blobs);
            write_msgpack(&mut out, &json!("nsp"), blobs);
            write_msgpack(&mut out, &json!(namespace), blobs);
            if let Some(id) = id {
                write_msgpack(&mut out, &json!("id"), blobs);
                write_msgpack(&mut out, &json!(id), blobs);
            }
            if let Some(data) = data {
                write_msgpack(&mut out, &json!("data"), blobs);
                write_msgpack(&mut out, data, blobs);
            }
            return vec![Packet::Binary(out)];
        }
        let kind = if blobs.is_empty() { kind } else { kind + 3 };
        let mut text = format!("4{kind}");
        if !blobs.is_empty() {
            text += &format!("{}-", blobs.len());
        }
        if namespace != "/" {
            text += &format!("{namespace},");
        }
        if let Some(id) = id {
            text += &id.to_string();
        }
        if let Some(data) = data {
            text += &data.to_string();
        }
        let attachments = blobs.iter().map(|blob| Packet::Binary(blob.clone()));
        std::iter::once(Packet::Text(text))
            .chain(attachments)
            .collect()
    }

    pub fn connect(&self, namespace: &str, data: Option<&Value>) -> Vec<Packet> {
        self.packets(0, namespace, None, data, &[])
    }

    pub fn disconnect(&self, namespace: &str) -> Vec<Packet> {
        self.packets(1, namespace, None, None, &[])
    }

    pub fn event(
        &self,
        namespace: &str,
        id: Option<u64>,
        args: &Value,
        blobs: &[Vec<u8>],
    ) -> Vec<Packet> {
        self.packets(2, namespace, id, Some(args), blobs)
    }

    pub fn ack(&self, namespace: &str, id: u64, args: &Value) -> Vec<Packet> {
        self.packets(3, namespace, Some(id), Some(args), &[])
    }

    /// Reads a message of Socket.IO; the text is without Engine.IO's type.
    pub fn read(&self, message: &Packet) -> Said {
        match message {
            Packet::Text(text) => read_text(text),
            Packet::Binary(bytes) => {
                let mut rest = &bytes[..];
                let mut blobs = 0;
                let value = read_msgpack(&mut rest, &mut blobs);
                assert!(rest.is_empty(), "nothing behind a packet");
                let namespace = value["nsp"].as_str().expect("a namespace").to_owned();
                let id = value.get("id").and_then(Value::as_u64);
                let kind = value["type"].as_u64().expect("a type");
                said(kind, namespace, id, value["data"].clone(), blobs)
            }
        }
    }
}

fn read_text(text: &str) -> Said {
    let kind = u64::from(text.as_bytes()[0] - b'0');
    let mut rest = &text[1..];
    let mut blobs = 0;
    if matches!(kind, 5 | 6) {
        let (count, behind) = rest.split_once('-').expect("a number of attachments");
        blobs = count.parse().expect("a number");
        rest = behind;
    }
    let mut namespace = "/".to_owned();
    if rest.starts_with('/') {
        let (name, behind) = rest.split_once(',').unwrap_or((rest, ""));
        namespace = name.to_owned();
        rest = behind;
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let id = rest[..digits].parse().ok();
    let data = match &rest[digits..] {
        "" => Value::Null,
        data => serde_json::from_str(data).expect("JSON"),
    };
    said(
        if kind > 4 { kind - 3 } else { kind },
        namespace,
        id,
        data,
        blobs,
    )
}

fn said(kind: u64, namespace: String, id: Option<u64>, data: Value, blobs: usize) -> Said {
    let args = |data: Value| match data {
        Value::Array(args) => args,
        other => panic!("arguments are an array: {other}"),
    };
    match kind {
        0 => Said::Connect { namespace, data },
        1 => Said::Disconnect { namespace },
        2 => Said::Event {
            namespace,
            id,
            args: args(data),
            blobs,
        },
        3 => Said::Ack {
            namespace,
            id: id.expect("an acknowledgement's number"),
            args: args(data),
        },
        4 => Said::ConnectError { namespace },
        _ => panic!("no type of packet: {kind}"),
    }
}

/// The place of a blob in arguments.
pub fn place(number: usize) -> Value {
    json!({"_placeholder": true, "num": number})
}

fn write_msgpack(out: &mut Vec<u8>, value: &Value, blobs: &[Vec<u8>]) {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(value) => out.push(0xc2 | u8::from(*value)),
        Value::Number(number) => {
            out.push(0xcf);
            out.extend(number.as_u64().unwrap_or_default().to_be_bytes());
        }
        Value::String(text) => {
            out.push(0xda);
            out.extend((text.len() as u16).to_be_bytes());
            out.extend(text.bytes());
        }
        Value::Array(array) => {
            out.push(0xdc);
            out.extend((array.len() as u16).to_be_bytes());
            array
                .iter()
                .for_each(|value| write_msgpack(out, value, blobs));
        }
        Value::Object(object) => {
            if let Some(number) = object
                .get("num")
                .filter(|_| object.contains_key("_placeholder"))
            {
                let blob = &blobs[number.as_u64().unwrap_or_default() as usize];
                out.push(0xc5);
                out.extend((blob.len() as u16).to_be_bytes());
                out.extend(blob);
                return;
            }
            out.push(0xde);
            out.extend((object.len() as u16).to_be_bytes());
            for (key, value) in object {
                write_msgpack(out, &json!(key), blobs);
                write_msgpack(out, value, blobs);
            }
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, behind) = rest.split_at(length);
    *rest = behind;
    taken
}

fn take_number(rest: &mut &[u8], length: usize) -> u64 {
    take(rest, length)
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn read_msgpack(rest: &mut &[u8], blobs: &mut usize) -> Value {
    let marker = take(rest, 1)[0];
    let text = |rest: &mut &[u8], length: usize| {
        let bytes = take(rest, length).to_vec();
        json!(String::from_utf8(bytes).expect("text is UTF-8"))
    };
    let (is_map, length) = match marker {
        0x00..=0x7f => return json!(marker),
        0xe0..=0xff => return json!(marker as i8),
        0xc0 => return Value::Null,
        0xc2 | 0xc3 => return json!(marker == 0xc3),
        0xcc..=0xcf => return json!(take_number(rest, 1 << (marker - 0xcc))),
        0xd0 => return json!(take_number(rest, 1) as i8),
        0xd1 => return json!(take_number(rest, 2) as i16),
        0xd2 => return json!(take_number(rest, 4) as i32),
        0xd3 => return json!(take_number(rest, 8) as i64),
        0xcb => return json!(f64::from_bits(take_number(rest, 8))),
        0xa0..=0xbf => return text(rest, usize::from(marker & 31)),
        0xd9..=0xdb => {
            let length = take_number(rest, 1 << (marker - 0xd9)) as usize;
            return text(rest, length);
        }
        0xc4..=0xc6 => {
            let length = take_number(rest, 1 << (marker - 0xc4)) as usize;
            take(rest, length);
            *blobs += 1;
            return json!({"_blob": length});
        }
        0x90..=0x9f => (false, usize::from(marker & 15)),
        0xdc => (false, take_number(rest, 2) as usize),
        0x80..=0x8f => (true, usize::from(marker & 15)),
        0xde => (true, take_number(rest, 2) as usize),
        other => panic!("no marker that a server needs: {other:#x}"),
    };
    if !is_map {
        return (0..length).map(|_| read_msgpack(rest, blobs)).collect();
    }
    let entries = (0..length).map(|_| {
        let key = read_msgpack(rest, blobs);
        (
            key.as_str().expect("keys are text").to_owned(),
            read_msgpack(rest, blobs),
        )
    });
    Value::Object(entries.collect())
}
