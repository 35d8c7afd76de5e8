//! Memory for all peers together.

use super::*;
use crate::error::DisconnectReason;
use crate::http::Response;
use crate::progress::{ErrorCode, ProgressError, SessionOptions};
use crate::Args;

const MAX_BYTES: usize = 400_000;

fn config() -> Config {
    Config {
        max_memory_bytes: Some(MAX_BYTES),
        host_http: true,
        ..Config::default()
    }
}

/// A client that has joined, and takes nothing any more.
fn deaf_client(world: &mut World) -> (ConnectionId, SocketId) {
    let (key, socket) = world.enter("40");
    world.slow.push(key);
    (key, socket)
}

fn emit(world: &mut World, socket: SocketId, bytes: usize) {
    let args = Args::one(&"x".repeat(bytes)).expect("text");
    world.endpoint.emit_to(socket, "event", &args).unwrap();
    world.turn();
}

fn gone(world: &mut World) -> Vec<(SocketId, DisconnectReason)> {
    let events = world.take_events().into_iter();
    let gone = events.filter_map(|event| match event {
        Event::Disconnected { socket, reason, .. } => Some((socket, reason)),
        _ => None,
    });
    gone.collect()
}

#[test]
fn the_one_for_whom_most_waits_gives_way_and_hears_why() {
    let mut world = World::new(config());
    let (_, small) = deaf_client(&mut world);
    let (key, large) = deaf_client(&mut world);
    let (_, reader) = world.enter("40");
    for _ in 0..4 {
        emit(&mut world, small, 20_000);
        emit(&mut world, reader, 20_000);
    }
    for _ in 0..4 {
        emit(&mut world, large, 90_000);
    }
    assert_eq!(gone(&mut world), [(large, DisconnectReason::MemoryLimit)]);
    assert!(world.endpoint.stats().memory_bytes < MAX_BYTES / 2);
    world.slow.retain(|slow| *slow != key);
    world.endpoint.on_ready(key, Readiness::writable());
    world.turn();
    assert_eq!(
        world.frames(key),
        ["close:1013"],
        "what waited for it is lost"
    );
}

#[test]
fn a_broadcast_that_nobody_has_read_yet_counts_once() {
    let mut world = World::new(config());
    let clients: Vec<_> = (0..40).map(|_| deaf_client(&mut world)).collect();
    let everybody = world.everybody();
    let args = Args::one(&"x".repeat(90_000)).expect("text");
    for _ in 0..3 {
        world.endpoint.emit(&everybody, "event", &args).unwrap();
        world.turn();
    }
    assert!(gone(&mut world).is_empty());
    assert_eq!(world.endpoint.counts().sessions, clients.len());
    let bytes = world.endpoint.stats().memory_bytes;
    assert!((270_000..300_000).contains(&bytes), "{bytes}");
}

#[test]
fn what_waits_for_polls_counts_too() {
    let mut world = World::new(config());
    let sid = world.open_polling();
    assert_eq!(world.post(&sid, "40"), 200);
    world.poll(&sid);
    let connected = world.take_events();
    let Some(Event::Connected { socket, .. }) = connected.first() else {
        panic!("{connected:?}")
    };
    for _ in 0..5 {
        emit(&mut world, *socket, 90_000);
    }
    assert_eq!(gone(&mut world), [(*socket, DisconnectReason::MemoryLimit)]);
    assert!(world.endpoint.stats().memory_bytes < 10_000);
}

#[test]
fn input_that_waits_for_its_turn_counts() {
    let mut world = World::new(Config {
        max_messages_per_second: Some(1),
        ..config()
    });
    let clients: Vec<_> = (0..8).map(|_| world.enter("40")).collect();
    for (key, _) in &clients[..7] {
        world.feed(*key, masked(0x81, b"42[1]").repeat(5_000));
    }
    assert!(
        gone(&mut world).is_empty(),
        "55 kB each, whole frames all of them"
    );
    let bytes = world.endpoint.stats().memory_bytes;
    assert!((350_000..MAX_BYTES).contains(&bytes), "{bytes}");
    assert_eq!(world.endpoint.stats().held_bytes, 0);
    let (last, socket) = clients[7];
    world.feed(last, masked(0x81, b"42[1]").repeat(5_500));
    assert_eq!(gone(&mut world), [(socket, DisconnectReason::MemoryLimit)]);
}

