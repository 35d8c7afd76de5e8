//! What packets are made with and read by.

use crate::config::Config;
use crate::frame::{Frame, FrameBuilder};
use crate::socket::Limits;

/// What packets are made with and read by.
pub(super) struct Codec {
    pub packet_limits: Limits,
    pub frames: FrameBuilder,
    pub ping: Frame,
    /// What sessions begin with, if anything.
    pub initial_packet: Option<Frame>,
    /// Memory of handled messages, for the next ones.
    pub spare_texts: Vec<String>,
}

impl Codec {
    pub fn new(config: &Config) -> Codec {
        let initial_packet = config.initial_packet.as_ref();
        Codec {
            packet_limits: Limits {
                max_attachments: config.max_attachments,
                max_json_depth: config.max_json_depth,
            },
            frames: FrameBuilder::default(),
            ping: Frame::text("2"),
            initial_packet: initial_packet.map(|message| Frame::text(&format!("4{message}"))),
            spare_texts: Vec::new(),
        }
    }
}
