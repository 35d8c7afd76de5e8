//! Reaching into a running server from other threads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::job::Bars;
use super::pending::{pending, Answer};
use super::queue::{Command, Done, Queue, Update};
use super::system::random;
use super::{Pending, Stats};
use crate::http::Response;
use crate::panics::contain;
use crate::progress::{JsonObject, ListQuery, ProgressError, SessionOptions, SessionPage};
use crate::{Args, Endpoint, Error, RequestId, Target};

/// A way into a [`Server`](super::Server) that another thread drives. Cheap to clone.
///
/// Every verb of [`Endpoint`] can be had by [`Handle::call`]; those that hosts need most have methods of their own.
/// A verb is queued and done in the loop's next turn; calls of one thread are done in their order.
#[derive(Clone)]
pub struct Handle {
    queue: Arc<Queue>,
}

/// Why a handle could not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandleError {
    /// The queue is full: the loop is busy, or nobody drives it. Nothing was queued.
    Full,
    /// The server is gone.
    Closed,
    /// The loop's own thread would have waited for itself.
    OnLoopThread,
    /// The answer has not come yet.
    NotYet,
    /// What the loop was to do has panicked. The server goes on.
    Panicked,
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HandleError::Full => "the server's queue of commands is full",
            HandleError::Closed => "the server is gone",
            HandleError::OnLoopThread => {
                "the server's own thread cannot wait for an answer of the server"
            }
            HandleError::NotYet => "the server has not answered yet",
            HandleError::Panicked => "what the server was to do has panicked",
        })
    }
}

impl std::error::Error for HandleError {}

impl Handle {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Handle { queue }
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// One to no server: every verb says [`HandleError::Closed`].
    pub(crate) fn closed() -> Self {
        let queue = Queue::new(None);
        queue.close();
        Handle::new(Arc::new(queue))
    }

