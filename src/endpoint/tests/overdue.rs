//! What is overdue: nobody is given up before everything has been read that may have come in time.

use super::rates::held_back;
use super::{get, masked, pid, post, status, upgrade, Readiness, World};
use crate::config::Config;
use crate::id::ConnectionId;
use crate::socket::{Args, RecoveryConfig};
use crate::Event;

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
    world.endpoint.check_invariants();
}

/// The process is held until something is overdue, not for long enough to be a stall, and of all that is ready a part is told of
/// first. Only then comes what lay there all the while.
fn hold(world: &mut World, ms: u64, arrived: &[(ConnectionId, Vec<u8>)]) {
    let asked_ms = world.endpoint.now().mono_ms;
    world.endpoint.turn.stalls.sleep_until(None);
    world.oversleep_ms(ms);
    turn(world, asked_ms, false, &[]);
    assert!(world.endpoint.has_work(), "nobody is judged yet");
    let now_ms = world.endpoint.now().mono_ms;
    turn(world, now_ms, true, arrived);
    for later_ms in 1..3 {
        turn(world, now_ms + later_ms, true, &[]);
    }
    assert!(!world.endpoint.has_work());
}

/// A server of namespaces whose clients need no pong for long.
fn patient_config() -> Config {
    Config {
        ping_interval_ms: 600_000,
        connect_timeout_ms: 1_000,
        progress: None,
        ..Config::default()
    }
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
        let mut arrived = Vec::new();
        if has_come {
            arrived.push((key, rest.as_bytes().to_vec()));
        }
        hold(&mut world, 1_050, &arrived);
        let wanted = if has_come { 200 } else { 408 };
        assert_eq!(status(&world.take_text(key)), wanted);
    }
}

#[test]
fn a_connect_that_lies_unread_when_its_time_is_over_has_come_in_time() {
    for has_come in [true, false] {
        let mut world = World::new(patient_config());
        let key = world.open_websocket();
        let mut arrived = Vec::new();
        if has_come {
            arrived.push((key, masked(0x81, b"40")));
        }
        hold(&mut world, 1_050, &arrived);
        assert_eq!(world.endpoint.counts().sessions, usize::from(has_come));
    }
}

#[test]
fn the_host_is_asked_about_a_connect_that_was_read_late_before_its_time_is_over() {
    let mut world = World::new(Config {
        connect_requests: true,
        ..patient_config()
    });
    let key = world.open_websocket();
    let asked_ms = world.endpoint.now().mono_ms;
    world.endpoint.turn.stalls.sleep_until(None);
    world.oversleep_ms(1_050);
    turn(&mut world, asked_ms, false, &[]);
    let now_ms = world.endpoint.now().mono_ms;
    turn(&mut world, now_ms, true, &[(key, masked(0x81, b"40"))]);
    let events = world.take_events();
    let [Event::ConnectRequested { ticket, .. }] = events[..] else {
        panic!("{events:?}")
    };
    assert!(world.endpoint.accept_connect(ticket).is_ok());
}

#[test]
fn the_end_of_an_upgrade_that_lies_unread_when_its_time_is_over_has_come_in_time() {
    for has_come in [true, false] {
        let mut world = World::new(Config {
            upgrade_timeout_ms: 1_000,
            ..patient_config()
        });
        let sid = world.open_polling();
        assert_eq!(world.post(&sid, "40"), 200);
        let websocket = world.open();
        let query = format!("EIO=4&transport=websocket&sid={sid}");
        world.feed(websocket, upgrade(&query));
        world.take(websocket);
        world.send(websocket, "2probe");
        assert_eq!(world.frames(websocket), ["3probe"]);
        let mut arrived = Vec::new();
        if has_come {
            arrived.push((websocket, masked(0x81, b"5")));
        }
        hold(&mut world, 1_050, &arrived);
        let is_closed = world.frames(websocket).contains(&"close".to_owned());
        assert_ne!(is_closed, has_come);
    }
}

#[test]
fn an_answer_that_lies_unread_when_its_time_is_over_has_come_in_time() {
    for has_come in [true, false] {
        let mut world = World::new(patient_config());
        let (key, socket) = world.enter("40");
        let asked = world
            .endpoint
            .emit_with_ack_within(socket, "q", &Args::none(), 1_000);
        world.turn();
        let mut arrived = Vec::new();
        if has_come {
            arrived.push((
                key,
                masked(0x81, format!("43{}[]", asked.unwrap()).as_bytes()),
            ));
        }
        hold(&mut world, 1_050, &arrived);
        let events = world.take_events();
        assert_eq!(events.len(), 1);
        let is_answered = matches!(events[0], Event::Acknowledged { .. });
        assert_eq!(is_answered, has_come, "{events:?}");
    }
}

#[test]
fn a_client_whose_return_lies_unread_when_its_time_is_over_is_back_in_time() {
    for has_come in [true, false] {
        let recovery = RecoveryConfig {
            max_disconnection_ms: 1_000,
            ..RecoveryConfig::default()
        };
        let mut world = World::new(Config {
            recovery: Some(recovery),
            ..patient_config()
        });
        let key = world.open_websocket();
        world.send(key, "40");
        let pid = pid(&world.frames(key).concat());
        world.endpoint.hang_up(key);
        world.turn();
        let back = world.open_websocket();
        world.take_events();
        let mut arrived = Vec::new();
        if has_come {
            let connect = format!("40{{\"pid\":\"{pid}\"}}");
            arrived.push((back, masked(0x81, connect.as_bytes())));
        }
        hold(&mut world, 1_050, &arrived);
        let events = world.take_events();
        let is_recovered =
            |event: &Event| matches!(event, Event::Connected { is_recovered, .. } if *is_recovered);
        assert_eq!(events.iter().any(is_recovered), has_come, "{events:?}");
        let is_expired = |event: &Event| matches!(event, Event::RecoveryExpired { .. });
        assert_ne!(events.iter().any(is_expired), has_come, "{events:?}");
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

#[test]
fn a_turn_that_reads_when_it_is_time_to_look_again_at_the_late_does_so() {
    // So many that the client is still held back when its pong is overdue.
    let (mut world, _) = held_back(10);
    world.pass_ms(1_650);
    assert_eq!(world.endpoint.counts().sessions, 1);
    for _ in 0..5 {
        let deadline_ms = world.endpoint.next_deadline().unwrap();
        world.oversleep_ms(deadline_ms - world.now_ms);
        let other = world.open();
        turn(&mut world, deadline_ms, true, &[(other, b"G".to_vec())]);
        assert!(world.endpoint.next_deadline() > Some(deadline_ms));
    }
    assert_eq!(world.endpoint.counts().sessions, 1);
}
