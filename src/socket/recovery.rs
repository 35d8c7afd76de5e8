//! Connection state recovery: what a client missed while its connection was gone.
//!
//! Source: the page "Connection state recovery" of the Socket.IO documentation, and the protocol's `pid` and `offset`. While
//! a socket is away it keeps its place in namespace and rooms, so nothing has to be restored when it comes back. What was
//! sent is kept once per namespace, whoever it went to, for as long as anybody could still ask for it.

use std::collections::VecDeque;

use super::{Encoded, SocketId, Target};
use crate::id::Secret;
use crate::wheel::TimerKey;

/// Times and limits of recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryConfig {
    /// Milliseconds for which a socket that lost its connection can come back. Default 2 minutes, as in the reference.
    pub max_disconnection_ms: u64,
    /// Sockets that may be away at a time. Default 1,000; one more is forgotten at once, as without recovery.
    pub max_away: usize,
    /// Bytes of sent packets kept, in all namespaces together. Default 4 MiB; beyond it the oldest go, and whoever missed one of
    /// those begins a new session.
    pub max_bytes: usize,
    /// Bytes that one client may have missed. Default 1 MiB; beyond it the client begins a new session.
    pub max_bytes_per_session: usize,
    /// Whether a client that comes back is let in without asking the host again
    /// ([`Config::connect_requests`](crate::Config::connect_requests)). Default true, as in the reference. It is asked about
    /// all the same where an [`Io`](crate::Io) has got further middlewares, decisions or an `allow_request` meanwhile: who was
    /// let in under other rules is not let in again without a look.
    pub skip_middlewares: bool,
}

impl Default for RecoveryConfig {
    fn default() -> Self {
        RecoveryConfig {
            max_disconnection_ms: 120_000,
            max_away: 1_000,
            max_bytes: 4 * 1024 * 1024,
            max_bytes_per_session: 1024 * 1024,
            skip_middlewares: true,
        }
    }
}

/// What is known of one socket for the case that it loses its connection.
#[derive(Debug)]
pub struct Recovery {
    /// Known to the client as part of its `pid`, which nobody else can guess.
    pub secret: Secret,
    /// The packet sent last before this socket was there.
    joined_at: u64,
    /// The last packet that was for this socket.
    last: u64,
    /// Where the log stood at the last ping, and at the last ping that was answered: a client that answers a ping has got
    /// everything before it that was for it.
    pinged: u64,
    confirmed: u64,
    /// How many rules of the host's it has passed to come in.
    pub rules: u32,
    /// Whether the connection is gone.
    pub is_away: bool,
    /// Fires when it may come back no longer.
    pub away_timer: Option<TimerKey>,
}

impl Recovery {
    /// For a socket that joins while the log stands at `now`, having passed so many rules.
    pub fn new(secret: Secret, now: u64, rules: u32) -> Self {
        Recovery {
            secret,
            joined_at: now,
            last: now,
            pinged: now,
            confirmed: now,
            rules,
            is_away: false,
            away_timer: None,
        }
    }

    /// A packet of this number was for this socket.
    pub fn sent(&mut self, number: u64) {
        self.last = number;
    }

    /// A ping has been sent while the log stands at `now`.
    pub fn pinged(&mut self, now: u64) {
        self.pinged = now;
    }

    /// It has been answered.
    pub fn ponged(&mut self) {
        self.confirmed = self.pinged;
    }
}

/// The packets that were sent in one namespace, newest last.
#[derive(Debug)]
pub struct PacketLog {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Number of the packet before the first one that is kept.
    dropped: u64,
    /// Tells the offsets of this run of the server from those of another.
    prefix: [u8; 4],
}

#[derive(Debug)]
struct Entry {
    at_ms: u64,
    target: Target,
    packet: Encoded,
}

