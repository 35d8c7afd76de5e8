//! Whose clients are, and what they therefore see of progress sessions.

use super::super::{ConnectId, Sight};
use super::progress::{command, create_as, object};
use super::*;
use crate::error::Error;
use crate::progress::{Audience, ErrorCode, ProgressError, SessionOptions};
use crate::socket::{RecoveryConfig, SocketId};
use serde_json::{json, Value};
use uuid::Uuid;

/// A client of this owner.
fn enter(world: &mut World, owner: &str) -> (ConnectionId, SocketId) {
    let (key, socket) = world.enter("40");
    world.endpoint.set_owner(socket, owner).unwrap();
    (key, socket)
}

fn private(world: &mut World, number: u128, owner: &str) -> Uuid {
    create_as(world, number, SessionOptions::default().private_to(owner))
}

fn update(world: &mut World, id: Uuid, progress: f64) {
    let mut sessions = world.endpoint.progress();
    sessions
        .update_progress(id, progress, Default::default())
        .unwrap();
    world.pass_ms(100);
}

fn names(world: &mut World, key: ConnectionId) -> Vec<String> {
    let frames = world.frames(key).into_iter();
    let names = frames.filter_map(|frame| {
        let event: Vec<Value> = serde_json::from_str(frame.strip_prefix("42")?).unwrap();
        Some(event[0].as_str()?.to_owned())
    });
    names.filter(|name| name != "heartbeat").collect()
}

fn listed(world: &mut World, key: ConnectionId) -> Vec<Value> {
    let answer = command(world, key, "[\"list_sessions\"]");
    let sessions = answer["sessions"].as_array().unwrap().iter();
    sessions.map(|session| session["id"].clone()).collect()
}

/// What each command that names a session is answered with.
fn asked_for(world: &mut World, key: ConnectionId, id: Uuid) -> Vec<Value> {
    let names = ["track_session", "cancel_session"];
    let answers = names.map(|name| command(world, key, &format!("[\"{name}\",\"{id}\"]")));
    answers.into()
}

#[test]
fn a_private_session_is_seen_by_clients_of_its_owner_and_for_others_it_does_not_exist() {
    let mut world = World::new(Config::default());
    let (ann, _) = enter(&mut world, "Ann");
    let (bob, _) = enter(&mut world, "Bob");
    let nobody = world.join_by_websocket();
    let id = private(&mut world, 1, "Ann");
    update(&mut world, id, 0.5);
    assert_eq!(
        names(&mut world, ann),
        ["session_created", "import_progress"]
    );
    assert_eq!(listed(&mut world, ann), [json!(id.to_string())]);
    let unknown = Uuid::from_u128(7);
    let said_of_unknown = asked_for(&mut world, bob, unknown);
    let as_of = |answers: Vec<Value>, id: Uuid| {
        let text = json!(answers).to_string();
        text.replace(&id.to_string(), "ID")
    };
    for stranger in [bob, nobody] {
        assert!(names(&mut world, stranger).is_empty());
        assert!(listed(&mut world, stranger).is_empty());
        let said = asked_for(&mut world, stranger, id);
        assert_eq!(as_of(said, id), as_of(said_of_unknown.clone(), unknown));
        update(&mut world, id, 0.6);
        assert!(names(&mut world, stranger).is_empty(), "it tracks nothing");
    }
    let answers = asked_for(&mut world, ann, id);
    assert_eq!(answers[0]["session"]["progress"], 0.6);
    assert_eq!(answers[1]["session"]["status"], "cancelled");
    // It was cancelled, which is nobody else's business either.
    let said = asked_for(&mut world, bob, id);
    assert_eq!(as_of(said, id), as_of(said_of_unknown, unknown));
    let answers = asked_for(&mut world, ann, id);
    assert_eq!(answers[0]["error"]["code"], "SESSION_CANCELLED");
    assert!(names(&mut world, bob).is_empty());
}

