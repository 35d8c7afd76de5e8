//! The seam between one server and the others of a cluster.
//!
//! What concerns sockets of other servers goes out through an [`Adapter`]; what comes in from them goes through the ordinary
//! verbs of the endpoint, with [`Target::local`](super::Target::local) so that it stops here. An adapter never blocks: it
//! hands messages to whatever carries them, and answers come back later, through a [`Handle`](crate::Handle) or in the host's
//! own loop.

use std::fmt;

use super::{Args, Target};
use crate::error::Error;

/// Whom something concerns, in words that other servers understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience<'a> {
    /// The namespace's name.
    pub namespace: &'a str,
    /// Whoever is in any of these rooms; everybody where there are none. A socket's id is the name of its own room.
    pub rooms: &'a [String],
    /// But nobody of these.
    pub except: Vec<String>,
    /// Only those that can take it at once.
    pub is_volatile: bool,
    /// Whether it may be compressed.
    pub is_compressed: bool,
}

/// What clients are to acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckRequest {
    /// Number of the [`AskId`](crate::AskId) that gathers the answers.
    pub ask: u64,
    /// Milliseconds after which it waits no longer.
    pub timeout_ms: u64,
}

/// A socket of any server of the cluster, as others see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteSocket {
    /// Its id as its client knows it; also the name of its own room, by which it is reached.
    pub id: String,
    /// Address of its client.
    pub address: String,
    /// Query of the request that opened its session, without the `?`.
    pub query: String,
    /// The auth payload that its client sent, as JSON text.
    pub auth: String,
    /// The rooms that it has joined, its own not among them.
    pub rooms: Vec<String>,
    /// What the host keeps with it, as JSON text, where that is a [`serde_json::Value`]; else `null`.
    pub data: String,
}

/// Carries what concerns sockets of other servers. Every method says what has been done here already and is to be done there.
///
/// Methods that take an [`AskId`](crate::AskId)'s number may be answered later: see [`ClusterView::expect_acks`](crate::ClusterView::expect_acks)
/// and [`ClusterView::receive_ack`](crate::ClusterView::receive_ack). The defaults are those of a server that is alone.
pub trait Adapter: Send {
    /// Whether there are others. Where not, nothing else is called.
    fn is_cluster(&self) -> bool {
        true
    }

    /// An event is emitted. With an `ask`, clients are to acknowledge it:
    /// [`ClusterView::relay_with_ack`](crate::ClusterView::relay_with_ack) is what another server does with it.
    fn emit(&mut self, to: &Audience<'_>, event: &str, args: &Args, ask: Option<AckRequest>) {
        let _ = (to, event, args, ask);
    }

    /// Sockets join rooms.
    fn join(&mut self, to: &Audience<'_>, rooms: &[&str]) {
        let _ = (to, rooms);
    }

    /// Sockets leave rooms.
    fn leave(&mut self, to: &Audience<'_>, rooms: &[&str]) {
        let _ = (to, rooms);
    }

    /// Sockets are disconnected; with `close`, their clients from all namespaces.
    fn disconnect(&mut self, to: &Audience<'_>, close: bool) {
        let _ = (to, close);
    }

    /// The sockets of other servers are asked for.
    fn fetch(&mut self, to: &Audience<'_>, ask: u64) {
        let _ = (to, ask);
    }

    /// An event goes to the other servers themselves. With an `ask`, they are to answer it.
    ///
    /// # Errors
    ///
    /// [`Error::NoCluster`], at once, where there are no others.
    fn server_side_emit(
        &mut self,
        namespace: &str,
        event: &str,
        args: &Args,
        ask: Option<u64>,
    ) -> Result<(), Error> {
        let _ = (namespace, event, args, ask);
        Err(Error::NoCluster)
    }

    /// A client of this server has answered what another one has asked, by the number that
    /// [`ClusterView::relay_with_ack`](crate::ClusterView::relay_with_ack) was given.
    fn client_answered(&mut self, relay: u64, args: &Args) {
        let _ = (relay, args);
    }

    /// The answer to an event of another server, by the number under which
    /// [`ClusterView::receive_server_side`](crate::ClusterView::receive_server_side) was given it.
    fn reply(&mut self, reply: u64, args: &Args) {
        let _ = (reply, args);
    }
}

/// The adapter of a server that is alone, and the default one.
#[derive(Clone, Copy, Debug, Default)]
pub struct InMemory;

impl Adapter for InMemory {
    fn is_cluster(&self) -> bool {
        false
    }
}

impl fmt::Debug for dyn Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adapter")
    }
}

impl Target {
    /// The same in words that other servers understand; `own_id` is the id of the excepted socket.
    pub(crate) fn audience<'a>(&'a self, namespace: &'a str, own_id: Option<&str>) -> Audience<'a> {
        let rooms = self.excepted_rooms().iter().cloned();
        Audience {
            namespace,
            rooms: self.rooms(),
            except: rooms.chain(own_id.map(str::to_owned)).collect(),
            is_volatile: self.is_volatile(),
            is_compressed: self.is_compressed(),
        }
    }
}
