//! The Rust snippets of the documents, compiled. Each stands here word for word; only the line breaks may differ.

use std::error::Error;
use std::fs;
use std::path::Path;

/// README.md: progress sessions.
fn embed() -> Result<(), Box<dyn Error>> {
    use pulsewheel::{progress::SessionOptions, Config, Server};

    let mut server = Server::bind(Config::default(), "127.0.0.1:8988")?;
    let handle = server.handle();
    std::thread::spawn(move || server.run(|_endpoint, _event| {}));

    let (id, _) = handle.create_session(SessionOptions::default())?;
    handle.update_progress(id, 0.5, Default::default())?;
    Ok(())
}

/// README.md: handlers by event name.
fn handle_events() -> Result<(), Box<dyn Error>> {
    use pulsewheel::{Config, Io, Next, Server};

    #[derive(serde::Deserialize)]
    struct Pass {
        word: String,
    }

    let mut io = Io::with_state(Vec::<String>::new());
    io.of("/")
        .middleware(|_, joining| match joining.auth::<Pass>() {
            Ok(pass) if pass.word == "wheel" => Ok(Next::Go),
            _ => Err("the word?".into()),
        })
        .on("say", |said, socket, text: String| {
            socket.others().emit("said", &text)?;
            said.push(text);
            Ok::<usize, pulsewheel::Error>(said.len()) // the acknowledgement
        });
    Server::bind_io(io, Config::default(), "127.0.0.1:8988")?.run()?;
    Ok(())
}

/// docs/cores.md: several servers behind one balancer.
fn websocket_only() -> Result<(), Box<dyn Error>> {
    use pulsewheel::{engine::Transports, Config};

    let config = Config {
        transports: Transports::WebSocketOnly,
        ..Config::default()
    };
    drop(config);
    Ok(())
}

type Snippet = fn() -> Result<(), Box<dyn Error>>;

const SNIPPETS: &[Snippet] = &[embed, handle_events, websocket_only];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn without_spaces(text: &str) -> String {
    let letters = text.split_whitespace().collect::<String>();
    letters.replace(",}", "}").replace(",)", ")")
}

/// The blocks of a document that are written in Rust.
fn rust_blocks(text: &str) -> Vec<&str> {
    let begun = text.split("\n```rust\n").skip(1);
    begun
        .filter_map(|rest| rest.split("\n```").next())
        .collect()
}

#[test]
fn each_rust_snippet_of_the_documents_is_compiled() {
    let mut documents = vec!["README.md".to_owned()];
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
    for entry in fs::read_dir(folder).expect("the folder can be listed") {
        let name = entry.expect("the folder can be listed").file_name();
        let name = name.into_string().expect("a name in UTF-8");
        if name.ends_with(".md") {
            documents.push(format!("docs/{name}"));
        }
    }
    let compiled = without_spaces(&read("tests/snippets.rs"));
    let mut found = 0;
    for document in documents {
        for block in rust_blocks(&read(&document)) {
            found += 1;
            assert!(
                compiled.contains(&without_spaces(block)),
                "tests/snippets.rs lacks this one of {document}:\n{block}"
            );
        }
    }
    assert_eq!(found, SNIPPETS.len());
}
