//! The server on real sockets, and its handles from other threads.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pulsewheel::http::Response;
use pulsewheel::progress::{ErrorCode, ListQuery, SessionOptions};
use pulsewheel::{
    AckRequest, Adapter, Args, Audience, Config, Endpoint, Event, Handle, HandleError, Server,
    Target,
};

/// Long enough for any machine; only what hangs waits for it.
const LIMIT: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

fn run(config: Config, on_event: impl FnMut(&mut Endpoint, Event) + Send + 'static) -> Running {
    let mut server = Server::bind(config, "127.0.0.1:0").expect("a free port");
    let address = server.local_addrs().expect("bound")[0];
    let handle = server.handle();
    let thread = thread::spawn(move || server.run(on_event).expect("the loop runs"));
    Running {
        address,
        handle,
        thread: Some(thread),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let stopping = self.handle.shut_down();
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            stopping.expect("the server still runs");
            ended
                .expect("joined once")
                .expect("the server did not panic");
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server accepts");
    stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
    stream
}

/// Reads until the text has come, or everything until the end.
fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&bytes).contains(text) {
        match stream.read(&mut buffer).expect("an answer in time") {
            0 => break,
            length => bytes.extend_from_slice(&buffer[..length]),
        }
    }
    String::from_utf8(bytes).expect("text")
}

fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).expect("sent");
    stream
        .shutdown(std::net::Shutdown::Write)
        .expect("half-closed");
    read_until(&mut stream, "no such text: read to the end")
}

