//! The words in dates, in lower case.

/// Cells that say that there is no date.
const NO_DATES: [&str; 8] = ["never", "none", "null", "n/a", "na", "-", "'-", "0"];

/// Months by the first three letters of their English and German names.
const MONTHS: [(&str, i8); 16] = [
    ("jan", 1),
    ("feb", 2),
    ("mar", 3),
    ("mär", 3),
    ("apr", 4),
    ("may", 5),
    ("mai", 5),
    ("jun", 6),
    ("jul", 7),
    ("aug", 8),
    ("sep", 9),
    ("oct", 10),
    ("okt", 10),
    ("nov", 11),
    ("dec", 12),
    ("dez", 12),
];

/// Names of zones, and their offsets from UTC in minutes.
const ZONES: [(&str, i32); 23] = [
    ("utc", 0),
    ("gmt", 0),
    ("z", 0),
    ("wet", 0),
    ("bst", 60),
    ("cet", 60),
    ("mez", 60),
    ("cest", 120),
    ("mesz", 120),
    ("eet", 120),
    ("eest", 180),
    ("msk", 180),
    ("jst", 540),
    ("aest", 600),
    ("aedt", 660),
    ("est", -300),
    ("edt", -240),
    ("cst", -360),
    ("cdt", -300),
    ("mst", -420),
    ("mdt", -360),
    ("pst", -480),
    ("pdt", -420),
];

/// Words that mean nothing in a date, besides the names of days.
const FILLERS: [&str; 9] = ["at", "on", "of", "um", "uhr", "th", "st", "nd", "rd"];
const WEEKDAYS: [&str; 14] = [
    "mon", "tue", "wed", "thu", "fri", "sat", "sun", "mo", "di", "mi", "do", "fr", "sa", "so",
];

/// Whether a cell says that there is no date.
pub fn says_never(cell: &str) -> bool {
    NO_DATES.iter().any(|word| cell.eq_ignore_ascii_case(word))
}

/// The number of a month, from 1.
pub fn month(word: &str) -> Option<i8> {
    let month = MONTHS.iter().find(|(name, _)| word.starts_with(name));
    month.map(|(_, month)| *month)
}

/// Whether the first word of a text, in any letter case, is the name of a month.
pub fn begins_with_month(text: &str) -> bool {
    let word = text.split(|c: char| !c.is_alphabetic()).next();
    word.is_some_and(|word| month(&word.to_lowercase()).is_some())
}

/// The offset of a zone from UTC, in minutes.
pub fn zone(word: &str) -> Option<i32> {
    let zone = ZONES.iter().find(|(name, _)| *name == word);
    zone.map(|(_, minutes)| *minutes)
}

/// Whether a word means nothing in a date.
pub fn is_filler(word: &str) -> bool {
    FILLERS.contains(&word)
        || WEEKDAYS.contains(&word)
        || word.ends_with("day")
        || word.ends_with("tag")
}
