//! What one well-behaved client sees while others keep the server busy.
//!
//! That client is a process of its own, of higher priority than the load: its answers must not wait until the load
//! generator has read ten thousand other sockets.

use std::collections::VecDeque;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::args::{Args, During};
use crate::hostile::Crew;
use crate::modes::{broadcast_once, echo_frame, tick_all_frame};
use crate::pool::Pool;
use crate::stats::Latencies;
use crate::Result;

/// Echoes of the flooding client that may be under way.
const FLOOD: usize = 1000;
/// The client under observation sends so often.
const PROBE_PAUSE: Duration = Duration::from_millis(1);
/// So long it waits for the last echoes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the load until the process with the one client has finished.
pub fn run(args: &Args, pool: &mut Pool) -> Result<Value> {
    let has_priority = can_have_priority();
    let mut probe = start_probe(args, has_priority)?;
    let result = keep_busy(args, pool, &mut probe);
    if result.is_err() {
        // It may have ended already, and then this fails.
        probe.kill().ok();
    }
    let output = probe.wait_with_output()?;
    let closed = result?;
    let mut figures: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("the probe failed: {}", output.status))?;
    figures["has_priority"] = json!(has_priority);
    figures["closed"] = json!(closed);
    Ok(figures)
}

/// Gives how many connections the server has closed, where the load consists of such as it may want to close.
fn keep_busy(args: &Args, pool: &mut Pool, probe: &mut Child) -> Result<Option<usize>> {
    let mut goes_on = || -> Result<bool> { Ok(probe.try_wait()?.is_none()) };
    match args.during {
        During::Nothing => {
            while goes_on()? {
                pool.turn(Duration::from_millis(10), |_, _, _| Ok(()))?;
            }
        }
        During::Broadcast => {
            let request = tick_all_frame(args, 1);
            while goes_on()? {
                broadcast_once(pool, &request, 1)?;
                let resume = Instant::now() + args.pause;
                while Instant::now() < resume {
                    pool.turn(args.pause, |_, _, _| Ok(()))?;
                }
            }
        }
        During::Storm => {
            while goes_on()? {
                pool.close();
                pool.connect_while(args.clients, &mut goes_on)?;
            }
        }
        During::Hostile(hostility) => {
            // Those that the pool has joined would only watch.
            pool.close();
            let mut crew = Crew::new(args.address, args.clients, hostility)?;
            crew.attack(goes_on)?;
            return Ok(Some(args.clients - crew.left()));
        }
        During::Flood => {
            let frame = echo_frame(args);
            let batch = frame.repeat(FLOOD / 10);
            let mut returned = 0;
            pool.clients[0].send(&frame.repeat(FLOOD))?;
            while goes_on()? {
                pool.turn(Duration::from_millis(10), |client, _, _| {
                    returned += 1;
                    if returned == FLOOD / 10 {
                        returned = 0;
                        client.send(&batch)?;
                    }
                    Ok(())
                })?;
            }
        }
    }
    Ok(None)
}

/// Whether chrt(1) may give a process real-time priority here.
fn can_have_priority() -> bool {
    Command::new("chrt")
        .args(["--fifo", "10", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn start_probe(args: &Args, has_priority: bool) -> Result<Child> {
    let own = std::env::current_exe()?;
    let mut command = if has_priority {
        let mut command = Command::new("chrt");
        command.args(["--fifo", "10"]).arg(own);
        command
    } else {
        Command::new(own)
    };
    let child = command
        .arg("probe")
        .args(["--address", &args.address.to_string()])
        .args(["--server-pid", &args.server_pid.to_string()])
        .args(["--payload-bytes", &args.payload_bytes.to_string()])
        .args(["--seconds", &args.duration.as_secs_f64().to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    Ok(child)
}

/// Echoes that never came have taken at least as long as they were waited for.
fn summary(mut latencies: Latencies, under_way: &VecDeque<Instant>) -> Value {
    for sent_at in under_way {
        latencies.add(sent_at.elapsed());
    }
    let mut figures = latencies.summary();
    figures["unanswered"] = json!(under_way.len());
    figures
}

/// One client with an echo per millisecond, sent on time whether the one before has returned or not.
pub fn probe(args: &Args) -> Result<Value> {
    let mut pool = Pool::new(args.address)?;
    pool.connect(1)?;
    let frame = echo_frame(args);
    let start = Instant::now();
    let end = start + args.duration;
    let mut due = start;
    let mut under_way = VecDeque::new();
    let mut latencies = Latencies::default();
    loop {
        let now = Instant::now();
        if (now >= end && under_way.is_empty()) || now > end + PATIENCE {
            return Ok(summary(latencies, &under_way));
        }
        if now >= due && now < end {
            // A timer of this process that is late is not the server's fault: the clock starts with the sending.
            under_way.push_back(now);
            pool.clients[0].send(&frame)?;
            due = (due + PROBE_PAUSE).max(now);
        }
        let wait = if now < end {
            due.saturating_duration_since(now)
        } else {
            Duration::from_millis(100)
        };
        pool.turn(wait, |_, _, text| {
            if text.starts_with(b"42[\"echo\"") {
                let sent_at: Instant = under_way.pop_front().ok_or("an echo too many")?;
                latencies.add(sent_at.elapsed());
            }
            Ok(())
        })?;
    }
}
