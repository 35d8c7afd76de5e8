//! Metadata as it is shown: with what the tracker has computed.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::metadata::{Field, Metadata};

/// Figures that are shown among the metadata and that the tracker computes when the producer does not give them.
pub(super) struct Computed {
    pub processing_speed: Option<String>,
    pub estimated_completion: Option<String>,
}

/// Metadata as it is shown, with the computed figures.
pub(super) struct Shown<'a> {
    pub metadata: &'a Metadata,
    pub computed: &'a Computed,
    /// How `import_progress` shows it: known fields are left out, since they stand beside the metadata, and figures
    /// that could not be computed are null. Otherwise all that is stored is there, and what is not known is left out.
    pub beside_fields: bool,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, text) in self.metadata.iter() {
            if !(self.beside_fields && Field::of_key(key).is_some()) {
                map.serialize_entry(key, text)?;
            }
        }
        let computed = [
            (
                ["processing_speed", "processingSpeed"],
                &self.computed.processing_speed,
            ),
            (
                ["estimatedCompletion", "estimated_completion"],
                &self.computed.estimated_completion,
            ),
        ];
        for (spellings, value) in computed {
            let is_given = spellings.iter().any(|key| self.metadata.contains(key));
            if !is_given && (value.is_some() || self.beside_fields) {
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
        };
        metadata
            .merge(given.as_object().unwrap().clone(), limits)
            .unwrap();
        let mut computed = Computed {
            processing_speed: Some("65 rows/sec".into()),
            estimated_completion: None,
        };
        let shown = |computed: &Computed, beside_fields| {
            let metadata = &metadata;
            serde_json::to_string(&Shown {
                metadata,
                computed,
                beside_fields,
            })
            .unwrap()
        };
        assert_eq!(
            shown(&computed, true),
            r#"{"processing_speed":"fast","vendor":"x","estimatedCompletion":null}"#
        );
        computed.estimated_completion = Some("soon".into());
        assert_eq!(
            shown(&computed, false),
            concat!(
                r#"{"operation":"copy","processing_speed":"fast","totalRows":9,"vendor":"x","#,
                r#""estimatedCompletion":"soon"}"#
            )
        );
    }
}
