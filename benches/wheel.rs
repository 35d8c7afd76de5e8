//! What a timer costs, with 100,000 and with a million of them pending: in the [`Wheel`], and beside it in the standard
//! library's `BinaryHeap` (entries that were re-armed or cancelled stay in it until they come up) and `BTreeMap`.
//!
//! `cargo bench --bench wheel`; the time shown is for one timer, and `thrpt` counts timers.

use criterion::{criterion_group, criterion_main, BatchSize, BenchmarkId, Criterion, Throughput};
use pulsewheel::wheel::{TimerKey, Wheel};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hint::black_box;
use std::time::Duration;

/// As large as the program's own timers: what it is, and whom it is for.
type Value = (u32, u32, u32);

/// The ping interval: deadlines are spread over it evenly, as those of so many clients are.
const INTERVAL_MS: u64 = 25_000;
const COUNTS: [u32; 2] = [100_000, 1_000_000];

/// The three things that the benches compare, with the verbs that the program needs.
trait Timers {
    fn empty() -> Self;
    fn insert(&mut self, deadline_ms: u64, number: u32);
    fn rearm(&mut self, deadline_ms: u64, number: u32);
    fn expire(&mut self, now_ms: u64) -> Option<(u64, u32)>;
}

struct InWheel {
    wheel: Wheel<Value>,
    keys: Vec<Option<TimerKey>>,
}

impl Timers for InWheel {
    fn empty() -> Self {
        InWheel {
            wheel: Wheel::new(0),
            keys: Vec::new(),
        }
    }

    fn insert(&mut self, deadline_ms: u64, number: u32) {
        let key = self.wheel.insert(deadline_ms, (number, 0, 0));
        set(&mut self.keys, number, Some(key));
    }

    fn rearm(&mut self, deadline_ms: u64, number: u32) {
        if let Some(key) = self.keys[number as usize] {
            self.wheel.rearm(key, deadline_ms);
        }
    }

    fn expire(&mut self, now_ms: u64) -> Option<(u64, u32)> {
        let (deadline_ms, value) = self.wheel.expire(now_ms)?;
        Some((deadline_ms, value.0))
    }
}

/// An entry counts only while it carries the number's latest generation.
struct InHeap {
    heap: BinaryHeap<(Reverse<u64>, u32, Value)>,
    generations: Vec<u32>,
}

impl Timers for InHeap {
    fn empty() -> Self {
        InHeap {
            heap: BinaryHeap::new(),
            generations: Vec::new(),
        }
    }

    fn insert(&mut self, deadline_ms: u64, number: u32) {
        set(&mut self.generations, number, 0);
        self.heap.push((Reverse(deadline_ms), 0, (number, 0, 0)));
    }

    fn rearm(&mut self, deadline_ms: u64, number: u32) {
        let generation = &mut self.generations[number as usize];
        *generation += 1;
        self.heap
            .push((Reverse(deadline_ms), *generation, (number, 0, 0)));
    }

    fn expire(&mut self, now_ms: u64) -> Option<(u64, u32)> {
        loop {
            let &(Reverse(deadline_ms), generation, value) = self.heap.peek()?;
            if deadline_ms > now_ms {
                return None;
            }
            self.heap.pop();
            if self.generations[value.0 as usize] == generation {
                return Some((deadline_ms, value.0));
            }
        }
    }
}

struct InTree {
    tree: BTreeMap<(u64, u32), Value>,
    deadlines_ms: Vec<u64>,
}

impl Timers for InTree {
    fn empty() -> Self {
        InTree {
            tree: BTreeMap::new(),
            deadlines_ms: Vec::new(),
        }
    }

    fn insert(&mut self, deadline_ms: u64, number: u32) {
        set(&mut self.deadlines_ms, number, deadline_ms);
        self.tree.insert((deadline_ms, number), (number, 0, 0));
    }

    fn rearm(&mut self, deadline_ms: u64, number: u32) {
        let old_ms = std::mem::replace(&mut self.deadlines_ms[number as usize], deadline_ms);
        if let Some(value) = self.tree.remove(&(old_ms, number)) {
            self.tree.insert((deadline_ms, number), value);
        }
    }

