//! What is kept of the request that opened a session.

/// How much is kept of the request that opened a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HandshakeDetail {
    /// The peer's address and the query: a few bytes for each client.
    #[default]
    Minimal,
    /// [`HandshakeDetails`] too: about as many bytes as the request's head had, for as long as the session lives.
    Full,
}

/// The rest of the request that opened a session; names as in the handshake object of the Socket.IO documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeDetails {
    /// All header fields in their order, names as sent; bytes that are no UTF-8 are U+FFFD.
    pub headers: Vec<(String, String)>,
    /// Path and query, as sent.
    pub url: String,
    /// When the session was opened, in milliseconds since 1970.
    pub issued_ms: u64,
    /// Whether the connection is encrypted. TLS is not spoken here, so it is false; behind a proxy, see its headers.
    pub secure: bool,
    /// Whether a page of another origin may have sent it: whether there was an `Origin` header.
    pub xdomain: bool,
}

impl HandshakeDetails {
    /// The value of the first header field with this name, which is looked for without regard to letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}
