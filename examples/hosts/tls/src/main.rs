//! A server behind TLS: what rustls needs of the `Stream` seam, and nothing else.
//!
//! `cargo run -p host-tls -- 127.0.0.1:3000 certificate.pem` makes a certificate for this host, writes it to that file, and serves
//! an echo.

#[path = "../../../common/say.rs"]
#[allow(dead_code, reason = "each example uses a part of it")]
mod say;

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use pulsewheel::mio::event::Source;
use pulsewheel::mio::net::{TcpListener, TcpStream};
use pulsewheel::mio::{Interest, Registry, Token};
use pulsewheel::{Accepted, Args, Config, Io, IoServer, Listener, PeerAddr, Stream};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use say::say;

/// Accepts by TCP, and has each connection speak TLS.
struct TlsListener {
    tcp: TcpListener,
    config: Arc<ServerConfig>,
}

struct TlsStream {
    tcp: TcpStream,
    tls: ServerConnection,
}

impl Listener for TlsListener {
    fn accept(&mut self) -> io::Result<Accepted> {
        let (tcp, peer) = self.tcp.accept()?;
        tcp.set_nodelay(true)?;
        let tls = ServerConnection::new(self.config.clone()).map_err(io::Error::other)?;
        Ok(Accepted::new(TlsStream { tcp, tls }, PeerAddr::Tcp(peer)))
    }

    fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        self.tcp.local_addr().map(Some)
    }
}

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
            // The end of the socket without one of TLS is found by the reader then.
            self.tls.read_tls(&mut self.tcp)?;
            if let Err(error) = self.tls.process_new_packets() {
                // The peer hears why.
                let _ = self.flush();
                return Err(io::Error::other(error));
            }
        }
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.tls.writer().write(bytes)? {
            // What is held back has to go out first.
            0 if !bytes.is_empty() => {
                self.flush()?;
                match self.tls.writer().write(bytes)? {
                    0 => Err(io::ErrorKind::WouldBlock.into()),
                    written => Ok(written),
                }
            }
            written => Ok(written),
        }
    }

    /// The loop calls this after each read and write, and when the socket takes bytes again.
    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }
}

impl Stream for TlsStream {
    fn shut_down_writing(&mut self) -> io::Result<()> {
        self.tls.send_close_notify();
        match self.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}

/// The socket is what is watched.
macro_rules! watch {
    ($owner:ty) => {
        impl Source for $owner {
            fn register(
                &mut self,
                registry: &Registry,
                token: Token,
                interest: Interest,
            ) -> io::Result<()> {
                self.tcp.register(registry, token, interest)
            }

            fn reregister(
                &mut self,
                registry: &Registry,
                token: Token,
                interest: Interest,
            ) -> io::Result<()> {
                self.tcp.reregister(registry, token, interest)
            }

            fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
                self.tcp.deregister(registry)
            }
        }
    };
}

watch!(TlsListener);
watch!(TlsStream);

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(address), Some(file)) = (args.next(), args.next()) else {
        return Err("wanted are an address and a file for the certificate".into());
    };
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    fs::write(file, made.cert.pem())?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;

    let mut io = Io::new();
    io.of("/")
        .on("echo", |_, socket, args: Args| socket.emit("echo", &args))
        .on("length", |_, _, text: String| text.len());
    let mut server = IoServer::new(io, Config::default())?;
    let listener = TlsListener {
        tcp: TcpListener::bind(address.parse()?)?,
        config: Arc::new(config),
    };
    let server_address = listener.tcp.local_addr()?;
    server.server().add_listener(listener)?;
    say(format!("listening on https://{server_address}"));
    Ok(server.run()?)
}
