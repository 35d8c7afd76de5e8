//! The acknowledgements that one client owes.

use std::collections::BTreeSet;

/// Numbers of questions that a client has not answered. Each operation visits a logarithm of them, so a client that owes many
/// and names numbers at random costs no more than one that answers in order.
#[derive(Debug)]
pub(super) struct OwedAcks<N: Ord = u64> {
    numbers: BTreeSet<N>,
}

impl<N: Ord> OwedAcks<N> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The client has been asked under this number.
    pub fn insert(&mut self, number: N) {
        self.numbers.insert(number);
    }

    /// The client has answered under this number; false when it was not asked, or has answered before.
    pub fn take(&mut self, number: &N) -> bool {
        self.numbers.remove(number)
    }

    /// The client owes nothing any more.
    pub fn clear(&mut self) {
        self.numbers = BTreeSet::new();
    }
}

impl<N: Ord> Default for OwedAcks<N> {
    fn default() -> Self {
        OwedAcks {
            numbers: BTreeSet::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::cmp::Ordering;
    use std::rc::Rc;

    /// A number that counts how often a number of its list is looked at.
    #[derive(Clone)]
    struct Counted(u64, Rc<Cell<u64>>);

    impl Ord for Counted {
        fn cmp(&self, other: &Self) -> Ordering {
            self.1.set(self.1.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    impl PartialOrd for Counted {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl PartialEq for Counted {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other).is_eq()
        }
    }

    impl Eq for Counted {}

    /// As many as a client may owe by default.
    const OWED: u64 = 10_000;
    /// More than a search in a balanced tree of so many looks at: eleven numbers in each of its nodes, five levels.
    const VISITS: u64 = 55;

    #[test]
    fn neither_a_wrong_number_nor_a_right_one_walks_over_the_list() {
        let visits = Rc::new(Cell::new(0));
        let counted = |number| Counted(number, visits.clone());
        let mut owed = OwedAcks::default();
        for number in 0..OWED {
            // Other sockets of the namespace have the odd numbers.
            owed.insert(counted(2 * number));
        }
        visits.set(0);
        for bogus in 0..OWED {
            assert!(!owed.take(&counted(2 * bogus + 1)));
        }
        assert!(visits.take() <= OWED * VISITS);
        // From the middle outwards, which is the order that costs a list most.
        for step in 0..OWED / 2 {
            assert!(owed.take(&counted(OWED - 2 - 2 * step)));
            assert!(owed.take(&counted(OWED + 2 * step)));
        }
        assert!(visits.take() <= OWED * VISITS);
        assert_eq!(owed.len(), 0);
    }
}
