//! Clients reached from other threads: emits, and questions whose answers are never lost.

use std::time::Duration;

use crate::support::{self, run, run_io, Client};
use pulsewheel::{AckError, Args, Config, Error, HandleError, Io, RecoveryConfig};

/// A server whose clients may join rooms, and that handles all its events by `Io::dispatch`.
fn server(config: Config) -> support::Running {
    let mut io = Io::new();
    support::add_echo(&mut io);
    run_io(config, io)
}

/// Joins a room, and gives the client's id.
fn joined(server: &support::Running, room: &str) -> (Client, String) {
    let mut client = Client::session(server.address);
    let answer = client.join("/", "");
    client.send(&format!("420[\"join\",\"{room}\"]"));
    assert_eq!(client.text(), "430[]");
    let id = answer["sid"].as_str().expect("an id").to_owned();
    (client, id)
}

#[test]
fn events_reach_whom_rooms_and_exceptions_name() {
    let server = server(Config::default());
    let (mut ops, _) = joined(&server, "ops");
    let (mut sre, sre_id) = joined(&server, "sre");
    let (mut other, _) = joined(&server, "other");
    let all = server.handle.of("/");
    let emitted = all.clone().to(["ops", "sre"]).emit("alert", ("disk", 97));
    assert_eq!(emitted.expect("queued").wait(), Ok(Ok(())));
    all.clone()
        .except(&sre_id)
        .emit("hi", "all")
        .expect("queued");
    all.emit("bye", ()).expect("queued");
    assert_eq!(ops.text(), "42[\"alert\",\"disk\",97]");
    assert_eq!(ops.text(), "42[\"hi\",\"all\"]");
    assert_eq!(sre.text(), "42[\"alert\",\"disk\",97]");
    assert_eq!(sre.text(), "42[\"bye\"]");
    assert_eq!(other.text(), "42[\"hi\",\"all\"]");
    assert_eq!(other.text(), "42[\"bye\"]");
}

#[test]
fn one_client_is_reached_by_its_id_put_into_rooms_and_disconnected() {
    let server = server(Config::default());
    let (mut client, id) = joined(&server, "a");
    let socket = server.handle.socket(&*id);
    socket.join(["b", "c"]).expect("queued");
    socket.leave("a").expect("queued");
    let to = |room: &str| {
        let all = server.handle.of("/").to(room);
        all.emit("room", room).expect("queued");
    };
    to("a");
    to("b");
    let key = server.call(move |endpoint| endpoint.find_socket(&id).expect("it is there"));
    let by_key = server.handle.socket(key);
    by_key.emit("last", [1, 2]).expect("queued");
    assert_eq!(client.text(), "42[\"room\",\"b\"]");
    assert_eq!(client.text(), "42[\"last\",1,2]");
    by_key.disconnect(false).expect("queued");
    assert_eq!(client.text(), "41");
    let gone = by_key.emit("late", ()).expect("queued").wait();
    assert_eq!(gone, Ok(Err(Error::NoSuchSocket)));
}

#[test]
fn mistakes_of_the_host_are_told_to_whoever_waits() {
    let server = server(Config::default());
    let unknown = server.handle.of("/nowhere").emit("x", ()).expect("queued");
    assert_eq!(unknown.wait(), Ok(Err(Error::NoSuchNamespace)));
    let reserved = server.handle.of("/").emit("connect", ()).expect("queued");
    let error = Error::ReservedEvent("connect".to_owned());
    assert_eq!(reserved.wait(), Ok(Err(error.clone())));
    let asked = server.handle.of("/").ask("connect", ()).expect("queued");
    assert_eq!(asked.wait(), Ok(Err(error.clone())));
    let (_client, id) = joined(&server, "a");
    let asked = server.handle.socket(&*id).ask::<()>("connect", ());
    let answer = asked.expect("queued").wait();
    assert_eq!(answer, Ok(Err(AckError::Refused(error))));
    let map: std::collections::BTreeMap<Vec<u8>, u8> = [(vec![1], 1)].into();
    let emitted = server.handle.of("/").emit("x", map).expect("queued");
    let answer = emitted.wait().expect("it runs");
    assert!(matches!(answer, Err(Error::Unserializable(_))));
}

