//! What one client has of Socket.IO.

use super::packet::{check_placeholders, PacketError};
use super::{Args, Kind, NewsSet, Packet, SocketId};
use crate::data::Data;
use crate::frame::Frame;
use crate::slots::Key;
use crate::wheel::TimerKey;

/// What one Engine.IO session has of Socket.IO.
#[derive(Debug, Default)]
pub struct Client {
    /// Its first socket, which for most clients is the only one.
    first: Option<SocketId>,
    /// When its newest CONNECT was answered, in seconds.
    answered_s: u32,
    rare: Option<Box<RareState>>,
}

/// What nearly all clients do without nearly always.
#[derive(Debug, Default)]
struct RareState {
    /// The sockets behind the first.
    sockets: Vec<SocketId>,
    /// The packet whose attachments have not all come yet.
    packet: Option<Incomplete>,
    /// Namespaces that the host has not let the client into yet.
    connects: Vec<Key>,
    /// What is to be told when there is room.
    news: NewsSet,
    /// What the host keeps with its session.
    data: Option<Box<Data>>,
}

impl Client {
    /// Its sockets, one for each namespace, in the order in which it has joined.
    pub fn sockets(&self) -> impl Iterator<Item = SocketId> + '_ {
        let rare = self.rare.iter().flat_map(|rare| &rare.sockets);
        self.first.iter().chain(rare).copied()
    }

    /// How many sockets and how many CONNECTs under way it has.
    pub fn namespace_count(&self) -> usize {
        self.sockets().count() + self.connects().len()
    }

    /// It has joined a namespace, and is told so at this time.
    pub fn add_socket(&mut self, socket: SocketId, now_ms: u64) {
        self.answered_s = seconds(now_ms);
        match self.first {
            None => self.first = Some(socket),
            Some(_) => self.rare.get_or_insert_default().sockets.push(socket),
        }
    }

    /// Whether the answer to its newest CONNECT may still be on its way to it.
    pub fn was_just_answered(&self, now_ms: u64) -> bool {
        const ON_THE_WAY_S: u32 = 5;
        seconds(now_ms).saturating_sub(self.answered_s) <= ON_THE_WAY_S
    }

    /// It has left a namespace.
    pub fn remove_socket(&mut self, socket: SocketId) {
        if let Some(rare) = &mut self.rare {
            rare.sockets.retain(|known| *known != socket);
        }
        if self.first == Some(socket) {
            let rare = self.rare.as_mut().filter(|rare| !rare.sockets.is_empty());
            self.first = rare.map(|rare| rare.sockets.remove(0));
        }
        self.tidy();
    }

    /// It leaves all namespaces: what it was in.
    pub fn take_sockets(&mut self) -> Vec<SocketId> {
        let sockets = self.sockets().collect();
        self.first = None;
        if let Some(rare) = &mut self.rare {
            rare.sockets = Vec::new();
        }
        self.tidy();
        sockets
    }

    /// Whether a packet waits for its attachments.
    pub fn awaits_attachment(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.packet.is_some())
    }

    /// Bytes of the packet that waits for its attachments, those that have come included.
    pub fn incomplete_bytes(&self) -> usize {
        let packet = self.rare.as_ref().and_then(|rare| rare.packet.as_ref());
        packet.map_or(0, |waiting| waiting.packet.bytes())
    }

    /// Has a packet wait for its attachments until this timer fires.
    pub fn begin_packet(&mut self, packet: PendingPacket, timer: TimerKey) {
        self.rare.get_or_insert_default().packet = Some(Incomplete { packet, timer });
    }

    /// Takes an attachment, and gives the packet and its timer when that was its last one.
    ///
    /// # Errors
    ///
    /// When no packet waits for one.
    pub fn attach(
        &mut self,
        attachment: Frame,
    ) -> Result<Option<(PendingPacket, TimerKey)>, PacketError> {
        let pending = self.rare.as_mut().map(|rare| &mut rare.packet);
        let Some(pending) = pending.filter(|pending| pending.is_some()) else {
            return Err(PacketError::BadPayload);
        };
        let is_last = pending
            .as_mut()
            .is_some_and(|waiting| waiting.packet.add(attachment));
        let complete = is_last.then(|| pending.take()).flatten();
        self.tidy();
        Ok(complete.map(|waiting| (waiting.packet, waiting.timer)))
    }

    /// Gives up on the packet that waits for its attachments; its timer, if there was one.
    pub fn drop_packet(&mut self) -> Option<TimerKey> {
        let dropped = self.rare.as_mut()?.packet.take()?;
        self.tidy();
        Some(dropped.timer)
    }

    /// The CONNECTs that the host has not decided on.
    pub fn connects(&self) -> &[Key] {
        self.rare.as_ref().map_or(&[], |rare| &rare.connects)
    }

    /// A CONNECT waits for the host's decision.
    pub fn begin_connect(&mut self, connect: Key) {
        self.rare.get_or_insert_default().connects.push(connect);
    }

    /// It waits no longer.
    pub fn end_connect(&mut self, connect: Key) {
        if let Some(rare) = &mut self.rare {
            rare.connects.retain(|known| *known != connect);
        }
        self.tidy();
    }

    /// Gives up on the CONNECTs that are under way, and names them.
    pub fn abandon_connects(&mut self) -> Vec<Key> {
        let Some(rare) = &mut self.rare else {
            return Vec::new();
        };
        let connects = std::mem::take(&mut rare.connects);
        self.tidy();
        connects
    }

    /// What is news to it.
    pub fn news(&self) -> impl Iterator<Item = u32> + '_ {
        self.rare.iter().flat_map(|rare| rare.news.iter())
    }

    /// Whether something is news to it.
    pub fn has_news(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.news.is_empty())
    }

    /// A topic is news to it. False when it was already.
    pub fn add_news(&mut self, topic: u32) -> bool {
        self.rare.get_or_insert_default().news.insert(topic)
    }

    /// Takes the topic that has been news for longest.
    pub fn next_news(&mut self) -> Option<u32> {
        let topic = self.rare.as_mut()?.news.pop();
        self.tidy();
        topic
    }

    /// It knows of a topic. False when that was no news.
    pub fn drop_news(&mut self, topic: u32) -> bool {
        let was_news = self
            .rare
            .as_mut()
            .is_some_and(|rare| rare.news.remove(topic));
        self.tidy();
        was_news
    }

    /// What the host keeps with its session, from the beginning on.
    pub fn set_data(&mut self, data: Option<Box<Data>>) {
        if data.is_some() {
            self.rare.get_or_insert_default().data = data;
        }
    }

    pub fn data(&self) -> Option<&Data> {
        self.rare.as_ref()?.data.as_deref()
    }

    fn tidy(&mut self) {
        let is_empty = |rare: &RareState| {
            rare.sockets.is_empty()
                && rare.packet.is_none()
                && rare.connects.is_empty()
                && rare.news.is_empty()
                && rare.data.is_none()
        };
        if self.rare.as_deref().is_some_and(is_empty) {
            self.rare = None;
        }
    }
}

