//! The events that belong to no session: `data_updated`, `system_alert` and `heartbeat`.

use serde::Serialize;
use serde_json::Value;

use super::clean::clean_object;
use super::object::{Limits, Object, Ordered};
use super::payload::to_json;
use super::{JsonObject, MemoryUsage, ProgressError};
use crate::now::Now;

const ACTIONS: &[&str] = &["created", "updated", "deleted", "bulk_update"];
const LEVELS: &[&str] = &["info", "warning", "error", "critical"];
const CATEGORIES: &[&str] = &["maintenance", "security", "performance", "system"];

/// What a field of a notice may hold.
enum Kind {
    Text,
    OneOf(&'static [&'static str]),
    /// 0 or more.
    Number,
    Flag,
    Object,
}

struct Field {
    name: &'static str,
    kind: Kind,
    required: bool,
}

const fn required(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: true,
    }
}

const fn optional(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: false,
    }
}

const DATA_UPDATED: [Field; 5] = [
    required("type", Kind::Text),
    required("action", Kind::OneOf(ACTIONS)),
    optional("count", Kind::Number),
    optional("affected_entities", Kind::Object),
    optional("source", Kind::Object),
];

const SYSTEM_ALERT: [Field; 7] = [
    required("level", Kind::OneOf(LEVELS)),
    required("category", Kind::OneOf(CATEGORIES)),
    required("message", Kind::Text),
    optional("action_required", Kind::Flag),
    optional("action_details", Kind::Object),
    optional("auto_dismiss", Kind::Number),
    optional("priority", Kind::Text),
];

/// The payload of `data_updated`: `type` and `action` are required, what else is known has its type, and the server
/// puts the `timestamp`.
pub(super) fn data_updated(
    now: Now,
    given: JsonObject,
    limits: Limits,
) -> Result<String, ProgressError> {
    notice(now, given, "data_updated", &DATA_UPDATED, limits)
}

/// The payload of `system_alert`: `level`, `category` and `message` are required.
pub(super) fn system_alert(
    now: Now,
    given: JsonObject,
    limits: Limits,
) -> Result<String, ProgressError> {
    notice(now, given, "system_alert", &SYSTEM_ALERT, limits)
}

fn notice(
    now: Now,
    mut given: JsonObject,
    event: &str,
    fields: &[Field],
    limits: Limits,
) -> Result<String, ProgressError> {
    clean_object(&mut given, event, limits.max_depth)?;
    for field in fields {
        check(field, given.get(field.name), event)?;
    }
    given.remove("timestamp");
    let names: Vec<&'static str> = fields.iter().map(|field| field.name).collect();
    Ok(to_json(&Notice {
        body: Ordered {
            object: &Object::new(given, event, limits)?,
            first: &names,
        },
        timestamp: now.rfc3339(),
    }))
}

#[derive(Serialize)]
struct Notice<'a> {
    #[serde(flatten)]
    body: Ordered<'a>,
    timestamp: String,
}

fn check(field: &Field, value: Option<&Value>, event: &str) -> Result<(), ProgressError> {
    let name = field.name;
    let Some(value) = value.filter(|value| !value.is_null()) else {
        if field.required {
            return Err(ProgressError::invalid(format!(
                "{event}: {name} is missing"
            )));
        }
        return Ok(());
    };
    let (is_right, wanted) = match field.kind {
        Kind::Text => (
            value.as_str().is_some_and(|text| !text.is_empty()),
            "text that is not empty".to_owned(),
        ),
        Kind::OneOf(words) => (
            value.as_str().is_some_and(|text| words.contains(&text)),
            format!("one of {}", words.join(", ")),
        ),
        Kind::Number => (
            value.as_f64().is_some_and(|number| number >= 0.0),
            "a number of 0 or more".to_owned(),
        ),
        Kind::Flag => (value.is_boolean(), "true or false".to_owned()),
        Kind::Object => (value.is_object(), "an object".to_owned()),
    };
    if is_right {
        return Ok(());
    }
    Err(ProgressError::invalid(format!(
        "{event}: {name} must be {wanted}"
    )))
}

#[derive(Serialize)]
struct Heartbeat {
    server_time: String,
    active_sessions: usize,
    server_uptime: String,
    memory_usage: MemoryUsage,
}

/// The payload of `heartbeat`.
pub(super) fn heartbeat(
    now: Now,
    active_sessions: usize,
    uptime_ms: u64,
    memory_usage: MemoryUsage,
) -> String {
    to_json(&Heartbeat {
        server_time: now.rfc3339(),
        active_sessions,
        server_uptime: uptime_text(uptime_ms),
        memory_usage,
    })
}