#[test]
fn an_answer_comes_to_who_asked_though_handlers_take_all_events() {
    let server = server(Config::default());
    let (mut client, id) = joined(&server, "a");
    let socket = server.handle.socket(id);
    let asked = socket.ask::<(String, u8)>("question", ("what", 1));
    let question = client.text();
    let (ack, rest) = question[2..].split_at(1);
    assert_eq!(rest, "[\"question\",\"what\",1]");
    client.send(&format!("43{ack}[\"because\",7,true]"));
    let answer = asked.expect("queued").wait();
    assert_eq!(answer, Ok(Ok(("because".to_owned(), 7))));

    // What is no number is no answer.
    let asked = socket.ask::<u8>("question", ());
    let question = client.text();
    client.send(&format!("43{}[\"many\"]", &question[2..3]));
    let answer = asked.expect("queued").wait().expect("it runs");
    assert!(matches!(answer, Err(AckError::Mismatch(_))));
}

#[test]
fn who_does_not_answer_or_goes_is_no_longer_waited_for() {
    for recovery in [None, Some(RecoveryConfig::default())] {
        let server = server(Config {
            recovery,
            ..Config::default()
        });
        let (client, id) = joined(&server, "a");
        let socket = server.handle.socket(&*id);
        let soon = socket.clone().timeout(Duration::from_millis(20));
        let asked = soon.ask::<Args>("question", ());
        let answer = asked.expect("queued").wait();
        assert_eq!(answer, Ok(Err(AckError::TimedOut)));

        let asked = socket.ask::<Args>("question", ()).expect("queued");
        server.call(|endpoint| endpoint.counts());
        assert_eq!(asked.try_take(), Err(HandleError::NotYet));
        client.cut();
        assert_eq!(asked.wait(), Ok(Err(AckError::Disconnected)));
        let asked = socket.ask::<Args>("question", ()).expect("queued");
        assert_eq!(asked.wait(), Ok(Err(AckError::Disconnected)));
    }
}

#[test]
fn answers_of_many_are_gathered() {
    let server = server(Config::default());
    let (mut one, _) = joined(&server, "a");
    let (mut two, _) = joined(&server, "a");
    let room = server.handle.of("/").to("a");
    let asked = room.ask("sum", (1, 2)).expect("queued");
    for client in [&mut one, &mut two] {
        let question = client.text();
        let ack = &question[2..question.find('[').expect("arguments")];
        client.send(&format!("43{ack}[3]"));
    }
    let responses = asked.wait().expect("it runs").expect("a good name");
    assert!(responses.is_complete);
    let three = Args::one(&3).expect("a number");
    assert_eq!(responses.answers, [three.clone(), three]);

    let soon = room.timeout(Duration::from_millis(20));
    let asked = soon.ask("sum", ()).expect("queued");
    let responses = asked.wait().expect("it runs").expect("a good name");
    assert!(!responses.is_complete && responses.answers.is_empty());
}

#[test]
fn a_question_is_closed_with_the_server() {
    let server = run(Config::default(), |_, _| {});
    let mut client = Client::joined(server.address);
    let id = server.call(|endpoint| {
        let everybody = pulsewheel::Target::namespace(endpoint.namespace("/").expect("served"));
        endpoint.fetch_sockets(&everybody)[0]
    });
    let asked = server.handle.socket(id).ask::<Args>("question", ());
    assert_eq!(client.text(), "420[\"question\"]");
    drop(server);
    let answer = asked.expect("queued").wait();
    assert_eq!(answer, Ok(Err(AckError::Disconnected)));
}
