//! Whether every part agrees with every other.

use super::{Endpoint, Queued};
use crate::connection::{Phase, Protocol};
use crate::outbox::Due;
use crate::ready::MAX_READ_BYTES;

impl Endpoint {
    /// Checks that every part agrees with every other; panics where it does not. For tests, fuzzing and simulation.
    pub fn check_invariants(&self) {
        self.sockets.check_invariants();
        self.check_news();
        let mut sockets = 0;
        for (key, peer) in self.sessions.iter() {
            peer.check(key, self);
            sockets += peer.client.sockets().count();
        }
        let is_leave = |queued: &&Queued| matches!(queued, Queued::Leave(socket, _) if self.sockets.get(*socket).is_some());
        sockets += self.events.iter().filter(is_leave).count();
        assert_eq!(
            sockets,
            self.sockets.count(),
            "every socket has one client, or is about to leave"
        );
        let joins = self.sessions.iter().map(|(_, p)| p.client.joins().len());
        assert_eq!(joins.sum::<usize>(), self.joins.count());
        for (key, connection) in self.connections.iter() {
            if let Protocol::WebSocket(websocket) = &connection.protocol {
                if connection.phase == Phase::Open {
                    let peer = self.sessions.get(websocket.session);
                    let peer = peer.expect("an open WebSocket has a session");
                    assert!(
                        peer.session.uses(key) || peer.is_ending,
                        "and that session knows it"
                    );
                }
            }
            self.check_exchange(key, connection);
            let unread_bytes = connection.unread.len();
            assert!(
                unread_bytes <= self.max_unread_bytes(),
                "{unread_bytes} bytes are unread"
            );
            let is_listed = match connection.output_due {
                Due::No => !self.output_due.contains(&key),
                Due::Bulk => self.bulk_output_due.contains(&key),
                Due::Now => self.output_due.contains(&key),
            };
            assert!(is_listed, "whoever is to be written to is in its list");
        }
    }

    /// What may wait on one connection: one read, and before it the beginning of a request's head or of a frame.
    fn max_unread_bytes(&self) -> usize {
        const FRAME_HEADER_BYTES: usize = 14;
        let frame_bytes = self.config.max_payload_bytes + FRAME_HEADER_BYTES;
        MAX_READ_BYTES + frame_bytes.max(self.config.max_head_bytes)
    }
}
