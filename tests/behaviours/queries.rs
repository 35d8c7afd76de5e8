//! What the host asks and does about many sockets at once.

use pulsewheel::{Args, Config, Endpoint, Error, Io, Target};

use crate::support::{notes, run_io, Client, Notes, Running};

/// A server whose clients bring a name, which is kept with them, and which notes who leaves.
fn server() -> (Running, Notes) {
    let (sender, notes) = notes();
    let mut io = Io::new();
    for namespace in ["/", "/other"] {
        let sender = sender.clone();
        io.of(namespace)
            .on_connect(|_, socket| {
                let name: serde_json::Value = socket.auth().expect("JSON");
                socket.set_data(name["name"].as_str().unwrap_or_default().to_owned())
            })
            .on_disconnect(move |_, socket, reason| {
                let name: &String = socket.data().expect("its name");
                let _ = sender.send(format!("{name}: {reason}"));
            });
    }
    (run_io(Config::default(), io), notes)
}

fn named(server: &Running, name: &str) -> Client {
    let mut client = Client::session(server.address);
    client.join("/", &format!("{{\"name\":\"{name}\"}}"));
    // The handlers of the connection have run once a later packet has been worked through.
    assert!(client.settled().is_empty());
    client
}

fn everybody(endpoint: &Endpoint) -> Target {
    Target::namespace(endpoint.namespace("/").expect("served"))
}

/// Joins everybody of this name to a room.
fn put(server: &Running, name: &'static str, room: &'static str) {
    server.call(move |endpoint| {
        for socket in endpoint.fetch_sockets(&everybody(endpoint)) {
            if endpoint
                .data::<String>(socket)
                .is_some_and(|known| known == name)
            {
                endpoint.join(socket, room).expect("there");
            }
        }
    });
}

#[test]
fn b119_sockets_can_be_fetched() {
    let (server, _notes) = server();
    let _clients = ["a", "b", "c"].map(|name| named(&server, name));
    put(&server, "a", "red");
    put(&server, "b", "red");
    put(&server, "b", "blue");
    let found = |target: fn(Target) -> Target| {
        server.call(move |endpoint| {
            let target = target(everybody(endpoint));
            let sockets = endpoint.fetch_sockets(&target).into_iter();
            let mut found: Vec<_> = sockets
                .map(|socket| {
                    let name: &String = endpoint.data(socket).expect("its name");
                    let rooms: Vec<_> = endpoint.rooms(socket).map(str::to_owned).collect();
                    let client = endpoint.client_info(socket).expect("its handshake");
                    assert!(client.query.contains("EIO=4"));
                    let id = endpoint.socket_id(socket).expect("an id");
                    assert_eq!(endpoint.find_socket(id.as_str()), Some(socket));
                    format!("{name} {rooms:?}")
                })
                .collect();
            found.sort();
            found
        })
    };
    let (a, b, c) = (r#"a ["red"]"#, r#"b ["red", "blue"]"#, "c []");
    assert_eq!(found(|all| all), [a, b, c]);
    assert_eq!(found(|all| all.to("red")), [a, b]);
    assert_eq!(found(|all| all.to("red").except("blue")), [a]);
    assert!(found(|all| all.to("green")).is_empty());
}

#[test]
fn b120_sockets_join_leave_and_disconnect_by_target() {
    let (server, notes) = server();
    let mut one = named(&server, "one");
    let mut two = named(&server, "two");
    put(&server, "one", "a");
    server.call(|endpoint| {
        let room = everybody(endpoint).to("a");
        endpoint.sockets_join(&room, &["b", "c"]).expect("room");
        endpoint.sockets_leave(&room, &["a", "c"]);
    });
    for (room, has_one) in [("a", false), ("b", true), ("c", false)] {
        server.emit(move |all| all.to(room), "news", room);
        let expected = has_one.then(|| format!("42[\"news\",\"{room}\"]"));
        assert_eq!(one.settled(), expected.into_iter().collect::<Vec<_>>());
    }
    assert!(two.settled().is_empty());

    one.join("/other", "{\"name\":\"one elsewhere\"}");
    server.call(|endpoint| endpoint.disconnect_sockets(&everybody(endpoint).to("b"), false));
    assert_eq!(notes.next(), "one: server namespace disconnect");
    assert_eq!(one.text(), "41");
    assert!(one.settled().is_empty(), "the connection stays");
    one.join("/", "{\"name\":\"one again\"}");
    assert!(two.settled().is_empty());
    server.call(|endpoint| endpoint.disconnect_sockets(&everybody(endpoint), true));
    for client in [&mut one, &mut two] {
        let (code, texts) = client.closed();
        assert_eq!(code, 1005);
        assert!(texts.contains(&"41".to_owned()), "{texts:?}");
    }
}

#[test]
fn b121_without_a_cluster_there_is_nobody_to_emit_to() {
    let (server, _notes) = server();
    let emit = |event: &'static str| {
        server.call(move |endpoint| {
            let namespace = endpoint.namespace("/").expect("served");
            endpoint.server_side_emit(namespace, event, &Args::none())
        })
    };
    assert_eq!(emit("news"), Err(Error::NoCluster));
    for name in ["connect", "connection", "new_namespace", "disconnect"] {
        assert_eq!(emit(name), Err(Error::ReservedEvent(name.to_owned())));
    }
}
