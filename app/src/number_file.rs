//! Small files of the data directory that hold one number each.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// The number in a file; `None` where there is no such file.
///
/// # Errors
/// The file can't be read, or holds something else: that is `InvalidData`.
pub fn read(path: &Path) -> io::Result<Option<u64>> {
    match fs::read_to_string(path) {
        Ok(text) => match text.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(io::ErrorKind::InvalidData.into()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a number to the disk. The whole file is there or the one before it is, whatever happens meanwhile.
pub fn write(path: &Path, number: u64) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    writeln!(file, "{number}")?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_back_and_anything_else_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        assert_eq!(read(&path).unwrap(), None);
        for number in [0, 7, u64::MAX] {
            write(&path, number).unwrap();
            assert_eq!(read(&path).unwrap(), Some(number));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        for text in ["12a", "", "-1", "99999999999999999999"] {
            fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text:?}");
        }
    }
}
