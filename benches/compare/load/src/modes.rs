//! The modes in which many WebSocket clients keep the server busy, or do not.

use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::args::Args;
use crate::client::Client;
use crate::frame::{self, masked};
use crate::pool::Pool;
use crate::process::Process;
use crate::stats::Latencies;
use crate::Result;

/// Events of one burst.
pub const BURST: usize = 10;
/// Load before the measurement begins: caches fill, compilers just in time compile.
pub const WARM_UP: Duration = Duration::from_millis(500);
const ECHO: &[u8] = b"42[\"echo\"";
const TICK: &[u8] = b"42[\"tick\"";

/// An `echo` event as a frame.
pub fn echo_frame(args: &Args) -> Vec<u8> {
    let event = format!("42[\"echo\",\"{}\"]", args.text());
    masked(frame::TEXT, event.as_bytes())
}

/// Asks for `count` events to everybody.
pub fn tick_all_frame(args: &Args, count: usize) -> Vec<u8> {
    let event = format!("42[\"tick-all\",{count},{}]", args.payload_bytes);
    masked(frame::TEXT, event.as_bytes())
}

/// Joins all clients.
pub fn connect(args: &Args) -> Result<(Pool, Value)> {
    let server = Process::new(args.server_pid);
    let mut pool = Pool::new(args.address)?;
    let resident_before = server.resident_kib()?;
    let cpu_before = server.settled_cpu_ns()?;
    let start = Instant::now();
    pool.connect(args.clients)?;
    let elapsed = start.elapsed();
    let cpu_ns = server.settled_cpu_ns()? - cpu_before;
    let resident_kib = server.resident_kib()?;
    let count = args.clients as f64;
    let grown_kib = resident_kib.saturating_sub(resident_before);
    let figures = json!({
        "clients": args.clients,
        "cpu_us": cpu_ns as f64 / 1000.0 / count,
        "per_s": count / elapsed.as_secs_f64(),
        "empty_kib": resident_before,
        "full_kib": resident_kib,
        "bytes_per_client": (grown_kib * 1024) as f64 / count,
    });
    Ok((pool, figures))
}

/// Clients answer pings and do nothing else.
pub fn idle(args: &Args, pool: &mut Pool) -> Result<Value> {
    let server = Process::new(args.server_pid);
    let pings = |pool: &Pool| pool.clients.iter().map(|client| client.pings).sum::<u64>();
    let pings_before = pings(pool);
    let cpu_before = server.cpu_ns()?;
    let start = Instant::now();
    while start.elapsed() < args.duration {
        let left = args.duration.saturating_sub(start.elapsed());
        pool.turn(left.min(Duration::from_millis(100)), |_, _, _| Ok(()))?;
    }
    let elapsed_ns = start.elapsed().as_nanos() as f64;
    let cpu_ns = (server.cpu_ns()? - cpu_before) as f64;
    let count = pings(pool) - pings_before;
    if count == 0 {
        return Err("no ping came: measure for one ping interval at least".into());
    }
    Ok(json!({
        "pings": count,
        "cpu_us": cpu_ns / 1000.0 / count as f64,
        "cpu_percent": cpu_ns / elapsed_ns * 100.0,
    }))
}

/// Every client has echoes under way and sends again when all of them are back.
pub fn echo(args: &Args, pool: &mut Pool) -> Result<Value> {
    let batch = echo_frame(args).repeat(args.in_flight);
    for client in &mut pool.clients {
        client.awaited = args.in_flight;
        client.sent_at = Instant::now();
        client.send(&batch)?;
    }
    let mut count = 0u64;
    let mut latencies = Latencies::default();
    let mut phase = |duration: Duration| -> Result<u64> {
        let end = Instant::now() + duration;
        count = 0;
        latencies = Latencies::default();
        pool.run(
            || Instant::now() >= end,
            |client, _, text| {
                if !text.starts_with(ECHO) {
                    return Ok(());
                }
                count += 1;
                client.awaited -= 1;
                if client.awaited > 0 {
                    return Ok(());
                }
                let now = Instant::now();
                latencies.add(now - client.sent_at);
                client.sent_at = now;
                client.awaited = args.in_flight;
                Ok(client.send(&batch)?)
            },
        )?;
        Ok(count)
    };
    let warm_up = phase(WARM_UP)?;
    let measure = Measure::start(args)?;
    let count = phase(args.duration)?;
    let mut figures = measure.end(count, Some(latencies))?;
    figures["total_items"] = json!(warm_up + count);
    Ok(figures)
}

