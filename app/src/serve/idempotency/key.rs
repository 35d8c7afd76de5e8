//! What tells requests apart: their keys, and hashes of their bodies.

use memchr::memmem;
use pulsewheel::http::Request;
use ring::digest::{digest, Context, SHA256};

use crate::journal::Hash;
use crate::serve::answer::ApiError;
use crate::serve::auth::Caller;
use crate::serve::callers::CallerId;

const NAME: &str = "Idempotency-Key";

/// Longest key.
const MAX_CHARS: usize = 255;

/// What stands in a hash where the form has its boundary.
const BOUNDARY: &[u8] = b"\0boundary\0";

/// The key of a request, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Of who has sent it, method, path, and the key itself.
    pub hash: Hash,
    /// Of who has sent it.
    pub caller: Hash,
}

impl Key {
    /// The key of a request, if it has one. A key means something for its caller, the method and the path alone.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a key that is none.
    pub fn of(head: &Request, caller: &Caller) -> Result<Option<Key>, ApiError> {
        let mut fields = head.headers.iter();
        let mut fields = fields
            .by_ref()
            .filter(|(name, _)| name.eq_ignore_ascii_case(NAME));
        let Some((_, value)) = fields.next() else {
            return Ok(None);
        };
        if fields.next().is_some() {
            return Err(ApiError::invalid(format!("{NAME} is given twice")));
        }
        let text = text(value).ok_or_else(|| {
            ApiError::invalid(format!(
                "{NAME} must be 1 to {MAX_CHARS} visible ASCII characters, with or without quotes around them"
            ))
        })?;
        let caller = hash(caller_name(caller).as_bytes());
        let mut context = Context::new(&SHA256);
        context.update(&caller);
        // Neither path nor key holds a line break.
        context.update(format!("{:?} {}\n{text}", head.method, head.path).as_bytes());
        Ok(Some(Key {
            hash: finish(context),
            caller,
        }))
    }
}

/// Who somebody is for a key. Those who show the token of a session alone are told apart by that.
fn caller_name(caller: &Caller) -> String {
    let pass = caller.pass.filter(|_| caller.role.is_none());
    format!("{:?} {pass:?}", CallerId::of(caller))
}

/// The text of a key: as it is, or in quotes, where a backslash stands before a quote or a backslash.
fn text(value: &str) -> Option<String> {
    let text = match value.strip_prefix('"') {
        None => value.to_owned(),
        Some(quoted) => unquoted(quoted.strip_suffix('"')?)?,
    };
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    (is_visible && (1..=MAX_CHARS).contains(&text.len())).then_some(text)
}

fn unquoted(quoted: &str) -> Option<String> {
    let mut text = String::new();
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return None,
            '\\' => text.push(letters.next().filter(|next| matches!(next, '"' | '\\'))?),
            _ => text.push(letter),
        }
    }
    Some(text)
}

/// The hash of a body that is there as a whole.
pub fn body_hash(body: &[u8]) -> Hash {
    hash(body)
}

/// The hash of a form while it comes in. Its boundary does not count: whoever sends a form once more makes up another one.
/// What the query says does.
pub struct FormHash {
    context: Context,
    delimiter: Vec<u8>,
    /// What may be the beginning of a delimiter.
    held: Vec<u8>,
}

impl FormHash {
    pub fn new(query: &str, boundary: &str) -> FormHash {
        let mut context = Context::new(&SHA256);
        context.update(query.as_bytes());
        context.update(b"\n");
        FormHash {
            context,
            delimiter: format!("--{boundary}").into_bytes(),
            held: Vec::new(),
        }
    }

    /// More of it has come.
    pub fn update(&mut self, data: &[u8]) {
        self.held.extend_from_slice(data);
        let mut rest = &self.held[..];
        while let Some(at) = memmem::find(rest, &self.delimiter) {
            self.context.update(&rest[..at]);
            self.context.update(BOUNDARY);
            rest = &rest[at + self.delimiter.len()..];
        }
        let sure = rest.len().saturating_sub(self.delimiter.len() - 1);
        self.context.update(&rest[..sure]);
        self.held = rest[sure..].to_vec();
    }

    /// It is complete.
    pub fn finish(mut self) -> Hash {
        self.context.update(&self.held);
        finish(self.context)
    }
}

fn hash(bytes: &[u8]) -> Hash {
    half(digest(&SHA256, bytes).as_ref())
}

fn finish(context: Context) -> Hash {
    half(context.finish().as_ref())
}

