//! The log, on standard error. A reader that does not read, or is gone, holds up
//! nobody: lines go to a thread of their own, and where that cannot keep up they are
//! dropped.

use std::io::{self, Write};
use std::panic;
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use env_logger::{Builder, Target};
use log::LevelFilter;

use crate::clock;

/// Lines that may wait to be written.
const MAX_WAITING: usize = 1024;

/// Longest message, in characters: what peers send stands in some, and many may wait.
const MAX_MESSAGE_CHARS: usize = 500;

/// How long the end of the program waits for the last lines.
const FLUSH_PATIENCE: Duration = Duration::from_millis(200);

enum Entry {
    Line(Vec<u8>),
    /// All lines before this one have been written.
    Flush(SyncSender<()>),
}

/// The running log; when dropped, waits a moment for its last lines.
pub struct Log {
    entries: SyncSender<Entry>,
}

impl Log {
    /// Starts the program's one log.
    pub fn start(level: LevelFilter) -> io::Result<Log> {
        let (entries, waiting) = sync_channel(MAX_WAITING);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&waiting))?;
        let lines = Lines(entries.clone());
        let started = Builder::new()
            .filter_level(level)
            .format(|out, record| {
                let time = clock::rfc3339(clock::now_ms());
                writeln!(
                    out,
                    "{time} {:5} {}",
                    record.level(),
                    one_line(&record.args().to_string())
                )
            })
            .target(Target::Pipe(Box::new(lines)))
            .try_init();
        started.map_err(io::Error::other)?;
        // What a panic has to say goes the same way: printed at once, it would wait for a reader who is stuck.
        panic::set_hook(Box::new(|panic| log::error!("{panic}")));
        Ok(Log { entries })
    }

    /// Waits a moment for the lines so far.
    pub fn flush(&self) {
        let (written, all) = sync_channel(1);
        if self.entries.try_send(Entry::Flush(written)).is_ok() {
            let _ = all.recv_timeout(FLUSH_PATIENCE);
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Prints a line on standard error and waits a moment for that; not for ever, since nobody may read there.
pub fn complain(line: String) {
    let (written, all) = sync_channel(1);
    let print = move || {
        let _ = writeln!(io::stderr(), "{line}");
        let _ = written.send(());
    };
    if thread::Builder::new().spawn(print).is_ok() {
        let _ = all.recv_timeout(FLUSH_PATIENCE);
    }
}

fn write_all(waiting: &Receiver<Entry>) {
    for entry in waiting {
        match entry {
            // Nobody is left to be told that nobody reads.
            Entry::Line(line) => drop(io::stderr().write_all(&line)),
            Entry::Flush(written) => drop(written.send(())),
        }
    }
}

/// Takes whole lines, one a call.
struct Lines(SyncSender<Entry>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Full: dropped.
        let _ = self.0.try_send(Entry::Line(line.to_vec()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A message with its control characters escaped and its end cut off where it is long: what
/// a peer sent must neither begin a line of its own nor reach a terminal, nor fill the memory.
fn one_line(message: &str) -> String {
    let mut line = String::new();
    for (count, c) in message.chars().enumerate() {
        if count == MAX_MESSAGE_CHARS {
            line.push('…');
            break;
        }
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_on_its_line() {
        assert_eq!(
            one_line("a\r\nb\u{1b}[31mc\u{85}ü"),
            "a\\r\\nb\\u{1b}[31mc\\u{85}ü"
        );
        assert_eq!(one_line(&"x".repeat(20_000)).chars().count(), 501);
    }

    #[test]
    fn a_log_that_nobody_reads_drops_lines_and_holds_up_nobody() {
        let (entries, _waiting) = sync_channel(2);
        let mut lines = Lines(entries);
        for _ in 0..100 {
            lines.write_all(b"line\n").unwrap();
        }
    }
}
