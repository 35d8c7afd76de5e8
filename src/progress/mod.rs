//! Progress sessions: who works on what, how far it has come, and the eight events that tell people so.
//!
//! [`ProgressTracker`] is a state machine without I/O and without a clock. The time comes in as [`Now`], deadlines go
//! into the caller's timer wheel, and what is to be sent comes out of [`ProgressTracker::poll_output`]:
//!
//! 1. Call a verb (`create_session`, `update_progress`, ...), or [`ProgressTracker::on_timer`] for each timer that fired.
//! 2. Then call [`ProgressTracker::poll_output`] until it returns `None`, and do what each [`Output`] says, in that order.
//!
//! ```text
//!   verb, timer ──▶ tracker ──▶ session ──▶ payload ──▶ Output::Emit
//!                 (ending: how      ├ view     (the Session object; list: pages of them; record: to be written down)
//!                 sessions end;     ├ metadata (limits, lifted fields; clean: what strings may hold)
//!                 seq: numbers      └ rate     (eta_seconds, processing_speed)
//!                 of changes;
//!                 pulse: when progress leaves;
//!                 changes: what is to be written)
//!                      └ notice (data_updated, system_alert, heartbeat)
//! ```
//!
//! A session's events come in one order: `session_created`, any number of `import_progress`, exactly one of
//! `import_complete`, `import_error` and `import_cancelled`. Payloads name their fields in the order of the documented
//! events; maps whose keys a producer chose (`metadata` and the like) are sorted by key.
//!
//! # Memory
//!
//! A session at work holds its metadata as JSON text, at most 64 keys of it, and once somebody has asked for it the text of
//! its Session object, until it changes. After its end it holds that object and its result, both as text. So all sessions
//! together hold at most `max_sessions * (2 * max_metadata_bytes + 2 * max_result_bytes + about 8 KiB)`.

mod changes;
mod clean;
pub mod command;
mod ending;
mod error;
mod info;
mod input;
mod list;
mod metadata;
mod notice;
mod object;
mod payload;
mod pulse;
mod rate;
mod record;
mod seq;
mod session;
mod shown;
#[cfg(test)]
mod tests;
mod times;
mod tracker;
mod view;

use uuid::Uuid;

use crate::now::Now;
use crate::slots::Key;

pub use changes::{Changes, SentAlert, SessionChange};
pub use command::Command;
pub use error::{ErrorCode, ProgressError};
pub use info::SessionInfo;
pub use input::{object_argument, progress_argument, session_id_argument};
pub use list::{Cursor, ListQuery, SessionPage};
pub use record::SessionRecord;
pub use seq::SeqState;
pub use session::Status;
pub use tracker::ProgressTracker;

/// A JSON object as a caller hands it over.
pub type JsonObject = serde_json::Map<String, serde_json::Value>;

/// The limits and times of progress sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressConfig {
    /// Least time between two pulses, at which the progress of all sessions with news is sent, in milliseconds, by both
    /// clocks. Default 100: the eye sees no more than ten steps a second. Updates in between conflate to the newest.
    pub throttle_ms: u64,
    /// Time without an update after which a processing session is shown as `stalled`, in milliseconds. Default 30,000.
    pub stalled_after_ms: u64,
    /// Time without an update after which a processing session is cancelled with reason `stale`, in milliseconds.
    /// Default 30 minutes.
    pub stale_after_ms: u64,
    /// How long a session is remembered after its end, in milliseconds. Default 5 minutes: long enough for a page that
    /// is loaded again to still see how it went.
    pub retention_ms: u64,
    /// Time between two `heartbeat` events, in milliseconds. Default 30,000; 0 sends none.
    pub heartbeat_ms: u64,
    /// Sessions held at the same time, those that have ended and are still remembered included. Default 1,000. For one more
    /// the oldest that has ended is forgotten before its time. If all are at work, the oldest that was never updated and is not
    /// managed by the host gives way: it is cancelled with the reason `evicted`, and forgotten. If there is none of these either, one
    /// more is refused with [`ErrorCode::ServerOverload`].
    pub max_sessions: usize,
    /// Size of a session's merged metadata as compact JSON, in bytes. Default 16 KiB; an update beyond it is refused
    /// with [`ErrorCode::PayloadTooLarge`] and changes nothing.
    pub max_metadata_bytes: usize,
    /// Levels of objects and arrays in metadata, the metadata object itself being the first. Default 16; deeper is
    /// [`ErrorCode::InvalidArgument`].
    pub max_metadata_depth: usize,
    /// Keys of all objects in a session's merged metadata together. Default 64: what a page can show, and a bound for what
    /// tiny keys cost beside their text. More is [`ErrorCode::InvalidArgument`].
    pub max_metadata_keys: usize,
    /// Size of a result, of an error with its partial results, and of the payload of `data_updated` and
    /// `system_alert`, as compact JSON, in bytes. Default 64 KiB; more is [`ErrorCode::PayloadTooLarge`].
    pub max_result_bytes: usize,
    /// Levels of objects and arrays in the same. Default 64: half of what common JSON readers take, so that every
    /// client can read the event around it. Deeper is [`ErrorCode::InvalidArgument`].
    pub max_result_depth: usize,
    /// Size of the reason of a cancellation, in bytes. Default 1 KiB; more is [`ErrorCode::PayloadTooLarge`].
    pub max_reason_bytes: usize,
    /// Size of the array of a page of a list, in bytes. Default 256 KiB. A page has one session at least, however large.
    pub max_page_bytes: usize,
    /// Least `seq` that is given out. Default 0, which is right for a server that forgets all sessions when it ends and whose
    /// clock does not go back. Otherwise one more than the highest of the run before, see [`SeqState::highest`].
    pub first_seq: u64,
    /// Up to here the wall clock counts for `seq`. Default `u64::MAX`. A host that writes down how far numbers may have come,
    /// ahead of their use, names here what it has written, and raises it with [`ProgressTracker::reserve_seq`] when it has
    /// written more; a clock that jumps ahead then waits for that.
    pub reserved_seq: u64,
    /// Who gets the events of a session that does not say so itself. Default [`Audience::Everybody`].
    pub audience: Audience,
    /// Whether changes are kept until they are taken ([`ProgressTracker::take_changes`]), for a host that writes sessions down
    /// and restores them. Default false, which costs nothing. With it [`Output::Changed`] tells when there is something to take,
    /// and a session that was cancelled is held whole until then.
    pub changes: bool,
    /// Whether a client's `cancel_session` is acknowledged only when the change is confirmed
    /// ([`ProgressTracker::confirm_changes`]); needs `changes`. Default false. Events are sent at once all the same.
    pub confirm_changes: bool,
}

