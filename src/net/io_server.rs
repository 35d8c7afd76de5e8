//! A server and its handlers in one.

use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::mpsc::{sync_channel, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use super::{Handle, Server, Stats};
use crate::http::Response;
use crate::{Config, Context, Endpoint, Error, Event, Io};

/// How often a line about handlers' errors is written at the most.
const TELL_EVERY: Duration = Duration::from_secs(1);

type ErrorHandler = Box<dyn FnMut(&Error) + Send>;

/// A [`Server`] that owns the [`Io`] with its handlers: [`Server::bind_io`].
///
/// Settings and handlers cannot come apart here: what is registered by [`IoServer::io`], however late, is asked from the next
/// turn on, and every event goes to the handlers first.
pub struct IoServer<S: 'static = ()> {
    server: Server,
    io: Io<S>,
    on_error: ErrorHandler,
}

impl Server {
    /// Listens on an address such as `"127.0.0.1:8988"` with these handlers; port 0 takes a free one.
    ///
    /// ```
    /// use pulsewheel::{Config, Io, Server};
    ///
    /// let mut io = Io::new();
    /// io.of("/").on("hi", |_, socket, name: String| socket.others().emit("hi", &name));
    /// let mut server = Server::bind_io(io, Config::default(), "127.0.0.1:0")?;
    /// // Late, and asked all the same.
    /// server.io().of("/").middleware(|_, _| Err("closed today".into()));
    /// # server.handle().shut_down()?;
    /// server.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bind_io<S>(
        io: Io<S>,
        config: Config,
        address: impl ToSocketAddrs,
    ) -> io::Result<IoServer<S>> {
        let mut server = IoServer::new(io, config)?;
        server.server.listen(address)?;
        Ok(server)
    }
}

impl<S: 'static> IoServer<S> {
    /// A server with these handlers that listens nowhere yet.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] when the settings were configured by another [`Io`], whose handlers nobody would ask.
    pub fn new(io: Io<S>, config: Config) -> io::Result<Self> {
        if !io.is_of(&config) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the settings were configured by another Io",
            ));
        }
        Ok(IoServer {
            server: Server::new(io.configure(config))?,
            io,
            on_error: tell_on_stderr(),
        })
    }

    /// The handlers, to add to. What is added counts from the next turn on.
    pub fn io(&mut self) -> &mut Io<S> {
        &mut self.io
    }

    /// The server as handlers see it: to emit, to ask, and so on.
    pub fn context(&mut self) -> Context<'_, S> {
        self.io.context(self.server.endpoint())
    }

    /// The server by itself, to add listeners for example. Events that are taken from it miss their handlers; whom they would
    /// have let in is not let in then.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// See [`Server::endpoint`].
    #[doc(alias = "engine")]
    pub fn endpoint(&mut self) -> &mut Endpoint {
        self.server.endpoint()
    }

    /// A handle for other threads, as many as are wanted.
    pub fn handle(&self) -> Handle {
        self.server.handle()
    }

    /// See [`Server::stats`].
    pub fn stats(&self) -> &Stats {
        self.server.stats()
    }

    /// What is done with the error of a handler, instead of one line on stderr each second at the most.
    pub fn on_error(&mut self, handler: impl FnMut(&Error) + Send + 'static) -> &mut Self {
        self.on_error = Box::new(handler);
        self
    }

    /// Runs until [`Handle::shut_down`]. Requests that are not Socket.IO's ([`Config::host_http`]) are answered 404.
    pub fn run(&mut self) -> io::Result<()> {
        self.run_with(|endpoint, event| {
            if let Event::Request { request, .. } = event {
                // Its sender may be gone.
                let _ = endpoint.respond(request, Response::text(404, "Not found"));
            }
        })
    }

    /// Runs until [`Handle::shut_down`]; events that are not for the handlers, such as [`Event::Request`], go to this function.
    pub fn run_with(&mut self, mut on_event: impl FnMut(&mut Endpoint, Event)) -> io::Result<()> {
        let (io, on_error) = (&mut self.io, &mut self.on_error);
        self.server
            .run(|endpoint, event| match io.dispatch(endpoint, event) {
                Ok(Some(event)) => on_event(endpoint, event),
                Ok(None) => {}
                Err(error) => on_error(&error),
            })
    }

    /// One turn in a loop of the host's own: see [`Server::poll_once`].
    pub fn poll_once(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.server.poll_once(timeout)
    }

    /// Calls the handlers of what has happened; gives the next event that is not for them. Ask for it after
    /// [`IoServer::poll_once`] until there is none.
    pub fn poll_event(&mut self) -> Option<Event> {
        while let Some(event) = self.server.poll_event() {
            match self.io.dispatch(self.server.endpoint(), event) {
                Ok(Some(event)) => return Some(event),
                Ok(None) => {}
                Err(error) => (self.on_error)(&error),
            }
        }
        None
    }

    /// See [`Server::next_timeout`].
    pub fn next_timeout(&self) -> Option<Duration> {
        self.server.next_timeout()
    }

    /// See [`Server::local_addrs`].
    pub fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.server.local_addrs()
    }
}

impl<S: 'static> AsFd for IoServer<S> {
    /// The descriptor to watch for readability in a loop of the host's own.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.server.as_fd()
    }
}

impl<S: 'static> AsRawFd for IoServer<S> {
    /// The descriptor to watch for readability in a loop of the host's own.
    fn as_raw_fd(&self) -> RawFd {
        self.server.as_raw_fd()
    }
}

/// Writes lines to stderr on a thread of its own: a pipe that nobody reads does not hold up the loop.
fn stderr_lines() -> SyncSender<String> {
    let (lines, waiting) = sync_channel::<String>(1);
    // Without the thread nothing is taken, and the next error tells of this one.
    let _ = thread::Builder::new()
        .name("stderr".to_owned())
        .spawn(move || {
            for line in waiting {
                // Where stderr takes nothing, there is nobody to tell.
                let _ = writeln!(io::stderr(), "{line}");
            }
        });
    lines
}

/// Writes errors to stderr, but not more often than somebody would read: what causes them may come from clients.
fn tell_on_stderr() -> ErrorHandler {
    let mut told: Option<Instant> = None;
    let mut untold = 0_u64;
    let mut lines = None;
    Box::new(move |error| {
        let now = Instant::now();
        if told.is_some_and(|told| now.duration_since(told) < TELL_EVERY) {
            untold += 1;
            return;
        }
        told = Some(now);
        let before = match untold {
            0 => String::new(),
            more => format!(" ({more} errors before it)"),
        };
        let line = format!("pulsewheel: a handler failed: {error}{before}");
        untold = match lines.get_or_insert_with(stderr_lines).try_send(line) {
            Ok(()) => 0,
            Err(_) => untold + 1,
        };
    })
}
