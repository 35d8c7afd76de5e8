//! Panics of the host's code are kept from others; those of the library's own are not.
//!
//! A handler that panics has harmed what it was about, and nobody else needs to suffer for that. But a panic out of a verb of
//! [`Endpoint`](crate::Endpoint) may have left the server half changed, and going on with it would be worse than an end. Both come
//! out of the same handler, so each verb leaves a mark when a panic passes through it.

use std::any::Any;
use std::cell::Cell;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::thread::panicking;

thread_local! {
    /// A panic has passed through a verb.
    static IS_BROKEN: Cell<bool> = const { Cell::new(false) };
}

/// Stands in each verb that changes something, for as long as it does.
pub(crate) struct Verb {
    /// It is called by what a panic drops.
    is_late: bool,
}

impl Verb {
    pub fn begin() -> Verb {
        Verb {
            is_late: panicking(),
        }
    }
}

impl Drop for Verb {
    fn drop(&mut self) {
        if !self.is_late && panicking() {
            IS_BROKEN.set(true);
        }
    }
}

/// Runs code of the host's; what it says when it panics is the error. A panic out of a verb goes on.
pub(crate) fn contain<T>(host: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(host)).map_err(|panic| {
        if IS_BROKEN.take() {
            resume_unwind(panic);
        }
        message(&*panic)
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a value that is no text".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_panics_with_is_told() {
        assert_eq!(contain(|| 5), Ok(5));
        let number = 7;
        let text = contain::<()>(|| panic!("number {number}"));
        assert_eq!(text, Err("number 7".to_owned()));
        assert_eq!(contain::<()>(|| panic!("plain")), Err("plain".to_owned()));
        let other = contain::<()>(|| std::panic::panic_any(number));
        assert_eq!(other, Err("a value that is no text".to_owned()));
    }

    #[test]
    fn a_panic_of_a_verb_goes_on_and_the_next_one_of_the_host_does_not() {
        let verb = || {
            let _verb = Verb::begin();
            panic!("a fault of the library");
        };
        let outcome = catch_unwind(|| contain(verb));
        assert!(outcome.is_err());
        assert!(contain::<()>(|| panic!("a fault of the host")).is_err());
        // The verb was done before.
        let after = contain::<()>(|| {
            drop(Verb::begin());
            panic!("later");
        });
        assert_eq!(after, Err("later".to_owned()));
    }

    #[test]
    fn a_verb_that_a_panic_of_the_host_calls_on_its_way_out_changes_nothing() {
        struct CallsVerb;
        impl Drop for CallsVerb {
            fn drop(&mut self) {
                drop(Verb::begin());
            }
        }
        let outcome = contain::<()>(|| {
            let _value = CallsVerb;
            panic!("a fault of the host");
        });
        assert_eq!(outcome, Err("a fault of the host".to_owned()));
    }
}
