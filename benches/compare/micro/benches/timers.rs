//! What a timer costs, with 100,000 and with a million of them pending: in pulsewheel's wheel, in tokio-util's `DelayQueue`,
//! in `hierarchical_hash_wheel_timer`, and in the standard library's `BinaryHeap`, in one process.
//!
//! `cargo bench -p micro --bench timers`. Every bench is named `timer/verb/who/how many`. Criterion shows the time for all
//! of the timers; beside it, `thrpt` counts timers, and 10 Melem/s are 100 ns for one.
//!
//! All do the same work in turns of ten milliseconds. Moving the clock that a structure reads is not measured.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use criterion::{criterion_group, criterion_main, BatchSize, Bencher, Criterion};
use criterion::{BenchmarkId, Throughput};
use hierarchical_hash_wheel_timer::wheels::cancellable::QuadWheelWithOverflow;
use hierarchical_hash_wheel_timer::IdOnlyTimerEntry;
use pulsewheel::wheel::{TimerKey, Wheel};
use tokio::runtime::Runtime;
use tokio_util::time::{delay_queue, DelayQueue};

/// The ping interval: deadlines are spread over it evenly, as those of so many clients are.
const INTERVAL_MS: u64 = 25_000;
const TURN_MS: u64 = 10;
const COUNTS: [u32; 2] = [100_000, 1_000_000];

/// What a timer is for, as large as the program's own: what it is, and whom it is for.
type Value = (u32, u32, u32);

/// The verbs that the program needs. A timer's number is also its place in the tables that find it again, and timers are
/// inserted in the order of their numbers.
trait Timers {
    fn empty() -> Self;
    fn insert(&mut self, deadline_ms: u64, number: u32);
    fn rearm(&mut self, deadline_ms: u64, number: u32);
    /// Moves the clock, where there is one.
    fn advance(&mut self, _now_ms: u64) {}
    /// Takes out everything that is due, and says how much that was.
    fn expire(&mut self, now_ms: u64) -> usize;
}

struct InWheel {
    wheel: Wheel<Value>,
    keys: Vec<TimerKey>,
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
        self.keys.push(key);
    }

    fn rearm(&mut self, deadline_ms: u64, number: u32) {
        self.wheel.rearm(self.keys[number as usize], deadline_ms);
    }

    fn expire(&mut self, now_ms: u64) -> usize {
        std::iter::from_fn(|| self.wheel.expire(now_ms))
            .map(black_box)
            .count()
    }
}

struct InDelayQueue {
    queue: DelayQueue<Value>,
    keys: Vec<delay_queue::Key>,
    start: tokio::time::Instant,
    now_ms: u64,
}

impl Timers for InDelayQueue {
    fn empty() -> Self {
        with_clock(|_| InDelayQueue {
            queue: DelayQueue::new(),
            keys: Vec::new(),
            start: tokio::time::Instant::now(),
            now_ms: 0,
        })
    }

    fn insert(&mut self, deadline_ms: u64, number: u32) {
        let deadline = self.start + Duration::from_millis(deadline_ms);
        let key = self.queue.insert_at((number, 0, 0), deadline);
        self.keys.push(key);
    }

    fn rearm(&mut self, deadline_ms: u64, number: u32) {
        let deadline = self.start + Duration::from_millis(deadline_ms);
        self.queue.reset_at(&self.keys[number as usize], deadline);
    }

    fn advance(&mut self, now_ms: u64) {
        let step = Duration::from_millis(now_ms - self.now_ms);
        self.now_ms = now_ms;
        with_clock(|runtime| runtime.block_on(tokio::time::advance(step)));
    }

    fn expire(&mut self, _now_ms: u64) -> usize {
        let mut context = Context::from_waker(Waker::noop());
        let mut fired = 0;
        while let Poll::Ready(Some(expired)) = self.queue.poll_expired(&mut context) {
            black_box(expired);
            fired += 1;
        }
        fired
    }
}

/// Runs something with the runtime whose clock stands still until it is moved. The thread is inside of it from the first
/// call on, since a `DelayQueue` looks for it at any time.
fn with_clock<T>(run: impl FnOnce(&Runtime) -> T) -> T {
    thread_local! {
        static RUNTIME: OnceCell<&'static Runtime> = const { OnceCell::new() };
    }
    let runtime = RUNTIME.with(|cell| {
        *cell.get_or_init(|| {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_time().start_paused(true).build();
            let runtime = Box::leak(Box::new(runtime.expect("a runtime")));
            std::mem::forget(runtime.enter());
            runtime
        })
    });
    run(runtime)
}

/// The kind of wheel of that crate whose timers can be cancelled; it has no verb for putting one off.
struct InHashWheel {
    wheel: QuadWheelWithOverflow<IdOnlyTimerEntry<u32>>,
    now_ms: u64,
}

impl Timers for InHashWheel {
    fn empty() -> Self {
        InHashWheel {
            wheel: QuadWheelWithOverflow::new(),
            now_ms: 0,
        }
    }

    fn insert(&mut self, deadline_ms: u64, number: u32) {
        let delay = Duration::from_millis(deadline_ms - self.now_ms);
        self.wheel
            .insert(IdOnlyTimerEntry { id: number, delay })
            .expect("not due yet");
    }

