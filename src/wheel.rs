//! A hierarchical timer wheel: every pending deadline of the program, integers only, no clock.
//!
//! Eleven levels of 64 slots cover all of `u64`, so no deadline is too far and nothing ever wraps around:
//!
//! ```text
//! level 0   64 slots of    1 ms     64 ms ahead
//! level 1   64 slots of   64 ms      4 s
//! level 2   64 slots of    4 s       4 min
//! level 3   64 slots of    4 min     4 h
//! level 4   64 slots of    4 h      12 d
//!   ...
//! level 10  16 slots of 2^60 ms     the rest of u64
//! ```
//!
//! A number of six-bit digits stands for a time, and the wheel stands at a time of its own, its *cursor*. A timer lives
//! on the level of the highest digit in which its deadline differs from the cursor, in the slot that this digit names.
//! So its place follows from the two times and need not be stored; timers of one deadline are always in one slot, in the
//! order in which they were armed; and what is on a lower level is due before what is on a higher one. When the cursor
//! reaches a slot of a higher level, the timers of that slot move down (they *cascade*): at most once per level, and a
//! timer that is cancelled or armed again before its time, as most are, never moves at all.
//!
//! A timer costs `20 + size_of::<Option<T>>()` bytes rounded up to eight: 32 for the program's `Timer`, and one bit. The
//! timers lie in one `Vec`; the lowest unused entry is always the next to be used, so that the high end empties and its
//! memory goes back once a crowd has left. The slots themselves take 11 KiB, once.

use std::num::NonZeroU32;

const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = u64::BITS.div_ceil(DIGIT_BITS) as usize;

/// No entry.
const NIL: u32 = u32::MAX;

/// Below this many entries the memory is not worth giving back.
const KEPT_ENTRIES: usize = 1024;

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
    /// One bit per slot of each level: whether it has timers.
    occupied: [u64; LEVELS],
    /// Level by level.
    slots: [Slot; LEVELS * SLOTS],
    entries: Vec<Entry<T>>,
    unused: Unused,
    len: usize,
    last_generation: NonZeroU32,
}

/// Timers in the order in which they were armed.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// None of the timers is due before this time. It is the deadline of the earliest until that one is taken out.
    earliest_ms: u64,
    first: u32,
    last: u32,
}

#[derive(Debug)]
struct Entry<T> {
    deadline_ms: u64,
    previous: u32,
    next: u32,
    generation: NonZeroU32,
    /// `None` in an unused entry.
    value: Option<T>,
}

