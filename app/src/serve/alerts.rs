//! What the server itself has to say to people: that its disk or its memory is short, that it
//! can't write or is slow, that a limit of all has been reached, or that a backup is due.
//!
//! Each is told once, and again only when it has been well in between. Between bad and well is
//! a gap, so that what goes up and down around one figure is not told again and again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use pulsewheel::progress::JsonObject;
use pulsewheel::{memory_usage, Endpoint, Handle, Limit};
use serde_json::json;

use super::call::call_surely;
use crate::clock::now_ms;
use crate::journal::Pace;
use crate::last_backup::LastBackup;

const MIB: u64 = 1024 * 1024;

/// Where the data directory's file system has less left, it is short.
const DISK_SHORT_BYTES: u64 = 256 * MIB;
const DISK_WELL_BYTES: u64 = 512 * MIB;

/// Where less memory is left to the process, it is short.
const MEMORY_SHORT_MIB: u64 = 64;
const MEMORY_WELL_MIB: u64 = 128;

/// A limit that has not been reached for so long is well again.
const LIMITS_WELL_MS: u64 = 10 * 60_000;

/// A write that takes so long says that the disk is slow.
const DISK_SLOW: Duration = Duration::from_secs(3);
const DISK_QUICK: Duration = Duration::from_secs(1);

/// How often somebody looks at the pace of the disk, and every so many times at all else that does not tell by itself.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOKS: u32 = 5;

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    Disk,
    Memory,
    /// Imports can't be written.
    Imports,
    /// What becomes of sessions can't be written.
    Sessions,
    /// What the module `numbers` writes ahead can't be written.
    Numbers,
    /// A limit of all peers together has been reached.
    Limits,
    /// A backup is due.
    Backup,
    /// The disk is slow.
    Storage,
}

impl Concern {
    const COUNT: usize = Concern::Storage as usize + 1;

    /// What the log calls it.
    fn name(self) -> &'static str {
        match self {
            Concern::Disk => "disk",
            Concern::Memory => "memory",
            Concern::Imports => "imports",
            Concern::Sessions => "sessions",
            Concern::Numbers => "data directory",
            Concern::Limits => "limits",
            Concern::Backup => "backup",
            Concern::Storage => "storage",
        }
    }
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Bad,
    /// Not bad, but too near to it to be called well.
    Fair,
    Well,
}

impl Condition {
    fn of(left: u64, short_below: u64, well_from: u64) -> Condition {
        match left {
            left if left < short_below => Condition::Bad,
            left if left < well_from => Condition::Fair,
            _ => Condition::Well,
        }
    }

    fn of_disk(write_time: Duration) -> Condition {
        match write_time {
            time if time >= DISK_SLOW => Condition::Bad,
            time if time >= DISK_QUICK => Condition::Fair,
            _ => Condition::Well,
        }
    }
}

/// What people know already. Shared by the loop and the threads that write; held for moments
/// only.
#[derive(Debug, Default)]
pub struct Alerts {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    is_bad: [bool; Concern::COUNT],
    limit_reached_ms: Option<u64>,
}

impl Alerts {
    /// Notes how something is, and tells everybody where that is news. On the loop.
    pub fn observe(&self, endpoint: &mut Endpoint, concern: Concern, condition: Condition) {
        if self.is_news(concern, condition) {
            tell(endpoint, concern);
        }
    }

    /// As [`Alerts::observe`], on any other thread. Wakes the loop only for news.
    pub fn report(&self, handle: &Handle, concern: Concern, condition: Condition) {
        if self.is_news(concern, condition) {
            // Fails only where the server has ended.
            let _ = call_surely(handle, move |endpoint| tell(endpoint, concern));
        }
    }

    /// Peers have reached a limit. What one peer or address may have is that one's concern.
    pub fn limit_reached(&self, endpoint: &mut Endpoint, limit: Limit) {
        if self.is_news_of_limit(limit, endpoint.now().mono_ms) {
            log::warn!("the limit of {limit} has been reached");
            tell(endpoint, Concern::Limits);
        }
    }

