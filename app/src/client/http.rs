//! Requests to the server.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use serde_json::Value;
use ureq::http::{header, Response, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::{Agent, Body, RequestBuilder, SendBody};

use super::early;

/// How long connecting may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long the server may say nothing, and take nothing.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a server may leave the question open whether it wants a body.
const CONTINUE_PATIENCE: Duration = Duration::from_secs(2);
/// Longest answer that is read, in bytes. A session has at most some 100 KiB.
const MAX_ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// Where requests go.
#[derive(Debug)]
pub struct Server {
    agent: Agent,
    /// The URL that comes before every path, without a slash at its end.
    url: String,
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
    /// One sentence for the person who wrote the URL or the token.
    pub fn new(url: &str, token: Option<String>) -> Result<Server, String> {
        if !is_base_url(url) {
            return Err(format!(
                "the server {url:?} must be a URL such as http://127.0.0.1:8988 or https://scans.example"
            ));
        }
        let token = token.filter(|token| !token.is_empty());
        let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if token.as_deref().is_some_and(|token| !is_plain(token)) {
            return Err("PULSEWHEEL_TOKEN holds characters that no token has".to_owned());
        }
        Ok(Server {
            agent: agent(),
            url: url.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// How to name it in a sentence.
    pub fn name(&self) -> &str {
        &self.url
    }

    /// Reads `path`, which begins with a slash.
    pub fn get(&self, path: &str) -> io::Result<Answer> {
        let request = self.agent.get(format!("{}{path}", self.url));
        read_answer(self.with_token(request).call())
    }

    /// Sends a body of `length` bytes to `path`, with a key by which the server knows it again. A server that refuses the request by its head
    /// is sent no body; one that answers while it is sent gets no more of it.
    pub fn post(
        &self,
        path: &str,
        key: &str,
        content_type: &str,
        length: u64,
        body: &mut dyn Read,
    ) -> io::Result<Answer> {
        let request = self
            .agent
            .post(format!("{}{path}", self.url))
            .header(header::CONTENT_TYPE, content_type)
            .header(header::CONTENT_LENGTH, length)
            .header(header::EXPECT, "100-continue")
            .header("Idempotency-Key", key);
        read_answer(self.with_token(request).send(SendBody::from_reader(body)))
    }

    fn with_token<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }
}

/// Redirections are not followed, since a body is sent once; proxies are not asked, since the
/// server is mostly on this machine. Certificates are checked against those that the system trusts.
fn agent() -> Agent {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .user_agent(concat!("pulsewheel/", env!("CARGO_PKG_VERSION")))
        .accept("application/json")
        .timeout_connect(Some(CONNECT_PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .timeout_per_write(Some(PATIENCE))
        .timeout_await_100(Some(CONTINUE_PATIENCE))
        .build();
    Agent::with_parts(config, early::connector(), DefaultResolver::default())
}

/// Whether paths can be put behind `url`: it has a scheme that is spoken here, a host, maybe a
/// port and a path, and nothing else.
fn is_base_url(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return false;
    };
    let has_port = match authority.as_str().strip_prefix(authority.host()) {
        Some("") => true,
        Some(port) => authority
            .port_u16()
            .is_some_and(|number| port == format!(":{number}")),
        None => false,
    };
    matches!(scheme, "http" | "https")
        && !authority.host().is_empty()
        && has_port
        && uri.query().is_none()
        && !url.contains('#')
}

fn read_answer(response: Result<Response<Body>, ureq::Error>) -> io::Result<Answer> {
    let mut response = response.map_err(ureq::Error::into_io)?;
    let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES);
    let body = body.read_to_vec().map_err(ureq::Error::into_io)?;
    Ok(Answer {
        status: response.status().as_u16(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    /// Posts more than a connection holds to a server that does this once it has read some
    /// of it.
    fn post_to(then: impl FnOnce(&mut TcpStream) + Send + 'static) -> io::Result<Answer> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
            stream.read_exact(&mut [0; 100_000]).unwrap();
            then(&mut stream);
        });
        let length = 50_000_000;
        let mut body = io::repeat(b'x').take(length);
        let answer =
            Server::new(&url, None)
                .unwrap()
                .post("/", "key", "text/plain", length, &mut body);
        serving.join().unwrap();
        answer
    }

    #[test]
    fn an_answer_before_the_end_of_the_request_is_heard() {
        let answer = post_to(|stream| {
            let answer = b"HTTP/1.1 408 Too Slow\r\nContent-Length: 13\r\nConnection: close\r\n\r\n{\"error\":408}";
            stream.write_all(answer).unwrap();
        });
        let answer = answer.unwrap();
        assert_eq!((answer.status, &answer.body["error"]), (408, &408.into()));
    }

    #[test]
    fn a_server_that_goes_away_without_an_answer_is_an_error() {
        assert!(post_to(|_| {}).is_err());
    }

    #[test]
    fn urls_have_a_host_and_may_have_port_and_path() {
        for url in [
            "http://127.0.0.1:8988",
            "http://scans.example/",
            "https://scans.example:81/wheel/",
            "https://[::1]:8988",
            "http://[::1]",
        ] {
            let server = Server::new(url, None).unwrap();
            assert_eq!(server.name(), url.trim_end_matches('/'));
        }
    }

    #[test]
    fn other_urls_and_tokens_are_refused_with_a_sentence() {
        for url in [
            "",
            "127.0.0.1:8988",
            "ftp://a",
            "http://",
            "http://:80",
            "http://a:port",
            "http://a:65536",
            "http://a:",
            "http://a b",
            "http://user@a",
            "http://a/?x",
            "http://a/#x",
            "http://a\r\nX: y",
        ] {
            assert!(Server::new(url, None).is_err(), "{url:?}");
        }
        assert!(Server::new("http://a", Some("a\r\nb".into())).is_err());
    }
}
