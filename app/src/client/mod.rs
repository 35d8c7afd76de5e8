//! `pulsewheel import`: sends files to a running server and tells what came of them.
//!
//! | module | what it holds |
//! |---|---|
//! | `args` | the command line |
//! | `http` | requests to the server |
//! | `early` | answers that come before a request was sent |
//! | `upload` | a file as the form that is sent |
//! | `following` | the session of an import, read again and again until its end |
//! | `display` | how far it is: a bar on a terminal, lines elsewhere |
//! | `outcome` | what came of it: sentences and the exit status |

mod args;
mod display;
mod early;
mod following;
mod http;
mod outcome;
mod upload;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use uuid::Uuid;

use display::Display;
use following::{Follower, Sight};
use http::Server;
use outcome::{Outcome, SERVER_UNREACHABLE};
use upload::Upload;

pub use args::ImportArgs;

/// How long to wait before an upload is sent once more whose answer did not come.
const PAUSE: Duration = Duration::from_secs(1);

/// Imports one file after the other. Gives the exit status of the command: the first one
/// of a file that is not 0.
pub fn import(args: &ImportArgs) -> u8 {
    let server = match Server::new(&args.server, std::env::var("PULSEWHEEL_TOKEN").ok()) {
        Ok(server) => server,
        Err(error) => return refuse(&error),
    };
    let mut status = 0;
    for file in &args.files {
        let name = upload::shown_name(file);
        let outcome = import_file(&server, args, file, &name);
        // Fails only where nobody reads the output any more.
        let _ = outcome.write(&name, &mut io::stdout().lock(), &mut io::stderr().lock());
        let this = outcome.status(args.max_rejected);
        if status == 0 {
            status = this;
        }
        if this == SERVER_UNREACHABLE {
            break;
        }
    }
    status
}

fn refuse(error: &str) -> u8 {
    let _ = writeln!(io::stderr(), "pulsewheel: {error}");
    outcome::USAGE
}

fn import_file(server: &Server, args: &ImportArgs, file: &Path, name: &str) -> Outcome {
    let session = match new_id() {
        Ok(id) => id,
        Err(error) => return Outcome::Broken(format!("no random number is to be had: {error}")),
    };
    let open = || Upload::open(file, &args.fields(&session), &session);
    let upload = match open() {
        Ok(upload) => upload,
        Err(error) => return Outcome::Broken(format!("the file cannot be read: {error}")),
    };
    let send = || {
        let first = upload.send(server);
        if !matches!(first, Err(Outcome::Unreachable(_))) {
            return first;
        }
        // It may have been taken in all the same. Then the server says so once more, and imports it no second time.
        thread::sleep(PAUSE);
        let again = open().ok().and_then(|upload| upload.send(server).ok());
        again.map_or(first, Ok)
    };
    let mut display = Display::new(name, io::stderr().is_terminal());
    let follower = Follower::new(server, &session);
    let answer = thread::scope(|scope| {
        let sending = scope.spawn(send);
        while !sending.is_finished() {
            if let Ok(Sight::Running(state)) = follower.look() {
                display.show(&state);
            }
            follower.rest(|| sending.is_finished());
        }
        sending.join().expect("sending does not panic")
    });
    let accepted = match answer {
        Ok(accepted) => accepted,
        Err(outcome) => return outcome,
    };
    if !args.waits() {
        return Outcome::TakenIn(accepted);
    }
    follower.until_end(|state| display.show(state))
}

/// An id for the session, so that it can be looked for before the server has answered.
fn new_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    let id: Uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
    Ok(id.to_string())
}
