//! Reaching clients from other threads, in the words of the Socket.IO documentation.

use std::time::Duration;

use super::pending::pending;
use super::{Handle, HandleError, Pending};
use crate::error::{unserializable, AckError};
use crate::io::DEFAULT_TIMEOUT;
use crate::now::millis;
use crate::{
    Args, Endpoint, Error, FromArgs, IdText, IntoArgs, IntoRooms, RemoteSocket, Responses,
    SocketId, Target,
};

/// What a verb of the loop has come to.
type Outcome = Result<Pending<Result<(), Error>>, HandleError>;

/// Clients of one namespace, reached from another thread: [`Handle::of`].
///
/// ```
/// use pulsewheel::{Config, Server};
///
/// let mut server = Server::bind(Config::default(), "127.0.0.1:0")?;
/// let handle = server.handle();
/// let thread = std::thread::spawn(move || server.run(|_, _| {}));
/// handle.of("/").to(["ops", "sre"]).except("muted").emit("alert", ("disk", 97))?;
/// handle.shut_down()?;
/// # thread.join().expect("the server does not panic")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `emit` or another verb"]
pub struct BroadcastHandle {
    handle: Handle,
    namespace: String,
    rooms: Vec<String>,
    except: Vec<String>,
    is_volatile: bool,
    is_local: bool,
    is_compressed: bool,
    timeout: Duration,
}

/// One client, reached from another thread: [`Handle::socket`].
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `emit` or another verb"]
pub struct SocketHandle {
    handle: Handle,
    socket: SocketRef,
    is_volatile: bool,
    timeout: Option<Duration>,
}

/// Names a socket: by its key, or by its id as its client knows it.
#[derive(Clone, Debug)]
pub struct SocketRef(Named);

#[derive(Clone, Debug)]
enum Named {
    Key(SocketId),
    Id(String),
}

