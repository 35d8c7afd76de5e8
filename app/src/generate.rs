//! Made-up scans of any size: the same seed gives the same bytes, on every
//! machine and in every release.

use std::io::{self, Write};

/// How much to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Data rows below the header.
    Rows(u64),
    /// As many whole rows as fit into so many bytes, the header included.
    Bytes(u64),
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub rows: u64,
    pub bytes: u64,
    /// Records that the importer makes of the rows: one per CVE, or one.
    pub records: u64,
}

const HEADER: &str =
    "asset.id,asset.name,asset.display_ipv4_address,asset.operating_system,definition.id,\
definition.name,definition.family,definition.cve,definition.cvss3.base_score,definition.severity,\
definition.solution,first_observed,last_seen,output,port,protocol,severity,state\n";

/// A host has this many findings, each of another kind.
const FINDINGS_PER_HOST: u64 = 40;
const KINDS: u64 = 400;

const PRODUCTS: [&str; 16] = [
    "OpenSSL",
    "Apache HTTP Server",
    "nginx",
    "PostgreSQL",
    "OpenSSH",
    "Samba",
    "curl",
    "glibc",
    "Linux kernel",
    "sudo",
    "Redis",
    "Tomcat",
    "Python",
    "systemd",
    "BIND",
    "MariaDB",
];
const PROBLEMS: [&str; 10] = [
    "buffer overflow",
    "use after free",
    "information disclosure",
    "denial of service",
    "privilege escalation",
    "path traversal",
    "weak cipher suites",
    "expired certificate",
    "missing security update",
    "request smuggling",
];
const SYSTEMS: [&str; 4] = [
    "Debian GNU/Linux 12",
    "Ubuntu 24.04 LTS",
    "Red Hat Enterprise Linux 9.4",
    "Windows Server 2022",
];
const ROLES: [&str; 8] = ["web", "db", "app", "mail", "file", "dns", "build", "proxy"];
const PORTS: [(u16, &str); 8] = [
    (0, "TCP"),
    (22, "TCP"),
    (80, "TCP"),
    (443, "TCP"),
    (5432, "TCP"),
    (8080, "TCP"),
    (53, "UDP"),
    (161, "UDP"),
];
const STATES: [&str; 4] = ["ACTIVE", "ACTIVE", "NEW", "RESURFACED"];

/// Writes a scan in the columns of Tenable Vulnerability Management. Every row
/// has a key of its own, about a third have several CVEs, and some cells hold
/// quotes and line breaks.
pub fn write_scan(out: &mut impl Write, size: Size, seed: u64) -> io::Result<Written> {
    out.write_all(HEADER.as_bytes())?;
    let mut written = Written {
        bytes: HEADER.len() as u64,
        ..Written::default()
    };
    let mut row = Vec::new();
    loop {
        if matches!(size, Size::Rows(rows) if written.rows >= rows) {
            return Ok(written);
        }
        row.clear();
        let records = write_row(&mut row, written.rows, seed)?;
        if matches!(size, Size::Bytes(bytes) if written.bytes + row.len() as u64 > bytes) {
            return Ok(written);
        }
        out.write_all(&row)?;
        written.rows += 1;
        written.bytes += row.len() as u64;
        written.records += records;
    }
}

/// Gives the number of records.
fn write_row(out: &mut Vec<u8>, row: u64, seed: u64) -> io::Result<u64> {
    let host = row / FINDINGS_PER_HOST;
    let mut random = Random::new(seed, host, 0);
    let (id_head, id_tail) = (random.next(), random.next() >> 16);
    let system = random.pick(&SYSTEMS);
    let role = random.pick(&ROLES);
    let first_kind = random.below(KINDS);
    let address = format!("10.{}.{}.{}", host >> 16 & 255, host >> 8 & 255, host & 255);

    // The kinds of one host are neighbours, so no two of its rows are the same.
    let kind = (first_kind + row % FINDINGS_PER_HOST) % KINDS;
    let mut random = Random::new(seed, kind, 1);
    let product = random.pick(&PRODUCTS);
    let problem = random.pick(&PROBLEMS);
    let score = random.below(101);
    let severity = match score {
        90.. => "Critical",
        70.. => "High",
        40.. => "Medium",
        1.. => "Low",
        0 => "Info",
    };
    let (port, protocol) = random.pick(&PORTS);
    let year = 2019 + random.below(6);
    let first_cve = 1000 + random.below(50_000);
    let cve_count = [0, 1, 1, 2, 3, 1][random.below(6) as usize];
    let cves: Vec<String> = (0..cve_count)
        .map(|n| format!("CVE-{year}-{}", first_cve + n))
        .collect();

    let mut random = Random::new(seed, row, 2);
    let state = random.pick(&STATES);
    let (month, day) = (1 + random.below(12), 1 + random.below(28));
    let build = random.below(10_000);
    writeln!(
        out,
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{id_tail:012x},{role}-{host:05},{address},{system},{},{product}: {problem},\
         General,\"{}\",{}.{},{severity},\"Update {product} to the newest version, then restart the service.\",\
         2025-{month:02}-{day:02}T08:00:00.000Z,2026-01-{day:02}T03:15:00.000Z,\
         \"Found \"\"{product}\"\" build {build}\nPath : /usr/lib/{role}/{kind}\",{port},{protocol},{severity},{state}",
        id_head >> 32,
        id_head >> 16 & 0xffff,
        id_head & 0xfff,
        id_head >> 12 & 0xfff,
        100_000 + kind,
        cves.join(", "),
        score / 10,
        score % 10,
    )?;
    Ok(cve_count.max(1))
}

/// SplitMix64: small, fast, and by its definition the same everywhere.
struct Random(u64);

impl Random {
    /// Numbers for one thing of one sort, whatever was drawn for others.
    fn new(seed: u64, thing: u64, sort: u64) -> Random {
        let mut random = Random(
            seed ^ thing.wrapping_mul(0x9e37_79b9_7f4a_7c15)
                ^ sort.wrapping_mul(0xd1b5_4a32_d192_ed03),
        );
        random.0 = random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(size: Size, seed: u64) -> (String, Written) {
        let mut out = Vec::new();
        let written = write_scan(&mut out, size, seed).unwrap();
        assert_eq!(written.bytes, out.len() as u64);
        (String::from_utf8(out).unwrap(), written)
    }

    #[test]
    fn a_seed_gives_the_same_scan_and_another_seed_another() {
        assert_eq!(scan(Size::Rows(100), 7), scan(Size::Rows(100), 7));
        assert_ne!(scan(Size::Rows(100), 7).0, scan(Size::Rows(100), 8).0);
        let longer = scan(Size::Rows(200), 7).0;
        assert!(longer.starts_with(&scan(Size::Rows(100), 7).0));
    }

    #[test]
    fn the_size_is_what_was_asked_for() {
        assert_eq!(scan(Size::Rows(0), 1).1.rows, 0);
        assert_eq!(scan(Size::Rows(123), 1).1.rows, 123);
        let (_, written) = scan(Size::Bytes(100_000), 1);
        assert!(
            written.bytes <= 100_000 && written.bytes > 99_000,
            "{written:?}"
        );
        assert!(written.records > written.rows);
        assert_eq!(scan(Size::Bytes(0), 1).1.rows, 0);
    }
}
