//! Namespaces and who may join them.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use pulsewheel::{Args, Config, Error, Io, Next, Refusal};
use serde_json::json;

use crate::support::{add_echo, notes, run_io, Client, LIMIT};

#[test]
fn b94_a_refused_client_hears_why_and_may_try_again() {
    let mut io = Io::new();
    add_echo(&mut io);
    io.of("/").middleware(|_, connecting| {
        let auth: serde_json::Value = connecting.auth()?;
        match auth["token"].as_str() {
            Some("good") => Ok(Next::Go),
            Some("bad") => Err(Refusal::new("nope").with_data(json!({"code": 7}))),
            _ => Err("a token, please".into()),
        }
    });
    let server = run_io(Config::default(), io);
    let mut client = Client::session(server.address);
    for (connect, answer) in [
        ("40", r#"44{"message":"a token, please"}"#),
        (
            r#"40{"token":"bad"}"#,
            r#"44{"message":"nope","data":{"code":7}}"#,
        ),
    ] {
        client.send(connect);
        assert_eq!(client.text(), answer);
    }
    client.join("/", r#"{"token":"good"}"#);
    client.close();
}

#[test]
fn b95_middlewares_run_in_order_and_may_answer_later() {
    let (sender, notes) = notes();
    let (ticket_sender, tickets) = channel();
    let mut io = Io::new();
    let first = sender.clone();
    let connected = sender.clone();
    io.of("/")
        .middleware(move |_, _| {
            let _ = first.send("first".to_owned());
            Ok(Next::Go)
        })
        .middleware(move |_, connecting| {
            let _ = ticket_sender.send(connecting.id());
            Ok(Next::Later)
        })
        .middleware(move |_, _| {
            let _ = sender.send("third".to_owned());
            Ok(Next::Go)
        })
        .on_connect(move |_, _| {
            let _ = connected.send("connected".to_owned());
        });
    let server = run_io(Config::default(), io);
    let mut client = Client::session(server.address);
    client.send("40");
    let ticket = tickets.recv_timeout(LIMIT).expect("a client");
    assert!(client.settled().is_empty(), "CONNECT waits");
    assert_eq!(notes.so_far(), ["first"]);
    let passed = server.call(move |endpoint| endpoint.pass_connect(ticket));
    assert_eq!(passed, Ok(()));
    assert!(client.text().starts_with("40{\"sid\":"));
    assert_eq!([notes.next(), notes.next()], ["third", "connected"]);

    let mut hasty = Client::session(server.address);
    hasty.send("40");
    let ticket = tickets.recv_timeout(LIMIT).expect("a client");
    hasty.close();
    let passed = server.call(move |endpoint| endpoint.pass_connect(ticket));
    assert_eq!(passed, Err(Error::NoSuchTicket));
    assert_eq!(notes.so_far(), ["first"]);
}

#[test]
fn b95_an_event_before_the_middlewares_have_agreed_closes_the_connection() {
    let mut io = Io::new();
    add_echo(&mut io);
    io.of("/").middleware(|_, _| Ok(Next::Later));
    let server = run_io(Config::default(), io);
    let mut client = Client::session(server.address);
    client.send("40");
    client.send("42[\"echo\",1]");
    assert_eq!(client.closed(), (1005, Vec::new()));
}

#[test]
fn b96_whoever_is_refused_is_in_no_room() {
    let mut io = Io::new();
    add_echo(&mut io);
    io.of("/")
        .middleware(|_, connecting| {
            connecting.set_data("seen".to_owned())?;
            Ok(Next::Go)
        })
        .middleware(|_, _| Err("nobody gets in".into()));
    let server = run_io(Config::default(), io);
    let mut client = Client::session(server.address);
    client.send("40");
    assert_eq!(client.text(), r#"44{"message":"nobody gets in"}"#);
    let (members, rooms) = server.call(|endpoint| {
        let namespace = endpoint.namespace("/").expect("served");
        let everybody = pulsewheel::Target::namespace(namespace);
        let members = endpoint.fetch_sockets(&everybody).len();
        (members, endpoint.all_rooms(namespace).count())
    });
    assert_eq!((members, rooms), (0, 0));
    server.emit(|all| all, "news", "x");
    assert!(client.settled().is_empty());
}

#[test]
fn b97_a_packet_middleware_withholds_events() {
    let (sender, notes) = notes();
    let mut io = Io::new();
    add_echo(&mut io);
    io.of("/")
        .packet_middleware(|_, _, message| match message.args.raw(0) {
            Some("\"bad\"") => Err("a bad word".into()),
            _ => Ok(()),
        })
        .on_error(move |_, _, error| {
            let _ = sender.send(error.to_owned());
        });
    let server = run_io(Config::default(), io);
    let mut client = Client::joined(server.address);
    client.send("42[\"echo\",\"bad\"]");
    assert_eq!(notes.next(), "a bad word");
    client.send("42[\"echo\",\"good\"]");
    assert_eq!(client.text(), "42[\"echo\",\"good\"]");
    assert!(client.settled().is_empty());
}

#[test]
fn b98_dynamic_namespaces_come_into_being_as_they_are_asked_for() {
    let mut io = Io::new();
    add_echo(&mut io);
    io.of_pattern("/room-*")
        .on_raw("echo", |_, socket, message| {
            socket.emit("echo", &message.args)
        });
    io.of_dynamic("tokens", |_, name, auth| {
        name.starts_with("/token/") && auth.raw(0) == Some("{\"t\":1}")
    });
    let io = Arc::new(Mutex::new(io));
    let config = io.lock().expect("free").configure(Config::default());
    let handlers = io.clone();
    let server = crate::support::run(config, move |endpoint, event| {
        let mut io = handlers.lock().expect("free");
        io.dispatch(endpoint, event).expect("no handler fails");
    });

    let mut clients: Vec<Client> = (0..10).map(|_| Client::session(server.address)).collect();
    for client in &mut clients {
        client.send("40/room-1,");
    }
    for client in &mut clients {
        assert!(client.text().starts_with("40/room-1,{\"sid\":"));
    }
    clients[0].send("42/room-1,[\"echo\",1]");
    assert_eq!(clients[0].text(), "42/room-1,[\"echo\",1]");
    clients[0].join("/token/a", "{\"t\":1}");
    for (connect, name) in [
        ("40/token/b,{\"t\":2}", "/token/b"),
        ("40/rooms,", "/rooms"),
        ("40/a-room-1,", "/a-room-1"),
    ] {
        clients[0].send(connect);
        let expected = format!("44{name},{{\"message\":\"Invalid namespace\"}}");
        assert_eq!(clients[0].text(), expected);
    }
    clients[1].join("/room-2", "");
    server.call(move |endpoint| {
        let io = io.lock().expect("free");
        let children = io.children(endpoint, "/room-*");
        assert_eq!(children.len(), 2);
        for child in children {
            let sent = endpoint.emit(&child, "to all children", &Args::none());
            sent.expect("a good name");
        }
    });
    assert_eq!(clients[0].text(), "42/room-1,[\"to all children\"]");
    let mut both = [clients[1].text(), clients[1].text()];
    both.sort();
    let expected = ["/room-1", "/room-2"].map(|name| format!("42{name},[\"to all children\"]"));
    assert_eq!(both, expected);
}

#[test]
fn b99_an_empty_child_goes_where_that_is_wanted() {
    for cleanup in [true, false] {
        let (sender, notes) = notes();
        let mut io = Io::new();
        add_echo(&mut io);
        io.of_pattern("/child-*").on_disconnect(move |_, _, _| {
            let _ = sender.send("left".to_owned());
        });
        let config = Config {
            cleanup_empty_child_namespaces: cleanup,
            ..Config::default()
        };
        let server = run_io(config, io);
        let names = || {
            server.call(|endpoint| {
                let names = endpoint.namespaces().map(|(_, name)| name.to_owned());
                names.collect::<Vec<_>>()
            })
        };
        let mut one = Client::session(server.address);
        let mut other = Client::session(server.address);
        one.join("/child-1", "");
        other.join("/child-1", "");
        one.send("41/child-1,");
        assert_eq!(notes.next(), "left");
        assert_eq!(names(), ["/", "/child-1"], "somebody is in it");
        other.send("41/child-1,");
        assert_eq!(notes.next(), "left");
        let expected: &[&str] = if cleanup { &["/"] } else { &["/", "/child-1"] };
        assert_eq!(names(), expected);
        one.join("/child-1", "");
        assert_eq!(names(), ["/", "/child-1"]);
    }
}

#[test]
fn b100_the_host_hears_of_new_namespaces() {
    let (sender, notes) = notes();
    let mut io = Io::new();
    add_echo(&mut io);
    io.of_pattern("/child-*");
    io.on_new_namespace(move |_, server, namespace| {
        let name = server.endpoint().namespace_name(namespace).expect("there");
        let _ = sender.send(name.to_owned());
    });
    let server = run_io(Config::default(), io);
    let mut client = Client::session(server.address);
    client.join("/child-1", "");
    assert_eq!(notes.next(), "/child-1");
    client.send("40/nope,");
    assert!(client.text().starts_with("44/nope,"));
    let added = server.call(|endpoint| endpoint.add_namespace("/added").map(|_| ()));
    assert_eq!(added, Ok(()));
    assert_eq!(notes.next(), "/added");
    let again = server.call(|endpoint| endpoint.add_namespace("/added").map(|_| ()));
    assert_eq!(again, Err(Error::BadNamespace("/added".to_owned())));
    client.join("/child-1/deeper", "");
    assert_eq!(notes.next(), "/child-1/deeper");
    assert!(notes.so_far().is_empty());
}

#[test]
fn b145_old_clients_are_refused_by_the_data_or_the_message_alone() {
    let mut io = Io::new();
    add_echo(&mut io);
    io.of("/plain").middleware(|_, _| Err("nope".into()));
    io.of("/data")
        .middleware(|_, _| Err(Refusal::new("nope").with_data(json!({"code": 7}))));
    let config = Config {
        allow_eio3: true,
        ..Config::default()
    };
    let server = run_io(config, io);
    let target = "/socket.io/?EIO=3&transport=websocket";
    let mut client = Client::open(server.address, target);
    assert!(client.text().starts_with("0{"));
    assert_eq!(client.text(), "40");
    client.send("40/plain");
    assert_eq!(client.text(), "44/plain,\"nope\"");
    client.send("40/data");
    assert_eq!(client.text(), "44/data,{\"code\":7}");
}
