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
