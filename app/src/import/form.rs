//! The multipart form of an upload: `csvFile`, `vendor`, `sessionId`.
//!
//! The parsing is multer's. It is written for async programs; here it is driven
//! on the import's own thread by a stream that blocks for each chunk.

use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::stream::Stream;
use multer::{Field, Multipart};
use uuid::Uuid;

use super::body::{BodyEnd, BodyReader};
use super::report::RequestError;
use super::text;

/// Longest name of a file that is kept, in characters.
pub const MAX_FILENAME_CHARS: usize = 255;
/// Longest label of a vendor that is kept, in characters.
pub const MAX_VENDOR_CHARS: usize = 64;
/// Most parts that a form may have.
const MAX_PARTS: usize = 32;
/// Most bytes before the first part, and of the header lines of one part.
const MAX_PART_HEAD_BYTES: u64 = 64 * 1024;
/// What is read of a field before its value is shortened.
const MAX_FIELD_BYTES: usize = 4 * 1024;
/// RFC 2046, section 5.1.1.
const MAX_BOUNDARY_CHARS: usize = 70;

/// The boundary that a `Content-Type` header names.
///
/// # Errors
/// [`RequestError::NotMultipart`] for another type, [`RequestError::Malformed`]
/// for a boundary that is missing, empty or longer than RFC 2046 allows.
pub fn boundary(content_type: &str) -> Result<String, RequestError> {
    let boundary = multer::parse_boundary(content_type).map_err(|error| match error {
        multer::Error::NoBoundary => RequestError::Malformed("the Content-Type names no boundary".into()),
        _ => RequestError::NotMultipart,
    })?;
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY_CHARS {
        return Err(RequestError::Malformed("the boundary must have 1 to 70 characters".into()));
    }
    Ok(boundary)
}

/// Reads a session id: any UUID; given back in lower case with hyphens.
pub fn session_id(text: &str) -> Result<String, RequestError> {
    let text = text.trim();
    Uuid::try_parse(text).map(|id| id.hyphenated().to_string()).map_err(|_| RequestError::InvalidSessionId)
}

/// What is known of an upload when its file begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormHead {
    /// From the field or the query, in lower case with hyphens.
    pub session_id: Option<String>,
    /// `None` if missing, empty or `generic`: then the format gives the label.
    pub vendor: Option<String>,
    /// The last part of the name that was sent; `upload.csv` if there is none.
    pub filename: String,
}

/// Why a form cannot be read further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormStop {
    Body(BodyEnd),
    Invalid(RequestError),
}

/// A form being read: first [`begin`](Self::begin), then
/// [`file_chunk`](Self::file_chunk) until `None`, then [`finish`](Self::finish).
pub struct Form {
    multipart: Multipart<'static>,
    body: BodyReader,
    file: Option<Field<'static>>,
    head_bytes: Arc<AtomicU64>,
    parts: usize,
}

impl Form {
    /// Reads the fields before the file. `query_session_id` is the `sessionId`
    /// of the URL, if any.
    pub fn begin(
        body: BodyReader,
        boundary: &str,
        query_session_id: Option<&str>,
    ) -> Result<(Form, FormHead), FormStop> {
        let head_bytes = Arc::new(AtomicU64::new(0));
        let stream = OneChunkAtATime { body: body.clone(), head_bytes: head_bytes.clone(), gave: false };
        let multipart = Multipart::new(stream, boundary);
        let mut form = Form { multipart, body, file: None, head_bytes, parts: 0 };
        let mut session = query_session_id.map(session_id).transpose()?;
        let mut vendor = None;
        loop {
            let Some(mut part) = form.next_part()? else {
                form.drain_epilogue()?;
                return Err(RequestError::NoFile.into());
            };
            match part.name() {
                Some("csvFile") => {
                    let filename = text::filename(part.file_name().unwrap_or_default());
                    form.file = Some(part);
                    let head = FormHead { session_id: session, vendor, filename };
                    return Ok((form, head));
                }
                Some("sessionId") => {
                    let given = session_id(&read_text(&mut part)?)?;
                    if session.is_some_and(|known| known != given) {
                        return Err(RequestError::Malformed("two different values of sessionId".into()).into());
                    }
                    session = Some(given);
                }
                Some("vendor") => vendor = vendor_label(&read_text(&mut part)?),
                _ => skip(&mut part)?,
            }
        }
    }

