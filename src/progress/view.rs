//! The Session object of answers and lists, kept as text until the session changes.
//!
//! Nearly all of it changes only with the session. What changes by time alone (whether it is stalled, the time left, the
//! time of the answer) is put between the kept parts when somebody asks. So a list of many sessions copies text and writes a
//! few figures, and is right at the moment of the answer.

use std::fmt::Write as _;

use super::metadata::{Field, CURRENT_STEP, ETA_SECONDS, OPERATION, PROCESSED_ROWS, TOTAL_ROWS};
use super::payload::to_json;
use super::session::{Outcome, Phase, Session};
use super::shown::{ESTIMATED_COMPLETION, PROCESSING_SPEED};
use crate::now::Now;

/// Comes behind the result.
const SEQ: &str = ",\"seq\":";

/// The kept text of a session at work.
#[derive(Debug)]
pub(super) struct RunningView {
    text: String,
    /// Behind the last entry of the metadata, where the computed figures belong.
    computed_at: usize,
    /// In front of the value of `stalled`.
    stalled_at: usize,
    /// In front of the value of `eta_seconds`.
    eta_at: usize,
}

impl RunningView {
    /// Memory for it.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity()
    }
}

/// The text of a session that has ended: it does not change any more.
#[derive(Debug)]
pub(super) struct EndedView {
    text: Box<str>,
    /// In front of the value of `result`, which is no part of the text.
    result_at: usize,
    result: Option<Box<str>>,
}

impl EndedView {
    /// The view of a record, in which the result is null, with another `seq`.
    pub(super) fn restored(
        record: &str,
        result_at: usize,
        result: Option<Box<str>>,
        seq: u64,
    ) -> EndedView {
        let (head, tail) = record.split_at(result_at);
        let tail = tail.strip_prefix("null").unwrap_or(tail);
        let rest = tail.strip_prefix(SEQ).unwrap_or(tail);
        let rest = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
        EndedView {
            text: format!("{head}{SEQ}{seq}{rest}").into_boxed_str(),
            result_at,
            result,
        }
    }

    /// Where the value of `result` belongs.
    pub(super) fn result_at(&self) -> usize {
        self.result_at
    }

    /// The value of `result`, if it is not null.
    pub(super) fn result(&self) -> Option<&str> {
        self.result.as_deref()
    }

    /// Memory for it.
    pub(super) fn bytes(&self) -> usize {
        let result = self.result.as_deref();
        self.text.len() + result.map_or(0, str::len)
    }

    /// Appends the object. Lists show no result.
    pub(super) fn write(&self, with_result: bool, out: &mut String) {
        let (head, tail) = self.text.split_at(self.result_at);
        out.push_str(head);
        let result = self.result.as_deref().filter(|_| with_result);
        out.push_str(result.unwrap_or("null"));
        out.push_str(tail);
    }
}

impl Session {
    /// Appends the Session object as of now. Lists show no result.
    pub(super) fn write_view(
        &self,
        now: Now,
        stalled_after_ms: u64,
        with_result: bool,
        out: &mut String,
    ) {
        match &self.phase {
            Phase::Ended {
                view: Some(view), ..
            } => view.write(with_result, out),
            _ => self.write_running(now, stalled_after_ms, out),
        }
    }

    fn write_running(&self, now: Now, stalled_after_ms: u64, out: &mut String) {
        let view = self.view.get_or_init(|| Box::new(self.running_view()));
        let eta_seconds = self.eta_seconds(now, stalled_after_ms);
        let is_stalled = self.is_silent_for(now, stalled_after_ms);
        out.push_str(&view.text[..view.computed_at]);
        self.write_computed(now, eta_seconds, out);
        out.push_str(&view.text[view.computed_at..view.stalled_at]);
        out.push_str(if is_stalled { "true" } else { "false" });
        out.push_str(&view.text[view.stalled_at..view.eta_at]);
        match (self.metadata.field(&ETA_SECONDS), eta_seconds) {
            (Some(given), _) => out.push_str(given.as_str()),
            (None, Some(seconds)) => write(out, format_args!("{seconds}")),
            (None, None) => out.push_str("null"),
        }
        write(out, format_args!(",\"timestamp\":\"{}\"}}", now.rfc3339()));
    }

