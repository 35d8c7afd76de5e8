//! A JSON object held as text: its keys one by one, each value as compact JSON.
//!
//! Text costs what its limit in bytes says, where a parsed tree can cost sixteen times as much; and it is ready to be
//! sent.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{to_raw_value, RawValue};
use serde_json::Value;

use super::clean::{clean_object, count_keys};
use super::{JsonObject, ProgressError};

/// How large an object may be, how deep, and of how many keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub max_bytes: usize,
    /// Levels of objects and arrays, this object being the first.
    pub max_depth: usize,
    /// Keys of all levels together.
    pub max_keys: usize,
}

/// A JSON object with sorted keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Object {
    entries: BTreeMap<Box<str>, Text>,
    /// Sum of [`entry_bytes`] over all entries.
    entries_bytes: usize,
}

/// A value as compact JSON. Compared as text.
#[derive(Clone, Debug)]
pub(super) struct Text {
    json: Box<RawValue>,
    /// How many keys the objects in it have.
    keys: usize,
}

impl Text {
    pub(super) fn of(value: &Value) -> Self {
        Text {
            json: to_raw_value(value).expect("a JSON value always has a JSON text"),
            keys: count_keys(value),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        self.json.get()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl Object {
    /// Takes over an object, cleaned and within the limits.
    pub(super) fn new(
        mut from: JsonObject,
        what: &str,
        limits: Limits,
    ) -> Result<Self, ProgressError> {
        clean_object(&mut from, what, limits.max_depth)?;
        let mut object = Object::default();
        for (key, value) in from {
            object.set(key.into_boxed_str(), Some(Text::of(&value)));
        }
        object.check(&BTreeMap::new(), what, limits)?;
        Ok(object)
    }

    /// Reads an object that was taken over before, and written down.
    pub(super) fn read(text: &str) -> Result<Self, ProgressError> {
        let invalid = |error| ProgressError::invalid(format!("this is no JSON object: {error}"));
        let entries: BTreeMap<Box<str>, Box<RawValue>> =
            serde_json::from_str(text).map_err(invalid)?;
        let mut object = Object::default();
        for (key, json) in entries {
            let value = serde_json::from_str(json.get()).map_err(invalid)?;
            let keys = count_keys(&value);
            object.set(key, Some(Text { json, keys }));
        }
        Ok(object)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Text> {
        self.entries.get(key)
    }

    /// The entry, unless it is missing or null.
    pub(super) fn get_given(&self, key: &str) -> Option<&Text> {
        self.get(key).filter(|text| text.as_str() != "null")
    }

    pub(super) fn insert(&mut self, key: &str, value: Value) {
        self.set(key.into(), Some(Text::of(&value)));
    }

    /// Puts an entry in, or with `None` takes it out.
    pub(super) fn set(&mut self, key: Box<str>, value: Option<Text>) {
        if let Some(old) = self.entries.get(&key) {
            self.entries_bytes -= entry_bytes(&key, old);
        }
        match value {
            Some(text) => {
                self.entries_bytes += entry_bytes(&key, &text);
                self.entries.insert(key, text);
            }
            None => {
                self.entries.remove(&key);
            }
        }
    }

    /// Takes over all entries of another object, over its own.
    pub(super) fn extend(&mut self, other: Object) {
        for (key, text) in other.entries {
            self.set(key, Some(text));
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Text)> {
        self.entries.iter().map(|(key, text)| (&**key, text))
    }

    /// Length of the whole object as compact JSON.
    pub(super) fn json_bytes(&self) -> usize {
        object_bytes(self.entries_bytes)
    }

    /// Refuses what the object would be after these changes, if that is beyond the limits; see [`Object::set`].
    pub(super) fn check(
        &self,
        changes: &BTreeMap<Box<str>, Option<Text>>,
        what: &str,
        limits: Limits,
    ) -> Result<(), ProgressError> {
        let mut bytes = self.entries_bytes;
        let mut keys: usize = self.entries.values().map(|text| 1 + text.keys).sum();
        for (key, change) in changes {
            if let Some(old) = self.entries.get(key) {
                bytes -= entry_bytes(key, old);
                keys -= 1 + old.keys;
            }
            if let Some(new) = change {
                bytes += entry_bytes(key, new);
                keys += 1 + new.keys;
            }
        }
        let bytes = object_bytes(bytes);
        if bytes > limits.max_bytes {
            return Err(ProgressError::too_large(what, bytes, limits.max_bytes));
        }
        if keys > limits.max_keys {
            let message = format!(
                "{what} would have {keys} keys, all levels together; at most {} are allowed",
                limits.max_keys
            );
            return Err(ProgressError::invalid(message));
        }
        Ok(())
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// An object with its well-known keys first, in the order of the documented event, then its others, sorted.
pub(super) struct Ordered<'a> {
    pub object: &'a Object,
    pub first: &'a [&'static str],
}

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for key in self.first {
            if let Some(text) = self.object.get(key) {
                map.serialize_entry(key, text)?;
            }
        }
        for (key, text) in self.object.iter() {
            if !self.first.contains(&key) {
                map.serialize_entry(key, text)?;
            }
        }
        map.end()
    }
}

/// Bytes of one entry with the comma or brace behind it.
fn entry_bytes(key: &str, text: &Text) -> usize {
    string_bytes(key) + 1 + text.as_str().len() + 1
}

fn object_bytes(entries_bytes: usize) -> usize {
    // The last entry's comma is the closing brace.
    1 + entries_bytes.max(1)
}

/// Length of a string as JSON, quotes included.
fn string_bytes(text: &str) -> usize {
    let escapes: usize = text
        .bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\x08' | b'\t' | b'\n' | b'\x0c' | b'\r' => 1,
            0..=0x1f => 5,
            _ => 0,
        })
        .sum();
    text.len() + escapes + 2
}

#[cfg(test)]
mod tests {
    use super::super::ErrorCode;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const LIMITS: Limits = Limits {
        max_bytes: 100,
        max_depth: 3,
        max_keys: 10,
    };

