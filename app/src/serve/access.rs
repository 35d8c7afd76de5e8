//! Who may send what: the checks of `Host` and `Origin`, and what pages of other sites may read.

use pulsewheel::http::{is_allowed_host, same_origin, Cors, Field, Method, Request};

use super::answer::ApiError;

/// Refuses a request that is addressed to another host: a page whose own name was
/// made to point here would otherwise read and write as if it were ours.
pub fn check_host(head: &Request, allowed: &[String]) -> Result<(), ApiError> {
    match &head.host {
        // Only HTTP/1.0 may leave it out, and no browser speaks that.
        None => Ok(()),
        Some(host) if is_allowed_host(host, allowed) => Ok(()),
        Some(_) => Err(ApiError::forbidden(
            "this server does not go by that Host; start it with --allowed-host NAME to let a name in",
        )),
    }
}

/// Refuses a request that changes something and comes from a page of another
/// site, unless that is one of `allowed`. Programs that are no browsers send no `Origin`.
pub fn check_origin(head: &Request, allowed: &[String]) -> Result<(), ApiError> {
    for origin in origins(head) {
        let host = head.host.as_deref();
        let is_ours = host.is_some_and(|host| same_origin(origin, host));
        if !is_ours && !is_listed(origin, allowed) {
            return Err(ApiError::forbidden(
                "pages of other sites may not change anything here",
            ));
        }
    }
    Ok(())
}

/// Refuses to tell anything of the interface to a page of another site, unless that is one of `allowed`.
pub fn check_site(head: &Request, allowed: &[String]) -> Result<(), ApiError> {
    match is_api(head) {
        true => check_fetcher(head, allowed),
        false => Ok(()),
    }
}

/// Refuses a page of another site, whatever it asks for. Browsers say so where they fetch for such a page, also without an
/// `Origin`; programs that are no browsers do not.
pub fn check_fetcher(head: &Request, allowed: &[String]) -> Result<(), ApiError> {
    let is_foreign = head
        .header("Sec-Fetch-Site")
        .is_some_and(|site| site.eq_ignore_ascii_case("cross-site"));
    let mut origins = origins(head).peekable();
    let is_named = origins.peek().is_some();
    let is_allowed = is_named && origins.all(|origin| is_listed(origin, allowed));
    if is_foreign && !is_allowed {
        return Err(ApiError::forbidden(
            "pages of other sites may not read anything here",
        ));
    }
    Ok(())
}

/// Whether a browser asks if a page of another site may send a request of the interface.
pub fn is_preflight(head: &Request) -> bool {
    let asks = head.header("Access-Control-Request-Method").is_some();
    head.method == Method::Options && asks && is_api(head)
}

/// What the answer to a request of the interface says of who may read it.
pub fn cors_fields(head: &Request, cors: &Cors) -> Vec<Field> {
    let origin = head.header("Origin");
    let mut fields = if is_preflight(head) {
        cors.preflight_fields(origin, head.header("Access-Control-Request-Headers"))
    } else if is_api(head) {
        cors.answer_fields(origin)
    } else {
        Vec::new()
    };
    let is_let_in = fields
        .iter()
        .any(|(name, _)| name == "Access-Control-Allow-Origin");
    // Others are told nothing but that it depends on who asks.
    fields.retain(|(name, _)| is_let_in || name == "Vary");
    fields
}

fn is_api(head: &Request) -> bool {
    head.path.starts_with("/api/")
}

fn origins(head: &Request) -> impl Iterator<Item = &str> {
    let fields = head.headers.iter();
    fields
        .filter(|(name, _)| name.eq_ignore_ascii_case("origin"))
        .map(|(_, origin)| origin.as_str())
}

