//! How far the numbers of changes (`seq`) may have come, written down ahead of their use: after a restart they go on above
//! all that were ever given out, also where the program was killed or the clock went back.
//!
//! A file in the data directory holds one number; nothing above it is given out. It is written again when half of what was
//! written ahead is used up, every few minutes, by a thread of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError, SyncSender};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pulsewheel::{Endpoint, Handle, Pending};

use super::alerts::{Alerts, Concern, Condition};
use super::call::call_surely;
use crate::number_file;

const FILE: &str = "seq";

/// How far ahead is written, in numbers, which are milliseconds where nobody is very busy.
const AHEAD: u64 = 10 * 60_000;

/// Beyond this, JSON readers round.
const MAX_SEQ: u64 = 1 << 53;

/// How often somebody looks, at the least.
const PATIENCE: Duration = Duration::from_secs(60);

/// The file, and what it says.
#[derive(Debug)]
pub struct Reservation {
    path: PathBuf,
    reserved: u64,
}

impl Reservation {
    /// Reads what the run before has written.
    ///
    /// # Errors
    /// The file can't be read. One that holds no number counts as none, since nothing better can be had.
    pub fn open(directory: &Path) -> io::Result<Reservation> {
        let path = directory.join(FILE);
        let reserved = match number_file::read(&path) {
            Ok(reserved) => reserved.unwrap_or(0),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => MAX_SEQ,
            Err(error) => return Err(error),
        };
        let is_usable = reserved < MAX_SEQ;
        if !is_usable {
            log::warn!("{} holds no number; the clock counts alone", path.display());
        }
        let reserved = if is_usable { reserved } else { 0 };
        Ok(Reservation { path, reserved })
    }

    /// The least number of this run.
    pub fn first(&self) -> u64 {
        self.reserved + 1
    }

    /// Writes how far this run may go at first. To be called when it is sure that there is one: runs that fail to start leave
    /// no gap.
    pub fn begin(&mut self, unix_ms: u64) -> io::Result<()> {
        self.reserve(self.first().max(unix_ms).saturating_add(AHEAD))
    }

    /// Up to here numbers may be given out.
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Writes more ahead if much of it is used up. Whether it did.
    fn follow(&mut self, wanted: u64) -> io::Result<bool> {
        let is_due = !has_room(self.reserved, wanted);
        if is_due {
            self.reserve(wanted.saturating_add(AHEAD))?;
        }
        Ok(is_due)
    }

    fn reserve(&mut self, up_to: u64) -> io::Result<()> {
        number_file::write(&self.path, up_to)?;
        self.reserved = up_to;
        Ok(())
    }
}

fn has_room(reserved: u64, wanted: u64) -> bool {
    reserved.saturating_sub(wanted) >= AHEAD / 2
}

/// The thread that writes ahead, as the loop sees it.
pub struct Numbers {
    wake: SyncSender<()>,
    thread: JoinHandle<Reservation>,
}

impl Numbers {
    pub fn start(
        reservation: Reservation,
        handle: Handle,
        alerts: Arc<Alerts>,
    ) -> io::Result<Numbers> {
        let (wake, woken) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("numbers".to_owned())
            .spawn(move || follow(reservation, &woken, &handle, &alerts))?;
        Ok(Numbers { wake, thread })
    }

    /// Has more written ahead, if that is due. Called after whatever may have used numbers up; never waits.
    pub fn watch(&self, endpoint: &mut Endpoint) {
        let state = endpoint.progress().seq_state();
        if !has_room(state.reserved, state.wanted) {
            // Full where the thread is about to look already.
            let _ = self.wake.try_send(());
        }
    }

    /// Writes down exactly how far the numbers came. To be called when the server is gone.
    pub fn end(self, highest: u64) {
        drop(self.wake);
        let Ok(mut reservation) = self.thread.join() else {
            return;
        };
        if let Err(error) = reservation.reserve(highest) {
            log::warn!("{error}: numbers of changes will leave a gap");
        }
    }
}

fn follow(
    mut reservation: Reservation,
    woken: &Receiver<()>,
    handle: &Handle,
    alerts: &Alerts,
) -> Reservation {
    loop {
        if woken.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected) {
            return reservation;
        }
        let asked = call_surely(handle, |endpoint| endpoint.progress().seq_state());
        let Ok(state) = asked.and_then(Pending::wait) else {
            return reservation;
        };
        match reservation.follow(state.wanted) {
            Ok(false) => {}
            Ok(true) => {
                alerts.report(handle, Concern::Numbers, Condition::Well);
                let reserved = reservation.reserved();
                let _ = call_surely(handle, move |endpoint| {
                    endpoint.progress().reserve_seq(reserved)
                });
            }
            Err(error) => {
                log::warn!(
                    "{} can't be written: {error}; until it can be, changes are numbered one by one",
                    reservation.path.display()
                );
                alerts.report(handle, Concern::Numbers, Condition::Bad);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn begun(folder: &Path, unix_ms: u64) -> (Reservation, u64) {
        let mut reservation = Reservation::open(folder).unwrap();
        let first = reservation.first();
        reservation.begin(unix_ms).unwrap();
        (reservation, first)
    }

    #[test]
    fn a_run_begins_above_all_that_the_one_before_may_have_given_out() {
        let folder = tempfile::tempdir().unwrap();
        let (mut run, first) = begun(folder.path(), 1_000_000);
        assert_eq!((first, run.reserved()), (1, 1_000_000 + AHEAD));
        assert!(!run.follow(1_000_000).unwrap(), "there is room");
        let used = 1_000_000 + AHEAD / 2 + 1;
        assert!(run.follow(used).unwrap());
        assert_eq!(run.reserved(), used + AHEAD);
        drop(run);

        // Killed, and the clock went back.
        let (run, first) = begun(folder.path(), 5);
        assert_eq!(first, used + AHEAD + 1);
        assert_eq!(run.reserved(), first + AHEAD);
    }

    #[test]
    fn a_run_that_does_not_begin_and_one_that_ends_well_leave_no_gap() {
        let folder = tempfile::tempdir().unwrap();
        let (mut run, _) = begun(folder.path(), 1_000_000);
        run.reserve(1_000_500).unwrap();
        for _ in 0..3 {
            let run = Reservation::open(folder.path()).unwrap();
            assert_eq!(run.first(), 1_000_501);
        }
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        for text in ["12a", "", "-1", "99999999999999999"] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(FILE), text).unwrap();
            assert_eq!(begun(folder.path(), 7).1, 1, "{text}");
            assert_eq!(begun(folder.path(), 7).1, 7 + AHEAD + 1);
        }
    }
}
