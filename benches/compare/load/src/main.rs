//! A neutral load generator for Socket.IO servers that follow the protocol of this project's `echo` example.
//!
//! One thread, one epoll instance, ready-made frames: it costs as little as it can beside the server. Each run joins its
//! clients, runs one mode and prints one JSON object with what it measured.

#![forbid(unsafe_code)]

mod args;
mod client;
mod frame;
mod hostile;
mod http;
mod latency;
mod modes;
mod polling;
mod pool;
mod process;
mod stats;

use std::process::exit;

use args::{Args, Mode};
use serde_json::{json, Value};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() {
    let args = Args::parse().unwrap_or_else(|error| {
        eprintln!("load: {error}\n\n{}", args::HELP);
        exit(2);
    });
    match run(&args) {
        Ok(figures) => println!("{figures}"),
        Err(error) => {
            eprintln!("load: {error}");
            exit(1);
        }
    }
}

fn run(args: &Args) -> Result<Value> {
    match args.mode {
        Mode::Probe => return latency::probe(args),
        Mode::Polling => return Ok(json!({ "figures": polling::run(args)? })),
        Mode::Churn => return Ok(json!({ "figures": modes::churn(args)? })),
        _ => {}
    }
    let (mut pool, connect) = modes::connect(args)?;
    let figures = match args.mode {
        Mode::Idle => modes::idle(args, &mut pool)?,
        Mode::Echo => modes::echo(args, &mut pool)?,
        Mode::Broadcast => modes::broadcast(args, &mut pool, 1)?,
        Mode::Burst => modes::broadcast(args, &mut pool, modes::BURST)?,
        Mode::Paced => modes::paced(args, &mut pool)?,
        Mode::Latency => latency::run(args, &mut pool)?,
        Mode::Connect | Mode::Probe | Mode::Polling | Mode::Churn => Value::Null,
    };
    Ok(json!({ "connect": connect, "figures": figures }))
}
