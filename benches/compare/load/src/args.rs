//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use lexopt::prelude::*;

use crate::hostile::Hostility;

pub const HELP: &str = "\
usage: load MODE --address ADDR:PORT --server-pid PID [options]

modes
  connect     clients join; processor time and resident bytes of the server per client
  idle        joined clients do nothing but answer pings
  echo        every client has --in-flight echoes under way
  broadcast   one event to everybody, the next when all have it
  burst       ten events to everybody at once, the next ten when all have them
  paced       one event to everybody every --pause-ms
  polling     echoes by HTTP long-polling: a POST, then a GET
  churn       --rounds times: clients join, then all leave
  latency     what one client with an echo per millisecond sees while --during goes on
  probe       that one client alone (latency starts it)

options
  --clients N          clients that join (1000)
  --in-flight N        echoes under way per client (1)
  --payload-bytes N    characters of an event's text (300)
  --seconds N          how long to measure (2)
  --pause-ms N         of paced and latency: time between broadcasts (100)
  --rounds N           of churn (3)
  --during LOAD        of latency: nothing, broadcast, storm, flood; or --clients connections that are
                       always full of large, pongs, noops, continuations, events, namespaces or chunks";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Connect,
    Idle,
    Echo,
    Broadcast,
    Burst,
    Paced,
    Polling,
    Churn,
    Latency,
    Probe,
}

/// What goes on while latency is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    Nothing,
    /// Broadcasts to all clients, with a pause between them.
    Broadcast,
    /// All clients leave and come again as fast as they can, over and over.
    Storm,
    /// One client sends echoes as fast as they are answered, many at a time.
    Flood,
    /// Clients that keep their sockets full.
    Hostile(Hostility),
}

pub struct Args {
    pub mode: Mode,
    pub address: SocketAddr,
    pub server_pid: u32,
    pub clients: usize,
    pub in_flight: usize,
    pub payload_bytes: usize,
    pub duration: Duration,
    pub pause: Duration,
    pub rounds: usize,
    pub during: During,
}

impl Args {
    pub fn parse() -> Result<Args, lexopt::Error> {
        Args::parse_from(lexopt::Parser::from_env())
    }

    fn parse_from(mut parser: lexopt::Parser) -> Result<Args, lexopt::Error> {
        let mut mode = None;
        let mut address = None;
        let mut server_pid = None;
        let mut clients = 1000;
        let mut in_flight = 1;
        let mut payload_bytes = 300;
        let mut seconds = 2.0;
        let mut pause_ms = 100;
        let mut rounds = 3;
        let mut during = During::Nothing;
        while let Some(argument) = parser.next()? {
            match argument {
                Value(name) if mode.is_none() => mode = Some(mode_named(&name.string()?)?),
                Long("address") => address = Some(parser.value()?.parse()?),
                Long("server-pid") => server_pid = Some(parser.value()?.parse()?),
                Long("clients") => clients = parser.value()?.parse()?,
                Long("in-flight") => in_flight = parser.value()?.parse()?,
                Long("payload-bytes") => payload_bytes = parser.value()?.parse()?,
                Long("seconds") => seconds = parser.value()?.parse()?,
                Long("pause-ms") => pause_ms = parser.value()?.parse()?,
                Long("rounds") => rounds = parser.value()?.parse()?,
                Long("during") => during = load_named(&parser.value()?.string()?)?,
                other => return Err(other.unexpected()),
            }
        }
        if clients == 0 || in_flight == 0 {
            return Err("--clients and --in-flight must be at least 1".into());
        }
        Ok(Args {
            mode: mode.ok_or("a mode is required")?,
            address: address.ok_or("--address is required")?,
            server_pid: server_pid.ok_or("--server-pid is required")?,
            clients,
            in_flight,
            payload_bytes,
            duration: Duration::try_from_secs_f64(seconds)
                .map_err(|error| format!("--seconds {seconds}: {error}"))?,
            pause: Duration::from_millis(pause_ms),
            rounds,
            during,
        })
    }

    /// The text that events carry.
    pub fn text(&self) -> String {
        "x".repeat(self.payload_bytes)
    }
}

fn mode_named(name: &str) -> Result<Mode, String> {
    Ok(match name {
        "connect" => Mode::Connect,
        "idle" => Mode::Idle,
        "echo" => Mode::Echo,
        "broadcast" => Mode::Broadcast,
        "burst" => Mode::Burst,
        "paced" => Mode::Paced,
        "polling" => Mode::Polling,
        "churn" => Mode::Churn,
        "latency" => Mode::Latency,
        "probe" => Mode::Probe,
        _ => return Err(format!("{name}: no such mode")),
    })
}

fn load_named(name: &str) -> Result<During, String> {
    Ok(match name {
        "nothing" => During::Nothing,
        "broadcast" => During::Broadcast,
        "storm" => During::Storm,
        "flood" => During::Flood,
        "large" => During::Hostile(Hostility::Large),
        "pongs" => During::Hostile(Hostility::Pongs),
        "noops" => During::Hostile(Hostility::Noops),
        "continuations" => During::Hostile(Hostility::Continuations),
        "events" => During::Hostile(Hostility::Events),
        "namespaces" => During::Hostile(Hostility::Namespaces),
        "chunks" => During::Hostile(Hostility::Chunks),
        _ => return Err(format!("--during {name}: no such load")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, lexopt::Error> {
        let words = ["load"].into_iter().chain(line.split_ascii_whitespace());
        Args::parse_from(lexopt::Parser::from_iter(words))
    }

    #[test]
    fn a_full_command_line_is_read() {
        let args = parse(
            "latency --address 127.0.0.1:3000 --server-pid 7 --clients 5 --seconds 0.5 --during storm",
        )
        .unwrap();
        assert_eq!((args.mode, args.during), (Mode::Latency, During::Storm));
        assert_eq!((args.clients, args.server_pid, args.in_flight), (5, 7, 1));
        assert_eq!(args.duration, Duration::from_millis(500));
        assert_eq!(args.text().len(), 300);
    }

    #[test]
    fn what_is_wrong_or_missing_is_refused() {
        let needed = "--address 127.0.0.1:3000 --server-pid 7";
        assert!(parse(needed).is_err());
        assert!(parse("echo --server-pid 7").is_err());
        assert!(parse("echo --address 127.0.0.1:3000").is_err());
        for wrong in [
            "dance",
            "echo --clients 0",
            "echo --seconds -1",
            "echo again",
            "echo --loud",
        ] {
            assert!(parse(&format!("{wrong} {needed}")).is_err(), "{wrong}");
        }
        assert!(parse(&format!("echo {needed}")).is_ok());
    }
}
