//! What clients ask over Socket.IO: four events whose last argument is an ack.
//!
//! | event | first argument | answer |
//! |---|---|---|
//! | `track_session` | `{sessionId}` | `{ok:true, session}` |
//! | `untrack_session` | `{sessionId}` | `{ok:true}` |
//! | `cancel_session` | `{sessionId, reason?}` | `{ok:true, session}` |
//! | `list_sessions` | `{status?, limit?, cursor?}` or nothing | `{ok:true, sessions, next}` |
//!
//! A plain id string is accepted for `{sessionId}`. Where the host asks for credentials, an object may have a `token` of the session
//! beside it. Whatever goes wrong is answered with
//! `{ok:false, error:{code, message}}`.

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::payload::to_json;
use super::{session_id_argument, Cursor, ListQuery, ProgressError, SessionPage, Status};

/// A client's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Join the session's room and answer with its present state, in the same turn.
    Track {
        /// The session.
        id: Uuid,
    },
    /// Leave the session's room.
    Untrack {
        /// The session.
        id: Uuid,
    },
    /// Cancel the session.
    Cancel {
        /// The session.
        id: Uuid,
        /// Why, in the client's words.
        reason: Option<String>,
    },
    /// List the sessions, page by page.
    List {
        /// Which page.
        query: ListQuery,
    },
}

impl Command {
    /// Reads an event. `argument` is the JSON text of its first argument, if it has one beside the ack.
    ///
    /// Returns `None` for an event that is not one of the four; an `INVALID_ARGUMENT` that says what was wrong for one of
    /// the four with an argument of another shape. Unknown keys are passed over.
    pub fn parse(event: &str, argument: Option<&str>) -> Option<Result<Self, ProgressError>> {
        let argument = argument.map_or("null", str::trim);
        let command = match event {
            "track_session" => read(event, argument)
                .and_then(|given| given.id(event))
                .map(|id| Command::Track { id }),
            "untrack_session" => read(event, argument)
                .and_then(|given| given.id(event))
                .map(|id| Command::Untrack { id }),
            "cancel_session" => read(event, argument).and_then(|given| {
                Ok(Command::Cancel {
                    id: given.id(event)?,
                    reason: given.reason(event)?,
                })
            }),
            "list_sessions" => read(event, argument)
                .and_then(|given| given.query(event))
                .map(|query| Command::List { query }),
            _ => return None,
        };
        Some(command)
    }
}

/// What a command's argument has as `token`, if that is a text.
pub fn token(argument: Option<&str>) -> Option<String> {
    #[derive(Deserialize)]
    struct Carrier<'a> {
        #[serde(borrow)]
        token: Option<&'a RawValue>,
    }
    let carrier: Carrier = serde_json::from_str(argument?).ok()?;
    serde_json::from_str(carrier.token?.get()).ok()
}

/// The arguments of all four, still as text, so that a large argument is skipped and not built.
#[derive(Default, Deserialize)]
struct Given<'a> {
    #[serde(borrow, rename = "sessionId")]
    session_id: Option<&'a RawValue>,
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    limit: Option<&'a RawValue>,
    #[serde(borrow)]
    cursor: Option<&'a RawValue>,
}

fn read<'a>(event: &str, argument: &'a str) -> Result<Given<'a>, ProgressError> {
    let takes_id = event != "list_sessions";
    let wrong = || {
        ProgressError::invalid(if takes_id {
            format!("{event} wants an object with sessionId, or the id alone")
        } else {
            format!("{event} wants an object with optional status, limit and cursor, or nothing")
        })
    };
    match argument.as_bytes().first() {
        Some(b'{') => serde_json::from_str(argument).map_err(|_| wrong()),
        Some(b'"') if takes_id => Ok(Given {
            session_id: Some(serde_json::from_str(argument).map_err(|_| wrong())?),
            ..Given::default()
        }),
        _ if !takes_id && argument == "null" => Ok(Given::default()),
        _ => Err(wrong()),
    }
}

impl Given<'_> {
    fn id(&self, event: &str) -> Result<Uuid, ProgressError> {
        match text(self.session_id, event, "sessionId")? {
            Some(text) => session_id_argument(&text),
            None => Err(ProgressError::invalid(format!(
                "{event}: sessionId is missing"
            ))),
        }
    }

    fn reason(&self, event: &str) -> Result<Option<String>, ProgressError> {
        text(self.reason, event, "reason")
    }

    fn query(&self, event: &str) -> Result<ListQuery, ProgressError> {
        let mut query = ListQuery::default();
        if let Some(text) = text(self.status, event, "status")? {
            query.status = Some(Status::parse(&text)?);
        }
        if let Some(limit) = self.limit.filter(|limit| limit.get() != "null") {
            query.limit = ListQuery::limit_argument(limit.get())?;
        }
        if let Some(text) = text(self.cursor, event, "cursor")? {
            query.cursor = Some(Cursor::parse(&text)?);
        }
        Ok(query)
    }
}

/// A text, or nothing if it is missing or null.
fn text(
    value: Option<&RawValue>,
    event: &str,
    name: &str,
) -> Result<Option<String>, ProgressError> {
    let Some(value) = value else {
        return Ok(None);
    };
    serde_json::from_str(value.get())
        .map_err(|_| ProgressError::invalid(format!("{event}: {name} must be text")))
}

/// The answer to a command that has nothing to tell.
pub fn ok_answer() -> String {
    r#"{"ok":true}"#.to_owned()
}

