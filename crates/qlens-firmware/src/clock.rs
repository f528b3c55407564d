//! Time from the generic timer: its counter is the board's clock, its comparator ends a sleep.

use aarch64_cpu::registers::{
    CNTFRQ_EL0, CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTVCT_EL0, Readable, Writeable,
};
use qlens_assistant::app::selftest::Counter;
use qlens_board::Clock;

use crate::platform;

/// The counter that all cores share.
#[derive(Debug, Clone, Copy, Default)]
pub struct CounterClock;

/// Parts of a whole second.
const MICRO: u64 = 1_000_000;

impl Clock for CounterClock {
    fn now_us(&self) -> u64 {
        let frequency = CNTFRQ_EL0.get().max(1);
        let ticks = CNTVCT_EL0.get();
        // In two parts: the product of ticks and a million would wrap after days.
        ticks / frequency * MICRO + ticks % frequency * MICRO / frequency
    }

    fn unix_s(&self) -> Option<u64> {
        platform().unix_s()
    }
}

/// With `-icount shift=0` a nanosecond is an instruction, so that ticks times the nanoseconds of one are
/// instructions; the resolution is that of the counter, 16 of them at 62.5 MHz.
impl Counter for CounterClock {
    fn ticks(&self) -> u64 {
        CNTVCT_EL0.get()
    }

    fn frequency(&self) -> u64 {
        CNTFRQ_EL0.get()
    }
}

/// Lets the timer interrupt become pending at this time on the clock.
pub fn set_alarm(at_us: u64) {
    let frequency = CNTFRQ_EL0.get();
    let ticks = (at_us / MICRO)
        .saturating_mul(frequency)
        .saturating_add(at_us % MICRO * frequency / MICRO);
    CNTV_CVAL_EL0.set(ticks);
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::SET + CNTV_CTL_EL0::IMASK::CLEAR);
}

/// Takes the alarm back, and its interrupt with it.
pub fn clear_alarm() {
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::CLEAR);
}
