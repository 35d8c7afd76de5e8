//! What goes out first: answers and what is for few before broadcasts to many.

use std::collections::VecDeque;

/// How urgent something is that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    /// After what goes to few.
    Bulk,
    /// As soon as can be.
    Normal,
}

/// A broadcast to more receivers than this is one to many.
const MAX_FEW: usize = 64;

impl Priority {
    /// That of something which goes to so many receivers.
    pub fn of(receivers: usize) -> Priority {
        match receivers > MAX_FEW {
            true => Priority::Bulk,
            false => Priority::Normal,
        }
    }
}

/// Who waits for a turn to be sent something, in one list for each priority.
///
/// In which list an entry is stands with the entry itself. An entry that has moved up leaves its old place behind, which is
/// passed over.
#[derive(Debug)]
pub(crate) struct PriorityQueue<K> {
    normal: VecDeque<K>,
    bulk: VecDeque<K>,
}

impl<K> Default for PriorityQueue<K> {
    fn default() -> Self {
        PriorityQueue {
            normal: VecDeque::new(),
            bulk: VecDeque::new(),
        }
    }
}

impl<K> PriorityQueue<K> {
    pub fn is_empty(&self) -> bool {
        self.normal.is_empty() && self.bulk.is_empty()
    }

    /// Puts an entry at the end of a list, unless it is in that or in a more urgent one. `listed` says where it is.
    pub fn push(&mut self, key: K, listed: &mut Option<Priority>, priority: Priority) {
        if *listed < Some(priority) {
            *listed = Some(priority);
            self.list(priority).push_back(key);
        }
    }

    /// Takes the first entry of a list, which may have moved to another one.
    pub fn pop(&mut self, priority: Priority) -> Option<K> {
        self.list(priority).pop_front()
    }

    /// Whether an entry is where it says. For checks.
    pub fn holds(&self, key: &K, listed: Option<Priority>) -> bool
    where
        K: PartialEq,
    {
        match listed {
            None => !self.normal.contains(key),
            Some(Priority::Bulk) => self.bulk.contains(key),
            Some(Priority::Normal) => self.normal.contains(key),
        }
    }

    fn list(&mut self, priority: Priority) -> &mut VecDeque<K> {
        match priority {
            Priority::Bulk => &mut self.bulk,
            Priority::Normal => &mut self.normal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_moves_up_and_never_down() {
        let mut queue = PriorityQueue::default();
        let mut listed = [None; 2];
        for (key, priority) in [
            (0, Priority::Bulk),
            (1, Priority::Normal),
            (0, Priority::Bulk),
            (0, Priority::Normal),
            (1, Priority::Bulk),
        ] {
            queue.push(key, &mut listed[key], priority);
        }
        assert_eq!(listed, [Some(Priority::Normal); 2]);
        let normal: Vec<usize> = std::iter::from_fn(|| queue.pop(Priority::Normal)).collect();
        assert_eq!(normal, [1, 0]);
        assert_eq!(queue.pop(Priority::Bulk), Some(0), "its old place");
        assert!(queue.is_empty());
    }

    #[test]
    fn what_goes_to_many_is_less_urgent() {
        assert_eq!(Priority::of(64), Priority::Normal);
        assert_eq!(Priority::of(65), Priority::Bulk);
    }
}
