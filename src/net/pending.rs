//! Answers that are on their way from the loop to other threads.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::handle::HandleError;
use super::queue::Queue;

/// An answer that is on its way. Dropping it does not take the command back.
///
/// Wait for it on a thread of your own, or `.await` it: it is a [`Future`] of any runtime, woken by the loop itself.
///
/// ```
/// use std::future::Future;
/// use std::sync::Arc;
/// use std::task::{Context, Poll, Wake};
/// use pulsewheel::{Config, HandleError, Server};
///
/// /// The smallest runtime there is: one future on one thread.
/// struct Unpark(std::thread::Thread);
///
/// impl Wake for Unpark {
///     fn wake(self: Arc<Self>) {
///         self.0.unpark();
///     }
/// }
///
/// fn block_on<T>(future: impl Future<Output = T>) -> T {
///     let mut future = std::pin::pin!(future);
///     let waker = Arc::new(Unpark(std::thread::current())).into();
///     loop {
///         match future.as_mut().poll(&mut Context::from_waker(&waker)) {
///             Poll::Ready(answer) => return answer,
///             Poll::Pending => std::thread::park(),
///         }
///     }
/// }
///
/// let mut server = Server::bind(Config::default(), "127.0.0.1:0")?;
/// let handle = server.handle();
/// let thread = std::thread::spawn(move || server.run(|_, _| {}));
/// let sockets = block_on(async {
///     let counts = handle.call(|endpoint| endpoint.counts())?.await?;
///     Ok::<usize, HandleError>(counts.sockets)
/// })?;
/// assert_eq!(sockets, 0);
/// handle.shut_down()?;
/// # thread.join().expect("the server does not panic")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pending<T> {
    slot: Arc<Slot<T>>,
    queue: Arc<Queue>,
}

/// Where the loop puts an answer. Dropped without one, there will be none.
pub(super) struct Answer<T>(Arc<Slot<T>>);

struct Slot<T> {
    state: Mutex<State<T>>,
    is_changed: Condvar,
}

struct State<T> {
    answer: Option<Result<T, HandleError>>,
    /// No answer will come any more, other than the one that is here.
    is_over: bool,
    waker: Option<Waker>,
}

/// An answer that somebody else gives, and where it is waited for.
pub(super) fn pending<T>(queue: &Arc<Queue>) -> (Answer<T>, Pending<T>) {
    let slot = Arc::new(Slot {
        state: Mutex::new(State {
            answer: None,
            is_over: false,
            waker: None,
        }),
        is_changed: Condvar::new(),
    });
    let pending = Pending {
        slot: slot.clone(),
        queue: queue.clone(),
    };
    (Answer(slot), pending)
}

impl<T> Pending<T> {
    /// Waits until the answer is here.
    ///
    /// # Errors
    ///
    /// [`HandleError::OnLoopThread`] where waiting would be for ever, [`HandleError::Closed`] when the server ended first,
    /// [`HandleError::Panicked`].
    pub fn wait(self) -> Result<T, HandleError> {
        if self.queue.is_loop_thread() {
            return self.take();
        }
        let mut state = self.slot.lock();
        while state.is_awaited() {
            let waiting = self.slot.is_changed.wait(state);
            state = waiting.unwrap_or_else(PoisonError::into_inner);
        }
        state.take()
    }

    /// As [`Pending::wait`], but no longer than this: then [`HandleError::NotYet`].
    pub fn wait_timeout(&self, timeout: Duration) -> Result<T, HandleError> {
        if self.queue.is_loop_thread() {
            return self.take();
        }
        let begin = Instant::now();
        let mut state = self.slot.lock();
        while state.is_awaited() {
            let Some(left) = timeout
                .checked_sub(begin.elapsed())
                .filter(|it| !it.is_zero())
            else {
                break;
            };
            let waiting = self.slot.is_changed.wait_timeout(state, left);
            (state, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        }
        state.take()
    }

    /// The answer if it is here, else [`HandleError::NotYet`].
    pub fn try_take(&self) -> Result<T, HandleError> {
        self.slot.lock().take()
    }

    /// Whether the answer is still to come.
    pub(super) fn is_awaited(&self) -> bool {
        self.slot.lock().is_awaited()
    }

    fn take(&self) -> Result<T, HandleError> {
        self.try_take().map_err(|error| match error {
            HandleError::NotYet => HandleError::OnLoopThread,
            other => other,
        })
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, HandleError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.lock();
        if !state.is_awaited() {
            return Poll::Ready(state.take());
        }
        let known = state.waker.as_ref();
        if !known.is_some_and(|waker| waker.will_wake(context.waker())) {
            state.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}

impl<T> Answer<T> {
    /// Gives the answer. Whoever asked may have gone away without waiting.
    pub fn give(self, answer: Result<T, HandleError>) {
        self.0.lock().answer = Some(answer);
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = self.0.lock();
            state.is_over = true;
            state.waker.take()
        };
        self.0.is_changed.notify_all();
        // Outside of the lock, as it may do whatever it likes.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn is_awaited(&self) -> bool {
        self.answer.is_none() && !self.is_over
    }

    fn take(&mut self) -> Result<T, HandleError> {
        let nothing = match self.is_over {
            true => HandleError::Closed,
            false => HandleError::NotYet,
        };
        self.answer.take().unwrap_or(Err(nothing))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn new() -> (Answer<u8>, Pending<u8>) {
        pending(&Arc::new(Queue::new(None)))
    }

    #[test]
    fn a_future_is_woken_once_by_its_answer_and_by_the_end_of_the_server() {
        for answers in [true, false] {
            let count = Arc::new(Count::default());
            let waker = Waker::from(count.clone());
            let mut context = Context::from_waker(&waker);
            let (answer, mut pending) = new();
            for _ in 0..2 {
                assert!(Pin::new(&mut pending).poll(&mut context).is_pending());
            }
            assert_eq!(pending.try_take(), Err(HandleError::NotYet));
            let expected = match answers {
                true => {
                    answer.give(Ok(5));
                    Ok(5)
                }
                false => {
                    drop(answer);
                    Err(HandleError::Closed)
                }
            };
            assert_eq!(count.0.load(Ordering::Relaxed), 1);
            let polled = Pin::new(&mut pending).poll(&mut context);
            assert_eq!(polled, Poll::Ready(expected));
            assert_eq!(pending.try_take(), Err(HandleError::Closed));
        }
    }

    #[test]
    fn whoever_waits_on_another_thread_gets_the_answer() {
        let (answer, pending) = new();
        let thread = std::thread::spawn(move || pending.wait());
        answer.give(Ok(6));
        assert_eq!(thread.join().unwrap(), Ok(6));
        let (answer, pending) = new();
        let soon = pending.wait_timeout(Duration::from_millis(1));
        assert_eq!(soon, Err(HandleError::NotYet));
        // Nobody waits for it any more.
        drop(pending);
        answer.give(Ok(7));
    }
}
