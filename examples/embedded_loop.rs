//! The server inside a loop that the host has already, next to another descriptor: a UDP socket that jobs report to.
//!
//! `cargo run --example embedded_loop -- --listen 127.0.0.1:3000` prints where reports are taken. Each datagram is a number
//! from 0 to 100, as of `printf 40 >/dev/udp/127.0.0.1/PORT` in bash; everybody connected sees the progress, and at 100
//! the session is complete and the next one begins.

mod common;

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use common::say::{complain, say};
use common::Flags;
use mio::net::UdpSocket;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use pulsewheel::progress::{ProgressError, SessionOptions};
use pulsewheel::{Config, Endpoint, Io, Server};

const SERVER: Token = Token(0);
const REPORTS: Token = Token(1);

fn main() -> io::Result<()> {
    let flags = Flags::parse("embedded_loop", &[]);
    let mut io = Io::new();
    io.of("/").on_connect(|_, socket| {
        if let Some(id) = socket.id_text() {
            say(format!("connected: {id}"));
        }
    });
    let config = flags.apply_to(Config::default());
    let mut server = Server::bind_io(io, config, &*flags.listen)?;
    for address in server.local_addrs()? {
        say(format!("listening on http://{address}"));
    }
    let mut reports = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    say(format!("reports to udp {}", reports.local_addr()?));

    // The host's own loop watches two descriptors: that of the server, and its own.
    let mut poll = Poll::new()?;
    let mut readiness = Events::with_capacity(8);
    let server_fd = server.as_raw_fd();
    let registry = poll.registry();
    registry.register(&mut SourceFd(&server_fd), SERVER, Interest::READABLE)?;
    registry.register(&mut reports, REPORTS, Interest::READABLE)?;
    let mut job = Job::default();
    loop {
        // The server says how long it can wait, and is given its turn whatever has woken us.
        match poll.poll(&mut readiness, server.next_timeout()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => result?,
        }
        take_reports(&reports, &mut job, server.endpoint());
        server.poll_once(Some(Duration::ZERO))?;
        // The handlers are called by this; requests would come out here, if they were wanted.
        while server.poll_event().is_some() {}
    }
}

/// The progress session that reports are about, once there has been one.
#[derive(Default)]
struct Job {
    session: Option<uuid::Uuid>,
}

impl Job {
    fn report(&mut self, endpoint: &mut Endpoint, percent: f64) -> Result<(), ProgressError> {
        let session = match self.session {
            Some(session) => session,
            None => endpoint
                .progress()
                .create_session(SessionOptions::default())?,
        };
        self.session = Some(session);
        if percent < 100.0 {
            return endpoint.progress().update_progress(
                session,
                percent / 100.0,
                Default::default(),
            );
        }
        self.session = None;
        endpoint
            .progress()
            .complete_session(session, Default::default())
    }
}

/// Reads all datagrams that have come. One that is no number from 0 to 100 is named and left.
fn take_reports(reports: &UdpSocket, job: &mut Job, endpoint: &mut Endpoint) {
    let mut datagram = [0; 64];
    while let Ok(length) = reports.recv(&mut datagram) {
        let text = String::from_utf8_lossy(&datagram[..length]);
        let outcome = match text.trim().parse() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => job.report(endpoint, percent),
            _ => {
                complain(format!(
                    "embedded_loop: {text:?} is no number from 0 to 100"
                ));
                continue;
            }
        };
        if let Err(error) = outcome {
            // It was cancelled by a client, most likely; the next report begins another one.
            complain(format!("embedded_loop: {error}"));
            job.session = None;
        }
    }
}