    fn expire(&mut self, now_ms: u64) -> Option<(u64, u32)> {
        let &(deadline_ms, number) = self.tree.keys().next()?;
        if deadline_ms > now_ms {
            return None;
        }
        self.tree.remove(&(deadline_ms, number));
        Some((deadline_ms, number))
    }
}

fn set<V: Copy>(table: &mut Vec<V>, number: u32, value: V) {
    let number = number as usize;
    if table.len() <= number {
        table.resize(number + 1, value);
    }
    table[number] = value;
}

/// Deadlines within one interval in an order without pattern, the same in every run.
fn deadlines(count: u32) -> Vec<u64> {
    let mut state = 1u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % INTERVAL_MS
    };
    (0..count).map(|_| 1 + next()).collect()
}

fn filled<T: Timers>(deadlines: &[u64]) -> T {
    let mut timers = T::empty();
    for (number, &deadline_ms) in (0..).zip(deadlines) {
        timers.insert(deadline_ms, number);
    }
    timers
}

/// Fills an empty structure.
fn insert<T: Timers>(b: &mut criterion::Bencher, deadlines: &[u64]) {
    b.iter_batched(|| (), |()| filled::<T>(deadlines), BatchSize::PerIteration);
}

/// Every timer in turn is put off long before it is due, as a pong does with the time limit of its client; the loop
/// asks once per millisecond whether something is due.
fn rearm<T: Timers>(b: &mut criterion::Bencher, deadlines: &[u64]) {
    let mut order: Vec<(u64, u32)> = deadlines.iter().copied().zip(0..).collect();
    order.sort_unstable();
    let mut timers: T = filled(
        &deadlines
            .iter()
            .map(|ms| INTERVAL_MS + ms)
            .collect::<Vec<_>>(),
    );
    let mut base_ms = 0;
    b.iter(|| {
        let mut last_ms = 0;
        for &(offset_ms, number) in &order {
            if offset_ms > last_ms {
                last_ms = offset_ms;
                assert_eq!(timers.expire(base_ms + last_ms), None);
            }
            timers.rearm(base_ms + 2 * INTERVAL_MS + offset_ms, number);
        }
        base_ms += INTERVAL_MS;
    });
}

/// A turn per millisecond until every timer has fired.
fn expire<T: Timers>(b: &mut criterion::Bencher, deadlines: &[u64]) {
    b.iter_batched_ref(
        || filled::<T>(deadlines),
        |timers| {
            let mut fired = 0;
            for now_ms in 1..=INTERVAL_MS {
                while let Some(timer) = timers.expire(now_ms) {
                    black_box(timer);
                    fired += 1;
                }
            }
            assert_eq!(fired, deadlines.len());
        },
        BatchSize::PerIteration,
    );
}

/// One thing to measure for each structure: its name, and how.
type Bench = fn(&mut criterion::Bencher, &[u64]);

fn benches(c: &mut Criterion) {
    let groups: [(&str, [(&str, Bench); 3]); 3] = [
        (
            "insert",
            [
                ("wheel", insert::<InWheel>),
                ("heap", insert::<InHeap>),
                ("tree", insert::<InTree>),
            ],
        ),
        (
            "rearm",
            [
                ("wheel", rearm::<InWheel>),
                ("heap", rearm::<InHeap>),
                ("tree", rearm::<InTree>),
            ],
        ),
        (
            "expire",
            [
                ("wheel", expire::<InWheel>),
                ("heap", expire::<InHeap>),
                ("tree", expire::<InTree>),
            ],
        ),
    ];
    for (verb, structures) in groups {
        let mut group = c.benchmark_group(format!("timer/{verb}"));
        group.sample_size(10);
        group.warm_up_time(Duration::from_millis(500));
        group.measurement_time(Duration::from_secs(2));
        for count in COUNTS {
            let deadlines = deadlines(count);
            group.throughput(Throughput::Elements(count.into()));
            for (name, bench) in structures {
                group.bench_with_input(BenchmarkId::new(name, count), &deadlines, |b, d| {
                    bench(b, d)
                });
            }
        }
    }
}

criterion_group!(wheel, benches);
criterion_main!(wheel);
