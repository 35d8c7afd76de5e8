//! `pulsewheel serve`: the library's server with the program's own parts around it.
//!
//! ```text
//!                       ┌ pages      files of the program
//! Event ─▶ host ─ route ┼ sessions   verbs of progress sessions      (bodies: their JSON)
//!          (access)     ├ queries    history, findings               a thread
//!                       ├ imports    uploads                         a thread for each
//!                       └ journal    what sessions have come to      a thread
//! ```
//!
//! Everything happens on the event loop's thread but what waits for a disk. The other
//! threads reach the loop by a [`Handle`](pulsewheel::Handle) alone.

mod access;
mod alerts;
mod answer;
mod answering;
mod args;
mod auth;
mod bodies;
mod budget;
mod call;
mod callers;
mod descriptors;
mod export;
mod exports;
mod fair;
mod figures;
mod history;
mod host;
mod idempotency;
mod imports;
mod leaving;
mod limits;
mod logging;
mod numbers;
mod pages;
mod queries;
mod query_fields;
mod route;
mod service;
mod sessions;
mod signals;
mod socket_file;
#[cfg(test)]
pub mod testing;

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pulsewheel::http::Cors;
use pulsewheel::progress::{ProgressConfig, SessionRecord};
use pulsewheel::{Config, Network, Server};

use crate::clock::now_ms;
use crate::journal::Journal;
use crate::store::{Store, StoreError};
use alerts::Watch;
use auth::{Auth, TokenFileError};
use bodies::Bodies;
use budget::Budget;
use callers::Callers;
use host::Host;
use idempotency::Repeats;
use imports::{Imports, Registry};
use logging::Log;
use numbers::{Numbers, Reservation};
use queries::Queries;
use service::{Manager, Passed};
use signals::{outlive_file_limits, EndSignals};
use socket_file::SocketFile;

pub(crate) use alerts::{Alerts, Concern, Condition};
pub(crate) use answer::ApiError;
pub(crate) use call::call_surely;
pub(crate) use idempotency::Answers;

pub use args::{ListenAddress, ServeArgs};
pub use logging::complain;
pub use pages::dashboard_licenses;

/// How long imports may take to roll back before the program ends without them. What
/// they leave is rolled back at the next start.
const ROLL_BACK_PATIENCE: Duration = Duration::from_secs(3);

/// How long a disk may take for what is left to be written when the loop has ended, rolling back included.
const DISK_PATIENCE: Duration = Duration::from_secs(5);

/// Why the server could not be started, or ended before it was asked to.
#[derive(Debug)]
pub enum ServeError {
    Store(StoreError),
    Listen(ListenAddress, io::Error),
    Loop(io::Error),
    /// A file in the data directory.
    DataDirectory(io::Error),
    TokenFile(PathBuf, TokenFileError),
    /// The memory budget is too small; so many bytes were wanted.
    Budget(u64),
    /// What would let in others than this machine's users, though nobody is asked for a token.
    Open(String),
}

impl ServeError {
    /// The exit status: 2 where the command line is to blame.
    pub fn exit_status(&self) -> u8 {
        match self {
            ServeError::TokenFile(..) | ServeError::Budget(_) | ServeError::Open(_) => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Store(error) => error.fmt(f),
            ServeError::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            ServeError::Loop(error) => write!(f, "the server cannot run: {error}"),
            ServeError::DataDirectory(error) => {
                write!(f, "the data directory cannot be used: {error}")
            }
            ServeError::TokenFile(path, error) => {
                write!(f, "the token file {}: {error}", path.display())
            }
            ServeError::Budget(bytes) => write!(
                f,
                "--memory-budget has to be {} MiB at least, not {:.1} MiB",
                Budget::LEAST_BYTES >> 20,
                *bytes as f64 / (1024.0 * 1024.0)
            ),
            ServeError::Open(what) => write!(
                f,
                "{what} lets in others than the users of this machine: name a --token-file, or say --insecure"
            ),
        }
    }
}

impl std::error::Error for ServeError {}

impl From<StoreError> for ServeError {
    fn from(error: StoreError) -> ServeError {
        ServeError::Store(error)
    }
}

impl From<io::Error> for ServeError {
    fn from(error: io::Error) -> ServeError {
        ServeError::Loop(error)
    }
}

