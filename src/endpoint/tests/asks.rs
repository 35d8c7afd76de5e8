//! Acknowledgements with a time limit, of one and of many.

use super::*;
use crate::endpoint::AskId;
use crate::error::Error;
use crate::socket::{Args, RecoveryConfig};

fn config() -> Config {
    Config {
        namespaces: vec!["/".to_owned(), "/custom".to_owned()],
        progress: None,
        ..Config::default()
    }
}

/// So many clients in `/`.
fn clients(world: &mut World, count: usize) -> Vec<(ConnectionId, SocketId)> {
    (0..count).map(|_| world.enter("40")).collect()
}

fn ask(world: &mut World, socket: SocketId, timeout_ms: u64) -> u64 {
    let endpoint = &mut world.endpoint;
    let id = endpoint.emit_with_ack_within(socket, "q", &Args::none(), timeout_ms);
    world.turn();
    id.expect("it may be asked")
}

fn ask_all(world: &mut World, timeout_ms: u64) -> AskId {
    let everybody = world.everybody();
    let endpoint = &mut world.endpoint;
    let ask = endpoint.broadcast_with_ack(&everybody, "q", &Args::none(), timeout_ms);
    world.turn();
    ask.expect("they may be asked")
}

/// The answers to the one question that has been answered, and whether they are all.
fn answered(world: &mut World, wanted: AskId) -> (Vec<String>, bool) {
    let events = world.take_events();
    match &events[..] {
        [Event::Answered {
            ask,
            answers,
            is_complete,
        }] if *ask == wanted => {
            let first = answers
                .iter()
                .map(|args| args.raw(0).unwrap_or("nothing").to_owned());
            (first.collect(), *is_complete)
        }
        other => panic!("{other:?}"),
    }
}

fn nothing_is_owed(world: &World, timers: usize) {
    assert_eq!(world.endpoint.counts().timers, timers);
    let sockets = world.endpoint.fetch_sockets(&world.everybody());
    for socket in sockets {
        assert_eq!(world.endpoint.sockets.pending_acks(socket), 0);
    }
    assert!(world.endpoint.asks.is_empty());
}

#[test]
fn an_answer_in_time_is_an_answer_and_stops_the_clock() {
    let mut world = World::new(config());
    let (key, socket) = world.enter("40");
    let timers = world.endpoint.counts().timers;
    let id = ask(&mut world, socket, 200);
    assert_eq!(world.frames(key), [format!("42{id}[\"q\"]")]);
    world.pass_ms(199);
    world.send(key, &format!("43{id}[\"yes\"]"));
    assert!(matches!(
        &world.take_events()[..],
        [Event::Acknowledged { id: answered, args, .. }]
            if *answered == id && args.raw(0) == Some("\"yes\"")
    ));
    nothing_is_owed(&world, timers);
    world.pass_ms(1_000);
    assert!(world.take_events().is_empty());
}

#[test]
fn an_answer_that_is_late_is_ignored() {
    let mut world = World::new(config());
    let (key, socket) = world.enter("40");
    let timers = world.endpoint.counts().timers;
    let id = ask(&mut world, socket, 200);
    world.pass_ms(199);
    assert!(world.take_events().is_empty());
    world.pass_ms(1);
    assert!(matches!(
        world.take_events()[..],
        [Event::AckTimedOut { socket: who, id: what }] if who == socket && what == id
    ));
    nothing_is_owed(&world, timers);
    world.send(key, &format!("43{id}[]"));
    world.send(key, "42[\"still there\"]");
    assert!(matches!(world.take_events()[..], [Event::Message(_)]));
}

#[test]
fn whoever_has_left_answers_by_the_timeout_alone() {
    let mut world = World::new(config());
    let (key, socket) = world.enter("40");
    let id = ask(&mut world, socket, 200);
    let endpoint = &mut world.endpoint;
    endpoint
        .emit_with_ack(socket, "without a limit", &Args::none())
        .unwrap();
    world.endpoint.hang_up(key);
    world.turn();
    assert!(matches!(
        world.take_events()[..],
        [Event::Disconnected { .. }]
    ));
    world.pass_ms(200);
    assert!(matches!(
        world.take_events()[..],
        [Event::AckTimedOut { socket: who, id: what }] if who == socket && what == id
    ));
    nothing_is_owed(&world, 0);
}

