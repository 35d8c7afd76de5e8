//! Who is read from and written to next, and how much of it: readiness, fairness and budgets, without sockets and without a clock.
//!
//! Work is counted in [`cost`] units, each about a nanosecond of a small machine. A turn of the loop has so many of them, and
//! each connection that has something to do gets an equal share, within limits. A connection that has used up its share goes to
//! the back of a ring, and the next turn goes on where this one stopped: between two visits to one connection, every other one is
//! visited at least once.
//!
//! A connection that had nothing to do until now, and has used little since the ring last went round, is *fresh* and comes
//! before the ring, so that a small message does not wait behind large ones. Fresh connections cannot starve the ring: in the
//! second half of each turn the connection comes first that has waited longest, in whichever list.
//!
//! [`Ready`] also knows up to which time everything that had arrived has been read ([`Ready::heard_until_ms`]). A session whose
//! pong is overdue is judged by that time, and not by the clock: its pong may have come and wait to be read.

mod queue;
mod writes;

use crate::id::ConnectionId;
use queue::VisitQueue;
use writes::Writes;

/// What work costs, in units.
pub(crate) mod cost {
    /// A read from a connection, whatever comes of it: a system call, and a place in memory that was not looked at of late.
    pub const READ: usize = 5_000;
    /// So many bytes are copied for one unit.
    pub const COPIES: usize = 4;
    /// A request, a frame, a packet or a piece of a body, and one more unit for each of its bytes.
    pub const STEP: usize = 200;
    /// A request's head has been understood and is to be answered.
    pub const REQUEST: usize = 3_000;
    /// A packet is queued for a client, and one more unit for so many of its bytes as are copied for one.
    pub const SEND: usize = 500;
    /// An event for the host.
    pub const EVENT: usize = 1_000;
    /// An element of a list is looked at: a member of a namespace, a packet that a client may have missed.
    pub const ELEMENT: usize = 20;
    /// A timer fires.
    pub const TIMER: usize = 500;
    /// A timer moves down in the wheel.
    pub const MOVE: usize = 20;
    /// Compressing one byte.
    #[cfg(feature = "compression")]
    pub const COMPRESSED: usize = 20;
    /// Looking through all progress sessions for those of a list, and one more unit for each byte of the answer.
    pub const LIST: usize = 50_000;
}

/// Units of one turn: about half a millisecond.
pub(crate) const TURN_UNITS: i64 = 500_000;
/// Units of one turn for timers alone: input does not hold them up, nor they input.
pub(crate) const TIMERS_UNITS: usize = 250_000;
/// Units of one visit to a connection while few others have something to do: one read that fills the buffer.
const MAX_SHARE_UNITS: i64 = 64 * 1024;
/// Units of one visit, however many others have something to do: a handful of events that came in one read are answered in one
/// write.
const MIN_SHARE_UNITS: i64 = 24 * 1024;
/// A connection is fresh that has used fewer units than these in this cycle of the ring. What one large message costs beyond
/// its share, those who send small ones may use too.
const FRESH_UNITS: i64 = 2 * MAX_SHARE_UNITS;
/// The first read of a connection is of so many bytes. Reads become larger as long as everything is handled that they bring.
const FIRST_READ_BITS: u8 = 13;
/// The largest read.
const MAX_READ_BITS: u8 = 16;
/// A read of a connection that has sent more, in very many pieces, than could be handled at a time.
const MIN_READ_BITS: u8 = 12;

/// The most bytes that [`Ready`] asks for at once.
pub(crate) const MAX_READ_BYTES: usize = 1 << MAX_READ_BITS;

/// Who has input, and whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    /// By the number of the connection's slot.
    sources: Vec<Option<Source>>,
    queue: VisitQueue,
    /// Connections that have had what one may have of a turn.
    rested: Vec<ConnectionId>,
    /// How many connections are queued, rest or are visited.
    listed: usize,
    visit: Option<Visit>,
    /// Units left of this turn.
    turn_left: i64,
    spent: Spent,
    rounds: Rounds,
    writes: Writes,
}

/// Units that visits have used.
#[derive(Debug, Default)]
struct Spent {
    in_this_turn: i64,
    most_in_a_visit: i64,
    most_in_a_turn: i64,
}

