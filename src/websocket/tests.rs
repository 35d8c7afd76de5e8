//! Streams of frames: tungstenite as the client, every way to cut what it sends, and bytes that nobody would send.

use proptest::prelude::*;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::Role;
use tungstenite::WebSocket;

use super::{CloseReason, Decoded, Decoder, Failure, Message};

const LIMIT: usize = 100_000;

/// A message that owns its payload, for comparison.
#[derive(Clone, Debug, PartialEq)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Message<'_>> for Owned {
    fn from(message: Message<'_>) -> Owned {
        match message {
            Message::Text(text) => Owned::Text(text.to_owned()),
            Message::Binary(bytes) => Owned::Binary(bytes.to_vec()),
            Message::Ping(payload) => Owned::Ping(payload.to_vec()),
            Message::Pong(payload) => Owned::Pong(payload.to_vec()),
            Message::Close(reason) => {
                Owned::Close(reason.map(|CloseReason { code, reason }| (code, reason.to_owned())))
            }
        }
    }
}

/// A connection as a server holds it: unread bytes, and the decoder.
#[derive(Default)]
struct Receiver {
    unread: Vec<u8>,
    decoder: Decoder,
    needed: usize,
    messages: Vec<Owned>,
}

impl Receiver {
    fn receive(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.unread.extend_from_slice(bytes);
        let mut at = 0;
        // What the last call has asked for must have been true.
        while self.unread.len() - at >= self.needed {
            match self.decoder.decode(&mut self.unread[at..], LIMIT)? {
                Decoded::Complete { consumed, message } => {
                    assert!(consumed >= self.needed);
                    self.messages.extend(message.map(Owned::from));
                    at += consumed;
                    self.needed = 0;
                }
                Decoded::Incomplete { needed } => {
                    assert!(needed > self.unread.len() - at);
                    self.needed = needed;
                    break;
                }
            }
        }
        self.unread.drain(..at);
        Ok(())
    }
}

/// What is received when the bytes come in these pieces.
fn receive<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Result<Vec<Owned>, Failure> {
    let mut receiver = Receiver::default();
    for piece in pieces {
        receiver.receive(piece)?;
    }
    assert!(receiver.unread.is_empty(), "an incomplete frame is left");
    Ok(receiver.messages)
}

fn masked(opcode: OpCode, is_final: bool, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = Frame::message(payload.to_vec(), OpCode::Data(Data::Binary), is_final);
    frame.header_mut().opcode = opcode;
    frame.header_mut().mask = Some(mask);
    let mut bytes = Vec::new();
    frame
        .format(&mut bytes)
        .expect("writing into memory cannot fail");
    bytes
}

/// Every kind of frame and of length, fragments with control frames between them, and a close at the end.
fn long_conversation() -> (Vec<u8>, Vec<Owned>) {
    let text = OpCode::Data(Data::Text);
    let binary = OpCode::Data(Data::Binary);
    let more = OpCode::Data(Data::Continue);
    let ping = OpCode::Control(Control::Ping);
    let pong = OpCode::Control(Control::Pong);
    let close = OpCode::Control(Control::Close);
    let long = "lång ".repeat(30);
    let frames: [(OpCode, bool, &[u8]); 14] = [
        (text, true, b"42[\"hello\"]"),
        (text, true, b""),
        (binary, false, b"one "),
        (ping, true, b"between"),
        (more, false, b""),
        (pong, true, b""),
        (more, true, b"message"),
        (text, true, long.as_bytes()),
        (binary, true, &[0x80; 300]),
        (text, false, &"€".as_bytes()[..2]),
        (ping, true, &[9; 125]),
        (more, true, &"€".as_bytes()[2..]),
        (binary, true, &[1; 126]),
        (close, true, b"\x03\xe9going away"),
    ];
    let messages = vec![
        Owned::Text("42[\"hello\"]".into()),
        Owned::Text(String::new()),
        Owned::Ping(b"between".to_vec()),
        Owned::Pong(Vec::new()),
        Owned::Binary(b"one message".to_vec()),
        Owned::Text(long.clone()),
        Owned::Binary(vec![0x80; 300]),
        Owned::Ping(vec![9; 125]),
        Owned::Text("€".into()),
        Owned::Binary(vec![1; 126]),
        Owned::Close(Some((1001, "going away".into()))),
    ];
    let bytes = frames
        .iter()
        .zip(1..)
        .flat_map(|(&(opcode, is_final, payload), number)| {
            masked(opcode, is_final, payload, [number, 0x55, 0xaa, !number])
        });
    (bytes.collect(), messages)
}

#[test]
fn a_conversation_means_the_same_wherever_it_is_cut() {
    let (bytes, messages) = long_conversation();
    for cut in 0..=bytes.len() {
        let (before, after) = bytes.split_at(cut);
        assert_eq!(
            receive([before, after]).as_ref(),
            Ok(&messages),
            "cut at {cut}"
        );
    }
    for size in 1..=bytes.len() {
        assert_eq!(
            receive(bytes.chunks(size)).as_ref(),
            Ok(&messages),
            "pieces of {size}"
        );
    }
}

