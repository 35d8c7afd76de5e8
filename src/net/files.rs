//! Files of a folder as answers.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::http::{content_type, safe_path, Request, Response};

/// Of a file that is larger nothing is sent, unless another limit is set.
const DEFAULT_MAX_BYTES: u64 = 1024 * 1024;

/// The files of a folder, for [`Io::files`](crate::Io::files) or a host's own answers.
///
/// A file is answered with its `Content-Type` by extension, and an `ETag` of its time and size, by which who has it already gets a
/// 304 alone. Nothing outside of the folder is ever sent: [`safe_path`] says which paths are refused, and links that lead out of it
/// are as files that are not there.
///
/// Files are read on the loop's thread, each as a whole, so this is for a few small ones on a disk that answers at once. Large files
/// and slow disks belong to a thread of the host's own, or to a web server in front.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
    max_bytes: u64,
}

impl Files {
    /// The files below this folder.
    ///
    /// # Errors
    ///
    /// When there is no such folder, or it cannot be looked at.
    pub fn new(folder: impl AsRef<Path>) -> io::Result<Files> {
        let root = folder.as_ref().canonicalize()?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Files {
            root,
            max_bytes: DEFAULT_MAX_BYTES,
        })
    }

    /// How many bytes a file may have, 1 MiB by default; larger ones are answered 500.
    pub fn max_bytes(self, max_bytes: u64) -> Files {
        Files { max_bytes, ..self }
    }

    /// The answer to a `GET` or `HEAD` of what lies at this path below the folder, as it was sent, without its leading slash. A
    /// folder, which ends in a slash, stands for the `index.html` in it.
    pub fn respond(&self, request: &Request, path: &str) -> Response {
        let found = safe_path(path).and_then(|path| self.find(&path));
        let Some((mut file, name)) = found else {
            return Response::text(404, "There is no such file.");
        };
        let answer = self.send(request, &mut file, &name);
        answer.unwrap_or_else(|_| Response::text(500, "The file cannot be read."))
    }

    /// The file at a path that is safe by itself.
    fn find(&self, path: &str) -> Option<(File, PathBuf)> {
        let mut wanted = self.root.join(path);
        if path.is_empty() || path.ends_with('/') {
            wanted.push("index.html");
        }
        // Links have been followed then.
        let real = wanted.canonicalize().ok()?;
        if !real.starts_with(&self.root) || !fs::metadata(&real).ok()?.is_file() {
            return None;
        }
        Some((File::open(&real).ok()?, wanted))
    }

    fn send(&self, request: &Request, file: &mut File, name: &Path) -> io::Result<Response> {
        let metadata = file.metadata()?;
        let length = metadata.len();
        if length > self.max_bytes {
            return Ok(Response::text(500, "The file is too large to be sent."));
        }
        let changed = metadata.modified()?.duration_since(UNIX_EPOCH);
        let changed_ns = changed.map_or(0, |since| since.as_nanos());
        let etag = format!("W/\"{changed_ns:x}-{length:x}\"");
        let mut body = Vec::new();
        if !request.knows(&etag) {
            file.take(self.max_bytes).read_to_end(&mut body)?;
        }
        let response = Response::new(200, content_type(&name.to_string_lossy()), body)
            .with_header("Cache-Control", "no-cache")
            .with_header("X-Content-Type-Options", "nosniff");
        Ok(response.unless_known(request, etag))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::http::{Framing, Method};

    /// A folder that goes with its test.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Folder {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("pulsewheel-files-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(path.join("public/sub")).expect("a folder of its own");
            let write = |name: &str, text: &str| fs::write(path.join(name), text).expect("written");
            write("secret.txt", "secret");
            write("public/index.html", "<p>root");
            write("public/sub/index.html", "<p>sub");
            write("public/a b.JS", "script");
            write("public/.hidden", "hidden");
            Folder(path)
        }

        fn files(&self) -> Files {
            Files::new(self.0.join("public")).expect("it is there")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn get(tag: Option<&str>) -> Request {
        let tag = tag.map(|tag| ("If-None-Match".to_owned(), tag.to_owned()));
        Request {
            method: Method::Get,
            path: "/".to_owned(),
            query: String::new(),
            minor_version: 1,
            host: Some("a".to_owned()),
            headers: tag.into_iter().collect(),
            framing: Framing::None,
            expect_continue: false,
            content_encoded: false,
        }
    }

    fn field<'r>(response: &'r Response, name: &str) -> &'r str {
        let mut fields = response.headers.iter();
        let field = fields.find(|(known, _)| known == name);
        field.map_or("", |(_, value)| value)
    }

    #[test]
    fn files_are_sent_with_their_type_and_folders_by_their_index() {
        let folder = Folder::new();
        let files = folder.files();
        for (path, text, kind) in [
            ("", "<p>root", "text/html; charset=utf-8"),
            ("index.html", "<p>root", "text/html; charset=utf-8"),
            ("sub/", "<p>sub", "text/html; charset=utf-8"),
            (
                "a%20b.JS",
                "script",
                "application/javascript; charset=utf-8",
            ),
        ] {
            let response = files.respond(&get(None), path);
            assert_eq!((response.status, &*response.body), (200, text.as_bytes()));
            assert_eq!(field(&response, "Content-Type"), kind);
            assert_eq!(field(&response, "X-Content-Type-Options"), "nosniff");
        }
    }

    #[test]
    fn nothing_outside_of_the_folder_is_sent_nor_what_is_hidden_or_no_file() {
        let folder = Folder::new();
        let public = folder.0.join("public");
        symlink(folder.0.join("secret.txt"), public.join("link.txt")).expect("linked");
        symlink(&folder.0, public.join("up")).expect("linked");
        symlink(public.join("sub"), public.join("inside")).expect("linked");
        let files = folder.files();
        for path in [
            "../secret.txt",
            "%2e%2e/secret.txt",
            "sub/..%2f..%2fsecret.txt",
            "link.txt",
            "up/secret.txt",
            "up/public/index.html/",
            ".hidden",
            "sub",
            "nothing.txt",
            "a b.JS/",
            "/index.html",
        ] {
            let response = files.respond(&get(None), path);
            assert_eq!(response.status, 404, "{path}");
        }
        assert_eq!(&*files.respond(&get(None), "inside/").body, b"<p>sub");
        assert!(Files::new(folder.0.join("nothing")).is_err());
        assert!(Files::new(folder.0.join("secret.txt")).is_err());
    }

    #[test]
    fn who_has_the_file_gets_it_again_only_when_it_has_changed() {
        let folder = Folder::new();
        let files = folder.files();
        let first = files.respond(&get(None), "index.html");
        let tag = field(&first, "ETag").to_owned();
        let second = files.respond(&get(Some(&tag)), "index.html");
        assert_eq!((second.status, second.body.len()), (304, 0));
        assert_eq!(field(&second, "ETag"), tag);
        fs::write(folder.0.join("public/index.html"), "<p>changed").expect("written");
        let third = files.respond(&get(Some(&tag)), "index.html");
        assert_eq!((third.status, &*third.body), (200, &b"<p>changed"[..]));
    }

    #[test]
    fn a_file_above_the_limit_is_not_sent() {
        let folder = Folder::new();
        let files = folder.files().max_bytes(6);
        assert_eq!(files.respond(&get(None), "a%20b.JS").status, 200);
        assert_eq!(files.respond(&get(None), "index.html").status, 500);
    }
}
