//! The query part of a request target, read as `application/x-www-form-urlencoded` (WHATWG URL standard, section 5.1).

use std::borrow::Cow;

/// The `name=value` pairs of a query in their order, decoded: `+` is a space, `%20` too.
///
/// Nothing in a query is an error: a pair without `=` has an empty value, an incomplete escape stays as it is, and bytes
/// that are no UTF-8 become U+FFFD. What needs no decoding is borrowed.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// The decoded value of the first pair with this name.
pub fn query_value<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    let mut pairs = query_pairs(query);
    pairs.find(|(key, _)| key == name).map(|(_, value)| value)
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (byte, length) = match bytes[at..] {
            [b'+', ..] => (b' ', 1),
            [b'%', high, low, ..] => match (hex_digit(high), hex_digit(low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => (b'%', 1),
            },
            _ => (bytes[at], 1),
        };
        decoded.push(byte);
        at += length;
    }
    Cow::Owned(match String::from_utf8(decoded) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// The value of one hexadecimal digit of either case.
pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(query: &str) -> Vec<(String, String)> {
        query_pairs(query)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn splits_and_decodes() {
        assert_eq!(
            pairs("EIO=4&transport=polling&t=Pq_1"),
            [
                pair("EIO", "4"),
                pair("transport", "polling"),
                pair("t", "Pq_1")
            ]
        );
        assert_eq!(
            pairs("a+b=1%2b1&%C3%A4=%e2%82%ac"),
            [pair("a b", "1+1"), pair("ä", "€")]
        );
        assert_eq!(
            pairs("&&a&=b&c=d=e&"),
            [pair("a", ""), pair("", "b"), pair("c", "d=e")]
        );
        assert_eq!(pairs(""), []);
    }

    #[test]
    fn broken_escapes_stay_and_broken_utf8_is_replaced() {
        assert_eq!(
            pairs("a=%&b=%2&c=%zz&d=100%"),
            [
                pair("a", "%"),
                pair("b", "%2"),
                pair("c", "%zz"),
                pair("d", "100%")
            ]
        );
        assert_eq!(pairs("a=%FFx"), [pair("a", "\u{fffd}x")]);
    }

    #[test]
    fn the_first_of_several_values_counts_and_plain_ones_are_borrowed() {
        let value = query_value("sid=one&sid=two", "sid");
        assert!(matches!(value, Some(Cow::Borrowed("one"))));
        assert_eq!(query_value("%73id=x", "sid").as_deref(), Some("x"));
        assert_eq!(query_value("sid2=x", "sid"), None);
    }

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(name in "\\PC{0,8}", value in "\\PC{0,8}") {
            let escape = |text: &str| -> String {
                text.bytes().map(|byte| format!("%{byte:02x}")).collect()
            };
            let query = format!("x=y&{}={}&z", escape(&name), escape(&value));
            prop_assert_eq!(pairs(&query)[1].clone(), (name, value));
        }

        #[test]
        fn no_query_is_too_odd(query in "[%+&=a-f0-9\\PC]{0,40}") {
            pairs(&query);
        }
    }
}
