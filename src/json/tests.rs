use super::*;
use proptest::prelude::*;

#[test]
fn takes_what_is_json() {
    for text in [
        "0",
        "-0",
        "10",
        "1.5",
        "-1.5e+10",
        "1E9",
        "true",
        "null",
        "\"\"",
        "\"a\\u00e9\\n\"",
        "\"\\ud83d\"",
        "[]",
        "{}",
        " [ 1 , 2 ] ",
        "{\"a\":{\"b\":[[]]}}",
        "\"ü\"",
        "123456789012345678901234567890",
    ] {
        assert_eq!(check(text, MAX_DEPTH), Ok(()), "{text}");
    }
}

#[test]
fn refuses_what_is_not() {
    for text in [
        "",
        " ",
        "01",
        "+1",
        "1.",
        ".5",
        "1e",
        "tru",
        "nul",
        "\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"a\n\"",
        "[",
        "]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "[}",
        "{]",
        "1 2",
        "[] []",
        "NaN",
        "'a'",
    ] {
        assert!(
            matches!(check(text, MAX_DEPTH), Err(JsonError::Syntax(_))),
            "{text}"
        );
    }
}

#[test]
fn depth_is_limited_without_recursion() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(check(&nested(128), 128), Ok(()));
    assert_eq!(check(&nested(129), 128), Err(JsonError::TooDeep));
    assert_eq!(check(&nested(5), 4), Err(JsonError::TooDeep));
    assert_eq!(check(&"[".repeat(1_000_000), 500), Err(JsonError::TooDeep));
}

#[test]
fn finds_the_elements_of_an_array() {
    let text = r#"[ "a,]" , 1,{"b":[1,2]} ,[[]], null]"#;
    let found: Vec<&str> = elements(text).map(|r| &text[r]).collect();
    assert_eq!(found, ["\"a,]\"", "1", "{\"b\":[1,2]}", "[[]]", "null"]);
    assert_eq!(elements("[]").count(), 0);
    assert_eq!(elements("5").count(), 0);
}

#[test]
fn finds_placeholders_at_any_depth() {
    let text = r#"["x",{"_placeholder":true,"num":0},{"a":[{"num":1,"_placeholder":true}]},{"_placeholder":false,"num":2}]"#;
    let found = placeholders(text);
    assert_eq!(found.len(), 2);
    assert_eq!(
        &text[found[0].range.clone()],
        r#"{"_placeholder":true,"num":0}"#
    );
    assert_eq!(found[1].number, Some(1));
    let nested = r#"[{"_placeholder":true,"num":0,"x":{"_placeholder":true,"num":1}}]"#;
    assert_eq!(placeholders(nested).len(), 1);
    let bad =
        r#"[{"_placeholder":true,"num":-1},{"_placeholder":true,"num":"0"},{"_placeholder":true}]"#;
    assert_eq!(
        placeholders(bad)
            .iter()
            .map(|p| p.number)
            .collect::<Vec<_>>(),
        [None, None, None]
    );
}

#[test]
fn reads_placeholders_as_every_json_reader_does() {
    let escaped = r#"[{"_\u0070laceholder":true,"n\u0075m":1}]"#;
    assert_eq!(placeholders(escaped)[0].number, Some(1));
    let twice = r#"[{"_placeholder":false,"num":1,"num":2,"_placeholder":true}]"#;
    assert_eq!(placeholders(twice)[0].number, Some(2));
    let taken_back = r#"[{"_placeholder":true,"num":0,"_placeholder":{}}]"#;
    assert_eq!(placeholders(taken_back), []);
    let lost_number = r#"[{"_placeholder":true,"num":0,"num":[1]}]"#;
    assert_eq!(placeholders(lost_number)[0].number, None);
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<i32>().prop_map(|n| (f64::from(n) / 8.0).into()),
        ".*".prop_map(serde_json::Value::String),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::hash_map(".*", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn agrees_with_serde_json_on_what_it_writes(value in json_value()) {
        let text = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(check(&text, MAX_DEPTH), Ok(()));
        if let Some(array) = value.as_array() {
            let parts: Vec<serde_json::Value> =
                elements(&text).map(|r| serde_json::from_str(&text[r]).unwrap()).collect();
            prop_assert_eq!(&parts, array);
        }
    }

    #[test]
    fn agrees_with_serde_json_on_damaged_text(value in json_value(), at in any::<prop::sample::Index>(), byte in "[\\[\\]{},:\"0-9a-z \\\\.-]") {
        let mut text = serde_json::to_string(&value).unwrap();
        let at = at.index(text.len());
        if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
            text.replace_range(at..at + 1, &byte);
        }
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert_eq!(check(&text, MAX_DEPTH).is_ok(), theirs, "{}", text);
    }
}

