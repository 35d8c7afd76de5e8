use super::*;
use crate::id::EngineSessionId;
use crate::socket::Target;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn world(count: u8) -> (Sockets, Vec<SocketId>) {
    let mut sockets = Sockets::new(false);
    let namespaces = ["/", "/custom"].map(|name| sockets.add_namespace(name, false, None));
    let mut sessions = Slots::default();
    let ids = (0..count)
        .map(|n| {
            let secret = Secret::draw(&mut |bytes| bytes.fill(n));
            sockets.connect(
                secret,
                EngineSessionId(sessions.insert(())),
                namespaces[usize::from(n % 2)],
            )
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
    assert!(sockets.begin_leaving(ids[1]));
    assert_eq!(sockets.find(text.as_str()), None);
    assert!(!sockets.join(ids[1], "a"));
    assert!(!sockets.begin_leaving(ids[1]));
    assert_eq!(sockets.id_text(ids[1]), Some(text), "until it is forgotten");
    assert!(sockets.forget(ids[1]).is_none(), "it has not left");
    assert!(sockets.leave_all(ids[1]));
    assert!(sockets.forget(ids[1]).is_some());
    assert_eq!(sockets.id_text(ids[1]), None);
}

#[test]
fn acknowledgements_are_numbered_per_namespace_and_used_once() {
    let (mut sockets, ids) = world(4);
    let mut ask = |who: usize| {
        let namespace = sockets.get(ids[who]).unwrap().namespace;
        let ack = sockets.next_ack(namespace).unwrap();
        sockets.ask_ack(ids[who], ack);
        ack
    };
    assert_eq!([ask(0), ask(2), ask(1), ask(0)], [0, 1, 0, 2]);
    assert_eq!(sockets.pending_acks(ids[0]), 2);
    assert!(!sockets.take_ack(ids[0], 1));
    assert!(sockets.take_ack(ids[0], 2));
    assert!(!sockets.take_ack(ids[0], 2));
    assert_eq!(sockets.pending_acks(ids[0]), 1);
}

#[test]
fn a_socket_that_leaves_is_in_its_rooms_until_it_has_left() {
    let (mut sockets, ids) = world(2);
    sockets.join(ids[0], "a");
    sockets.begin_leaving(ids[0]);
    sockets.check_invariants();
    assert_eq!(sockets.rooms(ids[0]).collect::<Vec<_>>(), ["a"]);
    assert_eq!(sockets.count(), 1);
    sockets.leave_all(ids[0]);
    sockets.check_invariants();
    assert_eq!(sockets.rooms(ids[0]).count(), 0);
    assert!(sockets.get_known(ids[0]).is_some());
}

#[test]
fn a_namespace_made_for_clients_goes_with_the_last_of_them() {
    let (mut sockets, ids) = world(1);
    let root = sockets.get(ids[0]).unwrap().namespace;
    let child = sockets.add_namespace("/child", true, None);
    assert_eq!(sockets.child_count(), 1);
    let secret = Secret::draw(&mut |bytes| bytes.fill(9));
    let guest = sockets.connect(secret, EngineSessionId(Slots::default().insert(())), child);
    sockets.remove_if_deserted(child);
    assert_eq!(sockets.find_namespace("/child"), Some(child));
    sockets.begin_leaving(guest);
    sockets.leave_all(guest);
    sockets.remove_if_deserted(child);
    assert_eq!(sockets.namespace_name(child), Some("/child"), "not yet");
    assert_eq!(sockets.forget(guest), Some(child));
    sockets.remove_if_deserted(child);
    assert_eq!(sockets.find_namespace("/child"), None);
    assert_eq!(sockets.child_count(), 0);
    sockets.remove_if_deserted(root);
    assert_eq!(sockets.find_namespace("/"), Some(root));
    sockets.check_invariants();
}

#[test]
fn what_becomes_of_rooms_is_noted_in_order() {
    let mut sockets = Sockets::new(true);
    let root = sockets.add_namespace("/", false, None);
    let secret = Secret::draw(&mut |bytes| bytes.fill(9));
    let id = sockets.connect(secret, EngineSessionId(Slots::default().insert(())), root);
    let own = sockets.id_text(id).unwrap().to_string();
    sockets.join(id, "a");
    sockets.join(id, "a");
    sockets.begin_leaving(id);
    sockets.leave_all(id);
    let room = "a".to_owned();
    let expected = [
        (own.clone(), RoomChange::Created),
        (own.clone(), RoomChange::Joined(id)),
        (room.clone(), RoomChange::Created),
        (room.clone(), RoomChange::Joined(id)),
        (own.clone(), RoomChange::Left(id)),
        (own.clone(), RoomChange::Deleted),
        (room.clone(), RoomChange::Left(id)),
        (room.clone(), RoomChange::Deleted),
    ];
    let changes = std::iter::from_fn(|| sockets.next_change());
    let noted = changes.map(|(namespace, room, change)| {
        assert_eq!(namespace, root);
        (room.into(), change)
    });
    assert_eq!(noted.collect::<Vec<(String, RoomChange)>>(), expected);
    assert!(!sockets.has_changes());
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
                    prop_assert_eq!(sockets.begin_leaving(ids[who]), gone.insert(who));
                    sockets.leave_all(ids[who]);
                    model.values_mut().for_each(|members| { members.remove(&who); });
                }
            }
            sockets.check_invariants();
            for (room, members) in &model {
                for (number, namespace) in ["/", "/custom"].into_iter().enumerate() {
                    let namespace = sockets.find_namespace(namespace).unwrap();
                    let target = Target::namespace(namespace).to(room.as_str());
                    let wanted: Vec<SocketId> = members.iter()
                        .filter(|who| **who % 2 == number)
                        .map(|who| ids[*who]).collect();
                    prop_assert_eq!(selected(&sockets, &target), wanted);
                }
            }
        }
    }
}
