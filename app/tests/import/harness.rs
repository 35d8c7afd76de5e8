//! A store in a temporary directory, uploads made of bytes, and a reporter that
//! keeps what it is told.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use pulsewheel_app::generate::{write_scan, Size};
use pulsewheel_app::import::{
    pipe, run, Accepted, Cancelled, Canceller, Completed, Failed, FormHead, ImportQueue, Progress,
    Reporter, RequestError, Upload,
};
use pulsewheel_app::store::{FindingFilter, FindingRow, HistoryEntry, Store};
use tempfile::TempDir;

pub const BOUNDARY: &str = "----pulsewheel-test";
pub const SESSION: &str = "11111111-2222-4333-8444-555555555555";

/// What a report was, with the parts that tests look at.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    FileStarted(FormHead),
    Progress {
        fraction: f64,
        step: &'static str,
        rows: u64,
        total: Option<u64>,
        scan_date: Option<String>,
    },
    Completed(Completed),
    Failed(Failed),
    Cancelled(Cancelled),
    TakenIn(Result<Accepted, RequestError>),
}

type OnProgress<'a> = Box<dyn FnMut(&Progress<'_>) + 'a>;

/// Keeps every report in its order.
#[derive(Default)]
pub struct Recorder<'a> {
    pub told: Vec<Told>,
    /// What `file_started` answers with instead of a session.
    pub refusal: Option<RequestError>,
    pub on_file_started: Option<Box<dyn FnOnce() + 'a>>,
    pub on_progress: Option<OnProgress<'a>>,
}

impl Reporter for Recorder<'_> {
    fn file_started(&mut self, head: &FormHead) -> Result<String, RequestError> {
        self.told.push(Told::FileStarted(head.clone()));
        if let Some(hook) = self.on_file_started.take() {
            hook();
        }
        match self.refusal.take() {
            Some(refusal) => Err(refusal),
            None => Ok(head.session_id.clone().unwrap_or(SESSION.to_owned())),
        }
    }

    fn progress(&mut self, progress: &Progress<'_>) {
        if let Some(hook) = &mut self.on_progress {
            hook(progress);
        }
        self.told.push(Told::Progress {
            fraction: progress.fraction,
            step: progress.step,
            rows: progress.processed_rows,
            total: progress.total_rows,
            scan_date: progress.scan_date.clone(),
        });
    }

    fn completed(&mut self, completed: &Completed) {
        self.told.push(Told::Completed(completed.clone()));
    }

    fn failed(&mut self, failed: &Failed) {
        self.told.push(Told::Failed(failed.clone()));
    }

    fn cancelled(&mut self, cancelled: &Cancelled) {
        self.told.push(Told::Cancelled(cancelled.clone()));
    }

    fn taken_in(&mut self, answer: Result<&Accepted, &RequestError>) {
        self.told
            .push(Told::TakenIn(answer.cloned().map_err(Clone::clone)));
    }
}

