//! Runs scripts so that a failure is a value, and makes failing scripts small.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::given;
use super::script::{Line, Script, Setup};
use super::world::{Outcome, World};

/// Runs that making a script small may take, unless `SIM_SHRINK` says another number.
const MOST_RUNS: usize = 4_000;

/// What went wrong, and where it was noticed.
#[derive(Clone, Debug)]
pub struct Failure {
    pub message: String,
    place: String,
}

thread_local! {
    /// Where the last panic of this thread was, while it is to be kept quiet.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a script; a panic, of an oracle or of the server, is a failure.
pub fn run(script: &Script, is_printed: bool) -> Result<Outcome, Failure> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let is_quiet =
                PLACE.with_borrow_mut(|kept| kept.as_mut().map(|kept| *kept = place).is_some());
            if !is_quiet {
                usual(info);
            }
        }));
    });
    PLACE.set(Some(String::new()));
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| World::run(script, is_printed)));
    let place = PLACE.take().unwrap_or_default();
    outcome.map_err(|panic| Failure {
        message: message(&*panic),
        place,
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a text")
        .to_owned()
}

/// The smallest script found that fails at the same place: without actors, steps and bytes that the failure does not need.
pub fn shrink(script: &Script, failure: &Failure) -> Script {
    let mut shrinking = Shrinking {
        best: script.clone(),
        place: failure.place.clone(),
        runs_left: given("SIM_SHRINK").map_or(MOST_RUNS, |runs| runs as usize),
    };
    loop {
        let before = shrinking.best.clone();
        shrinking.drop_actors();
        shrinking.drop_steps();
        shrinking.lower_numbers();
        if shrinking.best == before || shrinking.runs_left == 0 {
            return shrinking.best;
        }
    }
}

struct Shrinking {
    best: Script,
    place: String,
    runs_left: usize,
}

impl Shrinking {
    /// Keeps a smaller script if it fails in the same way.
    fn try_out(&mut self, candidate: Script) -> bool {
        if candidate == self.best || self.runs_left == 0 {
            return false;
        }
        self.runs_left -= 1;
        let is_same = run(&candidate, false).is_err_and(|failure| failure.place == self.place);
        if is_same {
            self.best = candidate;
        }
        is_same
    }

    fn drop_actors(&mut self) {
        for actor in self.best.actors.clone() {
            let mut candidate = self.best.clone();
            candidate.actors.retain(|kept| kept.number != actor.number);
            candidate
                .steps
                .retain(|step| step.actor != actor.number || step.verb.is_without_actor());
            self.try_out(candidate);
            let mut candidate = self.best.clone();
            if let Some(plain) = candidate
                .actors
                .iter_mut()
                .find(|kept| kept.number == actor.number)
            {
                plain.line = Line::default();
            }
            self.try_out(candidate);
        }
        self.try_out(Script {
            setup: Setup::default(),
            ..self.best.clone()
        });
    }

    fn drop_steps(&mut self) {
        let mut length = self.best.steps.len().next_power_of_two();
        while length > 0 {
            let mut at = 0;
            while at < self.best.steps.len() {
                let mut candidate = self.best.clone();
                let end = (at + length).min(candidate.steps.len());
                // The time that passes there may matter more than what happens.
                let dropped_ms: u64 = candidate
                    .steps
                    .drain(at..end)
                    .map(|step| step.wait_ms)
                    .sum();
                let mut later = candidate.clone();
                if self.try_out(candidate) {
                    continue;
                }
                if let Some(before) = at.checked_sub(1) {
                    later.steps[before].wait_ms += dropped_ms;
                    if dropped_ms > 0 && self.try_out(later) {
                        continue;
                    }
                }
                at += length;
            }
            length /= 2;
        }
    }

    fn lower_numbers(&mut self) {
        for index in 0..self.best.steps.len() {
            for divisor in [u64::MAX, 16, 2] {
                let mut candidate = self.best.clone();
                candidate.steps[index].amount /= divisor;
                self.try_out(candidate);
                let mut candidate = self.best.clone();
                candidate.steps[index].wait_ms /= divisor;
                self.try_out(candidate);
            }
            let mut candidate = self.best.clone();
            candidate.steps[index].variant = 0;
            self.try_out(candidate);
        }
    }
}
