//! Whom the host lets in: one question, asked about requests and about namespaces.

use std::any::Any;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::Serialize;

use super::socket::Outcome;
use crate::http::{Request, Response};
use crate::{
    Admission, AdmissionId, ArgsError, ConnectError, ConnectId, ConnectRequest, Endpoint, Error,
    Handle, IntoRooms, PeerAddr,
};

/// What is said of somebody who wants to come in, unless that is a [`Refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// On to the next one who is asked; the last one's lets the client in.
    Go,
    /// The decision comes later, by the [`Ticket`], from any thread. It goes on, or does not, where it has stopped.
    Later,
}

/// Why somebody may not come in.
///
/// For a namespace it is what the client's `connect_error` handler gets: the message, and the data where there is some. A
/// request that would open a session is answered 403 with the message, or as [`Refusal::respond`] says.
///
/// ```
/// use pulsewheel::Refusal;
///
/// let no = Refusal::new("the password is wrong").with_data(["password"]);
/// let plain: Refusal = "not today".into();
/// ```
#[derive(Clone, Debug)]
pub struct Refusal {
    error: ConnectError,
    response: Option<Response>,
}

/// Decides later about somebody who waits: the way of [`Next::Later`].
///
/// Dropping it refuses, so that nobody waits for a thread that has panicked. It needs a [`Server`](crate::Server) to lead back to;
/// who drives an [`Endpoint`] by himself uses its verbs with [`Connecting::id`] or [`Opening::id`].
#[must_use = "dropping it refuses"]
pub struct Ticket {
    handle: Handle,
    question: Option<Question>,
}

#[derive(Clone, Copy, Debug)]
enum Question {
    Request(AdmissionId),
    Connect(ConnectId),
}

impl Refusal {
    /// With a message for people.
    pub fn new(message: impl Into<String>) -> Refusal {
        ConnectError::new(message).into()
    }

    /// With details for programs: what serde can write as JSON. What has no JSON text is left out.
    pub fn with_data(mut self, data: impl Serialize) -> Refusal {
        if let Ok(error) = self.error.clone().with_data(&data) {
            self.error = error;
        }
        self
    }

    /// With an answer of the host's own to the request that would open a session; a WebSocket handshake is closed without any.
    pub fn respond(response: Response) -> Refusal {
        Refusal {
            error: ConnectError::new("Forbidden"),
            response: Some(response),
        }
    }

    /// The message.
    pub fn message(&self) -> &str {
        self.error.message()
    }

    pub(super) fn into_connect_error(self) -> ConnectError {
        self.error
    }