/// Enough of them for a hundred years.
fn seconds(ms: u64) -> u32 {
    (ms / 1_000).try_into().unwrap_or(u32::MAX)
}

/// A packet that waits, and the timer that ends that.
#[derive(Debug)]
struct Incomplete {
    packet: PendingPacket,
    timer: TimerKey,
}

/// A binary packet whose attachments have not all come yet.
#[derive(Debug)]
pub struct PendingPacket {
    pub kind: Kind,
    pub namespace: Box<str>,
    pub id: Option<u64>,
    wanted: usize,
    text: String,
    args_at: usize,
    attachments: Vec<Frame>,
}

impl PendingPacket {
    /// Keeps a packet until its attachments are here.
    pub fn new(packet: &Packet<'_>) -> Result<Self, PacketError> {
        check_placeholders(packet.data, packet.attachments)?;
        Ok(PendingPacket {
            kind: packet.kind,
            namespace: packet.namespace.into(),
            id: packet.id,
            wanted: packet.attachments,
            text: packet.data.to_owned(),
            args_at: packet.args_at,
            attachments: Vec::new(),
        })
    }

    /// Adds an attachment; true when that was the last one.
    pub fn add(&mut self, attachment: Frame) -> bool {
        self.attachments.push(attachment);
        self.attachments.len() == self.wanted
    }

    /// Bytes of it that are here.
    fn bytes(&self) -> usize {
        let attachments = self.attachments.iter();
        let attached: usize = attachments.map(|it| it.payload().len()).sum();
        self.text.len() + attached
    }

    /// Whether it has arguments at all, as events have.
    pub fn has_args(&self) -> bool {
        !self.text.is_empty()
    }

    /// The arguments, attachments included.
    pub fn into_args(self) -> Args {
        Args::received(self.text, self.args_at, self.attachments)
    }
}
