//! Signals: an orderly end on the first SIGTERM or SIGINT, one at once on the second; SIGHUP
//! has the token file read again.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use std::thread;

use pulsewheel::Handle;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use super::auth::Auth;
use super::call::call_surely;
use super::service::Manager;

/// Has a write beyond the largest size of a file fail, as one on a full disk does, instead
/// of ending the program.
pub fn outlive_file_limits() -> io::Result<()> {
    // What is raised is of no interest: the failed write tells the same.
    flag::register(SIGXFSZ, Arc::default())?;
    Ok(())
}

/// SIGTERM and SIGINT, caught from here on.
pub struct EndSignals {
    signals: Signals,
}

impl EndSignals {
    pub fn catch() -> io::Result<EndSignals> {
        let was_asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal finds the flag down and raises it, the
            // second one finds it raised and ends the process.
            flag::register_conditional_shutdown(signal, 128 + signal, was_asked.clone())?;
            flag::register(signal, was_asked.clone())?;
        }
        Ok(EndSignals {
            signals: Signals::new([SIGTERM, SIGINT])?,
        })
    }

    /// Has the server leave when a signal comes, or if one has come.
    /// SIGHUP is heard where there is a token file; elsewhere it ends the program as ever.
    pub fn end_server(
        mut self,
        handle: Handle,
        auth: Arc<Auth>,
        manager: Arc<Manager>,
        leave: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        if !auth.is_open() {
            self.signals.add_signal(SIGHUP)?;
        }
        let wait = move || {
            for signal in self.signals.forever() {
                if signal != SIGHUP {
                    break;
                }
                manager.reloading();
                if auth.reread() {
                    let auth = auth.clone();
                    let _ = call_surely(&handle, move |endpoint| auth.sweep(endpoint));
                }
                manager.reloaded();
            }
            log::info!("asked to end");
            leave();
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(wait)?;
        Ok(())
    }
}
