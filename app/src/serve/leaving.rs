//! How the program goes: in which order, and how long each of it may take.

use std::fmt;
use std::process;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use pulsewheel::progress::JsonObject;
use pulsewheel::{Endpoint, Handle};
use serde_json::json;

use super::call::call_surely;
use super::imports::Registry;
use super::logging::Log;
use super::{DISK_PATIENCE, ROLL_BACK_PATIENCE};

/// What is left at the least for answers, such as those to uploads whose imports were cancelled.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// What becomes of imports when the program is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnShutdown {
    /// They go on for as long as the grace.
    Finish,
    /// They are rolled back at once.
    Cancel,
}

/// A length of time on the command line, such as `10s`, `500ms` or `2m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length(pub Duration);

impl FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Length, String> {
        let wanted =
            || "wanted is a whole number with its unit, such as 500ms, 10s or 2m".to_owned();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            _ => return Err(wanted()),
        };
        let number: u32 = number.parse().map_err(|_| wanted())?;
        Ok(Length(Duration::from_millis(u64::from(number) * unit_ms)))
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_millis() {
            0 => write!(f, "{}s", self.0.as_secs()),
            _ => write!(f, "{}ms", self.0.as_millis()),
        }
    }
}

/// Ends the server. From now on nobody is let in, and all are told; then the imports
/// end, so that whoever watches them hears of it, and then the clients are sent away.
/// To be called on a thread of its own.
pub fn leave(handle: &Handle, registry: &Arc<Registry>, grace: Duration, imports: OnShutdown) {
    let began = Instant::now();
    // These fail only where the server has ended already.
    let _ = call_surely(handle, close_the_door);
    registry.close();
    if imports == OnShutdown::Finish {
        registry.wait_until_idle(grace);
    }
    registry.cancel_all();
    registry.wait_until_idle(ROLL_BACK_PATIENCE);
    let left = grace.saturating_sub(began.elapsed()).max(LAST_ANSWERS);
    let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    let _ = call_surely(handle, move |endpoint| endpoint.drain(left_ms));
}

/// Ends the process when a disk that hangs does not let it end by itself. What was acknowledged is on the disk already; what
/// is left is as after a kill.
pub fn end_in_any_case(log: Arc<Log>) {
    let wait = move || {
        thread::sleep(DISK_PATIENCE);
        log::error!("the disk does not take what is left; the server ends without that");
        log.flush();
        process::exit(1);
    };
    // Where there is no thread for it, the disk decides.
    let _ = thread::Builder::new().name("end".to_owned()).spawn(wait);
}

/// Lets nobody in any more, and tells all who are there.
fn close_the_door(endpoint: &mut Endpoint) {
    endpoint.stop_accepting();
    if let Err(error) = endpoint.progress().system_alert(alert()) {
        log::error!("clients could not be told of the end: {error}");
    }
}

fn alert() -> JsonObject {
    let alert = json!({
        "level": "info",
        "category": "maintenance",
        "message": "The server is going down. Your connection comes back by itself when it is up again.",
        "action_required": false,
        "auto_dismiss": 30_000,
        "priority": "medium",
    });
    match alert {
        serde_json::Value::Object(alert) => alert,
        _ => JsonObject::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::testing::endpoint;

    #[test]
    fn lengths_of_time_have_a_unit() {
        for (text, ms) in [("10s", 10_000), ("0s", 0), ("500ms", 500), ("2m", 120_000)] {
            assert_eq!(text.parse(), Ok(Length(Duration::from_millis(ms))));
        }
        assert_eq!(Length(Duration::from_secs(10)).to_string(), "10s");
        assert_eq!(Length(Duration::from_millis(1_500)).to_string(), "1500ms");
        for wrong in ["", "10", "s", "-1s", "1.5s", "1h", "99999999999s", "10 s"] {
            assert!(wrong.parse::<Length>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_door_is_closed_with_a_word() {
        let mut endpoint = endpoint();
        close_the_door(&mut endpoint);
        assert!(endpoint.is_leaving());
        assert_eq!(endpoint.progress().system_alert(alert()), Ok(()));
    }
}
