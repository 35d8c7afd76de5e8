//! The fields of a query, read strictly: a slip in a name or a forgotten value shall not
//! silently give something else than was meant.

use std::borrow::Cow;

use pulsewheel::http::Request;

use super::answer::ApiError;

/// Longest part of a field's name that is repeated in an error.
const NAMED_CHARS: usize = 40;

/// The fields of a request's query in their order, each of which must be one of `known`.
///
/// # Errors
/// `INVALID_ARGUMENT` for a field that is unknown, empty or given twice.
pub fn fields<'a>(
    head: &'a Request,
    known: &[&'static str],
) -> Result<Vec<(&'static str, Cow<'a, str>)>, ApiError> {
    fields_with_lists(head, known, &[])
}

/// The same; those of `repeatable` may be given several times.
pub fn fields_with_lists<'a>(
    head: &'a Request,
    known: &[&'static str],
    repeatable: &[&'static str],
) -> Result<Vec<(&'static str, Cow<'a, str>)>, ApiError> {
    let mut fields: Vec<(&'static str, Cow<'a, str>)> = Vec::new();
    for (name, value) in head.query_pairs() {
        let Some(known_name) = known.iter().copied().find(|known| *known == name) else {
            return Err(unknown(&name, known));
        };
        if value.is_empty() {
            return Err(ApiError::invalid(format!("{known_name} is empty")));
        }
        let is_single = !repeatable.contains(&known_name);
        if is_single && fields.iter().any(|(earlier, _)| *earlier == known_name) {
            return Err(ApiError::invalid(format!("{known_name} is given twice")));
        }
        fields.push((known_name, value));
    }
    Ok(fields)
}

fn unknown(name: &str, known: &[&str]) -> ApiError {
    let named: String = name
        .chars()
        // Neither control characters nor those that turn the direction of what follows.
        .filter(|c| c.is_alphanumeric() || c.is_ascii_graphic())
        .take(NAMED_CHARS)
        .collect();
    let known = match known {
        [] => "this request has no query".to_owned(),
        known => format!("known are {}", known.join(", ")),
    };
    ApiError::invalid(format!("the query field \"{named}\" is unknown; {known}"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::get;
    use super::*;

    fn read(query: &str) -> Result<Vec<(&'static str, String)>, String> {
        let head = Request {
            query: query.to_owned(),
            ..get(&[])
        };
        let found = fields(&head, &["status", "limit"]).map_err(|error| error.message)?;
        let owned = found.into_iter().map(|(name, value)| (name, value.into()));
        Ok(owned.collect())
    }

    #[test]
    fn known_fields_are_read_in_their_order() {
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(
            read("limit=1&status=a%20b"),
            Ok(vec![
                ("limit", "1".to_owned()),
                ("status", "a b".to_owned())
            ])
        );
    }

    #[test]
    fn other_fields_are_named() {
        for (query, message) in [
            (
                "limits=1",
                "the query field \"limits\" is unknown; known are status, limit",
            ),
            (
                "status=error&%00Status=1",
                "the query field \"Status\" is unknown; known are status, limit",
            ),
            (
                "=1",
                "the query field \"\" is unknown; known are status, limit",
            ),
            ("status=", "status is empty"),
            ("limit=3&status", "status is empty"),
            ("limit=3&limit=4", "limit is given twice"),
        ] {
            assert_eq!(read(query), Err(message.to_owned()), "{query}");
        }
        let long = read(&"x".repeat(9_000)).unwrap_err();
        assert!(long.len() < 200, "{long}");
    }
}
