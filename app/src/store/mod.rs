//! The database of findings: one SQLite file, `pulsewheel.sqlite`, in the data
//! directory.
//!
//! [`Store`] is opened once. Each import gets its own [`ImportWriter`], those who
//! look something up a [`Reader`]; they do not wait for each other. A lock file
//! keeps a second program out of the directory.
//!
//! An import first collects its records in a file of its own, `staging.sqlite`,
//! which nobody else sees. Only then, in one transaction, are they compared with
//! what is known and written: a reader sees an import whole or not at all.

mod history;
mod merge;
mod merge_sql;
mod query;
mod schema;
mod staging;

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

pub use history::{Ending, HistoryEntry, ImportStatus, NewImport};
pub use merge::{MergeCounts, MergePlan, MergeStop, Resolve};
pub use query::{FindingFilter, FindingRow, Page, Reader, MAX_PAGE};
pub use staging::{ImportWriter, Record};

const DATABASE_FILE: &str = "pulsewheel.sqlite";
const STAGING_FILE: &str = "staging.sqlite";
const LOCK_FILE: &str = "lock";

/// How long a connection waits for another one's write before it gives up. Only
/// the entries of the history ever wait: for the merge of a running import.
const BUSY_TIMEOUT_MS: u32 = 60_000;
/// Memory that SQLite may use for pages of the database, per connection.
const CACHE_KIB: u32 = 6 * 1024;

/// The opened data directory. Share it by reference or in an `Arc`.
pub struct Store {
    directory: PathBuf,
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
        let io = |error| StoreError::Directory(directory.to_owned(), error);
        fs::create_dir_all(directory).map_err(io)?;
        let lock = File::create(directory.join(LOCK_FILE)).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(directory.to_owned())),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let store = Store {
            directory: directory.to_owned(),
            _lock: lock,
        };
        staging::remove_file(&store.staging_path()).map_err(io)?;
        let mut connection = store.connect()?;
        schema::migrate(&mut connection)?;
        history::mark_interrupted(&connection)?;
        Ok(store)
    }

    /// A connection for looking things up. It may be used on any thread, one
    /// thread at a time, also while an import writes.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.database_path(), flags)?;
        connection.pragma_update(None, "busy_timeout", BUSY_TIMEOUT_MS)?;
        connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB / 3))?;
        Ok(Reader::new(connection))
    }

    /// Writes a new import into the history and makes ready to collect its
    /// records. One at a time: they share the staging file.
    pub fn begin_import(&self, import: &NewImport<'_>) -> Result<ImportWriter, StoreError> {
        ImportWriter::begin(self.connect()?, self.staging_path(), import)
    }

    /// Writes an import into the history that ended before it had its turn.
    pub fn record_unstarted(
        &self,
        import: &NewImport<'_>,
        ending: &Ending<'_>,
    ) -> Result<i64, StoreError> {
        let connection = self.connect()?;
        let id = history::insert(&connection, import)?;
        history::finish(&connection, id, ending)?;
        Ok(id)
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        let connection = Connection::open(self.database_path())?;
        connection.pragma_update(None, "busy_timeout", BUSY_TIMEOUT_MS)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // One sync per import is cheap, and what was reported as done stays.
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
        connection.pragma_update(None, "journal_size_limit", 8 * 1024 * 1024)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(connection)
    }

    fn database_path(&self) -> PathBuf {
        self.directory.join(DATABASE_FILE)
    }

    fn staging_path(&self) -> PathBuf {
        self.directory.join(STAGING_FILE)
    }
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
                known: 1
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
