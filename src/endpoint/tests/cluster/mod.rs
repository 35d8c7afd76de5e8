//! Several servers, joined by an adapter that hands messages over when a test lets it.

mod alone;
mod answers;
mod events;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::*;
use crate::endpoint::AskId;
use crate::error::Error;
use crate::socket::{AckRequest, Adapter, Args, Audience, RemoteSocket};

/// Whom something concerns, once it has left its server.
struct Whom {
    namespace: String,
    rooms: Vec<String>,
    except: Vec<String>,
    is_volatile: bool,
}

impl Whom {
    fn of(audience: &Audience<'_>) -> Whom {
        assert!(audience.is_compressed);
        Whom {
            namespace: audience.namespace.to_owned(),
            rooms: audience.rooms.to_vec(),
            except: audience.except.clone(),
            is_volatile: audience.is_volatile,
        }
    }

    fn on(&self, world: &World) -> Target {
        let namespace = world
            .endpoint
            .namespace(&self.namespace)
            .expect("it is served");
        let target = Target::namespace(namespace).local();
        let target = self
            .rooms
            .iter()
            .fold(target, |target, room| target.to(room));
        let target = self
            .except
            .iter()
            .fold(target, |target, room| target.except(room));
        if self.is_volatile {
            target.volatile()
        } else {
            target
        }
    }
}

enum Wire {
    Emit(Whom, String, Args, Option<AckRequest>),
    Answer(u64, Args),
    Join(Whom, Vec<String>),
    Leave(Whom, Vec<String>),
    Disconnect(Whom, bool),
    Fetch(Whom, u64),
    ServerSide(String, String, Args, Option<u64>),
    Reply(u64, Args),
}

/// What one server sends to the others.
struct Wires {
    server: usize,
    shared: Arc<Mutex<Vec<(usize, Wire)>>>,
}

impl Wires {
    fn put(&mut self, wire: Wire) {
        self.shared.lock().unwrap().push((self.server, wire));
    }
}

fn owned(rooms: &[&str]) -> Vec<String> {
    rooms.iter().map(|room| (*room).to_owned()).collect()
}

impl Adapter for Wires {
    fn emit(&mut self, to: &Audience<'_>, event: &str, args: &Args, ask: Option<AckRequest>) {
        self.put(Wire::Emit(
            Whom::of(to),
            event.to_owned(),
            args.clone(),
            ask,
        ));
    }

    fn join(&mut self, to: &Audience<'_>, rooms: &[&str]) {
        self.put(Wire::Join(Whom::of(to), owned(rooms)));
    }

    fn leave(&mut self, to: &Audience<'_>, rooms: &[&str]) {
        self.put(Wire::Leave(Whom::of(to), owned(rooms)));
    }

    fn disconnect(&mut self, to: &Audience<'_>, close: bool) {
        self.put(Wire::Disconnect(Whom::of(to), close));
    }

    fn fetch(&mut self, to: &Audience<'_>, ask: u64) {
        self.put(Wire::Fetch(Whom::of(to), ask));
    }

    fn server_side_emit(
        &mut self,
        namespace: &str,
        event: &str,
        args: &Args,
        ask: Option<u64>,
    ) -> Result<(), Error> {
        let (namespace, event) = (namespace.to_owned(), event.to_owned());
        self.put(Wire::ServerSide(namespace, event, args.clone(), ask));
        Ok(())
    }

    fn client_answered(&mut self, relay: u64, args: &Args) {
        self.put(Wire::Answer(relay, args.clone()));
    }

    fn reply(&mut self, reply: u64, args: &Args) {
        self.put(Wire::Reply(reply, args.clone()));
    }
}

struct Cluster {
    worlds: Vec<World>,
    wires: Arc<Mutex<Vec<(usize, Wire)>>>,
    /// Servers that have hung: they hear of everything, and never say anything.
    hung: BTreeSet<usize>,
    /// Who wants replies and answers, and by which number.
    replies: Vec<(usize, u64)>,
}

impl Cluster {
    fn new(servers: usize) -> Cluster {
        let wires = Arc::default();
        let world = |server| {
            let mut world = World::new(Config {
                namespaces: vec!["/".to_owned(), "/custom".to_owned()],
                progress: None,
                ..Config::default()
            });
            let shared = Arc::clone(&wires);
            world
                .endpoint
                .set_adapter(Box::new(Wires { server, shared }));
            // Random bytes are the same on all of them, so ids have to differ by how many there were before.
            for _ in 0..server * 7 {
                world.enter("40/custom,");
            }
            world
        };
        Cluster {
            worlds: (0..servers).map(world).collect(),
            wires,
            hung: BTreeSet::new(),
            replies: Vec::new(),
        }
    }

    fn everybody(&self) -> Target {
        self.worlds[0].everybody()
    }

