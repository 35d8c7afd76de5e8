//! Several servers, joined by an adapter that hands messages over when a test lets it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::*;
use crate::endpoint::AskId;
use crate::error::Error;
use crate::socket::{Adapter, Args, Audience, RemoteSocket};

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
    Emit(Whom, String, Args, Option<u64>),
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
    fn emit(&mut self, to: &Audience<'_>, event: &str, args: &Args, ask: Option<u64>) {
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

    fn reply(&mut self, reply: u64, args: &Args) {
        self.put(Wire::Reply(reply, args.clone()));
    }
}

struct Cluster {
    worlds: Vec<World>,
    wires: Arc<Mutex<Vec<(usize, Wire)>>>,
    /// Servers that have hung: they hear of everything, and never say anything.
    hung: BTreeSet<usize>,
    /// For a question that a server has put to its own clients: who wants the answers, and by which number.
    relayed: BTreeMap<(usize, AskId), (usize, u64)>,
    /// Who wants replies, and by which number.
    replies: Vec<(usize, u64)>,
}

/// How long servers wait for their own clients on behalf of others.
const RELAY_MS: u64 = 400;

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
            relayed: BTreeMap::new(),
            replies: Vec::new(),
        }
    }

    fn everybody(&self) -> Target {
        self.worlds[0].everybody()
    }

    fn enter(&mut self, server: usize) -> (Key, SocketId) {
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

    /// A turn of every server; what their own clients have answered goes to those who wanted to know.
    fn turn(&mut self) {
        for server in 0..self.worlds.len() {
            self.worlds[server].turn();
            for event in self.worlds[server].take_events() {
                match event {
                    Event::Answered { ask, answers, .. }
                        if self.relayed.contains_key(&(server, ask)) =>
                    {
                        let (origin, number) = self.relayed[&(server, ask)];
                        for answer in answers {
                            let ask = AskId::from_number(number);
                            self.worlds[origin].endpoint.ask_answered(ask, answer);
                        }
                    }
                    event => self.worlds[server].events.push(event),
                }
            }
        }
        for world in &mut self.worlds {
            world.turn();
        }
    }

    fn carry(&mut self, from: usize, wire: Wire) {
        if let Wire::Reply(number, args) = wire {
            let (origin, ask) = self.replies[number as usize];
            let ask = AskId::from_number(ask);
            self.worlds[origin].endpoint.ask_answered(ask, args);
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
        if let Wire::Emit(_, _, _, Some(ask))
        | Wire::Fetch(_, ask)
        | Wire::ServerSide(_, _, _, Some(ask)) = wire
        {
            let ask = AskId::from_number(ask);
            self.worlds[from].endpoint.ask_expects(ask, expected);
        }
    }

    /// What a server does with a message, and how many answers it will give.
    fn receive(&mut self, from: usize, server: usize, wire: &Wire) -> u64 {
        let world = &mut self.worlds[server];
        match wire {
            Wire::Emit(whom, event, args, Some(ask)) => {
                let target = whom.on(world);
                let answers = world.endpoint.fetch_sockets(&target).len();
                let relayed = world
                    .endpoint
                    .broadcast_with_ack(&target, event, args, RELAY_MS);
                self.relayed
                    .insert((server, relayed.unwrap()), (from, *ask));
                return answers as u64;
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
                let sockets = sockets.filter_map(|socket| world.endpoint.remote_socket(socket));
                let sockets = sockets.collect();
                let ask = AskId::from_number(*ask);
                self.worlds[from].endpoint.ask_fetched(ask, sockets);
            }
            Wire::ServerSide(namespace, event, args, ask) => {
                let namespace = world.endpoint.namespace(namespace).unwrap();
                let reply = ask.map(|ask| {
                    self.replies.push((from, ask));
                    self.replies.len() as u64 - 1
                });
                world
                    .endpoint
                    .receive_server_side(namespace, event, args, reply);
            }
            Wire::Reply(..) => unreachable!("replies go to one server alone"),
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

#[test]
fn events_reach_the_clients_of_all_servers() {
    let mut cluster = Cluster::new(3);
    let clients = [0, 1, 2].map(|server| (server, cluster.enter(server)));
    let excepted = clients[0].1 .1;
    let foreign = cluster.id(2, clients[2].1 .1);
    let everybody = cluster.everybody();
    for (target, text) in [
        (everybody.clone(), "all"),
        (everybody.clone().except_socket(excepted), "others"),
        (everybody.clone().except(foreign.as_str()), "except"),
        (everybody.clone().to(foreign.as_str()), "to"),
        (everybody.clone().local(), "local"),
        (everybody.clone().to("empty"), "nobody"),
    ] {
        cluster.worlds[0]
            .endpoint
            .emit(&target, "e", &args(text))
            .unwrap();
    }
    cluster.deliver();
    let mut frames = clients.map(|(server, (key, _))| {
        let frames = cluster.worlds[server].frames(key).into_iter();
        frames
            .map(|frame| frame[8..frame.len() - 2].to_owned())
            .collect::<Vec<_>>()
    });
    frames[2].sort_unstable();
    assert_eq!(frames[0], ["all", "except", "local"]);
    assert_eq!(frames[1], ["all", "others", "except"]);
    assert_eq!(frames[2], ["all", "others", "to"]);
}

#[test]
fn volatile_events_are_volatile_on_other_servers_too() {
    let mut cluster = Cluster::new(2);
    let (key, _) = cluster.enter(1);
    let everybody = cluster.everybody().volatile();
    for text in ["first", "second"] {
        cluster.worlds[0]
            .endpoint
            .emit(&everybody, "e", &args(text))
            .unwrap();
    }
    cluster.deliver();
    assert_eq!(cluster.worlds[1].frames(key), [r#"42["e","first"]"#]);
}

#[test]
fn what_concerns_one_client_of_this_server_stays_here() {
    let mut cluster = Cluster::new(2);
    let (_, socket) = cluster.enter(0);
    let endpoint = &mut cluster.worlds[0].endpoint;
    endpoint.emit_to(socket, "e", &args("x")).unwrap();
    endpoint.emit_volatile(socket, "e", &args("x")).unwrap();
    endpoint.emit_with_ack(socket, "e", &args("x")).unwrap();
    endpoint.join(socket, "room").unwrap();
    endpoint.disconnect(socket, true).unwrap();
    assert_eq!(cluster.waiting_wires(), 0);
}

#[test]
fn joining_leaving_and_disconnecting_reach_the_sockets_of_all_servers() {
    let mut cluster = Cluster::new(2);
    let (_, here) = cluster.enter(0);
    let (key, there) = cluster.enter(1);
    let everybody = cluster.everybody();
    cluster.worlds[0]
        .endpoint
        .sockets_join(&everybody, &["a", "b"])
        .unwrap();
    cluster.deliver();
    cluster.worlds[0].endpoint.sockets_leave(&everybody, &["a"]);
    cluster.deliver();
    for (server, socket) in [(0, here), (1, there)] {
        let rooms: Vec<&str> = cluster.worlds[server].endpoint.rooms(socket).collect();
        assert_eq!(rooms, ["b"]);
    }
    let others = everybody.to("b").except_socket(here);
    cluster.worlds[0].endpoint.disconnect_sockets(&others, true);
    cluster.deliver();
    assert_eq!(cluster.worlds[1].frames(key), ["41", "close"]);
    assert!(cluster.worlds[0].endpoint.socket_id(here).is_some());
}

#[test]
fn the_sockets_of_all_servers_are_fetched() {
    let mut cluster = Cluster::new(3);
    cluster.enter(0);
    let (_, there) = cluster.enter(1);
    let endpoint = &mut cluster.worlds[1].endpoint;
    endpoint.join(there, "room").unwrap();
    endpoint
        .set_data(there, serde_json::json!({"name": "Ada"}))
        .unwrap();
    let id = cluster.id(1, there);
    let everybody = cluster.everybody();
    let ask = cluster.worlds[0].endpoint.fetch_cluster(&everybody, 500);
    assert!(cluster.events(0).is_empty());
    cluster.deliver();
    let events = cluster.events(0);
    let [Event::Fetched {
        ask: fetched,
        sockets,
        is_complete: true,
    }] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((*fetched, sockets.len()), (ask, 2));
    let wanted = RemoteSocket {
        id,
        address: "127.0.0.1:5000".to_owned(),
        query: "EIO=4&transport=websocket".to_owned(),
        auth: "{}".to_owned(),
        rooms: vec!["room".to_owned()],
        data: r#"{"name":"Ada"}"#.to_owned(),
    };
    assert_eq!(sockets[1], wanted);
    let local = everybody.local();
    cluster.worlds[0].endpoint.fetch_cluster(&local, 500);
    cluster.worlds[0].turn();
    assert_eq!(cluster.waiting_wires(), 0);
    assert!(matches!(
        &cluster.events(0)[..],
        [Event::Fetched { sockets, is_complete: true, .. }] if sockets.len() == 1
    ));
}

#[test]
fn a_server_that_says_nothing_delays_an_answer_but_does_not_prevent_it() {
    let mut cluster = Cluster::new(3);
    cluster.hung.insert(2);
    cluster.enter(0);
    cluster.enter(1);
    let everybody = cluster.everybody();
    let timers = cluster.worlds[0].endpoint.counts().timers;
    let ask = cluster.worlds[0].endpoint.fetch_cluster(&everybody, 500);
    cluster.deliver();
    cluster.pass_ms(499);
    assert!(cluster.events(0).is_empty());
    cluster.pass_ms(1);
    assert!(matches!(
        &cluster.events(0)[..],
        [Event::Fetched { sockets, is_complete: false, .. }] if sockets.len() == 2
    ));
    let endpoint = &mut cluster.worlds[0].endpoint;
    endpoint.ask_fetched(ask, vec![RemoteSocket::default()]);
    endpoint.ask_answered(ask, args("late"));
    endpoint.ask_expects(ask, 1);
    cluster.turn();
    assert!(
        cluster.events(0).is_empty(),
        "a closed question ignores late answers"
    );
    assert_eq!(cluster.worlds[0].endpoint.counts().timers, timers);
}

#[test]
fn clients_of_all_servers_acknowledge() {
    let mut cluster = Cluster::new(3);
    let clients = [0, 1, 2].map(|server| (server, cluster.enter(server).0));
    let everybody = cluster.everybody();
    let ask = cluster.worlds[0]
        .endpoint
        .broadcast_with_ack(&everybody, "q", &args("x"), 500);
    let ask = ask.unwrap();
    cluster.deliver();
    for (server, key) in clients {
        assert!(cluster.events(0).is_empty());
        let frame = cluster.worlds[server].frames(key).concat();
        let number: String = frame[2..]
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        cluster.worlds[server].send(key, &format!("43{number}[{server}]"));
        cluster.turn();
    }
    let events = cluster.events(0);
    let [Event::Answered {
        ask: answered,
        answers,
        is_complete: true,
    }] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(*answered, ask);
    let answers: Vec<&str> = answers.iter().filter_map(|answer| answer.raw(0)).collect();
    assert_eq!(answers, ["0", "1", "2"]);
}

#[test]
fn acknowledgements_of_other_servers_may_be_missing() {
    let mut cluster = Cluster::new(3);
    let (_, there) = (cluster.enter(0), cluster.enter(1).0);
    cluster.enter(1);
    cluster.hung.insert(2);
    cluster.enter(2);
    let everybody = cluster.everybody();
    let timers = cluster.worlds[0].endpoint.counts().timers;
    let asked = cluster.worlds[0]
        .endpoint
        .broadcast_with_ack(&everybody, "q", &args("x"), 500);
    asked.unwrap();
    cluster.deliver();
    cluster.worlds[1].send(there, "430[\"yes\"]");
    cluster.pass_ms(499);
    assert!(cluster.events(0).is_empty());
    cluster.pass_ms(1);
    assert!(matches!(
        &cluster.events(0)[..],
        [Event::Answered { answers, is_complete: false, .. }]
            if answers.len() == 1 && answers[0].raw(0) == Some("\"yes\"")
    ));
    assert_eq!(cluster.worlds[0].endpoint.counts().timers, timers);
}

#[test]
fn answers_may_come_before_it_is_known_how_many_there_will_be() {
    let mut cluster = Cluster::new(2);
    let everybody = cluster.everybody();
    let endpoint = &mut cluster.worlds[0].endpoint;
    let ask = endpoint
        .broadcast_with_ack(&everybody, "q", &args("x"), 500)
        .unwrap();
    for text in ["one", "two", "three"] {
        endpoint.ask_answered(ask, args(text));
    }
    assert!(endpoint.poll_event().is_none());
    endpoint.ask_expects(ask, 2);
    assert!(matches!(
        endpoint.poll_event(),
        Some(Event::Answered { answers, is_complete: true, .. }) if answers.len() == 3
    ));
}

#[test]
fn answers_of_other_servers_beyond_the_limit_of_bytes_count_as_none() {
    let mut cluster = Cluster::new(2);
    let everybody = cluster.everybody();
    let endpoint = &mut cluster.worlds[0].endpoint;
    let ask = endpoint
        .broadcast_with_ack(&everybody, "q", &args("x"), 500)
        .unwrap();
    endpoint.ask_expects(ask, 2);
    endpoint.ask_answered(ask, args("small"));
    endpoint.ask_answered(ask, args(&"x".repeat(5 * 1024 * 1024)));
    cluster.pass_ms(500);
    assert!(matches!(
        &cluster.events(0)[..],
        [Event::Answered { answers, is_complete: false, .. }] if answers.len() == 1
    ));
}

#[test]
fn servers_emit_to_each_other_and_answer() {
    let mut cluster = Cluster::new(3);
    let root = cluster.everybody().namespace_id();
    let endpoint = &mut cluster.worlds[0].endpoint;
    endpoint
        .server_side_emit(root, "hello", &args("x"))
        .unwrap();
    cluster.deliver();
    assert!(cluster.events(0).is_empty());
    for server in [1, 2] {
        match &cluster.events(server)[..] {
            [Event::ServerSide {
                args,
                namespace,
                reply: None,
            }] => {
                assert_eq!((&*args.event_name(), args.raw(0)), ("hello", Some("\"x\"")));
                assert_eq!(*namespace, root);
            }
            other => panic!("{other:?}"),
        }
    }
    let endpoint = &mut cluster.worlds[0].endpoint;
    let ask = endpoint
        .server_side_ask(root, "how many", &Args::none(), 500)
        .unwrap();
    cluster.deliver();
    for server in [1, 2] {
        let [Event::ServerSide {
            reply: Some(reply), ..
        }] = cluster.events(server)[..]
        else {
            panic!("asked")
        };
        assert!(cluster.events(0).is_empty());
        let endpoint = &mut cluster.worlds[server].endpoint;
        endpoint.reply_server_side(reply, &Args::one(&server).unwrap());
        cluster.deliver();
    }
    assert!(matches!(
        &cluster.events(0)[..],
        [Event::Answered { ask: answered, answers, is_complete: true }]
            if *answered == ask && answers.len() == 2
    ));
}

#[test]
fn servers_that_do_not_answer_are_not_waited_for_longer_than_wanted() {
    let mut cluster = Cluster::new(2);
    let root = cluster.everybody().namespace_id();
    let endpoint = &mut cluster.worlds[0].endpoint;
    endpoint
        .server_side_ask(root, "how many", &Args::none(), 500)
        .unwrap();
    cluster.deliver();
    cluster.pass_ms(500);
    assert!(matches!(
        &cluster.events(0)[..],
        [Event::Answered { answers, is_complete: false, .. }] if answers.is_empty()
    ));
}

#[test]
fn a_server_that_is_alone_says_so_at_once() {
    let mut world = World::new(Config {
        progress: None,
        ..Config::default()
    });
    world.enter("40");
    let counts = world.endpoint.counts();
    let everybody = world.everybody();
    let root = everybody.namespace_id();
    let alone = world
        .endpoint
        .server_side_emit(root, "hello", &Args::none());
    assert_eq!(alone, Err(Error::NoCluster));
    let alone = world
        .endpoint
        .server_side_ask(root, "hello", &Args::none(), 500);
    assert_eq!(alone, Err(Error::NoCluster));
    assert_eq!(world.endpoint.counts(), counts);
    world.endpoint.fetch_cluster(&everybody, 500);
    world.turn();
    assert!(matches!(
        &world.take_events()[..],
        [Event::Fetched { sockets, is_complete: true, .. }] if sockets.len() == 1
    ));
    assert_eq!(world.endpoint.counts(), counts);
}

#[test]
fn servers_do_not_emit_socket_ios_own_names_to_each_other() {
    let mut cluster = Cluster::new(2);
    let root = cluster.everybody().namespace_id();
    for name in ["connect", "connection", "new_namespace", "disconnect"] {
        let error = Err(Error::ReservedEvent(name.to_owned()));
        let endpoint = &mut cluster.worlds[0].endpoint;
        assert_eq!(endpoint.server_side_emit(root, name, &Args::none()), error);
        let asked = endpoint.server_side_ask(root, name, &Args::none(), 500);
        assert_eq!(asked.map(|_| ()), error);
    }
    assert_eq!(cluster.waiting_wires(), 0);
}
