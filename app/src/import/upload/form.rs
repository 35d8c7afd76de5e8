//! The multipart form of an upload: `csvFile`, `vendor`, `sessionId` and the options.
//!
//! The parsing is multer's, driven on the import's own thread.

use std::collections::BTreeMap;

use bytes::Bytes;
use multer::{Field, Multipart};
use uuid::Uuid;

use super::body::BodyReader;
use super::drive::Driver;
use super::options::OPTION_NAMES;
use crate::import::error::RequestError;
use crate::import::report::FormHead;
use crate::import::stop::FormStop;
use crate::import::text;

/// Longest label of a vendor that is kept, in characters.
pub const MAX_VENDOR_CHARS: usize = 64;
/// Fields beside those of [`Options`](super::Options).
const FIELD_NAMES: [&str; 2] = ["sessionId", "vendor"];
/// Most parts that a form may have.
const MAX_PARTS: usize = 32;
/// Most bytes before the first part, and of the header lines of one part.
const MAX_PART_HEAD_BYTES: u64 = 64 * 1024;
/// RFC 2046, section 5.1.1.
const MAX_BOUNDARY_CHARS: usize = 70;

/// The boundary that a `Content-Type` header names.
///
/// # Errors
/// [`RequestError::NotMultipart`] for another type, [`RequestError::Malformed`]
/// for a boundary that is missing, empty or longer than RFC 2046 allows.
pub fn boundary(content_type: &str) -> Result<String, RequestError> {
    let boundary = multer::parse_boundary(content_type).map_err(|error| match error {
        multer::Error::NoBoundary => {
            RequestError::Malformed("the Content-Type names no boundary".into())
        }
        _ => RequestError::NotMultipart,
    })?;
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY_CHARS {
        return Err(RequestError::Malformed(
            "the boundary must have 1 to 70 characters".into(),
        ));
    }
    Ok(boundary)
}

/// Reads a session id: any UUID; given back in lower case with hyphens.
pub fn session_id(text: &str) -> Result<String, RequestError> {
    let text = text.trim();
    Uuid::try_parse(text)
        .map(|id| id.hyphenated().to_string())
        .map_err(|_| RequestError::InvalidSessionId)
}

/// A form being read: first [`begin`](Self::begin), then
/// [`file_chunk`](Self::file_chunk) until `None`, then [`finish`](Self::finish).
pub struct Form {
    multipart: Multipart<'static>,
    driver: Driver,
    file: Option<Field<'static>>,
    parts: usize,
    /// Fields by their names.
    given: BTreeMap<String, String>,
}

impl Form {
    /// Reads the fields before the file. `query` has those of the URL.
    pub fn begin(
        body: BodyReader,
        boundary: &str,
        query: &[(String, String)],
    ) -> Result<(Form, FormHead), FormStop> {
        let driver = Driver::new(body);
        let multipart = Multipart::new(driver.stream(), boundary);
        let mut form = Form {
            multipart,
            driver,
            file: None,
            parts: 0,
            given: BTreeMap::new(),
        };
        let mut head = FormHead::default();
        for (name, value) in query {
            form.set_field(&mut head, name, value)?;
        }
        loop {
            let Some(mut part) = form.next_part()? else {
                form.drain_epilogue()?;
                return Err(RequestError::NoFile.into());
            };
            let name = part.name().unwrap_or_default().to_owned();
            if name == "csvFile" {
                head.filename = text::filename(part.file_name().unwrap_or_default());
                form.file = Some(part);
                return Ok((form, head));
            }
            if FIELD_NAMES.contains(&name.as_str()) || OPTION_NAMES.contains(&name.as_str()) {
                let value = form.driver.read_text(&mut part)?;
                form.set_field(&mut head, &name, &value)?;
            } else {
                form.driver.skip(&mut part)?;
            }
        }
    }

