//! A file as the form that is sent to the server.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use serde_json::Value;

use super::http::{Answer, Server};
use super::outcome::{Accepted, Outcome};
use crate::import::clean;

/// Where files are sent to.
const PATH: &str = "/api/vulnerabilities/import";
/// Longest name of a file that is shown, in characters.
const MAX_NAME_CHARS: usize = 255;

/// A file that is open, and what goes around it.
pub struct Upload {
    file: WholeFile,
    boundary: String,
    key: String,
    /// The fields, and the head of the file's part.
    before: String,
}

/// Reads as many bytes as the file had when it was opened; fewer are an error.
struct WholeFile {
    file: File,
    left: u64,
    /// Why it could not be read, so that this is told apart from what went wrong with sending.
    failure: Option<String>,
}

/// The name of a file as it is shown and sent: without its folders, and harmless on a terminal.
pub fn shown_name(file: &Path) -> String {
    let name = file.file_name().unwrap_or(file.as_os_str());
    clean(&name.to_string_lossy(), MAX_NAME_CHARS)
}

impl Upload {
    /// `fields` are those of the form beside the file. `id` must not occur in the file, which a
    /// random one does not. By it the server knows an upload that is sent once more.
    pub fn open(file: &Path, fields: &[(&str, String)], id: &str) -> io::Result<Upload> {
        let open = File::open(file)?;
        let metadata = open.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "it is a folder",
            ));
        }
        let boundary = format!("pulsewheel-{id}");
        let mut before = String::new();
        for (name, value) in fields {
            before += &part(&boundary, &format!("name=\"{name}\""));
            before += &format!("\r\n{value}\r\n");
        }
        let name = shown_name(file).replace('"', "%22");
        before += &part(&boundary, &format!("name=\"csvFile\"; filename=\"{name}\""));
        before += "Content-Type: text/csv\r\n\r\n";
        Ok(Upload {
            file: WholeFile {
                file: open,
                left: metadata.len(),
                failure: None,
            },
            boundary,
            key: id.to_owned(),
            before,
        })
    }

    /// Sends the file. Gives what the server said, or how that ended.
    pub fn send(mut self, server: &Server) -> Result<Accepted, Outcome> {
        let tail = format!("\r\n--{}--\r\n", self.boundary);
        let length = (self.before.len() + tail.len()) as u64 + self.file.left;
        let content_type = format!("multipart/form-data; boundary={}", self.boundary);
        let mut body = Cursor::new(self.before)
            .chain(&mut self.file)
            .chain(Cursor::new(tail));
        let answer = server.post(PATH, &self.key, &content_type, length, &mut body);
        if let Some(failure) = self.file.failure {
            return Err(Outcome::Broken(format!(
                "the file cannot be read: {failure}"
            )));
        }
        match answer {
            Ok(answer) => match Accepted::from_json(&answer.body) {
                Some(accepted) if answer.status == 202 => Ok(accepted),
                _ => Err(refused(&answer)),
            },
            Err(error) => Err(Outcome::unreachable(server, &error)),
        }
    }
}

/// The first lines of a part of the form.
fn part(boundary: &str, disposition: &str) -> String {
    format!("--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n")
}

impl WholeFile {
    fn read_on(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = loop {
            match (&self.file).take(self.left).read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome?,
            }
        };
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            let message = "it became shorter while it was sent";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

impl Read for WholeFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let outcome = self.read_on(buffer);
        if let Err(error) = &outcome {
            self.failure = Some(error.to_string());
        }
        outcome
    }
}

fn refused(answer: &Answer) -> Outcome {
    let error = &answer.body["error"];
    let text = |value: &Value| clean(value.as_str().unwrap_or_default(), 1000);
    let (code, message) = (text(&error["code"]), text(&error["message"]));
    Outcome::Broken(match (code.as_str(), answer.status) {
        ("", 202) => "the server answered with status 202, and names no session".to_owned(),
        ("", status) => format!("the server answered with status {status}"),
        _ => format!("the server refused it: {code}: {message}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_folders_and_what_terminals_obey() {
        assert_eq!(shown_name(Path::new("/tmp/scans/a b.csv")), "a b.csv");
        assert_eq!(shown_name(Path::new("x\u{1b}[31m.csv")), "x[31m.csv");
    }

    #[test]
    fn a_file_that_becomes_shorter_is_an_error_of_reading() {
        let whole = |left| WholeFile {
            file: tempfile::tempfile().unwrap(),
            left,
            failure: None,
        };
        let (mut shorter, mut complete) = (whole(3), whole(0));
        assert!(shorter.read(&mut [0; 8]).is_err());
        assert!(shorter.failure.is_some_and(|why| why.contains("shorter")));
        assert_eq!(complete.read(&mut [0; 8]).unwrap(), 0);
        assert_eq!(complete.failure, None);
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_server() {
        let answer = |status, body: &str| Answer {
            status,
            body: serde_json::from_str(body).unwrap(),
        };
        let busy = answer(
            503,
            r#"{"error":{"code":"SERVER_OVERLOAD","message":"come back"}}"#,
        );
        for (answer, wanted) in [
            (busy, "the server refused it: SERVER_OVERLOAD: come back"),
            (answer(502, "null"), "the server answered with status 502"),
        ] {
            assert_eq!(refused(&answer), Outcome::Broken(wanted.to_owned()));
        }
    }
}
