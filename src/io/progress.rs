//! Who may list, track and cancel progress sessions, as the host decides it.

use std::collections::BTreeSet;

use super::Socket;
use crate::progress::{Command, SessionInfo};
use crate::{CommandId, Door, Endpoint, Error, Io, SocketId};

type Rule<S> = Box<dyn FnMut(&mut S, &mut Socket<'_, S>, &Command, &SessionInfo) -> bool + Send>;

/// Rules for progress sessions: [`Io::progress`].
pub struct ProgressRules<S: 'static = ()> {
    door: Door,
    pub(super) rules: Vec<Rule<S>>,
}

impl<S: 'static> ProgressRules<S> {
    pub(super) fn new(door: Door) -> Self {
        ProgressRules {
            door,
            rules: Vec::new(),
        }
    }

    /// Before a client lists, tracks or cancels sessions: says of each session whether it may. Of several rules each has to say
    /// so. They alone decide, and the [`Audience`](crate::progress::Audience) of the session does not count; to whom its events
    /// go is a matter of the audience all the same.
    ///
    /// Refused is answered as if there were no such session, and a list is without it. A rule that panics refuses. Leaving a
    /// session alone (`untrack_session`) is always allowed, and what the host does itself is not asked about. Whenever it is
    /// added, it counts for all that clients ask from the next turn on.
    ///
    /// ```
    /// use pulsewheel::{progress::Command, Io, Next};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Pass {
    ///     name: String,
    /// }
    ///
    /// let mut io = Io::new();
    /// io.of("/").middleware(|_, connecting| {
    ///     let pass: Pass = connecting.auth()?;
    ///     connecting.set_owner(&pass.name)?;
    ///     Ok(Next::Go)
    /// });
    /// io.progress().authorize(|_, socket, command, session| {
    ///     let is_its_own = session.is_owned_by(socket.owner());
    ///     is_its_own || socket.owner() == Some("admin") && !matches!(command, Command::Cancel { .. })
    /// });
    /// ```
    pub fn authorize(
        &mut self,
        rule: impl FnMut(&mut S, &mut Socket<'_, S>, &Command, &SessionInfo) -> bool + Send + 'static,
    ) -> &mut Self {
        self.rules.push(Box::new(rule));
        self.door.demand(|demands| {
            demands.progress_commands = true;
            demands.rules += 1;
        });
        self
    }
}

impl<S: 'static> Io<S> {
    /// Rules for progress sessions, to add to.
    pub fn progress(&mut self) -> &mut ProgressRules<S> {
        &mut self.progress
    }

    /// Asks the rules about each session that a command is about. Of a list they are asked no further than its page can go.
    pub(super) fn progress_command(
        &mut self,
        endpoint: &mut Endpoint,
        ticket: CommandId,
        id: SocketId,
        command: &Command,
    ) -> Result<(), Error> {
        let limit = match command {
            Command::List { query } => query.limit,
            _ => 1,
        };
        let mut seen = BTreeSet::new();
        for session in endpoint.progress().asked_about(ticket) {
            let mut socket = Socket::new(endpoint, &mut self.questions, id);
            let mut rules = self.progress.rules.iter_mut();
            if rules.all(|rule| rule(&mut self.state, &mut socket, command, &session)) {
                seen.insert(session.id);
            }
            // One more, by which the page knows that another follows.
            if seen.len() > limit {
                break;
            }
        }
        let decided = endpoint
            .progress()
            .decide(ticket, |session| seen.contains(&session.id));
        // A rule may have disconnected the client.
        decided.or_else(super::namespace::heard)
    }
}
