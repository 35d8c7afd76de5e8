//! What clients ask of progress sessions, and who decides whether they may.
//!
//! Where the host has no rule, the audience of a session decides, at once. Where it has one, each command that tells of a session
//! or ends one is an event with a ticket, and only the host decides; what it has not decided in time is refused. Refused is
//! answered as if there were no such session, so that nobody learns from it that there is one.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::owners::room;
use super::progress::NAMESPACE;
use super::{AckId, Endpoint, Event, Limit, Message, ProgressView};
use crate::engine::Allowance;
use crate::error::Error;
use crate::panics::Verb;
use crate::progress::{
    command, CancelRequest, Command, ErrorCode, ProgressError, SessionInfo, SessionPage,
};
use crate::slots::{Key, Slots};
use crate::socket::{Args, SocketId};
use crate::timer::Timer;
use crate::transport::cost;
use crate::wheel::TimerKey;

/// What an acknowledgement takes around its answer at the most: frame header, packet types, id, brackets, a place in the queue.
const ACK_BYTES: usize = 96;

/// Names a client's command about progress sessions that waits for the host's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(Key);

/// Commands that wait.
#[derive(Default)]
pub(super) struct Commands {
    /// For the host to decide whether they may be done.
    undecided: Slots<Undecided>,
    by_socket: BTreeMap<SocketId, BTreeSet<Key>>,
    /// For the host to roll back: acknowledgements of `cancel_session`.
    cancel_acks: Vec<CancelAck>,
}

struct Undecided {
    socket: SocketId,
    ack: Option<AckId>,
    command: Command,
    /// What its sender shows beside who it is.
    token: Option<Box<str>>,
    /// When it is refused.
    timer: TimerKey,
}

/// A `cancel_session` that is answered when the host has rolled back.
struct CancelAck {
    session: Uuid,
    ack: AckId,
}

/// A command of which it is known what its client may see.
enum Granted {
    /// It may be done.
    Do(Command),
    /// For this client there is no such session.
    Hidden(Uuid),
    /// A page of the sessions that this client sees, and their places.
    Page(SessionPage, Vec<u32>),
}

impl Commands {
    fn take(&mut self, key: Key) -> Option<Undecided> {
        let undecided = self.undecided.remove(key)?;
        if let Some(keys) = self.by_socket.get_mut(&undecided.socket) {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_socket.remove(&undecided.socket);
            }
        }
        Some(undecided)
    }
}

impl Endpoint {
    /// Does what a client asks of progress sessions; an event that asks nothing of them comes back.
    pub(super) fn progress_command(&mut self, message: Message) -> Option<Message> {
        if self.tracking.tracker.is_none()
            || self.sockets.namespace_name(message.namespace) != Some(NAMESPACE)
        {
            return Some(message);
        }
        let command = Command::parse(&message.name(), message.args.raw(0));
        let (socket, ack) = (message.socket, message.ack);
        match command {
            None => return Some(message),
            Some(_) if !self.may_command(socket, ack) => {}
            // Nobody can get the list.
            Some(Ok(Command::List { .. })) if ack.is_none() => {}
            Some(Ok(command)) => self.take_command(socket, ack, command, message.args.raw(0)),
            Some(Err(error)) => self.answer_command(ack, &command::error_answer(&error)),
        }
        self.recycle(message);
        None
    }

    /// Whether a client may have one more command done now. If not, it is told so, and where it goes on all the same it is
    /// disconnected.
    fn may_command(&mut self, socket: SocketId, ack: Option<AckId>) -> bool {
        let Some(session) = self.sockets.get(socket).map(|socket| socket.session) else {
            return false;
        };
        let now_ms = self.clock.now_ms();
        let allowance = self.sessions.rates.command(session, now_ms);
        match self.heed(session, Limit::Commands, allowance) {
            Allowance::Allowed => return true,
            Allowance::Refused => {
                let code = ErrorCode::RateLimitExceeded;
                let error = ProgressError::new(code, "too many commands, try again in a second");
                match ack {
                    Some(_) => self.answer_command(ack, &command::error_answer(&error)),
                    None => {
                        let args = Args::one(&error).unwrap_or_else(|_| Args::none());
                        let _ = self.emit_to(socket, "error", &args);
                    }
                }
            }
            Allowance::Exceeded => {}
        }
        false
    }

