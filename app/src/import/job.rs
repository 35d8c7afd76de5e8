//! One import from the beginning of its file to its end.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;

use super::error::{ImportError, RequestError};
use super::file::{ByteSource, Decoder, Layout};
use super::host::Host;
use super::queue::Turn;
use super::rejection::Rejection;
use super::report::{
    Accepted, Cancelled, Completed, DataChange, Failed, FailedRows, FormHead, Performance,
    Progress, Reporter, Summary, STEP_MERGING, STEP_READING, STEP_WAITING,
};
use super::row::{Finding, Reading, Rows};
use super::scanners::{Scanner, GENERIC};
use super::stop::{FormStop, Stop};
use super::tally::{Meter, Tally};
use super::upload::{BodyEnd, BodyReader, Form};
use crate::clock;
use crate::severity::Severity;
use crate::store::{
    Ending, ImportStatus, ImportWriter, MergeCounts, MergePlan, NewImport, Record, Resolve, Store,
};

/// Share of the progress that reading the file takes; the merge takes the rest.
const READING_SHARE: f64 = 0.95;
/// One that waits says so this often, lest it be taken for stalled.
const WAITING_REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// An import whose file has begun.
pub struct Job<'a> {
    body: &'a BodyReader,
    declared_bytes: Option<u64>,
    head: FormHead,
    session_id: String,
    started_ms: i64,
    /// When the first byte of the file was there.
    first_byte: Option<Instant>,
    import_id: Option<i64>,
    scanner: Option<&'static Scanner>,
    tally: Tally,
    was_taken_in: bool,
    meter: Meter<'a>,
    reporter: &'a mut dyn Reporter,
}

/// The file part of a form as the source of the decoder.
struct FileSource<'a> {
    form: &'a mut Form,
    first_byte: &'a mut Option<Instant>,
}

impl ByteSource for FileSource<'_> {
    fn next_chunk(&mut self) -> Result<Option<Bytes>, Stop> {
        let chunk = self.form.file_chunk()?;
        self.first_byte.get_or_insert_with(Instant::now);
        Ok(chunk)
    }
}

