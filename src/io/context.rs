//! The whole server, as handlers see it that are not about one client.

use std::time::Duration;

use super::answer::IntoAnswer;
use super::operators::BroadcastOperator;
use super::questions::Questions;
use super::Socket;
use crate::{Endpoint, Handle, SocketId, Target};

/// The server in a handler that is about no client: of a timer, or of answers. It comes behind the state.
///
/// ```
/// use std::time::Duration;
/// use pulsewheel::Io;
///
/// let mut io = Io::with_state(0_u64);
/// io.every(Duration::from_secs(1), |ticks, server| {
///     *ticks += 1;
///     server.of("/").to("clocks").volatile().emit("tick", *ticks)
/// });
/// ```
pub struct Context<'a, S: 'static = ()> {
    pub(super) endpoint: &'a mut Endpoint,
    pub(super) questions: &'a mut Questions<S>,
}

impl<'a, S: 'static> Context<'a, S> {
    /// Everybody in a namespace, such as `"/"`; fewer with [`BroadcastOperator::to`].
    pub fn of(&mut self, namespace: &str) -> BroadcastOperator<'_, S> {
        let target = self.endpoint.namespace(namespace).map(Target::namespace);
        BroadcastOperator::new(self.endpoint, self.questions, target)
    }

    /// One client. One that is gone is as any other that is.
    pub fn socket(&mut self, socket: SocketId) -> Socket<'_, S> {
        Socket::new(self.endpoint, self.questions, socket)
    }

    /// Calls a handler once, after so long.
    pub fn after<R: IntoAnswer>(
        &mut self,
        delay: Duration,
        handler: impl FnOnce(&mut S, &mut Context<'_, S>) -> R + Send + 'static,
    ) {
        let token = self.questions.timers.add(handler);
        self.endpoint.schedule(delay, token);
    }

    /// The way back to the server for another thread, to which long work belongs.
    pub fn handle(&self) -> Handle {
        self.endpoint.handle()
    }

    /// The server's verbs.
    pub fn endpoint(&mut self) -> &mut Endpoint {
        self.endpoint
    }
}
