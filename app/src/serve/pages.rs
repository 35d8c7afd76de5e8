//! The files that the program carries: the dashboard, and the browser client of
//! Socket.IO under the path where Socket.IO servers have it.

use pulsewheel::http::{content_type, Request, Response};

use super::answer::{private, ApiError};

/// A file of the program.
struct Asset {
    /// Without a leading slash.
    path: &'static str,
    /// With its quotes, and `W/` where it is weak.
    etag: &'static str,
    plain: &'static [u8],
    /// Where that is shorter.
    gzip: Option<&'static [u8]>,
}

// `PAGES` and `CLIENT_FILES`, both sorted by path.
include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Where the files of the Socket.IO client are.
const CLIENT_PATH: &str = "/socket.io/";

/// Where the files of the client are that are for pages of others, by their version.
const VERSIONED_PATH: &str = concat!("/client/", env!("CARGO_PKG_VERSION"), "/");

/// How the names of these files begin.
const CLIENT_FILE: &str = "pulsewheel-client";

/// Everything from this server and nothing inline; WebSockets to it are `'self'`.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

const NO_DASHBOARD: &str =
    "The dashboard is not part of this build: run `make web` and build the program again.\n";

/// Whether a path is answered by [`answer`] and not simply unknown.
pub fn is_file(path: &str) -> bool {
    path == "/" || path.starts_with(CLIENT_PATH) || page(path).is_some()
}

/// The answer to a `GET` of a file.
pub fn answer(path: &str, head: &Request) -> Response {
    if let Some(name) = path.strip_prefix(CLIENT_PATH) {
        return match find(CLIENT_FILES, name) {
            Some(asset) => send(asset, head, "public, max-age=0"),
            // What Engine.IO says of a request that is none of its own.
            None => private(Response::json(
                400,
                r#"{"code":0,"message":"Transport unknown"}"#,
            )),
        };
    }
    match page(path) {
        Some(asset) => send_page(asset, head),
        None if path == "/" => private(Response::text(200, NO_DASHBOARD)),
        None => ApiError::not_found().into(),
    }
}

/// The licences of the code in the dashboard, if that is part of the program.
pub fn dashboard_licenses() -> Option<&'static str> {
    std::str::from_utf8(page("/licenses.md")?.plain).ok()
}

fn page(path: &str) -> Option<&'static Asset> {
    if let Some(file) = path.strip_prefix(VERSIONED_PATH) {
        return find(PAGES, file).filter(|asset| asset.path.starts_with(CLIENT_FILE));
    }
    match path.strip_prefix('/')? {
        "" => find(PAGES, "index.html"),
        path => find(PAGES, path),
    }
}

