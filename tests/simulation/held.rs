//! Counts, independently of what the server believes, what it has allocated and still holds.
//!
//! Each allocation remembers in front of itself whether the server was at work when it was made, so that it counts until it is
//! freed, whoever frees it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
    static HELD_BYTES: Cell<i64> = const { Cell::new(0) };
}

/// Does something as the server: what it allocates counts.
pub fn inside<T>(act: impl FnOnce() -> T) -> T {
    let before = IS_INSIDE.replace(true);
    let done = act();
    IS_INSIDE.set(before);
    done
}

/// Does something as somebody else, in the middle of the server's work.
pub fn outside<T>(act: impl FnOnce() -> T) -> T {
    let before = IS_INSIDE.replace(false);
    let done = act();
    IS_INSIDE.set(before);
    done
}

/// Forgets what was counted on this thread, as a run begins.
pub fn begin() {
    IS_INSIDE.set(false);
    HELD_BYTES.set(0);
}

/// Bytes that the server has allocated and not freed, capacities included.
pub fn held_bytes() -> u64 {
    u64::try_from(HELD_BYTES.get()).unwrap_or(0)
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The layout with room for the mark in front, and how large that room is.
fn with_mark(layout: Layout) -> (Layout, usize) {
    let room = layout.align().max(16);
    let size = layout.size() + room;
    // An allocation that large fails in any case.
    let layout = Layout::from_size_align(size, room).unwrap_or(layout);
    (layout, room)
}

// SAFETY: every block comes from the system's allocator with room for the mark in front, and goes back to it with the same layout.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (marked, room) = with_mark(layout);
        let block = unsafe { System.alloc(marked) };
        if block.is_null() {
            return block;
        }
        let is_counted = IS_INSIDE.try_with(Cell::get).unwrap_or(false);
        if is_counted {
            HELD_BYTES.set(HELD_BYTES.get() + layout.size() as i64);
        }
        unsafe {
            block.write(u8::from(is_counted));
            block.add(room)
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let (marked, room) = with_mark(layout);
        unsafe {
            let block = pointer.sub(room);
            if block.read() == 1 {
                // A thread that ends has nothing to count any more.
                let _ = HELD_BYTES.try_with(|held| held.set(held.get() - layout.size() as i64));
            }
            System.dealloc(block, marked);
        }
    }
}
