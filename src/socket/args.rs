//! The arguments of events and acknowledgements: JSON text as it came, and binary attachments.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::ser::Error as _;
use serde::{Deserialize, Serialize};

use super::arg_list::ArgList;
use super::binary;
use crate::frame::Frame;
use crate::json;

/// Arguments of an event or of an acknowledgement.
///
/// What a client sent is kept as the text that it sent, so passing it on changes nothing: no number loses digits, no
/// key its place. Binary values are objects `{"_placeholder":true,"num":N}` in that text and attachments beside it; a serde
/// type has them as [`Binary`](super::Binary).
///
/// ```
/// use pulsewheel::{Args, Binary};
///
/// let args = Args::from_values(&("chunk", 3, Binary::from(b"\0\x01")))?;
/// assert_eq!(args.get::<u32>(1)?, 3);
/// assert_eq!(args.binary(2), Some(&b"\0\x01"[..]));
///
/// let (name, number, chunk): (String, u32, Binary) = args.get_all()?;
/// assert_eq!((name.as_str(), number, &chunk[..]), ("chunk", 3, &b"\0\x01"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    /// A JSON array; of a received event its first element is the event's name. Empty stands for `[]`.
    text: String,
    /// Byte offset of the first argument, or of the closing bracket where there is none.
    first_at: usize,
    /// `None` where there are none, so that reading what most clients send touches no reference count.
    attachments: Option<Arc<[Frame]>>,
}

/// Why an argument could not be read.
#[derive(Debug)]
pub enum ArgsError {
    /// There are not that many arguments.
    Missing(usize),
    /// It is there, but not of the wanted type.
    Mismatch(usize, serde_json::Error),
}

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArgsError::Missing(index) => write!(f, "argument {index} is missing"),
            ArgsError::Mismatch(index, error) => write!(f, "argument {index}: {error}"),
        }
    }
}

impl std::error::Error for ArgsError {}

impl Args {
    /// No arguments.
    pub fn none() -> Args {
        Args::default()
    }

    /// One argument: anything that serde can write as JSON.
    pub fn one(value: &(impl Serialize + ?Sized)) -> Result<Args, serde_json::Error> {
        Args::write_one(String::new(), value)
    }

    /// Several arguments: each element of a tuple, an array or a `Vec` is one; `()` is none.
    ///
    /// What serde writes as anything but a JSON array is an error.
    pub fn from_values(values: &(impl Serialize + ?Sized)) -> Result<Args, serde_json::Error> {
        Args::write_several(String::new(), values)
    }

    /// As [`Args::one`], in the memory of an empty text.
    pub(super) fn write_one(
        mut memory: String,
        value: &(impl Serialize + ?Sized),
    ) -> Result<Args, serde_json::Error> {
        let mut attachments = Vec::new();
        memory.push('[');
        let mut text = binary::write(memory, value, &mut attachments)?;
        text.push(']');
        Ok(Args::received(text, 1, attachments))
    }

    /// As [`Args::from_values`], in the memory of an empty text.
    pub(super) fn write_several(
        memory: String,
        values: &(impl Serialize + ?Sized),
    ) -> Result<Args, serde_json::Error> {
        let mut attachments = Vec::new();
        let text = binary::write(memory, values, &mut attachments)?;
        match text.as_bytes() {
            [b'[', ..] => Ok(Args::received(text, 1, attachments)),
            b"null" => Ok(Args::none()),
            _ => Err(serde_json::Error::custom(
                "arguments are a tuple or a sequence",
            )),
        }
    }

    /// One argument that is JSON text already; `None` when it is not.
    pub fn from_json(text: &str) -> Option<Args> {
        json::check(text, json::MAX_DEPTH).ok()?;
        let mut builder = Args::builder();
        builder.push_raw(text);
        Some(builder.build())
    }

    /// Several arguments, binary ones among them, one after the other.
    pub fn builder() -> ArgsBuilder {
        ArgsBuilder {
            text: "[".to_owned(),
            attachments: Vec::new(),
        }
    }

    /// How many there are. Walks over the text.
    pub fn len(&self) -> usize {
        self.ranges().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.raw_list().is_empty()
    }

    /// One argument as JSON text.
    pub fn raw(&self, index: usize) -> Option<&str> {
        self.iter_raw().nth(index)
    }

