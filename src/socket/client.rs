//! What one client has of Socket.IO.

use super::packet::{check_placeholders, PacketError};
use super::{Args, Kind, Packet, SocketId};
use crate::frame::Frame;
use crate::slots::Key;

/// What one Engine.IO session has of Socket.IO.
#[derive(Debug, Default)]
pub struct Client {
    pub sockets: Vec<SocketId>,
    unfinished: Option<Box<Unfinished>>,
}

/// What is under way, and is nothing for nearly all clients nearly always.
#[derive(Debug, Default)]
struct Unfinished {
    /// The packet whose attachments have not all come yet.
    packet: Option<PendingPacket>,
    /// Namespaces that the host has not let the client into yet.
    joins: Vec<Key>,
}

impl Client {
    /// Whether a packet waits for its attachments.
    pub fn awaits_attachment(&self) -> bool {
        let unfinished = self.unfinished.as_ref();
        unfinished.is_some_and(|unfinished| unfinished.packet.is_some())
    }

    /// Has a packet wait for its attachments.
    pub fn begin_packet(&mut self, packet: PendingPacket) {
        self.unfinished.get_or_insert_default().packet = Some(packet);
    }

    /// Takes an attachment, and gives the packet when that was its last one.
    ///
    /// # Errors
    ///
    /// When no packet waits for one.
    pub fn attach(&mut self, attachment: Frame) -> Result<Option<PendingPacket>, PacketError> {
        let unfinished = self.unfinished.as_mut();
        let Some(unfinished) = unfinished.filter(|unfinished| unfinished.packet.is_some()) else {
            return Err(PacketError::BadPayload);
        };
        let is_last = unfinished
            .packet
            .as_mut()
            .is_some_and(|packet| packet.add(attachment));
        let packet = is_last.then(|| unfinished.packet.take()).flatten();
        self.tidy();
        Ok(packet)
    }

    /// The joins that the host has not decided on.
    pub fn joins(&self) -> &[Key] {
        let unfinished = self.unfinished.as_ref();
        unfinished.map_or(&[], |unfinished| &unfinished.joins)
    }

    /// A join waits for the host's decision.
    pub fn begin_join(&mut self, join: Key) {
        self.unfinished.get_or_insert_default().joins.push(join);
    }

    /// It waits no longer.
    pub fn end_join(&mut self, join: Key) {
        if let Some(unfinished) = &mut self.unfinished {
            unfinished.joins.retain(|known| *known != join);
        }
        self.tidy();
    }

    /// Gives up on all that is under way, and names the joins among it.
    pub fn abandon(&mut self) -> Vec<Key> {
        let unfinished = self.unfinished.take();
        unfinished.map_or_else(Vec::new, |unfinished| unfinished.joins)
    }

    fn tidy(&mut self) {
        let is_over = |it: &Unfinished| it.packet.is_none() && it.joins.is_empty();
        if self.unfinished.as_deref().is_some_and(is_over) {
            self.unfinished = None;
        }
    }
}

/// A binary packet whose attachments have not all come yet.
#[derive(Debug)]
pub struct PendingPacket {
    pub kind: Kind,
    pub namespace: Box<str>,
    pub id: Option<u64>,
    pub name: Option<Box<str>>,
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
            name: packet.name.map(Into::into),
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

    /// The arguments, attachments included.
    pub fn into_args(self) -> Args {
        Args::received(self.text, self.args_at, self.attachments)
    }
}
