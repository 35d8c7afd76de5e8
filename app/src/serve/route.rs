//! Which request means what, by method and path alone.

use pulsewheel::http::Method;

use super::answer::ApiError;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// Only which methods there are.
    Options(Allow),
    Health,
    ListSessions,
    ReadSession(&'a str),
    DeleteSession(&'a str),
    /// A verb with a JSON body.
    Verb(Verb<'a>),
    Import,
    ListImports,
    ListFindings,
    /// A file: of the dashboard, or of the Socket.IO client.
    File(&'a str),
}

/// A verb whose arguments are a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb<'a> {
    CreateSession,
    UpdateProgress(&'a str),
    Complete(&'a str),
    Fail(&'a str),
    Cancel(&'a str),
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

/// Why there is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    NotFound,
    MethodNotAllowed(Allow),
}

const GET: Allow = Allow { get: true, post: false, delete: false };
const POST: Allow = Allow { get: false, post: true, delete: false };

impl Allow {
    /// The value of the header `Allow`.
    pub fn header(self) -> String {
        let methods = [(self.get, "GET, HEAD"), (self.post, "POST"), (self.delete, "DELETE"), (true, "OPTIONS")];
        let named: Vec<&str> = methods.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
        named.join(", ")
    }
}

impl NoRoute {
    pub fn error(self) -> ApiError {
        match self {
            NoRoute::NotFound => ApiError::not_found(),
            NoRoute::MethodNotAllowed(allow) => {
                let message = format!("this path allows {}", allow.header());
                ApiError::new(405, "METHOD_NOT_ALLOWED", message)
            }
        }
    }
}

/// Finds the route of a request. Paths are compared as they were sent.
pub fn route(method: Method, path: &str) -> Result<Route<'_>, NoRoute> {
    // Of a path: what its methods mean.
    struct Resource<'a> {
        get: Option<Route<'a>>,
        post: Option<Route<'a>>,
        delete: Option<Route<'a>>,
    }
    let only_get = |route| Resource { get: Some(route), post: None, delete: None };
    let only_post = |route| Resource { get: None, post: Some(route), delete: None };
    let verb = |verb| only_post(Route::Verb(verb));
    let mut parts = path.strip_prefix('/').unwrap_or(path).split('/');
    let parts = [(); 5].map(|()| parts.next());
    let resource = match parts {
        [Some("healthz"), None, ..] => only_get(Route::Health),
        [Some("api"), rest @ ..] => match rest {
            [Some("sessions"), None, ..] => Resource {
                get: Some(Route::ListSessions),
                post: Some(Route::Verb(Verb::CreateSession)),
                delete: None,
            },
            [Some("sessions"), Some(id), None, _] if !id.is_empty() => Resource {
                get: Some(Route::ReadSession(id)),
                post: None,
                delete: Some(Route::DeleteSession(id)),
            },
            [Some("sessions"), Some(id), Some(name), None] if !id.is_empty() => match name {
                "progress" => verb(Verb::UpdateProgress(id)),
                "complete" => verb(Verb::Complete(id)),
                "error" => verb(Verb::Fail(id)),
                "cancel" => verb(Verb::Cancel(id)),
                _ => return Err(NoRoute::NotFound),
            },
            [Some("events"), Some("data_updated"), None, _] => verb(Verb::DataUpdated),
            [Some("events"), Some("system_alert"), None, _] => verb(Verb::SystemAlert),
            [Some("vulnerabilities"), None, ..] => only_get(Route::ListFindings),
            [Some("vulnerabilities"), Some("import"), None, _] => only_post(Route::Import),
            [Some("imports"), None, ..] => only_get(Route::ListImports),
            _ => return Err(NoRoute::NotFound),
        },
        _ => only_get(Route::File(path)),
    };
    let allow = Allow {
        get: resource.get.is_some(),
        post: resource.post.is_some(),
        delete: resource.delete.is_some(),
    };
    let found = match method {
        Method::Get | Method::Head => resource.get,
        Method::Post => resource.post,
        Method::Delete => resource.delete,
        Method::Options if path == "*" => Some(Route::Options(Allow { get: true, post: true, delete: true })),
        Method::Options => Some(Route::Options(allow)),
        _ => None,
    };
    found.ok_or(NoRoute::MethodNotAllowed(allow))
}

impl Route<'_> {
    /// Whether the request changes something, so that a foreign page must not
    /// be able to send it.
    pub fn changes_state(&self) -> bool {
        matches!(self, Route::DeleteSession(_) | Route::Verb(_) | Route::Import)
    }
}

/// What a path that holds no route for files allows.
pub fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_request_has_its_route() {
        for (method, path, wanted) in [
            (Method::Post, "/api/sessions", Route::Verb(Verb::CreateSession)),
            (Method::Get, "/api/sessions", Route::ListSessions),
            (Method::Get, "/api/sessions/x", Route::ReadSession("x")),
            (Method::Delete, "/api/sessions/x", Route::DeleteSession("x")),
            (Method::Post, "/api/sessions/x/progress", Route::Verb(Verb::UpdateProgress("x"))),
            (Method::Post, "/api/sessions/x/complete", Route::Verb(Verb::Complete("x"))),
            (Method::Post, "/api/sessions/x/error", Route::Verb(Verb::Fail("x"))),
            (Method::Post, "/api/sessions/x/cancel", Route::Verb(Verb::Cancel("x"))),
            (Method::Post, "/api/events/data_updated", Route::Verb(Verb::DataUpdated)),
            (Method::Post, "/api/events/system_alert", Route::Verb(Verb::SystemAlert)),
            (Method::Post, "/api/vulnerabilities/import", Route::Import),
            (Method::Get, "/api/imports", Route::ListImports),
            (Method::Get, "/api/vulnerabilities", Route::ListFindings),
            (Method::Get, "/healthz", Route::Health),
            (Method::Head, "/healthz", Route::Health),
            (Method::Get, "/", Route::File("/")),
            (Method::Get, "/assets/a.js", Route::File("/assets/a.js")),
            (Method::Get, "/socket.io/socket.io.js", Route::File("/socket.io/socket.io.js")),
        ] {
            assert_eq!(route(method, path), Ok(wanted), "{path}");
        }
    }

    #[test]
    fn unknown_paths_of_the_interface_are_not_found_by_any_method() {
        for path in [
            "/api",
            "/api/",
            "/api/nothing",
            "/api/sessions/",
            "/api/sessions/x/",
            "/api/sessions/x/pause",
            "/api/sessions/x/cancel/now",
            "/api/events",
            "/api/events/import_complete",
            "/api/vulnerabilities/",
            "/api/vulnerabilities/import/x",
        ] {
            for method in [Method::Get, Method::Post, Method::Options, Method::Other] {
                assert_eq!(route(method, path), Err(NoRoute::NotFound), "{path}");
            }
        }
    }

    #[test]
    fn other_methods_are_told_which_there_are() {
        let allow = |method, path| match route(method, path) {
            Err(NoRoute::MethodNotAllowed(allow)) => allow.header(),
            other => panic!("{path}: {other:?}"),
        };
        assert_eq!(allow(Method::Delete, "/api/sessions"), "GET, HEAD, POST, OPTIONS");
        assert_eq!(allow(Method::Post, "/api/sessions/x"), "GET, HEAD, DELETE, OPTIONS");
        assert_eq!(allow(Method::Get, "/api/sessions/x/cancel"), "POST, OPTIONS");
        assert_eq!(allow(Method::Head, "/api/vulnerabilities/import"), "POST, OPTIONS");
        assert_eq!(allow(Method::Other, "/"), "GET, HEAD, OPTIONS");
        assert_eq!(allow(Method::Post, "/healthz"), "GET, HEAD, OPTIONS");
        assert_eq!(route(Method::Options, "/api/imports"), Ok(Route::Options(GET)));
        assert_eq!(route(Method::Options, "/api/vulnerabilities/import"), Ok(Route::Options(POST)));
        assert!(matches!(route(Method::Options, "*"), Ok(Route::Options(_))));
    }

    #[test]
    fn only_reading_is_free_for_foreign_pages() {
        for path in ["/", "/healthz", "/api/sessions", "/api/imports", "/api/vulnerabilities"] {
            assert!(!route(Method::Get, path).unwrap().changes_state(), "{path}");
        }
        for path in ["/api/sessions", "/api/sessions/x/cancel", "/api/vulnerabilities/import", "/api/events/system_alert"] {
            assert!(route(Method::Post, path).unwrap().changes_state(), "{path}");
        }
        assert!(route(Method::Delete, "/api/sessions/x").unwrap().changes_state());
    }
}
