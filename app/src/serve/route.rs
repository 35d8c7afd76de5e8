//! Which request means what, by method and path alone.

use pulsewheel::http::{Method, Response};
use pulsewheel::progress::session_id_argument;
use uuid::Uuid;

use super::answer::{private, ApiError};
use super::export::ExportFormat;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Only which methods there are.
    Options(Allow),
    Health,
    ListSessions,
    ReadSession(Uuid),
    /// What the caller may do.
    WhoAmI,
    Login,
    Logout,
    /// Takes back what was shared by this id.
    Unshare(Uuid, u64),
    DeleteSession(Uuid),
    /// A verb with a JSON body.
    Verb(Verb),
    Import,
    ListImports,
    ReadImport(i64),
    UndoImport(i64),
    /// Sessions that have ended.
    ListHistory,
    /// The changes of a session.
    ReadHistory(Uuid),
    ListAlerts,
    /// What the loop has counted.
    Figures,
    ListFindings,
    ExportFindings(ExportFormat),
    Statistics,
    /// A file: of the dashboard, or of the Socket.IO client.
    File,
}

/// A verb whose arguments are a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Exchange a token for a cookie, which is `secure` where the page was loaded by TLS.
    Login {
        is_secure: bool,
    },
    CreateSession,
    Share(Uuid),
    UpdateProgress(Uuid),
    Complete(Uuid),
    Fail(Uuid),
    Cancel(Uuid),
    DataUpdated,
    SystemAlert,
}

/// The methods of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allow {
    get: bool,
    post: bool,
    delete: bool,
}

/// What the methods of a path mean.
#[derive(Default)]
struct Resource {
    get: Option<Route>,
    post: Option<Route>,
    delete: Option<Route>,
}

impl Allow {
    /// The value of the header `Allow`.
    pub fn header(self) -> String {
        let methods = [
            (self.get, "GET, HEAD"),
            (self.post, "POST"),
            (self.delete, "DELETE"),
            (true, "OPTIONS"),
        ];
        let named: Vec<&str> = methods
            .iter()
            .filter(|(has, _)| *has)
            .map(|(_, name)| *name)
            .collect();
        named.join(", ")
    }
}

/// Finds the route of a request; `is_file` knows the paths of files. Paths are
/// compared as they were sent.
///
/// # Errors
/// The answer to a request that has none.
pub fn route(
    method: Method,
    path: &str,
    is_file: impl Fn(&str) -> bool,
) -> Result<Route, Response> {
    let everything = Allow {
        get: true,
        post: true,
        delete: true,
    };
    if path == "*" {
        return Ok(Route::Options(everything));
    }
    let resource = resource(path, is_file)?;
    let allow = Allow {
        get: resource.get.is_some(),
        post: resource.post.is_some(),
        delete: resource.delete.is_some(),
    };
    let found = match method {
        Method::Get | Method::Head => resource.get,
        Method::Post => resource.post,
        Method::Delete => resource.delete,
        Method::Options => Some(Route::Options(allow)),
        _ => None,
    };
    found.ok_or_else(|| method_not_allowed(allow))
}

fn resource(path: &str, is_file: impl Fn(&str) -> bool) -> Result<Resource, ApiError> {
    let get = |route| Resource {
        get: Some(route),
        ..Resource::default()
    };
    let post = |route| Resource {
        post: Some(route),
        ..Resource::default()
    };
    let mut parts = path.split('/').skip(1);
    let parts = [(); 6].map(|()| parts.next());
    let resource = match parts {
        [Some("healthz"), None, ..] => get(Route::Health),
        [Some("api"), Some("login"), None, ..] => post(Route::Login),
        [Some("api"), Some("logout"), None, ..] => post(Route::Logout),
        [Some("api"), Some("whoami"), None, ..] => get(Route::WhoAmI),
        [Some("api"), Some("sessions"), None, ..] => Resource {
            get: Some(Route::ListSessions),
            ..post(Route::Verb(Verb::CreateSession))
        },
        [Some("api"), Some("sessions"), Some(id), None, ..] if !id.is_empty() => {
            let id = session_id_argument(id)?;
            Resource {
                delete: Some(Route::DeleteSession(id)),
                ..get(Route::ReadSession(id))
            }
        }
        [Some("api"), Some("sessions"), Some(id), Some("share"), Some(share), None] => Resource {
            delete: Some(Route::Unshare(session_id_argument(id)?, share_id(share)?)),
            ..Resource::default()
        },
        [Some("api"), Some("sessions"), Some(id), Some(name), None, _] => {
            let verb = match name {
                "progress" => Verb::UpdateProgress,
                "complete" => Verb::Complete,
                "error" => Verb::Fail,
                "cancel" => Verb::Cancel,
                "share" => Verb::Share,
                _ => return Err(ApiError::not_found()),
            };
            post(Route::Verb(verb(session_id_argument(id)?)))
        }
        [Some("api"), Some("events"), Some("data_updated"), None, ..] => {
            post(Route::Verb(Verb::DataUpdated))
        }
        [Some("api"), Some("events"), Some("system_alert"), None, ..] => {
            post(Route::Verb(Verb::SystemAlert))
        }
        [Some("api"), Some("history"), None, ..] => get(Route::ListHistory),
        [Some("api"), Some("history"), Some(id), None, ..] if !id.is_empty() => {
            get(Route::ReadHistory(session_id_argument(id)?))
        }
        [Some("api"), Some("alerts"), None, ..] => get(Route::ListAlerts),
        [Some("api"), Some("stats"), None, ..] => get(Route::Figures),
        [Some("api"), Some("vulnerabilities"), None, ..] => get(Route::ListFindings),
        [Some("api"), Some("vulnerabilities"), Some("import"), None, ..] => post(Route::Import),
        [Some("api"), Some("vulnerabilities"), Some("stats"), None, ..] => get(Route::Statistics),
        [Some("api"), Some("vulnerabilities.csv"), None, ..] => {
            get(Route::ExportFindings(ExportFormat::Csv))
        }
        [Some("api"), Some("vulnerabilities.json"), None, ..] => {
            get(Route::ExportFindings(ExportFormat::Json))
        }
        [Some("api"), Some("imports"), None, ..] => get(Route::ListImports),
        [Some("api"), Some("imports"), Some(id), None, ..] => {
            let id = import_id(id)?;
            Resource {
                delete: Some(Route::UndoImport(id)),
                ..get(Route::ReadImport(id))
            }
        }
        _ if is_file(path) => get(Route::File),
        _ => return Err(ApiError::not_found()),
    };
    Ok(resource)
}

