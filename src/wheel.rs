//! A hierarchical timer wheel: every pending deadline of the program, integers only, no clock.
//!
//! Eight levels of 256 slots cover all of `u64`, so no deadline is too far and nothing ever wraps around:
//!
//! ```text
//! level 0   256 slots of    1 ms    256 ms ahead
//! level 1   256 slots of  256 ms     65 s
//! level 2   256 slots of   65 s     4.6 h
//! level 3   256 slots of  4.6 h      49 d
//!   ...
//! level 7   256 slots of 2^56 ms    the rest of u64
//! ```
//!
//! A time is a number of eight bytes, and the wheel stands at a time of its own, its *cursor*. A timer lives on the level
//! of the highest byte in which its deadline differs from the cursor, in the slot that this byte names. So its slot follows
//! from the two times; timers of one deadline are always in one slot, in the order in which they were
//! armed; and what is on a lower level is due before what is on a higher one. When the cursor reaches a slot of a higher
//! level, the timers of that slot move down (they *cascade*): at most once per level, and a timer that is cancelled or armed
//! again before its time, as most are, never moves at all.
//!
//! With many timers the cost is that of waiting for memory, so each verb looks at as few places as it can. Levels are wide:
//! a ping moves once before it is due. What a slot holds are not links from timer to timer but lists of their numbers
//! (see `lists`), of which two cache lines name 28, so that many timers can be fetched at the same time.
//!
//! Very many timers of one slot need not move in one go ([`Wheel::expire_within`]): those that still wait for it stay in the list of
//! the slot that the cursor has reached, which is why each timer notes its slot.
//!
//! A timer costs `20 + size_of::<Option<T>>()` bytes rounded up to 32, that is 32 for the program's `Timer`, a bit, and 4.6
//! in a full list: 37 in all. Lists shrink by whole chunks of 128 bytes, and in the worst case one timer is left in each.
//! The slots themselves take 32 KiB, once.

mod lists;
mod pool;

use std::num::NonZeroU32;

use lists::{List, Lists, ITEMS};
use pool::Pool;

const DIGIT_BITS: u32 = 8;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = (u64::BITS / DIGIT_BITS) as usize;

/// Names one timer for as long as it is pending; afterwards it names nothing. Eight bytes, also in an `Option`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    index: u32,
    generation: NonZeroU32,
}

/// Pending timers, each with a deadline in milliseconds of any one clock and a value that says what it is for.
///
/// - Timers fire in the order of their deadlines, and those of one deadline in the order in which they were armed.
/// - The deadlines that [`expire`](Self::expire) returns never decrease over the life of the wheel.
/// - Arming, re-arming and cancelling take constant time; firing takes constant time plus at most one move per level.
#[derive(Debug)]
pub struct Wheel<T> {
    /// Where the wheel stands: no pending timer is due before it.
    cursor_ms: u64,
    /// One bit per slot: whether it has timers.
    occupied: [u64; LEVELS * SLOTS / 64],
    /// Level by level.
    slots: Box<[Slot]>,
    /// What the lists of the slots hold: numbers of entries.
    lists: Lists,
    entries: Pool<Entry<T>>,
    /// The slot that the cursor has reached and whose timers are moving down, while not all of them have.
    cascading: Option<usize>,
    last_generation: NonZeroU32,
}

/// Timers in the order in which they were armed.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// None of the timers is due before this time. It is the deadline of the earliest until that one is taken out.
    earliest_ms: u64,
    list: List,
}

/// A timer. Aligned so that none lies across two cache lines.
#[derive(Debug)]
#[repr(align(32))]
struct Entry<T> {
    deadline_ms: u64,
    /// Where in the list of its slot it is.
    position: u32,
    generation: NonZeroU32,
    /// Its slot: that of its deadline, except while it waits to move down from the one above.
    slot: u16,
    /// `None` in an unused entry.
    value: Option<T>,
}

impl<T> Wheel<T> {
    /// An empty wheel that stands at this time.
    pub fn new(now_ms: u64) -> Self {
        let empty = Slot {
            earliest_ms: u64::MAX,
            list: List::EMPTY,
        };
        Wheel {
            cursor_ms: now_ms,
            occupied: [0; LEVELS * SLOTS / 64],
            slots: vec![empty; LEVELS * SLOTS].into(),
            lists: Lists::default(),
            entries: Pool::default(),
            cascading: None,
            last_generation: NonZeroU32::MIN,
        }
    }