fn half(hash: &[u8]) -> Hash {
    let mut half = Hash::default();
    let bytes = half.len();
    half.copy_from_slice(&hash[..bytes]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::auth::{Pass, Role};
    use crate::serve::testing::get;
    use pulsewheel::http::Method;
    use uuid::Uuid;

    fn caller(owner: &str) -> Caller {
        Caller {
            role: Some(Role::Producer),
            owner: Some(owner.into()),
            ..Caller::nobody("192.0.2.1:1".parse().unwrap())
        }
    }

    fn key(
        method: Method,
        path: &str,
        values: &[&str],
        caller: &Caller,
    ) -> Result<Option<Key>, u16> {
        let headers: Vec<(&str, &str)> = values
            .iter()
            .map(|value| ("idempotency-KEY", *value))
            .collect();
        let head = Request {
            method,
            path: path.to_owned(),
            ..get(&headers)
        };
        Key::of(&head, caller).map_err(|error| error.status)
    }

    #[test]
    fn a_key_is_visible_ascii_with_or_without_quotes() {
        let longest = "k".repeat(255);
        for (value, wanted) in [
            ("a", Some("a")),
            (
                "8e03978e-40d5-43dd-bc93-6894a57f9324",
                Some("8e03978e-40d5-43dd-bc93-6894a57f9324"),
            ),
            ("\"quoted\"", Some("quoted")),
            (r#""a\"b\\c""#, Some(r#"a"b\c"#)),
            (&longest, Some(&longest)),
            ("", None),
            ("\"\"", None),
            ("\"", None),
            ("\"open", None),
            ("\"a\"b\"", None),
            (r#""a\b""#, None),
            (r#""a\""#, None),
            ("\"a\";b=1", None),
            ("two words", None),
            ("caf\u{e9}", None),
            ("tab\t", None),
            (&format!("{longest}k"), None),
        ] {
            assert_eq!(text(value).as_deref(), wanted, "{value}");
        }
    }

    #[test]
    fn a_key_is_its_callers_and_its_paths_alone() {
        let of = |method, path, value, caller: &Caller| {
            key(method, path, &[value], caller).unwrap().unwrap()
        };
        let ann = caller("Ann");
        let first = of(Method::Post, "/api/sessions", "k", &ann);
        assert_eq!(of(Method::Post, "/api/sessions", "\"k\"", &ann), first);
        let share = |read, read_number| Caller {
            pass: Some(Pass {
                id: Uuid::from_u128(read),
                number: read_number,
                owns: false,
            }),
            ..Caller::nobody(ann.peer)
        };
        let others = [
            of(Method::Post, "/api/sessions", "l", &ann),
            of(Method::Post, "/api/sessions/x", "k", &ann),
            of(Method::Delete, "/api/sessions", "k", &ann),
            of(Method::Post, "/api/sessions", "k", &caller("Bob")),
            of(
                Method::Post,
                "/api/sessions",
                "k",
                &Caller::anybody(ann.peer),
            ),
            of(Method::Post, "/api/sessions", "k", &share(1, 5)),
            of(Method::Post, "/api/sessions", "k", &share(2, 5)),
            // Another session of the same id.
            of(Method::Post, "/api/sessions", "k", &share(1, 6)),
        ];
        for (place, other) in others.iter().enumerate() {
            assert_ne!(other.hash, first.hash);
            assert!(others[..place]
                .iter()
                .all(|before| before.hash != other.hash));
        }
        assert_eq!(others[0].caller, first.caller);
        assert_ne!(others[3].caller, first.caller);
        assert_eq!(key(Method::Post, "/", &[], &ann), Ok(None));
        assert_eq!(key(Method::Post, "/", &["k", "k"], &ann), Err(400));
        assert_eq!(key(Method::Post, "/", &["two words"], &ann), Err(400));
    }

    fn form(boundary: &str, text: &str) -> String {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"csvFile\"\r\n\r\n{text}\r\n--{boundary}--\r\n")
    }

    fn form_hash(query: &str, boundary: &str, body: &str, piece: usize) -> Hash {
        let mut hash = FormHash::new(query, boundary);
        for data in body.as_bytes().chunks(piece) {
            hash.update(data);
        }
        hash.finish()
    }

    #[test]
    fn the_boundary_of_a_form_does_not_count_however_its_bytes_arrive() {
        let wanted = form_hash("", "one", &form("one", "a--on,b"), 1_000);
        for piece in [1, 2, 3, 5, 7, 64] {
            assert_eq!(
                form_hash("", "one", &form("one", "a--on,b"), piece),
                wanted,
                "{piece}"
            );
            assert_eq!(
                form_hash("", "another-1", &form("another-1", "a--on,b"), piece),
                wanted,
                "{piece}"
            );
            assert_ne!(
                form_hash("", "one", &form("one", "a--on,c"), piece),
                wanted,
                "{piece}"
            );
            assert_ne!(
                form_hash("wait=true", "one", &form("one", "a--on,b"), piece),
                wanted,
                "{piece}"
            );
        }
    }
}
