//! What has to hold after each step, and at the end.

use pulsewheel::checks;

use super::{Actorlike, Unheard, World};
use crate::held::held_bytes;
use crate::host::HOST_IS_LATE;

/// The newest figure of a progress session arrives in this time and what its line takes: the throttle, and as much again.
const PROGRESS_WITHIN_MS: u64 = 200;
/// Beyond its time, a packet without its attachments ends its connection within this.
const TORN_WITHIN_MS: u64 = 20_000;
/// Turns that input may lie unread while everybody else is read once.
const MAX_WAITING_TURNS: u64 = 4;
/// Visits in which one read is handled, however small their shares are: 24 KiB of events cost up to 60,000 units, and the
/// smallest share has 24,576.
const VISITS_PER_READ: u64 = 3;
/// Of so few events that have been read, none has to wait for a second visit.
const EVENTS_PER_VISIT: u64 = 4;
/// Connections that have a share of each turn however many there are.
const SHARES_PER_TURN: u64 = 20;
/// Turns of a run that may be hollow without a list that was asked for, and bytes read for each more. Hollow is the turn
/// between the end of a round of reading and the verdict about those who are late, if nothing else is to be done: up to 12 of a
/// run have been seen.
const HOLLOW_TURNS: u64 = 60;
const BYTES_PER_HOLLOW_TURN: u64 = 2_000;
// What the server holds of the heap, as docs/memory.md says it, in bytes.
const CONNECTION_BYTES: usize = 168;
const READ_BYTES: usize = 64 * 1024;
const SESSION_BYTES: usize = 216;
/// One socket, its place in the namespace, and acknowledgements that it owes.
const SOCKET_BYTES: usize = 16 * 1024;
/// A handful of rooms.
const ROOMS_BYTES: usize = 1024;
const PROGRESS_BYTES: usize = 8 * 1024;
/// What is kept for those who come next: 64 buffers of output, the texts of 16 messages, the buffer in which frames are made,
/// and as much as that for lists that have grown.
const SPARE_BYTES: usize = 64 * 4096 + 16 * 4096 + 64 * 1024 + LISTS_BYTES;
const LISTS_BYTES: usize = 128 * 1024;
/// Where so few events may wait for the host, they and not readiness decide who is read.
const FEW_EVENTS: u64 = 256;

impl World {
    /// What a connection sends behind its last answer is read, but not for ever; each request has one answer.
    pub fn check_links(&self) {
        let config = self.driver.endpoint.config();
        let most = u64::from(config.max_linger_bytes) + READ_BYTES as u64;
        for id in self.net.alive() {
            let lingered = self.net.get(*id).map_or(0, |link| link.lingered_bytes);
            assert!(lingered <= most, "{lingered} bytes were read on link {id}");
        }
        for client in &self.clients {
            match client {
                Actorlike::Attacker(attacker) => {
                    attacker.check_answers(&self.net);
                    attacker.check_lists(&self.net);
                }
                Actorlike::Uploader(uploader) => uploader.check_answers(&self.net),
                Actorlike::Client(_) | Actorlike::Nobody => {}
            }
        }
    }

    /// A turn is hollow in which nothing was done that anybody sees, although there was more to do. It was spent on what had been
    /// read: on a list of progress sessions that somebody gets, or on many bytes.
    pub fn check_hollow(&self) {
        let asked = self.clients.iter().map(|client| match client {
            Actorlike::Client(client) => client.asked_lists,
            Actorlike::Attacker(attacker) => attacker.asked_lists,
            Actorlike::Uploader(_) | Actorlike::Nobody => 0,
        });
        let hollow = self.driver.hollow_turns;
        let most =
            asked.sum::<u64>() + HOLLOW_TURNS + self.driver.read_bytes / BYTES_PER_HOLLOW_TURN;
        assert!(hollow <= most, "{hollow} turns were hollow, not {most}");
    }

