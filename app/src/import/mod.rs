//! From an upload to findings in the database.
//!
//! ```text
//! upload ──▶ file ─────────▶ row ─────────▶ store
//! chunks     what it is:     what it says:  what it does to the findings:
//! of a form  text, Layout    Reading        staging, merge, commit
//! ```
//!
//! The module `scanners` holds, as tables, what the exports of known scanners look like.
//!
//! Everything is pulled, a chunk at a time, on one thread for each import, so
//! memory stays flat and a slow database slows the upload down. [`run`] drives it
//! and reports to a [`Reporter`].
//!
//! What a host does, with the event loop on its own thread:
//!
//! 1. At the head of a request: [`boundary`] of its `Content-Type`, and
//!    [`ImportQueue::join`]; without a place the answer is 503.
//! 2. [`pipe`], and a thread that calls [`run`] with the reading end, the place
//!    and a [`Reporter`].
//! 3. For each piece of the body: [`BodySender::push`], and
//!    [`BodySender::has_room`] to see whether to read the socket further; the
//!    `on_room` of the pipe says when to go on. At the end
//!    [`finish`](BodySender::finish), [`abort`](BodySender::abort) or
//!    [`too_large`](BodySender::too_large).
//! 4. [`Reporter::file_started`] makes the session, [`Reporter::taken_in`]
//!    answers the request, the others become the events of the session.
//! 5. To cancel: [`Canceller::cancel`], and wait for [`Reporter::cancelled`]; if
//!    it gives false the import is being committed and will be completed.

mod error;
mod file;
mod host;
mod job;
mod pace;
mod queue;
mod rejection;
mod report;
mod row;
mod scanners;
mod spelling;
mod stop;
mod tally;
mod telling;
mod text;
mod upload;

use crate::store::Store;
use job::Job;
use pace::Pace;
use stop::Stop;
use telling::Telling;
use upload::Form;

pub use error::{ImportError, RequestError};
pub use queue::{ImportQueue, NoPlace, Turn, MAX_IMPORTS};
pub use rejection::{Reason, RejectedRows};
pub use report::{
    Accepted, Cancelled, Completed, DataChange, Failed, FailedRows, FormHead, Performance,
    Progress, Reporter, Summary, STEP_MERGING, STEP_READING, STEP_WAITING,
};
pub use row::{MAX_CELL_BYTES, MAX_RECORD_BYTES};
pub use scanners::scanner_labels;
pub use text::{clean, MAX_FILENAME_CHARS};
pub use upload::{
    boundary, pipe, session_id, BodyEnd, BodyReader, BodySender, Canceller, Options,
    HIGH_WATER_BYTES, MAX_VENDOR_CHARS, OPTION_NAMES,
};

/// An upload to be imported.
pub struct Upload {
    pub body: BodyReader,
    /// From [`boundary`].
    pub boundary: String,
    /// The `Content-Length`; `None` for a chunked body.
    pub declared_bytes: Option<u64>,
    /// The fields of the URL's query: `sessionId`, `vendor` and those of [`Options`].
    pub query: Vec<(String, String)>,
}

/// Imports an upload, on the calling thread, and tells the reporter everything
/// that happens: see [`Reporter`] for the order. Returns when the whole body has
/// been read and the import has ended. `resident_bytes` gives the size of the
/// process, to find its peak.
pub fn run(
    upload: Upload,
    turn: Turn,
    store: &Store,
    resident_bytes: &dyn Fn() -> Option<u64>,
    reporter: &mut dyn Reporter,
) {
    let body = upload.body.clone();
    let begun = Form::begin(upload.body, &upload.boundary, &upload.query);
    let started = begun.map_err(Stop::from).and_then(|(form, head)| {
        let session_id = reporter.file_started(&head).map_err(Stop::Request)?;
        Ok((form, head, session_id))
    });
    match started {
        Ok((form, head, session_id)) => {
            let pace = Pace::new(store.merge_factor().unwrap_or(1.0));
            let telling = Telling::new(
                &body,
                upload.declared_bytes,
                &head,
                pace,
                resident_bytes,
                reporter,
            );
            Job::new(&body, head, session_id, &telling).run(form, turn, store);
        }
        Err(stop) => {
            let error = match stop {
                Stop::Request(error) => error,
                // Cancelled before there was a session: the host is going down.
                Stop::Cancelled | Stop::Failed(_) => RequestError::Aborted,
            };
            drop(turn);
            body.drain();
            reporter.taken_in(Err(&error));
        }
    }
}
