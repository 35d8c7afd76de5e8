//! Handlers that the time calls.

use std::collections::BTreeMap;
use std::time::Duration;

use super::handlers::Outcome;
use super::{Io, Socket};
use crate::{Endpoint, TimerId};

type TimerHandler = Box<dyn FnMut(&mut Endpoint) -> Outcome + Send>;

/// Names a timer of an [`Io`], to take it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IoTimer(u64);

/// Tokens from here on are those of an [`Io`]; a host's own are below.
const FIRST_TOKEN: u64 = 1 << 63;

/// Who waits for which time.
#[derive(Default)]
pub(super) struct Timers {
    waiting: BTreeMap<u64, Waiting>,
    /// How many there have been.
    count: u64,
}

struct Waiting {
    handler: TimerHandler,
    comes_once: bool,
}

impl Io {
    /// Calls a handler again and again, for the first time one period after the server has begun, or after this where it runs
    /// already. See [`Endpoint::schedule_every`](crate::Endpoint::schedule_every).
    ///
    /// ```
    /// use std::time::Duration;
    /// use pulsewheel::{Args, Io, Target};
    ///
    /// let mut io = Io::new();
    /// io.every(Duration::from_secs(1), |endpoint| {
    ///     let everybody = Target::namespace(endpoint.namespace("/")?);
    ///     endpoint.emit(&everybody.volatile(), "tick", &Args::none())
    /// });
    /// ```
    pub fn every(
        &mut self,
        period: Duration,
        handler: impl FnMut(&mut Endpoint) -> Outcome + Send + 'static,
    ) -> IoTimer {
        let timer = self.questions.timers.add(Box::new(handler), false);
        self.door.add_timer(timer.0, period, true);
        timer
    }

    /// Calls a handler once, so long after the server has begun, or after this where it runs already. In a handler there is
    /// [`Socket::after`].
    pub fn after(
        &mut self,
        delay: Duration,
        handler: impl FnOnce(&mut Endpoint) -> Outcome + Send + 'static,
    ) -> IoTimer {
        let timer = self.questions.timers.add(once(handler), true);
        self.door.add_timer(timer.0, delay, false);
        timer
    }

    /// Calls the handler of a timer no longer; false when it has been called for the last time before.
    pub fn stop(&mut self, timer: IoTimer) -> bool {
        self.questions.timers.waiting.remove(&timer.0).is_some()
    }

    /// A timer is due; false when it is not one of these.
    pub(super) fn is_own_timer(token: u64) -> bool {
        token >= FIRST_TOKEN
    }

    pub(super) fn timer_fired(
        &mut self,
        endpoint: &mut Endpoint,
        timer: TimerId,
        token: u64,
    ) -> Outcome {
        let waiting = &mut self.questions.timers.waiting;
        match waiting.get_mut(&token) {
            // It has been stopped.
            None => {
                endpoint.unschedule(timer);
                Ok(())
            }
            Some(due) if !due.comes_once => (due.handler)(endpoint),
            Some(_) => match waiting.remove(&token) {
                Some(mut due) => (due.handler)(endpoint),
                None => Ok(()),
            },
        }
    }
}

impl Socket<'_> {
    /// Calls a handler once, after so long, whether the client is still there or not.
    pub fn after(
        &mut self,
        delay: Duration,
        handler: impl FnOnce(&mut Endpoint) -> Outcome + Send + 'static,
    ) {
        let timer = self.questions.timers.add(once(handler), true);
        self.endpoint.schedule(delay, timer.0);
    }
}

impl Timers {
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn add(&mut self, handler: TimerHandler, comes_once: bool) -> IoTimer {
        let token = FIRST_TOKEN + self.count;
        self.count += 1;
        self.waiting.insert(
            token,
            Waiting {
                handler,
                comes_once,
            },
        );
        IoTimer(token)
    }
}

fn once(handler: impl FnOnce(&mut Endpoint) -> Outcome + Send + 'static) -> TimerHandler {
    let mut handler = Some(handler);
    Box::new(move |endpoint| match handler.take() {
        Some(handler) => handler(endpoint),
        None => Ok(()),
    })
}
