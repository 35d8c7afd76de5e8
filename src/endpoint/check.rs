//! Whether every part agrees with every other.

use super::{Endpoint, Queued};
use crate::connection::{Phase, Protocol};
use crate::outbox::Due;

impl Endpoint {
    /// Checks that every part agrees with every other; panics where it does not. For tests, fuzzing and simulation.
    pub fn check_invariants(&self) {
        self.sockets.check_invariants();
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
            assert_eq!(connection.is_input_due, self.input_due.contains(&key));
            let is_listed = match connection.output_due {
                Due::No => !self.output_due.contains(&key),
                Due::Bulk => self.bulk_output_due.contains(&key),
                Due::Now => self.output_due.contains(&key),
            };
            assert!(is_listed, "whoever is to be written to is in its list");
        }
    }
}
