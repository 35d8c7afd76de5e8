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
///
/// They live in pages of 64, so that growing never moves or copies what is there, nothing is held for entries that may
/// never come, and what a crowd took goes back page by page.
#[derive(Debug)]
pub struct Slots<T> {
    pages: Vec<Slab<(u32, T)>>,
    /// Pages with room, the one to be filled next at the end.
    open: Vec<u32>,
    count: usize,
    next_generation: u32,
}

const PAGE_ENTRIES: usize = 64;

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots {
            pages: Vec::new(),
            open: Vec::new(),
            count: 0,
            next_generation: 0,
        }
    }
}

impl<T> Slots<T> {
    /// Puts an entry into a free slot and names it.
    pub fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// As [`Slots::insert`], for an entry that wants to know its own name.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        // One counter for all slots: 2^32 insertions pass before a generation comes again, and then it must also
        // meet the same slot and a key that somebody kept all the while.
        self.next_generation = self.next_generation.wrapping_add(1);
        let number = match self.open.last() {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.pages.len()).expect("it is counted in 32 bits");
                self.pages.push(Slab::new());
                self.open.push(number);
                number
            }
        };
        let page = &mut self.pages[number as usize];
        if page.capacity() == 0 {
            page.reserve_exact(PAGE_ENTRIES);
        }
        let entry = page.vacant_entry();
        let index = number as usize * PAGE_ENTRIES + entry.key();
        let key = Key {
            index: u32::try_from(index).expect("fewer than 2^32 entries fit into memory"),
            generation: self.next_generation,
        };
        entry.insert((key.generation, make(key)));
        if page.len() == PAGE_ENTRIES {
            self.open.pop();
        }
        self.count += 1;
        key
    }

    /// The entry, unless it is gone.
    pub fn get(&self, key: Key) -> Option<&T> {
        let page = self.pages.get(key.index() / PAGE_ENTRIES)?;
        match page.get(key.index() % PAGE_ENTRIES) {
            Some((generation, value)) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// The entry, to change, unless it is gone.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let page = self.pages.get_mut(key.index() / PAGE_ENTRIES)?;
        match page.get_mut(key.index() % PAGE_ENTRIES) {
            Some((generation, value)) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// Takes the entry out, unless it is gone already.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let number = key.index() / PAGE_ENTRIES;
        let page = &mut self.pages[number];
        if page.len() == PAGE_ENTRIES {
            self.open.push(number as u32);
        }
        let (_, value) = page.remove(key.index() % PAGE_ENTRIES);
        // The first page stays, so that one client that comes and goes does not have it made anew each time.
        if page.is_empty() && number > 0 {
            *page = Slab::new();
        }
        self.count -= 1;
        Some(value)
    }

    /// The key of whatever lives in this slot now.
    pub fn key_at(&self, index: u32) -> Option<Key> {
        let page = self.pages.get(index as usize / PAGE_ENTRIES)?;
        let (generation, _) = page.get(index as usize % PAGE_ENTRIES)?;
        Some(Key {
            index,
            generation: *generation,
        })
    }

    /// How many entries live.
    pub fn count(&self) -> usize {
        self.count
    }

    /// All entries in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        let numbered = self.pages.iter().enumerate();
        numbered.flat_map(|(number, page)| {
            page.iter().map(move |(index, (generation, value))| {
                let key = Key {
                    index: (number * PAGE_ENTRIES + index) as u32,
                    generation: *generation,
                };
                (key, value)
            })
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

    #[test]
    fn a_crowd_that_leaves_gives_its_pages_back() {
        let mut slots = Slots::default();
        let keys: Vec<Key> = (0..1_000).map(|number| slots.insert(number)).collect();
        assert_eq!(slots.count(), 1_000);
        assert!(slots.iter().map(|(key, _)| key).eq(keys.iter().copied()));
        for key in keys.iter().skip(1) {
            assert!(slots.remove(*key).is_some());
        }
        let held: usize = slots.pages.iter().map(Slab::capacity).sum();
        assert_eq!(held, PAGE_ENTRIES);
        let again: Vec<Key> = (0..999).map(|number| slots.insert(number)).collect();
        assert!(again.iter().all(|key| key.index() < 1_024));
        assert_eq!(slots.get(keys[0]), Some(&0));
    }
}