impl Entry {
    fn bytes(&self) -> usize {
        const OVERHEAD_BYTES: usize = 128;
        const ROOM_BYTES: usize = 24;
        let rooms = self.target.rooms().iter();
        let rooms = rooms.chain(self.target.excepted_rooms());
        let target_bytes: usize = rooms.map(|room| room.len() + ROOM_BYTES).sum();
        self.packet.bytes() + target_bytes + OVERHEAD_BYTES
    }
}

impl PacketLog {
    /// An empty log. The prefix should be random.
    pub fn new(random: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut prefix = [0; 4];
        random(&mut prefix);
        PacketLog {
            entries: VecDeque::new(),
            bytes: 0,
            dropped: 0,
            prefix: prefix.map(|byte| b"0123456789abcdef"[usize::from(byte % 16)]),
        }
    }

    /// How many packets are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of the packet sent last.
    pub fn last(&self) -> u64 {
        self.dropped + self.entries.len() as u64
    }

    /// The offset that the next packet carries as its last argument.
    pub fn next_offset(&self) -> String {
        let prefix = std::str::from_utf8(&self.prefix).expect("hexadecimal digits");
        format!("{prefix}{:x}", self.last() + 1)
    }

    /// Keeps a packet, and forgets those that are too old.
    pub fn push(&mut self, at_ms: u64, keep_ms: u64, target: Target, packet: Encoded) {
        let entry = Entry {
            at_ms,
            target,
            packet,
        };
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self
            .oldest_ms()
            .is_some_and(|oldest_ms| at_ms.saturating_sub(oldest_ms) > keep_ms)
        {
            self.forget_oldest();
        }
    }

    /// When the oldest packet that is kept was sent.
    pub fn oldest_ms(&self) -> Option<u64> {
        Some(self.entries.front()?.at_ms)
    }

    /// Forgets the oldest packet.
    pub fn forget_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= oldest.bytes();
            self.dropped += 1;
            if self.entries.len() < self.entries.capacity() / 4 {
                self.entries.shrink_to(2 * self.entries.len().max(32));
            }
        }
    }

    /// What a socket missed after `offset`, or `None` when that cannot be told any more.
    ///
    /// Without an offset the client has never received an event, and so has missed everything since it joined.
    pub fn missed(
        &self,
        recovery: &Recovery,
        offset: Option<&str>,
        max_bytes: usize,
        is_for: impl Fn(&Target) -> bool,
    ) -> Option<Vec<Encoded>> {
        let from = match offset {
            Some(offset) => self.number(offset)?,
            None => recovery.joined_at,
        };
        if from < recovery.joined_at || from > self.last() {
            return None;
        }
        let is_complete = from.max(recovery.confirmed) >= self.dropped || recovery.last <= from;
        if !is_complete {
            return None;
        }
        let skipped = usize::try_from(from.saturating_sub(self.dropped)).ok()?;
        let mut bytes = 0;
        let mut missed = Vec::new();
        for entry in self.entries.iter().skip(skipped) {
            if is_for(&entry.target) {
                bytes += entry.bytes();
                if bytes > max_bytes {
                    return None;
                }
                missed.push(entry.packet.clone());
            }
        }
        Some(missed)
    }

    fn number(&self, offset: &str) -> Option<u64> {
        let prefix = std::str::from_utf8(&self.prefix).expect("hexadecimal digits");
        let digits = offset.strip_prefix(prefix)?;
        let is_ours = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_ours
            .then(|| u64::from_str_radix(digits, 16).ok())
            .flatten()
    }
}

