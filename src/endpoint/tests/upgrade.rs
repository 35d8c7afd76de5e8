use super::*;

/// A polling session and its events taken.
fn polling_world() -> (World, String) {
    let mut world = World::new(Config::engine_only("/socket.io"));
    let sid = world.open_polling();
    (world, sid)
}

fn begin(world: &mut World, sid: &str) -> ConnectionId {
    let key = world.open();
    world.feed(
        key,
        upgrade(&format!("EIO=4&transport=websocket&sid={sid}")),
    );
    assert!(world.take(key).starts_with(b"HTTP/1.1 101 "));
    key
}

fn emit(world: &mut World, text: &str) {
    let session = world.events.iter().find_map(|event| match event {
        Event::EngineOpened { session } => Some(*session),
        _ => None,
    });
    let message = crate::Frame::text(text);
    world
        .endpoint
        .engine_send(session.expect("open"), &message)
        .unwrap();
    world.turn();
}

#[test]
fn a_probe_ends_the_waiting_poll_and_the_upgrade_takes_over_what_is_queued() {
    let (mut world, sid) = polling_world();
    let (waiting, _) = world.poll(&sid);
    let websocket = begin(&mut world, &sid);
    assert!(world.take(websocket).is_empty(), "nothing is sent first");
    world.send(websocket, "2probe");
    assert_eq!(world.frames(websocket), ["3probe"]);
    assert_eq!(world.polled(waiting), "6");
    assert_eq!(world.poll(&sid).1, "6");
    emit(&mut world, "one");
    emit(&mut world, "two");
    world.send(websocket, "5");
    assert_eq!(world.frames(websocket), ["4one", "4two"]);
    emit(&mut world, "three");
    assert_eq!(world.frames(websocket), ["4three"]);
}

#[test]
fn after_the_upgrade_polling_is_refused_and_the_session_unharmed() {
    let (mut world, sid) = polling_world();
    let websocket = begin(&mut world, &sid);
    world.send(websocket, "2probe");
    world.send(websocket, "5");
    world.take(websocket);
    assert_eq!(world.poll(&sid).1, "400");
    assert_eq!(world.post(&sid, "4x"), 400);
    emit(&mut world, "still here");
    assert_eq!(world.frames(websocket), ["4still here"]);
}

#[test]
fn a_poll_between_probe_and_upgrade_still_gets_what_is_queued() {
    let (mut world, sid) = polling_world();
    let websocket = begin(&mut world, &sid);
    world.send(websocket, "2probe");
    emit(&mut world, "queued");
    assert_eq!(world.poll(&sid).1, "4queued");
    world.send(websocket, "5");
    assert_eq!(world.frames(websocket), ["3probe"]);
}

#[test]
fn a_websocket_that_does_not_probe_is_closed_and_polling_goes_on() {
    for first in ["4x", "2", "5"].map(|text| masked(0x81, text.as_bytes())) {
        let (mut world, sid) = polling_world();
        let websocket = begin(&mut world, &sid);
        world.feed(websocket, first);
        assert_eq!(world.frames(websocket), ["close"]);
        emit(&mut world, "polling");
        assert_eq!(world.poll(&sid).1, "4polling");
    }
}

#[test]
fn a_second_upgrade_is_closed_and_the_first_unharmed() {
    let (mut world, sid) = polling_world();
    let first = begin(&mut world, &sid);
    let second = begin(&mut world, &sid);
    world.send(first, "2probe");
    assert_eq!(world.frames(first), ["3probe"]);
    assert!(world.shut.contains(&second));
    world.send(first, "5");
    let third = begin(&mut world, &sid);
    assert!(world.shut.contains(&third));
    emit(&mut world, "x");
    assert_eq!(world.frames(first), ["4x"]);
}

#[test]
fn an_upgrade_that_is_not_completed_in_time_is_dropped() {
    let (mut world, sid) = polling_world();
    let websocket = begin(&mut world, &sid);
    world.send(websocket, "2probe");
    world.pass_ms(9_999);
    assert_eq!(world.frames(websocket), ["3probe"]);
    world.pass_ms(1);
    assert_eq!(world.frames(websocket), ["close"]);
    emit(&mut world, "polling");
    assert_eq!(world.poll(&sid).1, "4polling");
    assert!(!world.closed.contains(&websocket));
    world.pass_ms(2_000);
    assert!(world.closed.contains(&websocket));
}

#[test]
fn a_session_that_ends_during_the_upgrade_takes_its_websocket_along() {
    let (mut world, sid) = polling_world();
    let websocket = begin(&mut world, &sid);
    world.send(websocket, "2probe");
    world.post(&sid, "1");
    assert_eq!(world.frames(websocket), ["3probe", "close"]);
    world.pass_ms(60_000);
    let counts = world.endpoint.counts();
    assert_eq!((counts.sessions, counts.timers), (0, counts.connections));
}

#[test]
fn a_post_that_ends_after_the_upgrade_is_refused() {
    let (mut world, sid) = polling_world();
    let key = world.open();
    let whole = post(&sid, "4late");
    world.feed(key, &whole[..whole.len() - 1]);
    let websocket = begin(&mut world, &sid);
    world.send(websocket, "2probe");
    world.send(websocket, "5");
    assert_eq!(world.frames(websocket), ["3probe"]);
    world.feed(key, &whole[whole.len() - 1..]);
    assert_eq!(status(&world.take_text(key)), 400);
    emit(&mut world, "unharmed");
    assert_eq!(world.frames(websocket), ["4unharmed"]);
}
