//! The interrupts of the Raspberry Pi 3, used for one thing only: to wake cores that wait. Interrupts stay masked
//! in PSTATE on every core; no handler ever runs.
//!
//! Each core has its own part of the local controller (BCM2836, "Quad-A7 control"): its timers, its mailboxes, and
//! on core 0 whatever the controller of the peripherals (BCM2835) passes on. All of them ask for as long as there
//! is a reason, so nothing needs to be acknowledged but a mailbox, by which cores wake each other.

use aarch64_cpu::asm;
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{MPIDR_EL1, Readable};

use crate::board::{self, device};
use crate::registers::Registers;

/// Of the local controller; a word a core.
const TIMER_CONTROL: u64 = 0x40;
const MAILBOX_CONTROL: u64 = 0x50;
/// Four mailboxes a core, the first is for waking.
const MAILBOX_SET: u64 = 0x80;
const MAILBOX_CLEAR: u64 = 0xc0;
const MAILBOXES_BYTES: u64 = 16;

/// Timer control, bit 3: the virtual timer.
const VIRTUAL_TIMER: u32 = 1 << 3;
/// Mailbox control, bit 0: the first mailbox.
const WAKE: u32 = 1;

/// Of the controller of the peripherals: two words of enables.
const ENABLE: u64 = 0x210;

fn local() -> Registers {
    Registers::of(device::LOCAL)
}

/// Lets timer and wake-ups through to this core.
pub fn init_core(core: usize) {
    let core = core as u64;
    local().write(TIMER_CONTROL + 4 * core, VIRTUAL_TIMER);
    local().write(MAILBOX_CONTROL + 4 * core, WAKE);
}

/// Lets an interrupt of the peripherals wake the boot core.
pub fn enable_shared(number: u32) {
    // Writing a one enables, a zero does nothing.
    let word = ENABLE + u64::from(number / 32) * 4;
    Registers::of(device::ARM_CONTROL).write(word, 1 << (number % 32));
}

/// Wakes every other core that is in [`wait`], or is about to be.
pub fn wake_others() {
    // What was written for the others must be visible before they wake to look at it.
    barrier::dsb(barrier::ISHST);
    let this = this_core();
    for core in (0..board::CORES as u64).filter(|core| *core != this) {
        local().write(MAILBOX_SET + core * MAILBOXES_BYTES, WAKE);
    }
}

/// Sleeps until an interrupt is pending on this core, at once if one is already. A wake-up is taken out of the
/// mailbox, so that the next call sleeps again.
pub fn wait() {
    barrier::dsb(barrier::SY);
    asm::wfi();
    local().write(MAILBOX_CLEAR + this_core() * MAILBOXES_BYTES, u32::MAX);
    // What the waker wrote is looked at after its wake-up was taken note of, not before.
    barrier::dsb(barrier::SY);
}

fn this_core() -> u64 {
    MPIDR_EL1.get() & 3
}
