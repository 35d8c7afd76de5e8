//! Binary values inside of serde types.
//!
//! Where a [`Binary`] is written or read, the text holds a placeholder and the bytes are an attachment beside it, so there
//! has to be a way from deep inside a host's own type to the list of attachments. That way is a variable of the thread, set
//! while one value is written or read. A serializer of our own around that of `serde_json` would be another, but serde
//! buffers the contents of `flatten`, untagged and internally tagged types in readers of its own, which would hide it: a
//! `Binary` in there could be written and never be read. What the variable holds is put back when a value is done, also by
//! an error or a panic, and so values may be written and read while others are.

use std::cell::RefCell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};
use std::sync::Arc;

use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::frame::Frame;
use crate::json;

/// A byte string that is binary for Socket.IO: an attachment, a `Buffer` or `ArrayBuffer` on the other side.
///
/// It may be anywhere in a value that goes through [`Args::one`](super::Args::one), [`Args::from_values`](super::Args::from_values)
/// or [`ArgsBuilder::push`](super::ArgsBuilder::push), and that is read by [`Args::get`](super::Args::get) or
/// [`Args::get_all`](super::Args::get_all). The bytes are shared, not copied, when it is cloned, sent or read.
///
/// Other types of bytes, such as `Vec<u8>` or those of `serde_bytes`, stay the arrays of numbers that `serde_json` makes
/// of them. Outside of arguments a `Binary` is such an array too, and plain bytes in formats that have them.
///
/// ```
/// use pulsewheel::{Args, Binary};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Upload {
///     name: String,
///     parts: Vec<Binary>,
/// }
///
/// let parts = vec![Binary::from(b"ab"), Binary::from(vec![0xff])];
/// let args = Args::one(&Upload { name: "scan".to_owned(), parts })?;
/// assert_eq!(args.attachments().len(), 2);
///
/// let upload: Upload = args.get(0)?;
/// assert_eq!(upload.name, "scan");
/// assert_eq!(&upload.parts[1][..], [0xff]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Binary(Frame);

impl Default for Binary {
    fn default() -> Self {
        Binary::from(&[])
    }
}

impl From<&[u8]> for Binary {
    fn from(bytes: &[u8]) -> Self {
        Binary(Frame::binary(bytes))
    }
}

impl<const N: usize> From<&[u8; N]> for Binary {
    fn from(bytes: &[u8; N]) -> Self {
        Binary::from(&bytes[..])
    }
}

impl From<Vec<u8>> for Binary {
    fn from(bytes: Vec<u8>) -> Self {
        Binary::from(&bytes[..])
    }
}

impl From<Binary> for Vec<u8> {
    fn from(bytes: Binary) -> Self {
        bytes.to_vec()
    }
}

impl Deref for Binary {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.payload()
    }
}

impl AsRef<[u8]> for Binary {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Binary {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Binary {}

impl Hash for Binary {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = match serializer.is_human_readable() {
            true => SCOPE.with_borrow_mut(|scope| scope.attach(&self.0)),
            false => None,
        };
        let Some(number) = number else {
            return serializer.serialize_bytes(self);
        };
        let mut place = serializer.serialize_struct("Placeholder", 2)?;
        place.serialize_field("_placeholder", &true)?;
        place.serialize_field("num", &number)?;
        place.end()
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() && SCOPE.with_borrow(Scope::is_reading) {
            let number = deserializer.deserialize_map(PlaceVisitor)?;
            SCOPE
                .with_borrow(|scope| scope.attachment(number))
                .map(Binary)
                .ok_or_else(|| D::Error::custom(format_args!("there is no attachment {number}")))
        } else {
            deserializer.deserialize_byte_buf(PlainVisitor)
        }
    }
}

thread_local! {
    static SCOPE: RefCell<Scope> = const { RefCell::new(Scope::Outside) };
}

/// What this thread is doing with arguments.
#[derive(Default)]
enum Scope {
    #[default]
    Outside,
    /// A value is written: the number of its first attachment, and those that it has had so far.
    Writing { first: usize, found: Vec<Frame> },
    /// A value is read that came with these attachments.
    Reading(Option<Arc<[Frame]>>),
}

impl Scope {
    /// Adds an attachment to a value that is being written. Returns its number.
    fn attach(&mut self, frame: &Frame) -> Option<usize> {
        let Scope::Writing { first, found } = self else {
            return None;
        };
        found.push(frame.clone());
        Some(*first + found.len() - 1)
    }

