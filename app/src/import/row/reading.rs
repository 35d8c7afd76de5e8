//! What one row of a scan says: a finding on a host, that one is gone, nothing that
//! concerns us, or something that cannot be understood.

use std::collections::BTreeMap;

use super::cells::Cells;
use super::dates::Dates;
use super::ids::split_ids;
use super::rows::Row;
use crate::import::file::Layout;
use crate::import::host::Host;
use crate::import::rejection::{Reason, Rejection};
use crate::import::scanners::Role;
use crate::import::text::clean;
use crate::normal;
use crate::severity::{Severity, SeverityCell};
use crate::store::Seen;

/// Longest title, in characters.
const MAX_TITLE_CHARS: usize = 1_000;
/// Longest solution, in characters.
const MAX_SOLUTION_CHARS: usize = 8_000;
/// What a rejection shows of a cell, in characters.
const MAX_TOLD_CHARS: usize = 200;

/// What a row says.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// The finding is there.
    Present(Box<Finding>),
    /// The scanner says that a finding is gone: no record, but the host was scanned.
    Gone(Host, Seen),
    /// The row is no vulnerability, such as a check that was passed. If it names a
    /// host, that was scanned.
    Skipped(Option<Host>, Seen),
    /// It cannot be known what the row says.
    Rejected(Box<Rejection>),
}

/// A finding on a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub host: Host,
    /// What identifies the kind of finding: the scanner's number or name.
    pub check: String,
    /// The check in normal form.
    pub check_key: String,
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
    pub seen: Seen,
}

/// Reads the rows of one file.
#[derive(Debug, Default)]
pub struct Interpreter {
    /// Severities of words in lower case, before those that are known anyway.
    severity_map: BTreeMap<String, Severity>,
    pub dates: Dates,
    /// The time of the import, in milliseconds since the epoch.
    now_ms: i64,
    /// The cells of the last host, and what they say: rows of one host mostly follow
    /// each other.
    last_host: ([String; 3], Host),
}

impl Interpreter {
    pub fn new(severity_map: BTreeMap<String, Severity>, now_ms: i64) -> Interpreter {
        Interpreter {
            severity_map,
            now_ms,
            ..Interpreter::default()
        }
    }

    /// What a row says.
    pub fn read(&mut self, row: &Row, layout: &Layout) -> Reading {
        let cells = Cells { row, layout };
        let severity = cells.severity(&self.severity_map);
        let host = self.host(&cells);
        let state = cells.name(Role::State);
        let is_state = |words: &[&str]| words.iter().any(|word| state.eq_ignore_ascii_case(word));
        if severity == SeverityCell::CheckResult || is_state(layout.scanner.skipped_states) {
            let host = Some(host).filter(|host| !host.key.is_empty());
            return Reading::Skipped(host, self.seen(&cells));
        }
        match cells.finding(host, severity, &state) {
            Err(rejection) => Reading::Rejected(rejection),
            Ok(finding) if is_state(layout.scanner.gone_states) => {
                Reading::Gone(finding.host, self.seen(&cells))
            }
            Ok(mut finding) => {
                finding.seen = self.seen(&cells);
                Reading::Present(Box::new(finding))
            }
        }
    }

    fn host(&mut self, cells: &Cells<'_>) -> Host {
        let written = [Role::Host, Role::Ip, Role::Hostname].map(|role| cells.first(role));
        let (known, host) = &self.last_host;
        if written != *known {
            self.last_host = (written.map(str::to_owned), cells.host());
            return self.last_host.1.clone();
        }
        host.clone()
    }

    fn seen(&mut self, cells: &Cells<'_>) -> Seen {
        let (first, last) = (cells.first(Role::FirstSeen), cells.first(Role::LastSeen));
        self.dates.read(first, last, self.now_ms)
    }
}

