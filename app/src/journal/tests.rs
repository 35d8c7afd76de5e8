//! What is written is what comes back.

use std::path::Path;
use std::time::{Duration, Instant};

use pulsewheel::progress::{Audience, Changes, ErrorCode, ListQuery, SessionOptions};
use uuid::Uuid;

use super::write::{Kept, Writer, MAX_CHANGES};
use super::*;
use crate::serve::testing::keeping_endpoint as endpoint;
use crate::serve::Answers;
use crate::store::Store;

fn writer(directory: &Path) -> Writer {
    writer_that_keeps(directory, Kept::default())
}

fn writer_that_keeps(directory: &Path, kept: Kept) -> Writer {
    Writer::new(Journal::open(directory).unwrap().connection, kept)
}

/// Writes what has changed, as the thread does.
fn write_down(writer: &mut Writer, endpoint: &mut Endpoint) {
    let waiting = Waiting::default();
    waiting.push(endpoint.progress().take_changes(usize::MAX), Vec::new());
    if let Some(batch) = closed(&waiting) {
        writer.write(&batch).unwrap();
    }
}

fn closed(waiting: &Waiting) -> Option<waiting::Batch> {
    waiting.close();
    waiting.next().map(|(batch, _)| batch)
}

/// The server after a restart, and the records that it has restored.
fn restarted(directory: &Path) -> (Endpoint, Vec<SessionRecord>) {
    let store = Store::open(directory).unwrap();
    let mut endpoint = endpoint();
    let mut records = Vec::new();
    Journal::open(directory)
        .unwrap()
        .restore(&mut endpoint, &store.reader().unwrap(), |record| {
            records.push(record.clone());
        })
        .unwrap();
    (endpoint, records)
}

fn create(endpoint: &mut Endpoint, number: u128, options: SessionOptions) -> Uuid {
    let id = Uuid::from_u128(number);
    endpoint
        .progress()
        .create_session_with_id(id, options)
        .unwrap();
    id
}

fn options() -> SessionOptions {
    SessionOptions::default()
}

#[test]
fn sessions_come_back_as_they_were() {
    let temp = tempfile::tempdir().unwrap();
    let (mut endpoint, mut writer) = (endpoint(), writer(temp.path()));
    let private = create(&mut endpoint, 1, options().private_to("Ann"));
    let working = create(&mut endpoint, 2, options());
    let cancelled = create(&mut endpoint, 3, options());
    let deleted = create(&mut endpoint, 4, options());
    write_down(&mut writer, &mut endpoint);
    let mut progress = endpoint.progress();
    progress
        .update_progress(working, 0.3, JsonObject::new())
        .unwrap();
    progress
        .set_host_text(working, Some("kept".to_owned()))
        .unwrap();
    progress
        .complete_session(private, JsonObject::new())
        .unwrap();
    progress.cancel_session(cancelled, None, None).unwrap();
    progress
        .complete_session(deleted, JsonObject::new())
        .unwrap();
    progress.cleanup(deleted).unwrap();
    write_down(&mut writer, &mut endpoint);
    drop(writer);

    let (mut restored, records) = restarted(temp.path());
    let ids: Vec<Uuid> = records.iter().map(|record| record.info().id).collect();
    assert_eq!(ids, [private, working, cancelled], "in their order");
    assert_eq!(records[1].host_text(), Some("kept"));
    let progress = restored.progress();
    let info = progress.info(private).unwrap();
    assert_eq!(
        (info.owner(), info.audience),
        (Some("Ann"), Audience::Owner)
    );
    assert_eq!(progress.session_status(private), Ok(Status::Completed));
    let text = progress.session(working).unwrap();
    assert!(text.contains("\"progress\":0.3,"), "{text}");
    for (id, code) in [
        (cancelled, ErrorCode::SessionCancelled),
        (deleted, ErrorCode::SessionNotFound),
    ] {
        assert_eq!(progress.session(id).unwrap_err().code, code);
    }
}

