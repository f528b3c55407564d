//! The switch, and sleep. QEMU's machine has no battery and no thermometer.

use aarch64_cpu::registers::{CurrentEL, Readable};
use qlens_board::{Power, Throttle};
use smccc::{Hvc, Smc, psci};

use crate::{clock, gic};

/// Switches the machine off by PSCI. Whoever implements it is one level above, so the way there
/// depends on the level that this runs at.
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

/// Sleep between events.
#[derive(Debug, Clone, Copy, Default)]
pub struct BoardPower;

impl Power for BoardPower {
    fn battery(&mut self) -> Option<(u8, bool)> {
        None
    }

    fn temperature(&mut self) -> Option<i32> {
        None
    }

    fn throttle(&mut self) -> Throttle {
        Throttle::None
    }

    /// WFI returns for an interrupt that is pending although it is masked, so one that came after
    /// the caller's last look is not missed.
    fn idle(&mut self, until_us: Option<u64>) {
        match until_us {
            Some(at_us) => clock::set_alarm(at_us),
            None => clock::clear_alarm(),
        }
        gic::wait();
        clock::clear_alarm();
    }
}
