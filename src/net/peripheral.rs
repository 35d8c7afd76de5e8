//! Sources of the host's own that the loop watches beside its connections.

use mio::event::{Event, Source};

use crate::Endpoint;

/// Something of the host's own in the loop of a [`Server`](crate::Server), such as a connection to Redis, signals, a UDP socket
/// for QUIC or the end of a pipe: [`Server::add_peripheral`](crate::Server::add_peripheral).
///
/// It is watched edge-triggered, for reading and writing: readiness is told of once, and again only after the source has said
/// [`WouldBlock`](std::io::ErrorKind::WouldBlock). What it does in one call makes all clients wait.
///
/// One that opens another socket later, as after a lost connection, keeps what [`Source::register`] has given it, the token
/// and a clone of the registry ([`Registry::try_clone`](mio::Registry::try_clone)), and registers that socket with them.
pub trait Peripheral: Source + Send {
    /// It has become readable or writable, which an end or an error is too, or its deadline has come; where neither is said, it is
    /// the deadline alone. The verbs of the endpoint are there for what follows from it. A panic ends the server.
    fn ready(&mut self, endpoint: &mut Endpoint, is_readable: bool, is_writable: bool);

    /// When it is to be called at the latest, in milliseconds of [`Now::mono_ms`](crate::Now); `None`, the default, when only
    /// readiness matters. This is asked in every turn, so one that has something to do at once says 0.
    fn next_deadline(&self) -> Option<u64> {
        None
    }
}

#[derive(Default)]
pub(super) struct Peripherals {
    all: Vec<Watched>,
}

struct Watched {
    peripheral: Box<dyn Peripheral>,
    is_readable: bool,
    is_writable: bool,
}

impl Peripherals {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn push(&mut self, peripheral: impl Peripheral + 'static) {
        self.all.push(Watched {
            peripheral: Box::new(peripheral),
            is_readable: false,
            is_writable: false,
        });
    }

    /// Notes what the operating system has told. An end or an error is for a read or a write to find.
    pub fn note(&mut self, index: usize, event: &Event) {
        let watched = &mut self.all[index];
        watched.is_readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        watched.is_writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    pub fn next_deadline(&self) -> Option<u64> {
        let deadlines = self.all.iter().map(|it| it.peripheral.next_deadline());
        deadlines.flatten().min()
    }

    /// Calls those that something has become of, each once.
    pub fn call(&mut self, endpoint: &mut Endpoint) {
        let now_ms = endpoint.now().mono_ms;
        for watched in &mut self.all {
            let is_readable = std::mem::take(&mut watched.is_readable);
            let is_writable = std::mem::take(&mut watched.is_writable);
            let deadline_ms = watched.peripheral.next_deadline();
            if is_readable || is_writable || deadline_ms.is_some_and(|at_ms| at_ms <= now_ms) {
                watched.peripheral.ready(endpoint, is_readable, is_writable);
            }
        }
    }
}
