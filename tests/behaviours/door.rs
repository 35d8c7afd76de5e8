//! Middlewares and `allow_request` are asked however the host has wired its handlers.

use std::time::Duration;

use pulsewheel::{Admission, Args, Config, ConnectError, Error, Event, Io, Server};

use crate::support::{ask, notes, run, Client, LIMIT};

fn no_progress() -> Config {
    Config {
        progress: None,
        ..Config::default()
    }
}

#[test]
fn handlers_that_are_added_to_a_bound_server_are_asked() {
    let mut server = Server::bind_io(Io::new(), no_progress(), "127.0.0.1:0").expect("a free port");
    let address = server.local_addrs().expect("bound")[0];
    let handle = server.handle();
    server
        .io()
        .namespace("/late")
        .middleware(|_| Err(ConnectError::new("not today")));
    server.io().namespace("/").on("hi", |socket, message| {
        socket.acknowledge(message.ack, &Args::none())
    });
    server.io().allow_request(|_, _, head, _| {
        Some(match head.query("word") {
            Some(_) => Admission::accept(),
            None => Admission::refuse("no word"),
        })
    });
    let thread = std::thread::spawn(move || server.run());
    let target = "/socket.io/?EIO=4&transport=polling";
    assert_eq!(ask(address, "GET", target, &[], b"").status, 403);
    let mut client = Client::open(address, "/socket.io/?EIO=4&transport=websocket&word=1");
    assert!(client.text().starts_with("0{"));
    client.send("40/late,");
    assert_eq!(client.text(), r#"44/late,{"message":"not today"}"#);
    client.send("40");
    assert!(client.text().starts_with("40{"));
    client.send("421[\"hi\"]");
    assert_eq!(client.text(), "431[]");
    handle.shut_down().expect("it runs");
    thread.join().expect("no panic").expect("the loop runs");
}

#[test]
fn handlers_that_nobody_configured_let_nobody_in_and_the_host_is_told() {
    let (sender, told) = notes();
    let mut io = Io::new();
    io.namespace("/")
        .middleware(|_| Err(ConnectError::new("nobody")));
    let server = run(Config::default(), move |endpoint, event| {
        if let Err(error) = io.dispatch(endpoint, event) {
            let _ = sender.send(format!("{} {error}", io.turned_away()));
        }
    });
    let mut client = Client::session(server.address);
    client.send("40");
    let (_, messages) = client.closed();
    assert!(messages.iter().all(|message| !message.starts_with("42")));
    let error = Error::NotAsked("/".to_owned());
    assert_eq!(told.next(), format!("1 {error}"));
    let mut client = Client::session(server.address);
    client.send("40");
    assert_eq!(client.text(), r#"44{"message":"nobody"}"#);
}

#[test]
fn a_server_with_its_handlers_takes_turns_in_a_loop_of_the_hosts_own() {
    let mut io = Io::new();
    io.namespace("/")
        .on("mistake", |socket, _| socket.emit("connect", &Args::none()));
    let config = Config {
        host_http: true,
        ..no_progress()
    };
    let mut server = Server::bind_io(io, config, "127.0.0.1:0").expect("a free port");
    let (sender, told) = notes();
    server.on_error(move |error| {
        let _ = sender.send(error.to_string());
    });
    let address = server.local_addrs().expect("bound")[0];
    let clients = std::thread::spawn(move || {
        let mut client = Client::joined(address);
        client.send("42[\"mistake\"]");
        let error = Error::ReservedEvent("connect".to_owned());
        assert_eq!(told.next(), error.to_string());
        ask(address, "GET", "/elsewhere", &[], b"").status
    });
    let begin = std::time::Instant::now();
    while !clients.is_finished() {
        assert!(begin.elapsed() < LIMIT);
        server
            .poll_once(Some(Duration::from_millis(20)))
            .expect("the loop runs");
        while let Some(event) = server.poll_event() {
            if let Event::Request { request, .. } = event {
                let teapot = pulsewheel::http::Response::text(418, "no");
                let _ = server.endpoint().respond(request, teapot);
            }
        }
    }
    assert_eq!(clients.join().expect("no panic"), 418);
}

#[test]
fn a_handler_has_the_way_back_for_another_thread() {
    let mut io = Io::new();
    io.namespace("/").on("report", |socket, message| {
        let (handle, ack) = (socket.handle(), message.ack.expect("it is asked for"));
        std::thread::spawn(move || {
            let report = Args::one("a long one").expect("text");
            handle.call(move |endpoint| endpoint.acknowledge(ack, &report))
        });
        Ok(())
    });
    io.every(Duration::from_millis(5), |endpoint| {
        let everybody = pulsewheel::Target::namespace(endpoint.namespace("/")?);
        endpoint.emit(&everybody, "tick", &Args::none())
    });
    let mut server = Server::bind_io(io, no_progress(), "127.0.0.1:0").expect("a free port");
    let address = server.local_addrs().expect("bound")[0];
    let handle = server.handle();
    let thread = std::thread::spawn(move || server.run());
    let mut client = Client::joined(address);
    assert_eq!(client.text(), "42[\"tick\"]");
    client.send("421[\"report\"]");
    while client.text() != "431[\"a long one\"]" {}
    handle.shut_down().expect("it runs");
    thread.join().expect("no panic").expect("the loop runs");
}

#[test]
fn settings_of_other_handlers_are_refused_at_once() {
    let config = Io::new().configure(Config::default());
    let server = Server::bind_io(Io::new(), config, "127.0.0.1:0");
    let error = server.err().expect("they are another's");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