#[test]
fn an_import_that_ran_is_interrupted() {
    let temp = tempfile::tempdir().unwrap();
    let (mut endpoint, mut writer) = (endpoint(), writer(temp.path()));
    let managed = SessionOptions {
        managed: true,
        ..options()
    };
    let id = create(&mut endpoint, 1, managed);
    write_down(&mut writer, &mut endpoint);
    drop(writer);
    let (mut restored, _) = restarted(temp.path());
    let text = restored.progress().session(id).unwrap();
    assert!(text.contains("\"code\":\"INTERRUPTED\""), "{text}");
    assert!(restored.progress().has_urgent_changes(), "to be written");
}

#[test]
fn what_is_damaged_is_left_out() {
    let temp = tempfile::tempdir().unwrap();
    let (mut endpoint, mut writer) = (endpoint(), writer(temp.path()));
    let (one, other) = (
        create(&mut endpoint, 1, options()),
        create(&mut endpoint, 2, options()),
    );
    write_down(&mut writer, &mut endpoint);
    drop(writer);
    let connection = Connection::open(temp.path().join(DATABASE_FILE)).unwrap();
    let damage = "UPDATE sessions SET record = substr(record, 9) WHERE id = ?1";
    connection.execute(damage, [one.to_string()]).unwrap();
    drop(connection);
    let (_, records) = restarted(temp.path());
    let ids: Vec<Uuid> = records.iter().map(|record| record.info().id).collect();
    assert_eq!(ids, [other]);
}

#[test]
fn the_last_changes_of_a_session_are_kept() {
    let temp = tempfile::tempdir().unwrap();
    let (mut endpoint, mut writer) = (endpoint(), writer(temp.path()));
    let id = create(&mut endpoint, 1, options());
    for n in 0..300 {
        let progress = f64::from(n) / 300.0;
        let mut view = endpoint.progress();
        view.update_progress(id, progress, JsonObject::new())
            .unwrap();
        write_down(&mut writer, &mut endpoint);
    }
    drop(writer);
    let connection = Connection::open(temp.path().join(DATABASE_FILE)).unwrap();
    let (count, most): (u32, f64) = connection
        .query_row("SELECT count(*), max(progress) FROM changes", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert!(
        (MAX_CHANGES..MAX_CHANGES + 60).contains(&count.into()),
        "{count}"
    );
    assert_eq!(most, 299.0 / 300.0);
}

#[test]
fn a_journal_of_the_future_is_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let journal = Journal::open(temp.path()).unwrap();
    let future = journal.connection.pragma_update(None, "user_version", 99);
    future.unwrap();
    drop(journal);
    assert!(matches!(
        Journal::open(temp.path()),
        Err(StoreError::Newer { found: 99, .. })
    ));
}

#[test]
fn the_newest_state_of_each_session_waits() {
    let mut endpoint = endpoint();
    let waiting = Waiting::default();
    let id = create(&mut endpoint, 1, options());
    waiting.push(endpoint.progress().take_changes(usize::MAX), Vec::new());
    let (first, _) = waiting.next().unwrap();
    assert!(first.is_urgent);
    let number = first.number;
    endpoint
        .progress()
        .update_progress(id, 0.5, JsonObject::new())
        .unwrap();
    waiting.push(endpoint.progress().take_changes(usize::MAX), Vec::new());
    // The first could not be written; meanwhile there is a newer one.
    assert!(waiting.give_back(first, Duration::ZERO));
    assert!(waiting.is_failing());
    let (again, _) = waiting.next().unwrap();
    assert!(again.is_urgent && again.number > number);
    let record = again.sessions.values().next().unwrap().record.as_ref();
    assert_eq!(record.unwrap().progress(), 0.5);
    assert!(waiting.has_recovered() && !waiting.is_failing());

    waiting.push(Changes::default(), Vec::new());
    assert!(closed(&waiting).is_none(), "nothing is no batch");
    assert!(
        !waiting.give_back(again, Duration::from_secs(600)),
        "at once"
    );
    let list = endpoint.progress().sessions(&ListQuery::default());
    assert!(list.sessions.contains(&id.to_string()));
}

