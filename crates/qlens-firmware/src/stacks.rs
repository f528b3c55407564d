//! Where the stacks are. Each core has two in the `stacks` region: the one that it works on, and one
//! that it is switched to when an exception is taken, so that a stack that ran over can still be
//! reported. Below each lies a page that is not mapped.
//!
//! ```text
//! core n:  | guard | exception stack | guard | stack |   core n + 1: | guard | ...
//! ```

use qlens_board::memory::PAGE;
use qlens_board::{Span, Usage};

use crate::board;

/// Bytes from one core's stacks to the next core's.
fn stride() -> u64 {
    board().stack_bytes + board().exception_stack_bytes + 2 * PAGE
}

fn start() -> u64 {
    let memory = &board().memory;
    memory
        .span(Usage::Stacks)
        .map_or(memory.ram.start, |span| span.start)
}

/// The exception stack and the working stack of a core, guards not included.
pub fn of(core: usize) -> [Span; 2] {
    let exception = Span::new(
        start() + core as u64 * stride() + PAGE,
        board().exception_stack_bytes,
    );
    let working = Span::new(exception.end() + PAGE, board().stack_bytes);
    [exception, working]
}

/// If this address is in a guard page: the core, and which of its stacks ran over.
pub fn guarded(address: u64) -> Option<(usize, &'static str)> {
    (0..board().cores).find_map(|core| {
        let [exception, working] = of(core);
        [(exception, "exception stack"), (working, "stack")]
            .into_iter()
            .find(|(stack, _)| (stack.start - PAGE..stack.start).contains(&address))
            .map(|(_, name)| (core, name))
    })
}

/// The working stack that this address lies in.
pub fn containing(address: u64) -> Option<Span> {
    (0..board().cores)
        .flat_map(of)
        .find(|stack| (stack.start..stack.end()).contains(&address))
}
