//! The network and the kernel of a made-up machine: links with latency, bandwidth and windows, and sockets at the server's end
//! of them whose readiness is told once.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use super::link::{Link, LinkId, Readiness};
use super::pipe::{End, Nature};
use super::rng::Rng;

/// What a list of progress sessions begins with.
const LIST: &[u8] = b"\"sessions\":[";

/// All links, and the server's kernel.
#[derive(Debug)]
pub struct Net {
    links: Vec<Option<Link>>,
    /// Links that are not forgotten yet, in the order in which they were made.
    alive: Vec<LinkId>,
    /// Connections under way, and those that wait to be accepted.
    coming: VecDeque<(u64, LinkId)>,
    backlog: VecDeque<LinkId>,
    is_listener_ready: bool,
    polls: u64,
    rng: Rng,
    /// How often of a thousand a socket is called ready without a reason.
    pub spurious_per_mille: u64,
    /// So many accepts fail for want of descriptors.
    pub refused_accepts: u64,
    /// One was refused since this was last taken.
    pub has_refused: bool,
}

impl Net {
    pub fn new(rng: Rng) -> Net {
        Net {
            links: Vec::new(),
            alive: Vec::new(),
            coming: VecDeque::new(),
            backlog: VecDeque::new(),
            is_listener_ready: false,
            polls: 0,
            rng,
            spurious_per_mille: 0,
            refused_accepts: 0,
            has_refused: false,
        }
    }

    /// A client connects.
    pub fn connect(&mut self, owner: usize, nature: Nature, now_ms: u64) -> LinkId {
        let id = self.links.len();
        let rng = Rng::fork(self.rng.clone().next(), (owner as u64) << 20 | id as u64);
        self.links.push(Some(Link::new(owner, nature, rng)));
        self.alive.push(id);
        self.coming.push_back((now_ms + nature.latency_ms, id));
        id
    }

    pub fn get(&self, id: LinkId) -> Option<&Link> {
        self.links.get(id)?.as_ref()
    }

    fn link(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(id)?.as_mut()
    }

