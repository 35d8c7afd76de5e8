//! One import from the beginning of its file to its end.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::error::{ImportError, RequestError};
use super::file::{ByteSource, ColumnsRead, Decoder, Layout, Mappings};
use super::host::Host;
use super::queue::Turn;
use super::rejection::Rejection;
use super::report::{
    Accepted, Cancelled, Completed, DataChange, Failed, FailedRows, FormHead, Performance, Summary,
    STEP_MERGING, STEP_WAITING,
};
use super::row::{by_order, Finding, Interpreter, Reading, Rows};
use super::scanners::{Mapping, Scanner, GENERIC};
use super::stop::{FormStop, Stop};
use super::tally::Tally;
use super::telling::{Counts, Figures, Telling};
use super::upload::{BodyEnd, BodyReader, Form};
use crate::clock;
use crate::store::{
    Ending, ImportStatus, ImportWriter, MergeCounts, MergePlan, NewImport, Record, Resolve, Seen,
    StagedHost, Store,
};

/// One that waits says so this often, lest it be taken for stalled.
const WAITING_REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// An import whose file has begun.
pub struct Job<'a> {
    body: &'a BodyReader,
    head: FormHead,
    session_id: String,
    started_ms: i64,
    import_id: Option<i64>,
    scanner: Option<&'static Scanner>,
    /// The header's signature, to remember a mapping by.
    signature: String,
    columns: ColumnsRead,
    warnings: Vec<String>,
    interpreter: Interpreter,
    tally: Tally,
    was_taken_in: bool,
    telling: &'a Telling<'a>,
}

/// The file part of a form as the source of the decoder.
struct FileSource<'f, 't> {
    form: &'f mut Form,
    telling: &'t Telling<'t>,
}

impl ByteSource for FileSource<'_, '_> {
    fn next_chunk(&mut self) -> Result<Option<Bytes>, Stop> {
        self.telling.bytes_wanted();
        let chunk = self.form.file_chunk()?;
        if chunk.is_some() {
            self.telling.bytes_came();
        }
        Ok(chunk)
    }
}

