//! Pongs that are overdue: nobody is given up before everything has been read that may have come in time.

use super::{get, masked, post, status, Readiness, World};
use crate::config::Config;
use crate::id::ConnectionId;

fn config() -> Config {
    Config {
        ping_interval_ms: 300,
        ping_timeout_ms: 200,
        ..Config::engine_only("/socket.io")
    }
}

/// One turn of a loop that has asked the operating system at this time, with bytes for these connections.
fn turn(world: &mut World, asked_ms: u64, is_complete: bool, arrived: &[(ConnectionId, Vec<u8>)]) {
    let endpoint = &mut world.endpoint;
    let now = endpoint.now();
    endpoint.begin_turn(now);
    for (key, _) in arrived {
        endpoint.on_ready(*key, Readiness::readable());
    }
    endpoint.on_polled(asked_ms, is_complete);
    world.now_ms = now.mono_ms;
    world.work(|key, asked| {
        let (_, bytes) = arrived.iter().find(|(from, _)| *from == key).unwrap();
        bytes[..asked.min(bytes.len())].to_vec()
    });
    world.take_events();
    world.endpoint.check_invariants();
}

#[test]
fn a_thousand_pongs_that_lie_unread_while_the_process_is_held_keep_their_sessions() {
    let mut world = World::new(config());
    let clients: Vec<ConnectionId> = (0..1_000).map(|_| world.open_websocket()).collect();
    world.pass_ms(300);
    let asked_ms = world.endpoint.now().mono_ms;
    world.oversleep_ms(1_300);
    // They are told of in pieces, the first by a question asked before the pause.
    let pong = |key: &ConnectionId| (*key, masked(0x81, b"3"));
    let pieces: Vec<Vec<_>> = clients
        .chunks(64)
        .map(|keys| keys.iter().map(pong).collect())
        .collect();
    for (number, piece) in pieces.iter().enumerate() {
        turn(&mut world, asked_ms, number + 1 == pieces.len(), piece);
        assert_eq!(world.endpoint.counts().sessions, 1_000);
    }
    let now_ms = world.endpoint.now().mono_ms;
    turn(&mut world, now_ms, true, &[]);
    assert_eq!(world.endpoint.counts().sessions, 1_000);
    assert!(!world.endpoint.has_work());
}

