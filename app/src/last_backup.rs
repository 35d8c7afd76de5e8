//! When a data directory was last backed up: a file in it holds the time, in milliseconds since the Unix epoch.
//!
//! Where there was no backup yet, it is the time when a server first looked. So nobody is reminded on the first day.

use std::io;
use std::path::{Path, PathBuf};

use crate::number_file;

const FILE: &str = "last-backup";

/// How old the last backup may be.
const DUE_AFTER_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// The file.
pub struct LastBackup {
    path: PathBuf,
}

impl LastBackup {
    /// That of this data directory.
    pub fn of(directory: &Path) -> LastBackup {
        LastBackup {
            path: directory.join(FILE),
        }
    }

    /// Notes that there is a backup of what was there at this time.
    pub fn note(&self, unix_ms: u64) -> io::Result<()> {
        number_file::write(&self.path, unix_ms)
    }

    /// Whether it is time for another backup. Another process may have made one since this was asked last.
    ///
    /// A file that is missing or damaged is written anew, and so is one that a clock ahead of this one has written: the
    /// seven days begin now.
    pub fn is_due(&self, unix_ms: u64) -> io::Result<bool> {
        let noted = match number_file::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            noted => noted?,
        };
        match noted.filter(|noted| *noted <= unix_ms) {
            Some(noted) => Ok(unix_ms - noted >= DUE_AFTER_MS),
            None => self.note(unix_ms).map(|()| false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    #[test]
    fn a_backup_is_due_seven_days_after_the_last_one_or_after_the_first_look() {
        let folder = tempfile::tempdir().unwrap();
        let backup = LastBackup::of(folder.path());
        let start_ms = 1_736_677_800_000;
        for (days, wanted) in [(0, false), (1, false), (6, false), (7, true), (8, true)] {
            let is_due = LastBackup::of(folder.path()).is_due(start_ms + days * DAY_MS);
            assert_eq!(is_due.unwrap(), wanted, "{days}");
        }
        assert!(!backup.is_due(start_ms + 7 * DAY_MS - 1).unwrap());
        backup.note(start_ms + 8 * DAY_MS).unwrap();
        assert!(!backup.is_due(start_ms + 15 * DAY_MS - 1).unwrap());
        assert!(backup.is_due(start_ms + 15 * DAY_MS).unwrap());
    }

    #[test]
    fn a_time_that_can_not_be_is_replaced_by_now() {
        let folder = tempfile::tempdir().unwrap();
        let backup = LastBackup::of(folder.path());
        for text in ["soon", "", "99999999999999"] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            assert!(!backup.is_due(DAY_MS).unwrap(), "{text:?}");
            assert!(backup.is_due(8 * DAY_MS).unwrap(), "{text:?}");
        }
    }

    #[test]
    fn a_directory_that_can_not_be_written_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let backup = LastBackup::of(&folder.path().join("missing"));
        assert!(backup.is_due(1).is_err());
    }
}