    /// The next bytes of the file; `None` once it has ended.
    pub fn file_chunk(&mut self) -> Result<Option<Bytes>, FormStop> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let chunk = self.driver.wait(file.chunk(), u64::MAX)?;
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
                Some("vendor") => {
                    let value = self.driver.read_text(&mut part)?;
                    self.note("vendor", &value)?;
                    vendor = vendor_label(&value);
                }
                Some("sessionId") => return Err(RequestError::SessionIdAfterFile.into()),
                Some(name) if OPTION_NAMES.contains(&name) => {
                    let message = format!("{name} must come before csvFile");
                    return Err(RequestError::InvalidField(message).into());
                }
                Some("csvFile") => {
                    return Err(RequestError::Malformed("more than one csvFile".into()).into());
                }
                _ => self.driver.skip(&mut part)?,
            }
        }
        self.drain_epilogue()?;
        Ok(vendor)
    }

    /// Takes a field of the form or the query.
    fn set_field(
        &mut self,
        head: &mut FormHead,
        name: &str,
        value: &str,
    ) -> Result<(), RequestError> {
        self.note(name, value)?;
        match name {
            "sessionId" => head.session_id = Some(session_id(value)?),
            "vendor" => head.vendor = vendor_label(value),
            _ => {
                head.options.set(name, value)?;
            }
        }
        Ok(())
    }

    /// A field that is given twice must have the same value.
    fn note(&mut self, name: &str, value: &str) -> Result<(), RequestError> {
        let known = self.given.insert(name.to_owned(), value.to_owned());
        let is_another = known.is_some_and(|known| {
            let is_id = name == "sessionId";
            known != value && !(is_id && known.trim().eq_ignore_ascii_case(value.trim()))
        });
        if is_another {
            let message = format!("two different values of {name}");
            return Err(RequestError::Malformed(message));
        }
        Ok(())
    }

    fn next_part(&mut self) -> Result<Option<Field<'static>>, FormStop> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(RequestError::Malformed("more than 32 parts".into()).into());
        }
        self.driver
            .wait(self.multipart.next_field(), MAX_PART_HEAD_BYTES)
    }

    /// RFC 2046 allows text behind the last boundary; it has no meaning.
    fn drain_epilogue(&mut self) -> Result<(), FormStop> {
        while self
            .driver
            .body()
            .next_chunk()
            .map_err(FormStop::Body)?
            .is_some()
        {}
        Ok(())
    }
}

