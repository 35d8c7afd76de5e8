//! Questions to the other servers of a cluster, and those that they pass on to clients of this one.

use std::collections::BTreeSet;

use super::{keep_answer, FetchReply, Kind};
use crate::endpoint::cluster::ClusterView;
use crate::endpoint::{AskId, Endpoint};
use crate::error::Error;
use crate::panics::Verb;
use crate::socket::{Args, NamespaceId, RemoteSocket, SocketId, Target};

impl Endpoint {
    /// Asks for the sockets that a target means on all servers of the cluster; they come as
    /// [`Event::Fetched`](crate::Event::Fetched), those that are known after so many milliseconds at the latest.
    pub fn fetch_cluster(&mut self, target: &Target, timeout_ms: u64) -> AskId {
        let _verb = Verb::begin();
        self.fetch(target, timeout_ms, None)
    }

    /// As [`Endpoint::fetch_cluster`], for somebody who waits elsewhere.
    pub(crate) fn fetch_with_reply(&mut self, target: &Target, timeout_ms: u64, reply: FetchReply) {
        self.fetch(target, timeout_ms, Some(reply));
    }

    fn fetch(&mut self, target: &Target, timeout_ms: u64, reply: Option<FetchReply>) -> AskId {
        let sockets = self.fetch_sockets(target).into_iter();
        let sockets = sockets.filter_map(|socket| self.cluster().remote_socket(socket));
        let kind = Kind::Fetch(sockets.collect(), reply);
        let remote_expected = (!self.reaches_others(target)).then_some(0);
        let ask = self.open_ask(None, kind, remote_expected, Some(timeout_ms));
        self.publish(target, |adapter, audience| {
            adapter.fetch(audience, ask.to_number())
        });
        self.close_if_complete(ask.0);
        ask
    }

    /// Emits an event to the other servers of the cluster and gathers their answers: [`Event::Answered`](crate::Event::Answered).
    ///
    /// # Errors
    ///
    /// As [`Endpoint::server_side_emit`].
    #[doc(alias = "serverSideEmitWithAck")]
    pub fn server_side_ask(
        &mut self,
        namespace: NamespaceId,
        event: &str,
        args: &Args,
        timeout_ms: u64,
    ) -> Result<AskId, Error> {
        let _verb = Verb::begin();
        let kind = Kind::Many {
            waiting: BTreeSet::new(),
            answers: Vec::new(),
            left_bytes: self.config.max_answer_bytes,
            replies: None,
        };
        let ask = self.open_ask(None, kind, None, Some(timeout_ms));
        let sent = self.send_server_side(namespace, event, args, Some(ask.to_number()));
        if let Err(error) = sent {
            self.close_ask(ask.0);
            return Err(error);
        }
        Ok(ask)
    }
}

impl ClusterView<'_> {
    /// Emits an event for another server to those sockets of this one that a target means, and gives how many are
    /// asked. Each one's answer goes to [`Adapter::client_answered`](crate::Adapter::client_answered) under the number `relay`
    /// as soon as it comes; what has not come after so many milliseconds never does.
    pub fn relay_with_ack(
        &mut self,
        target: &Target,
        event: &str,
        args: &Args,
        timeout_ms: u64,
        relay: u64,
    ) -> Result<usize, Error> {
        let _verb = Verb::begin();
        self.endpoint.check_event(event, args)?;
        let mut asked = 0;
        let kind = |waiting: BTreeSet<SocketId>| {
            asked = waiting.len();
            Kind::Relay { waiting, relay }
        };
        let ask = self
            .endpoint
            .ask_clients(target, event, args, timeout_ms, kind)?;
        self.expect_acks(ask, 0);
        Ok(asked)
    }

    /// So many answers of other servers or their clients are to be expected to a question.
    pub fn expect_acks(&mut self, ask: AskId, answers: u64) {
        let _verb = Verb::begin();
        if let Some(open) = self.endpoint.asks.open.get_mut(ask.0) {
            open.remote_expected = Some(answers);
            self.endpoint.close_if_complete(ask.0);
        }
    }

    /// Another server, or a client of one, has answered a question. One that is closed already ignores it.
    pub fn receive_ack(&mut self, ask: AskId, answer: Args) {
        let _verb = Verb::begin();
        if let Some(open) = self.endpoint.asks.open.get_mut(ask.0) {
            if let Kind::Many {
                answers,
                left_bytes,
                ..
            } = &mut open.kind
            {
                open.remote += u64::from(keep_answer(answers, left_bytes, answer));
            }
            self.endpoint.close_if_complete(ask.0);
        }
    }

    /// Another server has said which sockets it has.
    pub fn receive_sockets(&mut self, ask: AskId, sockets: Vec<RemoteSocket>) {
        let _verb = Verb::begin();
        if let Some(open) = self.endpoint.asks.open.get_mut(ask.0) {
            if let Kind::Fetch(known, _) = &mut open.kind {
                open.remote += 1;
                known.extend(sockets);
            }
            self.endpoint.close_if_complete(ask.0);
        }
    }
}
