//! Handlers with a state, arguments by type, and answers by return value.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::io::{Next, Socket};
use crate::PeerAddr;

#[derive(Default)]
struct App {
    log: Vec<String>,
    sum: i64,
}

/// Hands all events to their handlers, who make no mistake.
fn settle(world: &mut World, io: &mut Io<App>) {
    assert_eq!(dispatch(world, io), []);
}

fn joined(world: &mut World, io: &mut Io<App>) -> ConnectionId {
    let key = world.open_websocket();
    world.send(key, "40");
    settle(world, io);
    world.frames(key);
    key
}

#[test]
fn handlers_share_a_state_and_their_answers_are_acknowledged() {
    let mut io = Io::with_state(App::default());
    io.of("/")
        .on("add", |app, _, (a, b): (i64, Option<i64>)| {
            app.sum += a + b.unwrap_or(0);
            app.sum
        })
        .on("reset", |app, _, ()| app.sum = 0)
        .on("two", |_, _, ()| Ok::<_, Error>((1, "two")))
        .on("list", |_, _, ()| vec![1, 2])
        .on("as it came", |_, _, args: Args| args)
        .on("fail", |_, _, ()| Err::<(), _>("not today"));
    let mut world = world(&io);
    let key = joined(&mut world, &mut io);
    for (packet, answer) in [
        ("421[\"add\",1,2]", "431[3]"),
        ("422[\"add\",4]", "432[7]"),
        ("423[\"reset\",\"more than is wanted\"]", "433[]"),
        ("424[\"two\"]", "434[1,\"two\"]"),
        ("425[\"list\"]", "435[[1,2]]"),
        ("426[\"as it came\",1.50,{\"b\":1,\"a\":2}]", "436[1.50,{\"b\":1,\"a\":2}]"),
        ("427[\"fail\"]", "437[{\"error\":\"not today\"}]"),
        ("428[\"add\"]", "438[{\"error\":\"argument 0 is missing\"}]"),
        (
            "429[\"add\",1,\"two\"]",
            "439[{\"error\":\"argument 1: invalid type: string \\\"two\\\", expected i64 at line 1 column 5\"}]",
        ),
    ] {
        world.send(key, packet);
        settle(&mut world, &mut io);
        assert_eq!(world.frames(key), [answer], "{packet}");
    }
    // Nobody wants to know.
    world.send(key, "42[\"add\",5]");
    settle(&mut world, &mut io);
    assert!(world.frames(key).is_empty());
    assert_eq!(io.state().sum, 5);
}

#[test]
fn what_no_acknowledgement_can_say_goes_to_the_handlers_of_errors() {
    let mut io = Io::with_state(App::default());
    io.of("/")
        .on_error(|app, _, error| app.log.push(error.to_owned()))
        .on("add", |_, _, (_, _): (i64, i64)| ())
        .on("fail", |_, _, ()| Err::<(), _>("not today"))
        .on_connect(|_, _| Err::<(), _>("nor at the beginning".to_owned()))
        .on_disconnect(|_, _, _| Err::<(), _>("nor at the end"));
    let mut world = world(&io);
    let key = joined(&mut world, &mut io);
    for packet in ["42[\"add\",1]", "42[\"fail\"]", "421[\"fail\"]", "41"] {
        world.send(key, packet);
        settle(&mut world, &mut io);
    }
    let log = std::mem::take(&mut io.state().log);
    let expected = "nor at the beginning|argument 1 is missing|not today|nor at the end";
    assert_eq!(log.join("|"), expected);
}

#[test]
fn mistakes_of_the_host_come_back_also_out_of_a_box_and_the_client_hears_that_it_failed() {
    type Boxed = Box<dyn std::error::Error>;
    let mut io = Io::with_state(App::default());
    io.of("/")
        .on("plain", |_, socket, ()| socket.emit("connect", ()))
        .on("boxed", |_, socket, ()| -> Result<(), Boxed> {
            Ok(socket.everybody().emit("disconnect", ())?)
        })
        .on("elsewhere", |_, socket, ()| {
            socket.of("/nowhere").emit("x", ())
        });
    io.after(Duration::from_millis(1), |_, _| Err::<(), _>("too early"));
    let mut world = world(&io);
    let key = joined(&mut world, &mut io);
    for (event, error) in [
        ("plain", Error::ReservedEvent("connect".to_owned())),
        ("boxed", Error::ReservedEvent("disconnect".to_owned())),
        ("elsewhere", Error::NoSuchNamespace),
    ] {
        world.send(key, &format!("421[\"{event}\"]"));
        let answer = format!("431{}", json!([{ "error": error.to_string() }]));
        assert_eq!(dispatch(&mut world, &mut io), [error]);
        assert_eq!(world.frames(key), [answer]);
    }
    world.pass_ms(1);
    let told = dispatch(&mut world, &mut io);
    assert_eq!(told, [Error::Failed("too early".to_owned())]);
}

