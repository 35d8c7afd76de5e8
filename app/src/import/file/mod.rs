//! The first stage: what the file is. Bytes become text, and the lines at its head a
//! [`Layout`] that says how to read its rows.

mod decode;
mod kind;
mod layout;

pub use decode::{ByteSource, Decoder};
pub use layout::{ColumnsRead, Layout, Mappings, Rest};

#[cfg(test)]
pub use decode::tests;