/// One connection.
#[derive(Debug)]
struct Source {
    generation: u32,
    /// The round in which it was last visited or listed: this one or the one before, while it is listed.
    round: u8,
    /// The next read is of so many bytes, as a power of two.
    read_bits: u8,
    /// What it has used in this cycle of the ring, in sixteens of units.
    used_sixteens: u16,
    cycle: u8,
    /// The operating system has bytes for us, or the end of them.
    is_readable: bool,
    /// Its end is among that.
    is_half_closed: bool,
    /// Work goes on without anything new to read.
    has_more: bool,
    is_listed: bool,
    /// The operating system takes bytes.
    is_writable: bool,
    /// It is to be written to as soon as it does.
    is_write_due: bool,
    /// It is in the list of those for whom much waits.
    is_large: bool,
}

/// The visit under way.
#[derive(Debug)]
struct Visit {
    key: ConnectionId,
    share: i64,
    units_left: i64,
    /// It is still in its list, since it was visited out of its turn.
    is_in_list: bool,
    /// Nothing more of it in this turn.
    is_rest_due: bool,
}

/// Rounds of reading, in each of which every connection is visited that was ready when the round began.
#[derive(Debug, Default)]
struct Rounds {
    /// Counted modulo 256: only whether two are the same is of interest.
    number: u8,
    /// Connections that are still to be visited in this round.
    left: usize,
    /// When the operating system was asked what is ready; `None` between rounds.
    asked_ms: Option<u64>,
    /// When it was first asked, while it has not told everything yet.
    first_asked_ms: Option<u64>,
    heard_until_ms: Option<u64>,
}

impl Ready {
    /// A connection is there from now on.
    pub fn open(&mut self, key: ConnectionId) {
        if self.sources.len() <= key.index() {
            self.sources.resize_with(key.index() + 1, || None);
        }
        self.sources[key.index()] = Some(Source {
            generation: key.0.generation,
            round: self.rounds.number,
            read_bits: FIRST_READ_BITS,
            cycle: self.queue.cycle,
            used_sixteens: 0,
            is_readable: false,
            is_half_closed: false,
            has_more: false,
            is_listed: false,
            // Nothing has been written to it yet, so there is room.
            is_writable: true,
            is_write_due: false,
            is_large: false,
        });
    }

    /// A connection is gone.
    pub fn close(&mut self, key: ConnectionId) {
        if let Some(source) = self.source(key) {
            let (is_listed, round) = (source.is_listed, source.round);
            self.sources[key.index()] = None;
            if is_listed {
                self.listed -= 1;
                self.rounds.visited(round);
            }
        }
        while let Some(None) = self.sources.last() {
            self.sources.pop();
        }
    }

    /// Bytes have arrived on a connection, or their end.
    pub fn on_readable(&mut self, key: ConnectionId) {
        if let Some(source) = self.source(key) {
            source.is_readable = true;
            self.list(key);
        }
    }

    /// The end of a connection's input has arrived, behind bytes that are still to be read.
    pub fn on_half_close(&mut self, key: ConnectionId) {
        if let Some(source) = self.source(key) {
            source.is_half_closed = true;
        }
        self.on_readable(key);
    }

    /// Whether [`Ready::on_half_close`] was called.
    pub fn is_half_closed(&mut self, key: ConnectionId) -> bool {
        self.source(key).is_some_and(|source| source.is_half_closed)
    }

    /// Everything that had arrived has been read.
    pub fn would_block(&mut self, key: ConnectionId) {
        if let Some(source) = self.source(key) {
            source.is_readable = false;
        }
    }

    /// Work on a connection goes on without anything new to read.
    pub fn on_more(&mut self, key: ConnectionId) {
        if let Some(source) = self.source(key) {
            source.has_more = true;
            self.list(key);
        }
    }

    pub fn is_readable(&mut self, key: ConnectionId) -> bool {
        self.source(key).is_some_and(|source| source.is_readable)
    }

    /// Whether this connection is to be visited. For checks.
    pub fn is_listed(&self, key: ConnectionId) -> bool {
        let source = self.sources.get(key.index()).and_then(Option::as_ref);
        source.is_some_and(|source| source.generation == key.0.generation && source.is_listed)
    }

    /// Whether anybody is to be visited.
    pub fn has_work(&self) -> bool {
        self.listed > 0
    }

