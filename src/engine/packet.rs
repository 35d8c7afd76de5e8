//! The packet of Engine.IO: a type digit and text.

/// A text packet. Binary messages have no type digit and are not told apart here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `0`: the handshake; only servers send it.
    Open,
    /// `1`: the session is to be closed.
    Close,
    /// `2`: heartbeat from the server, or the probe of an upgrade (`2probe`).
    Ping(&'a str),
    /// `3`: its answer.
    Pong(&'a str),
    /// `4`: a message.
    Message(&'a str),
    /// `5`: the upgrade is complete.
    Upgrade,
    /// `6`: nothing; answers a poll that has to end.
    Noop,
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` when its type is unknown or there is none.
    pub fn decode(text: &'a str) -> Option<Packet<'a>> {
        let (kind, data) = text.split_at_checked(1)?;
        Some(match kind {
            "0" => Packet::Open,
            "1" => Packet::Close,
            "2" => Packet::Ping(data),
            "3" => Packet::Pong(data),
            "4" => Packet::Message(data),
            "5" => Packet::Upgrade,
            "6" => Packet::Noop,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_type() {
        assert_eq!(Packet::decode("0{}"), Some(Packet::Open));
        assert_eq!(Packet::decode("1"), Some(Packet::Close));
        assert_eq!(Packet::decode("2probe"), Some(Packet::Ping("probe")));
        assert_eq!(Packet::decode("3"), Some(Packet::Pong("")));
        assert_eq!(Packet::decode("4häh"), Some(Packet::Message("häh")));
        assert_eq!(Packet::decode("5"), Some(Packet::Upgrade));
        assert_eq!(Packet::decode("6"), Some(Packet::Noop));
    }

    #[test]
    fn knows_no_other() {
        for text in ["", "7", "abc", "ü", "\u{1f600}", " 4"] {
            assert_eq!(Packet::decode(text), None, "{text}");
        }
    }
}
