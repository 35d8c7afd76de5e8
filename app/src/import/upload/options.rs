//! The fields of an upload beside its file: what is to be done with it.

use std::collections::BTreeMap;

use pulsewheel::progress::Audience;
use serde_json::Value;

use crate::clock;
use crate::import::error::RequestError;
use crate::import::scanners::Mapping;
use crate::import::spelling::read_exact;
use crate::import::text;
use crate::severity::Severity;
use crate::store::Resolve;

/// Longest label of a site that is kept, in characters.
const MAX_SITE_CHARS: usize = 64;
/// Most words of a severity map.
const MAX_ENTRIES: usize = 256;
/// A scan time may be so far ahead of this machine's clock.
const CLOCK_SKEW_MS: i64 = 24 * 60 * 60 * 1000;

/// What is to be done with a file. All fields may come in the form before the file, or
/// in the query of the URL.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// `resolve`; `None` if not given, which counts as `hosts`.
    pub resolve: Option<Resolve>,
    /// `scanDate`: stands in for times that rows do not give; ms since the epoch.
    pub scan_ms: Option<i64>,
    /// `allowOlder`
    pub allow_older: bool,
    /// `dryRun`: count, and change nothing.
    pub dry_run: bool,
    /// `wait`: answer the request when the import has ended.
    pub wait: bool,
    /// `audience`: whom the session is for; `None` if not given.
    pub audience: Option<Audience>,
    /// `site`: tells hosts of one name in different networks apart; empty for none.
    pub site: String,
    /// `mapping`: which columns hold what.
    pub mapping: Option<Mapping>,
    /// `severityMap`: severities by words in lower case.
    pub severity_map: BTreeMap<String, Severity>,
}

/// The names of the fields.
pub const OPTION_NAMES: [&str; 9] = [
    "audience",
    "resolve",
    "scanDate",
    "allowOlder",
    "dryRun",
    "wait",
    "site",
    "mapping",
    "severityMap",
];

impl Options {
    /// Takes a field; false if it is none of these.
    ///
    /// # Errors
    /// [`RequestError::InvalidField`] for a value that makes no sense.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, RequestError> {
        let value = value.trim();
        let invalid = |wanted: &str| {
            Err(RequestError::InvalidField(format!(
                "{name} must be {wanted}"
            )))
        };
        match name {
            "audience" => match value {
                "everybody" => self.audience = Some(Audience::Everybody),
                "trackers" => self.audience = Some(Audience::Trackers),
                "owner" => self.audience = Some(Audience::Owner),
                _ => return invalid("everybody, trackers or owner"),
            },
            "resolve" => match value {
                "hosts" => self.resolve = Some(Resolve::Hosts),
                "none" => self.resolve = Some(Resolve::Nothing),
                "all" => self.resolve = Some(Resolve::All),
                _ => return invalid("hosts, none or all"),
            },
            "scanDate" => match read_exact(value) {
                Some(ms) if ms <= clock::now_ms() + CLOCK_SKEW_MS => {
                    self.scan_ms = Some(ms.min(clock::now_ms()));
                }
                Some(_) => return invalid("a time that is not in the future"),
                None => return invalid("a date such as 2025-01-12 or 2025-01-12T10:30:00Z"),
            },
            "allowOlder" | "dryRun" | "wait" => {
                let flag = match value {
                    "true" => true,
                    "false" => false,
                    _ => return invalid("true or false"),
                };
                match name {
                    "allowOlder" => self.allow_older = flag,
                    "dryRun" => self.dry_run = flag,
                    _ => self.wait = flag,
                }
            }
            "site" => self.site = text::clean(value, MAX_SITE_CHARS),
            "mapping" => self.mapping = Some(mapping(value)?),
            "severityMap" => self.severity_map = severity_map(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Reads a JSON object with the names of columns by field: one name or a list.
fn mapping(text: &str) -> Result<Mapping, RequestError> {
    let invalid = |how: String| RequestError::InvalidField(format!("mapping {how}"));
    let given: Value = serde_json::from_str(text)
        .map_err(|_| invalid("must be a JSON object with names of columns by field".into()))?;
    Mapping::from_json(given).map_err(invalid)
}

fn severity_map(text: &str) -> Result<BTreeMap<String, Severity>, RequestError> {
    let invalid = |how: &str| RequestError::InvalidField(format!("severityMap {how}"));
    let wanted = "must be a JSON object with Critical, High, Medium, Low or Info by word";
    let value: Value = serde_json::from_str(text).map_err(|_| invalid(wanted))?;
    let object = value.as_object().ok_or_else(|| invalid(wanted))?;
    if object.len() > MAX_ENTRIES {
        return Err(invalid("must have at most 256 words"));
    }
    let entries = object.iter().map(|(word, severity)| {
        let severity = severity.as_str().and_then(Severity::from_name);
        let severity = severity.ok_or_else(|| invalid(wanted))?;
        Ok((word.trim().to_lowercase(), severity))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::scanners::Role;

    #[test]
    fn fields_are_read_and_wrong_values_are_named() {
        let mut options = Options::default();
        for (name, value) in [
            ("resolve", "all"),
            ("scanDate", "2025-01-12"),
            ("allowOlder", "true"),
            ("dryRun", "true"),
            ("wait", " true "),
            ("site", " Harbour\t"),
            (
                "mapping",
                r#"{"host": "Server Name", "severity": ["Sev", "Rating"]}"#,
            ),
            ("severityMap", r#"{" Grave": "critical"}"#),
        ] {
            assert_eq!(options.set(name, value), Ok(true), "{name}");
        }
        assert_eq!(options.resolve, Some(Resolve::All));
        assert_eq!(options.scan_ms.map(clock::date).unwrap(), "2025-01-12");
        assert!(options.allow_older && options.dry_run && options.wait);
        assert_eq!(options.site, "Harbour");
        let mapping = options.mapping.as_ref().unwrap();
        assert_eq!(
            mapping.columns,
            [
                (Role::Host, vec!["servername".to_owned()]),
                (Role::Severity, vec!["sev".to_owned(), "rating".to_owned()])
            ]
        );
        assert_eq!(options.severity_map["grave"], Severity::Critical);
        assert_eq!(options.set("colour", "red"), Ok(false));
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        for (name, value) in [
            ("resolve", ""),
            ("resolve", "some"),
            ("scanDate", "soon"),
            ("scanDate", "2199-01-01"),
            ("scanDate", "01/02/2024"),
            ("allowOlder", "yes"),
            ("dryRun", ""),
            ("wait", "1"),
            ("mapping", "host"),
            ("mapping", "{}"),
            ("mapping", r#"{"colour": "x"}"#),
            ("mapping", r#"{"host": 3}"#),
            ("mapping", r#"{"host": ""}"#),
            ("severityMap", "[]"),
            ("severityMap", r#"{"a": "Apocalyptic"}"#),
        ] {
            let refused = Options::default().set(name, value);
            let Err(RequestError::InvalidField(message)) = refused else {
                panic!("{name}={value}: {refused:?}");
            };
            assert!(message.starts_with(name), "{message}");
        }
    }
}