    /// The next bytes of the file; `None` once it has ended.
    pub fn file_chunk(&mut self) -> Result<Option<Bytes>, FormStop> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let chunk = block_on(file.chunk())?;
        if chunk.is_none() {
            self.file = None;
        }
        Ok(chunk)
    }

    /// Reads what follows the file, to the last byte of the body. Gives the
    /// vendor if it comes here.
    pub fn finish(&mut self) -> Result<Option<String>, FormStop> {
        let mut vendor = None;
        while let Some(mut part) = self.next_part()? {
            match part.name() {
                Some("vendor") => vendor = vendor_label(&read_text(&mut part)?),
                Some("sessionId") => return Err(RequestError::SessionIdAfterFile.into()),
                Some("csvFile") => {
                    return Err(RequestError::Malformed("more than one csvFile".into()).into());
                }
                _ => skip(&mut part)?,
            }
        }
        self.drain_epilogue()?;
        Ok(vendor)
    }

    fn next_part(&mut self) -> Result<Option<Field<'static>>, FormStop> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(RequestError::Malformed("more than 32 parts".into()).into());
        }
        self.head_bytes.store(0, Ordering::Relaxed);
        let part = block_on(self.multipart.next_field())?;
        self.head_bytes.store(NOT_IN_HEAD, Ordering::Relaxed);
        Ok(part)
    }

    /// RFC 2046 allows text behind the last boundary; it has no meaning.
    fn drain_epilogue(&mut self) -> Result<(), FormStop> {
        while self.body.next_chunk().map_err(FormStop::Body)?.is_some() {}
        Ok(())
    }
}

fn vendor_label(value: &str) -> Option<String> {
    let label = text::clean(value, MAX_VENDOR_CHARS);
    (!label.is_empty() && !label.eq_ignore_ascii_case("generic")).then_some(label)
}

/// A short field's text; what is longer than the limit is read and dropped.
fn read_text(part: &mut Field<'_>) -> Result<String, FormStop> {
    let mut value = Vec::new();
    while let Some(chunk) = block_on(part.chunk())? {
        let wanted = chunk.len().min(MAX_FIELD_BYTES - value.len());
        value.extend_from_slice(&chunk[..wanted]);
    }
    Ok(String::from_utf8_lossy(&value).into_owned())
}

fn skip(part: &mut Field<'_>) -> Result<(), FormStop> {
    while block_on(part.chunk())?.is_some() {}
    Ok(())
}

/// Marks that a part's data is read, which may be of any length.
const NOT_IN_HEAD: u64 = u64::MAX;

/// Feeds multer, which reads its stream until that is not ready: one chunk, then
/// "not ready" once. Without the pause it would read the whole body into memory.
struct OneChunkAtATime {
    body: BodyReader,
    /// Bytes handed out in search of a part's data, or [`NOT_IN_HEAD`].
    head_bytes: Arc<AtomicU64>,
    gave: bool,
}

