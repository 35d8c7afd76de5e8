//! Socket.IO mounted in axum, on one port: axum has the connections, the routes and its layers, and hands on what is under
//! `/socket.io/`.
//!
//! `cargo run -p host-axum -- 127.0.0.1:3000`. Each such request gets a connection of its own to the server, which is one end of a
//! socket pair and needs neither a second port nor a file; once a WebSocket has been opened, its bytes are copied both ways.
//! Clients' connections stay axum's, and so does what its layers say about requests: here, who is not let in at all.

#[path = "../../../common/say.rs"]
#[allow(dead_code, reason = "each example uses a part of it")]
mod say;

use std::error::Error;
use std::net::SocketAddr;
use std::thread;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{HeaderName, CONNECTION, UPGRADE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{from_fn, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::Router;
use hyper::client::conn::http1;
use hyper::upgrade::on;
use hyper_util::rt::TokioIo;
use pulsewheel::{inlet, Args, Config, Inlet, Io, IoServer, PeerAddr};
use say::say;
use tokio::net::{TcpListener, UnixStream};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let address = std::env::args().nth(1).ok_or("wanted is an address")?;
    let mut io = Io::new();
    io.of("/")
        .on_connect(|_, socket| {
            let address = socket.client().map(|client| client.address.to_string());
            socket.emit("welcome", address)
        })
        .on("echo", |_, socket, args: Args| socket.emit("echo", &args))
        .on("length", |_, _, text: String| text.len())
        .on_disconnect(|_, socket, _| socket.everybody().emit("left", ()));
    let mut server = IoServer::new(io, Config::default())?;
    let (inlet, listener) = inlet()?;
    server.server().add_listener(listener)?;
    thread::spawn(move || server.run());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(serve(&address, inlet))
}

async fn serve(address: &str, inlet: Inlet) -> Result<(), Failure> {
    let routes = Router::new()
        .route("/hello", get(|| async { "axum is here" }))
        .route("/socket.io/", any(mounted))
        .layer(from_fn(at_the_door))
        .with_state(inlet);
    let listener = TcpListener::bind(address).await?;
    say(format!("listening on http://{}", listener.local_addr()?));
    let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, routes).await?)
}

/// A layer around all routes, Socket.IO's too: it refuses some requests and adds a field to each answer.
async fn at_the_door(request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let mut response = match query.contains("token=stolen") {
        true => StatusCode::UNAUTHORIZED.into_response(),
        false => next.run(request).await,
    };
    let field = HeaderName::from_static("x-served-by");
    let value = HeaderValue::from_static("axum");
    response.headers_mut().insert(field, value);
    response
}

async fn mounted(
    State(inlet): State<Inlet>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let response = match request.headers().contains_key(UPGRADE) {
        true => handle_upgrade(&inlet, peer, request).await,
        false => handle_request(&inlet, peer, request).await,
    };
    response.unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, error.to_string()).into_response())
}

/// A poll or a post.
async fn handle_request(
    inlet: &Inlet,
    peer: SocketAddr,
    mut request: Request,
) -> Result<Response, Failure> {
    // What is said of connections is about the one inside, which is not the client's.
    let close = HeaderValue::from_static("close");
    request.headers_mut().insert(CONNECTION, close);
    let mut response = send(inlet, peer, request).await?;
    response.headers_mut().remove(CONNECTION);
    Ok(response)
}

/// A WebSocket handshake. Axum sends the answer; what follows it is copied, once both connections are only bytes.
async fn handle_upgrade(
    inlet: &Inlet,
    peer: SocketAddr,
    mut request: Request,
) -> Result<Response, Failure> {
    let client = on(&mut request);
    let mut response = send(inlet, peer, request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let server = on(&mut response);
        tokio::spawn(async move {
            // One that breaks has ended.
            if let (Ok(client), Ok(server)) = tokio::join!(client, server) {
                let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
    Ok(response)
}

/// One request over a connection of its own.
async fn send(inlet: &Inlet, peer: SocketAddr, request: Request) -> Result<Response, Failure> {
    let stream = UnixStream::from_std(inlet.connect(PeerAddr::Tcp(peer))?)?;
    let (mut server, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection.with_upgrades());
    Ok(server.send_request(request).await?.map(Body::new))
}
