use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

impl<T> Wheel<T> {
    /// Panics unless every entry is where its deadline says, once, and everything else follows from that.
    fn check_invariants(&self) {
        let mut listed = std::collections::BTreeSet::new();
        for (number, slot) in self.slots.iter().enumerate() {
            let bit = self.occupied[number / 64] >> (number % 64) & 1;
            let is_cascading = self.cascading == Some(number);
            assert_eq!(bit == 1, !slot.list.is_empty() && !is_cascading);
            for (position, index) in self.lists.walk(&slot.list) {
                assert!(listed.insert(index), "in two lists");
                let entry = &self.entries[index];
                assert!(entry.value.is_some());
                assert_eq!(usize::from(entry.slot), number);
                assert_eq!(self.place(entry.deadline_ms) == number, !is_cascading);
                assert_eq!(entry.position, position);
                assert!(slot.earliest_ms <= entry.deadline_ms);
            }
        }
        assert_eq!(listed.len(), self.len());
        for (index, (entry, is_used)) in self.entries.iter().enumerate() {
            assert_eq!(entry.value.is_some(), is_used);
            assert_eq!(listed.contains(&(index as u32)), is_used);
        }
        assert!(self.entries.iter().last().is_none_or(|(_, used)| used));
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
    // A list fills its last chunk before it takes a lower one; 40 moves fill any.
    for _ in 0..4 {
        for stayer in &mut stayers {
            let value = wheel.cancel(*stayer).unwrap();
            *stayer = wheel.insert(1 << 40, value);
        }
    }
    wheel.check_invariants();
    assert!(wheel.entries.capacity() <= 2 * pool::KEPT);
    assert!(wheel.lists.chunks().1 <= 2 * pool::KEPT);
    for key in stayers {
        wheel.cancel(key);
    }
    assert_eq!(wheel.entries.iter().count(), 0);
    assert_eq!(wheel.lists.chunks().0, 0);
}

#[test]
fn a_steady_number_of_timers_needs_no_further_memory() {
    let mut wheel = Wheel::new(0);
    let mut keys: Vec<_> = (0..5000u32).map(|n| wheel.insert(1 << 20, n)).collect();
    let capacity = wheel.entries.capacity();
    let chunks = wheel.lists.chunks().1;
    for n in 0..100_000 {
        let which = n * 7919 % keys.len();
        wheel.cancel(keys[which]);
        keys[which] = wheel.insert(1 << 20, 0);
    }
    assert_eq!(wheel.len(), 5000);
    assert_eq!(wheel.entries.capacity(), capacity);
    assert!(
        wheel.lists.chunks().1 <= 4 * chunks,
        "a list with gaps stays within a small multiple"
    );
}

#[test]
fn a_timer_costs_32_bytes_and_its_key_8() {
    assert_eq!(size_of::<Entry<crate::timer::Timer>>(), 32);
    assert_eq!(size_of::<TimerKey>(), 8);
    assert_eq!(size_of::<Option<TimerKey>>(), 8);
}

#[test]
fn very_many_timers_move_and_fire_in_slices_and_in_their_order() {
    const TIMERS: u32 = 100_000;
    let mut wheel = Wheel::new(0);
    // All in one slot of the second level, so that the first to fire waits for all of them to move.
    let keys: Vec<TimerKey> = (0..TIMERS)
        .map(|number| wheel.insert(1_000 + u64::from(number % 20), number))
        .collect();
    let (mut fired, mut slices) = (Vec::new(), 0);
    while fired.len() < TIMERS as usize - 2 {
        let mut moves = 1_000;
        let before = fired.len();
        while let Some((deadline_ms, number)) = wheel.expire_within(2_000, &mut moves) {
            fired.push((deadline_ms, number));
            if fired.len() - before == 1_000 {
                break;
            }
        }
        slices += 1;
        if slices == 10 {
            // In the middle of the move: one that has moved and one that has not are cancelled, and others are armed.
            wheel.check_invariants();
            assert_eq!(wheel.next_deadline(), Some(wheel.cursor_ms));
            assert_eq!(wheel.cancel(keys[0]), Some(0));
            assert_eq!(wheel.cancel(keys[TIMERS as usize - 1]), Some(TIMERS - 1));
            let late = wheel.insert(1_500, TIMERS);
            assert!(wheel.rearm(late, 1_005));
            assert_eq!(wheel.cancel(late), Some(TIMERS));
            wheel.check_invariants();
        }
        assert!(slices <= 250, "it has an end");
    }
    assert!(slices >= 190, "{slices} slices");
    assert!(fired.is_sorted());
    assert!(wheel.is_empty());
}

#[test]
fn a_timer_that_is_due_stays_until_it_is_put_off() {
    let mut wheel = Wheel::new(0);
    let key = wheel.insert(5, 1);
    assert_eq!(wheel.due_within(9, &mut 9), Some((5, key)));
    assert!(wheel.rearm(key, 20) && wheel.get(key) == Some(&1));
    assert_eq!(wheel.due_within(9, &mut 9), None);
}
