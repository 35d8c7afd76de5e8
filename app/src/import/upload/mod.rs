//! An upload on its way in: the body of a request becomes the fields and the file of a
//! form.

mod body;
mod drive;
mod form;
mod options;

pub use body::{pipe, BodyEnd, BodyReader, BodySender, Canceller, HIGH_WATER_BYTES};
pub use form::{boundary, session_id, Form, MAX_VENDOR_CHARS};
pub use options::{Options, OPTION_NAMES};
