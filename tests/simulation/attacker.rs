//! A client that means no good: bytes from a grammar of what is valid but nasty, and of what is wrong.

use super::link::LinkId;
use super::net::Net;
use super::pipe::Nature;
use super::rng::Rng;
use super::script::{Actor, Setup};
use super::wire::{get, masked, post, upgrade};

/// Connections of one attacker.
const CONNECTIONS: usize = 4;
/// The choice of many packets in a `POST`, now and then as many as go into one.
const POSTS: u64 = 5;
/// The choice that asks for a list of progress sessions.
const LIST: u64 = 21;
/// What one step may send at most.
const MAX_BYTES: usize = 200_000;

pub struct Attacker {
    pub number: usize,
    nature: Nature,
    rng: Rng,
    links: Vec<Enemy>,
    /// The longest body that it may send.
    max_body: usize,
    /// Lists of progress sessions that it has asked for.
    pub asked_lists: u64,
}

struct Enemy {
    link: LinkId,
    /// Whether it has asked for a WebSocket, and joined a namespace.
    is_websocket: bool,
    sid: String,
    unread: Vec<u8>,
    reads: bool,
    /// What it sends as soon as it knows its session: so much of this choice.
    later: Option<(u64, u64)>,
    /// Requests that it has begun, while nothing else was sent.
    requests: Option<u64>,
}

impl Attacker {
    pub fn new(actor: &Actor, setup: &Setup, seed: u64) -> Attacker {
        Attacker {
            number: actor.number,
            nature: actor.line.nature(),
            rng: Rng::fork(seed, 1_000 + actor.number as u64),
            links: Vec::new(),
            max_body: MAX_BYTES.min(setup.max_payload as usize),
            asked_lists: 0,
        }
    }

    /// Reads what has come, or leaves it in the kernel.
    pub fn act(&mut self, net: &mut Net, now_ms: u64) -> bool {
        let mut has_acted = false;
        self.links.retain_mut(|enemy| {
            if enemy.reads {
                has_acted |= net.receive(enemy.link, usize::MAX, &mut enemy.unread) > 0;
                if let Some(at) = enemy
                    .unread
                    .windows(8)
                    .position(|window| window == b"{\"sid\":\"")
                {
                    if let Some(sid) = enemy
                        .unread
                        .get(at + 8..at + 28)
                        .filter(|_| enemy.sid.is_empty())
                    {
                        enemy.sid = String::from_utf8_lossy(sid).into_owned();
                    }
                }
                if enemy.unread.len() > 2_000 {
                    enemy.unread.clear();
                }
            }
            let is_over = enemy.reads && net.is_over(enemy.link);
            if is_over {
                net.leave(enemy.link, now_ms);
                has_acted = true;
            }
            !is_over
        });
        for index in 0..self.links.len() {
            let enemy = &mut self.links[index];
            if let Some((choice, amount)) = enemy.later.take_if(|_| !enemy.sid.is_empty()) {
                self.send(index, choice, amount, net);
                has_acted = true;
            }
        }
        has_acted
    }

    /// One step: so many pieces of one thing on one connection.
    pub fn attack(&mut self, amount: u64, variant: u64, net: &mut Net, now_ms: u64) {
        let choice = variant % 40;
        let index = (variant / 40) as usize % CONNECTIONS;
        if choice == 0 {
            if let Some(enemy) = self.links.get(index) {
                net.reset(enemy.link, now_ms);
                self.links.remove(index);
            }
            return;
        }
        let wants_websocket = choice >= 12;
        let index = match self
            .links
            .iter()
            .position(|enemy| enemy.is_websocket == wants_websocket)
        {
            Some(index) => index,
            None if self.links.len() < CONNECTIONS => {
                self.open(wants_websocket, choice, net, now_ms)
            }
            None => return,
        };
        let link = self.links[index].link;
        if choice == 1 {
            return net.half_close(link);
        }
        if net.unsent_bytes(link) > MAX_BYTES {
            return;
        }
        let enemy = &mut self.links[index];
        let needs_session = matches!(choice, 3..=6 | 8 | 11);
        if needs_session && enemy.sid.is_empty() && enemy.reads {
            enemy.later = Some((choice, amount));
        } else {
            self.send(index, choice, amount, net);
        }
    }

    /// Sends so many pieces of one thing on a connection.
    fn send(&mut self, index: usize, choice: u64, amount: u64, net: &mut Net) {
        let (link, sid) = (self.links[index].link, self.links[index].sid.clone());
        let mut bytes = Vec::new();
        // Behind a body that is broken off nothing is heard.
        let is_broken = choice == 6 && amount.is_multiple_of(4);
        let pieces = if is_broken { 1 } else { amount.max(1) };
        for _ in 0..pieces {
            if bytes.len() > MAX_BYTES {
                break;
            }
            bytes.extend(self.piece(choice, amount, &sid));
            self.asked_lists += u64::from(choice == LIST);
            let requests = &mut self.links[index].requests;
            *requests = match choice {
                3..=6 | 8 | 10 => requests.map(|requests| requests + 1),
                _ => None,
            };
        }
        net.send(link, &bytes);
    }

