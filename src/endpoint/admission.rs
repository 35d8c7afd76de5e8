//! Sessions that the host decides about: who asks waits, with nothing of its input read, until there is a decision.

use std::any::Any;

use super::refusals::Refused;
use super::{Endpoint, Event};
use crate::engine::EngineError;
use crate::error::Error;
use crate::http::{is_addable, Field, Head, Parsed, Response};
use crate::id::ConnectionId;
use crate::panics::Verb;
use crate::timer::Timeout;
use crate::transport::{RequestId, Sink, Undecided};

/// Names one request that the host is to decide about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AdmissionId(RequestId);

/// Whether a request may open a session.
///
/// ```
/// use pulsewheel::Admission;
///
/// let yes = Admission::accept().header("Set-Cookie", "seen=1");
/// let no = Admission::refuse("come back tomorrow");
/// ```
#[derive(Clone, Debug)]
pub struct Admission {
    decision: Decision,
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
enum Decision {
    Accept,
    Refuse(String),
    Respond(Response),
}

impl Admission {
    /// It may.
    pub fn accept() -> Admission {
        Admission {
            decision: Decision::Accept,
            fields: Vec::new(),
        }
    }

    /// It may not: it is answered 403 `{"code":4,"message":...}`, and if it is a WebSocket handshake, 400 with the message.
    pub fn refuse(message: impl Into<String>) -> Admission {
        Admission {
            decision: Decision::Refuse(message.into()),
            fields: Vec::new(),
        }
    }

    /// It may not, and is answered so; if it is a WebSocket handshake, its connection is closed without an answer.
    pub fn respond(response: Response) -> Admission {
        Admission {
            decision: Decision::Respond(response),
            fields: Vec::new(),
        }
    }

    /// Adds a header field to the answer, which for a session is its first. One that would change the message it travels in
    /// is left out, as with a [`HeaderHook`](crate::http::HeaderHook).
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Admission {
        let (name, value) = (name.into(), value.into());
        if is_addable(&name, &value) {
            self.fields.push((name.into(), value.into()));
        }
        self
    }
}

impl AdmissionId {
    /// The connection of the request.
    pub(super) fn connection(self) -> ConnectionId {
        self.0.connection
    }
}

impl Endpoint {
    /// Decides about a request of which [`Event::AllowRequest`](super::Event::AllowRequest) told.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchRequest`] when it has been decided about, by the host or because its time was over, and when its
    /// sender is gone.
    pub fn admit(&mut self, ticket: AdmissionId, admission: Admission) -> Result<(), Error> {
        let _verb = Verb::begin();
        let AdmissionId(request) = ticket;
        if self.transport.request_id(request.connection) != Some(request) {
            return Err(Error::NoSuchRequest);
        }
        let key = request.connection;
        let undecided = self.undecided(key).ok_or(Error::NoSuchRequest)?;
        if matches!(admission.decision, Decision::Accept) && undecided.missing > 1 {
            undecided.missing -= 1;
            undecided.fields.extend(admission.fields);
            return Ok(());
        }
        self.decide(key, admission).ok_or(Error::NoSuchRequest)
    }

    /// Keeps something with the session that a request would open, once it does: [`Endpoint::session_data`]. There is one value of
    /// each type.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::admit`].
    pub fn set_request_data<T: Any + Send>(
        &mut self,
        ticket: AdmissionId,
        data: T,
    ) -> Result<(), Error> {
        let _verb = Verb::begin();
        let AdmissionId(request) = ticket;
        let is_known = self.transport.request_id(request.connection) == Some(request);
        let undecided = is_known.then(|| self.undecided(request.connection));
        let undecided = undecided.flatten().ok_or(Error::NoSuchRequest)?;
        undecided.data.get_or_insert_default().insert(data);
        Ok(())
    }

    /// From now on a request is let in when it has been accepted so many times.
    pub(crate) fn expect_admissions(&mut self, ticket: AdmissionId, count: usize) {
        if let Some(undecided) = self.undecided(ticket.connection()) {
            undecided.missing = count;
        }
    }

    /// Keeps a request, which is good but for the version of its protocol, until the host has decided about it.
    pub(super) fn ask_host(&mut self, key: ConnectionId, head: &Head<'_>) {
        let sink = Sink::Admission(Box::new(Undecided {
            head: head.as_bytes().into(),
            is_asked: false,
            missing: 1,
            fields: Vec::new(),
            data: None,
        }));
        self.transport
            .begin_answered_by_head(&mut self.clock, key, head, sink);
        // Not that of a body, of which nothing is read before the decision.
        let timeout_ms = self.config.connect_timeout_ms;
        self.transport
            .arm(&mut self.clock, key, Timeout::Admission, timeout_ms);
        let request = self.transport.request_id(key);
        let (Some(request), Some(peer)) = (request, self.peer_of(key, head)) else {
            return;
        };
        self.push_event(Event::AllowRequest {
            ticket: AdmissionId(request),
            head: Box::new(head.into()),
            peer,
        });
    }

    pub(super) fn admission_timed_out(&mut self, key: ConnectionId) {
        self.transport.timer_fired(key);
        self.decide(key, Admission::refuse("No decision in time"));
    }

    /// Goes on with the request that waits on a connection, as if its head had only now come in; `None` when there is none.
    fn decide(&mut self, key: ConnectionId, mut admission: Admission) -> Option<()> {
        let undecided = self.undecided(key)?;
        let (bytes, is_asked) = (std::mem::take(&mut undecided.head), undecided.is_asked);
        let data = undecided.data.take();
        admission.fields.splice(..0, undecided.fields.drain(..));
        let Ok(Parsed::Complete { head, .. }) = self.transport.parse_head(&bytes) else {
            return None;
        };
        match admission.decision {
            Decision::Accept => self.open_engine(key, &head, admission.fields, is_asked, data),
            Decision::Refuse(message) => self.refuse_with(
                key,
                &head,
                Refused {
                    error: EngineError::Forbidden,
                    message: Some(&message),
                    context: &[("message", &message)],
                    fields: admission.fields,
                },
            ),
            Decision::Respond(_) if head.upgrade => self.finish(key),
            Decision::Respond(mut response) => {
                response.headers.extend(admission.fields);
                self.refuse_with_status(key, &head, response);
            }
        }
        self.transport.input_wanted(key);
        Some(())
    }

    /// The request that waits for a decision on a connection; once its head is taken out it does so no more.
    pub(super) fn undecided(&mut self, key: ConnectionId) -> Option<&mut Undecided> {
        self.transport.get(key).filter(|it| it.is_open())?;
        let exchange = self.transport.exchange(key)?;
        match &mut exchange.sink {
            Sink::Admission(undecided) if !exchange.is_answered => Some(undecided),
            _ => None,
        }
    }
}
