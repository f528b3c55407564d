//! Caches, for memory that somebody reads or writes who does not see them: a core that is still off, a
//! display, another processor.

use core::arch::asm;

use qlens_board::Span;

/// Writes these bytes back to memory and drops them from the caches, so that both agree and the next read is
/// of memory. Bytes that share a line with them go along.
pub fn clean_and_drop(bytes: Span) {
    let line = line_bytes();
    let first = bytes.start / line * line;
    for address in (first..bytes.end()).step_by(line as usize) {
        // SAFETY: What is written back is what was written; no value changes. An address that is not
        // mapped faults, as any access to it would.
        unsafe { asm!("dc civac, {}", in(reg) address, options(nostack, preserves_flags)) };
    }
    // SAFETY: A barrier changes nothing.
    unsafe { asm!("dsb sy", options(nostack, preserves_flags)) };
}

/// Bytes of the smallest line of a data cache of this core.
fn line_bytes() -> u64 {
    let ctr: u64;
    // SAFETY: Reading the cache type register has no effect.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack, preserves_flags)) };
    // Bits 19:16, DminLine: the logarithm of the words of a line.
    4 << (ctr >> 16 & 0xf)
}
