//! What waits for the loop, given by other threads.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Instant;

use mio::Waker;
use uuid::Uuid;

use super::handle::HandleError;
use super::job::Bars;
use super::pending::Answer;
use crate::progress::{ErrorCode, JsonObject, ProgressError};
use crate::Endpoint;

/// Commands that may wait for the loop, those not counted that always have a place.
pub(super) const MAX_COMMANDS: usize = 4096;

/// Something that the loop does to the endpoint in its next turn.
pub(super) type Command = Box<dyn FnOnce(&mut Endpoint) -> Done + Send>;

/// What has become of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Well,
    /// It is code of the host's, which has panicked.
    Panicked,
}

/// What the loop and its handles share.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Wakes the loop, where there is one.
    waker: Option<Waker>,
}

#[derive(Default)]
struct State {
    /// Each with the time at which it was given.
    waiting: VecDeque<(Instant, Waiting)>,
    /// How many have been taken out so far: the number of the first.
    taken: u64,
    /// The number of the update of each session that a newer one may take over.
    updates: BTreeMap<Uuid, u64>,
    /// Sessions whose end is in the queue.
    ends: BTreeSet<Uuid>,
    /// How many have a place though the queue is full.
    extra: usize,
    loop_thread: Option<ThreadId>,
    is_closed: bool,
}

struct Waiting {
    what: What,
    /// Of those that always have a place.
    is_extra: bool,
}

enum What {
    Command(Command),
    Update(Box<Update>),
    End(Uuid, Command),
}

/// How far a session has come.
pub(super) struct Update {
    pub id: Uuid,
    pub progress: f64,
    pub metadata: JsonObject,
    /// What to tell beside the metadata, as it is when the loop takes this.
    pub bars: Option<Arc<Bars>>,
    pub answer_to: Answer<Result<(), ProgressError>>,
}

impl Update {
    fn command(self) -> Command {
        Box::new(move |endpoint| {
            let mut sessions = endpoint.progress();
            let mut tell = |metadata| sessions.update_progress(self.id, self.progress, metadata);
            let done = match self.bars {
                None => tell(self.metadata),
                Some(bars) => tell(with(&self.metadata, bars.fields())).or_else(|error| {
                    let is_too_much = matches!(
                        error.code,
                        ErrorCode::InvalidArgument | ErrorCode::PayloadTooLarge
                    );
                    // Where there is no room for bars, their figure counts all the same.
                    match is_too_much {
                        true => tell(with(&self.metadata, Bars::no_fields())),
                        false => Err(error),
                    }
                }),
            };
            self.answer_to.give(Ok(done));
            Done::Well
        })
    }

    /// Takes over a newer update; that this one is done is said at once.
    fn take_over(&mut self, newer: Update) {
        self.progress = self.progress.max(newer.progress);
        self.metadata.extend(newer.metadata);
        self.bars = newer.bars.or_else(|| self.bars.take());
        let answer_to = std::mem::replace(&mut self.answer_to, newer.answer_to);
        answer_to.give(Ok(Ok(())));
    }
}

fn with(metadata: &JsonObject, more: JsonObject) -> JsonObject {
    let mut both = metadata.clone();
    both.extend(more);
    both
}

impl Queue {
    pub fn new(waker: Option<Waker>) -> Self {
        Queue {
            state: Mutex::default(),
            waker,
        }
    }

    pub fn push(&self, command: Command) -> Result<(), HandleError> {
        let state = self.open()?;
        if state.waiting.len() - state.extra >= MAX_COMMANDS {
            return Err(HandleError::Full);
        }
        self.put(state, What::Command(command), false);
        Ok(())
    }

    /// Puts an answer that somebody waits for behind all others. There is always a place for it, since there are no more of them
    /// than of questions; where the loop is gone it is dropped.
    pub fn push_answer(&self, command: Command) {
        if let Ok(state) = self.open() {
            self.put(state, What::Command(command), true);
        }
    }

    /// A session begins with this: updates of one of the same id from before are not to be mixed with its own.
    pub fn push_begin(&self, id: Uuid, command: Command) -> Result<(), HandleError> {
        self.push(command)?;
        self.lock().updates.remove(&id);
        Ok(())
    }

    /// Puts an update where one of the same session waits already, or behind all others. There is always a place for it.
    pub fn push_update(&self, update: Update) -> Result<(), HandleError> {
        let mut state = self.open()?;
        if let Some(earlier) = state.update_of(update.id) {
            earlier.take_over(update);
            return Ok(());
        }
        let number = state.taken + state.waiting.len() as u64;
        state.updates.insert(update.id, number);
        self.put(state, What::Update(Box::new(update)), true);
        Ok(())
    }

    /// Puts what ends a session behind all others. There is always a place for one end of each.
    pub fn push_end(&self, id: Uuid, command: Command) -> Result<(), HandleError> {
        let mut state = self.open()?;
        // What is said of the session after this is another matter.
        state.updates.remove(&id);
        if !state.ends.insert(id) {
            drop(state);
            return self.push(command);
        }
        self.put(state, What::End(id, command), true);
        Ok(())
    }

    /// The oldest command, and when it was given.
    pub fn pop(&self) -> Option<(Instant, Command)> {
        let mut state = self.lock();
        let (given, waiting) = state.waiting.pop_front()?;
        let number = state.taken;
        state.taken += 1;
        state.extra -= usize::from(waiting.is_extra);
        let command = match waiting.what {
            What::Command(command) => command,
            What::Update(update) => {
                if state.updates.get(&update.id) == Some(&number) {
                    state.updates.remove(&update.id);
                }
                update.command()
            }
            What::End(id, command) => {
                state.ends.remove(&id);
                command
            }
        };
        Some((given, command))
    }

    pub fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Notes which thread drives the loop.
    pub fn enter_loop(&self) {
        self.lock().loop_thread = Some(thread::current().id());
    }

    pub fn is_loop_thread(&self) -> bool {
        self.lock().loop_thread == Some(thread::current().id())
    }

    /// Drops all commands, so that nobody waits for them any more, and takes no others.
    pub fn close(&self) {
        let waiting = {
            let mut state = self.lock();
            state.is_closed = true;
            state.updates.clear();
            state.ends.clear();
            state.extra = 0;
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, HandleError> {
        let state = self.lock();
        match state.is_closed {
            true => Err(HandleError::Closed),
            false => Ok(state),
        }
    }

    fn put(&self, mut state: MutexGuard<'_, State>, what: What, is_extra: bool) {
        let was_empty = state.waiting.is_empty();
        state.extra += usize::from(is_extra);
        let waiting = Waiting { what, is_extra };
        state.waiting.push_back((Instant::now(), waiting));
        drop(state);
        if was_empty {
            self.wake();
        }
    }

    /// Should waking fail, the loop still finds the command at its next turn.
    fn wake(&self) {
        let wake = || self.waker.as_ref().map_or(Ok(()), Waker::wake);
        while wake().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {}
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves a queue that is whole: every change to it is one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn update_of(&mut self, id: Uuid) -> Option<&mut Update> {
        let number = *self.updates.get(&id)?;
        let index = usize::try_from(number - self.taken).ok()?;
        match &mut self.waiting.get_mut(index)?.1.what {
            What::Update(update) => Some(update),
            _ => None,
        }
    }
}
