//! The exports that are known: how each is recognised, and where its rows hold what.
//! A further scanner is one entry in the table of `known.rs`.

mod cvss;
mod known;
mod mapping;
#[cfg(test)]
mod page;
mod synonyms;

use serde_json::{json, Map, Value};

use crate::severity::NumberScale;
pub use mapping::Mapping;

use known::SCANNERS;
use synonyms::{usual, NO_SEVERITY};

/// What the importer reads of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Host,
    Ip,
    Hostname,
    Check,
    Title,
    Cve,
    Port,
    Protocol,
    Severity,
    Cvss,
    State,
    Solution,
    FirstSeen,
    LastSeen,
}

impl Role {
    pub const ALL: [Role; 14] = [
        Role::Host,
        Role::Ip,
        Role::Hostname,
        Role::Check,
        Role::Title,
        Role::Cve,
        Role::Port,
        Role::Protocol,
        Role::Severity,
        Role::Cvss,
        Role::State,
        Role::Solution,
        Role::FirstSeen,
        Role::LastSeen,
    ];

    /// The name in a column mapping.
    pub fn field(self) -> &'static str {
        match self {
            Role::Host => "host",
            Role::Ip => "ip",
            Role::Hostname => "hostname",
            Role::Check => "check",
            Role::Title => "title",
            Role::Cve => "cve",
            Role::Port => "port",
            Role::Protocol => "protocol",
            Role::Severity => "severity",
            Role::Cvss => "cvss",
            Role::State => "state",
            Role::Solution => "solution",
            Role::FirstSeen => "firstSeen",
            Role::LastSeen => "lastSeen",
        }
    }

    /// The opposite of [`field`](Self::field).
    pub fn from_field(field: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.field() == field)
    }
}

/// Names of columns, the first that is not empty in a row counts.
pub type Names = &'static [&'static str];

/// An export that can be imported.
#[derive(Debug)]
pub struct Scanner {
    /// Its name in answers and in the history, and the label of its findings.
    pub label: &'static str,
    /// A header is of this scanner if it has a column of each of these lists.
    pub(super) signature: &'static [Names],
    /// Where its rows hold what. A role that is not here has the usual names.
    pub(super) columns: &'static [(Role, Names)],
    pub scale: NumberScale,
    /// Words in the state column, in lower case, of rows that are no vulnerability.
    pub skipped_states: Names,
    /// The same of findings that are gone.
    pub gone_states: Names,
}

pub(super) const PLAIN: Scanner = Scanner {
    label: "generic",
    signature: &[],
    columns: &[],
    scale: NumberScale::ZeroToFour,
    skipped_states: &["pass", "passed"],
    gone_states: &["fixed", "closed", "resolved", "remediated"],
};

/// Any table with the usual names for host, finding and severity.
pub static GENERIC: Scanner = PLAIN;

impl Scanner {
    /// Whether this is no scanner that is known, but any table.
    pub fn is_generic(&self) -> bool {
        std::ptr::eq(self, &GENERIC)
    }

    /// The columns of a header in which a role is looked for, in order. The names
    /// must be [`normal`].
    pub fn columns_of(&self, role: Role, header: &[String]) -> Vec<usize> {
        if role == Role::Cvss {
            return cvss_columns(header);
        }
        let wanted: Vec<String> = self.names(role).iter().map(|name| normal(name)).collect();
        let named = wanted.iter().flat_map(|wanted| {
            let columns = header.iter().enumerate();
            columns
                .filter(move |(_, name)| *name == wanted)
                .map(|(column, _)| column)
        });
        let mut columns: Vec<usize> = named.collect();
        if columns.is_empty() && role == Role::Severity {
            columns = severity_columns(header);
        }
        columns
    }

    fn names(&self, role: Role) -> Names {
        let own = self.columns.iter().find(|(known, _)| *known == role);
        own.map_or_else(|| usual(role), |(_, names)| names)
    }

    fn fits(&self, header: &[String]) -> bool {
        let has = |names: &Names| names.iter().any(|name| header.contains(&normal(name)));
        let has_role = |role| !self.columns_of(role, header).is_empty();
        self.signature.iter().all(has)
            && has_role(Role::Host)
            && (has_role(Role::Check) || has_role(Role::Cve))
            && (has_role(Role::Severity) || has_role(Role::Cvss))
    }
}

/// The labels of all scanners that are recognised, each once.
pub fn scanner_labels() -> Vec<&'static str> {
    let mut labels: Vec<&str> = SCANNERS.iter().map(|scanner| scanner.label).collect();
    labels.dedup();
    labels
}

