//! Where attachments have their place in a packet's JSON.

use std::borrow::Cow;
use std::ops::Range;

use super::{scan, Visitor, MAX_DEPTH};

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
    let mut finder = PlaceholderFinder {
        text,
        open: Vec::new(),
        key: 0..0,
        found: Vec::new(),
    };
    // What was found before the text turned out to be wrong still counts: who needs to know has checked it.
    let _ = scan(text, MAX_DEPTH, &mut finder);
    finder.found
}

struct PlaceholderFinder<'a> {
    text: &'a str,
    open: Vec<OpenLevel>,
    /// The key whose value comes next; empty in arrays.
    key: Range<usize>,
    found: Vec<Placeholder>,
}

/// An object or an array that has not ended.
struct OpenLevel {
    start: usize,
    is_placeholder: bool,
    number: Option<usize>,
}

impl PlaceholderFinder<'_> {
    /// Takes note of a key's value. As everywhere in JSON, the last one of several counts.
    fn entry(&mut self, value: &str) {
        let key = &self.text[std::mem::take(&mut self.key)];
        if let Some(level) = self.open.last_mut() {
            if is_key(key, "_placeholder") {
                level.is_placeholder = value == "true";
            } else if is_key(key, "num") {
                level.number = value.parse().ok();
            }
        }
    }
}

impl Visitor for PlaceholderFinder<'_> {
    fn open(&mut self, at: usize) {
        self.entry("");
        self.open.push(OpenLevel {
            start: at,
            is_placeholder: false,
            number: None,
        });
    }

    fn close(&mut self, at: usize) {
        let Some(OpenLevel {
            start,
            is_placeholder: true,
            number,
        }) = self.open.pop()
        else {
            return;
        };
        // What is inside of a placeholder is replaced with it.
        while self.found.last().is_some_and(|p| p.range.start > start) {
            self.found.pop();
        }
        let range = start..at + 1;
        self.found.push(Placeholder { range, number });
    }

    fn key(&mut self, range: Range<usize>) {
        self.key = range;
    }

    fn scalar(&mut self, range: Range<usize>) {
        self.entry(&self.text[range]);
    }
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