impl Recorder<'_> {
    pub fn completed_import(&self) -> &Completed {
        let found = self.told.iter().find_map(|told| match told {
            Told::Completed(completed) => Some(completed),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("not completed: {:?}", self.told))
    }

    pub fn failed_import(&self) -> &Failed {
        let found = self.told.iter().find_map(|told| match told {
            Told::Failed(failed) => Some(failed),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("not failed: {:?}", self.told))
    }

    pub fn cancelled_import(&self) -> &Cancelled {
        let found = self.told.iter().find_map(|told| match told {
            Told::Cancelled(cancelled) => Some(cancelled),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("not cancelled: {:?}", self.told))
    }

    pub fn answer(&self) -> &Result<Accepted, RequestError> {
        let mut answers = self.told.iter().filter_map(|told| match told {
            Told::TakenIn(answer) => Some(answer),
            _ => None,
        });
        let answer = answers
            .next()
            .unwrap_or_else(|| panic!("never taken in: {:?}", self.told));
        assert!(answers.next().is_none(), "taken in twice");
        answer
    }
}

/// A store of its own, and a queue.
pub struct World {
    pub store: Store,
    pub queue: ImportQueue,
    pub directory: TempDir,
}

impl World {
    pub fn new() -> World {
        let directory = tempfile::tempdir().unwrap();
        World {
            store: Store::open(directory.path()).unwrap(),
            queue: ImportQueue::default(),
            directory,
        }
    }

    /// Imports a file that arrives in pieces of 4 KiB.
    pub fn import(&self, file: &[u8]) -> Recorder<'static> {
        self.import_form(&form(file, ""), true)
    }

    pub fn import_form(&self, form: &[u8], declare_length: bool) -> Recorder<'static> {
        let mut recorder = Recorder::default();
        self.import_with(form, declare_length, &mut recorder, |_| {});
        recorder
    }

    /// Imports a whole form; `before` gets the canceller before anything runs.
    pub fn import_with(
        &self,
        form: &[u8],
        declare_length: bool,
        recorder: &mut Recorder<'_>,
        before: impl FnOnce(Canceller),
    ) {
        let (sender, body) = pipe(|| {});
        before(sender.canceller());
        for piece in form.chunks(4096) {
            sender.push(Bytes::copy_from_slice(piece));
        }
        sender.finish();
        let upload = Upload {
            body,
            boundary: BOUNDARY.to_owned(),
            declared_bytes: declare_length.then_some(form.len() as u64),
            query: Vec::new(),
        };
        let turn = self
            .queue
            .join("", pulsewheel_app::import::MAX_IMPORTS)
            .expect("a free place");
        run(upload, turn, &self.store, &|| Some(12 << 20), recorder);
    }

    /// All findings, the oldest first.
    pub fn findings(&self) -> Vec<FindingRow> {
        let reader = self.store.reader().unwrap();
        let mut items = Vec::new();
        loop {
            let page = reader
                .vulnerabilities(&FindingFilter::default(), 1000, items.len() as u64)
                .unwrap();
            items.extend(page.items);
            if items.len() as u64 == page.total {
                items.reverse();
                return items;
            }
        }
    }

    /// The history, the newest first.
    pub fn history(&self) -> Vec<HistoryEntry> {
        self.store.reader().unwrap().imports(1000, 0).unwrap().items
    }
}

/// A form with one file, preceded by ready-made parts.
pub fn form(file: &[u8], parts_before: &str) -> Vec<u8> {
    let mut form = parts_before.as_bytes().to_vec();
    form.extend_from_slice(
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"csvFile\"; filename=\"scan.csv\"\r\n\r\n").as_bytes(),
    );
    form.extend_from_slice(file);
    form.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    form
}

/// A form with one file and a ready-made part behind it.
pub fn form_with_part_behind(file: &[u8], part_behind: &str) -> Vec<u8> {
    let end = format!("--{BOUNDARY}--\r\n");
    let mut form = form(file, "");
    form.truncate(form.len() - end.len());
    form.extend_from_slice(part_behind.as_bytes());
    form.extend_from_slice(end.as_bytes());
    form
}

/// A part that holds text.
pub fn part(name: &str, value: &str) -> String {
    format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

/// A file of the project's samples.
pub fn sample(name: &str) -> Vec<u8> {
    read(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../tests/data")
            .join(name),
    )
}

pub fn read(path: &PathBuf) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A generated scan of so many rows.
pub fn scan(rows: u64) -> Vec<u8> {
    let mut file = Vec::new();
    write_scan(&mut file, Size::Rows(rows), 1).unwrap();
    file
}

/// A world with findings in it, and what they look like.
pub fn world_with_findings() -> (World, String) {
    let world = World::new();
    world.import(&sample("tenable.csv"));
    let before = format!("{:?}", world.findings());
    (world, before)
}
