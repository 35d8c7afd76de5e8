//! Which findings to list, and in which order.

use rusqlite::types::{ToSql, Value};
use serde_json::json;

use crate::normal;
use crate::severity::Severity;

/// Which findings to list; what is empty or `None` lets all through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindingFilter {
    /// Any of these.
    pub severities: Vec<Severity>,
    /// Any of these labels; letter case of ASCII does not count.
    pub vendors: Vec<String>,
    /// The exact key, address or name of the host, in any spelling.
    pub host: Option<String>,
    /// True for active, false for resolved.
    pub active: Option<bool>,
    /// The exact id, in any letter case.
    pub cve: Option<String>,
    /// Text within title, check, host, address, name or CVE; letter case of ASCII does
    /// not count.
    pub text: Option<String>,
}

/// What a list is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortKey {
    #[default]
    Id,
    Severity,
    Cvss,
    Host,
    Title,
    FirstSeen,
    LastSeen,
}

/// The order of a list; what is equal comes with the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    pub key: SortKey,
    pub is_descending: bool,
}

impl Default for Sort {
    /// The newest first.
    fn default() -> Sort {
        Sort {
            key: SortKey::Id,
            is_descending: true,
        }
    }
}

/// Where a list goes on: behind a finding with this value of the sort key and this id.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    pub value: Value,
    pub id: i64,
}

impl SortKey {
    const ALL: [(SortKey, &'static str, &'static str); 7] = [
        (SortKey::Id, "id", "f.id"),
        (SortKey::Severity, "severity", "f.severity"),
        (SortKey::Cvss, "cvss", "coalesce(f.cvss, -1)"),
        (SortKey::Host, "host", "h.key"),
        (SortKey::Title, "title", "f.title"),
        (SortKey::FirstSeen, "firstSeen", "f.first_seen_ms"),
        (SortKey::LastSeen, "lastSeen", "f.last_seen_ms"),
    ];

    /// The names of a query's `sort`.
    pub fn names() -> [&'static str; 7] {
        Self::ALL.map(|(_, name, _)| name)
    }

    fn column(self) -> &'static str {
        let known = Self::ALL.iter().find(|(key, _, _)| *key == self);
        known.map_or("f.id", |(_, _, column)| column)
    }
}

impl Sort {
    /// Reads a name of [`SortKey::names`], with `-` before it for the other way round.
    pub fn from_text(text: &str) -> Option<Sort> {
        let (is_descending, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text),
        };
        let known = SortKey::ALL.iter().find(|(_, known, _)| *known == name);
        known.map(|(key, _, _)| Sort {
            key: *key,
            is_descending,
        })
    }

    /// The column whose value a [`Cursor`] holds.
    pub(super) fn column(self) -> &'static str {
        self.key.column()
    }

    pub(super) fn order_by(self) -> String {
        let direction = if self.is_descending { "DESC" } else { "ASC" };
        match self.key {
            SortKey::Id => format!("f.id {direction}"),
            _ => format!("{} {direction}, f.id DESC", self.column()),
        }
    }
}

impl Cursor {
    /// As it goes out: of this order, and of no other one.
    pub fn text(&self, sort: Sort) -> String {
        let value = match &self.value {
            Value::Integer(number) => json!(number),
            Value::Real(number) => json!(number),
            Value::Text(text) => json!(text),
            Value::Null | Value::Blob(_) => json!(null),
        };
        let sort = [sort.column(), if sort.is_descending { "-" } else { "" }].concat();
        let text = json!([sort, value, self.id]).to_string();
        text.bytes().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The opposite of [`text`](Self::text); `None` if it is none, or of another order.
    pub fn from_text(text: &str, sort: Sort) -> Option<Cursor> {
        if !text.is_ascii() || !text.len().is_multiple_of(2) {
            return None;
        }
        let bytes = (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok());
        let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
        let parts: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        let value = match &parts[1] {
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(number) => Value::Integer(number),
                None => Value::Real(number.as_f64()?),
            },
            serde_json::Value::String(text) => Value::Text(text.clone()),
            _ => return None,
        };
        let cursor = Cursor {
            value,
            id: parts[2].as_i64()?,
        };
        (cursor.text(sort) == text).then_some(cursor)
    }
}

/// Conditions of a query, and the values that they refer to.
#[derive(Default)]
pub(super) struct Conditions {
    texts: Vec<String>,
    pub values: Vec<Box<dyn ToSql>>,
}

impl Conditions {
    pub fn of(filter: &FindingFilter) -> Conditions {
        let mut conditions = Conditions::default();
        if !filter.severities.is_empty() {
            let ranks = filter
                .severities
                .iter()
                .map(|severity| severity.rank().to_string());
            let ranks: Vec<String> = ranks.collect();
            conditions
                .texts
                .push(format!("f.severity IN ({})", ranks.join(", ")));
        }
        if !filter.vendors.is_empty() {
            let places: Vec<String> = filter
                .vendors
                .iter()
                .map(|vendor| conditions.value(vendor.trim().to_owned()))
                .collect();
            conditions.texts.push(format!(
                "f.host_id IN (SELECT id FROM hosts WHERE vendor COLLATE NOCASE IN ({}))",
                places.join(", ")
            ));
        }
        if let Some(active) = filter.active {
            let place = conditions.value(active);
            conditions.texts.push(format!("f.active = {place}"));
        }
        if let Some(cve) = &filter.cve {
            let place = conditions.value(cve.trim().to_owned());
            conditions
                .texts
                .push(format!("f.cve = {place} COLLATE NOCASE"));
        }
        if let Some(host) = &filter.host {
            let place = conditions.value(normal::host(host));
            conditions.texts.push(format!(
                "f.host_id IN (SELECT id FROM hosts WHERE key = {place} UNION SELECT id FROM hosts WHERE ip = {place}
                 UNION SELECT id FROM hosts WHERE hostname = {place})"
            ));
        }
        if let Some(text) = &filter.text {
            let escaped = text
                .replace('\\', "\\\\")
                .replace('%', "\\%")
                .replace('_', "\\_");
            let place = conditions.value(format!("%{escaped}%"));
            let columns = [
                "f.title",
                "f.check_id",
                "f.cve",
                "h.key",
                "h.ip",
                "h.hostname",
            ];
            let matches = columns.map(|column| format!("{column} LIKE {place} ESCAPE '\\'"));
            conditions.texts.push(format!("({})", matches.join(" OR ")));
        }
        conditions
    }

    /// What comes behind a cursor.
    pub fn after(&mut self, sort: Sort, cursor: Cursor) {
        let column = sort.column();
        let id = self.value(cursor.id);
        if sort.key == SortKey::Id {
            let sign = if sort.is_descending { "<" } else { ">" };
            self.texts.push(format!("f.id {sign} {id}"));
            return;
        }
        let value = self.value(cursor.value);
        let sign = if sort.is_descending { "<" } else { ">" };
        self.texts.push(format!(
            "({column} {sign} {value} OR {column} = {value} AND f.id < {id})"
        ));
    }

    /// ` WHERE ...`, or nothing.
    pub fn clause(&self) -> String {
        if self.texts.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", self.texts.join(" AND "))
        }
    }

    fn value(&mut self, value: impl ToSql + 'static) -> String {
        self.values.push(Box::new(value));
        format!("?{}", self.values.len())
    }
}
