//! Token buckets, one for each of many: each holds one second's worth, and fills again over a second.

use std::collections::BTreeMap;

/// The buckets of those who have done something of late; that of everybody else is full.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    buckets: BTreeMap<K, Bucket>,
    /// How many buckets make it worth a look which of them are full again.
    crowd: usize,
}

/// What is missing in a bucket.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Thousandths of one thing.
    missing: u64,
    at_ms: u64,
}

/// Buckets that are kept in any case.
const KEPT_BUCKETS: usize = 64;

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Buckets {
            buckets: BTreeMap::new(),
            crowd: KEPT_BUCKETS,
        }
    }
}

impl<K: Ord + Copy> Buckets<K> {
    /// Takes one, if it is there.
    pub fn take(&mut self, key: K, per_second: u32, now_ms: u64) -> bool {
        let missing = self.missing(key, per_second, now_ms);
        let is_there = missing + 1_000 <= u64::from(per_second) * 1_000;
        if is_there {
            self.set(key, missing + 1_000, now_ms);
        }
        is_there
    }

    /// Takes so many, be they there or not, and gives the thousandths that are missing then.
    pub fn spend(&mut self, key: K, count: u64, per_second: u32, now_ms: u64) -> u64 {
        let missing = self.missing(key, per_second, now_ms);
        let missing = missing.saturating_add(count.saturating_mul(1_000));
        self.set(key, missing, now_ms);
        missing
    }

    /// Forgets a bucket.
    pub fn forget(&mut self, key: K) {
        self.buckets.remove(&key);
    }

    /// How many buckets there are. For checks.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Thousandths that are missing in a bucket. Where there are very many buckets, those that are full again are forgotten.
    fn missing(&mut self, key: K, per_second: u32, now_ms: u64) -> u64 {
        let per_second = u64::from(per_second);
        if self.buckets.len() >= self.crowd {
            self.buckets
                .retain(|_, bucket| bucket.missing_at(now_ms, per_second) > 0);
            self.crowd = KEPT_BUCKETS.max(2 * self.buckets.len());
        }
        let bucket = self.buckets.get(&key);
        bucket.map_or(0, |bucket| bucket.missing_at(now_ms, per_second))
    }

    fn set(&mut self, key: K, missing: u64, at_ms: u64) {
        self.buckets.insert(key, Bucket { missing, at_ms });
    }
}

impl Bucket {
    fn missing_at(&self, now_ms: u64, per_second: u64) -> u64 {
        let passed_ms = now_ms.saturating_sub(self.at_ms);
        self.missing
            .saturating_sub(passed_ms.saturating_mul(per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seconds_worth_is_there_at_once_and_then_as_many_as_come_back() {
        let mut buckets = Buckets::default();
        assert_eq!((0..9).filter(|_| buckets.take(1, 4, 0)).count(), 4);
        assert!(buckets.take(2, 4, 0), "others are not concerned");
        assert!(!buckets.take(1, 4, 249));
        assert!(buckets.take(1, 4, 250));
        assert!(!buckets.take(1, 4, 499));
        assert_eq!((0..9).filter(|_| buckets.take(1, 4, 60_000)).count(), 4);
    }

    #[test]
    fn who_spends_more_than_there_is_owes_it() {
        let mut buckets = Buckets::default();
        let missing = [(); 5].map(|()| buckets.spend(1, 1, 4, 0));
        assert_eq!(missing, [1_000, 2_000, 3_000, 4_000, 5_000]);
        assert_eq!(buckets.spend(1, 1, 4, 500), 4_000);
        assert_eq!(buckets.spend(2, 1_000, 100, 0), 1_000_000);
        buckets.forget(2);
        assert_eq!(buckets.spend(2, 1, 100, 0), 1_000);
    }

    #[test]
    fn buckets_that_are_full_again_are_forgotten() {
        let mut buckets = Buckets::default();
        for second in 0..100_u64 {
            for number in 0..50 {
                assert!(buckets.take(second * 50 + number, 1, second * 1_000));
            }
            assert!(buckets.len() <= 4 * KEPT_BUCKETS);
        }
    }
}