    /// Units that this turn has used.
    #[cfg(test)]
    pub fn used_units(&self) -> i64 {
        TURN_UNITS - self.turn_left
    }

    /// Checks that no visit and no turn has ever used more than it may and one piece of work of so many units.
    pub fn check_costs(&self, piece_units: usize) {
        let piece = i64::try_from(piece_units).unwrap_or(i64::MAX / 2);
        let (visit, turn) = (self.spent.most_in_a_visit, self.spent.most_in_a_turn);
        let most_of_visit = MAX_SHARE_UNITS + piece;
        assert!(visit <= most_of_visit, "a visit took {visit} units");
        assert!(
            turn <= TURN_UNITS + most_of_visit,
            "a turn took {turn} units"
        );
    }

    /// A turn begins, with all its units.
    pub fn begin_turn(&mut self) {
        self.turn_left = TURN_UNITS;
        self.spent.in_this_turn = 0;
        for key in std::mem::take(&mut self.rested) {
            self.queue.push(key, false);
        }
    }

    /// The operating system was asked at `asked_ms` what is ready, and all of that has been noted here; if it told
    /// everything, a round of reading begins.
    pub fn on_polled(&mut self, asked_ms: u64, is_complete: bool) {
        let rounds = &mut self.rounds;
        let first_asked_ms = *rounds.first_asked_ms.get_or_insert(asked_ms);
        if !is_complete {
            return;
        }
        rounds.first_asked_ms = None;
        if rounds.asked_ms.is_none() {
            rounds.begin(first_asked_ms, self.listed);
        }
    }

    /// Everything that had arrived by this time has been read. Without rounds, as where nobody asks an operating system,
    /// that is always.
    pub fn heard_until_ms(&self) -> u64 {
        self.rounds.heard_until_ms.unwrap_or(u64::MAX)
    }

    /// Begins the visit of the next connection, if there is one and this turn has units left. One that was under way is over.
    pub fn next_visit(&mut self) -> Option<ConnectionId> {
        self.end_visit(true);
        while self.turn_left > 0 {
            let prefers_fresh = self.turn_left > TURN_UNITS / 2;
            let key = self.queue.pop(prefers_fresh)?;
            if let Some(source) = self.source(key) {
                let has_work = source.has_more || source.is_readable;
                self.begin_visit(key, false);
                if has_work {
                    return Some(key);
                }
                self.end_visit(true);
            }
        }
        None
    }

    /// The connection that is visited.
    pub fn visited(&self) -> Option<ConnectionId> {
        self.visit.as_ref().map(|visit| visit.key)
    }

    /// Begins a visit that nobody was asked to make, as when bytes are handed over unasked.
    pub fn visit_unasked(&mut self, key: ConnectionId) {
        self.end_visit(true);
        let number = self.rounds.number;
        if let Some(source) = self.source(key) {
            let was_listed = std::mem::replace(&mut source.is_listed, true);
            if !was_listed {
                source.round = number;
                self.listed += 1;
            }
            self.begin_visit(key, was_listed);
        }
    }

    /// Whether work goes on without anything new to read; from now on it does no more, unless that is said again.
    pub fn take_more(&mut self, key: ConnectionId) -> bool {
        self.source(key)
            .is_some_and(|source| std::mem::take(&mut source.has_more))
    }

    /// Takes units from the visit under way, and so from the turn.
    pub fn charge(&mut self, units: usize) {
        let units = i64::try_from(units).unwrap_or(i64::MAX);
        self.turn_left = self.turn_left.saturating_sub(units);
        if let Some(visit) = &mut self.visit {
            visit.units_left = visit.units_left.saturating_sub(units);
        }
    }

    /// The connection that is visited gets nothing more in this turn.
    pub fn rest(&mut self) {
        if let Some(visit) = &mut self.visit {
            visit.units_left = 0;
            visit.is_rest_due = true;
        }
    }

    /// Whether the connection that is visited has used up its share.
    pub fn is_share_used_up(&self) -> bool {
        self.visit
            .as_ref()
            .is_some_and(|visit| visit.units_left <= 0)
    }

