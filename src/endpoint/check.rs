//! Whether every part agrees with every other.

use super::events::Queued;
use super::Endpoint;
use crate::transport::ready::MAX_READ_BYTES;
use crate::transport::{cost, Connection, Protocol, Sink};

impl Endpoint {
    /// Checks that every part agrees with every other; panics where it does not.
    pub(crate) fn check_invariants(&self) {
        self.sockets.check_invariants();
        self.transport
            .check(|session| self.sessions.rates.is_paused(session));
        self.check_news();
        self.transport.ready.check_costs(self.max_piece_units());
        self.check_sessions();
        self.check_timers();
        let clients = self.sessions.iter().map(|(_, entry)| &entry.client);
        let sockets: usize = clients.map(|client| client.sockets().count()).sum();
        let is_leave = |queued: &&Queued| matches!(queued, Queued::Leave(socket, _) if self.sockets.get(*socket).is_some());
        assert_eq!(
            sockets + self.events.iter().filter(is_leave).count(),
            self.sockets.count(),
            "every socket has one client, or is about to leave"
        );
        let clients = self.sessions.iter().map(|(_, entry)| &entry.client);
        let connects: usize = clients.map(|client| client.connects().len()).sum();
        assert_eq!(connects, self.connects.count());
        for (key, connection) in self.transport.iter().filter(|(_, it)| it.is_open()) {
            let Some(session) = user(connection) else {
                continue;
            };
            let session = self.sessions.session(session);
            let session = session.expect("a session ends with the connections that it uses");
            assert!(
                session.uses(key) || session.end_queued(),
                "and knows of them"
            );
        }
    }

    /// Nothing has two deadlines of one kind: one that is set anew takes the place of the one before.
    fn check_timers(&self) {
        let mut timers: Vec<_> = self.clock.wheel.values().collect();
        timers.sort_unstable();
        let twice = timers.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(twice, None, "each deadline is set once");
    }

    /// What one piece of work costs at most: a frame or a body that has come in full and is handled at once, a page of a list, or
    /// an event told to everybody.
    fn max_piece_units(&self) -> usize {
        const EVERYBODY_UNITS: usize = 100_000;
        let frame = self.config.max_payload_bytes + MAX_READ_BYTES;
        let progress = self.config.progress.as_ref();
        let page_bytes = progress.map_or(0, |progress| progress.max_page_bytes);
        let page_bytes = page_bytes.min(self.config.max_queued_bytes / 2);
        let list = cost::LIST + page_bytes + page_bytes / cost::COPIES;
        frame.max(list).max(EVERYBODY_UNITS)
    }
}

/// The session that waits for something on a connection.
fn user(connection: &Connection) -> Option<crate::id::EngineSessionId> {
    match &connection.protocol {
        Protocol::WebSocket(websocket) => Some(websocket.session),
        Protocol::Http(http) => {
            let exchange = http.exchange.as_deref();
            match exchange.filter(|it| !it.is_answered)?.sink {
                Sink::Poll { session, .. } => Some(session),
                _ => None,
            }
        }
    }
}
