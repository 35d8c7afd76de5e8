//! A host whose own work runs in tokio: the server has a thread, and tasks await what it answers.
//!
//! `cargo run -p host-tokio -- 127.0.0.1:3000`. A client that sends `order` (a text) is asked `sure?` by a task, which waits for the
//! answer and for a second beside, tells everybody, and then answers the client.

#[path = "../../../common/say.rs"]
#[allow(dead_code, reason = "each example uses a part of it")]
mod say;

use std::error::Error;
use std::thread;
use std::time::Duration;

use pulsewheel::{Config, Handle, Io, Reply, Server, SocketId};
use say::{complain, say};
use tokio::runtime;
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver};

/// What a client wants, on its way to the tasks.
struct Order {
    from: SocketId,
    text: String,
    reply: Reply<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("wanted is an address")?;
    let (sender, orders) = unbounded_channel();
    let mut io = Io::new();
    io.of("/").on_later(
        "order",
        move |_, socket, text: String, reply: Reply<String>| {
            let from = socket.id();
            // Where nobody takes it, the client is told so when its reply is dropped.
            let _ = sender.send(Order { from, text, reply });
        },
    );
    let mut server = Server::bind_io(io, Config::default(), &*address)?;
    for address in server.local_addrs()? {
        say(format!("listening on http://{address}"));
    }
    let handle = server.handle();
    thread::spawn(move || server.run());
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(take(orders, handle));
    Ok(())
}

/// Has a task of its own for each order.
async fn take(mut orders: UnboundedReceiver<Order>, handle: Handle) {
    while let Some(order) = orders.recv().await {
        let handle = handle.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(order, &handle).await {
                complain(format!("an order failed: {error}"));
            }
        });
    }
}

async fn serve(order: Order, handle: &Handle) -> Result<(), Box<dyn Error + Send + Sync>> {
    let client = handle.socket(order.from).timeout(Duration::from_secs(5));
    let asked = client.ask::<bool>("sure?", &order.text)?;
    let (answer, ()) = tokio::join!(asked, tokio::time::sleep(Duration::from_millis(10)));
    if !answer?.unwrap_or(false) {
        order.reply.err("not sure");
        return Ok(());
    }
    let told = handle.of("/").emit("ordered", &order.text)?;
    told.await??;
    order.reply.ok(format!("{} is on its way", order.text));
    Ok(())
}