    /// All arguments as JSON text, one after the other.
    pub fn iter_raw(&self) -> impl Iterator<Item = &str> + '_ {
        self.ranges().map(|range| &self.text[range])
    }

    /// One argument as a value. Binary values in it, at any depth, are [`Binary`](super::Binary); any other type sees the
    /// placeholder's object.
    pub fn get<'a, T: Deserialize<'a>>(&'a self, index: usize) -> Result<T, ArgsError> {
        let raw = self.raw(index).ok_or(ArgsError::Missing(index))?;
        binary::reading(self.attachments.as_ref(), || serde_json::from_str(raw))
            .map_err(|error| ArgsError::Mismatch(index, error))
    }

    /// All arguments as one value: a tuple, whose elements are the first arguments (further ones are ignored, as a
    /// handler in JavaScript does), or a `Vec` of all of them. Binary values are read as in [`Args::get`].
    pub fn get_all<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ArgsError> {
        binary::reading(self.attachments.as_ref(), || {
            ArgList::new(self.iter_raw()).read()
        })
    }

    /// Reads values whose binary parts are among the attachments.
    pub(super) fn reading<'a, T>(&'a self, read: impl FnOnce(&'a Args) -> T) -> T {
        binary::reading(self.attachments.as_ref(), || read(self))
    }

    /// One argument's bytes, when that argument is binary.
    pub fn binary(&self, index: usize) -> Option<&[u8]> {
        let number = binary::placeholder_number(self.raw(index)?)?;
        self.attachments().get(number).map(Frame::payload)
    }

    /// The same arguments without the first `count`.
    pub fn skip(mut self, count: usize) -> Args {
        if count > 0 && !self.is_empty() {
            let next = self.ranges().nth(count).map(|range| range.start);
            self.first_at = next.unwrap_or(self.text.len() - 1);
        }
        self
    }

    /// The same arguments and, behind them, a text that needs no escapes.
    pub(crate) fn with_offset(&self, offset: &str) -> Args {
        let list = self.raw_list();
        let comma = if list.is_empty() { "" } else { "," };
        Args {
            text: format!("[{list}{comma}\"{offset}\"]"),
            first_at: 1,
            attachments: self.attachments.clone(),
        }
    }

    /// All binary attachments, as placeholders number them.
    pub fn attachments(&self) -> &[Frame] {
        self.attachments.as_deref().unwrap_or_default()
    }

    /// The arguments as JSON text between the brackets, comma separated.
    pub(crate) fn raw_list(&self) -> &str {
        match self.text.len() {
            0 => "",
            length => &self.text[self.first_at..length - 1],
        }
    }

    /// The name of the event that these arguments came with, or nothing. A number that stands in its place has the text that
    /// JavaScript makes of it: `2`, `1.5`, `1e+21`.
    pub fn event_name(&self) -> Cow<'_, str> {
        let first = json::elements(&self.text).next();
        let Some(range) = first.filter(|range| range.start < self.first_at) else {
            return Cow::Borrowed("");
        };
        let quoted = &self.text[range];
        if !quoted.starts_with('"') {
            return Cow::Owned(json::javascript_text(quoted));
        }
        let raw = quoted.get(1..quoted.len() - 1).unwrap_or_default();
        if !raw.contains('\\') {
            return Cow::Borrowed(raw);
        }
        // A name with a lone surrogate has no text in Rust; it keeps its escapes and so matches no handler.
        serde_json::from_str(quoted).map_or(Cow::Borrowed(raw), Cow::Owned)
    }

    /// The same arguments with the name of an event, in place of the one that they came with, if any: what a
    /// [`Message`](crate::Message) holds, where a packet middleware changes it.
    ///
    /// ```
    /// use pulsewheel::Args;
    ///
    /// let said = Args::one("a bad word")?.named("chat");
    /// let censored = Args::one("***")?.named(&said.event_name());
    /// assert_eq!(censored.event_name(), "chat");
    /// assert_eq!(censored.raw(0), Some("\"***\""));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn named(&self, event: &str) -> Args {
        let list = self.raw_list();
        let mut text = format!("[{}", serde_json::Value::from(event));
        let separator = if list.is_empty() { "" } else { "," };
        let first_at = text.len() + separator.len();
        text.push_str(separator);
        text.push_str(list);
        text.push(']');
        Args {
            text,
            first_at,
            attachments: self.attachments.clone(),
        }
    }

    /// Bytes of the text and of the attachments.
    pub(crate) fn bytes(&self) -> usize {
        let attachments = self.attachments().iter().map(|frame| frame.payload().len());
        self.text.len() + attachments.sum::<usize>()
    }

    /// What a packet carries: `text` is an array that [`json::check`] has passed, the arguments begin at `first_at`.
    pub(crate) fn received(text: String, first_at: usize, attachments: Vec<Frame>) -> Args {
        debug_assert!(text.ends_with(']') && first_at < text.len());
        Args {
            text,
            first_at,
            attachments: shared(attachments),
        }
    }

    /// The memory, to be used again.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        json::elements(&self.text).filter(|range| range.start >= self.first_at)
    }
}

