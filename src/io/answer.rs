//! What handlers answer: at once by what they return, or later from any thread.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde_json::{json, Value};

use crate::error::unserializable;
use crate::{AckId, Args, Error, Handle, IntoArgs};

/// What a handler may return.
///
/// For a handler of an event it is the acknowledgement, where the client has asked for one: of `Ok` the value, as
/// [`IntoArgs`] writes it; of `Err` one argument, `{"error": …}` with the error's text. `()` is no arguments, and plain values
/// such as texts, numbers, lists and `serde_json::Value` need no `Ok`. An error that nobody wants to have acknowledged, as any of
/// another kind of handler, goes to [`Namespace::on_error`](super::Namespace::on_error).
///
/// An [`Error`] of this library, by itself or as a `Box<dyn Error>`, is a mistake of the host besides: it comes back from
/// [`Io::dispatch`](super::Io::dispatch).
pub trait IntoAnswer {
    /// What is acknowledged when all is well.
    type Value: IntoArgs;

    /// The answer, or why there is none.
    fn into_answer(self) -> Result<Self::Value, Failure>;
}

/// Why a handler has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    text: String,
    /// The host's mistake, where it is one.
    mistake: Option<Error>,
}

impl IntoAnswer for () {
    type Value = ();

    fn into_answer(self) -> Result<(), Failure> {
        Ok(())
    }
}

/// Values that are an answer by themselves.
macro_rules! plain {
    ($($type:ty),*) => {
        $(impl IntoAnswer for $type {
            type Value = Self;

            fn into_answer(self) -> Result<Self, Failure> {
                Ok(self)
            }
        })*
    };
}

plain!(Args, Value, String, &'static str, bool, f64);
plain!(i8, i16, i32, i64, u8, u16, u32, u64, usize);

impl<T: Serialize> IntoAnswer for Vec<T> {
    type Value = Self;

    fn into_answer(self) -> Result<Self, Failure> {
        Ok(self)
    }
}

impl<T: Serialize> IntoAnswer for Option<T> {
    type Value = Self;

    fn into_answer(self) -> Result<Self, Failure> {
        Ok(self)
    }
}

impl<T: IntoArgs, E: fmt::Display + 'static> IntoAnswer for Result<T, E> {
    type Value = T;

    fn into_answer(self) -> Result<T, Failure> {
        self.map_err(Failure::new)
    }
}

impl Failure {
    pub(super) fn new<E: fmt::Display + 'static>(error: E) -> Failure {
        let any: &dyn Any = &error;
        let boxed = || {
            let plain = any
                .downcast_ref::<Box<dyn StdError>>()
                .map(|it| it.downcast_ref());
            let sent = any.downcast_ref::<Box<dyn StdError + Send + Sync>>();
            plain.flatten().or_else(|| sent?.downcast_ref())
        };
        Failure {
            text: error.to_string(),
            mistake: any.downcast_ref::<Error>().or_else(boxed).cloned(),
        }
    }

    /// What clients are told.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The mistake of the host, where it is one.
    pub(super) fn mistake(&self) -> Option<&Error> {
        self.mistake.as_ref()
    }

    /// What the host is told where no client is concerned.
    pub(super) fn into_error(self) -> Error {
        self.mistake.unwrap_or(Error::Failed(self.text))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::new(error)
    }
}

/// The acknowledgement that a client waits for, to be given by any thread: see
/// [`Namespace::on_later`](super::Namespace::on_later).
///
/// Exactly one is given: one that is dropped, by a thread that panics for example, says `{"error": "no answer"}`. Where the
/// client has not asked for an acknowledgement, nothing is sent.
#[must_use = "dropping it acknowledges an error"]
pub struct Reply<T = ()> {
    handle: Handle,
    ack: Option<AckId>,
    answer: PhantomData<fn(T)>,
}

impl<T: IntoArgs> Reply<T> {
    /// All is well, and this is the answer.
    pub fn ok(mut self, answer: T) {
        let ack = self.ack.take();
        match answer.into_args() {
            Ok(args) => acknowledge(&self.handle, ack, args),
            Err(error) => acknowledge(&self.handle, ack, error_args(&unserializable(error))),
        }
    }
}

impl<T> Reply<T> {
    pub(super) fn new(handle: Handle, ack: Option<AckId>) -> Self {
        Reply {
            handle,
            ack,
            answer: PhantomData,
        }
    }

    /// It went wrong, for this reason.
    pub fn err(mut self, error: impl fmt::Display) {
        let ack = self.ack.take();
        acknowledge(&self.handle, ack, error_args(&error));
    }

    /// Whether the client waits for it. What is computed for nobody can be left out.
    pub fn is_wanted(&self) -> bool {
        self.ack.is_some()
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        acknowledge(&self.handle, self.ack.take(), error_args(&"no answer"));
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.ack).finish()
    }
}

/// `{"error": …}`.
pub(super) fn error_args(error: &impl fmt::Display) -> Args {
    Args::one(&json!({ "error": error.to_string() })).unwrap_or_default()
}

fn acknowledge(handle: &Handle, ack: Option<AckId>, args: Args) {
    if let Some(ack) = ack {
        // Whoever has gone meanwhile wants no answer.
        handle.tell(move |endpoint| drop(endpoint.acknowledge(ack, &args)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_library_is_found_in_whatever_it_comes() {
        let error = Error::NoSuchNamespace;
        let boxed: Box<dyn StdError> = Box::new(error.clone());
        let sent: Box<dyn StdError + Send + Sync> = Box::new(error.clone());
        for failure in [
            Failure::new(error.clone()),
            Failure::new(boxed),
            Failure::new(sent),
        ] {
            assert_eq!(failure.text(), error.to_string());
            assert_eq!(failure.mistake(), Some(&error));
        }
        assert_eq!(Failure::new("not now").mistake(), None);
        let told = Failure::new("not now".to_owned()).into_error();
        assert_eq!(told, Error::Failed("not now".to_owned()));
    }
}
