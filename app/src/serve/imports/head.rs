//! What the head of an upload says, be it imported or one that was imported before.

use pulsewheel::http::Request;

use crate::import::{boundary, OPTION_NAMES};
use crate::serve::answer::ApiError;
use crate::serve::idempotency::FormHash;
use crate::serve::query_fields::fields;

/// The head of an upload that may come in.
#[derive(Debug)]
pub struct UploadHead {
    pub boundary: String,
    /// How long its body is, where that is said.
    pub declared_bytes: Option<u64>,
    /// The fields of the URL's query.
    pub fields: Vec<(String, String)>,
    query: String,
}

impl UploadHead {
    /// Reads it, where the body may have so many bytes.
    pub fn read(head: &Request, max_bytes: u64) -> Result<UploadHead, ApiError> {
        let boundary = boundary(head.header("Content-Type").unwrap_or_default())
            .map_err(|error| ApiError::from(&error))?;
        if head.content_encoded {
            return Err(ApiError::media_type(
                "compressed uploads are not read; send it without Content-Encoding",
            ));
        }
        let declared_bytes = head.framing.content_length();
        if declared_bytes.is_some_and(|bytes| bytes > max_bytes) {
            return Err(ApiError::too_large("an upload", max_bytes));
        }
        let mut known = vec!["sessionId", "vendor"];
        known.extend(OPTION_NAMES);
        let fields = fields(head, &known)?.into_iter();
        Ok(UploadHead {
            boundary,
            declared_bytes,
            fields: fields
                .map(|(name, value)| (name.to_owned(), value.into_owned()))
                .collect(),
            query: head.query.clone(),
        })
    }

    /// The hash by which it is known when it is sent again, of which the body is still to come.
    pub fn hash(&self) -> FormHash {
        FormHash::new(&self.query, &self.boundary)
    }
}

#[cfg(test)]
mod tests {
    use pulsewheel::http::Framing;

    use super::*;
    use crate::serve::testing::get;

    #[test]
    fn what_cannot_be_an_upload_is_refused_by_its_head() {
        let form = ("Content-Type", "multipart/form-data; boundary=b");
        let read = |head: Request| {
            let read = UploadHead::read(&head, 1_000);
            read.map(|head| head.boundary).map_err(|error| error.status)
        };
        assert_eq!(read(get(&[form])), Ok("b".to_owned()));
        assert_eq!(read(get(&[])), Err(415));
        assert_eq!(
            read(get(&[("Content-Type", "multipart/form-data")])),
            Err(400)
        );
        let packed = Request {
            content_encoded: true,
            ..get(&[form])
        };
        assert_eq!(read(packed), Err(415));
        for (bytes, outcome) in [(1_000, Ok("b".to_owned())), (1_001, Err(413))] {
            let head = Request {
                framing: Framing::Length(bytes),
                ..get(&[form])
            };
            assert_eq!(read(head), outcome);
        }
        let unknown = Request {
            query: "colour=red".to_owned(),
            ..get(&[form])
        };
        assert_eq!(read(unknown), Err(400));
    }
}
