//! The loop: accept, read into one shared buffer, hand over, write what is queued, sleep until the next deadline.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::connections::Connections;
use super::listeners::Listeners;
use super::peripheral::{Peripheral, Peripherals};
use super::queue::{Done, Queue};
use super::stream::tcp_listener;
use super::system::{environment, Clock};
use super::{Accepted, Handle, Listener, Stats, Stream};
use crate::transport::ready::MAX_READ_BYTES;
use crate::{Config, ConnectionId, Endpoint, Event, Readiness, Work};

/// Readiness taken in one turn, which is only noted. What else is ready is told of in the next one.
const READY_PER_TURN: usize = 512;
/// Commands of other threads taken in one turn.
const COMMANDS_PER_TURN: usize = 256;
/// Buffers of together no more than this are copied into one before they are written.
const MAX_COPIED_BYTES: usize = 8 * 1024;
/// How long a server that shuts down waits for its last bytes to be taken.
const DRAIN_MS: u64 = 5_000;
/// How long it does so at the least where its grace is over.
const LAST_BYTES_MS: u64 = 1_000;
/// How often it looks.
const DRAIN_POLL: Duration = Duration::from_millis(20);

const WAKER: Token = Token(usize::MAX);
const FIRST_LISTENER: usize = usize::MAX / 2;
const FIRST_PERIPHERAL: usize = usize::MAX / 4 * 3;

/// A Socket.IO server on sockets of its own, driven by one thread.
///
/// [`Server::run`] is the whole loop for a thread of its own. A host with a loop of its own calls
/// [`Server::poll_once`] when the descriptor ([`AsRawFd`]) is readable or [`Server::next_timeout`] has passed.
pub struct Server {
    endpoint: Endpoint,
    poll: Poll,
    readiness: Events,
    /// How many sources have been told of as ready since we first asked what is.
    told: usize,
    listeners: Listeners,
    connections: Connections,
    peripherals: Peripherals,
    clock: Clock,
    queue: Arc<Queue>,
    buffer: Box<[u8]>,
    /// When this turn began to work.
    turn_began: Instant,
    /// When the operating system was last asked what is ready.
    asked_ms: u64,
    /// The connection that was written to last in this turn, and how many there were.
    written_to: Option<ConnectionId>,
    turn_writes: u64,
}

/// Why work pauses.
#[derive(PartialEq, Eq)]
enum Pause {
    /// The host has events to handle.
    Events,
    /// Nothing is to be done before something happens.
    Wait,
}

impl Server {
    /// Listens on an address such as `"127.0.0.1:8988"`; port 0 takes a free one.
    pub fn bind(config: Config, address: impl ToSocketAddrs) -> io::Result<Self> {
        let mut server = Server::new(config)?;
        server.listen(address)?;
        Ok(server)
    }

    /// Listens on every address that this name stands for, as far as that is possible: `localhost` often names an IPv6
    /// address where there is no IPv6.
    ///
    /// # Errors
    ///
    /// When none of them can be listened on: what the last one failed for.
    pub fn listen(&mut self, address: impl ToSocketAddrs) -> io::Result<()> {
        let nothing = "the name stands for no address";
        let mut outcome = Err(io::Error::new(io::ErrorKind::InvalidInput, nothing));
        for address in address.to_socket_addrs()? {
            let listening = tcp_listener(address).and_then(|socket| self.add_listener(socket));
            if outcome.is_err() {
                outcome = listening;
            }
        }
        outcome
    }