#[test]
fn every_way_to_end_a_private_session_is_told_to_its_owner_alone() {
    let mut world = World::new(Config::default());
    let (ann, _) = enter(&mut world, "Ann");
    let (bob, _) = enter(&mut world, "Bob");
    let ids = [1, 2, 3].map(|number| private(&mut world, number, "Ann"));
    let mut sessions = world.endpoint.progress();
    sessions
        .complete_session(ids[0], object(json!({"total": 5})))
        .unwrap();
    sessions.error_session(ids[1], json!("full"), None).unwrap();
    sessions.cancel_session(ids[2], None, None).unwrap();
    world.turn();
    let told = names(&mut world, ann);
    let ends = ["import_complete", "import_error", "import_cancelled"];
    assert_eq!(told[3..], ends);
    assert!(names(&mut world, bob).is_empty());
}

#[test]
fn a_session_for_trackers_is_found_in_lists_by_its_owner_and_by_who_tracks_it() {
    let mut world = World::new(Config::default());
    let (ann, _) = enter(&mut world, "Ann");
    let (bob, _) = enter(&mut world, "Bob");
    let options = SessionOptions {
        audience: Some(Audience::Trackers),
        owner: Some("Ann".to_owned()),
        ..SessionOptions::default()
    };
    let id = create_as(&mut world, 1, options);
    assert_eq!(names(&mut world, ann), ["session_created"]);
    assert_eq!(listed(&mut world, ann), [json!(id.to_string())]);
    assert!(listed(&mut world, bob).is_empty());
    let track = format!("[\"track_session\",\"{id}\"]");
    assert_eq!(command(&mut world, bob, &track)["ok"], true);
    assert_eq!(listed(&mut world, bob), [json!(id.to_string())]);
    update(&mut world, id, 0.5);
    for key in [ann, bob] {
        assert_eq!(names(&mut world, key), ["import_progress"], "once");
    }
}

#[test]
fn who_is_given_to_another_owner_hears_no_more_of_what_was_the_first_ones() {
    let mut world = World::new(Config::default());
    let (key, socket) = enter(&mut world, "Ann");
    let id = private(&mut world, 1, "Ann");
    let track = format!("[\"track_session\",\"{id}\"]");
    command(&mut world, key, &track);
    world.endpoint.set_owner(socket, "Bob").unwrap();
    update(&mut world, id, 0.5);
    assert!(names(&mut world, key).is_empty());
    assert!(listed(&mut world, key).is_empty());
    let of_bob = private(&mut world, 2, "Bob");
    assert_eq!(names(&mut world, key), ["session_created"]);
    // Nobody's, it sees neither.
    world.endpoint.set_owner(socket, "").unwrap();
    assert_eq!(world.endpoint.owner(socket), None);
    update(&mut world, of_bob, 0.5);
    assert!(names(&mut world, key).is_empty());
    assert!(listed(&mut world, key).is_empty());
}

#[test]
fn progress_that_waits_for_a_poll_is_not_told_when_its_client_is_another_owners_by_then() {
    for (owner, hears) in [("Ann", true), ("Bob", false)] {
        let mut world = World::new(Config::default());
        let sid = world.open_polling();
        world.post(&sid, "40");
        let socket = match &world.take_events()[..] {
            [Event::Connected { socket, .. }] => *socket,
            other => panic!("{other:?}"),
        };
        world.endpoint.set_owner(socket, "Ann").unwrap();
        let id = private(&mut world, 1, "Ann");
        assert!(world.poll(&sid).1.contains("session_created"));
        update(&mut world, id, 0.5);
        world.endpoint.set_owner(socket, owner).unwrap();
        let polled = world.poll(&sid).1;
        assert_eq!(
            polled.contains("import_progress"),
            hears,
            "{owner}: {polled}"
        );
    }
}

#[test]
fn an_empty_owner_owns_nothing() {
    let mut world = World::new(Config::default());
    let (key, _) = enter(&mut world, "");
    let id = private(&mut world, 1, "");
    update(&mut world, id, 0.5);
    assert!(names(&mut world, key).is_empty());
    assert!(listed(&mut world, key).is_empty());
    let answers = asked_for(&mut world, key, id);
    assert_eq!(answers[0]["error"]["code"], "SESSION_NOT_FOUND");
}

