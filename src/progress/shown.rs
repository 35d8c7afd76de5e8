//! Metadata as it is shown: with what the tracker has computed.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::metadata::{Field, Metadata};

/// Figures that are shown among the metadata and that the tracker computes when the producer does not give them.
pub(super) struct Computed {
    pub processing_speed: Option<String>,
    pub estimated_completion: Option<String>,
}

/// The spellings of the computed figures; the first one is the server's own.
pub(super) const PROCESSING_SPEED: [&str; 2] = ["processing_speed", "processingSpeed"];
pub(super) const ESTIMATED_COMPLETION: [&str; 2] = ["estimatedCompletion", "estimated_completion"];

/// Metadata as `import_progress` shows it: known fields are left out, since they stand beside the metadata, and computed
/// figures are there, null where they could not be computed.
pub(super) struct Shown<'a> {
    pub metadata: &'a Metadata,
    pub computed: &'a Computed,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, text) in self.metadata.iter() {
            if Field::of_key(key).is_none() {
                map.serialize_entry(key, text)?;
            }
        }
        for (spellings, value) in [
            (PROCESSING_SPEED, &self.computed.processing_speed),
            (ESTIMATED_COMPLETION, &self.computed.estimated_completion),
        ] {
            if !spellings.iter().any(|key| self.metadata.contains(key)) {
                map.serialize_entry(spellings[0], value)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::super::object::Limits;
    use super::*;
    use serde_json::json;

    #[test]
    fn shown_metadata_holds_what_was_computed_unless_the_producer_knows_better() {
        let mut metadata = Metadata::default();
        let given =
            json!({"operation": "copy", "totalRows": 9, "vendor": "x", "processing_speed": "fast"});
        let limits = Limits {
            max_bytes: 200,
            max_depth: 4,
            max_keys: 64,
        };
        metadata
            .merge(given.as_object().unwrap().clone(), limits)
            .unwrap();
        let computed = Computed {
            processing_speed: Some("65 rows/sec".into()),
            estimated_completion: None,
        };
        let shown = Shown {
            metadata: &metadata,
            computed: &computed,
        };
        assert_eq!(
            serde_json::to_string(&shown).unwrap(),
            r#"{"processing_speed":"fast","vendor":"x","estimatedCompletion":null}"#
        );
    }
}
