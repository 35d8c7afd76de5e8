//! A Unix socket to listen on, whose file lasts as long as the program.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use pulsewheel::mio::net::{UnixListener, UnixStream};

/// The file of a socket that is listened on. It is removed when this is dropped, unless another one has taken its
/// place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    id: Option<(u64, u64)>,
}

impl SocketFile {
    /// Listens at this path. The file of a program that was killed is replaced; one on which somebody answers, and
    /// what is no socket, is not.
    pub fn listen(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_deserted(path) => {
                fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            outcome => outcome?,
        };
        let file = SocketFile {
            path: path.to_owned(),
            id: id_of(path),
        };
        Ok((listener, file))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.id.is_some() && id_of(&self.path) == self.id {
            // One that cannot be removed is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether this is a socket on which nobody listens any more. A socket that has no room for another connection
/// is not deserted.
fn is_deserted(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = io::ErrorKind::ConnectionRefused;
    is_socket && UnixStream::connect(path).is_err_and(|error| error.kind() == refused)
}

/// Tells a file from another one of its name.
fn id_of(path: &Path) -> Option<(u64, u64)> {
    let file = fs::symlink_metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener as StdListener;

    use super::*;

    #[test]
    fn a_file_goes_with_its_server_and_no_other_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (_listener, file) = SocketFile::listen(&path).unwrap();
        assert!(path.exists());
        drop(file);
        assert!(!path.exists());
        let (_listener, file) = SocketFile::listen(&path).unwrap();
        fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        let _other = StdListener::bind(&path).unwrap();
        drop(file);
        assert!(path.exists());
    }

    #[test]
    fn a_deserted_file_is_replaced_and_one_that_is_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        drop(StdListener::bind(&path).unwrap());
        assert!(path.exists());
        let (_listener, _file) = SocketFile::listen(&path).unwrap();
        let taken = SocketFile::listen(&path).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn what_is_no_socket_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "precious").unwrap();
        assert!(SocketFile::listen(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