#[test]
fn an_answer_that_came_before_the_host_disconnected_its_sender_counts() {
    let mut world = World::new(config());
    let (key, socket) = world.enter("40");
    let id = ask(&mut world, socket, 200);
    let answer = format!("43{id}[]");
    let frames = [masked(0x81, b"42[\"x\"]"), masked(0x81, answer.as_bytes())];
    world.endpoint.feed(key, &mut frames.concat());
    assert!(matches!(
        world.endpoint.poll_event(),
        Some(Event::Message(_))
    ));
    world.endpoint.disconnect(socket, false).unwrap();
    world.turn();
    assert!(matches!(
        world.take_events()[..],
        [Event::Acknowledged { .. }, Event::Disconnected { .. }]
    ));
    world.pass_ms(200);
    assert!(world.take_events().is_empty(), "it is not timed out too");
}

#[test]
fn an_answer_of_somebody_else_is_none() {
    let mut world = World::new(config());
    let clients = clients(&mut world, 2);
    let id = ask(&mut world, clients[0].1, 200);
    world.send(clients[1].0, &format!("43{id}[]"));
    assert!(world.take_events().is_empty());
    world.send(clients[0].0, &format!("43{id}[]"));
    assert!(matches!(
        world.take_events()[..],
        [Event::Acknowledged { .. }]
    ));
}

#[test]
fn questions_are_numbered_per_namespace_over_all_sockets() {
    let mut world = World::new(config());
    let clients = clients(&mut world, 2);
    let (_, custom) = world.enter("40/custom,");
    let numbers = [clients[0].1, clients[1].1, custom, clients[0].1]
        .map(|socket| ask(&mut world, socket, 200));
    assert_eq!(numbers, [0, 1, 0, 2]);
    let everybody = ask_all(&mut world, 100);
    assert!(world
        .frames(clients[0].0)
        .contains(&"423[\"q\"]".to_owned()));
    assert!(world
        .frames(clients[1].0)
        .contains(&"423[\"q\"]".to_owned()));
    world.pass_ms(100);
    assert_eq!(answered(&mut world, everybody), (vec![], false));
}

#[test]
fn many_answer_and_when_all_have_the_host_is_told_at_once() {
    let mut world = World::new(config());
    let clients = clients(&mut world, 3);
    let timers = world.endpoint.counts().timers;
    let ask = ask_all(&mut world, 1_000);
    for (number, (key, _)) in clients.iter().enumerate() {
        assert!(world.take_events().is_empty());
        assert_eq!(world.frames(*key), ["420[\"q\"]"]);
        world.send(*key, &format!("430[{number},\"more\"]"));
        world.send(*key, "430[\"again\"]");
    }
    let wanted = ["0", "1", "2"].map(str::to_owned).to_vec();
    assert_eq!(answered(&mut world, ask), (wanted, true));
    nothing_is_owed(&world, timers);
    world.pass_ms(1_000);
    assert!(world.take_events().is_empty());
}

#[test]
fn when_the_time_is_over_the_answers_that_came_are_told() {
    let mut world = World::new(config());
    let clients = clients(&mut world, 3);
    let timers = world.endpoint.counts().timers;
    let ask = ask_all(&mut world, 1_000);
    world.send(clients[1].0, "430[\"b\"]");
    world.endpoint.hang_up(clients[2].0);
    world.turn();
    world.take_events();
    world.pass_ms(999);
    assert!(world.take_events().is_empty());
    world.pass_ms(1);
    assert_eq!(answered(&mut world, ask), (vec!["\"b\"".to_owned()], false));
    nothing_is_owed(&world, timers - 1);
    world.send(clients[0].0, "430[\"late\"]");
    assert!(world.take_events().is_empty());
}

