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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl<T> Wheel<T> {
        /// Panics unless every entry is where its deadline says, once, and everything else follows from that.
        fn check_invariants(&self) {
            let mut seen = vec![false; self.entries.len()];
            let mut walk = |first: u32, last: u32| {
                let mut found = Vec::new();
                let (mut previous, mut index) = (NIL, first);
                while index != NIL {
                    assert!(
                        !std::mem::replace(&mut seen[index as usize], true),
                        "in two lists"
                    );
                    found.push(index as usize);
                    assert_eq!(self.entries[index as usize].previous, previous);
                    previous = index;
                    index = self.entries[index as usize].next;
                }
                assert!(first == NIL || previous == last);
                found
            };
            let mut pending = 0;
            for list in 0..LEVELS * SLOTS {
                let (level, slot) = (list / SLOTS, list % SLOTS);
                let Slot {
                    earliest_ms,
                    first,
                    last,
                } = self.slots[list];
                let indices = walk(first, last);
                assert_eq!(self.occupied[level] >> slot & 1 == 1, !indices.is_empty());
                pending += indices.len();
                for index in indices {
                    let entry = &self.entries[index];
                    assert!(entry.value.is_some());
                    assert_eq!(self.place(entry.deadline_ms), (level, slot));
                    assert!(earliest_ms <= entry.deadline_ms);
                }
            }
            assert_eq!(pending, self.len);
            for (number, entry) in self.entries.iter().enumerate() {
                let bits = self.unused.layers[0].get(number / 64);
                let unused = bits.is_some_and(|bits| bits >> (number % 64) & 1 == 1);
                assert!(unused == entry.value.is_none() && unused != seen[number]);
            }
            assert!(self
                .entries
                .last()
                .is_none_or(|entry| entry.value.is_some()));
        }
    }

    fn fire_all(wheel: &mut Wheel<u32>, now_ms: u64) -> Vec<(u64, u32)> {
        std::iter::from_fn(|| wheel.expire(now_ms)).collect()
    }

    /// The plainest thing that behaves as a wheel should: deadlines in order, and numbers that count how often
    /// something was armed.
    struct Model {
        armed: u64,
        timers: BTreeMap<(u64, u64), u32>,
    }

    impl Model {
        fn arm(&mut self, deadline_ms: u64, cursor_ms: u64, value: u32) -> (u64, u64) {
            self.armed += 1;
            let place = (deadline_ms.max(cursor_ms), self.armed);
            self.timers.insert(place, value);
            place
        }
    }

    #[derive(Clone, Debug)]
    enum Op {
        Insert(Delay),
        /// Also of timers that are long gone.
        Cancel(usize),
        Rearm(usize, Delay),
        /// Moves the time and fires what is due, at most so many.
        Expire(Delay, usize),
        /// Sleeps until the wheel says when.
        Sleep,
    }

    #[derive(Clone, Copy, Debug)]
    enum Delay {
        Ahead(u64),
        Behind(u64),
        At(u64),
    }

    impl Delay {
        fn from(self, now_ms: u64) -> u64 {
            match self {
                Delay::Ahead(ms) => now_ms.saturating_add(ms),
                Delay::Behind(ms) => now_ms.saturating_sub(ms),
                Delay::At(ms) => ms,
            }
        }
    }

    fn delay() -> impl Strategy<Value = Delay> {
        prop_oneof![
            6 => (0..200u64).prop_map(Delay::Ahead),
            4 => (0..60_000u64).prop_map(Delay::Ahead),
            2 => (0..64u32, 0..3u64).prop_map(|(bit, off)| Delay::Ahead((1u64 << bit) - 1 + off)),
            2 => (0..100u64).prop_map(Delay::Behind),
            1 => (0..5u64).prop_map(|off| Delay::At(u64::MAX - off)),
        ]
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            8 => delay().prop_map(Op::Insert),
            1 => (delay(), 0..4usize).prop_map(|(delay, most)| Op::Expire(delay, most)),
            3 => ((0..5000u64).prop_map(Delay::Ahead), Just(usize::MAX))
                .prop_map(|(delay, most)| Op::Expire(delay, most)),
            4 => Just(Op::Sleep),
        ]
    }

    fn op_or_cancel() -> impl Strategy<Value = Op> {
        prop_oneof![
            8 => op(),
            2 => any::<usize>().prop_map(Op::Cancel),
            2 => (any::<usize>(), delay()).prop_map(|(which, delay)| Op::Rearm(which, delay)),
        ]
    }

    fn compare_with_model(start_ms: u64, ops: &[Op]) {
        let mut wheel = Wheel::new(start_ms);
        let mut model = Model {
            armed: 0,
            timers: BTreeMap::new(),
        };
        let mut keys: Vec<(TimerKey, (u64, u64))> = Vec::new();
        let mut now_ms = start_ms;
        let mut disturbed = false;
        for (step, op) in ops.iter().enumerate() {
            let value = step as u32;
            match *op {
                Op::Insert(delay) => {
                    let deadline_ms = delay.from(now_ms);
                    keys.push((
                        wheel.insert(deadline_ms, value),
                        model.arm(deadline_ms, wheel.cursor_ms, value),
                    ));
                }
                Op::Cancel(which) if !keys.is_empty() => {
                    let (key, place) = keys[which % keys.len()];
                    assert_eq!(wheel.cancel(key), model.timers.remove(&place));
                    disturbed = true;
                }
                Op::Rearm(which, delay) if !keys.is_empty() => {
                    let which = which % keys.len();
                    let (key, place) = keys[which];
                    let deadline_ms = delay.from(now_ms);
                    let old = model.timers.remove(&place);
                    disturbed = true;
                    assert_eq!(wheel.rearm(key, deadline_ms), old.is_some());
                    if let Some(old) = old {
                        keys[which].1 = model.arm(deadline_ms, wheel.cursor_ms, old);
                    }
                }
                Op::Cancel(_) | Op::Rearm(..) => {}
                Op::Expire(delay, most) => {
                    now_ms = now_ms.max(delay.from(now_ms));
                    expire_both(&mut wheel, &mut model, now_ms, most);
                }
                Op::Sleep => {
                    let Some(next_ms) = wheel.next_deadline() else {
                        continue;
                    };
                    now_ms = now_ms.max(next_ms);
                    expire_both(&mut wheel, &mut model, now_ms, usize::MAX);
                    assert!(wheel.next_deadline().is_none_or(|next_ms| next_ms > now_ms));
                }
            }
            assert_eq!(wheel.len(), model.timers.len());
            let true_next = model.timers.keys().next().map(|place| place.0);
            let next = wheel.next_deadline();
            assert_eq!(next.is_none(), true_next.is_none());
            assert!(next <= true_next);
            if !disturbed {
                assert_eq!(next, true_next);
            }
            wheel.check_invariants();
        }
    }

    fn expire_both(wheel: &mut Wheel<u32>, model: &mut Model, now_ms: u64, most: usize) {
        for _ in 0..most {
            let fired = wheel.expire(now_ms);
            let due = model
                .timers
                .first_key_value()
                .filter(|(place, _)| place.0 <= now_ms);
            let Some((&place, &value)) = due else {
                assert_eq!(fired, None);
                return;
            };
            assert_eq!(fired, Some((place.0, value)));
            model.timers.remove(&place);
            assert!(wheel.cursor_ms <= now_ms);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn does_what_an_ordered_map_does(
            start_ms in prop_oneof![Just(0u64), any::<u64>(), (0..10_000u64).prop_map(|off| u64::MAX - off)],
            ops in prop_oneof![
                2 => prop::collection::vec(op_or_cancel(), 1..300),
                1 => prop::collection::vec(op(), 1..300),
            ],
        ) {
            compare_with_model(start_ms, &ops);
        }
    }

    #[test]
    fn every_boundary_of_every_level_fires_on_time_and_not_before() {
        for level in 0..LEVELS as u32 {
            let span = 1u64 << (level * DIGIT_BITS);
            for start_ms in [
                0,
                1,
                span - 1,
                span,
                span.wrapping_mul(63),
                span.wrapping_mul(64).wrapping_sub(1),
                u64::MAX / 2,
            ] {
                for distance in [
                    span - 1,
                    span,
                    span + 1,
                    span.saturating_mul(63),
                    span.saturating_mul(64),
                ] {
                    for off in -1i64..=1 {
                        let Some(deadline_ms) = start_ms
                            .checked_add(distance)
                            .and_then(|d| d.checked_add_signed(off))
                        else {
                            continue;
                        };
                        let mut wheel = Wheel::new(start_ms);
                        wheel.insert(deadline_ms, 7);
                        wheel.check_invariants();
                        let deadline_ms = deadline_ms.max(start_ms);
                        assert_eq!(wheel.next_deadline(), Some(deadline_ms));
                        if deadline_ms > start_ms {
                            assert_eq!(wheel.expire(deadline_ms - 1), None);
                        }
                        assert_eq!(wheel.expire(deadline_ms), Some((deadline_ms, 7)));
                        assert_eq!(wheel.expire(deadline_ms), None);
                        assert_eq!(wheel.next_deadline(), None);
                    }
                }
            }
        }
    }

    #[test]
    fn every_delay_of_the_first_levels_fires_at_its_millisecond() {
        let mut wheel = Wheel::new(123_457);
        for delay in 0..9000 {
            wheel.insert(123_457 + delay, delay as u32);
        }
        for delay in 0..9000 {
            assert_eq!(
                fire_all(&mut wheel, 123_457 + delay),
                [(123_457 + delay, delay as u32)]
            );
        }
        assert!(wheel.is_empty());
    }

    #[test]
    fn a_jump_over_many_slots_fires_all_in_order() {
        let mut wheel = Wheel::new(0);
        let deadlines = [
            5,
            70,
            4095,
            4096,
            4097,
            300_000,
            1 << 40,
            u64::MAX - 1,
            u64::MAX,
        ];
        for (number, &deadline_ms) in deadlines.iter().enumerate().rev() {
            wheel.insert(deadline_ms, number as u32);
        }
        let expected: Vec<_> = deadlines
            .iter()
            .zip(0..)
            .map(|(&deadline_ms, number)| (deadline_ms, number))
            .collect();
        assert_eq!(fire_all(&mut wheel, u64::MAX), expected);
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn timers_of_one_deadline_fire_in_the_order_of_arming() {
        let mut wheel = Wheel::new(0);
        wheel.insert(10_000, 0);
        let moved = wheel.insert(10_000, 1);
        wheel.insert(10_000, 2);
        assert_eq!(wheel.expire(9_990), None);
        wheel.insert(10_000, 3);
        assert!(wheel.rearm(moved, 10_000));
        assert_eq!(
            fire_all(&mut wheel, 10_000),
            [(10_000, 0), (10_000, 2), (10_000, 3), (10_000, 1)]
        );
    }

    #[test]
    fn a_deadline_in_the_past_fires_at_the_next_call_after_what_has_fired() {
        let mut wheel = Wheel::new(1000);
        wheel.insert(10, 1);
        assert_eq!(wheel.next_deadline(), Some(1000));
        assert_eq!(fire_all(&mut wheel, 2000), [(1000, 1)]);
        wheel.insert(2500, 4);
        wheel.insert(1500, 2);
        wheel.insert(500, 3);
        assert_eq!(
            fire_all(&mut wheel, 2500),
            [(1000, 3), (1500, 2), (2500, 4)]
        );
    }

    #[test]
    fn a_timer_that_another_one_arms_for_now_fires_in_the_same_series() {
        let mut wheel = Wheel::new(0);
        wheel.insert(50, 1);
        wheel.insert(60, 3);
        assert_eq!(wheel.expire(100), Some((50, 1)));
        wheel.insert(55, 2);
        assert_eq!(fire_all(&mut wheel, 100), [(55, 2), (60, 3)]);
    }

    #[test]
    fn a_clock_that_goes_back_fires_nothing_and_harms_nothing() {
        let mut wheel = Wheel::new(1000);
        wheel.insert(4000, 1);
        wheel.insert(5000, 2);
        assert_eq!(wheel.expire(4000), Some((4000, 1)));
        wheel.insert(20, 3);
        assert_eq!(wheel.expire(30), None);
        assert_eq!(wheel.len(), 2);
        assert_eq!(fire_all(&mut wheel, 5000), [(4000, 3), (5000, 2)]);
    }

    #[test]
    fn stale_keys_find_nothing() {
        let mut wheel = Wheel::new(0);
        let fired = wheel.insert(1, 1);
        assert_eq!(wheel.expire(1), Some((1, 1)));
        assert_eq!(wheel.cancel(fired), None);
        let cancelled = wheel.insert(5, 2);
        assert_eq!(wheel.cancel(cancelled), Some(2));
        assert_eq!(wheel.cancel(cancelled), None);
        let live = wheel.insert(9, 3);
        assert_eq!((fired.index, cancelled.index), (live.index, live.index));
        assert!(!wheel.rearm(fired, 7));
        assert!(!wheel.rearm(cancelled, 7));
        assert_eq!(wheel.next_deadline(), Some(9));
        assert_eq!(wheel.cancel(live), Some(3));
    }

    #[test]
    fn a_sleeper_wakes_once_per_deadline_however_far_it_is() {
        for deadline_ms in [30_000, 86_400_000, u64::MAX] {
            let mut wheel = Wheel::new(77);
            for value in 0..1000 {
                wheel.insert(deadline_ms, value);
            }
            assert_eq!(wheel.next_deadline(), Some(deadline_ms));
            assert_eq!(fire_all(&mut wheel, deadline_ms).len(), 1000);
        }
    }

    #[test]
    fn a_cancelled_timer_wakes_a_sleeper_at_most_once() {
        for far_ms in [100, 5_000, 300_000, 20_000_000] {
            let mut wheel = Wheel::new(0);
            let earliest = wheel.insert(far_ms, 0);
            for later in 1..50 {
                wheel.insert(far_ms + u64::from(later), later);
            }
            wheel.cancel(earliest);
            let mut wakes_in_vain = 0;
            let mut last_ms = 0;
            while let Some(next_ms) = wheel.next_deadline() {
                assert!(next_ms > last_ms);
                last_ms = next_ms;
                wakes_in_vain += usize::from(fire_all(&mut wheel, next_ms).is_empty());
            }
            assert_eq!(last_ms, far_ms + 49);
            assert!(wakes_in_vain <= 1, "{wakes_in_vain} at {far_ms}");
        }
    }

    #[test]
    fn a_slot_that_has_emptied_leaves_no_trace() {
        let mut wheel = Wheel::new(0);
        let pong = wheel.insert(20_000, 1);
        wheel.insert(25_000, 2);
        assert_eq!(wheel.next_deadline(), Some(20_000));
        wheel.cancel(pong);
        assert_eq!(wheel.next_deadline(), Some(25_000));
        wheel.insert(20_500, 3);
        assert_eq!(wheel.next_deadline(), Some(20_500));
    }

    #[test]
    fn memory_goes_back_when_a_crowd_has_left() {
        let mut wheel = Wheel::new(0);
        let crowd: Vec<_> = (0..100_000u32).map(|n| wheel.insert(5, n)).collect();
        let mut stayers: Vec<_> = (0..10u32).map(|n| wheel.insert(1 << 40, n)).collect();
        for key in crowd {
            wheel.cancel(key);
        }
        assert!(
            wheel.entries.capacity() >= 100_000,
            "the last entries are still in use"
        );
        for stayer in &mut stayers {
            let value = wheel.cancel(*stayer).unwrap();
            *stayer = wheel.insert(1 << 40, value);
        }
        wheel.check_invariants();
        assert!(wheel.entries.capacity() <= 2 * KEPT_ENTRIES);
        for key in stayers {
            wheel.cancel(key);
        }
        assert!(wheel.entries.is_empty());
    }

    #[test]
    fn a_steady_number_of_timers_needs_no_further_memory() {
        let mut wheel = Wheel::new(0);
        let mut keys: Vec<_> = (0..5000u32).map(|n| wheel.insert(1 << 20, n)).collect();
        let capacity = wheel.entries.capacity();
        for n in 0..100_000 {
            let which = n * 7919 % keys.len();
            wheel.cancel(keys[which]);
            keys[which] = wheel.insert(1 << 20, 0);
        }
        assert_eq!(wheel.entries.len(), 5000);
        assert_eq!(wheel.entries.capacity(), capacity);
    }

    #[test]
    fn a_timer_costs_32_bytes_and_its_key_8() {
        assert_eq!(size_of::<Entry<crate::timer::Timer>>(), 32);
        assert_eq!(size_of::<TimerKey>(), 8);
        assert_eq!(size_of::<Option<TimerKey>>(), 8);
    }
}
