//! A slab whose keys go stale: a key that outlived its entry finds nothing, even when the slot is in use again.

use slab::Slab;

/// Names one entry of one slab for as long as that entry lives.
///
/// The index is small and used again; the generation is not, so an old key never finds a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl Key {
    /// The slot's number: dense, small, and used again after the entry is gone. Good for a table beside the slots.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// Entries of one kind, found by [`Key`] in constant time.
#[derive(Debug)]
pub struct Slots<T> {
    slab: Slab<(u32, T)>,
    next_generation: u32,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots {
            slab: Slab::new(),
            next_generation: 0,
        }
    }
}

impl<T> Slots<T> {
    /// Puts an entry into the lowest kind of free slot and names it.
    pub fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// As [`Slots::insert`], for an entry that wants to know its own name.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        // One counter for all slots: 2^32 insertions pass before a generation comes again, and then it must also
        // meet the same slot and a key that somebody kept all the while.
        self.next_generation = self.next_generation.wrapping_add(1);
        if self.slab.len() == self.slab.capacity() {
            // Growing by an eighth and not by the double: at ten thousand clients the difference is most of a megabyte.
            self.slab.reserve_exact((self.slab.len() / 8).max(8));
        }
        let entry = self.slab.vacant_entry();
        let key = Key {
            index: u32::try_from(entry.key()).expect("fewer than 2^32 entries fit into memory"),
            generation: self.next_generation,
        };
        entry.insert((key.generation, make(key)));
        key
    }

    /// The entry, unless it is gone.
    pub fn get(&self, key: Key) -> Option<&T> {
        match self.slab.get(key.index()) {
            Some((generation, value)) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// The entry, to change, unless it is gone.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.slab.get_mut(key.index()) {
            Some((generation, value)) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// Takes the entry out, unless it is gone already.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let value = self.slab.remove(key.index()).1;
        if self.slab.is_empty() {
            // The memory of a crowd that has left goes back.
            self.slab.shrink_to_fit();
        }
        Some(value)
    }

    /// The key of whatever lives in this slot now.
    pub fn key_at(&self, index: u32) -> Option<Key> {
        let (generation, _) = self.slab.get(index as usize)?;
        Some(Key {
            index,
            generation: *generation,
        })
    }

    /// How many entries live.
    pub fn count(&self) -> usize {
        self.slab.len()
    }

    /// All entries in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slab.iter().map(|(index, (generation, value))| {
            let key = Key {
                index: index as u32,
                generation: *generation,
            };
            (key, value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut slots = Slots::default();
        let old = slots.insert("old");
        assert_eq!(slots.remove(old), Some("old"));
        let new = slots.insert("new");
        assert_eq!(old.index(), new.index());
        assert_eq!(slots.get(old), None);
        assert_eq!(slots.get_mut(old), None);
        assert_eq!(slots.remove(old), None);
        assert_eq!(slots.get(new), Some(&"new"));
        assert_eq!(slots.key_at(new.index), Some(new));
    }

    #[test]
    fn an_entry_can_know_its_own_key() {
        let mut slots = Slots::default();
        let key = slots.insert_with(|key| key);
        assert_eq!(slots.get(key), Some(&key));
        assert_eq!(slots.iter().collect::<Vec<_>>(), [(key, &key)]);
        assert_eq!(slots.count(), 1);
    }
}
