//! Requests with keys on their way, and the answers that go with them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pulsewheel::http::Response;
use pulsewheel::{Endpoint, RequestId};
use serde_json::Value;

use super::known::{Requests, Standing};
use super::Key;
use crate::journal::{AnswerChange, AnsweredRequest, Hash, Renewed};
use crate::serve::answer::ApiError;

/// Shared by the loop, the threads of imports and that of the journal; held for moments only.
#[derive(Default)]
pub struct Answers {
    requests: Mutex<Requests>,
}

/// An answer, and what is told with it this once.
pub struct Answered {
    response: Response,
    secret: Option<Secret>,
}

/// A token, which is never written down.
pub struct Secret {
    /// `None` where what it was for is gone.
    pub token: Option<String>,
    /// Whose it is.
    pub renewed: Renewed,
}

impl Answered {
    pub fn with_secret(response: Response, secret: Secret) -> Answered {
        Answered {
            response,
            secret: Some(secret),
        }
    }

    /// The whole answer, as it is sent.
    pub fn told(self) -> Response {
        let Answered {
            mut response,
            secret,
        } = self;
        let Some(Secret { token, renewed }) = secret else {
            return response;
        };
        let field = match renewed.share {
            None => "ownerToken",
            Some(_) => "token",
        };
        if let Some((b'{', fields)) = response.body.split_first() {
            let token = token.map_or(Value::Null, Value::String);
            let mut body = format!("{{\"{field}\":{token},").into_bytes();
            body.extend_from_slice(fields);
            response.body = body.into();
        }
        response
    }
}

impl From<Response> for Answered {
    fn from(response: Response) -> Answered {
        Answered {
            response,
            secret: None,
        }
    }
}

impl Answers {
    /// Brings back what is known of requests that were answered before a restart, in the order in which they came, each with the
    /// size of its answer.
    pub fn restored(answered: Vec<(AnsweredRequest, usize)>, now_ms: u64) -> Answers {
        Answers {
            requests: Mutex::new(Requests::restored(answered, now_ms)),
        }
    }

    /// A request with a key. `body` is the hash of its body, or `None` for an upload, of which
    /// [`Answers::body_is_known`] tells later.
    ///
    /// # Errors
    /// `IDEMPOTENCY_CONFLICT` while the first one is under way; too many are under way.
    pub fn begin(
        &self,
        request: RequestId,
        key: &Key,
        body: Option<Hash>,
        now_ms: u64,
    ) -> Result<Standing, ApiError> {
        self.lock().begin(request, key, body, now_ms)
    }

    /// The body of an upload has come in.
    pub fn body_is_known(&self, request: RequestId, body: Hash) {
        self.lock().body_is_known(request, body);
    }

    /// Whether a request has a key and is to be answered, whether its sender waits or not.
    pub fn is_under_way(&self, request: RequestId) -> bool {
        self.lock().is_under_way(request)
    }

    /// Nothing was done for a request: it may come again.
    pub fn give_up(&self, request: RequestId) {
        self.lock().give_up(request);
    }

    /// Answers a request when what it has done is written down. If it has a key and has done something, the answer is kept, also
    /// where whoever asked has gone.
    pub fn answer(&self, endpoint: &mut Endpoint, request: RequestId, answered: Answered) {
        let renewed = answered.secret.as_ref().map(|secret| &secret.renewed);
        self.lock()
            .answered(request, &answered.response, renewed, || {
                endpoint.progress().note_host_change()
            });
        let _ = endpoint.respond_when_confirmed(request, answered.told());
    }

    /// What is to be written together with the changes of sessions up to this number.
    pub fn take(&self, number: u64) -> Vec<AnswerChange> {
        self.lock().take(number)
    }

