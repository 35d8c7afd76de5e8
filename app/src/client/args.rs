//! The command line of `pulsewheel import`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::import::{Options, RequestError};

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

    /// When the scan was made, for rows that do not say it: 2025-01-12 or 2025-01-12T10:30:00Z.
    #[arg(long, value_name = "DATE", value_parser = field("scanDate"))]
    pub scan_date: Option<String>,

    /// Take a scan although a newer one of its hosts is known; it resolves and reopens nothing there.
    #[arg(long)]
    pub allow_older: bool,

    /// Which columns hold what, as a JSON object: {"host": "Machine", "severity": ["Rating", "Risk"]}.
    #[arg(long, value_name = "JSON", value_parser = field("mapping"))]
    pub mapping: Option<String>,

    /// What the words of the severity column mean, as a JSON object: {"grave": "Critical"}.
    #[arg(long, value_name = "JSON", value_parser = field("severityMap"))]
    pub severity_map: Option<String>,

    /// Label of a network: hosts of one address at two sites are two hosts.
    #[arg(long, value_name = "LABEL")]
    pub site: Option<String>,

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

    /// The server; http:// and https:// are spoken.
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

    /// The fields of the form beside its file, as names and values.
    pub fn fields(&self, session: &str) -> Vec<(&'static str, String)> {
        let resolve = self.resolve.map(|reach| match reach {
            Reach::Hosts => "hosts",
            Reach::All => "all",
            Reach::None => "none",
        });
        let flag = |is_set: bool| is_set.then(|| "true".to_owned());
        let fields = [
            ("sessionId", Some(session.to_owned())),
            ("vendor", self.vendor.clone()),
            ("resolve", resolve.map(str::to_owned)),
            ("scanDate", self.scan_date.clone()),
            ("allowOlder", flag(self.allow_older)),
            ("mapping", self.mapping.clone()),
            ("severityMap", self.severity_map.clone()),
            ("site", self.site.clone()),
            ("dryRun", flag(self.dry_run)),
        ];
        let given = fields.into_iter();
        given
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

/// Refuses what the server would refuse as this field, before anything is sent.
fn field(name: &'static str) -> impl Fn(&str) -> Result<String, RequestError> + Clone {
    move |value| {
        Options::default().set(name, value)?;
        Ok(value.to_owned())
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
            "--vendor=Acme & Co",
            "--resolve=none",
            "--scan-date=2025-01-12",
            "--allow-older",
            "--mapping={\"host\": \"Machine\"}",
            "--severity-map={\"grave\": \"Critical\"}",
            "--site=Harbour",
            "--dry-run",
        ])
        .unwrap();
        assert_eq!(args.files.len(), 2);
        let wanted = [
            ("sessionId", "id"),
            ("vendor", "Acme & Co"),
            ("resolve", "none"),
            ("scanDate", "2025-01-12"),
            ("allowOlder", "true"),
            ("mapping", "{\"host\": \"Machine\"}"),
            ("severityMap", "{\"grave\": \"Critical\"}"),
            ("site", "Harbour"),
            ("dryRun", "true"),
        ];
        assert_eq!(
            args.fields("id"),
            wanted.map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[test]
    fn what_is_not_given_is_not_sent() {
        let args = parse(&["a.csv"]).unwrap();
        assert_eq!(args.fields("id"), [("sessionId", "id".to_owned())]);
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
            &["a.csv", "--scan-date", "soon"],
            &["a.csv", "--mapping", "host"],
            &["a.csv", "--severity-map", "[]"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