    /// The clients whose connections wait to be accepted.
    pub fn waiting_owners(&self) -> impl Iterator<Item = usize> + '_ {
        let waiting = self.backlog.iter();
        waiting.filter_map(|&id| Some(self.get(id)?.owner))
    }

    pub fn alive(&self) -> &[LinkId] {
        &self.alive
    }

    /// Everything that is under way moves on by at most one segment in each direction. True when something has moved.
    pub fn round(&mut self, now_ms: u64) -> bool {
        let mut has_moved = false;
        for &id in &self.alive {
            let link = self.links[id].as_mut().expect("it is alive");
            has_moved |= link.round(now_ms);
        }
        let (backlog, is_listener_ready) = (&mut self.backlog, &mut self.is_listener_ready);
        self.coming.retain(|&(at_ms, id)| {
            let has_come = at_ms <= now_ms;
            if has_come {
                backlog.push_back(id);
                *is_listener_ready = true;
                has_moved = true;
            }
            !has_come
        });
        self.forget_dead();
        has_moved
    }

    fn forget_dead(&mut self) {
        let links = &mut self.links;
        self.alive.retain(|&id| {
            let is_alive = links[id]
                .as_ref()
                .is_some_and(|l| l.is_client_open || l.is_server_open);
            if !is_alive {
                links[id] = None;
            }
            is_alive
        });
    }

    /// When something arrives next.
    pub fn next_ms(&self) -> Option<u64> {
        let links = self.alive.iter().filter_map(|&id| self.get(id)?.next_ms());
        let accepts = self.coming.iter().map(|(at_ms, _)| *at_ms);
        links.chain(accepts).min()
    }

    // The server's side.

    /// Whether a poll would return at once.
    pub fn has_news(&self) -> bool {
        self.is_listener_ready
            || self.alive.iter().any(|&id| {
                self.get(id)
                    .is_some_and(|l| l.is_ready && l.is_accepted && l.is_server_open)
            })
    }

    /// Readiness of at most so many sockets, and whether connections wait; each change is told once. Who has been ready since
    /// an earlier poll comes first, as from the list of a kernel.
    pub fn poll(&mut self, at_most: usize) -> (bool, Vec<(LinkId, Readiness)>) {
        self.polls += 1;
        let mut ready: Vec<LinkId> = Vec::new();
        for &id in &self.alive {
            let link = self.links[id].as_mut().expect("it is alive");
            if !link.is_accepted || !link.is_server_open {
                continue;
            }
            if link.is_ready {
                link.ready_since.get_or_insert(self.polls);
                ready.push(id);
            }
        }
        self.rng.shuffle(&mut ready);
        ready.sort_by_key(|&id| self.get(id).and_then(|link| link.ready_since));
        ready.truncate(at_most);
        // Without a reason only while there is room, so that whoever is ready has its turn.
        for &id in &self.alive {
            let is_open = |link: &Link| link.is_accepted && link.is_server_open;
            let is_free = ready.len() < at_most && !ready.contains(&id);
            let is_told = is_free && self.get(id).is_some_and(is_open);
            if is_told && self.rng.chance(self.spurious_per_mille) {
                ready.push(id);
            }
        }
        let told = ready.into_iter().map(|id| {
            let link = self.links[id].as_mut().expect("it is alive");
            link.is_ready = false;
            link.ready_since = None;
            (id, link.readiness())
        });
        let told = told.collect();
        (std::mem::take(&mut self.is_listener_ready), told)
    }

    /// Lists of progress sessions are counted from now on, where they are expected.
    pub fn expect_lists(&mut self, id: LinkId) {
        if let Some(link) = self.link(id) {
            link.counts_lists = true;
        }
    }

    /// A turn begins, at whose beginning something may wait to be written.
    pub fn begin_turn(&mut self, id: LinkId, has_output: bool) {
        if let Some(link) = self.link(id).filter(|link| link.counts_lists) {
            link.is_behind = has_output;
            link.lists_in_turn = 0;
        }
    }

    /// Counts for how many turns input has lain there unread.
    pub fn end_turn(&mut self) {
        for &id in &self.alive {
            let link = self.links[id].as_mut().expect("it is alive");
            if link.is_accepted && link.is_server_open && !link.up.received.is_empty() {
                link.waiting_turns += 1;
            }
        }
    }

    /// The server goes: its ends of all connections are closed, and nobody is accepted that waits.
    pub fn close_all(&mut self, now_ms: u64) {
        for id in self.alive.clone() {
            if self.get(id).is_some_and(|link| link.is_server_open) {
                self.close(id, now_ms);
            }
        }
    }

    pub fn accept(&mut self, now_ms: u64) -> io::Result<LinkId> {
        if self.backlog.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.refused_accepts > 0 {
            self.refused_accepts -= 1;
            self.has_refused = true;
            return Err(io::Error::other("no descriptors"));
        }
        let id = self.backlog.pop_front().expect("one waits");
        match self.link(id) {
            Some(link) if link.is_server_open => {
                link.is_accepted = true;
                link.accepted_at_ms = Some(now_ms);
                link.is_ready = true;
                Ok(id)
            }
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    pub fn read(&mut self, id: LinkId, buffer: &mut [u8], now_ms: u64) -> io::Result<usize> {
        let link = self.link(id).ok_or(io::ErrorKind::NotConnected)?;
        assert!(
            link.is_accepted && link.is_server_open,
            "only what is open is read"
        );
        link.waiting_turns = 0;
        if link.up.received.is_empty() && link.is_server_reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let length = link.up.received.len().min(buffer.len());
        if length == 0 {
            return match link.up.is_at_end() {
                true => Ok(0),
                false => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        link.note_read(length, now_ms);
        buffer[..length].copy_from_slice(&link.up.received[..length]);
        link.up.received.drain(..length);
        if link.is_shut_down {
            link.lingered_bytes += length as u64;
        }
        Ok(length)
    }

    pub fn write(&mut self, id: LinkId, slices: &[IoSlice<'_>], now_ms: u64) -> io::Result<usize> {
        let link = self.link(id).ok_or(io::ErrorKind::NotConnected)?;
        assert!(
            link.is_accepted && link.is_server_open && !link.is_shut_down,
            "nothing is written after the end"
        );
        if link.is_server_reset || std::mem::take(&mut link.fails_writing) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut left = link.down.space();
        link.wants_room = left < offered;
        if left == 0 && offered > 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut written = 0;
        for slice in slices {
            let length = slice.len().min(left);
            link.answers += u64::from(slice[..length].starts_with(b"HTTP/1.1 "));
            if link.counts_lists && !link.is_behind {
                let texts = slice[..length].windows(LIST.len());
                link.lists_in_turn += texts.filter(|text| *text == LIST).count() as u64;
            }
            if link.is_client_open || link.down.is_black_hole {
                link.down.sent.extend(&slice[..length]);
            }
            left -= length;
            written += length;
        }
        if !link.is_client_open && !link.down.is_black_hole && written > 0 {
            // Nobody is there to take it, and the other kernel says so.
            let at_ms = now_ms + 2 * link.nature.latency_ms;
            link.reset_to_server_ms.get_or_insert(at_ms);
        }
        link.written_bytes += written as u64;
        Ok(written)
    }

    pub fn shut_down_writing(&mut self, id: LinkId) -> io::Result<()> {
        let link = self.link(id).ok_or(io::ErrorKind::NotConnected)?;
        assert!(!link.is_shut_down, "a side is closed once");
        link.is_shut_down = true;
        link.down.close();
        match link.is_server_reset {
            true => Err(io::ErrorKind::NotConnected.into()),
            false => Ok(()),
        }
    }

    /// The server closes its end. Unread input makes that a reset, which what it has sent does not survive.
    pub fn close(&mut self, id: LinkId, now_ms: u64) {
        let Some(link) = self.link(id) else { return };
        link.is_server_open = false;
        if link.up.received.is_empty() {
            link.down.close();
        } else {
            link.down.sent.clear();
            link.reset_to_client_ms =
                Some(link.down.free_at_us.max(now_ms * 1000) / 1000 + link.nature.latency_ms);
        }
        link.up.forget();
        link.up.received.clear();
    }

    // The client's side.

    /// From now on it is known when the server has read all that has been sent.
    pub fn mark(&mut self, id: LinkId) {
        if let Some(link) = self.link(id) {
            link.mark = Some((link.sent_bytes, None));
        }
    }

    /// The client sends; what its kernel does not take waits.
    pub fn send(&mut self, id: LinkId, bytes: &[u8]) {
        if let Some(link) = self.link(id) {
            if link.is_client_open && link.up.end == End::Open {
                link.unsent.extend(bytes);
                link.sent_bytes += bytes.len() as u64;
            }
        }
    }

    /// Bytes of a client that its own kernel has not taken.
    pub fn unsent_bytes(&self, id: LinkId) -> usize {
        self.get(id).map_or(0, |link| link.unsent.len())
    }

    /// Reads at most so many bytes as a client.
    pub fn receive(&mut self, id: LinkId, at_most: usize, into: &mut Vec<u8>) -> usize {
        let Some(link) = self.link(id) else { return 0 };
        let length = link.down.received.len().min(at_most);
        into.extend(link.down.received.drain(..length));
        length
    }

    /// Whether a client finds the end of what the server sends, or a broken connection.
    pub fn is_over(&self, id: LinkId) -> bool {
        self.get(id)
            .is_none_or(|link| link.is_client_reset || link.down.is_at_end())
    }

    /// A client closes its end.
    pub fn leave(&mut self, id: LinkId, now_ms: u64) {
        let Some(link) = self.link(id) else { return };
        link.is_client_open = false;
        if link.down.received.is_empty() && !link.is_client_reset {
            link.up.close();
        } else {
            link.reset_from_client(now_ms);
        }
        link.down.forget();
        link.down.received.clear();
        link.wake_if_waiting();
    }

    /// A client sends nothing more, but reads.
    pub fn half_close(&mut self, id: LinkId) {
        if let Some(link) = self.link(id) {
            link.up.close();
        }
    }

    /// A client is gone at once.
    pub fn reset(&mut self, id: LinkId, now_ms: u64) {
        let Some(link) = self.link(id) else { return };
        link.is_client_open = false;
        link.down.forget();
        link.down.received.clear();
        link.reset_from_client(now_ms);
        link.wake_if_waiting();
    }

    /// Nothing arrives any more, in neither direction, and nobody is told. The client forgets its end.
    pub fn swallow(&mut self, id: LinkId) {
        if let Some(link) = self.link(id) {
            link.up.is_black_hole = true;
            link.down.is_black_hole = true;
            link.is_client_open = false;
        }
    }

    /// The server's next write fails, and the connection with it.
    pub fn fail_write(&mut self, id: LinkId) {
        if let Some(link) = self.link(id) {
            link.fails_writing = true;
        }
    }
}
