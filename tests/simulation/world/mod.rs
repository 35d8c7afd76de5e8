//! The world of a run: time, network, server, clients and host.

mod machine;
mod rules;
mod setup;

use pulsewheel::{checks, Counts, Endpoint, Now};
use serde_json::json;

use crate::attacker::Attacker;
use crate::book::{Book, Standing};
use crate::client::{Client, Scene};
use crate::driver::Driver;
use crate::held::{self, inside};
use crate::host::Host;
use crate::net::Net;
use crate::rng::Rng;
use crate::script::{Script, Setup, Step, Verb};
use crate::trace::Trace;
use crate::uploader::Uploader;
use machine::Machine;
use setup::{endpoint, new_actor};

const START_MS: u64 = 1_000_000;
const START_UNIX_MS: u64 = 1_736_677_800_000;
/// At one moment of the made-up time no more can happen than this, however finely input is cut.
const MAX_ROUNDS: u64 = 300_000;
/// Of so many turns, one is followed by a check of everything, whatever is under way.
const TURNS_PER_CHECK: u64 = 16;
/// How long a server that shuts down waits for its last bytes to be taken.
const DRAIN_MS: u64 = 5_000;
/// How long the end of a run may take until everything is forgotten.
const LONGEST_END_MS: u64 = 7_200_000;

pub struct World {
    setup: Setup,
    now_ms: u64,
    unix_offset_ms: i64,
    machine: Machine,
    /// What producers have done while the loop was held up.
    late_steps: Vec<Step>,
    /// What the server holds of the heap while nobody is there.
    held_by_itself: u64,
    pub net: Net,
    pub driver: Driver,
    clients: Vec<Actorlike>,
    /// Of each of them, how long events have been read that the host has not heard.
    unheard: Vec<Unheard>,
    host: Host,
    pub book: Book,
    pub trace: Trace,
}

/// Whoever is at the other end.
enum Actorlike {
    Client(Box<Client>),
    Attacker(Box<Attacker>),
    Uploader(Box<Uploader>),
    /// Left out of a script that was shortened.
    Nobody,
}

/// For how many turns events of a client wait for the host, and how many there may have been meanwhile.
#[derive(Clone, Copy, Default)]
struct Unheard {
    turns: u64,
    most: u64,
}

/// What a run has come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub hash: u64,
    pub turns: u64,
    pub delivered: u64,
    pub heard: u64,
    pub diary: Vec<Vec<String>>,
}

impl World {
    pub fn new(script: &Script, is_printed: bool) -> World {
        held::begin();
        let setup = script.setup.clone();
        let start = Now {
            mono_ms: START_MS,
            unix_ms: START_UNIX_MS,
        };
        let endpoint = endpoint(&setup, Rng::fork(script.seed, 2), start);
        let held_by_itself = held::held_bytes();
        let mut net = Net::new(Rng::fork(script.seed, 3));
        net.spurious_per_mille = setup.spurious;
        let count = script
            .actors
            .iter()
            .map(|actor| actor.number + 1)
            .max()
            .unwrap_or(0);
        let mut book = Book::default();
        book.may_return = setup.recovery == 1;
        book.may_be_full = setup.max_sessions < Setup::default().max_sessions;
        book.diary = (setup.lockstep == 1).then(|| vec![Vec::new(); count]);
        book.standings = vec![Standing::default(); count];
        let mut clients: Vec<Actorlike> = (0..count).map(|_| Actorlike::Nobody).collect();
        for actor in &script.actors {
            clients[actor.number] = new_actor(actor, script, &mut book);
        }
        World {
            now_ms: START_MS,
            unix_offset_ms: 0,
            machine: Machine::default(),
            late_steps: Vec::new(),
            held_by_itself,
            net,
            driver: Driver::new(endpoint, setup.ready_per_turn as usize),
            unheard: vec![Unheard::default(); clients.len()],
            clients,
            host: Host::default(),
            book,
            trace: Trace::new(is_printed),
            setup,
        }
    }