impl<T> Wheel<T> {
    /// An empty wheel that stands at this time.
    pub fn new(now_ms: u64) -> Self {
        Wheel {
            cursor_ms: now_ms,
            occupied: [0; LEVELS],
            slots: [Slot {
                earliest_ms: u64::MAX,
                first: NIL,
                last: NIL,
            }; LEVELS * SLOTS],
            entries: Vec::new(),
            unused: Unused::default(),
            len: 0,
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
        let entry = Entry {
            deadline_ms,
            next: NIL,
            previous: NIL,
            generation,
            value: Some(value),
        };
        let index = match self.unused.take_lowest() {
            Some(index) => {
                self.entries[index] = entry;
                index as u32
            }
            None => {
                let index = u32::try_from(self.entries.len())
                    .ok()
                    .filter(|&index| index != NIL);
                self.entries.push(entry);
                index.expect("fewer than 2^32 timers fit into memory")
            }
        };
        self.len += 1;
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
        let (level, slot) = self.first_slot()?;
        Some(self.slots[level * SLOTS + slot].earliest_ms)
    }

    /// Takes out the next timer whose deadline has come, with its deadline; call it until it returns `None`.
    ///
    /// Between the calls timers may be armed and cancelled. One that is armed for a time that has come fires in this
    /// series of calls too, so whoever re-arms a timer must do so for later than `now_ms`, or never finishes.
    /// A time before that of an earlier call fires nothing.
    pub fn expire(&mut self, now_ms: u64) -> Option<(u64, T)> {
        while let Some((level, slot)) = self.first_slot() {
            let Slot {
                earliest_ms, first, ..
            } = self.slots[level * SLOTS + slot];
            if earliest_ms > now_ms {
                break;
            }
            // Whatever is pending is due at the start of this slot or later: the cursor passes over nothing.
            let start_ms = self.slot_start(level, slot);
            debug_assert!(start_ms >= self.cursor_ms);
            self.cursor_ms = start_ms;
            if level > 0 {
                self.cascade(level, slot);
                continue;
            }
            debug_assert_eq!(start_ms, self.entries[first as usize].deadline_ms);
            self.unlink(level, slot, first);
            let value = self.release(first).expect("entries in slots are in use");
            return Some((start_ms, value));
        }
        None
    }

    /// How many timers are pending.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no timer is pending.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Level and slot of a deadline that is not before the cursor.
    fn place(&self, deadline_ms: u64) -> (usize, usize) {
        debug_assert!(deadline_ms >= self.cursor_ms);
        let differing = deadline_ms ^ self.cursor_ms;
        let level = (u64::BITS - 1 - (differing | 1).leading_zeros()) / DIGIT_BITS;
        let slot = (deadline_ms >> (level * DIGIT_BITS)) as usize % SLOTS;
        (level as usize, slot)
    }

    /// The first instant that belongs to this slot.
    fn slot_start(&self, level: usize, slot: usize) -> u64 {
        let shift = level as u32 * DIGIT_BITS;
        let digits_above = (self.cursor_ms >> shift) & !(SLOTS as u64 - 1);
        (digits_above | slot as u64) << shift
    }

    /// The slot with the timers that are due first. Slots of a level are never used behind the cursor's digit, so the
    /// lowest bit is the next one.
    fn first_slot(&self) -> Option<(usize, usize)> {
        let level = self.occupied.iter().position(|&bits| bits != 0)?;
        Some((level, self.occupied[level].trailing_zeros() as usize))
    }

    /// Puts an entry that is in no list where its deadline belongs.
    fn arm(&mut self, index: u32, deadline_ms: u64) {
        let deadline_ms = deadline_ms.max(self.cursor_ms);
        self.entries[index as usize].deadline_ms = deadline_ms;
        let (level, slot) = self.place(deadline_ms);
        self.link(level, slot, index);
    }

    /// Takes the entry that the key names out of its slot; `None` when the key is stale.
    fn disarm(&mut self, key: TimerKey) -> Option<()> {
        let entry = self.entries.get(key.index as usize)?;
        if entry.generation != key.generation || entry.value.is_none() {
            return None;
        }
        let (level, slot) = self.place(entry.deadline_ms);
        self.unlink(level, slot, key.index);
        Some(())
    }

    /// Moves the timers of a slot that the cursor has reached to lower levels, in their order.
    fn cascade(&mut self, level: usize, slot: usize) {
        let mut index = std::mem::replace(&mut self.slots[level * SLOTS + slot].first, NIL);
        self.occupied[level] &= !(1 << slot);
        while index != NIL {
            let entry = &self.entries[index as usize];
            let next = entry.next;
            let (lower_level, lower_slot) = self.place(entry.deadline_ms);
            debug_assert!(lower_level < level);
            self.link(lower_level, lower_slot, index);
            index = next;
        }
    }

    /// Makes an entry that is in no list unused, and gives back what memory the last entries no longer need.
    fn release(&mut self, index: u32) -> Option<T> {
        let value = self.entries[index as usize].value.take();
        self.len -= 1;
        self.unused.add(index as usize);
        while self
            .entries
            .last()
            .is_some_and(|entry| entry.value.is_none())
        {
            self.entries.pop();
            self.unused.remove(self.entries.len());
        }
        let kept = KEPT_ENTRIES.max(2 * self.entries.len());
        if self.entries.capacity() > 2 * kept {
            self.entries.shrink_to(kept);
            self.unused.shrink_to(kept);
        }
        value
    }

    /// Puts an entry that is in no list at the end of a slot's.
    fn link(&mut self, level: usize, slot: usize, index: u32) {
        let list = &mut self.slots[level * SLOTS + slot];
        let entry = &mut self.entries[index as usize];
        entry.next = NIL;
        if list.first == NIL {
            *list = Slot {
                earliest_ms: entry.deadline_ms,
                first: index,
                last: index,
            };
            entry.previous = NIL;
            self.occupied[level] |= 1 << slot;
        } else {
            list.earliest_ms = list.earliest_ms.min(entry.deadline_ms);
            entry.previous = std::mem::replace(&mut list.last, index);
            let previous = entry.previous as usize;
            self.entries[previous].next = index;
        }
    }

    /// Takes an entry out of the list of its slot.
    fn unlink(&mut self, level: usize, slot: usize, index: u32) {
        let list = &mut self.slots[level * SLOTS + slot];
        let Entry { previous, next, .. } = self.entries[index as usize];
        match previous {
            NIL => list.first = next,
            _ => self.entries[previous as usize].next = next,
        }
        match next {
            NIL => list.last = previous,
            _ => self.entries[next as usize].previous = previous,
        }
        if list.first == NIL {
            self.occupied[level] &= !(1 << slot);
        }
    }
}

/// Numbers of unused entries: a bit for each, a bit for each word of these that is not zero, and once more.
#[derive(Debug, Default)]
struct Unused {
    layers: [Vec<u64>; 3],
}

impl Unused {
    fn add(&mut self, mut number: usize) {
        for layer in &mut self.layers {
            let (word, bit) = (number / 64, number % 64);
            if layer.len() <= word {
                layer.resize(word + 1, 0);
            }
            let others = layer[word];
            layer[word] |= 1 << bit;
            if others != 0 {
                return;
            }
            number = word;
        }
    }

    fn remove(&mut self, mut number: usize) {
        for layer in &mut self.layers {
            let (word, bit) = (number / 64, number % 64);
            layer[word] &= !(1 << bit);
            if layer[word] != 0 {
                return;
            }
            number = word;
        }
    }

    fn take_lowest(&mut self) -> Option<usize> {
        // A word of the last layer stands for 2^18 entries, so there are few of them.
        let mut number = self.layers[2].iter().position(|&word| word != 0)?;
        for layer in self.layers.iter().rev() {
            number = number * 64 + layer[number].trailing_zeros() as usize;
        }
        self.remove(number);
        Some(number)
    }

    /// Gives back memory beyond so many numbers; none from there on is unused.
    fn shrink_to(&mut self, mut numbers: usize) {
        for layer in &mut self.layers {
            numbers = numbers.div_ceil(64);
            layer.truncate(numbers);
            layer.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests;