/// Runs the server until SIGTERM or SIGINT.
pub fn run(args: &ServeArgs) -> Result<(), ServeError> {
    // Before there are threads, which may read the environment.
    let passed = Passed::take()?;
    let signals = EndSignals::catch()?;
    outlive_file_limits()?;
    let mut budget =
        Budget::of(args.memory_budget).ok_or(ServeError::Budget(args.memory_budget))?;
    let listen_on: Vec<ListenAddress> = match passed.is_empty() {
        true => args.listen.clone(),
        false => passed.iter().map(Passed::address).collect(),
    };
    let addresses = resolve(&listen_on)?;
    let listeners: usize = addresses.iter().map(|(_, all)| all.len().max(1)).sum();
    budget.connections = descriptors::make_room(budget.connections, listeners)?;
    check_openness(args, &addresses)?;
    let mut auth = Auth::open(args.token_file.as_deref(), args.insecure).map_err(|error| {
        ServeError::TokenFile(args.token_file.clone().unwrap_or_default(), error)
    })?;
    let store = Arc::new(Store::open_with_cache(
        &args.data_dir.path,
        budget.cache_kib(),
    )?);
    auth.restore_logins(&args.data_dir.path)
        .map_err(ServeError::DataDirectory)?;
    let auth = Arc::new(auth);
    let journal = Journal::open(&args.data_dir.path)?;
    let mut reservation =
        Reservation::open(&args.data_dir.path).map_err(ServeError::DataDirectory)?;
    let allowed_hosts = allowed_hosts(args, &addresses);
    let cors = cors(&args.allowed_origin);
    let mut server = Server::new(Config {
        host_http: true,
        allow_request: true,
        connect_requests: true,
        progress_commands: true,
        serve_client: true,
        allowed_hosts: Some(allowed_hosts.clone()),
        // Clients can cancel sessions, so pages of other sites are clients only by leave.
        allowed_origins: Some(args.allowed_origin.clone()),
        cors: cors.clone(),
        trusted_proxies: args.trusted_proxy.clone(),
        limit_events: true,
        progress: Some(ProgressConfig {
            first_seq: reservation.first(),
            reserved_seq: reservation.first(),
            audience: args.audience,
            changes: true,
            confirm_changes: true,
            ..ProgressConfig::default()
        }),
        ..limits::limits(&budget)
    })?;
    let mut callers = Callers::default();
    let restored = |record: &SessionRecord| {
        auth.restore_tokens(record);
        callers.restored(record.info());
    };
    journal.restore(server.endpoint(), &store.reader()?, restored)?;
    // Their files go when this function returns.
    let _socket_files = match passed.is_empty() {
        true => listen(&mut server, &addresses)?,
        false => Vec::new(),
    };
    for socket in passed {
        socket.add_to(&mut server)?;
    }
    let unix_ms = u64::try_from(now_ms()).unwrap_or(0);
    reservation
        .begin(unix_ms)
        .map_err(ServeError::DataDirectory)?;
    server
        .endpoint()
        .progress()
        .reserve_seq(reservation.reserved());
    let log = Arc::new(Log::start(args.log)?);

    let handle = server.handle();
    auth.keep_logins(handle.clone())?;
    let manager = Arc::new(Manager::from_env());
    let alerts = Arc::new(Alerts::default());
    let answers = Arc::new(Answers::restored(journal.answered()?, unix_ms));
    let registry = Arc::new(Registry::new(alerts.clone(), answers.clone()));
    let mut host = Host {
        auth: auth.clone(),
        manager: manager.clone(),
        allowed_hosts,
        allowed_origins: args.allowed_origin.clone(),
        cors,
        registry: registry.clone(),
        imports: Imports::new(
            store.clone(),
            handle.clone(),
            registry.clone(),
            answers.clone(),
            args.max_upload_bytes,
        ),
        queries: Queries::start(
            server.endpoint(),
            store.reader()?,
            journal.reader()?,
            handle.clone(),
        )?,
        bodies: Bodies::new(budget.body_bytes),
        callers,
        numbers: Numbers::start(reservation, handle.clone(), alerts.clone())?,
        journal: journal.start(handle.clone(), alerts.clone(), answers.clone())?,
        alerts: alerts.clone(),
        answers,
        repeats: Repeats::new(args.max_upload_bytes),
        max_upload_bytes: args.max_upload_bytes,
        started: Instant::now(),
    };
    let pace = host.journal.pace();
    let _watch = Watch::start(alerts, handle.clone(), &args.data_dir.path, pace)?;
    host.journal.take(server.endpoint());
    let leave = {
        let (handle, args, manager) = (handle.clone(), args.clone(), manager.clone());
        move || {
            manager.stopping();
            leaving::leave(&handle, &registry, args.grace.0, args.on_shutdown);
        }
    };
    signals.end_server(handle, auth.clone(), manager.clone(), leave)?;
    let places = places(&server, &listen_on)?;
    // A stranger's terminal shows both outputs, so the log has words of its own.
    log::info!(
        "pulsewheel {} at {} with data in {}",
        env!("CARGO_PKG_VERSION"),
        places.join(" and "),
        args.data_dir.path.display()
    );
    announce(places)?;
    manager.ready(server.endpoint());
    log::info!("{}", auth.told());
    log::info!("{budget}");

    let result = server.run(|endpoint, event| host.on_event(endpoint, event));
    leaving::end_in_any_case(log.clone());
    host.journal.take_all(server.endpoint());
    let highest_seq = server.endpoint().progress().seq_state().highest;
    // Whoever waits for an answer of the loop hears now that there is none.
    drop(server);
    host.imports.end(ROLL_BACK_PATIENCE);
    host.journal.end();
    host.numbers.end(highest_seq);
    log::info!("ended");
    log.flush();
    Ok(result?)
}