    /// How many bytes to read from the connection that is visited.
    pub fn read_bytes(&mut self) -> usize {
        let Some(visit) = &self.visit else {
            return 0;
        };
        let (key, units_left) = (visit.key, visit.units_left);
        let bits = self
            .source(key)
            .map_or(MIN_READ_BITS, |source| source.read_bits);
        let share = usize::try_from(units_left).unwrap_or(0);
        (1 << bits).min(share.max(1 << MIN_READ_BITS))
    }

    /// Of this connection so many bytes have been read, and handled, or not all of them for want of units: the next reads
    /// are larger or smaller.
    pub fn adapt_reads(&mut self, key: ConnectionId, read_bytes: usize, is_all_handled: bool) {
        if let Some(source) = self.source(key) {
            if !is_all_handled {
                source.read_bits = MIN_READ_BITS;
            } else if read_bytes >= 1 << source.read_bits {
                source.read_bits = MAX_READ_BITS.min(source.read_bits + 1);
            }
        }
    }

    /// Ends the visit under way. The connection stays listed where there is more to do and it can take it.
    pub fn end_visit(&mut self, can_go_on: bool) {
        let Some(visit) = self.visit.take() else {
            return;
        };
        let units = visit.share - visit.units_left;
        self.spent.add_visit(units);
        let (number, cycle) = (self.rounds.number, self.queue.cycle);
        let Some(source) = self.source(visit.key) else {
            return;
        };
        let sixteens = u16::try_from((units + 15) / 16).unwrap_or(u16::MAX);
        source.begin_cycle(cycle);
        source.used_sixteens = source.used_sixteens.saturating_add(sixteens);
        let round = std::mem::replace(&mut source.round, number);
        let has_work = source.has_more || source.is_readable && can_go_on;
        source.is_listed = visit.is_in_list || has_work;
        if !source.is_listed {
            self.listed -= 1;
        } else if visit.is_rest_due && !visit.is_in_list {
            self.rested.push(visit.key);
        } else if !visit.is_in_list {
            self.queue.push(visit.key, false);
        }
        self.rounds.visited(round);
    }

    fn begin_visit(&mut self, key: ConnectionId, is_in_list: bool) {
        let share = TURN_UNITS / i64::try_from(self.listed.max(1)).unwrap_or(i64::MAX);
        let share = share.clamp(MIN_SHARE_UNITS, MAX_SHARE_UNITS);
        self.visit = Some(Visit {
            key,
            share,
            units_left: share,
            is_in_list,
            is_rest_due: false,
        });
    }

    fn list(&mut self, key: ConnectionId) {
        let (number, cycle) = (self.rounds.number, self.queue.cycle);
        if let Some(source) = self.source(key) {
            if !source.is_listed {
                source.is_listed = true;
                source.begin_cycle(cycle);
                // It has come after the round began.
                source.round = number;
                let is_fresh = i64::from(source.used_sixteens) * 16 < FRESH_UNITS;
                self.listed += 1;
                self.queue.push(key, is_fresh);
            }
        }
    }

    fn source(&mut self, key: ConnectionId) -> Option<&mut Source> {
        let source = self.sources.get_mut(key.index())?.as_mut()?;
        (source.generation == key.0.generation).then_some(source)
    }
}

impl Spent {
    fn add_visit(&mut self, units: i64) {
        self.in_this_turn += units;
        self.most_in_a_visit = self.most_in_a_visit.max(units);
        self.most_in_a_turn = self.most_in_a_turn.max(self.in_this_turn);
    }
}

impl Source {
    /// What it used in an earlier cycle of the ring counts no more.
    fn begin_cycle(&mut self, cycle: u8) {
        if self.cycle != cycle {
            self.cycle = cycle;
            self.used_sixteens = 0;
        }
    }
}

impl Rounds {
    fn begin(&mut self, asked_ms: u64, connections: usize) {
        self.number = self.number.wrapping_add(1);
        self.left = connections;
        self.asked_ms = Some(asked_ms);
        self.end_if_done();
    }

    /// A connection has been visited, or is gone, that was last visited or listed in this round.
    fn visited(&mut self, round: u8) {
        if self.asked_ms.is_some() && round != self.number {
            self.left -= 1;
            self.end_if_done();
        }
    }

    fn end_if_done(&mut self) {
        if self.left == 0 {
            self.heard_until_ms = self.asked_ms.take().or(self.heard_until_ms);
        }
    }
}

#[cfg(test)]
mod tests;
