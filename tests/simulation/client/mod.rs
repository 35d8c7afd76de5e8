//! An honest client: what socket.io-client does, over made-up links, until the script makes it do something else.

mod lines;
mod said;
mod tardy;
mod verbs;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use super::book::Book;
use super::link::LinkId;
use super::net::Net;
use super::packet::{Dialect, Packet, Said};
use super::pipe::Nature;
use super::script::{Actor, Kind, Setup};
use super::trace::Trace;
use super::viewer::Viewer;
use super::wire::{get, upgrade};
use lines::is_heartbeat;
use tardy::Tardiness;

/// What is around a client while it acts.
pub struct Scene<'a> {
    pub net: &'a mut Net,
    pub book: &'a mut Book,
    pub trace: &'a mut Trace,
    pub now_ms: u64,
}

/// One connection of a client.
struct Line {
    link: LinkId,
    unread: Vec<u8>,
    /// The request that waits for its answer.
    request: Option<Vec<u8>>,
    /// It holds nothing but signs of life.
    is_heartbeat: bool,
    answers: u64,
    is_websocket: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Away,
    Opening,
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upgrade {
    No,
    Handshake,
    Probe,
    /// Probed: polls and posts that are under way come to their end first.
    Pause,
}

/// A namespace that a client is in.
#[derive(Default)]
pub struct Joined {
    pub is_connected: bool,
    pub since_ms: u64,
    pid: Option<String>,
    offset: Option<String>,
    /// Events sent so far, which numbers them, and those of them that were sent before this session.
    emitted: u64,
    emitted_before: u64,
    /// Numbers of questions that are not answered, and the events that asked them.
    asked: BTreeMap<u64, u64>,
    last_volatile: u64,
}

pub struct Client {
    pub number: usize,
    kind: Kind,
    dialect: Dialect,
    pub nature: Nature,
    pub epoch: u64,
    state: State,
    sid: String,
    poll: Option<Line>,
    post: Option<Line>,
    websocket: Option<Line>,
    is_upgraded: bool,
    upgrade: Upgrade,
    pub upgraded_at_ms: u64,
    outgoing: VecDeque<Packet>,
    pub joined: BTreeMap<String, Joined>,
    /// An event whose attachments are still to come, with those that have.
    incomplete: Option<(Said, Vec<Vec<u8>>)>,
    /// Bytes that it reads in a millisecond.
    reads_per_ms: usize,
    read_at_ms: u64,
    pub is_polling: bool,
    ping_at_ms: Option<u64>,
    ping_interval_ms: u64,
    max_payload: usize,
    next_ask: u64,
    /// Events that it has sent in this session.
    pub said: u64,
    /// Lists of progress sessions that it has asked for.
    pub asked_lists: u64,
    /// When it has announced attachments that it does not send.
    pub torn_at_ms: Option<u64>,
    pub viewer: Viewer,
    tardiness: Tardiness,
}

impl Joined {
    /// The numbers of the events that it has sent in this session.
    pub fn emitted(&self) -> Range<u64> {
        self.emitted_before..self.emitted
    }
}

impl Client {
    pub fn new(actor: &Actor, setup: &Setup) -> Client {
        let revision = match actor.kind {
            Kind::WebSocket3 | Kind::Polling3 | Kind::Upgrading3 => 3,
            _ => 4,
        };
        Client {
            number: actor.number,
            kind: actor.kind,
            dialect: Dialect {
                revision,
                is_msgpack: setup.msgpack == 1,
            },
            nature: actor.line.nature(),
            epoch: 0,
            state: State::Away,
            sid: String::new(),
            poll: None,
            post: None,
            websocket: None,
            is_upgraded: false,
            upgrade: Upgrade::No,
            upgraded_at_ms: 0,
            outgoing: VecDeque::new(),
            joined: BTreeMap::new(),
            incomplete: None,
            reads_per_ms: usize::MAX,
            read_at_ms: 0,
            is_polling: true,
            ping_at_ms: None,
            ping_interval_ms: setup.ping_interval,
            max_payload: setup.max_payload as usize,
            next_ask: 0,
            said: 0,
            asked_lists: 0,
            torn_at_ms: None,
            viewer: Viewer::default(),
            tardiness: Tardiness::new(actor, setup),
        }
    }

    fn has_websocket_first(&self) -> bool {
        matches!(
            self.kind,
            Kind::WebSocket | Kind::Recovering | Kind::WebSocket3
        )
    }

    fn wants_upgrade(&self) -> bool {
        matches!(self.kind, Kind::Upgrading | Kind::Upgrading3 | Kind::Hasty)
    }

    /// Whether a WebSocket carries its session.
    pub fn is_on_websocket(&self) -> bool {
        self.is_upgraded
    }