    fn take_command(
        &mut self,
        socket: SocketId,
        ack: Option<AckId>,
        command: Command,
        argument: Option<&str>,
    ) {
        if let Command::List { .. } = command {
            // One list of a client in a turn: what it asks for behind that waits, and everybody else is served meanwhile.
            self.transport.ready.charge(cost::LIST);
            self.transport.ready.rest();
        }
        // Whoever tracks nothing any more learns nothing by that.
        let is_asked = !matches!(command, Command::Untrack { .. });
        if self.config.progress_commands && is_asked {
            return self.ask_about(socket, ack, command, command::token(argument));
        }
        let viewer = self.viewer(socket);
        let is_list = matches!(command, Command::List { .. });
        let granted = self.grant(&command, |session| viewer.sees(session, is_list));
        self.carry_out(socket, ack, granted);
    }

    fn ask_about(
        &mut self,
        socket: SocketId,
        ack: Option<AckId>,
        command: Command,
        token: Option<String>,
    ) {
        let asked = self.tracking.commands.by_socket.get(&socket);
        if asked.is_some_and(|asked| asked.len() >= self.config.max_pending_acks) {
            let error = ProgressError::new(
                ErrorCode::ServerOverload,
                "as many commands wait for a decision as may, try again later",
            );
            return self.answer_command(ack, &command::error_answer(&error));
        }
        let until_ms = self.clock.in_ms(self.config.connect_timeout_ms);
        let clock = &mut self.clock;
        let commands = &mut self.tracking.commands;
        let key = commands.undecided.insert_with(|key| Undecided {
            socket,
            ack,
            command: command.clone(),
            token: token.map(Into::into),
            timer: clock.arm(until_ms, Timer::Command(key)),
        });
        commands.by_socket.entry(socket).or_default().insert(key);
        self.push_event(Event::ProgressCommand {
            ticket: CommandId(key),
            socket,
            command,
        });
    }

    /// The host has not decided on a command in time.
    pub(super) fn command_timed_out(&mut self, key: Key) {
        // Nobody sees anything of that.
        let _ = self.progress().decide(CommandId(key), |_| false);
    }

    /// A socket has gone, and whatever it has asked needs no answer.
    pub(super) fn forget_commands(&mut self, socket: SocketId) {
        let commands = &mut self.tracking.commands;
        for key in commands.by_socket.remove(&socket).unwrap_or_default() {
            if let Some(undecided) = commands.undecided.remove(key) {
                self.clock.cancel(undecided.timer);
            }
        }
    }

    /// What is left of a command where its client sees no more than this.
    fn grant(&self, command: &Command, mut sees: impl FnMut(&SessionInfo) -> bool) -> Granted {
        match command {
            Command::Track { id } | Command::Cancel { id, .. } => {
                let session = self.session_info_of(*id);
                match session.is_some_and(|session| sees(&session)) {
                    true => Granted::Do(command.clone()),
                    false => Granted::Hidden(*id),
                }
            }
            Command::Untrack { .. } => Granted::Do(command.clone()),
            Command::List { query } => {
                let tracker = self.tracking.tracker.as_ref();
                let page = tracker.map(|tracker| tracker.page(self.clock.now, query, sees));
                let (page, listed) = page.unwrap_or_else(|| (SessionPage::empty(), Vec::new()));
                Granted::Page(page, listed)
            }
        }
    }

    fn carry_out(&mut self, socket: SocketId, ack: Option<AckId>, granted: Granted) {
        let answer = match granted {
            Granted::Hidden(id) => Err(ProgressError::not_found(id)),
            Granted::Page(page, listed) => {
                self.tell_news_first_to(socket, &listed);
                Ok(command::sessions_answer(&page))
            }
            Granted::Do(command) => match self.run_command(socket, ack, command) {
                Some(answer) => answer,
                None => return,
            },
        };
        let answer = answer.unwrap_or_else(|error| command::error_answer(&error));
        self.answer_command(ack, &answer);
    }

