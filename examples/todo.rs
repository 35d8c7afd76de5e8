//! A list of things to do that everybody sees change: create, read, update, delete, each acknowledged.
//!
//! `cargo run --example todo -- --listen 127.0.0.1:3000`, and any Socket.IO client.

mod common;

use std::collections::BTreeMap;

use common::Flags;
use pulsewheel::{Config, Error, Io, Server};
use serde::{Deserialize, Serialize};

/// What the server knows. Handlers run one at a time, so that nothing of it needs a lock.
#[derive(Default)]
struct App {
    todos: BTreeMap<u64, Todo>,
    next_id: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Todo {
    /// The server's own; what a client says of it does not count.
    #[serde(default)]
    id: u64,
    title: String,
    #[serde(default)]
    is_done: bool,
}

fn main() {
    let flags = Flags::parse("todo", &[]);
    let mut io = Io::with_state(App::default());
    io.of("/")
        .on(
            "todo:create",
            |app, socket, new: Todo| -> Result<u64, Failure> {
                let title = checked(new.title)?;
                app.next_id += 1;
                let todo = Todo {
                    id: app.next_id,
                    title,
                    ..new
                };
                socket.others().emit("todo:created", &todo)?;
                app.todos.insert(todo.id, todo);
                Ok(app.next_id)
            },
        )
        .on("todo:read", |app, _, id: u64| app.find(id).cloned())
        .on(
            "todo:update",
            |app, socket, new: Todo| -> Result<(), Failure> {
                let title = checked(new.title)?;
                let todo = app.find(new.id)?;
                *todo = Todo { title, ..new };
                Ok(socket.others().emit("todo:updated", &*todo)?)
            },
        )
        .on(
            "todo:delete",
            |app, socket, id: u64| -> Result<(), Failure> {
                app.find(id)?;
                app.todos.remove(&id);
                Ok(socket.others().emit("todo:deleted", id)?)
            },
        )
        .on("todo:list", |app, _, ()| -> Vec<Todo> {
            app.todos.values().cloned().collect()
        });
    let config = Config {
        progress: None,
        ..flags.apply_to(Config::default())
    };
    common::run_io(Server::bind_io(io, config, &*flags.listen), |_, _| {});
}

impl App {
    fn find(&mut self, id: u64) -> Result<&mut Todo, Failure> {
        self.todos.get_mut(&id).ok_or(Failure::NoSuchTodo(id))
    }
}

fn checked(title: String) -> Result<String, Failure> {
    match title.trim() {
        "" => Err(Failure::NoTitle),
        title if title.len() > 200 => Err(Failure::TitleTooLong(title.len())),
        title => Ok(title.to_owned()),
    }
}

/// Why something cannot be done: what is acknowledged.
enum Failure {
    NoTitle,
    TitleTooLong(usize),
    NoSuchTodo(u64),
    Server(Error),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::NoTitle => f.write_str("A title is needed."),
            Failure::TitleTooLong(bytes) => {
                write!(f, "A title of {bytes} bytes is too long: 200 are allowed.")
            }
            Failure::NoSuchTodo(id) => write!(f, "There is no todo {id}."),
            Failure::Server(error) => error.fmt(f),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Server(error)
    }
}