#[test]
fn nobody_gets_into_the_rooms_of_progress_sessions_by_their_names() {
    let mut world = World::new(Config {
        namespaces: vec!["/".to_owned(), "/other".to_owned()],
        ..Config::default()
    });
    let (bob, socket) = enter(&mut world, "Bob");
    let id = private(&mut world, 1, "Ann");
    for room in [format!("progress:{id}"), "progress:owner:Ann".to_owned()] {
        let refused = Err(Error::ReservedRoom(room.clone()));
        assert_eq!(world.endpoint.join(socket, &room), refused);
        let everybody = world.everybody();
        assert_eq!(world.endpoint.sockets_join(&everybody, &[&room]), refused);
    }
    update(&mut world, id, 0.5);
    assert!(names(&mut world, bob).is_empty());
    // A host that has a client leave all its rooms has it leave none of these.
    world.endpoint.progress().track(socket, id).unwrap();
    world.endpoint.join(socket, "hall").unwrap();
    assert_eq!(world.endpoint.rooms(socket).collect::<Vec<_>>(), ["hall"]);
    let namespace = world.everybody().namespace_id();
    let all: Vec<&str> = world.endpoint.all_rooms(namespace).collect();
    assert_eq!(all, ["hall"]);
    // Elsewhere they are names like others.
    let (_, socket) = world.enter("40/other,");
    assert_eq!(world.endpoint.join(socket, "progress:owner:Ann"), Ok(()));
}

/// Clients that come back, and whose owner is decided when they are let in.
fn recoverable() -> World {
    World::new(Config {
        recovery: Some(RecoveryConfig {
            skip_middlewares: false,
            ..RecoveryConfig::default()
        }),
        connect_requests: true,
        ..Config::default()
    })
}

/// Lets in who has asked, as a client of this owner, and says whether that was recovered.
fn let_in(world: &mut World, owner: Option<&str>) -> bool {
    let events = world.take_events().into_iter();
    let ticket = events
        .filter_map(|event| match event {
            Event::ConnectRequested { ticket, .. } => Some(ticket),
            _ => None,
        })
        .next();
    let ticket = ticket.expect("somebody waits");
    if let Some(owner) = owner {
        world.endpoint.set_connect_owner(ticket, owner).unwrap();
        assert_eq!(world.endpoint.connect_owner(ticket), Some(owner));
    }
    let socket = world.endpoint.accept_connect(ticket).unwrap();
    assert_eq!(world.endpoint.owner(socket), owner);
    world.turn();
    let events = world.take_events().into_iter();
    let is_recovered = |event: Event| match event {
        Event::Connected { is_recovered, .. } => Some(is_recovered),
        _ => None,
    };
    events.filter_map(is_recovered).next().expect("let in")
}

#[test]
fn a_client_that_comes_back_is_its_owners_again_and_as_another_owners_it_is_a_new_one() {
    for (now, is_recovered) in [(Some("Ann"), true), (Some("Bob"), false), (None, false)] {
        let mut world = recoverable();
        let key = world.open_websocket();
        world.send(key, "40");
        assert!(!let_in(&mut world, Some("Ann")));
        let pid = pid(&world.frames(key).concat());
        world.endpoint.hang_up(key);
        world.turn();
        world.take_events();
        let id = private(&mut world, 1, "Ann");
        update(&mut world, id, 0.5);
        let key = world.open_websocket();
        world.send(key, &format!("40{{\"pid\":\"{pid}\"}}"));
        assert_eq!(let_in(&mut world, now), is_recovered, "{now:?}");
        update(&mut world, id, 0.6);
        let heard = names(&mut world, key);
        assert_eq!(!heard.is_empty(), is_recovered, "{now:?}: {heard:?}");
    }
}

