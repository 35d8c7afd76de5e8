//! A session as it is written down: all that is needed for it to go on after a restart.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::metadata::Metadata;
use super::payload::to_json;
use super::session::{Access, Phase, Session};
use super::times::Times;
use super::view::EndedView;
use super::{Audience, ProgressError, SessionInfo, Status};
use crate::now::Now;

/// A session as of one of its changes, to be written down and to be restored from: its id, `seq`, place in the order of creation,
/// status, progress, metadata or what is left of it after its end, times, audience, owner, and the text of its host.
///
/// What is left out is measured anew: the pace, from which the time left is computed.
#[derive(Clone, Debug)]
pub struct SessionRecord {
    info: SessionInfo,
    seq: u64,
    created_ms: u64,
    updated_ms: u64,
    progress: f64,
    host_text: Option<Box<str>>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    /// The metadata of a session at work.
    Running { metadata: String },
    /// The Session object of one that has ended, its result null, where that null stands, and the result.
    Ended {
        session: String,
        result_at: usize,
        result: Option<Box<str>>,
    },
}

/// The text of a record. Times are in milliseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    id: String,
    number: u64,
    seq: u64,
    status: String,
    audience: String,
    owner: Option<String>,
    managed: bool,
    progress: f64,
    created_at: u64,
    last_update: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host_text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result_at: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
}

impl SessionRecord {
    /// Reads what [`SessionRecord::to_text`] has made.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for any other text.
    pub fn parse(text: &str) -> Result<SessionRecord, ProgressError> {
        let damaged = |what: &dyn std::fmt::Display| {
            ProgressError::invalid(format!("this is no record of a session: {what}"))
        };
        let written: Written = serde_json::from_str(text).map_err(|error| damaged(&error))?;
        let id = Uuid::try_parse(&written.id).map_err(|error| damaged(&error))?;
        let status = Status::parse(&written.status)?;
        let audience = audience(&written.audience).ok_or_else(|| damaged(&"its audience"))?;
        let body = match (written.metadata, written.session, written.result_at) {
            (Some(metadata), None, None) if status == Status::Processing => Body::Running {
                metadata: metadata.get().to_owned(),
            },
            (None, Some(session), Some(result_at)) if status != Status::Processing => {
                let session = session.get().to_owned();
                let result = session.get(result_at..);
                if !result.is_some_and(|text| text.starts_with("null,\"seq\":")) {
                    return Err(damaged(&"its result has no place"));
                }
                Body::Ended {
                    session,
                    result_at,
                    result: written.result.map(|result| result.get().into()),
                }
            }
            _ => return Err(damaged(&"what is there does not go with its status")),
        };
        Ok(SessionRecord {
            info: SessionInfo {
                id,
                number: written.number,
                audience,
                status,
                is_managed: written.managed,
                was_updated: written.progress > 0.0 || written.last_update > written.created_at,
                owner: written.owner.map(Into::into),
            },
            seq: written.seq,
            created_ms: written.created_at,
            updated_ms: written.last_update,
            progress: written.progress.clamp(0.0, 1.0),
            host_text: written.host_text.map(Into::into),
            body,
        })
    }

