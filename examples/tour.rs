//! Most of what a host can say: decisions, typed events, late answers, timers, progress, other threads, plain HTTP.
//!
//! `cargo run --example tour -- --listen 127.0.0.1:3000`; clients say who they are by `?token=NAME` in the address.

mod common;

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use common::Flags;
use pulsewheel::http::Response;
use pulsewheel::{Config, Handle, HandleError, Io, JobOptions, Next, Reply, Server, SocketId};
use serde_json::{json, Value};

/// Shared by all handlers, which run one at a time: no lock, no reference counter.
#[derive(Default)]
struct App {
    ticks: u64,
    notes: Vec<String>,
    names: BTreeMap<SocketId, String>,
}

/// Who a client is, which is kept with its session.
struct Claims(String);

fn main() {
    let flags = Flags::parse("tour", &[]);
    let config = flags.apply_to(Config::default());
    let server = Server::bind_io(handlers(), config, &*flags.listen);
    if let Ok(handle) = server.as_ref().map(|server| server.handle()) {
        thread::spawn(move || count(&handle));
    }
    common::run_io(server, |_, _| {});
}

fn handlers() -> Io<App> {
    type Note = (String, Option<bool>);
    let mut io = Io::with_state(App::default());
    // Before a session opens. What is found out is kept with the session.
    io.allow_request(|_, opening| {
        let token = opening.request().query("token");
        let claims = Claims(token.ok_or("no token, no session")?.into_owned());
        opening.set_data(claims)?;
        Ok(Next::Go)
    });
    io.of("/")
        // Before a client joins. A refusal is what its `connect_error` handler gets.
        .middleware(|app, connecting| {
            let Claims(name) = connecting.session_data().ok_or("who are you?")?;
            if app.names.values().any(|taken| taken == name) {
                return Err("this name is taken".into());
            }
            connecting.join("everybody")?;
            Ok(Next::Go)
        })
        .on_connect(|app, socket| {
            let name = socket.session_data().map(|Claims(name)| name.clone());
            app.names
                .extend(name.clone().map(|name| (socket.id(), name)));
            socket.others().emit("hi", name)
        })
        // Arguments by their types. What is returned is acknowledged, an error as `{"error": …}`.
        .on("note", |app, socket, (text, loud): Note| {
            if text.is_empty() {
                return Err("an empty note".into());
            }
            socket.to("everybody").emit("noted", (&text, loud))?;
            app.notes.push(text);
            Ok::<_, Box<dyn std::error::Error>>(app.notes.len())
        })
        // Later, by another thread, whose progress everybody sees.
        .on_later("report", |app, socket, year: u16, reply: Reply<Value>| {
            let (handle, pages) = (socket.handle(), app.notes.len());
            thread::spawn(move || {
                let job = handle.progress().start(JobOptions::new("report"));
                for step in job.wrap_iter(0..100) {
                    thread::sleep(Duration::from_micros(100 * step));
                }
                if job.is_cancelled() {
                    return reply.err("cancelled");
                }
                job.complete(json!({}));
                reply.ok(json!({ "year": year, "pages": pages }));
            });
        })
        .on_disconnect(|app, socket, reason| {
            let bye = (app.names.remove(&socket.id()), reason.as_str());
            socket.to("everybody").emit("bye", bye)
        });
    io.every(Duration::from_millis(250), |app, server| {
        app.ticks += 1;
        server.of("/").volatile().emit("tick", app.ticks)
    });
    // Plain HTTP, for the few paths that a small host has.
    io.http("GET", "/notes", |app, _| {
        Response::text(200, app.notes.join("\n"))
    });
    io.http("POST", "/notes", |app, request| {
        let Ok(text) = request.json::<String>() else {
            return Response::text(400, "A note is a text.");
        };
        let _ = request.server().of("/").emit("noted", (&text, true));
        app.notes.push(text);
        Response::empty(204)
    });
    io
}

/// Another thread: it asks everybody, waits for the answers, and tells how many there were.
fn count(handle: &Handle) -> Result<(), HandleError> {
    let everybody = handle.of("/").timeout(Duration::from_secs(1));
    loop {
        thread::sleep(Duration::from_millis(200));
        if let Ok(responses) = everybody.clone().ask("still there?", ())?.wait()? {
            everybody.emit("counted", responses.answers.len())?;
        }
    }
}
