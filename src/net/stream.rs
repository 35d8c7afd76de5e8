//! What the loop needs of a listening socket and of a connection: TCP today, anything that mio can watch tomorrow.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::event::Source;
use mio::net::{TcpListener, TcpStream};

/// A connection that never blocks.
pub trait Stream: Read + Write + Source {
    /// Tells the peer that nothing more will be written; reading goes on.
    fn shut_down_writing(&self) -> io::Result<()>;
}

/// A socket that connections come from.
pub trait Listener: Source {
    /// What it accepts.
    type Stream: Stream;

    /// The next connection and its peer's address; `WouldBlock` when there is none.
    fn accept(&self) -> io::Result<(Self::Stream, SocketAddr)>;
}

impl Stream for TcpStream {
    fn shut_down_writing(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = TcpListener::accept(self)?;
        // Every turn writes what it has at once, so there is nothing for Nagle's algorithm to wait for.
        stream.set_nodelay(true)?;
        Ok((stream, peer))
    }
}