    /// The answer, or `None` where it comes later.
    fn run_command(
        &mut self,
        socket: SocketId,
        ack: Option<AckId>,
        command: Command,
    ) -> Option<Result<String, ProgressError>> {
        Some(match command {
            Command::Track { id } => self.progress().session(id).and_then(|session| {
                self.track_session(socket, id)?;
                let tracker = self.tracking.tracker.as_ref();
                let slot = tracker.and_then(|tracker| tracker.slot(id));
                self.tell_news_first_to(socket, slot.map(|slot| slot.index).as_slice());
                Ok(command::session_answer(&session))
            }),
            Command::Untrack { id } => {
                self.progress().untrack(socket, id);
                Ok(command::ok_answer())
            }
            Command::Cancel { id, reason } => match self.progress().request_cancel(id, reason) {
                Ok(CancelRequest::Done(session)) => {
                    self.answer_change(ack, command::session_answer(&session));
                    return None;
                }
                Ok(CancelRequest::Asked) => {
                    if let Some(ack) = ack {
                        self.hold_cancel_ack(id, ack);
                    }
                    return None;
                }
                Err(error) => Err(error),
            },
            Command::List { .. } => return None,
        })
    }

    /// Has a client hear of a session.
    fn track_session(&mut self, socket: SocketId, id: Uuid) -> Result<(), ProgressError> {
        self.enter(socket, &room(id))
            .map_err(|error| ProgressError::new(ErrorCode::ServerOverload, error.to_string()))
    }

    /// See [`Endpoint::tell_news_first`].
    fn tell_news_first_to(&mut self, socket: SocketId, topics: &[u32]) {
        if let Some(session) = self.sockets.get(socket).map(|socket| socket.session) {
            self.tell_news_first(session, topics);
        }
    }

    fn hold_cancel_ack(&mut self, session: Uuid, ack: AckId) {
        // Those of clients that have gone are of no use; looked for only here, where the list would grow.
        let sockets = &self.sockets;
        let held = &mut self.tracking.commands.cancel_acks;
        held.retain(|held| sockets.get(held.ack.socket).is_some());
        let of_same = held
            .iter()
            .filter(|held| held.ack.socket == ack.socket)
            .count();
        if of_same < self.config.max_pending_acks {
            held.push(CancelAck { session, ack });
        }
    }

    /// Answers all who wait for a session to be cancelled.
    pub(super) fn answer_cancels(&mut self, id: Uuid, answer: &str) {
        let (answered, waiting): (Vec<CancelAck>, _) =
            std::mem::take(&mut self.tracking.commands.cancel_acks)
                .into_iter()
                .partition(|held| held.session == id);
        self.tracking.commands.cancel_acks = waiting;
        for held in answered {
            self.answer_change(Some(held.ack), answer.to_owned());
        }
    }

    /// Answers a command, where its client wants that. What could never wait for it in one piece is not sent, as its client would
    /// be disconnected for it: the answer is an error then.
    pub(super) fn answer_command(&mut self, ack: Option<AckId>, answer: &str) {
        self.transport.ready.charge(answer.len());
        let Some(ack) = ack else {
            return;
        };
        let max_bytes = self.config.max_queued_bytes;
        let bytes = answer.len() + ACK_BYTES;
        let args = if bytes > max_bytes {
            let error = ProgressError::new(
                ErrorCode::PayloadTooLarge,
                format!(
                    "the answer takes {bytes} bytes, at most {max_bytes} may wait for a client"
                ),
            );
            format!("[{}]", command::error_answer(&error))
        } else {
            format!("[{answer}]")
        };
        let args = Args::received(args, 1, Vec::new());
        // A client that has gone meanwhile wants no answer.
        let _ = self.acknowledge(ack, &args);
    }
}

