//! One row of a scan becomes a finding: what it says of which host.

use std::collections::HashSet;
use std::net::IpAddr;

use serde_json::{json, Value};

use super::columns::{Format, Role};
use super::layout::Layout;
use super::rows::{Row, MAX_CELL_BYTES};
use super::text::clean;
use crate::clock;
use crate::severity::Severity;

/// Longest host, address, name, check, port, protocol and state, in characters.
const MAX_NAME_CHARS: usize = 255;
/// Longest title, in characters.
const MAX_TITLE_CHARS: usize = 1_000;
/// Longest solution, in characters.
const MAX_SOLUTION_CHARS: usize = 8_000;
/// Longest id in a CVE cell, in characters.
const MAX_ID_CHARS: usize = 64;
/// What an error shows of a cell, in characters.
const MAX_TOLD_CHARS: usize = 100;

/// States that say a finding is gone. Tenable writes `FIXED`.
const GONE_STATES: [&str; 4] = ["fixed", "closed", "resolved", "remediated"];

/// What an accepted row says.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What identifies the host, in lower case.
    pub host: String,
    pub ip: String,
    pub hostname: String,
    /// What identifies the kind of finding: the scanner's number or name.
    pub check: String,
    pub title: String,
    pub solution: String,
    pub port: String,
    pub protocol: String,
    pub severity: Severity,
    /// Base score, 0 to 10.
    pub cvss: Option<f64>,
    /// The scanner's word, as it stands.
    pub state: String,
    /// The ids of the CVE cell, each once; a row without makes one record too.
    pub cves: Vec<String>,
    /// The scanner says that the finding is gone: no record, but the host was
    /// scanned.
    pub is_gone: bool,
    /// Milliseconds since the epoch.
    pub first_seen_ms: Option<i64>,
    /// Milliseconds since the epoch.
    pub last_seen_ms: Option<i64>,
}

/// Why a row is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub line: u64,
    pub column: &'static str,
    pub received: String,
    pub expected: Vec<&'static str>,
}

impl Rejection {
    /// The details of an error about it.
    pub fn details(&self) -> Value {
        json!({
            "line_number": self.line,
            "column": self.column,
            "received_value": self.received,
            "expected_values": self.expected,
        })
    }
}

impl Finding {
    /// Reads a row.
    ///
    /// # Errors
    /// A [`Rejection`] if host or finding is missing, the severity is an unknown
    /// word, or the CVE cell is too long to be split.
    pub fn read(row: &Row, layout: &Layout) -> Result<Finding, Rejection> {
        let reject = |column, received, expected| {
            let received = clean(received, MAX_TOLD_CHARS);
            Err(Rejection {
                line: row.line,
                column,
                received,
                expected,
            })
        };
        let name = |role| clean(first(row, layout, role), MAX_NAME_CHARS);

        let host = name(Role::Host);
        if host.is_empty() {
            return reject("host", "", vec!["an address or a name"]);
        }
        if layout.slots(Role::Cve).iter().any(|slot| row.is_cut(*slot)) {
            return reject(
                "cve",
                first(row, layout, Role::Cve),
                vec!["at most 64 KiB of ids"],
            );
        }
        let cves = split_ids(first(row, layout, Role::Cve));
        let mut check = name(Role::Check);
        if check.is_empty() && layout.format == Format::Generic {
            check = cves.first().cloned().unwrap_or_default();
        }
        if check.is_empty() {
            return reject("finding", "", vec!["a number or a name"]);
        }
        let cvss = score(row, layout);
        let severity_cell = first(row, layout, Role::Severity);
        let severity = match severity_cell {
            "" => Severity::from_cvss(cvss.unwrap_or(0.0)),
            cell => match Severity::from_cell(cell, layout.severity_scale) {
                Some(severity) => severity,
                None => {
                    return reject(
                        "severity",
                        cell,
                        Severity::ALL.iter().rev().map(|s| s.name()).collect(),
                    )
                }
            },
        };
        let title = clean(first(row, layout, Role::Title), MAX_TITLE_CHARS);
        let state = name(Role::State);
        let (ip, hostname) = addresses(row, layout, &host);
        Ok(Finding {
            host: host.to_lowercase(),
            ip,
            hostname,
            title: if title.is_empty() {
                check.clone()
            } else {
                title
            },
            check,
            solution: clean(first(row, layout, Role::Solution), MAX_SOLUTION_CHARS),
            port: name(Role::Port),
            protocol: name(Role::Protocol),
            severity,
            cvss,
            is_gone: GONE_STATES
                .iter()
                .any(|gone| state.eq_ignore_ascii_case(gone)),
            state,
            cves,
            first_seen_ms: clock::parse(first(row, layout, Role::FirstSeen)),
            last_seen_ms: clock::parse(first(row, layout, Role::LastSeen)),
        })
    }
}

