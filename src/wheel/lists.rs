//! Many lists of small numbers in one memory, each in the order in which it was filled.
//!
//! A list is a chain of *chunks*, and a chunk is two cache lines with 28 numbers. Who walks over a list therefore knows
//! the next numbers long before he needs them, and the processor fetches what they stand for at the same time; in a chain
//! of single entries every step has to wait for the one before.

use super::pool::Pool;

/// No chunk.
const NIL: u32 = u32::MAX;

/// How many numbers a chunk holds: as many as make it 128 bytes.
pub(super) const ITEMS: usize = 28;

/// A position is the number of the chunk times this, plus the place in it.
const PLACES: u32 = 32;

/// One list; its numbers are in [`Lists`].
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    first: u32,
    last: u32,
}

impl List {
    pub const EMPTY: List = List {
        first: NIL,
        last: NIL,
    };

    pub fn is_empty(&self) -> bool {
        self.first == NIL
    }
}

/// What all lists hold.
#[derive(Debug, Default)]
pub(super) struct Lists {
    chunks: Pool<Chunk>,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(128))]
struct Chunk {
    previous: u32,
    next: u32,
    /// One bit for each place: whether its number is still in the list. Never zero in a chunk that is in use.
    live: u32,
    /// How many places have been filled.
    filled: u32,
    items: [u32; ITEMS],
}

impl Chunk {
    /// The numbers with their places.
    fn items(self) -> impl Iterator<Item = (u32, u32)> + Clone {
        let mut live = self.live;
        std::iter::from_fn(move || {
            let place = live.trailing_zeros();
            let item = *self.items.get(place as usize)?;
            live &= live - 1;
            Some((place, item))
        })
    }
}

impl Lists {
    /// Puts a number at the end of a list, and says at which position it is from now on.
    pub fn push(&mut self, list: &mut List, item: u32) -> u32 {
        if list.last == NIL || self.chunks[list.last].filled as usize == ITEMS {
            self.append_chunk(list);
        }
        let chunk = &mut self.chunks[list.last];
        let place = chunk.filled;
        chunk.items[place as usize] = item;
        chunk.live |= 1 << place;
        chunk.filled += 1;
        list.last * PLACES + place
    }

    /// Takes the number at this position out of the list that it is in.
    pub fn remove(&mut self, list: &mut List, position: u32) {
        let number = position / PLACES;
        let chunk = &mut self.chunks[number];
        chunk.live &= !(1 << (position % PLACES));
        if chunk.live != 0 {
            return;
        }
        let Chunk { previous, next, .. } = *chunk;
        match previous {
            NIL => list.first = next,
            _ => self.chunks[previous].next = next,
        }
        match next {
            NIL => list.last = previous,
            _ => self.chunks[next].previous = previous,
        }
        self.chunks.free(number);
    }

    /// The first number of a list, and its position.
    pub fn first(&self, list: &List) -> Option<(u32, u32)> {
        let chunk = self.chunks.get(list.first)?;
        let place = chunk.live.trailing_zeros();
        let item = *chunk.items.get(place as usize)?;
        Some((list.first * PLACES + place, item))
    }

    /// Takes the first numbers of a list, at most [`ITEMS`]; none when it is empty.
    pub fn take_some(&mut self, list: &mut List) -> Option<impl Iterator<Item = u32> + Clone> {
        let number = list.first;
        let chunk = *self.chunks.get(number)?;
        self.chunks.free(number);
        list.first = chunk.next;
        match list.first {
            NIL => list.last = NIL,
            first => self.chunks[first].previous = NIL,
        }
        Some(chunk.items().map(|(_, item)| item))
    }

    fn append_chunk(&mut self, list: &mut List) {
        let number = self.chunks.add(Chunk {
            previous: list.last,
            next: NIL,
            live: 0,
            filled: 0,
            items: [0; ITEMS],
        });
        assert!(number < NIL / PLACES, "so many chunks fit in no memory");
        match list.last {
            NIL => list.first = number,
            last => self.chunks[last].next = number,
        }
        list.last = number;
    }
}

#[cfg(test)]
impl Lists {
    /// The numbers of a list with their positions. Panics where the chain of its chunks is not sound.
    pub fn walk(&self, list: &List) -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        let (mut previous, mut number) = (NIL, list.first);
        while number != NIL {
            let chunk = self.chunks[number];
            assert_eq!(chunk.previous, previous);
            assert!(chunk.live != 0 && chunk.live >> chunk.filled == 0);
            let positions = chunk.items();
            found.extend(positions.map(|(place, item)| (number * PLACES + place, item)));
            (previous, number) = (number, chunk.next);
        }
        assert_eq!(list.last, previous);
        found
    }

    /// How many chunks are in use, and for how many there is memory.
    pub fn chunks(&self) -> (usize, usize) {
        (self.chunks.in_use(), self.chunks.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(lists: &Lists, list: &List) -> Vec<u32> {
        lists.walk(list).into_iter().map(|(_, item)| item).collect()
    }

    #[test]
    fn a_chunk_is_two_cache_lines() {
        assert_eq!(size_of::<Chunk>(), 128);
    }

    #[test]
    fn lists_keep_their_order_whatever_is_taken_out() {
        let mut lists = Lists::default();
        let (mut even, mut odd) = (List::EMPTY, List::EMPTY);
        let mut positions = Vec::new();
        for item in 0..400 {
            let list = if item % 2 == 0 { &mut even } else { &mut odd };
            positions.push(lists.push(list, item));
        }
        assert_eq!(lists.chunks().0, 2 * 200usize.div_ceil(ITEMS));
        assert_eq!(lists.first(&odd), Some((positions[1], 1)));
        for (item, position) in positions.into_iter().enumerate().take(380).skip(20) {
            let list = if item % 2 == 0 { &mut even } else { &mut odd };
            lists.remove(list, position);
        }
        assert_eq!(items(&lists, &odd)[8..12], [17, 19, 381, 383]);
        assert_eq!(lists.chunks().0, 6, "emptied chunks are free");
        let mut taken = Vec::new();
        while let Some(some) = lists.take_some(&mut even) {
            taken.extend(some);
        }
        assert_eq!(taken[8..12], [16, 18, 380, 382]);
        assert!(even.is_empty() && lists.first(&even).is_none());
        assert_eq!(items(&lists, &odd).len(), 20);
    }

    #[test]
    fn a_list_that_was_emptied_fills_again() {
        let mut lists = Lists::default();
        let mut list = List::EMPTY;
        for round in 0..100 {
            let position = lists.push(&mut list, round);
            assert_eq!(items(&lists, &list), [round]);
            lists.remove(&mut list, position);
            assert!(list.is_empty());
        }
        assert_eq!(lists.chunks().0, 0);
    }
}
