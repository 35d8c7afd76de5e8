//! How `--memory-budget` is spent: the worst case of resident memory, and what it consists of.

use std::fmt;

use super::exports::MAX_EXPORTS;
use crate::import::MAX_IMPORTS;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The program itself, started and used: code, stacks, tables, the log's lines.
const PROGRAM_BYTES: u64 = 9 * MIB + MIB / 2;
/// One import beside SQLite's pages: the windows of its upload, its parser, its report.
const IMPORT_BYTES: u64 = MIB;
/// The thread of queries beside SQLite's pages: a page of findings and the answer made of it.
const QUERY_BYTES: u64 = 2 * MIB;
/// Files of findings on their way: for each a connection to the database, and its list of them.
const EXPORTS_BYTES: u64 = MAX_EXPORTS as u64 * 3 * MIB / 16;
/// The journal of sessions: pages of its two connections, what waits to be written, what is being written, and two stacks.
const JOURNAL_BYTES: u64 = MIB;
/// Requests with keys: hashes of those that are known, and answers that wait to be written.
const KEYS_BYTES: u64 = MIB / 4 * 3;
/// The JSON body that is read.
const BODY_BYTES: u64 = MIB / 2;
/// What one turn adds before memory is counted again.
const TURN_BYTES: u64 = MIB;
/// One connection with a session that holds whatever it may while it is idle.
const CONNECTION_BYTES: u64 = 6 * KIB;
/// More connections than this are not wanted, however much memory there is.
const MAX_CONNECTIONS: u64 = 20_000;

/// Pages of one database connection, and JSON bodies that come in: a part each of what goes beyond this, with limits.
const PART_BEYOND_BYTES: u64 = 12 * MIB;
const PART: u64 = 36;
const MOST_CACHE_BYTES: u64 = 2 * MIB;
const MOST_BODY_BYTES: u64 = 16 * MIB;

/// What the program may hold, part by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Pages of each database connection.
    cache_bytes: u64,
    /// JSON bodies that are not complete.
    pub body_bytes: usize,
    /// Connections at a time, and sessions of Socket.IO.
    pub connections: usize,
    /// For [`Config::max_memory_bytes`](pulsewheel::Config::max_memory_bytes).
    pub held_bytes: usize,
}

impl Budget {
    /// The least budget, in bytes.
    pub const LEAST_BYTES: u64 = 24 * MIB;

    /// Spends so many bytes; `None` where they are too few. Of what the program does not need for itself, a third is for
    /// connections, and the rest for what clients and sessions hold.
    pub fn of(total_bytes: u64) -> Option<Budget> {
        if total_bytes < Self::LEAST_BYTES {
            return None;
        }
        let part = |most: u64| most.min((total_bytes - PART_BEYOND_BYTES) / PART);
        let (cache_bytes, body_bytes) = (part(MOST_CACHE_BYTES), part(MOST_BODY_BYTES));
        let left_bytes = total_bytes - fixed_bytes(cache_bytes, body_bytes);
        let connections = (left_bytes / 3 / CONNECTION_BYTES).min(MAX_CONNECTIONS);
        // Memory is counted whenever an eighth has been added.
        let held_bytes = (left_bytes - connections * CONNECTION_BYTES) / 9 * 8;
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Some(Budget {
            cache_bytes,
            body_bytes: size(body_bytes),
            connections: size(connections),
            held_bytes: size(held_bytes),
        })
    }

    /// Memory for pages of the database, per connection, in KiB.
    pub fn cache_kib(&self) -> u32 {
        u32::try_from(self.cache_bytes / KIB).unwrap_or(u32::MAX)
    }

    /// The parts of the worst case in bytes, each with what it is.
    fn parts(&self) -> [(u64, String); 9] {
        let [connections, held_bytes] = [self.connections, self.held_bytes].map(|size| size as u64);
        [
            (PROGRAM_BYTES, "the program".to_owned()),
            (
                imports_bytes(self.cache_bytes),
                format!("{MAX_IMPORTS} imports"),
            ),
            (QUERY_BYTES + self.cache_bytes, "queries".to_owned()),
            (EXPORTS_BYTES, format!("{MAX_EXPORTS} files of findings")),
            (
                BODY_BYTES + self.body_bytes as u64,
                "JSON bodies".to_owned(),
            ),
            (JOURNAL_BYTES + KEYS_BYTES, "the journal".to_owned()),
            (TURN_BYTES, "a turn".to_owned()),
            (
                connections * CONNECTION_BYTES,
                format!("{connections} connections"),
            ),
            (
                held_bytes / 8 * 9,
                "what clients and sessions hold".to_owned(),
            ),
        ]
    }

