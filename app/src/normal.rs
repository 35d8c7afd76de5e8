//! Normal forms of what identifies a finding: two spellings of one thing become one.

use std::net::{IpAddr, Ipv6Addr};

/// What exports and spreadsheets write where they have nothing to say.
const PLACEHOLDERS: [&str; 16] = [
    "-",
    "'-",
    "--",
    "n/a",
    "null",
    "none",
    "nil",
    "nan",
    "unknown",
    "undefined",
    "#n/a",
    "#ref!",
    "#name?",
    "#value!",
    "#null!",
    "#div/0!",
];

/// Protocols by the numbers that some exports write.
const PROTOCOL_NUMBERS: [(&str, &str); 4] =
    [("1", "icmp"), ("6", "tcp"), ("17", "udp"), ("132", "sctp")];

/// Names that may stand beside a port: `tcp/443`, `443/udp`.
const PROTOCOLS: [&str; 5] = ["tcp", "udp", "sctp", "icmp", "icmp6"];

/// A host by address or name, in lower case: addresses as they are written shortest, of
/// several the lowest, names without the dot at their end, of a URL the host alone, without
/// the port and without the mask of a single address.
pub fn host(text: &str) -> String {
    let (text, _) = host_and_port(text);
    if let Some(address) = lowest_address(without_mask(text)) {
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

/// The host of a URL or of `web1:443`, and the port in it.
pub fn host_and_port(text: &str) -> (&str, Option<&str>) {
    let text = text.trim();
    let text = match text.strip_prefix('\'') {
        // Spreadsheets mark text so.
        Some(rest) if !rest.contains('\'') => rest,
        _ => text,
    };
    let authority = authority_of_url(text);
    match authority.unwrap_or(text).rsplit_once(':') {
        Some((host, port)) if is_host_before_port(host) && is_port(port) => (host, Some(port)),
        // A port that is none, or nothing behind the colon.
        Some((host, rest)) if authority.is_some() && rest.bytes().all(|b| b.is_ascii_digit()) => {
            (host, None)
        }
        _ => (authority.unwrap_or(text), None),
    }
}

/// Whether a colon behind it is not one of an address itself.
fn is_host_before_port(host: &str) -> bool {
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    !host.is_empty() && (is_bracketed || !host.contains([':', ' ', ',', ';', '|']))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn without_mask(text: &str) -> &str {
    let address = text.strip_suffix("/32").filter(|ip| !ip.contains(':'));
    let address = address.or_else(|| text.strip_suffix("/128"));
    address.unwrap_or(text)
}

fn authority_of_url(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    if scheme.is_empty() || !scheme.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    (!host.is_empty() && !host.starts_with(':')).then_some(host)
}

/// Whether a spreadsheet has rounded a number away: `1.2E+11` may have been any of many.
pub fn is_rounded_number(text: &str) -> bool {
    let Some((number, exponent)) = text.split_once(['E', 'e']) else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let mut parts = number.splitn(2, ['.', ',']);
    parts.all(is_number) && exponent.strip_prefix('+').is_some_and(is_number)
}

/// What identifies a check: lower case, with single spaces; a number as it was before a
/// spreadsheet gave it a fraction (`100000.0`).
pub fn check(text: &str) -> String {
    let is_normal = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    if text.bytes().all(is_normal) {
        return text.to_owned(); // most scanners have numbers
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let words = words.join(" ").to_lowercase();
    match words.strip_suffix(".0") {
        Some(number) if number.len() > 2 && number.bytes().all(|b| b.is_ascii_digit()) => {
            number.to_owned()
        }
        _ => words,
    }
}

/// Port and protocol, each empty if not known. A port may come with its protocol
/// (`tcp/443`), with the name of its service (`443 (https)`), or as spreadsheets write it
/// (`443.0`).
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
        .split(['/', ' ', '(', ')', ':'])
        .filter(|part| !part.is_empty());
    let (names, rest): (Vec<&str>, Vec<&str>) = parts.partition(|part| PROTOCOLS.contains(part));
    let is_number = |part: &&&str| part.starts_with(|c: char| c.is_ascii_digit());
    let is_service = |part: &&str| part.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
    let number = rest.iter().find(is_number);
    let is_with_service = rest.iter().filter(|part| is_service(part)).count() + 1 == rest.len();
    let (port, named) = match (names.as_slice(), rest.as_slice(), number) {
        ([], [_], _) => (port.as_str(), ""),
        ([] | [_], _, Some(number)) if is_with_service => {
            (*number, names.first().copied().unwrap_or_default())
        }
        ([name], [port], _) => (*port, *name),
        ([name], [], _) => ("", *name),
        _ => (port.as_str(), ""),
    };
    let protocol = if protocol.is_empty() { named } else { protocol };
    (whole_number(port), protocol.to_owned())
}

/// Nothing, if the text only says that nothing is known.
pub fn placeholder_as_empty(text: &str) -> &str {
    let text = text.trim();
    let may_be_one = text.len() <= 9 && text.starts_with(['-', '\'', '#', 'n', 'N', 'u', 'U']);
    if may_be_one
        && PLACEHOLDERS
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
    fn i74_spellings_of_one_host_become_one() {
        let table: [(&[&str], &str); 11] = [
            (
                &[
                    "Web1",
                    "web1.",
                    " WEB1 ",
                    "web1:443",
                    "'web1",
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
                    "10.0.0.1:8443",
                    "10.0.0.1/32",
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
                    "[2001:db8::1]:443",
                    "2001:db8::1/128",
                ],
                "2001:db8::1",
            ),
            (&["büro.example", "BÜRO.example."], "büro.example"),
            (&["web1, web2"], "web1, web2"),
            (&["arn:aws:ec2:x"], "arn:aws:ec2:x"),
            (&["2001:db8::5:443"], "2001:db8::5:443"),
            (&["10.0.0.0/24"], "10.0.0.0/24"),
            (&["web1:99999"], "web1:99999"),
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
    fn i77_i78_spellings_of_one_port_become_one() {
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
            ("80, 443", "tcp", "80, 443", "tcp"),
            ("1-1024", "tcp", "1-1024", "tcp"),
            ("tcp:443", "", "443", "tcp"),
            ("443 (https)", "TCP", "443", "tcp"),
            ("https (443/tcp)", "", "443", "tcp"),
            ("443/https/tcp", "", "443", "tcp"),
            ("53/tcp/udp", "", "53/tcp/udp", ""),
            ("Unknown", "#N/A", "", ""),
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
        for (text, expected) in [
            ("100000.0", "100000"),
            ("1.0", "1.0"),
            ("1.3.6.0", "1.3.6.0"),
        ] {
            assert_eq!(check(text), expected);
        }
        assert_eq!(label(" Tenable X"), "tenable x");
    }

    #[test]
    fn numbers_that_a_spreadsheet_has_rounded_are_told() {
        for text in ["1.23457E+14", "1,0E+05", "1E+5", "1.00e+05"] {
            assert!(is_rounded_number(text), "{text}");
        }
        for text in [
            "", "100000", "1E5", "E+5", "1.2.3E+5", "CVE+1", "1E+", "1.3.6",
        ] {
            assert!(!is_rounded_number(text), "{text}");
        }
    }

    #[test]
    fn the_port_of_a_host_is_told() {
        for (text, port) in [
            ("web1:443", Some("443")),
            ("https://[::1]:8443/x", Some("8443")),
            ("https://web1/x", None),
            ("::1", None),
            ("web1", None),
        ] {
            assert_eq!(host_and_port(text).1, port, "{text}");
        }
    }

    #[test]
    fn a_normal_form_is_its_own_normal_form() {
        for text in [
            "Web1.",
            "2001:DB8::1",
            "a, b",
            "443.0",
            "web1:443",
            "[::1]:443",
        ] {
            assert_eq!(host(&host(text)), host(text));
            let (port, protocol) = port_and_protocol(text, "TCP");
            assert_eq!(
                port_and_protocol(&port, &protocol),
                (port.clone(), protocol)
            );
        }
    }
}
