//! Commands about progress sessions that the host decides about.

use super::progress::{create_as, object};
use super::*;
use crate::endpoint::CommandId;
use crate::error::Error;
use crate::progress::{Audience, Command, SessionOptions};
use serde_json::{json, Value};
use uuid::Uuid;

fn asking() -> World {
    World::new(Config {
        progress_commands: true,
        ping_interval_ms: 100_000,
        ..Config::default()
    })
}

/// The commands that the host is asked about.
fn asked(world: &mut World) -> Vec<(CommandId, Command)> {
    let events = world.take_events().into_iter();
    let commands = events.filter_map(|event| match event {
        Event::ProgressCommand {
            ticket, command, ..
        } => Some((ticket, command)),
        _ => None,
    });
    commands.collect()
}

/// The answer to a command that has come since.
fn answer(world: &mut World, key: ConnectionId) -> Option<Value> {
    world.turn();
    let frames = world.frames(key).into_iter();
    let mut answers = frames.filter_map(|frame| {
        let answers: Vec<Value> = serde_json::from_str(frame.strip_prefix("431")?).unwrap();
        answers.into_iter().next()
    });
    answers.next()
}

fn numbered(world: &mut World, number: u128) -> Uuid {
    create_as(world, number, SessionOptions::default().private_to("Ann"))
}

#[test]
fn the_host_decides_at_once_or_later_and_alone() {
    let mut world = asking();
    let key = world.join_by_websocket();
    let id = numbered(&mut world, 1);
    world.send(key, &format!("421[\"track_session\",\"{id}\"]"));
    let (ticket, command) = asked(&mut world).remove(0);
    assert_eq!(command, Command::Track { id });
    let about = world.endpoint.progress().asked_about(ticket).remove(0);
    assert_eq!(
        (about.id, about.owner(), about.audience),
        (id, Some("Ann"), Audience::Owner)
    );
    world.pass_ms(10_000);
    assert_eq!(answer(&mut world, key), None, "it takes its time");
    let done = world.endpoint.progress().decide(ticket, |_| true);
    assert_eq!(done, Ok(()));
    assert_eq!(
        answer(&mut world, key).unwrap()["session"]["id"],
        json!(id.to_string())
    );
    let again = world.endpoint.progress().decide(ticket, |_| true);
    assert_eq!(again, Err(Error::NoSuchTicket));
    // What everybody sees by itself may be refused as well.
    let open = create_as(&mut world, 2, SessionOptions::default());
    world.take(key);
    world.send(key, &format!("421[\"cancel_session\",\"{open}\"]"));
    let (ticket, _) = asked(&mut world).remove(0);
    let _ = world.endpoint.progress().decide(ticket, |_| false);
    let refused = answer(&mut world, key).unwrap();
    assert_eq!(refused["error"]["code"], "SESSION_NOT_FOUND");
    assert!(world.endpoint.progress().session(open).is_ok());
}

#[test]
fn the_host_is_asked_about_sessions_that_are_not_there_too() {
    let mut world = asking();
    let key = world.join_by_websocket();
    let id = Uuid::from_u128(5);
    world.send(key, &format!("421[\"track_session\",\"{id}\"]"));
    let (ticket, _) = asked(&mut world).remove(0);
    assert!(world.endpoint.progress().asked_about(ticket).is_empty());
    let _ = world.endpoint.progress().decide(ticket, |_| true);
    let refused = answer(&mut world, key).unwrap();
    assert_eq!(refused["error"]["code"], "SESSION_NOT_FOUND");
}

