//! Uploads that are sent again: read to their end and compared, and imported no more.

use std::collections::BTreeMap;

use pulsewheel::{Endpoint, RequestId};

use super::known::Repeated;
use super::FormHash;
use crate::serve::answer::ApiError;
use crate::serve::auth::Caller;
use crate::serve::imports::{UploadHead, WINDOW_BYTES};

/// All of them that are coming in. Nothing is held of their bodies.
pub struct Repeats {
    max_upload_bytes: u64,
    incoming: BTreeMap<RequestId, Incoming>,
}

struct Incoming {
    repeated: Repeated,
    caller: Caller,
    hash: FormHash,
    received_bytes: u64,
}

impl Repeats {
    pub fn new(max_upload_bytes: u64) -> Repeats {
        Repeats {
            max_upload_bytes,
            incoming: BTreeMap::new(),
        }
    }

    /// Takes an upload on whose key was sent before.
    pub fn begin(
        &mut self,
        endpoint: &mut Endpoint,
        request: RequestId,
        head: &UploadHead,
        caller: Caller,
        repeated: Repeated,
    ) {
        let incoming = Incoming {
            repeated,
            caller,
            hash: head.hash(),
            received_bytes: 0,
        };
        self.incoming.insert(request, incoming);
        let _ = endpoint.grant_body(request, WINDOW_BYTES);
    }

    /// Bytes of a body, if it is one of these.
    ///
    /// # Errors
    /// It is longer than an upload may be, and is given up.
    pub fn push(
        &mut self,
        endpoint: &mut Endpoint,
        request: RequestId,
        data: &[u8],
    ) -> Result<(), ApiError> {
        let Some(incoming) = self.incoming.get_mut(&request) else {
            return Ok(());
        };
        incoming.received_bytes += data.len() as u64;
        if incoming.received_bytes > self.max_upload_bytes {
            self.incoming.remove(&request);
            return Err(ApiError::too_large("an upload", self.max_upload_bytes));
        }
        incoming.hash.update(data);
        let _ = endpoint.grant_body(request, data.len());
        Ok(())
    }

    /// The body is complete: gives who has sent it, and the number of the answer to be given again.
    pub fn finish(&mut self, request: RequestId) -> Option<(Caller, Result<u64, ApiError>)> {
        let incoming = self.incoming.remove(&request)?;
        let number = incoming.repeated.with_body(&incoming.hash.finish());
        Some((incoming.caller, number))
    }

    /// The sender is gone.
    pub fn abort(&mut self, request: RequestId) {
        self.incoming.remove(&request);
    }
}
