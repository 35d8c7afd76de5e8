//! The usual names of columns, for tables of any origin.

use super::{Names, Role};

/// The usual names of a role's columns. Scores are told by what their names hold,
/// see [`column_rank`](super::cvss::column_rank).
pub fn usual(role: Role) -> Names {
    match role {
        Role::Host => HOST,
        Role::Ip => IP,
        Role::Hostname => HOSTNAME,
        Role::Check => CHECK,
        Role::Title => TITLE,
        Role::Cve => &[
            "cve",
            "cves",
            "cve id",
            "cve ids",
            "cve list",
            "cve number",
            "cve code",
        ],
        Role::Port => PORT,
        Role::Protocol => &[
            "protocol",
            "port protocol",
            "service protocol",
            "transport",
            "proto",
        ],
        Role::Severity => SEVERITY,
        Role::Cvss => &[],
        Role::State => &[
            "state",
            "status",
            "vuln status",
            "vulnerability status",
            "vulnerability state",
            "finding status",
        ],
        Role::Solution => SOLUTION,
        Role::FirstSeen => FIRST_SEEN,
        Role::LastSeen => LAST_SEEN,
    }
}

/// Parts of names that say something about severities and hold none.
pub const NO_SEVERITY: [&str; 9] = [
    "stig", "score", "count", "date", "override", "reason", "modif", "comment", "original",
];

const HOST: Names = &[
    "host",
    "asset id",
    "hostname",
    "host name",
    "ip",
    "ip address",
    "ipv4 address",
    "asset ipv4",
    "asset ip address",
    "asset ip",
    "host ip",
    "asset",
    "asset name",
    "dns",
    "dns name",
    "fqdn",
    "server",
    "server name",
    "computer",
    "computer name",
    "machine",
    "machine name",
    "device",
    "device name",
    "target",
    "node",
    "endpoint",
    "rechner",
];

const IP: Names = &[
    "ip",
    "ip address",
    "ip addresses",
    "ipv4",
    "ipv4 address",
    "asset ipv4",
    "asset ip address",
    "asset ip",
    "host ip",
    "ipv6",
    "ipv6 address",
    "asset ipv6",
];

const HOSTNAME: Names = &[
    "hostname",
    "host name",
    "asset name",
    "dns",
    "dns name",
    "fqdn",
    "netbios",
    "netbios name",
    "server",
    "server name",
    "computer name",
    "device name",
    "machine name",
];

const CHECK: Names = &[
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
    "vulnerability title",
    "vuln name",
    "vuln title",
    "finding",
    "finding name",
    "issue",
    "name",
    "titel",
    "schwachstelle",
];

const TITLE: Names = &[
    "title",
    "plugin name",
    "vulnerability name",
    "vulnerability title",
    "vuln name",
    "vuln title",
    "vulnerability",
    "finding",
    "finding name",
    "issue",
    "check",
    "name",
    "titel",
    "schwachstelle",
    "description",
];

const PORT: Names = &[
    "port",
    "service port",
    "protocol/port",
    "port/protocol",
    "port number",
    "ports",
    "affected port",
    "tcp port",
    "port id",
];

const SEVERITY: Names = &[
    "severity",
    "severity level",
    "severity rating",
    "severity label",
    "risk",
    "risk level",
    "risk rating",
    "risk factor",
    "criticality",
    "vulnerability severity",
    "vulnerability severity level",
    "vuln severity",
    "cve severity",
    "finding severity",
    "issue severity",
    "threat level",
    "threat",
    "priority",
    "level",
    "schweregrad",
    "risiko",
    "kritikalität",
];

const SOLUTION: Names = &[
    "solution",
    "remediation",
    "steps to remediate",
    "fix",
    "recommendation",
    "resolution",
    "mitigation",
];

const FIRST_SEEN: Names = &[
    "first seen",
    "first observed",
    "first found",
    "first detected",
    "first discovered",
    "discovered",
    "discovery date",
];

const LAST_SEEN: Names = &[
    "last seen",
    "last observed",
    "last found",
    "last detected",
    "last discovered",
    "last scanned",
    "scan date",
    "timestamp",
    "date",
];