    /// Runs a script to its end, and looks whether anything is left.
    pub fn run(script: &Script, is_printed: bool) -> Outcome {
        let mut world = World::new(script, is_printed);
        for number in 0..world.clients.len() {
            world.with_client(number, |client, scene| client.open(scene));
            if world.setup.lockstep == 1 {
                world.settle();
            }
        }
        for step in &script.steps {
            world.step(step);
        }
        world.finish();
        Outcome {
            hash: world.trace.hash(),
            turns: world.driver.turns,
            delivered: world.book.delivered,
            heard: world.book.heard,
            diary: world.book.diary.take().unwrap_or_default(),
        }
    }

    fn with_client(&mut self, number: usize, act: impl FnOnce(&mut Client, &mut Scene<'_>)) {
        let World {
            clients,
            net,
            book,
            trace,
            ..
        } = self;
        if let Some(Actorlike::Client(client)) = clients.get_mut(number) {
            act(
                client,
                &mut Scene {
                    net,
                    book,
                    trace,
                    now_ms: self.now_ms,
                },
            );
        }
    }

    fn now(&self) -> Now {
        Now {
            mono_ms: self.now_ms,
            unix_ms: (START_UNIX_MS as i64 + (self.now_ms - START_MS) as i64 + self.unix_offset_ms)
                as u64,
        }
    }

    fn step(&mut self, step: &Step) {
        self.trace.now_ms = self.now_ms;
        self.trace.note(|| format!("-- {step:?}"));
        self.act(step);
        self.pass_ms(step.wait_ms);
        self.check();
    }

    fn act(&mut self, step: &Step) {
        let (actor, amount, variant) = (step.actor, step.amount, step.variant);
        match step.verb {
            Verb::Wait => {}
            Verb::Stall => self.machine.stall(self.now_ms, amount),
            Verb::Slow => self.machine.slow_down(self.now_ms, amount, 10 * variant),
            Verb::WallClock => {
                let by_ms = if variant.is_multiple_of(2) {
                    amount as i64
                } else {
                    -(amount as i64)
                };
                self.unix_offset_ms += by_ms;
                for client in &mut self.clients {
                    if let Actorlike::Client(client) = client {
                        client.viewer.is_clock_set = true;
                    }
                }
            }
            Verb::RefuseAccepts => {
                self.net.refused_accepts += amount;
                self.machine.refuse_accepts();
            }
            Verb::Restart => self.restart(),
            Verb::FailWrite => self.with_client(actor, |client, scene| {
                let links: Vec<usize> = client.links().collect();
                if !links.is_empty() {
                    scene.book.excuse(client.number, "a write to it fails");
                    scene.net.fail_write(links[variant as usize % links.len()]);
                }
            }),
            Verb::Attack => {
                if let Some(Actorlike::Attacker(attacker)) = self.clients.get_mut(actor) {
                    attacker.attack(amount, variant, &mut self.net, self.now_ms);
                }
            }
            Verb::Upload => {
                if let Some(Actorlike::Uploader(uploader)) = self.clients.get_mut(actor) {
                    uploader.upload(amount, variant, &mut self.net, self.now_ms);
                }
            }
            verb if verb.is_the_hosts() => {
                // While the loop is held up, its host is too. Producers are other threads, which it listens to when it goes on.
                if self.now_ms >= self.machine.busy_until_ms {
                    self.act_as_host(step);
                } else if verb.is_a_producers() {
                    self.late_steps.push(step.clone());
                }
            }
            _ => self.act_as_client(step),
        }
    }

    fn act_as_host(&mut self, step: &Step) {
        let now = self.now();
        inside(|| self.driver.endpoint.begin_turn(now));
        self.host
            .act(&mut self.driver.endpoint, step, &mut self.book);
    }

    fn act_as_client(&mut self, step: &Step) {
        let (amount, variant) = (step.amount, step.variant);
        let shortest_ms = self.setup.shortest_ms();
        self.with_client(step.actor, |client, scene| match step.verb {
            Verb::Emit => client.emit(variant, amount, false, false),
            Verb::EmitAsking => client.emit(variant, amount, true, false),
            Verb::EmitBinary => client.emit(variant, amount, variant.is_multiple_of(2), true),
            Verb::Burst => {
                // No more than its line carries long before what comes behind it is due.
                let bearable_bytes = client.nature.pace() * shortest_ms / 16;
                let is_large = variant.is_multiple_of(4) && amount * 3_000 < bearable_bytes;
                let length = if is_large { 3_000 } else { variant % 50 };
                (0..amount).for_each(|_| client.emit(variant, length, false, false));
            }
            Verb::Fragments => client.fragments(variant, scene.net),
            Verb::Tear => client.tear(scene),
            Verb::WebSocketPing => client.websocket_ping(scene.net),
            Verb::Enter => client.enter(setup::NAMESPACES[1 + variant as usize % 2]),
            Verb::Exit => client.exit(scene.book),
            Verb::List => client.command(&json!(["list_sessions"]), variant.is_multiple_of(2)),
            Verb::Bye => client.bye(scene),
            Verb::Return => client.open(scene),
            Verb::HalfClose => {
                scene.book.excuse(client.number, "it has closed its side");
                client.links().for_each(|link| scene.net.half_close(link));
            }
            Verb::ReadNothing | Verb::ReadSlowly => {
                scene.book.excuse(client.number, "it reads too little");
                client.read_only(
                    if step.verb == Verb::ReadNothing {
                        0
                    } else {
                        amount as usize % 20 + 1
                    },
                    scene.now_ms,
                );
            }
            Verb::ReadOn => client.read_only(usize::MAX, scene.now_ms),
            Verb::PollNothing => {
                scene.book.excuse(client.number, "it does not poll");
                client.is_polling = false;
            }
            Verb::PollOn => client.is_polling = true,
            Verb::Reset => {
                scene.book.excuse(client.number, "it is gone");
                let now_ms = scene.now_ms;
                client.lose(scene, |net, link| net.reset(link, now_ms));
            }
            Verb::BlackHole => {
                scene.book.excuse(client.number, "its network is gone");
                client.lose(scene, |net, link| net.swallow(link));
            }
            other => panic!("{other:?} is none of a client's"),
        });
    }

    /// Lets time pass, from one thing that happens to the next.
    fn pass_ms(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        loop {
            self.settle();
            let next_ms = self.next_ms().unwrap_or(u64::MAX).max(self.now_ms + 1);
            if next_ms > until_ms {
                self.now_ms = until_ms;
                return;
            }
            self.now_ms = next_ms;
        }
    }

    fn next_ms(&self) -> Option<u64> {
        let busy_until_ms = self.machine.busy_until_ms;
        let loop_ms = if self.now_ms < busy_until_ms {
            Some(busy_until_ms)
        } else {
            self.driver.next_ms()
        };
        let net_ms = self.net.next_ms();
        let clients = self.clients.iter().filter_map(|client| match client {
            Actorlike::Client(client) => client.next_ms(&self.net, self.now_ms),
            _ => None,
        });
        clients.chain(loop_ms).chain(net_ms).min()
    }

    /// Lets everything happen that can happen at this moment.
    fn settle(&mut self) {
        self.trace.now_ms = self.now_ms;
        for round in 0.. {
            let has_net_moved = self.net.round(self.now_ms);
            let mut moved = None;
            let World {
                clients,
                net,
                book,
                trace,
                ..
            } = self;
            let mut scene = Scene {
                net,
                book,
                trace,
                now_ms: self.now_ms,
            };
            for (number, client) in clients.iter_mut().enumerate() {
                let has_acted = match client {
                    Actorlike::Client(client) => client.act(&mut scene),
                    Actorlike::Attacker(attacker) => attacker.act(scene.net, scene.now_ms),
                    Actorlike::Uploader(uploader) => uploader.act(scene.net, scene.now_ms),
                    Actorlike::Nobody => false,
                };
                moved = moved.or(has_acted.then_some(number));
            }
            let is_busy = self.now_ms < self.machine.busy_until_ms;
            let has_turned = !is_busy && self.driver.is_due(&self.net, self.now_ms);
            if has_turned {
                self.turn();
            }
            if !has_net_moved && moved.is_none() && !has_turned {
                return;
            }
            assert!(
                round < MAX_ROUNDS,
                "what happens at one moment comes to an end: the network moves: {has_net_moved}, clients: {moved:?}, a turn is due: {has_turned}; {}",
                self.driver.why_due(&self.net, self.now_ms)
            );
        }
    }

    fn turn(&mut self) {
        let now = self.now();
        for step in std::mem::take(&mut self.late_steps) {
            self.act_as_host(&step);
        }
        self.begin_busy();
        let World {
            driver,
            net,
            trace,
            host,
            book,
            ..
        } = self;
        inside(|| {
            driver.turn(now, net, trace, |endpoint, event, trace| {
                trace.note(|| format!("event {event:?}"));
                host.handle(endpoint, event, book);
            })
        });
        self.net.end_turn();
        self.note_refused();
        self.check_turn();
        self.check_links();
        if self.driver.turns.is_multiple_of(TURNS_PER_CHECK) {
            checks::check_invariants(&self.driver.endpoint);
        }
    }

    /// The server shuts down, as one does that is replaced by the next.
    fn restart(&mut self) {
        self.machine.recover();
        self.late_steps.clear();
        self.book.is_shutting_down = true;
        self.excuse_uploads();
        let now = self.now();
        inside(|| {
            self.driver.endpoint.begin_turn(now);
            // Every other server goes without a rush.
            match self.driver.turns.is_multiple_of(2) {
                true => self.driver.endpoint.shut_down(),
                false => self.driver.endpoint.drain(DRAIN_MS / 2),
            }
        });
        let give_up_ms = self.now_ms + DRAIN_MS;
        let has_ended = |endpoint: &Endpoint| endpoint.is_shutting_down() && endpoint.is_drained();
        while !has_ended(&self.driver.endpoint) && self.now_ms < give_up_ms {
            self.pass_ms(20);
        }
        self.turn();
        let sockets = self.driver.endpoint.counts().sockets;
        assert_eq!(sockets, 0, "nobody is connected any more");
        self.host.check_told();
        self.net.close_all(self.now_ms);
        for number in 0..self.clients.len() {
            self.with_client(number, |client, scene| {
                scene.book.excuse(client.number, "the server has gone");
                client.forget_everything();
            });
        }
        let rng = Rng::fork(self.driver.turns, 4);
        let ready_per_turn = self.setup.ready_per_turn as usize;
        let endpoint = endpoint(&self.setup, rng, self.now());
        self.driver = Driver::new(endpoint, ready_per_turn);
        self.book.restart();
        self.host = Host::default();
    }

    /// Lets everybody who has done nothing wrong get what is owed, sends all away, and waits until all is forgotten.
    fn finish(&mut self) {
        self.machine.recover();
        self.net.refused_accepts = 0;
        for number in 0..self.clients.len() {
            self.with_client(number, |client, _| client.hurry());
        }
        let now = self.now();
        inside(|| self.driver.endpoint.begin_turn(now));
        self.host.decide_all(&mut self.driver.endpoint);
        self.pass_ms(10_000);
        let has_said_all = |client: &Actorlike| match client {
            Actorlike::Client(client) => {
                client.is_away() || !client.is_attentive() || client.has_said_all()
            }
            _ => true,
        };
        for _ in 0..100 {
            if self.clients.iter().all(has_said_all) {
                break;
            }
            self.pass_ms(50);
        }
        self.check();
        self.check_hollow();
        self.check_debts();
        self.excuse_uploads();
        for number in 0..self.clients.len() {
            self.with_client(number, |client, scene| {
                scene.book.excuse(client.number, "everybody is sent away");
                let now_ms = scene.now_ms;
                client.lose(scene, |net, link| net.reset(link, now_ms));
            });
        }
        for id in self.net.alive().to_vec() {
            self.net.reset(id, self.now_ms);
        }
        let nothing = Counts {
            timers: usize::from(self.setup.progress == 1),
            ..Counts::default()
        };
        let until_ms = self.now_ms + LONGEST_END_MS;
        while self.driver.endpoint.counts() != nothing && self.now_ms < until_ms {
            self.pass_ms(10_000);
        }
        assert_eq!(self.driver.endpoint.counts(), nothing, "nothing is left");
        self.check();
        self.check_nothing_held();
        self.host.check_all_gone();
        self.book.check_all_gone();
    }
}
