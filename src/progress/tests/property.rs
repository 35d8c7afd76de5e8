//! Whatever is called in whatever order at whatever time: the promises hold.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Create(u8),
    Update(u8, f64, u32),
    Complete(u8),
    Fail(u8),
    Cancel(u8),
    Request(u8),
    Manage(u8),
    Cleanup(u8),
    CleanupStale,
    /// Lets time pass, timers firing when they are due.
    Advance(u64),
    /// Lets time pass while the loop is busy; timers fire late.
    Sleep(u64),
    /// Somebody sets the wall clock.
    SetClock(i64),
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 0..3u8;
    let ms = prop_oneof![6 => 0..150u64, 2 => 0..3_000u64, 1 => 0..2_400_000u64];
    let step = prop_oneof![
        4 => id.clone().prop_map(Step::Create),
        12 => (id.clone(), -0.5..1.5f64, any::<u32>()).prop_map(|(id, progress, rows)| {
            Step::Update(id, progress, rows)
        }),
        1 => id.clone().prop_map(Step::Complete),
        1 => id.clone().prop_map(Step::Fail),
        1 => id.clone().prop_map(Step::Cancel),
        1 => id.clone().prop_map(Step::Request),
        1 => id.clone().prop_map(Step::Manage),
        1 => id.prop_map(Step::Cleanup),
        1 => Just(Step::CleanupStale),
        8 => ms.clone().prop_map(Step::Advance),
        2 => ms.prop_map(Step::Sleep),
        2 => (-5_000..5_000i64).prop_map(Step::SetClock),
    ];
    prop::collection::vec(step, 1..120)
}

fn id(number: u8) -> Uuid {
    Uuid::from_u128(u128::from(number) + 1)
}

impl World {
    /// Does a step; whether it was taken, where it is a verb.
    pub(super) fn do_step(&mut self, step: &Step) -> bool {
        let (now, wheel) = (self.now, &mut self.wheel);
        match *step {
            Step::Create(number) => self
                .tracker
                .create_session_with_id(now, wheel, id(number), SessionOptions::default())
                .is_ok(),
            Step::Update(number, progress, rows) => self
                .update(id(number), progress, json!({"processed_rows": rows}))
                .is_ok(),
            Step::Complete(number) => self.complete(id(number), json!({})).is_ok(),
            Step::Fail(number) => self.fail(id(number), json!("broken")).is_ok(),
            Step::Cancel(number) => self.cancel(id(number)).is_ok(),
            Step::Request(number) => {
                let asked = self.tracker.request_cancel(now, wheel, id(number), None);
                asked.is_ok()
            }
            Step::Manage(number) => self.tracker.manage(id(number)).is_ok(),
            Step::Cleanup(number) => self.tracker.cleanup(wheel, id(number)).is_ok(),
            Step::CleanupStale => self.tracker.cleanup_stale_sessions(now, wheel) > 0,
            Step::Advance(ms) => {
                self.advance(ms);
                true
            }
            Step::Sleep(ms) => {
                let until_ms = self.now.mono_ms + ms;
                self.step_to(until_ms);
                self.fire();
                true
            }
            Step::SetClock(ms) => {
                self.now.unix_ms = self.now.unix_ms.saturating_add_signed(ms);
                true
            }
        }
    }
}

/// What is known from outside about the session of one id.
#[derive(Debug, Default)]
struct Shadow {
    /// What its producer has told last.
    progress: f64,
    rows: u32,
    updated: bool,
    /// What its events have told.
    is_open: bool,
    told_progress: f64,
    told_rows: u64,
    last_progress_event: Option<Now>,
}

struct Check {
    world: World,
    /// The last `seq` that each id was told with, over all its sessions.
    seqs: BTreeMap<Uuid, u64>,
    shadows: BTreeMap<Uuid, Shadow>,
    asked: Vec<Uuid>,
}

impl Check {
    fn new() -> Self {
        Check {
            world: World::new(),
            seqs: BTreeMap::new(),
            shadows: BTreeMap::new(),
            asked: Vec::new(),
        }
    }