/// Refuses what would let in others, where everybody is an admin.
fn check_openness(args: &ServeArgs, addresses: &Resolved<'_>) -> Result<(), ServeError> {
    if args.token_file.is_some() || args.insecure {
        return Ok(());
    }
    let is_local = |(_, resolved): &&(&ListenAddress, Vec<SocketAddr>)| {
        resolved.iter().all(|address| address.ip().is_loopback())
    };
    let foreign = addresses.iter().find(|address| !is_local(address));
    let named = |flag: &str, value: Option<String>| value.map(|value| format!("{flag} {value}"));
    let what = named("--listen", foreign.map(|(address, _)| address.to_string()))
        .or_else(|| named("--allowed-host", args.allowed_host.first().cloned()))
        .or_else(|| named("--allowed-origin", args.allowed_origin.first().cloned()))
        .or_else(|| {
            let proxy = args.trusted_proxy.first();
            named("--trusted-proxy", proxy.map(Network::to_string))
        });
    what.map_or(Ok(()), |what| Err(ServeError::Open(what)))
}

/// What each address to listen on stands for.
type Resolved<'a> = Vec<(&'a ListenAddress, Vec<SocketAddr>)>;

fn resolve(listen: &[ListenAddress]) -> Result<Resolved<'_>, ServeError> {
    let resolve = |address: &ListenAddress| {
        address
            .resolve()
            .map_err(|error| ServeError::Listen(address.clone(), error))
    };
    listen
        .iter()
        .map(|address| Ok((address, resolve(address)?)))
        .collect()
}

/// Listens on all addresses of each name that can be listened on: `localhost` often
/// names an IPv6 address where there is no IPv6.
fn listen(server: &mut Server, addresses: &Resolved<'_>) -> Result<Vec<SocketFile>, ServeError> {
    let mut files = Vec::new();
    for (address, resolved) in addresses {
        if let ListenAddress::Unix(path) = address {
            let listening = SocketFile::listen(path).and_then(|(listener, file)| {
                files.push(file);
                server.add_listener(listener)
            });
            listening.map_err(|error| ServeError::Listen((*address).clone(), error))?;
        }
        let results: Vec<io::Result<()>> = resolved
            .iter()
            .map(|address| server.listen(address))
            .collect();
        let is_heard = results.iter().any(Result::is_ok);
        if let (false, Some(Err(error))) = (is_heard, results.into_iter().next()) {
            return Err(ServeError::Listen((*address).clone(), error));
        }
    }
    Ok(files)
}

/// Where clients find the server: TCP with the real ports, and Unix sockets.
fn places(server: &Server, listen: &[ListenAddress]) -> io::Result<Vec<String>> {
    let tcp = server.local_addrs()?.into_iter();
    let is_unix = |address: &&ListenAddress| matches!(address, ListenAddress::Unix(_));
    let unix = listen.iter().filter(is_unix);
    Ok(tcp
        .map(|address| format!("http://{address}"))
        .chain(unix.map(ListenAddress::to_string))
        .collect())
}

