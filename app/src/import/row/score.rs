//! What a cell with a CVSS score or vector says.

use cvss::Cvss;

use crate::import::spelling;

/// The metrics of a base score; a vector's others (temporal, environmental, threat)
/// are left out.
const BASE_METRICS_2: [&str; 6] = ["AV", "AC", "AU", "C", "I", "A"];
const BASE_METRICS_3: [&str; 8] = ["AV", "AC", "PR", "UI", "S", "C", "I", "A"];
const BASE_METRICS_4: [&str; 11] = [
    "AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA",
];

/// A score from 0 to 10: a number, with a comma or a point, whatever follows it
/// (`9.8 (AV:N/..)`, `9.8/10`), or the base score of a CVSS vector. `None` for
/// anything else.
pub fn parse(cell: &str) -> Option<f64> {
    let cell = cell.trim();
    leading_number(cell).or_else(|| from_vector(cell))
}

fn leading_number(cell: &str) -> Option<f64> {
    let length = cell
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')
        .unwrap_or(cell.len());
    let (number, rest) = cell.split_at(length);
    if !may_follow(rest) || !rest.is_empty() && number.ends_with(['.', ',']) {
        return None;
    }
    let number = number.trim_end_matches(['.', ',']).replace(',', ".");
    let score: f64 = number.parse().ok()?;
    (0.0..=10.0).contains(&score).then_some(score)
}

/// Whether this behind a number leaves it a score. Spreadsheets make dates of scores:
/// `09/Aug`, `9 Aug`.
fn may_follow(rest: &str) -> bool {
    if let Some(behind) = rest.strip_prefix('/') {
        let behind = behind.trim_start().to_ascii_uppercase();
        return behind == "10"
            || ["10 ", "CVSS:", "AV:"]
                .iter()
                .any(|way| behind.starts_with(way));
    }
    let is_apart = rest.starts_with(|c: char| c.is_whitespace() || "([;|*".contains(c));
    rest.is_empty() || is_apart && !spelling::begins_with_month(rest.trim_start())
}

fn from_vector(cell: &str) -> Option<f64> {
    let text = cell.to_ascii_uppercase();
    let start = text.find("CVSS:").or_else(|| text.find("AV:"))?;
    let end = text[start..]
        .find(|c: char| c.is_whitespace() || matches!(c, ')' | ']' | ',' | ';'))
        .map_or(text.len(), |end| start + end);
    let text = &text[start..end];
    let has = |metric: &str| text.split('/').any(|part| part.starts_with(metric));
    let (prefix, metrics): (&str, &[&str]) = if has("AU:") {
        ("", &BASE_METRICS_2)
    } else if has("VC:") {
        ("CVSS:4.0/", &BASE_METRICS_4)
    } else if has("CVSS:3.0") {
        ("CVSS:3.0/", &BASE_METRICS_3)
    } else {
        ("CVSS:3.1/", &BASE_METRICS_3)
    };
    let base: Vec<String> = text
        .split('/')
        .filter(|part| {
            let metric = part.split(':').next().unwrap_or_default();
            metrics.contains(&metric)
        })
        .map(|part| part.replace("AU:", "Au:"))
        .collect();
    if base.len() != metrics.len() {
        return None;
    }
    let vector: Cvss = format!("{prefix}{}", base.join("/")).parse().ok()?;
    Some(vector.score())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_read_from_numbers_and_vectors() {
        let table = [
            ("9.8", Some(9.8)),
            ("9,8", Some(9.8)),
            (" 10 ", Some(10.0)),
            ("0.0", Some(0.0)),
            ("9.8 (AV:N/AC:L)", Some(9.8)),
            ("9.8/10", Some(9.8)),
            ("7.5 HIGH", Some(7.5)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some(9.8)),
            (
                "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H/E:P/RL:O/RC:C",
                Some(10.0),
            ),
            ("AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", Some(7.8)),
            ("(AV:N/AC:L/Au:N/C:P/I:P/A:P)", Some(7.5)),
            ("CVSS2#AV:N/AC:L/Au:N/C:C/I:C/A:C/E:U", Some(10.0)),
            (
                "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
                Some(9.3),
            ),
            ("cvss:3.1/av:n/ac:l/pr:n/ui:n/s:u/c:n/i:n/a:h", Some(7.5)),
            (
                "9.8/CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
                Some(9.8),
            ),
            ("", None),
            ("n/a", None),
            ("9\u{b7}8", None),
            ("9.8%", None),
            ("09/Aug", None),
            ("9 Aug", None),
            ("09. Aug", None),
            ("9/8", None),
            ("98", None),
            ("-1", None),
            ("1.2.3", None),
            ("9x", None),
            ("2024-01-01", None),
            ("AV:N/AC:L", None),
            ("CVSS:3.1/AV:Q/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", None),
        ];
        for (cell, expected) in table {
            assert_eq!(parse(cell), expected, "{cell:?}");
        }
    }
}
