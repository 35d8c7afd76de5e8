//! `pulsewheel backup` and `pulsewheel restore`: both databases of a data directory in one file.
//!
//! The file is a SQLite archive (`sqlar`): a database with one row for each file, which
//! `sqlite3 FILE -Ax` unpacks too. It is made while a server runs, and appears whole or not
//! at all.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use rusqlite::{params, Connection, OpenFlags};

use crate::clock::now_ms;
use crate::data_dir::DataDir;
use crate::last_backup::LastBackup;
use crate::{journal, store};

/// The databases, and the newest version of each that this program knows.
const DATABASES: [(&str, u32); 2] = [
    (store::DATABASE_FILE, store::SCHEMA_VERSION),
    (journal::DATABASE_FILE, journal::SCHEMA_VERSION),
];

/// Bytes of a database that a row of an archive can take: SQLite's longest value, less room for the row's other fields.
const MAX_DATABASE_BYTES: u64 = 999_999_000;

const ARCHIVE: &str =
    "CREATE TABLE sqlar (name TEXT PRIMARY KEY, mode INT, mtime INT, sz INT, data BLOB)";

/// Which file, and of which data directory.
#[derive(Args)]
pub struct BackupArgs {
    /// The file with the backup.
    pub file: PathBuf,

    #[command(flatten)]
    pub data_dir: DataDir,
}

