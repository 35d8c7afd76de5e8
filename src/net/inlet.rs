//! Connections that the host has accepted elsewhere.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Arc;

use mio::event::Source;
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use super::{Accepted, Listener};
use crate::PeerAddr;

/// By which other threads hand connections to a server, such as those that another server has accepted: see [`inlet`].
#[derive(Clone, Debug)]
pub struct Inlet {
    accepted: Sender<Accepted>,
    bell: Arc<StdUnixStream>,
}

/// The end of an [`Inlet`] that is given to [`Server::add_listener`](crate::Server::add_listener).
#[derive(Debug)]
pub struct InletListener {
    accepted: Receiver<Accepted>,
    bell: UnixStream,
}

/// Both ends of a way for connections into a server, from any thread and of any kind.
///
/// A host that has its clients accepted by another server, as by that of a web framework, has two ways. [`Inlet::connect`] gives it
/// a connection for one request: the framework keeps the client's connection, its routes and its layers. [`Inlet::send`] hands over
/// the client's connection itself. How many there may be is up to the host, as far as
/// [`Config::max_connections`](crate::Config::max_connections) allows.
///
/// ```
/// use std::io::Write;
/// use pulsewheel::{inlet, Config, PeerAddr, Server};
///
/// let mut server = Server::new(Config::default())?;
/// let (inlet, listener) = inlet()?;
/// server.add_listener(listener)?;
/// let mut stream = inlet.connect(PeerAddr::Unknown)?;
/// stream.write_all(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n")?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn inlet() -> io::Result<(Inlet, InletListener)> {
    let (ring, bell) = StdUnixStream::pair()?;
    ring.set_nonblocking(true)?;
    bell.set_nonblocking(true)?;
    let (sender, receiver) = channel();
    let inlet = Inlet {
        accepted: sender,
        bell: Arc::new(ring),
    };
    let listener = InletListener {
        accepted: receiver,
        bell: UnixStream::from_std(bell),
    };
    Ok((inlet, listener))
}

impl Inlet {
    /// Opens a connection to the server, which serves it as that of a client with this address, and gives the other end of it. It
    /// is a socket pair: it needs neither a port nor a file, and both ends never block. What goes over it is HTTP/1.1, and after a
    /// WebSocket handshake the bytes of the WebSocket. Closing it is the client's going.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotConnected`] when the server is gone; what the operating system says when there are no descriptors left.
    #[doc(alias = "handle_request")]
    #[doc(alias = "handle_upgrade")]
    #[doc(alias = "handleRequest")]
    #[doc(alias = "handleUpgrade")]
    pub fn connect(&self, peer: PeerAddr) -> io::Result<StdUnixStream> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        let theirs = Accepted::new(UnixStream::from_std(theirs), peer);
        let sent = self.send(theirs);
        sent.map_err(|_| io::Error::new(io::ErrorKind::NotConnected, "the server is gone"))?;
        Ok(ours)
    }

    /// Hands over a connection.
    ///
    /// # Errors
    ///
    /// Gives it back when the server is gone.
    pub fn send(&self, accepted: Accepted) -> Result<(), Accepted> {
        self.accepted.send(accepted).map_err(|error| error.0)?;
        // Where the socket takes no more, enough lies there already to wake the loop.
        let _ = (&*self.bell).write(&[0]);
        Ok(())
    }
}

impl Listener for InletListener {
    fn accept(&mut self) -> io::Result<Accepted> {
        // The bell is emptied before the queue is found empty: what is sent in between rings it anew.
        if let Ok(accepted) = self.accepted.try_recv() {
            return Ok(accepted);
        }
        let mut rings = [0; 256];
        while matches!(self.bell.read(&mut rings), Ok(count) if count > 0) {}
        let accepted = self.accepted.try_recv();
        accepted.map_err(|_| io::ErrorKind::WouldBlock.into())
    }
}

impl Source for InletListener {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.bell.register(registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.bell.reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.bell.deregister(registry)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{Config, Server};

    fn connected(inlet: &Inlet) -> StdUnixStream {
        let stream = inlet.connect(PeerAddr::Unknown).expect("it runs");
        stream.set_nonblocking(false).expect("it can be set");
        stream
    }

    #[test]
    fn connections_of_other_threads_are_served_as_any_others() {
        let mut server = Server::new(Config::default()).expect("a poller");
        let (inlet, listener) = inlet().expect("a socket pair");
        server.add_listener(listener).expect("it can be watched");
        let handle = server.handle();
        let loop_thread = thread::spawn(move || server.run(|_, _| {}));
        let threads = [inlet.clone(), inlet].map(|inlet| {
            thread::spawn(move || {
                // More than are accepted in one turn.
                let streams = (0..50).map(|_| connected(&inlet));
                for mut stream in streams.collect::<Vec<_>>() {
                    let request = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
                    stream.write_all(request).expect("sent");
                    let mut answer = String::new();
                    stream.read_to_string(&mut answer).expect("an end");
                    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
                }
            })
        });
        for thread in threads {
            thread.join().expect("no panic");
        }
        handle.shut_down().expect("it runs");
        loop_thread.join().expect("no panic").expect("it runs");
    }

    #[test]
    fn a_connection_for_a_server_that_is_gone_comes_back() {
        let (inlet, listener) = inlet().expect("a socket pair");
        connected(&inlet);
        drop(listener);
        let refused = inlet
            .connect(PeerAddr::Unknown)
            .map_err(|error| error.kind());
        assert_eq!(refused.err(), Some(io::ErrorKind::NotConnected));
        let (_, theirs) = UnixStream::pair().expect("a pair of sockets");
        let returned = inlet.send(Accepted::new(theirs, PeerAddr::Unix));
        let peer = returned.err().map(|accepted| accepted.peer());
        assert_eq!(peer, Some(PeerAddr::Unix));
    }
}
