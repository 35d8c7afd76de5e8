//! The program `pulsewheel`.
#![forbid(unsafe_code)]

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::{ArgGroup, Args, Parser, Subcommand};
use pulsewheel_app::generate::{write_scan, Size};

/// Tells people, live, how far their long work has come.
#[derive(Parser)]
#[command(name = "pulsewheel", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Generate(GenerateArgs),
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
    let result = match Cli::parse().command {
        Command::Generate(args) => generate(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has enough of it (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "pulsewheel: {error}");
            ExitCode::FAILURE
        }
    }
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
