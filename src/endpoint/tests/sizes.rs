//! What every client has in memory, so that none of it grows unseen. docs/memory.md adds it up.

use std::mem::size_of;

use super::super::connects::PendingConnect;
use super::super::events::Queued;
use crate::engine::SessionEntry;
use crate::socket::{Client, SocketId, Sockets};
use crate::timer::Timer;
use crate::transport::{Chunk, Connection, Exchange};
use crate::wheel::TimerKey;

/// A place in a slab, as the crate `slab` has it, with the generation beside the entry.
#[allow(dead_code, reason = "only its size is of interest")]
enum Place<T> {
    Vacant(usize),
    Occupied((u32, T)),
}

/// The size of what there would be, of a type that has no name here.
fn size_behind<T>(_: Option<&T>) -> usize {
    size_of::<Place<T>>()
}

#[cfg(target_pointer_width = "64")]
#[test]
fn what_every_client_has_stays_as_small_as_it_is() {
    let nobody = SocketId(crate::slots::Slots::default().insert(()));
    let sockets = Sockets::default();
    for (what, bytes, limit_bytes) in [
        ("a connection", size_of::<Place<Connection>>(), 152),
        (
            "a session and its client",
            size_of::<Place<SessionEntry<Client>>>(),
            216,
        ),
        ("a socket", size_behind(sockets.get(nobody)), 72),
        ("a timer's key", size_of::<TimerKey>(), 8),
        ("a timer's kind", size_of::<Timer>(), 12),
        ("an HTTP exchange", size_of::<Exchange>(), 104),
        ("a packet in an outbox", size_of::<Chunk>(), 32),
        ("a decision under way", size_of::<PendingConnect>(), 72),
        ("an event in the queue", size_of::<Queued>(), 120),
    ] {
        assert!(bytes <= limit_bytes, "{what} has grown to {bytes} bytes");
    }
}
