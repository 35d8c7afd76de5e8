//! What a producer tells about its work: merged update by update, cleaned, limited, and read for the known fields.

use std::collections::BTreeMap;

use serde::ser::{Serialize, Serializer};
use serde_json::Value;

use super::clean::clean_object;
use super::object::{Limits, Object, Text};
use super::{JsonObject, ProgressError};

/// A field of `import_progress` that producers give in their metadata, in either of two spellings.
///
/// It has one value: the spelling that was given last replaces the other one.
pub(super) struct Field {
    snake: &'static str,
    /// The same as `snake` where there is only one spelling.
    camel: &'static str,
    is_number: bool,
}

pub(super) const OPERATION: Field = Field::text("operation", "operation");
pub(super) const CURRENT_STEP: Field = Field::text("current_step", "currentStep");
pub(super) const PROCESSED_ROWS: Field = Field::number("processed_rows", "processedRows");
pub(super) const TOTAL_ROWS: Field = Field::number("total_rows", "totalRows");
pub(super) const ETA_SECONDS: Field = Field::number("eta_seconds", "etaSeconds");

const LIFTED: [&Field; 5] = [
    &OPERATION,
    &CURRENT_STEP,
    &PROCESSED_ROWS,
    &TOTAL_ROWS,
    &ETA_SECONDS,
];

impl Field {
    const fn text(snake: &'static str, camel: &'static str) -> Self {
        Field {
            snake,
            camel,
            is_number: false,
        }
    }

    const fn number(snake: &'static str, camel: &'static str) -> Self {
        Field {
            snake,
            camel,
            is_number: true,
        }
    }

    pub(super) fn of_key(key: &str) -> Option<&'static Field> {
        LIFTED
            .into_iter()
            .find(|field| key == field.snake || key == field.camel)
    }

    fn check(&self, key: &str, value: &Value) -> Result<(), ProgressError> {
        let wanted = match value {
            Value::Null => return Ok(()),
            Value::Number(number) if self.is_number => {
                if number.as_f64().is_some_and(|number| number >= 0.0) {
                    return Ok(());
                }
                "a number of 0 or more"
            }
            Value::String(_) if !self.is_number => return Ok(()),
            _ if self.is_number => "a number of 0 or more",
            _ => "text",
        };
        Err(ProgressError::invalid(format!(
            "metadata.{key} must be {wanted} or null"
        )))
    }
}

/// The merged metadata of one session.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    object: Object,
}

impl Metadata {
    /// Merges an update, key by key, after it was cleaned; null takes a key out.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for a forbidden key, a known field of the wrong type, too deep a value and too many keys,
    /// `PAYLOAD_TOO_LARGE` when the merged value is. Nothing has changed then.
    pub(super) fn merge(
        &mut self,
        mut update: JsonObject,
        limits: Limits,
    ) -> Result<(), ProgressError> {
        if update.is_empty() {
            return Ok(());
        }
        clean_object(&mut update, "metadata", limits.max_depth)?;
        let mut changes = BTreeMap::new();
        for (key, value) in update {
            if let Some(field) = Field::of_key(&key) {
                field.check(&key, &value)?;
            }
            let text = (!value.is_null()).then(|| Text::of(&value));
            changes.insert(key.into_boxed_str(), text);
        }
        LIFTED
            .into_iter()
            .for_each(|field| keep_one_spelling(field, &mut changes));
        self.object.check(&changes, "the merged metadata", limits)?;
        for (key, text) in changes {
            self.object.set(key, text);
        }
        Ok(())
    }

    /// Reads metadata that were merged and written down.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for what is no JSON object.
    pub(super) fn read(text: &str) -> Result<Metadata, ProgressError> {
        Ok(Metadata {
            object: Object::read(text)?,
        })
    }

    /// Memory for it, as text.
    pub(super) fn bytes(&self) -> usize {
        self.object.json_bytes()
    }

    /// A known field as given, in whichever spelling.
    pub(super) fn field(&self, field: &Field) -> Option<&Text> {
        let text = self.object.get(field.snake);
        text.or_else(|| self.object.get(field.camel))
    }

    /// A known field that is a number.
    pub(super) fn number(&self, field: &Field) -> Option<f64> {
        self.field(field)?.as_str().parse().ok()
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.object.get(key).is_some()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Text)> {
        self.object.iter()
    }
}

