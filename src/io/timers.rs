//! Handlers that the time calls.

use std::collections::BTreeMap;
use std::time::Duration;

use super::answer::IntoAnswer;
use super::questions::{done, Done};
use super::{Context, Io};
use crate::{Endpoint, TimerId};

type TimerHandler<S> = Box<dyn FnMut(&mut S, &mut Context<'_, S>) -> Done + Send>;
type LaterHandler<S> = Box<dyn FnOnce(&mut S, &mut Context<'_, S>) -> Done + Send>;

/// Names a timer of an [`Io`], to take it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IoTimer(u64);

/// Tokens from here on are those of an [`Io`]; a host's own are below. Even ones are of what comes again, odd ones of what comes
/// once.
const FIRST_TOKEN: u64 = 1 << 63;

/// What comes again and again.
pub(super) struct Repeated<S: 'static> {
    waiting: BTreeMap<u64, TimerHandler<S>>,
    /// How many there have been.
    count: u64,
}

/// What comes once.
pub(super) struct Later<S: 'static> {
    waiting: BTreeMap<u64, LaterHandler<S>>,
    /// How many there have been.
    count: u64,
}

impl<S: 'static> Io<S> {
    /// Calls a handler again and again, for the first time one period after the server has begun, or after this where it runs
    /// already. See [`Endpoint::schedule_every`](crate::Endpoint::schedule_every).
    ///
    /// ```
    /// use std::time::Duration;
    /// use pulsewheel::Io;
    ///
    /// let mut io = Io::new();
    /// io.every(Duration::from_secs(1), |_, server| server.of("/").volatile().emit("tick", ()));
    /// ```
    pub fn every<R: IntoAnswer>(
        &mut self,
        period: Duration,
        mut handler: impl FnMut(&mut S, &mut Context<'_, S>) -> R + Send + 'static,
    ) -> IoTimer {
        let token = FIRST_TOKEN + 2 * self.repeated.count;
        self.repeated.count += 1;
        let handler: TimerHandler<S> =
            Box::new(move |state, context| done(handler(state, context)));
        self.repeated.waiting.insert(token, handler);
        self.door.add_timer(token, period, true);
        IoTimer(token)
    }

    /// Calls a handler once, so long after the server has begun, or after this where it runs already. In a handler there is
    /// [`Socket::after`](super::Socket::after).
    pub fn after<R: IntoAnswer>(
        &mut self,
        delay: Duration,
        handler: impl FnOnce(&mut S, &mut Context<'_, S>) -> R + Send + 'static,
    ) -> IoTimer {
        let token = self.questions.timers.add(handler);
        self.door.add_timer(token, delay, false);
        IoTimer(token)
    }

    /// Calls the handler of a timer no longer; false when it has been called for the last time before.
    pub fn stop(&mut self, timer: IoTimer) -> bool {
        let was_repeated = self.repeated.waiting.remove(&timer.0).is_some();
        was_repeated || self.questions.timers.waiting.remove(&timer.0).is_some()
    }

    /// Whether a timer is one of these.
    pub(super) fn is_own_timer(token: u64) -> bool {
        token >= FIRST_TOKEN
    }

    pub(super) fn timer_fired(
        &mut self,
        endpoint: &mut Endpoint,
        timer: TimerId,
        token: u64,
    ) -> Done {
        let handler = self.repeated.waiting.get_mut(&token);
        let later = self.questions.timers.waiting.remove(&token);
        let state = &mut self.state;
        let mut context = Context {
            endpoint,
            questions: &mut self.questions,
        };
        match (handler, later) {
            (Some(handler), _) => handler(state, &mut context),
            (_, Some(handler)) => handler(state, &mut context),
            (None, None) => {
                // It has been stopped.
                context.endpoint.unschedule(timer);
                Ok(())
            }
        }
    }
}

impl<S: 'static> Default for Repeated<S> {
    fn default() -> Self {
        Repeated {
            waiting: BTreeMap::new(),
            count: 0,
        }
    }
}

impl<S: 'static> Default for Later<S> {
    fn default() -> Self {
        Later {
            waiting: BTreeMap::new(),
            count: 0,
        }
    }
}

impl<S: 'static> Later<S> {
    /// The token of its timer.
    pub fn add<R: IntoAnswer>(
        &mut self,
        handler: impl FnOnce(&mut S, &mut Context<'_, S>) -> R + Send + 'static,
    ) -> u64 {
        let token = FIRST_TOKEN + 2 * self.count + 1;
        self.count += 1;
        let handler: LaterHandler<S> =
            Box::new(move |state, context| done(handler(state, context)));
        self.waiting.insert(token, handler);
        token
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
