//! The cells of a row, by what they hold.

use std::collections::BTreeMap;

use super::rows::Row;
use super::score;
use crate::import::file::Layout;
use crate::import::host::Host;
use crate::import::scanners::Role;
use crate::import::text::clean;
use crate::normal;
use crate::severity::{Severity, SeverityCell};

/// Longest host, address, name, check, port, protocol and state, in characters.
const MAX_NAME_CHARS: usize = 255;

/// A row, and what its columns are.
pub struct Cells<'a> {
    pub row: &'a Row,
    pub layout: &'a Layout,
}

impl Cells<'_> {
    /// The first of the role's cells that is not empty.
    pub fn first(&self, role: Role) -> &str {
        let cells = self.layout.slots(role).iter();
        let mut cells = cells.map(|slot| self.row.cell(*slot));
        cells.find(|cell| !cell.is_empty()).unwrap_or_default()
    }

    /// The first of the role's cells that says anything; nothing if that is a number which
    /// is not what it was.
    pub fn identity(&self, role: Role) -> String {
        let cells = self.layout.slots(role).iter();
        let mut said = cells.map(|slot| normal::placeholder_as_empty(self.row.cell(*slot)));
        let said = said.find(|cell| !cell.is_empty()).unwrap_or_default();
        if normal::is_rounded_number(said) {
            return String::new();
        }
        clean(said, MAX_NAME_CHARS)
    }

    pub fn name(&self, role: Role) -> String {
        clean(self.first(role), MAX_NAME_CHARS)
    }

    /// The first severity that says anything.
    pub fn severity(&self, map: &BTreeMap<String, Severity>) -> SeverityCell {
        let cells = self.layout.slots(Role::Severity).iter();
        let mut cells = cells.map(|slot| {
            let cell = self.row.cell(*slot);
            let own = (!map.is_empty())
                .then(|| map.get(&cell.to_lowercase()))
                .flatten();
            if let Some(severity) = own {
                return SeverityCell::Known(*severity);
            }
            let is_number = cell.starts_with(|c: char| c.is_ascii_digit());
            if self.layout.has_ranks(*slot) && is_number && !cell.contains(char::is_alphabetic) {
                return SeverityCell::Unknown;
            }
            Severity::from_cell(cell, self.layout.scanner.scale)
        });
        let found = cells.find(|cell| *cell != SeverityCell::Empty);
        found.unwrap_or(SeverityCell::Empty)
    }

    /// The first of the score cells that holds a score.
    pub fn score(&self) -> Option<f64> {
        let cells = self.layout.slots(Role::Cvss).iter();
        cells
            .map(|slot| self.row.cell(*slot))
            .find_map(score::parse)
    }

    /// The host, with address and name as far as the row or the host's key give them.
    pub fn host(&self) -> Host {
        let (written, ip) = (self.identity(Role::Host), self.identity(Role::Ip));
        let key = normal::host(&written);
        let mut ip = normal::lowest_address(&ip).map_or(ip, |ip| ip.to_string());
        let mut name = self.identity(Role::Hostname);
        name.truncate(name.trim_end_matches('.').len());
        let is_address = normal::lowest_address(&key).is_some();
        let is_asset_id = self.layout.scanner.label == "tenable";
        if ip.is_empty() && is_address {
            ip.clone_from(&key);
        }
        if name.is_empty() && !is_address && !is_asset_id {
            name = if written.contains("://") {
                key.clone()
            } else {
                let (written, _) = normal::host_and_port(&written);
                written.trim_end_matches('.').to_owned()
            };
        }
        let is_joinable = key == ip || key == normal::host(&name);
        Host {
            key,
            ip,
            name,
            is_joinable,
        }
    }
}
