//! The body of an upload on its way from the thread that owns the socket to
//! the thread that imports it.
//!
//! The sending side never blocks: it pushes what has arrived and looks at
//! [`BodySender::has_room`] to know whether to go on reading its socket. The
//! receiving side blocks until there is a chunk, the end, or a reason to stop.
//! A cancellation wakes it wherever it waits.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// Bytes that may wait in a pipe before [`BodySender::has_room`] says no. A
/// chunk that arrives anyway is taken: what is in the sender's hands at that
/// moment is never lost.
pub const HIGH_WATER_BYTES: usize = 256 * 1024;

/// When the queue has run down to this, the sender is told to go on.
const LOW_WATER_BYTES: usize = 64 * 1024;

/// The least that must come of a body in [`PATIENCE`] of waiting for it: 1 KiB a second.
const MIN_BYTES: u64 = 10 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// Why no further byte of a body will come although it has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// The peer went away, or the sending side was dropped.
    Aborted,
    /// The body grew beyond the limit of the server.
    TooLarge,
    /// The body came more slowly than is waited for.
    TooSlow,
    /// The import was cancelled; the peer may well be sending on.
    Cancelled,
}

/// Makes a pipe for one body. `on_room` is called on the receiving thread when
/// a full pipe has run down, once each time: it should make the owner of the
/// socket read on, and must not block.
pub fn pipe(on_room: impl Fn() + Send + Sync + 'static) -> (BodySender, BodyReader) {
    pipe_with(PATIENCE, on_room)
}

/// The same with another time in which [`MIN_BYTES`] must come.
fn pipe_with(
    patience: Duration,
    on_room: impl Fn() + Send + Sync + 'static,
) -> (BodySender, BodyReader) {
    let shared = Arc::new(Shared {
        patience,
        queue: Mutex::new(Queue::default()),
        changed: Condvar::new(),
        on_room: Box::new(on_room),
    });
    (BodySender(shared.clone()), BodyReader(shared))
}

/// The end that the owner of the socket holds. Dropping it before
/// [`finish`](Self::finish) counts as [`BodyEnd::Aborted`].
pub struct BodySender(Arc<Shared>);

/// The end that the import reads from; clones read from the same queue.
#[derive(Clone)]
pub struct BodyReader(Arc<Shared>);

/// Cancels the import that reads this body; may be kept and cloned freely.
#[derive(Clone)]
pub struct Canceller(Arc<Shared>);

impl BodySender {
    /// Appends what has arrived. After an end it is ignored.
    pub fn push(&self, chunk: Bytes) {
        let mut queue = self.0.lock();
        if queue.end.is_none() && !chunk.is_empty() {
            queue.queued_bytes += chunk.len();
            queue.came_bytes += chunk.len() as u64;
            queue.chunks.push_back(chunk);
            self.0.changed.notify_all();
        }
    }

    /// Whether the socket should be read further now. Once false, `on_room`
    /// says when that changes.
    pub fn has_room(&self) -> bool {
        let mut queue = self.0.lock();
        let room = queue.queued_bytes < HIGH_WATER_BYTES;
        queue.paused |= !room;
        room
    }

    /// The last byte of the body has been pushed.
    pub fn finish(&self) {
        self.end(Ending::Finished);
    }

    /// The peer has gone away in the middle. What is queued is thrown away.
    pub fn abort(&self) {
        self.end(Ending::Broken(BodyEnd::Aborted));
    }

    /// The body has grown beyond the limit. What is queued is thrown away.
    pub fn too_large(&self) {
        self.end(Ending::Broken(BodyEnd::TooLarge));
    }

    /// A handle that cancels the import.
    pub fn canceller(&self) -> Canceller {
        Canceller(self.0.clone())
    }

    fn end(&self, ending: Ending) {
        let mut queue = self.0.lock();
        if queue.end.is_none() {
            if ending != Ending::Finished {
                queue.chunks.clear();
                queue.queued_bytes = 0;
            }
            queue.end = Some(ending);
            self.0.changed.notify_all();
        }
    }
}

impl Drop for BodySender {
    fn drop(&mut self) {
        self.abort();
    }
}