    fn is_news_of_limit(&self, limit: Limit, now_ms: u64) -> bool {
        let concerns_all = matches!(
            limit,
            Limit::Connections | Limit::Sessions | Limit::IncompleteBytes | Limit::MemoryBytes
        );
        if !concerns_all {
            return false;
        }
        let last_ms = self.lock().limit_reached_ms.replace(now_ms);
        if last_ms.is_some_and(|last_ms| now_ms.saturating_sub(last_ms) >= LIMITS_WELL_MS) {
            self.is_news(Concern::Limits, Condition::Well);
        }
        self.is_news(Concern::Limits, Condition::Bad)
    }

    /// Whether something has gone bad that was not known to be.
    fn is_news(&self, concern: Concern, condition: Condition) -> bool {
        let is_bad = &mut self.lock().is_bad[concern as usize];
        match condition {
            Condition::Bad => !std::mem::replace(is_bad, true),
            Condition::Fair => false,
            Condition::Well => {
                if std::mem::take(is_bad) {
                    log::info!("well again: {}", concern.name());
                }
                false
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(endpoint: &mut Endpoint, concern: Concern) {
    let alert = alert(concern);
    log::warn!("alert: {}", alert["message"]);
    if let Err(error) = endpoint.progress().system_alert(alert) {
        log::error!("an alert could not be sent: {error}");
    }
}

/// Says nothing that only an admin may know: everybody gets it.
fn alert(concern: Concern) -> JsonObject {
    let (level, category, message, action) = match concern {
        Concern::Disk => (
            "warning",
            "system",
            "The server's disk is nearly full",
            Some("Free space on the disk of the data directory"),
        ),
        Concern::Memory => (
            "warning",
            "performance",
            "The server has little memory left",
            Some("Give the server's machine or container more memory"),
        ),
        Concern::Imports => (
            "error",
            "system",
            "The server can't write its database; imports fail",
            Some("See the server's log, and its disk"),
        ),
        Concern::Sessions => (
            "error",
            "system",
            "The server can't write down what becomes of sessions, and begins none",
            Some("See the server's log, and its disk"),
        ),
        Concern::Numbers => (
            "error",
            "system",
            "The server can't write to its data directory",
            Some("See the server's log, and its disk"),
        ),
        Concern::Limits => (
            "warning",
            "performance",
            "The server has reached a limit; some clients may be refused",
            None,
        ),
        Concern::Backup => (
            "warning",
            "system",
            "The server's data have not been backed up for seven days",
            Some("Run pulsewheel backup on the server's machine"),
        ),
        Concern::Storage => (
            "warning",
            "performance",
            "The server's disk is slow; new sessions and their ends are confirmed late",
            Some("Look what keeps the disk of the data directory busy"),
        ),
    };
    let mut alert = JsonObject::new();
    for (name, text) in [
        ("level", level),
        ("category", category),
        ("message", message),
    ] {
        alert.insert(name.to_owned(), text.into());
    }
    alert.insert("action_required".to_owned(), action.is_some().into());
    if let Some(action) = action {
        let details = json!({ "description": action });
        alert.insert("action_details".to_owned(), details);
    }
    let priority = if level == "error" { "high" } else { "medium" };
    alert.insert("priority".to_owned(), priority.into());
    alert
}

/// The thread that looks at disk, memory and the time of the last backup. It ends when this is dropped.
pub struct Watch {
    _end: SyncSender<()>,
}

impl Watch {
    pub fn start(
        alerts: Arc<Alerts>,
        handle: Handle,
        data_dir: &Path,
        pace: Pace,
    ) -> io::Result<Watch> {
        let (end, ended) = sync_channel(0);
        let looks = Looks {
            alerts,
            handle,
            data_dir: data_dir.to_owned(),
            last_backup: LastBackup::of(data_dir),
            pace,
        };
        thread::Builder::new()
            .name("alerts".to_owned())
            .spawn(move || looks.go_on(&ended))?;
        Ok(Watch { _end: end })
    }
}

struct Looks {
    alerts: Arc<Alerts>,
    handle: Handle,
    data_dir: PathBuf,
    last_backup: LastBackup,
    pace: Pace,
}

impl Looks {
    fn go_on(&self, ended: &Receiver<()>) {
        for look in 0_u32.. {
            let disk = Condition::of_disk(self.pace.write_time());
            self.report(Concern::Storage, disk);
            if look.is_multiple_of(LOOKS) {
                self.look();
            }
            if ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }

    /// What can't be known is no news.
    fn look(&self) {
        if let Ok(disk) = rustix::fs::statvfs(&self.data_dir) {
            let left_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
            let condition = Condition::of(left_bytes, DISK_SHORT_BYTES, DISK_WELL_BYTES);
            self.report(Concern::Disk, condition);
        }
        if let Some(left_mib) = memory_usage().available_mb {
            let condition = Condition::of(left_mib, MEMORY_SHORT_MIB, MEMORY_WELL_MIB);
            self.report(Concern::Memory, condition);
        }
        let unix_ms = u64::try_from(now_ms()).unwrap_or(0);
        if let Ok(is_due) = self.last_backup.is_due(unix_ms) {
            let condition = if is_due {
                Condition::Bad
            } else {
                Condition::Well
            };
            self.report(Concern::Backup, condition);
        }
    }

    fn report(&self, concern: Concern, condition: Condition) {
        self.alerts.report(&self.handle, concern, condition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::testing::endpoint;

    #[test]
    fn what_is_bad_is_news_once_until_it_has_been_well() {
        let alerts = Alerts::default();
        let news = |condition| alerts.is_news(Concern::Disk, condition);
        assert!(!news(Condition::Well));
        assert!(news(Condition::Bad));
        for condition in [Condition::Bad, Condition::Fair, Condition::Bad] {
            assert!(!news(condition), "{condition:?}");
        }
        assert!(alerts.is_news(Concern::Memory, Condition::Bad), "another");
        assert!(!news(Condition::Well));
        assert!(news(Condition::Bad));
    }

    #[test]
    fn between_short_and_well_is_a_gap() {
        for (left, wanted) in [
            (0, Condition::Bad),
            (9, Condition::Bad),
            (10, Condition::Fair),
            (19, Condition::Fair),
            (20, Condition::Well),
        ] {
            assert_eq!(Condition::of(left, 10, 20), wanted, "{left}");
        }
    }

    #[test]
    fn a_disk_is_slow_from_three_seconds_on_and_well_again_below_one() {
        for (ms, wanted) in [
            (0, Condition::Well),
            (999, Condition::Well),
            (1_000, Condition::Fair),
            (2_999, Condition::Fair),
            (3_000, Condition::Bad),
            (60_000, Condition::Bad),
        ] {
            let time = Duration::from_millis(ms);
            assert_eq!(Condition::of_disk(time), wanted, "{ms}");
        }
    }

    #[test]
    fn a_limit_is_news_again_when_it_was_long_not_reached() {
        let alerts = Alerts::default();
        assert!(!alerts.is_news_of_limit(Limit::Messages, 0), "one peer's");
        assert!(alerts.is_news_of_limit(Limit::Connections, 0));
        // Reached again and again: one long time of need.
        for now_ms in [1, LIMITS_WELL_MS, 2 * LIMITS_WELL_MS - 1] {
            assert!(!alerts.is_news_of_limit(Limit::MemoryBytes, now_ms));
        }
        let later_ms = 3 * LIMITS_WELL_MS - 1;
        assert!(!alerts.is_news_of_limit(Limit::Messages, later_ms));
        assert!(alerts.is_news_of_limit(Limit::Connections, later_ms));
    }

    #[test]
    fn every_alert_is_one_that_clients_may_get() {
        for concern in [
            Concern::Disk,
            Concern::Memory,
            Concern::Imports,
            Concern::Sessions,
            Concern::Numbers,
            Concern::Limits,
            Concern::Backup,
            Concern::Storage,
        ] {
            let sent = endpoint().progress().system_alert(alert(concern));
            assert_eq!(sent, Ok(()), "{concern:?}");
        }
    }
}