impl<'a> Job<'a> {
    pub fn new(
        body: &'a BodyReader,
        head: FormHead,
        session_id: String,
        telling: &'a Telling<'a>,
    ) -> Job<'a> {
        let started_ms = clock::now_ms();
        let interpreter = Interpreter::new(head.options.severity_map.clone(), started_ms);
        Job {
            body,
            head,
            session_id,
            started_ms,
            import_id: None,
            scanner: None,
            signature: String::new(),
            columns: ColumnsRead::default(),
            warnings: Vec::new(),
            interpreter,
            tally: Tally::default(),
            was_taken_in: false,
            telling,
        }
    }

    /// Imports, and reports how that ended.
    pub fn run(&mut self, form: Form, turn: Turn, store: &Store) {
        let mut writer = None;
        let result = self.import(form, &turn, store, &mut writer);
        let mut answer = Ok(());
        if let Err(stop) = result {
            self.abandon(&stop, store, writer);
            if let Stop::Request(error) = stop {
                answer = Err(error);
            }
        }
        if !self.was_taken_in {
            self.body.drain();
            self.take_in(answer);
        }
        drop(turn);
    }

    fn import(
        &mut self,
        mut form: Form,
        turn: &Turn,
        store: &Store,
        slot: &mut Option<ImportWriter>,
    ) -> Result<(), Stop> {
        let writer = slot.insert(self.begin(store)?);
        self.import_id = writer.import_id();
        let mappings = Mappings::new(self.head.options.mapping.take(), store.mappings()?);
        self.read_file(&mut form, &mappings, writer)?;
        if let Some(vendor) = form.finish()? {
            self.head.vendor = Some(vendor);
        }
        drop(form);
        let is_day_first = self.interpreter.dates.is_day_first();
        let goes_on = || self.body.stopped() != Some(BodyEnd::Cancelled);
        let scan_ms = self.head.options.scan_ms;
        self.tally.duplicates += writer.finish_staging(is_day_first, scan_ms, goes_on)?;
        self.tally.judge()?;
        self.telling.file_read(self.figures(writer, true));
        self.check_resolve()?;
        self.take_in(Ok(()));
        self.wait(turn)?;
        let counts = self.merge(writer)?;
        let completed = self.commit(writer, counts)?;
        if !self.head.options.dry_run {
            self.remember(store, mappings.given.as_ref());
        }
        self.telling.completed(&completed);
        Ok(())
    }

    /// What later imports may know from this one. It is a help for them, no more, so that
    /// no error comes of it.
    fn remember(&self, store: &Store, mapping: Option<&Mapping>) {
        if let Some(mapping) = mapping {
            let _ = store.remember_mapping(&self.signature, &mapping.given);
        }
        if let Some(factor) = self.telling.merge_factor() {
            let _ = store.remember_merge_factor(factor);
        }
    }

    fn begin(&self, store: &Store) -> Result<ImportWriter, Stop> {
        if self.head.options.dry_run {
            return Ok(store.begin_dry_run()?);
        }
        let new = NewImport {
            session_id: &self.session_id,
            filename: &self.head.filename,
            vendor: self.vendor(),
            started_ms: self.started_ms,
        };
        Ok(store.begin_import(&new)?)
    }

    fn read_file(
        &mut self,
        form: &mut Form,
        mappings: &Mappings,
        writer: &mut ImportWriter,
    ) -> Result<(), Stop> {
        let mut text = Decoder::new(FileSource {
            form,
            telling: self.telling,
        });
        let (layout, rest) = Layout::detect(&mut text, mappings)?;
        self.scanner = Some(layout.scanner);
        self.signature.clone_from(&layout.signature);
        self.columns.clone_from(&layout.reading);
        if layout.uses_remembered_mapping {
            let warning = "The column mapping of an earlier file with this header was used";
            self.warnings.push(warning.to_owned());
        }
        let mut rows = Rows::new(text, layout, rest);
        while let Some((row, layout)) = rows.next_row()? {
            let reading = self.interpreter.read(row, layout);
            self.take(reading, writer)?;
            if self.body.stopped() == Some(BodyEnd::Cancelled) {
                return Err(Stop::Cancelled);
            }
            let figures = || self.figures(writer, false);
            self.telling.row_read(self.counts(writer), figures);
        }
        self.tally.replaced_bytes = rows.replaced_bytes();
        if self.tally.replaced_bytes > 0 {
            let warning = "Some letters may be wrong: the file has bytes that are not of its encoding. Save it as UTF-8";
            self.warnings.push(warning.to_owned());
        }
        Ok(())
    }

    fn take(&mut self, reading: Reading, writer: &mut ImportWriter) -> Result<(), Stop> {
        match reading {
            Reading::Present(finding) => self.stage(&finding, writer)?,
            Reading::Gone(host, seen) => {
                self.tally.accepted += 1;
                self.stage_host(&host, seen, writer)?;
            }
            Reading::Skipped(host, seen) => {
                self.tally.skipped += 1;
                if let Some(host) = host {
                    self.stage_host(&host, seen, writer)?;
                }
            }
            Reading::Rejected(rejection) => self.reject(*rejection, writer)?,
        }
        Ok(())
    }

    fn stage_host(
        &mut self,
        host: &Host,
        seen: Seen,
        writer: &mut ImportWriter,
    ) -> Result<i64, Stop> {
        self.tally.note_seen(seen);
        let staged = StagedHost {
            key: &host.key,
            ip: &host.ip,
            name: &host.name,
            is_joinable: host.is_joinable,
            seen,
        };
        Ok(writer.stage_host(&staged)?)
    }

    fn stage(&mut self, finding: &Finding, writer: &mut ImportWriter) -> Result<(), Stop> {
        self.tally.accepted += 1;
        let host = self.stage_host(&finding.host, finding.seen, writer)?;
        let mut record = Record {
            host,
            check_key: &finding.check_key,
            check: &finding.check,
            cve: "",
            port: &finding.port,
            protocol: &finding.protocol,
            title: &finding.title,
            solution: &finding.solution,
            severity: finding.severity,
            state: &finding.state,
            cvss: finding.cvss,
            seen: finding.seen,
        };
        if finding.cves.is_empty() {
            self.tally.count_record(writer.stage(&record)?);
        }
        for cve in &finding.cves {
            record.cve = cve;
            self.tally.count_record(writer.stage(&record)?);
        }
        Ok(())
    }

    /// What the row may have meant is protected from being resolved.
    fn reject(&mut self, rejection: Rejection, writer: &mut ImportWriter) -> Result<(), Stop> {
        let Host { key, ip, name, .. } = &rejection.host;
        writer.protect(&[key, ip, name], &rejection.check_key)?;
        self.tally.reject(rejection);
        Ok(())
    }

    /// A table of unknown origin may be of any scanner, so what it does not hold says
    /// nothing.
    fn is_of_unknown_origin(&self) -> bool {
        self.head.vendor.is_none() && self.scanner.is_none_or(Scanner::is_generic)
    }

    fn check_resolve(&self) -> Result<(), Stop> {
        let wanted = self.head.options.resolve;
        if self.is_of_unknown_origin() && matches!(wanted, Some(Resolve::Hosts | Resolve::All)) {
            let message = "resolve is not possible for a table whose scanner is not recognised";
            let suggestion = "Give the import a label in the field vendor, or leave resolve out";
            return Err(ImportError::invalid_argument(message, suggestion).into());
        }
        Ok(())
    }

    fn resolve(&mut self) -> Resolve {
        let wanted = self.head.options.resolve;
        if self.is_of_unknown_origin() {
            return Resolve::Nothing;
        }
        let resolve = wanted.unwrap_or(Resolve::Hosts);
        if self.tally.has_hostless_rejection && resolve != Resolve::Nothing {
            let warning = "Nothing was resolved, since a rejected row may be about any host";
            self.warnings.push(warning.to_owned());
            return Resolve::Nothing;
        }
        resolve
    }

    fn wait(&self, turn: &Turn) -> Result<(), Stop> {
        if !turn.line_up() {
            self.telling.step(STEP_WAITING);
        }
        let is_first = turn.wait(|| {
            if self.telling.is_time(WAITING_REPORT_INTERVAL) {
                self.telling.step(STEP_WAITING);
            }
            self.body.stopped().is_some()
        });
        if is_first {
            return Ok(());
        }
        let stopped = self.body.stopped();
        Err(stopped.map_or(Stop::Cancelled, |end| FormStop::Body(end).into()))
    }

    fn merge(&mut self, writer: &mut ImportWriter) -> Result<MergeCounts, Stop> {
        let resolve = self.resolve();
        let scanner = self.scanner.unwrap_or(&GENERIC);
        let options = &self.head.options;
        let now_ms = clock::now_ms();
        let plan = MergePlan {
            vendor: self.vendor(),
            site: &options.site,
            now_ms,
            scan_ms: options.scan_ms.unwrap_or(now_ms),
            resolve,
            allow_older: options.allow_older,
            is_recognised: !scanner.is_generic() && self.vendor() == scanner.label,
        };
        self.telling.step(STEP_MERGING);
        Ok(writer.merge(&plan, |done, total| {
            self.telling.merged(done, total);
            self.body.stopped() != Some(BodyEnd::Cancelled)
        })?)
    }

    fn commit(
        &mut self,
        writer: &mut ImportWriter,
        counts: MergeCounts,
    ) -> Result<Completed, Stop> {
        let dates = self.interpreter.dates.counts();
        let is_dry_run = self.head.options.dry_run;
        let columns = is_dry_run.then(|| std::mem::take(&mut self.columns));
        let (columns_found, columns_read) = columns
            .map(|columns| (columns.found, columns.by_field))
            .unzip();
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
            dates_corrected: dates.corrected,
            dates_unread: dates.unread,
            warnings: self.warnings.clone(),
            dry_run: is_dry_run,
            columns_found,
            columns_read,
            rejected: self.tally.rejected_rows(),
        };
        if !self.body.begin_commit() {
            return Err(Stop::Cancelled);
        }
        let summary_json = serde_json::to_value(&summary).map_err(ImportError::storage)?;
        writer.commit(&self.ending(ImportStatus::Completed, Some(&summary_json), None))?;
        let processing_time_ms = self.telling.processing_time().as_millis() as u64;
        Ok(Completed {
            import_id: self.import_id,
            total_processed: self.tally.accepted,
            processing_time_ms,
            summary,
            performance: Performance {
                rows_per_second: self.tally.accepted * 1000 / processing_time_ms.max(1),
                peak_memory_mb: self.telling.peak_bytes().div_ceil(1024 * 1024),
                database_operations: writer.statements(),
            },
            change: DataChange::of(counts),
        })
    }

    /// Rolls back, ends the entry in the history, and tells the reporter.
    fn abandon(&mut self, stop: &Stop, store: &Store, writer: Option<ImportWriter>) {
        let error = stop.error();
        self.close_history(store, writer, error.as_ref());
        match error {
            None => self.telling.cancelled(&Cancelled {
                import_id: self.import_id,
                processed_rows: self.tally.rows(),
                completion_percentage: self.telling.fraction(),
            }),
            Some(error) => self.telling.failed(&Failed {
                import_id: self.import_id,
                error,
                partial_results: FailedRows {
                    processed_rows: self.tally.rows(),
                    successful_imports: self.tally.accepted + self.tally.skipped,
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
        match writer {
            Some(writer) => writer.abandon(&ending),
            None if self.head.options.dry_run => {}
            None => {
                let new = NewImport {
                    session_id: &self.session_id,
                    filename: &self.head.filename,
                    vendor: self.vendor(),
                    started_ms: self.started_ms,
                };
                self.import_id = Some(store.record_unstarted(&new, &ending));
            }
        }
        store.write_endings();
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
        self.telling.taken_in(answer.as_ref().map(|()| &accepted));
    }

    fn counts(&self, writer: &ImportWriter) -> Counts {
        Counts {
            rows: self.tally.rows(),
            records: self.tally.records,
            steps: writer.steps(self.head.options.resolve.unwrap_or(Resolve::Hosts)),
        }
    }

    fn figures(&self, writer: &ImportWriter, is_whole: bool) -> Figures {
        let counts = self.counts(writer);
        let label = self.scanner.map(|scanner| scanner.label.to_owned());
        let times = by_order(self.tally.newest, self.interpreter.dates.is_day_first());
        Figures {
            counts,
            total_rows: is_whole.then_some(counts.rows),
            vendor: self.head.vendor.clone().or(label),
            scan_date: times.last_ms.map(clock::date),
        }
    }

    /// The label: of the form, else the detected scanner.
    fn vendor(&self) -> &str {
        match &self.head.vendor {
            Some(vendor) => vendor,
            None => self.scanner.unwrap_or(&GENERIC).label,
        }
    }
}
