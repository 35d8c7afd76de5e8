//! Values found by a small number, in memory that goes back when it is no longer needed.

use std::ops::{Index, IndexMut};

/// Below this many values the memory is not worth giving back.
pub(super) const KEPT: usize = 1024;

/// Values in one `Vec`. The lowest unused number is always the next to be used, so that the high end empties, and its
/// memory goes back, once a crowd has left.
#[derive(Debug)]
pub(super) struct Pool<V> {
    values: Vec<V>,
    unused: Unused,
    in_use: usize,
}

impl<V> Default for Pool<V> {
    fn default() -> Self {
        Pool {
            values: Vec::new(),
            unused: Unused::default(),
            in_use: 0,
        }
    }
}

impl<V> Pool<V> {
    /// How many values are in use.
    pub fn in_use(&self) -> usize {
        self.in_use
    }

    /// Keeps a value, and says under which number.
    pub fn add(&mut self, value: V) -> u32 {
        self.in_use += 1;
        let number = match self.unused.take_lowest() {
            Some(number) => {
                self.values[number] = value;
                number
            }
            None => {
                self.values.push(value);
                self.values.len() - 1
            }
        };
        u32::try_from(number).expect("fewer than 2^32 values fit into memory")
    }

    /// The value, in use or not, unless the memory behind it has gone.
    pub fn get(&self, number: u32) -> Option<&V> {
        self.values.get(number as usize)
    }

    /// Each number with memory behind it: its value, and whether it is in use. For checks.
    pub fn iter(&self) -> impl Iterator<Item = (&V, bool)> {
        let values = self.values.iter().enumerate();
        values.map(|(number, value)| (value, !self.unused.contains(number)))
    }

    /// Makes a number unused, and gives back what memory the last values no longer need.
    pub fn free(&mut self, number: u32) {
        self.in_use -= 1;
        self.unused.add(number as usize);
        while self
            .values
            .len()
            .checked_sub(1)
            .is_some_and(|last| self.unused.contains(last))
        {
            self.values.pop();
            self.unused.remove(self.values.len());
        }
        let kept = KEPT.max(2 * self.values.len());
        if self.values.capacity() > 2 * kept {
            self.values.shrink_to(kept);
            self.unused.shrink_to(kept);
        }
    }
}

impl<V> Index<u32> for Pool<V> {
    type Output = V;

    fn index(&self, number: u32) -> &V {
        &self.values[number as usize]
    }
}

impl<V> IndexMut<u32> for Pool<V> {
    fn index_mut(&mut self, number: u32) -> &mut V {
        &mut self.values[number as usize]
    }
}

/// Unused numbers: a bit for each, a bit for each word of these that is not zero, and once more.
#[derive(Debug, Default)]
struct Unused {
    layers: [Vec<u64>; 3],
}

impl Unused {
    fn contains(&self, number: usize) -> bool {
        let word = self.layers[0].get(number / 64);
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    fn add(&mut self, mut number: usize) {
        for layer in &mut self.layers {
            let (word, bit) = (number / 64, number % 64);
            if layer.len() <= word {
                layer.resize(word + 1, 0);
            }
            let others = layer[word];
            layer[word] |= 1 << bit;
            if others != 0 {
                return;
            }
            number = word;
        }
    }

    fn remove(&mut self, mut number: usize) {
        for layer in &mut self.layers {
            let (word, bit) = (number / 64, number % 64);
            layer[word] &= !(1 << bit);
            if layer[word] != 0 {
                return;
            }
            number = word;
        }
    }

    fn take_lowest(&mut self) -> Option<usize> {
        // A word of the last layer stands for 2^18 numbers, so there are few of them.
        let mut number = self.layers[2].iter().position(|&word| word != 0)?;
        for layer in self.layers.iter().rev() {
            number = number * 64 + layer[number].trailing_zeros() as usize;
        }
        self.remove(number);
        Some(number)
    }

    /// Gives back memory beyond so many numbers; none from there on is unused.
    fn shrink_to(&mut self, mut numbers: usize) {
        for layer in &mut self.layers {
            numbers = numbers.div_ceil(64);
            layer.truncate(numbers);
            layer.shrink_to_fit();
        }
    }
}

#[cfg(test)]
impl<V> Pool<V> {
    /// For how many values there is memory.
    pub fn capacity(&self) -> usize {
        self.values.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_unused_number_is_the_next() {
        let mut pool = Pool::default();
        for number in 0..10_000 {
            assert_eq!(pool.add(number), number);
        }
        for number in [9_000, 70, 4_242, 69] {
            pool.free(number);
        }
        assert_eq!(pool.in_use(), 9_996);
        for number in [69, 70, 4_242, 9_000, 10_000] {
            assert_eq!(pool.add(number), number);
        }
    }

    #[test]
    fn memory_goes_back_from_the_high_end() {
        let mut pool = Pool::default();
        for number in 0..100_000 {
            pool.add(number);
        }
        for number in 1..99_999 {
            pool.free(number);
        }
        assert!(pool.capacity() >= 100_000, "the last value is in use");
        assert_eq!(pool.get(99_999), Some(&99_999));
        pool.free(99_999);
        assert!(pool.capacity() <= 2 * KEPT);
        assert_eq!(pool.get(99_999), None);
        assert_eq!((pool.in_use(), pool[0]), (1, 0));
        assert_eq!(pool.add(7), 1);
    }
}
