//! One progress session: what it remembers, and how updates change it.

use std::cell::OnceCell;
use std::sync::Arc;

use serde::ser::{Serialize, Serializer};
use uuid::Uuid;

use super::metadata::{Metadata, ETA_SECONDS, PROCESSED_ROWS};
use super::object::{Limits, Object};
use super::rate::Rate;
use super::shown::Computed;
use super::times::Times;
use super::view::{EndedView, RunningView};
use super::{Audience, JsonObject, ProgressError, Recipients};
use crate::now::{rfc3339_ms, Now};
use crate::wheel::TimerKey;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// At work.
    Processing,
    /// Ended well.
    Completed,
    /// Ended with an error.
    Error,
    /// Called off, or given up after a long silence.
    Cancelled,
}

impl Status {
    /// The status as clients see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Processing => "processing",
            Status::Completed => "completed",
            Status::Error => "error",
            Status::Cancelled => "cancelled",
        }
    }

    /// Reads a status, as in `?status=completed`.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for any other word.
    pub fn parse(text: &str) -> Result<Self, ProgressError> {
        match text {
            "processing" => Ok(Status::Processing),
            "completed" => Ok(Status::Completed),
            "error" => Ok(Status::Error),
            "cancelled" => Ok(Status::Cancelled),
            _ => Err(ProgressError::invalid(
                "status must be processing, completed, error or cancelled",
            )),
        }
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How a session ended, with what its terminal event tells beyond the session itself.
#[derive(Debug)]
pub(super) enum Outcome {
    Completed {
        /// As given.
        result: Object,
    },
    Failed {
        error: Object,
        partial_results: Object,
    },
    Cancelled {
        reason: String,
        partial_results: Object,
    },
}

impl Outcome {
    pub(super) fn status(&self) -> Status {
        match self {
            Outcome::Completed { .. } => Status::Completed,
            Outcome::Failed { .. } => Status::Error,
            Outcome::Cancelled { .. } => Status::Cancelled,
        }
    }
}

/// The time over which a pace has to be watched before anything is said about it: half a second for the speed, which
/// only tells of the past; two for the time left, which would jump about.
const SPEED_WATCHED_MS: u64 = 500;
const ETA_WATCHED_MS: u64 = 2_000;

/// Ten years: an estimate beyond it says nothing.
const MAX_ETA_SECONDS: f64 = 315_360_000.0;

/// Who may see a session, and who ends it.
#[derive(Debug)]
pub(super) struct Access {
    pub audience: Audience,
    pub owner: Option<Arc<str>>,
    /// Whether the host is to be asked before it is cancelled.
    pub is_managed: bool,
}

/// What of a session's progress has been told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// When it was told last.
    pub last: Option<Now>,
    /// Whether there is an update that was not told yet.
    pub is_due: bool,
}

/// How far the life of a session has come.
#[derive(Debug)]
pub(super) enum Phase {
    Processing {
        /// The reason of the cancellation that the host has been asked for.
        cancel_reason: Option<String>,
    },
    Ended {
        status: Status,
        /// What is left to be read: nothing of a cancelled session, once everybody has been told.
        view: Option<Box<EndedView>>,
    },
}

#[derive(Debug)]
pub(super) struct Session {
    pub id: Uuid,
    /// Its place in the lists: above those of all sessions that were created before it.
    pub number: u64,
    pub access: Access,
    pub phase: Phase,
    /// From 0 to 1, never falling.
    pub progress: f64,
    /// The number of the newest change; see [`Seqs`](super::seq::Seqs).
    pub seq: u64,
    pub metadata: Metadata,
    pub times: Times,
    /// What the host keeps with it.
    pub host_text: Option<Box<str>>,
    pub told: Told,
    /// The Session object, made when somebody asks for it and kept until the session changes.
    pub view: OnceCell<Box<RunningView>>,
    /// Looks whether it has gone stale while it is processing, and has it forgotten once it has ended.
    pub timer: Option<TimerKey>,
    pace: Rate,
    rows_pace: Rate,
    /// How often the text of the Session object was made.
    #[cfg(test)]
    pub views_made: std::cell::Cell<usize>,
}

impl Session {
    pub(super) fn new(
        id: Uuid,
        number: u64,
        seq: u64,
        access: Access,
        now: Now,
        metadata: Metadata,
    ) -> Self {
        let mut session = Session {
            id,
            number,
            access,
            phase: Phase::Processing {
                cancel_reason: None,
            },
            progress: 0.0,
            seq,
            metadata,
            times: Times::new(now),
            host_text: None,
            told: Told::default(),
            view: OnceCell::new(),
            timer: None,
            pace: Rate::default(),
            rows_pace: Rate::default(),
            #[cfg(test)]
            views_made: Default::default(),
        };
        session.observe_rows(now);
        session
    }