/// One client asks for `events` events to everybody, and again when everybody has them.
pub fn broadcast(args: &Args, pool: &mut Pool, events: usize) -> Result<Value> {
    let request = tick_all_frame(args, events);
    let mut phase = |duration: Duration| -> Result<u64> {
        let end = Instant::now() + duration;
        let mut count = 0;
        while Instant::now() < end {
            count += broadcast_once(pool, &request, events)?;
        }
        Ok(count)
    };
    let warm_up = phase(WARM_UP)?;
    let measure = Measure::start(args)?;
    let count = phase(args.duration)?;
    let mut figures = measure.end(count, None)?;
    figures["total_items"] = json!(warm_up + count);
    Ok(figures)
}

/// Asks for `events` events to everybody and returns the number of deliveries when the last has come.
pub fn broadcast_once(pool: &mut Pool, request: &[u8], events: usize) -> Result<u64> {
    let expected = pool.clients.len() * events;
    let left = std::cell::Cell::new(expected);
    pool.clients[0].send(request)?;
    pool.run(
        || left.get() == 0,
        |_, _, text| {
            if text.starts_with(TICK) {
                left.set(left.get() - 1);
            }
            Ok(())
        },
    )?;
    Ok(expected as u64)
}

/// One client asks for an event to everybody at a fixed rate, whether the one before has arrived or not.
pub fn paced(args: &Args, pool: &mut Pool) -> Result<Value> {
    let request = tick_all_frame(args, 1);
    broadcast_once(pool, &request, 1)?;
    for client in &mut pool.clients {
        client.awaited = 0;
    }
    let measure = Measure::start(args)?;
    let start = Instant::now();
    let end = start + args.duration;
    let mut sent_at = Vec::new();
    let mut count = 0u64;
    let mut latencies = Latencies::default();
    // A client's `awaited` is the number of the broadcast that it gets next.
    let mut on_event = |sent_at: &[Instant], client: &mut Client, text: &[u8]| {
        if text.starts_with(TICK) {
            latencies.add(sent_at[client.awaited].elapsed());
            client.awaited += 1;
            count += 1;
        }
        Ok(())
    };
    while Instant::now() < end {
        let due = start + args.pause * sent_at.len() as u32;
        if Instant::now() >= due {
            sent_at.push(due);
            pool.clients[0].send(&request)?;
        }
        let wait = (start + args.pause * sent_at.len() as u32)
            .min(end)
            .saturating_duration_since(Instant::now());
        pool.turn(wait, |client, _, text| on_event(&sent_at, client, text))?;
    }
    measure.end(count, Some(latencies))
}

/// Clients join and leave, round after round; what the server holds afterwards.
pub fn churn(args: &Args) -> Result<Value> {
    let server = Process::new(args.server_pid);
    let mut pool = Pool::new(args.address)?;
    let descriptors = server.descriptors()?;
    let cpu_before = server.settled_cpu_ns()?;
    let mut resident_kib = vec![server.resident_kib()?];
    for _ in 0..args.rounds {
        pool.connect(args.clients)?;
        pool.close();
        let give_up = Instant::now() + Duration::from_secs(10);
        while server.descriptors()? > descriptors && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(10));
        }
        resident_kib.push(server.resident_kib()?);
    }
    let cpu_ns = server.settled_cpu_ns()? - cpu_before;
    Ok(json!({
        "cpu_us": cpu_ns as f64 / 1000.0 / (args.rounds * args.clients) as f64,
        "resident_kib": resident_kib,
    }))
}

/// The server's processor time and the clock from here on.
pub struct Measure {
    server: Process,
    cpu_before: u64,
    start: Instant,
}

impl Measure {
    pub fn start(args: &Args) -> Result<Measure> {
        let server = Process::new(args.server_pid);
        Ok(Measure {
            cpu_before: server.cpu_ns()?,
            server,
            start: Instant::now(),
        })
    }

    /// Processor time per item, and items per second.
    pub fn end(self, items: u64, latencies: Option<Latencies>) -> Result<Value> {
        let elapsed = self.start.elapsed().as_secs_f64();
        let cpu_ns = (self.server.cpu_ns()? - self.cpu_before) as f64;
        if items == 0 {
            return Err("nothing came back while it was measured".into());
        }
        Ok(json!({
            "items": items,
            "cpu_us": cpu_ns / 1000.0 / items as f64,
            "cpu_percent": cpu_ns / 1e7 / elapsed,
            "per_s": items as f64 / elapsed,
            "latency": latencies.map(Latencies::summary),
        }))
    }
}
