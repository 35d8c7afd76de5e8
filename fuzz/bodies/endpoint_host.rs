//! The host of the fuzzed endpoint: does what clients and the script ask, and keeps account of what it is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pulsewheel::http::{Method, Response};
use pulsewheel::progress::{JsonObject, SessionOptions};
use pulsewheel::socket::Parser;
use pulsewheel::{
    AckId, Admission, AdmissionId, Args, Endpoint, Error, Event, Frame, Message, RequestId, EngineSessionId, SocketId, Target,
};
use serde_json::json;

use super::ledger::Ledger;

/// What the host knows.
#[derive(Default)]
pub struct Host {
    sockets: BTreeSet<SocketId>,
    sessions: BTreeSet<EngineSessionId>,
    requests: BTreeMap<RequestId, Asked>,
    /// Sessions to decide about; whoever asked for one may be gone.
    tickets: VecDeque<AdmissionId>,
    /// Acknowledgements that clients wait for.
    acks: VecDeque<AckId>,
    /// Acknowledgements that clients owe.
    asked: BTreeSet<(SocketId, u64)>,
    ledger: Ledger,
    progress: Vec<String>,
    witness: Option<SocketId>,
    /// Events to everybody.
    broadcasts: usize,
}

/// What has become of a request.
#[derive(Default)]
struct Asked {
    granted_bytes: usize,
    is_complete: bool,
    has_no_body: bool,
    parts: Option<Parts>,
}

/// What has become of an answer in parts.
struct Parts {
    /// Something was said since the next part was asked for.
    is_said: bool,
}

impl Host {
    /// From now on the one socket that there is must never be harmed.
    pub fn adopt_witness(&mut self) {
        self.witness = self.sockets.pop_first();
        assert!(self.witness.is_some());
    }

    pub fn check_witness(&self, endpoint: &Endpoint, received: Option<usize>) {
        let Some(witness) = self.witness else { return };
        if endpoint.is_shutting_down() {
            return;
        }
        assert!(
            endpoint.socket_id(witness).is_some(),
            "the witness is connected"
        );
        if endpoint.config().parser == Parser::Json {
            assert_eq!(received, Some(self.broadcasts), "and misses nothing");
        }
    }

    pub fn check_all_gone(&self) {
        assert!(self.sockets.is_empty() && self.sessions.is_empty() && self.witness.is_none());
        assert!(self.requests.is_empty() && self.asked.is_empty());
        self.ledger.check_all_gone();
    }

    pub fn handle(&mut self, endpoint: &mut Endpoint, event: Event) {
        let Some(event) = self.ledger.handle(endpoint, event) else {
            return;
        };
        match event {
            Event::Connected { socket, .. } => assert!(self.sockets.insert(socket)),
            Event::Message(message) => {
                self.message(endpoint, &message);
                endpoint.recycle(message);
            }
            Event::Acknowledged { socket, id, .. } => {
                assert!(self.asked.remove(&(socket, id)), "only what was asked");
            }
            Event::Disconnecting { socket, .. } => {
                assert!(self.sockets.contains(&socket) || self.witness == Some(socket));
                let reached = endpoint.emit_volatile(socket, "too late", &Args::none());
                let may_return = endpoint.config().recovery.is_some();
                assert!(may_return || reached.is_err());
            }
            Event::Disconnected { socket, .. } => {
                if self.witness == Some(socket) {
                    self.witness = None;
                } else {
                    assert!(self.sockets.remove(&socket), "only who was connected");
                }
                self.asked.retain(|(asked, _)| *asked != socket);
                let has_rooms = endpoint.rooms(socket).next().is_some();
                let may_return = endpoint.config().recovery.is_some();
                assert!(may_return || !has_rooms, "it has left them");
            }
            Event::RecoveryExpired { socket, .. } => assert!(!self.sockets.contains(&socket)),
            Event::EngineOpened { session } => assert!(self.sessions.insert(session)),
            Event::EngineMessage { session, message } => {
                assert!(self.sessions.contains(&session));
                let _ = endpoint.engine_send(session, &message);
            }
            Event::EngineClosed { session, .. } => assert!(self.sessions.remove(&session)),
            Event::CancelRequested { session, reason } => {
                let cancelled = endpoint.progress().cancel_session(session, Some(reason), None);
                cancelled.expect("a managed session waits for its host");
            }
            event => self.request(event),
        }
    }

