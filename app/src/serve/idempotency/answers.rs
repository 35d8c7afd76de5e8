//! Which requests with keys have been answered, and which are being answered.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pulsewheel::http::Response;
use pulsewheel::{Endpoint, RequestId};
use serde_json::Value;

use super::Key;
use crate::journal::{AnswerChange, AnsweredRequest, Hash, KeptAnswer, Renewed};
use crate::serve::answer::ApiError;

/// How long an answer is kept.
const KEPT_MS: u64 = 24 * 60 * 60 * 1000;
/// Answers that are kept of one caller, and of all.
const MAX_OF_CALLER: usize = 100;
const MAX_KEPT: usize = 1_000;
/// What all of them together may take on the disk.
const MAX_KEPT_BYTES: usize = 16 * 1024 * 1024;
/// Largest answer that is kept: one with a result of the largest size, which stands in it twice.
const MAX_ANSWER_BYTES: usize = 192 * 1024;
/// Requests with keys that may be under way, or their answers on the way to the disk, all callers together.
const MAX_BUSY: usize = 250;
/// From so many bytes on that wait to be written, no request with a key is begun.
const MAX_UNWRITTEN_BYTES: usize = 256 * 1024;

/// Shared by the loop, the threads of imports and that of the journal; held for moments only.
#[derive(Default)]
pub struct Answers {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    requests: BTreeMap<Hash, Known>,
    /// The keys of these, in the order in which they came.
    by_number: BTreeMap<u64, Hash>,
    by_caller: BTreeMap<(Hash, u64), Hash>,
    under_way: BTreeMap<RequestId, Hash>,
    last_number: u64,
    /// How many are under way, or their answers on the way to the disk.
    busy: usize,
    /// Answers, on the disk or on the way there, and their bytes.
    kept: usize,
    kept_bytes: usize,
    unwritten_bytes: usize,
    /// What is to be written, with the change of sessions that it goes along with.
    changes: Vec<(u64, AnswerChange)>,
}

struct Known {
    number: u64,
    caller: Hash,
    /// `None` while it is coming in.
    body: Option<Hash>,
    at_ms: u64,
    is_upload: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It is being answered.
    UnderWay,
    /// Its answer is on the way to the disk; so many bytes.
    Unwritten(usize),
    /// Its answer is kept.
    Kept(usize),
}

/// What a request with a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not known: to be done.
    First,
    /// Answered before.
    Repeated(Repeated),
}

/// A request that was answered before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated {
    number: u64,
    body: Hash,
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

impl Repeated {
    /// The number of the answer, if this body is that of the first request.
    ///
    /// # Errors
    /// `IDEMPOTENCY_CONFLICT` for another body.
    pub fn with_body(self, body: &Hash) -> Result<u64, ApiError> {
        if self.body == *body {
            return Ok(self.number);
        }
        Err(ApiError::idempotency_conflict(
            "this Idempotency-Key was sent here before with another body; use a new one for a new request",
            None,
        ))
    }
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
    pub fn restored(requests: Vec<(AnsweredRequest, usize)>, now_ms: u64) -> Answers {
        let answers = Answers::default();
        let mut state = answers.lock();
        for (request, bytes) in requests {
            let known = Known {
                number: request.number,
                caller: request.caller,
                body: Some(request.body),
                at_ms: request.at_ms,
                is_upload: false,
                phase: Phase::Kept(bytes),
            };
            // An older one with this key was let go of, which was not written down any more.
            state.forget(&request.key);
            state.last_number = request.number;
            state.kept += 1;
            state.kept_bytes += bytes;
            state.insert(request.key, known);
        }
        state.forget_old(now_ms);
        state.forget_surplus(&Hash::default());
        drop(state);
        answers
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
        let mut state = self.lock();
        state.forget_old(now_ms);
        if state
            .requests
            .get(&key.hash)
            .is_some_and(|known| known.is_old(now_ms))
        {
            // The clock was set: others are older by it, and came later.
            state.forget(&key.hash);
        }
        if let Some(known) = state.requests.get(&key.hash) {
            return match (known.phase, known.body) {
                (Phase::Kept(_), Some(body)) => Ok(Standing::Repeated(Repeated {
                    number: known.number,
                    body,
                })),
                _ => Err(ApiError::idempotency_conflict(
                    "the first request with this Idempotency-Key is still being answered",
                    Some(1),
                )),
            };
        }
        state.check_room(&key.caller)?;
        state.last_number += 1;
        let known = Known {
            number: state.last_number,
            caller: key.caller,
            body,
            at_ms: now_ms,
            is_upload: body.is_none(),
            phase: Phase::UnderWay,
        };
        state.insert(key.hash, known);
        state.under_way.insert(request, key.hash);
        Ok(Standing::First)
    }

