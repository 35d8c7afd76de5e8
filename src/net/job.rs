//! A piece of work on a thread of its own, and the progress session that tells of it.

mod bar;
mod bars;
mod wrap;

pub use bar::JobBar;
pub(super) use bars::Bars;
pub use wrap::{JobIo, JobIter};

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use self::bars::Kind;
use self::wrap::Tells;
use super::handle::new_id;
use super::{Handle, HandleError, Pending};
use crate::panics::contain;
use crate::progress::{Audience, ErrorCode, JsonObject, ProgressError, SessionOptions};

/// Progress sessions, reached from another thread: [`Handle::progress`].
#[derive(Clone, Debug)]
pub struct ProgressHandle {
    handle: Handle,
}

/// What a [`Job`] starts with.
#[derive(Clone, Debug)]
pub struct JobOptions {
    session: SessionOptions,
}

/// A piece of work, as long as it lasts.
///
/// Exactly one end of it is told: [`Job::complete`], [`Job::fail`], or what dropping it makes of it: cancelled where a client has asked
/// for that, else failed, a panic of the worker included. All methods may be called on any thread and never wait for the
/// server; where the server is gone, or keeps no such session, they do nothing.
///
/// ```
/// use pulsewheel::{Config, JobOptions, Server};
///
/// let mut server = Server::bind(Config::default(), "127.0.0.1:0")?;
/// let handle = server.handle();
/// let thread = std::thread::spawn(move || server.run(|_, _| {}));
///
/// let job = handle.progress().start(JobOptions::new("report"));
/// let mut sum = 0;
/// // Ends early when somebody cancels the job.
/// for number in job.wrap_iter(0..10_000) {
///     sum += number;
/// }
/// match job.is_cancelled() {
///     true => drop(job),
///     false => job.complete(serde_json::json!({ "sum": sum })),
/// }
/// handle.shut_down()?;
/// # thread.join().expect("the server does not panic")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Work of several steps, or on several things at a time, has a bar for each of them, and one figure is made of all:
///
/// ```
/// # use pulsewheel::{Config, JobOptions, Server};
/// # let mut server = Server::bind(Config::default(), "127.0.0.1:0")?;
/// # let handle = server.handle();
/// # let thread = std::thread::spawn(move || server.run(|_, _| {}));
/// let job = handle.progress().start(JobOptions::new("report"));
/// // A fifth of the whole each; the rest of it belongs to the parts.
/// let (read, write) = (job.step("read", 0.2), job.step("write", 0.2));
/// let years: Vec<u16> = read.wrap_iter(1990..2020).collect();
/// std::thread::scope(|scope| {
///     for decade in years.chunks(10) {
///         let part = job.part(&format!("from {}", decade[0]));
///         scope.spawn(move || part.wrap_iter(decade).count());
///     }
/// });
/// write.finish();
/// job.complete(());
/// # handle.shut_down()?;
/// # thread.join().expect("the server does not panic")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it ends its session with an error"]
pub struct Job {
    worker: Arc<Worker>,
}

/// What becomes of an update.
type Update = Result<Pending<Result<(), ProgressError>>, HandleError>;

/// What a job and its bars share.
struct Worker {
    handle: Handle,
    id: Uuid,
    shared: Arc<Shared>,
    /// What has become of its beginning, and of its newest update.
    pending: Mutex<Option<Pending<Result<(), ProgressError>>>>,
    bars: Arc<Bars>,
    is_over: AtomicBool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The reason, once it is cancelled.
    cancelled: Option<String>,
    /// Its session has never begun.
    is_unseen: bool,
    /// What was last refused, and nobody has asked for.
    error: Option<ProgressError>,
    on_cancel: Vec<Box<dyn FnOnce() + Send>>,
}

impl Handle {
    /// Progress sessions.
    pub fn progress(&self) -> ProgressHandle {
        ProgressHandle {
            handle: self.clone(),
        }
    }
}

impl ProgressHandle {
    /// Starts a job: a session that is told of from now on and that clients can cancel.
    ///
    /// Where the server holds as many sessions as it may, the job goes on unseen; [`Job::error`] says so.
    pub fn start(&self, options: JobOptions) -> Job {
        let id = new_id();
        let shared = Arc::<Shared>::default();
        let hook = shared.clone();
        let session = SessionOptions {
            managed: true,
            ..options.session
        };
        let pending = self.handle.begin_session(id, move |endpoint| {
            if let Err(error) = endpoint.progress().create_session_with_id(id, session) {
                hook.lock().is_unseen = true;
                return Err(error);
            }
            endpoint.on_cancel(id, Box::new(move |reason| hook.cancel(reason, true)));
            Ok(())
        });
        let worker = Worker {
            handle: self.handle.clone(),
            id,
            shared,
            pending: Mutex::new(pending.ok()),
            bars: Arc::default(),
            is_over: AtomicBool::new(false),
        };
        Job {
            worker: Arc::new(worker),
        }
    }

