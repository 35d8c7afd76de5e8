//! Rules for progress sessions.

use super::*;
use crate::endpoint::tests::progress::create_as;
use crate::io::Next;
use crate::progress::{Command, SessionOptions};
use serde_json::{json, Value};

#[derive(serde::Deserialize)]
struct Pass {
    name: String,
}

/// Clients are their own owners.
fn owned() -> Io<Vec<String>> {
    let mut io = Io::with_state(Vec::new());
    io.of("/").middleware(|_, connecting| {
        let pass: Pass = connecting.auth()?;
        connecting.set_owner(&pass.name)?;
        assert_eq!(connecting.owner(), Some(&*pass.name));
        Ok(Next::Go)
    });
    io
}

/// Its own for everybody; the admin lists and tracks all, and cancels nothing. The commands are noted.
fn ruled() -> Io<Vec<String>> {
    let mut io = owned();
    io.progress().authorize(|log, socket, command, session| {
        let is_admin = socket.owner() == Some("admin");
        log.push(format!("{:?} {command:?}", socket.owner()));
        let is_reading = !matches!(command, Command::Cancel { .. });
        session.is_owned_by(socket.owner()) || is_admin && is_reading
    });
    io
}

fn enter_as(world: &mut World, io: &mut Io<Vec<String>>, name: &str) -> ConnectionId {
    let key = world.open_websocket();
    world.send(key, &format!("40{{\"name\":\"{name}\"}}"));
    assert_eq!(dispatch(world, io), []);
    world.take(key);
    key
}

fn ask(world: &mut World, io: &mut Io<Vec<String>>, key: ConnectionId, command: &str) -> Value {
    world.take(key);
    world.send(key, &format!("421{command}"));
    assert_eq!(dispatch(world, io), []);
    answer(world, key)
}

fn answer(world: &mut World, key: ConnectionId) -> Value {
    let frames = world.frames(key);
    let answer = frames.iter().find_map(|frame| frame.strip_prefix("431"));
    let mut answer: Vec<Value> = serde_json::from_str(answer.expect("an answer")).unwrap();
    answer.remove(0)
}

fn ids(answer: &Value) -> Vec<Value> {
    let sessions = answer["sessions"].as_array().unwrap().iter();
    sessions.map(|session| session["id"].clone()).collect()
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_default()
}

#[test]
fn each_client_sees_and_does_what_the_rule_says() {
    let mut io = ruled();
    let mut world = World::new(io.configure(Config::default()));
    let [ann, bob, admin] = ["Ann", "Bob", "admin"].map(|name| enter_as(&mut world, &mut io, name));
    let of_ann = create_as(&mut world, 1, SessionOptions::default().private_to("Ann"));
    let of_bob = create_as(&mut world, 2, SessionOptions::default().private_to("Bob"));
    let list = "[\"list_sessions\"]";
    let shown = [ann, bob, admin].map(|key| ids(&ask(&mut world, &mut io, key, list)));
    let (ann_has, bob_has) = (json!(of_ann.to_string()), json!(of_bob.to_string()));
    assert_eq!(
        shown,
        [
            vec![ann_has.clone()],
            vec![bob_has.clone()],
            vec![bob_has, ann_has]
        ]
    );
    let track = format!("[\"track_session\",\"{of_ann}\"]");
    let cancel = format!("[\"cancel_session\",\"{of_ann}\"]");
    assert_eq!(
        code(&ask(&mut world, &mut io, bob, &track)),
        "SESSION_NOT_FOUND"
    );
    assert_eq!(ask(&mut world, &mut io, admin, &track)["ok"], true);
    for key in [bob, admin] {
        assert_eq!(
            code(&ask(&mut world, &mut io, key, &cancel)),
            "SESSION_NOT_FOUND"
        );
    }
    world.take(bob);
    assert_eq!(ask(&mut world, &mut io, ann, &cancel)["ok"], true);
    assert!(
        world.frames(admin)[0].contains("import_cancelled"),
        "it tracks it"
    );
    assert!(world.frames(bob).is_empty());
    let asked = io.state().iter().filter(|text| text.contains("Cancel"));
    assert_eq!(asked.count(), 3);
}

#[test]
fn a_page_asks_no_further_than_it_goes_and_knows_of_the_next() {
    let mut io = ruled();
    let mut world = World::new(io.configure(Config::default()));
    let ann = enter_as(&mut world, &mut io, "Ann");
    for number in 1..=10 {
        let options = SessionOptions::default().private_to("Ann");
        create_as(&mut world, number, options);
    }
    let first = ask(
        &mut world,
        &mut io,
        ann,
        "[\"list_sessions\",{\"limit\":2}]",
    );
    assert_eq!((ids(&first).len(), first["next"].is_string()), (2, true));
    assert_eq!(io.state().len(), 3);
    let last = json!({"limit": 8, "cursor": first["next"]});
    let last = ask(
        &mut world,
        &mut io,
        ann,
        &format!("[\"list_sessions\",{last}]"),
    );
    assert_eq!((ids(&last).len(), last["next"].is_null()), (8, true));
}

