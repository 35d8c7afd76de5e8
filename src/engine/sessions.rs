//! All Engine.IO sessions, found by their ids.

use std::collections::VecDeque;

use super::rates::SessionRates;
use super::session::{Opening, Session};
use super::Times;
use crate::addresses::{CallerCounts, CallerRates};
use crate::clock::Clock;
use crate::id::{EngineSessionId, IdText, Secret};
use crate::peer::PeerAddr;
use crate::priority::{Priority, PriorityQueue};
use crate::slots::Slots;

/// All sessions, and what the layer above keeps of the client of each.
#[derive(Debug)]
pub struct Sessions<C> {
    entries: Slots<SessionEntry<C>>,
    /// Polling sessions that have both a packet and a poll to answer with it.
    poll_queue: PriorityQueue<EngineSessionId>,
    times: Times,
    /// Those that had a limited time to join a namespace when they opened, the oldest first. Some have joined since, or are gone.
    unjoined: VecDeque<EngineSessionId>,
    /// So many of these make it worth a look which of them still have not.
    many_unjoined: usize,
    /// How many sessions each address has, and how many handshakes it begins.
    of_callers: CallerCounts,
    handshakes: CallerRates,
    /// How much each may do.
    pub rates: SessionRates,
}

/// So few sessions that may not have joined a namespace are not looked at.
const FEW_UNJOINED: usize = 64;

/// One session and its client.
#[derive(Debug)]
pub struct SessionEntry<C> {
    pub session: Session,
    pub client: C,
}

impl<C> Sessions<C> {
    pub fn new(
        times: Times,
        of_callers: CallerCounts,
        handshakes: CallerRates,
        rates: SessionRates,
    ) -> Self {
        Sessions {
            entries: Slots::default(),
            poll_queue: PriorityQueue::default(),
            times,
            unjoined: VecDeque::with_capacity(FEW_UNJOINED),
            many_unjoined: FEW_UNJOINED,
            of_callers,
            handshakes,
            rates,
        }
    }

    /// Whether an address may begin one more handshake now, which is counted then.
    pub fn may_begin(&mut self, peer: PeerAddr, now_ms: u64) -> bool {
        self.handshakes.take(peer, now_ms)
    }

    /// Whether an address may have one more session.
    pub fn has_room_for(&self, peer: PeerAddr) -> bool {
        self.of_callers.has_room(peer)
    }

    /// Opens a session.
    pub fn open(&mut self, clock: &mut Clock, opening: Opening<'_>, client: C) -> EngineSessionId {
        let times = self.times;
        self.of_callers.add(opening.peer_addr);
        let id = EngineSessionId(self.entries.insert_with(|key| SessionEntry {
            session: Session::new(clock, EngineSessionId(key), opening, &times),
            client,
        }));
        if self.is_unjoined(id) {
            self.note_unjoined(id);
        }
        id
    }

    fn note_unjoined(&mut self, id: EngineSessionId) {
        if self.unjoined.len() >= self.many_unjoined {
            let entries = &self.entries;
            let is_unjoined = |id: &EngineSessionId| {
                let entry = entries.get(id.0);
                entry.is_some_and(|entry| entry.session.is_unjoined())
            };
            self.unjoined.retain(is_unjoined);
            self.many_unjoined = FEW_UNJOINED.max(2 * self.unjoined.len());
            self.unjoined.shrink_to(self.many_unjoined);
        }
        self.unjoined.push_back(id);
    }

    /// The oldest session that has joined no namespace, of those of whose clients this is true.
    pub fn oldest_unjoined(&mut self, is_it: impl Fn(&C) -> bool) -> Option<EngineSessionId> {
        while let Some(first) = self.unjoined.front() {
            if self.is_unjoined(*first) {
                break;
            }
            self.unjoined.pop_front();
        }
        let mut unjoined = self.unjoined.iter().copied();
        unjoined.find(|id| {
            let entry = self.get(*id);
            entry.is_some_and(|entry| entry.session.is_unjoined() && is_it(&entry.client))
        })
    }

    fn is_unjoined(&self, id: EngineSessionId) -> bool {
        let session = self.session(id);
        session.is_some_and(Session::is_unjoined)
    }

    pub fn get(&self, id: EngineSessionId) -> Option<&SessionEntry<C>> {
        self.entries.get(id.0)
    }

    pub fn get_mut(&mut self, id: EngineSessionId) -> Option<&mut SessionEntry<C>> {
        self.entries.get_mut(id.0)
    }

    /// A session, without its client.
    pub fn session(&self, id: EngineSessionId) -> Option<&Session> {
        Some(&self.get(id)?.session)
    }

    /// The same, to change.
    pub fn session_mut(&mut self, id: EngineSessionId) -> Option<&mut Session> {
        Some(&mut self.get_mut(id)?.session)
    }

    /// What is kept of a session's client, to change.
    pub fn client_mut(&mut self, id: EngineSessionId) -> Option<&mut C> {
        Some(&mut self.get_mut(id)?.client)
    }

    pub fn remove(&mut self, id: EngineSessionId) -> Option<SessionEntry<C>> {
        let entry = self.entries.remove(id.0)?;
        self.of_callers.remove(entry.session.peer_addr());
        Some(entry)
    }

    /// All sessions, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (EngineSessionId, &SessionEntry<C>)> {
        let entries = self.entries.iter();
        entries.map(|(key, entry)| (EngineSessionId(key), entry))
    }

    pub fn count(&self) -> usize {
        self.entries.count()
    }

    /// The id of a session as its client knows it.
    pub fn id_text(&self, id: EngineSessionId) -> Option<IdText> {
        Some(self.session(id)?.secret().id(id.0.index))
    }

    /// The session of an id, unless its end is in the queue of events.
    pub fn find(&self, secret: Secret, index: u32) -> Option<EngineSessionId> {
        let id = EngineSessionId(self.entries.key_at(index)?);
        let session = self.session(id)?;
        (session.secret() == secret && !session.end_queued()).then_some(id)
    }

    /// Puts a session on the list of those whose poll is to be answered.
    pub fn queue_poll(&mut self, id: EngineSessionId, priority: Priority) {
        if let Some(entry) = self.entries.get_mut(id.0) {
            let listed = &mut entry.session.listed;
            self.poll_queue.push(id, listed, priority);
        }
    }

    /// Takes the first session off one of these lists.
    pub fn next_poll(&mut self, priority: Priority) -> Option<EngineSessionId> {
        let id = self.poll_queue.pop(priority)?;
        if let Some(session) = self.session_mut(id) {
            session.listed = None;
        }
        Some(id)
    }

    /// Whether polls are to be answered.
    pub fn has_polls_due(&self) -> bool {
        !self.poll_queue.is_empty()
    }
}
