//! The streams of all connections.

use std::collections::BTreeMap;

use mio::net::TcpStream;

use super::stream::AnyStream;
use super::Stream;
use crate::ConnectionId;

/// The streams of all connections, by the numbers of their slots.
///
/// TCP has a table of its own, in which a connection is its key and its descriptor: 12 bytes.
#[derive(Default)]
pub(super) struct Connections {
    tcp: Vec<Option<(ConnectionId, TcpStream)>>,
    others: BTreeMap<usize, (ConnectionId, Box<dyn Stream>)>,
}

impl Connections {
    pub fn insert(&mut self, key: ConnectionId, stream: AnyStream) {
        match stream {
            AnyStream::Tcp(stream) => {
                if self.tcp.len() <= key.index() {
                    self.tcp.resize_with(key.index() + 1, || None);
                }
                self.tcp[key.index()] = Some((key, stream));
            }
            AnyStream::Other(stream) => {
                self.others.insert(key.index(), (key, stream));
            }
        }
    }

    /// The connection in a slot.
    pub fn at(&mut self, index: usize) -> Option<(ConnectionId, &mut dyn Stream)> {
        if let Some(Some((key, stream))) = self.tcp.get_mut(index) {
            return Some((*key, stream));
        }
        let (key, stream) = self.others.get_mut(&index)?;
        Some((*key, &mut **stream))
    }

    pub fn get(&mut self, key: ConnectionId) -> Option<&mut dyn Stream> {
        let (found, stream) = self.at(key.index())?;
        (found == key).then_some(stream)
    }

    /// Drops a stream, which closes it.
    pub fn remove(&mut self, key: ConnectionId) {
        if self.get(key).is_none() {
            return;
        }
        self.others.remove(&key.index());
        if let Some(place) = self.tcp.get_mut(key.index()) {
            *place = None;
        }
        while let Some(None) = self.tcp.last() {
            self.tcp.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use mio::net::UnixStream;

    use super::*;
    use crate::slots::Slots;

    fn unix() -> AnyStream {
        let (stream, _) = UnixStream::pair().expect("a pair of sockets");
        AnyStream::Other(Box::new(stream))
    }

    fn tcp() -> AnyStream {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        AnyStream::Tcp(TcpStream::connect(address).expect("it listens"))
    }

    #[test]
    fn a_slot_holds_one_connection_of_either_kind_and_an_old_key_finds_nothing() {
        let mut slots = Slots::default();
        let mut connections = Connections::default();
        for make in [tcp, unix, tcp, unix] {
            let key = ConnectionId(slots.insert(()));
            connections.insert(key, make());
            assert!(connections.get(key).is_some());
            assert_eq!(connections.at(key.index()).map(|(key, _)| key), Some(key));
            slots.remove(key.0);
            connections.remove(key);
            assert!(connections.get(key).is_none());
            let next = ConnectionId(slots.insert(()));
            assert_eq!(key.index(), next.index());
            connections.insert(next, make());
            assert!(connections.get(key).is_none());
            connections.remove(key);
            assert!(connections.get(next).is_some());
            slots.remove(next.0);
            connections.remove(next);
        }
        assert!(connections.tcp.is_empty() && connections.others.is_empty());
    }

    #[test]
    fn a_connection_by_tcp_takes_its_key_and_its_descriptor() {
        // A build with checks keeps the poller that a socket is registered with beside it.
        if !cfg!(debug_assertions) {
            assert_eq!(size_of::<Option<(ConnectionId, TcpStream)>>(), 12);
        }
    }
}
