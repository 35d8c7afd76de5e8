//! Clients that lose their connection and come back.

use pulsewheel::{Args, Config, Error, Event, Io, Next, RecoveryConfig, Target};
use serde_json::Value;

use crate::support::{assert_passed_ms, notes, run, until, Client, Notes, Running};

/// A server that notes who joins, recovers, is lost and expires; `join` and `ask` are handled.
fn server_with(config: Config) -> (Running, Notes) {
    let (sender, notes) = notes();
    let server = run(config, move |endpoint, event| {
        let note = match event {
            Event::Connected { is_recovered, .. } => {
                Some(if is_recovered { "recovered" } else { "joined" }.to_owned())
            }
            Event::Disconnected { reason, .. } => Some(reason.to_string()),
            Event::RecoveryExpired { .. } => Some("expired".to_owned()),
            Event::Message(message) => {
                let result = match &*message.name() {
                    "join" => endpoint.join(message.socket, message.args.raw(0).expect("a room")),
                    "kick" => endpoint.disconnect(message.socket, false),
                    _ => Ok(()),
                };
                assert!(matches!(result, Ok(()) | Err(Error::NoSuchSocket)));
                None
            }
            _ => None,
        };
        if let Some(note) = note {
            let _ = sender.send(note);
        }
    });
    (server, notes)
}

fn recovering() -> Config {
    Config {
        recovery: Some(RecoveryConfig::default()),
        ..Config::default()
    }
}

/// What a client has to know to come back.
struct Known {
    sid: String,
    pid: String,
    offset: Option<String>,
}

impl Known {
    fn of(payload: &Value) -> Known {
        let text = |key: &str| payload[key].as_str().expect("an id").to_owned();
        Known {
            sid: text("sid"),
            pid: text("pid"),
            offset: None,
        }
    }

    fn connect(&self) -> String {
        let offset = self.offset.as_ref();
        let offset = offset.map_or(String::new(), |offset| format!(",\"offset\":\"{offset}\""));
        format!("40{{\"pid\":\"{}\"{offset}}}", self.pid)
    }

    /// Comes back on a new connection: what was sent first, and the payload of the CONNECT behind it.
    fn come_back(&mut self, server: &Running) -> (Client, Vec<String>, Value) {
        let mut client = Client::session(server.address);
        client.send(&self.connect());
        let mut missed = Vec::new();
        loop {
            let text = client.text();
            if let Some(payload) = text.strip_prefix("40") {
                let payload: Value = serde_json::from_str(payload).expect("JSON");
                return (client, missed, payload);
            }
            self.note(&text);
            missed.push(text);
        }
    }

    /// Takes the offset of an event.
    fn note(&mut self, event: &str) {
        let args: Vec<Value> = serde_json::from_str(&event[2..]).expect("an event");
        let offset = args.last().and_then(Value::as_str);
        self.offset = Some(offset.expect("an offset").to_owned());
    }
}

fn join(server: &Running, notes: &Notes) -> (Client, Known) {
    let mut client = Client::session(server.address);
    let known = Known::of(&client.join("/", ""));
    assert_eq!(notes.next(), "joined");
    (client, known)
}

/// The connection breaks, and the server has noticed.
fn lose(client: Client, notes: &Notes) {
    client.cut();
    assert_eq!(notes.next(), "transport close");
}

/// Events without their offsets.
fn texts(events: &[String]) -> Vec<String> {
    let text = |event: &String| {
        let args: Vec<Value> = serde_json::from_str(&event[2..]).expect("an event");
        args[1].as_str().expect("text").to_owned()
    };
    events.iter().map(text).collect()
}

#[test]
fn b122_only_with_recovery_connect_is_answered_with_a_pid() {
    let (plain, _notes) = server_with(Config::default());
    let payload = Client::session(plain.address).join("/", "");
    assert!(payload["pid"].is_null(), "{payload}");
    let (server, _notes) = server_with(recovering());
    let payload = Client::session(server.address).join("/", "");
    assert!(payload["pid"].is_string(), "{payload}");
    assert_ne!(payload["pid"], payload["sid"]);
}