    pub(super) fn into_admission(self) -> Admission {
        match self.response {
            Some(response) => Admission::respond(response),
            None => Admission::refuse(self.error.message()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Refusal {}

impl From<ConnectError> for Refusal {
    fn from(error: ConnectError) -> Refusal {
        Refusal {
            error,
            response: None,
        }
    }
}

/// Refusals whose message is the text of an error, or the text itself.
macro_rules! from_text {
    ($($type:ty),*) => {
        $(impl From<$type> for Refusal {
            fn from(error: $type) -> Refusal {
                Refusal::new(error.to_string())
            }
        })*
    };
}

from_text!(&str, String, Error, ArgsError, serde_json::Error);

impl Ticket {
    fn new(endpoint: &Endpoint, question: Question) -> Ticket {
        Ticket {
            handle: endpoint.handle(),
            question: Some(question),
        }
    }

    /// On to the next one who is asked, or in.
    pub fn go(mut self) {
        let question = self.question.take();
        // Whoever has gone meanwhile is not let in.
        self.handle.tell(move |endpoint| match question {
            Some(Question::Connect(id)) => drop(endpoint.pass_connect(id)),
            Some(Question::Request(id)) => drop(endpoint.admit(id, Admission::accept())),
            None => {}
        });
    }

    /// It may not come in.
    pub fn refuse(mut self, refusal: impl Into<Refusal>) {
        self.end(refusal.into());
    }

    fn end(&mut self, refusal: Refusal) {
        if let Some(question) = self.question.take() {
            self.handle
                .tell(move |endpoint| question.refuse(endpoint, refusal));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(Refusal::new("No decision"));
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ticket").field(&self.question).finish()
    }
}

impl Question {
    fn refuse(self, endpoint: &mut Endpoint, refusal: Refusal) {
        // Whoever has gone meanwhile, or has been decided about, does not hear of it.
        let _ = match self {
            Question::Request(id) => endpoint.admit(id, refusal.into_admission()),
            Question::Connect(id) => endpoint.refuse_connect(id, &refusal.into_connect_error()),
        };
    }
}

/// A request that would open a session, as [`Io::allow_request`](super::Io::allow_request) sees it.
pub struct Opening<'a> {
    pub(super) endpoint: &'a mut Endpoint,
    pub(super) id: AdmissionId,
    pub(super) request: &'a Request,
    pub(super) peer: PeerAddr,
    pub(super) admission: Admission,
}

impl Opening<'_> {
    /// Method, path, query and headers.
    pub fn request(&self) -> &Request {
        self.request
    }

    /// The address of its sender.
    pub fn peer(&self) -> PeerAddr {
        self.peer
    }

    /// Adds a header field to the answer, for [`Next::Go`].
    pub fn header(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let admission = std::mem::replace(&mut self.admission, Admission::accept());
        self.admission = admission.header(name, value);
    }

    /// Keeps something with the session, if it opens: see [`Connecting::session_data`] and
    /// [`Socket::session_data`](super::Socket::session_data). One value of each type.
    pub fn set_data<T: Any + Send>(&mut self, data: T) -> Outcome {
        self.endpoint.set_request_data(self.id, data)
    }

    /// What decides about it later.
    pub fn ticket(&self) -> Ticket {
        Ticket::new(self.endpoint, Question::Request(self.id))
    }

    /// Names it in [`Endpoint::admit`].
    pub fn id(&self) -> AdmissionId {
        self.id
    }

    /// The whole server.
    pub fn endpoint(&mut self) -> &mut Endpoint {
        self.endpoint
    }
}

/// A client that wants to join a namespace, as a middleware sees it.
pub struct Connecting<'a> {
    pub(super) endpoint: &'a mut Endpoint,
    pub(super) id: ConnectId,
}

impl Connecting<'_> {
    /// The namespace, the auth payload, and the request that opened its session; `None` when the client is gone.
    pub fn request(&self) -> Option<ConnectRequest<'_>> {
        self.endpoint.connect_request(self.id)
    }

    /// The auth payload as a value of this type.
    pub fn auth<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.request().map_or("{}", |request| request.auth))
    }

    /// Joins a room, or several, in effect once the client has been let in.
    pub fn join(&mut self, rooms: impl IntoRooms) -> Outcome {
        rooms.try_each(|room| self.endpoint.join_once_connected(self.id, room))
    }

    /// Keeps something with its socket once it has been let in. One value of each type.
    pub fn set_data<T: Any + Send>(&mut self, data: T) -> Outcome {
        self.endpoint.set_connect_data(self.id, data)
    }

    /// Says whose it is: see [`Endpoint::set_owner`]. A client that comes back gets that from here again.
    pub fn set_owner(&mut self, owner: &str) -> Outcome {
        self.endpoint.set_connect_owner(self.id, owner)
    }

    /// Whose it is, as far as a middleware has said so.
    pub fn owner(&self) -> Option<&str> {
        self.endpoint.connect_owner(self.id)
    }

    /// What was kept with its session ([`Opening::set_data`]), if there is something of this type.
    pub fn session_data<T: Any + Send>(&self) -> Option<&T> {
        self.endpoint.connect_session_data(self.id)
    }

    /// What decides about it later: on to the next middleware, or not.
    pub fn ticket(&self) -> Ticket {
        Ticket::new(self.endpoint, Question::Connect(self.id))
    }

    /// Names it in [`Endpoint::pass_connect`], which goes on with the next middleware, [`Endpoint::accept_connect`], which
    /// leaves out the others, and [`Endpoint::refuse_connect`].
    pub fn id(&self) -> ConnectId {
        self.id
    }

    /// The whole server.
    pub fn endpoint(&mut self) -> &mut Endpoint {
        self.endpoint
    }
}