/// The answer with one session, given as JSON text by the tracker.
pub fn session_answer(session: &str) -> String {
    format!(r#"{{"ok":true,"session":{session}}}"#)
}

/// The answer with a page of a list of sessions.
pub fn sessions_answer(page: &SessionPage) -> String {
    format!(r#"{{"ok":true,{}}}"#, page.fields())
}

/// The answer to a command that was refused.
pub fn error_answer(error: &ProgressError) -> String {
    format!(r#"{{"ok":false,"error":{}}}"#, to_json(error))
}

#[cfg(test)]
mod tests {
    use super::super::ErrorCode;
    use super::*;
    use serde_json::{json, Value};

    const ID: &str = "1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b";

    fn parse(event: &str, argument: &str) -> Result<Command, ProgressError> {
        Command::parse(event, Some(argument)).expect("it is a command")
    }

    #[test]
    fn commands_take_an_object_or_a_plain_id() {
        let id = Uuid::parse_str(ID).unwrap();
        let object = format!(r#" {{"sessionId":"{}","other":[{{}}]}}"#, ID.to_uppercase());
        let plain = format!(r#""{ID}""#);
        for argument in [&object, &plain] {
            assert_eq!(parse("track_session", argument), Ok(Command::Track { id }));
            assert_eq!(
                parse("untrack_session", argument),
                Ok(Command::Untrack { id })
            );
            let cancel = Command::Cancel { id, reason: None };
            assert_eq!(parse("cancel_session", argument), Ok(cancel));
        }
        let argument = format!(r#"{{"reason":"wrong \"file\"","sessionId":"{ID}"}}"#);
        assert_eq!(
            parse("cancel_session", &argument),
            Ok(Command::Cancel {
                id,
                reason: Some("wrong \"file\"".to_owned())
            })
        );
    }

    #[test]
    fn a_token_is_a_text_of_an_object() {
        for (argument, wanted) in [
            (Some(r#"{"sessionId":7,"token":"a\u0062"}"#), Some("ab")),
            (Some(r#"{"token":7}"#), None),
            (Some(r#"{"sessionId":"x"}"#), None),
            (Some(r#""token""#), None),
            (Some("{"), None),
            (None, None),
        ] {
            assert_eq!(token(argument).as_deref(), wanted, "{argument:?}");
        }
    }

    #[test]
    fn lists_take_a_status_a_limit_and_a_cursor_or_nothing() {
        let all = Command::List {
            query: ListQuery::default(),
        };
        assert_eq!(Command::parse("list_sessions", None), Some(Ok(all.clone())));
        for argument in [
            "null",
            "{}",
            r#"{"status":null,"limit":null,"cursor":null}"#,
        ] {
            assert_eq!(
                parse("list_sessions", argument),
                Ok(all.clone()),
                "{argument}"
            );
        }
        assert_eq!(
            parse(
                "list_sessions",
                r#"{"status":"error","limit":7,"cursor":"ff"}"#
            ),
            Ok(Command::List {
                query: ListQuery {
                    status: Some(Status::Error),
                    limit: 7,
                    cursor: Some(Cursor::parse("ff").unwrap()),
                }
            })
        );
    }

    #[test]
    fn wrong_arguments_are_named() {
        let deep = format!(
            r#"{{"sessionId":{}{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        for (event, argument, message) in [
            (
                "track_session",
                "null",
                "track_session wants an object with sessionId, or the id alone",
            ),
            (
                "track_session",
                "7",
                "track_session wants an object with sessionId, or the id alone",
            ),
            (
                "track_session",
                "{",
                "track_session wants an object with sessionId, or the id alone",
            ),
            (
                "track_session",
                "",
                "track_session wants an object with sessionId, or the id alone",
            ),
            (
                "track_session",
                &deep,
                "track_session: sessionId must be text",
            ),
            ("track_session", "{}", "track_session: sessionId is missing"),
            (
                "track_session",
                r#"{"sessionId":7}"#,
                "track_session: sessionId must be text",
            ),
            (
                "cancel_session",
                r#"{"sessionId":"1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b","reason":{}}"#,
                "cancel_session: reason must be text",
            ),
            (
                "list_sessions",
                "[]",
                "list_sessions wants an object with optional status, limit and cursor, or nothing",
            ),
            (
                "list_sessions",
                r#"{"status":"done"}"#,
                "status must be processing, completed, error or cancelled",
            ),
            (
                "list_sessions",
                r#"{"limit":"5"}"#,
                "limit must be a whole number from 1 to 1000",
            ),
            (
                "list_sessions",
                r#"{"cursor":7}"#,
                "list_sessions: cursor must be text",
            ),
            (
                "list_sessions",
                r#"{"cursor":"here"}"#,
                "cursor must be the next of a page that was read before",
            ),
        ] {
            let error = parse(event, argument).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidArgument);
            assert_eq!(error.message, message);
        }
        assert!(parse("untrack_session", r#""no-uuid""#).is_err());
        assert!(Command::parse("track_session", None).unwrap().is_err());
    }

    #[test]
    fn other_events_are_none_of_our_business() {
        assert_eq!(Command::parse("chat message", Some("{}")), None);
    }

    #[test]
    fn answers_are_json() {
        let read = |text: String| serde_json::from_str::<Value>(&text).unwrap();
        assert_eq!(read(ok_answer()), json!({"ok": true}));
        assert_eq!(
            read(session_answer("{}")),
            json!({"ok": true, "session": {}})
        );
        assert_eq!(
            read(sessions_answer(&SessionPage::empty())),
            json!({"ok": true, "sessions": [], "next": null})
        );
        assert_eq!(
            read(error_answer(&ProgressError::invalid("a \"b\""))),
            json!({"ok": false, "error": {"code": "INVALID_ARGUMENT", "message": "a \"b\""}})
        );
    }
}