    /// A session as JSON text: see [`ProgressView::session`](crate::ProgressView::session).
    pub fn session(&self, id: Uuid) -> Result<Pending<Result<String, ProgressError>>, HandleError> {
        self.handle.session(id)
    }
}

impl JobOptions {
    /// Work that is shown by this name, as `operation`.
    pub fn new(operation: &str) -> Self {
        let options = JobOptions {
            session: SessionOptions::default(),
        };
        options.metadata("operation", operation)
    }

    /// What else is known of it, such as a file's name. What has no JSON text is left out.
    pub fn metadata(mut self, key: &str, value: impl Serialize) -> Self {
        if let Ok(value) = serde_json::to_value(value) {
            self.session.metadata.insert(key.to_owned(), value);
        }
        self
    }

    /// For clients of this owner alone: see [`Endpoint::set_owner`](crate::Endpoint::set_owner). Of an empty text, for nobody.
    pub fn private_to(mut self, owner: impl Into<String>) -> Self {
        self.session = self.session.private_to(owner);
        self
    }

    /// Whose it is, whoever hears of it.
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.session.owner = Some(owner.into());
        self
    }

    /// Who hears of it; else whoever the server's settings say.
    pub fn audience(mut self, audience: Audience) -> Self {
        self.session.audience = Some(audience);
        self
    }
}

impl Job {
    /// The session's id.
    pub fn id(&self) -> Uuid {
        self.worker.id
    }

    /// Says how far it has come, 0.0 to 1.0. However often: what the server has not told of yet is replaced by newer values. A job with
    /// bars is as far as they say, and at least so far.
    pub fn set(&self, progress: f64) {
        self.worker.update(progress, JsonObject::new());
    }

    /// As [`Job::set`], with something to say about it: a value under a key of the session's metadata. What has no JSON text is
    /// left out.
    pub fn set_with(&self, progress: f64, key: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).ok();
        let metadata = value.map(|value| (key.to_owned(), value));
        self.worker.update(progress, metadata.into_iter().collect());
    }

    /// A step of the work, which is so much of the whole, 0.0 to 1.0; steps that together claim more than the whole share it. Where
    /// it has begun to tell how far it is, it is the `current_step` of the session.
    ///
    /// Steps are best named before the work begins: what no step has claimed belongs to the parts. Clients find them in the
    /// metadata as `steps`.
    pub fn step(&self, name: &str, weight: f64) -> JobBar {
        self.bar(Kind::Step, name, weight)
    }

    /// One of the things that are worked on side by side. They share what the steps leave of the whole, each of them alike where it
    /// has no [`JobBar::weight`]. Each that is added makes the others less of the whole, but what has been told does not
    /// fall. Clients find them in the metadata as `parts`.
    pub fn part(&self, name: &str) -> JobBar {
        self.bar(Kind::Part, name, 1.0)
    }

    /// Whether it shall stop: somebody has cancelled it, or its session has ended without it.
    pub fn is_cancelled(&self) -> bool {
        self.worker.is_cancelled()
    }

    /// Has something called when it is cancelled; at once where it is already. On the server's thread, so it must be quick: setting
    /// a flag, shutting a socket down. A panic of it there goes no further.
    pub fn on_cancel(&self, act: impl FnOnce() + Send + 'static) {
        let mut state = self.worker.shared.lock();
        if state.cancelled.is_none() {
            return state.on_cancel.push(Box::new(act));
        }
        drop(state);
        act();
    }

    /// What the server has last refused of it, be it to begin or an update. Told once.
    pub fn error(&self) -> Option<ProgressError> {
        self.worker.look_at_answers();
        self.worker.shared.lock().error.take()
    }

    /// It is done, with this result: an object, or any other value as `{"value": …}`.
    pub fn complete(self, result: impl Serialize) {
        let worker = &self.worker;
        worker.end();
        let result = match serde_json::to_value(result) {
            Ok(Value::Object(result)) => result,
            Ok(Value::Null) => JsonObject::new(),
            Ok(value) => [("value".to_owned(), value)].into_iter().collect(),
            Err(error) => return worker.end_with_error(&error.to_string()),
        };
        let id = worker.id;
        let _ = worker.handle.end_session(id, move |endpoint| {
            endpoint.progress().complete_session(id, result)
        });
    }

    /// It has failed for this reason.
    pub fn fail(self, error: impl fmt::Display) {
        self.worker.end();
        self.worker.end_with_error(&error.to_string());
    }

    /// An iterator that tells how far it has come, of as many items as it says it has, and that ends when the job is cancelled.
    pub fn wrap_iter<I: IntoIterator>(&self, items: I) -> JobIter<'_, I::IntoIter> {
        JobIter::new(self, items.into_iter())
    }

    /// A reader that tells how much of so many bytes has been read. Reading is an error when the job is cancelled.
    pub fn wrap_read<R>(&self, reader: R, bytes: u64) -> JobIo<'_, R> {
        JobIo::new(self, reader, bytes)
    }

    /// A writer that tells how much of so many bytes has been written. Writing is an error when the job is cancelled.
    pub fn wrap_write<W>(&self, writer: W, bytes: u64) -> JobIo<'_, W> {
        JobIo::new(self, writer, bytes)
    }

    fn bar(&self, kind: Kind, name: &str, weight: f64) -> JobBar {
        let number = self.worker.bars.add(kind, name, weight);
        self.worker.tell_bars(JsonObject::new());
        JobBar {
            worker: self.worker.clone(),
            kind,
            number,
        }
    }
}

