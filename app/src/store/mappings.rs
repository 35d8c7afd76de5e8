//! Column mappings that were given with an import, remembered for the next file with
//! the same header.

use rusqlite::params;
use serde_json::Value;

use super::{Store, StoreError};
use crate::clock;

/// Mappings that are kept; beyond it the one that was used longest ago is forgotten.
const MAX_MAPPINGS: u32 = 200;

impl Store {
    /// The mapping that was given last for each header, by its signature.
    pub fn mappings(&self) -> Result<Vec<(String, Value)>, StoreError> {
        let connection = self.connect()?;
        let mut statement = connection.prepare("SELECT signature, mapping FROM mappings")?;
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        let mut mappings = Vec::new();
        for row in rows {
            let (signature, text) = row?;
            if let Ok(mapping) = serde_json::from_str(&text) {
                mappings.push((signature, mapping));
            }
        }
        Ok(mappings)
    }

    /// Remembers the mapping of an import that was completed.
    pub fn remember_mapping(&self, signature: &str, mapping: &Value) -> Result<(), StoreError> {
        let connection = self.connect()?;
        connection.execute(
            "INSERT INTO mappings (signature, mapping, used_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT (signature) DO UPDATE SET mapping = excluded.mapping, used_ms = excluded.used_ms",
            params![signature, mapping.to_string(), clock::now_ms()],
        )?;
        connection.execute(
            "DELETE FROM mappings WHERE signature IN
                 (SELECT signature FROM mappings ORDER BY used_ms DESC LIMIT -1 OFFSET ?1)",
            [MAX_MAPPINGS],
        )?;
        Ok(())
    }
}
