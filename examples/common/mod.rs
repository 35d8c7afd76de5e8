//! What the fixtures share: flags, the first line on stdout, and an end on SIGTERM.

#![allow(dead_code, reason = "each example uses a part of it")]

pub mod page;
pub mod say;

use std::io;
use std::net::SocketAddr;
use std::process::exit;
use std::thread;

use pulsewheel::{Config, Endpoint, Event, Handle, IoServer, Parser, RecoveryConfig, Server};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use say::{fail, say};

/// Flags of a fixture.
pub struct Flags {
    pub listen: String,
    ping_interval_ms: Option<u64>,
    ping_timeout_ms: Option<u64>,
    upgrade_timeout_ms: Option<u64>,
    connect_timeout_ms: Option<u64>,
    attachment_timeout_ms: Option<u64>,
    max_payload_bytes: Option<usize>,
    allow_eio3: bool,
    parser: Option<Parser>,
    has_recovery: bool,
}

/// Which limits a fixture lets its user set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Ping,
    Connect,
    Payload,
}

impl Flags {
    /// Reads the command line; says what is wrong with it and ends the process where something is.
    pub fn parse(program: &str, limits: &[Limit]) -> Flags {
        match Flags::try_parse(lexopt::Parser::from_env(), limits) {
            Ok(flags) => flags,
            Err(error) => fail(&format!("{program}: {error}"), 2),
        }
    }

    fn try_parse(mut parser: lexopt::Parser, limits: &[Limit]) -> Result<Flags, lexopt::Error> {
        use lexopt::prelude::*;
        let mut listen = None;
        let mut flags = Flags {
            listen: String::new(),
            ping_interval_ms: None,
            ping_timeout_ms: None,
            upgrade_timeout_ms: None,
            connect_timeout_ms: None,
            attachment_timeout_ms: None,
            max_payload_bytes: None,
            allow_eio3: false,
            parser: None,
            has_recovery: false,
        };
        while let Some(argument) = parser.next()? {
            match argument {
                Long("listen") => listen = Some(parser.value()?.string()?),
                Long("ping-interval") if limits.contains(&Limit::Ping) => {
                    flags.ping_interval_ms = Some(parser.value()?.parse()?);
                }
                Long("ping-timeout") if limits.contains(&Limit::Ping) => {
                    flags.ping_timeout_ms = Some(parser.value()?.parse()?);
                }
                Long("upgrade-timeout") if limits.contains(&Limit::Connect) => {
                    flags.upgrade_timeout_ms = Some(parser.value()?.parse()?);
                }
                Long("connect-timeout") if limits.contains(&Limit::Connect) => {
                    flags.connect_timeout_ms = Some(parser.value()?.parse()?);
                }
                Long("attachment-timeout") if limits.contains(&Limit::Connect) => {
                    flags.attachment_timeout_ms = Some(parser.value()?.parse()?);
                }
                Long("max-payload") if limits.contains(&Limit::Payload) => {
                    flags.max_payload_bytes = Some(parser.value()?.parse()?);
                }
                Long("allow-eio3") => flags.allow_eio3 = true,
                Long("recovery") if limits.contains(&Limit::Connect) => flags.has_recovery = true,
                Long("parser") if limits.contains(&Limit::Connect) => {
                    let name = parser.value()?.string()?;
                    let known = parser_named(&name);
                    flags.parser = Some(known.ok_or(format!("--parser {name}: not known"))?);
                }
                other => return Err(other.unexpected()),
            }
        }
        flags.listen = listen.ok_or("--listen ADDR:PORT is required")?;
        Ok(flags)
    }

    /// The settings with what the flags change in them.
    pub fn apply_to(&self, config: Config) -> Config {
        Config {
            ping_interval_ms: self.ping_interval_ms.unwrap_or(config.ping_interval_ms),
            ping_timeout_ms: self.ping_timeout_ms.unwrap_or(config.ping_timeout_ms),
            upgrade_timeout_ms: self.upgrade_timeout_ms.unwrap_or(config.upgrade_timeout_ms),
            connect_timeout_ms: self.connect_timeout_ms.unwrap_or(config.connect_timeout_ms),
            attachment_timeout_ms: self
                .attachment_timeout_ms
                .unwrap_or(config.attachment_timeout_ms),
            max_payload_bytes: self.max_payload_bytes.unwrap_or(config.max_payload_bytes),
            allow_eio3: self.allow_eio3,
            recovery: self.has_recovery.then(RecoveryConfig::default),
            parser: self.parser.unwrap_or(config.parser),
            ..config
        }
    }
}

fn parser_named(name: &str) -> Option<Parser> {
    match name {
        #[cfg(feature = "msgpack")]
        "msgpack" => Some(Parser::Msgpack),
        _ => None,
    }
}

/// Runs a server until SIGTERM or SIGINT.
pub fn run(server: io::Result<Server>, on_event: impl FnMut(&mut Endpoint, Event)) {
    or_exit(server.and_then(|mut server| {
        announce(server.handle(), &server.local_addrs()?)?;
        server.run(on_event)
    }));
}

/// Runs a server with handlers until SIGTERM or SIGINT; what is not for the handlers goes to this function.
pub fn run_io<S>(server: io::Result<IoServer<S>>, on_event: impl FnMut(&mut Endpoint, Event)) {
    or_exit(server.and_then(|mut server| {
        announce(server.handle(), &server.local_addrs()?)?;
        server.run_with(on_event)
    }));
}

fn or_exit(outcome: io::Result<()>) {
    if let Err(error) = outcome {
        fail(&format!("the server cannot run: {error}"), 1);
    }
}

/// Says where the server listens, and has signals end it.
fn announce(handle: Handle, addresses: &[SocketAddr]) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::spawn(move || {
        if signals.forever().next().is_some() && handle.shut_down().is_err() {
            exit(1);
        }
    });
    for address in addresses {
        say(format!("listening on http://{address}"));
    }
    Ok(())
}
