//! The scanners whose exports are known, one entry for each form of an export.

use super::{Names, Role, Scanner, PLAIN};
use crate::severity::NumberScale;

/// In the order in which they are tried.
#[rustfmt::skip]
pub static SCANNERS: [Scanner; 24] = [
    // Tenable Vulnerability Management: findings.
    Scanner {
        label: "tenable",
        signature: &[
            &["definition.id", "definition.name"],
            &["asset.id", "asset.display_ipv4_address", "asset.name"],
        ],
        columns: &[
            (Role::Host, &["asset.id", "asset.display_ipv4_address", "asset.name"]),
            (Role::Ip, &["asset.display_ipv4_address", "asset.ipv4_addresses"]),
            (Role::Hostname, &["asset.name", "asset.host_name", "asset.display_fqdn"]),
            (Role::Check, &["definition.id", "definition.name"]),
            (Role::Title, &["definition.name", "definition.id"]),
            (Role::Cve, &["definition.cve"]),
            (Role::Port, &["port"]),
            (Role::Protocol, &["protocol"]),
            (Role::Severity, &["severity", "definition.severity"]),
            (Role::State, &["state"]),
            (Role::Solution, &["definition.solution"]),
            (Role::FirstSeen, &["first_observed", "first_found", "first_seen"]),
            (Role::LastSeen, &["last_seen", "last_found", "last_observed"]),
        ],
        ..PLAIN
    },
    // OpenVAS and Greenbone: CSV reports.
    Scanner {
        label: "openvas",
        signature: &[&["NVT OID", "NVT Name"], &["IP", "Hostname"]],
        columns: &[
            (Role::Host, &["IP", "Hostname"]),
            (Role::Ip, &["IP"]),
            (Role::Hostname, &["Hostname"]),
            (Role::Check, &["NVT OID", "NVT Name"]),
            (Role::Title, &["NVT Name", "NVT OID"]),
            (Role::Cve, &["CVEs"]),
            (Role::Port, &["Port"]),
            (Role::Protocol, &["Port Protocol"]),
            (Role::Severity, &["Severity"]),
            (Role::Solution, &["Solution"]),
            (Role::LastSeen, &["Timestamp"]),
        ],
        ..PLAIN
    },
    // Tenable.io: vulnerabilities by asset, the older form of its exports.
    Scanner {
        label: "tenable-io",
        signature: &[
            &["Plugin ID"],
            &["Host"],
            &["Risk"],
            &["Asset UUID", "Vulnerability State"],
        ],
        columns: NESSUS_COLUMNS,
        ..PLAIN
    },
    // Nessus: CSV export of a scan.
    Scanner {
        label: "nessus",
        signature: &[&["Plugin ID"], &["Host"], &["Risk"]],
        columns: NESSUS_COLUMNS,
        ..PLAIN
    },
    // Tenable Security Center: vulnerability detail list.
    Scanner {
        label: "tenable-sc",
        signature: &[
            &["Plugin"],
            &["Plugin Name"],
            &["Severity"],
            &["IP Address", "DNS Name"],
        ],
        columns: &[
            (Role::Host, &["IP Address", "DNS Name", "NetBIOS Name"]),
            (Role::Ip, &["IP Address"]),
            (Role::Hostname, &["DNS Name", "NetBIOS Name"]),
            (Role::Check, &["Plugin", "Plugin Name"]),
            (Role::Title, &["Plugin Name", "Plugin"]),
            (Role::Cve, &["CVE"]),
            (Role::Severity, &["Severity"]),
            (Role::Solution, &["Solution", "Steps to Remediate"]),
            (Role::FirstSeen, &["First Discovered"]),
            (Role::LastSeen, &["Last Observed"]),
        ],
        ..PLAIN
    },
    // Qualys VMDR: asset vulnerability datalist. The asset's number is no host.
    Scanner {
        label: "qualys",
        signature: &[&["QID"], &["Asset IPV4", "Asset IPV6"]],
        columns: &[
            (Role::Host, &["Asset IPV4", "Asset IPV6", "Asset Name"]),
            (Role::Ip, &["Asset IPV4", "Asset IPV6"]),
            (Role::Hostname, &["Asset Name", "DNS", "NetBIOS"]),
            (Role::Check, &["QID", "Title"]),
            (Role::Title, &["Title"]),
            (Role::Severity, &["Severity", "KB Severity"]),
            (Role::FirstSeen, &["First Detected"]),
            (Role::LastSeen, &["Last Detected"]),
        ],
        scale: NumberScale::OneToFive,
        ..PLAIN
    },
    // Qualys: scan and patch reports.
    Scanner {
        label: "qualys",
        signature: &[
            &["QID"],
            &["IP", "DNS", "NetBIOS", "Host", "Hostname", "IP Address"],
        ],
        columns: &[
            (Role::Host, &["IP", "IP Address", "DNS", "FQDN", "NetBIOS", "Hostname", "Host"]),
            (Role::Check, &["QID", "Title", "Vuln Title"]),
            (Role::Title, &["Title", "Vuln Title"]),
            (Role::State, &["Vuln Status", "Status"]),
            (Role::Severity, &["Severity", "Q_Severity"]),
            (Role::LastSeen, &["Last Detected", "Last Scan"]),
        ],
        scale: NumberScale::OneToFive,
        ..PLAIN
    },
    // Rapid7 InsightVM and Nexpose: vulnerability results.
    Scanner {
        label: "rapid7",
        signature: &[
            &["Vulnerability ID", "Vulnerability Title"],
            &["Asset IP Address", "Asset Names"],
            &["Vulnerability Severity Level", "Vulnerability Test Result Code", "Vulnerability Severity"],
        ],
        columns: &[
            (Role::Host, &["Asset IP Address", "Asset Names", "Asset Name"]),
            (Role::Ip, &["Asset IP Address"]),
            (Role::Hostname, &["Asset Names", "Asset Name"]),
            (Role::Check, &["Vulnerability ID", "Vulnerability Title"]),
            (Role::Title, &["Vulnerability Title", "Vulnerability ID"]),
            (Role::Cve, &["Vulnerability CVE IDs", "Vulnerability CVEs"]),
            (Role::Port, &["Service Port"]),
            (Role::Protocol, &["Service Protocol"]),
            (Role::Severity, &["Vulnerability Severity Level", "Vulnerability Severity"]),
            (Role::State, &["Vulnerability Test Result Code"]),
            (Role::Solution, &["Vulnerability Solution"]),
            (Role::FirstSeen, &["Vulnerable Since", "First Discovered"]),
            (Role::LastSeen, &["Vulnerability Test Date", "Scan Finished"]),
        ],
        scale: NumberScale::ZeroToTen,
        skipped_states: &["nv", "no", "not vulnerable", "not-vulnerable"],
        ..PLAIN
    },
    // Wiz: vulnerability findings.
    Scanner {
        label: "wiz",
        signature: &[
            &["WizURL", "Wiz URL"],
            &["AssetName", "Asset Name", "AssetID"],
        ],
        columns: &[
            (Role::Host, &["AssetName", "Asset Name", "AssetID"]),
            (Role::Ip, &["IpAddresses", "IP Addresses"]),
            (Role::Hostname, &["AssetName", "Asset Name"]),
            (Role::Check, &["Name", "DetailedName", "Title"]),
            (Role::Title, &["Name", "DetailedName", "Title"]),
            (Role::Cve, &["Name", "CVE"]),
            (Role::Severity, &["VendorSeverity", "Severity", "CVSSSeverity"]),
            (Role::State, &["FindingStatus", "Status"]),
            (Role::Solution, &["Remediation"]),
            (Role::FirstSeen, &["FirstDetected"]),
            (Role::LastSeen, &["LastDetected"]),
        ],
        ..PLAIN
    },
    // Wiz: issues.
    Scanner {
        label: "wiz",
        signature: &[
            &["WizURL", "Wiz URL", "Issue ID"],
            &["Resource Name"],
            &["Title"],
            &["Severity"],
        ],
        columns: &[
            (Role::Host, &["Resource external ID", "Resource Name"]),
            (Role::Hostname, &["Resource Name"]),
            (Role::Check, &["Control ID", "Title"]),
            (Role::Title, &["Title"]),
            (Role::Solution, &["Remediation Recommendation"]),
            (Role::State, &["Status"]),
            (Role::FirstSeen, &["Created At"]),
        ],
        ..PLAIN
    },
    // Microsoft Defender Vulnerability Management: vulnerabilities by device.
    Scanner {
        label: "defender",
        signature: &[
            &["DeviceName", "Device Name"],
            &["CveId", "CVE ID"],
            &["SoftwareName", "Software Name", "SoftwareVendor", "VulnerabilitySeverityLevel"],
        ],
        columns: &[
            (Role::Host, &["DeviceId", "DeviceName"]),
            (Role::Hostname, &["DeviceName"]),
            (Role::Check, &["CveId", "VulnerabilityId"]),
            (Role::Title, &["CveId", "VulnerabilityName"]),
            (Role::Cve, &["CveId"]),
            (Role::Severity, &["VulnerabilitySeverityLevel", "SeverityLevel", "Severity"]),
            (Role::Solution, &["RecommendedSecurityUpdate", "RecommendationReference"]),
            (Role::FirstSeen, &["FirstSeenTimestamp", "FirstSeen"]),
            (Role::LastSeen, &["LastSeenTimestamp", "LastSeen"]),
        ],
        ..PLAIN
    },
    // Amazon Inspector: findings.
    Scanner {
        label: "inspector",
        signature: &[&["Finding ARN"], &["Resource ID"], &["Severity"]],
        columns: &[
            (Role::Host, &["Resource ID"]),
            (Role::Hostname, &["Resource ID"]),
            (Role::Check, &["Vulnerability Id", "Title"]),
            (Role::Title, &["Title"]),
            (Role::Cve, &["Vulnerability Id"]),
            (Role::Severity, &["Severity"]),
            (Role::State, &["Status"]),
            (Role::Solution, &["Package Remediation", "Remediation"]),
            (Role::FirstSeen, &["First Seen"]),
            (Role::LastSeen, &["Last Seen"]),
        ],
        ..PLAIN
    },
    // CrowdStrike Falcon Spotlight: vulnerabilities by host.
    Scanner {
        label: "crowdstrike",
        signature: &[
            &["ExPRT Rating", "ExPRT"],
            &["Hostname", "Host ID"],
            &["CVE ID", "Vulnerability ID"],
        ],
        columns: &[
            (Role::Host, &["Host ID", "Hostname", "LocalIP"]),
            (Role::Ip, &["LocalIP", "Local IP"]),
            (Role::Hostname, &["Hostname"]),
            (Role::Check, &["CVE ID", "Vulnerability ID"]),
            (Role::Cve, &["CVE ID", "Vulnerability ID"]),
            (Role::Severity, &["Severity", "CVE Severity"]),
            (Role::Solution, &["Remediation Details", "Remediation", "Recommended Remediation"]),
            (Role::FirstSeen, &["Created Date", "Created", "First Seen"]),
            (Role::LastSeen, &["Updated Date", "Updated", "Last Seen"]),
        ],
        ..PLAIN
    },
    // Trivy: tables made with a CSV template.
    Scanner {
        label: "trivy",
        signature: &[
            &["VulnerabilityID"],
            &["PkgName"],
            &["Target", "ArtifactName", "Image", "Host", "Resource"],
        ],
        columns: &[
            (Role::Host, &["ArtifactName", "Image", "Target", "Host", "Resource"]),
            (Role::Check, &["VulnerabilityID"]),
            (Role::Title, &["Title", "VulnerabilityID"]),
            (Role::Cve, &["VulnerabilityID"]),
            (Role::Severity, &["Severity"]),
            (Role::State, &["Status"]),
        ],
        ..PLAIN
    },
    // Grype: tables made with a CSV template.
    Scanner {
        label: "grype",
        signature: &[
            &["Version Installed", "Installed"],
            &["Package", "Name"],
            &["Vulnerability ID", "Vulnerability"],
            &["Image", "Target", "Artifact", "Source", "Host"],
        ],
        columns: &[
            (Role::Host, &["Image", "Target", "Artifact", "Source", "Host"]),
            (Role::Check, &["Vulnerability ID", "Vulnerability"]),
            (Role::Title, &["Vulnerability ID", "Vulnerability"]),
            (Role::Cve, &["Vulnerability ID", "Vulnerability"]),
        ],
        ..PLAIN
    },
    // Prowler 3 and later.
    Scanner {
        label: "prowler",
        signature: &[
            &["CHECK_ID"],
            &["RESOURCE_UID", "RESOURCE_ID"],
            &["SEVERITY"],
            &["STATUS"],
        ],
        columns: &[
            (Role::Host, &["RESOURCE_UID", "RESOURCE_ID", "RESOURCE_ARN", "RESOURCE_NAME"]),
            (Role::Hostname, &["RESOURCE_NAME"]),
            (Role::Check, &["CHECK_ID"]),
            (Role::Title, &["CHECK_TITLE"]),
            (Role::Severity, &["SEVERITY"]),
            (Role::State, &["STATUS"]),
            (Role::Solution, &["REMEDIATION_RECOMMENDATION_TEXT"]),
            (Role::LastSeen, &["TIMESTAMP"]),
        ],
        skipped_states: &["pass", "manual", "muted", "info"],
        ..PLAIN
    },
    // Prowler 2: the account is the host.
    Scanner {
        label: "prowler",
        signature: &[
            &["ACCOUNT_NUM"],
            &["TITLE_ID"],
            &["CHECK_RESULT"],
            &["CHECK_SEVERITY"],
        ],
        columns: &[
            (Role::Host, &["ACCOUNT_NUM"]),
            (Role::Check, &["CHECK_RESULT_EXTENDED", "TITLE_ID"]),
            (Role::Title, &["TITLE_TEXT"]),
            (Role::Severity, &["CHECK_SEVERITY"]),
            (Role::State, &["CHECK_RESULT"]),
            (Role::Solution, &["CHECK_REMEDIATION"]),
        ],
        skipped_states: &["pass", "info"],
        ..PLAIN
    },
    // Twistlock and Prisma Cloud Compute: images and hosts.
    Scanner {
        label: "twistlock",
        signature: &[
            &["Compliance ID"],
            &["CVE ID"],
            &["Packages"],
            &["Repository", "Hostname", "Registry"],
        ],
        columns: &[
            (Role::Host, &["Repository", "Hostname", "Hosts", "Id"]),
            (Role::Hostname, &["Hostname"]),
            (Role::Check, &["CVE ID", "Compliance ID"]),
            (Role::Title, &["CVE ID", "Compliance ID"]),
            (Role::Cve, &["CVE ID"]),
            (Role::Severity, &["Severity"]),
            (Role::Solution, &["Fix Status"]),
            (Role::FirstSeen, &["Discovered"]),
        ],
        ..PLAIN
    },
    // Black Duck: security of the components of a project.
    Scanner {
        label: "blackduck",
        signature: &[
            &["Vulnerability id"],
            &["Security Risk"],
            &["Project name", "Project path", "Component name"],
        ],
        columns: &[
            (Role::Host, &["Project path", "Project name", "Component name"]),
            (Role::Check, &["Vulnerability id"]),
            (Role::Title, &["Vulnerability id"]),
            (Role::Cve, &["Vulnerability id"]),
            (Role::Severity, &["Security Risk"]),
            (Role::State, &["Remediation status"]),
        ],
        gone_states: &["remediated", "remediation_complete", "mitigated", "patched"],
        ..PLAIN
    },
    // Sysdig: runtime and registry reports. What was scanned is an image.
    Scanner {
        label: "sysdig",
        signature: &[
            &["Vulnerability ID", "Vulnerability Name"],
            &["Package name"],
            &["Image", "Image Name"],
            &["Package type"],
        ],
        columns: &[
            (Role::Host, &["Image Name", "Image"]),
            (Role::Check, &["Vulnerability ID", "Vulnerability Name"]),
            (Role::Title, &["Vulnerability ID", "Vulnerability Name"]),
            (Role::Cve, &["Vulnerability ID", "Vulnerability Name"]),
            (Role::Severity, &["Severity", "Vulnerability Severity"]),
            (Role::Solution, &["Package suggested fix", "Fix Version"]),
        ],
        ..PLAIN
    },
    // DefectDojo: its own table. A finding is on the host of a URL.
    Scanner {
        label: "defectdojo",
        signature: &[&["Title"], &["Severity"], &["Url", "Endpoint", "Endpoints"], &["FalsePositive", "CweId"]],
        columns: &[
            (Role::Host, &["Url", "Endpoint", "Endpoints"]),
            (Role::Check, &["Title"]),
            (Role::Cve, &["CVE", "Vulnerability Id"]),
            (Role::State, &["Active"]),
            (Role::Solution, &["Mitigation"]),
            (Role::FirstSeen, &["Date"]),
            (Role::LastSeen, &[]),
        ],
        gone_states: &["false"],
        ..PLAIN
    },
    // HexTrackr: its own table.
    Scanner {
        label: "hextrackr",
        signature: &[&["hostname"], &["ip_address"], &["vpr_score"], &["plugin_id", "plugin_name"], &["vendor"]],
        columns: &[
            (Role::Host, &["hostname", "ip_address"]),
            (Role::Title, &["plugin_name", "description"]),
        ],
        ..PLAIN
    },
    // AlertLogic: exposures.
    Scanner {
        label: "alertlogic",
        signature: &[
            &["Asset Key", "Vulnerability Span ID"],
            &["Protocol/Port"],
            &["Vulnerability"],
        ],
        columns: &[
            (Role::Host, &["IP Address", "Asset Name"]),
            (Role::Check, &["Vulnerability ID", "Vulnerability"]),
            (Role::Title, &["Vulnerability"]),
            (Role::Port, &["Protocol/Port"]),
            (Role::Solution, &["Resolution"]),
            (Role::LastSeen, &["Last Scanned"]),
        ],
        ..PLAIN
    },
    // Trustwave: vulnerability scans.
    Scanner {
        label: "trustwave",
        signature: &[
            &["Target Name"],
            &["Vulnerability Name"],
            &["Remediation"],
            &["IP"],
        ],
        columns: &[
            (Role::Host, &["IP", "Domain", "Target Name"]),
            (Role::Hostname, &["Domain", "Target Name"]),
            (Role::Check, &["Vulnerability Name"]),
            (Role::Title, &["Vulnerability Name"]),
        ],
        ..PLAIN
    },
];

#[rustfmt::skip]
const NESSUS_COLUMNS: &[(Role, Names)] = &[
    (Role::Host, &["Host"]),
    (Role::Ip, &["IP Address"]),
    (Role::Hostname, &["FQDN", "DNS Name", "NetBIOS Name"]),
    (Role::Check, &["Plugin ID", "Name"]),
    (Role::Title, &["Name", "Plugin Name"]),
    (Role::Cve, &["CVE"]),
    (Role::Port, &["Port"]),
    (Role::Protocol, &["Protocol"]),
    (Role::Severity, &["Risk"]),
    (Role::State, &["Vulnerability State"]),
    (Role::Solution, &["Solution"]),
    (Role::FirstSeen, &["First Found", "First Discovered", "First Seen"]),
    (Role::LastSeen, &["Last Found", "Last Observed", "Last Seen", "Host End"]),
];