    /// The record as JSON text.
    pub fn to_text(&self) -> String {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).ok();
        let mut written = Written {
            id: self.info.id.to_string(),
            number: self.info.number,
            seq: self.seq,
            status: self.info.status.as_str().to_owned(),
            audience: audience_text(self.info.audience).to_owned(),
            owner: self.info.owner().map(str::to_owned),
            managed: self.info.is_managed,
            progress: self.progress,
            created_at: self.created_ms,
            last_update: self.updated_ms,
            host_text: self.host_text.as_deref().map(str::to_owned),
            metadata: None,
            session: None,
            result_at: None,
            result: None,
        };
        match &self.body {
            Body::Running { metadata } => written.metadata = raw(metadata),
            Body::Ended {
                session,
                result_at,
                result,
            } => {
                written.session = raw(session);
                written.result_at = Some(*result_at);
                written.result = result.as_deref().and_then(raw);
            }
        }
        to_json(&written)
    }

    /// Bytes of the texts in it.
    pub(super) fn text_bytes(&self) -> usize {
        let body = match &self.body {
            Body::Running { metadata } => metadata.len(),
            Body::Ended {
                session, result, ..
            } => session.len() + result.as_deref().map_or(0, str::len),
        };
        body + self.host_text.as_deref().map_or(0, str::len)
    }

    /// What decides who may see it, and where it stands.
    pub fn info(&self) -> &SessionInfo {
        &self.info
    }

    /// The number of the change.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How far it had come, from 0 to 1.
    pub fn progress(&self) -> f64 {
        self.progress
    }

    /// When it was created, in milliseconds since the Unix epoch.
    pub fn created_ms(&self) -> u64 {
        self.created_ms
    }

    /// When it was updated last, in milliseconds since the Unix epoch.
    pub fn updated_ms(&self) -> u64 {
        self.updated_ms
    }

    /// When it ended, in milliseconds since the Unix epoch; `None` while it was processing.
    pub fn ended_ms(&self) -> Option<u64> {
        (self.info.status != Status::Processing).then_some(self.updated_ms)
    }

    /// What the host has kept with it; see [`ProgressView::set_host_text`](crate::ProgressView::set_host_text).
    pub fn host_text(&self) -> Option<&str> {
        self.host_text.as_deref()
    }

    /// The metadata as JSON text; `None` once it had ended, when they are part of the Session object.
    pub fn metadata(&self) -> Option<&str> {
        match &self.body {
            Body::Running { metadata } => Some(metadata),
            Body::Ended { .. } => None,
        }
    }

    /// The Session object as JSON text, of one that had ended. Lists show no result.
    pub fn ended_session(&self, with_result: bool) -> Option<String> {
        match &self.body {
            Body::Running { .. } => None,
            Body::Ended {
                session,
                result_at,
                result,
            } => {
                let mut text = session.clone();
                if let Some(result) = result.as_deref().filter(|_| with_result) {
                    text.replace_range(*result_at..*result_at + "null".len(), result);
                }
                Some(text)
            }
        }
    }
}

impl Session {
    /// The session as it is written down; `None` of one of which nothing is left to be written.
    pub(super) fn record(&self) -> Option<SessionRecord> {
        let body = match &self.phase {
            Phase::Processing { .. } => Body::Running {
                metadata: to_json(&self.metadata),
            },
            Phase::Ended { view, .. } => {
                let view = view.as_ref()?;
                let mut session = String::new();
                view.write(false, &mut session);
                Body::Ended {
                    session,
                    result_at: view.result_at(),
                    result: view.result().map(Into::into),
                }
            }
        };
        Some(SessionRecord {
            info: self.info(),
            seq: self.seq,
            created_ms: self.times.created.unix_ms,
            updated_ms: self.times.last_update.unix_ms,
            progress: self.progress,
            host_text: self.host_text.clone(),
            body,
        })
    }

    /// The session of a record, which goes on now under this `seq`. The wall clock tells how old it is.
    pub(super) fn restored(
        record: &SessionRecord,
        seq: u64,
        now: Now,
    ) -> Result<Session, ProgressError> {
        let metadata = match &record.body {
            Body::Running { metadata } => Metadata::read(metadata)?,
            Body::Ended { .. } => Metadata::default(),
        };
        let info = &record.info;
        let access = Access {
            audience: info.audience,
            owner: info.owner.clone(),
            is_managed: info.is_managed,
        };
        let mut session = Session::new(info.id, info.number, seq, access, now, metadata);
        session.progress = record.progress;
        session.host_text.clone_from(&record.host_text);
        session.times =
            Times::restored(now, record.created_ms, record.updated_ms, info.was_updated);
        match &record.body {
            Body::Running { .. } => session.watch_from(now),
            Body::Ended {
                session: text,
                result_at,
                result,
            } => {
                // Nobody reads what a cancelled session was.
                let is_read = info.status != Status::Cancelled;
                let view =
                    is_read.then(|| EndedView::restored(text, *result_at, result.clone(), seq));
                session.phase = Phase::Ended {
                    status: info.status,
                    view: view.map(Box::new),
                };
            }
        }
        Ok(session)
    }
}

fn audience_text(audience: Audience) -> &'static str {
    match audience {
        Audience::Everybody => "everybody",
        Audience::Trackers => "trackers",
        Audience::Owner => "owner",
    }
}

fn audience(text: &str) -> Option<Audience> {
    [Audience::Everybody, Audience::Trackers, Audience::Owner]
        .into_iter()
        .find(|audience| audience_text(*audience) == text)
}