/// Why there is no backup, or nothing was restored.
#[derive(Debug)]
pub enum BackupError {
    Io(PathBuf, io::Error),
    Sqlite(PathBuf, rusqlite::Error),
    Store(store::StoreError),
    /// There is no database in the directory.
    Nothing(PathBuf),
    /// The backup would take the place of something that is no file: a device, a pipe or a directory.
    NoFile(PathBuf),
    /// A database has more bytes than a backup can hold.
    TooLarge(&'static str, u64),
    /// The file is no backup, or a database in it is damaged.
    Damaged(PathBuf, &'static str),
    /// There is a backup, and its time could not be written into the data directory.
    Unnoted(io::Error),
    /// A newer version of the program has written this database.
    Newer(&'static str, u32, u32),
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupError::Io(path, error) => write!(f, "{}: {error}", path.display()),
            BackupError::Sqlite(path, error) => write!(f, "{}: {error}", path.display()),
            BackupError::Store(error) => error.fmt(f),
            BackupError::Nothing(path) => write!(f, "{}: there is no database", path.display()),
            BackupError::NoFile(path) => write!(
                f,
                "{}: this is no regular file, and is not replaced",
                path.display()
            ),
            BackupError::TooLarge(name, bytes) => write!(
                f,
                "{name} has {bytes} bytes, a backup holds {MAX_DATABASE_BYTES} of each database at most; \
                 sqlite3 {name} \".backup FILE\" copies it while a server runs"
            ),
            BackupError::Damaged(path, what) => write!(f, "{}: {what}", path.display()),
            BackupError::Unnoted(error) => write!(
                f,
                "the backup is complete, but the data directory can't keep its time: {error}"
            ),
            BackupError::Newer(name, found, known) => write!(
                f,
                "{name} has schema version {found}, this program knows up to {known}"
            ),
        }
    }
}

/// Writes a backup. A file that is there is replaced when the new one is complete. A server may
/// run meanwhile: each database is as it was at one moment. The data directory keeps the time, so
/// that a server knows of the backup.
pub fn backup(args: &BackupArgs) -> Result<(), BackupError> {
    if fs::metadata(&args.file).is_ok_and(|there| !there.is_file()) {
        return Err(BackupError::NoFile(args.file.clone()));
    }
    let begun_ms = u64::try_from(now_ms()).unwrap_or(0);
    let part = beside(&args.file, ".part");
    let written = write_archive(&args.data_dir.path, &part).and_then(|()| {
        sync(&part)?;
        fs::rename(&part, &args.file).map_err(|error| BackupError::Io(args.file.clone(), error))?;
        sync_folder_of(&args.file)
    });
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written?;
    LastBackup::of(&args.data_dir.path)
        .note(begun_ms)
        .map_err(BackupError::Unnoted)
}

/// Puts the databases of a backup into a data directory that no server uses. Those that were
/// there are kept, in the folder that this gives, if there were any.
pub fn restore(args: &BackupArgs) -> Result<Option<PathBuf>, BackupError> {
    let directory = &args.data_dir.path;
    let _lock = store::lock(directory).map_err(BackupError::Store)?;
    let archive = open(&args.file)?;
    let mut restored = Vec::new();
    for (name, known) in DATABASES {
        let path = directory.join(format!("{name}.restoring"));
        if unpack(&archive, &args.file, name, &path)? {
            let checked = check(&path, name, known);
            restored.push((path, directory.join(name)));
            if checked.is_err() {
                restored
                    .iter()
                    .for_each(|(path, _)| drop(fs::remove_file(path)));
                return checked.map(|()| None);
            }
        }
    }
    if restored.is_empty() {
        return Err(BackupError::Damaged(
            args.file.clone(),
            "there is no database in it",
        ));
    }
    let kept = put_aside(directory)?;
    for (from, to) in restored {
        fs::rename(&from, &to).map_err(|error| BackupError::Io(to.clone(), error))?;
    }
    sync(directory)?;
    Ok(kept)
}

fn write_archive(directory: &Path, part: &Path) -> Result<(), BackupError> {
    let of_part = |error| BackupError::Sqlite(part.to_owned(), error);
    remove(part)?;
    let mut archive = Connection::open(part).map_err(of_part)?;
    archive.execute_batch(ARCHIVE).map_err(of_part)?;
    let mut count = 0;
    for (name, known) in DATABASES {
        let path = directory.join(name);
        if !path.exists() {
            continue;
        }
        let copy = beside(part, ".copy");
        remove(&copy)?;
        let copied = copy_database(&path, &copy)
            .and_then(|()| check(&copy, name, known))
            .and_then(|()| pack(&mut archive, part, name, &copy));
        remove(&copy)?;
        copied?;
        count += 1;
    }
    match count {
        0 => Err(BackupError::Nothing(directory.to_owned())),
        _ => Ok(()),
    }
}

/// A copy of a database as it is at one moment.
fn copy_database(path: &Path, copy: &Path) -> Result<(), BackupError> {
    let connection = open(path)?;
    let name = copy.to_string_lossy();
    let copied = connection.execute("VACUUM INTO ?1", [name.as_ref()]);
    copied.map_err(|error| BackupError::Sqlite(path.to_owned(), error))?;
    Ok(())
}

/// Puts a file into an archive, without having all of it in memory.
fn pack(
    archive: &mut Connection,
    part: &Path,
    name: &'static str,
    copy: &Path,
) -> Result<(), BackupError> {
    let of_copy = |error| BackupError::Io(copy.to_owned(), error);
    let of_part = |error| BackupError::Sqlite(part.to_owned(), error);
    let mut from = File::open(copy).map_err(of_copy)?;
    let bytes = from.metadata().map_err(of_copy)?.len();
    if bytes > MAX_DATABASE_BYTES {
        return Err(BackupError::TooLarge(name, bytes));
    }
    let transaction = archive.transaction().map_err(of_part)?;
    transaction
        .execute(
            "INSERT INTO sqlar VALUES (?1, 33152, ?2, ?3, zeroblob(?3))",
            params![
                name,
                now_ms() / 1_000,
                i64::try_from(bytes).unwrap_or(i64::MAX)
            ],
        )
        .map_err(of_part)?;
    let row = transaction.last_insert_rowid();
    let mut to = transaction
        .blob_open("main", "sqlar", "data", row, false)
        .map_err(of_part)?;
    io::copy(&mut from, &mut to).map_err(|error| BackupError::Io(part.to_owned(), error))?;
    to.close().map_err(of_part)?;
    transaction.commit().map_err(of_part)
}

/// Takes a file out of an archive, if it is there.
fn unpack(archive: &Connection, file: &Path, name: &str, to: &Path) -> Result<bool, BackupError> {
    let damaged = |_| BackupError::Damaged(file.to_owned(), "this is no backup");
    let mut rows = archive
        .prepare("SELECT rowid FROM sqlar WHERE name = ?1")
        .map_err(damaged)?;
    let row = rows
        .query_map([name], |row| row.get(0))
        .map_err(damaged)?
        .next();
    let Some(row) = row.transpose().map_err(damaged)? else {
        return Ok(false);
    };
    let mut from = archive
        .blob_open("main", "sqlar", "data", row, true)
        .map_err(damaged)?;
    let of_file = |error| BackupError::Io(to.to_owned(), error);
    let mut file = File::create(to).map_err(of_file)?;
    io::copy(&mut from, &mut file).map_err(of_file)?;
    file.sync_all().map_err(of_file)?;
    Ok(true)
}

/// Whether a database is whole, and of a version that is known.
fn check(path: &Path, name: &'static str, known: u32) -> Result<(), BackupError> {
    let damaged = |_| BackupError::Damaged(path.to_owned(), "the database is damaged");
    let connection = open(path)?;
    let version = connection.query_row("PRAGMA user_version", (), |row| row.get(0));
    let found: u32 = version.map_err(damaged)?;
    if found > known {
        return Err(BackupError::Newer(name, found, known));
    }
    let result = connection.query_row("PRAGMA quick_check(1)", (), |row| row.get::<_, String>(0));
    match result.map_err(damaged)?.as_str() {
        "ok" => Ok(()),
        _ => Err(BackupError::Damaged(
            path.to_owned(),
            "the database is damaged",
        )),
    }
}

/// Moves the databases of a directory into a folder of their own in it, with what belongs to them.
fn put_aside(directory: &Path) -> Result<Option<PathBuf>, BackupError> {
    let folder = directory.join(format!("before-restore-{}", now_ms()));
    let mut kept = None;
    for (name, _) in DATABASES {
        for end in ["", "-wal", "-shm"] {
            let name = format!("{name}{end}");
            let path = directory.join(&name);
            if !path.exists() {
                continue;
            }
            let moved =
                fs::create_dir_all(&folder).and_then(|()| fs::rename(&path, folder.join(&name)));
            moved.map_err(|error| BackupError::Io(path, error))?;
            kept = Some(folder.clone());
        }
    }
    Ok(kept)
}

fn open(path: &Path) -> Result<Connection, BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .map_err(|error| BackupError::Sqlite(path.to_owned(), error))
}

