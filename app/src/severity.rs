//! The five severities, and how scanners write them.

use serde::Serialize;

/// How bad a finding is, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

/// What the whole numbers of a severity column mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberScale {
    /// 0 (Info) to 4 (Critical), as Tenable and Nessus count.
    ZeroToFour,
    /// 1 (Info) to 5 (Critical), as Qualys counts.
    OneToFive,
    /// 0 (Info), 1 to 3 (Medium, "moderate"), 4 to 7 (High, "severe"), 8 to 10
    /// (Critical), as Rapid7 counts.
    ZeroToTen,
}

/// What a severity cell says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeverityCell {
    Known(Severity),
    /// Nothing, or a word for "not judged yet".
    Empty,
    /// The row is the outcome of a check and no vulnerability.
    CheckResult,
    /// A word or number that has no known meaning.
    Unknown,
}

/// The words, in lower case, besides the five names.
const WORDS: [(&str, Severity); 25] = [
    ("crit", Severity::Critical),
    ("c", Severity::Critical),
    ("urgent", Severity::Critical),
    ("kritisch", Severity::Critical),
    ("p1", Severity::Critical),
    ("h", Severity::High),
    ("severe", Severity::High),
    ("serious", Severity::High),
    ("important", Severity::High),
    ("hoch", Severity::High),
    ("p2", Severity::High),
    ("m", Severity::Medium),
    ("med", Severity::Medium),
    ("moderate", Severity::Medium),
    ("mittel", Severity::Medium),
    ("p3", Severity::Medium),
    ("l", Severity::Low),
    ("niedrig", Severity::Low),
    ("p4", Severity::Low),
    ("i", Severity::Info),
    ("none", Severity::Info),
    ("informational", Severity::Info),
    ("information", Severity::Info),
    ("log", Severity::Info),
    ("negligible", Severity::Info),
];

/// Words, in lower case, for a finding that nobody has judged.
const EMPTY_WORDS: [&str; 8] = [
    "unknown",
    "untriaged",
    "undefined",
    "unassigned",
    "n/a",
    "na",
    "null",
    "-",
];

/// Words, in lower case, of rows that tell how a check went.
const CHECK_RESULTS: [&str; 4] = ["passed", "failed", "pass", "fail"];

/// Words that may stand beside the one that counts, but not beside a number: `Priority 1` is
/// the highest, and 1 the lowest of a scale.
const RANKS: [&str; 2] = ["sev", "priority"];

/// Words that may stand beside the one that counts: `High Risk`, `4 - Critical`.
const ADDITIONS: [&str; 10] = [
    "risk",
    "severity",
    "level",
    "impact",
    "rating",
    "cvss",
    "score",
    "threat",
    "vulnerability",
    "risiko",
];

impl Severity {
    /// All of them, in rising order: the index is [`rank`](Self::rank).
    pub const ALL: [Severity; 5] = [
        Severity::Info,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];

    /// The name that goes out: `Critical`, `High`, `Medium`, `Low`, `Info`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "Info",
            Severity::Low => "Low",
            Severity::Medium => "Medium",
            Severity::High => "High",
            Severity::Critical => "Critical",
        }
    }

    /// 0 for Info to 4 for Critical: what the database holds.
    pub fn rank(self) -> u8 {
        self as u8
    }

    /// The opposite of [`rank`](Self::rank).
    pub fn from_rank(rank: u8) -> Option<Severity> {
        Self::ALL.get(usize::from(rank)).copied()
    }

    /// One of the five names in any letter case, as a filter gives it.
    pub fn from_name(name: &str) -> Option<Severity> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.name().eq_ignore_ascii_case(name))
    }

    /// Reads a scanner's severity cell. A whole number counts by `scale`, any
    /// other number from 0 to 10 as a CVSS score. A word may have others beside it
    /// (`High Risk`, `4 - Critical`, `Critical (9.8)`).
    pub fn from_cell(cell: &str, scale: NumberScale) -> SeverityCell {
        if let Some(severity) = Self::from_name(cell) {
            return SeverityCell::Known(severity); // nearly always
        }
        let cell = cell.trim().to_lowercase();
        if cell.is_empty() || EMPTY_WORDS.contains(&cell.as_str()) {
            return SeverityCell::Empty;
        }
        if CHECK_RESULTS.contains(&cell.as_str()) {
            return SeverityCell::CheckResult;
        }
        from_words(&cell, scale).map_or(SeverityCell::Unknown, SeverityCell::Known)
    }

    /// The range of CVSS base scores that a score falls into: 9.0 and more is
    /// Critical, 7.0 High, 4.0 Medium, 0.1 Low, below that Info.
    pub fn from_cvss(score: f64) -> Severity {
        match score {
            s if s >= 9.0 => Severity::Critical,
            s if s >= 7.0 => Severity::High,
            s if s >= 4.0 => Severity::Medium,
            s if s >= 0.1 => Severity::Low,
            _ => Severity::Info,
        }
    }
}

impl NumberScale {
    /// The severity of a number of this scale; `None` beyond its ends.
    fn severity(self, number: u8) -> Option<Severity> {
        match (self, number) {
            (NumberScale::ZeroToFour, number) => Severity::from_rank(number),
            (NumberScale::OneToFive, number) => Severity::from_rank(number.checked_sub(1)?),
            (NumberScale::ZeroToTen, 0) => Some(Severity::Info),
            (NumberScale::ZeroToTen, 1..=3) => Some(Severity::Medium),
            (NumberScale::ZeroToTen, 4..=7) => Some(Severity::High),
            (NumberScale::ZeroToTen, 8..=10) => Some(Severity::Critical),
            (NumberScale::ZeroToTen, _) => None,
        }
    }
}