#[test]
fn b123_events_carry_their_offset_as_last_argument() {
    let (server, notes) = server_with(recovering());
    let (mut client, _) = join(&server, &notes);
    server.emit(|all| all, "news", "x");
    let args: Vec<Value> = serde_json::from_str(&client.text()[2..]).expect("an event");
    assert_eq!((args.len(), &args[1]), (3, &Value::from("x")));
    assert!(args[2].is_string());
    server.call(|endpoint| {
        let everybody = Target::namespace(endpoint.namespace("/").expect("served"));
        let mut bytes = Args::builder();
        bytes.push_binary(&[7]);
        endpoint
            .emit(&everybody, "bytes", &bytes.build())
            .expect("a name");
    });
    let header = client.text();
    let args: Vec<Value> =
        serde_json::from_str(header.strip_prefix("451-").expect("binary")).expect("an event");
    assert_eq!(args.len(), 3);
    assert_eq!(args[1]["num"], 0);
    assert!(args[2].is_string(), "{header}");
    assert_eq!(client.binary(), [7]);
}

#[test]
fn b124_questions_and_volatile_events_carry_no_offset() {
    let (server, notes) = server_with(recovering());
    let (mut client, mut known) = join(&server, &notes);
    let id = known.sid.clone();
    let ask = move |endpoint: &mut pulsewheel::Endpoint| {
        let socket = endpoint.find_socket(&id).expect("there");
        let asked = endpoint.emit_with_ack(socket, "question", &Args::none());
        asked.expect("a good name")
    };
    server.call(ask.clone());
    assert_eq!(client.text(), "420[\"question\"]");
    server.emit(Target::volatile, "news", "volatile");
    assert_eq!(client.text(), "42[\"news\",\"volatile\"]");
    lose(client, &notes);
    server.emit(Target::volatile, "news", "volatile");
    server.emit(|all| all, "news", "kept");
    let (_client, missed, _) = known.come_back(&server);
    assert_eq!(texts(&missed), ["kept"]);
}

#[test]
fn b125_what_was_missed_comes_before_connect_with_the_old_ids() {
    let (server, notes) = server_with(recovering());
    let (mut client, mut known) = join(&server, &notes);
    server.emit(|all| all, "news", "seen");
    let seen = client.text();
    known.note(&seen);
    lose(client, &notes);
    for text in ["one", "two", "three"] {
        server.emit(|all| all, "news", text);
    }
    let (_client, missed, payload) = known.come_back(&server);
    assert_eq!(texts(&missed), ["one", "two", "three"]);
    assert_eq!(payload["sid"], known.sid.as_str());
    assert_eq!(payload["pid"], known.pid.as_str());
    assert_eq!(notes.next(), "recovered");
}