    fn request(&mut self, event: Event) {
        match event {
            Event::Request { request, head, .. } => {
                let asked = Asked {
                    has_no_body: head.method == Method::Head,
                    ..Asked::default()
                };
                assert!(self.requests.insert(request, asked).is_none());
            }
            Event::PartWanted { request } => {
                // The host may have ended the answer meanwhile.
                if let Some(asked) = self.requests.get_mut(&request) {
                    let parts = asked.parts.as_mut().expect("an answer in parts");
                    assert!(std::mem::take(&mut parts.is_said), "once for what was said");
                }
            }
            Event::AllowRequest { ticket, .. } => {
                assert!(!self.tickets.contains(&ticket), "nobody asks twice");
                self.tickets.push_back(ticket);
            }
            Event::ConnectionError { code, .. } => assert!(code <= 5),
            Event::RequestBody { request, data } => {
                let asked = self.requests.get_mut(&request);
                // What was on its way when the host answered may still come.
                let Some(asked) = asked else { return };
                assert!(
                    !data.is_empty() && data.len() <= asked.granted_bytes && !asked.is_complete
                );
                asked.granted_bytes -= data.len();
            }
            Event::RequestBodyEnd { request } => {
                if let Some(asked) = self.requests.get_mut(&request) {
                    assert!(!std::mem::replace(&mut asked.is_complete, true));
                }
            }
            Event::RequestAborted { request } => {
                assert!(
                    self.requests.remove(&request).is_some(),
                    "only what is open"
                );
            }
            other => panic!("not of a request: {other:?}"),
        }
    }

    /// Clients choose by the event's name what is done with it.
    fn message(&mut self, endpoint: &mut Endpoint, message: &Message) {
        let socket = message.socket;
        assert!(self.sockets.contains(&socket), "only who is connected");
        let done = match &*message.name() {
            "all" => {
                // Other namespaces have no witness.
                self.broadcasts +=
                    usize::from(endpoint.namespace_name(message.namespace) == Some("/"));
                let everybody = Target::namespace(message.namespace);
                endpoint.emit(&everybody, "all", &message.args)
            }
            "others" => {
                let others = Target::namespace(message.namespace).except_socket(socket);
                endpoint.emit(&others, "others", &message.args)
            }
            "ask" => {
                let asked = endpoint.emit_with_ack(socket, "ask", &message.args);
                self.asked.extend(asked.ok().map(|id| (socket, id)));
                Ok(())
            }
            "bye" => endpoint.disconnect(socket, false),
            "out" => endpoint.disconnect(socket, true),
            name => endpoint.emit_to(socket, name, &message.args),
        };
        done.expect("its sender is connected, and names no event of Socket.IO's own");
        if let Some(ack) = message.ack {
            if message.name() == "later" && self.acks.len() < 8 {
                self.acks.push_back(ack);
            } else {
                let _ = endpoint.acknowledge(ack, &message.args);
            }
        }
    }

    /// A step of the script.
    pub fn verb(&mut self, endpoint: &mut Endpoint, letter: u8, [first, second]: [usize; 2]) {
        match letter {
            b'E' => self.emit(endpoint, first, second),
            b'P' => self.progress(endpoint, first, second),
            b'A' => self.ledger.decide_late(endpoint, first, second),
            b'K' => {
                if let Some((target, _)) = self.target(endpoint, first) {
                    let timeout_ms = limit_ms(second);
                    self.ledger.ask_many(endpoint, &target, timeout_ms);
                }
            }
            b'J' => self.move_many(endpoint, first, second),
            b'a' => {
                if let Some(ack) = self.acks.pop_front() {
                    let _ = endpoint.acknowledge(ack, &Args::none());
                }
            }
            _ => {
                self.session_verb(endpoint, letter, first);
                if let Some(&socket) = self.sockets.iter().cycle().nth(first) {
                    self.socket_verb(endpoint, letter, socket, second);
                }
            }
        }
    }