#[test]
fn attachments_that_lie_unread_while_the_process_is_held_have_come_in_time() {
    for has_come in [true, false] {
        let mut world = World::new(Config {
            attachment_timeout_ms: 1_000,
            ..Config::default()
        });
        let key = world.join_by_websocket();
        world.send(key, r#"451-["x",{"_placeholder":true,"num":0}]"#);
        let asked_ms = world.endpoint.now().mono_ms;
        world.oversleep_ms(5_000);
        // The timer fires before anything has been read that came meanwhile.
        turn(&mut world, asked_ms, true, &[]);
        assert_eq!(world.endpoint.counts().sessions, 1);
        let mut arrived = Vec::new();
        if has_come {
            arrived.push((key, masked(0x82, b"here")));
        }
        let now_ms = world.endpoint.now().mono_ms;
        turn(&mut world, now_ms, true, &arrived);
        world.turn();
        assert!(!world.endpoint.has_work());
        assert_eq!(world.endpoint.counts().sessions, 1, "the whole time more");
        world.pass_ms(1_000);
        assert_eq!(world.endpoint.counts().sessions, usize::from(has_come));
    }
}

#[test]
fn the_rest_of_a_request_that_lies_unread_when_its_time_is_over_has_come_in_time() {
    for has_come in [true, false] {
        let mut world = World::new(Config {
            request_timeout_ms: 1_000,
            ..config()
        });
        let request = get("EIO=4&transport=polling");
        let (beginning, rest) = request.split_at(20);
        let key = world.open();
        world.feed(key, beginning);
        let asked_ms = world.endpoint.now().mono_ms;
        // Too little beyond the deadline to be a stall.
        world.endpoint.turn.stalls.sleep_until(None);
        world.oversleep_ms(1_050);
        // Of all that is ready, the first question tells only a part.
        turn(&mut world, asked_ms, false, &[]);
        assert_eq!(world.take_text(key), "", "it is not judged yet");
        assert!(world.endpoint.has_work());
        let mut arrived = Vec::new();
        if has_come {
            arrived.push((key, rest.as_bytes().to_vec()));
        }
        let now_ms = world.endpoint.now().mono_ms;
        turn(&mut world, now_ms, true, &arrived);
        turn(&mut world, now_ms + 1, true, &[]);
        let wanted = if has_come { 200 } else { 408 };
        assert_eq!(status(&world.take_text(key)), wanted);
        assert!(!world.endpoint.has_work());
    }
}

#[test]
fn whoever_has_not_answered_is_given_up_after_one_round_although_others_never_fall_silent() {
    let mut world = World::new(config());
    let silent = world.open_websocket();
    let attackers: Vec<ConnectionId> = (0..400).map(|_| world.open_websocket()).collect();
    world.pass_ms(300);
    world.oversleep_ms(200);
    // Attackers who pong, and send more than a turn has room for, all the time.
    let bytes = [masked(0x81, b"3"), masked(0x81, b"6").repeat(2_000)].concat();
    let arrived: Vec<_> = attackers.iter().map(|key| (*key, bytes.clone())).collect();
    let now_ms = world.endpoint.now().mono_ms;
    let mut turns = 0;
    while world.endpoint.counts().sessions == 401 {
        turn(&mut world, now_ms, true, &arrived);
        turns += 1;
        assert!(turns <= 30, "a round has an end");
    }
    assert!(
        turns > 1,
        "it was not over before all had been read from once"
    );
    assert!(world.shut.contains(&silent));
    assert_eq!(world.endpoint.counts().sessions, 400);
}

#[test]
fn a_poll_with_an_overdue_pong_waits_for_the_pong_that_comes_by_another_connection() {
    for has_pong in [true, false] {
        let mut world = World::new(config());
        let sid = world.open_polling();
        world.pass_ms(300);
        let asked_ms = world.endpoint.now().mono_ms;
        world.oversleep_ms(250);
        let poll = world.open();
        let poller = (
            poll,
            get(&format!("EIO=4&transport=polling&sid={sid}")).into_bytes(),
        );
        turn(&mut world, asked_ms, true, &[poller]);
        assert_eq!(
            world.take_text(poll),
            "",
            "not before a round that began later"
        );
        let mut arrived = Vec::new();
        let poster = world.open();
        if has_pong {
            arrived.push((poster, post(&sid, "3").into_bytes()));
        }
        let now_ms = world.endpoint.now().mono_ms;
        turn(&mut world, now_ms, true, &arrived);
        world.turn();
        let answer = world.take_text(poll);
        if has_pong {
            assert_eq!(status(&world.take_text(poster)), 200);
            assert!(
                answer.ends_with("\r\n\r\n2"),
                "the ping that waited: {answer}"
            );
        } else {
            assert_eq!(status(&answer), 400);
        }
        assert_eq!(world.endpoint.counts().sessions, usize::from(has_pong));
    }
}

#[test]
fn a_ping_that_goes_out_late_gets_its_whole_time() {
    let mut world = World::new(config());
    let key = world.open_websocket();
    world.oversleep_ms(5_000);
    world.turn();
    world.take(key);
    world.pass_ms(199);
    assert_eq!(world.endpoint.counts().sessions, 1);
    world.pass_ms(1);
    assert_eq!(world.endpoint.counts().sessions, 0);
}

#[test]
fn a_request_with_an_overdue_pong_that_hangs_up_is_not_waited_for() {
    let mut world = World::new(config());
    let sid = world.open_polling();
    world.pass_ms(300);
    let asked_ms = world.endpoint.now().mono_ms;
    world.oversleep_ms(250);
    let poll = world.open();
    let poller = (
        poll,
        get(&format!("EIO=4&transport=polling&sid={sid}")).into_bytes(),
    );
    turn(&mut world, asked_ms, true, &[poller]);
    world.endpoint.hang_up(poll);
    world.turn();
    assert_eq!(world.endpoint.counts().sessions, 0);
    assert!(!world.endpoint.has_work());
}

#[test]
fn a_post_that_is_read_late_gives_its_client_time_for_the_pong_behind_it() {
    let mut world = World::new(config());
    let sid = world.open_polling();
    world.pass_ms(300);
    assert_eq!(world.poll(&sid).1, "2");
    let asked_ms = world.endpoint.now().mono_ms;
    // The process is held. Its client has one post under way at a time, and so waits for the answer to this one.
    world.oversleep_ms(1_300);
    let poster = world.open();
    let message = (poster, post(&sid, "4x").into_bytes());
    turn(&mut world, asked_ms, true, &[message]);
    assert_eq!(status(&world.take_text(poster)), 200);
    world.pass_ms(150);
    assert_eq!(world.post(&sid, "3"), 200);
    world.pass_ms(200);
    assert_eq!(world.post(&sid, "4y"), 200);
}