#[test]
fn b126_rooms_and_data_stay_and_middlewares_are_skipped_where_wanted() {
    for skip_middlewares in [true, false] {
        let (sender, notes) = notes();
        let mut io = Io::new();
        let asked = sender.clone();
        io.of("/")
            .middleware(move |_, _| {
                let _ = asked.send("asked".to_owned());
                Ok(Next::Go)
            })
            .on_connect(move |_, socket| -> Result<(), Error> {
                if !socket.is_recovered() {
                    socket.join("room")?;
                    socket.set_data("kept".to_owned())?;
                }
                let rooms: Vec<&str> = socket.rooms().collect();
                let data: Option<&String> = socket.data();
                let _ = sender.send(format!("{} {rooms:?} {data:?}", socket.is_recovered()));
                Ok(())
            });
        let config = Config {
            recovery: Some(RecoveryConfig {
                skip_middlewares,
                ..RecoveryConfig::default()
            }),
            ..Config::default()
        };
        let server = crate::support::run_io(config, io);
        let mut client = Client::session(server.address);
        let mut known = Known::of(&client.join("/", ""));
        assert_eq!(notes.next(), "asked");
        assert_eq!(notes.next(), r#"false ["room"] Some("kept")"#);
        client.close();
        let (_client, _, payload) = known.come_back(&server);
        assert_eq!(payload["sid"], known.sid.as_str());
        if !skip_middlewares {
            assert_eq!(notes.next(), "asked");
        }
        assert_eq!(notes.next(), r#"true ["room"] Some("kept")"#);
    }
}

#[test]
fn b127_only_what_was_for_the_client_is_sent_again() {
    let (server, notes) = server_with(recovering());
    let (mut client, mut known) = join(&server, &notes);
    client.send("42[\"join\",\"mine\"]");
    assert!(client.settled().is_empty());
    let own_room = known.sid.clone();
    lose(client, &notes);
    server.emit(|all| all.to("\"mine\""), "news", "to my room");
    server.emit(|all| all.to("\"other\""), "news", "to another room");
    server.emit(|all| all.to(own_room), "news", "to me");
    server.emit(|all| all.except("\"mine\""), "news", "not to my room");
    server.emit(|all| all, "news", "to all");
    let (mut client, missed, _) = known.come_back(&server);
    assert_eq!(texts(&missed), ["to my room", "to me", "to all"]);
    server.emit(|all| all.to("\"mine\""), "news", "still in my room");
    assert_eq!(texts(&[client.text()]), ["still in my room"]);
}

#[test]
fn b128_a_socket_that_was_disconnected_on_purpose_is_not_kept() {
    let (server, notes) = server_with(recovering());
    for (last, reason) in [
        ("41", "client namespace disconnect"),
        ("42[\"kick\"]", "server namespace disconnect"),
    ] {
        let (mut client, mut known) = join(&server, &notes);
        client.send(last);
        assert_eq!(notes.next(), reason);
        let (_, missed, payload) = known.come_back(&server);
        assert!(missed.is_empty());
        assert_ne!(payload["sid"], known.sid.as_str());
        assert_ne!(payload["pid"], known.pid.as_str());
        assert_eq!(notes.next(), "joined");
        assert_eq!(notes.next(), "transport close");
    }
    for (last, reason) in [("junk", "parse error"), ("42[]", "forced close")] {
        let (mut client, mut known) = join(&server, &notes);
        client.send(last);
        assert_eq!(notes.next(), reason);
        let (_, _, payload) = known.come_back(&server);
        assert_eq!(payload["sid"], known.sid.as_str(), "after {reason}");
        assert_eq!(notes.next(), "recovered");
        assert_eq!(notes.next(), "transport close");
    }
}

#[test]
fn b129_a_client_recovers_time_and_again_until_it_leaves() {
    let (server, notes) = server_with(recovering());
    let (mut client, mut known) = join(&server, &notes);
    for round in 0..4 {
        lose(client, &notes);
        let text = format!("round {round}");
        server.emit(|all| all, "news", &text);
        let (back, missed, payload) = known.come_back(&server);
        assert_eq!(texts(&missed), [text]);
        assert_eq!(payload["pid"], known.pid.as_str());
        assert_eq!(notes.next(), "recovered");
        client = back;
    }
    client.send("41");
    assert_eq!(notes.next(), "client namespace disconnect");
    let (_, _, payload) = known.come_back(&server);
    assert_ne!(payload["sid"], known.sid.as_str());
    assert_eq!(notes.next(), "joined");
}

#[test]
fn b130_what_the_server_does_not_know_begins_a_new_session() {
    let (server, notes) = server_with(Config {
        recovery: Some(RecoveryConfig {
            max_disconnection_ms: 100,
            ..RecoveryConfig::default()
        }),
        ..Config::default()
    });
    let (client, mut known) = join(&server, &notes);
    lose(client, &notes);
    assert_eq!(notes.next(), "expired");
    let (_, _, payload) = known.come_back(&server);
    assert_ne!(payload["sid"], known.sid.as_str());
    assert_eq!(notes.next(), "joined");
    assert_eq!(notes.next(), "transport close");

    let (patient, notes) = server_with(recovering());
    let (client, mut known) = join(&patient, &notes);
    lose(client, &notes);
    for (pid, offset) in [
        ("nobody", None),
        (known.pid.clone().as_str(), Some("nonsense")),
    ] {
        known.pid = pid.to_owned();
        known.offset = offset.map(str::to_owned);
        let (_, missed, payload) = known.come_back(&patient);
        assert!(missed.is_empty());
        assert_ne!(payload["sid"], known.sid.as_str(), "{pid} {offset:?}");
    }
}

#[test]
fn b131_a_client_that_received_nothing_yet_gets_all_since_it_joined() {
    let (server, notes) = server_with(recovering());
    server.emit(|all| all, "news", "before it joined");
    let (client, mut known) = join(&server, &notes);
    lose(client, &notes);
    server.emit(|all| all, "news", "after");
    let (_client, missed, payload) = known.come_back(&server);
    assert_eq!(texts(&missed), ["after"]);
    assert_eq!(payload["sid"], known.sid.as_str());
}

#[test]
fn b132_a_client_that_was_idle_for_long_recovers() {
    let (server, notes) = server_with(Config {
        ping_interval_ms: 50,
        ping_timeout_ms: 10_000,
        recovery: Some(RecoveryConfig {
            max_disconnection_ms: 10_000,
            max_bytes: 2_000,
            ..RecoveryConfig::default()
        }),
        ..Config::default()
    });
    let (mut client, mut known) = join(&server, &notes);
    server.emit(|all| all, "news", "seen");
    loop {
        let text = client.text();
        if text != "2" {
            known.note(&text);
            break;
        }
    }
    // So much is sent to others that nothing is left of what this client has seen.
    for _ in 0..10 {
        server.emit(|all| all.to("elsewhere"), "news", &"x".repeat(500));
        while client.text() != "2" {}
        client.send("3");
    }
    lose(client, &notes);
    server.emit(|all| all, "news", "missed");
    let (_client, missed, payload) = known.come_back(&server);
    assert_eq!(texts(&missed), ["missed"]);
    assert_eq!(payload["sid"], known.sid.as_str());
}

#[test]
fn b133_what_is_kept_is_bounded_and_never_sent_in_part() {
    for recovery in [
        RecoveryConfig {
            max_bytes: 4_000,
            ..RecoveryConfig::default()
        },
        RecoveryConfig {
            max_bytes_per_session: 4_000,
            ..RecoveryConfig::default()
        },
    ] {
        let (server, notes) = server_with(Config {
            recovery: Some(recovery),
            ..Config::default()
        });
        let (client, mut known) = join(&server, &notes);
        lose(client, &notes);
        for _ in 0..10 {
            server.emit(|all| all, "news", &"x".repeat(1_000));
        }
        let (_, missed, payload) = known.come_back(&server);
        assert!(missed.is_empty(), "{} events", missed.len());
        assert_ne!(payload["sid"], known.sid.as_str());
        assert_eq!(notes.next(), "joined");
    }
}

#[test]
fn b133_no_more_sockets_are_kept_than_allowed() {
    let (server, notes) = server_with(Config {
        recovery: Some(RecoveryConfig {
            max_away: 1,
            ..RecoveryConfig::default()
        }),
        ..Config::default()
    });
    let (first, mut kept) = join(&server, &notes);
    let (second, mut forgotten) = join(&server, &notes);
    lose(first, &notes);
    lose(second, &notes);
    let (_a, _, payload) = forgotten.come_back(&server);
    assert_ne!(payload["sid"], forgotten.sid.as_str());
    let (_b, _, payload) = kept.come_back(&server);
    assert_eq!(payload["sid"], kept.sid.as_str());
}

#[test]
fn b134_the_host_hears_when_nobody_comes_back_in_time() {
    let (server, notes) = server_with(Config {
        recovery: Some(RecoveryConfig {
            max_disconnection_ms: 200,
            ..RecoveryConfig::default()
        }),
        ..Config::default()
    });
    let (client, known) = join(&server, &notes);
    let (_stays, _) = join(&server, &notes);
    lose(client, &notes);
    let lost = std::time::Instant::now();
    assert_eq!(notes.next(), "expired");
    assert_passed_ms(lost, 150);
    let id = known.sid.clone();
    until(
        || {
            let id = id.clone();
            server
                .call(move |endpoint| endpoint.find_socket(&id))
                .is_none()
        },
        "end of the socket",
    );
    assert!(notes.so_far().is_empty());
}