    fn session_verb(&mut self, endpoint: &mut Endpoint, letter: u8, number: usize) {
        let Some(&session) = self.sessions.iter().cycle().nth(number) else {
            return;
        };
        match letter {
            b'd' | b'D' => endpoint.engine_close(session),
            b'e' => {
                let _ = endpoint.engine_send(session, &Frame::binary(&[0; 3000]));
            }
            _ => {}
        }
    }

    fn socket_verb(
        &mut self,
        endpoint: &mut Endpoint,
        letter: u8,
        socket: SocketId,
        number: usize,
    ) {
        let done = match letter {
            b'k' => {
                let timeout_ms = limit_ms(number);
                self.ledger.ask(endpoint, socket, timeout_ms);
                Ok(())
            }
            b's' => {
                self.ledger.keep(endpoint, socket, number);
                Ok(())
            }
            b'j' => endpoint.join(socket, room(number)).or(Ok(())),
            b'l' => endpoint.leave(socket, room(number)),
            b'd' => endpoint.disconnect(socket, false),
            b'D' => endpoint.disconnect(socket, true),
            _ => match number % 3 {
                0 => endpoint.emit_to(socket, "one", &args(number)),
                1 => endpoint.emit_volatile(socket, "one", &args(number)),
                _ => {
                    let asked = endpoint.emit_with_ack(socket, "one", &args(number));
                    self.asked.extend(asked.ok().map(|id| (socket, id)));
                    Ok(())
                }
            },
        };
        done.expect("the socket is connected");
    }

    fn emit(&mut self, endpoint: &mut Endpoint, target: usize, size: usize) {
        let Some((target, event)) = self.target(endpoint, target) else {
            return;
        };
        self.broadcasts += usize::from(event == "all");
        let emitted = endpoint.emit(&target, event, &args(size));
        emitted.expect("the name is not reserved");
    }

    /// Sockets of `/`, and the event that is emitted to them.
    fn target(&self, endpoint: &Endpoint, number: usize) -> Option<(Target, &'static str)> {
        let everybody = Target::namespace(endpoint.namespace("/").ok()?);
        Some(match number % 5 {
            0 => (everybody, "all"),
            1 => (everybody.volatile(), "some"),
            2 => (everybody.to(room(0)).to(room(1)), "some"),
            3 => (everybody.except(room(0)), "some"),
            _ => {
                let ids = self.sockets.iter().filter_map(|id| endpoint.socket_id(*id));
                let to = |target: Target, id: pulsewheel::IdText| target.to(id.as_str());
                (ids.fold(everybody.to("nobody"), to), "some")
            }
        })
    }

    /// Does something with many sockets, the witness not among them.
    fn move_many(&mut self, endpoint: &mut Endpoint, target: usize, number: usize) {
        let Some((mut target, _)) = self.target(endpoint, target) else {
            return;
        };
        if let Some(witness) = self.witness {
            target = target.except_socket(witness);
        }
        match number {
            0..=4 => {
                // Some may be in as many rooms as they may.
                let _ = endpoint.sockets_join(&target, &[room(number)]);
            }
            5..=7 => endpoint.sockets_leave(&target, &[room(number)]),
            _ => endpoint.disconnect_sockets(&target, number == 9),
        }
    }

    fn progress(&mut self, endpoint: &mut Endpoint, verb: usize, number: usize) {
        let id = self.progress.iter().cycle().nth(number);
        let id = id.and_then(|id| pulsewheel::progress::session_id_argument(id).ok());
        let object = |value: serde_json::Value| -> JsonObject {
            serde_json::from_value(value).expect("an object")
        };
        let options = SessionOptions {
            metadata: object(json!({"operation": "csv_import", "total_rows": 100})),
            managed: verb == 1,
            ..SessionOptions::default()
        };
        match (verb, id) {
            (0 | 1, _) => {
                let created = endpoint.progress().create_session(options);
                self.progress.extend(created.ok().map(|id| id.to_string()));
            }
            (2 | 3, Some(id)) => {
                let rows = object(json!({"processed_rows": number}));
                let _ = endpoint.progress().update_progress(id, number as f64 / 9.0, rows);
            }
            (4, Some(id)) => drop(endpoint.progress().complete_session(id, object(json!({"n": number})))),
            (5, Some(id)) => drop(endpoint.progress().error_session(id, json!("broken"), None)),
            (6, Some(id)) => drop(endpoint.progress().request_cancel(id, None)),
            (7, Some(id)) => drop(endpoint.progress().cleanup(id)),
            (8, _) => {
                endpoint.progress().cleanup_stale_sessions();
            }
            _ => {
                let news = object(json!({"type": "scan", "action": "added"}));
                let _ = endpoint.progress().data_updated(news);
            }
        }
    }

