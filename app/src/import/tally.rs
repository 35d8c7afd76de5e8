//! What an import keeps of the rows it has read.

use std::collections::BTreeMap;

use super::error::ImportError;
use super::rejection::{Reason, RejectedRows, Rejection};
use super::stop::Stop;
use crate::store::Seen;

/// More rejected rows than this, and more than this share, fail an import.
const MAX_REJECTED_ROWS: u64 = 100;
const MAX_REJECTED_PERCENT: u64 = 5;
/// Rejections that are told one by one.
const MAX_REJECTIONS_TOLD: usize = 20;
/// What was counted of the rows so far.
#[derive(Default)]
pub struct Tally {
    pub accepted: u64,
    pub rejected: u64,
    pub skipped: u64,
    /// Of accepted rows.
    pub records: u64,
    pub duplicates: u64,
    pub replaced_bytes: u64,
    pub newest: Seen,
    /// A row was rejected whose host is not known: it may be about any host.
    pub has_hostless_rejection: bool,
    first_rejections: Vec<Rejection>,
    rejections_by_reason: BTreeMap<Reason, u64>,
}

impl Tally {
    pub fn rows(&self) -> u64 {
        self.accepted + self.rejected + self.skipped
    }

    /// Counts a record; `is_new` if its key did not come before.
    pub fn count_record(&mut self, is_new: bool) {
        self.records += 1;
        self.duplicates += u64::from(!is_new);
    }

    /// A row was seen at these times.
    pub fn note_seen(&mut self, seen: Seen) {
        let newest = &mut self.newest;
        newest.month_first.last_ms = newest.month_first.last_ms.max(seen.month_first.last_ms);
        newest.day_first.last_ms = newest.day_first.last_ms.max(seen.day_first.last_ms);
    }

    /// Counts a row that is not accepted.
    pub fn reject(&mut self, rejection: Rejection) {
        self.rejected += 1;
        self.has_hostless_rejection |= rejection.host.key.is_empty();
        *self
            .rejections_by_reason
            .entry(rejection.reason)
            .or_default() += 1;
        if self.first_rejections.len() < MAX_REJECTIONS_TOLD {
            self.first_rejections.push(rejection);
        }
    }

    /// The first rejections, and how many there were of each kind.
    pub fn rejected_rows(&self) -> RejectedRows {
        RejectedRows {
            rejections: self.first_rejections.iter().map(Rejection::told).collect(),
            rejections_by_reason: self.rejections_by_reason.clone(),
        }
    }

    /// Whether so many rows were rejected, or so few read, that it was no import.
    pub fn judge(&self) -> Result<(), Stop> {
        let (rejected, rows) = (self.rejected, self.rows());
        let Some(first) = self.first_rejections.first() else {
            if rows == 0 {
                return Err(ImportError::empty("The file has a header and no rows").into());
            }
            return Ok(());
        };
        if self.accepted == 0 {
            let told = self.rejected_rows();
            return Err(ImportError::no_valid_rows(rows, first, &told).into());
        }
        if rejected > MAX_REJECTED_ROWS && rejected * 100 > rows * MAX_REJECTED_PERCENT {
            let told = self.rejected_rows();
            return Err(ImportError::too_many_invalid_rows(rejected, rows, first, &told).into());
        }
        Ok(())
    }
}