impl BodyReader {
    /// The next chunk, never empty; `None` after the last. Blocks until one of
    /// the two or a [`BodyEnd`] is there.
    pub fn next_chunk(&self) -> Result<Option<Bytes>, BodyEnd> {
        self.next(true)
    }

    /// Reads the rest of the body and throws it away, so that a peer that waits
    /// for its upload to be taken can finish. Cancellation does not end this.
    pub fn drain(&self) {
        while let Ok(Some(_)) = self.next(false) {}
    }

    /// Bytes handed out so far, drained ones included.
    pub fn taken_bytes(&self) -> u64 {
        self.0.lock().taken_bytes
    }

    /// Whether the sender is slower than the reader: nothing is queued, and more is to come.
    pub fn is_starving(&self) -> bool {
        let queue = self.0.lock();
        queue.chunks.is_empty() && queue.end.is_none()
    }

    /// Why the import should stop, if it should, without waiting.
    pub fn stopped(&self) -> Option<BodyEnd> {
        let queue = self.0.lock();
        if queue.phase == Phase::Cancelled {
            return Some(BodyEnd::Cancelled);
        }
        match queue.end {
            Some(Ending::Broken(end)) => Some(end),
            _ => None,
        }
    }

    /// The point of no return, taken right before the commit: true if the
    /// import may commit, false if it was cancelled before. From here on
    /// [`Canceller::cancel`] says no.
    pub fn begin_commit(&self) -> bool {
        let mut queue = self.0.lock();
        if queue.phase == Phase::Running {
            queue.phase = Phase::Committing;
        }
        queue.phase == Phase::Committing
    }

    /// A handle that cancels the import.
    pub fn canceller(&self) -> Canceller {
        Canceller(self.0.clone())
    }

    fn next(&self, heed_cancel: bool) -> Result<Option<Bytes>, BodyEnd> {
        let mut queue = self.0.lock();
        loop {
            if heed_cancel && queue.phase == Phase::Cancelled {
                return Err(BodyEnd::Cancelled);
            }
            if let Some(chunk) = queue.chunks.pop_front() {
                queue.queued_bytes -= chunk.len();
                queue.taken_bytes += chunk.len() as u64;
                let has_run_down = queue.paused && queue.queued_bytes <= LOW_WATER_BYTES;
                if has_run_down {
                    queue.paused = false;
                    drop(queue);
                    (self.0.on_room)();
                }
                return Ok(Some(chunk));
            }
            match queue.end {
                Some(Ending::Finished) => return Ok(None),
                Some(Ending::Broken(end)) => return Err(end),
                None => {}
            }
            queue = self.wait(queue);
        }
    }
}

impl BodyReader {
    /// Waits for the sender. What the reader takes for its own work does not count.
    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        let began = Instant::now();
        let left = self.0.patience.saturating_sub(queue.waited);
        let waited = self.0.changed.wait_timeout(queue, left);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.waited += began.elapsed();
        if queue.waited >= self.0.patience {
            if queue.came_bytes < MIN_BYTES && queue.end.is_none() {
                queue.end = Some(Ending::Broken(BodyEnd::TooSlow));
            }
            queue.waited = Duration::ZERO;
            queue.came_bytes = 0;
        }
        queue
    }
}

impl Canceller {
    /// Asks the import to stop and roll back. True if it will (also when it was
    /// asked before), false if it is committing or has committed already.
    pub fn cancel(&self) -> bool {
        let mut queue = self.0.lock();
        if queue.phase == Phase::Running {
            queue.phase = Phase::Cancelled;
            self.0.changed.notify_all();
        }
        queue.phase == Phase::Cancelled
    }
}

