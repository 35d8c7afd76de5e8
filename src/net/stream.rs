//! What the loop needs of a listening socket and of a connection: TCP, Unix sockets, and anything around them that mio can watch.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use socket2::{Domain, Protocol, Socket, Type};

use super::backlog::ACCEPT_BACKLOG;
use crate::PeerAddr;

/// A connection that never blocks.
///
/// The least is a type that passes on `read`, `write`, `flush` and the registration: what it does not say, the loop asks.
///
/// - It is watched edge-triggered: `read` and `write` say [`WouldBlock`](io::ErrorKind::WouldBlock) when they can do no more, and
///   only after that is readiness told of again. `read` gives `Ok(0)` at the end.
/// - `read` may give fewer bytes than there is room for, and `write` and `write_vectored` may take fewer than they are given, for
///   any reason; the loop asks again. A stream for which that always means that there is no more, as for a socket, says so by
///   [`Stream::short_is_blocked`], and is spared the question.
/// - `flush` is called after each read and write of a stream that does not say so, and when it has become writable. One that
///   keeps bytes back, such as TLS with its handshakes, its tickets and what the socket has not taken, writes them there, and
///   keeps what does not go out for the next time. [`WouldBlock`](io::ErrorKind::WouldBlock) is no error of it.
/// - Whatever it fails with otherwise ends the connection.
pub trait Stream: Read + Write + Source + Send {
    /// Whether a `read` or `write` of fewer bytes than could be always means that the next one would block, and nothing is ever
    /// kept back. Default false; always the same of one stream.
    fn short_is_blocked(&self) -> bool {
        false
    }

    /// Tells the peer that nothing more will be written; reading goes on. Without a way to say so, nothing is said, and the
    /// connection is closed after [`Config::linger_ms`](crate::Config::linger_ms) at the latest.
    fn shut_down_writing(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Something that connections come from, of any kind: [`Server::add_listener`](crate::Server::add_listener).
pub trait Listener: Source + Send {
    /// The next connection; [`WouldBlock`](io::ErrorKind::WouldBlock) when there is none. Only after that is readiness told of
    /// again.
    ///
    /// # Errors
    ///
    /// Nobody else is harmed by them: after [`Interrupted`](io::ErrorKind::Interrupted) and
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) the loop asks again at once, after any other in 100 ms.
    fn accept(&mut self) -> io::Result<Accepted>;

    /// The TCP address that is listened on, for [`Server::local_addrs`](crate::Server::local_addrs). Default `None`.
    fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        Ok(None)
    }
}

/// A connection that a [`Listener`] has accepted, and where it comes from.
pub struct Accepted {
    pub(super) stream: AnyStream,
    pub(super) peer: PeerAddr,
}

pub(super) enum AnyStream {
    Tcp(TcpStream),
    Other(Box<dyn Stream>),
}

impl AnyStream {
    /// What mio watches of it.
    pub fn source(&mut self) -> &mut dyn Source {
        match self {
            AnyStream::Tcp(stream) => stream,
            AnyStream::Other(stream) => &mut **stream,
        }
    }
}

impl Accepted {
    /// A connection of any kind.
    pub fn new(stream: impl Stream + 'static, peer: PeerAddr) -> Self {
        Accepted {
            stream: AnyStream::Other(Box::new(stream)),
            peer,
        }
    }

    /// Where it comes from.
    pub fn peer(&self) -> PeerAddr {
        self.peer
    }

    /// A connection by TCP, which takes no allocation.
    pub fn tcp(stream: TcpStream, peer: SocketAddr) -> Self {
        Accepted {
            stream: AnyStream::Tcp(stream),
            peer: PeerAddr::Tcp(peer),
        }
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl Stream for TcpStream {
    fn short_is_blocked(&self) -> bool {
        true
    }

    fn shut_down_writing(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Stream for UnixStream {
    fn short_is_blocked(&self) -> bool {
        true
    }

    fn shut_down_writing(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Listener for TcpListener {
    fn accept(&mut self) -> io::Result<Accepted> {
        let (stream, peer) = TcpListener::accept(self)?;
        // Every turn writes what it has at once, so there is nothing for Nagle's algorithm to wait for.
        stream.set_nodelay(true)?;
        Ok(Accepted::tcp(stream, peer))
    }

    fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        TcpListener::local_addr(self).map(Some)
    }
}

impl Listener for UnixListener {
    fn accept(&mut self) -> io::Result<Accepted> {
        let (stream, _) = UnixListener::accept(self)?;
        Ok(Accepted::new(stream, PeerAddr::Unix))
    }
}

/// Listens on one address.
pub(super) fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A server that is started again at once must not find its port taken by connections of the one before.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(ACCEPT_BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}
