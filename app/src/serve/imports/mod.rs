//! Uploads on their way from the event loop to the threads that import them.
//!
//! ```text
//! loop:    Request ─▶ begin      RequestBody ─▶ push       RequestBodyEnd ─▶ finish
//!                      │ pipe          │  ▲ grants                │
//! thread:            import::run ◀─────┘  └─ room again           │
//!                      │ Reporter         ◀───────────────────────┘
//! loop:                └─▶ session verbs, data_updated, the answer
//! ```
//!
//! A thread for each upload, of which there are at most four. Each reads its file as it
//! arrives; only one of them merges at a time. What a thread has to say it does on the
//! loop, by a [`Handle`].

mod head;
mod registry;
mod reporter;
mod undo;

use std::collections::BTreeMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pulsewheel::{Endpoint, Handle, RequestId};

use super::answer::ApiError;
use super::auth::Caller;
use super::call::call_surely;
use super::callers::CallerId;
use super::idempotency::{Answers, FormHash};
use crate::import::{self, pipe, BodySender, ImportQueue, NoPlace, Upload};
use crate::memory::resident_bytes;
use crate::store::Store;
use reporter::LoopReporter;

pub use head::UploadHead;
pub use registry::Registry;

/// Bytes of a body that may be on their way from the socket at a time.
pub const WINDOW_BYTES: usize = 256 * 1024;
/// With this little left of the window, more is let in.
const REFILL_BYTES: usize = 64 * 1024;

/// How far an import stands back behind the event loop, of 19.
const NICENESS: i32 = 5;

/// All uploads that are being received.
pub struct Imports {
    store: Arc<Store>,
    handle: Handle,
    registry: Arc<Registry>,
    answers: Arc<Answers>,
    max_upload_bytes: u64,
    queue: ImportQueue,
    incoming: BTreeMap<RequestId, Incoming>,
    threads: Vec<JoinHandle<()>>,
}

/// One upload whose body is not complete.
struct Incoming {
    sender: BodySender,
    window: Arc<Window>,
    received_bytes: u64,
    /// Of one with a key.
    hash: Option<FormHash>,
}

impl Imports {
    pub fn new(
        store: Arc<Store>,
        handle: Handle,
        registry: Arc<Registry>,
        answers: Arc<Answers>,
        max_upload_bytes: u64,
    ) -> Imports {
        Imports {
            store,
            handle,
            registry,
            answers,
            max_upload_bytes,
            queue: ImportQueue::default(),
            incoming: BTreeMap::new(),
            threads: Vec::new(),
        }
    }

    /// Takes an upload on. It is answered when its last byte has been taken in. Of one
    /// with a key a hash is made.
    pub fn begin(
        &mut self,
        endpoint: &mut Endpoint,
        request: RequestId,
        head: UploadHead,
        caller: Caller,
        has_key: bool,
    ) -> Result<(), ApiError> {
        if self.registry.is_closing() {
            return Err(going_down());
        }
        let whose = CallerId::of(&caller);
        let turn = self
            .queue
            .join(&format!("{whose:?}"), whose.max_uploads())
            .map_err(no_place)?;
        let window = Arc::new(Window {
            request,
            open_bytes: AtomicUsize::new(0),
        });
        let (handle, refilled) = (self.handle.clone(), window.clone());
        let (sender, body) = pipe(move || {
            let window = refilled.clone();
            // Fails only where the server has ended, and the upload with it.
            let _ = call_surely(&handle, move |endpoint| window.refill(endpoint));
        });
        let hash = has_key.then(|| head.hash());
        let upload = Upload {
            body,
            boundary: head.boundary,
            declared_bytes: head.declared_bytes,
            query: head.fields,
        };
        let reporter = LoopReporter::new(
            self.handle.clone(),
            self.registry.clone(),
            self.answers.clone(),
            request,
            caller,
            sender.canceller(),
        );
        let store = self.store.clone();
        let work = move || import(upload, turn, &store, reporter);
        let thread = thread::Builder::new()
            .name("import".to_owned())
            .spawn(work)
            .map_err(|error| {
                log::error!("no thread for an import: {error}");
                ApiError::overload("the server has no thread left for an import")
            })?;
        self.threads.retain(|thread| !thread.is_finished());
        self.threads.push(thread);
        window.refill(endpoint);
        self.incoming.insert(
            request,
            Incoming {
                sender,
                window,
                received_bytes: 0,
                hash,
            },
        );
        Ok(())
    }