#[test]
fn lists_have_what_the_host_shows_page_by_page() {
    let mut world = asking();
    let key = world.join_by_websocket();
    for number in 1..=9 {
        numbered(&mut world, number);
    }
    let is_odd = |id: Uuid| id.as_u128() % 2 == 1;
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let query = json!({"limit": 2, "cursor": cursor});
        world.send(key, &format!("421[\"list_sessions\",{query}]"));
        let (ticket, _) = asked(&mut world).remove(0);
        let mut sessions = world.endpoint.progress();
        sessions.decide(ticket, |it| is_odd(it.id)).unwrap();
        let page = answer(&mut world, key).unwrap();
        let ids = page["sessions"].as_array().unwrap().iter();
        seen.extend(ids.map(|session| session["id"].clone()));
        cursor = page["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let odd = [9, 7, 5, 3, 1].map(|number| json!(Uuid::from_u128(number).to_string()));
    assert_eq!(seen, odd);
}

#[test]
fn what_the_host_does_not_decide_is_refused_in_the_end() {
    let mut world = asking();
    let key = world.join_by_websocket();
    let id = numbered(&mut world, 1);
    for command in ["track_session", "cancel_session"] {
        world.send(key, &format!("421[\"{command}\",\"{id}\"]"));
        let (ticket, _) = asked(&mut world).remove(0);
        world.pass_ms(45_000);
        let refused = answer(&mut world, key).unwrap();
        assert_eq!(refused["error"]["code"], "SESSION_NOT_FOUND", "{command}");
        let late = world.endpoint.progress().decide(ticket, |_| true);
        assert_eq!(late, Err(Error::NoSuchTicket));
    }
    assert!(world.endpoint.progress().session(id).is_ok());
}

#[test]
fn who_has_gone_is_not_decided_about_and_leaves_no_timer_behind() {
    let mut world = asking();
    let timers = world.endpoint.counts().timers;
    let key = world.join_by_websocket();
    for _ in 0..5 {
        world.send(key, "421[\"list_sessions\"]");
    }
    let tickets = asked(&mut world);
    assert_eq!(tickets.len(), 5);
    world.endpoint.hang_up(key);
    world.turn();
    let late = world.endpoint.progress().decide(tickets[0].0, |_| true);
    assert_eq!(late, Err(Error::NoSuchTicket));
    assert_eq!(world.endpoint.counts().timers, timers);
}

#[test]
fn a_client_has_no_more_commands_undecided_than_acknowledgements_may_be_owed() {
    let mut world = World::new(Config {
        progress_commands: true,
        max_pending_acks: 2,
        ..Config::default()
    });
    let key = world.join_by_websocket();
    for _ in 0..3 {
        world.send(key, "421[\"list_sessions\"]");
    }
    assert_eq!(asked(&mut world).len(), 2);
    let refused = answer(&mut world, key).unwrap();
    assert_eq!(refused["error"]["code"], "SERVER_OVERLOAD");
}

#[test]
fn leaving_a_session_alone_and_wrong_arguments_are_not_asked_about() {
    let mut world = asking();
    let key = world.join_by_websocket();
    let id = numbered(&mut world, 1);
    for (command, answered) in [
        (format!("[\"untrack_session\",\"{id}\"]"), json!(true)),
        ("[\"track_session\",\"x\"]".to_owned(), json!(false)),
    ] {
        world.send(key, &format!("421{command}"));
        assert_eq!(answer(&mut world, key).unwrap()["ok"], answered);
    }
    assert!(asked(&mut world).is_empty());
}

#[test]
fn a_managed_session_whose_cancellation_is_allowed_is_rolled_back_first() {
    let mut world = asking();
    let key = world.join_by_websocket();
    let options = SessionOptions {
        managed: true,
        metadata: object(json!({"operation": "copy"})),
        ..SessionOptions::default()
    };
    let id = create_as(&mut world, 1, options);
    world.take(key);
    world.send(key, &format!("421[\"cancel_session\",\"{id}\"]"));
    let (ticket, _) = asked(&mut world).remove(0);
    let _ = world.endpoint.progress().decide(ticket, |it| it.is_managed);
    assert_eq!(answer(&mut world, key), None);
    let events = world.take_events();
    assert!(matches!(&events[..], [Event::CancelRequested { session, .. }] if *session == id));
    let mut sessions = world.endpoint.progress();
    sessions.cancel_session(id, None, None).unwrap();
    assert_eq!(answer(&mut world, key).unwrap()["ok"], true);
}
