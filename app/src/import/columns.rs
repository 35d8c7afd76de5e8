//! The exports that are known: what their columns are called and what they hold.

use serde_json::{json, Map, Value};

/// The exports that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Findings of Tenable Vulnerability Management (`asset.*`, `definition.*`).
    Tenable,
    /// The CSV export of a Nessus scan.
    Nessus,
    /// The CSV report of OpenVAS and Greenbone.
    OpenVas,
    /// Any table with the usual names for host, finding and severity.
    Generic,
}

impl Format {
    /// The name in answers, in the history, and as the label of a vendor.
    pub fn name(self) -> &'static str {
        match self {
            Format::Tenable => "tenable",
            Format::Nessus => "nessus",
            Format::OpenVas => "openvas",
            Format::Generic => "generic",
        }
    }
}

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

/// How many roles there are.
pub const ROLES: usize = 14;

/// The columns to try for a role, by their names in lower case with `_` as a
/// space; the first that is not empty wins.
pub type Columns = &'static [(Role, &'static [&'static str])];

const TENABLE: Columns = &[
    (
        Role::Host,
        &["asset.id", "asset.display ipv4 address", "asset.name"],
    ),
    (
        Role::Ip,
        &["asset.display ipv4 address", "asset.ipv4 addresses"],
    ),
    (
        Role::Hostname,
        &["asset.name", "asset.host name", "asset.display fqdn"],
    ),
    (Role::Check, &["definition.id", "definition.name"]),
    (Role::Title, &["definition.name", "definition.id"]),
    (Role::Cve, &["definition.cve"]),
    (Role::Port, &["port"]),
    (Role::Protocol, &["protocol"]),
    (Role::Severity, &["severity", "definition.severity"]),
    (
        Role::Cvss,
        &[
            "definition.cvss4.base score",
            "definition.cvss3.base score",
            "definition.cvss2.base score",
        ],
    ),
    (Role::State, &["state"]),
    (Role::Solution, &["definition.solution"]),
    (
        Role::FirstSeen,
        &["first observed", "first found", "first seen"],
    ),
    (
        Role::LastSeen,
        &["last seen", "last found", "last observed"],
    ),
];

const NESSUS: Columns = &[
    (Role::Host, &["host"]),
    (Role::Ip, &["ip address"]),
    (Role::Hostname, &["fqdn", "dns name", "netbios name"]),
    (Role::Check, &["plugin id", "name"]),
    (Role::Title, &["name", "plugin name"]),
    (Role::Cve, &["cve"]),
    (Role::Port, &["port"]),
    (Role::Protocol, &["protocol"]),
    (Role::Severity, &["risk"]),
    (
        Role::Cvss,
        &[
            "cvss v4.0 base score",
            "cvss v3.0 base score",
            "cvss v2.0 base score",
            "cvss",
        ],
    ),
    (Role::State, &["vulnerability state"]),
    (Role::Solution, &["solution"]),
    (
        Role::FirstSeen,
        &["first found", "first discovered", "first seen"],
    ),
    (
        Role::LastSeen,
        &["last found", "last observed", "last seen", "host end"],
    ),
];

const OPENVAS: Columns = &[
    (Role::Host, &["ip", "hostname"]),
    (Role::Ip, &["ip"]),
    (Role::Hostname, &["hostname"]),
    (Role::Check, &["nvt oid", "nvt name"]),
    (Role::Title, &["nvt name", "nvt oid"]),
    (Role::Cve, &["cves"]),
    (Role::Port, &["port"]),
    (Role::Protocol, &["port protocol"]),
    (Role::Severity, &["severity"]),
    (Role::Cvss, &["cvss"]),
    (Role::Solution, &["solution"]),
    (Role::LastSeen, &["timestamp"]),
];

const GENERIC: Columns = &[
    (
        Role::Host,
        &[
            "host",
            "asset id",
            "hostname",
            "host name",
            "ip",
            "ip address",
            "asset",
            "asset name",
            "dns",
            "dns name",
            "fqdn",
            "server",
            "computer",
            "device",
            "target",
        ],
    ),
    (Role::Ip, &["ip", "ip address", "ipv4", "host ip"]),
    (
        Role::Hostname,
        &[
            "hostname",
            "host name",
            "asset name",
            "dns",
            "dns name",
            "fqdn",
            "netbios",
            "server",
        ],
    ),
    (
        Role::Check,
        &[
            "plugin id",
            "plugin",
            "qid",
            "check id",
            "check",
            "vulnerability id",
            "vuln id",
            "finding id",
            "rule id",
            "title",
            "plugin name",
            "vulnerability",
            "vulnerability name",
            "finding",
            "name",
        ],
    ),
    (
        Role::Title,
        &[
            "title",
            "plugin name",
            "vulnerability name",
            "vulnerability",
            "finding",
            "check",
            "name",
            "description",
        ],
    ),
    (Role::Cve, &["cve", "cves", "cve id", "cve ids"]),
    (Role::Port, &["port"]),
    (Role::Protocol, &["protocol", "port protocol"]),
    (
        Role::Severity,
        &["severity", "risk", "criticality", "priority", "level"],
    ),
    (
        Role::Cvss,
        &[
            "cvss v4.0 base score",
            "cvss v3.0 base score",
            "cvss v3.1 base",
            "cvss3.1 base",
            "cvss3 base",
            "cvss v3",
            "cvss score",
            "cvss",
            "cvss base",
            "base score",
            "cvss v2.0 base score",
        ],
    ),
    (Role::State, &["state", "status", "vuln status"]),
    (
        Role::Solution,
        &[
            "solution",
            "remediation",
            "steps to remediate",
            "fix",
            "recommendation",
        ],
    ),
    (
        Role::FirstSeen,
        &[
            "first seen",
            "first observed",
            "first found",
            "first detected",
            "first discovered",
        ],
    ),
    (
        Role::LastSeen,
        &[
            "last seen",
            "last observed",
            "last found",
            "last detected",
            "scan date",
            "timestamp",
            "date",
        ],
    ),
];

/// Which export has these columns, and what its columns hold; `None` if it is none
/// that is known. The names must be [`normal`].
pub fn recognize(names: &[String]) -> Option<(Format, Columns)> {
    let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&name.as_str()));
    let has_role = |columns: Columns, role| has(candidates(columns, role));
    let is_generic = has_role(GENERIC, Role::Host)
        && (has_role(GENERIC, Role::Check) || has_role(GENERIC, Role::Cve))
        && [Role::Severity, Role::Cvss, Role::Cve]
            .iter()
            .any(|role| has_role(GENERIC, *role));
    if has(&["definition.id", "definition.name"]) && has_role(TENABLE, Role::Host) {
        Some((Format::Tenable, TENABLE))
    } else if has(&["nvt oid", "nvt name"]) && has_role(OPENVAS, Role::Host) {
        Some((Format::OpenVas, OPENVAS))
    } else if has(&["plugin id"]) && has(&["host"]) && has(&["risk"]) {
        Some((Format::Nessus, NESSUS))
    } else {
        is_generic.then_some((Format::Generic, GENERIC))
    }
}

