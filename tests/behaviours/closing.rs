//! How and why connections end.

use std::time::{Duration, Instant};

use pulsewheel::{Config, Error, Io};

use crate::support::{
    add_echo, assert_passed_ms, notes, run_io, Client, Http, Notes, Polling, Running,
};

/// A server that notes the reason of every disconnect, and disconnects who asks for it.
fn noting(config: Config) -> (Running, Notes) {
    let (sender, notes) = notes();
    let mut io = Io::new();
    add_echo(&mut io);
    for namespace in ["/", "/other"] {
        let sender = sender.clone();
        io.of(namespace)
            .on_disconnect(move |_, socket, reason| {
                assert!(socket.rooms().next().is_none(), "it has left its rooms");
                let _ = sender.send(reason.to_string());
            })
            .on_raw("kick", |_, socket, message| {
                socket.disconnect(message.args.get(0).expect("a choice"))
            });
    }
    (run_io(config, io), notes)
}

#[test]
fn b75_every_end_has_its_reason() {
    let (server, notes) = noting(Config {
        ping_interval_ms: 300,
        ping_timeout_ms: 300,
        max_payload_bytes: 1000,
        ..Config::default()
    });
    let address = server.address;
    Client::joined(address).cut();
    assert_eq!(notes.next(), "transport close");
    Client::joined(address).close();
    assert_eq!(notes.next(), "transport close");
    Polling::join(address).post("1");
    assert_eq!(notes.next(), "transport close");

    let waiting = Polling::join(address);
    let poll = waiting.start_poll();
    waiting.poll();
    assert_eq!(notes.next(), "transport error");
    drop(poll);
    let mut greedy = Client::joined(address);
    greedy.send(&"4".repeat(2000));
    assert_eq!(notes.next(), "transport error");

    for packet in ["7", "junk"] {
        Client::joined(address).send(packet);
        assert!(notes.next() == "parse error", "{packet}");
    }
    Client::joined(address).send("42[\"connect\"]");
    assert_eq!(notes.next(), "forced close");
    Client::joined(address).send("41");
    assert_eq!(notes.next(), "client namespace disconnect");
    for kick in ["42[\"kick\",false]", "42[\"kick\",true]"] {
        Client::joined(address).send(kick);
        assert_eq!(notes.next(), "server namespace disconnect");
    }

    let begin = Instant::now();
    let mut silent = Client::joined(address);
    assert_eq!(silent.closed(), (1005, vec!["2".to_owned()]));
    assert_eq!(notes.next(), "ping timeout");
    assert_passed_ms(begin, 600);

    let _last = Client::joined(address);
    server.shut_down();
    assert_eq!(notes.next(), "server shutting down");
    assert!(notes.so_far().is_empty(), "one reason for each end");
}

#[test]
fn b76_disconnecting_comes_while_the_rooms_are_still_there() {
    let (sender, notes) = notes();
    let mut io = Io::new();
    add_echo(&mut io);
    let left = sender.clone();
    io.of("/")
        .on_disconnecting(move |_, socket, reason| {
            let rooms: Vec<&str> = socket.rooms().collect();
            let _ = sender.send(format!("disconnecting {rooms:?} {reason}"));
        })
        .on_disconnect(move |_, socket, reason| {
            let rooms: Vec<&str> = socket.rooms().collect();
            let _ = left.send(format!("disconnect {rooms:?} {reason}"));
        });
    let server = run_io(Config::default(), io);
    let end_by = |way: fn(Client), reason: &str| {
        let mut client = Client::joined(server.address);
        client.send("421[\"join\",\"room\"]");
        assert_eq!(client.text(), "431[]");
        way(client);
        assert_eq!(notes.next(), format!("disconnecting [\"room\"] {reason}"));
        assert_eq!(notes.next(), format!("disconnect [] {reason}"));
    };
    end_by(Client::cut, "transport close");
    end_by(
        |mut client| client.send("41"),
        "client namespace disconnect",
    );
}

#[test]
fn b60_a_server_that_shuts_down_says_no_more_than_it_must() {
    let (server, notes) = noting(Config::default());
    let mut websocket = Client::joined(server.address);
    let polling = Polling::join(server.address);
    let mut waiting = polling.start_poll();
    // The poll waits once what was sent behind it has been answered.
    assert!(websocket.settled().is_empty());
    server.shut_down();
    assert_eq!(websocket.closed(), (1005, Vec::new()));
    let answer = waiting.answer();
    assert_eq!((answer.status, answer.text()), (200, "1"));
    assert!(waiting.rest().is_empty());
    for _ in 0..2 {
        assert_eq!(notes.next(), "server shutting down");
    }
}

#[test]
fn b79_a_connection_without_any_namespace_stays() {
    let (server, notes) = noting(Config {
        connect_timeout_ms: 200,
        ..Config::default()
    });
    let mut client = Client::joined(server.address);
    client.join("/other", "");
    client.send("41");
    assert_eq!(notes.next(), "client namespace disconnect");
    client.send("41/other,");
    assert_eq!(notes.next(), "client namespace disconnect");
    std::thread::sleep(Duration::from_millis(300));
    assert!(client.settled().is_empty());
    client.join("/", "");
    client.close();
}

#[test]
fn b82_a_refused_connect_does_not_count_as_joining() {
    let (server, _notes) = noting(Config {
        connect_timeout_ms: 400,
        ..Config::default()
    });
    let begin = Instant::now();
    let mut client = Client::session(server.address);
    client.send("40/nope,");
    let refusal = "44/nope,{\"message\":\"Invalid namespace\"}".to_owned();
    assert_eq!(client.closed(), (1005, vec![refusal]));
    assert_passed_ms(begin, 400);
}

#[test]
fn b50_a_post_over_the_limit_ends_the_session() {
    let (server, notes) = noting(Config {
        max_payload_bytes: 1000,
        ..Config::default()
    });
    let session = Polling::join(server.address);
    let fits = format!("42[\"echo\",\"{}\"]", "x".repeat(1000 - 13));
    assert_eq!(fits.len(), 1000);
    assert_eq!(session.post(&fits).text(), "ok");
    assert_eq!(session.poll().text(), fits);
    let mut http = Http::connect(server.address);
    let fields = [("Content-Length", "1001")];
    http.request("POST", &session.target(), &fields, b"");
    let answer = http.answer();
    assert_eq!((answer.status, answer.body.len()), (413, 0));
    assert_eq!(notes.next(), "transport error");
    assert!(session.is_over());
}

#[test]
fn b108_whoever_has_left_joins_nothing() {
    let (server, notes) = noting(Config::default());
    let mut client = Client::session(server.address);
    let id = client.join("/", "")["sid"]
        .as_str()
        .expect("an id")
        .to_owned();
    let find = move |endpoint: &mut pulsewheel::Endpoint| endpoint.find_socket(&id);
    let socket = server.call(find.clone()).expect("there");
    client.send("41");
    notes.next();
    assert_eq!(server.call(find), None);
    let joined = server.call(move |endpoint| endpoint.join(socket, "room"));
    assert_eq!(joined, Err(Error::NoSuchSocket));
    server.emit(|all| all.to("room"), "to nobody", "x");
    assert!(client.settled().is_empty());
}
