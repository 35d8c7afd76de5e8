//! A client that sends what is refused while its rest is still under way. It is no expert: it reads nothing before all of that has
//! left it, or closes its side right behind it. Whatever is wrong with a request, its answer has to arrive whole.

use super::link::LinkId;
use super::net::Net;
use super::pipe::Nature;
use super::script::{Actor, Setup};
use super::wire::{get, masked, take_answer, take_frame, upgrade};

/// Uploads of one client at a time.
const UPLOADS: usize = 3;
/// What may follow a refused request: less than the server reads behind its last answer, with the longest head.
const MAX_REST_BYTES: usize = 40_000;
/// A client that reads at once may go on for longer than the server reads.
const MAX_READING_REST_BYTES: usize = 4 * MAX_REST_BYTES;
/// How long a line may take to carry that, which is a part of the time for which the server reads behind its last answer.
const MAX_REST_MS: u64 = 500;
/// Longer than any head that the server takes.
const LONG_HEAD_BYTES: usize = 17_000;
/// A body in chunks is sent until it is too long where that is after so few bytes.
const MAX_CHUNKED_BYTES: usize = 20_000;
const OPENING: &str = "EIO=4&transport=polling";
const OPENING_WEBSOCKET: &str = "EIO=4&transport=websocket";

pub struct Uploader {
    number: usize,
    nature: Nature,
    max_payload: usize,
    /// A session that has joined nothing may have to give way for another.
    may_give_way: bool,
    uploads: Vec<Upload>,
}

struct Upload {
    link: LinkId,
    wrong: Wrong,
    /// What it sends as soon as it has a session.
    later: Option<Later>,
    requests: u64,
    unread: Vec<u8>,
    reads_at_once: bool,
    may_give_way: bool,
    is_websocket: bool,
    is_answered: bool,
    /// Something else than the server may be to blame if no answer comes.
    is_excused: bool,
}

struct Later {
    rest: usize,
    max_payload: usize,
    closes_side: bool,
}

/// What is wrong with a request, or with what comes on its WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// Nothing is served there.
    Place,
    /// Its sender asks whether to send the body, and does not wait for the answer.
    Impatience,
    /// It is the last one by its own words, and more come behind it.
    Last,
    /// It is of HTTP/1.0, whose connections end with one answer.
    Old,
    Length,
    Chunk,
    Head,
    /// Its body is longer than a session takes, as its head says or as is found out.
    Body,
    Chunks,
    /// It wants to upgrade a session that is not there.
    Upgrade,
    // On a WebSocket.
    Frame,
    Bits,
    Text,
    /// It goes on behind its own close frame.
    Goodbye,
}

impl Wrong {
    const ALL: [Wrong; 14] = [
        Wrong::Place,
        Wrong::Impatience,
        Wrong::Last,
        Wrong::Old,
        Wrong::Length,
        Wrong::Chunk,
        Wrong::Head,
        Wrong::Body,
        Wrong::Chunks,
        Wrong::Upgrade,
        Wrong::Frame,
        Wrong::Bits,
        Wrong::Text,
        Wrong::Goodbye,
    ];

    /// What a WebSocket is closed with.
    fn close_code(self) -> Option<u16> {
        match self {
            Wrong::Frame => Some(1009),
            Wrong::Bits => Some(1002),
            Wrong::Text => Some(1007),
            Wrong::Goodbye => Some(1000),
            _ => None,
        }
    }

