//! Walking over JSON text without building anything.
//!
//! Arguments of events are passed on as the text they came in, so that numbers, escapes and key order survive
//! (RFC 8259 leaves their range to the reader). What has to be known of the text is: that it is JSON at all, that it is
//! not nested deeper than allowed, where the elements of the outer array are, and where attachments have their place.
//! One scanner answers all of it, without recursion and, below 128 levels, without memory.

use std::borrow::Cow;
use std::ops::Range;

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

/// One step of the scanner; ranges are byte offsets of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// `{` or `[`
    Open { at: usize, object: bool },
    /// `}` or `]`
    Close { at: usize, object: bool },
    /// A key of an object, quotes included.
    Key(Range<usize>),
    /// A string (quotes included), number, `true`, `false` or `null`.
    Scalar(Range<usize>),
}

/// What may come next at the place that the scanner has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    KeyOrEnd,
    Key,
    CommaOrEnd,
    Nothing,
}

/// Yields the tokens of one JSON value and checks the grammar on the way.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    expect: Expect,
    depth: u32,
    max_depth: u32,
    /// One bit a level: whether it is an object.
    objects: u128,
}

impl<'a> Scanner<'a> {
    /// Starts at the first byte. `max_depth` above [`MAX_DEPTH`] counts as that.
    pub fn new(text: &'a str, max_depth: u32) -> Self {
        Scanner {
            text: text.as_bytes(),
            at: 0,
            expect: Expect::Value,
            depth: 0,
            max_depth: max_depth.min(MAX_DEPTH),
            objects: 0,
        }
    }

    /// How many levels are open.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// The next token; `None` after the last byte of a complete value.
    pub fn next_token(&mut self) -> Result<Option<Token>, JsonError> {
        loop {
            self.skip_space();
            let Some(&byte) = self.text.get(self.at) else {
                return match self.expect {
                    Expect::Nothing => Ok(None),
                    _ => Err(JsonError::Syntax(self.at)),
                };
            };
            let start = self.at;
            match (self.expect, byte) {
                (Expect::CommaOrEnd, b',') => {
                    self.at += 1;
                    self.expect = if self.in_object() {
                        Expect::Key
                    } else {
                        Expect::Value
                    };
                }
                (Expect::CommaOrEnd | Expect::KeyOrEnd, b'}') if self.in_object() => {
                    return Ok(Some(self.close(start, true)))
                }
                (Expect::CommaOrEnd | Expect::ValueOrEnd, b']') if !self.in_object() => {
                    return Ok(Some(self.close(start, false)))
                }
                (Expect::Key | Expect::KeyOrEnd, b'"') => {
                    self.string()?;
                    let key = start..self.at;
                    self.skip_space();
                    if self.text.get(self.at) != Some(&b':') {
                        return Err(JsonError::Syntax(self.at));
                    }
                    self.at += 1;
                    self.expect = Expect::Value;
                    return Ok(Some(Token::Key(key)));
                }
                (Expect::Value | Expect::ValueOrEnd, b'{') => return self.open(start, true),
                (Expect::Value | Expect::ValueOrEnd, b'[') => return self.open(start, false),
                (Expect::Value | Expect::ValueOrEnd, _) => {
                    match byte {
                        b'"' => self.string()?,
                        b'-' | b'0'..=b'9' => self.number()?,
                        b't' => self.word(b"true")?,
                        b'f' => self.word(b"false")?,
                        b'n' => self.word(b"null")?,
                        _ => return Err(JsonError::Syntax(start)),
                    }
                    self.after_value();
                    return Ok(Some(Token::Scalar(start..self.at)));
                }
                _ => return Err(JsonError::Syntax(start)),
            }
        }
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    fn open(&mut self, at: usize, object: bool) -> Result<Option<Token>, JsonError> {
        if self.depth == self.max_depth {
            return Err(JsonError::TooDeep);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        self.at += 1;
        self.expect = if object {
            Expect::KeyOrEnd
        } else {
            Expect::ValueOrEnd
        };
        Ok(Some(Token::Open { at, object }))
    }

    fn close(&mut self, at: usize, object: bool) -> Token {
        self.depth -= 1;
        self.objects >>= 1;
        self.at += 1;
        self.after_value();
        Token::Close { at, object }
    }

    fn after_value(&mut self) {
        self.expect = if self.depth == 0 {
            Expect::Nothing
        } else {
            Expect::CommaOrEnd
        };
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    /// RFC 8259 section 7. Surrogate escapes need not come in pairs: JavaScript writes and reads lone ones.
    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            match self.text.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => match self.text.get(self.at + 1) {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                    Some(b'u') => {
                        let digits = self.text.get(self.at + 2..self.at + 6);
                        if !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
                            return Err(JsonError::Syntax(self.at));
                        }
                        self.at += 6;
                    }
                    _ => return Err(JsonError::Syntax(self.at)),
                },
                Some(0x20..) => self.at += 1,
                Some(_) | None => return Err(JsonError::Syntax(self.at)),
            }
        }
    }

    /// RFC 8259 section 6.
    fn number(&mut self) -> Result<(), JsonError> {
        if self.text[self.at] == b'-' {
            self.at += 1;
        }
        match self.text.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start {
            return Err(JsonError::Syntax(start));
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(JsonError::Syntax(self.at));
        }
        self.at += word.len();
        Ok(())
    }
}