    /// Takes an update in, which the caller gives a `seq`. `progress` must be finite; it is clamped to 0..1, and a lower one
    /// than before is passed over.
    pub(super) fn update(
        &mut self,
        now: Now,
        progress: f64,
        metadata: JsonObject,
        limits: Limits,
    ) -> Result<(), ProgressError> {
        self.metadata.merge(metadata, limits)?;
        if progress > self.progress {
            self.progress = progress.min(1.0);
        }
        self.times.update(now);
        self.view.take();
        self.pace.observe(now.mono_ms, self.progress);
        self.observe_rows(now);
        Ok(())
    }

    /// Ends it, at this time and in this way. What is not to be read any more is let go of.
    pub(super) fn end(&mut self, now: Now, seq: u64, outcome: &Outcome) {
        if let Outcome::Completed { .. } = outcome {
            self.progress = 1.0;
        }
        let status = outcome.status();
        self.phase = Phase::Ended { status, view: None };
        // A progress that still waits is dropped: the terminal event carries the last figures.
        self.told.is_due = false;
        self.seq = seq;
        self.times.end(now);
        self.view.take();
        let view = Some(Box::new(self.ended_view(outcome)));
        self.phase = Phase::Ended { status, view };
    }

    /// Memory for it and for what it remembers.
    pub(super) fn memory_bytes(&self) -> usize {
        let running = self.view.get().map_or(0, |view| view.bytes());
        let ended = match &self.phase {
            Phase::Ended {
                view: Some(view), ..
            } => view.bytes(),
            _ => 0,
        };
        let host_text = self.host_text.as_deref().map_or(0, str::len);
        size_of::<Self>() + self.metadata.bytes() + running + ended + host_text
    }

    /// Where it stands.
    pub(super) fn status(&self) -> Status {
        match self.phase {
            Phase::Processing { .. } => Status::Processing,
            Phase::Ended { status, .. } => status,
        }
    }

    /// The reason of the cancellation that the host of a session at work has been asked for.
    pub(super) fn cancel_reason(&self) -> Option<&str> {
        match &self.phase {
            Phase::Processing { cancel_reason } => cancel_reason.as_deref(),
            Phase::Ended { .. } => None,
        }
    }

    /// Begins to watch the pace, from where it stands now.
    pub(super) fn watch_from(&mut self, now: Now) {
        self.pace.observe(now.mono_ms, self.progress);
        self.observe_rows(now);
    }

    fn observe_rows(&mut self, now: Now) {
        if let Some(rows) = self.metadata.number(&PROCESSED_ROWS) {
            self.rows_pace.observe(now.mono_ms, rows);
        }
    }

    pub(super) fn recipients(&self) -> Recipients {
        match self.access.audience {
            Audience::Everybody => Recipients::Everybody,
            Audience::Trackers | Audience::Owner => Recipients::Session(self.id),
        }
    }

    pub(super) fn is_processing(&self) -> bool {
        self.status() == Status::Processing
    }

    pub(super) fn is_silent_for(&self, now: Now, ms: u64) -> bool {
        self.is_processing() && self.times.silent_ms(now) >= ms
    }

    /// Whole seconds to the end, as far as the pace tells. Of a stalled session nothing can be said.
    pub(super) fn eta_seconds(&self, now: Now, stalled_after_ms: u64) -> Option<u64> {
        if self.is_silent_for(now, stalled_after_ms) {
            return None;
        }
        let seconds = self.pace.seconds_to(1.0, now.mono_ms, ETA_WATCHED_MS)?;
        (seconds <= MAX_ETA_SECONDS).then(|| seconds.round() as u64)
    }

    /// The figures that go with the metadata. A producer's own estimate of the time left counts before `eta_seconds`.
    pub(super) fn computed(&self, now: Now, eta_seconds: Option<u64>) -> Computed {
        let given = self.metadata.number(&ETA_SECONDS);
        let left = given.or(eta_seconds.map(|seconds| seconds as f64));
        let left = left.filter(|seconds| self.is_processing() && *seconds <= MAX_ETA_SECONDS);
        let per_ms = self.rows_pace.per_ms(now.mono_ms, SPEED_WATCHED_MS);
        Computed {
            processing_speed: per_ms.map(|per_ms| speed_text(per_ms * 1000.0)),
            estimated_completion: left
                .map(|seconds| rfc3339_ms(now.unix_ms.saturating_add((seconds * 1000.0) as u64))),
        }
    }
}

/// Rows per second in whole numbers, except for work so slow that it would seem to stand still.
fn speed_text(per_second: f64) -> String {
    if per_second < 1.0 {
        format!("{per_second:.1} rows/sec")
    } else {
        format!("{per_second:.0} rows/sec")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_as_they_are_written() {
        for status in [
            Status::Processing,
            Status::Completed,
            Status::Error,
            Status::Cancelled,
        ] {
            assert_eq!(Status::parse(status.as_str()), Ok(status));
        }
        assert!(Status::parse("Completed").is_err());
    }

    #[test]
    fn speed_is_told_in_rows_per_second() {
        assert_eq!(speed_text(65.4), "65 rows/sec");
        assert_eq!(speed_text(352_941.0), "352941 rows/sec");
        assert_eq!(speed_text(0.25), "0.2 rows/sec");
    }
}
