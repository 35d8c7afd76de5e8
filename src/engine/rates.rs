//! How much each session may do in a second.

use std::collections::BTreeMap;

use crate::buckets::Buckets;
use crate::clock::Clock;
use crate::config::Config;
use crate::id::EngineSessionId;
use crate::timer::Timer;
use crate::wheel::TimerKey;

/// What one session does, by what its rates are for.
#[derive(Debug)]
pub(crate) struct SessionRates {
    messages: Rate,
    bytes: Rate,
    joins: Rate,
    commands: Rate,
    /// Sessions of which no input is handled for now, and when that goes on.
    paused: BTreeMap<EngineSessionId, TimerKey>,
}

/// One rate, and what has been used of it.
#[derive(Debug)]
struct Rate {
    per_second: Option<u32>,
    used: Buckets<EngineSessionId>,
}

/// What becomes of something that a session wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    /// It may have it.
    Allowed,
    /// It may not have it now.
    Refused,
    /// It goes on although it has been refused: twice as much as it may in a second.
    Exceeded,
}

impl SessionRates {
    pub fn new(config: &Config) -> Self {
        let rate = |per_second| Rate {
            per_second,
            used: Buckets::default(),
        };
        SessionRates {
            messages: rate(config.max_messages_per_second),
            bytes: rate(config.max_bytes_per_second),
            joins: rate(config.max_joins_per_second),
            commands: rate(config.max_commands_per_second),
            paused: BTreeMap::new(),
        }
    }

    /// A session has sent a message of so many bytes. Where it has used up what it may send, no input of it is handled until it may
    /// send again: then this is true.
    pub fn spend(&mut self, clock: &mut Clock, id: EngineSessionId, bytes: usize) -> bool {
        let now_ms = clock.now_ms();
        let by_messages = self.messages.spend(id, 1, now_ms);
        let by_bytes = self.bytes.spend(id, bytes as u64, now_ms);
        let pause_ms = by_messages.max(by_bytes);
        if pause_ms > 0 {
            let until_ms = clock.in_ms(pause_ms);
            let timer = clock.arm(until_ms, Timer::Resume(id));
            if let Some(before) = self.paused.insert(id, timer) {
                clock.cancel(before);
            }
        }
        pause_ms > 0
    }

    /// A session wants to join a namespace.
    pub fn join(&mut self, id: EngineSessionId, now_ms: u64) -> Allowance {
        self.joins.ask(id, now_ms)
    }

    /// A session has a command about progress sessions.
    pub fn command(&mut self, id: EngineSessionId, now_ms: u64) -> Allowance {
        self.commands.ask(id, now_ms)
    }

    /// Whether there are sessions of which no input is handled for now.
    pub fn has_paused(&self) -> bool {
        !self.paused.is_empty()
    }

    /// Whether no input of a session is handled for now.
    pub fn is_paused(&self, id: EngineSessionId) -> bool {
        self.paused.contains_key(&id)
    }

    /// The pause of a session is over.
    pub fn resume(&mut self, id: EngineSessionId) {
        self.paused.remove(&id);
    }

    /// A session is gone.
    pub fn forget(&mut self, clock: &mut Clock, id: EngineSessionId) {
        if let Some(timer) = self.paused.remove(&id) {
            clock.cancel(timer);
        }
        for rate in [
            &mut self.messages,
            &mut self.bytes,
            &mut self.joins,
            &mut self.commands,
        ] {
            if rate.per_second.is_some() {
                rate.used.forget(id);
            }
        }
    }
}

impl Rate {
    /// Takes so many, and gives the milliseconds until there will be one again.
    fn spend(&mut self, id: EngineSessionId, count: u64, now_ms: u64) -> u64 {
        let Some(per_second) = self.per_second else {
            return 0;
        };
        let missing = self.used.spend(id, count, per_second, now_ms);
        let per_second = u64::from(per_second).max(1);
        let most = (per_second - 1) * 1_000;
        missing.saturating_sub(most).div_ceil(per_second)
    }

    /// What is refused counts too, up to as much again.
    fn ask(&mut self, id: EngineSessionId, now_ms: u64) -> Allowance {
        let Some(per_second) = self.per_second else {
            return Allowance::Allowed;
        };
        let missing = self.used.spend(id, 1, per_second, now_ms);
        let full = u64::from(per_second) * 1_000;
        match missing {
            missing if missing <= full => Allowance::Allowed,
            missing if missing <= 2 * full => Allowance::Refused,
            _ => Allowance::Exceeded,
        }
    }
}
