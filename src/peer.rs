//! Where a connection comes from.

use std::fmt;
use std::net::{AddrParseError, IpAddr, SocketAddr};
use std::str::FromStr;

/// Where a connection comes from, in 32 bytes.
///
/// Its text is the address of a TCP peer (`192.0.2.1:4000`, `[2001:db8::1]:4000`), `unix` or `unknown`, and can be parsed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerAddr {
    /// A TCP socket. Behind a proxy it is the proxy's, unless that is one of
    /// [`Config::trusted_proxies`](crate::Config::trusted_proxies): then it is the client that the proxy names, whose port
    /// is 0 where the proxy does not tell it.
    Tcp(SocketAddr),
    /// A Unix socket, of which the peer's end has no name.
    Unix,
    /// Something that has no address of its own, or does not tell it, such as a pipe.
    Unknown,
}

impl PeerAddr {
    /// The IP address, where there is one. One of IPv4 that comes in the form of IPv6 is given as of IPv4.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            PeerAddr::Tcp(address) => Some(address.ip().to_canonical()),
            PeerAddr::Unix | PeerAddr::Unknown => None,
        }
    }

    /// The port, where there is one.
    pub fn port(&self) -> Option<u16> {
        match self {
            PeerAddr::Tcp(address) => Some(address.port()),
            PeerAddr::Unix | PeerAddr::Unknown => None,
        }
    }

    /// Whether it is on this host for certain: a loopback address, or a Unix socket.
    pub fn is_local(&self) -> bool {
        *self == PeerAddr::Unix || self.ip().is_some_and(|ip| ip.is_loopback())
    }
}

impl From<SocketAddr> for PeerAddr {
    fn from(address: SocketAddr) -> Self {
        PeerAddr::Tcp(address)
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerAddr::Tcp(address) => address.fmt(f),
            PeerAddr::Unix => f.pad("unix"),
            PeerAddr::Unknown => f.pad("unknown"),
        }
    }
}

impl FromStr for PeerAddr {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        match text {
            "unix" => Ok(PeerAddr::Unix),
            "unknown" => Ok(PeerAddr::Unknown),
            address => address.parse().map(PeerAddr::Tcp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> PeerAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn its_text_is_that_of_the_address_and_can_be_read_again() {
        for text in [
            "127.0.0.1:80",
            "[::1]:8080",
            "[fe80::1%3]:1",
            "unix",
            "unknown",
        ] {
            assert_eq!(peer(text).to_string(), text);
        }
        for text in ["", "Unix", "127.0.0.1", "localhost:80", "unix:/run/a"] {
            assert!(text.parse::<PeerAddr>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_unix_socket_and_loopback_in_all_its_forms_are_local() {
        for (text, ip, port, is_local) in [
            ("127.0.0.2:80", Some("127.0.0.2"), Some(80), true),
            ("[::1]:81", Some("::1"), Some(81), true),
            ("[::ffff:127.0.0.1]:82", Some("127.0.0.1"), Some(82), true),
            ("[::ffff:192.0.2.1]:83", Some("192.0.2.1"), Some(83), false),
            ("192.0.2.1:84", Some("192.0.2.1"), Some(84), false),
            ("unix", None, None, true),
            ("unknown", None, None, false),
        ] {
            let peer = peer(text);
            let seen = (peer.ip().map(|ip| ip.to_string()), peer.port());
            assert_eq!(seen, (ip.map(str::to_owned), port), "{text}");
            assert_eq!(peer.is_local(), is_local, "{text}");
        }
    }

    #[test]
    fn it_takes_no_more_memory_than_a_socket_address() {
        assert_eq!(size_of::<PeerAddr>(), size_of::<SocketAddr>());
    }
}
