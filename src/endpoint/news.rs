//! How progress reaches clients: as news, of which only the newest matters, and not as packets that queue up.
//!
//! At a pulse each session that has come further becomes news to its audience: every client's set of news holds the number of
//! the session, once. The packet is made when the first client takes it, and shared by all who take it before the session's next
//! pulse. A client takes news when nothing else waits for it: a WebSocket when its connection is written to, a polling client
//! with its next poll. So a slow client gets the newest figures of each session as fast as it reads, and never has more of them
//! waiting than there are sessions. News never count towards what disconnects a slow client.

use uuid::Uuid;

use super::owners::room;
use super::progress::NAMESPACE;
use super::{Endpoint, Sight};
use crate::frame::Frame;
use crate::id::{ConnectionId, EngineSessionId};
use crate::priority::Priority;
use crate::progress::{ProgressTracker, Recipients, SessionInfo};
use crate::slots::Key;
use crate::socket::{Args, Client, Target};
use crate::transport::cost;

/// The event that is told as news.
const EVENT: &str = "import_progress";

/// What there is to tell of progress sessions, by the number of their slot.
#[derive(Debug, Default)]
pub(super) struct News {
    stories: Vec<Story>,
}

/// What there is to tell of one session.
#[derive(Debug, Default)]
struct Story {
    /// The session as of its last pulse; `None` before the first, and once it has ended.
    told: Option<(Key, Uuid, Recipients)>,
    /// The packet of that, from the first client that takes it to the last.
    frame: Option<Frame>,
    /// How many clients it is news to.
    waiting: u32,
}

impl News {
    fn story(&mut self, slot: Key) -> &mut Story {
        let index = slot.index();
        if self.stories.len() <= index {
            self.stories.resize_with(index + 1, Story::default);
        }
        &mut self.stories[index]
    }

    /// A client has taken a story or gone without.
    fn taken(&mut self, topic: u32) {
        if let Some(story) = self.stories.get_mut(topic as usize) {
            story.waiting = story.waiting.saturating_sub(1);
            if story.waiting == 0 {
                story.frame = None;
            }
        }
    }
}

impl Endpoint {
    /// A pulse: a session has come further, and that is news to its audience.
    pub(super) fn tell_progress(&mut self, id: Uuid, slot: Key, recipients: Recipients) {
        let Some(namespace) = self.sockets.find_namespace(NAMESPACE) else {
            return;
        };
        let (target, more) = self.progress_targets(namespace, Some(id), recipients);
        let story = self.tracking.news.story(slot);
        story.told = Some((slot, id, recipients));
        story.frame = None;
        self.tell_progress_to(slot, &target);
        if let Some(more) = more {
            self.tell_progress_to(slot, &more);
        }
    }

    fn tell_progress_to(&mut self, slot: Key, target: &Target) {
        self.tally.emits += 1;
        if self.config.emitted_events || self.reaches_others(target) {
            if let Some(args) = self.progress_args(slot) {
                self.note_emitted(target, EVENT, &args);
                self.publish(target, |adapter, audience| {
                    adapter.emit(audience, EVENT, &args, None)
                });
            }
        }
        let mut selected = self.sockets.take_selected(target);
        let priority = Priority::of(selected.len());
        let ready = &mut self.transport.ready;
        ready.charge(cost::ELEMENT * selected.len());
        for socket in selected.drain(..) {
            let socket = self.sockets.get(socket);
            if let Some(session) = socket.map(|socket| socket.session) {
                self.add_news(session, slot.index, priority);
            }
        }
        self.sockets.keep_selected(selected);
    }

    /// All sessions that stand as they were told last are news to a client that is back: it may have missed them.
    pub(super) fn tell_all_progress(&mut self, session: EngineSessionId) {
        let told = self
            .tracking
            .tracker
            .iter()
            .flat_map(ProgressTracker::told_sessions)
            .map(|(slot, _)| slot.index);
        for topic in told.collect::<Vec<u32>>() {
            self.add_news(session, topic, Priority::Normal);
        }
    }

    /// Something is news to a client.
    fn add_news(&mut self, session: EngineSessionId, topic: u32, priority: Priority) {
        let entry = self.sessions.get_mut(session);
        let Some(entry) = entry.filter(|entry| entry.session.takes_output()) else {
            return;
        };
        if entry.client.add_news(topic) {
            if let Some(story) = self.tracking.news.stories.get_mut(topic as usize) {
                story.waiting += 1;
            }
        } else {
            self.tally.conflated += 1;
        }
        if entry.session.waiting_poll().is_some() {
            self.sessions.queue_poll(session, priority);
        } else if let Some(connection) = entry.session.websocket() {
            // Where something waits already, the news has its turn when that is written.
            if !self.transport.has_output(connection) {
                self.transport.queue_write(connection, priority);
            }
        }
    }

    /// A session is about to change: who waits for what was told of it last gets that, and not half of the next.
    pub(super) fn keep_story(&mut self, id: Uuid) {
        let slot = self
            .tracking
            .tracker
            .as_ref()
            .and_then(|tracker| tracker.slot(id));
        let Some(slot) = slot else {
            return;
        };
        let story = self.tracking.news.stories.get(slot.index());
        let is_wanted = story.is_some_and(|story| {
            let is_of_session = story.told.is_some_and(|(told, _, _)| told == slot);
            story.waiting > 0 && story.frame.is_none() && is_of_session
        });
        if is_wanted {
            let frame = self.progress_frame(slot);
            self.tracking.news.story(slot).frame = frame;
        }
    }

