//! The second stage: what a row says. A [`Layout`](super::file::Layout) and the text
//! below the header become [`Reading`]s.

mod cells;
mod dates;
mod ids;
mod reading;
mod rows;
mod score;

pub use dates::by_order;
pub use reading::{Finding, Interpreter, Reading};
pub use rows::{Rows, MAX_CELL_BYTES, MAX_RECORD_BYTES};
