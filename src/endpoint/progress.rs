//! Where progress sessions meet sockets: verbs for the host, commands of clients, events for everybody concerned.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::commands::Commands;
use super::confirmed::Held;
use super::news::News;
use super::owners::{confined_room, owners_room, room, CONFINED, OVERSEERS};
use super::{Endpoint, Event};
use crate::clock::Clock;
use crate::config::Config;
use crate::now::Now;
use crate::progress::{command, ErrorCode, Output, ProgressError, ProgressTracker, Recipients};
use crate::socket::{Args, NamespaceId, Target};
use crate::timer::Timer;
use crate::wheel::Wheel;

/// Progress sessions, and what of them concerns clients.
pub(super) struct Tracking {
    pub tracker: Option<ProgressTracker>,
    /// Who is to be told when a session shall be cancelled, instead of the host.
    cancel_hooks: BTreeMap<Uuid, CancelHook>,
    /// What clients have asked of sessions, and is not answered yet.
    pub commands: Commands,
    /// What is answered when changes are written down.
    pub held: Held,
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
            commands: Commands::default(),
            held: Held::default(),
            news: News::default(),
        }
    }
}

/// Hears that a session shall be cancelled, and why.
pub(crate) type CancelHook = Box<dyn FnOnce(String) + Send>;

/// The namespace that progress sessions are spoken of in.
pub(super) const NAMESPACE: &str = "/";

impl Endpoint {
    /// Who hears that a managed session shall be cancelled, instead of the host.
    pub(crate) fn on_cancel(&mut self, id: Uuid, hook: CancelHook) {
        self.tracking.cancel_hooks.insert(id, hook);
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

    /// Who is to hear of a session, or of something that concerns no session: clients of these two targets, none of whom are of both.
    pub(super) fn progress_targets(
        &self,
        namespace: NamespaceId,
        session: Option<Uuid>,
        recipients: Recipients,
    ) -> (Target, Option<Target>) {
        let everybody = Target::namespace(namespace);
        let Recipients::Session(id) = recipients else {
            let is_alone = !self.outside.adapter.is_cluster();
            if is_alone && !self.sockets.has_room(namespace, CONFINED) {
                return (everybody, None);
            }
            let confined = session.map(|id| everybody.clone().to(confined_room(id)));
            return (everybody.except(CONFINED), confined);
        };
        let seen_by = [room(id), confined_room(id), OVERSEERS.to_owned()];
        let seen_by = seen_by.into_iter().fold(everybody, Target::to);
        let session = self.session_info_of(id);
        let target = match session.as_ref().and_then(|session| session.owner()) {
            Some(owner) => seen_by.to(owners_room(owner)),
            None => seen_by,
        };
        (target, None)
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
                let (target, more) = match event {
                    // It is a sign of life, which is kept from nobody.
                    "heartbeat" => (Target::namespace(namespace), None),
                    _ => self.progress_targets(namespace, session, recipients),
                };
                let args = Args::received(format!("[{payload}]"), 1, Vec::new());
                self.emit_unchecked(&target, event, &args);
                if let Some(more) = more {
                    self.emit_unchecked(&more, event, &args);
                }
            }
            Output::Progress {
                id,
                slot,
                recipients,
            } => self.tell_progress(id, slot, recipients),
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
                self.answer_cancels(id, &answer);
            }
            Output::Changed => self.push_event(Event::ProgressChanged),
            Output::Forgotten { id } => {
                self.tracking.cancel_hooks.remove(&id);
                self.sockets.clear_room(NAMESPACE, &room(id));
                self.sockets.clear_room(NAMESPACE, &confined_room(id));
            }
        }
    }
}

pub(super) fn switched_off() -> ProgressError {
    ProgressError::new(
        ErrorCode::SessionNotFound,
        "this server keeps no progress sessions",
    )
}
