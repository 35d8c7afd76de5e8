//! The command line of `pulsewheel import`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Send scans to a running server, which brings its findings up to date with them.
///
/// Without --wait the command ends when the server has taken the file in; the
/// session that it names tells the outcome. How far an import is stands on
/// standard error, what came of it on standard output.
///
/// Exit status: 0 completed, 1 error, 2 usage, 3 the import failed, 4 it was
/// cancelled, 5 the server has forgotten its session, 6 the server cannot be
/// reached, 7 more rows were rejected than --max-rejected allows. Of several files
/// the first status that is not 0 counts; they are imported one after the other.
///
/// The environment variable PULSEWHEEL_TOKEN holds the token, if the server wants one.
#[derive(Args, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub struct ImportArgs {
    /// CSV exports of vulnerability scanners; they may be packed with gzip.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Label that the findings are stored under; else the scanner that is recognised.
    #[arg(long, value_name = "LABEL")]
    pub vendor: Option<String>,

    /// Which findings that a file does not hold are resolved: those of the hosts in it, all of the label, or none.
    #[arg(long, value_name = "REACH")]
    pub resolve: Option<Reach>,

    /// Only tell what an import would do; nothing is stored. Waits.
    #[arg(long)]
    pub dry_run: bool,

    /// Wait for the end of each import, and tell what came of it.
    #[arg(long)]
    pub wait: bool,

    /// End with status 7 if more rows of a file were rejected. Waits.
    ///
    /// The other rows are stored all the same; together with --dry-run
    /// a file can be judged beforehand.
    #[arg(long, verbatim_doc_comment, value_name = "N")]
    pub max_rejected: Option<u64>,

    /// The server.
    #[arg(
        long,
        value_name = "URL",
        env = "PULSEWHEEL_SERVER",
        default_value = "http://127.0.0.1:8988"
    )]
    pub server: String,
}

/// Values of `--resolve`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reach {
    Hosts,
    All,
    None,
}

impl ImportArgs {
    /// Whether the outcome of an import is wanted, and not only that it has begun.
    pub fn waits(&self) -> bool {
        self.wait || self.dry_run || self.max_rejected.is_some()
    }

    /// The fields of the upload beside its file, as names and values.
    pub fn query(&self, session: &str) -> Vec<(&'static str, String)> {
        let mut query = vec![("sessionId", session.to_owned())];
        let resolve = self.resolve.map(|reach| match reach {
            Reach::Hosts => "hosts",
            Reach::All => "all",
            Reach::None => "none",
        });
        query.extend(resolve.map(|value| ("resolve", value.to_owned())));
        let vendor = self.vendor.clone().filter(|vendor| !vendor.is_empty());
        query.extend(vendor.map(|value| ("vendor", value)));
        if self.dry_run {
            query.push(("dryRun", "true".to_owned()));
        }
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        import: ImportArgs,
    }

    fn parse(args: &[&str]) -> Result<ImportArgs, clap::Error> {
        let args = ["pulsewheel"].iter().chain(args);
        Cli::try_parse_from(args).map(|cli| cli.import)
    }

    #[test]
    fn options_become_fields_of_the_upload() {
        let args = parse(&[
            "a.csv",
            "b.csv",
            "--vendor",
            "Acme & Co",
            "--resolve",
            "none",
        ])
        .unwrap();
        assert_eq!(args.files.len(), 2);
        let wanted = [
            ("sessionId", "id"),
            ("resolve", "none"),
            ("vendor", "Acme & Co"),
        ];
        assert_eq!(
            args.query("id"),
            wanted.map(|(name, value)| (name, value.to_owned()))
        );
        assert!(!args.waits());
    }

    #[test]
    fn what_needs_the_outcome_waits_for_it() {
        for option in [&["--wait"][..], &["--dry-run"], &["--max-rejected", "0"]] {
            let args = parse(&[&["a.csv"], option].concat()).unwrap();
            assert!(args.waits(), "{option:?}");
        }
    }

    #[test]
    fn a_file_is_needed_and_values_are_checked() {
        for wrong in [
            &[][..],
            &["a.csv", "--resolve", "some"],
            &["a.csv", "--max-rejected", "-1"],
            &["a.csv", "--max-rejected", "few"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