#[test]
fn the_host_has_a_client_track_what_is_anothers_until_it_has_it_leave_that_alone() {
    let mut world = World::new(Config::default());
    let (ann, ann_socket) = enter(&mut world, "Ann");
    let id = private(&mut world, 1, "Bob");
    assert_eq!(world.endpoint.progress().track(ann_socket, id), Ok(()));
    update(&mut world, id, 0.5);
    assert_eq!(names(&mut world, ann), ["import_progress"]);
    assert_eq!(listed(&mut world, ann), [json!(id.to_string())]);
    world.endpoint.progress().untrack(ann_socket, id);
    update(&mut world, id, 0.6);
    assert!(names(&mut world, ann).is_empty());
    assert!(listed(&mut world, ann).is_empty());
}

#[test]
fn the_host_is_told_what_cannot_be_tracked_and_by_whom() {
    let mut world = World::new(Config {
        namespaces: vec!["/".to_owned(), "/other".to_owned()],
        ..Config::default()
    });
    let (key, socket) = enter(&mut world, "Ann");
    let id = private(&mut world, 1, "Bob");
    let track = |world: &mut World, socket, id| {
        let tracked = world.endpoint.progress().track(socket, id);
        tracked.map_err(|error| error.code.as_str())
    };
    let unknown = Uuid::from_u128(2);
    assert_eq!(track(&mut world, socket, unknown), Err("SESSION_NOT_FOUND"));
    let (_, elsewhere) = world.enter("40/other,");
    assert_eq!(track(&mut world, elsewhere, id), Err("INVALID_ARGUMENT"));
    world.endpoint.hang_up(key);
    world.turn();
    assert_eq!(track(&mut world, socket, id), Ok(()), "nobody is there");
    let cancelled = world.endpoint.progress().cancel_session(id, None, None);
    assert!(cancelled.is_ok());
    assert_eq!(track(&mut world, socket, id), Err("SESSION_CANCELLED"));
}

/// A client that the host lets in with this sight.
fn enter_with(world: &mut World, sight: Sight) -> (ConnectionId, SocketId) {
    let key = world.open_websocket();
    world.send(key, "40");
    let ticket = ticket_of(world);
    world.endpoint.set_connect_sight(ticket, sight).unwrap();
    let socket = world.endpoint.accept_connect(ticket).unwrap();
    world.turn();
    world.frames(key);
    (key, socket)
}

fn world_that_asks() -> World {
    World::new(Config {
        connect_requests: true,
        ..Config::default()
    })
}

#[test]
fn who_looks_after_the_server_sees_every_session_whatever_its_audience() {
    let mut world = world_that_asks();
    let (overseer, _) = enter_with(&mut world, Sight::Everything);
    let (usual, _) = enter_with(&mut world, Sight::Usual);
    for (number, audience) in [(1, Audience::Owner), (2, Audience::Trackers)] {
        let options = SessionOptions {
            owner: Some("Ann".to_owned()),
            audience: Some(audience),
            ..SessionOptions::default()
        };
        let id = create_as(&mut world, number, options);
        update(&mut world, id, 0.5);
        assert_eq!(
            names(&mut world, overseer),
            ["session_created", "import_progress"]
        );
        assert!(names(&mut world, usual).is_empty());
        assert_eq!(listed(&mut world, overseer).len(), number as usize);
        assert!(listed(&mut world, usual).is_empty());
    }
}

