//! Printing that never holds up the loop: standard output and standard error may be closed, full or stuck.

use std::io::{self, Write};
use std::process::exit;
use std::sync::mpsc::{sync_channel, SyncSender};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

/// Lines that may wait to be printed; more are lost.
const MAX_WAITING: usize = 64;

/// How long the end of the process waits for its last line.
const PATIENCE: Duration = Duration::from_secs(1);

/// Prints a line on standard output, by and by.
pub fn say(line: String) {
    static LINES: OnceLock<SyncSender<String>> = OnceLock::new();
    let lines = LINES.get_or_init(|| printer(|line| writeln!(io::stdout(), "{line}")));
    let _ = lines.try_send(line);
}

/// The same on standard error.
pub fn complain(line: String) {
    static LINES: OnceLock<SyncSender<String>> = OnceLock::new();
    let lines = LINES.get_or_init(|| printer(|line| writeln!(io::stderr(), "{line}")));
    let _ = lines.try_send(line);
}

/// Ends the process with a line on standard error, if that can be had.
pub fn fail(line: &str, status: i32) -> ! {
    let line = line.to_owned();
    let (printed, all) = sync_channel(1);
    thread::spawn(move || {
        let _ = writeln!(io::stderr(), "{line}");
        let _ = printed.send(());
    });
    let _ = all.recv_timeout(PATIENCE);
    exit(status)
}

/// A thread that prints what it is sent.
fn printer(print: fn(&str) -> io::Result<()>) -> SyncSender<String> {
    let (lines, waiting) = sync_channel::<String>(MAX_WAITING);
    thread::spawn(move || {
        for line in waiting {
            // Where that fails, nobody reads it.
            let _ = print(&line);
        }
    });
    lines
}