#[test]
fn other_threads_can_read_how_the_loop_fares() {
    let server = run(Config::default(), |_, _| {});
    ask(server.address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let stats = server.handle.stats().expect("the queue has room");
    let stats = stats.wait_timeout(LIMIT).expect("answered");
    assert_eq!(stats.accepted, 1);
    assert!(stats.reads >= 1 && stats.writes == 1 && stats.written_bytes > 0);
    assert_eq!(stats.lag_us.count(), 1, "this very command");
}

#[test]
fn a_handshake_is_answered_over_tcp() {
    let server = run(Config::default(), |_, _| {});
    let mut stream = connect(server.address);
    let request = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("sent");
    let answer = read_until(&mut stream, "maxPayload");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[test]
fn a_handle_does_the_same_verbs_and_their_answers_can_be_waited_for() {
    let server = run(Config::default(), |_, _| {});
    let handle = server.handle.clone();
    let (id, created) = handle
        .create_session(SessionOptions::default())
        .expect("room");
    assert_eq!(created.wait(), Ok(Ok(())));
    let again = handle
        .create_session_with_id(id, SessionOptions::default())
        .expect("room");
    assert_eq!(
        again.wait().expect("answered").unwrap_err().code,
        ErrorCode::SessionExists
    );
    let update = handle
        .update_progress(id, 0.5, Default::default())
        .expect("room");
    assert_eq!(update.wait_timeout(LIMIT), Ok(Ok(())));
    let session = handle
        .session(id)
        .expect("room")
        .wait()
        .expect("answered")
        .expect("there");
    assert!(session.contains("\"progress\":0.5"), "{session}");
    drop(
        handle
            .complete_session(id, Default::default())
            .expect("room"),
    );
    let sessions = handle
        .sessions(ListQuery::default())
        .expect("room")
        .wait()
        .expect("answered")
        .sessions;
    assert!(sessions.contains("\"status\":\"completed\""), "{sessions}");
}

#[test]
fn waiting_on_the_loops_own_thread_is_an_error() {
    let (sender, receiver) = mpsc::channel();
    let (handle_sender, handle_receiver) = mpsc::channel::<Handle>();
    let config = Config {
        host_http: true,
        ..Config::default()
    };
    let server = run(config, move |endpoint, event| {
        if let Event::Request { request, .. } = event {
            let handle = handle_receiver.recv().expect("sent first");
            let pending = handle.sessions(ListQuery::default()).expect("room");
            sender.send(pending.wait()).expect("the test listens");
            endpoint
                .respond(request, Response::empty(204))
                .expect("there");
        }
    });
    handle_sender
        .send(server.handle.clone())
        .expect("the server listens");
    let answer = ask(server.address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert_eq!(
        receiver.recv_timeout(LIMIT),
        Ok(Err(HandleError::OnLoopThread))
    );
}

#[test]
fn a_closure_that_panics_is_its_callers_matter_alone() {
    let server = run(Config::default(), |_, _| {});
    let call = || {
        server
            .handle
            .call(|_| -> u8 { panic!("a fault of the host") })
    };
    assert_eq!(call().expect("queued").wait(), Err(HandleError::Panicked));
    // Whoever does not wait does no harm either.
    drop(call());
    let count = server.handle.call(|endpoint| endpoint.counts().sockets);
    assert_eq!(count.expect("queued").wait(), Ok(0));
    let stats = server.handle.stats().expect("queued").wait();
    assert_eq!(stats.expect("it runs").panics, 2);
    assert!(ask(server.address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 404"));
}

/// Fails in the middle of a verb.
struct Faulty;

impl Adapter for Faulty {
    fn is_cluster(&self) -> bool {
        true
    }

    fn emit(&mut self, _: &Audience<'_>, _: &str, _: &Args, _: Option<AckRequest>) {
        panic!("in the middle of a verb");
    }
}

#[test]
fn a_panic_out_of_a_verb_ends_the_server() {
    let mut server = Server::bind(Config::default(), "127.0.0.1:0").expect("a free port");
    let handle = server.handle();
    let thread = thread::spawn(move || {
        server.endpoint().set_adapter(Box::new(Faulty));
        server.run(|_, _| {})
    });
    let pending = handle.call(|endpoint| {
        let everybody = Target::namespace(endpoint.namespace("/").expect("served"));
        endpoint.emit(&everybody, "news", &Args::none())
    });
    let answer = pending.expect("queued").wait();
    assert!(matches!(answer, Err(HandleError::Closed)));
    assert!(thread.join().is_err());
    let after = handle.call(|_| ());
    assert!(matches!(after, Err(HandleError::Closed)));
}

#[test]
fn a_full_queue_is_an_error_and_never_blocks() {
    let server = Server::bind(Config::default(), "127.0.0.1:0").expect("a free port");
    let handle = server.handle();
    let mut accepted = 0;
    let error = loop {
        match handle.call(|_| ()) {
            Ok(pending) => {
                accepted += 1;
                assert_eq!(pending.try_take(), Err(HandleError::NotYet));
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error, HandleError::Full);
    assert!(accepted >= 1000, "{accepted}");
}

#[test]
fn updates_of_a_session_conflate_and_its_end_has_a_place_in_a_full_queue() {
    let mut server = Server::bind(Config::default(), "127.0.0.1:0").expect("a free port");
    let handle = server.handle();
    let (id, created) = handle
        .create_session(SessionOptions::default())
        .expect("room");
    while handle.call(|_| ()).is_ok() {}
    assert_eq!(handle.call(|_| ()).err(), Some(HandleError::Full));
    let metadata = |key: &str, value: u32| {
        let value = serde_json::Value::from(value);
        [(key.to_owned(), value)].into_iter().collect()
    };
    let first = handle
        .update_progress(id, 0.0, metadata("first", 1))
        .expect("a place");
    let mut last = None;
    for number in 1..=23_000 {
        let progress = f64::from(number) / 23_000.0;
        last = Some(handle.update_progress(id, progress, metadata("last", number)));
    }
    // It was taken over, and counts as done.
    assert_eq!(first.try_take(), Ok(Ok(())));
    let ended = handle
        .complete_session(id, Default::default())
        .expect("a place");
    let again = handle.complete_session(id, Default::default());
    assert_eq!(again.err(), Some(HandleError::Full));
    let late = handle
        .update_progress(id, 0.5, Default::default())
        .expect("a place");
    let wrong = handle.update_progress(id, f64::NAN, Default::default());
    assert_eq!(wrong.err(), Some(HandleError::Full));
    while late.try_take() == Err(HandleError::NotYet) {
        server
            .poll_once(Some(Duration::ZERO))
            .expect("the loop runs");
        if let Ok(answer) = ended.try_take() {
            assert_eq!(answer, Ok(()));
            let last = last.take().expect("once").expect("a place");
            assert_eq!(last.try_take(), Ok(Ok(())));
        }
    }
    assert_eq!(created.try_take(), Ok(Ok(())));
    assert!(last.is_none(), "the end came before what was said after it");
    let session = server
        .endpoint()
        .progress()
        .session(id)
        .expect("it is remembered");
    let session: serde_json::Value = serde_json::from_str(&session).expect("JSON");
    assert_eq!(session["status"], "completed");
    assert_eq!(session["metadata"]["first"], 1);
    assert_eq!(session["metadata"]["last"], 23_000);
    assert!(handle.call(|_| ()).is_ok());
}

#[test]
fn whoever_waits_is_told_when_the_server_is_gone() {
    let server = Server::bind(Config::default(), "127.0.0.1:0").expect("a free port");
    let handle = server.handle();
    let pending = handle.sessions(ListQuery::default()).expect("room");
    drop(server);
    assert_eq!(pending.wait(), Err(HandleError::Closed));
    assert_eq!(
        handle.sessions(ListQuery::default()).map(|_| ()),
        Err(HandleError::Closed)
    );
}

#[test]
fn a_loop_of_the_hosts_own_drives_the_server_turn_by_turn() {
    let mut server = Server::bind(
        Config {
            host_http: true,
            ..Config::default()
        },
        "127.0.0.1:0",
    )
    .expect("a free port");
    assert!(server.as_raw_fd() >= 0);
    assert_eq!(server.as_fd().as_raw_fd(), server.as_raw_fd());
    let address = server.local_addrs().expect("bound")[0];
    let client = thread::spawn(move || ask(address, "GET /own HTTP/1.1\r\nHost: a\r\n\r\n"));
    while !client.is_finished() {
        server
            .poll_once(Some(Duration::from_millis(5)))
            .expect("a turn");
        while let Some(event) = server.poll_event() {
            if let Event::Request { request, head, .. } = event {
                let answer = Response::text(200, head.path.clone());
                server.endpoint().respond(request, answer).expect("there");
            }
        }
    }
    let answer = client.join().expect("no panic");
    assert!(answer.ends_with("/own"), "{answer}");
    assert!(
        server.next_timeout().is_some(),
        "the heartbeat event at least"
    );
}

#[test]
fn uploads_are_held_back_until_the_host_asks_for_more() {
    const BODY_BYTES: usize = 8 * 1024 * 1024;
    const GRANT_BYTES: usize = 64 * 1024;
    let config = Config {
        host_http: true,
        ..Config::default()
    };
    let mut received = 0;
    let mut granted = 0;
    let server = run(config, move |endpoint, event| match event {
        Event::Request { request, .. } => {
            granted += GRANT_BYTES;
            endpoint.grant_body(request, GRANT_BYTES).expect("there");
        }
        Event::RequestBody { request, data } => {
            received += data.len();
            assert!(received <= granted, "{received} of {granted} granted bytes");
            if received == granted {
                granted += GRANT_BYTES;
                endpoint.grant_body(request, GRANT_BYTES).expect("there");
            }
        }
        Event::RequestBodyEnd { request } => {
            let answer = Response::text(200, format!("{received} bytes"));
            endpoint.respond(request, answer).expect("there");
        }
        _ => {}
    });
    let mut stream = connect(server.address);
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {BODY_BYTES}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("sent");
    let piece = vec![b'x'; 256 * 1024];
    for _ in 0..BODY_BYTES / piece.len() {
        stream.write_all(&piece).expect("sent");
    }
    let answer = read_until(&mut stream, " bytes");
    assert!(answer.ends_with(&format!("{BODY_BYTES} bytes")), "{answer}");
}

#[test]
fn several_addresses_are_listened_on_and_a_taken_one_is_an_error() {
    let mut server = Server::bind(Config::default(), "127.0.0.1:0").expect("a free port");
    server.listen("localhost:0").expect("a free port");
    let addresses = server.local_addrs().expect("bound");
    assert!(addresses.len() >= 2);
    let taken = Server::bind(Config::default(), addresses[0]).map(|_| ());
    assert_eq!(taken.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}
