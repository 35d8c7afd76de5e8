//! Behaviours of the tracker as a whole, in made-up time.

mod cancelling;
mod changes;
mod ends;
mod lists;
mod numbers;
mod property;
mod timing;
mod verbs;

use serde_json::Value;
use uuid::Uuid;

use super::*;
use crate::timer::Timer;
use crate::wheel::Wheel;

/// 2025-01-12T10:30:00.000Z
const START_UNIX_MS: u64 = 1_736_677_800_000;

const MEMORY: MemoryUsage = MemoryUsage {
    used_mb: Some(156),
    available_mb: Some(356),
};

/// A tracker with its wheel and its time.
struct World {
    tracker: ProgressTracker,
    wheel: Wheel<Timer>,
    now: Now,
    outputs: Vec<(Now, Output)>,
    created: u128,
}

impl World {
    fn new() -> Self {
        // Most tests count events, and heartbeats would be among them.
        World::with(ProgressConfig {
            heartbeat_ms: 0,
            ..ProgressConfig::default()
        })
    }

    fn with(config: ProgressConfig) -> Self {
        let now = Now {
            mono_ms: 5_000,
            unix_ms: START_UNIX_MS,
        };
        let mut wheel = Wheel::new(now.mono_ms);
        World {
            tracker: ProgressTracker::new(config, now, &mut wheel),
            wheel,
            now,
            outputs: Vec::new(),
            created: 0,
        }
    }

    /// Lets time pass, and fires each timer when it is due.
    fn advance(&mut self, ms: u64) {
        self.drain();
        let until_ms = self.now.mono_ms + ms;
        while let Some(at_ms) = self
            .wheel
            .next_deadline()
            .filter(|at_ms| *at_ms <= until_ms)
        {
            self.step_to(at_ms);
            self.fire();
        }
        self.step_to(until_ms);
    }

    /// Moves both clocks without firing anything, as a busy loop would.
    fn step_to(&mut self, mono_ms: u64) {
        let ms = mono_ms.saturating_sub(self.now.mono_ms);
        self.now.mono_ms += ms;
        self.now.unix_ms += ms;
    }

    fn fire(&mut self) {
        while let Some((_, timer)) = self.wheel.expire(self.now.mono_ms) {
            self.tracker
                .on_timer(self.now, &mut self.wheel, timer, MEMORY);
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.tracker.poll_output() {
            // As to a client that takes everything at once.
            let output = match output {
                Output::Progress {
                    id,
                    slot,
                    recipients,
                } => Output::Emit {
                    event: "import_progress",
                    session: Some(id),
                    recipients,
                    payload: self.tracker.progress_payload(slot).expect("it is at work"),
                },
                output => output,
            };
            self.outputs.push((self.now, output));
        }
    }

    /// What came out since the last call.
    fn outputs(&mut self) -> Vec<Output> {
        self.drain();
        self.outputs.drain(..).map(|(_, output)| output).collect()
    }

    /// The events since the last call, with their payloads.
    fn events(&mut self) -> Vec<(&'static str, Value)> {
        let outputs = self.outputs();
        let events = outputs.iter().filter_map(|output| match output {
            Output::Emit { event, payload, .. } => {
                Some((*event, serde_json::from_str(payload).unwrap()))
            }
            _ => None,
        });
        events.collect()
    }

    /// The payload of the only event since the last call.
    fn event(&mut self, name: &str) -> Value {
        let mut events = self.events();
        assert_eq!(events.len(), 1, "{events:?}");
        let (event, payload) = events.remove(0);
        assert_eq!(event, name);
        payload
    }

    fn create(&mut self, metadata: Value) -> Uuid {
        self.created += 1;
        let random = self.created.to_be_bytes();
        let made =
            self.tracker
                .create_session(self.now, &mut self.wheel, random, options(metadata));
        self.drain();
        made.unwrap()
    }

    fn update(&mut self, id: Uuid, progress: f64, metadata: Value) -> Result<(), ProgressError> {
        let (now, wheel) = (self.now, &mut self.wheel);
        let done = self
            .tracker
            .update_progress(now, wheel, id, progress, object(metadata));
        self.drain();
        done
    }

    fn complete(&mut self, id: Uuid, result: Value) -> Result<(), ProgressError> {
        self.tracker
            .complete_session(self.now, &mut self.wheel, id, object(result))
    }

    fn fail(&mut self, id: Uuid, error: Value) -> Result<(), ProgressError> {
        self.tracker
            .error_session(self.now, &mut self.wheel, id, error, None)
    }

    fn cancel(&mut self, id: Uuid) -> Result<String, ProgressError> {
        self.tracker
            .cancel_session(self.now, &mut self.wheel, id, None, None)
    }

    fn session(&self, id: Uuid) -> Value {
        let text = self.tracker.session(self.now, id).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The ids in the list of this status, the newest first.
    fn listed(&self, status: Option<Status>) -> Vec<String> {
        let query = ListQuery {
            status,
            ..ListQuery::default()
        };
        ids(&self.page(&query))
    }

    fn page(&self, query: &ListQuery) -> SessionPage {
        self.tracker.sessions(self.now, query)
    }
}

/// The sessions on a page.
fn sessions(page: &SessionPage) -> Vec<Value> {
    serde_json::from_str(&page.sessions).unwrap()
}

fn ids(page: &SessionPage) -> Vec<String> {
    let sessions = sessions(page);
    let ids = sessions.iter().map(|session| session["id"].as_str());
    ids.map(|id| id.unwrap().to_owned()).collect()
}

fn object(value: Value) -> JsonObject {
    object_argument(Some(value), "the test's value").unwrap()
}

fn options(metadata: Value) -> SessionOptions {
    SessionOptions {
        metadata: object(metadata),
        ..SessionOptions::default()
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, ProgressError>) -> ErrorCode {
    result.unwrap_err().code
}