    /// The body of an upload has come in.
    pub fn body_is_known(&self, request: RequestId, body: Hash) {
        let mut state = self.lock();
        let State {
            requests,
            under_way,
            ..
        } = &mut *state;
        let key = under_way.get(&request);
        if let Some(known) = key.and_then(|key| requests.get_mut(key)) {
            known.body = Some(body);
        }
    }

    /// Whether a request has a key and is to be answered, whether its sender waits or not.
    pub fn is_under_way(&self, request: RequestId) -> bool {
        self.lock().under_way.contains_key(&request)
    }

    /// Nothing was done for a request: it may come again.
    pub fn give_up(&self, request: RequestId) {
        let mut state = self.lock();
        if let Some(key) = state.under_way.remove(&request) {
            state.remove(&key);
        }
    }

    /// Answers a request when what it has done is written down. If it has a key and has done something, the answer is kept, also
    /// where whoever asked has gone.
    pub fn answer(&self, endpoint: &mut Endpoint, request: RequestId, answered: Answered) {
        self.keep(endpoint, request, &answered);
        let _ = endpoint.respond_when_confirmed(request, answered.told());
    }

    fn keep(&self, endpoint: &mut Endpoint, request: RequestId, answered: &Answered) {
        let mut state = self.lock();
        let Some(key) = state.under_way.remove(&request) else {
            return;
        };
        let response = &answered.response;
        let Some(text) = state
            .requests
            .get(&key)
            .and_then(|known| known.text(response))
        else {
            state.remove(&key);
            return;
        };
        let change = endpoint.progress().note_host_change();
        let answer = KeptAnswer {
            status: response.status,
            text,
            renewed: answered
                .secret
                .as_ref()
                .map(|secret| secret.renewed.clone()),
        };
        state.keep(key, answer, change);
    }

    /// What is to be written together with the changes of sessions up to this number.
    pub fn take(&self, number: u64) -> Vec<AnswerChange> {
        let changes = &mut self.lock().changes;
        let due = changes.extract_if(.., |(change, _)| *change <= number);
        due.map(|(_, change)| change).collect()
    }