#[test]
fn a_failure_is_the_same_wherever_the_bytes_are_cut() {
    let text = OpCode::Data(Data::Text);
    let more = OpCode::Data(Data::Continue);
    let good = masked(text, true, b"good", [1, 2, 3, 4]);
    let bad = [
        masked(more, true, b"", [0; 4]),
        masked(text, true, b"\xc0\x80", [5, 6, 7, 8]),
        masked(OpCode::Data(Data::Reserved(3)), true, b"bad", [0; 4]),
        masked(OpCode::Control(Control::Ping), true, &[0; 200], [0; 4]),
        masked(OpCode::Control(Control::Close), true, b"\x03\xec", [9; 4]),
        masked(text, true, &[b'x'; LIMIT + 1], [0; 4]),
    ];
    for bad in bad {
        let bytes = [&good[..], &bad[..bad.len().min(300)]].concat();
        let whole = receive([&bytes[..]]).expect_err("it is bad");
        for cut in 0..=bytes.len() {
            let (before, after) = bytes.split_at(cut);
            assert_eq!(receive([before, after]), Err(whole), "cut at {cut}");
        }
    }
}

#[test]
fn tungstenites_client_is_understood() {
    let messages = [
        tungstenite::Message::text("2probe"),
        tungstenite::Message::binary(vec![1, 2, 3]),
        tungstenite::Message::Ping("p".into()),
        tungstenite::Message::Pong("q".into()),
        tungstenite::Message::text("ü".repeat(20_000)),
        tungstenite::Message::Close(Some(CloseFrame {
            code: CloseCode::Library(4001),
            reason: "done".into(),
        })),
    ];
    let mut client =
        WebSocket::from_raw_socket(std::io::Cursor::new(Vec::new()), Role::Client, None);
    for message in messages {
        client
            .send(message)
            .expect("writing into memory cannot fail");
    }
    let expected = vec![
        Owned::Text("2probe".into()),
        Owned::Binary(vec![1, 2, 3]),
        Owned::Ping(b"p".to_vec()),
        Owned::Pong(b"q".to_vec()),
        Owned::Text("ü".repeat(20_000)),
        Owned::Close(Some((4001, "done".into()))),
    ];
    assert_eq!(
        receive([client.get_ref().get_ref().as_slice()]),
        Ok(expected)
    );
}

/// A message, at which bytes to cut it into fragments, and the pings to send between these.
fn message() -> impl Strategy<Value = (Owned, Vec<prop::sample::Index>, Vec<Vec<u8>>)> {
    let message = prop_oneof![
        ".{0,200}".prop_map(Owned::Text),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Owned::Binary),
        (0..70_000usize, any::<u8>()).prop_map(|(length, byte)| Owned::Binary(vec![byte; length])),
        prop::collection::vec(any::<u8>(), 0..=125).prop_map(Owned::Pong),
    ];
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let pings = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..=125), 0..3);
    (message, cuts, pings)
}

/// Bytes that may look like frames, or that were some before a few of them were changed.
fn nonsense() -> impl Strategy<Value = Vec<u8>> {
    let frame_like = prop::sample::select(vec![0x01, 0x80, 0x81, 0x82, 0x88, 0xfe, 0xff]);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4);
    prop_oneof![
        prop::collection::vec(prop_oneof![any::<u8>(), frame_like], 0..300),
        changes.prop_map(|changes| {
            let (mut bytes, _) = long_conversation();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        }),
    ]
}

/// The frames of one message, and what must be received.
fn frames(
    (message, cuts, pings): &(Owned, Vec<prop::sample::Index>, Vec<Vec<u8>>),
    mask: [u8; 4],
) -> (Vec<u8>, Vec<Owned>) {
    let (kind, payload) = match message {
        Owned::Text(text) => (Data::Text, text.as_bytes()),
        Owned::Binary(bytes) => (Data::Binary, bytes.as_slice()),
        Owned::Pong(payload) => {
            return (
                masked(OpCode::Control(Control::Pong), true, payload, mask),
                vec![message.clone()],
            );
        }
        Owned::Ping(_) | Owned::Close(_) => unreachable!("the strategy makes none"),
    };
    let mut ends: Vec<usize> = cuts
        .iter()
        .map(|cut| cut.index(payload.len() + 1))
        .collect();
    ends.sort_unstable();
    ends.push(payload.len());
    let mut bytes = Vec::new();
    let mut received = Vec::new();
    let mut start = 0;
    for (number, &end) in ends.iter().enumerate() {
        let opcode = OpCode::Data(if number == 0 { kind } else { Data::Continue });
        let is_final = number + 1 == ends.len();
        bytes.extend(masked(opcode, is_final, &payload[start..end], mask));
        start = end;
        if let (false, Some(ping)) = (is_final, pings.get(number)) {
            bytes.extend(masked(OpCode::Control(Control::Ping), true, ping, mask));
            received.push(Owned::Ping(ping.clone()));
        }
    }
    received.push(message.clone());
    (bytes, received)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_is_received(
        messages in prop::collection::vec(message(), 1..8),
        mask in any::<[u8; 4]>(),
        size in 1..2000usize,
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for message in &messages {
            let (more, received) = frames(message, mask);
            bytes.extend(more);
            expected.extend(received);
        }
        prop_assert_eq!(receive(bytes.chunks(size)), Ok(expected));
    }

    #[test]
    fn whatever_comes_is_taken_awaited_or_refused(bytes in nonsense()) {
        let mut receiver = Receiver::default();
        let whole = receiver.receive(&bytes);
        let mut dripping = Receiver::default();
        let drips = bytes.chunks(1).try_for_each(|byte| dripping.receive(byte));
        prop_assert_eq!(whole, drips);
        prop_assert_eq!(receiver.messages, dripping.messages);
    }
}