impl Cells<'_> {
    fn finding(
        &self,
        host: Host,
        cell: SeverityCell,
        state: &str,
    ) -> Result<Finding, Box<Rejection>> {
        let ids = self.first(Role::Cve);
        let cve_columns = self.layout.slots(Role::Cve);
        let is_cut = cve_columns.iter().any(|slot| self.row.is_cut(*slot));
        let cves = if is_cut { vec![] } else { split_ids(ids) };
        let mut check = self.identity(Role::Check);
        if check.is_empty() && self.layout.scanner.is_generic() {
            check = cves.first().cloned().unwrap_or_default();
        }
        let reject = |column, received, reason| {
            Err(Box::new(Rejection {
                line: self.row.line,
                column,
                received: clean(received, MAX_TOLD_CHARS),
                reason,
                host: host.clone(),
                check_key: normal::check(&check),
            }))
        };
        if host.key.is_empty() {
            let received = self.first(Role::Host);
            return reject("host", received, missing(received, Reason::MissingHost));
        }
        if check.is_empty() && !is_cut {
            let received = self.first(Role::Check);
            let reason = missing(received, Reason::MissingFinding);
            return reject("finding", received, reason);
        }
        if is_cut {
            return reject("cve", ids, Reason::OversizedCveCell);
        }
        let cvss = self.score();
        let severity = match (cell, cvss) {
            (SeverityCell::Known(severity), _) => severity,
            (SeverityCell::Empty, Some(score)) => Severity::from_cvss(score),
            (SeverityCell::Empty, None) => {
                let (column, received) = match self.first(Role::Cvss) {
                    "" => ("severity", self.first(Role::Severity)),
                    score => ("cvss", score),
                };
                return reject(column, received, Reason::MissingSeverity);
            }
            (SeverityCell::Unknown | SeverityCell::CheckResult, _) => {
                let received = self.first(Role::Severity);
                return reject("severity", received, Reason::UnknownSeverity);
            }
        };
        let title = clean(self.first(Role::Title), MAX_TITLE_CHARS);
        let (mut port, protocol) =
            normal::port_and_protocol(&self.name(Role::Port), &self.name(Role::Protocol));
        if port.is_empty() {
            let written = normal::host_and_port(self.first(Role::Host)).1;
            written.unwrap_or_default().clone_into(&mut port);
        }
        Ok(Finding {
            host,
            title: if title.is_empty() {
                check.clone()
            } else {
                title
            },
            check_key: normal::check(&check),
            check,
            solution: clean(self.first(Role::Solution), MAX_SOLUTION_CHARS),
            port,
            protocol,
            severity,
            cvss,
            state: state.to_owned(),
            cves,
            seen: Seen::default(),
        })
    }
}

