//! Answers that wait until the changes before them are written down.
//!
//! A host that writes changes down ([`ProgressConfig::changes`](crate::progress::ProgressConfig::changes)) never waits for its
//! disk. It takes the changes, goes on, and confirms them when they are written; who is told that something is done hears
//! that only then.

use std::collections::BTreeMap;

use super::{AckId, Endpoint, Event, ProgressView};
use crate::error::Error;
use crate::http::Response;
use crate::panics::Verb;
use crate::progress::{
    command, Changes, ErrorCode, ProgressError, ProgressTracker, SentAlert, SessionChange,
    SessionRecord,
};
use crate::transport::RequestId;
use uuid::Uuid;

/// Answers by the change that they wait for, and by the order in which they were given.
#[derive(Default)]
pub(super) struct Held {
    waiting: BTreeMap<(u64, u64), Answer>,
    by_request: BTreeMap<RequestId, (u64, u64)>,
    given: u64,
}

enum Answer {
    Request(RequestId, Response),
    Ack(AckId, String),
}

impl Held {
    fn hold(&mut self, number: u64, answer: Answer) {
        let place = (number, self.given);
        self.given += 1;
        if let Answer::Request(request, _) = &answer {
            if let Some(before) = self.by_request.insert(*request, place) {
                self.waiting.remove(&before);
            }
        }
        self.waiting.insert(place, answer);
    }

    /// The request is gone.
    pub(super) fn abort(&mut self, request: RequestId) {
        if let Some(place) = self.by_request.remove(&request) {
            self.waiting.remove(&place);
        }
    }

    /// The first answer of those that wait for a change up to this one.
    fn next(&mut self, number: u64) -> Option<Answer> {
        let first = self.waiting.first_entry()?;
        if first.key().0 > number {
            return None;
        }
        let answer = first.remove();
        if let Answer::Request(request, _) = &answer {
            self.by_request.remove(request);
        }
        Some(answer)
    }
}

impl Endpoint {
    /// As [`Endpoint::respond`], but not before all changes of progress sessions that were made by now and have to last are
    /// confirmed ([`ProgressView::confirm_changes`]); at once where there are none. A request has one such answer: a second one
    /// takes the place of the first.
    ///
    /// What is held is bounded by the requests that wait, and goes with those that are aborted.
    pub fn respond_when_confirmed(
        &mut self,
        request: RequestId,
        response: Response,
    ) -> Result<(), Error> {
        let _verb = Verb::begin();
        match self.unconfirmed() {
            None => self.respond(request, response),
            Some(number) => {
                self.check_request(request)?;
                let answer = Answer::Request(request, response);
                self.tracking.held.hold(number, answer);
                Ok(())
            }
        }
    }

    /// Acknowledges a command that has changed something, when that is confirmed if the host wants that.
    pub(super) fn answer_change(&mut self, ack: Option<AckId>, answer: String) {
        let config = self.config.progress.as_ref();
        let waits = config.is_some_and(|config| config.confirm_changes);
        match (ack, self.unconfirmed().filter(|_| waits)) {
            (Some(ack), Some(number)) => {
                let answer = Answer::Ack(ack, answer);
                self.tracking.held.hold(number, answer);
            }
            (ack, _) => self.answer_command(ack, &answer),
        }
    }

    /// A turn begins: tells of the changes that were left in the one before.
    pub(super) fn resume_changes(&mut self) {
        let tracker = self.tracking.tracker.as_mut();
        if tracker.is_some_and(ProgressTracker::resume_changes) {
            self.push_event(Event::ProgressChanged);
        }
    }

    /// Whether changes were left for the next turn.
    pub(super) fn has_changes_left(&self) -> bool {
        let tracker = self.tracking.tracker.as_ref();
        tracker.is_some_and(ProgressTracker::has_changes_left)
    }

    fn unconfirmed(&self) -> Option<u64> {
        let tracker = self.tracking.tracker.as_ref();
        tracker.and_then(ProgressTracker::unconfirmed)
    }
}

