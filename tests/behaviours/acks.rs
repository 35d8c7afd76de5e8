//! Questions of the server and their answers.

use std::time::{Duration, Instant};

use pulsewheel::{AckError, Args, Config, Io, Responses, Socket};

use crate::support::{assert_passed_ms, notes, run_io, Client, Notes, Running, LIMIT};

/// A server that asks whoever says `ask`, and notes what it is answered and who leaves.
fn asking() -> (Running, Notes) {
    let (sender, notes) = notes();
    let mut io = Io::new();
    let left = sender.clone();
    io.of("/")
        .on_raw("ask", move |_, socket, _| {
            let sender = sender.clone();
            socket.ask(
                "question",
                (),
                move |_, _, answer: Result<String, AckError>| {
                    let _ = sender.send(answer.unwrap_or_else(|error| error.to_string()));
                },
            )
        })
        .on_disconnect(move |_, _, _| {
            let _ = left.send("left".to_owned());
        });
    (run_io(Config::default(), io), notes)
}

#[test]
fn b89_answers_are_told_apart_by_their_ids() {
    let (server, notes) = asking();
    let mut client = Client::joined(server.address);
    let mut ids = Vec::new();
    for _ in 0..3 {
        client.send("42[\"ask\"]");
        let question = client.text();
        let id = question
            .strip_prefix("42")
            .and_then(|rest| rest.split('[').next());
        ids.push(id.expect("an id").parse::<u64>().expect("a number"));
    }
    assert_eq!(ids, [0, 1, 2]);
    for id in [2, 0, 1] {
        client.send(&format!("43{id}[\"to {id}\"]"));
        assert_eq!(notes.next(), format!("to {id}"));
    }
}

#[test]
fn b116_a_missing_acknowledgement_is_an_error_only_where_there_is_a_timeout() {
    let (sender, notes) = notes();
    let mut io = Io::new();
    io.of("/").on("ask", move |_, socket, timeout_ms: u64| {
        let sender = sender.clone();
        let handler = move |_: &mut (), _: &mut Socket<'_>, answer: Result<String, AckError>| {
            let _ = sender.send(answer.unwrap_or_else(|error| error.to_string()));
        };
        socket.ask("without a timeout", (), |_, _, answer: Result<(), _>| {
            assert_eq!(answer, Err(AckError::Disconnected), "no answer has come");
        })?;
        let timeout = Duration::from_millis(timeout_ms);
        socket.timeout(timeout).ask("question", (), handler)
    });
    let server = run_io(Config::default(), io);
    let mut client = Client::joined(server.address);
    let begin = Instant::now();
    client.send("42[\"ask\",300]");
    assert_eq!(client.text(), "420[\"without a timeout\"]");
    assert_eq!(client.text(), "421[\"question\"]");
    assert_eq!(notes.next(), "operation has timed out");
    assert_passed_ms(begin, 300);
    client.send("431[\"late\"]");
    client.send("42[\"ask\",60000]");
    client.text();
    assert_eq!(client.text(), "423[\"question\"]");
    client.send("433[\"in time\"]");
    assert_eq!(notes.next(), "in time");
    assert!(client.settled().is_empty());
    assert!(notes.so_far().is_empty());
}

#[test]
fn b117_a_broadcast_gathers_its_acknowledgements() {
    let (sender, notes) = notes();
    let mut io = Io::new();
    io.of("/").on(
        "ask",
        move |_, socket, (timeout_ms, room): (u64, Option<String>)| {
            let sender = sender.clone();
            let everybody = socket.everybody();
            let asked = match room {
                Some(room) => everybody.to(room),
                None => everybody,
            };
            let asked = asked.timeout(Duration::from_millis(timeout_ms));
            asked.ask("question", (), move |_, _, answers: Responses| {
                let first = |args: &Args| args.raw(0).unwrap_or_default().to_owned();
                let mut all: Vec<_> = answers.answers.iter().map(first).collect();
                all.sort();
                let outcome = match answers.all() {
                    Ok(_) => "all".to_owned(),
                    Err(timeout) => timeout.to_string(),
                };
                let _ = sender.send(format!("{outcome} {}", all.join(" ")));
            })
        },
    );
    let server = run_io(Config::default(), io);
    let mut clients: Vec<_> = (0..3).map(|_| Client::joined(server.address)).collect();

    clients[0].send("42[\"ask\",60000]");
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.text(), "420[\"question\"]", "the same id for all");
        client.send(&format!("430[{number},\"more\"]"));
    }
    assert_eq!(notes.next(), "all 0 1 2");

    let begin = Instant::now();
    clients[0].send("42[\"ask\",300]");
    for client in &mut clients {
        assert_eq!(client.text(), "421[\"question\"]");
    }
    clients[1].send("431[\"mine\"]");
    assert_eq!(notes.next(), "operation has timed out \"mine\"");
    assert_passed_ms(begin, 300);

    clients[0].send("42[\"ask\",60000,\"nobody\"]");
    assert_eq!(notes.next(), "all ");
}

#[test]
fn b118_who_asked_hears_that_the_socket_is_gone() {
    for with_timeout in [false, true] {
        let (sender, notes) = notes();
        let mut io = Io::new();
        io.of("/").on("ask", move |_, socket, ()| {
            let sender = sender.clone();
            let handler = move |_: &mut (), _: &mut Socket<'_>, answer: Result<(), AckError>| {
                let _ = sender.send(format!("{answer:?}"));
            };
            match with_timeout {
                true => socket.timeout(LIMIT).ask("question", (), handler),
                false => socket.ask("question", (), handler),
            }
        });
        let server = run_io(Config::default(), io);
        let mut client = Client::joined(server.address);
        client.send("42[\"ask\"]");
        assert_eq!(client.text(), "420[\"question\"]");
        client.cut();
        assert_eq!(notes.next(), "Err(Disconnected)");
    }
}

#[test]
fn b118_an_answer_that_is_due_when_its_socket_leaves_never_comes() {
    let (server, notes) = asking();
    let mut client = Client::joined(server.address);
    client.send("42[\"ask\"]");
    assert_eq!(client.text(), "420[\"question\"]");
    client.send("41");
    assert_eq!(notes.next(), "the client is gone");
    assert_eq!(notes.next(), "left");
    client.join("/", "");
    client.send("430[\"late\"]");
    assert!(client.settled().is_empty());
    assert!(notes.so_far().is_empty());
}