/// The one severity that the words of a cell name, or else its one number.
fn from_words(cell: &str, scale: NumberScale) -> Option<Severity> {
    if cell.starts_with('-') {
        return None;
    }
    let is_separator = |c: char| c.is_whitespace() || "-–:;/|()[]_".contains(c);
    let mut named = None;
    let mut number = None;
    let mut is_rank = false;
    for word in cell.split(is_separator).filter(|word| !word.is_empty()) {
        if let Some(severity) = from_word(word) {
            if named.is_some_and(|named| named != severity) {
                return None;
            }
            named = Some(severity);
        } else if word.starts_with(|c: char| c.is_ascii_digit()) {
            let value: f64 = word.replace(',', ".").parse().ok()?;
            number = number.or(Some(value));
        } else if RANKS.contains(&word) {
            is_rank = true;
        } else if !ADDITIONS.contains(&word) {
            return None;
        }
    }
    named.or_else(|| from_number(number.filter(|_| !is_rank)?, scale))
}

fn from_word(word: &str) -> Option<Severity> {
    let known = WORDS.iter().find(|(known, _)| *known == word);
    known
        .map(|(_, severity)| *severity)
        .or_else(|| Severity::from_name(word))
}

/// 5 is no number of the scale from 0 to 4: it may as well be one of the scale from
/// 1 to 5, so it has no known meaning there.
fn from_number(number: f64, scale: NumberScale) -> Option<Severity> {
    if !(0.0..=10.0).contains(&number) {
        return None;
    }
    if number.fract() != 0.0 {
        return Some(Severity::from_cvss(number));
    }
    let whole = number as u8;
    scale
        .severity(whole)
        .or_else(|| (whole > 5).then(|| Severity::from_cvss(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i38_i39_i40_i42_i45_i46_words_and_numbers_of_scanners_become_severities() {
        let table: [(&[&str], SeverityCell); 9] = [
            (
                &[
                    "CRITICAL",
                    "crit",
                    "C",
                    "Urgent",
                    "Kritisch",
                    "P1",
                    "4",
                    "4.0",
                    "4,0",
                    "10",
                    "9.8",
                    "9,8",
                    "4 - Critical",
                    "Critical (9.8)",
                    "Critical Risk",
                    "5-Critical",
                    "Level 4",
                    "urgent - critical",
                ],
                SeverityCell::Known(Severity::Critical),
            ),
            (
                &[
                    "high",
                    "H",
                    "Severe",
                    "Serious",
                    "Important",
                    "HOCH",
                    "3",
                    "3.0",
                    "High Risk",
                    "High priority",
                    "Severity: High",
                    "8.1",
                    "7",
                ],
                SeverityCell::Known(Severity::High),
            ),
            (
                &["Medium", "m", "Moderate", "mittel", "2", "6", "4.5"],
                SeverityCell::Known(Severity::Medium),
            ),
            (
                &["low", "L", "Niedrig", "1", "1.0", "0.5"],
                SeverityCell::Known(Severity::Low),
            ),
            (
                &["Info", "None", "INFORMATIONAL", "Log", "Negligible", "0"],
                SeverityCell::Known(Severity::Info),
            ),
            (
                &["", "  ", "Unknown", "UNTRIAGED", "n/a", "-"],
                SeverityCell::Empty,
            ),
            (&["PASSED", "Failed"], SeverityCell::CheckResult),
            (
                &["5", "5.0", "11", "98", "-1", "1.2.3"],
                SeverityCell::Unknown,
            ),
            (
                &[
                    "SUPER_CRITICAL",
                    "Xyzzy",
                    "high/low",
                    "not critical",
                    "SEV-1",
                    "Priority 1",
                    "hi",
                    "uncritical",
                ],
                SeverityCell::Unknown,
            ),
        ];
        for (cells, expected) in table {
            for cell in cells {
                assert_eq!(
                    Severity::from_cell(cell, NumberScale::ZeroToFour),
                    expected,
                    "{cell:?}"
                );
            }
        }
    }

    #[test]
    fn qualys_counts_from_one_to_five_and_rapid7_from_zero_to_ten() {
        let table = [
            (
                NumberScale::OneToFive,
                "5",
                SeverityCell::Known(Severity::Critical),
            ),
            (
                NumberScale::OneToFive,
                "1",
                SeverityCell::Known(Severity::Info),
            ),
            (NumberScale::OneToFive, "0", SeverityCell::Unknown),
            (
                NumberScale::ZeroToTen,
                "8",
                SeverityCell::Known(Severity::Critical),
            ),
            (
                NumberScale::ZeroToTen,
                "4",
                SeverityCell::Known(Severity::High),
            ),
            (
                NumberScale::ZeroToTen,
                "3",
                SeverityCell::Known(Severity::Medium),
            ),
            (
                NumberScale::ZeroToTen,
                "0",
                SeverityCell::Known(Severity::Info),
            ),
        ];
        for (scale, cell, expected) in table {
            assert_eq!(
                Severity::from_cell(cell, scale),
                expected,
                "{scale:?} {cell}"
            );
        }
    }

    #[test]
    fn cvss_ranges_have_their_published_edges() {
        let table = [
            (10.0, Severity::Critical),
            (9.0, Severity::Critical),
            (8.9, Severity::High),
            (7.0, Severity::High),
            (6.9, Severity::Medium),
            (4.0, Severity::Medium),
            (3.9, Severity::Low),
            (0.1, Severity::Low),
            (0.0, Severity::Info),
        ];
        for (score, expected) in table {
            assert_eq!(Severity::from_cvss(score), expected, "{score}");
        }
    }

    #[test]
    fn ranks_go_there_and_back() {
        for severity in Severity::ALL {
            assert_eq!(Severity::from_rank(severity.rank()), Some(severity));
        }
        assert_eq!(Severity::from_rank(5), None);
    }
}