    /// A session has ended: its progress is news to nobody any more.
    pub(super) fn end_story(&mut self, id: Uuid) {
        let slot = self
            .tracking
            .tracker
            .as_ref()
            .and_then(|tracker| tracker.slot(id));
        let story = slot.and_then(|slot| self.tracking.news.stories.get_mut(slot.index()));
        if let Some(story) = story {
            story.told = None;
            story.frame = None;
        }
    }

    /// A client is about to be answered with these sessions as they stand: what was told of them before goes out ahead of that,
    /// so that nothing older follows the answer, and who listens for events alone misses nothing.
    pub(super) fn tell_news_first(&mut self, session: EngineSessionId, topics: &[u32]) {
        for topic in topics {
            let client = self.sessions.client_mut(session);
            if client.is_some_and(|client| client.drop_news(*topic)) {
                let frame = self.news_frame(session, *topic);
                self.tracking.news.taken(*topic);
                if let Some(frame) = frame {
                    self.tally.packets_out.events += 1;
                    self.send(session, frame, Priority::Normal);
                }
            }
        }
    }

    /// A client has gone.
    pub(super) fn forget_news(&mut self, client: &Client) {
        for topic in client.news() {
            self.tracking.news.taken(topic);
        }
    }

    /// The next packet of news for a client, if there is one.
    pub(super) fn next_news(&mut self, session: EngineSessionId) -> Option<Frame> {
        loop {
            let topic = self.sessions.client_mut(session)?.next_news()?;
            let frame = self.news_frame(session, topic);
            self.tracking.news.taken(topic);
            if frame.is_some() {
                self.tally.packets_out.events += 1;
                return frame;
            }
        }
    }

    /// The packet of a story, unless there is nothing to tell any more, or not to this client.
    fn news_frame(&mut self, session: EngineSessionId, topic: u32) -> Option<Frame> {
        let (slot, id, recipients) = self.tracking.news.stories.get(topic as usize)?.told?;
        if !self.may_hear(session, id, recipients) {
            return None;
        }
        if let Some(frame) = &self.tracking.news.story(slot).frame {
            return Some(frame.clone());
        }
        let frame = self.progress_frame(slot)?;
        self.tracking.news.story(slot).frame = Some(frame.clone());
        Some(frame)
    }

    /// Whether a client still belongs to an audience: it may have left since something became news to it.
    fn may_hear(&self, session: EngineSessionId, id: Uuid, recipients: Recipients) -> bool {
        let entry = self.sessions.get(session);
        let socket = entry.and_then(|it| self.sockets.of_client(&it.client, NAMESPACE));
        let Some(socket) = socket else {
            return false;
        };
        match (self.sight(socket), recipients) {
            (Sight::Everything, _) => true,
            (Sight::Only(seen), _) => seen == id,
            (Sight::Usual, Recipients::Everybody) => true,
            (Sight::Usual, Recipients::Session(_)) => {
                let is_its_own = |it: SessionInfo| it.is_owned_by(self.owner(socket));
                let name = room(id);
                self.session_info_of(id).is_some_and(is_its_own)
                    || self.sockets.rooms(socket).any(|joined| joined == name)
            }
        }
    }

    fn progress_frame(&mut self, slot: Key) -> Option<Frame> {
        let args = self.progress_args(slot)?;
        let parser = self.config.parser;
        let packet = parser.event(&mut self.codec.frames, NAMESPACE, None, EVENT, &args);
        Some(packet.text)
    }

    fn progress_args(&self, slot: Key) -> Option<Args> {
        let payload = self.tracking.tracker.as_ref()?.progress_payload(slot)?;
        Some(Args::received(format!("[{payload}]"), 1, Vec::new()))
    }

    /// Puts news for the client of a WebSocket where its connection is about to be written and nothing else waits for it.
    pub(super) fn fill_with_news(&mut self, key: ConnectionId) {
        let Some(session) = self.news_reader(key) else {
            return;
        };
        while let Some(frame) = self.next_news(session) {
            let Some(reader) = self.sessions.session(session) else {
                return;
            };
            if !self.transport.push_news(key, reader.for_websocket(frame)) {
                return;
            }
        }
    }

    /// The session whose news a connection carries, if there are any and nothing else waits for it.
    pub(super) fn news_reader(&self, key: ConnectionId) -> Option<EngineSessionId> {
        let id = self.transport.idle_session_of(key)?;
        let entry = self.sessions.get(id)?;
        let is_reader = entry.session.websocket() == Some(key) && entry.client.has_news();
        is_reader.then_some(id)
    }

    /// Part of [`Endpoint::check_invariants`].
    pub(super) fn check_news(&self) {
        let mut waiting = vec![0; self.tracking.news.stories.len()];
        for (_, entry) in self.sessions.iter() {
            for topic in entry.client.news() {
                waiting[topic as usize] += 1;
            }
        }
        for (story, waiting) in self.tracking.news.stories.iter().zip(waiting) {
            assert_eq!(story.waiting, waiting, "everybody who waits is counted");
            assert!(
                story.frame.is_none() || waiting > 0,
                "a frame is kept for those who wait for it"
            );
        }
    }
}
