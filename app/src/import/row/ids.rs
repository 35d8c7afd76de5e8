//! The ids of a CVE cell.

use std::collections::HashSet;

/// Longest id, in characters.
const MAX_ID_CHARS: usize = 64;

/// Digits of the year in a CVE id.
const YEAR_DIGITS: usize = 4;

/// The ids of a CVE cell in their order, each once: `CVE-2024-3094`,
/// `cisco-sa-20240101-x`, `GHSA-..` and the like. Words without a number in them
/// (`NOCVE`, `N/A`) are none.
pub fn split_ids(cell: &str) -> Vec<String> {
    if cell.is_empty() {
        return Vec::new();
    }
    let is_separator = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|');
    let is_id = |word: &&str| {
        word.contains('-')
            && word.starts_with(char::is_alphanumeric)
            && word.bytes().any(|byte| byte.is_ascii_digit())
            && !word.contains(char::is_control)
    };
    let mut seen = HashSet::new();
    let spelled = with_cves_apart(cell);
    let words = spelled
        .split(is_separator)
        .map(|word| word.trim_matches(['"', '\'', '[', ']', '(', ')']));
    let ids = words.filter(is_id).map(|word| {
        let id: String = word.chars().take(MAX_ID_CHARS).collect();
        let is_cisco = id
            .get(..6)
            .is_some_and(|head| head.eq_ignore_ascii_case("cisco-"));
        if is_cisco {
            id.to_ascii_lowercase()
        } else {
            id.to_ascii_uppercase()
        }
    });
    ids.filter(|id| seen.insert(id.clone())).collect()
}

/// The cell with all CVE ids as words of their own, in their usual spelling: they may stand
/// in a URL or next to each other, and have other dashes.
fn with_cves_apart(cell: &str) -> String {
    let mut apart = String::with_capacity(cell.len() + 16);
    let mut rest = cell;
    while let Some(at) = rest.find(['c', 'C']) {
        let (before, found) = rest.split_at(at);
        apart.push_str(before);
        let is_within_word = apart.ends_with(char::is_alphabetic);
        match cve_at_start(found).filter(|_| !is_within_word) {
            Some((year, number, tail)) => {
                apart.extend([" CVE-", year, "-", number, " "]);
                rest = tail;
            }
            None => {
                apart.push_str(&found[..1]);
                rest = &found[1..];
            }
        }
    }
    apart.push_str(rest);
    apart
}

/// Year, number and what comes behind them, if the text begins with a CVE id.
fn cve_at_start(text: &str) -> Option<(&str, &str, &str)> {
    let head = text
        .get(..3)
        .filter(|head| head.eq_ignore_ascii_case("cve"))?;
    let (year, rest) = digits(text[head.len()..].strip_prefix(is_dash)?);
    let (number, rest) = digits(rest.strip_prefix(is_dash)?);
    (year.len() == YEAR_DIGITS && !number.is_empty()).then_some((year, number, rest))
}

/// What may stand in place of the hyphens.
fn is_dash(c: char) -> bool {
    matches!(
        c,
        '-' | '_' | ' ' | ':' | '\u{2010}'..='\u{2015}' | '\u{2212}'
    )
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_split_at_any_separator_and_words_are_none() {
        let table: [(&str, &[&str]); 8] = [
            ("", &[]),
            ("NOCVE", &[]),
            ("n/a, none, -", &[]),
            (
                "CVE-2021-1;CVE-2021-2|CVE-2021-3\nCVE-2021-4  CVE-2021-5",
                &[
                    "CVE-2021-1",
                    "CVE-2021-2",
                    "CVE-2021-3",
                    "CVE-2021-4",
                    "CVE-2021-5",
                ],
            ),
            ("['CVE-2021-1', 'CVE-2021-1']", &["CVE-2021-1"]),
            (
                "Cisco-SA-20240101-Abc, ghsa-1234-abcd",
                &["cisco-sa-20240101-abc", "GHSA-1234-ABCD"],
            ),
            ("2024-1234", &["2024-1234"]),
            ("CVE-24-1, XCVE-2024-1", &["CVE-24-1", "XCVE-2024-1"]),
        ];
        for (cell, expected) in table {
            assert_eq!(split_ids(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn i28_cves_are_found_in_whatever_stands_around_them() {
        for cell in [
            "CVE-2024-1/CVE-2024-2",
            "cve-2024-1&CVE-2024-2",
            "CVE-2024-1+CVE-2024-2",
            "CVE-2024-1CVE-2024-2",
            "CVE-2024-1<br>CVE-2024-2",
            "CVE-2024-1、CVE-2024-2",
            "{\"CVE-2024-1\",\"CVE-2024-2\"}",
            "CVE\u{2013}2024\u{2013}1, CVE_2024_2.",
            "CVE 2024-1 (critical) and CVE:2024-2",
            "https://nvd.nist.gov/vuln/detail/CVE-2024-1 CVE-2024-2-",
        ] {
            assert_eq!(split_ids(cell), ["CVE-2024-1", "CVE-2024-2"], "{cell:?}");
        }
    }
}