impl Verb {
    /// Whether what it does has to be written down before it is answered.
    pub fn has_to_last(self) -> bool {
        match self {
            Verb::CreateSession
            | Verb::Share(_)
            | Verb::Complete(_)
            | Verb::Fail(_)
            | Verb::Cancel(_)
            | Verb::SystemAlert => true,
            Verb::Login { .. } | Verb::UpdateProgress(_) | Verb::DataUpdated => false,
        }
    }

    /// The session that it changes.
    pub fn session(self) -> Option<Uuid> {
        match self {
            Verb::UpdateProgress(id)
            | Verb::Complete(id)
            | Verb::Fail(id)
            | Verb::Cancel(id)
            | Verb::Share(id) => Some(id),
            Verb::Login { .. } | Verb::CreateSession | Verb::DataUpdated | Verb::SystemAlert => {
                None
            }
        }
    }
}

impl Route {
    /// Whether the request changes something, so that a foreign page must not
    /// be able to send it.
    pub fn changes_state(&self) -> bool {
        matches!(
            self,
            Route::DeleteSession(_)
                | Route::Verb(_)
                | Route::Import
                | Route::UndoImport(_)
                | Route::Login
                | Route::Logout
                | Route::Unshare(..)
        )
    }

    /// Whether what it does to sessions has to be written down before it is answered.
    pub fn has_to_last(&self) -> bool {
        match self {
            Route::DeleteSession(_) | Route::Unshare(..) | Route::Import => true,
            Route::Verb(verb) => verb.has_to_last(),
            _ => false,
        }
    }
}

/// A share's id as it is given out: sixteen digits in hexadecimal.
fn share_id(text: &str) -> Result<u64, ApiError> {
    let id = u64::from_str_radix(text, 16).ok();
    id.filter(|id| format!("{id:016x}") == text)
        .ok_or_else(|| ApiError::new(404, "NOT_FOUND", "there is no such share"))
}

fn import_id(text: &str) -> Result<i64, ApiError> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let id = text.parse().ok().filter(|_| is_number);
    id.ok_or_else(|| ApiError::invalid("the number of an import is a whole number"))
}

fn method_not_allowed(allow: Allow) -> Response {
    let methods = allow.header();
    let error = ApiError::new(
        405,
        "METHOD_NOT_ALLOWED",
        format!("this path allows {methods}"),
    );
    Response::from(error).with_header("Allow", methods)
}

/// The answer to `OPTIONS`, but for those of browsers that ask for a page of another site.
pub fn options(allow: Allow) -> Response {
    private(Response::empty(204)).with_header("Allow", allow.header())
}

#[cfg(test)]
mod tests {
    use super::super::testing::header;
    use super::*;

    const ID: &str = "1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b";

    fn find(method: Method, path: &str) -> Result<Route, Response> {
        let path = path.replace("{id}", ID);
        route(method, &path, |path| {
            ["/", "/assets/a.js", "/socket.io/socket.io.js"].contains(&path)
        })
    }

