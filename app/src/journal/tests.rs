//! What is written is what comes back.

use std::path::Path;
use std::time::Duration;

use pulsewheel::progress::{
    Audience, Changes, ErrorCode, ListQuery, ProgressConfig, SessionOptions,
};
use pulsewheel::{Config, Environment, Now};
use uuid::Uuid;

use super::write::{Writer, MAX_CHANGES};
use super::*;
use crate::store::Store;

const NOW: Now = Now {
    mono_ms: 1,
    unix_ms: 1_736_677_800_000,
};

fn endpoint() -> Endpoint {
    let mut next = 0u8;
    let environment = Environment {
        random: Box::new(move |bytes| {
            next = next.wrapping_add(1);
            bytes.fill(next);
        }),
        memory: Box::new(Default::default),
    };
    let config = Config {
        progress: Some(ProgressConfig {
            changes: true,
            ..ProgressConfig::default()
        }),
        ..Config::default()
    };
    Endpoint::new(config, environment, NOW)
}

fn writer(directory: &Path) -> Writer {
    Writer::new(Journal::open(directory).unwrap().connection)
}

/// Writes what has changed, as the thread does.
fn write_down(writer: &mut Writer, endpoint: &mut Endpoint) {
    let waiting = Waiting::default();
    waiting.push(endpoint.progress().take_changes(), Vec::new());
    if let Some(batch) = closed(&waiting) {
        writer.write(&batch).unwrap();
    }
}

fn closed(waiting: &Waiting) -> Option<waiting::Batch> {
    waiting.close();
    waiting.next()
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
    waiting.push(endpoint.progress().take_changes(), Vec::new());
    let first = waiting.next().unwrap();
    assert!(first.is_urgent);
    let number = first.number;
    endpoint
        .progress()
        .update_progress(id, 0.5, JsonObject::new())
        .unwrap();
    waiting.push(endpoint.progress().take_changes(), Vec::new());
    // The first could not be written; meanwhile there is a newer one.
    assert!(waiting.give_back(first, Duration::ZERO));
    assert!(waiting.is_failing());
    let again = waiting.next().unwrap();
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
    waiting.push(endpoint.progress().take_changes(), vec![kept]);
    let batch = waiting.next().unwrap();
    assert!(batch.is_urgent && batch.sessions.len() == 1 && batch.answers.len() == 1);
    writer.write(&batch).unwrap();

    let journal = Journal::open(temp.path()).unwrap();
    assert_eq!(journal.answered().unwrap(), [(request, 11)]);
    let reader = journal.reader().unwrap();
    assert_eq!(reader.answer(3).unwrap(), Some(answer));
    assert_eq!(reader.answer(4).unwrap(), None);
    assert!(restarted(temp.path()).0.progress().session(id).is_ok());

    waiting.push(Changes::default(), vec![AnswerChange::Forget(3)]);
    writer.write(&waiting.next().unwrap()).unwrap();
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
    let first = waiting.next().unwrap();
    waiting.push(Changes::default(), vec![AnswerChange::Forget(1)]);
    assert!(waiting.give_back(first, Duration::ZERO));
    let again = waiting.next().unwrap().answers;
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
    write_down(&mut Writer::new(journal.connection), &mut endpoint);
    let connection = Connection::open(temp.path().join(DATABASE_FILE)).unwrap();
    let older = "DROP TABLE answers; PRAGMA user_version = 1;";
    connection.execute_batch(older).unwrap();
    drop(connection);
    let journal = Journal::open(temp.path()).unwrap();
    assert!(journal.answered().unwrap().is_empty());
    assert!(restarted(temp.path()).0.progress().session(id).is_ok());
}