    /// Bytes of resident memory that the program never goes beyond.
    pub fn worst_case_bytes(&self) -> u64 {
        self.parts().iter().map(|(bytes, _)| bytes).sum()
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / MIB as f64;
        write!(
            f,
            "memory: at most {:.1} MiB resident:",
            mib(self.worst_case_bytes())
        )?;
        for (index, (bytes, what)) in self.parts().iter().enumerate() {
            let separator = if index > 0 { "," } else { "" };
            write!(f, "{separator} {:.1} {what}", mib(*bytes))?;
        }
        Ok(())
    }
}

/// What is needed whoever is there.
const fn fixed_bytes(cache_bytes: u64, body_bytes: u64) -> u64 {
    let queries_bytes = QUERY_BYTES + cache_bytes;
    let bodies_bytes = BODY_BYTES + body_bytes;
    let shared_bytes =
        queries_bytes + EXPORTS_BYTES + bodies_bytes + JOURNAL_BYTES + KEYS_BYTES + TURN_BYTES;
    PROGRAM_BYTES + imports_bytes(cache_bytes) + shared_bytes
}

/// Each import has pages of the database, and three quarters as many of its staging file.
const fn imports_bytes(cache_bytes: u64) -> u64 {
    MAX_IMPORTS as u64 * (IMPORT_BYTES + cache_bytes + cache_bytes / 4 * 3)
}

/// Reads a size such as `48MiB`: a whole number of KiB, MiB or GiB, or of bytes.
///
/// # Errors
/// What would be right, for any other text.
pub fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" => Some(1),
        "KiB" => Some(KIB),
        "MiB" => Some(MIB),
        "GiB" => Some(1024 * MIB),
        _ => None,
    };
    let number = digits
        .parse::<u64>()
        .ok()
        .filter(|_| !digits.starts_with('+'));
    let bytes = number.and_then(|number| number.checked_mul(unit?));
    bytes.ok_or_else(|| "wanted is a size in KiB, MiB or GiB, such as 48MiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_and_never_exceeded() {
        for mib in [24, 26, 48, 64, 200, 1_000, 100_000] {
            let budget = Budget::of(mib * MIB).unwrap();
            let worst = budget.worst_case_bytes();
            assert!(worst <= mib * MIB, "{mib}: {budget}");
            assert!(
                worst + KIB * 16 > mib * MIB || mib > 1_000,
                "{mib}: {budget}"
            );
            assert!(
                budget.connections >= 50 && budget.held_bytes >= 700_000,
                "{budget}"
            );
        }
        assert!(Budget::of(48 * MIB).unwrap().connections >= 1_000);
        assert_eq!(Budget::of(Budget::LEAST_BYTES - 1), None);
    }

    /// The table of `docs/memory.md` has a row for each part, in MiB for budgets of 24, 48 and 96 MiB.
    #[test]
    fn the_documentation_says_the_same() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/memory.md");
        let text = std::fs::read_to_string(path).unwrap();
        let budgets = [24, 48, 96].map(|mib| Budget::of(mib * MIB).unwrap());
        let mib = |bytes: u64| format!("{:.1}", bytes as f64 / MIB as f64);
        let mut rows: Vec<[String; 3]> = Vec::new();
        for part in 0..budgets[0].parts().len() {
            rows.push(budgets.map(|budget| mib(budget.parts()[part].0)));
        }
        rows.push(budgets.map(|budget| mib(budget.worst_case_bytes())));
        rows.push(budgets.map(|budget| budget.connections.to_string()));
        for row in rows {
            let cells = format!(" | {} |", row.join(" | "));
            assert!(text.contains(&cells), "{cells:?} is missing");
        }
        assert!(text.contains(&budgets[1].to_string()), "{}", budgets[1]);
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("48MiB", Ok(50_331_648)),
            ("1GiB", Ok(1 << 30)),
            ("512KiB", Ok(524_288)),
            ("33554432", Ok(33_554_432)),
        ] {
            assert_eq!(size(text), bytes);
        }
        for wrong in [
            "",
            "MiB",
            "48MB",
            "48 MiB",
            "-1MiB",
            "+1MiB",
            "1.5MiB",
            "99999999999GiB",
        ] {
            assert!(size(wrong).is_err(), "{wrong:?}");
        }
    }
}