impl Stream for OneChunkAtATime {
    type Item = Result<Bytes, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.gave {
            self.gave = false;
            return Poll::Pending;
        }
        let head_bytes = self.head_bytes.load(Ordering::Relaxed);
        if head_bytes != NOT_IN_HEAD && head_bytes > MAX_PART_HEAD_BYTES {
            return Poll::Ready(Some(Err(StreamError::HeadTooLong)));
        }
        match self.body.next_chunk() {
            Ok(Some(chunk)) => {
                if head_bytes != NOT_IN_HEAD {
                    self.head_bytes.store(head_bytes + chunk.len() as u64, Ordering::Relaxed);
                }
                self.gave = true;
                Poll::Ready(Some(Ok(chunk)))
            }
            Ok(None) => Poll::Ready(None),
            Err(end) => Poll::Ready(Some(Err(StreamError::Body(end)))),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum StreamError {
    Body(BodyEnd),
    HeadTooLong,
}

impl std::fmt::Display for StreamError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StreamError::Body(end) => write!(f, "the body broke off: {end:?}"),
            StreamError::HeadTooLong => f.write_str("the header lines of a part are too long"),
        }
    }
}

impl std::error::Error for StreamError {}

/// The stream blocks instead of waking anybody, so polling again is all there is
/// to do.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

impl From<multer::Error> for FormStop {
    fn from(error: multer::Error) -> FormStop {
        if let multer::Error::StreamReadFailed(cause) = &error {
            if let Some(StreamError::Body(end)) = cause.downcast_ref() {
                return FormStop::Body(*end);
            }
            return RequestError::Malformed(cause.to_string()).into();
        }
        let message = match error {
            multer::Error::IncompleteStream | multer::Error::IncompleteFieldData { .. } => {
                "the form ends before its last boundary".to_owned()
            }
            other => other.to_string(),
        };
        RequestError::Malformed(message).into()
    }
}