    /// Whoever has announced attachments and sends none is put out in time.
    fn check_torn(&self) {
        let timeout_ms = self.driver.endpoint.config().attachment_timeout_ms;
        for client in &self.clients {
            let Actorlike::Client(client) = client else {
                continue;
            };
            // One that has gone may not have sent it.
            let Some(torn_at_ms) = client.torn_at_ms.filter(|_| !client.is_away()) else {
                continue;
            };
            let is_read = client.links().all(|link| {
                let is_on_its_way = self.net.get(link).is_some_and(|link| link.up.has_bytes());
                !is_on_its_way && self.net.unsent_bytes(link) == 0
            });
            let since_ms = torn_at_ms.max(self.machine.disturbed_until_ms);
            let is_late = self.now_ms > since_ms.saturating_add(timeout_ms + TORN_WITHIN_MS);
            let is_there = self.book.has_connected(client.number, client.epoch);
            assert!(
                !(is_late && is_read && is_there),
                "client {} has no attachments for its packet, and is still there",
                client.number
            );
        }
    }

    /// Nobody who has done nothing wrong lies unread, or unheard, while others are read again and again.
    pub fn check_turn(&mut self) {
        if self.setup.max_pending_events < FEW_EVENTS {
            return;
        }
        let alive = self.net.alive().len() as u64;
        let rounds = alive / self.setup.ready_per_turn + 1;
        let most = MAX_WAITING_TURNS + 2 * rounds + alive / SHARES_PER_TURN;
        for (client, waiting) in self.clients.iter().zip(&mut self.unheard) {
            let Actorlike::Client(client) = client else {
                continue;
            };
            let is_read = client.has_sent_all()
                && client.links().all(|link| {
                    let is_on_its_way = self.net.get(link).is_some_and(|link| link.up.has_bytes());
                    !is_on_its_way && self.net.unsent_bytes(link) == 0
                });
            let heard = self.book.standings[client.number].heard;
            let unheard = client.said.saturating_sub(heard);
            let visits = unheard.div_ceil(EVENTS_PER_VISIT).min(VISITS_PER_READ);
            // A request of a client whose pong is overdue waits until the question to the kernel that is under way, and one that
            // begins behind it, have told of everybody, and all of that has been read.
            let most = visits * most + 4 * rounds;
            *waiting = match is_read && unheard > 0 {
                true => Unheard {
                    turns: waiting.turns + 1,
                    most: waiting.most.max(most),
                },
                false => Unheard::default(),
            };
            // Nobody is heard any more who has been sent away by a server that goes.
            if client.is_away() || self.book.is_explained(client.number) {
                continue;
            }
            assert!(
                waiting.turns <= waiting.most,
                "client {} has been read and is not heard for {} turns",
                client.number,
                waiting.turns
            );
            for link in client.links() {
                let waiting_turns = self.net.get(link).map_or(0, |link| link.waiting_turns);
                assert!(
                    waiting_turns <= most,
                    "client {} waits for {waiting_turns} turns on link {link}",
                    client.number
                );
            }
        }
    }

    /// What the server has allocated stays within the formula of `docs/memory.md`, for those who are there.
    fn check_held(&self) {
        let config = self.driver.endpoint.config();
        let counts = self.driver.endpoint.counts();
        let (payload, queued) = (config.max_payload_bytes, config.max_queued_bytes);
        // What was queued for a session stays with its connection when the session has ended, until it is written.
        let of_connection =
            CONNECTION_BYTES + 2 * (READ_BYTES + payload.max(config.max_head_bytes)) + 2 * queued;
        let of_packets = (config.max_attachments + 1) * payload + 2 * queued + payload;
        let of_socket = SOCKET_BYTES + config.max_auth_bytes + ROOMS_BYTES;
        let of_progress = self.host.work.len() * PROGRESS_BYTES;
        let of_recovery = self.recovery_bytes();
        let most = self.held_by_itself as usize
            + SPARE_BYTES
            + counts.connections * of_connection
            + counts.sessions * (SESSION_BYTES + config.max_request_line_bytes + of_packets)
            + (counts.sockets + counts.away) * of_socket
            + of_progress
            + of_recovery;
        let held = held_bytes();
        assert!(
            held <= most as u64,
            "{held} bytes are held of at most {most}: {counts:?}"
        );
    }

