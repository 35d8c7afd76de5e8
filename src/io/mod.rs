//! Handlers registered by event name, in the words of the Socket.IO documentation.
//!
//! The core yields events and takes verbs; people who know Socket.IO think in `on("event", handler)`. This layer is
//! nothing but the table between the two, with a state that handlers share, outside of the core and built on its public
//! interface; only what clients have to come in by ([`Door`]) is shared with the core.

mod answer;
mod context;
mod decisions;
mod dispatch;
mod door;
mod hooks;
mod namespace;
mod operators;
mod pattern;
mod progress;
mod questions;
mod routes;
mod socket;
mod subject;
mod timers;

pub use answer::{Failure, IntoAnswer, Reply};
pub use context::Context;
pub use decisions::{Connecting, Next, Opening, Refusal, Ticket};
pub use hooks::ConnectionError;
pub use namespace::Namespace;
pub(crate) use operators::DEFAULT_TIMEOUT;
pub use operators::{BroadcastOperator, SocketOperator};
pub use progress::ProgressRules;
pub use questions::Responses;
pub use routes::HttpRequest;
pub use socket::Socket;
pub use timers::IoTimer;

use std::collections::BTreeMap;

use self::hooks::Hooks;
use self::pattern::Pattern;
use self::questions::Questions;
use self::routes::Routes;
use self::timers::Repeated;
use crate::{Args, Config, Door, Endpoint, NamespaceId, Target};

/// Handlers of any number of namespaces, and the state that they share: each of them gets it as its first argument, to change.
///
/// Handlers run on the server's thread, one at a time, so that the state needs no lock. Long work belongs to another thread, which
/// answers by a [`Reply`], or through a [`Handle`](crate::Handle). A mistake of a handler comes back from [`Io::dispatch`]; a
/// client that has gone meanwhile is none. A handler's panic harms its own client alone, see there; where panics abort
/// (`panic = "abort"`) it ends the process.
///
/// ```
/// use pulsewheel::{Config, Io, Server};
///
/// struct App {
///     sum: i64,
/// }
///
/// let mut io = Io::with_state(App { sum: 0 });
/// // The arguments by their types; what is returned is the acknowledgement.
/// io.of("/").on("add", |app, socket, (a, b): (i64, i64)| -> Result<i64, pulsewheel::Error> {
///     app.sum += a + b;
///     socket.others().emit("sum", app.sum)?;
///     Ok(app.sum)
/// });
/// let mut server = Server::bind_io(io, Config::default(), "127.0.0.1:0")?;
/// # server.handle().shut_down()?;
/// server.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Server")]
pub struct Io<S: 'static = ()> {
    state: S,
    served: Vec<Served<S>>,
    /// What clients have to come in by; the endpoint knows it too.
    door: Door,
    turned_away: u64,
    panics: u64,
    /// Which of them serves a namespace.
    by_namespace: BTreeMap<NamespaceId, usize>,
    /// Those that may have to take over a namespace that is there.
    new_names: Vec<usize>,
    pub(crate) questions: Questions<S>,
    repeated: Repeated<S>,
    routes: Routes<S>,
    progress: ProgressRules<S>,
    hooks: Hooks<S>,
}

struct Served<S: 'static> {
    pattern: Pattern<S>,
    handlers: Namespace<S>,
}

impl Io {
    /// Without any handler, and without a state to share.
    pub fn new() -> Io {
        Io::default()
    }
}

impl<S: Default + 'static> Default for Io<S> {
    fn default() -> Self {
        Io::with_state(S::default())
    }
}