    /// Asks for more of the body of every request.
    pub fn grant(&mut self, endpoint: &mut Endpoint, bytes: usize) {
        let whole = |asked: &Asked| asked.parts.is_none();
        for (request, asked) in self.requests.iter_mut().filter(|(_, asked)| whole(asked)) {
            asked.granted_bytes = asked.granted_bytes.saturating_add(bytes);
            let granted = endpoint.grant_body(*request, bytes);
            granted.expect("the request is open");
        }
    }

    /// Decides about the session that has waited longest for it.
    pub fn decide(&mut self, endpoint: &mut Endpoint, number: usize) {
        let Some(ticket) = self.tickets.pop_front() else {
            return;
        };
        let admission = match number % 4 {
            0 => Admission::accept(),
            1 => Admission::accept().header("X", "a\r\nb"),
            2 => Admission::refuse("no"),
            _ => Admission::respond(Response::text(503, "later")),
        };
        if endpoint.admit(ticket, admission).is_ok() {
            let again = endpoint.admit(ticket, Admission::accept());
            again.expect_err("a decision is made once");
        }
    }

    /// Answers one request, or goes on with its answer.
    pub fn respond(&mut self, endpoint: &mut Endpoint, number: usize) {
        let Some(request) = self.requests.keys().cycle().nth(number).copied() else {
            return;
        };
        let asked = self.requests.get_mut(&request);
        let asked = asked.expect("it has just been found");
        if asked.parts.is_some() {
            return self.go_on(endpoint, request, number);
        }
        if number == 7 {
            let response = Response::text(200, "begins");
            let begun = endpoint.respond_in_parts(request, response);
            begun.expect("the request is open");
            match asked.has_no_body {
                true => drop(self.requests.remove(&request)),
                false => asked.parts = Some(Parts { is_said: true }),
            }
            return;
        }
        let response = match number {
            8 => Response::text(200, "x".repeat(20_000)),
            9 => Response::empty(204).with_header("X", "a\r\nb"),
            _ => Response::text(200, "fine"),
        };
        let responded = endpoint.respond(request, response);
        responded.expect("the request is open");
        self.requests.remove(&request);
    }

    /// Sends a part of an answer, ends it, or breaks it off.
    fn go_on(&mut self, endpoint: &mut Endpoint, request: RequestId, number: usize) {
        let asked = self.requests.get_mut(&request);
        let parts = asked.and_then(|asked| asked.parts.as_mut());
        let parts = parts.expect("an answer in parts");
        match number {
            0..=5 => match endpoint.send_part(request, "x".repeat(4_000 * number)) {
                Ok(()) => parts.is_said |= number > 0,
                Err(error) => assert_eq!(error, Error::TooMuchWaits),
            },
            6 => {
                let broken_off = endpoint.break_off(request);
                broken_off.expect("the answer has not ended");
            }
            _ => {
                endpoint.end_parts(request).expect("the answer has not ended");
                self.requests.remove(&request);
            }
        }
    }
}

fn room(number: usize) -> &'static str {
    ["a", "b", "c"][number % 3]
}

/// Arguments of some size.
fn args(size: usize) -> Args {
    let mut args = Args::builder();
    if size == 7 {
        args.push_binary(b"attached");
    }
    let length = match size {
        8 => 3_000,
        9 => 30_000,
        _ => size,
    };
    args.push(&"x".repeat(length)).expect("a string is JSON");
    args.build()
}

/// Time for an answer; short enough for all to be over at the end of a script.
fn limit_ms(number: usize) -> u64 {
    super::TIMES_MS[number % 8]
}