/// Which export has these columns; `None` if it is none that can be imported. The
/// names must be [`normal`].
pub fn recognize(header: &[String]) -> Option<&'static Scanner> {
    let known = SCANNERS.iter().find(|scanner| scanner.fits(header));
    known.or_else(|| GENERIC.fits(header).then_some(&GENERIC))
}

/// The same with columns that are mapped: whichever export it is, the columns that a
/// row needs may be mapped.
pub fn recognize_mapped(
    header: &[String],
    mapped: &[(Role, Vec<String>)],
) -> Option<&'static Scanner> {
    let is_there =
        |(_, names): &(Role, Vec<String>)| names.iter().any(|name| header.contains(name));
    if !mapped.iter().all(is_there) {
        return None;
    }
    let known = SCANNERS.iter().find(|scanner| scanner.fits(header));
    let scanner = known.unwrap_or(&GENERIC);
    let has = |role| {
        mapped.iter().any(|(known, _)| *known == role)
            || !scanner.columns_of(role, header).is_empty()
    };
    let is_usable = has(Role::Host)
        && (has(Role::Check) || has(Role::Cve))
        && (has(Role::Severity) || has(Role::Cvss));
    is_usable.then_some(scanner)
}

/// The columns that a mapping gives a role, in its order.
pub fn mapped_columns(mapped: &[(Role, Vec<String>)], role: Role, header: &[String]) -> Vec<usize> {
    let names = mapped
        .iter()
        .filter(|(known, _)| *known == role)
        .flat_map(|(_, names)| names);
    let columns = names.flat_map(|wanted| {
        let columns = header.iter().enumerate();
        columns
            .filter(move |(_, name)| *name == wanted)
            .map(|(column, _)| column)
    });
    columns.collect()
}

/// Of names only letters and digits compare, without letter case: what else stands
/// between words differs from release to release, and some of it cannot be seen.
pub fn normal(name: &str) -> String {
    let kept = name.chars().filter(|c| c.is_alphanumeric());
    kept.flat_map(char::to_lowercase).collect()
}

/// The columns with CVSS scores and vectors, the most telling first.
fn cvss_columns(header: &[String]) -> Vec<usize> {
    let ranked = header
        .iter()
        .enumerate()
        .filter_map(|(column, name)| Some((cvss::column_rank(name)?, column)));
    let mut ranked: Vec<(u8, usize)> = ranked.collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, column)| column).collect()
}

/// Columns that must be severities by what their names hold.
fn severity_columns(header: &[String]) -> Vec<usize> {
    let is_severity = |name: &str| {
        let has = |part: &&str| name.contains(*part);
        ["severity", "schweregrad", "risklevel", "riskrating"]
            .iter()
            .any(&has)
            && !NO_SEVERITY.iter().any(has)
            && !name.ends_with("id")
    };
    let named = header
        .iter()
        .enumerate()
        .filter(|(_, name)| is_severity(name));
    named.map(|(column, _)| column).collect()
}

