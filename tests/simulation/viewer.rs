//! What one client sees of progress sessions, and the rules for it.

use std::collections::BTreeMap;

use serde_json::Value;

/// Milliseconds between two events of a session's progress, by their own time.
const THROTTLE_MS: u64 = 100;
const DAY_MS: u64 = 86_400_000;

#[derive(Default)]
pub struct Viewer {
    seen: BTreeMap<String, Seen>,
    /// Times cannot be compared, as the wall clock has been set.
    pub is_clock_set: bool,
}

#[derive(Default)]
struct Seen {
    seq: u64,
    progress: f64,
    is_over: bool,
    progress_at_ms: Option<u64>,
}

impl Viewer {
    pub fn event(&mut self, client: usize, name: &str, payload: Option<&Value>, _now_ms: u64) {
        let is_end = matches!(
            name,
            "import_complete" | "import_error" | "import_cancelled"
        );
        if !is_end && !matches!(name, "session_created" | "import_progress") {
            return assert!(
                matches!(name, "data_updated" | "system_alert" | "heartbeat" | "e"),
                "client {client} gets {name}"
            );
        }
        let payload = payload.expect("a payload");
        let id = payload["sessionId"].as_str().expect("an id").to_owned();
        if name == "session_created" {
            let known = self.seen.insert(id, Seen::default());
            return assert!(
                known.is_none(),
                "client {client} hears of a session's beginning first, and once"
            );
        }
        let seen = self.seen.entry(id).or_default();
        assert!(
            !seen.is_over,
            "client {client} gets {name} behind the end of {payload}"
        );
        let seq = payload["seq"].as_u64().expect("a number");
        assert!(
            seq > seen.seq,
            "client {client}: seq rises, from {} to {seq}",
            seen.seq
        );
        seen.seq = seq;
        if is_end {
            seen.is_over = true;
            return;
        }
        let progress = payload["progress"].as_f64().expect("a number");
        assert!(
            progress >= seen.progress,
            "client {client}: progress never falls"
        );
        seen.progress = progress;
        let at_ms = time_of_day_ms(payload["timestamp"].as_str().expect("a time"));
        if let Some(before_ms) = seen
            .progress_at_ms
            .replace(at_ms)
            .filter(|_| !self.is_clock_set)
        {
            let passed_ms = (at_ms + DAY_MS - before_ms) % DAY_MS;
            assert!(
                passed_ms >= THROTTLE_MS,
                "client {client}: {passed_ms} ms between two events"
            );
        }
    }

    /// How far it has seen a session come, and whether to its end.
    pub fn stand(&self, id: &str) -> Option<(f64, bool)> {
        self.seen.get(id).map(|seen| (seen.progress, seen.is_over))
    }
}

/// Of `2025-01-12T10:30:00.123Z`.
fn time_of_day_ms(text: &str) -> u64 {
    assert_eq!(text.len(), 24, "RFC 3339 with three digits: {text}");
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().expect("digits");
    ((number(11, 13) * 60 + number(14, 16)) * 60 + number(17, 19)) * 1000 + number(20, 23)
}
