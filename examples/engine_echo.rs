//! Engine.IO without Socket.IO: every message goes back as it came.
//!
//! `cargo run --release --example engine_echo -- --listen 127.0.0.1:3000`

mod common;

use common::{Flags, Limit};
use pulsewheel::{Config, Event, Server};

fn main() {
    let flags = Flags::parse("engine_echo", &[Limit::Ping, Limit::Payload]);
    let config = flags.apply_to(Config::engine_only("/engine.io/"));
    common::run(Server::bind(config, &*flags.listen), |endpoint, event| {
        if let Event::EngineMessage { session, message } = event {
            // A session that has closed meanwhile wants no answer.
            let _ = endpoint.engine_send(session, &message);
        }
    });
}
