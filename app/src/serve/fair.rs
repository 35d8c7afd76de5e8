//! What waits for one thread, in turns: who has much waiting there does not hold up others.
//!
//! Each kind of work has a lane, and in a lane the callers take turns. Of each lane so much may wait; beyond that the caller who
//! has most in it, and more than the one who comes, is refused his newest.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::callers::CallerId;

/// Items of a lane that may wait.
pub const MAX_WAITING: usize = 64;

/// How long an item takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    Quick,
    /// It may take long, so that others had better not wait for many of it.
    Slow,
    /// A piece of something that has begun: its number is bounded elsewhere, and it is never refused.
    Begun,
}

/// Which lane is looked at first, in turns.
const ORDER: [Lane; 6] = [
    Lane::Quick,
    Lane::Quick,
    Lane::Slow,
    Lane::Quick,
    Lane::Quick,
    Lane::Begun,
];
const LANES: usize = Lane::Begun as usize + 1;

/// Items that wait, and the thread that waits for them.
pub struct FairQueue<T> {
    state: Mutex<State<T>>,
    added: Condvar,
}

struct State<T> {
    lanes: [Waiting<T>; LANES],
    taken: usize,
    is_closed: bool,
}

/// The items of one lane.
struct Waiting<T> {
    of_callers: BTreeMap<CallerId, VecDeque<T>>,
    /// Those who have something, in the order of their turns.
    turns: VecDeque<CallerId>,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        FairQueue {
            state: Mutex::new(State {
                lanes: [(); LANES].map(|()| Waiting::default()),
                taken: 0,
                is_closed: false,
            }),
            added: Condvar::new(),
        }
    }
}

impl<T> FairQueue<T> {
    /// Has an item of a caller wait.
    ///
    /// # Errors
    /// The item that is refused for it where too many wait: this one, or the newest of somebody who has more.
    pub fn push(&self, caller: CallerId, lane: Lane, item: T) -> Result<(), T> {
        let pushed = self.lock().lanes[lane as usize].push(caller, lane, item);
        self.added.notify_one();
        pushed
    }

    /// The next item, as soon as there is one; `None` when the queue is closed.
    pub fn pop(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(item) = state.pop() {
                return Some(item);
            }
            let woken = self.added.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Forgets items that nobody wants any more.
    pub fn retain(&self, mut is_wanted: impl FnMut(&T) -> bool) {
        for lane in &mut self.lock().lanes {
            lane.retain(&mut is_wanted);
        }
    }

    /// Whoever waits for an item waits no more.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.added.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn pop(&mut self) -> Option<T> {
        let first = ORDER[self.taken % ORDER.len()];
        let others = [Lane::Quick, Lane::Slow, Lane::Begun];
        let mut lanes = [first].into_iter().chain(others);
        let item = lanes.find_map(|lane| self.lanes[lane as usize].pop())?;
        self.taken = self.taken.wrapping_add(1);
        Some(item)
    }
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Waiting {
            of_callers: BTreeMap::new(),
            turns: VecDeque::new(),
        }
    }
}

impl<T> Waiting<T> {
    fn push(&mut self, caller: CallerId, lane: Lane, item: T) -> Result<(), T> {
        let count: usize = self.of_callers.values().map(VecDeque::len).sum();
        let is_full = lane != Lane::Begun && count >= MAX_WAITING;
        let own = self.of_callers.get(&caller).map_or(0, VecDeque::len);
        let most = self.of_callers.iter().max_by_key(|(_, items)| items.len());
        let most = most.filter(|(_, items)| is_full && items.len() > own + 1);
        let refused = match most.map(|(caller, _)| caller.clone()) {
            None if is_full => return Err(item),
            None => None,
            Some(other) => self.take(&other, VecDeque::pop_back),
        };
        let items = self.of_callers.entry(caller.clone()).or_default();
        if items.is_empty() {
            self.turns.push_back(caller);
        }
        items.push_back(item);
        refused.map_or(Ok(()), Err)
    }

    fn pop(&mut self) -> Option<T> {
        let caller = self.turns.front()?.clone();
        let item = self.take(&caller, VecDeque::pop_front);
        if self.of_callers.contains_key(&caller) {
            self.turns.rotate_left(1);
        }
        item
    }

