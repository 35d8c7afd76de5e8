//! Answers in parts: a long body that is made while it is sent, as fast as its reader takes it, or one that has no end.

use super::Endpoint;
use crate::error::Error;
use crate::http::{Response, ResponseBody};
use crate::panics::Verb;
use crate::transport::RequestId;

impl Endpoint {
    /// Begins to answer a request whose body comes in parts: that of `response` is the first, and [`Endpoint::send_part`] sends
    /// the others. When a part has been written, [`Event::PartWanted`](super::Event::PartWanted) asks for the next, so that one
    /// part of each answer is in memory and a slow reader holds up nobody but himself. The host takes its time for each part. A
    /// reader has to take something within `request_timeout_ms`, or is gone.
    ///
    /// [`Event::RequestAborted`](super::Event::RequestAborted) tells that there is nobody to send to any more: the reader is
    /// gone or too slow, memory is short, or the server ends. A server that goes within a time
    /// ([`Endpoint::drain`]) waits that long for such answers; those without an end are for the host to end.
    ///
    /// A `HEAD` and the statuses 204 and 304 have no body: the request is answered at once then. To a client of HTTP/1.0
    /// the end of the body is the end of its connection, so it can't tell whether all of it has come. What has not been
    /// read of the request's own body is not read any more, and its connection ends with the answer.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchRequest`] when it has been answered, and when its sender is gone.
    pub fn respond_in_parts(
        &mut self,
        request: RequestId,
        response: Response,
    ) -> Result<(), Error> {
        let _verb = Verb::begin();
        self.check_request(request)?;
        self.transport
            .begin_parts(&mut self.clock, request.connection, response);
        Ok(())
    }

    /// Sends the next part of an answer. One without bytes is nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchRequest`] when the answer has ended, has not begun, or has nobody to read it.
    /// [`Error::TooMuchWaits`] when `max_queued_bytes` wait already.
    pub fn send_part(
        &mut self,
        request: RequestId,
        part: impl Into<ResponseBody>,
    ) -> Result<(), Error> {
        let _verb = Verb::begin();
        self.check_parts(request)?;
        let key = request.connection;
        if self.output_bytes(key) > self.config.max_queued_bytes {
            return Err(Error::TooMuchWaits);
        }
        self.transport.send_part(&mut self.clock, key, part.into());
        Ok(())
    }

    /// Ends an answer, all of which has been sent.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchRequest`] as for [`Endpoint::send_part`].
    pub fn end_parts(&mut self, request: RequestId) -> Result<(), Error> {
        let _verb = Verb::begin();
        self.check_parts(request)?;
        self.transport
            .end_parts(&mut self.clock, request.connection);
        Ok(())
    }

    /// Ends an answer that can't be completed: its connection is closed, by which the reader sees that something is missing.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchRequest`] as for [`Endpoint::send_part`].
    pub fn break_off(&mut self, request: RequestId) -> Result<(), Error> {
        let _verb = Verb::begin();
        self.check_parts(request)?;
        self.hang_up(request.connection);
        Ok(())
    }

    fn check_parts(&mut self, request: RequestId) -> Result<(), Error> {
        let key = request.connection;
        let is_current = self.transport.request_id(key) == Some(request);
        let exchange = self.transport.exchange(key);
        let is_in_parts = exchange.is_some_and(|it| it.parts.is_some() && !it.is_answered);
        match is_current && is_in_parts {
            true => Ok(()),
            false => Err(Error::NoSuchRequest),
        }
    }
}