impl Handle {
    /// Everybody in a namespace, such as `"/"`; less with [`BroadcastHandle::to`].
    pub fn of(&self, namespace: &str) -> BroadcastHandle {
        BroadcastHandle {
            handle: self.clone(),
            namespace: namespace.to_owned(),
            rooms: Vec::new(),
            except: Vec::new(),
            is_volatile: false,
            is_local: false,
            is_compressed: true,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// One client, by its key ([`SocketId`]) or by its id as the client knows it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pulsewheel::{AckError, Handle, HandleError, SocketId};
    ///
    /// fn is_sure(handle: &Handle, id: SocketId) -> Result<bool, HandleError> {
    ///     let socket = handle.socket(id).timeout(Duration::from_secs(5));
    ///     match socket.ask::<bool>("sure?", ())?.wait()? {
    ///         Ok(is_sure) => Ok(is_sure),
    ///         // Nobody there, no answer in time, or no boolean.
    ///         Err(AckError::Disconnected | AckError::TimedOut) => Ok(false),
    ///         Err(_) => Ok(false),
    ///     }
    /// }
    /// ```
    pub fn socket(&self, socket: impl Into<SocketRef>) -> SocketHandle {
        SocketHandle {
            handle: self.clone(),
            socket: socket.into(),
            is_volatile: false,
            timeout: None,
        }
    }
}

impl BroadcastHandle {
    /// Only who is in one of these rooms, or in those named before.
    pub fn to(mut self, rooms: impl IntoRooms) -> Self {
        self.rooms.extend(rooms.into_rooms());
        self
    }

    /// Another word for [`BroadcastHandle::to`].
    #[doc(alias = "in")]
    pub fn in_room(self, rooms: impl IntoRooms) -> Self {
        self.to(rooms)
    }

    /// But nobody who is in one of these rooms. A socket's id is the name of its own room.
    pub fn except(mut self, rooms: impl IntoRooms) -> Self {
        self.except.extend(rooms.into_rooms());
        self
    }

    /// Only who can take it at once.
    pub fn volatile(mut self) -> Self {
        self.is_volatile = true;
        self
    }

    /// Only clients of this server, not those of others in a cluster.
    pub fn local(mut self) -> Self {
        self.is_local = true;
        self
    }

    /// Whether answers to polls may be compressed for it. Default true.
    pub fn compress(mut self, compress: bool) -> Self {
        self.is_compressed = compress;
        self
    }

    /// For how long [`BroadcastHandle::ask`] and [`BroadcastHandle::fetch_sockets`] wait. Default 20 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Emits an event, with what [`IntoArgs`] makes of the value as its arguments.
    pub fn emit(&self, event: &str, args: impl IntoArgs) -> Outcome {
        let (event, args) = (event.to_owned(), args.into_args());
        self.on_loop(move |endpoint, target| {
            let args = args.map_err(unserializable)?;
            endpoint.emit(&target, &event, &args)
        })
    }

    /// Emits an event and gathers what clients acknowledge in time.
    pub fn ask(
        &self,
        event: &str,
        args: impl IntoArgs,
    ) -> Result<Pending<Result<Responses, Error>>, HandleError> {
        let (event, args) = (event.to_owned(), args.into_args());
        let timeout_ms = millis(self.timeout);
        let (answer_to, answer) = pending(self.handle.queue());
        let this = self.clone();
        self.handle.call(move |endpoint| {
            let asked = args.map_err(unserializable);
            let asked = asked.and_then(|args| Ok((args, this.target(endpoint)?)));
            let (args, target) = match asked {
                Ok(asked) => asked,
                Err(error) => return answer_to.give(Ok(Err(error))),
            };
            let replies = Box::new(|answer: Result<_, Error>| {
                let responses = answer.map(|(answers, is_complete)| Responses {
                    answers,
                    is_complete,
                });
                answer_to.give(Ok(responses));
            });
            endpoint.broadcast_with_replies(&target, &event, &args, timeout_ms, replies);
        })?;
        Ok(answer)
    }

    /// The sockets, those of other servers of the cluster too.
    #[doc(alias = "fetchSockets")]
    pub fn fetch_sockets(&self) -> Result<Pending<Result<Vec<RemoteSocket>, Error>>, HandleError> {
        let (answer_to, answer) = pending(self.handle.queue());
        let (this, timeout_ms) = (self.clone(), millis(self.timeout));
        self.handle
            .call(move |endpoint| match this.target(endpoint) {
                Err(error) => answer_to.give(Ok(Err(error))),
                Ok(target) => {
                    let found = Box::new(|sockets| answer_to.give(Ok(Ok(sockets))));
                    endpoint.fetch_with_reply(&target, timeout_ms, found);
                }
            })?;
        Ok(answer)
    }

    /// Puts them into rooms.
    #[doc(alias = "socketsJoin")]
    pub fn join(&self, rooms: impl IntoRooms) -> Outcome {
        let rooms = rooms.into_rooms();
        self.on_loop(move |endpoint, target| endpoint.sockets_join(&target, &texts(&rooms)))
    }

    /// Takes them out of rooms.
    #[doc(alias = "socketsLeave")]
    pub fn leave(&self, rooms: impl IntoRooms) -> Outcome {
        let rooms = rooms.into_rooms();
        self.on_loop(move |endpoint, target| {
            endpoint.sockets_leave(&target, &texts(&rooms));
            Ok(())
        })
    }

    /// Disconnects them from the namespace; with `close`, their connections too.
    #[doc(alias = "disconnectSockets")]
    pub fn disconnect(&self, close: bool) -> Outcome {
        self.on_loop(move |endpoint, target| {
            endpoint.disconnect_sockets(&target, close);
            Ok(())
        })
    }

    fn on_loop(
        &self,
        act: impl FnOnce(&mut Endpoint, Target) -> Result<(), Error> + Send + 'static,
    ) -> Outcome {
        let this = self.clone();
        self.handle.call(move |endpoint| {
            let target = this.target(endpoint)?;
            act(endpoint, target)
        })
    }

    fn target(&self, endpoint: &Endpoint) -> Result<Target, Error> {
        let everybody = Target::namespace(endpoint.namespace(&self.namespace)?);
        let target = self.rooms.iter().fold(everybody, Target::to);
        let target = self.except.iter().fold(target, Target::except);
        let target = match self.is_volatile {
            true => target.volatile(),
            false => target,
        };
        let target = match self.is_local {
            true => target.local(),
            false => target,
        };
        Ok(target.compress(self.is_compressed))
    }
}

impl SocketHandle {
    /// Unless it would have to wait.
    pub fn volatile(mut self) -> Self {
        self.is_volatile = true;
        self
    }

    /// For how long [`SocketHandle::ask`] waits. Default: for as long as the client is there.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Emits an event, with what [`IntoArgs`] makes of the value as its arguments.
    pub fn emit(&self, event: &str, args: impl IntoArgs) -> Outcome {
        let (event, args, is_volatile) = (event.to_owned(), args.into_args(), self.is_volatile);
        self.on_loop(move |endpoint, socket| {
            let args = args.map_err(unserializable)?;
            match is_volatile {
                true => endpoint.emit_volatile(socket, &event, &args),
                false => endpoint.emit_to(socket, &event, &args),
            }
        })
    }

    /// Emits an event and waits for its acknowledgement, read as [`FromArgs`] does. There is an answer in any case, if only
    /// [`AckError::Disconnected`] when the client goes; whatever handles the server's events, it is never lost.
    pub fn ask<T: FromArgs + Send + 'static>(
        &self,
        event: &str,
        args: impl IntoArgs,
    ) -> Result<Pending<Result<T, AckError>>, HandleError> {
        let (event, args) = (event.to_owned(), args.into_args());
        let (socket, timeout_ms) = (self.socket.clone(), self.timeout.map(millis));
        let (answer_to, answer) = pending(self.handle.queue());
        self.handle.call(move |endpoint| {
            let args = match args.map_err(unserializable) {
                Ok(args) => args,
                Err(error) => return answer_to.give(Ok(Err(AckError::Refused(error)))),
            };
            let Ok(socket) = socket.find(endpoint) else {
                return answer_to.give(Ok(Err(AckError::Disconnected)));
            };
            let reply = Box::new(|answer: Result<Args, AckError>| {
                let read = |args: Args| {
                    T::from_args(&args).map_err(|error| AckError::Mismatch(error.to_string()))
                };
                answer_to.give(Ok(answer.and_then(read)));
            });
            endpoint.emit_with_reply(socket, &event, &args, timeout_ms, reply);
        })?;
        Ok(answer)
    }

    /// Puts it into rooms.
    pub fn join(&self, rooms: impl IntoRooms) -> Outcome {
        let rooms = rooms.into_rooms();
        self.on_loop(move |endpoint, socket| {
            let mut rooms = rooms.iter();
            rooms.try_for_each(|room| endpoint.join(socket, room))
        })
    }

    /// Takes it out of rooms.
    pub fn leave(&self, rooms: impl IntoRooms) -> Outcome {
        let rooms = rooms.into_rooms();
        self.on_loop(move |endpoint, socket| {
            let mut rooms = rooms.iter();
            rooms.try_for_each(|room| endpoint.leave(socket, room))
        })
    }

    /// Disconnects it from its namespace; with `close`, its connection too.
    pub fn disconnect(&self, close: bool) -> Outcome {
        self.on_loop(move |endpoint, socket| endpoint.disconnect(socket, close))
    }

    fn on_loop(
        &self,
        act: impl FnOnce(&mut Endpoint, SocketId) -> Result<(), Error> + Send + 'static,
    ) -> Outcome {
        let socket = self.socket.clone();
        self.handle.call(move |endpoint| {
            let socket = socket.find(endpoint)?;
            act(endpoint, socket)
        })
    }
}

impl SocketRef {
    fn find(&self, endpoint: &Endpoint) -> Result<SocketId, Error> {
        match &self.0 {
            Named::Key(socket) => Ok(*socket),
            Named::Id(id) => endpoint.find_socket(id).ok_or(Error::NoSuchSocket),
        }
    }
}

impl From<SocketId> for SocketRef {
    fn from(socket: SocketId) -> Self {
        SocketRef(Named::Key(socket))
    }
}

impl From<&str> for SocketRef {
    fn from(id: &str) -> Self {
        SocketRef(Named::Id(id.to_owned()))
    }
}

impl From<String> for SocketRef {
    fn from(id: String) -> Self {
        SocketRef(Named::Id(id))
    }
}

impl From<IdText> for SocketRef {
    fn from(id: IdText) -> Self {
        id.as_str().into()
    }
}

fn texts(rooms: &[String]) -> Vec<&str> {
    rooms.iter().map(String::as_str).collect()
}
