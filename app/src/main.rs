//! The program `pulsewheel`.
#![forbid(unsafe_code)]

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::{ArgGroup, Args, CommandFactory, Parser, Subcommand};
use pulsewheel_app::backup::{self, BackupArgs, BackupError};
use pulsewheel_app::client::{self, ImportArgs};
use pulsewheel_app::generate::{write_scan, Size};
use pulsewheel_app::licenses;
use pulsewheel_app::serve::{self, ServeArgs};

/// Tells people, live, how far their long work has come.
#[derive(Parser)]
#[command(
    name = "pulsewheel",
    version,
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true
)]
struct Cli {
    /// Print the licences of everything that this program contains.
    #[arg(long)]
    licenses: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Serve(ServeArgs),
    Import(ImportArgs),
    Generate(GenerateArgs),
    /// Write a backup of both databases to a file, also while the server runs.
    Backup(BackupArgs),
    /// Put the databases of a backup into the data directory, while no server runs there.
    ///
    /// What was there is kept, in a folder of the data directory.
    Restore(BackupArgs),
}

/// Write a made-up vulnerability scan (CSV) to standard output, to try imports with.
#[derive(Args)]
#[command(group = ArgGroup::new("size").required(true))]
struct GenerateArgs {
    /// How many rows to write.
    #[arg(long, value_name = "N", group = "size")]
    rows: Option<u64>,
    /// How many bytes to write at most, in whole rows.
    #[arg(long, value_name = "N", group = "size")]
    bytes: Option<u64>,
    /// The same seed gives the same file.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Serve(args)) => match serve::run(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                serve::complain(format!("pulsewheel: {error}"));
                ExitCode::from(error.exit_status())
            }
        },
        Some(Command::Import(args)) => ExitCode::from(client::import(&args)),
        Some(Command::Generate(args)) => ended(unless_reader_left(generate(&args))),
        Some(Command::Backup(args)) => match backup::backup(&args) {
            // Whoever asked has what was asked for.
            Err(error @ BackupError::Unnoted(_)) => {
                let _ = writeln!(io::stderr(), "pulsewheel: {error}");
                ExitCode::SUCCESS
            }
            result => ended(result),
        },
        Some(Command::Restore(args)) => ended(backup::restore(&args).map(|kept| {
            if let Some(kept) = kept {
                let _ = writeln!(io::stdout(), "what was there is in {}", kept.display());
            }
        })),
        None if cli.licenses => ended(unless_reader_left(print_licenses())),
        None => Cli::command()
            .error(clap::error::ErrorKind::MissingSubcommand, "nothing to do")
            .exit(),
    }
}

fn ended<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "pulsewheel: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whoever reads the output may have enough of it (`| head`).
fn unless_reader_left(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn print_licenses() -> io::Result<()> {
    let mut out = io::stdout().lock();
    licenses::write(&mut out)?;
    out.flush()
}

fn generate(args: &GenerateArgs) -> io::Result<()> {
    let size = match (args.rows, args.bytes) {
        (Some(rows), _) => Size::Rows(rows),
        (None, bytes) => Size::Bytes(bytes.unwrap_or_default()),
    };
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    write_scan(&mut out, size, args.seed)?;
    out.flush()
}
