//! Whose turn it is to be written to: those for whom little waits first, the others from a ring of their own.

use std::collections::VecDeque;

use super::Ready;
use crate::id::ConnectionId;

/// Connections written to in one turn: what goes to very many is spread over several, and answers go out in between.
const WRITES_PER_TURN: usize = 128;
/// Bytes written in one turn, of all connections together; the last write may go beyond.
const BYTES_PER_TURN: usize = 512 * 1024;
/// Units of work on answers in one turn, compressing them above all; the last answer may go beyond.
const UNITS_PER_TURN: usize = 500_000;
/// Bytes written to one connection in one turn.
const MAX_BYTES: usize = 256 * 1024;
/// A connection for which more than this waits is written to after those for which less does.
const MAX_SMALL_BYTES: usize = 16 * 1024;

/// What is written in this turn.
#[derive(Debug, Default)]
pub(super) struct Writes {
    /// Connections for which much waits, each once.
    large: VecDeque<ConnectionId>,
    /// Those of them that have used up their share of this turn.
    rested: VecDeque<ConnectionId>,
    writes: usize,
    bytes: usize,
    /// Units of work that answers have cost beside being written.
    units: usize,
    /// The connection that is written to, and how many bytes it may still get in this turn.
    visit: Option<(ConnectionId, usize)>,
}

impl Ready {
    /// Writing begins, with everything that a turn may write.
    pub fn begin_writes(&mut self) {
        let writes = &mut self.writes;
        writes.large.append(&mut writes.rested);
        (writes.writes, writes.bytes, writes.units) = (0, 0, 0);
    }

    /// Whether anybody waits for whom there is much.
    pub fn has_large(&self) -> bool {
        !(self.writes.large.is_empty() && self.writes.rested.is_empty())
    }

    /// Takes units from what this turn may spend on making answers.
    #[cfg(feature = "compression")]
    pub fn charge_answer(&mut self, units: usize) {
        self.writes.units += units;
    }

    /// Whether more may be written in this turn.
    pub fn may_write(&self) -> bool {
        self.writes.has_left(1)
    }

    /// A connection can take bytes. Whether it is to be written to because of that.
    pub fn on_writable(&mut self, key: ConnectionId) -> bool {
        let Some(source) = self.source(key) else {
            return false;
        };
        source.is_writable = true;
        std::mem::take(&mut source.is_write_due)
    }

    /// Whether a connection can take bytes, as far as is known.
    pub fn is_writable(&self, key: ConnectionId) -> bool {
        let source = self.sources.get(key.index()).and_then(Option::as_ref);
        source.is_some_and(|it| it.generation == key.0.generation && it.is_writable)
    }

    /// The connection that is written to.
    pub fn written(&self) -> Option<ConnectionId> {
        self.writes.visit.map(|(key, _)| key)
    }

    /// How many bytes may be written to a connection now.
    pub fn bytes_left(&self, key: ConnectionId) -> usize {
        match self.writes.visit {
            Some((written, left)) if written == key => left,
            _ => usize::MAX,
        }
    }

    /// The next connection for which much waits, while less than one part of a turn in so many has been written.
    pub fn next_large(&mut self, part: usize) -> Option<ConnectionId> {
        if !self.writes.has_left(part) {
            return None;
        }
        loop {
            let key = self.writes.large.pop_front()?;
            if let Some(source) = self.source(key) {
                source.is_large = false;
                return Some(key);
            }
        }
    }

    /// Whether a connection for which so many bytes wait is written to after others; from now on it is in their list.
    pub fn puts_off(&mut self, key: ConnectionId, bytes: usize) -> bool {
        let Some(source) = self.source(key) else {
            return true;
        };
        if source.is_large {
            return true;
        }
        if bytes > MAX_SMALL_BYTES {
            source.is_large = true;
            self.writes.large.push_back(key);
        }
        bytes > MAX_SMALL_BYTES
    }

    /// Begins to write to a connection, if it can take bytes. If not, it is written to as soon as it can.
    pub fn begin_write(&mut self, key: ConnectionId) -> bool {
        let Some(source) = self.source(key) else {
            return false;
        };
        if !source.is_writable {
            source.is_write_due = true;
            return false;
        }
        self.writes.writes += 1;
        self.writes.visit = Some((key, MAX_BYTES));
        true
    }

    /// So many bytes have been written.
    pub fn wrote(&mut self, key: ConnectionId, bytes: usize) {
        if let Some((written, left)) = &mut self.writes.visit {
            if *written == key {
                *left = left.saturating_sub(bytes);
                self.writes.bytes += bytes;
            }
        }
    }

    /// The connection that is written to takes no more.
    pub fn write_would_block(&mut self, key: ConnectionId) {
        if let Some(source) = self.source(key) {
            source.is_writable = false;
        }
    }

