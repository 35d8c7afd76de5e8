//! The second stage: what a row says. A [`Layout`](super::file::Layout) and the text
//! below the header become [`Reading`]s.

mod reading;
mod rows;
mod score;

pub use reading::{Finding, Reading};
pub use rows::{Rows, MAX_CELL_BYTES, MAX_RECORD_BYTES};
