//! In which order connections are written to.

use super::*;
use crate::socket::Args;

#[test]
fn an_answer_overtakes_a_broadcast_to_many() {
    let mut world = World::new(Config {
        progress: None,
        ..Config::default()
    });
    let clients: Vec<ConnectionId> = (0..100).map(|_| world.enter("40").0).collect();
    let everybody = world.everybody();
    let args = Args::one("to all").expect("a text");
    let endpoint = &mut world.endpoint;
    endpoint.emit(&everybody, "news", &args).expect("emitted");
    endpoint.feed(clients[95], &mut masked(0x81, b"42[\"echo\"]"));
    // The answer stands behind the broadcast on its own connection, but that connection comes first.
    let Some(Event::Message(message)) = endpoint.poll_event() else {
        panic!("the echo has come");
    };
    let answered = endpoint.emit_to(message.socket, "echo", &message.args);
    answered.expect("its sender is there");
    assert_eq!(endpoint.next_output(), Some(clients[95]));
}

#[test]
fn a_broadcast_to_few_waits_for_nobody() {
    let mut world = World::new(Config {
        progress: None,
        ..Config::default()
    });
    let clients: Vec<ConnectionId> = (0..100).map(|_| world.enter("40").0).collect();
    let few = clients[7];
    let everybody = world.everybody();
    let args = Args::one("to all").expect("a text");
    let socket = world.endpoint.fetch_sockets(&everybody)[7];
    world.endpoint.join(socket, "few").expect("joined");
    let emitted = world.endpoint.emit(&everybody, "news", &args);
    emitted.expect("emitted");
    let room = everybody.clone().to("few");
    world.endpoint.emit(&room, "news", &args).expect("emitted");
    assert_eq!(world.endpoint.next_output(), Some(few));
    // Nobody has written to it, so it is put back.
    let transport = &mut world.endpoint.transport;
    transport.queue_write(few, Priority::Normal);
    world.turn();
    for client in clients {
        let expected = if client == few { 2 } else { 1 };
        assert_eq!(world.frames(client).len(), expected);
    }
}

#[test]
fn a_steady_flow_of_answers_does_not_hold_up_broadcasts_to_many() {
    let mut world = World::new(Config {
        progress: None,
        ..Config::default()
    });
    let clients: Vec<ConnectionId> = (0..100).map(|_| world.enter("40").0).collect();
    let everybody = world.everybody();
    let args = Args::one("to all").expect("a text");
    let busy = world.endpoint.fetch_sockets(&everybody)[..10].to_vec();
    let emitted = world.endpoint.emit(&everybody, "news", &args);
    emitted.expect("emitted");
    let mut served = 0;
    for _ in 0..2_000 {
        // Whoever is written to is sent the next answer at once, so that there is always one to be written.
        for socket in &busy {
            let answered = world.endpoint.emit_to(*socket, "answer", &args);
            answered.expect("its client is there");
        }
        let Some(key) = world.endpoint.next_output() else {
            panic!("there is always something to write");
        };
        served += usize::from(clients[10..].contains(&key));
        if served == 90 {
            return world.turn();
        }
    }
    panic!("of 90 clients only {served} were sent the broadcast");
}

#[test]
fn a_steady_flow_to_websockets_does_not_hold_up_polls() {
    let mut world = World::new(Config {
        progress: None,
        ..Config::default()
    });
    let (_, busy) = world.enter("40");
    let sid = world.open_polling();
    world.post(&sid, "40");
    world.poll(&sid);
    let (poll, answer) = world.poll(&sid);
    assert_eq!(answer, "", "the poll waits");
    let everybody = world.everybody();
    let socket = *world
        .endpoint
        .fetch_sockets(&everybody)
        .last()
        .expect("both");
    let args = Args::none();
    world
        .endpoint
        .emit_to(socket, "news", &args)
        .expect("emitted");
    for _ in 0..10 {
        world
            .endpoint
            .emit_to(busy, "answer", &args)
            .expect("emitted");
        if world.endpoint.next_output() == Some(poll) {
            return;
        }
    }
    panic!("the poll is not answered");
}