struct Shared {
    patience: Duration,
    queue: Mutex<Queue>,
    changed: Condvar,
    on_room: Box<dyn Fn() + Send + Sync>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere leaves nothing half done in here.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Queue {
    chunks: VecDeque<Bytes>,
    queued_bytes: usize,
    taken_bytes: u64,
    /// How long was waited for the sender, and what came, since that was judged last.
    waited: Duration,
    came_bytes: u64,
    /// The sender was told that there is no room and waits for `on_room`.
    paused: bool,
    end: Option<Ending>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Finished,
    Broken(BodyEnd),
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Running,
    Cancelled,
    Committing,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    #[test]
    fn chunks_come_out_in_order_and_then_the_end() {
        let (sender, reader) = pipe(|| {});
        sender.push(Bytes::from_static(b"one"));
        sender.push(Bytes::new());
        sender.push(Bytes::from_static(b"two"));
        sender.finish();
        drop(sender);
        assert_eq!(reader.next_chunk().unwrap().unwrap(), "one");
        assert_eq!(reader.next_chunk().unwrap().unwrap(), "two");
        assert_eq!(reader.next_chunk(), Ok(None));
        assert_eq!(reader.taken_bytes(), 6);
    }

    #[test]
    fn a_sender_that_goes_away_is_an_abort_and_a_limit_has_its_own_name() {
        let (sender, reader) = pipe(|| {});
        sender.push(Bytes::from_static(b"lost"));
        drop(sender);
        assert_eq!(reader.next_chunk(), Err(BodyEnd::Aborted));
        let (sender, reader) = pipe(|| {});
        sender.too_large();
        sender.finish();
        assert_eq!(reader.next_chunk(), Err(BodyEnd::TooLarge));
        assert_eq!(reader.stopped(), Some(BodyEnd::TooLarge));
    }

    #[test]
    fn a_cancellation_wakes_a_reader_that_waits_for_bytes() {
        let (sender, reader) = pipe(|| {});
        let waiting = thread::spawn(move || reader.next_chunk());
        assert!(sender.canceller().cancel());
        assert_eq!(waiting.join().unwrap(), Err(BodyEnd::Cancelled));
    }

    #[test]
    fn draining_goes_on_after_a_cancellation() {
        let (sender, reader) = pipe(|| {});
        sender.push(Bytes::from_static(b"rest"));
        sender.finish();
        assert!(reader.canceller().cancel());
        assert_eq!(reader.next_chunk(), Err(BodyEnd::Cancelled));
        reader.drain();
        assert_eq!(reader.taken_bytes(), 4);
    }

    #[test]
    fn a_full_pipe_asks_for_more_once_it_has_run_down() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let (sender, reader) = pipe(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let chunk = Bytes::from(vec![0u8; HIGH_WATER_BYTES / 4]);
        for _ in 0..4 {
            assert!(sender.has_room());
            sender.push(chunk.clone());
        }
        assert!(!sender.has_room());
        for taken in 1..=4 {
            reader.next_chunk().unwrap();
            let expected = usize::from(HIGH_WATER_BYTES / 4 * (4 - taken) <= LOW_WATER_BYTES);
            assert_eq!(
                calls.load(Ordering::SeqCst),
                expected,
                "after {taken} chunks"
            );
        }
        assert!(sender.has_room());
    }

    #[test]
    fn a_body_that_comes_too_slowly_ends_and_one_that_is_fast_enough_does_not() {
        let (sender, reader) = pipe_with(Duration::from_millis(30), || {});
        sender.push(Bytes::from_static(b"a few bytes"));
        assert!(reader.next_chunk().is_ok());
        assert_eq!(reader.next_chunk(), Err(BodyEnd::TooSlow));
        reader.drain();
        let (sender, reader) = pipe_with(Duration::from_millis(30), || {});
        let sending = thread::spawn(move || {
            for _ in 0..20 {
                sender.push(Bytes::from(vec![0; MIN_BYTES as usize]));
                thread::sleep(Duration::from_millis(5));
            }
            sender.finish();
        });
        while reader.next_chunk().unwrap().is_some() {}
        sending.join().unwrap();
    }

    #[test]
    fn cancel_and_commit_exclude_each_other() {
        let (_sender, reader) = pipe(|| {});
        assert!(reader.begin_commit());
        assert!(!reader.canceller().cancel());
        let (_sender, reader) = pipe(|| {});
        assert!(reader.canceller().cancel());
        assert!(!reader.begin_commit());
        assert_eq!(reader.stopped(), Some(BodyEnd::Cancelled));
    }
}
