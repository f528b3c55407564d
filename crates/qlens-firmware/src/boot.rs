//! From the reset of a core to Rust on a proper stack.
//!
//! aarch64-rt turns on MMU and caches with the first page table before any memory is written, clears
//! the variables, and calls [`boot`] on a small stack in the image. From there a core floats to
//! where it stays: the real page table, floating point in its reset mode, exceptions on a stack of
//! their own (`SP_EL1`), everything else on the working stack (`SP_EL0`).

use core::arch::asm;

use aarch64_rt::entry;
use spin::Once;

use crate::{board, console, exceptions, mmu, platform, stacks};

// Four pages: nothing but `boot` runs on it.
entry!(boot, 4);

static RAM_BYTES: Once<u64> = Once::new();

/// Bytes of RAM. Before the machine was surveyed, those of `board.toml`.
pub fn ram() -> u64 {
    RAM_BYTES.get().copied().unwrap_or(board().memory.ram.size)
}

fn boot(_arg0: u64, _arg1: u64, _arg2: u64, _arg3: u64) -> ! {
    prepare_core();
    console::init();
    let ram = platform().survey();
    let map = board().memory.with_ram(ram);
    // Without RAM for the image, the stacks and the display there is nobody to show an error to.
    if let Err(error) = map.model_room() {
        log::error!("{error}");
        platform().off();
    }
    RAM_BYTES.call_once(|| ram);
    if let Err(error) = mmu::init(&map) {
        log::error!("the memory map of board.toml cannot be mapped: {error}");
        platform().off();
    }
    settle(0, main)
}

extern "C" fn main(_core: usize) -> ! {
    platform().main()
}

/// What every core needs set before it computes: the same rounding and the same treatment of
/// denormals as everywhere else, or results would differ from core to core. aarch64-rt has already
/// stopped floating point from trapping.
pub fn prepare_core() {
    // SAFETY: FPCR = 0 is what the Rust ABI expects.
    unsafe { asm!("msr fpcr, xzr", options(nomem, nostack, preserves_flags)) };
}

/// Leaves the stack this core runs on for its own two, and goes on in `entry(core)`.
pub fn settle(core: usize, entry: extern "C" fn(usize) -> !) -> ! {
    let [exception, working] = stacks::of(core);
    exceptions::set_core(core);
    // SAFETY: Both stacks belong to this core alone, are mapped and unused so far. Nothing of the
    // stack that is left is needed again. The zeros end the chain of frames for a backtrace.
    unsafe {
        asm!(
            "msr sp_el0, {working}",
            "mov sp, {exception}",
            "msr spsel, #0",
            "mov x29, xzr",
            "mov x30, xzr",
            "br {entry}",
            working = in(reg) working.end(),
            exception = in(reg) exception.end(),
            entry = in(reg) entry,
            in("x0") core,
            options(noreturn),
        )
    }
}
