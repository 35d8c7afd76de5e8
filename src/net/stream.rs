//! What the loop needs of a listening socket and of a connection: TCP, Unix sockets, and anything around them that mio can watch.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::PeerAddr;

/// A connection that never blocks.
///
/// The least is a type that passes on `read`, `write`, `flush` and the registration: what it does not say, the loop asks.
///
/// - It is watched edge-triggered: `read` and `write` say [`WouldBlock`](io::ErrorKind::WouldBlock) when they can do no more, and
///   only after that is readiness told of again. `read` gives `Ok(0)` at the end.
/// - `read` may give fewer bytes than there is room for, and `write` and `write_vectored` may take fewer than they are given, for
///   any reason; the loop asks again. A stream for which that always means that there is no more, as for a socket, says so by
///   [`Stream::SHORT_IS_BLOCKED`], and is spared the question.
/// - `flush` is called after each read and write of a stream that does not say so, and when it has become writable. One that
///   keeps bytes back, such as TLS with its handshakes, its tickets and what the socket has not taken, writes them there, and
///   keeps what does not go out for the next time. [`WouldBlock`](io::ErrorKind::WouldBlock) is no error of it.
/// - Whatever it fails with otherwise ends the connection.
pub trait Stream: Read + Write + Source {
    /// Whether a `read` or `write` of fewer bytes than could be always means that the next one would block, and nothing is ever
    /// kept back. Default false.
    const SHORT_IS_BLOCKED: bool = false;

    /// Tells the peer that nothing more will be written; reading goes on. Without a way to say so, nothing is said, and the
    /// connection is closed after [`Config::linger_ms`](crate::Config::linger_ms) at the latest.
    fn shut_down_writing(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket that connections come from.
pub trait Listener: Source {
    /// What it accepts.
    type Stream: Stream;

    /// The next connection and where it comes from; `WouldBlock` when there is none.
    fn accept(&self) -> io::Result<(Self::Stream, PeerAddr)>;
}

impl Stream for TcpStream {
    const SHORT_IS_BLOCKED: bool = true;

    fn shut_down_writing(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Stream for UnixStream {
    const SHORT_IS_BLOCKED: bool = true;

    fn shut_down_writing(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    fn accept(&self) -> io::Result<(TcpStream, PeerAddr)> {
        let (stream, peer) = TcpListener::accept(self)?;
        // Every turn writes what it has at once, so there is nothing for Nagle's algorithm to wait for.
        stream.set_nodelay(true)?;
        Ok((stream, peer.into()))
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    fn accept(&self) -> io::Result<(UnixStream, PeerAddr)> {
        let (stream, _) = UnixListener::accept(self)?;
        Ok((stream, PeerAddr::Unix))
    }
}
