//! How progress reaches clients: as news, of which only the newest matters, and not as packets that queue up.
//!
//! At a pulse each session that has come further becomes news to its audience: every client's set of news holds the number of
//! the session, once. The packet is made when the first client takes it, and shared by all who take it before the session's next
//! pulse. A client takes news when nothing else waits for it: a WebSocket when its connection is written to, a polling client
//! with its next poll. So a slow client gets the newest figures of each session as fast as it reads, and never has more of them
//! waiting than there are sessions. News never count towards what disconnects a slow client.

use uuid::Uuid;

use super::progress::{room, NAMESPACE};
use super::sessions::for_websocket;
use super::{Endpoint, Peer};
use crate::connection::{Phase, Protocol};
use crate::engine::Transport;
use crate::frame::Frame;
use crate::outbox::Chunk;
use crate::progress::{ProgressTracker, Target as Recipients};
use crate::slots::Key;
use crate::socket::{Args, Target};

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
    told: Option<(Key, Recipients)>,
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
    pub(super) fn tell_progress(&mut self, slot: Key, recipients: Recipients) {
        let Some(namespace) = self.sockets.find_namespace(NAMESPACE) else {
            return;
        };
        let everybody = Target::namespace(namespace);
        let target = match recipients {
            Recipients::Everybody => everybody,
            Recipients::Session(id) => everybody.to(room(id)),
        };
        let story = self.news.story(slot);
        story.told = Some((slot, recipients));
        story.frame = None;
        if self.config.emitted_events || self.reaches_others(&target) {
            if let Some(args) = self.progress_args(slot) {
                self.note_emitted(&target, EVENT, &args);
                self.publish(&target, |adapter, audience| {
                    adapter.emit(audience, EVENT, &args, None)
                });
            }
        }
        let mut selected = std::mem::take(&mut self.selected);
        self.sockets.select(&target, &mut selected);
        self.in_bulk(selected.len(), |endpoint| {
            for socket in selected.drain(..) {
                let socket = endpoint.sockets.get(socket);
                if let Some(session) = socket.map(|socket| socket.session) {
                    endpoint.add_news(session, slot.index);
                }
            }
        });
        self.selected = selected;
    }

    /// All sessions that stand as they were told last are news to a client that is back: it may have missed them.
    pub(super) fn tell_all_progress(&mut self, session: Key) {
        let told = self
            .tracker
            .iter()
            .flat_map(ProgressTracker::told_sessions)
            .map(|(slot, _)| slot.index);
        for topic in told.collect::<Vec<u32>>() {
            self.add_news(session, topic);
        }
    }

    /// Something is news to a client.
    fn add_news(&mut self, session: Key, topic: u32) {
        let Some(peer) = self.sessions.get_mut(session) else {
            return;
        };
        if peer.session.is_closing {
            return;
        }
        if peer.client.add_news(topic) {
            if let Some(story) = self.news.stories.get_mut(topic as usize) {
                story.waiting += 1;
            }
        }
        match peer.session.transport {
            // Where something waits already, the news has its turn when that is written.
            Transport::WebSocket(connection) => {
                if !self.has_output(connection) {
                    self.output_due(connection);
                }
            }
            Transport::Polling { poll: Some(_), .. } => self.flush_due(session),
            Transport::Polling { poll: None, .. } => {}
        }
    }

    /// A session is about to change: who waits for what was told of it last gets that, and not half of the next.
    pub(super) fn keep_story(&mut self, id: Uuid) {
        let slot = self.tracker.as_ref().and_then(|tracker| tracker.slot(id));
        let Some(slot) = slot else {
            return;
        };
        let story = self.news.stories.get(slot.index());
        let is_wanted = story.is_some_and(|story| {
            let is_of_session = story.told.is_some_and(|(told, _)| told == slot);
            story.waiting > 0 && story.frame.is_none() && is_of_session
        });
        if is_wanted {
            let frame = self.progress_frame(slot);
            self.news.story(slot).frame = frame;
        }
    }

    /// A session has ended: its progress is news to nobody any more.
    pub(super) fn end_story(&mut self, id: Uuid) {
        let slot = self.tracker.as_ref().and_then(|tracker| tracker.slot(id));
        let story = slot.and_then(|slot| self.news.stories.get_mut(slot.index()));
        if let Some(story) = story {
            story.told = None;
            story.frame = None;
        }
    }

    /// A client is about to be answered with these sessions as they stand: what was told of them before goes out ahead of that,
    /// so that nothing older follows the answer, and who listens for events alone misses nothing.
    pub(super) fn tell_news_first(&mut self, session: Key, topics: &[u32]) {
        for topic in topics {
            let peer = self.sessions.get_mut(session);
            if peer.is_some_and(|peer| peer.client.drop_news(*topic)) {
                let frame = self.news_frame(session, *topic);
                self.news.taken(*topic);
                if let Some(frame) = frame {
                    self.send(session, frame);
                }
            }
        }
    }

    /// A client has gone.
    pub(super) fn forget_news(&mut self, peer: &Peer) {
        for topic in peer.client.news() {
            self.news.taken(topic);
        }
    }

    /// The next packet of news for a client, if there is one.
    pub(super) fn next_news(&mut self, session: Key) -> Option<Frame> {
        loop {
            let topic = self.sessions.get_mut(session)?.client.next_news()?;
            let frame = self.news_frame(session, topic);
            self.news.taken(topic);
            if frame.is_some() {
                return frame;
            }
        }
    }

    /// The packet of a story, unless there is nothing to tell any more, or not to this client.
    fn news_frame(&mut self, session: Key, topic: u32) -> Option<Frame> {
        let (slot, recipients) = self.news.stories.get(topic as usize)?.told?;
        if !self.may_hear(session, recipients) {
            return None;
        }
        if let Some(frame) = &self.news.story(slot).frame {
            return Some(frame.clone());
        }
        let frame = self.progress_frame(slot)?;
        self.news.story(slot).frame = Some(frame.clone());
        Some(frame)
    }

    /// Whether a client still belongs to an audience: it may have left since something became news to it.
    fn may_hear(&self, session: Key, recipients: Recipients) -> bool {
        let peer = self.sessions.get(session);
        let socket = peer.and_then(|peer| self.sockets.of_client(&peer.client, NAMESPACE));
        let Some(socket) = socket else {
            return false;
        };
        match recipients {
            Recipients::Everybody => true,
            Recipients::Session(id) => {
                let name = room(id);
                self.sockets.rooms(socket).any(|joined| joined == name)
            }
        }
    }

    fn progress_frame(&mut self, slot: Key) -> Option<Frame> {
        let args = self.progress_args(slot)?;
        let parser = self.config.parser;
        let packet = parser.event(&mut self.frames, NAMESPACE, None, EVENT, &args);
        Some(packet.text)
    }

    fn progress_args(&self, slot: Key) -> Option<Args> {
        let payload = self.tracker.as_ref()?.progress_payload(slot)?;
        Some(Args::received(format!("[{payload}]"), 1, Vec::new()))
    }

    /// Puts news for the client of a WebSocket where its connection is about to be written and nothing else waits for it.
    pub(super) fn fill_with_news(&mut self, key: Key) {
        let Some(session) = self.news_reader(key) else {
            return;
        };
        while let Some(frame) = self.next_news(session) {
            let peer = self.sessions.get(session);
            let connection = self.connections.get_mut(key);
            let (Some(peer), Some(connection)) = (peer, connection) else {
                return;
            };
            let frame = for_websocket(&peer.session, frame);
            connection.outbox.push(Chunk::News(frame));
            if !connection.outbox.takes_more_news() {
                return;
            }
        }
    }

    /// All that waited for a connection has been written: its client may have more news.
    pub(super) fn news_due(&mut self, key: Key) {
        if self.news_reader(key).is_some() {
            // Behind answers, as the news of a slow client are in no hurry.
            self.in_bulk(usize::MAX, |endpoint| endpoint.output_due(key));
        }
    }

    /// The session whose news a connection carries, if there are any and nothing else waits for it.
    fn news_reader(&self, key: Key) -> Option<Key> {
        let connection = self.connections.get(key)?;
        let Protocol::WebSocket(websocket) = &connection.protocol else {
            return None;
        };
        let peer = self.sessions.get(websocket.session)?;
        let is_reader = connection.phase == Phase::Open
            && connection.outbox.is_empty()
            && peer.session.transport == Transport::WebSocket(key)
            && !peer.session.is_closing
            && peer.client.has_news();
        is_reader.then_some(websocket.session)
    }

    /// Part of [`Endpoint::check_invariants`].
    pub(super) fn check_news(&self) {
        let mut waiting = vec![0; self.news.stories.len()];
        for (_, peer) in self.sessions.iter() {
            for topic in peer.client.news() {
                waiting[topic as usize] += 1;
            }
        }
        for (story, waiting) in self.news.stories.iter().zip(waiting) {
            assert_eq!(story.waiting, waiting, "everybody who waits is counted");
            assert!(
                story.frame.is_none() || waiting > 0,
                "a frame is kept for those who wait for it"
            );
        }
    }
}
