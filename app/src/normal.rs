//! Normal forms of what identifies a finding: two spellings of one thing become one.

use std::net::{IpAddr, Ipv6Addr};

/// What an export writes where it has nothing to say.
const PLACEHOLDERS: [&str; 6] = ["-", "'-", "--", "n/a", "null", "none"];

/// Protocols by the numbers that some exports write.
const PROTOCOL_NUMBERS: [(&str, &str); 4] =
    [("1", "icmp"), ("6", "tcp"), ("17", "udp"), ("132", "sctp")];

/// Names that may stand beside a port: `tcp/443`, `443/udp`.
const PROTOCOLS: [&str; 5] = ["tcp", "udp", "sctp", "icmp", "icmp6"];

/// A host by address or name, in lower case: addresses as they are written shortest, of
/// several the lowest, names without the dot at their end, of a URL the host alone.
pub fn host(text: &str) -> String {
    let text = text.trim();
    let text = host_of_url(text).unwrap_or(text);
    if let Some(address) = lowest_address(text) {
        return address.to_string();
    }
    let name = text.to_lowercase();
    match name.trim_end_matches('.') {
        "" => name,
        name => name.to_owned(),
    }
}

/// The lowest of the addresses in a cell of nothing but addresses.
pub fn lowest_address(text: &str) -> Option<IpAddr> {
    let mut lowest: Option<IpAddr> = None;
    let is_separator = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|');
    for part in text.split(is_separator).filter(|part| !part.is_empty()) {
        let address = address(part)?;
        lowest = Some(lowest.map_or(address, |lowest| lowest.min(address)));
    }
    lowest
}

fn address(text: &str) -> Option<IpAddr> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']')?;
        return inner
            .parse::<Ipv6Addr>()
            .ok()
            .map(|ip| IpAddr::V6(ip).to_canonical());
    }
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn host_of_url(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    if scheme.is_empty() || !scheme.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => host,
    };
    (!host.is_empty()).then_some(host)
}

/// What identifies a check: lower case, with single spaces.
pub fn check(text: &str) -> String {
    let is_normal = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    if text.bytes().all(is_normal) {
        return text.to_owned(); // most scanners have numbers
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// Port and protocol, each empty if not known. A port may come with its protocol
/// (`tcp/443`) or as spreadsheets write it (`443.0`).
pub fn port_and_protocol(port: &str, protocol: &str) -> (String, String) {
    let is_plain_port = port.bytes().all(|byte| byte.is_ascii_digit())
        && port.len() <= 5
        && (port == "0" || !port.starts_with('0'));
    if is_plain_port
        && PROTOCOLS
            .iter()
            .any(|known| protocol.eq_ignore_ascii_case(known))
    {
        return (port.to_owned(), protocol.to_ascii_lowercase());
    }
    let protocol = placeholder_as_empty(protocol).to_lowercase();
    let numbered = PROTOCOL_NUMBERS
        .iter()
        .find(|(number, _)| *number == protocol);
    let protocol = numbered.map_or(protocol.as_str(), |(_, name)| *name);
    let port = placeholder_as_empty(port).to_lowercase();
    let parts = port
        .split(['/', ' ', '(', ')'])
        .filter(|part| !part.is_empty());
    let (names, rest): (Vec<&str>, Vec<&str>) = parts.partition(|part| PROTOCOLS.contains(part));
    let (port, named) = match (names.as_slice(), rest.as_slice()) {
        ([name], [port]) => (*port, *name),
        ([name], []) => ("", *name),
        _ => (port.as_str(), ""),
    };
    let protocol = if protocol.is_empty() { named } else { protocol };
    (whole_number(port), protocol.to_owned())
}

fn placeholder_as_empty(text: &str) -> &str {
    let text = text.trim();
    if PLACEHOLDERS
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
    {
        ""
    } else {
        text
    }
}

/// `443` of `443`, `0443`, `443.0` and `443,00`; any other text as it is.
fn whole_number(text: &str) -> String {
    let (whole, rest) = text.split_at(text.find(['.', ',']).unwrap_or(text.len()));
    let is_whole = rest
        .trim_start_matches(['.', ','])
        .bytes()
        .all(|byte| byte == b'0');
    match whole.parse::<u32>() {
        Ok(number) if is_whole && !whole.starts_with('+') => number.to_string(),
        _ => text.to_owned(),
    }
}

/// What identifies a label.
pub fn label(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_host_become_one() {
        let table: [(&[&str], &str); 8] = [
            (
                &[
                    "Web1",
                    "web1.",
                    " WEB1 ",
                    "https://web1:8443/x",
                    "http://me@web1",
                ],
                "web1",
            ),
            (
                &[
                    "10.0.0.1",
                    "::ffff:10.0.0.1",
                    "10.0.0.2, 10.0.0.1",
                    "10.0.0.1;10.0.0.3",
                    "https://10.0.0.1/",
                ],
                "10.0.0.1",
            ),
            (
                &[
                    "2001:db8::1",
                    "2001:DB8:0:0:0:0:0:1",
                    "[2001:db8::1]",
                    "2001:0db8::0001",
                    "https://[2001:db8::1]:443/",
                ],
                "2001:db8::1",
            ),
            (&["büro.example", "BÜRO.example."], "büro.example"),
            (&["web1, web2"], "web1, web2"),
            (&["arn:aws:ec2:x"], "arn:aws:ec2:x"),
            (&["..."], "..."),
            (&[""], ""),
        ];
        for (spellings, expected) in table {
            for spelling in spellings {
                assert_eq!(host(spelling), expected, "{spelling:?}");
            }
        }
    }

    #[test]
    fn spellings_of_one_port_become_one() {
        let table = [
            ("443", "TCP", "443", "tcp"),
            ("443.0", "tcp", "443", "tcp"),
            ("0443", "6", "443", "tcp"),
            ("tcp/443", "", "443", "tcp"),
            ("443/udp", "", "443", "udp"),
            ("443 (tcp)", "", "443", "tcp"),
            ("TCP/443", "udp", "443", "udp"),
            ("general/tcp", "", "general", "tcp"),
            ("'-", "N/A", "", ""),
            ("", "", "", ""),
            ("80,443", "tcp", "80,443", "tcp"),
            ("https", "tcp", "https", "tcp"),
        ];
        for (port, protocol, expected_port, expected_protocol) in table {
            let expected = (expected_port.to_owned(), expected_protocol.to_owned());
            assert_eq!(
                port_and_protocol(port, protocol),
                expected,
                "{port:?} {protocol:?}"
            );
        }
    }

    #[test]
    fn checks_compare_without_letter_case_and_doubled_spaces() {
        assert_eq!(check(" Weak\u{a0} TLS\tÜBER "), "weak tls über");
        assert_eq!(label(" Tenable X"), "tenable x");
    }

    #[test]
    fn a_normal_form_is_its_own_normal_form() {
        for text in ["Web1.", "2001:DB8::1", "a, b", "443.0"] {
            assert_eq!(host(&host(text)), host(text));
            let (port, protocol) = port_and_protocol(text, "TCP");
            assert_eq!(
                port_and_protocol(&port, &protocol),
                (port.clone(), protocol)
            );
        }
    }
}