/// Days, hours, minutes and seconds, from the first that is not zero on: `32s`, `4h 0m 5s`, `2d 4h 15m 32s`.
fn uptime_text(uptime_ms: u64) -> String {
    let seconds = uptime_ms / 1000;
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let first = units[..3]
        .iter()
        .position(|(count, _)| *count > 0)
        .unwrap_or(3);
    let words: Vec<String> = units[first..]
        .iter()
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Now = Now {
        mono_ms: 0,
        unix_ms: 1_736_678_056_000,
    };
    const LIMITS: Limits = Limits {
        max_bytes: 1_000,
        max_depth: 8,
        max_keys: 100,
    };

    fn map(value: Value) -> JsonObject {
        let Value::Object(map) = value else {
            unreachable!("tests hand over objects")
        };
        map
    }

    #[test]
    fn data_updated_keeps_the_documented_order_and_gets_the_servers_time() {
        let given = json!({
            "zone": "eu", "source": {"operation": "csv_import", "import_id": 47}, "count": 78,
            "type": "vulnerabilities", "action": "bulk_update", "timestamp": "yesterday",
        });
        assert_eq!(
            data_updated(NOW, map(given), LIMITS).unwrap(),
            concat!(
                r#"{"type":"vulnerabilities","action":"bulk_update","count":78,"#,
                r#""source":{"import_id":47,"operation":"csv_import"},"zone":"eu","#,
                r#""timestamp":"2025-01-12T10:34:16.000Z"}"#
            )
        );
    }

    #[test]
    fn system_alert_needs_level_category_and_message() {
        let good = json!({
            "level": "warning", "category": "maintenance", "message": "Backup recommended",
            "action_required": false, "action_details": {"endpoint": "/api/backup/all"},
            "auto_dismiss": 30000, "priority": "medium",
        });
        let payload = system_alert(NOW, map(good.clone()), LIMITS).unwrap();
        assert!(payload.starts_with(r#"{"level":"warning","category":"maintenance","message":"#));
        assert!(payload.ends_with(r#""priority":"medium","timestamp":"2025-01-12T10:34:16.000Z"}"#));

        for (name, value, message) in [
            ("level", json!(null), "system_alert: level is missing"),
            (
                "level",
                json!("fatal"),
                "system_alert: level must be one of info, warning, error, critical",
            ),
            (
                "category",
                json!("fun"),
                "system_alert: category must be one of maintenance, security, performance, system",
            ),
            (
                "message",
                json!(""),
                "system_alert: message must be text that is not empty",
            ),
            (
                "action_required",
                json!("no"),
                "system_alert: action_required must be true or false",
            ),
            (
                "action_details",
                json!([]),
                "system_alert: action_details must be an object",
            ),
            (
                "auto_dismiss",
                json!(-1),
                "system_alert: auto_dismiss must be a number of 0 or more",
            ),
        ] {
            let mut given = map(good.clone());
            given.insert(name.into(), value);
            assert_eq!(
                system_alert(NOW, given, LIMITS).unwrap_err().message,
                message
            );
        }
    }

    #[test]
    fn optional_fields_may_be_missing_and_the_size_is_limited() {
        let mut given = map(json!({"type": "tickets", "action": "created"}));
        assert!(data_updated(NOW, given.clone(), LIMITS).is_ok());
        given.insert("note".into(), json!("x".repeat(1_000)));
        assert!(data_updated(NOW, given, LIMITS).is_err());
        assert!(data_updated(NOW, map(json!({"type": "tickets"})), LIMITS).is_err());
    }

    #[test]
    fn uptime_has_no_leading_zero_units() {
        for (seconds, text) in [
            (0, "0s"),
            (32, "32s"),
            (60, "1m 0s"),
            (4 * 3600 + 5, "4h 0m 5s"),
            (86_400, "1d 0h 0m 0s"),
            (2 * 86_400 + 4 * 3600 + 15 * 60 + 32, "2d 4h 15m 32s"),
        ] {
            assert_eq!(uptime_text(seconds * 1000 + 999), text);
        }
    }

    #[test]
    fn heartbeat_tells_what_is_known() {
        let memory = MemoryUsage {
            used_mb: Some(156),
            available_mb: None,
        };
        assert_eq!(
            heartbeat(NOW, 3, 32_000, memory),
            concat!(
                r#"{"server_time":"2025-01-12T10:34:16.000Z","active_sessions":3,"#,
                r#""server_uptime":"32s","memory_usage":{"used_mb":156,"available_mb":null}}"#
            )
        );
    }
}