fn remove(path: &Path) -> Result<(), BackupError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BackupError::Io(path.to_owned(), error))
        }
        _ => Ok(()),
    }
}

/// A path in the same folder.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn sync(path: &Path) -> Result<(), BackupError> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|error| BackupError::Io(path.to_owned(), error))
}

fn sync_folder_of(path: &Path) -> Result<(), BackupError> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    sync(folder.unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{NewImport, Store};

    fn args(file: &Path, data_dir: &Path) -> BackupArgs {
        BackupArgs {
            file: file.to_owned(),
            data_dir: DataDir {
                path: data_dir.to_owned(),
            },
        }
    }

    fn imports(directory: &Path) -> u64 {
        let store = Store::open(directory).unwrap();
        let page = store.reader().unwrap().imports(100, 0).unwrap();
        page.total
    }

    fn add_import(store: &Store) {
        let import = NewImport {
            session_id: "s",
            filename: "f.csv",
            vendor: "nessus",
            started_ms: 1,
        };
        drop(store.begin_import(&import).unwrap());
    }

    #[test]
    fn what_was_there_at_the_time_of_the_backup_comes_back_and_what_came_later_is_kept_beside() {
        let temp = tempfile::tempdir().unwrap();
        let (data, file) = (temp.path().join("data"), temp.path().join("backup"));
        let store = Store::open(&data).unwrap();
        let connection = Connection::open(data.join(store::DATABASE_FILE)).unwrap();
        let insert = "INSERT INTO imports (session_id, filename, vendor, status, started_ms) VALUES ('s', 'f', 'v', 'completed', 1)";
        connection.execute(insert, ()).unwrap();
        backup(&args(&file, &data)).unwrap();
        connection.execute(insert, ()).unwrap();
        drop(connection);
        add_import(&store);
        let in_use = restore(&args(&file, &data));
        assert!(matches!(
            in_use,
            Err(BackupError::Store(store::StoreError::InUse(_)))
        ));
        drop(store);
        let kept = restore(&args(&file, &data)).unwrap().unwrap();
        assert_eq!(imports(&data), 1);
        assert!(imports(&kept) >= 2);
        let names = fs::read_dir(temp.path()).unwrap().count();
        assert_eq!(
            names, 2,
            "nothing is left beside the backup and the directory"
        );
    }

    #[test]
    fn what_is_no_backup_or_of_the_future_changes_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let (data, file) = (temp.path().join("data"), temp.path().join("backup"));
        let nothing = backup(&args(&file, &data));
        assert!(
            matches!(nothing, Err(BackupError::Nothing(_))),
            "{nothing:?}"
        );
        assert!(!file.exists());
        drop(Store::open(&data).unwrap());
        backup(&args(&file, &data)).unwrap();
        let copy = temp.path().join("copy");
        drop(Store::open(&copy).unwrap());
        let connection = Connection::open(copy.join(store::DATABASE_FILE)).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        let newer = backup(&args(&file, &copy));
        assert!(matches!(newer, Err(BackupError::Newer(..))), "{newer:?}");
        restore(&args(&file, &data)).unwrap();
        fs::write(&file, "x".repeat(5_000)).unwrap();
        let damaged = restore(&args(&file, &data));
        assert!(
            matches!(damaged, Err(BackupError::Damaged(..))),
            "{damaged:?}"
        );
        assert!(data.join(store::DATABASE_FILE).exists());
    }

    #[test]
    fn a_database_that_is_too_large_for_a_backup_is_named_with_another_way_to_copy_it() {
        let temp = tempfile::tempdir().unwrap();
        let copy = temp.path().join("copy");
        File::create(&copy)
            .unwrap()
            .set_len(MAX_DATABASE_BYTES + 1)
            .unwrap();
        let mut archive = Connection::open_in_memory().unwrap();
        archive.execute_batch(ARCHIVE).unwrap();
        let error = pack(&mut archive, temp.path(), store::DATABASE_FILE, &copy).unwrap_err();
        let told = error.to_string();
        assert!(
            told.starts_with("pulsewheel.sqlite has 999999001 bytes"),
            "{told}"
        );
        assert!(told.contains("sqlite3 pulsewheel.sqlite"), "{told}");
    }
}
