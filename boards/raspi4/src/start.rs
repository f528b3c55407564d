//! The first instructions, on each core.
//!
//! The boot loader jumps to the first byte of the image on core 0, at EL2. The other cores wait in its parking
//! place, each for an address in a word of its own (the spin table of the device tree's `cpu-release-addr`).
//! They are called in while page 0 is still mapped, and wait here, asleep, until the pool wants them.

use core::arch::{global_asm, naked_asm};
use core::sync::atomic::{AtomicU32, Ordering};

use aarch64_cpu::asm;
use aarch64_cpu::asm::barrier;
use aarch64_rt::{SuspendContext, warm_boot_entry};
use qlens_board::{CoreError, Span};
use qlens_firmware::{cache, cores};
use spin::Once;

use crate::board;

/// Where the address is expected at which core 0 would go on; those of the others follow.
const SPIN_TABLE: u64 = 0xd8;

// Nothing here uses a stack or memory; x0 to x3 stay.
global_asm!(
    ".section .start, \"ax\"",
    ".global start",
    "start:",
    "bl {leave_el2}",
    "b entry",
    leave_el2 = sym leave_el2,
);

/// Goes on in the caller at EL1, with everything of EL2 set so that nothing of EL1 is trapped or changed.
///
/// # Safety
/// No stack, no Rust: to be called by an instruction.
#[unsafe(naked)]
unsafe extern "C" fn leave_el2() {
    naked_asm!(
        "mrs x9, currentel",
        "cmp x9, #(2 << 2)",
        "b.ne 1f",
        // EL1 is 64-bit, and its system registers are not trapped.
        "mov x9, #(1 << 31)",
        "msr hcr_el2, x9",
        "mov x9, #0x33ff",
        "msr cptr_el2, x9",
        "msr hstr_el2, xzr",
        // Timers are EL1's, and virtual time is physical time.
        "mov x9, #3",
        "msr cnthctl_el2, x9",
        "msr cntvoff_el2, xzr",
        // What EL1 sees of who it is.
        "mrs x9, midr_el1",
        "msr vpidr_el2, x9",
        "mrs x9, mpidr_el1",
        "msr vmpidr_el2, x9",
        // MMU and caches off, the bits that are always one.
        "movz x9, #0x0800",
        "movk x9, #0x30d0, lsl #16",
        "msr sctlr_el1, x9",
        // To EL1 on its own stack pointer, all interrupts masked.
        "mov x9, #0x3c5",
        "msr spsr_el2, x9",
        "msr elr_el2, x30",
        "eret",
        "1: ret",
    )
}

/// The first instructions of another core, which comes from the parking place.
///
/// # Safety
/// No stack, no Rust: its address is for the spin table.
#[unsafe(naked)]
unsafe extern "C" fn secondary() -> ! {
    naked_asm!(
        "bl {leave_el2}",
        "mrs x0, mpidr_el1",
        "and x0, x0, #3",
        "mov x1, {size}",
        "adrp x2, {contexts}",
        "add x2, x2, :lo12:{contexts}",
        "madd x0, x0, x1, x2",
        "b {warm_boot}",
        leave_el2 = sym leave_el2,
        size = const size_of::<SuspendContext>(),
        contexts = sym CONTEXTS,
        warm_boot = sym warm_boot_entry,
    )
}

/// Stack and first Rust function of each core, for aarch64-rt's entry.
static mut CONTEXTS: [SuspendContext; board::CORES] = [const {
    SuspendContext {
        stack_ptr: core::ptr::null_mut(),
        entry: held,
        arg: 0,
    }
}; board::CORES];

static CALLED_IN: Once = Once::new();

/// A bit for each core that is to start working.
static WANTED: AtomicU32 = AtomicU32::new(0);

/// Calls the other cores out of the parking place, to wait here. To be called on the boot core with the first
/// page table; a second call does nothing.
pub fn call_in_cores() {
    CALLED_IN.call_once(|| {
        for core in 1..board::CORES {
            let context = SuspendContext {
                stack_ptr: cores::start_stack(core).end() as *mut u64,
                entry: held,
                arg: core as u64,
            };
            // SAFETY: Inside the array. Until the word below is written nobody else knows of it.
            unsafe {
                (&raw mut CONTEXTS)
                    .cast::<SuspendContext>()
                    .add(core)
                    .write(context);
            };
            barrier::dsb(barrier::ISHST);
            let word = (SPIN_TABLE + 8 * core as u64) as *mut u64;
            // SAFETY: This word of the boot loader's is for that, and the first page table maps it.
            unsafe { word.write_volatile(secondary as *const () as u64) };
        }
        // They look at memory itself, their caches are off.
        cache::clean_and_drop(Span::new(SPIN_TABLE, 8 * board::CORES as u64));
        asm::sev();
    });
}

/// A core that is there and not wanted yet.
extern "C" fn held(core: u64) -> ! {
    while WANTED.load(Ordering::Acquire) & 1 << core == 0 {
        asm::wfe();
    }
    cores::come_up(core as usize)
}

/// Lets a core that was called in go on, into [`cores::come_up`].
///
/// # Errors
/// The board has no such core; whether another is there shows when it comes up.
pub fn switch_on(core: usize) -> Result<(), CoreError> {
    let cores = board::CORES;
    if core >= cores {
        return Err(CoreError::NoSuchCore { core, cores });
    }
    WANTED.fetch_or(1 << core, Ordering::Release);
    barrier::dsb(barrier::ISHST);
    asm::sev();
    Ok(())
}
