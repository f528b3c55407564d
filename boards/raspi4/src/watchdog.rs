//! The switch. A Raspberry Pi cannot cut its own power; it is reset by the watchdog and told to stay in the
//! reset's boot loader, which is as dark and as cold as off.

use crate::board::device;
use crate::registers::Registers;

const RSTC: u64 = 0x1c;
const RSTS: u64 = 0x20;
const WDOG: u64 = 0x24;

/// Without it a write is ignored.
const PASSWORD: u32 = 0x5a << 24;
/// RSTC, bits 5:4: what the watchdog does, a full reset.
const FULL_RESET: u32 = 0x20;
const ACTION: u32 = 0x30;
/// RSTS: partition 63, spread over its even bits; the boot loader takes it for "halt".
const HALT: u32 = 0x555;
/// Ticks of 16 microseconds until it bites.
const SOON: u32 = 10;

/// Switches the machine off.
pub fn off() -> ! {
    let registers = Registers::of(device::WATCHDOG);
    registers.write(RSTS, PASSWORD | registers.read(RSTS) & 0x00ff_ffff | HALT);
    registers.write(WDOG, PASSWORD | SOON);
    registers.write(
        RSTC,
        PASSWORD | registers.read(RSTC) & 0x00ff_ffff & !ACTION | FULL_RESET,
    );
    loop {
        aarch64_cpu::asm::wfi();
    }
}