    fn take(&mut self, step: Step) {
        let taken = self.world.do_step(&step);
        self.look();
        if let (Step::Update(number, progress, rows), true) = (step, taken) {
            let shadow = self.shadows.get_mut(&id(number)).unwrap();
            shadow.progress = shadow.progress.max(progress.clamp(0.0, 1.0));
            shadow.rows = rows;
            shadow.updated = true;
        }
    }

    /// Looks at everything that has come out.
    fn look(&mut self) {
        self.world.drain();
        for (now, output) in std::mem::take(&mut self.world.outputs) {
            match output {
                Output::Emit {
                    event,
                    session,
                    payload,
                    ..
                } => {
                    let payload: Value = serde_json::from_str(&payload).unwrap();
                    assert_eq!(payload["timestamp"], now.rfc3339());
                    self.look_at_event(now, session.unwrap(), event, &payload);
                }
                Output::Progress { .. } => unreachable!("the world has made an event of it"),
                Output::CancelAsked { id, .. } => {
                    assert!(self.shadows[&id].is_open && !self.asked.contains(&id));
                    self.asked.push(id);
                }
                Output::CancelAnswered { id, .. } => {
                    assert!(!self.shadows[&id].is_open, "answers come after the event");
                    let place = self.asked.iter().position(|asked| *asked == id);
                    self.asked
                        .remove(place.expect("only who was asked is answered"));
                }
                Output::Changed => unreachable!("nobody writes changes down"),
                Output::Forgotten { id } => {
                    let shadow = self.shadows.remove(&id).unwrap();
                    assert!(!shadow.is_open, "forgotten before its end");
                }
            }
        }
    }

    fn look_at_event(&mut self, now: Now, id: Uuid, event: &str, payload: &Value) {
        let seq = payload["seq"].as_u64().unwrap();
        let last = self.seqs.insert(id, seq);
        assert!(last.is_none_or(|last| seq > last), "{seq} after {last:?}");
        if event == "session_created" {
            let is_new = self
                .shadows
                .insert(
                    id,
                    Shadow {
                        is_open: true,
                        ..Shadow::default()
                    },
                )
                .is_none();
            assert!(is_new, "an id in use was given away");
            return;
        }
        let shadow = self.shadows.get_mut(&id).expect("created comes first");
        assert!(shadow.is_open, "{event} after the end");
        if event == "import_progress" {
            let progress = payload["progress"].as_f64().unwrap();
            assert!((shadow.told_progress..=1.0).contains(&progress));
            shadow.told_progress = progress;
            shadow.told_rows = payload["processed_rows"].as_u64().unwrap();
            assert!(payload["eta_seconds"].as_f64().is_none_or(|eta| eta >= 0.0));
            if let Some(last) = shadow.last_progress_event.replace(now) {
                assert!(now.mono_ms - last.mono_ms >= 100);
                assert!(now.unix_ms.abs_diff(last.unix_ms) >= 100);
            }
        } else {
            shadow.is_open = false;
        }
    }

    /// When things have come to rest, everybody has been told the newest state of every session.
    fn settle(&mut self) {
        self.world.advance(300);
        self.look();
        let open = self.shadows.values().filter(|shadow| shadow.is_open);
        assert_eq!(open.clone().count(), self.world.tracker.active_sessions());
        for shadow in open.filter(|shadow| shadow.updated) {
            // JSON readers may be off by the last bit of a fraction.
            assert!((shadow.told_progress - shadow.progress).abs() < 1e-12);
            assert_eq!(shadow.told_rows, u64::from(shadow.rows));
        }
        let known = self.shadows.len();
        assert_eq!(known, self.world.tracker.held_sessions());
    }

    /// Long afterwards nothing is left but sessions whose host never answered.
    fn outlast(&mut self) {
        self.world.advance(40 * 60_000);
        self.look();
        assert_eq!(self.world.tracker.held_sessions(), self.asked.len());
        assert!(self.world.wheel.is_empty());
    }
}

proptest! {
    #[test]
    fn any_calls_at_any_time_keep_the_promises(steps in steps()) {
        let mut check = Check::new();
        for step in steps {
            check.take(step);
        }
        check.settle();
        check.outlast();
    }
}
