//! What goes to the other servers of a cluster, and what comes from them.

use super::{Endpoint, Event};
use crate::error::Error;
use crate::panics::Verb;
use crate::socket::{
    is_reserved, Adapter, Args, Audience, NamespaceId, RemoteSocket, SocketId, Target,
};

/// What adapters tell an endpoint, and ask of it ([`Endpoint::cluster`]).
pub struct ClusterView<'e> {
    pub(super) endpoint: &'e mut Endpoint,
}

impl Endpoint {
    /// What adapters tell this endpoint, and ask of it.
    pub fn cluster(&mut self) -> ClusterView<'_> {
        ClusterView { endpoint: self }
    }

    /// Connects this server with others. The default adapter is [`InMemory`](crate::InMemory): there are none.
    #[doc(alias = "adapter")]
    pub fn set_adapter(&mut self, adapter: Box<dyn Adapter>) {
        let _verb = Verb::begin();
        self.outside.adapter = adapter;
    }

    /// Emits an event to the other servers of the cluster, which get it as [`Event::ServerSide`].
    ///
    /// # Errors
    ///
    /// [`Error::NoCluster`] at once where there are none; [`Error::ReservedEvent`] for Socket.IO's own names, `connection` and
    /// `new_namespace` among them.
    pub fn server_side_emit(
        &mut self,
        namespace: NamespaceId,
        event: &str,
        args: &Args,
    ) -> Result<(), Error> {
        let _verb = Verb::begin();
        self.send_server_side(namespace, event, args, None)
    }

    /// Answers an [`Event::ServerSide`] that wants an answer.
    pub fn reply_server_side(&mut self, reply: u64, args: &Args) {
        let _verb = Verb::begin();
        self.outside.adapter.reply(reply, args);
    }

    pub(super) fn send_server_side(
        &mut self,
        namespace: NamespaceId,
        event: &str,
        args: &Args,
        ask: Option<u64>,
    ) -> Result<(), Error> {
        if is_reserved(event) || matches!(event, "connection" | "new_namespace") {
            return Err(Error::ReservedEvent(event.to_owned()));
        }
        let name = self.sockets.namespace_name(namespace);
        let name = name.ok_or(Error::NoSuchNamespace)?;
        self.outside
            .adapter
            .server_side_emit(name, event, args, ask)
    }

    /// Whether a target means sockets of other servers too.
    pub(super) fn reaches_others(&self, target: &Target) -> bool {
        self.outside.adapter.is_cluster() && !target.is_local()
    }

    /// Has the adapter tell the other servers of something that concerns their sockets too.
    pub(super) fn publish(
        &mut self,
        target: &Target,
        tell: impl FnOnce(&mut dyn Adapter, &Audience<'_>),
    ) {
        if !self.reaches_others(target) {
            return;
        }
        let excepted = target.excepted_socket();
        let excepted = excepted.and_then(|socket| self.sockets.id_text(socket));
        if let Some(name) = self.sockets.namespace_name(target.namespace_id()) {
            let audience = target.audience(name, excepted.as_ref().map(|id| id.as_str()));
            tell(&mut *self.outside.adapter, &audience);
        }
    }
}

impl ClusterView<'_> {
    /// Another server has emitted an event to this one. `reply` names the answer where one is wanted.
    pub fn receive_server_side(
        &mut self,
        namespace: NamespaceId,
        event: &str,
        args: &Args,
        reply: Option<u64>,
    ) {
        let _verb = Verb::begin();
        self.endpoint.push_event(Event::ServerSide {
            args: args.named(event),
            namespace,
            reply,
        });
    }

    /// A socket of this server as others see it.
    pub fn remote_socket(&self, socket: SocketId) -> Option<RemoteSocket> {
        let info = self.endpoint.client_info(socket);
        let data = self.endpoint.data::<serde_json::Value>(socket);
        Some(RemoteSocket {
            id: self.endpoint.socket_id(socket)?.to_string(),
            address: info.map_or_else(String::new, |info| info.address.to_string()),
            query: info.map_or_else(String::new, |info| info.query.to_owned()),
            auth: self.endpoint.auth(socket)?.to_owned(),
            rooms: self.endpoint.rooms(socket).map(str::to_owned).collect(),
            data: data.map_or_else(|| "null".to_owned(), ToString::to_string),
        })
    }
}
