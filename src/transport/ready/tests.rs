use super::*;
use crate::slots::Slots;

/// Readiness that is made up, and connections that have work as long as the test says so.
struct Crowd {
    ready: Ready,
    keys: Vec<ConnectionId>,
}

impl Crowd {
    fn new(connections: usize) -> Crowd {
        let mut slots = Slots::default();
        let keys: Vec<ConnectionId> = (0..connections)
            .map(|_| ConnectionId(slots.insert(())))
            .collect();
        let mut ready = Ready::default();
        keys.iter().for_each(|key| ready.open(*key));
        ready.begin_turn();
        Crowd { ready, keys }
    }

    fn readable(&mut self, numbers: impl IntoIterator<Item = usize>) {
        for number in numbers {
            self.ready.on_readable(self.keys[number]);
        }
    }

    /// The number of the connection that is visited next, which uses its whole share and has more.
    fn busy_visit(&mut self) -> Option<usize> {
        let key = self.ready.next_visit()?;
        while !self.ready.is_share_used_up() {
            self.ready.charge(1_000);
        }
        self.ready.end_visit(true);
        Some(key.index())
    }

    /// The number of the connection that is visited next, of which everything is read.
    fn short_visit(&mut self) -> Option<usize> {
        let key = self.ready.next_visit()?;
        self.ready.charge(3_000);
        self.ready.would_block(key);
        self.ready.end_visit(true);
        Some(key.index())
    }

    fn turn(&mut self) -> Vec<usize> {
        self.ready.begin_turn();
        std::iter::from_fn(|| self.busy_visit()).collect()
    }
}

#[test]
fn a_turn_goes_on_where_the_last_one_stopped() {
    let mut crowd = Crowd::new(200);
    crowd.readable(0..200);
    let mut visits = Vec::new();
    for _ in 0..50 {
        visits.extend(crowd.turn());
    }
    assert!(visits.len() >= 1_000);
    for (at, number) in visits.iter().enumerate() {
        assert_eq!(*number, at % 200, "each in its turn");
    }
}

#[test]
fn twenty_that_are_always_busy_are_all_visited_in_each_turn() {
    for count in [1, 2, 16, 20] {
        let mut crowd = Crowd::new(count);
        crowd.readable(0..count);
        for _ in 0..5 {
            let mut visited = crowd.turn();
            visited.sort_unstable();
            visited.dedup();
            assert_eq!(visited.len(), count);
        }
    }
}

#[test]
fn one_that_had_nothing_to_do_comes_before_those_that_are_busy() {
    let mut crowd = Crowd::new(100);
    crowd.readable(0..99);
    (0..5).for_each(|_| drop(crowd.turn()));
    crowd.ready.begin_turn();
    crowd.readable([99]);
    assert_eq!(crowd.short_visit(), Some(99));
}

#[test]
fn many_that_are_fresh_again_and_again_do_not_hold_up_the_ring() {
    let mut crowd = Crowd::new(100);
    crowd.readable([0, 1]);
    crowd.turn();
    for _ in 0..10 {
        crowd.ready.begin_turn();
        let mut visits_of_first = 0;
        while let Some(number) = crowd.short_visit() {
            visits_of_first += usize::from(number == 0);
            // Whoever was visited is readable anew.
            crowd.readable(0..100);
        }
        assert!(visits_of_first >= 1);
    }
}

#[test]
fn one_that_rests_is_visited_in_the_next_turn() {
    let mut crowd = Crowd::new(2);
    crowd.readable([0]);
    assert_eq!(crowd.ready.next_visit(), Some(crowd.keys[0]));
    crowd.ready.rest();
    assert!(crowd.ready.is_share_used_up());
    assert_eq!(crowd.ready.next_visit(), None);
    assert!(crowd.ready.has_work());
    crowd.readable([1]);
    assert_eq!(crowd.ready.next_visit(), Some(crowd.keys[1]));
    crowd.ready.would_block(crowd.keys[1]);
    assert_eq!(crowd.ready.next_visit(), None);
    crowd.ready.begin_turn();
    assert_eq!(crowd.ready.next_visit(), Some(crowd.keys[0]));
}