fn is_listed(origin: &str, allowed: &[String]) -> bool {
    allowed
        .iter()
        .any(|listed| listed.eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use super::super::testing::get;
    use super::*;

    fn request(host: Option<&str>, origins: &[&str]) -> Request {
        let headers: Vec<(&str, &str)> = origins.iter().map(|origin| ("Origin", *origin)).collect();
        Request {
            host: host.map(str::to_owned),
            ..get(&headers)
        }
    }

    #[test]
    fn foreign_names_are_refused() {
        let allowed = ["scans.example".to_owned()];
        for (host, wanted) in [
            (Some("localhost:8988"), true),
            (Some("SCANS.example"), true),
            (Some("evil.example"), false),
            (Some("127.0.0.1.evil.example"), false),
            (None, true),
        ] {
            assert_eq!(
                check_host(&request(host, &[]), &allowed).is_ok(),
                wanted,
                "{host:?}"
            );
        }
    }

    #[test]
    fn a_browser_that_fetches_for_a_foreign_page_is_told_nothing() {
        let allowed = ["https://app.example".to_owned()];
        let app = Some("https://app.example");
        for (path, site, origin, wanted) in [
            ("/api/sessions", Some("cross-site"), None, false),
            (
                "/api/sessions",
                Some("cross-site"),
                Some("https://evil.example"),
                false,
            ),
            ("/api/sessions", Some("cross-site"), app, true),
            ("/api/sessions", Some("same-origin"), None, true),
            ("/api/sessions", Some("none"), None, true),
            ("/api/sessions", None, None, true),
            // A link to the page.
            ("/", Some("cross-site"), None, true),
        ] {
            let site = site.map(|site| ("Sec-Fetch-Site", site));
            let origin = origin.map(|origin| ("Origin", origin));
            let headers: Vec<(&str, &str)> = site.into_iter().chain(origin).collect();
            let head = Request {
                path: path.to_owned(),
                ..get(&headers)
            };
            assert_eq!(check_site(&head, &allowed).is_ok(), wanted, "{headers:?}");
        }
    }

    #[test]
    fn pages_that_were_let_in_read_answers_and_may_ask_before() {
        let cors = Cors {
            exposed_headers: Some("Retry-After".to_owned()),
            ..Cors::list(["https://app.example"])
        };
        let asks = ("Access-Control-Request-Method", "DELETE");
        let answer = "Access-Control-Allow-Origin";
        let preflight = "Access-Control-Allow-Methods";
        let exposed = "Access-Control-Expose-Headers";
        for (method, path, origin, names) in [
            (
                Method::Get,
                "/api/sessions",
                "https://app.example",
                &[answer, "Vary", exposed][..],
            ),
            (
                Method::Get,
                "/api/nothing",
                "https://evil.example",
                &["Vary"],
            ),
            (Method::Get, "/healthz", "https://app.example", &[]),
            (
                Method::Options,
                "/api/sessions/a",
                "https://app.example",
                &[answer, "Vary", exposed, preflight],
            ),
            (Method::Options, "/api/sessions/a", "null", &["Vary"]),
            (Method::Options, "/", "https://app.example", &[]),
        ] {
            let head = Request {
                method,
                path: path.to_owned(),
                ..get(&[("Origin", origin), asks])
            };
            let fields = cors_fields(&head, &cors);
            let got: Vec<&str> = fields.iter().map(|(name, _)| &**name).collect();
            assert_eq!(got, names, "{method:?} {path} {origin}");
        }
    }

    #[test]
    fn foreign_pages_are_refused() {
        for (host, origins, wanted) in [
            (Some("localhost:1"), &[][..], true),
            (Some("localhost:1"), &["http://localhost:1"], true),
            (Some("localhost:1"), &["http://localhost:2"], false),
            (
                Some("localhost:1"),
                &["http://localhost:1", "http://evil.example"],
                false,
            ),
            (Some("localhost:1"), &["null"], false),
            (None, &["http://localhost:1"], false),
            (Some("localhost:1"), &["https://app.example"], true),
            (Some("localhost:1"), &["https://app.example:81"], false),
            (
                Some("localhost:1"),
                &["https://app.example", "http://evil.example"],
                false,
            ),
        ] {
            let allowed = ["https://app.example".to_owned()];
            assert_eq!(
                check_origin(&request(host, origins), &allowed).is_ok(),
                wanted,
                "{host:?} {origins:?}"
            );
        }
    }
}
