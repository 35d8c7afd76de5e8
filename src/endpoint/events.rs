//! What waits for the host, in the order in which it happened. The ends of sessions and sockets stand in the same queue as their
//! messages: the host may still answer what a client sent right before it left, and only then does the client leave.

use std::collections::VecDeque;

use super::limits::{Limit, Told};
use super::{Endpoint, Event, Message};
use crate::error::DisconnectReason;
use crate::id::EngineSessionId;
use crate::slots::Key;
use crate::socket::SocketId;
use crate::transport::cost;

/// Units of one turn for taking sockets out of their rooms: what else there is to do does not hold that up, nor that it.
const LEAVING_UNITS: usize = 250_000;

/// Everything that waits for the host.
#[derive(Default)]
pub(super) struct Events {
    queue: VecDeque<Queued>,
    /// Sockets that are leaving now. They come before the queue.
    departures: VecDeque<Departure>,
    /// Sockets that leave in the next turn, as this one has taken others out of as many rooms as it may.
    put_off: VecDeque<Departure>,
    /// Units left of this turn for taking sockets out of their rooms.
    leaving_units: usize,
    /// What the host knows of limits that were reached.
    pub limits: Told,
}

/// What waits for the host.
pub(super) enum Queued {
    Event(Event),
    /// A timer of the host's is due.
    Timer(Key),
    /// A limit has been reached.
    Limit(Limit),
    /// A session ends.
    End(EngineSessionId, Ending),
    /// A client leaves a namespace.
    Leave(SocketId, DisconnectReason),
    /// A socket has disconnected, and the host is to be told.
    Departure(Departure),
}

/// Why and how a session ends.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    /// Its transport is of no more use: what is queued for it is lost.
    Discard(DisconnectReason),
    /// Its client has sent a close packet.
    ByPeer,
    /// From our side: its client still gets what is queued, and then hears of the end.
    AfterFlush(DisconnectReason),
    /// Its WebSocket broke the rules, or there is no room for what it sends; this close code says which.
    Protocol(u16),
}

impl Ending {
    pub fn reason(self) -> DisconnectReason {
        match self {
            Ending::Discard(reason) | Ending::AfterFlush(reason) => reason,
            Ending::ByPeer => DisconnectReason::TransportClose,
            Ending::Protocol(code) => Ending::reason_of_code(code),
        }
    }
}

/// A socket that leaves, and what is to be done next for that.
pub(super) struct Departure {
    pub socket: SocketId,
    pub reason: DisconnectReason,
    pub step: DepartureStep,
}

/// The steps of a departure, from one to the next. The host's next question for an event is what makes each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DepartureStep {
    /// Tell that it is disconnecting. Its rooms are still there.
    TellDisconnecting,
    /// Take it out of its rooms.
    LeaveRooms,
    /// Take a socket that has not come back out of its rooms.
    LeaveRoomsExpired,
    /// Tell that it has disconnected. What is known of it is still there.
    TellDisconnected,
    /// Forget it.
    Forget,
    /// Tell that a socket is disconnecting which may come back, and so keeps its rooms.
    TellAwayDisconnecting,
    /// Tell that it has disconnected.
    TellAwayDisconnected,
    /// Tell that it has not come back.
    TellExpired,
}

impl Events {
    /// A turn begins, with all its units.
    pub fn begin_turn(&mut self) {
        self.leaving_units = LEAVING_UNITS;
        self.departures.append(&mut self.put_off);
    }

    /// The next step of a departure that may be done in this turn. What comes from others does not wait for the rest.
    fn next_departure(&mut self) -> Option<Departure> {
        loop {
            let departure = self.departures.pop_front()?;
            let leaves_rooms = matches!(
                departure.step,
                DepartureStep::LeaveRooms | DepartureStep::LeaveRoomsExpired
            );
            if !leaves_rooms || self.leaving_units > 0 {
                return Some(departure);
            }
            self.put_off.push_back(departure);
        }
    }

    pub fn len(&self) -> usize {
        self.queue.len() + self.departures.len() + self.put_off.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything in the queue. For checks.
    pub fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.queue.iter()
    }

    pub(super) fn push(&mut self, queued: Queued) {
        self.queue.push_back(queued);
    }

    pub(super) fn clear(&mut self) {
        self.queue.clear();
    }

    /// The first in the queue. What a burst made it grow to beyond `kept` goes back when it is empty.
    fn pop(&mut self, kept: usize) -> Option<Queued> {
        let first = self.queue.pop_front();
        if first.is_none() && self.queue.capacity() > kept {
            self.queue = VecDeque::new();
        }
        first
    }
}