fn vendor_label(value: &str) -> Option<String> {
    let label = text::clean(value, MAX_VENDOR_CHARS);
    (!label.is_empty() && !label.eq_ignore_ascii_case("generic")).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::super::body::{pipe, BodyEnd};
    use super::*;

    const ID: &str = "6F9619FF-8B86-D011-B42D-00CF4FC964FF";

    /// Sends `form` (with `\n` for line ends) in pieces and reads all of it.
    fn read(
        form: &str,
        piece: usize,
        query: Option<&str>,
    ) -> Result<(FormHead, Vec<u8>, Option<String>), FormStop> {
        let (sender, reader) = pipe(|| {});
        for chunk in form.replace('\n', "\r\n").as_bytes().chunks(piece) {
            sender.push(Bytes::copy_from_slice(chunk));
        }
        sender.finish();
        let query = query.map(|id| ("sessionId".to_owned(), id.to_owned()));
        let (mut form, head) = Form::begin(reader, "XX", query.as_slice())?;
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
        let form = format!(
            "{}{}{FILE}{}--XX--\nepilogue",
            part("vendor", " Acme\t"),
            part("sessionId", ID),
            part("note", "x")
        );
        for piece in [1, 2, 3, 7, 64, 10_000] {
            let (head, file, vendor) = read(&form, piece, None).unwrap();
            assert_eq!(
                head.session_id.as_deref(),
                Some("6f9619ff-8b86-d011-b42d-00cf4fc964ff")
            );
            assert_eq!(head.vendor.as_deref(), Some("Acme"));
            assert_eq!(head.filename, "scan.csv");
            assert_eq!(file, b"a,b\r\n--X\r\n--XY,1\r\n");
            assert_eq!(vendor, None);
        }
    }

    #[test]
    fn the_vendor_may_come_after_the_file_and_generic_means_none() {
        let (head, _, vendor) = read(
            &format!("{FILE}{}--XX--\n", part("vendor", "Acme")),
            50,
            None,
        )
        .unwrap();
        assert_eq!((head.vendor, head.session_id), (None, None));
        assert_eq!(vendor.as_deref(), Some("Acme"));
        let (acme, other) = (part("vendor", "Acme"), part("vendor", "Other"));
        assert!(read(&format!("{acme}{FILE}{acme}--XX--\n"), 50, None).is_ok());
        for form in [
            format!("{acme}{FILE}{other}--XX--\n"),
            format!("{FILE}{acme}{other}--XX--\n"),
        ] {
            let what = malformed(read(&form, 50, None));
            assert_eq!(what, "two different values of vendor");
        }
        let (head, _, _) = read(
            &format!("{}{FILE}--XX--\n", part("vendor", "Generic")),
            50,
            None,
        )
        .unwrap();
        assert_eq!(head.vendor, None);
    }

    #[test]
    fn session_ids_may_come_from_the_query_but_must_agree_and_be_uuids() {
        let form = format!("{FILE}--XX--\n");
        let (head, _, _) = read(&form, 50, Some(ID)).unwrap();
        assert_eq!(head.session_id.unwrap(), ID.to_lowercase());
        assert_eq!(
            read(&form, 50, Some("7")),
            Err(RequestError::InvalidSessionId.into())
        );
        let both = format!("{}{FILE}--XX--\n", part("sessionId", ID));
        assert!(read(&both, 50, Some(&ID.to_lowercase())).is_ok());
        let other = "00000000-0000-4000-8000-000000000000";
        assert_eq!(
            malformed(read(&both, 50, Some(other))),
            "two different values of sessionId"
        );
    }

    #[test]
    fn a_session_id_after_the_file_is_refused() {
        let form = format!("{FILE}{}--XX--\n", part("sessionId", ID));
        assert_eq!(
            read(&form, 50, None),
            Err(RequestError::SessionIdAfterFile.into())
        );
    }

    #[test]
    fn forms_that_cannot_be_imported_say_why() {
        assert_eq!(
            read(&format!("{}--XX--\n", part("vendor", "a")), 9, None),
            Err(RequestError::NoFile.into())
        );
        assert_eq!(
            malformed(read("no boundary at all", 9, None)),
            "the form ends before its last boundary"
        );
        assert_eq!(
            malformed(read(FILE, 9, None)),
            "the form ends before its last boundary"
        );
        assert_eq!(
            malformed(read(&format!("{FILE}{FILE}--XX--\n"), 9, None)),
            "more than one csvFile"
        );
        let many = part("x", "y").repeat(40);
        assert_eq!(
            malformed(read(&format!("{many}{FILE}--XX--\n"), 9, None)),
            "more than 32 parts"
        );
    }

    #[test]
    fn endless_header_lines_are_refused_before_they_fill_the_memory() {
        let form = format!("--XX\nX-Long: {}", "a".repeat(1_000_000));
        assert_eq!(
            malformed(read(&form, 4096, None)),
            "the header lines of a part are too long"
        );
        assert_eq!(
            malformed(read(&"-".repeat(1_000_000), 4096, None)),
            "the header lines of a part are too long"
        );
    }

    #[test]
    fn a_long_field_is_shortened_and_the_file_still_found() {
        let form = format!("{}{FILE}--XX--\n", part("vendor", &"v".repeat(200_000)));
        let (head, file, _) = read(&form, 1000, None).unwrap();
        assert_eq!(head.vendor.unwrap().len(), MAX_VENDOR_CHARS);
        assert!(file.starts_with(b"a,b"));
    }

    #[test]
    fn the_file_begins_as_soon_as_its_header_lines_are_there() {
        let (sender, reader) = pipe(|| {});
        let head = format!(
            "{}{}",
            part("vendor", "Acme"),
            FILE.split_once("a,b").unwrap().0
        );
        sender.push(Bytes::from(head.replace('\n', "\r\n")));
        let (mut form, head) = Form::begin(reader, "XX", &[]).unwrap();
        assert_eq!(head.vendor.as_deref(), Some("Acme"));
        sender.push(Bytes::from_static(b"a,b"));
        assert_eq!(form.file_chunk().unwrap().unwrap(), "a,b");
    }

    #[test]
    fn a_body_that_breaks_off_is_told_from_a_bad_form() {
        let (sender, reader) = pipe(|| {});
        sender.push(Bytes::from(FILE[..30].replace('\n', "\r\n")));
        sender.too_large();
        assert_eq!(
            Form::begin(reader, "XX", &[]).err(),
            Some(FormStop::Body(BodyEnd::TooLarge))
        );
    }

    #[test]
    fn boundaries_come_from_the_content_type() {
        assert_eq!(
            boundary("multipart/form-data; boundary=\"a b\"").unwrap(),
            "a b"
        );
        assert_eq!(
            boundary("multipart/form-data; boundary=abc; charset=utf-8").unwrap(),
            "abc"
        );
        assert_eq!(boundary("text/csv"), Err(RequestError::NotMultipart));
        assert!(matches!(
            boundary("multipart/form-data"),
            Err(RequestError::Malformed(_))
        ));
        let long = format!("multipart/form-data; boundary={}", "a".repeat(71));
        assert!(matches!(boundary(&long), Err(RequestError::Malformed(_))));
    }
}
