//! A job runner: work on threads of its own, which is seen and cancelled by who has asked for it.
//!
//! `cargo run --example jobs -- --listen 127.0.0.1:3000`; clients say who they are by `auth: { name }`. The event `convert` with
//! names of files begins a job. Its progress is told to all clients of that name, and to the admin who tracks it.

mod common;

use std::thread;
use std::time::Duration;

use common::Flags;
use pulsewheel::progress::Command;
use pulsewheel::{Config, Io, Job, JobBar, JobOptions, Next, Reply, Server};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Pass {
    name: String,
}

fn main() {
    let flags = Flags::parse("jobs", &[]);
    let config = flags.apply_to(Config::default());
    common::run_io(
        Server::bind_io(handlers(), config, &*flags.listen),
        |_, _| {},
    );
}

fn handlers() -> Io {
    let mut io = Io::new();
    io.of("/")
        // Whose a client is: said again whenever it comes back.
        .middleware(|_, connecting| {
            let Pass { name } = connecting.auth().map_err(|_| "a name is needed")?;
            connecting.set_owner(&name)?;
            Ok(Next::Go)
        })
        .on_later(
            "convert",
            |_, socket, files: Vec<String>, reply: Reply<usize>| {
                let options = JobOptions::new("convert").metadata("files", files.len());
                let options = options.private_to(socket.owner().unwrap_or_default());
                let job = socket.handle().progress().start(options);
                thread::spawn(move || match convert(&job, &files) {
                    Some(bytes) => {
                        job.complete(json!({ "bytes": bytes }));
                        reply.ok(bytes);
                    }
                    // Dropping the job says that it is cancelled.
                    None => reply.err("cancelled"),
                });
            },
        );
    // The admin sees all work. To cancel it is its owner's matter.
    io.progress().authorize(|_, socket, command, session| {
        let is_admin = socket.owner() == Some("admin");
        let is_reading = !matches!(command, Command::Cancel { .. });
        session.is_owned_by(socket.owner()) || is_admin && is_reading
    });
    io
}

/// The bytes of all names, each name on a thread of its own; `None` when the job is cancelled.
fn convert(job: &Job, files: &[String]) -> Option<usize> {
    let (look, sum) = (job.step("look", 0.1), job.step("sum", 0.1));
    let parts: Vec<_> = look.wrap_iter(files).map(|file| job.part(file)).collect();
    let counts: Vec<usize> = thread::scope(|scope| {
        let work = files.iter().zip(parts);
        let threads = work.map(|(file, part)| scope.spawn(move || count(file, &part)));
        let threads: Vec<_> = threads.collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(Result::unwrap_or_default).collect()
    });
    let bytes = sum.wrap_iter(counts).sum();
    (!job.is_cancelled()).then_some(bytes)
}

/// The bytes of a name, which take their time.
fn count(file: &str, part: &JobBar) -> usize {
    let bytes = part.wrap_iter(file.bytes().collect::<Vec<u8>>());
    bytes
        .inspect(|_| thread::sleep(Duration::from_millis(1)))
        .count()
}
