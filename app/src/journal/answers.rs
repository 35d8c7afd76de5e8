//! Answers that are kept for requests that are sent again with their keys.

use rusqlite::{params, Connection, OptionalExtension, Row, Transaction};

use super::write::to_i64;
use crate::store::StoreError;

/// A hash: of a key, of a caller, of a body. The first half of a SHA-256, as there are a thousand of them and not more.
pub type Hash = [u8; 16];

/// What is known of a request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweredRequest {
    /// Its place in the order in which requests came.
    pub number: u64,
    pub key: Hash,
    pub caller: Hash,
    pub body: Hash,
    /// When it came, in milliseconds since the epoch.
    pub at_ms: u64,
}

/// The answer that it was given, without the token that is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    pub status: u16,
    /// As JSON text.
    pub text: String,
    pub renewed: Option<Renewed>,
}

/// What has a token that is made anew for each answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// The id of a session, and its number, as another one may have the id later.
    pub session: String,
    pub number: u64,
    /// A share of it; `None` for the session itself.
    pub share: Option<u64>,
}

/// What becomes of a kept answer.
#[derive(Clone, Debug)]
pub enum AnswerChange {
    Keep(AnsweredRequest, KeptAnswer),
    /// The request of this number.
    Forget(u64),
}

impl AnswerChange {
    /// The number of the request.
    pub fn number(&self) -> u64 {
        match self {
            AnswerChange::Keep(request, _) => request.number,
            AnswerChange::Forget(number) => *number,
        }
    }
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    change: &AnswerChange,
) -> Result<(), StoreError> {
    let number = to_i64(change.number());
    match change {
        AnswerChange::Keep(request, answer) => {
            let renewed = answer.renewed.as_ref();
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO answers (number, key, caller, body, at_ms, status, text,
                         renewed_session, renewed_number, renewed_share)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                )?
                .execute(params![
                    number,
                    request.key,
                    request.caller,
                    request.body,
                    to_i64(request.at_ms),
                    answer.status,
                    answer.text,
                    renewed.map(|renewed| &renewed.session),
                    renewed.map(|renewed| to_i64(renewed.number)),
                    // All of its bits; half of these numbers are negative there.
                    renewed.and_then(|renewed| renewed.share).map(u64::cast_signed),
                ])?;
        }
        AnswerChange::Forget(_) => {
            transaction
                .prepare_cached("DELETE FROM answers WHERE number = ?1")?
                .execute([number])?;
        }
    }
    Ok(())
}

/// All requests of which the answer is kept, in their order, each with the size of its text. Damaged ones are left out.
pub(super) fn answered(
    connection: &Connection,
) -> Result<Vec<(AnsweredRequest, usize)>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT number, key, caller, body, at_ms, octet_length(text) FROM answers ORDER BY number",
    )?;
    let mut rows = statement.query([])?;
    let mut requests = Vec::new();
    let read = |row: &Row<'_>| {
        let request = AnsweredRequest {
            number: unsigned(row, 0)?,
            key: row.get(1)?,
            caller: row.get(2)?,
            body: row.get(3)?,
            at_ms: unsigned(row, 4)?,
        };
        let bytes = usize::try_from(unsigned(row, 5)?).unwrap_or(usize::MAX);
        Ok::<_, rusqlite::Error>((request, bytes))
    };
    while let Some(row) = rows.next()? {
        requests.extend(read(row).ok());
    }
    Ok(requests)
}

/// The answer to the request of this number.
pub(super) fn answer(
    connection: &Connection,
    number: u64,
) -> Result<Option<KeptAnswer>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT status, text, renewed_session, renewed_number, renewed_share FROM answers WHERE number = ?1",
    )?;
    let answer = statement.query_row([to_i64(number)], |row| {
        let session: Option<String> = row.get(2)?;
        let renewed = session.map(|session| {
            Ok::<_, rusqlite::Error>(Renewed {
                session,
                number: unsigned(row, 3)?,
                share: row.get::<_, Option<i64>>(4)?.map(i64::cast_unsigned),
            })
        });
        Ok(KeptAnswer {
            status: row.get(0)?,
            text: row.get(1)?,
            renewed: renewed.transpose()?,
        })
    });
    Ok(answer.optional()?)
}

fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}
