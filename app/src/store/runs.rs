//! Imports that are not in the database yet: those that run, and those that have ended
//! while it could not be written.
//!
//! Only an import that changes findings writes to the database, when it commits. So one
//! that is merged holds up nobody who begins to read, and a full disk is no reason to
//! forget how an import ended. Each of these imports has a small file, its marker, by
//! which the next start knows of it if the program is killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use serde_json::{json, Value};

use super::history::{self, Ending, HistoryEntry, ImportStatus, NewImport, Run};
use super::StoreError;

const MARKER_PREFIX: &str = "import-";
const MARKER_SUFFIX: &str = ".json";

/// The imports of this program that are not in the database.
pub(super) struct Runs {
    directory: PathBuf,
    state: Mutex<State>,
}

struct State {
    next_id: i64,
    runs: BTreeMap<i64, Run>,
}

impl Runs {
    /// Takes what earlier programs left behind into the history.
    pub fn open(directory: &Path, connection: &Connection) -> Result<Runs, StoreError> {
        history::mark_interrupted(connection)?;
        for (path, run) in markers(directory) {
            if history::read(connection, run.id)?.is_none() {
                history::write(connection, &run)?;
            }
            let _ = fs::remove_file(path);
        }
        let last_id: i64 = connection.query_row(
            "SELECT max(coalesce((SELECT max(id) FROM imports), 0),
                 coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'imports'), 0))",
            [],
            |row| row.get(0),
        )?;
        let state = State {
            next_id: last_id + 1,
            runs: BTreeMap::new(),
        };
        Ok(Runs {
            directory: directory.to_owned(),
            state: Mutex::new(state),
        })
    }

    /// An import begins; gives its number.
    pub fn begin(&self, import: &NewImport<'_>) -> i64 {
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id += 1;
        let run = Run::begin(id, import);
        self.mark(&run);
        state.runs.insert(id, run);
        id
    }

    /// One of them has ended without changing a finding.
    pub fn end(&self, id: i64, ending: &Ending<'_>) {
        let mut state = self.lock();
        if let Some(run) = state.runs.get_mut(&id) {
            run.end(ending);
            self.mark(run);
        }
    }

    /// The import of that number.
    pub fn get(&self, id: i64) -> Option<Run> {
        self.lock().runs.get(&id).cloned()
    }

    /// All of them, the newest first.
    pub fn entries(&self) -> Vec<HistoryEntry> {
        self.lock().runs.values().rev().map(Run::entry).collect()
    }

    /// Those that have ended.
    pub fn ended(&self) -> Vec<Run> {
        let state = self.lock();
        let ended = state
            .runs
            .values()
            .filter(|run| run.status != ImportStatus::Running);
        ended.cloned().collect()
    }

    /// These are in the database now.
    pub fn forget(&self, ids: impl IntoIterator<Item = i64>) {
        let mut state = self.lock();
        for id in ids {
            state.runs.remove(&id);
            let _ = fs::remove_file(self.marker(id));
        }
    }

    fn marker(&self, id: i64) -> PathBuf {
        self.directory
            .join(format!("{MARKER_PREFIX}{id}{MARKER_SUFFIX}"))
    }

    /// Where that fails, a killed program forgets this import; nothing else is lost.
    fn mark(&self, run: &Run) {
        let marker = json!({
            "id": run.id,
            "session_id": run.session_id,
            "filename": run.filename,
            "vendor": run.vendor,
            "format": run.format,
            "status": run.status,
            "started_ms": run.started_ms,
            "finished_ms": run.finished_ms,
            "summary": run.summary,
            "error": run.error,
        });
        let _ = fs::write(self.marker(run.id), marker.to_string());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half done in here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The markers in a directory. A program that wrote one of a running import is gone.
fn markers(directory: &Path) -> Vec<(PathBuf, Run)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(MARKER_PREFIX) && name.ends_with(MARKER_SUFFIX)
    });
    let runs = paths.filter_map(|path| {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let run = serde_json::from_str(&text)
            .ok()
            .and_then(|marker| read_marker(&marker));
        if run.is_none() {
            // Cut off while it was written: nothing can be known of it.
            let _ = fs::remove_file(&path);
        }
        Some((path, run?))
    });
    runs.collect()
}

fn read_marker(marker: &Value) -> Option<Run> {
    let text = |name: &str| marker[name].as_str().map(str::to_owned);
    let status = ImportStatus::from_name(marker["status"].as_str()?)?;
    Some(Run {
        id: marker["id"].as_i64()?,
        session_id: text("session_id")?,
        filename: text("filename")?,
        vendor: text("vendor")?,
        format: text("format"),
        status: match status {
            ImportStatus::Running => ImportStatus::Interrupted,
            status => status,
        },
        started_ms: marker["started_ms"].as_i64()?,
        finished_ms: marker["finished_ms"].as_i64(),
        summary: Some(marker["summary"].clone()).filter(|summary| !summary.is_null()),
        error: Some(marker["error"].clone()).filter(|error| !error.is_null()),
    })
}