/// Text that has much of what JSON is made of, in an order that is mostly wrong.
fn json_like() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => prop::sample::select(vec![
            "[", "]", "{", "}", ",", ":", "\"", "\"a\"", "\"a\":", "\"\\u00e9\"", "\"\\ud800\"", "\"\\x\"", "\\", "0", "-",
            "1.5e3", "01", "1.", "true", "false", "null", "nul", " ", "\t", "\n", "\u{b}", "\0", "\u{1f}", "ü",
        ])
        .prop_map(str::to_owned),
        1 => "\"[ -!#-~]{0,40}\"",
        1 => "\"[\\u{20}-\\u{10ffff}]{0,20}\"",
        1 => "[0-9eE+.-]{1,10}",
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

/// Whether serde_json takes it for JSON. It wants surrogates in pairs where it makes text of them; as `IgnoredAny` and as
/// `RawValue` it does not.
fn serde_takes(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_serde_json_on_text_that_looks_like_json(text in json_like()) {
        prop_assert_eq!(check(&text, MAX_DEPTH).is_ok(), serde_takes(&text));
    }

    #[test]
    fn agrees_with_serde_json_on_strings_of_any_bytes(
        before in "[a-z]{0,17}",
        special in prop_oneof![(0u8..128).prop_map(|byte| char::from(byte).to_string()), ".{1,3}"],
        behind in "[a-zé]{0,17}",
    ) {
        let text = format!("\"{before}{special}{behind}\"");
        prop_assert_eq!(check(&text, MAX_DEPTH).is_ok(), serde_takes(&text));
    }

    #[test]
    fn elements_of_any_text_are_parts_of_it(text in json_like()) {
        for range in elements(&text) {
            prop_assert!(text.get(range).is_some());
        }
    }
}

#[test]
fn says_which_byte_of_eight_is_special() {
    for at in 0..8 {
        for byte in 0..=255u8 {
            let mut bytes = *b"abcdefgh";
            bytes[at] = byte;
            // What is behind the byte must not be taken for what is before it.
            bytes[at + 1..].fill(b'"');
            let special = special_bytes(u64::from_le_bytes(bytes));
            let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
            let first = if is_special { at } else { at + 1 };
            assert_eq!(
                special.trailing_zeros() as usize / 8,
                first,
                "{byte} at {at}"
            );
        }
    }
}

proptest! {
    #[test]
    fn a_plain_text_is_one_that_serde_json_writes_as_it_is(text in prop_oneof![".{0,30}", "[ -~]{0,30}", "[a-z]{0,30}"]) {
        prop_assert_eq!(is_plain(&text), serde_json::to_string(&text).unwrap() == format!("\"{text}\""));
    }
}

#[test]
fn trims_white_space_of_json_alone() {
    assert_eq!(trim(" \t[1 ]\r\n"), "[1 ]");
    assert_eq!(trim("[1] "), "[1]");
    assert_eq!(trim("\u{a0}1\u{b}"), "\u{a0}1\u{b}");
    assert_eq!((trim(" "), trim("1"), trim("")), ("", "1", ""));
}
