//! What handlers have asked clients and other servers, and who waits for the answers.

use std::collections::BTreeMap;
use std::fmt;

use super::handlers::Outcome;
use super::timers::Timers;
use super::Socket;
use crate::{Args, AskId, Endpoint, RemoteSocket, SocketId};

type AckHandler = Box<dyn FnOnce(&mut Socket<'_>, Result<&Args, AckTimeout>) -> Outcome + Send>;
type AnswersHandler = Box<dyn FnOnce(&mut Endpoint, Answers<'_>) -> Outcome + Send>;
type FetchHandler = Box<dyn FnOnce(&mut Endpoint, &[RemoteSocket]) -> Outcome + Send>;

/// No acknowledgement has come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckTimeout;

impl fmt::Display for AckTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("operation has timed out")
    }
}

impl std::error::Error for AckTimeout {}

/// What many clients have acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Answers<'a> {
    /// The arguments of each one's acknowledgement, in the order in which they came.
    pub answers: &'a [Args],
    /// Whether all have answered in time.
    pub is_complete: bool,
}

impl<'a> Answers<'a> {
    /// The answers if all are there.
    ///
    /// # Errors
    ///
    /// [`AckTimeout`] when some are missing; those that have come are still in [`Answers::answers`].
    pub fn all(self) -> Result<&'a [Args], AckTimeout> {
        self.is_complete.then_some(self.answers).ok_or(AckTimeout)
    }
}

struct Acknowledgement {
    handler: AckHandler,
    /// Whether it is answered in any case, if only by [`AckTimeout`].
    has_timeout: bool,
}

/// Who waits for what.
#[derive(Default)]
pub struct Questions {
    acks: BTreeMap<(SocketId, u64), Acknowledgement>,
    asks: BTreeMap<AskId, AnswersHandler>,
    fetches: BTreeMap<AskId, FetchHandler>,
    pub(super) timers: Timers,
}

impl Questions {
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let is_answered = self.acks.is_empty() && self.asks.is_empty();
        is_answered && self.fetches.is_empty() && self.timers.is_empty()
    }

    pub(super) fn expect(
        &mut self,
        socket: SocketId,
        id: u64,
        has_timeout: bool,
        handler: AckHandler,
    ) {
        let acknowledgement = Acknowledgement {
            handler,
            has_timeout,
        };
        self.acks.insert((socket, id), acknowledgement);
    }

    pub(super) fn ask(&mut self, ask: AskId, handler: AnswersHandler) {
        self.asks.insert(ask, handler);
    }

    pub(super) fn take_ask(&mut self, ask: AskId) -> Option<AnswersHandler> {
        self.asks.remove(&ask)
    }

    pub(super) fn fetch(&mut self, ask: AskId, handler: FetchHandler) {
        self.fetches.insert(ask, handler);
    }

    pub(super) fn take_fetch(&mut self, ask: AskId) -> Option<FetchHandler> {
        self.fetches.remove(&ask)
    }

    pub(super) fn acknowledged(
        &mut self,
        endpoint: &mut Endpoint,
        socket: SocketId,
        id: u64,
        answer: Result<&Args, AckTimeout>,
    ) -> Outcome {
        match self.acks.remove(&(socket, id)) {
            Some(Acknowledgement { handler, .. }) => {
                handler(&mut Socket::new(endpoint, self, socket), answer)
            }
            None => Ok(()),
        }
    }

    /// Whoever is gone acknowledges nothing any more.
    pub(super) fn forget(&mut self, socket: SocketId) {
        let of_socket = self.acks.range((socket, 0)..=(socket, u64::MAX));
        let dropped: Vec<(SocketId, u64)> = of_socket
            .filter(|(_, acknowledgement)| !acknowledgement.has_timeout)
            .map(|(key, _)| *key)
            .collect();
        for key in dropped {
            self.acks.remove(&key);
        }
    }
}
