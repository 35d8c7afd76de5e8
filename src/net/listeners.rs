//! What connections come from, and how many are accepted in a turn.

use std::io;
use std::net::SocketAddr;

use mio::Registry;

use super::backlog::{Backlog, ACCEPT_BACKLOG};
use super::{Accepted, Listener};

/// Connections accepted in one turn from each listener, so that a storm of them does not keep others waiting.
const ACCEPTS_PER_TURN: usize = 32;
/// How long accepting pauses when the process has no more descriptors.
const ACCEPT_RETRY_MS: u64 = 100;

#[derive(Default)]
pub(super) struct Listeners {
    all: Vec<Listening>,
    accept_again_at_ms: Option<u64>,
    backlog: Backlog,
}

struct Listening {
    listener: Box<dyn Listener>,
    /// Connections may be waiting. Edge-triggered readiness is said once, so this holds until accepting has said no.
    is_ready: bool,
    /// How many more may be accepted in this turn.
    left: usize,
}

impl Listeners {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn push(&mut self, listener: impl Listener + 'static) {
        self.all.push(Listening {
            listener: Box::new(listener),
            is_ready: true,
            left: 0,
        });
    }

    /// Listens no more. What has not been accepted is left to whoever else has the socket.
    pub fn close(&mut self, registry: &Registry) {
        for mut listening in self.all.drain(..) {
            // A socket that other processes have too would be watched on.
            let _ = registry.deregister(&mut *listening.listener);
        }
        self.accept_again_at_ms = None;
    }

    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let addresses = self.all.iter().map(|it| it.listener.local_addr());
        addresses.filter_map(io::Result::transpose).collect()
    }

    pub fn on_ready(&mut self, index: usize) {
        // None is left of a server that goes.
        if let Some(listening) = self.all.get_mut(index) {
            listening.is_ready = true;
        }
    }

    /// All that was ready when this was asked has been told.
    pub fn on_polled(&mut self, asked_ms: u64) {
        if !self.all.iter().any(|listening| listening.is_ready) {
            self.backlog.is_empty_at(asked_ms);
        }
    }

    /// Whether there may be a connection to accept now.
    pub fn can_accept(&self) -> bool {
        self.accept_again_at_ms.is_none() && self.all.iter().any(|listening| listening.is_ready)
    }

    /// When accepting goes on, where it pauses.
    pub fn accept_again_at_ms(&self) -> Option<u64> {
        self.accept_again_at_ms
    }

    /// See [`Backlog::accepted_until_ms`].
    pub fn accepted_until_ms(&self) -> u64 {
        self.backlog.accepted_until_ms()
    }

    /// Before [`Listeners::accept`] is asked until there is nothing more.
    pub fn begin_turn(&mut self, now_ms: u64) {
        self.accept_again_at_ms = self.accept_again_at_ms.filter(|at_ms| *at_ms > now_ms);
        for listening in &mut self.all {
            listening.left = ACCEPTS_PER_TURN;
        }
    }

    /// The next connection of this turn, `None` when there are no more. Readiness was last asked for at `asked_ms`, and `accepts`
    /// counts the system calls.
    pub fn accept(&mut self, now_ms: u64, asked_ms: u64, accepts: &mut u64) -> Option<Accepted> {
        let most = ACCEPT_BACKLOG as usize * self.all.len();
        let is_paused = self.accept_again_at_ms.is_some();
        for listening in self.all.iter_mut().filter(|_| !is_paused) {
            while listening.is_ready && listening.left > 0 {
                listening.left -= 1;
                *accepts += 1;
                match listening.listener.accept() {
                    Ok(accepted) => {
                        self.backlog.accepted(asked_ms, most);
                        return Some(accepted);
                    }
                    Err(error) => match error.kind() {
                        io::ErrorKind::WouldBlock => listening.is_ready = false,
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                        // Out of descriptors or memory, most likely. The readiness is not said again, so it is kept.
                        _ => {
                            self.accept_again_at_ms = Some(now_ms + ACCEPT_RETRY_MS);
                            self.backlog.is_empty_at(asked_ms);
                            return None;
                        }
                    },
                }
            }
        }
        match is_paused {
            true => self.backlog.is_empty_at(asked_ms),
            false => self.on_polled(asked_ms),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use mio::event::Source;
    use mio::net::UnixStream;
    use mio::{Interest, Registry, Token};

    use super::*;
    use crate::PeerAddr;

    /// Gives what is in its list, and then says that there is nothing.
    struct Scripted(VecDeque<Result<(), io::ErrorKind>>);

    impl Source for Scripted {
        fn register(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
            Ok(())
        }

        fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
            Ok(())
        }

        fn deregister(&mut self, _: &Registry) -> io::Result<()> {
            Ok(())
        }
    }

    impl Listener for Scripted {
        fn accept(&mut self) -> io::Result<Accepted> {
            let next = self.0.pop_front();
            next.unwrap_or(Err(io::ErrorKind::WouldBlock))?;
            let (stream, _) = UnixStream::pair()?;
            Ok(Accepted::new(stream, PeerAddr::Unix))
        }
    }

    /// One turn: how many were accepted, and how often it was asked.
    fn turn(listeners: &mut Listeners, now_ms: u64) -> (usize, u64) {
        let (mut count, mut accepts) = (0, 0);
        listeners.begin_turn(now_ms);
        while listeners.accept(now_ms, now_ms, &mut accepts).is_some() {
            count += 1;
        }
        (count, accepts)
    }

    #[test]
    fn each_listener_has_its_share_of_a_turn_and_is_asked_until_it_says_no() {
        let mut listeners = Listeners::default();
        listeners.push(Scripted([Ok(()); 40].into()));
        listeners.push(Scripted([Ok(()); 3].into()));
        assert_eq!(turn(&mut listeners, 1), (32 + 3, 32 + 3 + 1));
        assert!(listeners.can_accept());
        assert_eq!(turn(&mut listeners, 2), (8, 8 + 1));
        assert!(!listeners.can_accept());
        assert_eq!(turn(&mut listeners, 3), (0, 0));
        listeners.on_ready(1);
        assert_eq!(turn(&mut listeners, 4), (0, 1));
    }

    #[test]
    fn a_lack_of_descriptors_pauses_and_what_concerns_one_connection_does_not() {
        use io::ErrorKind::{ConnectionAborted, Interrupted, OutOfMemory};
        let script = [
            Ok(()),
            Err(Interrupted),
            Err(ConnectionAborted),
            Ok(()),
            Err(OutOfMemory),
            Ok(()),
        ];
        let mut listeners = Listeners::default();
        listeners.push(Scripted(script.into()));
        assert_eq!(turn(&mut listeners, 1_000), (2, 5));
        assert_eq!(listeners.accept_again_at_ms(), Some(1_100));
        assert!(!listeners.can_accept());
        assert_eq!(turn(&mut listeners, 1_099), (0, 0));
        assert_eq!(turn(&mut listeners, 1_100), (1, 2));
        assert_eq!(listeners.accept_again_at_ms(), None);
    }
}
