//! The bytes of an answer, wherever they live.

use std::ops::Deref;
use std::sync::Arc;

/// The bytes of an answer: built in, made for it, or shared with others.
#[derive(Clone, Debug)]
pub enum ResponseBody {
    /// Part of the program, such as an embedded page.
    Static(&'static [u8]),
    /// Made for this answer.
    Owned(Vec<u8>),
    /// Shared with other answers.
    Shared(Arc<[u8]>),
}

impl Deref for ResponseBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            ResponseBody::Static(bytes) => bytes,
            ResponseBody::Owned(bytes) => bytes,
            ResponseBody::Shared(bytes) => bytes,
        }
    }
}

impl Default for ResponseBody {
    fn default() -> Self {
        ResponseBody::Static(&[])
    }
}

impl PartialEq for ResponseBody {
    fn eq(&self, other: &ResponseBody) -> bool {
        **self == **other
    }
}

impl Eq for ResponseBody {}

impl From<&'static str> for ResponseBody {
    fn from(text: &'static str) -> Self {
        ResponseBody::Static(text.as_bytes())
    }
}

impl From<&'static [u8]> for ResponseBody {
    fn from(bytes: &'static [u8]) -> Self {
        ResponseBody::Static(bytes)
    }
}

impl From<String> for ResponseBody {
    fn from(text: String) -> Self {
        ResponseBody::Owned(text.into_bytes())
    }
}

impl From<Vec<u8>> for ResponseBody {
    fn from(bytes: Vec<u8>) -> Self {
        ResponseBody::Owned(bytes)
    }
}

impl From<Arc<[u8]>> for ResponseBody {
    fn from(bytes: Arc<[u8]>) -> Self {
        ResponseBody::Shared(bytes)
    }
}