/// Checks that the whole text is one JSON value, nested at most `max_depth` deep.
pub fn check(text: &str, max_depth: u32) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(text, max_depth);
    while scanner.next_token()?.is_some() {}
    Ok(())
}

/// The elements of a JSON array, as ranges of a text that [`check`] has passed; stops early where it has not.
pub fn elements(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut scanner = Scanner::new(text, MAX_DEPTH);
    let mut start = 0;
    std::iter::from_fn(move || loop {
        match scanner.next_token().ok()?? {
            Token::Scalar(range) if scanner.depth() == 1 => return Some(range),
            Token::Open { at, .. } if scanner.depth() == 2 => start = at,
            Token::Close { at, .. } if scanner.depth() == 1 => return Some(start..at + 1),
            _ => {}
        }
    })
}

/// Where the place of an attachment is in a packet's data, and which attachment belongs there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    /// The whole object that stands for the attachment.
    pub range: Range<usize>,
    /// Its `num`; `None` when that is missing or not a number from 0 up.
    pub number: Option<usize>,
}

/// All objects with `"_placeholder": true`, in the order in which they end.
///
/// Source: Socket.IO protocol v5, "Displaying" of binary packets. Further keys of such an object are lost, as they are
/// in the JavaScript client.
pub fn placeholders(text: &str) -> Vec<Placeholder> {
    struct Open {
        start: usize,
        placeholder: bool,
        number: Option<usize>,
    }
    impl Open {
        /// Takes note of a key's value. As everywhere in JSON, the last one of several counts.
        fn entry(&mut self, key: &str, value: &str) {
            if is_key(key, "_placeholder") {
                self.placeholder = value == "true";
            } else if is_key(key, "num") {
                self.number = value.parse().ok();
            }
        }
    }
    let mut scanner = Scanner::new(text, MAX_DEPTH);
    let mut open: Vec<Open> = Vec::new();
    let mut key = 0..0;
    let mut found = Vec::new();
    while let Ok(Some(token)) = scanner.next_token() {
        match token {
            Token::Open { at, .. } => {
                if let Some(level) = open.last_mut() {
                    level.entry(&text[std::mem::take(&mut key)], "");
                }
                open.push(Open {
                    start: at,
                    placeholder: false,
                    number: None,
                });
            }
            Token::Key(range) => key = range,
            Token::Scalar(range) => {
                if let Some(level) = open.last_mut() {
                    level.entry(&text[std::mem::take(&mut key)], &text[range]);
                }
            }
            Token::Close { at, .. } => {
                if let Some(Open {
                    start,
                    placeholder: true,
                    number,
                }) = open.pop()
                {
                    // What is inside of a placeholder is replaced with it.
                    while found
                        .last()
                        .is_some_and(|p: &Placeholder| p.range.start > start)
                    {
                        found.pop();
                    }
                    found.push(Placeholder {
                        range: start..at + 1,
                        number,
                    });
                }
            }
        }
    }
    found
}

/// Whether a key, quotes and escapes included, is this name.
fn is_key(key: &str, name: &str) -> bool {
    match key.get(1..key.len().saturating_sub(1)) {
        Some(text) if text.contains('\\') => {
            serde_json::from_str::<Cow<'_, str>>(key).is_ok_and(|text| text == name)
        }
        Some(text) => text == name,
        None => false,
    }
}

#[cfg(test)]
mod tests;