impl Target {
    /// Whether a socket that is in these rooms, its own among them, is meant.
    pub(super) fn means(&self, socket: SocketId, is_in: impl Fn(&str) -> bool) -> bool {
        let is_named = match self.only_socket() {
            Some(only) => only == socket,
            None => self.rooms().is_empty() || self.rooms().iter().any(|room| is_in(room)),
        };
        is_named
            && self.excepted_socket() != Some(socket)
            && !self.excepted_rooms().iter().any(|room| is_in(room))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::slots::Slots;
    use crate::socket::NamespaceId;

    fn packet(text: &str) -> Encoded {
        Encoded {
            text: Frame::text(text),
            attachments: Vec::new(),
        }
    }

    fn log() -> PacketLog {
        PacketLog::new(&mut |bytes| bytes.fill(10))
    }

    fn push(log: &mut PacketLog, at_ms: u64, text: &str) -> String {
        let offset = log.next_offset();
        let target = Target::namespace(NamespaceId(Slots::default().insert(())));
        log.push(at_ms, 1_000, target, packet(text));
        offset
    }

    fn missed(log: &PacketLog, recovery: &Recovery, offset: Option<&str>) -> Option<Vec<Encoded>> {
        log.missed(recovery, offset, 1_000_000, |_| true)
    }

    fn new_recovery(log: &PacketLog) -> Recovery {
        Recovery::new(Secret::draw(&mut |bytes| bytes.fill(1)), log.last(), 0)
    }

    #[test]
    fn what_came_after_the_offset_was_missed() {
        let mut log = log();
        let recovery = new_recovery(&log);
        push(&mut log, 0, "one");
        let offset = push(&mut log, 0, "two");
        push(&mut log, 0, "three");
        assert_eq!(
            missed(&log, &recovery, Some(&offset)),
            Some(vec![packet("three")])
        );
    }

    #[test]
    fn a_client_that_never_received_anything_has_missed_all_since_it_joined() {
        let mut log = log();
        push(&mut log, 0, "before");
        let recovery = new_recovery(&log);
        push(&mut log, 0, "one");
        push(&mut log, 0, "two");
        assert_eq!(
            missed(&log, &recovery, None),
            Some(vec![packet("one"), packet("two")])
        );
    }

    #[test]
    fn a_long_idle_time_loses_nothing() {
        let mut log = log();
        let mut recovery = new_recovery(&log);
        let offset = push(&mut log, 0, "one");
        recovery.sent(log.last());
        recovery.pinged(log.last());
        recovery.ponged();
        for n in 0..10 {
            push(&mut log, 100_000 + n * 2_000, "for others");
        }
        assert_eq!(
            log.missed(&recovery, Some(&offset), 1_000, |_| false),
            Some(Vec::new()),
            "nothing that went was for this client"
        );
        recovery.sent(log.last());
        assert_eq!(
            missed(&log, &recovery, Some(&offset)),
            None,
            "too much has gone"
        );
        recovery.pinged(log.last());
        recovery.ponged();
        assert!(
            missed(&log, &recovery, Some(&offset)).is_some(),
            "all of that was confirmed"
        );
    }

    #[test]
    fn offsets_that_are_not_ours_are_refused() {
        let mut log = log();
        let recovery = new_recovery(&log);
        let offset = push(&mut log, 0, "one");
        assert!(missed(&log, &recovery, Some(&offset)).is_some());
        for foreign in [
            "",
            "zzzz1",
            "aaaa",
            "aaaag",
            "aaaa+1",
            "aaaa2",
            "aaaaffffffffffffffffffff",
        ] {
            assert_eq!(missed(&log, &recovery, Some(foreign)), None, "{foreign}");
        }
    }

    #[test]
    fn too_much_is_not_replayed_nor_what_is_forgotten() {
        let mut log = log();
        let recovery = new_recovery(&log);
        let text = "x".repeat(900);
        for _ in 0..5 {
            push(&mut log, 0, &text);
        }
        assert_eq!(log.missed(&recovery, None, 5_000, |_| true), None);
        assert!(missed(&log, &recovery, None).is_some());
        for _ in 0..5 {
            log.forget_oldest();
        }
        assert_eq!(log.bytes, 0);
        let mut recovery = recovery;
        recovery.sent(log.last());
        assert_eq!(missed(&log, &recovery, None), None);
    }
}