    #[test]
    fn every_documented_request_has_its_route() {
        let id = Uuid::try_parse(ID).unwrap();
        for (method, path, wanted) in [
            (
                Method::Post,
                "/api/sessions",
                Route::Verb(Verb::CreateSession),
            ),
            (Method::Get, "/api/sessions", Route::ListSessions),
            (Method::Get, "/api/sessions/{id}", Route::ReadSession(id)),
            (
                Method::Delete,
                "/api/sessions/{id}",
                Route::DeleteSession(id),
            ),
            (
                Method::Post,
                "/api/sessions/{id}/progress",
                Route::Verb(Verb::UpdateProgress(id)),
            ),
            (
                Method::Post,
                "/api/sessions/{id}/complete",
                Route::Verb(Verb::Complete(id)),
            ),
            (
                Method::Post,
                "/api/sessions/{id}/error",
                Route::Verb(Verb::Fail(id)),
            ),
            (
                Method::Post,
                "/api/sessions/{id}/cancel",
                Route::Verb(Verb::Cancel(id)),
            ),
            (
                Method::Post,
                "/api/events/data_updated",
                Route::Verb(Verb::DataUpdated),
            ),
            (
                Method::Post,
                "/api/events/system_alert",
                Route::Verb(Verb::SystemAlert),
            ),
            (Method::Post, "/api/vulnerabilities/import", Route::Import),
            (Method::Get, "/api/history", Route::ListHistory),
            (Method::Get, "/api/history/{id}", Route::ReadHistory(id)),
            (Method::Get, "/api/alerts", Route::ListAlerts),
            (Method::Get, "/api/stats", Route::Figures),
            (Method::Get, "/api/imports", Route::ListImports),
            (Method::Get, "/api/vulnerabilities", Route::ListFindings),
            (Method::Get, "/healthz", Route::Health),
            (Method::Head, "/healthz", Route::Health),
            (Method::Get, "/", Route::File),
            (Method::Get, "/assets/a.js", Route::File),
            (Method::Get, "/socket.io/socket.io.js", Route::File),
        ] {
            assert_eq!(find(method, path), Ok(wanted), "{path}");
        }
        let upper = format!("/api/sessions/{}", ID.to_uppercase());
        assert_eq!(find(Method::Get, &upper), Ok(Route::ReadSession(id)));
    }

    #[test]
    fn unknown_paths_are_not_found_by_any_method() {
        for path in [
            "/nothing",
            "//api/sessions",
            "/api",
            "/api/",
            "/api/nothing",
            "/api/sessions/",
            "/api/sessions/{id}/",
            "/api/sessions/{id}/pause",
            "/api/sessions/{id}/cancel/now",
            "/api/events",
            "/api/events/import_complete",
            "/api/vulnerabilities/",
            "/api/vulnerabilities/import/x",
        ] {
            for method in [Method::Get, Method::Post, Method::Options, Method::Other] {
                assert_eq!(find(method, path).unwrap_err().status, 404, "{path}");
            }
        }
    }

    #[test]
    fn ids_that_are_none_are_invalid() {
        for path in [
            "/api/sessions/7",
            "/api/sessions//cancel",
            "/api/sessions/%20/progress",
        ] {
            assert_eq!(find(Method::Post, path).unwrap_err().status, 400, "{path}");
        }
    }

    #[test]
    fn other_methods_are_told_which_there_are() {
        for (method, path, wanted) in [
            (Method::Delete, "/api/sessions", "GET, HEAD, POST, OPTIONS"),
            (
                Method::Post,
                "/api/sessions/{id}",
                "GET, HEAD, DELETE, OPTIONS",
            ),
            (Method::Get, "/api/sessions/{id}/cancel", "POST, OPTIONS"),
            (Method::Head, "/api/vulnerabilities/import", "POST, OPTIONS"),
            (Method::Other, "/", "GET, HEAD, OPTIONS"),
            (Method::Post, "/healthz", "GET, HEAD, OPTIONS"),
            (Method::Delete, "/api/history/{id}", "GET, HEAD, OPTIONS"),
            (Method::Post, "/api/alerts", "GET, HEAD, OPTIONS"),
        ] {
            let response = find(method, path).unwrap_err();
            assert_eq!(
                (response.status, header(&response, "Allow")),
                (405, Some(wanted)),
                "{path}"
            );
        }
    }

    #[test]
    fn options_tell_the_same() {
        for (path, wanted) in [
            ("/api/imports", "GET, HEAD, OPTIONS"),
            ("/api/vulnerabilities/import", "POST, OPTIONS"),
            ("*", "GET, HEAD, POST, DELETE, OPTIONS"),
        ] {
            let Ok(Route::Options(allow)) = find(Method::Options, path) else {
                panic!("{path}");
            };
            assert_eq!(header(&options(allow), "Allow"), Some(wanted), "{path}");
        }
    }

    #[test]
    fn only_reading_is_free_for_foreign_pages() {
        for path in [
            "/",
            "/healthz",
            "/api/sessions",
            "/api/imports",
            "/api/history",
            "/api/alerts",
            "/api/stats",
            "/api/vulnerabilities",
        ] {
            assert!(!find(Method::Get, path).unwrap().changes_state(), "{path}");
        }
        for path in [
            "/api/sessions",
            "/api/sessions/{id}/cancel",
            "/api/vulnerabilities/import",
            "/api/events/system_alert",
        ] {
            assert!(find(Method::Post, path).unwrap().changes_state(), "{path}");
        }
        assert!(find(Method::Delete, "/api/sessions/{id}")
            .unwrap()
            .changes_state());
    }
}
