//! Plain HTTP requests and their handlers.

use super::*;
use crate::http::Response;

/// What a host has that answers plain requests.
fn routes() -> Io<Vec<String>> {
    let mut io = Io::with_state(Vec::new());
    io.http("GET", "/metrics", |state, request| {
        let query = request.head().query("x").unwrap_or_default().into_owned();
        state.push(format!("metrics {query} {}", request.peer()));
        Response::text(200, "hello")
    });
    io.http("POST", "/metrics", |state, request| {
        let body = String::from_utf8_lossy(request.body()).into_owned();
        state.push(format!("{} bytes: {:.5}", body.len(), body));
        let server = &mut request.server();
        let _ = server.of("/").emit("posted", body.len());
        Response::json(201, body)
    });
    let rest = |name: &'static str| {
        move |_: &mut Vec<String>, request: &mut HttpRequest<'_, Vec<String>>| {
            Response::text(200, format!("{name}: {}", request.rest()))
        }
    };
    io.http("GET", "/a/*", rest("short"));
    io.http("GET", "/a/b/*", rest("long"));
    io.http("GET", "/a/b/exact", rest("exact"));
    io.http("GET", "/a/b/exact", rest("never"));
    io.http("DELETE", "/gone", |_, _| Response::empty(204));
    io.http("PUT", "/panics", |_, _| panic!("dear me"));
    io
}

fn ask(world: &mut World, io: &mut Io<Vec<String>>, request: &str) -> String {
    let key = world.open();
    world.feed(key, request);
    assert_eq!(dispatch(world, io), []);
    world.turn();
    world.take_text(key)
}

