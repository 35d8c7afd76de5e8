//! One import runs at a time; a few wait; the rest is turned away.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Imports that may wait while one runs.
pub const MAX_WAITING: usize = 4;

/// How often one that waits looks whether it still wants to.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Hands out the right to import. Clones share one queue.
#[derive(Clone, Default)]
pub struct ImportQueue(Arc<Shared>);

/// A place among the running and waiting imports; given back when dropped.
pub struct Turn {
    queue: Arc<Shared>,
    number: u64,
}

impl ImportQueue {
    /// A place for one more import, or `None` when one runs and
    /// [`MAX_WAITING`] wait already. Never blocks.
    pub fn join(&self) -> Option<Turn> {
        let mut state = self.0.lock();
        if state.joined > MAX_WAITING {
            return None;
        }
        state.joined += 1;
        state.next_number += 1;
        Some(Turn {
            queue: self.0.clone(),
            number: state.next_number,
        })
    }
}

impl Turn {
    /// Gets in line, behind those who did before. True if it is this one's turn
    /// at once. Done when the file part begins, not on joining: a client that
    /// has not begun to send its file holds up nobody.
    pub fn line_up(&self) -> bool {
        let mut state = self.queue.lock();
        if !state.line.contains(&self.number) {
            state.line.push_back(self.number);
        }
        state.line.front() == Some(&self.number)
    }

    /// Blocks until it is this one's turn (true) or `give_up` says so (false);
    /// it is asked several times a second.
    pub fn wait(&self, mut give_up: impl FnMut() -> bool) -> bool {
        self.line_up();
        let mut state = self.queue.lock();
        while state.line.front() != Some(&self.number) {
            if give_up() {
                return false;
            }
            let waited = self.queue.changed.wait_timeout(state, LOOK_INTERVAL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.joined -= 1;
        state.line.retain(|number| *number != self.number);
        self.queue.changed.notify_all();
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    joined: usize,
    next_number: u64,
    /// Those whose file has begun; the first one runs.
    line: VecDeque<u64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn one_runs_four_wait_and_the_next_is_turned_away() {
        let queue = ImportQueue::default();
        let mut turns: Vec<Turn> = (0..=MAX_WAITING).map(|_| queue.join().unwrap()).collect();
        assert!(queue.join().is_none());
        turns.pop();
        assert!(queue.join().is_some());
    }

    #[test]
    fn turns_come_in_the_order_in_which_files_began() {
        let queue = ImportQueue::default();
        let (slow_form, first, second) = (
            queue.join().unwrap(),
            queue.join().unwrap(),
            queue.join().unwrap(),
        );
        assert!(first.line_up());
        assert!(!second.line_up());
        assert!(!slow_form.line_up());
        assert!(!second.wait(|| true));
        drop(first);
        assert!(second.wait(|| false));
        drop(second);
        assert!(slow_form.line_up());
    }

    #[test]
    fn one_who_waits_is_woken_when_the_one_before_ends() {
        let queue = ImportQueue::default();
        let running = queue.join().unwrap();
        assert!(running.wait(|| false));
        let waiting = queue.join().unwrap();
        assert!(!waiting.line_up());
        let thread = thread::spawn(move || waiting.wait(|| false));
        drop(running);
        assert!(thread.join().unwrap());
    }
}