impl From<RequestError> for FormStop {
    fn from(error: RequestError) -> FormStop {
        FormStop::Invalid(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::body::pipe;

    const ID: &str = "6F9619FF-8B86-D011-B42D-00CF4FC964FF";

    /// Sends `form` (with `\n` for line ends) in pieces and reads all of it.
    fn read(form: &str, piece: usize, query: Option<&str>) -> Result<(FormHead, Vec<u8>, Option<String>), FormStop> {
        let (sender, reader) = pipe(|| {});
        for chunk in form.replace('\n', "\r\n").as_bytes().chunks(piece) {
            sender.push(Bytes::copy_from_slice(chunk));
        }
        sender.finish();
        let (mut form, head) = Form::begin(reader, "XX", query)?;
        let mut file = Vec::new();
        while let Some(chunk) = form.file_chunk()? {
            file.extend_from_slice(&chunk);
        }
        let vendor = form.finish()?;
        Ok((head, file, vendor))
    }

    fn part(name: &str, value: &str) -> String {
        format!("--XX\nContent-Disposition: form-data; name=\"{name}\"\n\n{value}\n")
    }

    const FILE: &str = "--XX\nContent-Disposition: form-data; name=\"csvFile\"; filename=\"C:\\dir\\scan.csv\"\nContent-Type: text/csv\n\na,b\n--X\n--XY,1\n\n";

    fn malformed(result: Result<(FormHead, Vec<u8>, Option<String>), FormStop>) -> String {
        match result {
            Err(FormStop::Invalid(RequestError::Malformed(message))) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn fields_before_and_after_the_file_are_found_however_the_body_is_cut() {
        let form = format!("{}{}{FILE}{}--XX--\nepilogue", part("vendor", " Acme\t"), part("sessionId", ID), part("note", "x"));
        for piece in [1, 2, 3, 7, 64, 10_000] {
            let (head, file, vendor) = read(&form, piece, None).unwrap();
            assert_eq!(head.session_id.as_deref(), Some("6f9619ff-8b86-d011-b42d-00cf4fc964ff"));
            assert_eq!(head.vendor.as_deref(), Some("Acme"));
            assert_eq!(head.filename, "scan.csv");
            assert_eq!(file, b"a,b\r\n--X\r\n--XY,1\r\n");
            assert_eq!(vendor, None);
        }
    }

    #[test]
    fn the_vendor_may_come_after_the_file_and_generic_means_none() {
        let (head, _, vendor) = read(&format!("{FILE}{}--XX--\n", part("vendor", "Acme")), 50, None).unwrap();
        assert_eq!((head.vendor, head.session_id), (None, None));
        assert_eq!(vendor.as_deref(), Some("Acme"));
        let (head, _, _) = read(&format!("{}{FILE}--XX--\n", part("vendor", "Generic")), 50, None).unwrap();
        assert_eq!(head.vendor, None);
    }

    #[test]
    fn session_ids_may_come_from_the_query_but_must_agree_and_be_uuids() {
        let form = format!("{FILE}--XX--\n");
        let (head, _, _) = read(&form, 50, Some(ID)).unwrap();
        assert_eq!(head.session_id.unwrap(), ID.to_lowercase());
        assert_eq!(read(&form, 50, Some("7")), Err(RequestError::InvalidSessionId.into()));
        let both = format!("{}{FILE}--XX--\n", part("sessionId", ID));
        assert!(read(&both, 50, Some(&ID.to_lowercase())).is_ok());
        let other = "00000000-0000-4000-8000-000000000000";
        assert_eq!(malformed(read(&both, 50, Some(other))), "two different values of sessionId");
    }

    #[test]
    fn a_session_id_after_the_file_is_refused() {
        let form = format!("{FILE}{}--XX--\n", part("sessionId", ID));
        assert_eq!(read(&form, 50, None), Err(RequestError::SessionIdAfterFile.into()));
    }

    #[test]
    fn forms_that_cannot_be_imported_say_why() {
        assert_eq!(read(&format!("{}--XX--\n", part("vendor", "a")), 9, None), Err(RequestError::NoFile.into()));
        assert_eq!(malformed(read("no boundary at all", 9, None)), "the form ends before its last boundary");
        assert_eq!(malformed(read(FILE, 9, None)), "the form ends before its last boundary");
        assert_eq!(malformed(read(&format!("{FILE}{FILE}--XX--\n"), 9, None)), "more than one csvFile");
        let many = part("x", "y").repeat(40);
        assert_eq!(malformed(read(&format!("{many}{FILE}--XX--\n"), 9, None)), "more than 32 parts");
    }

    #[test]
    fn endless_header_lines_are_refused_before_they_fill_the_memory() {
        let form = format!("--XX\nX-Long: {}", "a".repeat(1_000_000));
        assert_eq!(malformed(read(&form, 4096, None)), "the header lines of a part are too long");
        assert_eq!(malformed(read(&"-".repeat(1_000_000), 4096, None)), "the header lines of a part are too long");
    }

    #[test]
    fn a_long_field_is_shortened_and_the_file_still_found() {
        let form = format!("{}{FILE}--XX--\n", part("vendor", &"v".repeat(200_000)));
        let (head, file, _) = read(&form, 1000, None).unwrap();
        assert_eq!(head.vendor.unwrap().len(), MAX_VENDOR_CHARS);
        assert!(file.starts_with(b"a,b"));
    }

    #[test]
    fn a_body_that_breaks_off_is_told_from_a_bad_form() {
        let (sender, reader) = pipe(|| {});
        sender.push(Bytes::from(FILE[..30].replace('\n', "\r\n")));
        sender.too_large();
        assert_eq!(Form::begin(reader, "XX", None).err(), Some(FormStop::Body(BodyEnd::TooLarge)));
    }

    #[test]
    fn boundaries_come_from_the_content_type() {
        assert_eq!(boundary("multipart/form-data; boundary=\"a b\"").unwrap(), "a b");
        assert_eq!(boundary("multipart/form-data; boundary=abc; charset=utf-8").unwrap(), "abc");
        assert_eq!(boundary("text/csv"), Err(RequestError::NotMultipart));
        assert!(matches!(boundary("multipart/form-data"), Err(RequestError::Malformed(_))));
        let long = format!("multipart/form-data; boundary={}", "a".repeat(71));
        assert!(matches!(boundary(&long), Err(RequestError::Malformed(_))));
    }
}
