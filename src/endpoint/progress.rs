//! Where progress sessions meet sockets: verbs for the host, commands of clients, events for everybody concerned.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::news::News;
use super::{AckId, Endpoint, Event, Message};
use crate::clock::Clock;
use crate::config::Config;
use crate::now::Now;
use crate::progress::{
    command, CancelRequest, Command, ErrorCode, ListQuery, Output, ProgressError, ProgressTracker,
    Recipients, SessionPage,
};
use crate::slots::Key;
use crate::socket::{Args, SocketId, Target};
use crate::timer::Timer;
use crate::transport::cost;
use crate::wheel::Wheel;

/// Progress sessions, and what of them concerns clients.
pub(super) struct Tracking {
    pub tracker: Option<ProgressTracker>,
    /// Who is to be told when a session shall be cancelled, instead of the host.
    cancel_hooks: BTreeMap<Uuid, CancelHook>,
    /// Acknowledgements of `cancel_session` that wait for the host to roll back.
    cancel_acks: Vec<CancelAck>,
    /// What there is to tell of progress sessions.
    pub news: News,
}

impl Tracking {
    pub fn new(config: &Config, clock: &mut Clock) -> Tracking {
        let settings = config.progress.clone();
        let tracker = settings.map(|mut settings| {
            // A page is an answer, and has to have room where answers wait.
            let max_bytes = config.max_queued_bytes / 2;
            settings.max_page_bytes = settings.max_page_bytes.min(max_bytes);
            ProgressTracker::new(settings, clock.now, &mut clock.wheel)
        });
        Tracking {
            tracker,
            cancel_hooks: BTreeMap::new(),
            cancel_acks: Vec::new(),
            news: News::default(),
        }
    }
}

/// A `cancel_session` that is answered when the host has rolled back.
struct CancelAck {
    session: Uuid,
    ack: AckId,
}

/// Hears that a session shall be cancelled, and why.
pub(crate) type CancelHook = Box<dyn FnOnce(String) + Send>;

/// What an acknowledgement takes around its answer at the most: frame header, packet types, id, brackets, a place in the queue.
const ACK_BYTES: usize = 96;

/// The namespace that progress sessions are spoken of in.
pub(super) const NAMESPACE: &str = "/";

impl Endpoint {
    /// Who hears that a managed session shall be cancelled, instead of the host.
    pub(crate) fn on_cancel(&mut self, id: Uuid, hook: CancelHook) {
        self.tracking.cancel_hooks.insert(id, hook);
    }

    pub(super) fn page(&self, query: &ListQuery, listed: impl FnMut(Key)) -> SessionPage {
        let tracker = self.tracking.tracker.as_ref();
        tracker.map_or_else(SessionPage::empty, |tracker| {
            tracker.page(self.clock.now, query, listed)
        })
    }

    pub(super) fn progress_timer(&mut self, timer: Timer) {
        let memory = match timer {
            Timer::Heartbeat => (self.outside.environment.memory)(),
            _ => Default::default(),
        };
        let done = self.track(|tracker, now, wheel| {
            tracker.on_timer(now, wheel, timer, memory);
            Ok(())
        });
        debug_assert!(done.is_ok(), "only a tracker sets these timers");
    }

    /// Does what a client asks of progress sessions; an event that asks nothing of them comes back.
    pub(super) fn progress_command(&mut self, message: Message) -> Option<Message> {
        if self.tracking.tracker.is_none()
            || self.sockets.namespace_name(message.namespace) != Some(NAMESPACE)
        {
            return Some(message);
        }
        let command = Command::parse(&message.name(), message.args.raw(0));
        let (socket, ack) = (message.socket, message.ack);
        let answer = match (command, ack) {
            (None, _) => return Some(message),
            (Some(Ok(command)), Some(_)) => self.run_command(socket, ack, command),
            (Some(Ok(command)), None) => {
                self.run_unanswered(socket, command);
                None
            }
            (Some(Err(error)), Some(_)) => Some(command::error_answer(&error)),
            (Some(Err(_)), None) => None,
        };
        self.recycle(message);
        if let (Some(answer), Some(ack)) = (answer, ack) {
            self.transport.ready.charge(answer.len());
            self.answer_command(ack, &answer);
        }
        None
    }

    /// Does what a command changes. Nobody can get its answer, so there is none, and a command that changes nothing does nothing.
    fn run_unanswered(&mut self, socket: SocketId, command: Command) {
        match command {
            Command::Track { id } => {
                if self.progress().session_status(id).is_ok() {
                    // Whoever is in as many rooms as allowed is not told, as nobody waits for it.
                    let _ = self.join(socket, &room(id));
                }
            }
            Command::List { .. } => {}
            Command::Untrack { .. } | Command::Cancel { .. } => {
                self.run_command(socket, None, command);
            }
        }
    }

