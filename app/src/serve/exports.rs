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

/// Files that are on their way at a time. Each has a connection to the database, and a piece of it may be in memory.
pub const MAX_EXPORTS: usize = 4;
/// The same of one caller.
const MAX_OF_CALLER: usize = 2;
/// How long a file may be on its way: as long, what imports change stays in the database's write-ahead log.
const MAX_AGE_MS: u64 = 15 * 60_000;

/// Shared by the loop and the thread of queries; held for moments only.
#[derive(Default)]
pub struct Exports {
    under_way: Mutex<BTreeMap<RequestId, UnderWay>>,
}

struct UnderWay {
    caller: CallerId,
    began_ms: u64,
    /// `None` while its next piece is made.
    export: Option<Export>,
    has_begun: bool,
}

impl Exports {
    /// Takes on a file for a caller.
    pub fn begin(
        &self,
        now_ms: u64,
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
            began_ms: now_ms,
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

    /// Those that take too long, but for those of which a piece is being made.
    pub fn overdue(&self, now_ms: u64) -> Vec<RequestId> {
        let under_way = self.lock();
        let is_overdue = |it: &UnderWay| it.export.is_some() && now_ms > it.began_ms + MAX_AGE_MS;
        let overdue = under_way.iter().filter(|(_, it)| is_overdue(it));
        overdue.map(|(request, _)| *request).collect()
    }

    /// Forgets a file. What it gives is not to be dropped on the loop's own thread, as it has files open.
    pub fn end(&self, request: RequestId) -> Option<Export> {
        self.lock().remove(&request)?.export
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
            true => drop(self.end(request)),
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

#[cfg(test)]
mod tests {
    use super::super::export::ExportFormat;
    use super::super::testing::{ask, keeping_endpoint};
    use super::*;
    use crate::store::{FindingFilter, Sort};

    #[test]
    fn a_file_that_is_not_taken_is_overdue_when_its_time_is_over() {
        let (_, request) = ask(&mut keeping_endpoint());
        let exports = Exports::default();
        let export = Export::new(
            FindingFilter::default(),
            Sort::default(),
            ExportFormat::Json,
        );
        exports
            .begin(1_000, request, CallerId::Local, export)
            .unwrap();
        assert_eq!(exports.overdue(1_000 + MAX_AGE_MS), []);
        assert_eq!(exports.overdue(1_001 + MAX_AGE_MS), [request]);
        let (export, _) = exports.take(request).unwrap();
        assert_eq!(
            exports.overdue(1_001 + MAX_AGE_MS),
            [],
            "a piece is being made"
        );
        exports.put_back(request, export);
        assert!(exports.end(request).is_some());
        assert_eq!(exports.overdue(1_001 + MAX_AGE_MS), []);
    }
}