#[test]
fn what_allow_request_finds_out_stays_with_the_session_and_sockets_keep_one_value_of_each_type() {
    struct Claims(String);
    let mut io = Io::with_state(App::default());
    io.allow_request(|_, opening| {
        let token = opening.request().query("token").ok_or("no token")?;
        let claims = Claims(token.into_owned());
        opening.set_data(claims)?;
        opening.set_data(opening.peer())?;
        Ok(Next::Go)
    });
    for name in ["/", "/other"] {
        io.of(name)
            .middleware(|app, connecting| {
                let Claims(token) = connecting.session_data().ok_or("unknown")?;
                app.log.push(format!("asked {token}"));
                connecting.set_data(7_u8)?;
                connecting.set_data("seven")?;
                Ok(Next::Go)
            })
            .on("who", |_, socket, ()| {
                socket.set_data(8_u8).unwrap();
                let token = socket.session_data().map(|Claims(token)| token.clone());
                let (number, text) = (socket.data::<u8>(), socket.data::<&str>());
                let nothing = socket.data::<u16>();
                let has_address = socket.session_data::<PeerAddr>().is_some();
                let kept = (token, number.copied(), text.copied(), nothing.copied());
                Ok::<_, Error>((kept.0, kept.1, kept.2, kept.3, has_address))
            });
    }
    let mut world = world(&io);
    let key = world.open();
    world.feed(key, upgrade("EIO=4&transport=websocket&token=t1"));
    settle(&mut world, &mut io);
    world.take(key);
    for (name, answer) in [("", "431"), ("/other,", "43/other,1")] {
        world.send(key, &format!("40{name}"));
        settle(&mut world, &mut io);
        world.frames(key);
        world.send(key, &format!("42{name}1[\"who\"]"));
        settle(&mut world, &mut io);
        let expected = format!("{answer}[\"t1\",8,\"seven\",null,true]");
        assert_eq!(world.frames(key), [expected]);
    }
    assert_eq!(io.state().log, ["asked t1", "asked t1"]);
    let refused = world.open();
    world.feed(refused, get("EIO=4&transport=polling"));
    settle(&mut world, &mut io);
    assert!(world.take_text(refused).contains("no token"));
}

#[test]
fn whom_an_event_goes_to_is_said_alike_by_clients_and_by_the_server() {
    let mut io = Io::with_state(App::default());
    io.of("/")
        .on("join", |_, socket, rooms: Vec<String>| socket.join(rooms))
        .on("tell", |_, socket, ()| {
            let others = socket.volatile().others().compress(false);
            others.emit("others", ())?;
            socket.to(["a", "b"]).emit("a or b", ())?;
            socket.in_room("a").except("b").emit("a not b", ())?;
            socket.compress(false).emit("me, plain", 1)?;
            socket.compress(false).to("b").local().emit("b here", ())?;
            socket.to("b").volatile().emit("has something waiting", ())
        })
        .on("move", |_, socket, ()| -> Result<(), Error> {
            let ids = socket.everybody().to("a").sockets();
            assert_eq!(ids.len(), 1);
            socket.to("a").join(["c", "d"])?;
            socket.to("a").leave("a")?;
            socket.to("d").emit("moved", ())?;
            socket.to("b").disconnect(false)
        });
    let mut world = world(&io);
    let keys = [0; 3].map(|_| joined(&mut world, &mut io));
    for (key, rooms) in [(keys[1], "[\"a\"]"), (keys[2], "[\"b\"]")] {
        world.send(key, &format!("42[\"join\",{rooms}]"));
        settle(&mut world, &mut io);
    }
    world.send(keys[0], "42[\"tell\"]");
    settle(&mut world, &mut io);
    let told = |world: &mut World| keys.map(|key| world.frames(key).concat());
    assert_eq!(
        told(&mut world),
        [
            "42[\"me, plain\",1]",
            "42[\"others\"]42[\"a or b\"]42[\"a not b\"]",
            "42[\"others\"]42[\"a or b\"]42[\"b here\"]",
        ]
    );
    world.send(keys[0], "42[\"move\"]");
    settle(&mut world, &mut io);
    assert_eq!(told(&mut world), ["", "42[\"moved\"]", "41"]);
    let mut server = io.context(&mut world.endpoint);
    let everybody = server.of("/");
    assert_eq!(everybody.to("c").sockets().len(), 1);
    server.of("/").except("c").emit("not c", 2).unwrap();
    server.of("/").in_room("c").local().emit("c", 3).unwrap();
    world.turn();
    assert_eq!(told(&mut world), ["42[\"not c\",2]", "42[\"c\",3]", ""]);
}

#[test]
fn whatever_a_handler_fails_with_the_others_are_called_and_the_first_answer_is_the_one() {
    fn noting(app: &mut App, _: &mut Socket<'_, App>, number: i64) -> Result<i64, String> {
        app.log.push(number.to_string());
        Err(format!("no {number}"))
    }
    let mut io = Io::with_state(App::default());
    io.of("/")
        .on("x", noting)
        .once("x", |app, _, number: i64| app.sum += number)
        .on("x", |app, _, ()| app.log.push("last".to_owned()))
        .on("y", |app, _, ()| app.log.push("quiet".to_owned()))
        .on("y", |_, _, number: i64| number)
        .on("y", |_, _, ()| "too late");
    let mut world = world(&io);
    let key = joined(&mut world, &mut io);
    for number in [1, 2] {
        world.send(key, &format!("42{number}[\"x\",{number}]"));
        settle(&mut world, &mut io);
    }
    let refused = [1, 2].map(|number| format!("43{number}[{{\"error\":\"no {number}\"}}]"));
    assert_eq!(world.frames(key), refused);
    world.send(key, "423[\"y\",7]");
    settle(&mut world, &mut io);
    assert_eq!(world.frames(key), ["433[7]"]);
    let App { log, sum } = io.state();
    assert_eq!((log.join(" ").as_str(), *sum), ("1 last 2 last quiet", 1));
}
