//! Answers that come before the whole request was sent. A server that does not want the
//! rest says so and closes; the rest then cannot be sent, but the answer can be read.

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, RustlsConnector, TcpConnector, Transport,
};
use ureq::Error;

/// Connections over TCP, with TLS where the URL wants it, which give an early answer.
pub fn connector() -> impl Connector {
    ().chain(TcpConnector::default())
        .chain(RustlsConnector::default())
        .chain(HearEarly)
}

#[derive(Debug)]
struct HearEarly;

impl<In: Transport> Connector<In> for HearEarly {
    type Out = Hearing<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Hearing<In>>, Error> {
        Ok(chained.map(|inner| Hearing {
            inner,
            takes_no_more: false,
        }))
    }
}

/// A connection that goes on to the answer when the peer takes no more.
#[derive(Debug)]
struct Hearing<T> {
    inner: T,
    /// What is still to be sent to this peer is thrown away.
    takes_no_more: bool,
}

impl<T: Transport> Transport for Hearing<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if !self.takes_no_more {
            self.takes_no_more = self.inner.transmit_output(amount, timeout).is_err();
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        !self.takes_no_more && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