fn shared(attachments: Vec<Frame>) -> Option<Arc<[Frame]>> {
    (!attachments.is_empty()).then(|| Arc::from(attachments))
}

/// Puts arguments together.
#[derive(Clone, Debug)]
pub struct ArgsBuilder {
    text: String,
    attachments: Vec<Frame>,
}

impl ArgsBuilder {
    /// Appends anything that serde can write as JSON. Each [`Binary`](super::Binary) in it becomes an attachment. An error
    /// leaves the builder as it was.
    pub fn push(
        &mut self,
        value: &(impl Serialize + ?Sized),
    ) -> Result<&mut Self, serde_json::Error> {
        let text = binary::write(String::new(), value, &mut self.attachments)?;
        self.push_raw(&text);
        Ok(self)
    }

    /// Appends a binary argument.
    pub fn push_binary(&mut self, bytes: &[u8]) -> &mut Self {
        let place = format!(
            "{{\"_placeholder\":true,\"num\":{}}}",
            self.attachments.len()
        );
        self.push_raw(&place);
        self.attachments.push(Frame::binary(bytes));
        self
    }

    /// The arguments.
    pub fn build(mut self) -> Args {
        self.text.push(']');
        Args {
            text: self.text,
            first_at: 1,
            attachments: shared(self.attachments),
        }
    }

    fn push_raw(&mut self, json: &str) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text.push_str(json);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_by_type_or_as_text() {
        let args = Args::received(r#"["name", 1 ,"two",[3]]"#.to_owned(), 9, Vec::new());
        assert_eq!(args.len(), 3);
        assert_eq!(args.get::<u8>(0).unwrap(), 1);
        assert_eq!(args.get::<String>(1).unwrap(), "two");
        assert_eq!(args.raw(2), Some("[3]"));
        assert!(matches!(args.get::<u8>(3), Err(ArgsError::Missing(3))));
        assert!(matches!(args.get::<u8>(1), Err(ArgsError::Mismatch(1, _))));
        assert_eq!(args.clone().skip(2).raw_list(), "[3]");
        assert!(args.clone().skip(3).is_empty());
        assert_eq!(args.event_name(), "name");
        assert_eq!(Args::one("two").unwrap().event_name(), "");
        let numbered = Args::received("[ -2.50 ,7]".to_owned(), 9, Vec::new());
        assert_eq!(numbered.event_name(), "-2.5");
        assert_eq!(numbered.raw_list(), "7");
        assert!(args.skip(9).is_empty());
    }

    #[test]
    fn arguments_are_put_together() {
        assert!(Args::none().is_empty());
        assert_eq!(Args::none().len(), 0);
        assert!(Args::none().skip(1).is_empty());
        let mut builder = Args::builder();
        builder
            .push(&1)
            .unwrap()
            .push_binary(b"ab")
            .push("x")
            .unwrap();
        let args = builder.build();
        assert_eq!(args.raw_list(), r#"1,{"_placeholder":true,"num":0},"x""#);
        assert_eq!(args.binary(1), Some(&b"ab"[..]));
        assert_eq!(args.binary(0), None);
        assert_eq!(
            Args::from_json(r#"{"a":1}"#).unwrap().raw(0),
            Some(r#"{"a":1}"#)
        );
        assert_eq!(Args::from_json("1,2"), None);
    }
}