/// In an update that gives a known field, makes the other spelling go. If both are given, snake_case wins.
fn keep_one_spelling(field: &Field, changes: &mut BTreeMap<Box<str>, Option<Text>>) {
    if field.snake == field.camel {
        return;
    }
    let (loser, is_given) = match (changes.get(field.snake), changes.get(field.camel)) {
        (Some(Some(_)), _) => (field.camel, true),
        (_, Some(Some(_))) => (field.snake, true),
        (Some(None), _) => (field.camel, true),
        (_, Some(None)) => (field.snake, true),
        (None, None) => (field.snake, false),
    };
    if is_given {
        changes.insert(loser.into(), None);
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ErrorCode;
    use super::*;
    use serde_json::json;

    const LIMITS: Limits = Limits {
        max_bytes: 200,
        max_depth: 4,
        max_keys: 5,
    };

    fn merge(metadata: &mut Metadata, update: Value) -> Result<(), ProgressError> {
        let Value::Object(update) = update else {
            unreachable!("tests merge objects")
        };
        metadata.merge(update, LIMITS)
    }

    fn stored(metadata: &Metadata) -> Value {
        serde_json::to_value(&metadata.object).unwrap()
    }

    #[test]
    fn updates_merge_shallowly_and_null_removes_a_key() {
        let mut metadata = Metadata::default();
        merge(
            &mut metadata,
            json!({"a": {"x": 1, "y": null}, "b": 2, "none": null}),
        )
        .unwrap();
        assert_eq!(stored(&metadata), json!({"a": {"x": 1, "y": null}, "b": 2}));
        merge(
            &mut metadata,
            json!({"a": {"z": 3}, "b": null, "unknown": null}),
        )
        .unwrap();
        assert_eq!(stored(&metadata), json!({"a": {"z": 3}}));
    }

    #[test]
    fn an_update_is_cleaned_before_it_is_merged() {
        let mut metadata = Metadata::default();
        merge(&mut metadata, json!({"oper\u{0}ation": "co\u{202e}py"})).unwrap();
        assert_eq!(stored(&metadata), json!({"operation": "copy"}));
        let error = merge(&mut metadata, json!({"b": 1, "a": {"__proto__": 1}})).unwrap_err();
        assert_eq!(
            error.message,
            "the key __proto__ is not allowed in metadata"
        );
        assert_eq!(stored(&metadata), json!({"operation": "copy"}));
    }

    #[test]
    fn the_keys_of_all_levels_of_the_merged_value_are_limited() {
        let mut metadata = Metadata::default();
        merge(&mut metadata, json!({"a": {"b": [{"c": 1}]}, "d": 1})).unwrap();
        merge(&mut metadata, json!({"d": {"e": 1}})).unwrap();
        let error = merge(&mut metadata, json!({"f": 1})).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        assert_eq!(
            error.message,
            "the merged metadata would have 6 keys, all levels together; at most 5 are allowed"
        );
        merge(&mut metadata, json!({"a": null, "f": 1})).unwrap();
        assert_eq!(stored(&metadata), json!({"d": {"e": 1}, "f": 1}));
    }

    #[test]
    fn limits_hold_for_the_merged_value_and_a_refused_update_changes_nothing() {
        let mut metadata = Metadata::default();
        merge(&mut metadata, json!({"a": "x".repeat(100)})).unwrap();
        let error = merge(&mut metadata, json!({"small": 1, "b": "x".repeat(100)})).unwrap_err();
        assert_eq!(error.code, ErrorCode::PayloadTooLarge);
        assert_eq!(stored(&metadata), json!({"a": "x".repeat(100)}));
        merge(&mut metadata, json!({"a": null, "b": "x".repeat(100)})).unwrap();

        merge(&mut metadata, json!({"deep": [[{}]]})).unwrap();
        let error = merge(&mut metadata, json!({"deep": [[[[]]]]})).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        assert!(error.message.contains("at most 4 levels"), "{error}");
    }

    #[test]
    fn a_known_field_has_one_value_whatever_its_spelling() {
        let mut metadata = Metadata::default();
        for (update, rows) in [
            (json!({"processedRows": 1}), Some(1.0)),
            (json!({"processed_rows": 2}), Some(2.0)),
            (json!({"processedRows": 3}), Some(3.0)),
            (json!({"processedRows": 4, "processed_rows": 5}), Some(5.0)),
            (
                json!({"processedRows": 6, "processed_rows": null}),
                Some(6.0),
            ),
            (json!({"other": 1}), Some(6.0)),
            (json!({"processed_rows": null}), None),
        ] {
            merge(&mut metadata, update.clone()).unwrap();
            assert_eq!(metadata.number(&PROCESSED_ROWS), rows, "{update}");
        }
    }

    #[test]
    fn known_fields_must_have_their_type() {
        for (update, message) in [
            (
                json!({"processed_rows": "12"}),
                "metadata.processed_rows must be a number of 0 or more or null",
            ),
            (
                json!({"etaSeconds": -1}),
                "metadata.etaSeconds must be a number of 0 or more or null",
            ),
            (
                json!({"operation": 7}),
                "metadata.operation must be text or null",
            ),
        ] {
            let error = merge(&mut Metadata::default(), update).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidArgument);
            assert_eq!(error.message, message);
        }
    }
}