    /// What is kept for those who may come back, the oldest of which goes when something is sent.
    fn recovery_bytes(&self) -> usize {
        let recovery = self.driver.endpoint.config().recovery.as_ref();
        recovery.map_or(0, |recovery| 2 * recovery.max_bytes)
    }

    /// When everybody has gone, all has been given back but what is kept for those who come next.
    pub fn check_nothing_held(&self) {
        let of_progress = self.host.work.len() * PROGRESS_BYTES;
        let others = SPARE_BYTES + of_progress + self.recovery_bytes();
        let most = self.held_by_itself + others as u64;
        let held = held_bytes();
        assert!(held <= most, "{held} bytes are held for nobody, not {most}");
    }

    pub fn check(&mut self) {
        checks::check_invariants(&self.driver.endpoint);
        self.check_held();
        self.check_torn();
        let sessions = self.driver.endpoint.counts().sessions as u64;
        assert!(
            sessions <= self.setup.max_sessions,
            "there are {sessions} sessions"
        );
        self.check_progress();
    }

    /// Whoever watches sees each session as it is, as soon as throttle and line allow.
    fn check_progress(&self) {
        for client in &self.clients {
            let Actorlike::Client(client) = client else {
                continue;
            };
            let Some(joined) = client.joined.get("/").filter(|joined| joined.is_connected) else {
                continue;
            };
            let standing = &self.book.standings[client.number];
            let is_listening = client.is_attentive() && !client.is_upgrading();
            if client.is_away() || standing.excuse.is_some() || !is_listening {
                continue;
            }
            // A poll, an upgrade and an accept that is tried again each take their time.
            let line_ms =
                8 * client.nature.latency_ms + standing.undelivered_bytes / client.nature.pace();
            let allowed_ms = PROGRESS_WITHIN_MS + line_ms;
            let busy = client.links().filter_map(|link| self.net.get(link));
            let busy_until_ms = busy.map(|link| link.busy_until_ms).max().unwrap_or(0);
            for work in &self.host.work {
                let since_ms = work
                    .updated_at_ms
                    .max(joined.since_ms)
                    .max(busy_until_ms)
                    .max(client.upgraded_at_ms)
                    .max(self.machine.disturbed_until_ms);
                if self.now_ms < since_ms.saturating_add(allowed_ms)
                    || joined.since_ms >= work.updated_at_ms
                {
                    continue;
                }
                let seen = client.viewer.stand(&work.id);
                assert!(
                    seen.is_some() || joined.since_ms >= work.began_at_ms,
                    "client {} hears of {}",
                    client.number,
                    work.id
                );
                let expected = (work.progress, work.is_over);
                let is_newest = seen.is_none_or(|(progress, is_over)| {
                    is_over == work.is_over && (is_over || progress == work.progress)
                });
                assert!(
                    is_newest,
                    "client {} sees {seen:?} of {} instead of {expected:?}",
                    client.number, work.id
                );
            }
        }
    }

    pub fn check_debts(&mut self) {
        for client in &self.clients {
            let client = match client {
                Actorlike::Client(client) => client,
                // Where the host decides late, some wait for longer than a run has left.
                Actorlike::Uploader(uploader) if self.setup.admissions == 0 => {
                    uploader.check_answered();
                    continue;
                }
                _ => continue,
            };
            if client.is_away() || !client.is_attentive() {
                continue;
            }
            let excuse = self.book.standings[client.number].excuse;
            if excuse == Some(HOST_IS_LATE) && self.host.has_decided(&self.driver.endpoint) {
                let is_told = !client.awaits_decision() || !client.has_said_all();
                assert!(is_told, "client {} hears of the decision", client.number);
            }
            if excuse.is_some() {
                continue;
            }
            assert!(client.is_in(), "client {} is let in", client.number);
            assert!(
                client.has_said_all(),
                "client {} could say all that it wanted to",
                client.number
            );
            for (namespace, joined) in client
                .joined
                .iter()
                .filter(|(_, joined)| joined.is_connected)
            {
                let debt = self
                    .book
                    .debt(client.number, client.epoch, namespace, joined.emitted());
                assert_eq!(
                    debt, None,
                    "client {} is owed something in {namespace}",
                    client.number
                );
            }
        }
    }
}
