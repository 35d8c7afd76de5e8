//! What a Socket.IO packet costs to read and to write: here and in socketioxide's parser, in one process.
//!
//! `cargo bench -p micro --bench codec`. Every bench is named `packet/what/who`, and the time shown is for one packet:
//!
//! - `decode`: from the text on the wire to the name of the event, which is as far as a server must read to find the
//!   handler. pulsewheel has checked by then that the whole text is JSON; socketioxide has looked at nothing but the name.
//! - `encode`: from the name and a value to the text on the wire, in pulsewheel with the header of the WebSocket frame.
//! - `decode + encode`: what a server does that hands the arguments to a handler and sends out what that returns. Arguments
//!   are text in pulsewheel, and a `serde_json::Value` where socketioxide's users write no type of their own.
//! - `typed`: the same with arguments read into a type and written from it again, which serde does in both.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{criterion_group, criterion_main, BenchmarkGroup, Criterion};
use pulsewheel::socket::{encode_event, Limits, Packet};
use pulsewheel::{Args, FrameBuilder};
use serde::{Deserialize, Serialize};
use socketioxide_core::packet::{Packet as PeerPacket, PacketData};
use socketioxide_core::parser::{Parse, ParseConfig, ParserState};
use socketioxide_core::{Str, Value as PeerValue};
use socketioxide_parser_common::CommonParser;

const LIMITS: Limits = Limits {
    max_attachments: 10,
    max_json_depth: 128,
};

const SMALL: &str = r#"2["hello",1]"#;

/// The progress of an import with its usual fields.
const PROGRESS: &str = r#"2["import_progress",{"session_id":"1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b","progress":0.4215,"status":"processing","current_step":"Processing batch 5","processed_rows":4215,"total_rows":10000,"processing_speed":1250.5,"eta_seconds":5,"timestamp":"2025-01-12T10:30:15.123Z","metadata":{}}]"#;

#[derive(Serialize, Deserialize)]
struct Progress<'a> {
    session_id: &'a str,
    progress: f64,
    status: &'a str,
    current_step: &'a str,
    processed_rows: u64,
    total_rows: u64,
    processing_speed: f64,
    eta_seconds: u64,
    timestamp: &'a str,
    metadata: Empty,
}

#[derive(Serialize, Deserialize)]
struct Empty {}

/// The text of a packet on the wire, and back.
struct Ours {
    frames: FrameBuilder,
}

impl Ours {
    fn decode(text: &str) -> Packet<'_> {
        Packet::decode(text, &LIMITS).expect("a packet")
    }

    fn pass_on(&mut self, text: &str) -> usize {
        let packet = Self::decode(text);
        let args = packet.args();
        self.write(packet.name.expect("an event"), &args)
    }

    fn typed<'a, T: Deserialize<'a> + Serialize>(&mut self, text: &'a str) -> usize {
        let packet = Self::decode(text);
        let argument = &packet.data[packet.args_at..packet.data.len() - 1];
        let value: T = serde_json::from_str(argument).expect("of this type");
        self.encode(packet.name.expect("an event"), &value)
    }

    fn encode(&mut self, name: &str, value: &impl Serialize) -> usize {
        self.write(name, &Args::one(value).expect("JSON"))
    }

    fn write(&mut self, name: &str, args: &Args) -> usize {
        let encoded = encode_event(&mut self.frames, "/", None, name, args);
        black_box(&encoded).text.payload().len()
    }
}

/// The same steps, as socketioxide's own layers take them.
#[derive(Default)]
struct Theirs {
    config: ParseConfig,
    state: ParserState,
}

impl Theirs {
    /// The text comes in memory that is shared from then on, as it does from their Engine.IO layer.
    fn decode(&self, text: &Str) -> PeerValue {
        let packet = CommonParser.decode_str(&self.config, &self.state, text.clone());
        match packet.expect("a packet").inner {
            PacketData::Event(value, None) => value,
            other => panic!("an event without an acknowledgement: {other:?}"),
        }
    }

    fn name(value: &PeerValue) -> &str {
        CommonParser.read_event(value).expect("a name")
    }

    fn pass_on(&self, text: &Str) -> usize {
        let mut value = self.decode(text);
        let name = Self::name(&value).to_owned();
        let args: serde_json::Value = CommonParser.decode_value(&mut value, true).expect("JSON");
        Self::encode(&name, &args)
    }