    fn running_view(&self) -> RunningView {
        #[cfg(test)]
        self.views_made.set(self.views_made.get() + 1);
        let mut text = self.view_head();
        let computed_at = text.len();
        self.write_middle("null", &mut text);
        write(
            &mut text,
            format_args!(
                ",\"seq\":{},\"createdAt\":{},\"endedAt\":null,\"stalled\":",
                self.seq, self.times.created.unix_ms
            ),
        );
        let stalled_at = text.len();
        for (name, field) in [
            ("operation", &OPERATION),
            ("current_step", &CURRENT_STEP),
            ("processed_rows", &PROCESSED_ROWS),
            ("total_rows", &TOTAL_ROWS),
        ] {
            let value = self.field_text(field);
            write(&mut text, format_args!(",\"{name}\":{value}"));
        }
        text.push_str(",\"eta_seconds\":");
        let eta_at = text.len();
        RunningView {
            text,
            computed_at,
            stalled_at,
            eta_at,
        }
    }

    /// The text of this session, which has ended in this way.
    pub(super) fn ended_view(&self, outcome: &Outcome) -> EndedView {
        #[cfg(test)]
        self.views_made.set(self.views_made.get() + 1);
        let mut text = self.view_head();
        self.write_computed(self.times.last_update, None, &mut text);
        self.write_middle("", &mut text);
        let result_at = text.len();
        let ended_ms = self.times.last_update.unix_ms;
        write(
            &mut text,
            format_args!(
                "{SEQ}{},\"createdAt\":{},\"endedAt\":{ended_ms},\"stalled\":false,",
                self.seq, self.times.created.unix_ms
            ),
        );
        // The details are an object of their own, whose fields stand beside the others here.
        let details = to_json(&self.terminal_details(outcome));
        text.push_str(&details[1..]);
        let result = match outcome {
            Outcome::Completed { result } => Some(to_json(result).into_boxed_str()),
            Outcome::Failed { .. } | Outcome::Cancelled { .. } => None,
        };
        EndedView {
            text: text.into_boxed_str(),
            result_at,
            result,
        }
    }

    /// The object up to the end of the given metadata, its brace open.
    fn view_head(&self) -> String {
        let id = self.id.hyphenated();
        let mut text = format!(
            "{{\"id\":\"{id}\",\"sessionId\":\"{id}\",\"progress\":{},\"lastUpdate\":{},\"metadata\":{}",
            to_json(&self.progress),
            self.times.last_update.unix_ms,
            to_json(&self.metadata),
        );
        text.pop();
        text
    }

    /// From the end of the metadata to the result.
    fn write_middle(&self, result: &str, text: &mut String) {
        let status = self.status().as_str();
        write(
            text,
            format_args!("}},\"status\":\"{status}\",\"result\":{result}"),
        );
    }

    /// The figures that were computed, as far as they are known and not given.
    fn write_computed(&self, now: Now, eta_seconds: Option<u64>, out: &mut String) {
        let computed = self.computed(now, eta_seconds);
        for (spellings, value) in [
            (PROCESSING_SPEED, computed.processing_speed),
            (ESTIMATED_COMPLETION, computed.estimated_completion),
        ] {
            let is_given = spellings.iter().any(|key| self.metadata.contains(key));
            if let Some(value) = value.filter(|_| !is_given) {
                let comma = if out.ends_with('{') { "" } else { "," };
                write(out, format_args!("{comma}\"{}\":\"{value}\"", spellings[0]));
            }
        }
    }

    fn field_text(&self, field: &Field) -> &str {
        self.metadata
            .field(field)
            .map_or("null", |text| text.as_str())
    }
}

fn write(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments)
        .expect("writing to a String cannot fail");
}
