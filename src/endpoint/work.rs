//! What is to be done next: the one question that whoever holds the sockets asks, again and again.

use super::memory::Memory;
use super::overdue::Unheard;
use super::stalls::Stalls;
use super::Endpoint;
use crate::id::ConnectionId;
use crate::now::Now;
use crate::transport::Closing;

/// What whoever holds the sockets is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Read from a connection, so many bytes at most, and say what came of it: [`Endpoint::on_read`].
    Read(ConnectionId, usize),
    /// Have the host take all events that there are ([`Endpoint::poll_event`]) and answer with verbs. At least once in a turn.
    Events,
    /// Write to a connection, in one call: [`Endpoint::write`].
    Write(ConnectionId),
    /// Shut down a connection's writing side and go on reading: the peer is to see the end of what it was sent before
    /// the connection vanishes, which a full close with unread input would turn into a reset.
    ShutdownWrite(ConnectionId),
    /// Close a connection; its id is stale.
    Close(ConnectionId),
    /// Wait until something happens, at most until this monotonic time in milliseconds, which may have passed. Then say what time
    /// it is ([`Endpoint::begin_turn`]), tell all that has happened ([`Endpoint::open`], [`Endpoint::on_ready`]), and
    /// [`Endpoint::on_polled`] behind it.
    Wait(Option<u64>),
}

/// How far a turn has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Begin,
    Input,
    /// The host has been told that as many events wait as may.
    FullInput,
    Output,
    /// All is done; the next turn begins when it has been told what has happened since.
    Waiting,
}

/// How far this turn has come, and what goes over to the next.
#[derive(Default)]
pub(super) struct Turn {
    pub phase: Phase,
    pub stalls: Stalls,
    pub memory: Memory,
    /// More timers are due than a turn has units for.
    pub has_timers_left: bool,
    /// Deadlines and requests that wait until everything has been read that may have come for them.
    pub unheard: Unheard,
    /// Counts connections that are named to be written to, by which the lists take turns.
    pub outputs: u32,
}

impl Endpoint {
    /// What is to be done next. `now` counts from the beginning of the next turn on.
    ///
    /// A turn reads from those who are ready, fires what is due, has the host handle events, writes, closes and waits, in this
    /// order; each of these has its bound, and what is left over is first in the next turn. Whoever holds the sockets does what is
    /// named and says what came of it, by six verbs: [`Endpoint::begin_turn`], [`Endpoint::open`], [`Endpoint::on_ready`],
    /// [`Endpoint::on_polled`], [`Endpoint::on_read`] and [`Endpoint::write`]. The [page of the crate](crate) has these lines in full.
    pub fn next_work(&mut self, now: Now) -> Work {
        loop {
            match self.turn.phase {
                Phase::Begin => {
                    if now == self.clock.now {
                        self.grant_units();
                    } else {
                        self.begin_turn(now);
                    }
                    self.turn.phase = Phase::Input;
                }
                Phase::Input | Phase::FullInput => {
                    if let Some((key, bytes)) = self.next_read() {
                        return Work::Read(key, bytes);
                    }
                    if self.turn.phase == Phase::Input && self.has_full_queue() {
                        // Once in a turn, as the host may have its reasons not to take them.
                        self.turn.phase = Phase::FullInput;
                        return Work::Events;
                    }
                    self.handle_timeouts();
                    self.transport.ready.begin_writes();
                    self.turn.phase = Phase::Output;
                    return Work::Events;
                }
                Phase::Output => {
                    if let Some(key) = self.next_write() {
                        return Work::Write(key);
                    }
                    match self.transport.next_closing() {
                        Some((key, Closing::Write)) => return Work::ShutdownWrite(key),
                        Some((key, Closing::Both)) => return Work::Close(key),
                        None => self.turn.phase = Phase::Waiting,
                    }
                    let until_ms = self.wait_until();
                    self.turn.stalls.sleep_until(until_ms);
                    return Work::Wait(until_ms);
                }
                // What verbs have brought meanwhile goes out first.
                Phase::Waiting => self.turn.phase = Phase::Output,
            }
        }
    }

    /// Begins a turn: all that happens until the next one happens at this time. Where verbs are called between two turns, this
    /// is called before them.
    pub fn begin_turn(&mut self, now: Now) {
        debug_assert!(
            now.mono_ms >= self.clock.now_ms(),
            "the monotonic clock went back"
        );
        let before_ms = self.clock.now_ms();
        self.turn.stalls.begin_turn(before_ms, now.mono_ms);
        self.clock.now = now;
        self.grant_units();
        self.look_at_door();
        if let Some(tracker) = &mut self.tracking.tracker {
            tracker.see(now);
        }
    }

    /// What a turn may spend, and how far the one before has come.
    fn grant_units(&mut self) {
        self.note_heard();
        self.transport.ready.begin_turn();
        self.events.begin_turn();
        self.resume_changes();
        self.bound_memory();
    }

    /// Whether there is something to do without waiting for input or a deadline.
    pub(crate) fn has_work(&self) -> bool {
        !self.events.is_empty()
            || self.sockets.has_changes()
            || self.turn.has_timers_left
            || self.transport.has_work()
            || self.turn.unheard.is_waiting()
            || self.sessions.has_polls_due()
            || self.has_changes_left()
    }

    /// Until when nothing is to be done unless something happens; a time that has passed while there is something to do.
    pub(crate) fn wait_until(&self) -> Option<u64> {
        if self.has_work() {
            return Some(self.clock.now_ms());
        }
        self.next_deadline()
    }

    /// The next connection to write to, while this turn may write more.
    fn next_write(&mut self) -> Option<ConnectionId> {
        loop {
            if let Some(key) = self.transport.ready.written() {
                let has_output = self.has_output(key);
                if self.transport.ready.goes_on_writing(key, has_output) {
                    return Some(key);
                }
            }
            let key = self.next_written()?;
            if !self.has_output(key) {
                // Nothing to write is news too, for a connection that was only waiting to be closed.
                self.wrote(key, 0);
            } else {
                self.transport.ready.begin_write(key);
            }
        }
    }

    /// The next connection with output: first those for whom much waits, for half of a turn at the most, then those for whom
    /// little does, then the others again.
    fn next_written(&mut self) -> Option<ConnectionId> {
        if let Some(key) = self.transport.ready.next_large(2) {
            return Some(key);
        }
        while self.transport.ready.may_write() {
            let Some(key) = self.next_output() else {
                return self.transport.ready.next_large(1);
            };
            let bytes = self.transport.output_bytes(key);
            if !self.transport.ready.puts_off(key, bytes) {
                return Some(key);
            }
        }
        None
    }
}