impl<'a> Job<'a> {
    pub fn new(
        body: &'a BodyReader,
        declared_bytes: Option<u64>,
        head: FormHead,
        session_id: String,
        resident_bytes: &'a dyn Fn() -> Option<u64>,
        reporter: &'a mut dyn Reporter,
    ) -> Job<'a> {
        let meter = Meter {
            resident_bytes,
            peak_bytes: 0,
            steps: 0,
            last_report: Instant::now(),
            has_reported: false,
            fraction: 0.0,
        };
        Job {
            body,
            declared_bytes,
            head,
            session_id,
            started_ms: clock::now_ms(),
            first_byte: None,
            import_id: None,
            scanner: None,
            tally: Tally::default(),
            was_taken_in: false,
            meter,
            reporter,
        }
    }

    /// Waits for its turn, imports, and reports how that ended.
    pub fn run(&mut self, form: Form, turn: Turn, store: &Store) {
        let mut writer = None;
        let result = self
            .wait(&turn)
            .and_then(|()| self.import(form, store, &mut writer));
        let mut answer = Ok(());
        if let Err(stop) = result {
            self.abandon(&stop, store, writer);
            if let Stop::Request(error) = stop {
                answer = Err(error);
            }
        }
        drop(turn); // others need not wait for the rest of this body
        if !self.was_taken_in {
            self.body.drain();
            self.take_in(answer);
        }
    }

    fn wait(&mut self, turn: &Turn) -> Result<(), Stop> {
        if !turn.line_up() {
            self.report(STEP_WAITING, None);
        }
        let is_first = turn.wait(|| {
            if self.meter.last_report.elapsed() >= WAITING_REPORT_INTERVAL {
                self.report(STEP_WAITING, None);
            }
            self.body.stopped().is_some()
        });
        if is_first {
            return Ok(());
        }
        Err(self
            .body
            .stopped()
            .map_or(Stop::Cancelled, |end| FormStop::Body(end).into()))
    }

    fn import(
        &mut self,
        mut form: Form,
        store: &Store,
        slot: &mut Option<ImportWriter>,
    ) -> Result<(), Stop> {
        let vendor = self.vendor().to_owned();
        let new = NewImport {
            session_id: &self.session_id,
            filename: &self.head.filename,
            vendor: &vendor,
            started_ms: self.started_ms,
        };
        let writer = slot.insert(store.begin_import(&new)?);
        self.import_id = Some(writer.import_id());
        self.read_file(&mut form, writer)?;
        if let Some(vendor) = form.finish()? {
            self.head.vendor = Some(vendor);
        }
        drop(form);
        self.tally.judge()?;
        self.report(STEP_READING, Some(self.tally.rows()));
        self.take_in(Ok(()));
        let counts = self.merge(writer)?;
        self.commit(writer, counts)
    }

    fn read_file(&mut self, form: &mut Form, writer: &mut ImportWriter) -> Result<(), Stop> {
        let mut first_byte = self.first_byte;
        let mut text = Decoder::new(FileSource {
            form,
            first_byte: &mut first_byte,
        });
        let (layout, rest) = Layout::detect(&mut text)?;
        self.scanner = Some(layout.scanner);
        let mut rows = Rows::new(text, layout, rest);
        while let Some((row, layout)) = rows.next_row()? {
            match Reading::of(row, layout) {
                Reading::Present(finding) => self.stage(&finding, writer)?,
                Reading::Gone(host) => {
                    self.tally.accepted += 1;
                    stage_host(&host, writer)?;
                }
                Reading::Skipped(host) => {
                    self.tally.skipped += 1;
                    if let Some(host) = host {
                        stage_host(&host, writer)?;
                    }
                }
                Reading::Rejected(rejection) => self.reject(*rejection, writer)?,
            }
            if self.body.stopped() == Some(BodyEnd::Cancelled) {
                return Err(Stop::Cancelled);
            }
            let is_due = self.meter.is_due();
            if is_due || self.body.is_starving() && self.meter.is_due_starving() {
                self.report(STEP_READING, None);
            }
        }
        self.tally.replaced_bytes = rows.replaced_bytes();
        drop(rows);
        self.first_byte = first_byte;
        Ok(())
    }

    fn stage(&mut self, finding: &Finding, writer: &mut ImportWriter) -> Result<(), Stop> {
        self.tally.accepted += 1;
        self.tally.newest_scan_ms = self.tally.newest_scan_ms.max(finding.last_seen_ms);
        let host = stage_host(&finding.host, writer)?;
        let (first_seen_ms, last_seen_ms) = (finding.first_seen_ms, finding.last_seen_ms);
        let is_inverted = last_seen_ms.is_some() && first_seen_ms > last_seen_ms;
        self.tally.dates_corrected += u64::from(is_inverted);
        let mut record = Record {
            host,
            check: &finding.check,
            cve: "",
            port: &finding.port,
            protocol: &finding.protocol,
            title: &finding.title,
            solution: &finding.solution,
            severity: finding.severity,
            state: &finding.state,
            cvss: finding.cvss,
            first_seen_ms: first_seen_ms.filter(|_| !is_inverted).or(last_seen_ms),
            last_seen_ms,
        };
        if finding.cves.is_empty() {
            self.tally.duplicates += u64::from(!writer.stage(&record)?);
        }
        for cve in &finding.cves {
            record.cve = cve;
            self.tally.duplicates += u64::from(!writer.stage(&record)?);
        }
        Ok(())
    }

    /// What the row may have meant is protected from being resolved.
    fn reject(&mut self, rejection: Rejection, writer: &mut ImportWriter) -> Result<(), Stop> {
        let Host { key, ip, name } = &rejection.host;
        writer.protect(&[key, ip, name], &rejection.check)?;
        self.tally.reject(rejection);
        Ok(())
    }

    /// A table of unknown origin may be of any scanner, so what it does not hold says
    /// nothing; nor does it if a row may be about any host.
    fn resolve(&self) -> Resolve {
        let is_of_unknown_origin =
            self.head.vendor.is_none() && self.scanner.is_none_or(Scanner::is_generic);
        if is_of_unknown_origin || self.tally.has_hostless_rejection {
            Resolve::Nothing
        } else {
            Resolve::Hosts
        }
    }

    fn merge(&mut self, writer: &mut ImportWriter) -> Result<MergeCounts, Stop> {
        let vendor = self.vendor().to_owned();
        let plan = MergePlan {
            vendor: &vendor,
            now_ms: clock::now_ms(),
            resolve: self.resolve(),
        };
        let rows = self.tally.rows();
        self.report(STEP_MERGING, Some(rows));
        let counts = writer.merge(&plan, |done, total| {
            if self.meter.is_due() {
                if self.declared_bytes.is_some() {
                    let merged = done as f64 / total.max(1) as f64;
                    self.meter.fraction = READING_SHARE + (1.0 - READING_SHARE) * merged;
                }
                self.report(STEP_MERGING, Some(rows));
            }
            self.body.stopped() != Some(BodyEnd::Cancelled)
        })?;
        Ok(counts)
    }

    fn commit(&mut self, writer: &mut ImportWriter, counts: MergeCounts) -> Result<(), Stop> {
        let summary = Summary {
            new_vulnerabilities: counts.new,
            updated_vulnerabilities: counts.updated,
            resolved_vulnerabilities: counts.resolved,
            skipped_duplicates: self.tally.duplicates,
            validation_errors: self.tally.rejected,
            reopened: counts.reopened,
            unchanged: counts.unchanged,
            encoding_replacements: self.tally.replaced_bytes,
            skipped_rows: self.tally.skipped,
            dates_corrected: self.tally.dates_corrected,
            rejected: self.tally.rejected_rows(),
        };
        if !self.body.begin_commit() {
            return Err(Stop::Cancelled);
        }
        let summary_json = serde_json::to_value(&summary).map_err(ImportError::storage)?;
        writer.commit(&self.ending(ImportStatus::Completed, Some(&summary_json), None))?;
        self.meter.sample();
        let elapsed = self
            .first_byte
            .map_or(Duration::ZERO, |first| first.elapsed());
        let processing_time_ms = elapsed.as_millis() as u64;
        let completed = Completed {
            import_id: writer.import_id(),
            total_processed: self.tally.accepted,
            processing_time_ms,
            summary,
            performance: Performance {
                rows_per_second: self.tally.accepted * 1000 / processing_time_ms.max(1),
                peak_memory_mb: self.meter.peak_bytes.div_ceil(1024 * 1024),
                database_operations: writer.statements(),
            },
            change: data_change(counts),
        };
        self.reporter.completed(&completed);
        Ok(())
    }

    /// Rolls back, ends the entry in the history, and tells the reporter.
    fn abandon(&mut self, stop: &Stop, store: &Store, writer: Option<ImportWriter>) {
        let error = stop.error();
        self.close_history(store, writer, error.as_ref());
        match error {
            None => self.reporter.cancelled(&Cancelled {
                import_id: self.import_id,
                processed_rows: self.tally.rows(),
                completion_percentage: self.meter.fraction,
            }),
            Some(error) => self.reporter.failed(&Failed {
                import_id: self.import_id,
                error,
                partial_results: FailedRows {
                    processed_rows: self.tally.rows(),
                    successful_imports: self.tally.accepted,
                    failed_rows: self.tally.rejected,
                    rolled_back: true,
                },
            }),
        }
    }

    fn close_history(
        &mut self,
        store: &Store,
        writer: Option<ImportWriter>,
        error: Option<&ImportError>,
    ) {
        let status = if error.is_some() {
            ImportStatus::Error
        } else {
            ImportStatus::Cancelled
        };
        let error = error.and_then(|error| serde_json::to_value(error).ok());
        let ending = self.ending(status, None, error.as_ref());
        // Where even this fails the storage is broken, which the outcome tells
        // already; the entry becomes `interrupted` at the next start.
        match writer {
            Some(writer) => {
                let _ = writer.abandon(&ending);
            }
            None if self.import_id.is_none() => {
                let new = NewImport {
                    session_id: &self.session_id,
                    filename: &self.head.filename,
                    vendor: self.vendor(),
                    started_ms: self.started_ms,
                };
                self.import_id = store.record_unstarted(&new, &ending).ok();
            }
            None => {}
        }
    }

    fn ending<'b>(
        &'b self,
        status: ImportStatus,
        summary: Option<&'b Value>,
        error: Option<&'b Value>,
    ) -> Ending<'b> {
        Ending {
            status,
            vendor: self.vendor(),
            format: self.scanner.map(|scanner| scanner.label),
            summary,
            error,
        }
    }

    fn take_in(&mut self, answer: Result<(), RequestError>) {
        self.was_taken_in = true;
        let accepted = Accepted {
            session_id: self.session_id.clone(),
            import_id: self.import_id,
            filename: self.head.filename.clone(),
            vendor: self.vendor().to_owned(),
        };
        self.reporter.taken_in(answer.as_ref().map(|()| &accepted));
    }

    fn report(&mut self, step: &'static str, total_rows: Option<u64>) {
        self.meter.sample();
        if let Some(declared) = self.declared_bytes {
            let read = self.body.taken_bytes() as f64 / declared.max(1) as f64;
            self.meter.fraction = self.meter.fraction.max(read.min(1.0) * READING_SHARE);
        }
        let vendor = self
            .head
            .vendor
            .as_deref()
            .or(self.scanner.map(|scanner| scanner.label));
        self.reporter.progress(&Progress {
            fraction: self.meter.fraction,
            step,
            processed_rows: self.tally.rows(),
            total_rows,
            filename: &self.head.filename,
            vendor,
            scan_date: self.tally.newest_scan_ms.map(clock::date),
        });
    }

    /// The label: of the form, else the detected format.
    fn vendor(&self) -> &str {
        match &self.head.vendor {
            Some(vendor) => vendor,
            None => self.scanner.unwrap_or(&GENERIC).label,
        }
    }
}

fn stage_host(host: &Host, writer: &mut ImportWriter) -> Result<i64, Stop> {
    Ok(writer.stage_host(&host.key, &host.ip, &host.name)?)
}

fn data_change(counts: MergeCounts) -> DataChange {
    let mut severity_changes = std::collections::BTreeMap::new();
    for severity in Severity::ALL {
        let rank = usize::from(severity.rank());
        let name = severity.name().to_lowercase();
        for (kind, count) in [
            ("new", counts.new_by_severity[rank]),
            ("resolved", counts.resolved_by_severity[rank]),
        ] {
            if count > 0 {
                severity_changes.insert(format!("{kind}_{name}"), count);
            }
        }
    }
    DataChange {
        count: counts.new,
        hosts: counts.changed_hosts,
        severity_changes,
    }
}
