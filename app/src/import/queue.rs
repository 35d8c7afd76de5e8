//! A few imports are read at a time, one is merged at a time; the rest is turned away.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Imports at a time, whatever they do.
pub const MAX_IMPORTS: usize = 4;

/// How often one that waits looks whether it still wants to.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Hands out the right to import. Clones share one queue.
#[derive(Clone, Default)]
pub struct ImportQueue(Arc<Shared>);

/// Why there is no place for an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// As many run as may.
    AllTaken,
    /// As many of this caller's run as may.
    AllOwn,
}

/// A place among the imports; given back when dropped.
pub struct Turn {
    queue: Arc<Shared>,
    number: u64,
}

impl ImportQueue {
    /// A place for one more import of a caller, who may have so many of the [`MAX_IMPORTS`]. Never blocks.
    ///
    /// # Errors
    /// There is none, for one of two reasons.
    pub fn join(&self, caller: &str, at_most: usize) -> Result<Turn, NoPlace> {
        let mut state = self.0.lock();
        if state.joined >= MAX_IMPORTS {
            return Err(NoPlace::AllTaken);
        }
        if state.callers.values().filter(|it| **it == caller).count() >= at_most {
            return Err(NoPlace::AllOwn);
        }
        state.joined += 1;
        let number = state.next_number + 1;
        state.callers.insert(number, caller.to_owned());
        Ok(self.turn(state))
    }

    /// A turn to write that is no import and takes no place.
    pub fn join_line(&self) -> Turn {
        let mut state = self.0.lock();
        state.joined += 1;
        // It may be one more than there are places for.
        self.turn(state)
    }

    fn turn(&self, mut state: MutexGuard<'_, State>) -> Turn {
        state.next_number += 1;
        Turn {
            queue: self.0.clone(),
            number: state.next_number,
        }
    }
}

impl Turn {
    /// Gets in line to be merged, behind those who did before. True if it is this one's
    /// turn at once. Done when the file has been read: a slow upload holds up nobody.
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
            // Asked without the lock: it may take its time.
            drop(state);
            if give_up() {
                return false;
            }
            state = self.queue.lock();
            if state.line.front() == Some(&self.number) {
                break;
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
        state.callers.remove(&self.number);
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
    /// Those whose file has been read; the first one is merged.
    line: VecDeque<u64>,
    /// Whose imports they are, by number.
    callers: BTreeMap<u64, String>,
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
    fn four_import_and_the_next_is_turned_away() {
        let queue = ImportQueue::default();
        let mut turns: Vec<Turn> = (0..MAX_IMPORTS)
            .map(|_| queue.join("", MAX_IMPORTS).unwrap())
            .collect();
        let refused = |caller, at_most| queue.join(caller, at_most).err();
        assert_eq!(refused("", MAX_IMPORTS), Some(NoPlace::AllTaken));
        turns.pop();
        assert!(queue.join("", MAX_IMPORTS).is_ok());
    }

    #[test]
    fn turns_come_in_the_order_in_which_files_were_read() {
        let queue = ImportQueue::default();
        let (slow_form, first, second) = (
            queue.join("", MAX_IMPORTS).unwrap(),
            queue.join("", MAX_IMPORTS).unwrap(),
            queue.join("", MAX_IMPORTS).unwrap(),
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
    fn a_caller_leaves_a_place_to_others() {
        let queue = ImportQueue::default();
        let mut own: Vec<Turn> = (0..3).map(|_| queue.join("a", 3).unwrap()).collect();
        assert_eq!(queue.join("a", 3).err(), Some(NoPlace::AllOwn));
        let other = queue.join("b", 3).unwrap();
        assert_eq!(queue.join("b", 3).err(), Some(NoPlace::AllTaken));
        own.pop();
        drop(other);
        assert!(queue.join("a", 3).is_ok());
    }

    #[test]
    fn one_who_waits_is_woken_when_the_one_before_ends() {
        let queue = ImportQueue::default();
        let running = queue.join("", MAX_IMPORTS).unwrap();
        assert!(running.wait(|| false));
        let waiting = queue.join("", MAX_IMPORTS).unwrap();
        assert!(!waiting.line_up());
        let thread = thread::spawn(move || waiting.wait(|| false));
        drop(running);
        assert!(thread.join().unwrap());
    }
}
