//! Whom an event is about, for when a handler of it panics.

use crate::http::Response;
use crate::{
    Admission, AdmissionId, CommandId, ConnectError, ConnectId, Endpoint, Event, RequestId,
    SocketId,
};

/// Whom a handler's event is about.
pub(super) enum Subject {
    Request(AdmissionId),
    Connect(ConnectId),
    Command(CommandId),
    Socket(SocketId),
    Http(RequestId),
    Nobody,
}

impl Subject {
    pub(super) fn of(event: &Event) -> Subject {
        match event {
            Event::AllowRequest { ticket, .. } => Subject::Request(*ticket),
            Event::ConnectRequested { ticket, .. } => Subject::Connect(*ticket),
            Event::ProgressCommand { ticket, .. } => Subject::Command(*ticket),
            Event::RequestBodyEnd { request } => Subject::Http(*request),
            Event::Message(message) => Subject::Socket(message.socket),
            Event::Connected { socket, .. }
            | Event::Acknowledged { socket, .. }
            | Event::AckTimedOut { socket, .. } => Subject::Socket(*socket),
            _ => Subject::Nobody,
        }
    }

    /// The handler has panicked: whom it was about is refused or disconnected. Who has gone meanwhile is no matter.
    pub(super) fn give_up(self, endpoint: &mut Endpoint) {
        const MESSAGE: &str = "Internal error";
        let _ = match self {
            Subject::Request(ticket) => endpoint.admit(ticket, Admission::refuse(MESSAGE)),
            Subject::Connect(ticket) => {
                endpoint.refuse_connect(ticket, &ConnectError::new(MESSAGE))
            }
            Subject::Command(ticket) => endpoint.progress().decide(ticket, |_| false),
            Subject::Socket(socket) => endpoint.disconnect(socket, true),
            Subject::Http(request) => endpoint.respond(request, Response::text(500, MESSAGE)),
            Subject::Nobody => Ok(()),
        };
    }
}