#[test]
fn where_nobody_is_asked_the_answer_is_there_at_once() {
    let mut world = World::new(config());
    let ask = ask_all(&mut world, 1_000);
    assert_eq!(answered(&mut world, ask), (vec![], true));
    nothing_is_owed(&world, 0);
    let custom = Target::namespace(world.endpoint.namespace("/custom").unwrap());
    let error = world
        .endpoint
        .broadcast_with_ack(&custom, "connect", &Args::none(), 1);
    assert_eq!(error, Err(Error::ReservedEvent("connect".to_owned())));
    nothing_is_owed(&world, 0);
}

#[test]
fn whoever_owes_too_many_answers_is_not_asked_more() {
    let mut world = World::new(Config {
        max_pending_acks: 2,
        ..config()
    });
    let clients = clients(&mut world, 2);
    for _ in 0..2 {
        ask(&mut world, clients[0].1, 5_000);
    }
    let endpoint = &mut world.endpoint;
    let refused = endpoint.emit_with_ack_within(clients[0].1, "q", &Args::none(), 1);
    assert_eq!(refused, Err(Error::TooManyAcks));
    let everybody = ask_all(&mut world, 1_000);
    assert_eq!(world.frames(clients[0].0).len(), 2);
    assert_eq!(world.frames(clients[1].0), ["422[\"q\"]"]);
    world.send(clients[1].0, "432[1]");
    assert_eq!(
        answered(&mut world, everybody),
        (vec!["1".to_owned()], true)
    );
    world.pass_ms(5_000);
    world.take_events();
    nothing_is_owed(&world, 2);
    ask(&mut world, clients[0].1, 1);
}

#[test]
fn answers_beyond_the_limit_of_bytes_count_as_none() {
    let mut world = World::new(Config {
        max_answer_bytes: 300,
        ..config()
    });
    let clients = clients(&mut world, 3);
    let timers = world.endpoint.counts().timers;
    let ask = ask_all(&mut world, 1_000);
    world.send(clients[0].0, "430[1]");
    world.send(clients[1].0, &format!("430[\"{}\"]", "x".repeat(300)));
    world.send(clients[2].0, "430[3]");
    assert!(world.take_events().is_empty());
    world.pass_ms(1_000);
    let answers = vec!["1".to_owned(), "3".to_owned()];
    assert_eq!(answered(&mut world, ask), (answers, false));
    nothing_is_owed(&world, timers);
}

#[test]
fn answers_may_be_binary() {
    let mut world = World::new(config());
    let (key, _) = world.enter("40");
    ask_all(&mut world, 1_000);
    world.send(key, r#"461-0[{"_placeholder":true,"num":0}]"#);
    assert!(world.take_events().is_empty());
    world.feed(key, masked(0x82, &[1, 2, 3]));
    match &world.take_events()[..] {
        [Event::Answered {
            answers,
            is_complete: true,
            ..
        }] => {
            assert_eq!(answers[0].binary(0), Some(&[1, 2, 3][..]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn whoever_is_away_is_not_asked_and_owes_nothing_when_it_is_back() {
    let mut world = World::new(Config {
        recovery: Some(RecoveryConfig::default()),
        max_pending_acks: 1,
        ..config()
    });
    let key = world.open_websocket();
    world.send(key, "40");
    let answer = world.frames(key).concat();
    let Some(Event::Connected { socket, .. }) = world.take_events().pop() else {
        panic!("connected")
    };
    let id = ask(&mut world, socket, 1_000);
    world.endpoint.hang_up(key);
    world.turn();
    world.take_events();
    let everybody = ask_all(&mut world, 5_000);
    assert_eq!(answered(&mut world, everybody), (vec![], true));
    let pid = pid(&answer);
    let key = world.open_websocket();
    world.send(key, &format!("40{{\"pid\":\"{pid}\"}}"));
    assert!(matches!(
        world.take_events()[..],
        [Event::Connected {
            is_recovered: true,
            ..
        }]
    ));
    world.send(key, &format!("43{id}[]"));
    assert!(world.take_events().is_empty(), "that was asked before");
    ask(&mut world, socket, 10);
    world.pass_ms(1_000);
    let timed_out = |event: &Event| matches!(event, Event::AckTimedOut { .. });
    assert_eq!(
        world
            .take_events()
            .iter()
            .filter(|event| timed_out(event))
            .count(),
        2
    );
    assert!(world.endpoint.asks.is_empty());
}
