//! Cleaning the text that peers send before it is kept or shown.

/// Longest name of a file that is kept, in characters.
pub const MAX_FILENAME_CHARS: usize = 255;

/// `text` without control characters (line breaks and tabs become spaces) and without those that turn the direction of
/// text, trimmed, and cut to `max_chars` characters.
pub fn clean(text: &str, max_chars: usize) -> String {
    let text = text.trim();
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        // Nearly always: there is nothing to take out, and each byte is a character.
        return text[..text.len().min(max_chars)].trim_end().to_owned();
    }
    let kept = text.chars().filter_map(|c| match c {
        '\n' | '\r' | '\t' => Some(' '),
        c if c.is_control() => None,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        c => Some(c),
    });
    let mut cleaned: String = kept.take(max_chars).collect();
    // A control character at an end may have hidden more space behind it.
    cleaned.truncate(cleaned.trim_end().len());
    let leading = cleaned.len() - cleaned.trim_start().len();
    cleaned.drain(..leading);
    cleaned
}

/// The last part of a path as browsers of any system send it, cleaned;
/// `upload.csv` if nothing is left.
pub fn filename(path: &str) -> String {
    let last = path.rsplit(['/', '\\']).next().unwrap_or_default();
    // Browsers write these three so, and nothing else: a percent sign stays one.
    let decoded = last
        .replace("%22", "\"")
        .replace("%0D", " ")
        .replace("%0A", " ");
    let name = clean(&decoded, MAX_FILENAME_CHARS);
    if name.is_empty() {
        "upload.csv".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go_and_length_is_limited() {
        assert_eq!(clean("  a\u{0}b\r\nc\u{85}\t ", 100), "ab  c");
        assert_eq!(clean("\u{0} x \u{0}", 100), "x");
        assert_eq!(clean("\u{202e}x\u{2066}y\u{2069} \u{202c}", 100), "xy");
        assert_eq!(clean("äöü", 2), "äö");
        assert_eq!(clean(" abc d ", 4), "abc");
        assert_eq!(clean("abc", 4), "abc");
    }

    #[test]
    fn only_the_last_part_of_a_path_is_a_filename() {
        assert_eq!(filename("../../etc/scan.csv"), "scan.csv");
        assert_eq!(filename("C:\\temp\\scan.csv"), "scan.csv");
        assert_eq!(filename("a%22b%0D%0A 100%25.csv"), "a\"b   100%25.csv");
        assert_eq!(filename(""), "upload.csv");
        assert_eq!(filename("a/\u{1}"), "upload.csv");
        assert_eq!(filename("exe.\u{202e}vsc.csv"), "exe.vsc.csv");
        assert_eq!(filename(&"x".repeat(1000)).len(), MAX_FILENAME_CHARS);
    }
}