    /// Hands on bytes of a body, if it is one of these.
    pub fn push(&mut self, endpoint: &mut Endpoint, request: RequestId, data: Vec<u8>) {
        let Some(incoming) = self.incoming.get_mut(&request) else {
            return;
        };
        incoming.received_bytes += data.len() as u64;
        if incoming.received_bytes > self.max_upload_bytes {
            // The thread ends the import and answers.
            incoming.sender.too_large();
            self.incoming.remove(&request);
            return;
        }
        if let Some(hash) = &mut incoming.hash {
            hash.update(&data);
        }
        let is_low = incoming.window.take(data.len());
        incoming.sender.push(Bytes::from(data));
        if is_low && incoming.sender.has_room() {
            incoming.window.refill(endpoint);
        }
    }

    /// The body is complete.
    pub fn finish(&mut self, request: RequestId) {
        if let Some(incoming) = self.incoming.remove(&request) {
            if let Some(hash) = incoming.hash {
                self.answers.body_is_known(request, hash.finish());
            }
            incoming.sender.finish();
        }
    }

    /// The sender is gone.
    pub fn abort(&mut self, request: RequestId) {
        if let Some(incoming) = self.incoming.remove(&request) {
            incoming.sender.abort();
        }
    }

    /// Takes an import back, on a thread of its own, and answers the request then.
    pub fn undo(&mut self, request: RequestId, import_id: i64) -> Result<(), ApiError> {
        let (store, handle) = (self.store.clone(), self.handle.clone());
        let turn = self.queue.join_line();
        let work = move || undo::run(import_id, &store, &turn, &handle, request);
        let thread = thread::Builder::new().name("undo".to_owned()).spawn(work);
        let thread = thread.map_err(|error| {
            log::error!("no thread to undo an import: {error}");
            ApiError::overload("the server has no thread left for this")
        })?;
        self.threads.retain(|thread| !thread.is_finished());
        self.threads.push(thread);
        Ok(())
    }

    /// Breaks off what is still being received and waits for the threads to end,
    /// not for ever. To be called when the server is gone.
    pub fn end(mut self, patience: Duration) {
        self.incoming.clear();
        let give_up = Instant::now() + patience;
        while self.threads.iter().any(|thread| !thread.is_finished()) {
            if Instant::now() >= give_up {
                log::warn!("an import did not end in time; it is rolled back at the next start");
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn no_place(why: NoPlace) -> ApiError {
    match why {
        NoPlace::AllTaken => {
            ApiError::overload("as many imports run as may; come back when one has ended")
        }
        NoPlace::AllOwn => ApiError::rate_limit(
            "three imports of yours run; the last place is for others",
            5,
        ),
    }
}

/// How much of a body may come before the next grant. Changed on the loop's thread
/// alone; an atomic number, since it is shared with closures that are sent there.
struct Window {
    request: RequestId,
    open_bytes: AtomicUsize,
}

impl Window {
    /// Bytes have come. Whether it is time to refill.
    fn take(&self, bytes: usize) -> bool {
        let open_bytes = self
            .open_bytes
            .load(Ordering::Relaxed)
            .saturating_sub(bytes);
        self.open_bytes.store(open_bytes, Ordering::Relaxed);
        open_bytes < REFILL_BYTES
    }

    fn refill(&self, endpoint: &mut Endpoint) {
        let open_bytes = self.open_bytes.swap(WINDOW_BYTES, Ordering::Relaxed);
        // A request that is gone needs none.
        let _ = endpoint.grant_body(self.request, WINDOW_BYTES - open_bytes);
    }
}

/// The life of an import's thread.
fn import(upload: Upload, turn: import::Turn, store: &Store, mut reporter: LoopReporter) {
    // Where processors are short, those who only watch come first: on Linux this is
    // of the calling thread alone. Nothing is lost where it is not allowed.
    let _ = rustix::process::nice(NICENESS);
    let run = || import::run(upload, turn, store, &resident_bytes, &mut reporter);
    // Without this, a mistake in here would leave a session that never ends.
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        log::error!("an import ended by a fault of this program");
        reporter.broke_off();
    }
}

/// Why an upload is refused that comes while the server goes down.
fn going_down() -> ApiError {
    ApiError::overload("the server is going down")
}