    /// Whether writing to this connection goes on; if not, and it has output, it is written to later.
    pub fn goes_on_writing(&mut self, key: ConnectionId, has_output: bool) -> bool {
        let left = self.bytes_left(key);
        let Some(source) = self.source(key).filter(|_| has_output) else {
            self.writes.visit = None;
            return false;
        };
        if source.is_writable && left > 0 {
            return true;
        }
        if source.is_writable {
            source.is_large = true;
            self.writes.rested.push_back(key);
        } else {
            source.is_write_due = true;
        }
        self.writes.visit = None;
        false
    }
}

impl Writes {
    /// Whether something is left of one part of a turn in so many.
    fn has_left(&self, part: usize) -> bool {
        self.writes < WRITES_PER_TURN / part
            && self.bytes < BYTES_PER_TURN / part
            && self.units < UNITS_PER_TURN / part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::Slots;

    /// A made-up connection and how much waits for it.
    struct Crowd {
        ready: Ready,
        waiting: Vec<(ConnectionId, usize)>,
    }

    impl Crowd {
        fn new(waiting: &[usize]) -> Crowd {
            let mut slots = Slots::default();
            let waiting: Vec<_> = waiting
                .iter()
                .map(|bytes| (ConnectionId(slots.insert(())), *bytes))
                .collect();
            let mut ready = Ready::default();
            for (key, _) in &waiting {
                ready.open(*key);
            }
            Crowd { ready, waiting }
        }

        /// Writes to a connection as the endpoint does; how many bytes it got.
        fn write(&mut self, key: ConnectionId) -> usize {
            let waiting = &mut self.waiting[key.index()].1;
            let mut written = 0;
            assert!(self.ready.begin_write(key));
            while self.ready.goes_on_writing(key, *waiting > 0) {
                let bytes = self.ready.bytes_left(key).min(*waiting).min(100_000);
                self.ready.wrote(key, bytes);
                *waiting -= bytes;
                written += bytes;
            }
            written
        }

        fn large_turn(&mut self, part: usize) -> Vec<usize> {
            let mut written = Vec::new();
            while let Some(key) = self.ready.next_large(part) {
                written.push(self.write(key));
            }
            written
        }
    }

    #[test]
    fn those_for_whom_much_waits_get_their_share_and_no_more_from_turn_to_turn() {
        let mut crowd = Crowd::new(&[1_000_000, 300_000, 100, 20_000]);
        crowd.ready.begin_writes();
        for (key, bytes) in crowd.waiting.clone() {
            let puts_off = crowd.ready.puts_off(key, bytes);
            assert_eq!(puts_off, bytes > MAX_SMALL_BYTES);
        }
        let (key, bytes) = crowd.waiting[0];
        assert!(crowd.ready.puts_off(key, bytes), "it is in the list once");
        assert_eq!(crowd.large_turn(1), [MAX_BYTES, MAX_BYTES]);
        assert!(!crowd.ready.may_write() && crowd.ready.has_large());
        crowd.ready.begin_writes();
        assert_eq!(crowd.large_turn(2), [20_000, MAX_BYTES]);
        crowd.ready.begin_writes();
        assert_eq!(crowd.large_turn(1), [300_000 - MAX_BYTES, MAX_BYTES]);
    }

    #[cfg(feature = "compression")]
    #[test]
    fn answers_that_cost_much_work_end_the_writing_of_a_turn() {
        let mut crowd = Crowd::new(&[100]);
        crowd.ready.begin_writes();
        crowd.ready.charge_answer(UNITS_PER_TURN - 1);
        assert!(crowd.ready.may_write());
        crowd.ready.charge_answer(1);
        assert!(!crowd.ready.may_write());
        crowd.ready.begin_writes();
        assert!(crowd.ready.may_write());
    }

    #[test]
    fn one_that_takes_no_more_is_written_to_when_it_can() {
        let mut crowd = Crowd::new(&[100]);
        let key = crowd.waiting[0].0;
        crowd.ready.begin_writes();
        assert!(crowd.ready.begin_write(key) && crowd.ready.goes_on_writing(key, true));
        crowd.ready.write_would_block(key);
        assert!(!crowd.ready.goes_on_writing(key, true));
        assert!(!crowd.ready.begin_write(key));
        assert!(crowd.ready.on_writable(key));
        assert!(crowd.ready.begin_write(key));
        assert!(!crowd.ready.goes_on_writing(key, false));
        assert!(!crowd.ready.on_writable(key), "nothing is due");
    }

    #[test]
    fn those_who_have_gone_are_passed_over() {
        let mut crowd = Crowd::new(&[50_000, 50_000]);
        crowd.ready.begin_writes();
        for (key, bytes) in crowd.waiting.clone() {
            crowd.ready.puts_off(key, bytes);
        }
        crowd.ready.close(crowd.waiting[0].0);
        assert_eq!(crowd.large_turn(1), [50_000]);
        assert!(!crowd.ready.has_large());
    }
}
