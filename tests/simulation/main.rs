//! A made-up world around the server's core, decided by one seed: see the README beside this file.

mod attacker;
mod book;
mod client;
mod draw;
mod driver;
mod found;
mod held;
mod host;
mod link;
mod net;
mod packet;
mod pipe;
mod producer;
mod rng;
mod script;
mod shrink;
mod trace;
mod uploader;
mod viewer;
mod wire;
mod world;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use script::{Kind, Script, Verb};
use shrink::{run, shrink};
use world::Outcome;

const SEEDS: u64 = 40;
const STEPS: u64 = 500;

/// A number from the environment.
fn given(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

fn steps() -> usize {
    given("SIM_STEPS").unwrap_or(STEPS) as usize
}

/// Runs a script, and where it fails shows the smallest that does too.
fn expect(script: &Script, is_printed: bool, what: &str) -> Outcome {
    run(script, is_printed).unwrap_or_else(|failure| {
        let small = shrink(script, &failure);
        let text = small.to_text();
        panic!("{what} fails: {}\nThe smallest script found that fails there, for tests/simulation/found.rs:\n\n{text}", failure.message)
    })
}

/// `SIM_SEED` and `SIM_SCRIPT` replay one run and tell all that happens in it; `SIM_SEEDS`, `SIM_FIRST` and `SIM_SECONDS` say
/// which seeds are swept. With `SIM_SHRINK=0` each failure is only named, and the sweep goes on.
#[test]
fn every_seed_keeps_the_rules() {
    if let Ok(path) = std::env::var("SIM_SCRIPT") {
        let text = std::fs::read_to_string(&path).expect("SIM_SCRIPT is a file");
        expect(&Script::from_text(&text), true, &path);
        return;
    }
    if let Some(seed) = given("SIM_SEED") {
        expect(&Script::draw(seed, steps()), true, &format!("seed {seed}"));
        return;
    }
    let first = given("SIM_FIRST").unwrap_or(0);
    let until = given("SIM_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let count = given("SIM_SEEDS").unwrap_or(if until.is_some() {
        u64::MAX - first
    } else {
        SEEDS
    });
    let next = AtomicU64::new(first);
    let is_over = AtomicBool::new(false);
    let goes_on = given("SIM_SHRINK") == Some(0);
    let failures = AtomicU64::new(0);
    let sweep = || {
        let mut sums = [0_u64; 4];
        while !is_over.load(Ordering::Relaxed) && until.is_none_or(|until| Instant::now() < until) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed - first >= count {
                break;
            }
            let script = Script::draw(seed, steps());
            let outcome = match run(&script, false) {
                Ok(outcome) => outcome,
                Err(failure) if goes_on => {
                    println!("seed {seed} fails: {}", failure.message);
                    failures.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                Err(_) => {
                    is_over.store(true, Ordering::Relaxed);
                    expect(
                        &script,
                        false,
                        &format!("seed {seed} (SIM_SEED={seed} replays it)"),
                    )
                }
            };
            let one = [1, outcome.turns, outcome.delivered, outcome.heard];
            sums.iter_mut()
                .zip(one)
                .for_each(|(sum, number)| *sum += number);
        }
        sums
    };
    let sums = thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(sweep)).collect();
        threads.into_iter().fold([0; 4], |mut sums, thread| {
            let one = thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            sums.iter_mut()
                .zip(one)
                .for_each(|(sum, number)| *sum += number);
            sums
        })
    });
    let [seeds, turns, delivered, heard] = sums;
    println!("{seeds} seeds, {turns} turns, {delivered} packets delivered, {heard} events heard");
    let failures = failures.into_inner();
    assert_eq!(failures, 0, "so many seeds fail");
    assert!(
        seeds == 0 || turns > 0 && delivered + heard > 0,
        "something happens in these worlds"
    );
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let outcome = |seed| expect(&Script::draw(seed, 200), false, &format!("seed {seed}"));
    assert_eq!(outcome(7), outcome(7));
    assert_ne!(outcome(7).hash, outcome(8).hash);
}

#[test]
fn however_input_is_cut_each_client_gets_and_sends_the_same_packets() {
    for seed in 0..20 {
        let script = Script::draw(seed, 120);
        let with_segments = |segment| {
            let script = one_after_the_other(&script, segment);
            expect(
                &script,
                false,
                &format!("seed {seed} with segments of {segment}"),
            )
            .diary
        };
        let whole = with_segments(u64::MAX >> 1);
        assert_eq!(with_segments(1), whole, "single bytes, seed {seed}");
        assert_eq!(with_segments(9), whole, "small segments, seed {seed}");
    }
}

/// The script, with everything coming to its end before the next step, so that only the cutting differs.
fn one_after_the_other(script: &Script, segment: u64) -> Script {
    let mut script = script.clone();
    script.setup.lockstep = 1;
    script.setup.max_pending_events = 256;
    script.setup.ready_per_turn = 64;
    // Who gets the last place depends on when another has left.
    script.setup.max_sessions = script::Setup::default().max_sessions;
    script
        .actors
        .retain(|actor| !matches!(actor.kind, Kind::Hostile | Kind::Uploading));
    for actor in &mut script.actors {
        actor.line = script::Line {
            latency: 0,
            segment,
            ..script::Line::default()
        };
    }
    // A client that comes right after another one would be let in sooner or later than that, depending on its segments; and where
    // a write fails, or a client breaks the rules, more or less of what is sent behind that is still heard.
    let depends_on_segments = |step: &script::Step| {
        matches!(
            step.verb,
            Verb::Stall
                | Verb::Slow
                | Verb::TellVolatile
                | Verb::Attack
                | Verb::Upload
                | Verb::Tear
                | Verb::FailWrite
        )
    };
    script.steps.retain(|step| !depends_on_segments(step));
    script
}

#[test]
fn a_script_is_read_as_it_was_written() {
    for seed in 0..20 {
        let script = Script::draw(seed, 50);
        assert_eq!(Script::from_text(&script.to_text()), script);
    }
}