/// The first of the role's cells that is not empty.
fn first<'a>(row: &'a Row, layout: &Layout, role: Role) -> &'a str {
    let cells = layout.slots(role).iter().map(|slot| row.cell(*slot));
    cells
        .into_iter()
        .find(|cell| !cell.is_empty())
        .unwrap_or_default()
}

/// The first of the score cells that holds a score.
fn score(row: &Row, layout: &Layout) -> Option<f64> {
    let cells = layout.slots(Role::Cvss).iter().map(|slot| row.cell(*slot));
    cells
        .filter_map(|cell| cell.parse().ok())
        .find(|score| (0.0..=10.0).contains(score))
}

/// Address and name of the host, as far as the row or the host's key give them.
fn addresses(row: &Row, layout: &Layout, host: &str) -> (String, String) {
    let list = first(row, layout, Role::Ip);
    let mut ip = clean(list.split(',').next().unwrap_or_default(), MAX_NAME_CHARS);
    let mut hostname = clean(first(row, layout, Role::Hostname), MAX_NAME_CHARS);
    let host_is_address = host.parse::<IpAddr>().is_ok();
    if ip.is_empty() && host_is_address {
        ip = host.to_owned();
    }
    if hostname.is_empty() && !host_is_address && layout.format != Format::Tenable {
        hostname = host.to_owned();
    }
    (ip, hostname)
}

