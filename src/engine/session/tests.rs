use super::*;
use crate::engine::Times;
use crate::id::ConnectionId;
use crate::now::Now;
use crate::slots::Slots;

/// A session on polling, and the ids of two connections.
pub(super) fn session() -> (Session, ConnectionId, ConnectionId) {
    let (session, _, _, a, b) = session_with_clock();
    (session, a, b)
}

/// As [`session`], with the clock and the id of the session.
pub(super) fn session_with_clock() -> (Session, Clock, EngineSessionId, ConnectionId, ConnectionId)
{
    let mut slots = Slots::default();
    let mut key = || slots.insert(());
    let (a, b, id) = (
        ConnectionId(key()),
        ConnectionId(key()),
        EngineSessionId(key()),
    );
    let opening = Opening {
        secret: Secret::draw(&mut |bytes| bytes.fill(1)),
        transport: Transport::Polling {
            poll: None,
            post: None,
        },
        revision: Revision::V4,
        reads_binary: true,
        peer_addr: PeerAddr::Unknown,
        query: "",
        details: None,
        admitted: Admitted::Freely,
        data: None,
    };
    let times = Times {
        ping_interval_ms: 25_000,
        ping_timeout_ms: 20_000,
        connect_timeout_ms: None,
    };
    let now = Now {
        mono_ms: 0,
        unix_ms: 0,
    };
    let mut clock = Clock::new(now);
    let session = Session::new(&mut clock, id, opening, &times);
    (session, clock, id, a, b)
}

#[test]
fn a_poll_takes_no_further_packet_beyond_its_bytes() {
    let (mut session, _, _) = session();
    for text in ["4aaaa", "4bbbb", "4cccc"] {
        session.queue(Frame::text(text));
    }
    assert_eq!(session.take_queue(10, 6).len(), 2);
    session.check();
    assert_eq!(session.take_queue(10, 1).len(), 1);
    session.check();
}

#[test]
fn only_an_awaited_pong_counts() {
    let (mut session, mut clock, id, _, _) = session_with_clock();
    assert_eq!(session.receive(Packet::decode("3")), PacketAction::Ignore);
    session.await_pong(&mut clock, id, 5);
    assert_eq!(
        session.receive(Packet::decode("4x")),
        PacketAction::Message("x")
    );
    assert_eq!(session.receive(Packet::decode("3")), PacketAction::Alive);
    assert_eq!(session.pong_by_ms(), Some(5));
}

#[test]
fn wrong_packets_end_the_session_with_their_reason() {
    let (session, _, _) = session();
    for (text, reason) in [
        ("7", DisconnectReason::ParseError),
        ("", DisconnectReason::ParseError),
        ("2", DisconnectReason::TransportError),
        ("2probe", DisconnectReason::TransportError),
    ] {
        assert_eq!(
            session.receive(Packet::decode(text)),
            PacketAction::Close(reason)
        );
    }
    assert_eq!(session.receive(Packet::decode("1")), PacketAction::Asked);
    for text in ["0x", "5", "6"] {
        assert_eq!(session.receive(Packet::decode(text)), PacketAction::Ignore);
    }
}

#[test]
fn in_revision_3_clients_send_the_pings() {
    let (mut session, _, _) = session();
    session.revision = Revision::V3;
    assert_eq!(
        session.receive(Packet::decode("2x")),
        PacketAction::AnswerPing("x")
    );
    assert_eq!(
        session.receive(Packet::decode("3")),
        PacketAction::Close(DisconnectReason::TransportError)
    );
}
