//! What a service manager (systemd) hands over, and what it is told: sockets that it listens
//! on, and how the program is.

use std::env;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::Duration;

use listenfd::ListenFd;
use pulsewheel::mio::net::{TcpListener, UnixListener};
use pulsewheel::{Endpoint, Server};

use super::args::ListenAddress;

/// The token of the timer by which the loop shows that it runs.
pub const WATCHDOG: u64 = 2;

/// A socket that somebody else has opened and listens on for us.
pub enum Passed {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

impl Passed {
    /// Takes the sockets that were handed over (`LISTEN_FDS`); none is the rule. To be called
    /// before there are threads, as it changes the environment.
    pub fn take() -> io::Result<Vec<Passed>> {
        let mut passed = ListenFd::from_env();
        (0..passed.len())
            .map(|index| Passed::at(&mut passed, index))
            .collect()
    }

    fn at(passed: &mut ListenFd, index: usize) -> io::Result<Passed> {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        if let Ok(Some(listener)) = passed.take_tcp_listener(index) {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            return Ok(Passed::Tcp(TcpListener::from_std(listener), address));
        }
        let listener = passed.take_unix_listener(index)?.ok_or_else(gone)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let path = address.as_pathname().unwrap_or(Path::new("")).to_owned();
        Ok(Passed::Unix(UnixListener::from_std(listener), path))
    }

    /// Where it listens.
    pub fn address(&self) -> ListenAddress {
        match self {
            Passed::Tcp(_, address) => ListenAddress::Tcp {
                host: IpAddr::to_string(&address.ip()),
                port: address.port(),
            },
            Passed::Unix(_, path) => ListenAddress::Unix(path.clone()),
        }
    }

    /// Has the server accept from it.
    pub fn add_to(self, server: &mut Server) -> io::Result<()> {
        match self {
            Passed::Tcp(listener, _) => server.add_listener(listener),
            Passed::Unix(listener, _) => server.add_listener(listener),
        }
    }
}

/// The service manager, if there is one that wants to be told (`NOTIFY_SOCKET`).
pub struct Manager {
    socket: Option<(UnixDatagram, UnixAddress)>,
    /// How long it waits for a sign of life before it ends the program.
    patience: Option<Duration>,
}

impl Manager {
    pub fn from_env() -> Manager {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let socket = variable("NOTIFY_SOCKET").and_then(|name| connect(&name).ok());
        let pid = variable("WATCHDOG_PID");
        let is_ours = pid.is_none_or(|pid| pid == std::process::id().to_string());
        let patience = variable("WATCHDOG_USEC").filter(|_| is_ours);
        Manager {
            patience: patience
                .and_then(|text| text.parse().ok())
                .map(Duration::from_micros),
            socket,
        }
    }

    /// The server listens, and its loop is about to run: from now on that shows that it does.
    pub fn ready(&self, endpoint: &mut Endpoint) {
        if let Some(patience) = self.patience.filter(|_| self.socket.is_some()) {
            endpoint.schedule_every(patience / 2, WATCHDOG);
        }
        self.tell("READY=1");
    }

    /// The loop runs.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// The token file is being read again.
    pub fn reloading(&self) {
        self.tell("RELOADING=1");
    }

    /// It has been read.
    pub fn reloaded(&self) {
        self.tell("READY=1");
    }

    /// The server goes.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.socket {
            // A manager that takes nothing holds up nobody.
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }
}

fn connect(name: &str) -> io::Result<(UnixDatagram, UnixAddress)> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, manager_address(name)?))
}

#[cfg(target_os = "linux")]
fn manager_address(name: &str) -> io::Result<UnixAddress> {
    use std::os::linux::net::SocketAddrExt;
    match name.strip_prefix('@') {
        Some(name) => UnixAddress::from_abstract_name(name),
        None => UnixAddress::from_pathname(name),
    }
}

#[cfg(not(target_os = "linux"))]
fn manager_address(name: &str) -> io::Result<UnixAddress> {
    UnixAddress::from_pathname(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::testing::endpoint;

    fn manager(socket: Option<&Path>, patience: Option<Duration>) -> Manager {
        let connected = socket.map(|path| connect(path.to_str().unwrap()).unwrap());
        Manager {
            socket: connected,
            patience,
        }
    }

    #[test]
    fn the_manager_is_told_how_the_program_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let heard = UnixDatagram::bind(&path).unwrap();
        let manager = manager(Some(&path), Some(Duration::from_secs(10)));
        let mut endpoint = endpoint();
        let timers = endpoint.counts().timers;
        manager.ready(&mut endpoint);
        assert_eq!(endpoint.counts().timers, timers + 1);
        manager.alive();
        manager.reloading();
        manager.reloaded();
        manager.stopping();
        let mut told = [0; 64];
        for wanted in [
            "READY=1",
            "WATCHDOG=1",
            "RELOADING=1",
            "READY=1",
            "STOPPING=1",
        ] {
            let bytes = heard.recv(&mut told).unwrap();
            assert_eq!(&told[..bytes], wanted.as_bytes());
        }
    }

    #[test]
    fn a_manager_that_is_not_there_or_does_not_listen_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        for socket in [None, Some(path.as_path())] {
            let manager = manager(socket, None);
            let mut endpoint = endpoint();
            let timers = endpoint.counts().timers;
            manager.ready(&mut endpoint);
            assert_eq!(endpoint.counts().timers, timers);
        }
    }

    #[test]
    fn a_manager_that_does_not_read_holds_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _deaf = UnixDatagram::bind(&path).unwrap();
        let manager = manager(Some(&path), None);
        for _ in 0..10_000 {
            manager.alive();
        }
    }
}
