//! Walking over JSON text without building anything.
//!
//! Arguments of events are passed on as the text they came in, so that numbers, escapes and key order survive
//! (RFC 8259 leaves their range to the reader). What has to be known of the text is: that it is JSON at all, that it is
//! not nested deeper than allowed, where the elements of the outer array are, and where attachments have their place.
//! One scan answers all of it, without recursion and without memory.

mod number;
mod placeholders;

use std::ops::Range;

pub use number::javascript_text;
#[cfg(feature = "msgpack")]
pub use number::javascript_text_of;
pub use placeholders::{placeholders, Placeholder};

/// The deepest nesting that a limit can allow: the scanner keeps one bit a level.
pub const MAX_DEPTH: u32 = 128;

/// Why a text is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// Not JSON, from this byte on.
    Syntax(usize),
    /// Nested deeper than the limit.
    TooDeep,
}

/// What is told of a text by [`scan`]; places and ranges are byte offsets.
pub trait Visitor {
    /// `{` or `[`
    fn open(&mut self, _at: usize) {}
    /// `}` or `]`
    fn close(&mut self, _at: usize) {}
    /// A key of an object, quotes included.
    fn key(&mut self, _range: Range<usize>) {}
    /// A string (quotes included), number, `true`, `false` or `null`.
    fn scalar(&mut self, _range: Range<usize>) {}
}

/// Sees nothing.
impl Visitor for () {}

/// Checks that the whole text is one JSON value, nested at most `max_depth` deep (and never more than [`MAX_DEPTH`]), and
/// tells the visitor what is in it, up to where it turns out that it is not.
///
/// The grammar is that of RFC 8259, with white space before and after the value.
pub fn scan(text: &str, max_depth: u32, visitor: &mut impl Visitor) -> Result<(), JsonError> {
    let max_depth = max_depth.min(MAX_DEPTH);
    let mut reader = Reader::new(text);
    let mut depth = 0;
    // One bit a level: whether it is an object.
    let mut objects = 0u128;
    reader.skip_space();
    loop {
        // A value begins here.
        let start = reader.at;
        let byte = reader.peek();
        if let b'{' | b'[' = byte {
            if depth == max_depth {
                return Err(JsonError::TooDeep);
            }
            let is_object = byte == b'{';
            depth += 1;
            objects = objects << 1 | u128::from(is_object);
            visitor.open(start);
            reader.at += 1;
            reader.skip_space();
            match (is_object, reader.peek()) {
                (true, b'}') | (false, b']') => {}
                (true, _) => {
                    reader.key(visitor)?;
                    continue;
                }
                (false, _) => continue,
            }
        } else {
            reader.scalar(byte)?;
            visitor.scalar(start..reader.at);
        }
        // A value ended here, or the closing bracket of an empty one follows.
        loop {
            reader.skip_space();
            if depth == 0 {
                return match reader.at == text.len() {
                    true => Ok(()),
                    false => reader.fail(),
                };
            }
            let is_object = objects & 1 == 1;
            match (reader.peek(), is_object) {
                (b',', _) => {
                    reader.at += 1;
                    reader.skip_space();
                    if is_object {
                        reader.key(visitor)?;
                    }
                    break;
                }
                (b'}', true) | (b']', false) => {
                    visitor.close(reader.at);
                    reader.at += 1;
                    depth -= 1;
                    objects >>= 1;
                }
                _ => return reader.fail(),
            }
        }
    }
}

/// Checks that the whole text is one JSON value, nested at most `max_depth` deep.
pub fn check(text: &str, max_depth: u32) -> Result<(), JsonError> {
    scan(text, max_depth, &mut ())
}

/// The text without white space of JSON before and after it.
pub fn trim(text: &str) -> &str {
    const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];
    match text.as_bytes() {
        // A look at both ends is cheaper than to search them, and mostly enough.
        [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim_matches(SPACE),
    }
}

/// Whether a string with this text needs no escapes, or this text between the quotes of a string has none.
pub fn is_plain(text: &str) -> bool {
    let mut reader = Reader::new(text);
    reader.skip_plain();
    let rest = &reader.text[reader.at..];
    rest.len() < 8
        && !rest
            .iter()
            .any(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))
}