impl Default for ProgressConfig {
    fn default() -> Self {
        ProgressConfig {
            throttle_ms: 100,
            stalled_after_ms: 30_000,
            stale_after_ms: 30 * 60_000,
            retention_ms: 5 * 60_000,
            heartbeat_ms: 30_000,
            max_sessions: 1000,
            max_metadata_bytes: 16 * 1024,
            max_metadata_depth: 16,
            max_metadata_keys: 64,
            max_result_bytes: 64 * 1024,
            max_result_depth: 64,
            max_reason_bytes: 1024,
            max_page_bytes: 256 * 1024,
            first_seq: 0,
            reserved_seq: u64::MAX,
            audience: Audience::Everybody,
            changes: false,
            confirm_changes: false,
        }
    }
}

/// Who gets the events of a session, `session_created` included, finds it in lists, and may track, read and cancel it. What
/// clients may do is decided by the host alone where it has a rule of its own
/// ([`Config::progress_commands`](crate::Config::progress_commands)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Every client of the namespace.
    #[default]
    Everybody,
    /// Only clients that track the session, and those of its owner. Every client that has its id may track and cancel it.
    Trackers,
    /// Only clients of its owner, and those that the host has track it. To all others it does not exist.
    Owner,
}

/// What a session starts with.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// What is known about the work: `operation`, `filename` and whatever else the producer likes.
    pub metadata: JsonObject,
    /// Who gets the events; `None` takes the server's [`ProgressConfig::audience`].
    pub audience: Option<Audience>,
    /// Whose it is: see [`Endpoint::set_owner`](crate::Endpoint::set_owner). Default `None`, and an empty text is nobody either.
    pub owner: Option<String>,
    /// Whether the host wants to be asked before a cancellation takes effect; see [`ProgressTracker::manage`].
    pub managed: bool,
}

impl SessionOptions {
    /// For clients of this owner alone; of an empty text, for nobody.
    pub fn private_to(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self.audience = Some(Audience::Owner);
        self
    }
}

/// Memory figures for the `heartbeat` event, from whoever can ask the operating system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct MemoryUsage {
    /// Resident memory of the process in MiB; `None` where it cannot be known.
    pub used_mb: Option<u64>,
    /// Memory left to the process in MiB, a container's limit respected; `None` where it cannot be known.
    pub available_mb: Option<u64>,
}

/// Who is to get an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// Every client of the namespace.
    Everybody,
    /// The clients that track this session, and those of its owner.
    Session(Uuid),
}

/// What the tracker wants done. To be done in the order it comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send an event.
    Emit {
        /// The event's name.
        event: &'static str,
        /// The session it is about, if any.
        session: Option<Uuid>,
        /// Who gets it.
        recipients: Recipients,
        /// The one argument of the event, as compact JSON text.
        payload: String,
    },
    /// Send `import_progress` of a session, as [`ProgressTracker::progress_payload`] has it. Where it can't go out at once it may
    /// be left out in favour of the next one: only the newest counts.
    Progress {
        /// The session.
        id: Uuid,
        /// Its place among the sessions held, for tables beside them.
        slot: Key,
        /// Who gets it.
        recipients: Recipients,
    },
    /// Tell the host that manages this session to stop and to roll back, and then to call
    /// [`ProgressTracker::cancel_session`]. Comes once per session.
    CancelAsked {
        /// The session.
        id: Uuid,
        /// The reason given, `user_requested` if none was; it is kept for the event.
        reason: String,
    },
    /// Answer everybody who was told [`CancelRequest::Asked`] for this session.
    CancelAnswered {
        /// The session.
        id: Uuid,
        /// The cancelled session as JSON text, or `SESSION_ENDED` when the work ended in another way first.
        answer: Result<String, ProgressError>,
    },
    /// Something has changed, and waits to be taken with [`ProgressTracker::take_changes`]: at once where it has to last,
    /// otherwise with the next pulse. Not said again until that is done.
    Changed,
    /// This session is forgotten; nobody can track it any more, so its room can go.
    Forgotten {
        /// The session.
        id: Uuid,
    },
}

/// What became of a request to cancel a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelRequest {
    /// It is cancelled. Holds the session as JSON text; it cannot be asked for any more.
    Done(String),
    /// The host that manages the session has been asked; [`Output::CancelAnswered`] will follow.
    Asked,
}

/// Milliseconds from one reading of the clock that never goes back to a later one.
fn elapsed_ms(since: Now, now: Now) -> u64 {
    now.mono_ms.saturating_sub(since.mono_ms)
}
