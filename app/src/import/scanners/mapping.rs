//! Columns that somebody says hold what.

use serde_json::Value;

use super::{normal, Role};

/// Most fields of a mapping, and most names for one.
const MAX_ENTRIES: usize = 256;

/// Which columns hold what, beside what their names tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// Names of columns, in the form in which they compare.
    pub columns: Vec<(Role, Vec<String>)>,
    /// As it was given.
    pub given: Value,
}

impl Mapping {
    /// Reads an object with names of columns by field: one name or a list.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with "mapping".
    pub fn from_json(given: Value) -> Result<Mapping, String> {
        let object = given
            .as_object()
            .ok_or("must be a JSON object with names of columns by field")?;
        if object.is_empty() || object.len() > MAX_ENTRIES {
            return Err("must name between 1 and 256 fields".into());
        }
        let mut columns = Vec::new();
        for (field, names) in object {
            let role = Role::from_field(field).ok_or_else(|| {
                let known: Vec<&str> = Role::ALL.iter().map(|role| role.field()).collect();
                format!("knows no field {field:?}; known are {}", known.join(", "))
            })?;
            let names: Vec<String> = match names {
                Value::String(name) => vec![normal(name)],
                Value::Array(names) => names.iter().filter_map(Value::as_str).map(normal).collect(),
                _ => vec![],
            };
            if names.is_empty() || names.iter().any(String::is_empty) {
                return Err(format!("must give the name of a column for {field:?}"));
            }
            columns.push((role, names));
        }
        Ok(Mapping { columns, given })
    }
}
