//! Socket.IO mounted in axum, on one port: axum has the connections, the routes and its layers, and hands on what is under
//! `/socket.io/`.
//!
//! `cargo run -p host-axum -- 127.0.0.1:3000`. Each such request gets a connection of its own to the server, which is one end of a
//! socket pair and needs neither a second port nor a file; once a WebSocket has been opened, its bytes are copied both ways.

use std::error::Error;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream as StdStream;
use std::thread;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::Router;
use hyper_util::rt::TokioIo;
use pulsewheel::mio::net::UnixStream as LoopStream;
use pulsewheel::{inlet, Accepted, Args, Config, Inlet, Io, IoServer, PeerAddr};
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
        .on("length", |_, _, text: String| text.len());
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
        .with_state(inlet);
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, routes).await?)
}

async fn mounted(
    State(inlet): State<Inlet>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    match hand_on(&inlet, peer, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

async fn hand_on(
    inlet: &Inlet,
    peer: SocketAddr,
    mut request: Request,
) -> Result<Response, Failure> {
    let (ours, theirs) = StdStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    let theirs = Accepted::new(LoopStream::from_std(theirs), PeerAddr::Tcp(peer));
    inlet.send(theirs).map_err(|_| "the server is gone")?;
    let ours = TokioIo::new(UnixStream::from_std(ours)?);
    let (mut server, connection) = hyper::client::conn::http1::handshake(ours).await?;
    tokio::spawn(connection.with_upgrades());

    let is_upgrade = request.headers().contains_key(UPGRADE);
    let client_side = is_upgrade.then(|| hyper::upgrade::on(&mut request));
    if !is_upgrade {
        request
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let mut response = server.send_request(request).await?;
    // It is about the connection inside, which is not the client's.
    response.headers_mut().remove(CONNECTION);
    if let (StatusCode::SWITCHING_PROTOCOLS, Some(client_side)) = (response.status(), client_side) {
        let server_side = hyper::upgrade::on(&mut response);
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        tokio::spawn(async move {
            // One that breaks has ended.
            if let (Ok(client), Ok(server)) = tokio::join!(client_side, server_side) {
                let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
    Ok(response.map(Body::new))
}
