//! Work on threads of its own: its progress, its end, and a cancellation that reaches it.

use std::io::{Read, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::mpsc::channel;

use pulsewheel::progress::{ErrorCode, ProgressConfig};
use pulsewheel::{Config, Job, JobOptions};
use serde_json::{json, Value};

use crate::support::{run_whole, Client, Running, LIMIT};

fn server() -> Running {
    run_whole(Config::default(), |_, _| {})
}

fn start(server: &Running) -> Job {
    server.handle.progress().start(JobOptions::new("report"))
}

/// The next event of this name, and its payload.
fn event(client: &mut Client, name: &str) -> Value {
    loop {
        let text = client.text();
        let values: Vec<Value> = match text.find('[') {
            Some(at) if text.starts_with("42") => serde_json::from_str(&text[at..]).expect("JSON"),
            _ => continue,
        };
        if values[0] == name {
            return values[1].clone();
        }
    }
}

/// A session as it stands.
fn session(server: &Running, job: &Job) -> Value {
    let pending = server.handle.progress().session(job.id()).expect("queued");
    let text = pending.wait().expect("it runs").expect("it is there");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_job_is_seen_from_its_beginning_to_its_end() {
    let server = server();
    let mut client = Client::joined(server.address);
    let options = JobOptions::new("report").metadata("filename", "a.csv");
    let job = server.handle.progress().start(options);
    let created = event(&mut client, "session_created");
    assert_eq!(created["sessionId"], job.id().to_string());
    let shown = session(&server, &job);
    assert_eq!(shown["metadata"]["operation"], "report");
    assert_eq!(shown["metadata"]["filename"], "a.csv");
    job.set(0.25);
    job.set_with(0.5, "current_step", "half of it");
    let shown = session(&server, &job);
    assert_eq!(shown["progress"], 0.5);
    assert_eq!(shown["metadata"]["current_step"], "half of it");
    assert!(!job.is_cancelled() && job.error().is_none());
    job.complete(json!({ "rows": 7 }));
    assert_eq!(event(&mut client, "import_complete")["result"]["rows"], 7);
}

#[test]
fn what_is_not_ended_has_failed() {
    let server = server();
    let mut client = Client::joined(server.address);
    let mut failed = |message: &str| {
        let payload = event(&mut client, "import_error");
        assert_eq!(payload["error"]["message"], message, "{payload}");
    };
    drop(start(&server));
    failed("the work ended without a result");
    start(&server).fail("no such file");
    failed("no such file");
    let panicking = catch_unwind(AssertUnwindSafe(|| {
        let _job = start(&server);
        panic!("a fault of the worker");
    }));
    assert!(panicking.is_err());
    failed("the work has panicked");
}

#[test]
fn a_cancellation_reaches_the_worker_and_is_answered_when_it_has_stopped() {
    let server = server();
    let mut client = Client::joined(server.address);
    let job = start(&server);
    let (sender, heard) = channel();
    let second = sender.clone();
    job.on_cancel(move || sender.send("at once").expect("somebody listens"));
    job.on_cancel(|| panic!("a fault of the host"));
    job.on_cancel(move || second.send("both").expect("somebody listens"));
    let id = job.id();
    event(&mut client, "session_created");
    client.send(&format!(
        "427[\"cancel_session\",{{\"sessionId\":\"{id}\",\"reason\":\"too slow\"}}]"
    ));
    assert_eq!(heard.recv_timeout(LIMIT), Ok("at once"));
    assert_eq!(heard.recv_timeout(LIMIT), Ok("both"));
    assert!(job.is_cancelled());
    let (late, heard) = channel();
    job.on_cancel(move || late.send(()).expect("somebody listens"));
    assert_eq!(heard.try_recv(), Ok(()));
    assert_eq!(job.wrap_iter(0..10).next(), None);
    assert!(job.wrap_read(&b"abc"[..], 3).read(&mut [0; 3]).is_err());
    // The worker has rolled back what it did.
    drop(job);
    let cancelled = event(&mut client, "import_cancelled");
    assert_eq!(cancelled["reason"], "too slow");
    while !client.text().starts_with("437[") {}
}

#[test]
fn a_session_that_ends_without_its_job_stops_it() {
    let server = server();
    let job = start(&server);
    job.set(0.1);
    let cancelled = server.handle.cancel_session(job.id(), None, None);
    cancelled
        .expect("queued")
        .wait()
        .expect("it runs")
        .expect("it is there");
    let begin = std::time::Instant::now();
    while !job.is_cancelled() {
        assert!(begin.elapsed() < LIMIT);
        job.set(0.2);
    }
    assert_eq!(
        job.error().expect("it was told").code,
        ErrorCode::SessionCancelled
    );
    drop(job);
}

#[test]
fn a_job_for_which_there_is_no_session_goes_on_unseen() {
    let config = Config {
        progress: Some(ProgressConfig {
            max_sessions: 1,
            ..ProgressConfig::default()
        }),
        ..Config::default()
    };
    let server = run_whole(config, |_, _| {});
    let (seen, unseen) = (start(&server), start(&server));
    session(&server, &seen);
    assert_eq!(
        unseen.error().expect("there is no room").code,
        ErrorCode::ServerOverload
    );
    for number in 0..100 {
        unseen.set(f64::from(number) / 100.0);
        server.call(|endpoint| endpoint.counts());
        assert!(!unseen.is_cancelled());
    }
    unseen.complete(());
    seen.complete(());
    // Without a server all of it does nothing.
    let handle = server.handle.clone();
    drop(server);
    let job = handle.progress().start(JobOptions::new("late"));
    job.set(0.5);
    assert!(!job.is_cancelled());
    job.complete(());
}

#[test]
fn iterators_readers_and_writers_tell_how_far_they_have_come() {
    let server = server();
    let job = start(&server);
    let mut seen = Vec::new();
    for (number, item) in job.wrap_iter(vec!["a", "b", "c", "d"]).enumerate() {
        seen.push((item, session(&server, &job)["progress"].clone()));
        assert_eq!(number + 1, seen.len());
    }
    let expected = [("a", 0.25), ("b", 0.5), ("c", 0.75), ("d", 1.0)];
    assert_eq!(
        seen,
        expected.map(|(item, progress)| (item, json!(progress)))
    );
    job.complete(());

    let job = start(&server);
    let mut reader = job.wrap_read(&b"0123456789"[..], 10);
    let mut buffer = [0; 4];
    reader.read_exact(&mut buffer).expect("there is more");
    assert_eq!(session(&server, &job)["progress"], 0.4);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("text");
    assert_eq!((&buffer, &*text), (b"0123", "456789"));
    assert_eq!(session(&server, &job)["progress"], 1.0);
    job.complete(());

    let job = start(&server);
    let mut writer = job.wrap_write(Vec::new(), 8);
    writer.write_all(b"01").expect("room");
    assert_eq!(session(&server, &job)["progress"], 0.25);
    assert_eq!(writer.into_inner(), b"01");
    job.complete(["a", "list"]);
}

/// The keys of metadata that tell of bars.
fn bars_of(shown: &Value) -> Value {
    json!([shown["metadata"]["steps"], shown["metadata"]["parts"]])
}

#[test]
fn steps_and_parts_make_one_figure_and_are_told_by_their_names() {
    let server = server();
    let mut client = Client::joined(server.address);
    let job = start(&server);
    let (read, write) = (job.step("read", 0.25), job.step("write", 0.25));
    read.set(0.5);
    let shown = session(&server, &job);
    assert_eq!(shown["progress"], 0.125);
    assert_eq!(shown["metadata"]["current_step"], "read");
    read.finish();
    let parts = ["a", "b"].map(|name| job.part(name));
    let threads = parts.map(|part| std::thread::spawn(move || part.wrap_iter(0..7).sum::<u32>()));
    for thread in threads {
        assert_eq!(thread.join().expect("it does not panic"), 21);
    }
    let shown = session(&server, &job);
    assert_eq!(shown["progress"], 0.75);
    assert_eq!(
        bars_of(&shown),
        json!([
            [["read", 1.0, 0.25], ["write", 0.0, 0.25]],
            [["a", 1.0], ["b", 1.0]]
        ])
    );
    write.set(0.5);
    assert_eq!(session(&server, &job)["metadata"]["current_step"], "write");
    job.complete(());
    let mut last = 0.0;
    loop {
        let text = client.text();
        if text.contains("import_complete") {
            break;
        }
        if let Some((_, payload)) = text.split_once("\"progress\":") {
            let end = payload.find(',').expect("more follows");
            let progress: f64 = payload[..end].parse().expect("a number");
            assert!(progress >= last, "{progress} after {last}");
            last = progress;
        }
    }
}

#[test]
fn a_part_may_weigh_more_than_others_and_one_that_is_dropped_stays_as_it_is() {
    let server = server();
    let job = start(&server);
    let (small, large) = (job.part("small"), job.part("large").weight(3.0));
    small.set(1.0);
    large.set(0.5);
    drop(large);
    let shown = session(&server, &job);
    assert_eq!(shown["progress"], 0.625);
    assert_eq!(
        bars_of(&shown),
        json!([null, [["small", 1.0], ["large", 0.5]]])
    );
    // What is less than before, or no number, changes nothing.
    for progress in [0.1, f64::NAN] {
        small.set(progress);
        assert_eq!(session(&server, &job)["progress"], 0.625);
    }
    let error = job.error().expect("it was refused");
    assert_eq!(error.code, ErrorCode::InvalidArgument);
    job.complete(());
    // After the end nothing is told, and who still works is to stop.
    assert!(small.is_cancelled());
    small.finish();
}

#[test]
fn bars_for_which_metadata_has_no_room_count_all_the_same() {
    let config = Config {
        progress: Some(ProgressConfig {
            max_metadata_bytes: 300,
            ..ProgressConfig::default()
        }),
        ..Config::default()
    };
    let server = run_whole(config, |_, _| {});
    let job = start(&server);
    let first = job.part("first");
    first.set(0.5);
    assert_eq!(
        bars_of(&session(&server, &job)),
        json!([null, [["first", 0.5]]])
    );
    let others: Vec<_> = (0..9).map(|_| job.part(&"x".repeat(60))).collect();
    for other in &others {
        other.set(1.0);
    }
    job.set_with(0.0, "note", "still here");
    let shown = session(&server, &job);
    assert_eq!(shown["progress"], 0.95);
    assert_eq!(
        bars_of(&shown),
        json!([null, null]),
        "none rather than old ones"
    );
    assert_eq!(shown["metadata"]["note"], "still here");
    assert_eq!(job.error(), None);
}

#[test]
fn news_of_bars_conflates_where_the_server_is_busy_and_fails_never() {
    let server = server();
    let job = start(&server);
    let part = job.part("part");
    let (go, wait) = channel::<()>();
    let held = server.handle.call(move |_| wait.recv_timeout(LIMIT));
    for number in 0..10_000 {
        part.set(f64::from(number) / 10_000.0);
    }
    go.send(()).expect("it waits");
    held.expect("queued")
        .wait()
        .expect("it runs")
        .expect("told");
    let shown = session(&server, &job);
    assert_eq!(bars_of(&shown), json!([null, [["part", 0.999]]]));
    assert_eq!(job.error(), None);
    job.complete(());
}