    fn take(
        &mut self,
        caller: &CallerId,
        take: impl FnOnce(&mut VecDeque<T>) -> Option<T>,
    ) -> Option<T> {
        let items = self.of_callers.get_mut(caller)?;
        let item = take(items);
        if items.is_empty() {
            self.of_callers.remove(caller);
            self.turns.retain(|known| known != caller);
        }
        item
    }

    fn retain(&mut self, is_wanted: &mut impl FnMut(&T) -> bool) {
        self.of_callers.retain(|_, items| {
            items.retain(&mut *is_wanted);
            !items.is_empty()
        });
        self.turns
            .retain(|caller| self.of_callers.contains_key(caller));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str) -> CallerId {
        CallerId::Owner(name.into())
    }

    fn taken(queue: &FairQueue<u32>, count: usize) -> Vec<u32> {
        (0..count).filter_map(|_| queue.pop()).collect()
    }

    #[test]
    fn callers_take_turns() {
        let queue = FairQueue::default();
        for item in 0..5 {
            queue.push(caller("many"), Lane::Quick, item).unwrap();
        }
        queue.push(caller("few"), Lane::Quick, 10).unwrap();
        queue.push(caller("other"), Lane::Quick, 20).unwrap();
        queue.push(caller("few"), Lane::Quick, 11).unwrap();
        assert_eq!(taken(&queue, 8), [0, 10, 20, 1, 11, 2, 3, 4]);
    }

    #[test]
    fn who_has_most_is_refused_for_who_has_less() {
        let queue = FairQueue::default();
        for item in 0..MAX_WAITING as u32 {
            queue.push(caller("many"), Lane::Quick, item).unwrap();
        }
        assert_eq!(queue.push(caller("many"), Lane::Quick, 100), Err(100));
        let newest = MAX_WAITING as u32 - 1;
        assert_eq!(queue.push(caller("few"), Lane::Quick, 200), Err(newest));
        assert_eq!(queue.push(caller("many"), Lane::Quick, 101), Err(101));
        assert_eq!(taken(&queue, 2), [0, 200]);
        // Where all have as many, the one who comes waits for his turn.
        let queue = FairQueue::default();
        for item in 0..MAX_WAITING as u32 {
            let name = format!("caller {item}");
            queue.push(caller(&name), Lane::Slow, item).unwrap();
        }
        assert_eq!(queue.push(caller("caller 3"), Lane::Slow, 100), Err(100));
        assert_eq!(queue.push(caller("late"), Lane::Slow, 101), Err(101));
    }

    #[test]
    fn what_takes_long_holds_up_nothing_quick_and_is_not_held_up_for_ever() {
        let queue = FairQueue::default();
        for item in 0..MAX_WAITING as u32 {
            queue.push(caller("a"), Lane::Slow, 1_000 + item).unwrap();
            queue.push(caller("b"), Lane::Quick, item).unwrap();
        }
        for item in 0..2 * MAX_WAITING as u32 {
            queue.push(caller("c"), Lane::Begun, 2_000 + item).unwrap();
        }
        assert_eq!(taken(&queue, 7), [0, 1, 1_000, 2, 3, 2_000, 4]);
        let rest = taken(&queue, 4 * MAX_WAITING - 7);
        assert_eq!(rest.len(), 4 * MAX_WAITING - 7);
    }

    #[test]
    fn what_nobody_wants_any_more_takes_no_place() {
        let queue = FairQueue::default();
        for item in 0..MAX_WAITING as u32 {
            queue.push(caller("many"), Lane::Quick, item).unwrap();
        }
        queue.retain(|item| item % 2 == 1);
        queue.push(caller("many"), Lane::Quick, 99).unwrap();
        assert_eq!(taken(&queue, 2), [1, 3]);
        queue.retain(|_| false);
        queue.push(caller("few"), Lane::Quick, 7).unwrap();
        assert_eq!(taken(&queue, 1), [7]);
    }

    #[test]
    fn who_waits_for_an_item_waits_no_more_when_it_is_closed() {
        let queue = FairQueue::<u32>::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| (queue.pop(), queue.pop()));
            queue.push(caller("a"), Lane::Slow, 5).unwrap();
            while queue.lock().taken < 1 {
                std::thread::yield_now();
            }
            queue.close();
            assert_eq!(waiting.join().unwrap(), (Some(5), None));
        });
    }
}