/// Names compare without letter case, outer space, and the choice between `_`
/// and a space.
pub fn normal(name: &str) -> String {
    name.trim().to_lowercase().replace('_', " ")
}

/// For each format what its header must hold; names in one string are
/// alternatives.
pub fn columns_wanted() -> Value {
    let any = |columns, role| candidates(columns, role).join(" | ");
    // Tenable writes all its names with underscores.
    let tenable = [Role::Host, Role::Check].map(|role| {
        let names = candidates(TENABLE, role).iter();
        names
            .map(|name| name.replace(' ', "_"))
            .collect::<Vec<_>>()
            .join(" | ")
    });
    let mut wanted = Map::new();
    let mut add = |format: Format, columns: Vec<String>| {
        wanted.insert(format.name().to_owned(), json!(columns));
    };
    add(Format::Tenable, tenable.to_vec());
    add(
        Format::Nessus,
        vec!["Host".into(), "Plugin ID".into(), "Risk".into()],
    );
    add(
        Format::OpenVas,
        vec!["IP | Hostname".into(), "NVT OID | NVT Name".into()],
    );
    let generic = [Role::Host, Role::Check, Role::Severity].map(|role| any(GENERIC, role));
    add(Format::Generic, generic.to_vec());
    Value::Object(wanted)
}

fn candidates(columns: Columns, role: Role) -> &'static [&'static str] {
    columns
        .iter()
        .find(|(known, _)| *known == role)
        .map_or(&[], |(_, names)| names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognized(header: &str) -> Option<Format> {
        let names: Vec<String> = header.split(',').map(normal).collect();
        recognize(&names).map(|(format, _)| format)
    }

    #[test]
    fn a_table_is_generic_only_with_a_host_a_finding_and_how_bad_it_is() {
        assert_eq!(
            recognized(" HOST_NAME ,Vuln ID,Risk"),
            Some(Format::Generic)
        );
        assert_eq!(recognized("host,cve"), Some(Format::Generic));
        assert_eq!(recognized("host,title,cvss"), Some(Format::Generic));
        assert_eq!(recognized("host,title"), None);
        assert_eq!(recognized("title,severity,cve"), None);
        assert_eq!(recognized("host,severity"), None);
    }

    #[test]
    fn what_is_wanted_is_told_for_each_format() {
        let wanted = columns_wanted();
        for format in [
            Format::Tenable,
            Format::Nessus,
            Format::OpenVas,
            Format::Generic,
        ] {
            assert!(
                !wanted[format.name()].as_array().unwrap().is_empty(),
                "{format:?}"
            );
        }
        assert!(wanted["tenable"][0]
            .as_str()
            .unwrap()
            .contains("asset.display_ipv4_address"));
    }
}
