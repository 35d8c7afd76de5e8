//! The thread that writes the journal.

use std::sync::Arc;
use std::time::Duration;

use pulsewheel::http::Response;
use pulsewheel::Handle;
use rusqlite::Connection;

use super::waiting::{Batch, Waiting};
use super::write::{Kept, Writer};
use crate::serve::{call_surely, Alerts, Answers, ApiError, Concern, Condition};

/// How long to wait before what could not be written is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// Writes until there is no more to come. What can't be written stays and is tried again; whoever waits for it is told.
pub fn write_all(
    connection: Connection,
    waiting: &Arc<Waiting>,
    handle: &Handle,
    alerts: &Alerts,
    answers: &Arc<Answers>,
) {
    let mut writer = Writer::new(connection, Kept::default());
    while let Some((batch, has_left)) = waiting.next() {
        if has_left {
            let (waiting, answers) = (waiting.clone(), answers.clone());
            let _ = call_surely(handle, move |endpoint| waiting.take(endpoint, &answers));
        }
        let written = writer.write(&batch);
        waiting.write_ended();
        match written {
            Ok(()) => {
                answers.written(&batch.answers);
                confirm(waiting, handle, alerts, &batch);
            }
            Err(error) => {
                log::error!("the journal of sessions can't be written: {error}");
                refuse(handle);
                alerts.report(handle, Concern::Sessions, Condition::Bad);
                if !waiting.give_back(batch, PAUSE) {
                    break;
                }
            }
        }
    }
}

fn confirm(waiting: &Waiting, handle: &Handle, alerts: &Alerts, batch: &Batch) {
    if waiting.has_recovered() {
        log::info!("the journal of sessions is written again");
        alerts.report(handle, Concern::Sessions, Condition::Well);
    }
    if batch.is_urgent {
        let number = batch.number;
        // Fails only where the server has ended.
        let _ = call_surely(handle, move |endpoint| {
            endpoint.progress().confirm_changes(number)
        });
    }
}

fn refuse(handle: &Handle) {
    let message = "what was asked for may have been done but could not be written down; look before you try again";
    let response = Response::from(ApiError::overload(message));
    let _ = call_surely(handle, move |endpoint| {
        endpoint.progress().refuse_unconfirmed(&response)
    });
}