impl Endpoint {
    /// The next thing that the host should know.
    ///
    /// Ask for it when the one before has been handled: where a client is about to leave, this is what makes it leave. Of
    /// very many that leave very many rooms at once, some do that in later turns, and are told of then.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            // What has become of rooms comes before everything that may go on with those rooms.
            if let Some((namespace, room, change)) = self.sockets.next_change() {
                return Some(Event::Room {
                    namespace,
                    room: room.into(),
                    change,
                });
            }
            let event = match self.events.next_departure() {
                Some(departure) => self.depart(departure),
                None => {
                    let queued = self.events.pop(2 * self.config.max_pending_events)?;
                    self.take_queued(queued)
                }
            };
            if event.is_some() {
                return event;
            }
        }
    }

    /// The event of what was first in the queue, where it is one.
    fn take_queued(&mut self, queued: Queued) -> Option<Event> {
        match queued {
            // The host has disconnected its sender meanwhile. Acknowledgements that have come are told of all the same:
            // somebody may wait for them.
            Queued::Event(Event::Message(Message { socket, .. }))
                if self.sockets.get(socket).is_none() => {}
            Queued::Event(event) => return Some(event),
            Queued::Timer(key) => return self.timer_event(key),
            Queued::Limit(limit) => return Some(self.limit_event(limit)),
            Queued::End(session, ending) => {
                let departures = self.lose_sockets(session, ending.reason());
                self.events.departures.extend(departures);
                self.end_now(session, ending);
            }
            Queued::Leave(socket, reason) => {
                let departure = self.begin_leaving(socket, reason);
                self.events.departures.extend(departure);
            }
            Queued::Departure(departure) => self.events.departures.push_back(departure),
        }
        None
    }

    /// Does the next step of a departure, and puts the one behind it first.
    fn depart(&mut self, departure: Departure) -> Option<Event> {
        let Departure {
            socket,
            reason,
            step,
        } = departure;
        let namespace = self.sockets.get_known(socket)?.namespace;
        let disconnecting = Event::Disconnecting {
            socket,
            namespace,
            reason,
        };
        let disconnected = Event::Disconnected {
            socket,
            namespace,
            reason,
        };
        let begins = [
            DepartureStep::TellDisconnecting,
            DepartureStep::TellAwayDisconnecting,
        ];
        if begins.contains(&step) {
            self.count_disconnect(reason);
        }
        let (event, next) = match step {
            DepartureStep::TellDisconnecting => {
                (Some(disconnecting), Some(DepartureStep::LeaveRooms))
            }
            DepartureStep::LeaveRooms => {
                self.leave_rooms(socket);
                (None, Some(DepartureStep::TellDisconnected))
            }
            DepartureStep::LeaveRoomsExpired => {
                self.leave_rooms(socket);
                (None, Some(DepartureStep::TellExpired))
            }
            DepartureStep::TellDisconnected => (Some(disconnected), Some(DepartureStep::Forget)),
            DepartureStep::Forget => {
                self.drop_socket(socket);
                (None, None)
            }
            DepartureStep::TellAwayDisconnecting => (
                Some(disconnecting),
                Some(DepartureStep::TellAwayDisconnected),
            ),
            DepartureStep::TellAwayDisconnected => (Some(disconnected), None),
            DepartureStep::TellExpired => (
                Some(Event::RecoveryExpired { socket, namespace }),
                Some(DepartureStep::Forget),
            ),
        };
        if let Some(step) = next {
            self.events.departures.push_front(Departure {
                socket,
                reason,
                step,
            });
        }
        event
    }

    /// Takes a socket out of all its rooms. For each of them, the rooms of whoever takes its place there may be looked through.
    fn leave_rooms(&mut self, socket: SocketId) {
        let rooms = self.sockets.rooms(socket).count();
        let units = rooms * (cost::ELEMENT + rooms / 2);
        self.events.leaving_units = self.events.leaving_units.saturating_sub(units);
        self.sockets.leave_all(socket);
    }

    pub(super) fn push_event(&mut self, event: Event) {
        self.transport.ready.charge(cost::EVENT);
        self.events.push(Queued::Event(event));
    }

    pub(super) fn push_departure(&mut self, departure: Option<Departure>) {
        if let Some(departure) = departure {
            self.events.push(Queued::Departure(departure));
        }
    }
}
