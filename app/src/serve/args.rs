//! The command line of `pulsewheel serve`.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use log::LevelFilter;
use pulsewheel::http::{parse_host, parse_origin, HostPort};
use pulsewheel::progress::Audience;
use pulsewheel::Network;

use super::budget;
use super::leaving::{Length, OnShutdown};
use super::sessions::audience;
use crate::data_dir::DataDir;

/// Bytes of an upload, form included: 100 MiB.
const DEFAULT_MAX_UPLOAD_BYTES: u64 = 100 * 1024 * 1024;

/// Run the server: Socket.IO, the HTTP interface and the dashboard.
///
/// Each setting can also come from the environment; a flag wins over it.
/// The server ends on SIGTERM and SIGINT, and at once on a second one.
#[derive(Args, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub struct ServeArgs {
    /// Address to listen on, as HOST:PORT, PORT or unix:/PATH; may be given more than once.
    ///
    /// HOST is a name, an IPv4 address or an IPv6 address in brackets, and without
    /// it 127.0.0.1; PORT 0 takes a free one. The file of a Unix socket is removed
    /// at the end; one on which nobody answers any more is replaced. In the
    /// environment, commas stand between several.
    #[arg(
        long,
        verbatim_doc_comment,
        value_name = "ADDR:PORT|PORT",
        env = "PULSEWHEEL_LISTEN",
        value_delimiter = ',',
        default_value = "127.0.0.1:8988"
    )]
    pub listen: Vec<ListenAddress>,

    #[command(flatten)]
    pub data_dir: DataDir,

    /// Name that browsers may reach this server by; may be given more than once.
    ///
    /// Requests for other names than these, loopback names and the addresses
    /// listened on are refused: otherwise any web page could make its own name
    /// point here and use the server through its visitors' browsers.
    #[arg(
        long,
        verbatim_doc_comment,
        value_name = "NAME",
        env = "PULSEWHEEL_ALLOWED_HOST",
        value_delimiter = ',',
        value_parser = host_name
    )]
    pub allowed_host: Vec<String>,

    /// Site whose pages may use Socket.IO and the API, as SCHEME://HOST or
    /// SCHEME://HOST:PORT; may be given more than once.
    ///
    /// Pages of this server itself always may. Others could otherwise read
    /// and change what their visitors' browsers can reach. Pages of other sites
    /// send a token; the cookie of a login stays with this server's own.
    #[arg(
        long,
        verbatim_doc_comment,
        value_name = "ORIGIN",
        env = "PULSEWHEEL_ALLOWED_ORIGIN",
        value_delimiter = ',',
        value_parser = origin
    )]
    pub allowed_origin: Vec<String>,

    /// Largest upload that is imported, in bytes.
    #[arg(
        long,
        value_name = "N",
        env = "PULSEWHEEL_MAX_UPLOAD_BYTES",
        default_value_t = DEFAULT_MAX_UPLOAD_BYTES,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub max_upload_bytes: u64,

    /// File with the tokens of those who may come in, a line `ROLE TOKEN [NAME]` each.
    ///
    /// Roles are viewer, producer and admin; lines that begin with # say nothing.
    /// The file is read again on SIGHUP. Without it everybody is an admin, and
    /// the server is for this machine alone.
    #[arg(
        long,
        verbatim_doc_comment,
        value_name = "FILE",
        env = "PULSEWHEEL_TOKEN_FILE"
    )]
    pub token_file: Option<PathBuf>,

    /// Let everybody in as an admin, from wherever, without a token file.
    ///
    /// Whoever reaches the server can then read, change and delete everything.
    #[arg(long, verbatim_doc_comment, env = "PULSEWHEEL_INSECURE")]
    pub insecure: bool,

    /// Address of a proxy in front of this server, as 192.0.2.7 or 192.0.2.0/24; may be
    /// given more than once.
    ///
    /// What it says in Forwarded or X-Forwarded-For counts as the client's address.
    #[arg(
        long,
        verbatim_doc_comment,
        value_name = "CIDR",
        env = "PULSEWHEEL_TRUSTED_PROXY",
        value_delimiter = ','
    )]
    pub trusted_proxy: Vec<Network>,

    /// Who hears of a session that does not say so itself: everybody; trackers, who
    /// know its id; or owner.
    #[arg(
        long,
        verbatim_doc_comment,
        value_name = "A",
        env = "PULSEWHEEL_AUDIENCE",
        default_value = "everybody",
        value_parser = audience
    )]
    pub audience: Audience,

    /// How long the end may take that SIGTERM or SIGINT asks for, as 10s or 500ms.
    ///
    /// Requests under way are answered in that time, and clients are sent away
    /// over half of it, so that not all of them come back at once.
    #[arg(
        long,
        verbatim_doc_comment,
        value_name = "TIME",
        env = "PULSEWHEEL_GRACE",
        default_value = "10s"
    )]
    pub grace: Length,

    /// What becomes of imports that run when the server is asked to end.
    ///
    /// They are rolled back (cancel), or go on for as long as the grace (finish).
    #[arg(
        long,
        verbatim_doc_comment,
        value_name = "WHAT",
        env = "PULSEWHEEL_ON_SHUTDOWN",
        default_value = "cancel"
    )]
    pub on_shutdown: OnShutdown,

    /// Most resident memory that the server takes, as 48MiB; units are KiB, MiB and GiB.
    ///
    /// Before there is more of it, clients that hold the most are disconnected, and nothing
    /// new is begun. The start of the log says what it is for.
    #[arg(
        long,
        verbatim_doc_comment,
        value_name = "SIZE",
        env = "PULSEWHEEL_MEMORY_BUDGET",
        default_value = "48MiB",
        value_parser = budget::size
    )]
    pub memory_budget: u64,

    /// What to log to standard error: off, error, warn, info, debug or trace.
    #[arg(
        long,
        value_name = "LEVEL",
        env = "PULSEWHEEL_LOG",
        default_value = "info"
    )]
    pub log: LevelFilter,
}