    /// The answer, or `None` where it comes later.
    fn run_command(
        &mut self,
        socket: SocketId,
        ack: Option<AckId>,
        command: Command,
    ) -> Option<String> {
        let answer = match command {
            Command::Track { id } => self.progress().session(id).and_then(|session| {
                self.join(socket, &room(id)).map_err(|error| {
                    ProgressError::new(ErrorCode::ServerOverload, error.to_string())
                })?;
                let slot = self
                    .tracking
                    .tracker
                    .as_ref()
                    .and_then(|tracker| tracker.slot(id));
                self.tell_news_first_to(socket, slot.map(|slot| slot.index).as_slice());
                Ok(command::session_answer(&session))
            }),
            Command::Untrack { id } => {
                self.sockets.leave(socket, &room(id));
                Ok(command::ok_answer())
            }
            Command::List { query } => {
                // One list of a client in a turn: what it asks for behind that waits, and everybody else is served meanwhile.
                self.transport.ready.charge(cost::LIST);
                self.transport.ready.rest();
                let mut listed = Vec::new();
                let page = self.page(&query, |slot| listed.push(slot.index));
                self.tell_news_first_to(socket, &listed);
                Ok(command::sessions_answer(&page))
            }
            Command::Cancel { id, reason } => match self.progress().request_cancel(id, reason) {
                Ok(CancelRequest::Done(session)) => Ok(command::session_answer(&session)),
                Ok(CancelRequest::Asked) => {
                    if let Some(ack) = ack {
                        self.hold_cancel_ack(id, ack);
                    }
                    return None;
                }
                Err(error) => Err(error),
            },
        };
        Some(answer.unwrap_or_else(|error| command::error_answer(&error)))
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
        self.tracking
            .cancel_acks
            .retain(|held| sockets.get(held.ack.socket).is_some());
        let of_same = self
            .tracking
            .cancel_acks
            .iter()
            .filter(|held| held.ack.socket == ack.socket)
            .count();
        if of_same < self.config.max_pending_acks {
            self.tracking.cancel_acks.push(CancelAck { session, ack });
        }
    }

    /// Answers a command. What could never wait for its client in one piece is not sent, as its client would be disconnected
    /// for it: the answer is an error then.
    fn answer_command(&mut self, ack: AckId, answer: &str) {
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

    /// Calls the tracker with the time of this turn, then does what it wants done.
    pub(super) fn track<T>(
        &mut self,
        verb: impl FnOnce(&mut ProgressTracker, Now, &mut Wheel<Timer>) -> Result<T, ProgressError>,
    ) -> Result<T, ProgressError> {
        let tracker = self.tracking.tracker.as_mut().ok_or_else(switched_off)?;
        let result = verb(tracker, self.clock.now, &mut self.clock.wheel);
        while let Some(output) = self
            .tracking
            .tracker
            .as_mut()
            .and_then(ProgressTracker::poll_output)
        {
            self.do_output(output);
        }
        result
    }

    fn do_output(&mut self, output: Output) {
        match output {
            Output::Emit {
                event,
                session,
                recipients,
                payload,
            } => {
                if let Some(id) = session {
                    self.end_story(id);
                }
                let Some(namespace) = self.sockets.find_namespace(NAMESPACE) else {
                    return;
                };
                let everybody = Target::namespace(namespace);
                let target = match recipients {
                    Recipients::Everybody => everybody,
                    Recipients::Session(id) => everybody.to(room(id)),
                };
                let args = Args::received(format!("[{payload}]"), 1, Vec::new());
                self.emit_unchecked(&target, event, &args);
            }
            Output::Progress {
                slot, recipients, ..
            } => self.tell_progress(slot, recipients),
            Output::CancelAsked { id, reason } => match self.tracking.cancel_hooks.remove(&id) {
                Some(hook) => hook(reason),
                None => self.push_event(Event::CancelRequested {
                    session: id,
                    reason,
                }),
            },
            Output::CancelAnswered { id, answer } => {
                let answer = match &answer {
                    Ok(session) => command::session_answer(session),
                    Err(error) => command::error_answer(error),
                };
                let (answered, waiting) = std::mem::take(&mut self.tracking.cancel_acks)
                    .into_iter()
                    .partition(|held| held.session == id);
                self.tracking.cancel_acks = waiting;
                let answered: Vec<CancelAck> = answered;
                for held in answered {
                    self.answer_command(held.ack, &answer);
                }
            }
            Output::Forgotten { id } => {
                self.tracking.cancel_hooks.remove(&id);
                self.sockets.clear_room(NAMESPACE, &room(id));
            }
        }
    }
}

/// The room of those who track a session.
pub(super) fn room(id: Uuid) -> String {
    format!("progress:{id}")
}

pub(super) fn switched_off() -> ProgressError {
    ProgressError::new(
        ErrorCode::SessionNotFound,
        "this server keeps no progress sessions",
    )
}