/// Why a cell that has to identify something does not.
fn missing(received: &str, reason: Reason) -> Reason {
    if normal::is_rounded_number(received) {
        Reason::RoundedNumber
    } else {
        reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::import::file::{tests::Pieces, Decoder, Mappings};
    use crate::import::row::Rows;
    use serde_json::json;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn read_all(file: &str) -> Vec<Reading> {
        let mut interpreter = Interpreter::new(BTreeMap::new(), NOW_MS);
        let mut text = Decoder::new(Pieces::new(file.as_bytes(), 1000));
        let (layout, rest) = Layout::detect(&mut text, &Mappings::default()).unwrap();
        let mut rows = Rows::new(text, layout, rest);
        let mut findings = Vec::new();
        while let Some((row, layout)) = rows.next_row().unwrap() {
            findings.push(interpreter.read(row, layout));
        }
        findings
    }

    fn read(file: &str) -> Finding {
        match read_all(file).remove(0) {
            Reading::Present(finding) => *finding,
            other => panic!("{other:?}"),
        }
    }

    fn rejection(reading: &Reading) -> &Rejection {
        match reading {
            Reading::Rejected(rejection) => rejection,
            other => panic!("{other:?}"),
        }
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
                finding.host.key.as_str(),
                finding.host.ip.as_str(),
                finding.host.name.as_str()
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
        assert_eq!(finding.state, "Active");
        assert_eq!(
            finding
                .seen
                .month_first
                .first_ms
                .map(clock::rfc3339)
                .unwrap(),
            "2022-06-27T12:27:30.880Z"
        );
        assert_eq!(
            finding.seen.month_first.last_ms.map(clock::date).unwrap(),
            "2023-07-11"
        );
        let fallback = read(&format!("{header},,Web-02,,Daemons,,,,4,Low,NEW,,,"));
        assert_eq!(
            (fallback.host.key.as_str(), fallback.check.as_str()),
            ("web-02", "Daemons")
        );
        assert_eq!(fallback.severity, Severity::Critical);
        let gone = read_all(&format!("{header},,Web-02,,Daemons,,,,4,Low,FIXED,,,")).remove(0);
        let host = Host {
            key: "web-02".to_owned(),
            name: "Web-02".to_owned(),
            is_joinable: true,
            ..Host::default()
        };
        assert_eq!(gone, Reading::Gone(host, Seen::default()));
    }

    #[test]
    fn a_nessus_host_is_an_address_or_a_name() {
        let header = "Plugin ID,CVE,CVSS,Risk,Host,Protocol,Port,Name,Solution\n";
        let named = read(&format!(
            "{header}1,CVE-2020-1,5.0,None,DB.example,tcp,5432,Old,Update"
        ));
        assert_eq!(
            (
                named.host.key.as_str(),
                named.host.ip.as_str(),
                named.host.name.as_str()
            ),
            ("db.example", "", "DB.example")
        );
        assert_eq!(
            (named.severity, named.solution.as_str()),
            (Severity::Info, "Update")
        );
        let addressed = read(&format!("{header}1,,,Low,fe80::1,tcp,5432,Old,"));
        assert_eq!(
            (addressed.host.ip.as_str(), addressed.host.name.as_str()),
            ("fe80::1", "")
        );
    }

    #[test]
    fn a_row_whose_severity_cannot_be_known_is_rejected() {
        use Reason::{MissingSeverity, UnknownSeverity};
        let table = [
            ("Low,", Ok(Severity::Low)),
            ("Info,7.5", Ok(Severity::Info)),
            (",9.8", Ok(Severity::Critical)),
            (",\"9,8\"", Ok(Severity::Critical)),
            (",9.8/10", Ok(Severity::Critical)),
            (",0.0", Ok(Severity::Info)),
            ("Unknown,5.0", Ok(Severity::Medium)),
            (
                ",CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H",
                Ok(Severity::High),
            ),
            (",", Err(("severity", "", MissingSeverity))),
            (
                "untriaged,",
                Err(("severity", "untriaged", MissingSeverity)),
            ),
            (",99", Err(("cvss", "99", MissingSeverity))),
            (",soon", Err(("cvss", "soon", MissingSeverity))),
            (
                "SUPER_CRITICAL,9.8",
                Err(("severity", "SUPER_CRITICAL", UnknownSeverity)),
            ),
        ];
        for (cells, expected) in table {
            let reading = read_all(&format!("host,title,severity,cvss\na,x,{cells}\n")).remove(0);
            let read = match &reading {
                Reading::Present(finding) => Ok(finding.severity),
                Reading::Rejected(r) => Err((r.column, r.received.as_str(), r.reason)),
                other => panic!("{other:?}"),
            };
            assert_eq!(read, expected, "{cells}");
        }
    }

    #[test]
    fn a_rejection_tells_what_the_row_may_have_been_about() {
        let rows =
            read_all("host,ip,title,severity\nA,10.0.0.1,x,SUPER_CRITICAL\n,,x,Low\nd,,,Low\n");
        let details = rejection(&rows[0]).details();
        assert_eq!(details["line_number"], 2);
        assert_eq!(details["column"], "severity");
        assert_eq!(details["received_value"], "SUPER_CRITICAL");
        assert_eq!(details["reason"], "unknown_severity");
        assert_eq!(
            details["expected_values"],
            json!(["Critical", "High", "Medium", "Low", "Info"])
        );
        let about: Vec<_> = rows
            .iter()
            .map(|row| {
                let r = rejection(row);
                (r.reason, r.host.key.as_str(), r.check_key.as_str())
            })
            .collect();
        assert_eq!(
            about,
            [
                (Reason::UnknownSeverity, "a", "x"),
                (Reason::MissingHost, "", "x"),
                (Reason::MissingFinding, "d", "")
            ]
        );
    }

    #[test]
    fn rows_that_are_no_vulnerabilities_are_skipped() {
        let host = |key: &str| {
            Some(Host {
                key: key.to_owned(),
                name: key.to_owned(),
                is_joinable: true,
                ..Host::default()
            })
        };
        let rows = read_all(
            "host,title,severity,status\na,x,PASSED,\nb,,Failed,\nc,x,High,pass\n,x,PASSED,\nd,x,High,FAIL\n",
        );
        assert_eq!(rows[0], Reading::Skipped(host("a"), Seen::default()));
        assert_eq!(rows[1], Reading::Skipped(host("b"), Seen::default()));
        assert_eq!(rows[2], Reading::Skipped(host("c"), Seen::default()));
        assert_eq!(rows[3], Reading::Skipped(None, Seen::default()));
        assert!(matches!(rows[4], Reading::Present(_)));
    }

    #[test]
    fn a_generic_row_may_have_nothing_but_a_cve_for_a_finding() {
        let finding = read("hostname,cve,risk\nweb,CVE-2024-3094,Low\n");
        assert_eq!(
            (finding.check.as_str(), finding.title.as_str()),
            ("CVE-2024-3094", "CVE-2024-3094")
        );
        assert_eq!(finding.cves, ["CVE-2024-3094"]);
    }

    #[test]
    fn i67_a_cell_of_too_many_ids_rejects_its_row() {
        let ids = "CVE-2024-12345,".repeat(6_000);
        let rows = read_all(&format!(
            "host,title,severity,cve\na,x,Low,\"{ids}\"\nb,x,Low,CVE-2024-1\n"
        ));
        assert_eq!(rejection(&rows[0]).reason, Reason::OversizedCveCell);
        assert_eq!(rejection(&rows[0]).check_key, "x");
        assert!(matches!(rows[1], Reading::Present(_)));
    }
}
