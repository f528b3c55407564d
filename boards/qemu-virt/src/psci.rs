//! What the emulator does for the firmware by calls: switching cores on, and the machine off.

use aarch64_cpu::registers::{CurrentEL, Readable};
use aarch64_rt::{Stack, start_core};
use qlens_board::CoreError;
use qlens_firmware::cores;
use smccc::{Hvc, Smc, psci};

use crate::{board, machine};

/// Pages of the stack that a core starts on.
const START_PAGES: usize = board::EXCEPTION_STACK_BYTES / 4096;

/// Switches the machine off. Whoever implements it is one level above, so the way there depends on the level
/// that this runs at.
pub fn off() -> ! {
    let _ = if at_el1() {
        psci::system_off::<Hvc>()
    } else {
        psci::system_off::<Smc>()
    };
    // Nobody understood. Stop here without burning power.
    loop {
        aarch64_cpu::asm::wfi();
    }
}

/// This core runs at EL1, for which the firmware is made.
pub fn at_el1() -> bool {
    CurrentEL.read(CurrentEL::EL) == 1
}

/// Switches a core on, into [`cores::come_up`].
///
/// # Errors
/// The machine has no such core, or the emulator refused.
pub fn switch_on(core: usize) -> Result<(), CoreError> {
    let affinities = &machine::found().cores;
    let Some(&affinity) = affinities.get(core) else {
        let cores = affinities.len();
        return Err(CoreError::NoSuchCore { core, cores });
    };
    let stack = cores::start_stack(core);
    // SAFETY: The stack belongs to this core alone, which is off; it lies in the first gigabyte of RAM, which
    // the initial page table maps as the real one does.
    unsafe {
        start_core::<Hvc, _, START_PAGES>(
            affinity,
            stack.start as *mut Stack<START_PAGES>,
            move || cores::come_up(core),
        )
    }
    .map_err(|error| CoreError::Refused {
        core,
        code: i64::from(error) as i32,
    })
}
