//! Whether every list agrees with every other.

use super::{NamespaceId, Socket, Sockets, Stage};

impl Sockets {
    /// Checks that every list agrees with every other; panics where it does not. For tests.
    pub fn check_invariants(&self) {
        let mut seats = 0;
        for (key, namespace) in self.namespaces.iter() {
            seats += namespace.members.len();
            let found = self.find_namespace(&namespace.name);
            assert_eq!(found, Some(NamespaceId(key)));
            for (index, id) in namespace.members.iter().enumerate() {
                let socket = self.get_known(*id).expect("members are there");
                assert_eq!(socket.namespace.0, key);
                assert_eq!(socket.member_index as usize, index);
            }
            assert_eq!(namespace.rooms.count(), namespace.room_names.len());
            for (key, room) in namespace.rooms.iter() {
                assert!(!room.members.is_empty(), "empty rooms are gone");
                assert_eq!(namespace.room_names.get(&room.name), Some(&key));
                for (index, id) in room.members.iter().enumerate() {
                    let socket = self.get_known(*id).expect("members are there");
                    assert!(socket.rooms.contains(&(key, index as u32)));
                }
            }
        }
        assert_eq!(self.namespaces.count(), self.namespace_names.len());
        let count = |is_it: fn(&Socket) -> bool| {
            let sockets = self.sockets.iter();
            sockets.filter(|(_, socket)| is_it(socket)).count()
        };
        assert_eq!(seats, count(|socket| socket.stage != Stage::Left));
        assert_eq!(
            self.leaving,
            count(|socket| socket.stage != Stage::Connected)
        );
        assert_eq!(self.away, count(Socket::is_away));
        for (_, socket) in self.sockets.iter() {
            let namespace = self.namespaces.get(socket.namespace.0);
            let namespace = namespace.expect("a namespace outlives its sockets");
            for (room, _) in &socket.rooms {
                assert!(namespace.rooms.get(*room).is_some());
            }
        }
    }
}
