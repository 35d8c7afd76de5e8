//! Anything in any order: all parts agree with each other all the time, and nothing is left at the end.

use proptest::prelude::*;

use super::*;
use crate::endpoint::{ConnectId, Counts};
use crate::socket::{Args, ConnectError, RecoveryConfig};

#[derive(Clone, Debug)]
enum Step {
    Open,
    HangUp(usize),
    /// A client sends a packet.
    Send(usize, &'static str),
    /// A client wants its old socket back.
    Return(usize, usize),
    Accept(usize),
    Refuse(usize),
    Pass(usize),
    Disconnect(usize, bool),
    Join(usize, bool),
    Emit(usize),
    Ask(usize),
    AskAll,
    DisconnectRoom(bool),
    Pause(u64),
}

fn step() -> impl Strategy<Value = Step> {
    const PACKETS: [&str; 9] = [
        "40",
        "40",
        "40/a,",
        "40/b,{\"x\":1}",
        "41",
        "41/a,",
        "42[\"e\"]",
        "430[]",
        "3",
    ];
    let who = 0_usize..6;
    prop_oneof![
        3 => Just(Step::Open),
        1 => who.clone().prop_map(Step::HangUp),
        8 => (who.clone(), prop::sample::select(&PACKETS[..])).prop_map(|(who, packet)| Step::Send(who, packet)),
        2 => (who.clone(), 0_usize..4).prop_map(|(who, pid)| Step::Return(who, pid)),
        6 => who.clone().prop_map(Step::Accept),
        1 => who.clone().prop_map(Step::Refuse),
        1 => who.clone().prop_map(Step::Pass),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, close)| Step::Disconnect(who, close)),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, leaves)| Step::Join(who, leaves)),
        2 => who.clone().prop_map(Step::Emit),
        2 => who.prop_map(Step::Ask),
        1 => Just(Step::AskAll),
        1 => any::<bool>().prop_map(Step::DisconnectRoom),
        2 => prop::sample::select(&[1_u64, 100, 5_000, 50_000][..]).prop_map(Step::Pause),
    ]
}

/// A world, and what its host and its clients know.
struct Run {
    world: World,
    clients: Vec<ConnectionId>,
    tickets: Vec<ConnectId>,
    /// All that have ever been, gone or not.
    sockets: Vec<SocketId>,
    pids: Vec<String>,
    connected: Vec<SocketId>,
}

impl Run {
    fn step(&mut self, step: Step) {
        let endpoint = &mut self.world.endpoint;
        let one = |list: &[SocketId], number: usize| list.iter().cycle().nth(number).copied();
        let ticket = |number: usize| self.tickets.iter().rev().cycle().nth(number).copied();
        let client = |number: usize| self.clients.iter().rev().cycle().nth(number).copied();
        let args = Args::none();
        match step {
            Step::Open => self.clients.push(self.world.open_websocket()),
            Step::HangUp(who) => client(who)
                .into_iter()
                .for_each(|key| endpoint.hang_up(key)),
            Step::Send(who, packet) => {
                if let Some(key) = client(who) {
                    endpoint.feed(key, &mut masked(0x81, packet.as_bytes()));
                }
            }
            Step::Return(who, pid) => {
                let pid = self.pids.iter().rev().cycle().nth(pid);
                if let (Some(key), Some(pid)) = (client(who), pid) {
                    let packet = format!("40{{\"pid\":\"{pid}\"}}");
                    endpoint.feed(key, &mut masked(0x81, packet.as_bytes()));
                }
            }
            // Whatever the host names may be gone by now, which is no mistake.
            Step::Accept(number) => {
                ticket(number).map(|ticket| endpoint.accept_connect(ticket));
            }
            Step::Refuse(number) => {
                let error = ConnectError::new("no");
                ticket(number).map(|ticket| endpoint.refuse_connect(ticket, &error));
            }
            Step::Pass(number) => {
                ticket(number).map(|ticket| endpoint.pass_connect(ticket));
            }
            Step::Disconnect(number, close) => {
                one(&self.sockets, number).map(|socket| endpoint.disconnect(socket, close));
            }
            Step::Join(number, true) => {
                one(&self.sockets, number).map(|socket| endpoint.leave(socket, "room"));
            }
            Step::Join(number, false) => {
                one(&self.sockets, number).map(|socket| endpoint.join(socket, "room"));
            }
            Step::Emit(number) => {
                one(&self.sockets, number).map(|socket| endpoint.emit_to(socket, "e", &args));
            }
            Step::Ask(number) => {
                let socket = one(&self.sockets, number);
                socket.map(|socket| endpoint.emit_with_ack_within(socket, "e", &args, 70));
            }
            Step::AskAll => {
                let target = Target::namespace(endpoint.namespace("/").unwrap());
                endpoint
                    .broadcast_with_ack(&target, "e", &args, 700)
                    .unwrap();
            }
            Step::DisconnectRoom(close) => {
                let target = Target::namespace(endpoint.namespace("/").unwrap()).to("room");
                endpoint.disconnect_sockets(&target, close);
            }
            Step::Pause(ms) => self.world.pass_ms(ms),
        }
    }

    fn turn(&mut self) {
        self.world.turn();
        for event in self.world.take_events() {
            match event {
                Event::ConnectRequested { ticket, .. } => self.tickets.push(ticket),
                Event::Connected { socket, .. } => {
                    assert!(!self.connected.contains(&socket));
                    self.connected.push(socket);
                    self.sockets.push(socket);
                }
                Event::Disconnected { socket, .. } => {
                    assert!(self.connected.contains(&socket), "it was there");
                    self.connected.retain(|known| *known != socket);
                }
                Event::RecoveryExpired { socket, .. } => {
                    assert!(!self.connected.contains(&socket));
                }
                Event::Message(message) => assert!(self.connected.contains(&message.socket)),
                _ => {}
            }
        }
        assert_eq!(self.connected.len(), self.world.endpoint.counts().sockets);
        for key in self.clients.clone() {
            for frame in self.world.frames(key) {
                if let Some((_, pid)) = frame.split_once("\"pid\":\"") {
                    self.pids.push(pid[..20].to_owned());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn clients_come_and_go_in_any_order_and_leave_nothing_behind(
        recovers in any::<bool>(),
        asks_again in any::<bool>(),
        steps in prop::collection::vec((step(), any::<bool>()), 1..120),
    ) {
        let mut run = Run {
            world: World::new(Config {
                connect_requests: true,
                cleanup_empty_child_namespaces: true,
                max_child_namespaces: 1,
                max_namespaces_per_client: 2,
                room_events: true,
                emitted_events: true,
                recovery: recovers.then(|| RecoveryConfig {
                    max_away: 2,
                    skip_middlewares: !asks_again,
                    ..RecoveryConfig::default()
                }),
                progress: None,
                ..Config::default()
            }),
            clients: Vec::new(),
            tickets: Vec::new(),
            sockets: Vec::new(),
            pids: Vec::new(),
            connected: Vec::new(),
        };
        for (step, is_turn_over) in steps {
            run.step(step);
            if is_turn_over {
                run.turn();
            }
        }
        run.turn();
        for key in run.clients.clone() {
            run.world.endpoint.hang_up(key);
        }
        run.turn();
        prop_assert!(run.connected.is_empty());
        run.world.pass_ms(600_000);
        run.turn();
        prop_assert_eq!(run.world.endpoint.counts(), Counts::default());
        prop_assert!(run.world.endpoint.asks.is_empty());
        let names: Vec<&str> = run.world.endpoint.namespaces().map(|(_, name)| name).collect();
        prop_assert_eq!(names, ["/"]);
    }
}