/// A place in a text.
#[derive(Clone, Debug)]
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Reader {
            text: text.as_bytes(),
            at: 0,
        }
    }

    /// The next byte; at the end a zero, which JSON has nowhere.
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn fail<T>(&self) -> Result<T, JsonError> {
        Err(JsonError::Syntax(self.at))
    }

    fn skip_space(&mut self) {
        while let b' ' | b'\t' | b'\n' | b'\r' = self.peek() {
            self.at += 1;
        }
    }

    /// A key, its colon, and all space up to the value.
    fn key(&mut self, visitor: &mut impl Visitor) -> Result<(), JsonError> {
        let start = self.at;
        if self.peek() != b'"' {
            return self.fail();
        }
        self.string()?;
        visitor.key(start..self.at);
        self.skip_space();
        if self.peek() != b':' {
            return self.fail();
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    /// A value that is no object and no array.
    fn scalar(&mut self, first: u8) -> Result<(), JsonError> {
        match first {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.fail(),
        }
    }

    /// RFC 8259 section 7. Surrogate escapes need not come in pairs: JavaScript writes and reads lone ones.
    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            self.skip_plain();
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                0x20.. => self.at += 1,
                _ => return self.fail(),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.text.get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
                    return self.fail();
                }
                self.at += 6;
            }
            _ => return self.fail(),
        }
        Ok(())
    }

    /// Passes over bytes of a string that stand for themselves, while there are eight. Where the first eight do, 64 at a time
    /// follow, which compilers make a few vector instructions of.
    fn skip_plain(&mut self) {
        if self.skip_plain_word() {
            while let Some(bytes) = self.text[self.at..].first_chunk::<64>() {
                let special = bytes.iter().fold(0, |any, &byte| {
                    any | u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\')
                });
                if special != 0 {
                    break;
                }
                self.at += bytes.len();
            }
            while self.skip_plain_word() {}
        }
    }

    /// Passes over eight such bytes, or over those before one that is special; whether it was all eight.
    fn skip_plain_word(&mut self) -> bool {
        let Some(&bytes) = self.text[self.at..].first_chunk() else {
            return false;
        };
        let special = special_bytes(u64::from_le_bytes(bytes));
        self.at += special.trailing_zeros() as usize / 8;
        special == 0
    }

    /// RFC 8259 section 6.
    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == b'-' {
            self.at += 1;
        }
        match self.peek() {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if let b'e' | b'E' = self.peek() {
            self.at += 1;
            if let b'+' | b'-' = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start {
            return self.fail();
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if !self.text[self.at..].starts_with(word) {
            return self.fail();
        }
        self.at += word.len();
        Ok(())
    }
}

/// Of eight bytes of a string, the first in the lowest ones: the high bit of the first one that ends the string, begins an
/// escape or may not be in it. Higher bits may be set beside it, for no reason; zero when there is no such byte.
fn special_bytes(bytes: u64) -> u64 {
    const EACH: u64 = u64::MAX / 255;
    // Subtracting borrows from a byte's high bit when the byte is smaller; those of 0x80 and above had that bit before.
    let below = |bytes: u64, limit: u64| bytes.wrapping_sub(EACH * limit) & !bytes;
    let quote = below(bytes ^ (EACH * u64::from(b'"')), 1);
    let backslash = below(bytes ^ (EACH * u64::from(b'\\')), 1);
    (quote | backslash | below(bytes, 0x20)) & (EACH * 0x80)
}

/// The elements of a JSON array, as ranges of a text that [`check`] has passed. Where it has not, they are of no use, but
/// still ranges of the text.
pub fn elements(text: &str) -> Elements<'_> {
    let mut reader = Reader::new(text);
    reader.skip_space();
    if reader.peek() == b'[' {
        reader.at += 1;
        reader.skip_space();
    } else {
        reader.at = text.len();
    }
    Elements { reader }
}

/// See [`elements`].
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    reader: Reader<'a>,
}

impl Iterator for Elements<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let reader = &mut self.reader;
        let start = reader.at;
        match reader.peek() {
            b']' | 0 => return None,
            b'"' => reader.string().ok()?,
            b'{' | b'[' => skip_nested(reader)?,
            _ => {
                while !matches!(
                    reader.peek(),
                    b',' | b']' | b' ' | b'\t' | b'\n' | b'\r' | 0
                ) {
                    reader.at += 1;
                }
            }
        }
        let end = reader.at;
        reader.skip_space();
        if reader.peek() == b',' {
            reader.at += 1;
            reader.skip_space();
        }
        Some(start..end)
    }
}

/// Passes over an object or an array, of which only brackets and strings matter; `None` where the text ends too early.
fn skip_nested(reader: &mut Reader<'_>) -> Option<()> {
    let mut depth = 0u32;
    loop {
        match reader.peek() {
            b'"' => {
                reader.string().ok()?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            0 => return None,
            _ => {}
        }
        reader.at += 1;
        if depth == 0 {
            return Some(());
        }
    }
}

#[cfg(test)]
mod tests;
