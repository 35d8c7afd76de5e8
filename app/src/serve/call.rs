//! Reaching the event loop from other threads without losing anything.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pulsewheel::{Endpoint, Handle, HandleError, Pending};

/// How long to wait where the loop's queue is full.
const PAUSE: Duration = Duration::from_millis(5);

/// As [`Handle::call`], but waits where the queue is full. Not for the loop's own
/// thread.
///
/// # Errors
/// [`HandleError::Closed`] when the server has ended.
pub fn call_surely<T: Send + 'static>(
    handle: &Handle,
    verb: impl Fn(&mut Endpoint) -> T + Send + Sync + 'static,
) -> Result<Pending<T>, HandleError> {
    let verb = Arc::new(verb);
    loop {
        let attempt = verb.clone();
        match handle.call(move |endpoint| attempt(endpoint)) {
            Err(HandleError::Full) => thread::sleep(PAUSE),
            result => return result,
        }
    }
}