    /// Arms a timer.
    ///
    /// Any deadline will do. One that has passed fires at the next call of [`expire`](Self::expire), in the same series of
    /// calls if one is under way; so as not to come before one that has fired already, it may count as a little later.
    pub fn insert(&mut self, deadline_ms: u64, value: T) -> TimerKey {
        // One counter for all entries: 2^32 timers pass before a generation comes again, and then it must also meet
        // the same entry and a key that somebody kept all the while.
        self.last_generation = self
            .last_generation
            .checked_add(1)
            .unwrap_or(NonZeroU32::MIN);
        let generation = self.last_generation;
        let index = self.entries.add(Entry {
            deadline_ms,
            position: 0,
            generation,
            slot: 0,
            value: Some(value),
        });
        self.arm(index, deadline_ms);
        TimerKey { index, generation }
    }

    /// Takes a timer out before it fires; `None` when it has fired or was cancelled.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        self.disarm(key)?;
        self.release(key.index)
    }

    /// Gives a pending timer another deadline, as if it had been cancelled and inserted anew, only cheaper: the key stays
    /// good. `false` when it has fired or was cancelled; nothing is armed then.
    pub fn rearm(&mut self, key: TimerKey, deadline_ms: u64) -> bool {
        if self.disarm(key).is_none() {
            return false;
        }
        self.arm(key.index, deadline_ms);
        true
    }

    /// When to call [`expire`](Self::expire) next; `None` when no timer is pending.
    ///
    /// Never later than the earliest deadline, and exactly that unless the earliest timer was cancelled or put off: then
    /// it may be the deadline which that one had. Calling `expire` at such a time fires nothing, but moves the timers near
    /// it to where they can be told apart, and the answer is exact again.
    pub fn next_deadline(&self) -> Option<u64> {
        if self.cascading.is_some() {
            // Its timers cannot be told apart before all of them have moved.
            return Some(self.cursor_ms);
        }
        Some(self.slots[self.first_slot()?].earliest_ms)
    }

    /// Takes out the next timer whose deadline has come, with its deadline; call it until it returns `None`.
    ///
    /// Between the calls timers may be armed and cancelled. One that is armed for a time that has come fires in this
    /// series of calls too, so whoever re-arms a timer must do so for later than `now_ms`, or never finishes.
    /// A time before that of an earlier call fires nothing.
    pub fn expire(&mut self, now_ms: u64) -> Option<(u64, T)> {
        let mut moves = usize::MAX;
        self.expire_within(now_ms, &mut moves)
    }

    /// As [`expire`](Self::expire), but moves only so many timers on its way, and a few more to end with a whole list; `moves` is
    /// what is left of them. When it returns `None` with nothing left of them, timers may still be due: call it again, with more.
    pub fn expire_within(&mut self, now_ms: u64, moves: &mut usize) -> Option<(u64, T)> {
        let (deadline_ms, key) = self.due_within(now_ms, moves)?;
        let value = self.cancel(key).expect("what is due is pending");
        Some((deadline_ms, value))
    }

    /// Names the next timer whose deadline has come, with its deadline, and leaves it where it is: it is named again until it is
    /// taken out ([`cancel`](Self::cancel)) or put off ([`rearm`](Self::rearm)). `moves` is as of
    /// [`expire_within`](Self::expire_within).
    pub(crate) fn due_within(&mut self, now_ms: u64, moves: &mut usize) -> Option<(u64, TimerKey)> {
        loop {
            if let Some(slot) = self.cascading {
                if *moves == 0 {
                    return None;
                }
                self.cascade(slot, moves);
                continue;
            }
            let slot = self.first_slot()?;
            if self.slots[slot].earliest_ms > now_ms {
                return None;
            }
            // Whatever is pending is due at the start of this slot or later: the cursor passes over nothing.
            let start_ms = self.slot_start(slot);
            debug_assert!(start_ms >= self.cursor_ms);
            self.cursor_ms = start_ms;
            if slot >= SLOTS {
                self.occupied[slot / 64] &= !(1 << (slot % 64));
                self.cascading = Some(slot);
                continue;
            }
            let (_, index) = self.lists.first(&self.slots[slot].list)?;
            let entry = &self.entries[index];
            debug_assert_eq!(start_ms, entry.deadline_ms);
            let generation = entry.generation;
            return Some((start_ms, TimerKey { index, generation }));
        }
    }

    /// What a pending timer is for; `None` when it has fired or was cancelled.
    pub(crate) fn get(&self, key: TimerKey) -> Option<&T> {
        let entry = self.entries.get(key.index)?;
        let is_it = entry.generation == key.generation;
        entry.value.as_ref().filter(|_| is_it)
    }

    /// How many timers are pending.
    pub fn len(&self) -> usize {
        self.entries.in_use()
    }

    /// Whether no timer is pending.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All that is pending, in no order. For checks.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.entries
            .iter()
            .filter_map(|(entry, _)| entry.value.as_ref())
    }

    /// The slot of a deadline that is not before the cursor.
    fn place(&self, deadline_ms: u64) -> usize {
        debug_assert!(deadline_ms >= self.cursor_ms);
        let differing = deadline_ms ^ self.cursor_ms;
        let level = (u64::BITS - 1 - (differing | 1).leading_zeros()) / DIGIT_BITS;
        let digit = (deadline_ms >> (level * DIGIT_BITS)) as usize % SLOTS;
        level as usize * SLOTS + digit
    }

    /// The first instant that belongs to this slot.
    fn slot_start(&self, slot: usize) -> u64 {
        let shift = (slot / SLOTS) as u32 * DIGIT_BITS;
        let digits_above = (self.cursor_ms >> shift) & !(SLOTS as u64 - 1);
        (digits_above | (slot % SLOTS) as u64) << shift
    }

    /// The slot with the timers that are due first. Slots of a level are never used behind the cursor's digit, so the
    /// lowest bit is the next one.
    fn first_slot(&self) -> Option<usize> {
        let word = self.occupied.iter().position(|&bits| bits != 0)?;
        Some(word * 64 + self.occupied[word].trailing_zeros() as usize)
    }

    /// Puts an entry that is in no list where its deadline belongs.
    fn arm(&mut self, index: u32, deadline_ms: u64) {
        let deadline_ms = deadline_ms.max(self.cursor_ms);
        self.entries[index].deadline_ms = deadline_ms;
        self.link(index, deadline_ms);
    }

    /// Takes the entry that the key names out of its slot; `None` when the key is stale.
    fn disarm(&mut self, key: TimerKey) -> Option<()> {
        let entry = self.entries.get(key.index)?;
        if entry.generation != key.generation || entry.value.is_none() {
            return None;
        }
        let (slot, position) = (usize::from(entry.slot), entry.position);
        self.unlink(slot, position);
        Some(())
    }

    /// Moves timers of a slot that the cursor has reached to lower levels, in their order.
    fn cascade(&mut self, slot: usize, moves: &mut usize) {
        while *moves > 0 {
            let Some(indices) = self.lists.take_some(&mut self.slots[slot].list) else {
                self.cascading = None;
                return;
            };
            *moves = moves.saturating_sub(ITEMS);
            // All deadlines first, and then all moves: so the processor need not wait for one entry after the other.
            let mut deadlines_ms = [0; ITEMS];
            for (deadline_ms, index) in deadlines_ms.iter_mut().zip(indices.clone()) {
                *deadline_ms = self.entries[index].deadline_ms;
            }
            for (deadline_ms, index) in deadlines_ms.into_iter().zip(indices) {
                self.link(index, deadline_ms);
            }
        }
    }

    /// Makes an entry that is in no list unused.
    fn release(&mut self, index: u32) -> Option<T> {
        let value = self.entries[index].value.take();
        self.entries.free(index);
        value
    }

    /// Puts an entry that is in no list at the end of that of its slot.
    fn link(&mut self, index: u32, deadline_ms: u64) {
        let number = self.place(deadline_ms);
        let slot = &mut self.slots[number];
        if slot.list.is_empty() {
            slot.earliest_ms = deadline_ms;
            self.occupied[number / 64] |= 1 << (number % 64);
        } else {
            slot.earliest_ms = slot.earliest_ms.min(deadline_ms);
        }
        let position = self.lists.push(&mut slot.list, index);
        let entry = &mut self.entries[index];
        entry.position = position;
        entry.slot = number as u16;
    }

    /// Takes what is at this position out of the list of the slot.
    fn unlink(&mut self, number: usize, position: u32) {
        let slot = &mut self.slots[number];
        self.lists.remove(&mut slot.list, position);
        if slot.list.is_empty() {
            self.occupied[number / 64] &= !(1 << (number % 64));
        }
    }
}

#[cfg(test)]
mod tests;