    /// Has the loop do something with the endpoint. What it returns can be waited for, looked for, or dropped.
    ///
    /// A panic of the closure is its own: it is counted ([`Stats::panics`](crate::Stats::panics)), waiting gives
    /// [`HandleError::Panicked`], and the server goes on, with what the closure has done by then. A panic out of a verb of
    /// [`Endpoint`] ends the server, and so does any where panics abort.
    ///
    /// # Errors
    ///
    /// [`HandleError::Full`] or [`HandleError::Closed`]; this never blocks.
    pub fn call<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut Endpoint) -> T + Send + 'static,
    ) -> Result<Pending<T>, HandleError> {
        let (answer_to, pending) = pending(&self.queue);
        self.queue.push(command(answer_to, verb))?;
        Ok(pending)
    }

    /// What the loop has done so far, and how long its turns took.
    pub fn stats(&self) -> Result<Pending<Stats>, HandleError> {
        self.call(|endpoint| endpoint.loop_stats().clone())
    }

    /// Has the loop do something that is never refused for want of a place: an answer that somebody waits for. It does nothing
    /// where the server is gone.
    pub(crate) fn tell(&self, act: impl FnOnce(&mut Endpoint) + Send + 'static) {
        let command: Command = Box::new(move |endpoint| {
            act(endpoint);
            Done::Well
        });
        self.queue.push_answer(command);
    }

    /// What begins a session.
    pub(super) fn begin_session(
        &self,
        id: Uuid,
        act: impl FnOnce(&mut Endpoint) -> Result<(), ProgressError> + Send + 'static,
    ) -> Result<Pending<Result<(), ProgressError>>, HandleError> {
        let (answer_to, pending) = pending(&self.queue);
        let command = command(answer_to, act);
        self.queue.push_begin(id, command)?;
        Ok(pending)
    }

    /// What ends a session, for which there is always a place.
    pub(super) fn end_session<T: Send + 'static>(
        &self,
        id: Uuid,
        act: impl FnOnce(&mut Endpoint) -> Result<T, ProgressError> + Send + 'static,
    ) -> Result<Pending<Result<T, ProgressError>>, HandleError> {
        let (answer_to, pending) = pending(&self.queue);
        let command = command(answer_to, act);
        self.queue.push_end(id, command)?;
        Ok(pending)
    }

    /// Creates a progress session. Its id is known at once, before the loop has heard of it.
    pub fn create_session(
        &self,
        options: SessionOptions,
    ) -> Result<(Uuid, Pending<Result<(), ProgressError>>), HandleError> {
        let id = new_id();
        Ok((id, self.create_session_with_id(id, options)?))
    }

    /// See [`ProgressView::create_session_with_id`](crate::ProgressView::create_session_with_id).
    pub fn create_session_with_id(
        &self,
        id: Uuid,
        options: SessionOptions,
    ) -> Result<Pending<Result<(), ProgressError>>, HandleError> {
        self.begin_session(id, move |endpoint| {
            endpoint.progress().create_session_with_id(id, options)
        })
    }

    /// See [`ProgressView::update_progress`](crate::ProgressView::update_progress). This never fails for a full queue: where an update of the same session still waits for
    /// the loop, that one takes this one over, in its place, and counts as done.
    pub fn update_progress(
        &self,
        id: Uuid,
        progress: f64,
        metadata: JsonObject,
    ) -> Result<Pending<Result<(), ProgressError>>, HandleError> {
        if !progress.is_finite() {
            // An error of its own, which is not to be mixed with what is well.
            return self
                .call(move |endpoint| endpoint.progress().update_progress(id, progress, metadata));
        }
        self.push_update(id, progress, metadata, None)
    }

    /// As [`Handle::update_progress`], with bars to tell of as they are when the loop takes it.
    pub(super) fn update_bars(
        &self,
        id: Uuid,
        progress: f64,
        metadata: JsonObject,
        bars: Arc<Bars>,
    ) -> Result<Pending<Result<(), ProgressError>>, HandleError> {
        self.push_update(id, progress, metadata, Some(bars))
    }

    fn push_update(
        &self,
        id: Uuid,
        progress: f64,
        metadata: JsonObject,
        bars: Option<Arc<Bars>>,
    ) -> Result<Pending<Result<(), ProgressError>>, HandleError> {
        let (answer_to, pending) = pending(&self.queue);
        self.queue.push_update(Update {
            id,
            progress,
            metadata,
            bars,
            answer_to,
        })?;
        Ok(pending)
    }

    /// See [`ProgressView::complete_session`](crate::ProgressView::complete_session). A full queue has a place for it.
    pub fn complete_session(
        &self,
        id: Uuid,
        result: JsonObject,
    ) -> Result<Pending<Result<(), ProgressError>>, HandleError> {
        self.end_session(id, move |endpoint| {
            endpoint.progress().complete_session(id, result)
        })
    }

    /// See [`ProgressView::error_session`](crate::ProgressView::error_session). A full queue has a place for it.
    pub fn error_session(
        &self,
        id: Uuid,
        error: Value,
        partial_results: Option<JsonObject>,
    ) -> Result<Pending<Result<(), ProgressError>>, HandleError> {
        self.end_session(id, move |endpoint| {
            endpoint
                .progress()
                .error_session(id, error, partial_results)
        })
    }

    /// See [`ProgressView::cancel_session`](crate::ProgressView::cancel_session). A full queue has a place for it.
    pub fn cancel_session(
        &self,
        id: Uuid,
        reason: Option<String>,
        partial_results: Option<JsonObject>,
    ) -> Result<Pending<Result<String, ProgressError>>, HandleError> {
        self.end_session(id, move |endpoint| {
            endpoint
                .progress()
                .cancel_session(id, reason, partial_results)
        })
    }

    /// See [`ProgressView::session`](crate::ProgressView::session).
    pub fn session(&self, id: Uuid) -> Result<Pending<Result<String, ProgressError>>, HandleError> {
        self.call(move |endpoint| endpoint.progress().session(id))
    }

    /// See [`ProgressView::sessions`](crate::ProgressView::sessions).
    pub fn sessions(&self, query: ListQuery) -> Result<Pending<SessionPage>, HandleError> {
        self.call(move |endpoint| endpoint.progress().sessions(&query))
    }

    /// See [`ProgressView::data_updated`](crate::ProgressView::data_updated).
    pub fn data_updated(
        &self,
        payload: JsonObject,
    ) -> Result<Pending<Result<(), ProgressError>>, HandleError> {
        self.call(move |endpoint| endpoint.progress().data_updated(payload))
    }

    /// See [`ProgressView::system_alert`](crate::ProgressView::system_alert).
    pub fn system_alert(
        &self,
        payload: JsonObject,
    ) -> Result<Pending<Result<(), ProgressError>>, HandleError> {
        self.call(move |endpoint| endpoint.progress().system_alert(payload))
    }

    /// See [`Endpoint::emit`].
    pub fn emit(
        &self,
        target: Target,
        event: &str,
        args: Args,
    ) -> Result<Pending<Result<(), Error>>, HandleError> {
        let event = event.to_owned();
        self.call(move |endpoint| endpoint.emit(&target, &event, &args))
    }

    /// See [`Endpoint::respond`].
    pub fn respond(
        &self,
        request: RequestId,
        response: Response,
    ) -> Result<Pending<Result<(), Error>>, HandleError> {
        self.call(move |endpoint| endpoint.respond(request, response))
    }

    /// See [`Endpoint::grant_body`].
    pub fn grant_body(
        &self,
        request: RequestId,
        bytes: usize,
    ) -> Result<Pending<Result<(), Error>>, HandleError> {
        self.call(move |endpoint| endpoint.grant_body(request, bytes))
    }

    /// Has the server go within this time, a few clients after the other: see [`Endpoint::drain`].
    #[doc(alias = "close")]
    pub fn drain(&self, grace: Duration) -> Result<Pending<()>, HandleError> {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.call(move |endpoint| endpoint.drain(grace_ms))
    }

    /// Has the server end: see [`Endpoint::shut_down`].
    #[doc(alias = "close")]
    pub fn shut_down(&self) -> Result<Pending<()>, HandleError> {
        self.call(Endpoint::shut_down)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

/// An id of a new session.
pub(super) fn new_id() -> Uuid {
    let mut bytes = [0; 16];
    random(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// Does something, with a panic of it contained, and gives the answer.
fn command<T: Send + 'static>(
    answer_to: Answer<T>,
    act: impl FnOnce(&mut Endpoint) -> T + Send + 'static,
) -> Command {
    Box::new(move |endpoint| {
        let answer = contain(|| act(endpoint));
        let done = match &answer {
            Ok(_) => Done::Well,
            Err(_) => Done::Panicked,
        };
        answer_to.give(answer.map_err(|_| HandleError::Panicked));
        done
    })
}
