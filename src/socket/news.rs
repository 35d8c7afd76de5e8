//! What is news to one client: topics of which only the newest state matters.
//!
//! A set of topics instead of a queue of packets: however often a topic changes, it stands here once, and a slow client gets its
//! newest state when its turn comes. Turns go round by the numbers of the topics, on from the one that was taken last. So of n
//! topics each has its turn within n, however busy the others are.

/// A set of small numbers with turns.
#[derive(Debug, Default)]
pub struct NewsSet {
    /// A bit for each topic.
    words: Vec<u64>,
    count: u32,
    /// The topic whose turn is next, if it is news.
    next: u32,
}

impl NewsSet {
    /// Whether nothing is news.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All topics, by their numbers.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let last = self.words.len() as u32 * 64;
        (0..last).filter(|topic| self.contains(*topic))
    }

    /// Adds a topic. False when it is news already.
    pub fn insert(&mut self, topic: u32) -> bool {
        let (word, bit) = place(topic);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.count += u32::from(is_new);
        is_new
    }

    /// Takes the topic whose turn it is.
    pub fn pop(&mut self) -> Option<u32> {
        let topic = self
            .first_from(self.next)
            .or_else(|| self.first_from(0))
            .filter(|_| self.count > 0)?;
        self.remove(topic);
        self.next = topic + 1;
        Some(topic)
    }

    /// Takes a topic out. False when it was no news.
    pub fn remove(&mut self, topic: u32) -> bool {
        let was_news = self.contains(topic);
        if was_news {
            let (word, bit) = place(topic);
            self.words[word] &= !bit;
            self.count -= 1;
        }
        was_news
    }

    fn contains(&self, topic: u32) -> bool {
        let (word, bit) = place(topic);
        self.words.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// The first topic of this number or a higher one.
    fn first_from(&self, topic: u32) -> Option<u32> {
        let (mut word, bit) = place(topic);
        let mut bits = self.words.get(word)? & !(bit - 1);
        while bits == 0 {
            word += 1;
            bits = *self.words.get(word)?;
        }
        Some(word as u32 * 64 + bits.trailing_zeros())
    }
}

fn place(topic: u32) -> (usize, u64) {
    (topic as usize / 64, 1 << (topic % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_topic_is_there_once_however_often_it_changes() {
        let mut news = NewsSet::default();
        let added = [7, 3, 7, 200, 3].map(|topic| news.insert(topic));
        assert_eq!(added, [true, true, false, true, false]);
        assert_eq!(news.iter().collect::<Vec<_>>(), [3, 7, 200]);
    }

    #[test]
    fn turns_go_round() {
        let mut news = NewsSet::default();
        for topic in [3, 64, 200] {
            news.insert(topic);
        }
        assert_eq!(news.pop(), Some(3));
        news.insert(3);
        assert_eq!(news.pop(), Some(64));
        news.insert(70);
        let rest: Vec<u32> = std::iter::from_fn(|| news.pop()).collect();
        assert_eq!(rest, [70, 200, 3]);
        assert!(news.is_empty());
    }

    #[test]
    fn everybody_has_a_turn_in_each_round_however_busy_the_others_are() {
        let mut news = NewsSet::default();
        for round in 0..5 {
            let mut seen = BTreeSet::new();
            for _ in 0..100 {
                for topic in 0..100 {
                    news.insert(topic);
                }
                seen.extend(news.pop());
            }
            assert_eq!(seen.len(), 100, "round {round}");
        }
    }

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((0..3u8, 0..300u32), 0..400)) {
            let mut news = NewsSet::default();
            let mut set = BTreeSet::new();
            for (step, topic) in steps {
                match step {
                    0 => prop_assert_eq!(news.remove(topic), set.remove(&topic)),
                    1 => {
                        let popped = news.pop();
                        prop_assert_eq!(popped.is_some(), !set.is_empty());
                        prop_assert!(popped.is_none_or(|popped| set.remove(&popped)));
                    }
                    _ => prop_assert_eq!(news.insert(topic), set.insert(topic)),
                }
                prop_assert_eq!(news.is_empty(), set.is_empty());
                prop_assert!(news.iter().eq(set.iter().copied()));
            }
        }
    }
}
