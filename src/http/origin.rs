//! The values of `Host` and `Origin`: where a request is addressed to, and which page sent it.

use std::net::{IpAddr, Ipv6Addr};

/// The parts of a `Host` value or of a URL's authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPort<'a> {
    /// The name or address in the letter case it was sent in; an IPv6 address without its brackets.
    pub name: &'a str,
    /// The port, when one is named.
    pub port: Option<u16>,
}

/// The parts of an `Origin` value (RFC 6454 section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Such as `http` or `https`, in the letter case it was sent in.
    pub scheme: &'a str,
    /// Host and port of the page; the port is absent where it is the scheme's own.
    pub host: HostPort<'a>,
}

/// Reads `uri-host [ ":" port ]` (RFC 9110 section 7.2), or `None` when it is something else.
///
/// Registered names, IPv4 addresses and bracketed IPv6 addresses are known; user information (`user@`), IPv6 zones and
/// ports above 65535 are not. An empty value is a valid `Host` and has an empty name. An empty port counts as none.
pub fn parse_host(text: &str) -> Option<HostPort<'_>> {
    let (name, after) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            (address, after)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let (name, after) = text.split_at(end);
            (name.bytes().all(is_name_byte).then_some(name)?, after)
        }
    };
    let port = match after.strip_prefix(':') {
        Some(digits) => parse_port(digits)?,
        None if after.is_empty() => None,
        None => return None,
    };
    Some(HostPort { name, port })
}

/// Reads `scheme://host[:port]`, or `None` for anything else, among it the opaque origin `null`.
pub fn parse_origin(text: &str) -> Option<Origin<'_>> {
    let (scheme, authority) = text.split_once("://")?;
    let mut letters = scheme.bytes();
    let valid = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let host = parse_host(authority)?;
    (valid && !host.name.is_empty()).then_some(Origin { scheme, host })
}

/// Whether the page at `origin` came from the host that the request is addressed to: same name, same port.
///
/// Names compare without regard to letter case. A port that is not named is that of the origin's scheme, also on the side of
/// `host`, which names no scheme: behind a proxy that ends TLS, `https://a.example` and `Host: a.example` belong together.
/// What cannot be read is foreign.
pub fn same_origin(origin: &str, host: &str) -> bool {
    let (Some(origin), Some(host)) = (parse_origin(origin), parse_host(host)) else {
        return false;
    };
    let default_port = match origin.scheme {
        scheme if scheme.eq_ignore_ascii_case("http") => Some(80),
        scheme if scheme.eq_ignore_ascii_case("https") => Some(443),
        _ => None,
    };
    origin.host.name.eq_ignore_ascii_case(host.name)
        && origin.host.port.or(default_port) == host.port.or(default_port)
}

/// The bytes of `reg-name` (RFC 3986 section 3.2.2): unreserved, sub-delims and the percent sign of an escape.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte)
}

/// `*DIGIT`: `Some(None)` for none at all, `None` for what is no port.
fn parse_port(digits: &str) -> Option<Option<u16>> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match digits {
        "" => Some(None),
        digits => digits.parse().ok().map(Some),
    }
}

/// Whether a server that is meant for these names may answer a request for this `Host`: the defence against DNS
/// rebinding, where a foreign page makes its own name point here.
///
/// Loopback names and addresses are always allowed. So is every address, but no name, where one of `allowed` is
/// `0.0.0.0` or `::`: a server that listens everywhere listens there, and addresses cannot be rebound.
pub fn is_allowed_host(host: &str, allowed: &[String]) -> bool {
    let Some(HostPort { name, .. }) = parse_host(host) else {
        return false;
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let address: Option<IpAddr> = name.parse().ok();
    if address.is_some_and(|address| address.is_loopback()) || is_localhost(name) {
        return true;
    }
    allowed
        .iter()
        .any(|allowed| match allowed.parse::<IpAddr>() {
            Ok(allowed) => {
                address.is_some_and(|address| allowed.is_unspecified() || allowed == address)
            }
            Err(_) => allowed.eq_ignore_ascii_case(name),
        })
}

/// RFC 6761 section 6.3: these names never lead anywhere else.
fn is_localhost(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hosts() {
        for (text, name, port) in [
            ("localhost", "localhost", None),
            ("localhost:8988", "localhost", Some(8988)),
            ("Example.COM:", "Example.COM", None),
            ("127.0.0.1:0", "127.0.0.1", Some(0)),
            ("[::1]", "::1", None),
            ("[2001:db8::7]:65535", "2001:db8::7", Some(65535)),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
            ("", "", None),
        ] {
            assert_eq!(parse_host(text), Some(HostPort { name, port }), "{text:?}");
        }
    }

    #[test]
    fn refuses_what_is_no_host() {
        for text in [
            "user@host",
            "a b",
            "a/b",
            "a?b",
            "a:b",
            "a:+80",
            "a:65536",
            "a:80:80",
            "::1",
            "[::1",
            "[::1]80",
            "[::1%eth0]",
            "[]",
            "[a]",
            "ä.example",
            "a\u{0}",
            "http://a",
        ] {
            assert_eq!(parse_host(text), None, "{text:?}");
        }
    }

    #[test]
    fn reads_origins() {
        let origin = parse_origin("https://[::1]:8443").unwrap();
        assert_eq!((origin.scheme, origin.host.name), ("https", "::1"));
        assert_eq!(origin.host.port, Some(8443));
        for text in ["null", "", "a.example", "://a", "http://", "1a://b"] {
            assert_eq!(parse_origin(text), None, "{text:?}");
        }
        for text in ["http://a.example/", "http://u@a.example", "ht tp://a"] {
            assert_eq!(parse_origin(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_origin_belongs_to_its_own_host_alone() {
        for (origin, host) in [
            ("http://localhost:8988", "localhost:8988"),
            ("http://LocalHost", "localhost:80"),
            ("http://a.example:80", "a.example"),
            ("https://a.example", "a.example"),
            ("https://a.example", "a.example:443"),
            ("http://[::1]:1", "[::1]:1"),
        ] {
            assert!(same_origin(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("null", "localhost"),
            ("null", ""),
            ("http://localhost:1", "localhost:2"),
            ("http://localhost", "localhost:443"),
            ("https://localhost", "localhost:80"),
            ("http://a.example", "b.example"),
            ("http://a.example.evil", "a.example"),
            ("http://a", "a:x"),
        ] {
            assert!(!same_origin(origin, host), "{origin} {host}");
        }
    }

    #[test]
    fn only_loopback_and_named_hosts_are_allowed() {
        let none = [];
        for host in [
            "localhost",
            "LOCALHOST:8988",
            "a.localhost",
            "127.0.0.1:80",
            "127.9.9.9",
            "[::1]:80",
            "localhost.",
        ] {
            assert!(is_allowed_host(host, &none), "{host}");
        }
        for host in [
            "example.org",
            "192.168.1.5",
            "[2001:db8::1]",
            "notlocalhost",
            "",
            "a b",
        ] {
            assert!(!is_allowed_host(host, &none), "{host}");
        }
        let named = ["nas.lan".to_owned(), "192.168.1.5".to_owned()];
        assert!(is_allowed_host("NAS.lan:8988", &named));
        assert!(is_allowed_host("192.168.1.5", &named));
        assert!(!is_allowed_host("192.168.1.6", &named));
        assert!(!is_allowed_host("evil.nas.lan", &named));
        let everywhere = ["0.0.0.0".to_owned()];
        assert!(is_allowed_host("10.1.2.3:8988", &everywhere));
        assert!(!is_allowed_host("rebound.example", &everywhere));
    }
}
