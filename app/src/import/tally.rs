//! What an import keeps of the rows it has read, and when it reports.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::error::ImportError;
use super::rejection::{Reason, RejectedRows, Rejection};
use super::stop::Stop;

/// More rejected rows than this, and more than this share, fail an import.
const MAX_REJECTED_ROWS: u64 = 100;
const MAX_REJECTED_PERCENT: u64 = 5;
/// Rejections that are told one by one.
const MAX_REJECTIONS_TOLD: usize = 20;
/// Progress is reported no more often than this.
const REPORT_INTERVAL: Duration = Duration::from_millis(20);
/// The same while an upload is slower than its import: then each row may be the last
/// for a long time, and what it says must not wait for the next one.
const STARVING_REPORT_INTERVAL: Duration = Duration::from_millis(2);
/// Rows and merge steps between two looks at the clock.
const STEPS_PER_LOOK: u64 = 32;

/// What was counted of the rows so far.
#[derive(Default)]
pub struct Tally {
    pub accepted: u64,
    pub rejected: u64,
    pub skipped: u64,
    pub duplicates: u64,
    pub replaced_bytes: u64,
    /// Dates that could not be and were corrected.
    pub dates_corrected: u64,
    pub newest_scan_ms: Option<i64>,
    /// A row was rejected whose host is not known: it may be about any host.
    pub has_hostless_rejection: bool,
    first_rejections: Vec<Rejection>,
    rejections_by_reason: BTreeMap<Reason, u64>,
}

impl Tally {
    pub fn rows(&self) -> u64 {
        self.accepted + self.rejected + self.skipped
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

/// Decides when to report, and remembers the peak of memory.
pub struct Meter<'a> {
    pub resident_bytes: &'a dyn Fn() -> Option<u64>,
    pub peak_bytes: u64,
    pub steps: u64,
    pub last_report: Instant,
    pub has_reported: bool,
    pub fraction: f64,
}

impl Meter<'_> {
    pub fn is_due(&mut self) -> bool {
        self.steps += 1;
        self.steps.is_multiple_of(STEPS_PER_LOOK) && self.last_report.elapsed() >= REPORT_INTERVAL
    }

    /// The same for an import that waits for its upload.
    pub fn is_due_starving(&mut self) -> bool {
        !self.has_reported || self.last_report.elapsed() >= STARVING_REPORT_INTERVAL
    }

    pub fn sample(&mut self) {
        self.peak_bytes = self.peak_bytes.max((self.resident_bytes)().unwrap_or(0));
        self.last_report = Instant::now();
        self.has_reported = true;
    }
}