#[test]
fn a_rule_that_panics_refuses_and_is_told_of() {
    let mut io = owned();
    io.progress().authorize(|_, _, _, _| panic!("no idea"));
    let mut world = World::new(io.configure(Config::default()));
    let ann = enter_as(&mut world, &mut io, "Ann");
    let id = create_as(&mut world, 1, SessionOptions::default().private_to("Ann"));
    for command in [
        format!("[\"track_session\",\"{id}\"]"),
        format!("[\"cancel_session\",\"{id}\"]"),
    ] {
        world.take(ann);
        world.send(ann, &format!("421{command}"));
        let errors = dispatch(&mut world, &mut io);
        assert_eq!(errors, [Error::Panicked("no idea".to_owned())]);
        assert_eq!(code(&answer(&mut world, ann)), "SESSION_NOT_FOUND");
    }
    assert!(world.endpoint.progress().session(id).is_ok());
    assert_eq!(world.endpoint.counts().sockets, 1, "it stays connected");
}

#[test]
fn of_several_rules_each_has_to_allow_and_a_late_one_counts() {
    let mut io = owned();
    let mut world = World::new(io.configure(Config::default()));
    let ann = enter_as(&mut world, &mut io, "Ann");
    create_as(&mut world, 1, SessionOptions::default().private_to("Ann"));
    let list = "[\"list_sessions\"]";
    assert_eq!(ids(&ask(&mut world, &mut io, ann, list)).len(), 1);
    io.progress().authorize(|_, _, _, _| true);
    assert_eq!(ids(&ask(&mut world, &mut io, ann, list)).len(), 1);
    io.progress().authorize(|_, _, _, _| false);
    assert_eq!(ids(&ask(&mut world, &mut io, ann, list)), [json!(null); 0]);
}

#[test]
fn who_may_have_asked_before_the_rule_was_known_is_disconnected() {
    let mut io = Io::<()>::default();
    io.of("/");
    io.progress().authorize(|_, _, _, _| false);
    // Settings that nobody has configured.
    let mut world = World::new(Config::default());
    let key = world.open_websocket();
    world.send(key, "40");
    assert_eq!(
        dispatch(&mut world, &mut io),
        [Error::NotAsked("/".to_owned())]
    );
    assert!(world.frames(key).iter().any(|frame| frame == "41"));
    // From now on it is asked.
    let key = world.open_websocket();
    world.send(key, "40");
    assert_eq!(dispatch(&mut world, &mut io), []);
    create_as(&mut world, 1, SessionOptions::default());
    world.take(key);
    world.send(key, "421[\"list_sessions\"]");
    assert_eq!(dispatch(&mut world, &mut io), []);
    assert!(ids(&answer(&mut world, key)).is_empty());
}

#[test]
fn the_rules_of_another_io_refuse() {
    let mut io = ruled();
    let mut world = World::new(io.configure(Config::default()));
    let ann = enter_as(&mut world, &mut io, "Ann");
    create_as(&mut world, 1, SessionOptions::default().private_to("Ann"));
    let mut other = Io::<()>::default();
    world.take(ann);
    world.send(ann, "421[\"list_sessions\"]");
    assert_eq!(dispatch(&mut world, &mut other), [Error::OtherIo]);
    assert!(ids(&answer(&mut world, ann)).is_empty());
}

#[test]
fn a_handler_has_its_client_track_a_session_and_leave_it_alone() {
    let mut io = owned();
    io.of("/")
        .on("watch", |_, socket, id: String| {
            socket
                .track(id.parse().expect("an id"))
                .map_err(|error| error.code.as_str())
        })
        .on("leave", |_, socket, id: String| {
            socket.untrack(id.parse().expect("an id"))
        });
    let mut world = World::new(io.configure(Config::default()));
    let ann = enter_as(&mut world, &mut io, "Ann");
    let id = create_as(&mut world, 1, SessionOptions::default().private_to("Bob"));
    let watch = |id: u128| format!("[\"watch\",\"{}\"]", uuid::Uuid::from_u128(id));
    let answer = ask(&mut world, &mut io, ann, &watch(2));
    assert_eq!(answer, json!({"error": "SESSION_NOT_FOUND"}));
    let tell = |world: &mut World, io: &mut Io<Vec<String>>, text: &str| {
        world.take(ann);
        say_with(world, io, ann, text);
        let mut sessions = world.endpoint.progress();
        sessions
            .update_progress(id, 0.5, Default::default())
            .unwrap();
        world.pass_ms(100);
        world
            .frames(ann)
            .iter()
            .any(|frame| frame.contains("import_progress"))
    };
    assert!(tell(&mut world, &mut io, &watch(1)));
    assert!(!tell(&mut world, &mut io, &format!("[\"leave\",\"{id}\"]")));
}

fn say_with(world: &mut World, io: &mut Io<Vec<String>>, key: ConnectionId, event: &str) {
    world.send(key, &format!("42{event}"));
    assert_eq!(dispatch(world, io), []);
}