/// What to listen on, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    Tcp {
        /// A name or an address, the latter without brackets.
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<ListenAddress, String> {
        let wanted = || {
            "wanted is HOST:PORT, such as 127.0.0.1:8988, localhost:0 or [::1]:8988, a PORT, or unix:/PATH"
                .to_owned()
        };
        // A host may be named `unix`; its port has no slash.
        if let Some(path) = text.strip_prefix("unix:").filter(|path| path.contains('/')) {
            return Ok(ListenAddress::Unix(path.into()));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let port = text.parse().map_err(|_| wanted())?;
            return Ok(ListenAddress::Tcp {
                host: Ipv4Addr::LOCALHOST.to_string(),
                port,
            });
        }
        match parse_host(text) {
            Some(HostPort {
                name,
                port: Some(port),
            }) if !name.is_empty() => Ok(ListenAddress::Tcp {
                host: name.to_owned(),
                port,
            }),
            _ => Err(wanted()),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            ListenAddress::Tcp { host, port } => write!(f, "{host}:{port}"),
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl ListenAddress {
    /// The addresses that the name stands for; those of a Unix socket are none.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let ListenAddress::Tcp { host, port } = self else {
            return Ok(Vec::new());
        };
        let addresses = (host.as_str(), *port).to_socket_addrs()?;
        let mut distinct = Vec::new();
        for address in addresses {
            if !distinct.contains(&address) {
                distinct.push(address);
            }
        }
        if distinct.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the name stands for no address",
            ));
        }
        Ok(distinct)
    }
}

fn host_name(text: &str) -> Result<String, String> {
    match parse_host(text) {
        Some(HostPort { name, port: None }) if !name.is_empty() && !text.ends_with(':') => {
            Ok(name.to_owned())
        }
        _ => Err(
            "wanted is a host name or address without a port, such as scans.example.org".to_owned(),
        ),
    }
}

fn origin(text: &str) -> Result<String, String> {
    match parse_origin(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("wanted is an origin, such as https://app.example.org".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn parse(args: &[&str]) -> Result<ServeArgs, clap::Error> {
        let args = ["pulsewheel"].iter().chain(args);
        Cli::try_parse_from(args).map(|cli| cli.serve)
    }

    #[test]
    fn addresses_are_names_or_numbers_with_a_port() {
        let args = parse(&[
            "--listen",
            "localhost:0",
            "--listen",
            "[::1]:8988,0.0.0.0:1",
            "--listen",
            "unix:/run/pulsewheel.sock,unix:80",
            "--listen",
            "9000",
        ])
        .unwrap();
        let texts: Vec<String> = args.listen.iter().map(ListenAddress::to_string).collect();
        let tcp = ["localhost:0", "[::1]:8988", "0.0.0.0:1"];
        assert_eq!(texts[..3], tcp);
        let others = ["unix:/run/pulsewheel.sock", "unix:80", "127.0.0.1:9000"];
        assert_eq!(texts[3..], others);
        assert!(matches!(&args.listen[1], ListenAddress::Tcp { host, .. } if host == "::1"));
        assert!(matches!(&args.listen[3], ListenAddress::Unix(_)));
        assert!(matches!(&args.listen[4], ListenAddress::Tcp { .. }));
        for wrong in [
            "localhost",
            "localhost:",
            ":80",
            "::1:80",
            "a b:1",
            "localhost:65536",
            "65536",
            "+80",
            "http://a:1",
            "unix:",
            "unix:name",
            "",
        ] {
            assert!(parse(&["--listen", wrong]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn allowed_hosts_have_no_port() {
        let args = parse(&[
            "--allowed-host",
            "a.example",
            "--allowed-host",
            "b.example,[2001:db8::1]",
        ])
        .unwrap();
        assert_eq!(args.allowed_host, ["a.example", "b.example", "2001:db8::1"]);
        for wrong in ["a.example:80", "a.example:", "http://a.example", "", "a/b"] {
            assert!(parse(&["--allowed-host", wrong]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn allowed_origins_have_a_scheme_and_no_path() {
        let args = parse(&["--allowed-origin", "https://a.example,http://b.example:81"]).unwrap();
        assert_eq!(
            args.allowed_origin,
            ["https://a.example", "http://b.example:81"]
        );
        for wrong in ["a.example", "https://a.example/", "null", ""] {
            assert!(parse(&["--allowed-origin", wrong]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn limits_and_levels_are_checked() {
        assert_eq!(parse(&[]).unwrap().max_upload_bytes, 104_857_600);
        assert_eq!(parse(&[]).unwrap().memory_budget, 50_331_648);
        assert_eq!(parse(&["--log", "debug"]).unwrap().log, LevelFilter::Debug);
        for wrong in [
            ["--max-upload-bytes", "0"],
            ["--max-upload-bytes", "1GB"],
            ["--memory-budget", "48MB"],
            ["--log", "loud"],
            ["--grace", "10"],
            ["--on-shutdown", "wait"],
        ] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_number_stands_for_itself() {
        let address: ListenAddress = "[::1]:8988".parse().unwrap();
        assert_eq!(address.resolve().unwrap(), ["[::1]:8988".parse().unwrap()]);
    }
}