    fn typed<T: for<'de> Read<'de>>(&self, text: &Str) -> usize {
        let mut value = self.decode(text);
        let name = Self::name(&value).to_owned();
        T::pass_on(&name, &mut value)
    }

    fn encode(name: &str, value: &impl Serialize) -> usize {
        let value = CommonParser.encode_value(value, Some(name)).expect("JSON");
        let packet = PeerPacket::event("/", value);
        match black_box(CommonParser.encode(packet)) {
            PeerValue::Str(text, _) => text.len(),
            PeerValue::Bytes(_) => panic!("packets are text"),
        }
    }
}

/// A type that borrows from the packet that it is read from.
trait Read<'de> {
    fn pass_on(name: &str, value: &'de mut PeerValue) -> usize;
}

impl<'de> Read<'de> for u32 {
    fn pass_on(name: &str, value: &'de mut PeerValue) -> usize {
        let number: u32 = CommonParser.decode_value(value, true).expect("a number");
        Theirs::encode(name, &number)
    }
}

impl<'de> Read<'de> for Progress<'static> {
    fn pass_on(name: &str, value: &'de mut PeerValue) -> usize {
        let progress: Progress<'de> = CommonParser.decode_value(value, true).expect("progress");
        Theirs::encode(name, &progress)
    }
}

/// Both sides must say the same before it is measured how fast they do.
fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    what: &str,
    mut ours: impl FnMut() -> usize,
    mut theirs: impl FnMut() -> usize,
) {
    // pulsewheel writes the type of the Engine.IO message too, or reads it elsewhere.
    assert_eq!(ours(), theirs(), "{what}");
    group.bench_function(format!("{what}/pulsewheel"), |b| b.iter(&mut ours));
    group.bench_function(format!("{what}/socketioxide"), |b| b.iter(&mut theirs));
}

fn small(c: &mut Criterion) {
    let mut group = c.benchmark_group("small");
    let text = Str::from(SMALL);
    let mut ours = Ours {
        frames: FrameBuilder::default(),
    };
    let theirs = Theirs::default();
    decode(&mut group, SMALL);
    bench(
        &mut group,
        "encode",
        || ours.encode(black_box("hello"), black_box(&1u32)) - 1,
        || Theirs::encode(black_box("hello"), black_box(&1u32)),
    );
    bench(
        &mut group,
        "decode + encode",
        || ours.pass_on(black_box(SMALL)) - 1,
        || theirs.pass_on(black_box(&text)),
    );
    bench(
        &mut group,
        "typed",
        || ours.typed::<u32>(black_box(SMALL)) - 1,
        || theirs.typed::<u32>(black_box(&text)),
    );
}

fn progress(c: &mut Criterion) {
    let mut group = c.benchmark_group("progress");
    let text = Str::from(PROGRESS);
    let argument = &PROGRESS[PROGRESS.find('{').expect("an object")..PROGRESS.len() - 1];
    let value: Progress<'_> = serde_json::from_str(argument).expect("progress");
    let mut ours = Ours {
        frames: FrameBuilder::default(),
    };
    let theirs = Theirs::default();
    decode(&mut group, PROGRESS);
    bench(
        &mut group,
        "encode",
        || ours.encode(black_box("import_progress"), black_box(&value)) - 1,
        || Theirs::encode(black_box("import_progress"), black_box(&value)),
    );
    bench(
        &mut group,
        "decode + encode",
        || ours.pass_on(black_box(PROGRESS)) - 1,
        || theirs.pass_on(black_box(&text)),
    );
    bench(
        &mut group,
        "typed",
        || ours.typed::<Progress<'_>>(black_box(PROGRESS)) - 1,
        || theirs.typed::<Progress<'static>>(black_box(&text)),
    );
}

fn decode(group: &mut BenchmarkGroup<'_, WallTime>, text: &'static str) {
    let shared = Str::from(text);
    let theirs = Theirs::default();
    bench(
        group,
        "decode",
        || Ours::decode(black_box(text)).name.map_or(0, str::len),
        || Theirs::name(&theirs.decode(black_box(&shared))).len(),
    );
}

criterion_group! {
    name = codec;
    config = Criterion::default()
        .sample_size(50)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = small, progress
}
criterion_main!(codec);