#[test]
fn answers_that_are_not_read_are_given_up_the_largest_first() {
    let mut world = World::new(config());
    let ask = |world: &mut World, bytes: usize| {
        let key = world.open();
        world.slow.push(key);
        world.feed(key, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        let response = Response::new(200, "text/plain", vec![b'x'; bytes]);
        let request = world.take_request();
        world.endpoint.respond(request, response).unwrap();
        world.turn();
        key
    };
    let small = ask(&mut world, 150_000);
    let large = ask(&mut world, 200_000);
    ask(&mut world, 100_000);
    world.turn();
    assert_eq!(world.closed, [large]);
    assert!(world.endpoint.has_output(small));
}

#[test]
fn while_memory_is_short_nothing_new_is_begun_and_nothing_else_ends() {
    let mut world = World::new(config());
    let (_, socket) = deaf_client(&mut world);
    let id = world
        .endpoint
        .progress()
        .create_session(SessionOptions::default());
    for _ in 0..4 {
        emit(&mut world, socket, 92_000);
    }
    assert!(gone(&mut world).is_empty());
    assert!(world.endpoint.is_short_of_memory());
    let refused = world
        .endpoint
        .progress()
        .create_session(SessionOptions::default());
    assert_eq!(refused.unwrap_err().code, ErrorCode::ServerOverload);
    let handshake = world.request(&get("EIO=4&transport=polling"));
    assert_eq!(status(&handshake), 503);
    assert!(handshake.contains("Retry-After: "));
    assert_eq!(world.endpoint.stats().handshakes.full, 1);
    // The session at work goes on, and all is well as soon as the client has read.
    let id = id.unwrap();
    let progress = &mut world.endpoint.progress();
    progress
        .update_progress(id, 0.5, Default::default())
        .unwrap();
    world.slow.clear();
    let keys: Vec<_> = world
        .endpoint
        .transport
        .iter()
        .map(|(key, _)| key)
        .collect();
    for key in keys {
        world.endpoint.on_ready(key, Readiness::writable());
    }
    world.turn();
    world.pass_ms(100);
    assert!(!world.endpoint.is_short_of_memory());
    world.open_polling();
    world
        .endpoint
        .progress()
        .create_session(SessionOptions::default())
        .unwrap();
}

#[test]
fn progress_sessions_count_and_never_give_way() {
    let mut world = World::new(Config {
        max_memory_bytes: Some(40_000),
        ..config()
    });
    let mut created = 0;
    for number in 1..=10 {
        let metadata = serde_json::json!({ "note": "x".repeat(9_000) });
        let options = SessionOptions {
            metadata: metadata.as_object().cloned().unwrap_or_default(),
            ..SessionOptions::default()
        };
        let id = uuid::Uuid::from_u128(number);
        let outcome = world
            .endpoint
            .progress()
            .create_session_with_id(id, options);
        created += usize::from(outcome.is_ok());
        world.turn();
        // Somebody reads on, so that memory is counted.
        world.request(&get("transport=none"));
        world.pass_ms(100);
    }
    assert_eq!(world.endpoint.stats().active_sessions, created);
    assert!((3..=5).contains(&created), "{created}");
}

#[test]
fn sessions_with_half_of_all_memory_go_on_and_grow_no_more() {
    let mut world = World::new(config());
    let (_, socket) = world.enter("40");
    let text = |bytes: usize| serde_json::json!({ "note": "x".repeat(bytes) });
    let object = |bytes: usize| text(bytes).as_object().cloned().unwrap_or_default();
    let create = |world: &mut World, number: u128, managed: bool| {
        let options = SessionOptions {
            metadata: object(15_000),
            managed,
            ..SessionOptions::default()
        };
        let id = uuid::Uuid::from_u128(number);
        let mut progress = world.endpoint.progress();
        progress.create_session_with_id(id, options).map(|()| id)
    };
    let managed = create(&mut world, 1, true).unwrap();
    let plain = create(&mut world, 2, false).unwrap();
    let refused = (3..30).find_map(|number| {
        let refused = create(&mut world, number, false).err();
        world.turn();
        refused
    });
    assert_eq!(refused.unwrap().code, ErrorCode::ServerOverload);
    assert!(!world.endpoint.is_short_of_memory(), "handshakes go on");
    world.open_websocket();
    let mut progress = world.endpoint.progress();
    let overload = |result: Result<(), ProgressError>| {
        result.is_err_and(|error| error.code == ErrorCode::ServerOverload)
    };
    assert!(overload(progress.update_progress(plain, 0.5, object(9))));
    assert!(overload(progress.complete_session(plain, object(9))));
    assert!(overload(progress.error_session(plain, text(9), None)));
    progress.update_progress(plain, 0.5, object(9)).unwrap_err();
    progress
        .update_progress(plain, 0.5, Default::default())
        .unwrap();
    progress.update_progress(managed, 0.5, object(9)).unwrap();
    progress.complete_session(managed, object(9)).unwrap();
    progress
        .complete_session(plain, Default::default())
        .unwrap();
    for id in [managed, plain] {
        progress.cleanup(id).unwrap();
    }
    world.pass_ms(100);
    create(&mut world, 40, false).unwrap();
    assert!(gone(&mut world).iter().all(|(it, _)| *it != socket));
}
