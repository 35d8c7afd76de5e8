//! Middlewares and `allow_request` are asked however the host has wired its handlers.

use std::time::Duration;

use pulsewheel::{Args, Config, Error, Event, Io, Next, Reply, Server};

use crate::support::{ask, notes, run, run_io, Client, LIMIT};

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
        .of("/late")
        .middleware(|_, _| Err("not today".into()));
    server.io().of("/").on("hi", |_, _, ()| ());
    server
        .io()
        .allow_request(|_, opening| match opening.request().query("word") {
            Some(_) => Ok(Next::Go),
            None => Err("no word".into()),
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
    io.of("/").middleware(|_, _| Err("nobody".into()));
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
    io.of("/")
        .on_raw("mistake", |_, socket, _| socket.emit("connect", ()));
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
    io.of("/").on_raw("report", |_, socket, message| {
        let (handle, ack) = (socket.handle(), message.ack.expect("it is asked for"));
        std::thread::spawn(move || {
            let report = Args::one("a long one").expect("text");
            handle.call(move |endpoint| endpoint.acknowledge(ack, &report))
        });
    });
    io.every(Duration::from_millis(5), |_, server| {
        server.of("/").emit("tick", ())
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

#[test]
fn a_decision_or_an_answer_that_a_thread_takes_with_it_is_given_once_and_a_lost_one_is_no() {
    let mut io = Io::new();
    io.allow_request(|_, opening| {
        let word = opening
            .request()
            .query("word")
            .map(|word| word.into_owned());
        let ticket = opening.ticket();
        std::thread::spawn(move || match word.as_deref() {
            Some("lost") => drop(ticket),
            Some("no") => ticket.refuse("not you"),
            _ => ticket.go(),
        });
        Ok(Next::Later)
    });
    for (name, decides) in [("/", true), ("/closed", false)] {
        io.of(name)
            .middleware(move |_, connecting| {
                let ticket = connecting.ticket();
                std::thread::spawn(move || match decides {
                    true => ticket.go(),
                    false => panic!("before it has decided"),
                });
                Ok(Next::Later)
            })
            .on_later("ask", |_, _, how: String, reply: Reply<u8>| {
                assert!(reply.is_wanted());
                std::thread::spawn(move || match &*how {
                    "well" => reply.ok(7),
                    "badly" => reply.err("no luck"),
                    _ => drop(reply),
                });
            });
    }
    let server = run_io(Config::default(), io);
    let target = |word: &str| format!("/socket.io/?EIO=4&transport=polling&word={word}");
    for (word, status, said) in [
        ("yes", 200, "sid"),
        ("no", 403, "not you"),
        ("lost", 403, "No decision"),
    ] {
        let answer = ask(server.address, "GET", &target(word), &[], b"");
        assert_eq!(answer.status, status, "{word}");
        assert!(answer.text().contains(said), "{}", answer.text());
    }
    let mut client = Client::session(server.address);
    client.send("40/closed,");
    assert_eq!(client.text(), r#"44/closed,{"message":"No decision"}"#);
    client.join("/", "");
    for (packet, answer) in [
        ("421[\"ask\",\"well\"]", "431[7]"),
        ("422[\"ask\",\"badly\"]", "432[{\"error\":\"no luck\"}]"),
        ("423[\"ask\",\"lost\"]", "433[{\"error\":\"no answer\"}]"),
        ("424[\"ask\"]", "434[{\"error\":\"argument 0 is missing\"}]"),
    ] {
        client.send(packet);
        assert_eq!(client.text(), answer);
    }
}