/// A request, and an answer with a token to be made anew.
fn answered(number: u64, text: &str) -> (AnsweredRequest, KeptAnswer) {
    let request = AnsweredRequest {
        number,
        key: [7; 16],
        caller: [8; 16],
        body: [9; 16],
        at_ms: 1_736_677_800_000,
    };
    let answer = KeptAnswer {
        status: 201,
        text: text.to_owned(),
        renewed: Some(Renewed {
            session: Uuid::from_u128(1).to_string(),
            number: 4,
            share: Some(u64::MAX - 1),
        }),
    };
    (request, answer)
}

#[test]
fn an_answer_is_kept_with_what_it_acknowledges() {
    let temp = tempfile::tempdir().unwrap();
    let (mut endpoint, mut writer) = (endpoint(), writer(temp.path()));
    let id = create(&mut endpoint, 1, options());
    let waiting = Waiting::default();
    let (request, answer) = answered(3, "{\"caf\u{e9}\":1}");
    let kept = AnswerChange::Keep(request.clone(), answer.clone());
    waiting.push(endpoint.progress().take_changes(usize::MAX), vec![kept]);
    let batch = waiting.next().unwrap().0;
    assert!(batch.is_urgent && batch.sessions.len() == 1 && batch.answers.len() == 1);
    writer.write(&batch).unwrap();

    let journal = Journal::open(temp.path()).unwrap();
    assert_eq!(journal.answered().unwrap(), [(request, 11)]);
    let reader = journal.reader().unwrap();
    assert_eq!(reader.answer(3).unwrap(), Some(answer));
    assert_eq!(reader.answer(4).unwrap(), None);
    assert!(restarted(temp.path()).0.progress().session(id).is_ok());

    waiting.push(Changes::default(), vec![AnswerChange::Forget(3)]);
    writer.write(&waiting.next().unwrap().0).unwrap();
    assert!(journal.answered().unwrap().is_empty());
}

#[test]
fn an_answer_that_could_not_be_written_waits_unless_it_was_let_go_of() {
    let waiting = Waiting::default();
    let keep = |number| {
        let (request, answer) = answered(number, "{}");
        AnswerChange::Keep(request, answer)
    };
    waiting.push(Changes::default(), vec![keep(1), keep(2)]);
    let first = waiting.next().unwrap().0;
    waiting.push(Changes::default(), vec![AnswerChange::Forget(1)]);
    assert!(waiting.give_back(first, Duration::ZERO));
    let again = waiting.next().unwrap().0.answers;
    assert!(matches!(again[&1], AnswerChange::Forget(1)));
    assert!(matches!(again[&2], AnswerChange::Keep(..)));
}

#[test]
fn a_journal_of_the_first_version_gets_a_place_for_answers() {
    let temp = tempfile::tempdir().unwrap();
    let journal = Journal::open(temp.path()).unwrap();
    let id = Uuid::from_u128(1);
    let mut endpoint = endpoint();
    create(&mut endpoint, 1, options());
    write_down(
        &mut Writer::new(journal.connection, Kept::default()),
        &mut endpoint,
    );
    let connection = Connection::open(temp.path().join(DATABASE_FILE)).unwrap();
    let older = "DROP TABLE answers; PRAGMA user_version = 1;";
    connection.execute_batch(older).unwrap();
    drop(connection);
    let journal = Journal::open(temp.path()).unwrap();
    assert!(journal.answered().unwrap().is_empty());
    assert!(restarted(temp.path()).0.progress().session(id).is_ok());
}

