//! Timers of the host, in the wheel where all others are.

use std::time::Duration;

use super::events::Queued;
use super::{Endpoint, Event};
use crate::now::millis;
use crate::panics::Verb;
use crate::slots::{Key, Slots};
use crate::timer::Timer;
use crate::wheel::TimerKey;

/// Names one timer of the host, to take it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId(pub(crate) Key);

/// All timers of the host.
pub(super) type Schedule = Slots<Scheduled>;

pub(super) struct Scheduled {
    token: u64,
    /// Milliseconds between two of its events, where there is more than one.
    every_ms: Option<u64>,
    timer: Option<TimerKey>,
    /// Its event is in the queue.
    is_due: bool,
}

impl Endpoint {
    /// Has [`Event::Timer`] with this token come once, after so long. Parts of a millisecond count as a whole one. Tokens from
    /// 2⁶³ on are those of [`Io::after`](crate::Io::after) and [`Io::every`](crate::Io::every).
    ///
    /// ```
    /// # use pulsewheel::{progress::MemoryUsage, Config, Endpoint, Environment, Event, Now, Work};
    /// # let environment = Environment {
    /// #     random: Box::new(|bytes| bytes.fill(7)),
    /// #     memory: Box::new(MemoryUsage::default),
    /// # };
    /// # let start = Now { mono_ms: 0, unix_ms: 1_700_000_000_000 };
    /// # let mut endpoint = Endpoint::new(Config::default(), environment, start);
    /// use std::time::Duration;
    ///
    /// endpoint.schedule(Duration::from_secs(2), 7);
    /// let later = Now { mono_ms: 2_000, unix_ms: 1_700_000_002_000 };
    /// assert_eq!(endpoint.next_work(later), Work::Events);
    /// assert!(matches!(endpoint.poll_event(), Some(Event::Timer { token: 7, .. })));
    /// ```
    pub fn schedule(&mut self, after: Duration, token: u64) -> TimerId {
        let _verb = Verb::begin();
        self.add_timer(millis(after), None, token)
    }

    /// Has [`Event::Timer`] with this token come again and again, for the first time after one period, which is a millisecond at
    /// least. Where the host was late, what it missed does not come; the rhythm stays.
    pub fn schedule_every(&mut self, period: Duration, token: u64) -> TimerId {
        let _verb = Verb::begin();
        let every_ms = millis(period).max(1);
        self.add_timer(every_ms, Some(every_ms), token)
    }

    /// Takes a timer back; false when it has come already, or was taken back before. No event of it comes any more, even if it
    /// is due.
    pub fn unschedule(&mut self, timer: TimerId) -> bool {
        let _verb = Verb::begin();
        let Some(scheduled) = self.schedule.remove(timer.0) else {
            return false;
        };
        if let Some(timer) = scheduled.timer {
            self.clock.wheel.cancel(timer);
        }
        true
    }

    pub(super) fn host_timer_fired(&mut self, key: Key, deadline_ms: u64) {
        let now_ms = self.clock.now_ms();
        let Some(scheduled) = self.schedule.get_mut(key) else {
            return;
        };
        scheduled.timer = scheduled.every_ms.map(|every_ms| {
            let late_ms = now_ms.saturating_sub(deadline_ms);
            let next_ms = now_ms.saturating_add(every_ms - late_ms % every_ms);
            self.clock.wheel.insert(next_ms, Timer::Host(key))
        });
        // The host may be slower than its timer.
        if !std::mem::replace(&mut scheduled.is_due, true) {
            self.events.push(Queued::Timer(key));
        }
    }

    /// The event of a timer, unless it has been taken back.
    pub(super) fn timer_event(&mut self, key: Key) -> Option<Event> {
        let scheduled = self.schedule.get_mut(key)?;
        scheduled.is_due = false;
        let token = scheduled.token;
        if scheduled.every_ms.is_none() {
            self.schedule.remove(key);
        }
        let timer = TimerId(key);
        Some(Event::Timer { timer, token })
    }

    fn add_timer(&mut self, after_ms: u64, every_ms: Option<u64>, token: u64) -> TimerId {
        let deadline_ms = self.clock.now_ms().saturating_add(after_ms);
        let wheel = &mut self.clock.wheel;
        TimerId(self.schedule.insert_with(|key| Scheduled {
            token,
            every_ms,
            timer: Some(wheel.insert(deadline_ms, Timer::Host(key))),
            is_due: false,
        }))
    }
}
