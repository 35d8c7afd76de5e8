//! Requests to the server: HTTP/1.1, each on a connection of its own.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde_json::Value;

/// How long connecting may take, for each address of the server.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long the server may say nothing, and take nothing.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a server may leave the question open whether it wants a body.
const CONTINUE_PATIENCE: Duration = Duration::from_secs(2);
/// Longest answer that is read, in bytes. A session has at most some 100 KiB.
const MAX_ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Host and port, as they stand in the URL.
    authority: String,
    /// The same to connect to.
    host: String,
    port: u16,
    /// What comes before every path, without a slash at its end.
    prefix: String,
    token: Option<String>,
}

/// An answer of the server: its status, and the JSON that came with it, if it is JSON.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Server {
    /// Reads a URL such as `http://127.0.0.1:8988`.
    ///
    /// # Errors
    /// One sentence for whoever wrote the URL or the token.
    pub fn new(url: &str, token: Option<String>) -> Result<Server, String> {
        let wrong = |how: &str| Err(format!("the server {url:?} {how}"));
        let Some(rest) = url.strip_prefix("http://") else {
            return wrong("must be a URL with http://, as https:// is not spoken here");
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => match port.parse() {
                Ok(port) => (host, port),
                Err(_) => return wrong("has no port that is a number"),
            },
            _ => (authority, 80),
        };
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if name.is_empty() || !is_plain(url) || url.contains(['?', '#', '@']) {
            return wrong("must be a URL such as http://127.0.0.1:8988");
        }
        let token = token.filter(|token| !token.is_empty());
        if token.as_deref().is_some_and(|token| !is_plain(token)) {
            return Err("PULSEWHEEL_TOKEN holds characters that no token has".to_owned());
        }
        Ok(Server {
            authority: authority.to_owned(),
            host: name.to_owned(),
            port,
            prefix: path.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// How to name it in a sentence.
    pub fn name(&self) -> String {
        format!("http://{}{}", self.authority, self.prefix)
    }

    pub fn get(&self, path: &str) -> io::Result<Answer> {
        let mut connection = self.connect()?;
        connection.write_all(self.head("GET", path, "").as_bytes())?;
        read_answer(&mut BufReader::new(connection))
    }

    /// Sends a body that `write_body` writes, if the server wants it: a server that refuses
    /// the request by its head answers at once.
    pub fn post(
        &self,
        path: &str,
        content_type: &str,
        length: u64,
        write_body: impl FnOnce(&mut TcpStream) -> io::Result<()>,
    ) -> io::Result<Answer> {
        let connection = self.connect()?;
        let fields = format!(
            "Content-Type: {content_type}\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n"
        );
        let mut sender = connection.try_clone()?;
        sender.write_all(self.head("POST", path, &fields).as_bytes())?;
        let mut answer = BufReader::new(connection);
        if !is_body_wanted(&mut answer)? {
            return read_answer(&mut answer);
        }
        match write_body(&mut sender) {
            // A server that has answered early may take no more; its answer says why.
            Err(error) if is_broken(&error) => read_answer(&mut answer).map_err(|_| error),
            Err(error) => Err(error),
            Ok(()) => read_answer(&mut answer),
        }
    }

    fn head(&self, method: &str, path: &str, fields: &str) -> String {
        let Server {
            prefix, authority, ..
        } = self;
        let mut head = format!(
            "{method} {prefix}{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nAccept: application/json\r\n{fields}"
        );
        if let Some(token) = &self.token {
            let _ = write!(head, "Authorization: Bearer {token}\r\n");
        }
        head + "\r\n"
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let nothing = "the name stands for no address";
        let mut outcome = Err(io::Error::new(io::ErrorKind::NotFound, nothing));
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            outcome = TcpStream::connect_timeout(&address, CONNECT_PATIENCE);
            if outcome.is_ok() {
                break;
            }
        }
        let connection = outcome?;
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        Ok(connection)
    }
}

/// `text` as it may stand in a query.
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

/// Waits for what the server says to a head alone. True where it wants the body, or says
/// nothing, as servers and proxies may that do not know of such questions.
fn is_body_wanted(answer: &mut BufReader<TcpStream>) -> io::Result<bool> {
    answer.get_ref().set_read_timeout(Some(CONTINUE_PATIENCE))?;
    let said = answer.fill_buf().map(<[u8]>::to_vec);
    answer.get_ref().set_read_timeout(Some(PATIENCE))?;
    match said {
        Ok(said) => Ok(status_of(&said) == Some(100)),
        Err(error) if is_timeout(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

/// The status in the first line of an answer.
fn status_of(line: &[u8]) -> Option<u16> {
    let line = line.strip_prefix(b"HTTP/1.")?;
    std::str::from_utf8(line.get(2..5)?).ok()?.parse().ok()
}

/// Reads an answer; those that only say that more will come are passed over.
fn read_answer(from: &mut impl BufRead) -> io::Result<Answer> {
    loop {
        let mut line = String::new();
        from.by_ref().take(MAX_ANSWER_BYTES).read_line(&mut line)?;
        let status = status_of(line.as_bytes()).ok_or_else(|| no_answer(&line))?;
        let framing = read_fields(from)?;
        if status >= 200 {
            let body = read_body(from, framing)?;
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            return Ok(Answer { status, body });
        }
    }
}

/// How the end of a body is known.
enum Framing {
    Length(u64),
    Chunked,
    End,
}

fn read_fields(from: &mut impl BufRead) -> io::Result<Framing> {
    let mut framing = Framing::End;
    let mut limited = from.take(MAX_ANSWER_BYTES);
    loop {
        let mut line = String::new();
        limited.read_line(&mut line)?;
        if !line.ends_with('\n') {
            return Err(no_answer(""));
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Ok(framing);
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("Content-Length") {
            let length = value.parse().map_err(|_| no_answer(&line))?;
            framing = Framing::Length(length);
        } else if name.eq_ignore_ascii_case("Transfer-Encoding") {
            framing = Framing::Chunked;
        }
    }
}

fn read_body(from: &mut impl BufRead, framing: Framing) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    match framing {
        Framing::Length(length) => {
            let length = length.min(MAX_ANSWER_BYTES);
            from.take(length).read_to_end(&mut body)?;
            if (body.len() as u64) < length {
                return Err(no_answer(""));
            }
        }
        Framing::End => {
            from.take(MAX_ANSWER_BYTES).read_to_end(&mut body)?;
        }
        Framing::Chunked => loop {
            let mut line = String::new();
            from.by_ref().take(1024).read_line(&mut line)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| no_answer(&line))?;
            if size == 0 || body.len() as u64 + size > MAX_ANSWER_BYTES {
                break;
            }
            from.by_ref().take(size).read_to_end(&mut body)?;
            from.by_ref().take(1024).read_line(&mut line)?;
        },
    }
    Ok(body)
}

fn no_answer(line: &str) -> io::Error {
    let message = if line.is_empty() {
        "it closed the connection without an answer"
    } else {
        "it does not speak HTTP"
    };
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn is_timeout(error: &io::Error) -> bool {
    use io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}

fn is_broken(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_host_and_may_have_port_and_path() {
        for (url, host, port, prefix) in [
            ("http://127.0.0.1:8988", "127.0.0.1", 8988, ""),
            ("http://scans.example/", "scans.example", 80, ""),
            (
                "http://scans.example:81/wheel/",
                "scans.example",
                81,
                "/wheel",
            ),
            ("http://[::1]:8988", "::1", 8988, ""),
            ("http://[::1]", "::1", 80, ""),
        ] {
            let server = Server::new(url, None).unwrap();
            assert_eq!(
                (server.host.as_str(), server.port, server.prefix.as_str()),
                (host, port, prefix)
            );
            assert_eq!(server.name(), url.trim_end_matches('/'));
        }
    }

    #[test]
    fn other_urls_and_tokens_are_refused_with_a_sentence() {
        for url in [
            "",
            "127.0.0.1:8988",
            "https://a",
            "http://",
            "http://:80",
            "http://a:port",
            "http://a:65536",
            "http://a b",
            "http://user@a",
            "http://a/?x",
            "http://a\r\nX: y",
        ] {
            assert!(Server::new(url, None).is_err(), "{url:?}");
        }
        assert!(Server::new("http://a", Some("a\r\nb".into())).is_err());
    }

    fn answer(text: &str) -> io::Result<Answer> {
        read_answer(&mut text.as_bytes())
    }

    #[test]
    fn answers_are_read_however_their_end_is_told() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}more",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4;x\r\n\":1}\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\n{\"a\":1}",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"a\":1}",
        ] {
            let Answer { status, body } = answer(text).unwrap();
            assert_eq!((status, &body["a"]), (200, &Value::from(1)), "{text}");
        }
        let page = answer("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\n<p/>").unwrap();
        assert_eq!((page.status, page.body), (502, Value::Null));
    }

    #[test]
    fn what_is_no_whole_answer_is_an_error() {
        for text in [
            "",
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/1.1 200 OK\r\nContent-Le",
            "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(answer(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn queries_hold_any_text() {
        assert_eq!(
            percent_encoded("Acme & Söhne/1-2"),
            "Acme%20%26%20S%C3%B6hne%2F1-2"
        );
    }
}
