//! What an import tells while it runs, and when.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::error::RequestError;
use super::pace::{Amount, Pace};
use super::report::{
    Accepted, Cancelled, Completed, Failed, FormHead, Progress, Reporter, STEP_MERGING,
    STEP_READING,
};
use super::upload::BodyReader;

/// Progress is reported no more often than this.
const REPORT_INTERVAL: Duration = Duration::from_millis(20);
/// The same while an upload is slower than its import: then each row may be the last
/// for a long time, and what it says must not wait for the next one.
const STARVING_REPORT_INTERVAL: Duration = Duration::from_millis(2);
/// Rows and merge steps between two looks at the clock.
const STEPS_PER_LOOK: u32 = 32;
/// A rate is told when a phase has run so long.
const RATE_AFTER: Duration = Duration::from_millis(200);

/// What was read of the file, and what the merge has to do for that, in steps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub rows: u64,
    pub records: u64,
    pub steps: u64,
}

/// The figures of a report that come from the rows.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub counts: Counts,
    /// `None` until the file has been read to its end.
    pub total_rows: Option<u64>,
    pub vendor: Option<String>,
    pub scan_date: Option<String>,
}

/// Reports progress to the host, at the right moments. Shared by the source of the
/// file's bytes and those who work on them; all on one thread.
pub struct Telling<'a> {
    body: &'a BodyReader,
    declared_bytes: Option<u64>,
    filename: String,
    resident_bytes: &'a dyn Fn() -> Option<u64>,
    reporter: RefCell<&'a mut dyn Reporter>,
    pace: RefCell<Pace>,
    figures: RefCell<Figures>,
    peak_bytes: Cell<u64>,
    steps: Cell<u32>,
    /// What was read, told or not.
    read: Cell<Counts>,
    began: Instant,
    /// How long the reader had to wait for bytes.
    waited: Cell<Duration>,
    waits_since: Cell<Option<Instant>>,
    /// When the first byte of the file was there.
    first_byte: Cell<Option<Instant>>,
    merge_began: Cell<Option<Instant>>,
    last_report: Cell<Option<Instant>>,
}

