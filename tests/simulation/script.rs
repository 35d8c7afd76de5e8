//! What happens in a run, all of it decided beforehand: settings, actors and steps. A script is text too, which a person can
//! read, shorten and paste into a test.

use std::fmt::Write as _;

use super::pipe::Nature;
use super::rng::Rng;

/// A struct of numbers that can be written and read by their names.
macro_rules! numbers {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $default:expr,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $($(#[$doc])* pub $field: u64,)* }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $default,)* }
            }
        }

        impl $name {
            /// What differs from the defaults.
            fn written(&self) -> String {
                let usual = $name::default();
                let mut text = String::new();
                $(if self.$field != usual.$field {
                    let _ = write!(text, " {} {}", stringify!($field), self.$field);
                })*
                text
            }

            fn set(&mut self, name: &str, value: u64) {
                match name {
                    $(stringify!($field) => self.$field = value,)*
                    other => panic!("no number is called {other}"),
                }
            }
        }
    };
}

/// An enum whose variants can be written and read by their names.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            fn named(word: &str) -> $name {
                *$name::ALL.iter().find(|known| format!("{known:?}") == word).unwrap_or_else(|| panic!("nothing is called {word}"))
            }
        }
    };
}

numbers! {
    /// Settings of the server and of its machine. Times are milliseconds, chances are of a thousand.
    Setup {
        ping_interval: 25_000,
        ping_timeout: 20_000,
        request_timeout: 10_000,
        upgrade_timeout: 10_000,
        connect_timeout: 45_000,
        attachment_timeout: 10_000,
        max_queued: 4_194_304,
        max_payload: 1_000_000,
        max_pending_events: 256,
        max_connections: 20_000,
        /// Engine.IO sessions.
        max_sessions: 20_000,
        recovery: 0,
        msgpack: 0,
        compression: 0,
        /// The host is asked before sessions open, and before clients join namespaces.
        admissions: 0,
        connect_requests: 0,
        progress: 1,
        /// Sockets whose readiness one poll tells.
        ready_per_turn: 64,
        spurious: 0,
        /// One turn after each step, whatever is under way: for runs that are compared.
        lockstep: 0,
    }
}

impl Setup {
    /// The shortest time that a client has for something.
    pub fn shortest_ms(&self) -> u64 {
        let rest = self.request_timeout.min(self.upgrade_timeout);
        let rest = rest.min(self.connect_timeout).min(self.attachment_timeout);
        self.ping_timeout.min(rest)
    }

    /// Whether pongs are awaited for so long that everything else has come before.
    pub fn is_pingless(&self) -> bool {
        self.ping_timeout >= Setup::default().ping_timeout
    }
}

words! {
    /// What kind of client an actor is.
    Kind {
        WebSocket,
        Polling,
        Upgrading,
        /// WebSockets that come back by recovery.
        Recovering,
        WebSocket3,
        Polling3,
        Upgrading3,
        /// Upgrades as soon as its last POST has been read, and does not wait for the answer.
        Hasty,
        /// Sends from a grammar of nasty and of wrong input.
        Hostile,
        /// Sends what is refused while its rest is still under way.
        Uploading,
    }
}

numbers! {
    /// The line of an actor.
    Line {
        latency: 1,
        /// Bytes in a millisecond.
        bandwidth: 100_000,
        send: 65_536,
        receive: 65_536,
        /// Largest segment in bytes.
        segment: 65_536,
        /// What is awaited of it arrives so many milliseconds before its time is over; 0 for at once.
        tardy: 0,
    }
}

impl Line {
    /// What its links are like.
    pub fn nature(&self) -> Nature {
        Nature {
            latency_ms: self.latency,
            bytes_per_ms: self.bandwidth,
            send_buffer: self.send as usize,
            receive_buffer: self.receive as usize,
            segment: self.segment,
        }
    }
}

