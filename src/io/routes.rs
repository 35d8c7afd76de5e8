//! Plain HTTP requests and their handlers.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::questions::Questions;
use super::{Context, Io};
use crate::http::{Framing, Method, Request, Response};
use crate::{Endpoint, Event, Files, PeerAddr, RequestId};

/// Bytes of a body that a handler gets at the most.
const MAX_BODY_BYTES: usize = 64 * 1024;
const FORBIDDEN: &str = "This is not served under this name, or not to pages of this origin.";

/// Called with what has come, and the part of the path that the `*` of the route stands for.
type Handler<S> = Box<dyn FnMut(&mut S, &mut HttpRequest<'_, S>) -> Response + Send>;

/// A plain HTTP request, as a handler of [`Io::http`] sees it.
pub struct HttpRequest<'a, S: 'static = ()> {
    endpoint: &'a mut Endpoint,
    questions: &'a mut Questions<S>,
    waiting: &'a Waiting,
    prefix_chars: usize,
}

impl<S: 'static> HttpRequest<'_, S> {
    /// Method, path, query and headers.
    pub fn head(&self) -> &Request {
        &self.waiting.head
    }

    /// Where it comes from.
    pub fn peer(&self) -> PeerAddr {
        self.waiting.peer
    }

    /// The part of the path that the `*` of the route stands for, as sent; empty for a route without one.
    pub fn rest(&self) -> &str {
        &self.waiting.head.path[self.prefix_chars..]
    }

    /// The body; empty where there is none.
    pub fn body(&self) -> &[u8] {
        &self.waiting.body
    }

    /// The body as a value of this type, read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.waiting.body)
    }

    /// The server as handlers see it: to emit, to ask, and so on.
    pub fn server(&mut self) -> Context<'_, S> {
        Context {
            endpoint: self.endpoint,
            questions: self.questions,
        }
    }
}

/// The handlers of HTTP requests, and the requests whose bodies are still coming.
pub(super) struct Routes<S: 'static> {
    all: Vec<Route<S>>,
    waiting: BTreeMap<RequestId, Waiting>,
}

struct Route<S: 'static> {
    method: Method,
    /// Without the `*` of a prefix.
    path: String,
    is_prefix: bool,
    handler: Handler<S>,
}

struct Waiting {
    /// The route, or the answer where there is none.
    route: Result<usize, Response>,
    head: Box<Request>,
    peer: PeerAddr,
    body: Vec<u8>,
}

impl<S> Default for Routes<S> {
    fn default() -> Self {
        Routes {
            all: Vec::new(),
            waiting: BTreeMap::new(),
        }
    }
}

impl<S> Routes<S> {
    fn push(&mut self, method: Method, path: &str, handler: Handler<S>) {
        let prefix = path.strip_suffix('*');
        self.all.push(Route {
            method,
            path: prefix.unwrap_or(path).to_owned(),
            is_prefix: prefix.is_some(),
            handler,
        });
    }

    /// The route of a request, or the answer to one that has none; `None` when no route has its path.
    fn find(&self, head: &Request) -> Option<Result<usize, Response>> {
        let fits = |route: &&Route<S>| match route.is_prefix {
            true => head.path.starts_with(&route.path),
            false => head.path == route.path,
        };
        // One path alone comes before those that begin so, and of these the longest.
        let best = |route: &Route<S>| (!route.is_prefix, route.path.len());
        let most = self.all.iter().filter(fits).map(best).max()?;
        let is_best = |route: &Route<S>| fits(&route) && best(route) == most;
        let of = |method: Method| {
            let mut routes = self.all.iter();
            routes.position(|route| is_best(route) && route.method == method)
        };
        let found = of(head.method);
        // The library leaves out the body then.
        let found = found.or_else(|| of(Method::Get).filter(|_| head.method == Method::Head));
        Some(found.ok_or_else(|| {
            let mut methods = Vec::new();
            for route in self.all.iter().filter(|route| is_best(route)) {
                let head = (route.method == Method::Get).then_some(Method::Head);
                for method in [Some(route.method), head].into_iter().flatten() {
                    if !methods.contains(&method.as_str()) {
                        methods.push(method.as_str());
                    }
                }
            }
            Response::text(405, "This method is not served at this path.")
                .with_header("Allow", methods.join(", "))
        }))
    }

    /// A request has begun: waits for its body, or refuses that.
    fn begin(&mut self, endpoint: &mut Endpoint, request: RequestId, waiting: Waiting) {
        let head = &waiting.head;
        let has_body = !matches!(head.framing, Framing::None | Framing::Length(0));
        let declared = head.framing.content_length();
        let refusal = if !has_body {
            None
        } else if let Err(response) = &waiting.route {
            Some(response.clone())
        } else if head.content_encoded {
            Some(Response::text(415, "The body is not taken encoded."))
        } else {
            let is_too_large = declared.is_some_and(|bytes| bytes > MAX_BODY_BYTES as u64);
            is_too_large.then(too_large)
        };
        if let Some(response) = refusal {
            return respond(endpoint, request, response);
        }
        if has_body {
            // One more than is taken tells that there are more. Its sender may be gone, of which a later event tells.
            let _ = endpoint.grant_body(request, MAX_BODY_BYTES + 1);
        }
        self.waiting.insert(request, waiting);
    }
}