impl<'a> Telling<'a> {
    pub fn new(
        body: &'a BodyReader,
        declared_bytes: Option<u64>,
        head: &FormHead,
        pace: Pace,
        resident_bytes: &'a dyn Fn() -> Option<u64>,
        reporter: &'a mut dyn Reporter,
    ) -> Telling<'a> {
        let figures = Figures {
            vendor: head.vendor.clone(),
            ..Figures::default()
        };
        Telling {
            body,
            declared_bytes,
            filename: head.filename.clone(),
            resident_bytes,
            reporter: RefCell::new(reporter),
            pace: RefCell::new(pace),
            figures: RefCell::new(figures),
            peak_bytes: Cell::new(0),
            steps: Cell::new(0),
            read: Cell::default(),
            began: Instant::now(),
            waited: Cell::new(Duration::ZERO),
            waits_since: Cell::new(None),
            first_byte: Cell::new(None),
            merge_began: Cell::new(None),
            last_report: Cell::new(None),
        }
    }

    /// Bytes of the file have come. While they come slowly each is reported, since a row
    /// may be long in coming.
    pub fn bytes_came(&self) {
        if let Some(since) = self.waits_since.take() {
            self.waited.set(self.waited.get() + since.elapsed());
        }
        if self.first_byte.get().is_none() {
            self.first_byte.set(Some(Instant::now()));
        }
        if self.body.is_starving() && self.is_time(STARVING_REPORT_INTERVAL) {
            self.report(STEP_READING);
        }
    }

    /// More bytes are wanted. Rows that were read meanwhile are told first, if they may
    /// be the last for a long time.
    pub fn bytes_wanted(&self) {
        let read = self.read.get();
        if read.rows > self.figures.borrow().counts.rows && self.body.is_starving() {
            self.figures.borrow_mut().counts = read;
            self.report(STEP_READING);
        }
        self.waits_since.set(Some(Instant::now()));
    }

    /// A row was read; `figures` are asked for if it is time to tell them.
    pub fn row_read(&self, read: Counts, figures: impl FnOnce() -> Figures) {
        self.read.set(read);
        let is_due = self.is_due();
        if is_due || self.body.is_starving() && self.is_time(STARVING_REPORT_INTERVAL) {
            *self.figures.borrow_mut() = figures();
            self.report(STEP_READING);
        } else if read.rows == 1 {
            let figures = Figures {
                counts: Counts::default(),
                ..figures()
            };
            *self.figures.borrow_mut() = figures;
        }
    }

    /// The file has been read to its end.
    pub fn file_read(&self, figures: Figures) {
        *self.figures.borrow_mut() = figures;
        self.report(STEP_READING);
    }

    /// Reports a step as such.
    pub fn step(&self, step: &'static str) {
        if step == STEP_MERGING {
            self.merge_began.set(Some(Instant::now()));
            let (at_s, amount) = (self.at_s(), self.amount());
            self.pace.borrow_mut().begin_merge(at_s, &amount);
        }
        self.report(step);
    }

    /// So much of the merge is done.
    pub fn merged(&self, done: u64, total: u64) {
        if self.is_due() {
            let share = done as f64 / total.max(1) as f64;
            self.report_merge(share);
        }
    }

    /// How long the last report was ago; for ever if there was none.
    pub fn is_time(&self, interval: Duration) -> bool {
        let last = self.last_report.get();
        last.is_none_or(|last| last.elapsed() >= interval)
    }

    /// Takes a sample of the memory in use; gives the highest so far.
    pub fn peak_bytes(&self) -> u64 {
        let now = (self.resident_bytes)().unwrap_or(0);
        self.peak_bytes.set(self.peak_bytes.get().max(now));
        self.peak_bytes.get()
    }

    /// 0 to 1.
    pub fn fraction(&self) -> f64 {
        self.pace.borrow().fraction
    }

    /// Since the first byte of the file.
    pub fn processing_time(&self) -> Duration {
        self.first_byte
            .get()
            .map_or(Duration::ZERO, |first| first.elapsed())
    }

    /// The merge that began a while ago is over: what [`Pace::factor`] makes of that.
    pub fn merge_factor(&self) -> Option<f64> {
        let seconds = self.merge_began.get()?.elapsed().as_secs_f64();
        self.pace.borrow().factor(&self.amount(), seconds)
    }

    pub fn completed(&self, completed: &Completed) {
        self.reporter.borrow_mut().completed(completed);
    }

    pub fn failed(&self, failed: &Failed) {
        self.reporter.borrow_mut().failed(failed);
    }

    pub fn cancelled(&self, cancelled: &Cancelled) {
        self.reporter.borrow_mut().cancelled(cancelled);
    }

    pub fn taken_in(&self, answer: Result<&Accepted, &RequestError>) {
        self.reporter.borrow_mut().taken_in(answer);
    }

    fn is_due(&self) -> bool {
        self.steps.set(self.steps.get().wrapping_add(1));
        self.steps.get().is_multiple_of(STEPS_PER_LOOK) && self.is_time(REPORT_INTERVAL)
    }

    fn amount(&self) -> Amount {
        let counts = self.figures.borrow().counts;
        Amount {
            bytes: self.body.taken_bytes(),
            rows: counts.rows,
            records: counts.records,
            steps: counts.steps,
        }
    }

    fn at_s(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    fn report(&self, step: &'static str) {
        let share = self
            .declared_bytes
            .map(|declared| self.body.taken_bytes() as f64 / declared.max(1) as f64);
        let is_reading = step == STEP_READING;
        let amount = self.amount();
        let waited_s = self.waited.get().as_secs_f64();
        let eta = is_reading
            .then(|| {
                let mut pace = self.pace.borrow_mut();
                pace.read(self.at_s(), waited_s, share, &amount)
            })
            .flatten();
        let began = self.first_byte.get().filter(|_| is_reading);
        self.tell(step, eta, rate(amount.rows as f64, began));
    }

    fn report_merge(&self, share: f64) {
        let eta = self.pace.borrow_mut().merged(self.at_s(), share);
        let rows = self.figures.borrow().counts.rows as f64 * share;
        self.tell(STEP_MERGING, eta, rate(rows, self.merge_began.get()));
    }

    fn tell(&self, step: &'static str, eta_seconds: Option<u64>, rows_per_second: Option<u64>) {
        self.peak_bytes();
        let figures = self.figures.borrow();
        self.reporter.borrow_mut().progress(&Progress {
            fraction: self.fraction(),
            step,
            processed_rows: figures.counts.rows,
            total_rows: figures.total_rows,
            eta_seconds,
            rows_per_second,
            filename: &self.filename,
            vendor: figures.vendor.as_deref(),
            scan_date: figures.scan_date.clone(),
        });
        self.last_report.set(Some(Instant::now()));
    }
}

fn rate(rows: f64, since: Option<Instant>) -> Option<u64> {
    let elapsed = since?.elapsed();
    (elapsed >= RATE_AFTER).then(|| (rows / elapsed.as_secs_f64()) as u64)
}

#[cfg(test)]
mod tests {
    use super::super::error::RequestError;
    use super::super::upload::pipe;
    use super::*;

    struct Deaf;

    impl Reporter for Deaf {
        fn file_started(&mut self, _: &FormHead) -> Result<String, RequestError> {
            Ok(String::new())
        }
        fn progress(&mut self, _: &Progress<'_>) {}
        fn completed(&mut self, _: &Completed) {}
        fn failed(&mut self, _: &Failed) {}
        fn cancelled(&mut self, _: &Cancelled) {}
        fn taken_in(&mut self, _: Result<&Accepted, &RequestError>) {}
    }

    #[test]
    fn estimates_of_a_file_that_trickles_in_know_all_that_was_read() {
        let (_sender, body) = pipe(|| {});
        let mut reporter = Deaf;
        let head = FormHead::default();
        let telling = Telling::new(&body, None, &head, Pace::new(1.0), &|| None, &mut reporter);
        for rows in 1..=100 {
            let read = Counts {
                rows,
                records: 2 * rows,
                steps: 3 * rows,
            };
            telling.bytes_came();
            telling.row_read(read, || Figures {
                counts: read,
                ..Figures::default()
            });
            telling.bytes_wanted();
            let amount = telling.amount();
            let known = (amount.rows, amount.records, amount.steps);
            assert_eq!(known, (rows, 2 * rows, 3 * rows));
        }
    }
}
