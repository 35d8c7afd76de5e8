//! A client's frames: our decoder and tungstenite's server must make the same messages of them, or both refuse them.

use std::io::{self, Read, Write};

use pulsewheel::websocket::{Decoded, Decoder, Failure, Message};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, WebSocket};

/// Small enough for the fuzzer to reach it, and longer than the lengths of one byte.
const LIMIT: usize = 600;

/// The last byte of `data` chooses where its other bytes, the stream, are cut into pieces.
pub fn run(data: &[u8]) {
    let (&chosen, stream) = data.split_last().unwrap_or((&0, data));
    let whole = decode(stream, &[stream.len()]);
    let every: Vec<usize> = (1..=stream.len()).collect();
    assert_eq!(decode(stream, &every), whole, "byte by byte");
    let cut = usize::from(chosen) * stream.len() / 256;
    assert_eq!(decode(stream, &[cut, stream.len()]), whole, "at {cut}");
    compare(stream, &whole);
}

/// A message that owns its payload.
#[derive(Clone, Debug, PartialEq)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

/// What became of a stream.
#[derive(Debug, PartialEq)]
struct Outcome {
    messages: Vec<Owned>,
    /// Where the frame begins that is incomplete or refused, or where a close frame ends.
    at: usize,
    end: End,
}

#[derive(Debug, PartialEq)]
enum End {
    Pending,
    Closed,
    Refused(Failure),
}

/// Decodes as a server does, when the stream has come so far at each step.
fn decode(stream: &[u8], ends: &[usize]) -> Outcome {
    let mut decoder = Decoder::default();
    let mut messages = Vec::new();
    let mut at = 0;
    let mut needed = 0;
    for &end in ends {
        let mut unread = stream[at..end].to_vec();
        let mut start = 0;
        // Waiting for what the decoder has asked for must make no difference.
        while unread.len() - start >= needed {
            match decoder.decode(&mut unread[start..], LIMIT) {
                Ok(Decoded::Incomplete { needed: more }) => {
                    assert!(more > unread.len() - start && more <= LIMIT + 14);
                    needed = more;
                }
                Ok(Decoded::Complete { consumed, message }) => {
                    assert!(consumed >= needed);
                    (start, needed) = (start + consumed, 0);
                    messages.extend(message.map(owned));
                    decoder.release();
                    if matches!(messages.last(), Some(Owned::Close(_))) {
                        return Outcome {
                            messages,
                            at: at + start,
                            end: End::Closed,
                        };
                    }
                }
                Err(failure) => {
                    return Outcome {
                        messages,
                        at: at + start,
                        end: End::Refused(failure),
                    }
                }
            }
        }
        at += start;
    }
    Outcome {
        messages,
        at,
        end: End::Pending,
    }
}

fn owned(message: Message<'_>) -> Owned {
    match message {
        Message::Text(text) => Owned::Text(text.to_owned()),
        Message::Binary(bytes) => Owned::Binary(bytes.to_vec()),
        Message::Ping(payload) => Owned::Ping(payload.to_vec()),
        Message::Pong(payload) => Owned::Pong(payload.to_vec()),
        Message::Close(reason) => {
            Owned::Close(reason.map(|reason| (reason.code, reason.reason.to_owned())))
        }
    }
}

/// Lets tungstenite judge the same stream.
fn compare(stream: &[u8], ours: &Outcome) {
    let mut judged = stream[..ours.at].to_vec();
    match ours.end {
        End::Pending => judged = stream.to_vec(),
        End::Closed => {}
        // These two are where we are stricter: tungstenite takes a length in more bytes than it needs, and makes a close
        // code of its own of one that must not be sent.
        End::Refused(Failure::Protocol(
            "a length in more bytes than it needs" | "a close code that must not be sent",
        )) => {}
        // A whole frame is what tungstenite wants to see, where we have judged the header.
        End::Refused(_) => judged.extend(first_frame(&stream[ours.at..])),
    }
    let (messages, verdict) = theirs(&judged);
    assert_eq!(messages, without_1014(&ours.messages));
    match (&ours.end, verdict) {
        (End::Refused(Failure::Protocol(_)), _) if judged.len() == ours.at => {}
        (End::Refused(_), Verdict::Refused)
        | (End::Closed, Verdict::Closed)
        | (End::Pending, Verdict::Pending) => {}
        (end, verdict) => panic!("{end:?}, but tungstenite: {verdict:?}"),
    }
}

/// tungstenite does not know this code yet and puts another one, and a reason of its own, in its place.
fn without_1014(messages: &[Owned]) -> Vec<Owned> {
    let mut messages = messages.to_vec();
    if let Some(Owned::Close(Some((code @ 1014, reason)))) = messages.last_mut() {
        (*code, *reason) = (1002, "Protocol violation".to_owned());
    }
    messages
}

/// The frame at the beginning, its payload cut or made up to the length that its header claims, if that may be sent.
fn first_frame(stream: &[u8]) -> Vec<u8> {
    let mut frame = stream.to_vec();
    let (length_bytes, short_length) = match stream[1] & 0x7f {
        126 => (2, 0),
        127 => (8, 0),
        length => (0, u64::from(length)),
    };
    let length = stream[2..2 + length_bytes]
        .iter()
        .fold(short_length, |length, &byte| length << 8 | u64::from(byte));
    let mask_bytes = if stream[1] & 0x80 == 0 { 0 } else { 4 };
    if length <= LIMIT as u64 {
        frame.resize(2 + length_bytes + mask_bytes + length as usize, 0);
    }
    frame
}

#[derive(Debug)]
enum Verdict {
    Pending,
    Closed,
    Refused,
}

fn theirs(stream: &[u8]) -> (Vec<Owned>, Verdict) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LIMIT))
        .max_frame_size(Some(LIMIT))
        .read_buffer_size(1024);
    let mut server = WebSocket::from_raw_socket(Peer(stream), Role::Server, Some(config));
    let mut messages = Vec::new();
    loop {
        messages.push(match server.read() {
            Ok(tungstenite::Message::Text(text)) => Owned::Text(text.as_str().to_owned()),
            Ok(tungstenite::Message::Binary(bytes)) => Owned::Binary(bytes.to_vec()),
            Ok(tungstenite::Message::Ping(payload)) => Owned::Ping(payload.to_vec()),
            Ok(tungstenite::Message::Pong(payload)) => Owned::Pong(payload.to_vec()),
            Ok(tungstenite::Message::Close(reason)) => {
                messages.push(Owned::Close(
                    reason.map(|close| (close.code.into(), close.reason.as_str().to_owned())),
                ));
                return (messages, Verdict::Closed);
            }
            Ok(tungstenite::Message::Frame(_)) => unreachable!("reading never gives a raw frame"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (messages, Verdict::Pending)
            }
            Err(Error::Protocol(_) | Error::Capacity(_) | Error::Utf8(_)) => {
                return (messages, Verdict::Refused)
            }
            Err(error) => panic!("tungstenite: {error}"),
        });
    }
}

/// A client that has sent this much, reads nothing, and stays.
struct Peer<'a>(&'a [u8]);

impl Read for Peer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
            read => read,
        }
    }
}

impl Write for Peer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
