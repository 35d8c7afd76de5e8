//! What is served as a file: its type, its version, and the way to it.

use super::query::hex_digit;
use super::{Request, Response, ResponseBody};

/// The `Content-Type` that the extension of a name stands for; `application/octet-stream` where it is not known.
pub fn content_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "js" | "mjs" => "application/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "md" | "txt" => "text/plain; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// The way to a file below some folder, from a path as it was sent, without its leading slash; `None` where it may lead
/// elsewhere.
///
/// Escapes are decoded. Refused are empty names and those that begin with a dot, `.` and `..` among them, so that hidden files stay
/// hidden; slashes and backslashes that were escaped, control characters, colons, and what is no UTF-8. A slash at the end, and an
/// empty path, stand for the folder itself.
pub fn safe_path(path: &str) -> Option<String> {
    let folder = path.strip_suffix('/').unwrap_or(path);
    let mut safe = String::with_capacity(path.len());
    if path.is_empty() {
        return Some(safe);
    }
    for name in folder.split('/') {
        let name = decode(name)?;
        let is_bad = |letter: char| matches!(letter, '/' | '\\' | ':') || letter.is_control();
        if name.is_empty() || name.starts_with('.') || name.contains(is_bad) {
            return None;
        }
        if !safe.is_empty() {
            safe.push('/');
        }
        safe.push_str(&name);
    }
    if folder.len() < path.len() {
        safe.push('/');
    }
    Some(safe)
}

/// A name with its escapes decoded; a plus stays one. `None` for an escape that is none, and for what is no UTF-8.
fn decode(name: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(name.len());
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

impl Request {
    /// Whether its sender has the version of this tag already, by `If-None-Match`. Tags are compared weakly (RFC 9110 section 13.1.2).
    pub fn knows(&self, etag: &str) -> bool {
        let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let lists = self.headers.iter();
        lists
            .filter(|(name, _)| name.eq_ignore_ascii_case("If-None-Match"))
            .flat_map(|(_, tags)| tags.split(','))
            .any(|tag| tag.trim() == "*" || strong(tag) == strong(etag))
    }
}

impl Response {
    /// Adds an `ETag`, quotes included, and leaves out the body where the request's sender has that version: 304 in place of 200.
    pub fn unless_known(self, request: &Request, etag: impl Into<String>) -> Response {
        let etag = etag.into();
        let is_known = self.status == 200 && request.knows(&etag);
        let mut response = self.with_header("ETag", etag);
        if is_known {
            response.status = 304;
            response.body = ResponseBody::default();
            // They are about the body.
            let is_about_body = |name: &str| name.eq_ignore_ascii_case("Content-Type");
            response.headers.retain(|(name, _)| !is_about_body(name));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::{parse_head, HeadLimits, Parsed};

    fn get(fields: &str) -> Request {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        match parse_head(bytes.as_bytes(), &HeadLimits::default()) {
            Ok(Parsed::Complete { head, .. }) => Request::from(&head),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_path_leads_to_a_file_below_the_folder_or_nowhere() {
        for (path, way) in [
            ("", Some("")),
            ("a.js", Some("a.js")),
            ("a/b%20c/d%C3%BC+.txt", Some("a/b c/dü+.txt")),
            ("a/", Some("a/")),
            ("..", None),
            ("../a", None),
            ("a/../b", None),
            ("a/%2e%2e/b", None),
            ("a/%2E./b", None),
            ("./a", None),
            (".env", None),
            ("a/.git/config", None),
            ("a//b", None),
            ("/etc/passwd", None),
            ("/", None),
            ("a%2f..%2fb", None),
            ("a%5c..%5cb", None),
            ("a\\b", None),
            ("c:/a", None),
            ("a%00.js", None),
            ("a%0a", None),
            ("a%", None),
            ("a%4", None),
            ("a%zz", None),
            ("%ff", None),
            ("a%252e", Some("a%2e")),
        ] {
            assert_eq!(safe_path(path).as_deref(), way, "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leads_out_of_the_folder(path in "([a.]|%2e|%2F|%5C|%00|/|\\\\|:){0,12}") {
            if let Some(way) = safe_path(&path) {
                let mut names = way.split('/').peekable();
                while let Some(name) = names.next() {
                    let is_end = name.is_empty() && names.peek().is_none();
                    prop_assert!(is_end || !name.starts_with('.') && !name.is_empty(), "{}", way);
                }
                prop_assert!(!way.contains(['\\', '\0', ':']) && !way.starts_with('/'));
            }
        }
    }

    #[test]
    fn who_has_a_version_gets_no_body_and_the_same_tag() {
        let page = || Response::html(200, "hello").with_header("Cache-Control", "no-cache");
        for fields in [
            "If-None-Match: \"1\"\r\n",
            "If-None-Match: W/\"1\"\r\n",
            "if-none-match: \"0\", W/\"1\" , \"2\"\r\n",
            "If-None-Match: \"0\"\r\nIf-None-Match: \"1\"\r\n",
            "If-None-Match: *\r\n",
        ] {
            let response = page().unless_known(&get(fields), "W/\"1\"");
            assert_eq!((response.status, response.body.len()), (304, 0), "{fields}");
            let names: Vec<_> = response.headers.iter().map(|(name, _)| &**name).collect();
            assert_eq!(names, ["Cache-Control", "ETag"]);
        }
        for fields in [
            "",
            "If-None-Match: 1\r\n",
            "If-None-Match: \"10\", \"\"\r\n",
        ] {
            let response = page().unless_known(&get(fields), "\"1\"");
            assert_eq!((response.status, &*response.body), (200, &b"hello"[..]));
        }
        let missing = Response::text(404, "no").unless_known(&get("If-None-Match: *\r\n"), "\"1\"");
        assert_eq!(missing.status, 404);
    }

    #[test]
    fn the_extension_says_the_type_whatever_its_letter_case() {
        for (name, wanted) in [
            ("a/index.html", "text/html; charset=utf-8"),
            ("A.PNG", "image/png"),
            ("a.min.js", "application/javascript; charset=utf-8"),
            ("noextension", "application/octet-stream"),
            ("a.exe", "application/octet-stream"),
            ("html", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name), wanted);
        }
    }
}