/// The names and addresses that this server goes by, besides the loopback ones.
fn allowed_hosts(args: &ServeArgs, addresses: &Resolved<'_>) -> Vec<String> {
    let mut hosts = args.allowed_host.clone();
    for (address, resolved) in addresses {
        if let ListenAddress::Tcp { host, .. } = address {
            hosts.push(host.clone());
        }
        hosts.extend(resolved.iter().map(|address| address.ip().to_string()));
    }
    hosts.sort();
    hosts.dedup();
    hosts
}

/// Lets pages of these sites read what polling and the interface answer, with the header fields that say something beyond
/// it. Cookies stay out: those of a login are for this site's own pages.
fn cors(origins: &[String]) -> Option<Cors> {
    (!origins.is_empty()).then(|| Cors {
        exposed_headers: Some("Retry-After, Location, Content-Disposition".to_owned()),
        ..Cors::list(origins)
    })
}

/// Says where the server listens, on a thread of its own: standard output may be
/// closed, full or stuck.
fn announce(places: Vec<String>) -> io::Result<()> {
    let print = move || {
        let mut out = io::stdout().lock();
        for place in places {
            if writeln!(out, "listening on {place}").is_err() {
                return;
            }
        }
        let _ = out.flush();
    };
    thread::Builder::new()
        .name("announce".to_owned())
        .spawn(print)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_dir::DataDir;
    use leaving::{Length, OnShutdown};
    use pulsewheel::progress::Audience;

    fn args(listen: &[&str], allowed: &[&str]) -> ServeArgs {
        ServeArgs {
            listen: listen
                .iter()
                .map(|address| address.parse().unwrap())
                .collect(),
            data_dir: DataDir {
                path: "unused".into(),
            },
            allowed_host: allowed.iter().map(|&name| name.to_owned()).collect(),
            allowed_origin: Vec::new(),
            max_upload_bytes: 1,
            token_file: None,
            insecure: false,
            trusted_proxy: Vec::new(),
            audience: Audience::Everybody,
            grace: Length(Duration::ZERO),
            on_shutdown: OnShutdown::Cancel,
            memory_budget: Budget::LEAST_BYTES,
            log: log::LevelFilter::Off,
        }
    }

    #[test]
    fn a_server_goes_by_the_names_and_addresses_it_listens_on() {
        let args = args(
            &["192.0.2.7:0", "[2001:db8::1]:0", "127.0.0.1:0"],
            &["scans.example"],
        );
        let addresses = resolve(&args.listen).unwrap();
        assert_eq!(
            allowed_hosts(&args, &addresses),
            ["127.0.0.1", "192.0.2.7", "2001:db8::1", "scans.example"]
        );
    }

    #[test]
    fn without_tokens_the_server_is_for_this_machine_alone() {
        let is_refused = |args: &ServeArgs| {
            let resolved = resolve(&args.listen).unwrap();
            check_openness(args, &resolved).is_err()
        };
        let own = args(&["127.0.0.1:0", "[::1]:0", "unix:/run/scans.sock"], &[]);
        assert!(!is_refused(&own));
        let with_origin = ServeArgs {
            allowed_origin: vec!["https://a.example".to_owned()],
            ..own
        };
        for open in [
            args(&["127.0.0.1:0", "192.0.2.7:0"], &[]),
            args(&["0.0.0.0:0"], &[]),
            args(&["127.0.0.1:0"], &["scans.example"]),
            with_origin,
        ] {
            assert!(is_refused(&open), "{open:?}");
            assert!(!is_refused(&ServeArgs {
                insecure: true,
                ..open.clone()
            }));
            assert!(!is_refused(&ServeArgs {
                token_file: Some("tokens".into()),
                ..open
            }));
        }
    }

    #[test]
    fn an_address_that_is_not_this_machines_is_named_in_the_error() {
        let args = args(&["127.0.0.1:0", "192.0.2.7:0"], &[]);
        let mut server = Server::new(Config::default()).unwrap();
        let error = listen(&mut server, &resolve(&args.listen).unwrap()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot listen on 192.0.2.7:0: "),
            "{error}"
        );
        assert_eq!(server.local_addrs().unwrap().len(), 1);
    }
}
