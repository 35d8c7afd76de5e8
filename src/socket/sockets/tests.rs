use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn world(count: u8) -> (Sockets, Vec<SocketId>) {
    let mut sockets = Sockets::new(&["/".to_owned(), "/custom".to_owned()], || None);
    let mut sessions = Slots::default();
    let ids = (0..count)
        .map(|n| {
            let secret = Secret::draw(&mut |bytes| bytes.fill(n));
            sockets.connect(secret, sessions.insert(()), NamespaceId(u16::from(n % 2)))
        })
        .collect();
    (sockets, ids)
}

fn selected(sockets: &Sockets, target: &Target) -> Vec<SocketId> {
    let mut out = Vec::new();
    sockets.select(target, &mut out);
    out.sort_unstable();
    out
}

#[test]
fn targets_are_unions_without_the_excepted() {
    let (mut sockets, ids) = world(8);
    let root = sockets.find_namespace("/").unwrap();
    sockets.join(ids[0], "a");
    sockets.join(ids[2], "a");
    sockets.join(ids[2], "b");
    sockets.join(ids[4], "b");
    sockets.join(ids[1], "a");
    let all = Target::namespace(root);
    assert_eq!(selected(&sockets, &all), [ids[0], ids[2], ids[4], ids[6]]);
    let union = all.clone().to("a").to("b");
    assert_eq!(selected(&sockets, &union), [ids[0], ids[2], ids[4]]);
    assert_eq!(selected(&sockets, &union.clone().except("b")), [ids[0]]);
    assert_eq!(
        selected(&sockets, &union.except_socket(ids[0])),
        [ids[2], ids[4]]
    );
    assert_eq!(selected(&sockets, &all.clone().to("nobody")), []);
    let own = sockets.id_text(ids[6]).unwrap();
    assert_eq!(selected(&sockets, &all.clone().to(own.as_str())), [ids[6]]);
    let foreign = sockets.id_text(ids[1]).unwrap();
    assert_eq!(selected(&sockets, &all.clone().to(foreign.as_str())), []);
    assert_eq!(
        selected(&sockets, &all.except(own.as_str())),
        [ids[0], ids[2], ids[4]]
    );
    sockets.check_invariants();
}

#[test]
fn a_socket_is_found_by_its_id_while_it_is_connected() {
    let (mut sockets, ids) = world(3);
    let text = sockets.id_text(ids[1]).unwrap();
    assert_eq!(sockets.find(text.as_str()), Some(ids[1]));
    sockets.disconnect(ids[1]);
    assert_eq!(sockets.find(text.as_str()), None);
    assert!(!sockets.join(ids[1], "a"));
    assert!(sockets.disconnect(ids[1]).is_none());
}

#[test]
fn acknowledgements_are_numbered_per_namespace_and_used_once() {
    let (mut sockets, ids) = world(4);
    assert_eq!(sockets.ask_ack(ids[0], 2), Some(0));
    assert_eq!(sockets.ask_ack(ids[2], 2), Some(1));
    assert_eq!(sockets.ask_ack(ids[1], 2), Some(0));
    assert_eq!(sockets.ask_ack(ids[0], 2), Some(2));
    assert_eq!(sockets.ask_ack(ids[0], 2), None);
    assert!(!sockets.take_ack(ids[0], 1));
    assert!(sockets.take_ack(ids[0], 2));
    assert!(!sockets.take_ack(ids[0], 2));
}

proptest! {
    #[test]
    fn rooms_agree_with_a_simple_model(ops in prop::collection::vec((0u8..3, 0usize..6, "[a-d]"), 1..200)) {
        let (mut sockets, ids) = world(6);
        let mut model: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        let mut gone = BTreeSet::new();
        for (op, who, room) in ops {
            let members = model.entry(room.clone()).or_default();
            match op {
                0 => {
                    let joined = sockets.join(ids[who], &room);
                    prop_assert_eq!(joined, !gone.contains(&who) && members.insert(who));
                }
                1 => prop_assert_eq!(sockets.leave(ids[who], &room), members.remove(&who)),
                _ => {
                    prop_assert_eq!(sockets.disconnect(ids[who]).is_some(), gone.insert(who));
                    model.values_mut().for_each(|members| { members.remove(&who); });
                }
            }
            sockets.check_invariants();
            for (room, members) in &model {
                for namespace in 0..2 {
                    let target = Target::namespace(NamespaceId(namespace)).to(room.as_str());
                    let wanted: Vec<SocketId> = members.iter()
                        .filter(|who| **who % 2 == usize::from(namespace))
                        .map(|who| ids[*who]).collect();
                    prop_assert_eq!(selected(&sockets, &target), wanted);
                }
            }
        }
    }
}
