//! The asynchronous client.

use futures_util::FutureExt;
use pulsewheel_rust_client::{ear, values, Heard, Server, LIMIT, WAYS};
use rust_socketio::asynchronous::{Client, ClientBuilder};
use rust_socketio::{Payload, TransportType};
use serde_json::{json, Value};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

/// A client that has joined and been told so.
async fn connect(server: &Server, way: TransportType) -> (Client, Heard) {
    let (ear, heard) = ear();
    let client = ClientBuilder::new(server.url.as_str())
        .transport_type(way)
        .auth(json!({"token": "t"}))
        .reconnect(false)
        .on_any(move |event, payload, _| {
            ear.hear(&event, payload);
            async {}.boxed()
        })
        .connect()
        .await
        .expect("a connection");
    let (auth, heard) = next(heard, "auth").await;
    assert_eq!(auth, [json!({"token": "t"})]);
    (client, heard)
}

/// The arguments of the next event of this name, waited for beside the client's own tasks.
async fn next(heard: Heard, name: &'static str) -> (Vec<Value>, Heard) {
    let wait = tokio::task::spawn_blocking(move || (heard.next(name), heard));
    wait.await.expect("an event in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_and_binary_come_back_unchanged() {
    let server = Server::start();
    for (name, way) in WAYS {
        let (client, heard) = connect(&server, way).await;
        let args = vec![json!("ä世🚀"), json!([1, null, {"deep": [true]}])];
        client.emit("echo", args.clone()).await.expect("sent");
        let (back, heard) = next(heard, "echo").await;
        assert_eq!(back, args, "by {name}");
        let bytes = vec![0_u8, 1, 127, 255];
        client.emit("echo", bytes).await.expect("sent");
        let (back, _) = next(heard, "echo").await;
        assert_eq!(back, [json!([0, 1, 127, 255])], "by {name}");
        client.disconnect().await.expect("disconnected");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledgements_carry_the_arguments() {
    let server = Server::start();
    for (name, way) in WAYS {
        let (client, _heard) = connect(&server, way).await;
        let (sender, mut receiver) = unbounded_channel();
        let callback = move |payload: Payload, _: Client| {
            let _ = sender.send(values(payload));
            async {}.boxed()
        };
        let args = vec![json!(1), json!("zwei")];
        client
            .emit_with_ack("message-with-ack", args, LIMIT, callback)
            .await
            .expect("sent");
        let back = timeout(LIMIT, receiver.recv()).await.expect("in time");
        // This client hands acknowledgements over as one list.
        assert_eq!(back, Some(vec![json!([1, "zwei"])]), "by {name}");
        client.disconnect().await.expect("disconnected");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_arrives_in_order() {
    let server = Server::start();
    for (name, way) in WAYS {
        let (client, mut heard) = connect(&server, way).await;
        client.emit("flood", json!(500)).await.expect("sent");
        for number in 0..500 {
            let (args, rest) = next(heard, "flood-message").await;
            heard = rest;
            assert_eq!(args, [json!(number)], "by {name}");
        }
        client.disconnect().await.expect("disconnected");
    }
}