    fn rearm(&mut self, deadline_ms: u64, number: u32) {
        self.wheel.cancel(&number).expect("pending");
        self.insert(deadline_ms, number);
    }

    fn expire(&mut self, now_ms: u64) -> usize {
        let ticks = now_ms - self.now_ms;
        self.now_ms = now_ms;
        (0..ticks).map(|_| black_box(self.wheel.tick()).len()).sum()
    }
}

/// An entry counts only while it carries the number's latest generation; the others stay until they come up.
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
        self.generations.push(0);
        self.heap.push((Reverse(deadline_ms), 0, (number, 0, 0)));
    }

    fn rearm(&mut self, deadline_ms: u64, number: u32) {
        let generation = &mut self.generations[number as usize];
        *generation += 1;
        let entry = (Reverse(deadline_ms), *generation, (number, 0, 0));
        self.heap.push(entry);
    }

    fn expire(&mut self, now_ms: u64) -> usize {
        let mut fired = 0;
        while let Some(&(Reverse(deadline_ms), generation, value)) = self.heap.peek() {
            if deadline_ms > now_ms {
                break;
            }
            self.heap.pop();
            if self.generations[value.0 as usize] == generation {
                black_box((deadline_ms, value));
                fired += 1;
            }
        }
        fired
    }
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

fn filled<T: Timers>(deadlines: impl Iterator<Item = u64>) -> T {
    let mut timers = T::empty();
    for (deadline_ms, number) in deadlines.zip(0..) {
        timers.insert(deadline_ms, number);
    }
    timers
}

/// Fills an empty structure.
fn insert<T: Timers>(b: &mut Bencher, deadlines: &[u64]) {
    b.iter_batched(
        || (),
        |()| filled::<T>(deadlines.iter().copied()),
        BatchSize::PerIteration,
    );
}

/// Every timer in turn is put off for one interval, long before it is due, as a pong does with the time limit of its
/// client; in every turn it is asked whether something is due.
fn rearm<T: Timers>(b: &mut Bencher, deadlines: &[u64]) {
    let mut order: Vec<(u64, u32)> = deadlines.iter().copied().zip(0..).collect();
    order.sort_unstable();
    let mut timers: T = filled(deadlines.iter().map(|ms| INTERVAL_MS + ms));
    let mut base_ms = 0;
    b.iter_custom(|rounds| {
        let mut took = Duration::ZERO;
        for _ in 0..rounds {
            let mut rest = order.as_slice();
            for turn_ms in (TURN_MS..=INTERVAL_MS).step_by(TURN_MS as usize) {
                let (turn, later) = rest.split_at(rest.partition_point(|&(ms, _)| ms <= turn_ms));
                rest = later;
                timers.advance(base_ms + turn_ms);
                let start = Instant::now();
                assert_eq!(timers.expire(base_ms + turn_ms), 0);
                for &(offset_ms, number) in turn {
                    timers.rearm(base_ms + 2 * INTERVAL_MS + offset_ms, number);
                }
                took += start.elapsed();
            }
            base_ms += INTERVAL_MS;
        }
        took
    });
}

/// Turn by turn until every timer has fired.
fn expire<T: Timers>(b: &mut Bencher, deadlines: &[u64]) {
    b.iter_custom(|rounds| {
        let mut took = Duration::ZERO;
        for _ in 0..rounds {
            let mut timers: T = filled(deadlines.iter().copied());
            let mut fired = 0;
            for turn_ms in (TURN_MS..=INTERVAL_MS).step_by(TURN_MS as usize) {
                timers.advance(turn_ms);
                let start = Instant::now();
                fired += timers.expire(turn_ms);
                took += start.elapsed();
            }
            assert_eq!(fired, deadlines.len());
        }
        took
    });
}

/// One thing to measure.
type Bench = fn(&mut Bencher, &[u64]);

/// A structure's name, and for each verb how it is measured.
type Peer = (&'static str, [Bench; 3]);

fn peer<T: Timers>(name: &'static str) -> Peer {
    (name, [insert::<T>, rearm::<T>, expire::<T>])
}

fn benches(c: &mut Criterion) {
    let peers = [
        peer::<InWheel>("pulsewheel"),
        peer::<InDelayQueue>("DelayQueue"),
        peer::<InHashWheel>("hierarchical_hash_wheel_timer"),
        peer::<InHeap>("BinaryHeap"),
    ];
    for (verb, name) in ["insert", "rearm", "expire"].into_iter().enumerate() {
        let mut group = c.benchmark_group(format!("timer/{name}"));
        group.sample_size(10);
        group.warm_up_time(Duration::from_millis(500));
        group.measurement_time(Duration::from_secs(2));
        for count in COUNTS {
            let deadlines = deadlines(count);
            group.throughput(Throughput::Elements(count.into()));
            for (name, verbs) in peers {
                group.bench_with_input(BenchmarkId::new(name, count), &deadlines, |b, d| {
                    verbs[verb](b, d)
                });
            }
        }
    }
}

criterion_group!(timers, benches);
criterion_main!(timers);
