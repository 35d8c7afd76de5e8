//! What strings and keys of producers may hold: metadata, results, errors and alerts are all read by this.

use serde_json::Value;

use super::{JsonObject, ProgressError};

/// Keys that, merged into an object in a browser, would change more than that object.
const FORBIDDEN_KEYS: [&str; 3] = ["__proto__", "constructor", "prototype"];

/// Cleans an object in place: strings and keys at every level.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for a forbidden key, and where there are more than `max_depth` levels, the object being the first.
pub(super) fn clean_object(
    object: &mut JsonObject,
    what: &str,
    max_depth: usize,
) -> Result<(), ProgressError> {
    let cleaner = Cleaner { what, max_depth };
    cleaner.object(object, max_depth.saturating_sub(1))
}

/// Removes control characters, which do harm in a terminal or a log, and those that turn the direction of text around
/// (bidirectional overrides, embeddings and isolates), by which a name can look like another one. Where a line ends, and for a tab,
/// there is a space from now on, so that words do not run together.
pub(super) fn clean_text(text: &mut String) {
    if text.contains(is_unwanted) {
        let apart = text.replace("\r\n", " ").replace(['\n', '\r', '\t'], " ");
        *text = apart;
        text.retain(|c| !is_unwanted(c));
    }
}

/// The same for a key, in which nothing takes the place of what is removed.
fn clean_key(key: &mut String) {
    key.retain(|c| !is_unwanted(c));
}

fn is_unwanted(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

struct Cleaner<'a> {
    /// What the object is, for messages.
    what: &'a str,
    max_depth: usize,
}

impl Cleaner<'_> {
    /// Goes at most `levels` further down.
    fn object(&self, object: &mut JsonObject, levels: usize) -> Result<(), ProgressError> {
        for (mut key, mut value) in std::mem::take(object) {
            self.key(&mut key)?;
            self.value(&mut value, levels)?;
            object.insert(key, value);
        }
        Ok(())
    }

    fn value(&self, value: &mut Value, levels: usize) -> Result<(), ProgressError> {
        match value {
            Value::String(text) => clean_text(text),
            Value::Array(items) => {
                let levels = self.down(levels)?;
                for item in items {
                    self.value(item, levels)?;
                }
            }
            Value::Object(entries) => self.object(entries, self.down(levels)?)?,
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        Ok(())
    }

    fn key(&self, key: &mut String) -> Result<(), ProgressError> {
        clean_key(key);
        if FORBIDDEN_KEYS.contains(&key.as_str()) {
            return Err(ProgressError::invalid(format!(
                "the key {key} is not allowed in {}",
                self.what
            )));
        }
        Ok(())
    }

    fn down(&self, levels: usize) -> Result<usize, ProgressError> {
        levels.checked_sub(1).ok_or_else(|| {
            ProgressError::invalid(format!(
                "{} is nested too deeply, at most {} levels are allowed",
                self.what, self.max_depth
            ))
        })
    }
}

/// How many keys the objects in a value have, all levels together.
pub(super) fn count_keys(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(count_keys).sum(),
        Value::Object(entries) => entries.values().map(|item| 1 + count_keys(item)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ErrorCode;
    use super::*;
    use serde_json::json;

    fn clean(mut value: Value) -> Result<Value, ProgressError> {
        let object = value.as_object_mut().expect("tests clean objects");
        clean_object(object, "the result", 4)?;
        Ok(value)
    }

    #[test]
    fn control_characters_are_removed_from_strings_and_keys_at_every_level() {
        let given =
            json!({"a\u{7f}": "x\u{0}y\u{1b}[31m", "list": ["\u{7}", {"k\t": "\u{fc}\u{9f}!"}]});
        let wanted = json!({"a": "xy[31m", "list": ["", {"k": "\u{fc}!"}]});
        assert_eq!(clean(given), Ok(wanted));
    }

    #[test]
    fn lines_and_columns_of_a_text_do_not_run_together() {
        let given = json!({"a": "one\ntwo\r\nthree\rfour\tfive\n\n\u{0}six"});
        assert_eq!(
            clean(given),
            Ok(json!({"a": "one two three four five  six"}))
        );
    }

    #[test]
    fn characters_that_turn_text_around_are_removed() {
        for c in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            let given = json!({format!("na{c}me"): [format!("photo{c}gpj.exe")]});
            assert_eq!(clean(given), Ok(json!({"name": ["photogpj.exe"]})), "{c:?}");
        }
        let kept = json!({"a": "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{2029}\u{202f}\u{2065}\u{206a}"});
        assert_eq!(clean(kept.clone()), Ok(kept));
    }

    #[test]
    fn keys_that_reach_into_prototypes_are_refused_at_every_level() {
        for key in [
            "__proto__",
            "constructor",
            "prototype",
            "__pro\u{0}to__",
            "proto\u{2066}type",
        ] {
            for given in [json!({key: 1}), json!({"a": [{key: {}}]})] {
                let error = clean(given).unwrap_err();
                assert_eq!(error.code, ErrorCode::InvalidArgument);
                assert!(
                    error.message.ends_with("is not allowed in the result"),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn the_depth_is_limited_to_the_level() {
        assert!(clean(json!({"a": [[{}]]})).is_ok());
        let error = clean(json!({"a": [[[[]]]]})).unwrap_err();
        assert_eq!(
            error.message,
            "the result is nested too deeply, at most 4 levels are allowed"
        );
    }

    #[test]
    fn keys_of_all_levels_count() {
        assert_eq!(count_keys(&json!("text")), 0);
        assert_eq!(count_keys(&json!({"a": 1, "b": [{"c": {"d": 2}}, 7]})), 4);
    }
}
