//! One event to many WebSocket clients, through the whole [`Endpoint`] but without sockets: emitted, queued at each
//! connection, gathered for its write and counted as written.
//!
//! `cargo bench --bench fan_out`; `thrpt` counts deliveries.

mod common;

use std::io::Read;

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use pulsewheel::progress::{JsonObject, MemoryUsage, SessionOptions};
use pulsewheel::{checks, Args, Config, Endpoint, Environment, Now, Readiness, Target, Work};

const CLIENTS: [usize; 2] = [1_000, 10_000];

/// An endpoint with so many clients in `/`.
fn crowd(clients: usize) -> Endpoint {
    let mut drawn = 0_u8;
    let environment = Environment {
        random: Box::new(move |bytes| {
            for byte in bytes {
                drawn = drawn.wrapping_mul(31).wrapping_add(17);
                *byte = drawn;
            }
        }),
        memory: Box::new(MemoryUsage::default),
    };
    let config = Config::default();
    let mut endpoint = Endpoint::new(config, environment, Now::default());
    let peer = "127.0.0.1:5000".parse().expect("an address");
    for _ in 0..clients {
        let client = endpoint.open(peer).expect("room for one more");
        let input = [common::HANDSHAKE, &common::masked(common::JOIN)].concat();
        endpoint.on_ready(client, Readiness::readable());
        work(&mut endpoint, &mut &input[..]);
    }
    assert_eq!(endpoint.counts().sockets, clients);
    endpoint
}

/// Takes what is to be written, as a socket does that is never full; how many connections had something.
fn write_all(endpoint: &mut Endpoint) -> usize {
    work(endpoint, &mut &[][..])
}

/// Does all that is to be done, with this input of the one client that has some; how many writes that were.
fn work(endpoint: &mut Endpoint, input: &mut &[u8]) -> usize {
    let mut writes = 0;
    loop {
        match endpoint.next_work(endpoint.now()) {
            Work::Read(id, bytes) => {
                let mut buffer = vec![0; bytes];
                let read = input.read(&mut buffer);
                endpoint.on_read(id, &mut buffer, read);
            }
            Work::Events => while endpoint.poll_event().is_some() {},
            Work::Write(id) => {
                endpoint.write(id, |slices| Ok(slices.iter().map(|it| it.len()).sum()));
                writes += 1;
            }
            // All that a turn may do has been done, or all that there is.
            Work::Wait(_) if checks::has_work(endpoint) => {
                endpoint.on_polled(endpoint.now().mono_ms, true);
            }
            _ => return writes,
        }
    }
}

fn broadcast(c: &mut Criterion) {
    let mut group = c.benchmark_group("fan_out/broadcast of 300 bytes");
    for clients in CLIENTS {
        let mut endpoint = crowd(clients);
        let everybody = Target::namespace(endpoint.namespace("/").expect("it is served"));
        let args = Args::one(&"x".repeat(300)).expect("a string is JSON");
        group.throughput(Throughput::Elements(clients as u64));
        group.bench_function(BenchmarkId::from_parameter(clients), |b| {
            b.iter(|| {
                let emitted = endpoint.emit(&everybody, "news", &args);
                emitted.expect("the name is not reserved");
                assert_eq!(write_all(&mut endpoint), clients);
            });
        });
    }
}

fn progress(c: &mut Criterion) {
    let mut group = c.benchmark_group("fan_out/progress update");
    for clients in CLIENTS {
        let mut endpoint = crowd(clients);
        let session = endpoint
            .progress()
            .create_session(SessionOptions::default());
        let session = session.expect("there is room for a session");
        write_all(&mut endpoint);
        let mut now = Now::default();
        group.throughput(Throughput::Elements(clients as u64));
        group.bench_function(BenchmarkId::from_parameter(clients), |b| {
            b.iter(|| {
                // Far enough from the last one for the throttle; timers are not what is measured here.
                now.mono_ms += 100;
                now.unix_ms += 100;
                endpoint.begin_turn(now);
                let rows = JsonObject::from_iter([("processed_rows".to_owned(), 4215.into())]);
                let updated = endpoint.progress().update_progress(session, 0.5, rows);
                updated.expect("the session is at work");
                assert_eq!(write_all(&mut endpoint), clients);
            });
        });
    }
}

criterion_group! {
    name = fan_out;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(std::time::Duration::from_secs(1))
        .measurement_time(std::time::Duration::from_secs(4));
    targets = broadcast, progress
}
criterion_main!(fan_out);
