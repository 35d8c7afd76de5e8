//! In which order connections are visited.

use std::collections::VecDeque;

use crate::id::ConnectionId;

/// Connections that wait for their visits: the fresh ones, and the ring.
#[derive(Debug, Default)]
pub(super) struct VisitQueue {
    fresh: VecDeque<Listed>,
    ring: VecDeque<Listed>,
    /// Numbers the entries of these two in the order in which they were made.
    entries: u64,
    /// How many times the ring has gone round.
    pub cycle: u8,
    /// How many of it are still to be visited this time.
    cycle_left: usize,
}

/// A connection that waits for its visit.
#[derive(Debug)]
struct Listed {
    key: ConnectionId,
    number: u64,
}

impl VisitQueue {
    /// A connection is to be visited.
    pub fn push(&mut self, key: ConnectionId, is_fresh: bool) {
        self.entries += 1;
        let number = self.entries;
        let list = match is_fresh {
            true => &mut self.fresh,
            false => &mut self.ring,
        };
        list.push_back(Listed { key, number });
    }

    /// Who is visited next: a fresh connection where these are preferred, else the one that has waited longest.
    pub fn pop(&mut self, prefers_fresh: bool) -> Option<ConnectionId> {
        let takes_fresh = match (self.fresh.front(), self.ring.front()) {
            (Some(fresh), Some(ring)) => prefers_fresh || fresh.number < ring.number,
            (fresh, _) => fresh.is_some(),
        };
        if takes_fresh {
            return Some(self.fresh.pop_front()?.key);
        }
        let listed = self.ring.pop_front()?;
        if self.cycle_left == 0 {
            self.cycle = self.cycle.wrapping_add(1);
            self.cycle_left = self.ring.len() + 1;
        }
        self.cycle_left -= 1;
        Some(listed.key)
    }
}
