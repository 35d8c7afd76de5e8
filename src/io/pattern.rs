//! Which namespaces a set of handlers serves.

use std::borrow::Cow;

use crate::socket::with_slash;
use crate::Args;

/// Whether a client with this auth payload may join the namespace of this name.
pub(super) type Decision<S> = Box<dyn FnMut(&mut S, &str, &Args) -> bool + Send>;

/// Which namespaces a set of handlers serves.
pub(super) enum Pattern<S> {
    /// The one of this name, which is there from the start.
    Name(String),
    /// Those whose names are like this; `*` stands for any characters.
    Like(String),
    /// Those that are let in, and a label for them.
    Decision(String, Decision<S>),
}

impl<S> Pattern<S> {
    /// The one of this name, whose slash may be left out.
    pub fn of_name(name: &str) -> Self {
        Pattern::Name(with_slash(name).into_owned())
    }

    /// Those whose names are like this. Its slash may be left out too, and an asterisk in front stands for it as well.
    pub fn like(pattern: &str) -> Self {
        Pattern::Like(slashed(pattern).into_owned())
    }

    /// The name, where it is exactly one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Pattern::Name(name) => Some(name),
            _ => None,
        }
    }

    /// Whether this is the pattern, or the decision with the label, that somebody means.
    pub fn is_called(&self, pattern_or_label: &str) -> bool {
        match self {
            Pattern::Name(_) => false,
            Pattern::Like(text) => *text == *slashed(pattern_or_label),
            Pattern::Decision(text, _) => text == pattern_or_label,
        }
    }

    /// Whether handlers of both are the same.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Pattern::Name(a), Pattern::Name(b))
            | (Pattern::Like(a), Pattern::Like(b))
            | (Pattern::Decision(a, _), Pattern::Decision(b, _)) => a == b,
            _ => false,
        }
    }

    /// Whether a client may have the namespace of this name made.
    pub fn matches(&mut self, state: &mut S, name: &str, auth: &Args) -> bool {
        match self {
            Pattern::Name(known) => known == name,
            Pattern::Like(pattern) => is_like(name, pattern),
            Pattern::Decision(_, decide) => decide(state, name, auth),
        }
    }
}

fn slashed(pattern: &str) -> Cow<'_, str> {
    if pattern.starts_with('*') {
        Cow::Borrowed(pattern)
    } else {
        with_slash(pattern)
    }
}

/// Whether a text has the parts between a pattern's asterisks in their order, the first at its start and the last at its end.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return text == pattern;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let mut parts = rest.split('*');
    let end = parts.next_back().unwrap_or_default();
    for part in parts {
        // Taking each part where it comes first leaves the most for those behind it.
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asterisks_stand_for_any_characters() {
        for (text, pattern, is_it) in [
            ("/a", "/a", true),
            ("/a", "/b", false),
            ("/room-", "/room-*", true),
            ("/room-17", "/room-*", true),
            ("/rooms", "/room-*", false),
            ("/a/b/c", "/*/c", true),
            ("/a/b/d", "/*/c", false),
            ("/x-1-y-2-z", "/x*y*z", true),
            ("/x-1-z", "/x*y*z", false),
            ("/ab", "/ab*b", false),
            ("/anything", "*", true),
        ] {
            assert_eq!(is_like(text, pattern), is_it, "{text} like {pattern}");
        }
    }
}