#[test]
fn who_sees_one_session_alone_hears_of_nothing_else() {
    for audience in [Audience::Everybody, Audience::Trackers, Audience::Owner] {
        let mut world = world_that_asks();
        let options = || SessionOptions {
            audience: Some(audience),
            ..SessionOptions::default()
        };
        let shown = create_as(&mut world, 1, options());
        let other = create_as(&mut world, 2, SessionOptions::default());
        let (key, socket) = enter_with(&mut world, Sight::Only(shown));
        assert_eq!(world.endpoint.sight(socket), Sight::Only(shown));
        update(&mut world, other, 0.5);
        let change = object(json!({"type": "scans", "action": "updated"}));
        world.endpoint.progress().data_updated(change).unwrap();
        create_as(&mut world, 3, SessionOptions::default());
        assert!(names(&mut world, key).is_empty(), "{audience:?}");
        update(&mut world, shown, 0.5);
        assert_eq!(names(&mut world, key), ["import_progress"], "{audience:?}");
        assert_eq!(listed(&mut world, key), [json!(shown.to_string())]);
        let answers = asked_for(&mut world, key, other);
        assert_eq!(answers[0]["error"]["code"], "SESSION_NOT_FOUND");
        let tracked = command(&mut world, key, &format!("[\"track_session\",\"{shown}\"]"));
        assert_eq!(tracked["ok"], true);
        let mut sessions = world.endpoint.progress();
        sessions
            .complete_session(shown, Default::default())
            .unwrap();
        world.turn();
        assert_eq!(names(&mut world, key), ["import_complete"], "{audience:?}");
        // One that has its id later is another session.
        world.endpoint.progress().cleanup(shown).unwrap();
        create_as(&mut world, 1, options());
        assert!(names(&mut world, key).is_empty(), "{audience:?}");
        assert!(listed(&mut world, key).is_empty());
    }
}

#[test]
fn a_client_that_comes_back_with_another_sight_gets_a_new_socket() {
    for (sight, is_same) in [(Sight::Everything, true), (Sight::Usual, false)] {
        let mut world = World::new(Config {
            connect_requests: true,
            recovery: Some(RecoveryConfig {
                skip_middlewares: false,
                ..RecoveryConfig::default()
            }),
            ..Config::default()
        });
        let key = world.open_websocket();
        world.send(key, "40");
        let ticket = ticket_of(&mut world);
        let seen = Sight::Everything;
        world.endpoint.set_connect_sight(ticket, seen).unwrap();
        let socket = world.endpoint.accept_connect(ticket).unwrap();
        world.turn();
        let answer: Value = serde_json::from_str(&world.frames(key)[0][2..]).unwrap();
        world.endpoint.on_ready(key, Readiness::broken());
        world.turn();
        let key = world.open_websocket();
        world.send(key, &format!("40{}", json!({"pid": answer["pid"]})));
        let ticket = ticket_of(&mut world);
        world.endpoint.set_connect_sight(ticket, sight).unwrap();
        let back = world.endpoint.accept_connect(ticket).unwrap();
        assert_eq!(back == socket, is_same, "{sight:?}");
    }
}

#[test]
fn a_host_reads_the_token_of_a_command_and_answers_with_an_error_of_its_own() {
    let mut world = World::new(Config {
        progress_commands: true,
        ..Config::default()
    });
    let (key, _) = world.enter("40");
    let id = create_as(&mut world, 1, SessionOptions::default());
    world.frames(key);
    world.send(
        key,
        &format!("421[\"cancel_session\",{{\"sessionId\":\"{id}\",\"token\":\"t\"}}]"),
    );
    let ticket = match &world.take_events()[..] {
        [.., Event::ProgressCommand { ticket, .. }] => *ticket,
        other => panic!("{other:?}"),
    };
    let mut sessions = world.endpoint.progress();
    assert_eq!(sessions.command_token(ticket), Some("t"));
    let error = ProgressError::new(ErrorCode::Forbidden, "not yours");
    assert_eq!(sessions.refuse(ticket, &error), Ok(()));
    assert_eq!(sessions.refuse(ticket, &error), Err(Error::NoSuchTicket));
    assert_eq!(sessions.command_token(ticket), None);
    world.turn();
    let frames = world.frames(key);
    assert_eq!(
        frames,
        [r#"431[{"ok":false,"error":{"code":"FORBIDDEN","message":"not yours"}}]"#]
    );
}

fn ticket_of(world: &mut World) -> ConnectId {
    match &world.take_events()[..] {
        [.., Event::ConnectRequested { ticket, .. }] => *ticket,
        other => panic!("{other:?}"),
    }
}