    /// No request has more than one answer.
    pub fn check_answers(&self, net: &Net) {
        for enemy in &self.links {
            let answers = net.get(enemy.link).map_or(0, |link| link.answers);
            let requests = enemy.requests.unwrap_or(u64::MAX);
            assert!(
                answers <= requests,
                "{answers} answers to {requests} requests on link {}",
                enemy.link
            );
        }
    }

    /// What a WebSocket is written in a turn has one list of progress sessions in it at the most.
    pub fn check_lists(&self, net: &Net) {
        for enemy in &self.links {
            let lists = net.get(enemy.link).map_or(0, |link| link.lists_in_turn);
            assert!(lists <= 1, "{lists} lists in a turn on link {}", enemy.link);
        }
    }

    fn open(&mut self, is_websocket: bool, choice: u64, net: &mut Net, now_ms: u64) -> usize {
        let link = net.connect(self.number, self.nature, now_ms);
        if is_websocket {
            net.expect_lists(link);
            net.send(link, &upgrade("EIO=4&transport=websocket"));
            if choice > 14 {
                net.send(link, &masked(0x81, b"40"));
            }
        } else {
            net.send(link, &get("EIO=4&transport=polling"));
        }
        self.links.push(Enemy {
            link,
            is_websocket,
            sid: String::new(),
            unread: Vec::new(),
            reads: choice == POSTS || !choice.is_multiple_of(5),
            later: None,
            requests: Some(1),
        });
        self.links.len() - 1
    }

    fn piece(&mut self, choice: u64, amount: u64, sid: &str) -> Vec<u8> {
        let session = format!("EIO=4&transport=polling&sid={sid}");
        let text = |text: &str| masked(0x81, text.as_bytes());
        match choice {
            2 => b"GET /".to_vec(),
            3 => get(&session),
            4 => post(&session, self.payload(amount).as_bytes()),
            POSTS if amount.is_multiple_of(4) => {
                let packets = self.max_body.div_ceil(2);
                post(&session, vec!["6"; packets].join("\x1e").as_bytes())
            }
            POSTS => post(&session, vec!["6"; 50].join("\x1e").as_bytes()),
            6 if amount.is_multiple_of(4) => {
                format!("POST /socket.io/?{session}x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n").into_bytes()
            }
            6 => format!("POST /socket.io/?{session} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n4\r\n").into_bytes(),
            7 => b"1\r\n6\r\n1\r\n\x1e\r\n".to_vec(),
            8 => format!("POST /socket.io/?{session} HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n4").into_bytes(),
            9 => self.junk(40),
            10 => get(&format!("EIO=4&transport=polling&sid={sid}x")),
            11 => upgrade(&format!("EIO=4&transport=websocket&sid={sid}")),
            // Frames without an event: pongs, Engine.IO's own, empty continuations, acknowledgements of nothing.
            12 => masked(0x8a, b""),
            13 => text("6"),
            14 => text("3"),
            15 => text("42[1]"),
            16 => text("430[]"),
            17 => text("40/nowhere,"),
            18 => [masked(0x01, b"6"), masked(0x00, b""), masked(0x00, b""), masked(0x80, b"")].concat(),
            19 => masked(0x89, b"ping"),
            20 => text("42[\"list_sessions\"]"),
            LIST => text("420[\"list_sessions\"]"),
            22 => text("42[\"track_session\",{\"sessionId\":\"00000000-0000-4000-8000-000000000000\"}]"),
            23 => text(&format!("421[\"echo\",\"{}\"]", "x".repeat((amount % 900) as usize))),
            24 => text("451-[\"echo\",{\"_placeholder\":true,\"num\":0}]"),
            25 => masked(0x82, &self.junk(30)),
            26 => masked(0x82, b"\x84\xa4type\x02\xa3nsp\xa1/\xa2id\x05\xa4data\x92\xa4echo\xc4\x02\x08\x09"),
            27 => masked(0x82, b"\x82\xa4type\x00\xa3nsp\xa1/"),
            28 => text("41"),
            29 => text("40"),
            30 => masked(0x00, b"no message to continue"),
            31 => masked(0xc1, b"reserved bits"),
            32 => vec![0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            33 => vec![0x81, 0x05, b'h', b'e', b'l', b'l', b'o'],
            34 => masked(0x88, &[3, 232]),
            35 => self.junk(20),
            36 => text(&format!("42[{}{}]", "[".repeat(200), "]".repeat(200))),
            37 => masked(0x81, b"\xff\xfe"),
            38 => masked(0x01, &vec![b'4'; (amount % 3_000) as usize]),
            _ => text("43999999999999[1]"),
        }
    }

    /// A body of many packets, some of them wrong.
    fn payload(&mut self, amount: u64) -> String {
        const PACKETS: [&str; 10] = [
            "3",
            "6",
            "42[1]",
            "430[]",
            "40",
            "42[\"e\"]",
            "42[\"list_sessions\"]",
            "41",
            "43",
            "bAAA=",
        ];
        let count = 1 + amount % 60;
        let packets: Vec<&str> = (0..count).map(|_| *self.rng.pick(&PACKETS)).collect();
        packets.join("\x1e")
    }

    fn junk(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.rng.fill(&mut bytes);
        bytes
    }
}