    fn object(value: Value) -> Result<Object, ProgressError> {
        let Value::Object(map) = value else {
            unreachable!("tests hand over objects")
        };
        Object::new(map, "result", LIMITS)
    }

    #[test]
    fn an_object_comes_out_as_it_went_in() {
        for value in [
            json!({}),
            json!({"b": [1, {"c": null}], "a\"\\": "x\u{e9}", "": 1.5}),
        ] {
            let object = object(value.clone()).unwrap();
            let text = serde_json::to_string(&object).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
            assert_eq!(object.json_bytes(), text.len());
        }
    }

    #[test]
    fn known_keys_come_first() {
        let object = object(json!({"zeta": 1, "alpha": 2, "code": 3, "message": 4})).unwrap();
        let ordered = Ordered {
            object: &object,
            first: &["message", "missing", "code"],
        };
        assert_eq!(
            serde_json::to_string(&ordered).unwrap(),
            r#"{"message":4,"code":3,"alpha":2,"zeta":1}"#
        );
    }

    #[test]
    fn size_and_depth_are_limited_to_the_byte_and_the_level() {
        assert!(object(json!({"a": "x".repeat(92)})).is_ok());
        let error = object(json!({"a": "x".repeat(93)})).unwrap_err();
        assert_eq!(error.code, ErrorCode::PayloadTooLarge);
        assert_eq!(
            error.message,
            "result takes 101 bytes, at most 100 are allowed"
        );

        assert!(object(json!({"a": [[]]})).is_ok());
        let error = object(json!({"a": [[{}]]})).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        assert_eq!(
            error.message,
            "result is nested too deeply, at most 3 levels are allowed"
        );
    }

    #[test]
    fn keys_of_all_levels_are_limited() {
        assert!(object(json!({"a": [{"b": 1, "c": 1}, {"d": 1}], "e": 1})).is_ok());
        let many: JsonObject = (0..4)
            .map(|n| (n.to_string(), json!({"x": {"y": 1}})))
            .collect();
        let error = object(Value::Object(many)).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        assert_eq!(
            error.message,
            "result would have 12 keys, all levels together; at most 10 are allowed"
        );
    }

    proptest! {
        #[test]
        fn the_size_is_that_of_the_text_after_any_changes(
            changes in prop::collection::vec((".{0,4}", prop::option::of(".{0,6}")), 0..20),
        ) {
            let mut object = Object::default();
            for (key, value) in changes {
                let change = value.map(|value| Text::of(&Value::String(value)));
                let one = BTreeMap::from([(Box::from(key.as_str()), change.clone())]);
                let fits = |max_bytes| {
                    let limits = Limits { max_bytes, ..LIMITS };
                    let max_keys = usize::MAX;
                    object.check(&one, "it", Limits { max_keys, ..limits }).is_ok()
                };
                let mut changed = object.clone();
                changed.set(key.into(), change);
                let bytes = serde_json::to_string(&changed).unwrap().len();
                prop_assert_eq!(changed.json_bytes(), bytes);
                prop_assert!(fits(bytes) && !fits(bytes - 1));
                object = changed;
            }
        }
    }
}