    /// Whether its session is open, and it is in one of the namespaces that it wants to be in.
    pub fn is_in(&self) -> bool {
        let mut joined = self.joined.values();
        let is_in = self.joined.is_empty() || joined.any(|joined| joined.is_connected);
        self.state == State::Open && is_in
    }

    /// Whether it has asked for a namespace, and does not know yet whether it is in it.
    pub fn awaits_decision(&self) -> bool {
        // In revision 3 a client that comes back is in its old namespaces only if it asks again.
        let is_asking = self.dialect.revision == 4 && self.state == State::Open;
        is_asking && self.joined.values().any(|joined| !joined.is_connected)
    }

    pub fn is_away(&self) -> bool {
        self.state == State::Away
    }

    /// Whether it polls no more, and does not read from its WebSocket yet.
    pub fn is_upgrading(&self) -> bool {
        self.upgrade == Upgrade::Pause && !self.is_upgraded
    }

    /// Whether everything that it has to say has left it.
    pub fn has_sent_all(&self) -> bool {
        self.outgoing.iter().all(is_heartbeat)
    }

    /// Whether it is as attentive as an honest client is.
    pub fn is_attentive(&self) -> bool {
        self.reads_per_ms == usize::MAX && self.is_polling
    }

    pub fn links(&self) -> impl Iterator<Item = LinkId> + '_ {
        [&self.poll, &self.post, &self.websocket]
            .into_iter()
            .flatten()
            .map(|line| line.link)
    }

    fn query(&self) -> String {
        let transport = if self.upgrade != Upgrade::No || self.has_websocket_first() {
            "websocket"
        } else {
            "polling"
        };
        self.query_for(transport)
    }

    fn query_for(&self, transport: &str) -> String {
        let base64 = if self.dialect.revision == 3 {
            "&b64=1"
        } else {
            ""
        };
        let sid = if self.sid.is_empty() {
            String::new()
        } else {
            format!("&sid={}", self.sid)
        };
        format!(
            "EIO={}&transport={transport}{base64}&c={}&e={}{sid}",
            self.dialect.revision, self.number, self.epoch
        )
    }

    fn open_line(&self, scene: &mut Scene<'_>) -> Line {
        Line {
            link: scene.net.connect(self.number, self.nature, scene.now_ms),
            unread: Vec::new(),
            request: None,
            is_heartbeat: false,
            answers: 0,
            is_websocket: false,
        }
    }

    /// Begins a new session.
    pub fn open(&mut self, scene: &mut Scene<'_>) {
        if self.state != State::Away {
            return;
        }
        self.epoch = scene.book.begin_epoch(self.number);
        self.state = State::Opening;
        self.sid.clear();
        self.is_upgraded = self.has_websocket_first();
        self.upgrade = Upgrade::No;
        self.outgoing.clear();
        self.said = 0;
        self.incomplete = None;
        self.torn_at_ms = None;
        self.reads_per_ms = usize::MAX;
        self.is_polling = true;
        self.viewer = Viewer::default();
        self.tardiness.begin();
        for joined in self.joined.values_mut() {
            joined.is_connected = false;
            joined.emitted_before = joined.emitted;
        }
        let mut line = self.open_line(scene);
        if self.has_websocket_first() {
            line.request = Some(upgrade(&self.query()));
            self.send_first(&line, scene.net);
            self.websocket = Some(line);
        } else {
            line.request = Some(get(&self.query()));
            self.send_first(&line, scene.net);
            self.poll = Some(line);
        }
    }

    /// The server that knew it has gone: its next session begins like its first one.
    pub fn forget_everything(&mut self) {
        for joined in self.joined.values_mut() {
            joined.pid = None;
            joined.offset = None;
        }
    }

    fn drop_lines(&mut self, scene: &mut Scene<'_>) {
        for line in [self.poll.take(), self.post.take(), self.websocket.take()]
            .into_iter()
            .flatten()
        {
            scene.net.leave(line.link, scene.now_ms);
        }
    }

    /// Its session is over, which it must have given a reason for.
    fn over(&mut self, why: &str, scene: &mut Scene<'_>) {
        if self.state == State::Away {
            return;
        }
        let is_in_none = !self.joined.values().any(|joined| joined.is_connected);
        if scene.book.may_be_full && is_in_none {
            scene.book.excuse(self.number, "it gave way for another");
        }
        assert!(
            scene.book.is_explained(self.number),
            "client {} has done nothing wrong, and its session is over: {why}",
            self.number
        );
        self.forget(scene);
    }

    fn forget(&mut self, scene: &mut Scene<'_>) {
        self.state = State::Away;
        self.ping_at_ms = None;
        self.drop_lines(scene);
    }
}
