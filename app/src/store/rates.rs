//! What earlier imports tell of how long later ones will take.

use rusqlite::OptionalExtension;

use super::{Store, StoreError};

impl Store {
    /// What was remembered last; 1 if nothing was.
    pub fn merge_factor(&self) -> Result<f64, StoreError> {
        let sql = "SELECT value FROM rates WHERE name = 'merge'";
        let connection = self.connect()?;
        let factor = connection.query_row(sql, [], |row| row.get(0)).optional()?;
        Ok(factor.unwrap_or(1.0))
    }

    /// Remembers how much longer merges take than their reading lets expect.
    pub fn remember_merge_factor(&self, factor: f64) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO rates (name, value) VALUES ('merge', ?1)";
        self.connect()?.execute(sql, [factor])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_outlives_a_restart() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::open(temp.path()).unwrap();
        assert_eq!(store.merge_factor().unwrap(), 1.0);
        store.remember_merge_factor(2.5).unwrap();
        store.remember_merge_factor(1.5).unwrap();
        drop(store);
        assert_eq!(
            Store::open(temp.path()).unwrap().merge_factor().unwrap(),
            1.5
        );
    }
}
