//! For whom a proxy has passed a request on: `X-Forwarded-For`, and `Forwarded` (RFC 7239).

use std::net::{IpAddr, SocketAddr};

use super::Head;

/// The client that the proxies in front of this server name: going from the last address to the first, the first one that is no
/// proxy of ours, with port 0 where none is told.
///
/// A proxy passes on what it does not know. So what a client says itself stands before what our proxies have added, and of
/// two kinds of header fields one may be the client's alone. `None` when both are there and do not agree, and when neither says
/// anything that can be read.
pub(crate) fn forwarded_for(
    head: &Head<'_>,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> Option<SocketAddr> {
    let addresses = |name: &str, address: fn(&str) -> Option<SocketAddr>| -> Option<Option<_>> {
        let fields = head
            .headers()
            .filter(|(it, _)| it.eq_ignore_ascii_case(name));
        let texts: Vec<&str> = fields
            .map(|(_, value)| std::str::from_utf8(value).unwrap_or_default())
            .collect();
        let elements = texts.iter().rev().flat_map(|text| text.rsplit(','));
        (!texts.is_empty()).then(|| client(elements.map(address), &is_proxy))
    };
    let by_custom = addresses("X-Forwarded-For", parse_address);
    let by_standard = addresses("Forwarded", parse_element);
    match (by_custom, by_standard) {
        (Some(custom), Some(standard))
            if custom.map(|it| it.ip()) != standard.map(|it| it.ip()) =>
        {
            None
        }
        (custom, standard) => custom.or(standard).flatten(),
    }
}

/// The first of these that is no proxy of ours; where all that can be read are, the last of them.
fn client(
    addresses: impl Iterator<Item = Option<SocketAddr>>,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> Option<SocketAddr> {
    let mut last = None;
    // What is in front of something that cannot be read may be anybody's.
    for address in addresses.map_while(|address| address) {
        last = Some(address);
        if !is_proxy(address.ip()) {
            break;
        }
    }
    last
}

/// An address of `X-Forwarded-For`, for which there is no standard: with a port or without, in brackets or not.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let text = text.trim_matches([' ', '\t']);
    let alone = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let address = alone.parse().map(|ip| SocketAddr::new(ip, 0));
    address.or_else(|_| text.parse()).ok()
}

/// The address of one element of `Forwarded`: `for=192.0.2.60;proto=http`, `For="[2001:db8::17]:4711"`.
fn parse_element(element: &str) -> Option<SocketAddr> {
    let mut pairs = element
        .split(';')
        .map(|pair| pair.trim_matches([' ', '\t']));
    let value = pairs.find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(value)
    })?;
    let quoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    parse_address(quoted.unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{parse_head, HeadLimits, Parsed};

    /// The client of a request with these header fields, where 10.0.0.0/8 are the proxies.
    fn named(fields: &[&str]) -> Option<String> {
        let text = format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n",
            fields.join("\r\n")
        );
        let parsed = parse_head(text.as_bytes(), &HeadLimits::default());
        let Ok(Parsed::Complete { head, .. }) = parsed else {
            panic!("a good head");
        };
        let is_proxy = |ip: IpAddr| matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 10);
        forwarded_for(&head, is_proxy).map(|address| address.to_string())
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_client() {
        for (fields, client) in [
            (&["X-Forwarded-For: 192.0.2.1"][..], Some("192.0.2.1:0")),
            (
                &["x-forwarded-for: 192.0.2.1, 10.0.0.2 ,10.0.0.1"],
                Some("192.0.2.1:0"),
            ),
            // What the client has put in front is not believed.
            (
                &["X-Forwarded-For: 198.51.100.1, 192.0.2.1, 10.0.0.1"],
                Some("192.0.2.1:0"),
            ),
            (
                &[
                    "X-Forwarded-For: 198.51.100.1",
                    "X-Forwarded-For: 192.0.2.1",
                ],
                Some("192.0.2.1:0"),
            ),
            (&["X-Forwarded-For: 192.0.2.1:4000"], Some("192.0.2.1:4000")),
            (&["X-Forwarded-For: 2001:db8::1"], Some("[2001:db8::1]:0")),
            (&["X-Forwarded-For: [2001:db8::1]"], Some("[2001:db8::1]:0")),
            (
                &["X-Forwarded-For: [2001:db8::1]:4000"],
                Some("[2001:db8::1]:4000"),
            ),
            (&["X-Forwarded-For: 10.0.0.3, 10.0.0.2"], Some("10.0.0.3:0")),
            (&["X-Forwarded-For: garbage, 10.0.0.2"], Some("10.0.0.2:0")),
            (&["X-Forwarded-For: 192.0.2.1, unknown"], None),
            (&["X-Forwarded-For:"], None),
            (
                &["Forwarded: for=192.0.2.1;proto=http;by=10.0.0.1"],
                Some("192.0.2.1:0"),
            ),
            (
                &["Forwarded: proto=https; FOR=\"192.0.2.1:99\" , for=10.0.0.1"],
                Some("192.0.2.1:99"),
            ),
            (
                &["Forwarded: for=\"[2001:db8::1]:99\""],
                Some("[2001:db8::1]:99"),
            ),
            (&["Forwarded: for=192.0.2.1, for=_hidden"], None),
            (&["Forwarded: proto=https"], None),
            (&[], None),
        ] {
            assert_eq!(named(fields).as_deref(), client, "{fields:?}");
        }
    }

    #[test]
    fn of_two_kinds_of_fields_neither_is_believed_unless_both_say_the_same() {
        for (fields, client) in [
            (
                ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1"],
                Some("192.0.2.1:0"),
            ),
            (
                ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.2"],
                None,
            ),
            (
                ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=unknown"],
                None,
            ),
        ] {
            assert_eq!(named(&fields).as_deref(), client, "{fields:?}");
        }
    }
}
