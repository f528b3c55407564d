//! A bound on what a piece of work may take of the heap, for work that others wrote.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write as _;

thread_local! {
    /// Bytes that this thread may still take; `None` where nothing is bounded.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Runs `work`, which may take up to `bytes` of the heap at once. There is no way out of an allocation but
/// to end: one that goes beyond ends the program with a sentence and status 1.
pub fn limited<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    LEFT.set(Some(bytes));
    let done = work();
    LEFT.set(None);
    done
}

/// The system's heap, counted where it is bounded. Nothing is bounded in a program of which this is not the global
/// allocator:
///
/// ```
/// #[global_allocator]
/// static HEAP: qlens_jinja::Heap = qlens_jinja::Heap;
/// # fn main() {}
/// ```
pub struct Heap;

fn take(bytes: usize) {
    let Ok(Some(left)) = LEFT.try_with(Cell::get) else {
        return;
    };
    match left.checked_sub(bytes) {
        Some(left) => LEFT.set(Some(left)),
        None => end(),
    }
}

fn give_back(bytes: usize) {
    if let Ok(Some(left)) = LEFT.try_with(Cell::get) {
        LEFT.set(Some(left.saturating_add(bytes)));
    }
}

fn end() -> ! {
    LEFT.set(None);
    let _ = std::io::stderr()
        .write_all(b"error: the model's chat template takes more memory than it may (48 MB)\n");
    std::process::exit(1);
}

// SAFETY: all memory is the system allocator's, asked for and given back with what was asked of this one.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller's promises are those that this function needs.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        give_back(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may be there at once.
        take(size);
        give_back(layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}