    /// These have been written.
    pub fn written(&self, changes: &BTreeMap<u64, AnswerChange>) {
        let mut state = self.lock();
        for change in changes.values() {
            if let AnswerChange::Keep(request, _) = change {
                state.written(request);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half done in here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_busy(&self) -> bool {
        !matches!(self.phase, Phase::Kept(_))
    }

    fn is_old(&self, now_ms: u64) -> bool {
        now_ms >= self.at_ms.saturating_add(KEPT_MS)
    }

    /// The text of an answer that is to be kept: one that says what was done. What was refused may be asked for again. An import
    /// that was waited for has run also where it failed or was cancelled.
    fn text(&self, response: &Response) -> Option<String> {
        let has_run = self.is_upload && matches!(response.status, 410 | 422);
        let is_kept = (200..300).contains(&response.status) || has_run;
        let fits = response.body.len() <= MAX_ANSWER_BYTES;
        let text = std::str::from_utf8(&response.body).ok()?;
        (is_kept && fits && self.body.is_some()).then(|| text.to_owned())
    }
}

impl State {
    fn check_room(&self, caller: &Hash) -> Result<(), ApiError> {
        let is_busy = |(_, key): &(_, &Hash)| self.requests[*key].is_busy();
        if self.of_caller(caller).filter(is_busy).count() >= MAX_OF_CALLER {
            let message = "100 requests with an Idempotency-Key of yours are being answered";
            return Err(ApiError::rate_limit(message, 1));
        }
        if self.busy >= MAX_BUSY || self.unwritten_bytes > MAX_UNWRITTEN_BYTES {
            let message = "too many requests with an Idempotency-Key are being answered";
            return Err(ApiError::overload(message));
        }
        Ok(())
    }

    fn of_caller(&self, caller: &Hash) -> impl Iterator<Item = (u64, &Hash)> {
        let numbers = self.by_caller.range((*caller, 0)..=(*caller, u64::MAX));
        numbers.map(|((_, number), key)| (*number, key))
    }

    fn insert(&mut self, key: Hash, known: Known) {
        self.busy += usize::from(known.is_busy());
        self.by_number.insert(known.number, key);
        self.by_caller.insert((known.caller, known.number), key);
        self.requests.insert(key, known);
    }

    fn remove(&mut self, key: &Hash) {
        if let Some(known) = self.requests.remove(key) {
            self.busy -= usize::from(known.is_busy());
            self.by_number.remove(&known.number);
            self.by_caller.remove(&(known.caller, known.number));
        }
    }

    fn keep(&mut self, key: Hash, answer: KeptAnswer, change: u64) {
        let Some(known) = self.requests.get_mut(&key) else {
            return;
        };
        let bytes = answer.text.len();
        known.phase = Phase::Unwritten(bytes);
        let request = AnsweredRequest {
            number: known.number,
            key,
            caller: known.caller,
            body: known.body.unwrap_or_default(),
            at_ms: known.at_ms,
        };
        self.kept += 1;
        self.kept_bytes += bytes;
        self.unwritten_bytes += bytes;
        let caller = request.caller;
        let kept = AnswerChange::Keep(request, answer);
        self.changes.push((change, kept));
        self.forget_surplus(&caller);
    }

    fn written(&mut self, request: &AnsweredRequest) {
        let known = self.requests.get_mut(&request.key);
        let Some(known) = known.filter(|known| known.number == request.number) else {
            return;
        };
        if let Phase::Unwritten(bytes) = known.phase {
            known.phase = Phase::Kept(bytes);
            self.unwritten_bytes -= bytes;
            self.busy -= 1;
        }
    }

    /// Lets go of what is too old.
    fn forget_old(&mut self, now_ms: u64) {
        while let Some(key) = self.oldest_kept() {
            if !self.requests[&key].is_old(now_ms) {
                break;
            }
            self.forget(&key);
        }
    }

    /// Lets go of the oldest of what is too much, of this caller and of all.
    fn forget_surplus(&mut self, caller: &Hash) {
        let answered = |(_, key): &(_, &Hash)| self.requests[*key].phase != Phase::UnderWay;
        if self.of_caller(caller).filter(answered).count() > MAX_OF_CALLER {
            let mut keys = self.of_caller(caller).map(|(_, key)| *key);
            let oldest = keys.find(|key| !self.requests[key].is_busy());
            drop(keys);
            if let Some(key) = oldest {
                self.forget(&key);
            }
        }
        while self.kept > MAX_KEPT || self.kept_bytes > MAX_KEPT_BYTES {
            let Some(key) = self.oldest_kept() else {
                break;
            };
            self.forget(&key);
        }
    }

    fn oldest_kept(&self) -> Option<Hash> {
        let mut keys = self.by_number.values();
        keys.find(|key| !self.requests[*key].is_busy()).copied()
    }

    /// Lets go of an answer that is kept.
    fn forget(&mut self, key: &Hash) {
        let Some(known) = self.requests.get(key) else {
            return;
        };
        if let Phase::Kept(bytes) = known.phase {
            self.changes.push((0, AnswerChange::Forget(known.number)));
            self.kept -= 1;
            self.kept_bytes -= bytes;
            self.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::answer::json_text;
    use crate::serve::testing::{ask, keeping_endpoint, told};

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    fn key(caller: u8, number: u16) -> Key {
        let mut hash = [caller; 16];
        hash[..2].copy_from_slice(&number.to_be_bytes());
        Key {
            hash,
            caller: [caller; 16],
        }
    }

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

    /// A request that has a text for an answer, from its beginning until that is written.
    fn done(answers: &Answers, endpoint: &mut Endpoint, key: &Key, text: &str, now_ms: u64) {
        let (_, request) = ask(endpoint);
        let standing = answers.begin(request, key, Some([1; 16]), now_ms);
        assert_eq!(standing, Ok(Standing::First));
        answers.answer(endpoint, request, json_text(200, text.to_owned()).into());
        write_down(answers, endpoint);
    }

    /// The number of the answer that a request would get; `None` where it would be done.
    fn found(answers: &Answers, endpoint: &mut Endpoint, key: &Key, now_ms: u64) -> Option<u64> {
        let (_, request) = ask(endpoint);
        match answers.begin(request, key, Some([1; 16]), now_ms).unwrap() {
            Standing::First => {
                answers.give_up(request);
                None
            }
            Standing::Repeated(repeated) => Some(repeated.number),
        }
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
        assert_eq!(found(&answers, &mut endpoint, &key(1, 1), 5), None);
    }

    #[test]
    fn an_upload_is_known_by_what_has_come_of_it_and_kept_when_it_has_run() {
        let (answers, mut endpoint) = (Answers::default(), keeping_endpoint());
        for (number, status, comes, is_kept) in [
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
            let kept = found(&answers, &mut endpoint, &key, 5);
            assert_eq!(kept.is_some(), is_kept, "{number}");
        }
    }

    #[test]
    fn the_oldest_of_a_caller_goes_first_and_everything_after_a_day() {
        let (answers, mut endpoint) = (Answers::default(), keeping_endpoint());
        for number in 0..=100 {
            done(
                &answers,
                &mut endpoint,
                &key(1, number),
                "{}",
                u64::from(number),
            );
        }
        done(&answers, &mut endpoint, &key(2, 0), "{}", 100);
        assert_eq!(found(&answers, &mut endpoint, &key(1, 0), 100), None);
        assert!(found(&answers, &mut endpoint, &key(1, 1), 100).is_some());
        assert!(found(&answers, &mut endpoint, &key(1, 1), DAY_MS).is_some());
        assert_eq!(found(&answers, &mut endpoint, &key(1, 1), DAY_MS + 1), None);
        assert!(found(&answers, &mut endpoint, &key(2, 0), DAY_MS + 99).is_some());
        assert_eq!(
            found(&answers, &mut endpoint, &key(2, 0), DAY_MS + 100),
            None
        );
        let state = answers.lock();
        assert_eq!((state.kept, state.kept_bytes, state.busy), (0, 0, 0));
        assert!(state.requests.is_empty() && state.by_caller.is_empty());
        // What was let go of is to be taken off the disk.
        assert_eq!(state.changes.len(), 101);
    }

    #[test]
    fn of_all_callers_a_thousand_are_kept_and_so_many_bytes() {
        let (answers, mut endpoint) = (Answers::default(), keeping_endpoint());
        for number in 0..1_005 {
            let caller = u8::try_from(number / 100).unwrap();
            done(&answers, &mut endpoint, &key(caller, number), "{}", 0);
        }
        assert_eq!(answers.lock().kept, MAX_KEPT);
        assert_eq!(found(&answers, &mut endpoint, &key(0, 4), 0), None);
        assert!(found(&answers, &mut endpoint, &key(0, 5), 0).is_some());
        let large = "x".repeat(MAX_ANSWER_BYTES);
        for number in 0..100 {
            done(&answers, &mut endpoint, &key(99, number), &large, 0);
            assert!(answers.lock().kept_bytes <= MAX_KEPT_BYTES);
        }
        assert!(found(&answers, &mut endpoint, &key(99, 99), 0).is_some());
        // One that is too large is given and not kept.
        let (_, request) = ask(&mut endpoint);
        answers
            .begin(request, &key(98, 0), Some([1; 16]), 0)
            .unwrap();
        let too_large = json_text(200, "x".repeat(MAX_ANSWER_BYTES + 1));
        answers.answer(&mut endpoint, request, too_large.into());
        write_down(&answers, &mut endpoint);
        assert_eq!(found(&answers, &mut endpoint, &key(98, 0), 0), None);
    }

    #[test]
    fn what_is_under_way_is_bounded_and_never_let_go_of() {
        let (answers, mut endpoint) = (Answers::default(), keeping_endpoint());
        let begin = |endpoint: &mut Endpoint, caller, number| {
            let (_, request) = ask(endpoint);
            let begun = answers.begin(request, &key(caller, number), None, 0);
            begun.map(|_| request).map_err(|error| error.status)
        };
        let first = begin(&mut endpoint, 1, 0).unwrap();
        for number in 1..100 {
            begin(&mut endpoint, 1, number).unwrap();
        }
        assert_eq!(begin(&mut endpoint, 1, 100), Err(429));
        for number in 0..150 {
            let caller = 2 + u8::try_from(number / 100).unwrap();
            begin(&mut endpoint, caller, number).unwrap();
        }
        assert_eq!(begin(&mut endpoint, 9, 0), Err(503));
        answers.body_is_known(first, [1; 16]);
        answers.answer(&mut endpoint, first, json_text(202, "{}".to_owned()).into());
        write_down(&answers, &mut endpoint);
        assert!(begin(&mut endpoint, 9, 0).is_ok());
        // However old it is.
        assert_eq!(begin(&mut endpoint, 1, 1), Err(409));
        let (_, request) = ask(&mut endpoint);
        let late = answers.begin(request, &key(1, 1), None, 2 * DAY_MS);
        assert_eq!(late.map_err(|error| error.status), Err(409));
    }

    #[test]
    fn where_much_waits_for_the_disk_nothing_more_is_begun() {
        let (answers, mut endpoint) = (Answers::default(), keeping_endpoint());
        let large = "x".repeat(MAX_UNWRITTEN_BYTES / 2 + 1);
        for number in 0..2 {
            let (_, request) = ask(&mut endpoint);
            answers
                .begin(request, &key(1, number), Some([1; 16]), 0)
                .unwrap();
            answers.answer(&mut endpoint, request, json_text(200, large.clone()).into());
        }
        let (_, request) = ask(&mut endpoint);
        let refused = answers.begin(request, &key(1, 2), Some([1; 16]), 0);
        assert_eq!(refused.map_err(|error| error.status), Err(503));
        write_down(&answers, &mut endpoint);
        assert_eq!(found(&answers, &mut endpoint, &key(1, 2), 0), None);
    }

    #[test]
    fn what_was_kept_comes_back_with_its_numbers() {
        let mut endpoint = keeping_endpoint();
        let request = |number: u16, at_ms| AnsweredRequest {
            number: number.into(),
            key: key(1, number).hash,
            caller: key(1, number).caller,
            body: [1; 16],
            at_ms,
        };
        let again = AnsweredRequest {
            number: 6,
            ..request(8, 4)
        };
        let kept = vec![(request(3, 0), 10), (again, 15), (request(8, 5), 20)];
        let answers = Answers::restored(kept, DAY_MS);
        assert_eq!(found(&answers, &mut endpoint, &key(1, 8), DAY_MS), Some(8));
        let gone = answers.take(0);
        let gone: Vec<u64> = gone.iter().map(AnswerChange::number).collect();
        assert_eq!(gone, [6, 3]);
        done(&answers, &mut endpoint, &key(1, 9), "{}", DAY_MS);
        assert!(found(&answers, &mut endpoint, &key(1, 9), DAY_MS) > Some(8));
        assert_eq!(answers.lock().kept_bytes, 22);
    }
}
