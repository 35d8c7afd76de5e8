//! The database of findings: one SQLite file, `pulsewheel.sqlite`, in the data
//! directory.
//!
//! [`Store`] is opened once. Each import gets its own [`ImportWriter`], those who
//! look something up a [`Reader`]; they do not wait for each other. A lock file
//! keeps a second program out of the directory.
//!
//! An import first collects its records in a file of its own, which nobody else sees,
//! so that several can be read at a time. Only then, in one transaction, are they
//! compared with what is known and written: a reader sees an import whole or not at
//! all. What the history tells of imports that have not been written stands in
//! the module `runs`.

mod filter;
mod history;
mod joining;
mod mappings;
mod merge;
mod merge_sql;
mod migration;
mod plan;
mod query;
mod rates;
mod runs;
mod schema;
mod snapshot;
mod staged;
mod staging;
mod staging_sql;
mod stats;
mod undo;

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};

use runs::Runs;

pub use filter::{Cursor, FindingFilter, Sort, SortKey};
pub use history::{Ending, HistoryEntry, ImportStatus, NewImport};
pub use plan::{MergeCounts, MergePlan, MergeStop, Resolve};
pub use query::{FindingPage, FindingRow, Page, Port, Reader, MAX_PAGE};
pub use schema::VERSION as SCHEMA_VERSION;
pub use snapshot::Snapshot;
pub use staging::{ImportWriter, Record, Seen, StagedHost, Times};
pub use stats::Statistics;
pub use undo::{UndoError, Undone};

pub const DATABASE_FILE: &str = "pulsewheel.sqlite";
const STAGING_PREFIX: &str = "staging";
const LOCK_FILE: &str = "lock";

/// Stands for the number that a dry run does not have.
const DRY_RUN_ID: i64 = -1;

/// How long a connection waits for another one's write before it gives up.
const BUSY_TIMEOUT_MS: u32 = 60_000;
/// The same for what can be written later as well.
const PATIENCE_MS: u32 = 100;
/// Memory that SQLite may use for pages of the database, per connection, where nobody says how much. Each of the
/// imports that run has one, and what its thread has used once is not given back before it ends.
const CACHE_KIB: u32 = 2 * 1024;

/// The opened data directory. Share it by reference or in an `Arc`.
pub struct Store {
    directory: PathBuf,
    cache_kib: u32,
    runs: Arc<Runs>,
    staging_number: AtomicU64,
    /// Held for its lock, which the system gives back when the process ends.
    _lock: File,
}

/// Why the store cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// The directory or its lock file cannot be made or opened.
    Directory(PathBuf, std::io::Error),
    /// Another process uses the directory.
    InUse(PathBuf),
    /// The database was written by a newer version of the program.
    Newer {
        found: u32,
        known: u32,
    },
    Sqlite(rusqlite::Error),
}

impl Store {
    /// Opens the directory, which is made if need be: brings the database up to
    /// date, marks imports that were killed as interrupted, and removes what they
    /// left behind.
    pub fn open(directory: &Path) -> Result<Store, StoreError> {
        Store::open_with_cache(directory, CACHE_KIB)
    }

    /// The same with so much memory for pages of the database, per connection, in KiB; for
    /// those of a staging file there are three quarters of it.
    pub fn open_with_cache(directory: &Path, cache_kib: u32) -> Result<Store, StoreError> {
        let io = |error| StoreError::Directory(directory.to_owned(), error);
        let lock = lock(directory)?;
        remove_staging_files(directory).map_err(io)?;
        let mut connection = connect(directory, cache_kib)?;
        let version = schema::version(&connection)?;
        if (1..=schema::LAST_REWRITTEN).contains(&version) {
            let copy = directory.join(format!("pulsewheel-version-{version}.sqlite"));
            migration::back_up(&connection, &copy)?;
        }
        schema::migrate(&mut connection)?;
        let runs = Arc::new(Runs::open(directory, &connection)?);
        Ok(Store {
            directory: directory.to_owned(),
            cache_kib,
            runs,
            staging_number: AtomicU64::new(0),
            _lock: lock,
        })
    }