/// Writing sessions down, and bringing them back.
impl ProgressView<'_> {
    /// What has changed since this was called last, for a host that writes it down; see
    /// [`Event::ProgressChanged`](super::Event::ProgressChanged). Empty where nothing has.
    ///
    /// It takes about so many bytes of memory, or less, and one change more: so a turn is never longer than the host wants. What is
    /// left is told of again in the next turn. A host that goes takes all of it, with `usize::MAX`.
    pub fn take_changes(&mut self, max_bytes: usize) -> Changes {
        let _verb = Verb::begin();
        let Some(tracker) = &mut self.endpoint.tracking.tracker else {
            return Changes::default();
        };
        let changes = tracker.take_changes(max_bytes);
        let sessions = changes.sessions.iter().map(SessionChange::memory_bytes);
        let alerts = changes.alerts.iter().map(SentAlert::memory_bytes);
        let bytes = sessions.chain(alerts).sum();
        self.endpoint.transport.ready.charge(bytes);
        changes
    }

    /// Whether there are changes to take in this turn that have to last. Answers that wait for them wait for the host to take them, too.
    pub fn has_urgent_changes(&self) -> bool {
        let tracker = self.endpoint.tracking.tracker.as_ref();
        tracker.is_some_and(ProgressTracker::has_urgent_changes)
    }

    /// Counts something of the host's own that it writes down together with the sessions, and that has to last:
    /// [`Endpoint::respond_when_confirmed`] waits for it, too. Gives its number: it is to be written with the first changes that
    /// are taken whose [`number`](Changes::number) is no lower. Nothing is counted, and 0 given, where changes are not kept.
    pub fn note_host_change(&mut self) -> u64 {
        let _verb = Verb::begin();
        self.endpoint
            .track(|tracker, _, _| Ok(tracker.note_host_change()))
            .unwrap_or(0)
    }

    /// All changes up to this number are written ([`Changes::number`]): sends the answers that wait for them.
    pub fn confirm_changes(&mut self, number: u64) {
        let _verb = Verb::begin();
        let Some(tracker) = &mut self.endpoint.tracking.tracker else {
            return;
        };
        tracker.confirm_changes(number);
        let confirmed = tracker.confirmed();
        while let Some(answer) = self.endpoint.tracking.held.next(confirmed) {
            match answer {
                Answer::Request(request, response) => {
                    // Whoever asked may have broken the request off.
                    let _ = self.endpoint.respond(request, response);
                }
                Answer::Ack(ack, answer) => self.endpoint.answer_command(Some(ack), &answer),
            }
        }
    }

    /// The changes can't be written now: answers all requests that wait for them with this response instead, and commands with
    /// `SERVER_OVERLOAD`. What has changed stays changed, and may be confirmed later.
    pub fn refuse_unconfirmed(&mut self, response: &Response) {
        let _verb = Verb::begin();
        while let Some(answer) = self.endpoint.tracking.held.next(u64::MAX) {
            match answer {
                Answer::Request(request, _) => {
                    let _ = self.endpoint.respond(request, response.clone());
                }
                Answer::Ack(ack, _) => {
                    let error = ProgressError::new(
                        ErrorCode::ServerOverload,
                        "this could not be written down; look at the session before you try again",
                    );
                    let answer = command::error_answer(&error);
                    self.endpoint.answer_command(Some(ack), &answer);
                }
            }
        }
    }

    /// Brings back a session from its record; see [`ProgressTracker::restore`]. To be called before anybody connects.
    pub fn restore(&mut self, record: &SessionRecord) -> Result<bool, ProgressError> {
        let _verb = Verb::begin();
        self.endpoint
            .track(|tracker, now, wheel| tracker.restore(now, wheel, record))
    }

    /// Keeps a text of the host's with a session, or with `None` none any more. It is part of the session's record, is restored
    /// with it, and is never shown to clients.
    pub fn set_host_text(&mut self, id: Uuid, text: Option<String>) -> Result<(), ProgressError> {
        let _verb = Verb::begin();
        self.endpoint
            .track(|tracker, _, _| tracker.set_host_text(id, text))
    }
}