impl<S: 'static> Io<S> {
    /// Answers requests with this method, in capitals, at a path outside of [`Config::path`](crate::Config::path): for the few paths
    /// that a small host has. A path that ends in `*` stands for all that begin so. An exact path comes before those, a longer
    /// beginning before a shorter one, and of two handlers for the same the first.
    ///
    /// Paths are compared as sent. `HEAD` is answered from `GET`, another method that no handler has 405 with `Allow`, and a path
    /// without any handler 404, unless [`Config::host_http`](crate::Config::host_http) leaves it to the host. A body has come whole when
    /// the handler is called; more than 64 KiB are answered 413, and compressed ones 415. Where
    /// [`Config::allowed_hosts`](crate::Config::allowed_hosts) and [`Config::allowed_origins`](crate::Config::allowed_origins) say so,
    /// requests for other names are answered 403, and so are those by pages of other origins, unless they only read.
    /// A handler that takes long keeps everybody waiting; an answer that comes later is [`Event::Request`]'s matter.
    ///
    /// ```
    /// use pulsewheel::{http::Response, Io};
    ///
    /// let mut io = Io::with_state(0_u64);
    /// io.http("GET", "/visits", |visits, _| Response::text(200, visits.to_string()));
    /// io.http("POST", "/visits", |visits, request| match request.json::<u64>() {
    ///     Ok(more) => {
    ///         *visits += more;
    ///         let _ = request.server().of("/").emit("visits", *visits);
    ///         Response::empty(204)
    ///     }
    ///     Err(error) => Response::text(400, error.to_string()),
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// When the method is none of `GET`, `HEAD`, `POST`, `PUT`, `DELETE`, `OPTIONS` and `PATCH`, or the path does not begin with a
    /// slash: the handler would never be called.
    pub fn http(
        &mut self,
        method: &str,
        path: &str,
        handler: impl FnMut(&mut S, &mut HttpRequest<'_, S>) -> Response + Send + 'static,
    ) -> &mut Self {
        let known = Method::from_token(method);
        assert!(known != Method::Other, "{method} is not a known method");
        assert!(path.starts_with('/'), "{path} does not begin with a slash");
        self.routes.push(known, path, Box::new(handler));
        self.door.demand(|demands| demands.routes = true);
        self
    }

    /// Answers `GET` and `HEAD` at a path that ends in `*` from the files of a folder.
    ///
    /// ```
    /// use pulsewheel::{Files, Io};
    ///
    /// let mut io = Io::new();
    /// io.files("/source/*", Files::new("src")?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn files(&mut self, path: &str, files: Files) -> &mut Self {
        self.http("GET", path, move |_, request| {
            files.respond(request.head(), request.rest())
        })
    }

    /// An event about a request; it comes back where it is for the host.
    pub(super) fn route(&mut self, endpoint: &mut Endpoint, event: Event) -> Option<Event> {
        match event {
            Event::Request {
                request,
                head,
                peer,
            } => {
                let route = match self.routes.find(&head) {
                    Some(_) if !endpoint.allows(&head) => Err(Response::text(403, FORBIDDEN)),
                    Some(found) => found,
                    None if endpoint.leaves_to_host(&head.path) => {
                        return Some(Event::Request {
                            request,
                            head,
                            peer,
                        });
                    }
                    None => Err(Response::text(404, "Nothing is served at this path.")),
                };
                let waiting = Waiting {
                    route,
                    head,
                    peer,
                    body: Vec::new(),
                };
                self.routes.begin(endpoint, request, waiting);
                None
            }
            Event::RequestBody { request, data } => match self.routes.waiting.get_mut(&request) {
                Some(waiting) => {
                    waiting.body.extend_from_slice(&data);
                    if waiting.body.len() > MAX_BODY_BYTES {
                        self.routes.waiting.remove(&request);
                        respond(endpoint, request, too_large());
                    }
                    None
                }
                None => Some(Event::RequestBody { request, data }),
            },
            Event::RequestBodyEnd { request } => match self.routes.waiting.remove(&request) {
                Some(waiting) => {
                    let response = match waiting.route.clone() {
                        Ok(route) => self.call_route(endpoint, route, &waiting),
                        Err(response) => response,
                    };
                    respond(endpoint, request, response);
                    None
                }
                None => Some(Event::RequestBodyEnd { request }),
            },
            Event::RequestAborted { request } => match self.routes.waiting.remove(&request) {
                Some(_) => None,
                None => Some(Event::RequestAborted { request }),
            },
            other => Some(other),
        }
    }

    /// How many requests wait for their bodies.
    #[cfg(test)]
    pub(crate) fn waiting_requests(&self) -> usize {
        self.routes.waiting.len()
    }

    fn call_route(&mut self, endpoint: &mut Endpoint, route: usize, waiting: &Waiting) -> Response {
        let route = &mut self.routes.all[route];
        let mut request = HttpRequest {
            endpoint,
            questions: &mut self.questions,
            waiting,
            prefix_chars: match route.is_prefix {
                true => route.path.len(),
                false => waiting.head.path.len(),
            },
        };
        (route.handler)(&mut self.state, &mut request)
    }
}

fn too_large() -> Response {
    Response::text(413, "The body is larger than what is taken here.")
}

/// Answers a request, whose sender may be gone.
fn respond(endpoint: &mut Endpoint, request: RequestId, response: Response) {
    let _ = endpoint.respond(request, response);
}