impl Tells for Job {
    fn tell(&self, progress: f64) {
        self.set(progress);
    }

    fn is_to_stop(&self) -> bool {
        self.is_cancelled()
    }
}

impl Worker {
    fn update(&self, progress: f64, metadata: JsonObject) {
        self.await_update(|handle, id| handle.update_progress(id, progress, metadata));
    }

    /// Tells how far the bars have come. What they are is looked at when the server takes it.
    fn tell_bars(&self, metadata: JsonObject) {
        let bars = self.bars.clone();
        self.await_update(|handle, id| handle.update_bars(id, bars.figure(), metadata, bars));
    }

    fn await_update(&self, update: impl FnOnce(&Handle, Uuid) -> Update) {
        if self.is_over.load(Ordering::Relaxed) {
            return;
        }
        self.look_at_answers();
        if let Ok(update) = update(&self.handle, self.id) {
            let mut pending = self.pending();
            // The answer to its beginning is not given away before it is here.
            let is_open = |it: &Pending<_>| it.is_awaited();
            if !pending.as_ref().is_some_and(is_open) {
                *pending = Some(update);
            }
        }
    }

    fn is_cancelled(&self) -> bool {
        self.look_at_answers();
        self.shared.lock().cancelled.is_some()
    }

    /// Notices where the session has ended without the job.
    fn look_at_answers(&self) {
        let mut pending = self.pending();
        let answer = pending.as_ref().map(Pending::try_take);
        match answer {
            None | Some(Err(HandleError::NotYet)) => {}
            Some(Ok(Err(error))) => {
                *pending = None;
                drop(pending);
                self.note(error);
            }
            Some(_) => *pending = None,
        }
    }

    fn note(&self, error: ProgressError) {
        let mut state = self.shared.lock();
        let is_over = match error.code {
            ErrorCode::SessionEnded | ErrorCode::SessionCancelled => true,
            ErrorCode::SessionNotFound => !state.is_unseen,
            _ => false,
        };
        let reason = error.message.clone();
        state.error = Some(error);
        drop(state);
        if is_over {
            self.shared.cancel(reason, false);
        }
    }

    fn pending(&self) -> MutexGuard<'_, Option<Pending<Result<(), ProgressError>>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on bars tell nothing. True when it has ended before.
    fn end(&self) -> bool {
        self.is_over.swap(true, Ordering::Relaxed)
    }

    fn end_with_error(&self, message: &str) {
        let (id, error) = (self.id, Value::from(message));
        // Where the server is gone, or the session has ended before, there is nobody to tell.
        let _ = self.handle.end_session(id, move |endpoint| {
            endpoint.progress().error_session(id, error, None)
        });
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let worker = &self.worker;
        if worker.end() {
            return;
        }
        let cancelled = worker.shared.lock().cancelled.clone();
        let id = worker.id;
        match cancelled {
            _ if thread::panicking() => worker.end_with_error("the work has panicked"),
            None => worker.end_with_error("the work ended without a result"),
            Some(reason) => {
                let _ = worker.handle.end_session(id, move |endpoint| {
                    endpoint
                        .progress()
                        .cancel_session(id, Some(reason), None)
                        .map(|_| ())
                });
            }
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Job").field(&self.worker.id).finish()
    }
}

impl Shared {
    /// On the loop, which is in the middle of a verb then, nothing of the host may panic.
    fn cancel(&self, reason: String, is_on_loop: bool) {
        let on_cancel = {
            let mut state = self.lock();
            state.cancelled.get_or_insert(reason);
            std::mem::take(&mut state.on_cancel)
        };
        for act in on_cancel {
            if is_on_loop {
                let _ = contain(act);
            } else {
                act();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
