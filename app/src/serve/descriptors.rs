//! The descriptors that the process may have open: so many are for its own files, and connections get what is left.
//!
//! Without this a crowd of connections would take the last descriptor, and then no database could be opened.

use std::io;

use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

/// For all that is no connection: what is open all the time, about 25, and for each of four imports, a look at the history and
/// an undo up to six files of databases at a time; the rest is for what is open for moments.
const OWN: u64 = 80;

/// With fewer connections there is no use in a start.
const LEAST_CONNECTIONS: u64 = 8;

/// Raises the limit as far as these connections need it and the system allows. Gives how many of them there is room for.
///
/// # Errors
/// The limit is too low to be of use.
pub fn make_room(connections: usize, listeners: usize) -> io::Result<usize> {
    let own = OWN + listeners as u64;
    let wanted = own + connections as u64;
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    let possible = limit.maximum.unwrap_or(u64::MAX).min(wanted);
    let raised = Rlimit {
        current: Some(possible),
        ..limit
    };
    let is_raised = current < possible && setrlimit(Resource::Nofile, raised).is_ok();
    let open = if is_raised { possible } else { current };
    room(open, own, connections as u64)
}

/// How many connections there is room for beside the process's own descriptors.
fn room(limit: u64, own: u64, wanted: u64) -> io::Result<usize> {
    let room = limit.saturating_sub(own).min(wanted);
    if room < LEAST_CONNECTIONS.min(wanted) {
        let least = own + LEAST_CONNECTIONS;
        let message = format!("{limit} files may be open (ulimit -n), and {least} are needed");
        return Err(io::Error::other(message));
    }
    Ok(usize::try_from(room).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_get_what_is_left_of_the_limit() {
        for (limit, wanted, room_for) in [
            (u64::MAX, 1_000, Some(1_000)),
            (1_024, 2_000, Some(1_024 - OWN)),
            (OWN + 8, 1_000, Some(8)),
            (OWN + 7, 1_000, None),
            (20, 1_000, None),
        ] {
            let found = room(limit, OWN, wanted);
            assert_eq!(found.as_ref().ok().map(|room| *room as u64), room_for);
            if let Err(error) = found {
                let text = error.to_string();
                assert!(text.contains(&limit.to_string()), "{text}");
            }
        }
    }
}
