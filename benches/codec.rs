//! What it costs to read and to write what travels: Socket.IO packets, polling payloads, WebSocket frames.
//!
//! `cargo bench --bench codec`; the time shown is for one packet, payload or frame.

#[path = "common/masked.rs"]
mod masked;

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{criterion_group, criterion_main, BenchmarkGroup, Criterion, Throughput};
use masked::masked;
use pulsewheel::engine::{decode_payload, encode_payload};
use pulsewheel::socket::{encode_event, Limits, Packet};
use pulsewheel::websocket::{Decoded, Decoder, Message};
use pulsewheel::{Args, Frame, FrameBuilder};

const LIMITS: Limits = Limits {
    max_attachments: 10,
    max_json_depth: 128,
};

const SMALL: &str = r#"2["hello",1]"#;

/// As large as the progress of an import is with its usual metadata.
const PROGRESS: &str = r#"2["import_progress",{"session_id":"1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b","progress":0.4215,"status":"processing","current_step":"Processing batch 5","processed_rows":4215,"total_rows":10000,"processing_speed":1250.5,"eta_seconds":5,"timestamp":"2025-01-12T10:30:15.123Z","metadata":{}}]"#;

const BINARY: &str = r#"51-["part",{"at":7},{"_placeholder":true,"num":0}]"#;

fn packets(c: &mut Criterion) {
    let mut group = c.benchmark_group("packet");
    for (name, text) in [("small", SMALL), ("progress", PROGRESS), ("binary", BINARY)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("decode/{name}"), |b| {
            b.iter(|| Packet::decode(black_box(text), &LIMITS).map(|packet| packet.args_at));
        });
    }
    let attached = {
        let mut builder = Args::builder();
        builder.push(&At { at: 7 }).expect("JSON");
        builder.push_binary(&[7; 100]);
        builder.build()
    };
    encode(&mut group, "small", "hello", &Args::one(&1).expect("JSON"));
    encode(&mut group, "progress", "import_progress", &progress_args());
    encode(&mut group, "binary", "part", &attached);
}

#[derive(serde::Serialize)]
struct At {
    at: u32,
}

fn progress_args() -> Args {
    let json = &PROGRESS[PROGRESS.find('{').expect("an object")..PROGRESS.len() - 1];
    Args::from_json(json).expect("JSON")
}

fn encode(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, event: &str, args: &Args) {
    let mut frames = FrameBuilder::default();
    let bytes = encode_event(&mut frames, "/", None, event, args).text;
    group.throughput(Throughput::Bytes(bytes.payload().len() as u64));
    group.bench_function(format!("encode/{name}"), |b| {
        b.iter(|| encode_event(&mut frames, "/", None, event, black_box(args)));
    });
}

fn payloads(c: &mut Criterion) {
    let mut group = c.benchmark_group("payload");
    let packets = vec![Frame::text(&format!("4{PROGRESS}")); 16];
    let mut payload = Vec::new();
    for packet in &packets {
        encode_payload(&mut payload, packet);
    }
    let text = String::from_utf8(payload.clone()).expect("text");
    group.throughput(Throughput::Elements(16));
    group.bench_function("decode/16 packets", |b| {
        b.iter(|| {
            let mut rest = Some(black_box(text.as_str()));
            let mut count = 0;
            while let Some(text) = rest {
                let (part, behind) = decode_payload(text);
                black_box(part);
                rest = behind;
                count += 1;
            }
            count
        });
    });
    group.bench_function("encode/16 packets", |b| {
        b.iter(|| {
            payload.clear();
            for packet in black_box(&packets) {
                encode_payload(&mut payload, packet);
            }
        });
    });
}

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("websocket");
    for (name, text) in [("small", SMALL), ("progress", PROGRESS)] {
        // Unmasking is its own inverse, and both sides of it are ASCII here: every second run reads what the one before
        // it made of the frame, at the same cost.
        let mut frame = masked(&format!("4{text}"));
        let mut decoder = Decoder::default();
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function(format!("decode/{name}"), |b| {
            b.iter(|| match decoder.decode(black_box(&mut frame), 1_000_000) {
                Ok(Decoded::Complete {
                    message: Some(Message::Text(text)),
                    ..
                }) => text.len(),
                other => panic!("a text was sent: {other:?}"),
            });
        });
    }
}

criterion_group! {
    name = codec;
    config = Criterion::default()
        .sample_size(50)
        .warm_up_time(std::time::Duration::from_millis(500))
        .measurement_time(std::time::Duration::from_secs(2));
    targets = packets, payloads, frames
}
criterion_main!(codec);