    /// The TCP addresses that are listened on, with their real ports. A server that goes listens on none.
    pub fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.addresses()
    }

    /// A server that listens nowhere yet.
    pub fn new(config: Config) -> io::Result<Self> {
        let poll = Poll::new()?;
        let clock = Clock::new();
        let waker = mio::Waker::new(poll.registry(), WAKER)?;
        let queue = Arc::new(Queue::new(Some(waker)));
        let mut endpoint = Endpoint::new(config, environment(), clock.now());
        endpoint.set_handle(Handle::new(queue.clone()));
        Ok(Server {
            endpoint,
            poll,
            readiness: Events::with_capacity(READY_PER_TURN),
            told: 0,
            listeners: Listeners::default(),
            connections: Connections::default(),
            peripherals: Peripherals::default(),
            clock,
            queue,
            buffer: vec![0; MAX_READ_BYTES].into_boxed_slice(),
            turn_began: Instant::now(),
            asked_ms: 0,
            written_to: None,
            turn_writes: 0,
        })
    }

    /// Adds something to accept connections from. One server may have listeners of several kinds.
    ///
    /// ```
    /// use pulsewheel::{mio::net::UnixListener, Config, Server};
    ///
    /// let mut server = Server::bind(Config::default(), "127.0.0.1:0")?;
    /// # let path = std::env::temp_dir().join(format!("pulsewheel-{}.sock", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// server.add_listener(UnixListener::bind(&path)?)?;
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "attach")]
    #[doc(alias = "bind")]
    #[doc(alias = "onconnection")]
    pub fn add_listener(&mut self, mut listener: impl Listener + 'static) -> io::Result<()> {
        let token = Token(FIRST_LISTENER + self.listeners.len());
        let registry = self.poll.registry();
        registry.register(&mut listener, token, Interest::READABLE)?;
        self.listeners.push(listener);
        Ok(())
    }

    /// Adds something of the host's own to watch, which is called when something has become of it.
    ///
    /// ```
    /// use pulsewheel::mio::{event::Source, net::UdpSocket, Interest, Registry, Token};
    /// use pulsewheel::{Args, Config, Endpoint, Peripheral, Server, Target};
    ///
    /// /// Tells everybody each datagram.
    /// struct Datagrams(UdpSocket);
    ///
    /// impl Peripheral for Datagrams {
    ///     fn ready(&mut self, endpoint: &mut Endpoint, _is_readable: bool, _is_writable: bool) {
    ///         let mut bytes = [0; 1_500];
    ///         // Until it says `WouldBlock`.
    ///         while let Ok(length) = self.0.recv(&mut bytes) {
    ///             let text = String::from_utf8_lossy(&bytes[..length]);
    ///             let everybody = endpoint.namespace("/").map(Target::namespace);
    ///             if let (Ok(everybody), Ok(args)) = (everybody, Args::one(&text)) {
    ///                 let _ = endpoint.emit(&everybody, "datagram", &args);
    ///             }
    ///         }
    ///     }
    /// }
    ///
    /// impl Source for Datagrams {
    ///     fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> std::io::Result<()> {
    ///         self.0.register(registry, token, interest)
    ///     }
    ///     fn reregister(&mut self, registry: &Registry, token: Token, interest: Interest) -> std::io::Result<()> {
    ///         self.0.reregister(registry, token, interest)
    ///     }
    ///     fn deregister(&mut self, registry: &Registry) -> std::io::Result<()> {
    ///         self.0.deregister(registry)
    ///     }
    /// }
    ///
    /// let mut server = Server::bind(Config::default(), "127.0.0.1:0")?;
    /// server.add_peripheral(Datagrams(UdpSocket::bind("127.0.0.1:0".parse()?)?))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_peripheral(&mut self, mut peripheral: impl Peripheral + 'static) -> io::Result<()> {
        let token = Token(FIRST_PERIPHERAL + self.peripherals.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        registry.register(&mut peripheral, token, interest)?;
        self.peripherals.push(peripheral);
        Ok(())
    }

    /// A handle for other threads, as many as are wanted.
    pub fn handle(&self) -> Handle {
        Handle::new(self.queue.clone())
    }

    /// The server without its sockets, to emit, join and so on; at the present time.
    pub fn endpoint(&mut self) -> &mut Endpoint {
        self.endpoint.begin_turn(self.clock.now());
        &mut self.endpoint
    }

    /// Runs until [`Endpoint::shut_down`] was called (or [`Handle::shut_down`], or [`Endpoint::drain`] has come to its end) and
    /// everybody has got what was queued.
    pub fn run(&mut self, mut on_event: impl FnMut(&mut Endpoint, Event)) -> io::Result<()> {
        let mut give_up_at_ms = None;
        loop {
            // While the last bytes drain, nothing else need happen that would end the wait.
            let timeout = self.endpoint.is_shutting_down().then_some(DRAIN_POLL);
            self.poll_once(timeout)?;
            while let Some(event) = self.endpoint.poll_event() {
                on_event(&mut self.endpoint, event);
            }
            if self.endpoint.is_shutting_down() {
                self.work();
                let now_ms = self.clock.now().mono_ms;
                let drained_by_ms = self.endpoint.drained_by_ms();
                let give_up_at_ms = *give_up_at_ms.get_or_insert_with(|| match drained_by_ms {
                    Some(by_ms) => by_ms.max(now_ms + LAST_BYTES_MS),
                    None => now_ms + DRAIN_MS,
                });
                if self.endpoint.is_drained() || now_ms >= give_up_at_ms {
                    return Ok(());
                }
            }
        }
    }

    /// One turn: writes what is queued, waits for something to happen, at most `timeout`, and handles it. Afterwards
    /// [`Server::poll_event`] tells what the host should know.
    pub fn poll_once(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.queue.enter_loop();
        if self.work() == Pause::Events {
            return Ok(());
        }
        // Connections are accepted after everything else has been read: a client's last packet on an old connection counts
        // before its first on a new one.
        self.accept();
        self.wait(timeout)?;
        self.take_commands();
        self.work();
        Ok(())
    }

    /// Does what is to be done, until the host is to handle events or nothing is left.
    fn work(&mut self) -> Pause {
        loop {
            match self.endpoint.next_work(self.endpoint.now()) {
                Work::Read(key, bytes) => self.read(key, bytes),
                Work::Write(key) => self.write_to(key),
                Work::ShutdownWrite(key) => self.shut_down_writing(key),
                Work::Close(key) => self.connections.remove(key),
                Work::Events => return Pause::Events,
                Work::Wait(_) => return Pause::Wait,
            }
        }
    }

    /// Waits until something happens, and notes it.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let asked_ms = self.clock.now().mono_ms;
        let timeout = match (timeout, self.next_timeout()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let worked = self.turn_began.elapsed();
        self.note().turn_took(worked);
        self.written_to = None;
        self.turn_writes = 0;
        let result = self.poll.poll(&mut self.readiness, timeout);
        self.turn_began = Instant::now();
        self.note().turns += 1;
        self.note().polls += 1;
        self.endpoint.begin_turn(self.clock.now());
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        self.take_readiness(asked_ms);
        self.peripherals.call(&mut self.endpoint);
        let now_ms = self.endpoint.now().mono_ms;
        if let Some(deadline_ms) = self.endpoint.next_deadline().filter(|at| *at <= now_ms) {
            self.note().timer_lateness_ms.record(now_ms - deadline_ms);
        }
        Ok(())
    }

    /// The next thing that the host should know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.endpoint.poll_event()
    }

    /// How long [`Server::poll_once`] can be put off while nothing happens on its descriptor; `None` for as long as you like.
    pub fn next_timeout(&self) -> Option<Duration> {
        if self.listeners.can_accept() || self.endpoint.has_work() || !self.queue.is_empty() {
            return Some(Duration::ZERO);
        }
        let deadlines = self
            .endpoint
            .next_deadline()
            .into_iter()
            .chain(self.listeners.accept_again_at_ms())
            .chain(self.peripherals.next_deadline());
        let now_ms = self.clock.now().mono_ms;
        let deadline_ms = deadlines.min()?;
        Some(Duration::from_millis(deadline_ms.saturating_sub(now_ms)))
    }

    /// What the loop has done so far, and how long its turns took: [`Endpoint::loop_stats`].
    pub fn stats(&self) -> &Stats {
        self.endpoint.loop_stats()
    }

    /// Where what the loop does is counted: in the endpoint, so that handlers can look at it.
    fn note(&mut self) -> &mut Stats {
        self.endpoint.loop_stats_mut()
    }

    fn take_commands(&mut self) {
        for _ in 0..COMMANDS_PER_TURN {
            let Some((given, command)) = self.queue.pop() else {
                return;
            };
            self.note().commanded(given.elapsed());
            if command(&mut self.endpoint) == Done::Panicked {
                self.note().panics += 1;
            }
        }
    }

    fn take_readiness(&mut self, asked_ms: u64) {
        let mut told = 0;
        for event in self.readiness.iter() {
            told += 1;
            let Token(number) = event.token();
            if event.token() == WAKER {
                continue;
            }
            if number >= FIRST_PERIPHERAL {
                self.peripherals.note(number - FIRST_PERIPHERAL, event);
                continue;
            }
            if number >= FIRST_LISTENER {
                self.listeners.on_ready(number - FIRST_LISTENER);
                continue;
            }
            let Some((key, stream)) = self.connections.at(number) else {
                continue;
            };
            if event.is_writable() {
                flush(stream);
            }
            let readiness = Readiness {
                is_readable: event.is_readable(),
                is_writable: event.is_writable(),
                is_half_closed: event.is_read_closed(),
                is_broken: event.is_error() || event.is_read_closed() && event.is_write_closed(),
            };
            self.endpoint.on_ready(key, readiness);
        }
        self.listeners.on_polled(asked_ms);
        // As many as there are: whatever was ready when we first asked has been told of, as each comes in its turn.
        self.told += told;
        let own = self.listeners.len() + self.peripherals.len() + 1;
        let sources = self.endpoint.counts().connections + own;
        let is_complete = told < READY_PER_TURN || self.told >= sources;
        if is_complete {
            self.told = 0;
        }
        // What has come on connections that wait to be accepted is not told of.
        let heard_ms = asked_ms.min(self.listeners.accepted_until_ms());
        self.asked_ms = asked_ms;
        self.endpoint.on_polled(heard_ms, is_complete);
    }

    fn read(&mut self, key: ConnectionId, bytes: usize) {
        let Some(stream) = self.connections.get(key) else {
            return self.endpoint.on_ready(key, Readiness::broken());
        };
        self.endpoint.loop_stats_mut().reads += 1;
        let read = stream.read(&mut self.buffer[..bytes]);
        // What was read may want to be answered by the stream itself, as in a handshake.
        flush(stream);
        let asks_again = !stream.short_is_blocked();
        let is_short = matches!(read, Ok(length) if length > 0 && length < bytes);
        self.note().read_bytes += read.as_ref().map_or(0, |length| *length as u64);
        self.endpoint.on_read(key, &mut self.buffer[..bytes], read);
        if is_short && asks_again {
            self.endpoint.on_ready(key, Readiness::readable());
        }
    }

    fn write_to(&mut self, key: ConnectionId) {
        if self.written_to.replace(key) != Some(key) {
            self.turn_writes += 1;
            let turn_writes = self.turn_writes;
            let most = &mut self.note().max_writes_per_turn;
            *most = turn_writes.max(*most);
        }
        let Some(stream) = self.connections.get(key) else {
            return self.endpoint.on_ready(key, Readiness::broken());
        };
        self.endpoint.loop_stats_mut().writes += 1;
        let asks_again = !stream.short_is_blocked();
        let mut bytes = 0;
        self.endpoint.write(key, |slices| {
            let written = write(stream, slices, &mut self.buffer);
            flush(stream);
            bytes = written.as_ref().map_or(0, |bytes| *bytes);
            written
        });
        self.note().written_bytes += bytes as u64;
        if bytes > 0 && asks_again {
            self.endpoint.on_ready(key, Readiness::writable());
        }
    }

    fn shut_down_writing(&mut self, key: ConnectionId) {
        let stream = self.connections.get(key);
        if stream.is_some_and(|stream| stream.shut_down_writing().is_err()) {
            self.endpoint.on_ready(key, Readiness::broken());
        }
    }

    fn accept(&mut self) {
        if self.endpoint.is_leaving() {
            return self.listeners.close(self.poll.registry());
        }
        let now_ms = self.endpoint.now().mono_ms;
        self.listeners.begin_turn(now_ms);
        let mut accepts = 0;
        while let Some(accepted) = self.listeners.accept(now_ms, self.asked_ms, &mut accepts) {
            self.add_connection(accepted);
        }
        self.note().accepts += accepts;
    }

    fn add_connection(&mut self, accepted: Accepted) {
        let Accepted { mut stream, peer } = accepted;
        let Some(key) = self.endpoint.open(peer) else {
            return;
        };
        self.note().accepted += 1;
        self.note().registrations += 1;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(key.index());
        if self
            .poll
            .registry()
            .register(stream.source(), token, interest)
            .is_err()
        {
            return self.endpoint.on_ready(key, Readiness::broken());
        }
        self.connections.insert(key, stream);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl AsFd for Server {
    /// The descriptor to watch for readability in a loop of the host's own.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }
}

impl AsRawFd for Server {
    /// The descriptor to watch for readability in a loop of the host's own.
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}

/// Has a stream that keeps bytes back give them out. Where it fails, so will the next read or write, which tell.
fn flush(stream: &mut dyn Stream) {
    if !stream.short_is_blocked() {
        let _ = stream.flush();
    }
}

/// Writes buffers in one system call, in the cheapest way for what they are: the kernel's work for a gathered write is more
/// than that for a plain one, and more than copying a few small packets. Nothing of the last read is left in `scratch`.
fn write(stream: &mut dyn Stream, slices: &[IoSlice<'_>], scratch: &mut [u8]) -> io::Result<usize> {
    let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
    match slices {
        [alone] => stream.write(alone),
        _ if bytes <= MAX_COPIED_BYTES => {
            let mut at = 0;
            for slice in slices {
                scratch[at..at + slice.len()].copy_from_slice(slice);
                at += slice.len();
            }
            stream.write(&scratch[..at])
        }
        _ => stream.write_vectored(slices),
    }
}
