//! Running independent tasks on the cores there are.
//!
//! The runtime cuts a matrix product into runs of rows and attention into heads; each is a task that
//! writes its own part of the output. [`Workers`] runs tasks and knows nothing of what they compute.
//! Whichever core takes which task, the result is the same.

#![allow(
    unsafe_code,
    reason = "whoever runs tasks vouches for their being disjoint"
)]

mod columns;
// Microcontrollers have no 64-bit atomics, nor cores to share work with.
#[cfg(target_has_atomic = "64")]
mod pool;
#[cfg(feature = "std")]
mod threads;

#[cfg(test)]
mod tests;

pub use columns::Columns;
pub(crate) use columns::{for_each_columns, for_each_run_of_heads};
#[cfg(target_has_atomic = "64")]
pub use pool::{Park, Pool};
#[cfg(feature = "std")]
pub use threads::Threads;

/// A set of cores that run tasks together.
///
/// # Safety
/// Tasks write disjoint parts of one slice, told apart by their number alone: an implementation
/// never runs the same number twice at a time, and has ended all tasks when `run` returns or unwinds.
pub unsafe trait Workers: Sync {
    /// How many tasks can run at once, the caller's core included.
    fn count(&self) -> usize;

    /// Runs `task(0)` … `task(tasks - 1)`, each once, in any order, and returns when all are done.
    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync));
}

/// The calling core alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline;

// SAFETY: one task after the other, each once.
unsafe impl Workers for Inline {
    fn count(&self) -> usize {
        1
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..tasks).for_each(task);
    }
}