    fn enter(&mut self, server: usize) -> (ConnectionId, SocketId) {
        self.worlds[server].enter("40")
    }

    fn id(&self, server: usize, socket: SocketId) -> String {
        self.worlds[server]
            .endpoint
            .socket_id(socket)
            .unwrap()
            .to_string()
    }

    fn waiting_wires(&self) -> usize {
        self.wires.lock().unwrap().len()
    }

    /// Hands over all messages, and those that they bring about.
    fn deliver(&mut self) {
        loop {
            let wires = std::mem::take(&mut *self.wires.lock().unwrap());
            if wires.is_empty() {
                break;
            }
            for (from, wire) in wires {
                self.carry(from, wire);
            }
            self.turn();
        }
    }

    fn pass_ms(&mut self, ms: u64) {
        self.worlds.iter_mut().for_each(|world| world.pass_ms(ms));
        self.turn();
    }

    /// A turn of every server.
    fn turn(&mut self) {
        self.worlds.iter_mut().for_each(World::turn);
    }

    fn carry(&mut self, from: usize, wire: Wire) {
        if let Wire::Reply(number, args) | Wire::Answer(number, args) = wire {
            let (origin, ask) = self.replies[number as usize];
            let ask = AskId::from_number(ask);
            self.worlds[origin]
                .endpoint
                .cluster()
                .receive_ack(ask, args);
            return;
        }
        let others: Vec<usize> = (0..self.worlds.len())
            .filter(|server| *server != from)
            .collect();
        let mut expected = 0;
        for server in others {
            let is_hung = self.hung.contains(&server);
            expected += match &wire {
                Wire::Emit(whom, ..) if is_hung => {
                    let target = whom.on(&self.worlds[server]);
                    self.worlds[server].endpoint.fetch_sockets(&target).len() as u64
                }
                _ if is_hung => 1,
                wire => self.receive(from, server, wire),
            };
        }
        if let Wire::Emit(_, _, _, Some(AckRequest { ask, .. }))
        | Wire::Fetch(_, ask)
        | Wire::ServerSide(_, _, _, Some(ask)) = wire
        {
            let ask = AskId::from_number(ask);
            self.worlds[from]
                .endpoint
                .cluster()
                .expect_acks(ask, expected);
        }
    }

    /// What a server does with a message, and how many answers it will give.
    fn receive(&mut self, from: usize, server: usize, wire: &Wire) -> u64 {
        let world = &mut self.worlds[server];
        match wire {
            Wire::Emit(whom, event, args, Some(AckRequest { ask, timeout_ms })) => {
                let target = whom.on(world);
                self.replies.push((from, *ask));
                let relay = self.replies.len() as u64 - 1;
                let endpoint = &mut world.endpoint;
                let asked =
                    endpoint
                        .cluster()
                        .relay_with_ack(&target, event, args, *timeout_ms, relay);
                return asked.unwrap() as u64;
            }
            Wire::Emit(whom, event, args, None) => {
                let target = whom.on(world);
                world.endpoint.emit(&target, event, args).unwrap();
            }
            Wire::Join(whom, rooms) => {
                let (target, rooms) = (whom.on(world), rooms.iter().map(String::as_str));
                let rooms: Vec<&str> = rooms.collect();
                world.endpoint.sockets_join(&target, &rooms).unwrap();
            }
            Wire::Leave(whom, rooms) => {
                let (target, rooms) = (whom.on(world), rooms.iter().map(String::as_str));
                let rooms: Vec<&str> = rooms.collect();
                world.endpoint.sockets_leave(&target, &rooms);
            }
            Wire::Disconnect(whom, close) => {
                let target = whom.on(world);
                world.endpoint.disconnect_sockets(&target, *close);
            }
            Wire::Fetch(whom, ask) => {
                let target = whom.on(world);
                let sockets = world.endpoint.fetch_sockets(&target).into_iter();
                let sockets =
                    sockets.filter_map(|socket| world.endpoint.cluster().remote_socket(socket));
                let sockets = sockets.collect();
                let ask = AskId::from_number(*ask);
                self.worlds[from]
                    .endpoint
                    .cluster()
                    .receive_sockets(ask, sockets);
            }
            Wire::ServerSide(namespace, event, args, ask) => {
                let namespace = world.endpoint.namespace(namespace).unwrap();
                let reply = ask.map(|ask| {
                    self.replies.push((from, ask));
                    self.replies.len() as u64 - 1
                });
                world
                    .endpoint
                    .cluster()
                    .receive_server_side(namespace, event, args, reply);
            }
            Wire::Reply(..) | Wire::Answer(..) => unreachable!("these go to one server alone"),
        }
        1
    }

    /// The events of one server since they were last taken.
    fn events(&mut self, server: usize) -> Vec<Event> {
        self.worlds[server].take_events()
    }
}

fn args(text: &str) -> Args {
    Args::one(text).unwrap()
}
