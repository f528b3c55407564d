//! The performance monitor, for one thing: how many instructions the boot core executes. Unlike the time that
//! passes, that says how well it sleeps. QEMU counts them only with `-icount`, and says so by the event's bit.

use core::arch::asm;

use aarch64_cpu::registers::{ID_AA64DFR0_EL1, Readable};
use spin::Once;

/// `INST_RETIRED` of the Arm Architecture Reference Manual: instructions architecturally executed.
const INSTRUCTIONS: u64 = 0x08;

/// The bit of `PMCR_EL0` that lets all counters run.
const ENABLE: u64 = 1;

/// Instructions that the boot core has executed, modulo 2^32; `None` if the processor does not count them.
/// To be called on that core alone.
pub fn instructions() -> Option<u32> {
    static COUNTS: Once<bool> = Once::new();
    if !*COUNTS.call_once(start) {
        return None;
    }
    let count: u64;
    // SAFETY: The counter was found to be there and started; reading it changes nothing.
    unsafe { asm!("isb", "mrs {}, pmevcntr0_el0", out(reg) count, options(nomem, nostack)) };
    Some(count as u32)
}

/// Lets the first counter count; `false` if there is none that can.
fn start() -> bool {
    // 0 is no monitor, 15 one that is not as the architecture has it.
    let version = ID_AA64DFR0_EL1.get() >> 8 & 0xf;
    if version == 0 || version == 15 {
        return false;
    }
    let (control, events): (u64, u64);
    // SAFETY: There is a monitor, and at EL1 its registers may be read.
    unsafe {
        asm!(
            "mrs {}, pmcr_el0",
            "mrs {}, pmceid0_el0",
            out(reg) control,
            out(reg) events,
            options(nomem, nostack)
        );
    }
    let counters = control >> 11 & 0x1f;
    if counters == 0 || events >> INSTRUCTIONS & 1 == 0 {
        return false;
    }
    // SAFETY: As above, the first counter exists, nothing else uses it, and its overflow raises no interrupt.
    unsafe {
        asm!(
            "msr pmevtyper0_el0, {}",
            "msr pmcntenset_el0, {}",
            "msr pmcr_el0, {}",
            "isb",
            in(reg) INSTRUCTIONS,
            in(reg) 1_u64,
            in(reg) control | ENABLE,
            options(nomem, nostack)
        );
    }
    true
}
