//! What handlers have asked clients and other servers, and who waits for the answers.

use std::collections::BTreeMap;

use super::answer::{Failure, IntoAnswer};
use super::timers::Later;
use super::{Context, Socket};
use crate::error::AckError;
use crate::{Args, AskId, Endpoint, FromArgs, RemoteSocket, SocketId};

/// What a handler's work comes to.
pub(super) type Done = Result<(), Failure>;

type AckHandler<S> =
    Box<dyn FnOnce(&mut S, &mut Socket<'_, S>, Result<&Args, AckError>) -> Done + Send>;
type AnswersHandler<S> = Box<dyn FnOnce(&mut S, &mut Context<'_, S>, Responses) -> Done + Send>;
type FetchHandler<S> =
    Box<dyn FnOnce(&mut S, &mut Context<'_, S>, Vec<RemoteSocket>) -> Done + Send>;

/// What many clients have acknowledged.
#[derive(Clone, Debug, PartialEq)]
pub struct Responses {
    /// The arguments of each one's acknowledgement, in the order in which they came.
    pub answers: Vec<Args>,
    /// Whether all have answered in time.
    pub is_complete: bool,
}

impl Responses {
    /// The answers if all are there.
    ///
    /// # Errors
    ///
    /// [`AckError::TimedOut`] when some are missing; those that have come are in [`Responses::answers`].
    pub fn all(&self) -> Result<&[Args], AckError> {
        match self.is_complete {
            true => Ok(&self.answers),
            false => Err(AckError::TimedOut),
        }
    }
}

/// Who waits for what.
pub(crate) struct Questions<S: 'static> {
    acks: BTreeMap<(SocketId, u64), AckHandler<S>>,
    asks: BTreeMap<AskId, AnswersHandler<S>>,
    fetches: BTreeMap<AskId, FetchHandler<S>>,
    /// What is to be done later.
    pub(super) timers: Later<S>,
}

impl<S: 'static> Default for Questions<S> {
    fn default() -> Self {
        Questions {
            acks: BTreeMap::new(),
            asks: BTreeMap::new(),
            fetches: BTreeMap::new(),
            timers: Later::default(),
        }
    }
}

impl<S: 'static> Questions<S> {
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let is_answered = self.acks.is_empty() && self.asks.is_empty();
        is_answered && self.fetches.is_empty() && self.timers.is_empty()
    }

    pub(super) fn expect<T: FromArgs, R: IntoAnswer>(
        &mut self,
        socket: SocketId,
        id: u64,
        handler: impl FnOnce(&mut S, &mut Socket<'_, S>, Result<T, AckError>) -> R + Send + 'static,
    ) {
        let handler: AckHandler<S> = Box::new(move |state, socket, answer| {
            let answer = answer.and_then(|args| {
                T::from_args(args).map_err(|error| AckError::Mismatch(error.to_string()))
            });
            done(handler(state, socket, answer))
        });
        self.acks.insert((socket, id), handler);
    }

    pub(super) fn ask<R: IntoAnswer>(
        &mut self,
        ask: AskId,
        handler: impl FnOnce(&mut S, &mut Context<'_, S>, Responses) -> R + Send + 'static,
    ) {
        let handler: AnswersHandler<S> =
            Box::new(move |state, context, answers| done(handler(state, context, answers)));
        self.asks.insert(ask, handler);
    }

    pub(super) fn fetch<R: IntoAnswer>(
        &mut self,
        ask: AskId,
        handler: impl FnOnce(&mut S, &mut Context<'_, S>, Vec<RemoteSocket>) -> R + Send + 'static,
    ) {
        let handler: FetchHandler<S> =
            Box::new(move |state, context, sockets| done(handler(state, context, sockets)));
        self.fetches.insert(ask, handler);
    }

    pub(super) fn take_ask(&mut self, ask: AskId) -> Option<AnswersHandler<S>> {
        self.asks.remove(&ask)
    }

    pub(super) fn take_fetch(&mut self, ask: AskId) -> Option<FetchHandler<S>> {
        self.fetches.remove(&ask)
    }

    pub(super) fn acknowledged(
        &mut self,
        state: &mut S,
        endpoint: &mut Endpoint,
        socket: SocketId,
        id: u64,
        answer: Result<&Args, AckError>,
    ) -> Done {
        match self.acks.remove(&(socket, id)) {
            Some(handler) => handler(state, &mut Socket::new(endpoint, self, socket), answer),
            None => Ok(()),
        }
    }

    /// Whoever is gone acknowledges nothing any more: the numbers of what it was asked.
    pub(super) fn owed_by(&self, socket: SocketId) -> Vec<u64> {
        let of_socket = self.acks.range((socket, 0)..=(socket, u64::MAX));
        of_socket.map(|((_, id), _)| *id).collect()
    }
}

/// What a handler has returned that answers nobody.
pub(super) fn done(answer: impl IntoAnswer) -> Done {
    answer.into_answer().map(|_| ())
}