/// Who hears of sessions, and what the host decides about commands of clients.
impl ProgressView<'_> {
    /// Has a client hear of a session from now on, whatever its audience: the events of those who track it reach it, and it
    /// may list, track and cancel it where the host has no rule of its own. A client that has gone hears nothing, and that is no
    /// error. Tracking twice is the same as once; it ends with the connection, when the client is given to another owner and the
    /// session is private, or when the session is forgotten.
    ///
    /// How the session stands is not told by this: that is [`ProgressView::session`].
    ///
    /// # Errors
    ///
    /// `SESSION_NOT_FOUND` and `SESSION_CANCELLED`; `SERVER_OVERLOAD` when the client is in as many rooms as it may be, see
    /// [`Config::max_rooms_per_socket`](crate::Config::max_rooms_per_socket); `INVALID_ARGUMENT` for a client in another
    /// namespace than `/`.
    pub fn track(&mut self, socket: SocketId, id: Uuid) -> Result<(), ProgressError> {
        let _verb = Verb::begin();
        self.session_status(id)?;
        if !self.endpoint.is_connected(socket) {
            return Ok(());
        }
        if !self.endpoint.speaks_of_progress(socket) {
            let message = "sessions are told of in the namespace / alone";
            return Err(ProgressError::invalid(message));
        }
        self.endpoint.track_session(socket, id)
    }

    /// Has a client hear no more of a session than its audience does.
    pub fn untrack(&mut self, socket: SocketId, id: Uuid) {
        let _verb = Verb::begin();
        self.endpoint.sockets.leave(socket, &room(id));
    }

    /// The sessions that a command is about: the one that it names, if there is one; for a list all that may be on it, the
    /// newest first.
    pub fn asked_about(&self, ticket: CommandId) -> Vec<SessionInfo> {
        let commands = &self.endpoint.tracking.commands;
        let command = commands.undecided.get(ticket.0).map(|it| &it.command);
        let tracker = self.endpoint.tracking.tracker.as_ref();
        match (command, tracker) {
            (Some(Command::List { query }), Some(tracker)) => tracker.infos(query).collect(),
            (
                Some(Command::Track { id } | Command::Cancel { id, .. } | Command::Untrack { id }),
                Some(tracker),
            ) => tracker.info(*id).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The sessions that a client tracks, those included that the host has it track.
    pub fn tracked(&self, socket: SocketId) -> Vec<Uuid> {
        self.endpoint.tracked_by(socket)
    }

    /// What a command carries as `token`, beside its session's id, for hosts that let in who has one.
    pub fn command_token(&self, ticket: CommandId) -> Option<&str> {
        let commands = &self.endpoint.tracking.commands;
        commands.undecided.get(ticket.0)?.token.as_deref()
    }

    /// Answers a client's command ([`Event::ProgressCommand`]) with an error, instead of [`ProgressView::decide`].
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchTicket`] when that was decided before, or too late, or the client is gone.
    pub fn refuse(&mut self, ticket: CommandId, error: &ProgressError) -> Result<(), Error> {
        let _verb = Verb::begin();
        let undecided = self.endpoint.tracking.commands.take(ticket.0);
        let undecided = undecided.ok_or(Error::NoSuchTicket)?;
        self.endpoint.clock.cancel(undecided.timer);
        self.endpoint
            .answer_command(undecided.ack, &command::error_answer(error));
        Ok(())
    }

    /// Decides on a client's command ([`Event::ProgressCommand`]), now or later: does it for those sessions of which the function
    /// says that the client may have it done. For others it is answered as if there were no such session, and a list is without
    /// them. `|_| false` refuses.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchTicket`] when that was decided before, or too late, or the client is gone.
    pub fn decide(
        &mut self,
        ticket: CommandId,
        may: impl FnMut(&SessionInfo) -> bool,
    ) -> Result<(), Error> {
        let undecided = self.endpoint.tracking.commands.undecided.get(ticket.0);
        // The host's function may panic: nothing has changed by then.
        let command = &undecided.ok_or(Error::NoSuchTicket)?.command;
        let granted = self.endpoint.grant(command, may);
        let _verb = Verb::begin();
        let undecided = self.endpoint.tracking.commands.take(ticket.0);
        let undecided = undecided.ok_or(Error::NoSuchTicket)?;
        self.endpoint.clock.cancel(undecided.timer);
        self.endpoint
            .carry_out(undecided.socket, undecided.ack, granted);
        Ok(())
    }
}
