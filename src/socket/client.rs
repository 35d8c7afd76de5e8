//! What one client has of Socket.IO.

use super::packet::{check_placeholders, PacketError};
use super::{Args, Kind, Packet, SocketId};
use crate::frame::Frame;

/// What one Engine.IO session has of Socket.IO: its sockets, and the packet whose attachments are still under way.
#[derive(Debug, Default)]
pub struct Client {
    pub sockets: Vec<SocketId>,
    pub pending: Option<Box<PendingPacket>>,
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
