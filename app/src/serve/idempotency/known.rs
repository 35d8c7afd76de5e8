//! The table of requests with keys: which have been answered, and which are being answered.

use std::collections::BTreeMap;

use pulsewheel::http::Response;
use pulsewheel::RequestId;

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

/// All of them, and what of that is still to be written down.
#[derive(Default)]
pub struct Requests {
    by_key: BTreeMap<Hash, Known>,
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

impl Requests {
    /// Brings back those that were answered before a restart, in the order in which they came, each with the size of its answer.
    pub fn restored(answered: Vec<(AnsweredRequest, usize)>, now_ms: u64) -> Requests {
        let mut requests = Requests::default();
        for (request, bytes) in answered {
            let known = Known {
                number: request.number,
                caller: request.caller,
                body: Some(request.body),
                at_ms: request.at_ms,
                is_upload: false,
                phase: Phase::Kept(bytes),
            };
            // An older one with this key was let go of, which was not written down any more.
            requests.forget(&request.key);
            requests.last_number = request.number;
            requests.kept += 1;
            requests.kept_bytes += bytes;
            requests.insert(request.key, known);
        }
        requests.forget_old(now_ms);
        requests.forget_surplus(&Hash::default());
        requests
    }

    /// As [`Answers::begin`](super::Answers::begin).
    pub fn begin(
        &mut self,
        request: RequestId,
        key: &Key,
        body: Option<Hash>,
        now_ms: u64,
    ) -> Result<Standing, ApiError> {
        self.forget_old(now_ms);
        let is_old = |known: &Known| known.is_old(now_ms);
        if self.by_key.get(&key.hash).is_some_and(is_old) {
            // The clock was set: others are older by it, and came later.
            self.forget(&key.hash);
        }
        if let Some(known) = self.by_key.get(&key.hash) {
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
        self.check_room(&key.caller)?;
        self.last_number += 1;
        let known = Known {
            number: self.last_number,
            caller: key.caller,
            body,
            at_ms: now_ms,
            is_upload: body.is_none(),
            phase: Phase::UnderWay,
        };
        self.insert(key.hash, known);
        self.under_way.insert(request, key.hash);
        Ok(Standing::First)
    }

    /// The body of an upload has come in.
    pub fn body_is_known(&mut self, request: RequestId, body: Hash) {
        let key = self.under_way.get(&request);
        if let Some(known) = key.and_then(|key| self.by_key.get_mut(key)) {
            known.body = Some(body);
        }
    }

    /// Whether a request has a key and is to be answered.
    pub fn is_under_way(&self, request: RequestId) -> bool {
        self.under_way.contains_key(&request)
    }

    /// Nothing was done for a request: it may come again.
    pub fn give_up(&mut self, request: RequestId) {
        if let Some(key) = self.under_way.remove(&request) {
            self.remove(&key);
        }
    }

    /// A request is answered. If its answer is to be kept, it is to be written with the change of sessions that `change` numbers.
    pub fn answered(
        &mut self,
        request: RequestId,
        response: &Response,
        renewed: Option<&Renewed>,
        change: impl FnOnce() -> u64,
    ) {
        let Some(key) = self.under_way.remove(&request) else {
            return;
        };
        let known = self.by_key.get(&key);
        let Some(text) = known.and_then(|known| known.text(response)) else {
            return self.remove(&key);
        };
        let answer = KeptAnswer {
            status: response.status,
            text,
            renewed: renewed.cloned(),
        };
        self.keep(key, answer, change());
    }

    /// What is to be written together with the changes of sessions up to this number.
    pub fn take(&mut self, number: u64) -> Vec<AnswerChange> {
        let due = self.changes.extract_if(.., |(change, _)| *change <= number);
        due.map(|(_, change)| change).collect()
    }

    /// This one has been written.
    pub fn written(&mut self, request: &AnsweredRequest) {
        let known = self.by_key.get_mut(&request.key);
        let Some(known) = known.filter(|known| known.number == request.number) else {
            return;
        };
        if let Phase::Unwritten(bytes) = known.phase {
            known.phase = Phase::Kept(bytes);
            self.unwritten_bytes -= bytes;
            self.busy -= 1;
        }
    }

    fn check_room(&self, caller: &Hash) -> Result<(), ApiError> {
        let is_busy = |(_, key): &(_, &Hash)| self.by_key[*key].is_busy();
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
        self.by_key.insert(key, known);
    }

    fn remove(&mut self, key: &Hash) {
        if let Some(known) = self.by_key.remove(key) {
            self.busy -= usize::from(known.is_busy());
            self.by_number.remove(&known.number);
            self.by_caller.remove(&(known.caller, known.number));
        }
    }

    fn keep(&mut self, key: Hash, answer: KeptAnswer, change: u64) {
        let Some(known) = self.by_key.get_mut(&key) else {
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

    /// Lets go of what is too old.
    fn forget_old(&mut self, now_ms: u64) {
        while let Some(key) = self.oldest_kept() {
            if !self.by_key[&key].is_old(now_ms) {
                break;
            }
            self.forget(&key);
        }
    }

    /// Lets go of the oldest of what is too much, of this caller and of all.
    fn forget_surplus(&mut self, caller: &Hash) {
        let answered = |(_, key): &(_, &Hash)| self.by_key[*key].phase != Phase::UnderWay;
        if self.of_caller(caller).filter(answered).count() > MAX_OF_CALLER {
            let mut keys = self.of_caller(caller).map(|(_, key)| *key);
            let oldest = keys.find(|key| !self.by_key[key].is_busy());
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
        keys.find(|key| !self.by_key[*key].is_busy()).copied()
    }

    /// Lets go of an answer that is kept.
    fn forget(&mut self, key: &Hash) {
        let Some(known) = self.by_key.get(key) else {
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

#[cfg(test)]
mod tests;