    /// What it may be answered with.
    fn statuses(self) -> &'static [u16] {
        match self {
            Wrong::Place | Wrong::Impatience | Wrong::Last | Wrong::Old | Wrong::Chunk => &[404],
            Wrong::Length | Wrong::Upgrade => &[400],
            Wrong::Head => &[431],
            // The session may have ended meanwhile.
            Wrong::Body | Wrong::Chunks => &[413, 400],
            // There may be no room for a session, or the host does not want it.
            Wrong::Frame | Wrong::Bits | Wrong::Text | Wrong::Goodbye => &[503, 400],
        }
    }

    fn needs_session(self) -> bool {
        matches!(self, Wrong::Body | Wrong::Chunks)
    }

    /// The request with so many bytes behind what is wrong with it. A body that is broken off lacks its last byte.
    fn bytes(self, sid: &str, later: &Later) -> Vec<u8> {
        let declared = later.rest + usize::from(later.closes_side);
        let too_long = later.max_payload + 1;
        let session = format!("POST /socket.io/?{OPENING}&sid={sid} HTTP/1.1\r\nHost: a\r\n");
        let nowhere = "POST /nowhere HTTP/1.1\r\nHost: a\r\n";
        let chunked = "Transfer-Encoding: chunked\r\n\r\n";
        let on_websocket = |frame: &[u8]| [&upgrade(OPENING_WEBSOCKET), frame].concat();
        let mut bytes = match self {
            Wrong::Place => format!("{nowhere}Content-Length: {declared}\r\n\r\n").into_bytes(),
            Wrong::Impatience => {
                let expects = "Expect: 100-continue\r\n";
                format!("{nowhere}{expects}Content-Length: {declared}\r\n\r\n").into_bytes()
            }
            Wrong::Last => {
                b"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec()
            }
            Wrong::Old => b"GET /nowhere HTTP/1.0\r\n\r\n".to_vec(),
            Wrong::Length => format!("{nowhere}Content-Length: long\r\n\r\n").into_bytes(),
            Wrong::Chunk => format!("{nowhere}{chunked}no number\r\n").into_bytes(),
            Wrong::Head => format!("{nowhere}X: {}", "x".repeat(LONG_HEAD_BYTES)).into_bytes(),
            Wrong::Chunks if later.max_payload <= MAX_CHUNKED_BYTES => {
                let chunk = format!("{:x}\r\n{}", too_long + declared, "6".repeat(too_long));
                format!("{session}{chunked}{chunk}").into_bytes()
            }
            Wrong::Body | Wrong::Chunks => {
                let length = too_long.max(declared);
                format!("{session}Content-Length: {length}\r\n\r\n").into_bytes()
            }
            Wrong::Upgrade => upgrade(&format!("{OPENING_WEBSOCKET}&sid=nobody")),
            Wrong::Frame => {
                let header = [0x81, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff];
                on_websocket(&[&header[..], b"mask"].concat())
            }
            Wrong::Bits => on_websocket(&masked(0xc1, b"6")),
            Wrong::Text => on_websocket(&masked(0x81, b"\xff\xfe")),
            Wrong::Goodbye => on_websocket(&masked(0x88, &1000_u16.to_be_bytes())),
        };
        match self {
            Wrong::Last => {
                let pipelined = get(OPENING).repeat(later.rest / get(OPENING).len());
                bytes.extend(pipelined);
            }
            _ => bytes.extend(vec![b'x'; later.rest]),
        }
        bytes
    }
}

impl Uploader {
    pub fn new(actor: &Actor, setup: &Setup) -> Uploader {
        Uploader {
            number: actor.number,
            nature: actor.line.nature(),
            max_payload: setup.max_payload as usize,
            may_give_way: setup.max_sessions < Setup::default().max_sessions,
            uploads: Vec::new(),
        }
    }

    /// One step: something wrong, with so many bytes behind it.
    pub fn upload(&mut self, amount: u64, variant: u64, net: &mut Net, now_ms: u64) {
        if self.uploads.len() >= UPLOADS {
            return;
        }
        let kinds = Wrong::ALL.len() as u64;
        let wrong = Wrong::ALL[(variant % kinds) as usize];
        let reads_at_once = (variant / kinds).is_multiple_of(3);
        let bearable = (self.nature.pace() * MAX_REST_MS) as usize;
        let most = match reads_at_once {
            true => MAX_READING_REST_BYTES,
            false => MAX_REST_BYTES.min(bearable),
        };
        let later = Later {
            rest: most.min(amount as usize),
            max_payload: self.max_payload,
            // Whoever closes its side while the host thinks about a WebSocket does not want it any more.
            closes_side: (variant / kinds).is_multiple_of(2) && wrong.close_code().is_none(),
        };
        let mut upload = Upload {
            link: net.connect(self.number, self.nature, now_ms),
            wrong,
            later: None,
            requests: 1,
            unread: Vec::new(),
            reads_at_once,
            may_give_way: self.may_give_way,
            is_websocket: false,
            is_answered: false,
            is_excused: false,
        };
        if wrong.needs_session() {
            net.send(upload.link, &get(OPENING));
            upload.later = Some(later);
        } else {
            upload.send("", &later, net);
        }
        self.uploads.push(upload);
    }