words! {
    /// What happens in a step.
    Verb {
        /// Nothing; time passes.
        Wait,
        // Of a client.
        Emit, EmitAsking, EmitBinary, Burst, Fragments, WebSocketPing, Tear,
        Enter, Exit, List, Bye, Return,
        Reset, BlackHole, HalfClose, ReadSlowly, ReadNothing, ReadOn, PollNothing, PollOn,
        /// Of a hostile one: so much of one thing.
        Attack,
        /// Of one that uploads: something wrong, with so much behind it.
        Upload,
        // Of the host.
        Tell, TellAll, TellVolatile, TellRoom, Join, Leave, Kick, KickOut, Ask, AskAll, Decide, Misuse,
        Begin, Progress, Complete, Fail, Cancel, Forget,
        // Of the machine.
        Stall, Slow, WallClock, RefuseAccepts, Restart, FailWrite,
    }
}

impl Verb {
    pub fn is_the_hosts(self) -> bool {
        (Verb::Tell..=Verb::Forget).contains(&self)
    }

    pub fn is_a_producers(self) -> bool {
        (Verb::Begin..=Verb::Forget).contains(&self)
    }

    /// Whether it needs no actor: then it stays when its actor is dropped from a script.
    pub fn is_without_actor(self) -> bool {
        self == Verb::Wait || self >= Verb::Tell && self != Verb::FailWrite
    }
}

/// One client, or one attacker.
#[derive(Clone, Debug, PartialEq)]
pub struct Actor {
    pub number: usize,
    pub kind: Kind,
    pub line: Line,
}

/// One step: somebody does something, and then time passes.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The actor that acts or is concerned.
    pub actor: usize,
    pub verb: Verb,
    pub amount: u64,
    pub variant: u64,
    pub wait_ms: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// Decides what the script leaves open, such as where segments end and what ids are drawn.
    pub seed: u64,
    pub setup: Setup,
    pub actors: Vec<Actor>,
    pub steps: Vec<Step>,
}

impl Script {
    /// The script of a seed.
    pub fn draw(seed: u64, steps: usize) -> Script {
        super::draw::draw(&mut Rng::fork(seed, 1), seed, steps)
    }

    pub fn to_text(&self) -> String {
        let mut text = format!("seed {}\nsetup{}\n", self.seed, self.setup.written());
        for actor in &self.actors {
            let _ = writeln!(
                text,
                "actor {} {:?}{}",
                actor.number,
                actor.kind,
                actor.line.written()
            );
        }
        for step in &self.steps {
            let _ = writeln!(
                text,
                "{} {:?} {} {} {}",
                step.actor, step.verb, step.amount, step.variant, step.wait_ms
            );
        }
        text
    }

    pub fn from_text(text: &str) -> Script {
        let mut script = Script {
            seed: 0,
            setup: Setup::default(),
            actors: Vec::new(),
            steps: Vec::new(),
        };
        let number =
            |word: &str| -> u64 { word.parse().unwrap_or_else(|_| panic!("no number: {word}")) };
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [] => {}
                ["seed", seed] => script.seed = number(seed),
                ["setup", ref rest @ ..] => rest
                    .chunks(2)
                    .for_each(|pair| script.setup.set(pair[0], number(pair[1]))),
                ["actor", actor, kind, ref rest @ ..] => {
                    let mut line = Line::default();
                    rest.chunks(2)
                        .for_each(|pair| line.set(pair[0], number(pair[1])));
                    script.actors.push(Actor {
                        number: number(actor) as usize,
                        kind: Kind::named(kind),
                        line,
                    });
                }
                [actor, verb, amount, variant, wait_ms] => script.steps.push(Step {
                    actor: number(actor) as usize,
                    verb: Verb::named(verb),
                    amount: number(amount),
                    variant: number(variant),
                    wait_ms: number(wait_ms),
                }),
                _ => panic!("no line of a script: {line}"),
            }
        }
        script
    }
}