impl<S: 'static> Io<S> {
    /// Without any handler. Each gets this state as its first argument.
    pub fn with_state(state: S) -> Self {
        let door = Door::default();
        Io {
            state,
            served: Vec::new(),
            progress: ProgressRules::new(door.clone()),
            door,
            turned_away: 0,
            panics: 0,
            by_namespace: BTreeMap::new(),
            new_names: Vec::new(),
            questions: Questions::default(),
            repeated: Repeated::default(),
            routes: Routes::default(),
            hooks: Hooks::default(),
        }
    }

    /// The state that handlers share.
    pub fn state(&mut self) -> &mut S {
        &mut self.state
    }

    /// The server as handlers see it, for a host that drives the endpoint itself: to emit, to ask, and so on.
    pub fn context<'a>(&'a mut self, endpoint: &'a mut Endpoint) -> Context<'a, S> {
        Context {
            endpoint,
            questions: &mut self.questions,
        }
    }

    /// The handlers of a namespace, such as `"/"` or `"/custom"`, to add to; a slash that is left out is added. They come
    /// instead of those of a pattern that the name is like, middlewares included.
    pub fn of(&mut self, name: &str) -> &mut Namespace<S> {
        self.serve(Pattern::of_name(name))
    }

    /// The handlers of all namespaces whose names are like this, where `*` stands for any characters: `"/workspace-*"`. Each is
    /// made when the first client asks for it.
    pub fn of_pattern(&mut self, pattern: &str) -> &mut Namespace<S> {
        self.serve(Pattern::like(pattern))
    }

    /// The handlers of all namespaces that a decision, given the name and the auth payload, lets clients join. The label
    /// names them in [`Io::children`]; with one that is known already the decision is replaced. It may be asked several times
    /// about one client, where a middleware takes its time.
    pub fn of_dynamic(
        &mut self,
        label: &str,
        decide: impl FnMut(&mut S, &str, &Args) -> bool + Send + 'static,
    ) -> &mut Namespace<S> {
        self.door.demand(|demands| demands.rules += 1);
        self.serve(Pattern::Decision(label.to_owned(), Box::new(decide)))
    }

    /// The settings with all that these handlers need beside what is there: namespaces, and which decisions and news the host
    /// wants. Clients can join `/` also where nothing is registered for it, unless [`Config::namespaces`] leaves it out.
    ///
    /// What is registered later counts too, from the endpoint's next turn on, as the settings name this `Io`
    /// ([`Config::door`]). Settings that name another one already are left to that one: one server has one `Io`.
    pub fn configure(&self, mut config: Config) -> Config {
        let demands = self.door.demands();
        for name in demands.names {
            if !config.namespaces.contains(&name) {
                config.namespaces.push(name);
            }
        }
        Config {
            connect_requests: config.connect_requests || demands.connect_requests,
            progress_commands: config.progress_commands || demands.progress_commands,
            emitted_events: config.emitted_events || demands.emitted_events,
            allow_request: config.allow_request || demands.allow_request,
            connection_errors: config.connection_errors || demands.connection_errors,
            room_events: config.room_events || demands.room_events,
            limit_events: config.limit_events || demands.limit_events,
            door: config.door.or_else(|| Some(self.door.clone())),
            ..config
        }
    }

    /// How many handlers have panicked: see [`Error::Panicked`](crate::Error::Panicked).
    pub fn panics(&self) -> u64 {
        self.panics
    }

    /// Whether these settings are this `Io`'s, or nobody's yet.
    pub(crate) fn is_of(&self, config: &Config) -> bool {
        config.door.as_ref().is_none_or(|door| door.is(&self.door))
    }

    /// How many clients have been disconnected or refused because a middleware or `allow_request` of theirs had not been asked:
    /// see [`Error::NotAsked`](crate::Error::NotAsked) and [`Error::OtherIo`](crate::Error::OtherIo). Each is a mistake in how
    /// the host has wired this `Io`, which [`Server::bind_io`](crate::Server::bind_io) makes impossible.
    pub fn turned_away(&self) -> u64 {
        self.turned_away
    }

    /// Everybody in each of the namespaces that a pattern or a decision's label has brought about: to emit to all of them.
    pub fn children(&self, endpoint: &Endpoint, pattern_or_label: &str) -> Vec<Target> {
        let is_it = |served: &Served<S>| served.pattern.is_called(pattern_or_label);
        let index = self.served.iter().position(is_it);
        let namespaces = endpoint.namespaces();
        namespaces
            .filter(|(id, _)| index.is_some() && self.by_namespace.get(id).copied() == index)
            .map(|(id, _)| Target::namespace(id))
            .collect()
    }

    /// Handlers of a name come instead of those by which its namespace may have been made before.
    pub(super) fn settle_new_names(&mut self, endpoint: &Endpoint) {
        for index in std::mem::take(&mut self.new_names) {
            let name = self.served[index].pattern.name();
            let namespace = name.and_then(|name| endpoint.namespace(name).ok());
            if let Some(namespace) = namespace {
                self.by_namespace.insert(namespace, index);
            }
        }
    }

    fn serve(&mut self, pattern: Pattern<S>) -> &mut Namespace<S> {
        let known = |served: &Served<S>| served.pattern.is_same(&pattern);
        let index = match self.served.iter().position(known) {
            Some(index) => {
                self.served[index].pattern = pattern;
                index
            }
            None => {
                self.door.demand(|demands| match pattern.name() {
                    Some(name) => demands.names.push(name.to_owned()),
                    None => demands.connect_requests = true,
                });
                self.new_names.push(self.served.len());
                self.served.push(Served {
                    pattern,
                    handlers: Namespace::new(self.door.clone()),
                });
                self.served.len() - 1
            }
        };
        &mut self.served[index].handlers
    }
}