    /// Reads answers, and goes when all has been read that it has sent.
    pub fn act(&mut self, net: &mut Net, now_ms: u64) -> bool {
        let mut has_acted = false;
        let number = self.number;
        self.uploads.retain_mut(|upload| {
            has_acted |= upload.read(net);
            let is_over = net.is_over(upload.link);
            assert!(
                upload.is_answered || upload.is_excused || !is_over,
                "client {number} gets no answer on link {}: {:?}",
                upload.link,
                upload.wrong
            );
            let has_left = net.unsent_bytes(upload.link) == 0
                && net.get(upload.link).is_none_or(|link| !link.up.has_bytes());
            let is_done = is_over || upload.is_answered && has_left;
            if is_done {
                net.leave(upload.link, now_ms);
                has_acted = true;
            }
            !is_done
        });
        has_acted
    }

    /// What is under way may get no answer, and the server is not to blame.
    pub fn excuse(&mut self) {
        for upload in &mut self.uploads {
            upload.is_excused = true;
        }
    }

    /// No request has more than one answer.
    pub fn check_answers(&self, net: &Net) {
        for upload in &self.uploads {
            let answers = net.get(upload.link).map_or(0, |link| link.answers);
            assert!(
                answers <= upload.requests,
                "{answers} answers to {} requests on link {}: {:?}",
                upload.requests,
                upload.link,
                upload.wrong
            );
        }
    }

    /// When nothing more happens, all have their answers.
    pub fn check_answered(&self) {
        for upload in &self.uploads {
            assert!(
                upload.is_answered || upload.is_excused,
                "client {} waits for an answer on link {}: {:?}",
                self.number,
                upload.link,
                upload.wrong
            );
        }
    }
}

impl Upload {
    fn send(&mut self, sid: &str, later: &Later, net: &mut Net) {
        net.send(self.link, &self.wrong.bytes(sid, later));
        if later.closes_side {
            net.half_close(self.link);
        }
    }

    /// Reads, where it does, and takes note of what has come.
    fn read(&mut self, net: &mut Net) -> bool {
        let may_read = self.reads_at_once || net.unsent_bytes(self.link) == 0;
        if !may_read && !net.is_over(self.link) {
            return false;
        }
        let has_read = net.receive(self.link, usize::MAX, &mut self.unread) > 0;
        if !self.is_websocket && !self.is_answered {
            self.take_answer(net);
        }
        while self.is_websocket && !self.is_answered {
            match take_frame(&mut self.unread) {
                Some((0x88, payload)) => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    let has_given_way = self.may_give_way && code.is_none();
                    let is_right = code == self.wrong.close_code() || has_given_way;
                    assert!(
                        is_right || self.is_excused,
                        "closed with {code:?}: {:?}",
                        self.wrong
                    );
                    self.is_answered = true;
                }
                Some(_) => {}
                None => break,
            }
        }
        has_read
    }

    fn take_answer(&mut self, net: &mut Net) {
        let Some(answer) = take_answer(&mut self.unread) else {
            return;
        };
        let later = self.later.take();
        match (answer.status, later) {
            (101, _) if self.wrong.close_code().is_some() => self.is_websocket = true,
            (200, Some(later)) if !answer.is_last => {
                let open = String::from_utf8_lossy(&answer.body);
                let sid = open.split('"').nth(3).expect("an id");
                self.requests += 1;
                self.send(sid, &later, net);
            }
            // There is no room for a session, or the host does not want it.
            (_, Some(_)) => self.is_answered = true,
            (status, None) => {
                let is_right = self.wrong.statuses().contains(&status) || self.is_excused;
                assert!(is_right, "answered {status}: {:?}", self.wrong);
                self.is_answered = true;
            }
        }
    }
}