/// For each scanner what its header must hold; names in one string are
/// alternatives.
pub fn columns_wanted() -> Value {
    let mut wanted = Map::new();
    for scanner in &SCANNERS {
        let lists = scanner.signature.iter().map(|names| names.join(" | "));
        let lists: Vec<String> = lists.collect();
        wanted.entry(scanner.label).or_insert_with(|| json!(lists));
    }
    let usual = [Role::Host, Role::Check, Role::Severity].map(|role| usual(role).join(" | "));
    wanted.insert(GENERIC.label.to_owned(), json!(usual));
    Value::Object(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognized(header: &str) -> Option<&'static str> {
        let names: Vec<String> = header.split(',').map(normal).collect();
        recognize(&names).map(|scanner| scanner.label)
    }

    #[test]
    fn a_table_is_generic_only_with_a_host_a_finding_and_how_bad_it_is() {
        let table = [
            (" HOST_NAME ,Vuln ID,Risk", Some("generic")),
            ("host,title,cvss", Some("generic")),
            ("host,cve,cvss vector", Some("generic")),
            (
                "host\u{200b},\u{feff}title,Severity\u{a0}Level",
                Some("generic"),
            ),
            ("host,cve", None),
            ("host,title", None),
            ("title,severity,cve", None),
            ("host,severity", None),
            ("host,title,severity score", None),
        ];
        for (header, expected) in table {
            assert_eq!(recognized(header), expected, "{header}");
        }
    }

    #[test]
    fn i19_each_scanner_is_recognised_by_the_columns_that_name_it() {
        let table: [(&str, &[&str]); 22] = [
            (
                "tenable",
                &[
                    "definition.id,asset.id",
                    "definition.name,asset.display_ipv4_address",
                    "definition.name,asset.name",
                ],
            ),
            (
                "tenable-io",
                &[
                    "Plugin ID,Host,Risk,Asset UUID",
                    "Plugin ID,Host,Risk,Vulnerability State",
                ],
            ),
            (
                "tenable-sc",
                &[
                    "Plugin,Plugin Name,Severity,IP Address",
                    "Plugin,Plugin Name,Severity,DNS Name",
                ],
            ),
            ("nessus", &["Plugin ID,Host,Risk"]),
            ("openvas", &["NVT OID,IP,CVSS", "NVT Name,Hostname"]),
            ("qualys", &["QID,IP", "QID,Asset IPV4"]),
            (
                "rapid7",
                &[
                    "Vulnerability ID,Asset IP Address,Vulnerability Severity Level",
                    "Vulnerability Title,Asset Names,Vulnerability Test Result Code",
                ],
            ),
            (
                "wiz",
                &["Wiz URL,AssetName,Name", "Wiz URL,Resource Name,Title"],
            ),
            ("defender", &["DeviceName,CveId,SoftwareName"]),
            ("inspector", &["Finding ARN,Resource ID,Title"]),
            ("crowdstrike", &["ExPRT Rating,Hostname,CVE ID"]),
            ("trivy", &["VulnerabilityID,PkgName,Target"]),
            (
                "grype",
                &["Version Installed,Package,Vulnerability ID,Image"],
            ),
            (
                "prowler",
                &[
                    "CHECK_ID,RESOURCE_UID,SEVERITY,STATUS",
                    "ACCOUNT_NUM,TITLE_ID,CHECK_RESULT,CHECK_SEVERITY",
                ],
            ),
            ("twistlock", &["Compliance ID,CVE ID,Packages,Hostname"]),
            (
                "blackduck",
                &["Vulnerability id,Security Risk,Project name"],
            ),
            (
                "sysdig",
                &[
                    "Vulnerability ID,Package name,Package type,Image",
                    "Vulnerability Name,Package name,Package type,Image",
                ],
            ),
            (
                "defectdojo",
                &[
                    "Title,Severity,Url,FalsePositive",
                    "Title,Severity,Endpoint,CweId",
                ],
            ),
            (
                "hextrackr",
                &[
                    "hostname,ip_address,vpr_score,vendor,plugin_id",
                    "hostname,ip_address,vpr_score,vendor,plugin_name",
                ],
            ),
            (
                "alertlogic",
                &["Asset Key,Asset Name,Protocol/Port,Vulnerability"],
            ),
            (
                "trustwave",
                &["Target Name,Vulnerability Name,Remediation,IP"],
            ),
            ("generic", &["host,title", "host,cve"]),
        ];
        for (label, headers) in table {
            for header in headers {
                let header = format!("{header},Severity");
                assert_eq!(recognized(&header), Some(label), "{header}");
            }
        }
    }

    #[test]
    fn severities_are_found_under_the_names_that_people_give_them() {
        for name in [
            "Severity",
            "SEVERITY_LEVEL",
            "Risk Level",
            "cve_severity",
            "Schweregrad",
            "Risk Factor",
            "Vulnerability Severity",
            "severityLabel",
            "Criticality",
            "Issue Severity (text)",
        ] {
            assert_eq!(
                recognized(&format!("host,title,{name}")),
                Some("generic"),
                "{name}"
            );
        }
    }

    #[test]
    fn scores_are_found_under_the_names_that_scanners_give_them() {
        for name in [
            "CVSSv3",
            "CVSS V3 Base Score",
            "CVSS3 Base Score",
            "CVSS v3 Score",
            "NVD CVSS3 Score",
            "CVSSv3.1 Base (nvd)",
            "cve_cvss_score",
            "Base Score",
            "cvss.score",
        ] {
            assert_eq!(
                recognized(&format!("host,title,{name}")),
                Some("generic"),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_wanted_is_told_for_each_scanner() {
        let wanted = columns_wanted();
        for scanner in SCANNERS.iter().chain([&GENERIC]) {
            let columns = wanted[scanner.label].as_array().unwrap();
            assert!(!columns.is_empty(), "{}", scanner.label);
        }
        assert!(wanted["tenable"][1]
            .as_str()
            .unwrap()
            .contains("asset.display_ipv4_address"));
    }
}
