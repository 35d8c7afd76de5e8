//! The token file: who may come in, a line each.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::secret::Digest;
use super::Role;

/// Longest name of a line, in characters.
const MAX_NAME_CHARS: usize = 64;

/// Beginning of the owners of lines without a name, so that no name can be one of them.
const NAMELESS: &str = "token:";

/// A token shorter than this can be guessed by somebody with patience.
const SHORT_BYTES: usize = 16;

/// One line: a token, and who comes in by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub token: Digest,
    pub role: Role,
    /// Whose sessions these are that come in by this token; lines of one name share them.
    pub owner: Arc<str>,
    is_short: bool,
}

/// What is wrong with a token file. It never says what a token is.
#[derive(Debug)]
pub enum TokenFileError {
    Unreadable(io::Error),
    /// The number of the line, from 1, and what is wrong with it.
    Line(usize, String),
    Empty,
}

impl fmt::Display for TokenFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenFileError::Unreadable(error) => write!(f, "cannot be read: {error}"),
            TokenFileError::Line(number, what) => write!(f, "line {number}: {what}"),
            TokenFileError::Empty => f.write_str("there is no token in it"),
        }
    }
}

/// Reads a token file.
pub fn read(path: &Path) -> Result<Vec<Line>, TokenFileError> {
    let text = std::fs::read_to_string(path).map_err(TokenFileError::Unreadable)?;
    let lines = parse(&text)?;
    if is_open_to_others(path) {
        log::warn!(
            "{}: other users of this machine may read it",
            path.display()
        );
    }
    let short = lines.iter().filter(|line| line.is_short).count();
    if short > 0 {
        log::warn!(
            "{}: {short} of its tokens are shorter than {SHORT_BYTES} characters and can be guessed",
            path.display()
        );
    }
    Ok(lines)
}

/// Reads lines `ROLE TOKEN [NAME]`; empty ones and those that begin with `#` say nothing. Some editors put a byte order mark first.
fn parse(text: &str) -> Result<Vec<Line>, TokenFileError> {
    let mut lines: Vec<Line> = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (text, number) in text.lines().zip(1..) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let line = parse_line(text).map_err(|what| TokenFileError::Line(number, what))?;
        if lines.iter().any(|known| known.token == line.token) {
            let what = "its token is that of a line before it";
            return Err(TokenFileError::Line(number, what.to_owned()));
        }
        lines.push(line);
    }
    if lines.is_empty() {
        return Err(TokenFileError::Empty);
    }
    Ok(lines)
}

fn parse_line(text: &str) -> Result<Line, String> {
    let (role, rest) = text
        .split_once(char::is_whitespace)
        .ok_or("wanted is ROLE TOKEN [NAME]")?;
    let role = match role {
        "viewer" => Role::Viewer,
        "producer" => Role::Producer,
        "admin" => Role::Admin,
        // It is not repeated: it may be a token in the wrong place.
        _ => return Err("the role must be viewer, producer or admin".to_owned()),
    };
    let rest = rest.trim_start();
    let (token, name) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a token is made of letters, digits and signs of ASCII".to_owned());
    }
    let name = name.trim();
    if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(format!(
            "a name has at most {MAX_NAME_CHARS} characters, none of them a control character"
        ));
    }
    if name.starts_with(NAMELESS) {
        return Err(format!("a name must not begin with {NAMELESS}"));
    }
    Ok(Line::new(role, token, name))
}

impl Line {
    /// Without a name its owner is made from a hash of its token.
    pub fn new(role: Role, token: &str, name: &str) -> Line {
        let owner = match name {
            "" => format!("{NAMELESS}{}", Digest::of_owner(token).short()),
            name => name.to_owned(),
        };
        Line {
            token: Digest::of(token),
            role,
            owner: owner.into(),
            is_short: token.len() < SHORT_BYTES,
        }
    }
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_role_a_token_and_perhaps_a_name() {
        let text = "# people\r\n\nadmin  a-1\nviewer\tv-1  The wall screen \r\nproducer p-1 Ann\nproducer p-2 Ann";
        let lines = parse(text).unwrap();
        let found: Vec<(Role, &str)> = lines.iter().map(|line| (line.role, &*line.owner)).collect();
        assert!(found[0].1.starts_with("token:"), "{found:?}");
        assert_eq!(
            found[1..],
            [
                (Role::Viewer, "The wall screen"),
                (Role::Producer, "Ann"),
                (Role::Producer, "Ann")
            ]
        );
        assert_eq!(lines[0].token, Digest::of("a-1"));
        let marked = parse("\u{feff}admin a-1\n").unwrap();
        assert_eq!(marked[0].token, lines[0].token);
        let twice = parse("viewer x\nviewer y").unwrap();
        assert_ne!(twice[0].owner, twice[1].owner);
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line_and_without_the_token() {
        for (text, wanted) in [
            ("", "there is no token in it"),
            ("# nothing\n", "there is no token in it"),
            ("viewer ok\n\nsecret", "line 3: wanted is ROLE TOKEN [NAME]"),
            (
                "Viewer secret",
                "line 1: the role must be viewer, producer or admin",
            ),
            (
                "viewer ok\nsecret viewer",
                "line 2: the role must be viewer, producer or admin",
            ),
            (
                "viewer secr\u{e9}t",
                "line 1: a token is made of letters, digits and signs of ASCII",
            ),
            (
                "viewer secret\nadmin secret",
                "line 2: its token is that of a line before it",
            ),
            (
                "viewer secret token:1",
                "line 1: a name must not begin with token:",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), wanted, "{text:?}");
        }
    }
}
