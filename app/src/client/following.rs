//! The session of an import, read again and again until its end.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http::Server;
use super::outcome::Outcome;

/// How often the session is read.
const INTERVAL: Duration = Duration::from_millis(250);
/// How often it is looked whether the upload is through.
const STEP: Duration = Duration::from_millis(10);
/// For how long a server may be out of reach while an import runs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads one session.
pub struct Follower<'a> {
    server: &'a Server,
    path: String,
}

/// What was seen of a session.
pub enum Sight {
    Running(State),
    Ended(Outcome),
    /// The server does not know it: not yet, or not any more.
    Unknown,
}

/// How far an import is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// 0 to 1.
    pub progress: f64,
    pub step: String,
    pub rows: Option<u64>,
    pub eta_seconds: Option<u64>,
}

impl Follower<'_> {
    pub fn new<'a>(server: &'a Server, session: &str) -> Follower<'a> {
        Follower {
            server,
            path: format!("/api/sessions/{session}"),
        }
    }

    pub fn look(&self) -> io::Result<Sight> {
        let answer = self.server.get(&self.path)?;
        let session = &answer.body["session"];
        Ok(match (answer.status, session["status"].as_str()) {
            (200, Some("processing")) => Sight::Running(State::from_json(session)),
            (200, Some("completed")) => Sight::Ended(Outcome::completed(session)),
            (200, Some("error")) => Sight::Ended(Outcome::failed(&session["error"])),
            (410, _) => Sight::Ended(Outcome::Cancelled),
            (404, _) => Sight::Unknown,
            // The server, or a proxy before it, is busy or begins anew.
            (status @ (429 | 502..=504), _) => {
                let message = format!("it answers with status {status}");
                return Err(io::Error::other(message));
            }
            (status, _) => Sight::Ended(Outcome::Broken(format!(
                "the server answered with status {status} when asked about the import"
            ))),
        })
    }

    /// Waits until it is time to look again, or `is_over` says that there is no need to.
    pub fn rest(&self, is_over: impl Fn() -> bool) {
        let until = Instant::now() + INTERVAL;
        while Instant::now() < until && !is_over() {
            thread::sleep(STEP);
        }
    }

    /// Looks until the import has ended.
    pub fn until_end(&self, mut show: impl FnMut(&State)) -> Outcome {
        let mut last_seen = Instant::now();
        loop {
            match self.look() {
                Ok(Sight::Running(state)) => show(&state),
                Ok(Sight::Ended(outcome)) => return outcome,
                Ok(Sight::Unknown) => return Outcome::Forgotten,
                Err(error) if last_seen.elapsed() > PATIENCE => {
                    return Outcome::unreachable(self.server, &error);
                }
                Err(_) => {
                    self.rest(|| false);
                    continue;
                }
            }
            last_seen = Instant::now();
            self.rest(|| false);
        }
    }
}

impl State {
    fn from_json(session: &Value) -> State {
        let step = session["current_step"].as_str().unwrap_or_default();
        State {
            progress: session["progress"].as_f64().unwrap_or_default(),
            step: crate::import::clean(step, 40),
            rows: session["processed_rows"].as_u64(),
            eta_seconds: session["eta_seconds"]
                .as_f64()
                .map(|eta| eta.round() as u64),
        }
    }
}
