//! Why an import ends before its commit, whatever layer found out.

use super::error::{ImportError, RequestError};
use super::upload::BodyEnd;
use crate::store::{MergeStop, StoreError};

/// Why an import ends before its commit.
#[derive(Debug)]
pub enum Stop {
    Cancelled,
    Failed(Box<ImportError>),
    /// The form or its transport is at fault, so the request is answered with
    /// this error too.
    Request(RequestError),
}

impl From<ImportError> for Stop {
    fn from(error: ImportError) -> Stop {
        Stop::Failed(Box::new(error))
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        ImportError::storage(error).into()
    }
}

impl From<MergeStop> for Stop {
    fn from(stop: MergeStop) -> Stop {
        match stop {
            MergeStop::Cancelled => Stop::Cancelled,
            MergeStop::Older(hosts) => ImportError::older_scan(&hosts).into(),
            MergeStop::Store(error) => error.into(),
        }
    }
}

impl From<FormStop> for Stop {
    fn from(stop: FormStop) -> Stop {
        match stop {
            FormStop::Body(BodyEnd::Cancelled) => Stop::Cancelled,
            FormStop::Body(BodyEnd::Aborted) => Stop::Request(RequestError::Aborted),
            FormStop::Body(BodyEnd::TooLarge) => Stop::Request(RequestError::TooLarge),
            FormStop::Body(BodyEnd::TooSlow) => Stop::Request(RequestError::TooSlow),
            FormStop::Invalid(error) => Stop::Request(error),
        }
    }
}

impl Stop {
    /// What the session and the history are told; `None` for a cancellation.
    pub fn error(&self) -> Option<ImportError> {
        match self {
            Stop::Cancelled => None,
            Stop::Failed(error) => Some((**error).clone()),
            Stop::Request(RequestError::TooLarge) => Some(ImportError::too_large()),
            Stop::Request(RequestError::TooSlow) => {
                let message = "The upload was cut, since it came too slowly";
                Some(ImportError::parsing(message, None))
            }
            Stop::Request(RequestError::Aborted) => {
                let message = "The upload broke off before the end of the file";
                Some(ImportError::parsing(message, None))
            }
            Stop::Request(error) => Some(ImportError::bad_request(error)),
        }
    }
}

/// Why a form cannot be read further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormStop {
    Body(BodyEnd),
    Invalid(RequestError),
}

impl From<multer::Error> for FormStop {
    fn from(error: multer::Error) -> FormStop {
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