fn find(assets: &'static [Asset], path: &str) -> Option<&'static Asset> {
    assets.iter().find(|asset| asset.path == path)
}

fn send_page(asset: &Asset, head: &Request) -> Response {
    // The bundler puts a hash of their content into the names of these.
    let is_hashed = asset.path.starts_with("assets/");
    let caching = if is_hashed {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let response = send(asset, head, caching);
    // The client's files are for pages of others too.
    let response = if asset.path.starts_with(CLIENT_FILE) {
        response
    } else {
        response.with_header("Cross-Origin-Resource-Policy", "same-origin")
    };
    if asset.path.ends_with(".html") {
        response
            .with_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
            .with_header("Referrer-Policy", "no-referrer")
            .with_header("X-Frame-Options", "DENY")
    } else {
        response
    }
}

fn send(asset: &Asset, head: &Request, caching: &'static str) -> Response {
    let response = if head.knows(asset.etag) {
        Response::empty(304)
    } else {
        match asset.gzip.filter(|_| accepts_gzip(head)) {
            Some(bytes) => Response::new(200, content_type(asset.path), bytes)
                .with_header("Content-Encoding", "gzip"),
            None => Response::new(200, content_type(asset.path), asset.plain),
        }
    };
    response
        .with_header("ETag", asset.etag)
        .with_header("Cache-Control", caching)
        .with_header("Vary", "Accept-Encoding")
        .with_header("X-Content-Type-Options", "nosniff")
}

/// Whether `Accept-Encoding` names gzip, or everything, with a quality above 0.
fn accepts_gzip(head: &Request) -> bool {
    let quality = |name: &str| {
        let codings = head
            .header("Accept-Encoding")
            .unwrap_or_default()
            .split(',');
        codings
            .map(|coding| coding.split(';').map(str::trim))
            .find_map(|mut parts| {
                if !parts.next()?.eq_ignore_ascii_case(name) {
                    return None;
                }
                let q = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
                q.map_or(Some(1.0), |q| q.parse::<f32>().ok())
            })
    };
    quality("gzip")
        .or_else(|| quality("*"))
        .is_some_and(|quality| quality > 0.0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{get, header};
    use super::*;

    const ASSET: Asset = Asset {
        path: "assets/a.js",
        etag: "\"1.2.3\"",
        plain: b"plain text",
        gzip: Some(b"zip"),
    };

    #[test]
    fn a_file_is_compressed_for_those_who_take_it() {
        for (accepted, wanted) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("br", false),
            ("identity", false),
            ("gzip;q=nonsense", false),
            ("", false),
        ] {
            let response = send(&ASSET, &get(&[("Accept-Encoding", accepted)]), "no-cache");
            assert_eq!(response.status, 200);
            assert_eq!(
                header(&response, "Content-Encoding").is_some(),
                wanted,
                "{accepted:?}"
            );
            assert_eq!(
                &*response.body,
                if wanted { &b"zip"[..] } else { b"plain text" }
            );
            assert_eq!(
                header(&response, "Content-Type"),
                Some("application/javascript; charset=utf-8")
            );
        }
        assert_eq!(
            header(&send(&ASSET, &get(&[]), "x"), "Content-Encoding"),
            None
        );
    }

    #[test]
    fn who_has_the_file_is_told_so() {
        for tags in ["\"1.2.3\"", "W/\"1.2.3\"", "\"0\", W/\"1.2.3\"", "*"] {
            let response = send(&ASSET, &get(&[("If-None-Match", tags)]), "no-cache");
            assert_eq!(
                (response.status, &*response.body),
                (304, &b""[..]),
                "{tags}"
            );
            assert_eq!(header(&response, "ETag"), Some("\"1.2.3\""));
        }
        for tags in ["\"1.2\"", "1.2.3", ""] {
            assert_eq!(
                send(&ASSET, &get(&[("If-None-Match", tags)]), "no-cache").status,
                200,
                "{tags}"
            );
        }
    }

    #[test]
    fn hashed_files_are_kept_for_long_and_pages_are_asked_for_again() {
        let response = send_page(&ASSET, &get(&[]));
        assert!(header(&response, "Cache-Control")
            .unwrap()
            .contains("immutable"));
        let page = Asset {
            path: "index.html",
            ..ASSET
        };
        let response = send_page(&page, &get(&[]));
        assert_eq!(header(&response, "Cache-Control"), Some("no-cache"));
        assert!(header(&response, "Content-Security-Policy")
            .unwrap()
            .starts_with("default-src 'self'"));
    }

    #[test]
    fn client_files_are_served_under_their_version_and_no_others() {
        let is_built = page("/pulsewheel-client.js").is_some();
        let versioned = |file: &str| page(&format!("{VERSIONED_PATH}{file}")).is_some();
        assert_eq!(versioned("pulsewheel-client.js"), is_built);
        assert!(!versioned("index.html"));
        assert!(!is_file("/client/0.0.0/pulsewheel-client.js"));
    }

    #[test]
    fn the_root_always_has_an_answer_and_other_names_none() {
        assert!(is_file("/") && !is_file("/nothing") && !is_file("/../Cargo.toml") && !is_file(""));
        assert_eq!(answer("/", &get(&[])).status, 200);
        assert_eq!(answer("/nothing", &get(&[])).status, 404);
        let response = answer("/socket.io/nothing.js", &get(&[]));
        assert_eq!(
            (response.status, &*response.body),
            (400, &br#"{"code":0,"message":"Transport unknown"}"#[..])
        );
    }
}
