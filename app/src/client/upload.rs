//! A file as the form that is sent to the server.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::Value;

use super::http::{percent_encoded, Answer, Server};
use super::outcome::{Accepted, Outcome};
use crate::import::clean;

/// Longest name of a file that is shown, in characters.
const MAX_NAME_CHARS: usize = 255;

/// A file that is open, and what goes around it.
pub struct Upload {
    file: File,
    file_bytes: u64,
    target: String,
    boundary: String,
    part_head: String,
}

/// The name of a file as it is shown and sent: without its folders, and harmless on a terminal.
pub fn shown_name(file: &Path) -> String {
    let name = file.file_name().unwrap_or(file.as_os_str());
    clean(&name.to_string_lossy(), MAX_NAME_CHARS)
}

impl Upload {
    /// `id` must not occur in the file, which a random one does not.
    pub fn open(file: &Path, query: &[(&str, String)], id: &str) -> io::Result<Upload> {
        let open = File::open(file)?;
        let metadata = open.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "it is a folder",
            ));
        }
        let fields: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
            .collect();
        let boundary = format!("pulsewheel-{id}");
        let name = shown_name(file).replace('"', "%22");
        Ok(Upload {
            file: open,
            file_bytes: metadata.len(),
            target: format!("/api/vulnerabilities/import?{}", fields.join("&")),
            part_head: format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"csvFile\"; filename=\"{name}\"\r\nContent-Type: text/csv\r\n\r\n"
            ),
            boundary,
        })
    }

    /// Sends the file. Gives what the server said, or how that ended.
    pub fn send(self, server: &Server) -> Result<Accepted, Outcome> {
        let tail = format!("\r\n--{}--\r\n", self.boundary);
        let length = (self.part_head.len() + tail.len()) as u64 + self.file_bytes;
        let content_type = format!("multipart/form-data; boundary={}", self.boundary);
        let mut reading = Ok(());
        let answer = server.post(&self.target, &content_type, length, |connection| {
            connection.write_all(self.part_head.as_bytes())?;
            reading = send_file(&self.file, self.file_bytes, connection)?;
            if reading.is_ok() {
                connection.write_all(tail.as_bytes())?;
            } else {
                // The server is not to wait for the rest.
                connection.shutdown(std::net::Shutdown::Both)?;
            }
            Ok(())
        });
        if let Err(error) = reading {
            return Err(Outcome::Broken(format!("the file cannot be read: {error}")));
        }
        match answer {
            Ok(Answer { status: 202, body }) => Ok(Accepted::from_json(&body)),
            Ok(answer) => Err(refused(&answer)),
            Err(error) => Err(Outcome::unreachable(server, &error)),
        }
    }
}

/// Copies the file. The outer error is one of sending, the inner one of reading.
fn send_file(mut file: &File, bytes: u64, to: &mut impl Write) -> io::Result<io::Result<()>> {
    let mut buffer = vec![0; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let wanted = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        match file.read(&mut buffer[..wanted]) {
            Ok(0) => {
                let message = "it became shorter while it was sent";
                return Ok(Err(io::Error::new(io::ErrorKind::UnexpectedEof, message)));
            }
            Ok(read) => {
                to.write_all(&buffer[..read])?;
                left -= read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}

fn refused(answer: &Answer) -> Outcome {
    let error = &answer.body["error"];
    let text = |value: &Value| clean(value.as_str().unwrap_or_default(), 1000);
    let (code, message) = (text(&error["code"]), text(&error["message"]));
    Outcome::Broken(if code.is_empty() {
        format!("the server answered with status {}", answer.status)
    } else {
        format!("the server refused it: {code}: {message}")
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
        let file = tempfile::tempfile().unwrap();
        let mut sent = Vec::new();
        assert!(send_file(&file, 3, &mut sent).unwrap().is_err());
        assert!(send_file(&file, 0, &mut sent).unwrap().is_ok());
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
