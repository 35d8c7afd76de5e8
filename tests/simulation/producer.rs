//! Those who do the work that progress sessions tell of.

use pulsewheel::progress::{session_id_argument, JsonObject, SessionOptions};
use pulsewheel::Endpoint;
use serde_json::json;

use super::held::inside;
use super::host::Host;
use super::script::{Step, Verb};

/// A progress session as its producer knows it.
pub struct Work {
    pub id: String,
    pub progress: f64,
    pub began_at_ms: u64,
    pub updated_at_ms: u64,

    pub is_over: bool,
}

impl Host {
    pub fn work_of(&mut self, id: &str, act: impl FnOnce(&mut Work)) {
        if let Some(work) = self.work.iter_mut().find(|work| work.id == id) {
            act(work);
        }
    }

    /// A step of those who work.
    pub fn produce(&mut self, endpoint: &mut Endpoint, step: &Step) {
        if endpoint.config().progress.is_none() {
            return;
        }
        let now_ms = endpoint.now().mono_ms;
        let object = |value: serde_json::Value| -> JsonObject {
            serde_json::from_value(value).expect("an object")
        };
        if step.verb == Verb::Begin {
            let metadata = object(
                json!({"operation": "import", "total_rows": 1000, "note": "x".repeat(step.amount as usize % 500)}),
            );
            let managed = step.variant.is_multiple_of(2);
            if let Ok(id) = inside(|| {
                endpoint.progress().create_session(SessionOptions {
                    metadata,
                    managed,
                    ..SessionOptions::default()
                })
            }) {
                let work = Work {
                    id: id.to_string(),
                    progress: 0.0,
                    began_at_ms: now_ms,
                    updated_at_ms: now_ms,
                    is_over: false,
                };
                self.work.push(work);
            }
            return;
        }
        let count = self.work.len();
        let Some(work) = self.work.get_mut(step.variant as usize % count.max(1)) else {
            return;
        };
        let id = session_id_argument(&work.id).expect("an id");
        let done = match step.verb {
            Verb::Progress => {
                let progress = (step.amount % 1000) as f64 / 1000.0;
                let done = inside(|| {
                    endpoint.progress().update_progress(
                        id,
                        progress,
                        object(json!({"processed_rows": step.amount})),
                    )
                });
                if done.is_ok() {
                    work.progress = work.progress.max(progress);
                    work.updated_at_ms = now_ms;
                }
                return assert!(
                    done.is_ok() || work.is_over,
                    "a session that runs takes updates"
                );
            }
            Verb::Complete => inside(|| {
                endpoint
                    .progress()
                    .complete_session(id, object(json!({"n": step.amount})))
            }),
            Verb::Fail => inside(|| endpoint.progress().error_session(id, json!("broken"), None)),
            Verb::Cancel => inside(|| endpoint.progress().cancel_session(id, None, None)).map(drop),
            Verb::Forget => return drop(inside(|| endpoint.progress().cleanup(id))),
            other => panic!("{other:?} is none of the host's"),
        };
        assert!(
            done.is_ok() || work.is_over,
            "a session that runs can be ended: {done:?}"
        );
        work.is_over = true;
        work.updated_at_ms = now_ms;
    }
}
