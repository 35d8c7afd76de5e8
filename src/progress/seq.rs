//! The numbers of changes: rising for each session id, over reuse of the id and over restarts.

use super::ProgressConfig;
use crate::now::Now;

/// The end of the year 9999 in milliseconds: the last instant that timestamps can tell, and a number that every JSON
/// reader keeps exactly.
const MAX_UNIX_MS: u64 = 253_402_300_799_999;

/// How far the numbers of changes have come; see [`ProgressConfig::reserved_seq`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeqState {
    /// No number above this has been given out.
    pub highest: u64,
    /// How far numbers would go if the reservation did not hold them: `highest`, or the highest wall-clock time seen.
    pub wanted: u64,
    /// Up to here the wall clock counts.
    pub reserved: u64,
}

/// Gives every change of a session its number.
///
/// A change gets the larger of the session's last number plus 1 and the highest wall-clock time in milliseconds that was
/// ever seen. Numbers of a new session are so above those of an older one of the same id, also where the wall clock was set
/// back, and nobody has to remember ids.
#[derive(Debug)]
pub(super) struct Seqs {
    /// The least number of a session that begins now: the highest wall-clock time seen, and above all numbers of sessions
    /// that are forgotten.
    floor: u64,
    /// The highest wall-clock time seen.
    seen_ms: u64,
    /// Up to here the wall clock counts.
    reserved: u64,
    /// The next place in the lists at the least.
    next_place: u64,
    /// The highest number and place given out.
    highest: u64,
}

impl Seqs {
    pub(super) fn new(config: &ProgressConfig) -> Self {
        Seqs {
            floor: config.first_seq,
            seen_ms: 0,
            reserved: config.reserved_seq,
            next_place: 0,
            highest: 0,
        }
    }

    /// Takes note of the wall clock.
    pub(super) fn see(&mut self, now: Now) {
        self.seen_ms = self.seen_ms.max(now.unix_ms.min(MAX_UNIX_MS));
        self.floor = self.floor.max(self.seen_ms.min(self.reserved));
    }

    /// The number of a change of a session whose last one had this number; `None` where it begins.
    pub(super) fn next(&mut self, last: Option<u64>) -> u64 {
        let seq = last.map_or(self.floor, |last| self.floor.max(last + 1));
        self.highest = self.highest.max(seq);
        seq
    }

    /// The place in the lists of a session that begins: above all places before it, those of before a restart included, so that
    /// the cursors of that time find nothing that was seen.
    pub(super) fn place(&mut self) -> u64 {
        let place = self.next_place.max(self.floor);
        self.next_place = place + 1;
        self.highest = self.highest.max(place);
        place
    }

    /// A session is restored to this place in the lists.
    pub(super) fn take_place(&mut self, place: u64) {
        self.next_place = self.next_place.max(place.saturating_add(1));
        self.highest = self.highest.max(place);
    }

    /// A session whose last change had this number is forgotten: its id may be used again.
    pub(super) fn forget(&mut self, last: u64) {
        self.floor = self.floor.max(last + 1);
    }

    /// From now on the wall clock counts up to here.
    pub(super) fn reserve(&mut self, up_to: u64) {
        self.reserved = self.reserved.max(up_to);
        self.floor = self.floor.max(self.seen_ms.min(self.reserved));
    }

    pub(super) fn state(&self) -> SeqState {
        let highest = self.highest.max(self.floor);
        SeqState {
            highest,
            wanted: highest.max(self.seen_ms),
            reserved: self.reserved,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seqs(first_seq: u64, reserved_seq: u64) -> Seqs {
        Seqs::new(&ProgressConfig {
            first_seq,
            reserved_seq,
            ..ProgressConfig::default()
        })
    }

    fn at(unix_ms: u64) -> Now {
        Now {
            mono_ms: 0,
            unix_ms,
        }
    }

    #[test]
    fn a_change_gets_the_time_or_the_next_number_whichever_is_larger() {
        let mut seqs = seqs(0, u64::MAX);
        seqs.see(at(1_000));
        let first = seqs.next(None);
        assert_eq!(first, 1_000);
        assert_eq!(seqs.next(Some(first)), 1_001);
        seqs.see(at(1_001));
        assert_eq!(seqs.next(Some(1_001)), 1_002);
        seqs.see(at(5_000));
        assert_eq!(seqs.next(Some(1_002)), 5_000);
        seqs.see(at(10));
        assert_eq!(seqs.next(Some(5_000)), 5_001);
        assert_eq!(seqs.next(None), 5_000);
        assert_eq!(seqs.state().highest, 5_001);
    }

    #[test]
    fn places_rise_and_are_reserved_like_numbers() {
        let mut seqs = seqs(0, u64::MAX);
        seqs.see(at(1_000));
        assert_eq!([seqs.place(), seqs.place()], [1_000, 1_001]);
        assert_eq!(seqs.state().highest, 1_001);
        seqs.see(at(2_000));
        assert_eq!(seqs.place(), 2_000);
    }

    #[test]
    fn a_forgotten_session_leaves_its_numbers_behind() {
        let mut seqs = seqs(0, u64::MAX);
        seqs.see(at(1_000));
        seqs.forget(1_500);
        assert_eq!(seqs.next(None), 1_501);
    }

    #[test]
    fn the_clock_counts_no_further_than_was_reserved() {
        let mut seqs = seqs(700, 2_000);
        assert_eq!(seqs.next(None), 700);
        seqs.see(at(9_000));
        assert_eq!(seqs.next(None), 2_000);
        let state = SeqState {
            highest: 2_000,
            wanted: 9_000,
            reserved: 2_000,
        };
        assert_eq!(seqs.state(), state);
        seqs.reserve(10_000);
        seqs.reserve(3_000);
        assert_eq!(seqs.next(None), 9_000);
    }

    #[test]
    fn no_clock_makes_a_number_that_json_readers_round() {
        let mut seqs = seqs(0, u64::MAX);
        seqs.see(at(u64::MAX));
        assert!(seqs.next(None) < 1 << 53);
    }
}
