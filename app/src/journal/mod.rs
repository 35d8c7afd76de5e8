//! The journal of progress sessions: one SQLite file, `sessions.db`, in the data directory.
//!
//! ```text
//! loop ── changes ──▶ waiting ── batch ──▶ writer (a thread) ──▶ sessions.db
//!      ◀───────────── confirmed ──────────┘
//! ```
//!
//! It is a file of its own with a thread of its own, so that the merge of an import never holds up a session. The loop hands
//! changes over and never waits. The thread writes all that waits in one transaction, and meanwhile the next batch gathers. What
//! has to last is synced to the disk before it is confirmed; progress is handed to the operating system, so that it outlives the
//! program, if not a power cut.

mod answers;
mod read;
mod schema;
mod waiting;
mod write;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pulsewheel::progress::{JsonObject, ProgressError, SessionRecord, Status};
use pulsewheel::{Endpoint, Handle};
use rusqlite::Connection;
use serde_json::json;

use crate::serve::{Alerts, Answers};
use crate::store::{Reader, StoreError};
use waiting::Waiting;

pub use schema::VERSION as SCHEMA_VERSION;

pub use answers::{AnswerChange, AnsweredRequest, Hash, KeptAnswer, Renewed};
pub use read::{Change, EndedFilter, EndedPlace, JournalReader, KeptAlert};

/// The file, in the data directory.
pub const DATABASE_FILE: &str = "sessions.db";

/// The journal as it was found when the program starts.
pub struct Journal {
    directory: PathBuf,
    connection: Connection,
}

/// The journal as the loop sees it.
pub struct Journaling {
    waiting: Arc<Waiting>,
    answers: Arc<Answers>,
    thread: JoinHandle<()>,
}

/// How quickly the disk takes what is written.
pub struct Pace(Arc<Waiting>);

impl Pace {
    /// How long the last write took, or the one that goes on takes if that is longer by now.
    pub fn write_time(&self) -> Duration {
        self.0.write_time(Instant::now())
    }
}

impl Journal {
    /// Opens the file in a directory that is this process's alone, and makes it if need be.
    ///
    /// # Errors
    /// It can't be used, or was written by a newer version of the program.
    pub fn open(directory: &Path) -> Result<Journal, StoreError> {
        let connection = schema::open(&directory.join(DATABASE_FILE))?;
        Ok(Journal {
            directory: directory.to_owned(),
            connection,
        })
    }

    /// Brings all sessions back, in the order of their creation; gives each to `restored`. Imports that ran have ended: with the
    /// summary that `findings` has of them, or else as interrupted.
    pub fn restore(
        &self,
        endpoint: &mut Endpoint,
        findings: &Reader,
        mut restored: impl FnMut(&SessionRecord),
    ) -> Result<(), StoreError> {
        let mut count = 0;
        for text in write::live_records(&self.connection)? {
            let record = SessionRecord::parse(&text);
            let done = record.and_then(|record| {
                if endpoint.progress().restore(&record)? {
                    restored(&record);
                    count += 1;
                    end_import(endpoint, findings, &record)?;
                }
                Ok(())
            });
            if let Err(error) = done {
                log::error!("a session of the journal can't be restored: {error}");
            }
        }
        if count > 0 {
            log::info!("{count} sessions are restored");
        }
        Ok(())
    }

    /// A connection for looking things up, on any thread.
    pub fn reader(&self) -> Result<JournalReader, StoreError> {
        JournalReader::open(&self.directory)
    }

    /// The requests of which the answer is kept, in the order in which they came, each with the size of its text.
    pub fn answered(&self) -> Result<Vec<(AnsweredRequest, usize)>, StoreError> {
        answers::answered(&self.connection)
    }

    /// Begins to write, `answers` among the rest; people hear of it when that fails.
    pub fn start(
        self,
        handle: Handle,
        alerts: Arc<Alerts>,
        answers: Arc<Answers>,
    ) -> io::Result<Journaling> {
        let waiting = Arc::new(Waiting::default());
        let of_thread = (waiting.clone(), answers.clone());
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                let (waiting, answers) = of_thread;
                writer::write_all(self.connection, &waiting, &handle, &alerts, &answers);
            })?;
        Ok(Journaling {
            waiting,
            answers,
            thread,
        })
    }
}

impl Journaling {
    /// Hands over what has changed and has to last. To be called after whatever may have changed something.
    pub fn follow(&self, endpoint: &mut Endpoint) {
        if endpoint.progress().has_urgent_changes() {
            self.take(endpoint);
        }
    }

    /// Hands over what has changed, as far as there is room; the rest follows.
    pub fn take(&self, endpoint: &mut Endpoint) {
        self.waiting.take(endpoint, &self.answers);
    }

    /// How quickly the disk takes what is written, for another thread to look at.
    pub fn pace(&self) -> Pace {
        Pace(self.waiting.clone())
    }

    /// Whether nothing that has to last can be written now, so that it had better not be begun.
    pub fn is_failing(&self) -> bool {
        self.waiting.is_failing()
    }

    /// Hands over all that has changed. To be called when the loop has come to its end.
    pub fn take_all(&self, endpoint: &mut Endpoint) {
        self.waiting.take_all(endpoint, &self.answers);
    }

    /// Writes what is left. To be called when the server is gone.
    pub fn end(self) {
        self.waiting.close();
        if self.thread.join().is_err() {
            log::error!("the journal's thread has panicked");
        }
    }
}

/// Ends a session that was an import's: nobody works on it any more.
fn end_import(
    endpoint: &mut Endpoint,
    findings: &Reader,
    record: &SessionRecord,
) -> Result<(), ProgressError> {
    let info = record.info();
    if info.status != Status::Processing || !info.is_managed {
        return Ok(());
    }
    let created_ms = i64::try_from(record.created_ms()).unwrap_or(i64::MAX);
    let committed = findings.completed_import(&info.id.to_string(), created_ms);
    match committed {
        // Killed between its commit and the end of its session.
        Ok(Some(import)) => {
            let mut result = JsonObject::new();
            result.insert("import_id".to_owned(), import.import_id.into());
            result.insert("summary".to_owned(), import.summary.unwrap_or_default());
            endpoint.progress().complete_session(info.id, result)
        }
        Ok(None) | Err(_) => {
            let error = json!({
                "code": "INTERRUPTED",
                "message": "the server ended while this import ran; it has changed nothing",
                "recovery_suggestions": ["Import the file again."],
            });
            let rolled_back = json!({ "rolled_back": true });
            let partial_results = rolled_back.as_object().cloned();
            endpoint
                .progress()
                .error_session(info.id, error, partial_results)
        }
    }
}

#[cfg(test)]
mod tests;
