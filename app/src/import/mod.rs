//! From an upload to findings in the database.
//!
//! ```text
//! body ─▶ form ─▶ decode ─▶ layout, rows ─▶ record ─▶ store
//! chunks  multipart  UTF-8    CSV            one row     staging, merge, commit
//! ```
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

mod body;
mod decode;
mod form;
mod job;
mod layout;
mod queue;
mod record;
mod report;
mod rows;
mod stop;
mod tally;
mod text;

pub use body::{pipe, BodyReader, BodySender, Canceller, HIGH_WATER_BYTES};
pub use form::{boundary, session_id, FormHead, MAX_FILENAME_CHARS, MAX_VENDOR_CHARS};
pub use job::{run, Upload};
pub use queue::{ImportQueue, Turn, MAX_WAITING};
pub use report::{
    Accepted, Cancelled, Completed, DataChange, Failed, FailedRows, ImportError, Performance,
    Progress, Reporter, RequestError, Summary, STEP_MERGING, STEP_READING, STEP_WAITING,
};
pub use rows::{MAX_CELL_BYTES, MAX_RECORD_BYTES};
