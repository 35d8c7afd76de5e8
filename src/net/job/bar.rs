//! One bar of a job.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::bars::Kind;
use super::wrap::{JobIo, JobIter, Tells};
use super::Worker;
use crate::progress::JsonObject;

/// One bar of a job: a step of it ([`Job::step`](super::Job::step)), or one of the things that it works on side by side
/// ([`Job::part`](super::Job::part)).
///
/// It may go to another thread. What it tells conflates as [`Job::set`](super::Job::set) does, and never fails. Dropping it says nothing: it stays
/// as it was told last. Once the job has ended it tells nothing any more.
pub struct JobBar {
    pub(super) worker: Arc<Worker>,
    pub(super) kind: Kind,
    pub(super) number: u64,
}

impl JobBar {
    /// Gives it another weight than 1.0, for example the bytes of a file: what it is among the parts, or of the whole where it is a
    /// step.
    pub fn weight(self, weight: f64) -> Self {
        self.worker.bars.weigh(self.kind, self.number, weight);
        self
    }

    /// Says how far it has come, 0.0 to 1.0. It never falls.
    pub fn set(&self, progress: f64) {
        if !progress.is_finite() {
            // Refused as of a job, and told by its `error`.
            return self.worker.update(progress, JsonObject::new());
        }
        let begun = self.worker.bars.set(self.kind, self.number, progress);
        let begun = begun.map(|name| ("current_step".to_owned(), name.into()));
        self.worker.tell_bars(begun.into_iter().collect());
    }

    /// It is done.
    pub fn finish(self) {
        self.set(1.0);
    }

    /// Whether it shall stop: somebody has cancelled the job, or the job has ended.
    pub fn is_cancelled(&self) -> bool {
        self.worker.is_over.load(Ordering::Relaxed) || self.worker.is_cancelled()
    }

    /// See [`Job::wrap_iter`](super::Job::wrap_iter).
    pub fn wrap_iter<I: IntoIterator>(&self, items: I) -> JobIter<'_, I::IntoIter> {
        JobIter::new(self, items.into_iter())
    }

    /// See [`Job::wrap_read`](super::Job::wrap_read).
    pub fn wrap_read<R>(&self, reader: R, bytes: u64) -> JobIo<'_, R> {
        JobIo::new(self, reader, bytes)
    }

    /// See [`Job::wrap_write`](super::Job::wrap_write).
    pub fn wrap_write<W>(&self, writer: W, bytes: u64) -> JobIo<'_, W> {
        JobIo::new(self, writer, bytes)
    }
}

impl Tells for JobBar {
    fn tell(&self, progress: f64) {
        self.set(progress);
    }

    fn is_to_stop(&self) -> bool {
        self.is_cancelled()
    }
}

impl fmt::Debug for JobBar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let JobBar { kind, number, .. } = self;
        write!(f, "JobBar({}, {kind:?} {number})", self.worker.id)
    }
}