#[test]
fn one_that_can_take_nothing_waits_until_it_is_said_that_it_can() {
    let mut crowd = Crowd::new(1);
    let key = crowd.keys[0];
    crowd.readable([0]);
    assert_eq!(crowd.ready.next_visit(), Some(key));
    crowd.ready.end_visit(false);
    assert!(!crowd.ready.has_work());
    crowd.ready.on_more(key);
    assert_eq!(crowd.ready.next_visit(), Some(key));
    assert!(crowd.ready.take_more(key) && crowd.ready.is_readable(key));
}

#[test]
fn those_that_are_gone_are_visited_no_more() {
    let mut crowd = Crowd::new(3);
    crowd.readable(0..3);
    crowd.ready.close(crowd.keys[0]);
    assert_eq!(crowd.ready.next_visit(), Some(crowd.keys[1]));
    crowd.ready.close(crowd.keys[1]);
    assert_eq!(crowd.ready.next_visit(), Some(crowd.keys[2]));
    crowd.ready.close(crowd.keys[2]);
    assert_eq!(crowd.ready.next_visit(), None);
    assert!(!crowd.ready.has_work() && crowd.ready.sources.is_empty());
}

#[test]
fn reads_grow_while_all_is_handled_and_are_small_after_that() {
    let mut crowd = Crowd::new(1);
    let key = crowd.keys[0];
    let mut sizes = Vec::new();
    for _ in 0..5 {
        crowd.readable([0]);
        crowd.ready.next_visit();
        let bytes = crowd.ready.read_bytes();
        crowd.ready.adapt_reads(key, bytes, true);
        crowd.ready.end_visit(true);
        sizes.push(bytes);
    }
    assert_eq!(sizes, [8_192, 16_384, 32_768, 65_536, 65_536]);
    crowd.ready.next_visit();
    crowd.ready.adapt_reads(key, 65_536, false);
    assert_eq!(crowd.ready.read_bytes(), 4_096);
}

#[test]
fn a_round_is_over_when_all_that_were_ready_have_been_visited() {
    let mut crowd = Crowd::new(100);
    assert_eq!(crowd.ready.heard_until_ms(), u64::MAX, "without rounds");
    crowd.ready.on_polled(5, true);
    assert_eq!(crowd.ready.heard_until_ms(), 5, "nobody was ready");
    crowd.readable(0..99);
    (0..5).for_each(|_| drop(crowd.turn()));
    crowd.ready.on_polled(10, true);
    crowd.ready.begin_turn();
    let mut visited = 0;
    while visited < 99 {
        assert_eq!(crowd.ready.heard_until_ms(), 5, "{visited} were visited");
        if crowd.busy_visit().is_some() {
            visited += 1;
            continue;
        }
        // Those that are ready from now on don't put off its end.
        crowd.ready.begin_turn();
        crowd.readable([99]);
        crowd.ready.on_polled(20, true);
        assert_eq!(crowd.short_visit(), Some(99));
    }
    assert_eq!(crowd.ready.heard_until_ms(), 10);
}

#[test]
fn connections_that_close_are_not_waited_for() {
    let mut crowd = Crowd::new(3);
    crowd.ready.on_polled(1, true);
    crowd.readable(0..3);
    crowd.ready.on_polled(2, true);
    assert_eq!(crowd.busy_visit(), Some(0));
    crowd.ready.close(crowd.keys[0]);
    crowd.ready.close(crowd.keys[1]);
    assert_eq!(crowd.ready.heard_until_ms(), 1);
    crowd.ready.close(crowd.keys[2]);
    assert_eq!(crowd.ready.heard_until_ms(), 2);
}

#[test]
fn a_round_counts_from_when_the_first_of_several_questions_was_asked() {
    let mut crowd = Crowd::new(2);
    crowd.ready.on_polled(1, true);
    crowd.readable([0]);
    crowd.ready.on_polled(2, false);
    crowd.busy_visit();
    crowd.ready.on_polled(3, false);
    crowd.busy_visit();
    assert_eq!(crowd.ready.heard_until_ms(), 1, "not everything was told");
    crowd.ready.on_polled(4, true);
    crowd.busy_visit();
    assert_eq!(crowd.ready.heard_until_ms(), 2);
}