fn plain(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn with_body(method: &str, path: &str, fields: &str, body: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

#[test]
fn a_request_finds_its_handler_by_method_and_path_and_the_most_particular_first() {
    let mut io = routes();
    let mut world = world(&io);
    let answer = ask(&mut world, &mut io, &plain("GET", "/metrics?x=a%20b"));
    assert_eq!((status(&answer), body(&answer)), (200, "hello"));
    assert_eq!(io.state(), &["metrics a b 127.0.0.1:5000"]);
    for (path, text) in [
        ("/a/", "short: "),
        ("/a/x/y", "short: x/y"),
        ("/a/b", "short: b"),
        ("/a/b/%2e%2e/c", "long: %2e%2e/c"),
        ("/a/b/exact", "exact: "),
        ("/a/b/exactly", "long: exactly"),
    ] {
        let answer = ask(&mut world, &mut io, &plain("GET", path));
        assert_eq!((status(&answer), body(&answer)), (200, text), "{path}");
    }
    for path in ["/", "/a", "/metrics/", "/metric", "/%6detrics", "*"] {
        let answer = ask(&mut world, &mut io, &plain("OPTIONS", path));
        assert_eq!(status(&answer), 404, "{path}");
    }
}

#[test]
fn head_is_answered_from_get_and_another_method_by_those_that_there_are() {
    let mut io = routes();
    let mut world = world(&io);
    let answer = ask(&mut world, &mut io, &plain("HEAD", "/metrics"));
    assert_eq!((status(&answer), body(&answer)), (200, ""));
    assert!(answer.contains("Content-Length: 5\r\n"), "{answer}");
    for (method, path, allow) in [
        ("DELETE", "/metrics", "GET, HEAD, POST"),
        ("BREW", "/metrics", "GET, HEAD, POST"),
        ("POST", "/a/b/c", "GET, HEAD"),
        ("GET", "/gone", "DELETE"),
        ("HEAD", "/gone", "DELETE"),
    ] {
        let answer = ask(&mut world, &mut io, &plain(method, path));
        assert_eq!(status(&answer), 405, "{method} {path}");
        assert!(answer.contains(&format!("Allow: {allow}\r\n")), "{answer}");
    }
    assert_eq!(
        status(&ask(&mut world, &mut io, &plain("DELETE", "/gone"))),
        204
    );
}

#[test]
fn a_body_has_come_whole_when_its_handler_is_called() {
    let mut io = routes();
    let mut world = world(&io);
    let key = world.join_by_websocket();
    assert_eq!(dispatch(&mut world, &mut io), []);
    world.frames(key);
    let most = "x".repeat(64 * 1024);
    let chunked = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let asked = |fields: &str, body: &str| with_body("POST", "/metrics", fields, body);
    for (request, taken) in [
        (asked("Content-Length: 3\r\n", "abc"), "abc"),
        (asked("Transfer-Encoding: chunked\r\n", chunked), "abcde"),
        (asked("Content-Length: 0\r\n", ""), ""),
        (asked("Content-Length: 65536\r\n", &most), &most),
    ] {
        let answer = ask(&mut world, &mut io, &request);
        assert_eq!((status(&answer), body(&answer)), (201, taken));
    }
    let told = [
        "3 bytes: abc",
        "5 bytes: abcde",
        "0 bytes: ",
        "65536 bytes: xxxxx",
    ];
    assert_eq!(io.state(), &told);
    assert_eq!(world.frames(key).len(), 4, "the handler has told everybody");
}

#[test]
fn a_body_that_is_too_large_or_encoded_is_refused_and_nothing_of_it_kept() {
    let mut io = routes();
    let mut world = world(&io);
    let asked = |fields: &str, body: &str| with_body("POST", "/metrics", fields, body);
    let large = format!("10001\r\n{}\r\n0\r\n\r\n", "x".repeat(65_537));
    for (request, refused) in [
        (asked("Content-Length: 65537\r\n", ""), 413),
        (asked("Transfer-Encoding: chunked\r\n", &large), 413),
        (
            asked("Content-Encoding: gzip\r\nContent-Length: 2\r\n", "ab"),
            415,
        ),
        (
            with_body("PUT", "/metrics", "Content-Length: 2\r\n", "ab"),
            405,
        ),
        (
            with_body("PUT", "/nowhere", "Content-Length: 2\r\n", "ab"),
            404,
        ),
    ] {
        let answer = ask(&mut world, &mut io, &request);
        assert_eq!(status(&answer), refused);
    }
    // One that never comes whole is forgotten with its connection.
    let key = world.open();
    world.feed(key, asked("Content-Length: 3\r\n", "ab"));
    assert_eq!(dispatch(&mut world, &mut io), []);
    assert_eq!(io.waiting_requests(), 1);
    world.endpoint.on_ready(key, Readiness::broken());
    world.turn();
    assert_eq!(dispatch(&mut world, &mut io), []);
    assert_eq!(io.waiting_requests(), 0);
    assert!(io.state().is_empty());
}

#[test]
fn a_handler_that_panics_costs_its_request_a_500_and_nobody_else() {
    let mut io = routes();
    let mut world = world(&io);
    let key = world.open();
    world.feed(key, plain("PUT", "/panics"));
    let panicked = Error::Panicked("dear me".to_owned());
    assert_eq!(dispatch(&mut world, &mut io), [panicked]);
    assert_eq!(status(&world.take_text(key)), 500);
    let answer = ask(&mut world, &mut io, &plain("GET", "/metrics"));
    assert_eq!(status(&answer), 200);
}

#[test]
fn what_no_handler_has_is_the_hosts_where_it_has_asked_for_that() {
    let mut io = routes();
    let mut world = World::new(io.configure(Config {
        host_http: true,
        serve_client: true,
        ..Config::default()
    }));
    for path in ["/other", "/socket.io/socket.io.js"] {
        let key = world.open();
        world.feed(key, plain("GET", path));
        let mut left = Vec::new();
        for event in world.take_events() {
            left.extend(io.dispatch(&mut world.endpoint, event).unwrap());
        }
        let [Event::Request { request, head, .. }, Event::RequestBodyEnd { .. }] = &left[..] else {
            panic!("{left:?}")
        };
        assert_eq!(head.path, path);
        let answer = Response::text(200, "by the host");
        world.endpoint.respond(*request, answer).unwrap();
        world.turn();
        assert_eq!(body(&world.take_text(key)), "by the host");
    }
    let answer = ask(&mut world, &mut io, &plain("GET", "/metrics"));
    assert_eq!(body(&answer), "hello");
}

#[test]
fn handlers_that_are_registered_late_count_from_the_next_turn_on() {
    let mut io = Io::with_state(Vec::new());
    let mut world = world(&io);
    let key = world.open();
    world.feed(key, plain("GET", "/late"));
    assert_eq!(status(&world.take_text(key)), 404);
    io.http("GET", "/late", |_, _| Response::text(200, "now"));
    let answer = ask(&mut world, &mut io, &plain("GET", "/late"));
    assert_eq!(body(&answer), "now");
}

#[test]
#[should_panic(expected = "BREW is not a known method")]
fn a_method_that_no_request_can_have_is_the_hosts_mistake() {
    Io::new().http("BREW", "/", |_, _| Response::empty(204));
}

#[test]
fn b167_only_names_and_pages_that_are_allowed_reach_handlers() {
    let from = |method: &str, host: &str, origin: &str| {
        format!("{method} /gone HTTP/1.1\r\nHost: {host}\r\n{origin}\r\n")
    };
    let page = |name: &str| format!("Origin: https://{name}\r\n");
    let (own, listed, foreign) = (page("a.example"), page("app.example"), page("evil.example"));
    for (method, host, origin, allowed, any) in [
        ("DELETE", "a.example", "", 204, 204),
        ("DELETE", "localhost:1", "", 204, 204),
        ("DELETE", "evil.example", "", 403, 204),
        ("GET", "evil.example", "", 403, 405),
        ("DELETE", "a.example", &own, 204, 204),
        ("DELETE", "a.example", &listed, 204, 204),
        ("DELETE", "a.example", &foreign, 403, 204),
        ("DELETE", "a.example", "Origin: null\r\n", 403, 204),
        ("GET", "a.example", &foreign, 405, 405),
        ("HEAD", "a.example", &foreign, 405, 405),
        ("OPTIONS", "a.example", &foreign, 405, 405),
    ] {
        let request = from(method, host, origin);
        for (is_strict, wanted) in [(true, allowed), (false, any)] {
            let mut io = routes();
            let list = |name: &str| is_strict.then(|| vec![name.to_owned()]);
            let mut world = World::new(io.configure(Config {
                allowed_hosts: list("a.example"),
                allowed_origins: list("https://app.example"),
                ..Config::default()
            }));
            let answer = ask(&mut world, &mut io, &request);
            assert_eq!(status(&answer), wanted, "{is_strict}: {request}");
        }
    }
    let mut io = routes();
    let mut world = World::new(io.configure(Config {
        allowed_origins: Some(Vec::new()),
        ..Config::default()
    }));
    let request = with_body(
        "POST",
        "/metrics",
        &format!("{foreign}Content-Length: 4\r\n"),
        "body",
    );
    assert_eq!(status(&ask(&mut world, &mut io, &request)), 403);
    assert!(io.state().is_empty());
    assert_eq!(io.waiting_requests(), 0);
}