/// The ids of a CVE cell in their order, each once: `CVE-2024-3094`,
/// `cisco-sa-20240101-x`, `GHSA-..` and the like. Words without a number in them
/// (`NOCVE`, `N/A`) are none.
fn split_ids(cell: &str) -> Vec<String> {
    debug_assert!(cell.len() <= MAX_CELL_BYTES);
    let is_separator = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|');
    let is_id = |word: &&str| {
        word.contains('-')
            && word.bytes().any(|byte| byte.is_ascii_digit())
            && !word.contains(char::is_control)
    };
    let mut seen = HashSet::new();
    let words = cell
        .split(is_separator)
        .map(|word| word.trim_matches(['"', '\'', '[', ']', '(', ')']));
    let ids = words.filter(is_id).map(|word| {
        let id: String = word.chars().take(MAX_ID_CHARS).collect();
        let is_cisco = id
            .get(..6)
            .is_some_and(|head| head.eq_ignore_ascii_case("cisco-"));
        if is_cisco {
            id.to_ascii_lowercase()
        } else {
            id.to_ascii_uppercase()
        }
    });
    ids.filter(|id| seen.insert(id.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::decode::{tests::Pieces, Decoder};
    use crate::import::rows::Rows;

    fn read_all(file: &str) -> Vec<Result<Finding, Rejection>> {
        let mut text = Decoder::new(Pieces::new(file.as_bytes(), 1000));
        let (layout, rest) = Layout::detect(&mut text).unwrap();
        let mut rows = Rows::new(text, layout, rest);
        let mut findings = Vec::new();
        while let Some((row, layout)) = rows.next_row().unwrap() {
            findings.push(Finding::read(row, layout));
        }
        findings
    }

    fn read(file: &str) -> Finding {
        read_all(file).remove(0).unwrap()
    }

    #[test]
    fn a_tenable_row_uses_the_first_column_that_is_not_empty() {
        let header = "asset.id,asset.display_ipv4_address,asset.name,definition.id,definition.name,definition.cve,port,\
            protocol,severity,definition.severity,state,definition.cvss3.base_score,first_observed,last_seen\n";
        let finding = read(&format!(
            "{header}AB-1,\"10.0.0.1,10.0.0.2\",Web-01,33851,Daemons,\"CVE-2022-1, cve-2022-2;CVE-2022-1\",22,TCP,,HIGH,Active,7.5,\
             2022-06-27T12:27:30.880Z,2023-07-11"
        ));
        assert_eq!(
            (
                finding.host.as_str(),
                finding.ip.as_str(),
                finding.hostname.as_str()
            ),
            ("ab-1", "10.0.0.1", "Web-01")
        );
        assert_eq!(
            (finding.check.as_str(), finding.title.as_str()),
            ("33851", "Daemons")
        );
        assert_eq!(finding.cves, ["CVE-2022-1", "CVE-2022-2"]);
        assert_eq!(
            (finding.severity, finding.cvss),
            (Severity::High, Some(7.5))
        );
        assert_eq!((finding.state.as_str(), finding.is_gone), ("Active", false));
        assert_eq!(
            finding.first_seen_ms.map(clock::rfc3339).unwrap(),
            "2022-06-27T12:27:30.880Z"
        );
        assert_eq!(finding.last_seen_ms.map(clock::date).unwrap(), "2023-07-11");
        let fallback = read(&format!("{header},,Web-02,,Daemons,,,,4,Low,FIXED,,,"));
        assert_eq!(
            (fallback.host.as_str(), fallback.check.as_str()),
            ("web-02", "Daemons")
        );
        assert_eq!(
            (fallback.severity, fallback.is_gone),
            (Severity::Critical, true)
        );
    }

    #[test]
    fn a_nessus_host_is_an_address_or_a_name() {
        let header = "Plugin ID,CVE,CVSS,Risk,Host,Protocol,Port,Name,Solution\n";
        let named = read(&format!(
            "{header}1,CVE-2020-1,5.0,None,DB.example,tcp,5432,Old,Update"
        ));
        assert_eq!(
            (
                named.host.as_str(),
                named.ip.as_str(),
                named.hostname.as_str()
            ),
            ("db.example", "", "DB.example")
        );
        assert_eq!(
            (named.severity, named.solution.as_str()),
            (Severity::Info, "Update")
        );
        let addressed = read(&format!("{header}1,,,,fe80::1,tcp,5432,Old,"));
        assert_eq!(
            (addressed.ip.as_str(), addressed.hostname.as_str()),
            ("fe80::1", "")
        );
    }

    #[test]
    fn an_empty_severity_is_read_from_the_score_and_an_unknown_word_rejects_the_row() {
        let rows = read_all(
            "host,title,severity,cvss\na,x,,9.8\nb,x,,\nc,x,SUPER_CRITICAL,9.8\n,x,Low,\nd,,Low,\ne,x,,99\nf,x,Info,7.5,9\n",
        );
        let severities: Vec<_> = rows
            .iter()
            .map(|row| row.as_ref().map(|finding| finding.severity).ok())
            .collect();
        let expected = [
            Some(Severity::Critical),
            Some(Severity::Info),
            None,
            None,
            None,
            Some(Severity::Info),
            Some(Severity::Info),
        ];
        assert_eq!(severities, expected);
        let details = rows[2].as_ref().unwrap_err().details();
        assert_eq!(details["line_number"], 4);
        assert_eq!(details["column"], "severity");
        assert_eq!(details["received_value"], "SUPER_CRITICAL");
        assert_eq!(
            details["expected_values"],
            json!(["Critical", "High", "Medium", "Low", "Info"])
        );
        assert_eq!(rows[3].as_ref().unwrap_err().column, "host");
        assert_eq!(rows[4].as_ref().unwrap_err().column, "finding");
    }

    #[test]
    fn a_generic_row_may_have_nothing_but_a_cve_for_a_finding() {
        let finding = read("hostname,cve\nweb,CVE-2024-3094\n");
        assert_eq!(
            (finding.check.as_str(), finding.title.as_str()),
            ("CVE-2024-3094", "CVE-2024-3094")
        );
        assert_eq!(finding.cves, ["CVE-2024-3094"]);
    }

    #[test]
    fn ids_are_split_at_any_separator_and_words_are_none() {
        let table: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("NOCVE", &[]),
            ("n/a, none, -", &[]),
            (
                "CVE-2021-1;CVE-2021-2|CVE-2021-3\nCVE-2021-4  CVE-2021-5",
                &[
                    "CVE-2021-1",
                    "CVE-2021-2",
                    "CVE-2021-3",
                    "CVE-2021-4",
                    "CVE-2021-5",
                ],
            ),
            ("['CVE-2021-1', 'CVE-2021-1']", &["CVE-2021-1"]),
            (
                "Cisco-SA-20240101-Abc, ghsa-1234-abcd",
                &["cisco-sa-20240101-abc", "GHSA-1234-ABCD"],
            ),
        ];
        for (cell, expected) in table {
            assert_eq!(split_ids(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn a_cell_of_too_many_ids_rejects_its_row() {
        let ids = "CVE-2024-12345,".repeat(6_000);
        let rows = read_all(&format!(
            "host,title,severity,cve\na,x,Low,\"{ids}\"\nb,x,Low,CVE-2024-1\n"
        ));
        assert_eq!(rows[0].as_ref().unwrap_err().column, "cve");
        assert!(rows[1].is_ok());
    }
}
