//! Handlers registered by event name, in the words of the Socket.IO documentation.
//!
//! The core yields events and takes verbs; people who know Socket.IO think in `on("event", handler)`. This layer is
//! nothing but the table between the two, outside of the core and built on its public interface alone.

use std::collections::{BTreeMap, HashMap};

use crate::{
    AckId, Args, DisconnectReason, Endpoint, Error, Event, IdText, Message, NamespaceId, SocketId,
    Target,
};

type ConnectHandler = Box<dyn FnMut(&mut Socket<'_>, &Args) -> Result<(), Error> + Send>;
type EventHandler = Box<dyn FnMut(&mut Socket<'_>, &Message) -> Result<(), Error> + Send>;
type DisconnectHandler =
    Box<dyn FnMut(&mut Endpoint, SocketId, DisconnectReason) -> Result<(), Error> + Send>;
type AckHandler = Box<dyn FnOnce(&mut Socket<'_>, &Args) -> Result<(), Error> + Send>;

/// Handlers of any number of namespaces.
///
/// Handlers run on the server's thread, one at a time: long work belongs to another thread, which answers through a
/// [`Handle`](crate::Handle). A handler's error comes back from [`Io::dispatch`]; a client that has gone meanwhile is none.
#[derive(Default)]
pub struct Io {
    namespaces: Vec<(String, Handlers)>,
    acks: Acks,
}

/// What waits for acknowledgements.
type Acks = BTreeMap<(SocketId, u64), AckHandler>;

/// Handlers of one namespace.
#[derive(Default)]
pub struct Handlers {
    on_connect: Option<ConnectHandler>,
    on_disconnect: Option<DisconnectHandler>,
    on: HashMap<String, EventHandler>,
    on_any: Option<EventHandler>,
}

impl Io {
    /// Without any handler.
    pub fn new() -> Io {
        Io::default()
    }

    /// The handlers of a namespace, such as `"/"` or `"/custom"`, to add to.
    pub fn namespace(&mut self, name: &str) -> &mut Handlers {
        let index = match self.namespaces.iter().position(|(known, _)| known == name) {
            Some(index) => index,
            None => {
                self.namespaces.push((name.to_owned(), Handlers::default()));
                self.namespaces.len() - 1
            }
        };
        &mut self.namespaces[index].1
    }

    /// The names of all namespaces with handlers, for [`Config::namespaces`](crate::Config::namespaces).
    pub fn namespace_names(&self) -> Vec<String> {
        self.namespaces
            .iter()
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Hands an event to its handler. An event that is not Socket.IO's comes back.
    pub fn dispatch(
        &mut self,
        endpoint: &mut Endpoint,
        event: Event,
    ) -> Result<Option<Event>, Error> {
        let result = match event {
            Event::Connected {
                socket,
                namespace,
                auth,
                ..
            } => self.connected(endpoint, socket, namespace, &auth),
            Event::Message(message) => {
                let result = self.message(endpoint, &message);
                endpoint.recycle(message);
                result
            }
            Event::Acknowledged { socket, id, args } => match self.acks.remove(&(socket, id)) {
                Some(handler) => handler(&mut self.socket(endpoint, socket), &args),
                None => Ok(()),
            },
            Event::Disconnected {
                socket,
                namespace,
                reason,
            } => self.disconnected(endpoint, socket, namespace, reason),
            Event::RecoveryExpired { .. } => Ok(()),
            other => return Ok(Some(other)),
        };
        match result {
            Ok(()) | Err(Error::NoSuchSocket) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn connected(
        &mut self,
        endpoint: &mut Endpoint,
        id: SocketId,
        namespace: NamespaceId,
        auth: &Args,
    ) -> Result<(), Error> {
        let Some((handlers, acks)) = self.of(endpoint, namespace) else {
            return Ok(());
        };
        match &mut handlers.on_connect {
            Some(handler) => handler(&mut Socket { endpoint, acks, id }, auth),
            None => Ok(()),
        }
    }

    fn message(&mut self, endpoint: &mut Endpoint, message: &Message) -> Result<(), Error> {
        let Some((handlers, acks)) = self.of(endpoint, message.namespace) else {
            return Ok(());
        };
        let id = message.socket;
        if let Some(handler) = &mut handlers.on_any {
            handler(
                &mut Socket {
                    endpoint: &mut *endpoint,
                    acks: &mut *acks,
                    id,
                },
                message,
            )?;
        }
        match handlers.on.get_mut(&*message.name()) {
            Some(handler) => handler(&mut Socket { endpoint, acks, id }, message),
            None => Ok(()),
        }
    }

    fn disconnected(
        &mut self,
        endpoint: &mut Endpoint,
        id: SocketId,
        namespace: NamespaceId,
        reason: DisconnectReason,
    ) -> Result<(), Error> {
        // Whoever is gone acknowledges nothing any more.
        while let Some((key, _)) = self.acks.range((id, 0)..=(id, u64::MAX)).next() {
            let key = *key;
            self.acks.remove(&key);
        }
        let Some((handlers, _)) = self.of(endpoint, namespace) else {
            return Ok(());
        };
        match &mut handlers.on_disconnect {
            Some(handler) => handler(endpoint, id, reason),
            None => Ok(()),
        }
    }

    fn of(
        &mut self,
        endpoint: &Endpoint,
        namespace: NamespaceId,
    ) -> Option<(&mut Handlers, &mut Acks)> {
        let name = endpoint.namespace_name(namespace);
        let (_, handlers) = self
            .namespaces
            .iter_mut()
            .find(|(known, _)| Some(known.as_str()) == name)?;
        Some((handlers, &mut self.acks))
    }

    fn socket<'a>(&'a mut self, endpoint: &'a mut Endpoint, id: SocketId) -> Socket<'a> {
        Socket {
            endpoint,
            acks: &mut self.acks,
            id,
        }
    }
}

impl Handlers {
    /// When a client has joined. The arguments are one: the auth payload that it sent, or `{}`.
    pub fn on_connect(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>, &Args) -> Result<(), Error> + Send + 'static,
    ) -> &mut Self {
        self.on_connect = Some(Box::new(handler));
        self
    }

    /// When a client has left or is gone.
    pub fn on_disconnect(
        &mut self,
        handler: impl FnMut(&mut Endpoint, SocketId, DisconnectReason) -> Result<(), Error>
            + Send
            + 'static,
    ) -> &mut Self {
        self.on_disconnect = Some(Box::new(handler));
        self
    }

    /// When a client has emitted this event. An event without a handler is ignored.
    pub fn on(
        &mut self,
        event: &str,
        handler: impl FnMut(&mut Socket<'_>, &Message) -> Result<(), Error> + Send + 'static,
    ) -> &mut Self {
        self.on.insert(event.to_owned(), Box::new(handler));
        self
    }

    /// No longer when a client has emitted this event.
    pub fn off(&mut self, event: &str) -> &mut Self {
        self.on.remove(event);
        self
    }

    /// When a client has emitted any event, before that event's own handler. Acknowledgements are not seen here.
    pub fn on_any(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>, &Message) -> Result<(), Error> + Send + 'static,
    ) -> &mut Self {
        self.on_any = Some(Box::new(handler));
        self
    }
}

/// One client in one namespace, as a handler sees it.
pub struct Socket<'a> {
    endpoint: &'a mut Endpoint,
    acks: &'a mut Acks,
    id: SocketId,
}

impl Socket<'_> {
    /// Its name within this process.
    pub fn id(&self) -> SocketId {
        self.id
    }

    /// Its id as clients know it; also the name of the room that holds only this socket.
    pub fn id_text(&self) -> Option<IdText> {
        self.endpoint.socket_id(self.id)
    }

    /// The whole server, for everything else.
    pub fn endpoint(&mut self) -> &mut Endpoint {
        self.endpoint
    }

    /// Emits an event to this client.
    pub fn emit(&mut self, event: &str, args: &Args) -> Result<(), Error> {
        self.endpoint.emit_to(self.id, event, args)
    }

    /// Emits an event to this client, or drops it where it would have to wait.
    pub fn emit_volatile(&mut self, event: &str, args: &Args) -> Result<(), Error> {
        self.endpoint.emit_volatile(self.id, event, args)
    }

    /// Emits an event to this client and calls the handler with the arguments of its acknowledgement, if that comes.
    pub fn emit_with_ack(
        &mut self,
        event: &str,
        args: &Args,
        handler: impl FnOnce(&mut Socket<'_>, &Args) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let ack = self.endpoint.emit_with_ack(self.id, event, args)?;
        self.acks.insert((self.id, ack), Box::new(handler));
        Ok(())
    }

    /// Acknowledges a message; does nothing where that was not asked for.
    pub fn acknowledge(&mut self, ack: Option<AckId>, args: &Args) -> Result<(), Error> {
        match ack {
            Some(ack) => self.endpoint.acknowledge(ack, args),
            None => Ok(()),
        }
    }

    /// Joins a room.
    pub fn join(&mut self, room: &str) -> Result<(), Error> {
        self.endpoint.join(self.id, room)
    }

    /// Leaves a room.
    pub fn leave(&mut self, room: &str) -> Result<(), Error> {
        self.endpoint.leave(self.id, room)
    }

    /// Disconnects the client from this namespace; with `close`, from all of them, and closes the connection.
    pub fn disconnect(&mut self, close: bool) -> Result<(), Error> {
        self.endpoint.disconnect(self.id, close)
    }

    /// Everybody in the namespace, this client too.
    pub fn everybody(&self) -> Result<Target, Error> {
        self.endpoint.namespace_of(self.id).map(Target::namespace)
    }

    /// Everybody in the namespace but this client.
    pub fn broadcast(&self) -> Result<Target, Error> {
        Ok(self.everybody()?.except_socket(self.id))
    }

    /// Everybody in a room but this client, which need not be in it.
    pub fn to(&self, room: impl Into<String>) -> Result<Target, Error> {
        Ok(self.broadcast()?.to(room))
    }

    /// Emits an event to a target.
    pub fn emit_to(&mut self, target: &Target, event: &str, args: &Args) -> Result<(), Error> {
        self.endpoint.emit(target, event, args)
    }
}
