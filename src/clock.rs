//! The time of a turn, and everything that is to happen at a later one.

use crate::now::Now;
use crate::timer::Timer;
use crate::wheel::{TimerKey, Wheel};

/// The time, which stands still for a turn, and the wheel in which all deadlines are.
#[derive(Debug)]
pub(crate) struct Clock {
    pub now: Now,
    pub wheel: Wheel<Timer>,
}

impl Clock {
    pub fn new(now: Now) -> Clock {
        Clock {
            now,
            wheel: Wheel::new(now.mono_ms),
        }
    }

    /// The monotonic time in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now.mono_ms
    }

    /// The monotonic time in so many milliseconds.
    pub fn in_ms(&self, ms: u64) -> u64 {
        self.now.mono_ms.saturating_add(ms)
    }

    /// Has a timer fire at a monotonic time in milliseconds.
    pub fn arm(&mut self, at_ms: u64, timer: Timer) -> TimerKey {
        self.wheel.insert(at_ms, timer)
    }

    /// Takes a timer back. One that has fired is gone already.
    pub fn cancel(&mut self, timer: TimerKey) {
        self.wheel.cancel(timer);
    }
}
