//! Which columns hold a CVSS score or vector.

/// Words in the name of a CVSS column that holds no base score.
const NO_BASE_SCORE: [&str; 9] = [
    "temporal",
    "environmental",
    "severity",
    "rating",
    "exploitab",
    "impact",
    "date",
    "source",
    "modif",
];

/// How much a column is worth as the source of a score, the best first; `None` if
/// its name (of letters and digits alone) is no CVSS column. Newer versions come
/// first, of one version the number before the vector.
pub fn column_rank(name: &str) -> Option<u8> {
    let is_base_score = name == "basescore" || name == "cvebasescore";
    if !is_base_score && !name.contains("cvss") || NO_BASE_SCORE.iter().any(|w| name.contains(w)) {
        return None;
    }
    if name.ends_with("version") {
        return None;
    }
    let version = match version(name) {
        Some('4') => 0,
        Some('3') => 1,
        None => 2,
        Some(_) => 3,
    };
    let kind = match (name.contains("vector"), name.contains("base")) {
        _ if name.contains("basethreat") => 2,
        (false, true) => 0,
        (false, false) => 1,
        (true, _) => 3,
    };
    Some(version * 4 + kind)
}

/// The first digit that stands for a version: `cvssv3`, `cvss31`, `cvssvectorv2`.
fn version(name: &str) -> Option<char> {
    let mut rest = name;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let digit = rest[at..].chars().next()?;
        let before = &rest[..at];
        if matches!(digit, '2'..='4')
            && (before.ends_with("cvss") || before.ends_with('v') || before.ends_with("version"))
        {
            return Some(digit);
        }
        rest = &rest[at + 1..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_versions_come_first_and_numbers_before_vectors() {
        let in_order = [
            "cvssv40basescore",
            "cvssv40basethreatscore",
            "cvss4vector",
            "cvssv31basenvd",
            "cvssv3",
            "cvssv3vector",
            "cvssbasescore",
            "cvss",
            "cvssvector",
            "cvssv2base",
            "nvdcvss2score",
            "cvssvectorv2",
        ];
        let ranks: Vec<u8> = in_order
            .iter()
            .map(|name| column_rank(name).unwrap())
            .collect();
        assert!(ranks.is_sorted(), "{ranks:?}");
        for name in [
            "cvssv3temporalscore",
            "cvssversion",
            "cvss3severity",
            "severity",
            "riskscore",
        ] {
            assert_eq!(column_rank(name), None, "{name}");
        }
        assert_eq!(column_rank("nvdcvss3score"), column_rank("cvss3score"));
        assert_eq!(
            column_rank("definitioncvss3basescore"),
            column_rank("cvss3base")
        );
    }
}
