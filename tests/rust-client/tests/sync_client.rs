//! The blocking client.

use std::sync::mpsc::channel;

use pulsewheel_rust_client::{ear, values, Heard, Server, LIMIT, WAYS};
use rust_socketio::client::Client;
use rust_socketio::{ClientBuilder, Event, Payload, TransportType};
use serde_json::{json, Value};

/// A client that has joined and been told so.
fn connect(server: &Server, way: TransportType, namespace: &str) -> (Client, Heard) {
    let (ear, heard) = ear();
    let closing = ear.clone();
    let client = ClientBuilder::new(server.url.as_str())
        .namespace(namespace)
        .transport_type(way)
        .auth(json!({"token": "t"}))
        .reconnect(false)
        .on(Event::Close, move |payload, _| {
            closing.hear(&Event::Close, payload)
        })
        .on_any(move |event, payload, _| ear.hear(&event, payload))
        .connect()
        .expect("a connection");
    assert_eq!(heard.next("auth"), [json!({"token": "t"})]);
    (client, heard)
}

/// Emits and waits for the acknowledgement.
fn ask(client: &Client, event: &str, payload: impl Into<Payload>) -> Vec<Value> {
    let (sender, receiver) = channel();
    client
        .emit_with_ack(event, payload, LIMIT, move |payload: Payload, _| {
            let _ = sender.send(values(payload));
        })
        .expect("sent");
    receiver.recv_timeout(LIMIT).expect("an acknowledgement")
}

#[test]
fn events_come_back_unchanged() {
    let server = Server::start();
    for (name, way) in WAYS {
        let (client, heard) = connect(&server, way, "/");
        let args = vec![
            json!("ä世🚀"),
            json!([1, null, {"deep": [true]}]),
            json!(-1.5),
        ];
        client.emit("echo", args.clone()).expect("sent");
        assert_eq!(heard.next("echo"), args, "by {name}");
        client.disconnect().expect("disconnected");
    }
}

#[test]
fn binary_comes_back_unchanged() {
    let server = Server::start();
    for (name, way) in WAYS {
        let (client, heard) = connect(&server, way, "/");
        client.emit("echo", vec![0_u8, 1, 127, 255]).expect("sent");
        assert_eq!(heard.next("echo"), [json!([0, 1, 127, 255])], "by {name}");
        client.disconnect().expect("disconnected");
    }
}

#[test]
fn acknowledgements_carry_the_arguments() {
    let server = Server::start();
    for (name, way) in WAYS {
        let (client, _heard) = connect(&server, way, "/");
        let back = ask(&client, "message-with-ack", vec![json!(1), json!("zwei")]);
        // This client hands acknowledgements over as one list.
        assert_eq!(back, [json!([1, "zwei"])], "by {name}");
        client.disconnect().expect("disconnected");
    }
}

#[test]
fn rooms_broadcasts_and_namespaces_are_heard() {
    let server = Server::start();
    for (name, way) in WAYS {
        let (one, heard_by_one) = connect(&server, way.clone(), "/custom");
        let (other, heard_by_other) = connect(&server, way, "/custom");
        ask(&one, "join", json!(name));
        let args = vec![json!(name), json!("to the room")];
        other.emit("to-room", args).expect("sent");
        assert_eq!(heard_by_one.next("room-message"), [json!("to the room")]);
        one.emit("broadcast", json!(name)).expect("sent");
        assert_eq!(heard_by_one.next("broadcast"), [json!(name)]);
        assert_eq!(heard_by_other.next("broadcast"), [json!(name)]);
        one.disconnect().expect("disconnected");
        other.disconnect().expect("disconnected");
    }
}

#[test]
fn many_events_arrive_once_and_in_order_over_heartbeats() {
    let server = Server::start();
    for (name, way) in WAYS {
        let (client, heard) = connect(&server, way, "/");
        for number in 0..200 {
            client.emit("echo", json!(number)).expect("sent");
        }
        client.emit("flood", json!(500)).expect("sent");
        for number in 0..200 {
            assert_eq!(heard.next("echo"), [json!(number)], "by {name}");
        }
        for number in 0..500 {
            assert_eq!(heard.next("flood-message"), [json!(number)], "by {name}");
        }
        // Two heartbeats of half a second pass.
        std::thread::sleep(std::time::Duration::from_millis(1200));
        client.emit("echo", json!("alive")).expect("sent");
        assert_eq!(heard.next("echo"), [json!("alive")], "by {name}");
        client.disconnect().expect("disconnected");
    }
}

#[test]
fn a_kick_ends_the_connection() {
    let server = Server::start();
    for (_, way) in WAYS {
        let (client, heard) = connect(&server, way, "/");
        client.emit("kick", json!(true)).expect("sent");
        heard.next("close");
    }
}
