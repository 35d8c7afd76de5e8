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

/// What the numbers of a severity column mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberScale {
    /// 0 (Info) to 4 (Critical), as Tenable and Nessus count.
    ZeroToFour,
    /// 1 (Info) to 5 (Critical), as Qualys counts.
    OneToFive,
}

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

    /// Reads a scanner's severity cell: one of the five names, `None`,
    /// `Informational` or `Log` for Info, or a digit of `scale`. `None` for any
    /// other word.
    pub fn from_cell(cell: &str, scale: NumberScale) -> Option<Severity> {
        if let Some(severity) = Self::from_name(cell) {
            return Some(severity);
        }
        if ["none", "informational", "log"]
            .iter()
            .any(|word| cell.eq_ignore_ascii_case(word))
        {
            return Some(Severity::Info);
        }
        let [digit @ b'0'..=b'9'] = cell.as_bytes() else {
            return None;
        };
        let number = digit - b'0';
        match scale {
            NumberScale::ZeroToFour => Self::from_rank(number),
            NumberScale::OneToFive => Self::from_rank(number.checked_sub(1)?),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_of_scanners_become_severities() {
        let table = [
            ("CRITICAL", Some(Severity::Critical)),
            ("high", Some(Severity::High)),
            ("Medium", Some(Severity::Medium)),
            ("low", Some(Severity::Low)),
            ("Info", Some(Severity::Info)),
            ("None", Some(Severity::Info)),
            ("INFORMATIONAL", Some(Severity::Info)),
            ("Log", Some(Severity::Info)),
            ("4", Some(Severity::Critical)),
            ("0", Some(Severity::Info)),
            ("5", None),
            ("SUPER_CRITICAL", None),
            ("", None),
            ("10", None),
        ];
        for (cell, expected) in table {
            assert_eq!(
                Severity::from_cell(cell, NumberScale::ZeroToFour),
                expected,
                "{cell:?}"
            );
        }
    }

    #[test]
    fn qualys_counts_from_one_to_five() {
        let read = |cell| Severity::from_cell(cell, NumberScale::OneToFive);
        assert_eq!(read("5"), Some(Severity::Critical));
        assert_eq!(read("1"), Some(Severity::Info));
        assert_eq!(read("0"), None);
        assert_eq!(read("6"), None);
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
