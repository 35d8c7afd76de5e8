//! Files of findings on their way: how many there may be, and how far each has come.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pulsewheel::{Handle, RequestId};

use super::answer::ApiError;
use super::answering::give;
use super::callers::CallerId;
use super::export::{Export, Piece};
use crate::store::Reader;

/// When a caller who has as many may come back, in seconds.
const RETRY_AFTER_S: u64 = 5;

/// Files that are on their way at a time. A piece of each may be in memory.
const MAX_EXPORTS: usize = 8;
/// The same of one caller.
const MAX_OF_CALLER: usize = 4;

/// Shared by the loop and the thread of queries; held for moments only.
#[derive(Default)]
pub struct Exports {
    under_way: Mutex<BTreeMap<RequestId, UnderWay>>,
}

struct UnderWay {
    caller: CallerId,
    /// `None` while its next piece is made.
    export: Option<Export>,
    has_begun: bool,
}

impl Exports {
    /// Takes on a file for a caller.
    pub fn begin(
        &self,
        request: RequestId,
        caller: CallerId,
        export: Export,
    ) -> Result<(), ApiError> {
        let mut under_way = self.lock();
        let own = under_way.values().filter(|it| it.caller == caller).count();
        if own >= MAX_OF_CALLER {
            let message = format!("{MAX_OF_CALLER} files of yours are on their way");
            return Err(ApiError::rate_limit(message, RETRY_AFTER_S));
        }
        if under_way.len() >= MAX_EXPORTS {
            let message = "as many files are on their way as there may be";
            return Err(ApiError::overload(message));
        }
        let entry = UnderWay {
            caller,
            export: Some(export),
            has_begun: false,
        };
        under_way.insert(request, entry);
        Ok(())
    }

    /// Whose file it is, if it is one of these.
    pub fn caller(&self, request: RequestId) -> Option<CallerId> {
        self.lock().get(&request).map(|it| it.caller.clone())
    }

    /// Forgets a file.
    pub fn end(&self, request: RequestId) {
        self.lock().remove(&request);
    }

    /// Makes the next piece of a file and has the loop send it. Not for the loop's own thread.
    pub fn send_piece(&self, request: RequestId, reader: &Reader, handle: &Handle) {
        let Some((mut export, has_begun)) = self.take(request) else {
            return;
        };
        let made = export.next(reader).map_err(|error| {
            log::error!("a file of findings can't be read: {error}");
        });
        let is_last = !matches!(made, Ok(Piece { is_last: false, .. }));
        let response = (!has_begun).then(|| export.response());
        // Before it is sent: the next piece may be asked for at once.
        match is_last {
            true => self.end(request),
            false => self.put_back(request, export),
        }
        let sent = give(
            handle,
            (made, response),
            move |endpoint, given| match given {
                (Ok(piece), response) => {
                    if let Some(response) = response {
                        endpoint.respond_in_parts(request, response)?;
                    }
                    endpoint.send_part(request, piece.text)?;
                    match piece.is_last {
                        true => endpoint.end_parts(request),
                        false => Ok(()),
                    }
                }
                (Err(()), Some(_)) => endpoint.respond(request, ApiError::storage().into()),
                (Err(()), None) => endpoint.break_off(request),
            },
        );
        if sent != Some(Ok(())) {
            // Whoever asked has gone.
            self.end(request);
        }
    }

    fn take(&self, request: RequestId) -> Option<(Export, bool)> {
        let mut under_way = self.lock();
        let entry = under_way.get_mut(&request)?;
        let has_begun = std::mem::replace(&mut entry.has_begun, true);
        Some((entry.export.take()?, has_begun))
    }

    fn put_back(&self, request: RequestId, export: Export) {
        // Whoever asked may have gone meanwhile.
        if let Some(entry) = self.lock().get_mut(&request) {
            entry.export = Some(export);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RequestId, UnderWay>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