    /// These have been written.
    pub fn written(&self, changes: &BTreeMap<u64, AnswerChange>) {
        let mut requests = self.lock();
        for change in changes.values() {
            if let AnswerChange::Keep(request, _) = change {
                requests.written(request);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        // A panic elsewhere leaves nothing half done in here.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::answer::json_text;
    use crate::serve::testing::{ask, keeping_endpoint, key, told};

    fn renewed() -> Renewed {
        Renewed {
            session: "a".to_owned(),
            number: 7,
            share: None,
        }
    }

    /// Writes what there is to be written, as the journal does.
    fn write_down(answers: &Answers, endpoint: &mut Endpoint) -> Vec<AnswerChange> {
        let number = endpoint.progress().take_changes(usize::MAX).number;
        let changes = answers.take(number);
        let batch = changes
            .iter()
            .map(|change| (change.number(), change.clone()));
        answers.written(&batch.collect());
        endpoint.progress().confirm_changes(number);
        changes
    }

    /// Whether a request would get an answer again; else it would be done.
    fn is_kept(answers: &Answers, endpoint: &mut Endpoint, key: &Key) -> bool {
        let (_, request) = ask(endpoint);
        let standing = answers.begin(request, key, Some([1; 16]), 5).unwrap();
        answers.give_up(request);
        matches!(standing, Standing::Repeated(_))
    }

    #[test]
    fn a_request_is_done_once_and_its_answer_is_kept_without_its_token() {
        let (answers, mut endpoint) = (Answers::default(), keeping_endpoint());
        let key = key(1, 1);
        let (connection, request) = ask(&mut endpoint);
        let first = answers.begin(request, &key, Some([1; 16]), 5);
        assert_eq!(first, Ok(Standing::First));
        let secret = Secret {
            token: Some("hidden".to_owned()),
            renewed: renewed(),
        };
        let response = json_text(201, r#"{"sessionId":"a"}"#.to_owned());
        answers.answer(
            &mut endpoint,
            request,
            Answered::with_secret(response, secret),
        );
        assert_eq!(told(&mut endpoint, connection), "", "it is not written");
        let (_, second) = ask(&mut endpoint);
        let early = answers.begin(second, &key, Some([1; 16]), 5).unwrap_err();
        assert_eq!((early.status, early.code), (409, "IDEMPOTENCY_CONFLICT"));
        let early = Response::from(early);
        assert!(early.headers.contains(&("Retry-After".into(), "1".into())));

        let changes = write_down(&answers, &mut endpoint);
        let text = told(&mut endpoint, connection);
        assert!(
            text.ends_with(r#"{"ownerToken":"hidden","sessionId":"a"}"#),
            "{text}"
        );
        let [AnswerChange::Keep(known, kept)] = &changes[..] else {
            panic!("{changes:?}");
        };
        assert_eq!((known.key, known.at_ms), (key.hash, 5));
        assert_eq!((kept.status, &*kept.text), (201, r#"{"sessionId":"a"}"#));
        assert_eq!(kept.renewed, Some(renewed()));

        let standing = answers.begin(second, &key, Some([1; 16]), 5).unwrap();
        let Standing::Repeated(repeated) = standing else {
            panic!("{standing:?}");
        };
        assert_eq!(repeated.with_body(&[1; 16]), Ok(known.number));
        let other = repeated.with_body(&[2; 16]).unwrap_err();
        assert_eq!((other.status, other.code), (409, "IDEMPOTENCY_CONFLICT"));
    }

    #[test]
    fn an_answer_is_written_with_what_it_acknowledges_and_not_before() {
        let (answers, mut endpoint) = (Answers::default(), keeping_endpoint());
        let before = endpoint.progress().note_host_change();
        let (_, request) = ask(&mut endpoint);
        answers
            .begin(request, &key(1, 1), Some([1; 16]), 5)
            .unwrap();
        answers.answer(
            &mut endpoint,
            request,
            json_text(200, "{}".to_owned()).into(),
        );
        assert!(answers.take(before).is_empty());
        assert_eq!(write_down(&answers, &mut endpoint).len(), 1);
    }

    #[test]
    fn what_was_refused_may_come_again() {
        let (answers, mut endpoint) = (Answers::default(), keeping_endpoint());
        for status in [400, 401, 403, 404, 408, 409, 410, 413, 422, 429, 500, 503] {
            let (connection, request) = ask(&mut endpoint);
            answers
                .begin(request, &key(1, 1), Some([1; 16]), 5)
                .unwrap();
            answers.answer(
                &mut endpoint,
                request,
                json_text(status, "{}".to_owned()).into(),
            );
            assert!(!told(&mut endpoint, connection).is_empty(), "{status}");
        }
        assert!(write_down(&answers, &mut endpoint).is_empty());
        let (_, request) = ask(&mut endpoint);
        answers
            .begin(request, &key(1, 1), Some([1; 16]), 5)
            .unwrap();
        answers.give_up(request);
        assert!(!is_kept(&answers, &mut endpoint, &key(1, 1)));
    }

    #[test]
    fn an_upload_is_known_by_what_has_come_of_it_and_kept_when_it_has_run() {
        let (answers, mut endpoint) = (Answers::default(), keeping_endpoint());
        for (number, status, comes, stays) in [
            (1, 202, true, true),
            (2, 422, true, true),
            (3, 410, true, true),
            (4, 413, true, false),
            // It broke off, however it is answered.
            (5, 422, false, false),
        ] {
            let key = key(1, number);
            let (_, request) = ask(&mut endpoint);
            answers.begin(request, &key, None, 5).unwrap();
            assert!(answers.is_under_way(request));
            if comes {
                answers.body_is_known(request, [1; 16]);
            }
            // Whoever asked has gone, which changes nothing.
            answers.answer(
                &mut endpoint,
                request,
                json_text(status, "{}".to_owned()).into(),
            );
            write_down(&answers, &mut endpoint);
            let found = is_kept(&answers, &mut endpoint, &key);
            assert_eq!(found, stays, "{number}");
        }
    }
}