    fn is_reading(&self) -> bool {
        matches!(self, Scope::Reading(_))
    }

    fn attachment(&self, number: usize) -> Option<Frame> {
        match self {
            Scope::Reading(Some(attachments)) => attachments.get(number).cloned(),
            _ => None,
        }
    }
}

/// Puts back what the thread was doing before, however the work in between ends.
struct Entered {
    outer: Scope,
}

impl Entered {
    fn new(scope: Scope) -> Self {
        Entered {
            outer: SCOPE.replace(scope),
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        SCOPE.set(std::mem::take(&mut self.outer));
    }
}

/// Writes a value as JSON text behind that which is there; each [`Binary`] in it is appended to `attachments` when that has
/// worked.
pub(super) fn write(
    text: String,
    value: &(impl Serialize + ?Sized),
    attachments: &mut Vec<Frame>,
) -> Result<String, serde_json::Error> {
    let first = attachments.len();
    let start = text.len();
    let mut bytes = text.into_bytes();
    let found = {
        let _entered = Entered::new(Scope::Writing {
            first,
            found: Vec::new(),
        });
        serde_json::to_writer(&mut bytes, value)?;
        SCOPE.take()
    };
    let text = String::from_utf8(bytes).map_err(serde::ser::Error::custom)?;
    let Scope::Writing { found, .. } = found else {
        return Ok(text);
    };
    // A type may write a part of itself as a text of its own and put that into a string, where nobody looks for
    // placeholders; or it may be nested deeper than anybody reads. Its bytes would be lost.
    if !found.is_empty() && !has_places(&text[start..], first..first + found.len()) {
        return Err(serde::ser::Error::custom(
            "a binary value is inside of a text or nested too deep",
        ));
    }
    attachments.extend(found);
    Ok(text)
}

/// Whether the text has a placeholder for each of these attachments, which is still found when the text is an element of
/// the list of arguments.
fn has_places(text: &str, numbers: Range<usize>) -> bool {
    if json::check(text, json::MAX_DEPTH - 1).is_err() {
        return false;
    }
    let places = json::placeholders(text).into_iter();
    let mut found: Vec<usize> = places
        .filter_map(|place| place.number.filter(|number| numbers.contains(number)))
        .collect();
    found.sort_unstable();
    found.dedup();
    found.len() == numbers.len()
}

/// Does `read`, in which a placeholder is read as the [`Binary`] that it stands for.
pub(super) fn reading<T>(attachments: Option<&Arc<[Frame]>>, read: impl FnOnce() -> T) -> T {
    let _entered = Entered::new(Scope::Reading(attachments.cloned()));
    read()
}

/// The number in a text that is a placeholder and nothing else.
pub(super) fn placeholder_number(text: &str) -> Option<usize> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let number = reader.deserialize_map(PlaceVisitor).ok()?;
    reader.end().ok().map(|()| number)
}

/// Reads a placeholder. What counts as one is the same as in [`json::placeholders`]: further keys are ignored, and the
/// last one of several counts.
struct PlaceVisitor;

#[derive(Deserialize)]
#[serde(field_identifier)]
enum Key {
    #[serde(rename = "_placeholder")]
    Placeholder,
    #[serde(rename = "num")]
    Number,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for PlaceVisitor {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a binary value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        let (mut is_placeholder, mut number) = (false, None);
        while let Some(key) = map.next_key()? {
            match key {
                Key::Placeholder => is_placeholder = map.next_value()?,
                Key::Number => number = Some(map.next_value()?),
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        number
            .filter(|_| is_placeholder)
            .ok_or_else(|| A::Error::custom("an object, but not the place of a binary value"))
    }
}

/// Reads bytes as other formats have them.
struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Binary;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Binary, E> {
        Ok(Binary::from(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Binary, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok(Binary::from(bytes))
    }
}

#[cfg(test)]
mod tests;