    /// A connection for looking things up. It may be used on any thread, one
    /// thread at a time, also while an import writes.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        let path = self.directory.join(DATABASE_FILE);
        let connection = read_only(&path, i64::from(self.cache_kib))?;
        Ok(Reader::new(connection, self.runs.clone()))
    }

    /// A new import: its records are collected in a staging file of its own.
    pub fn begin_import(&self, import: &NewImport<'_>) -> Result<ImportWriter, StoreError> {
        let id = self.runs.begin(import);
        let writer = self.new_writer(id);
        if writer.is_err() {
            self.runs.forget([id]);
        }
        writer
    }

    /// An import that will not be committed, and of which the history knows nothing.
    pub fn begin_dry_run(&self) -> Result<ImportWriter, StoreError> {
        self.new_writer(DRY_RUN_ID)
    }

    fn new_writer(&self, id: i64) -> Result<ImportWriter, StoreError> {
        let number = self.staging_number.fetch_add(1, Ordering::Relaxed);
        let path = self
            .directory
            .join(format!("{STAGING_PREFIX}-{number}.sqlite"));
        let staging_cache_kib = self.cache_kib / 4 * 3;
        ImportWriter::begin(
            self.connect()?,
            staging_cache_kib,
            self.runs.clone(),
            path,
            id,
        )
    }

    /// Notes an import that ended before it could begin to write; gives its number.
    pub fn record_unstarted(&self, import: &NewImport<'_>, ending: &Ending<'_>) -> i64 {
        let id = self.runs.begin(import);
        self.runs.end(id, ending);
        self.write_endings();
        id
    }

    /// Writes into the history how imports ended that changed nothing. Where that is not
    /// possible now, the next import that is committed does it.
    pub fn write_endings(&self) {
        let ended = self.runs.ended();
        let write = || -> Result<(), StoreError> {
            let mut connection = self.connect()?;
            connection.pragma_update(None, "busy_timeout", PATIENCE_MS)?;
            let transaction = connection.transaction()?;
            for run in &ended {
                history::write(&transaction, run)?;
            }
            Ok(transaction.commit()?)
        };
        if !ended.is_empty() && write().is_ok() {
            self.runs.forget(ended.iter().map(|run| run.id));
        }
    }

    /// Takes back the newest import of a label.
    pub fn undo(&self, import_id: i64) -> Result<Undone, UndoError> {
        undo::undo(&mut self.connect()?, import_id)
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        connect(&self.directory, self.cache_kib)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.write_endings();
    }
}

fn connect(directory: &Path, cache_kib: u32) -> Result<Connection, StoreError> {
    let connection = Connection::open(directory.join(DATABASE_FILE))?;
    connection.pragma_update(None, "busy_timeout", BUSY_TIMEOUT_MS)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // One sync per import is cheap, and what was reported as done stays.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
    connection.pragma_update(None, "journal_size_limit", 8 * 1024 * 1024)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn read_only(path: &Path, cache_kib: i64) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "busy_timeout", BUSY_TIMEOUT_MS)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    Ok(connection)
}

/// Makes a directory if need be, and keeps other processes out of it as long as the file is there.
pub fn lock(directory: &Path) -> Result<File, StoreError> {
    let io = |error| StoreError::Directory(directory.to_owned(), error);
    fs::create_dir_all(directory).map_err(io)?;
    let lock = File::create(directory.join(LOCK_FILE)).map_err(io)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// What killed imports have left behind.
fn remove_staging_files(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(STAGING_PREFIX) && name.ends_with(".sqlite") && path.is_file() {
            staging::remove_file(&path)?;
        }
    }
    Ok(())
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Directory(path, error) => write!(
                f,
                "cannot use the data directory {}: {error}",
                path.display()
            ),
            StoreError::InUse(path) => write!(
                f,
                "the data directory {} is in use by another process",
                path.display()
            ),
            StoreError::Newer { found, known } => {
                write!(
                    f,
                    "the database has schema version {found}, this program knows up to {known}"
                )
            }
            StoreError::Sqlite(error) => write!(f, "database: {error}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        StoreError::Sqlite(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_and_belongs_to_one_process() {
        let temp = tempfile::tempdir().unwrap();
        let directory = temp.path().join("a/b");
        let store = Store::open(&directory).unwrap();
        assert!(matches!(Store::open(&directory), Err(StoreError::InUse(_))));
        drop(store);
        Store::open(&directory).unwrap();
    }

    #[test]
    fn a_path_that_is_no_directory_is_named_in_the_error() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        fs::write(&path, "x").unwrap();
        let Err(error) = Store::open(&path) else {
            panic!("opened a file");
        };
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }

    #[test]
    fn a_database_of_the_future_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        drop(Store::open(temp.path()).unwrap());
        let connection = Connection::open(temp.path().join(DATABASE_FILE)).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        assert!(matches!(
            Store::open(temp.path()),
            Err(StoreError::Newer {
                found: 99,
                known: schema::VERSION
            })
        ));
    }

    #[test]
    fn a_file_that_is_no_database_is_an_error_and_stays() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join(DATABASE_FILE);
        fs::write(&path, "x".repeat(10_000)).unwrap();
        assert!(matches!(
            Store::open(temp.path()),
            Err(StoreError::Sqlite(_))
        ));
        assert_eq!(fs::read(&path).unwrap().len(), 10_000);
    }
}