#[test]
fn a_write_that_goes_on_counts_by_now_and_the_last_one_until_the_next_has_ended() {
    const LATER: Duration = Duration::from_secs(100);
    let mut endpoint = endpoint();
    let waiting = Waiting::default();
    assert_eq!(waiting.write_time(Instant::now() + LATER), Duration::ZERO);
    create(&mut endpoint, 1, options());
    waiting.push(endpoint.progress().take_changes(usize::MAX), Vec::new());
    let took = |waiting: &Waiting| waiting.write_time(Instant::now() + LATER) >= LATER / 2;
    assert!(!took(&waiting), "nobody writes yet");
    drop(waiting.next());
    assert!(took(&waiting), "it is being written");
    waiting.write_ended();
    assert!(!took(&waiting), "it was quick");
}

#[test]
fn no_more_waits_than_has_room_and_the_rest_follows() {
    let mut endpoint = endpoint();
    let large = || {
        let mut options = options();
        let text = "x".repeat(15_000);
        options.metadata.insert("text".to_owned(), text.into());
        options
    };
    for number in 1..=30 {
        create(&mut endpoint, number, large());
    }
    let (waiting, answers) = (Waiting::default(), Answers::default());
    let mut written = 0;
    let mut batches = 0;
    while written < 30 {
        waiting.take(&mut endpoint, &answers);
        // There is no room for what is left.
        endpoint.begin_turn(endpoint.now());
        waiting.take(&mut endpoint, &answers);
        let (batch, has_left) = waiting.next().unwrap();
        assert!(batch.sessions.len() <= 10, "{}", batch.sessions.len());
        written += batch.sessions.len();
        batches += 1;
        assert!(has_left || written == 30);
    }
    assert!((3..=5).contains(&batches), "{batches}");
    assert!(!endpoint.progress().has_urgent_changes());
}

#[test]
fn the_history_is_bounded_by_bytes_and_what_is_freed_is_used_again() {
    let temp = tempfile::tempdir().unwrap();
    let kept = Kept {
        session_bytes: 1024 * 1024,
        alert_bytes: 256 * 1024,
        ..Kept::default()
    };
    let (mut endpoint, mut writer) = (endpoint(), writer_that_keeps(temp.path(), kept));
    let text = "x".repeat(10_000);
    let held = create(&mut endpoint, u128::MAX, options());
    let mut number = 0;
    let mut sizes = Vec::new();
    for _ in 0..10 {
        for count in 1..=250 {
            number += 1;
            let mut options = options();
            options
                .metadata
                .insert("text".to_owned(), text.clone().into());
            let id = create(&mut endpoint, number, options);
            let mut progress = endpoint.progress();
            progress.complete_session(id, JsonObject::new()).unwrap();
            progress.cleanup(id).unwrap();
            let alert =
                json!({"level": "info", "category": "system", "message": "m", "text": text});
            let alert = alert.as_object().cloned().unwrap();
            progress.system_alert(alert).unwrap();
            if count % 25 == 0 {
                write_down(&mut writer, &mut endpoint);
            }
        }
        let file = std::fs::metadata(temp.path().join(DATABASE_FILE)).unwrap();
        sizes.push(file.len());
    }
    drop(writer);
    // 25 MB of each were written.
    assert!(sizes.iter().all(|size| *size < 14_000_000), "{sizes:?}");
    assert!(
        sizes[9] <= sizes[3] * 11 / 10,
        "it grows no more: {sizes:?}"
    );
    let connection = Connection::open(temp.path().join(DATABASE_FILE)).unwrap();
    let sum = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    let session_bytes = sum("SELECT sum(octet_length(record)) FROM sessions");
    assert!(session_bytes < 6_000_000, "{session_bytes}");
    let alert_bytes = sum("SELECT sum(octet_length(payload)) FROM alerts");
    assert!((200_000..5_000_000).contains(&alert_bytes), "{alert_bytes}");
    let (_, records) = restarted(temp.path());
    let ids: Vec<Uuid> = records.iter().map(|record| record.info().id).collect();
    assert_eq!(ids, [held], "what the server holds stays");
    let reader = JournalReader::open(temp.path()).unwrap();
    let is_there = |number| reader.newest(Uuid::from_u128(number)).unwrap().is_some();
    assert!(!is_there(1) && is_there(number), "the oldest went");
}
