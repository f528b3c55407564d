//! Time, and sleep. A timer of the Cortex-M System Design Kit (DDI 0479, section 4.1) counts down with the system
//! clock, all 32 bits of it in three and a half minutes; `SysTick` ends a sleep. Neither's handler ever runs:
//! interrupts are masked, and only wake the core.

use cortex_m::asm;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};

use crate::board::device;

/// Ticks a microsecond: the board's clock has 20 MHz.
pub const TICKS_PER_US: u64 = 20;

/// The longest sleep that `SysTick` can end, in ticks.
const LONGEST: u64 = 0x00ff_ffff;

/// Offsets of the timer's registers, in words.
mod register {
    pub const CTRL: usize = 0;
    pub const VALUE: usize = 1;
    pub const RELOAD: usize = 2;
}

/// The clock and the alarm.
pub struct Clock {
    alarm: SYST,
    /// What the timer said last, and the ticks until then.
    last: u32,
    ticks: u64,
    asleep: u64,
}

impl Clock {
    /// Starts the timer.
    pub fn new(mut alarm: SYST) -> Self {
        let timer = registers();
        // SAFETY: board.toml says that the timer is there; this is its only user.
        unsafe {
            timer.add(register::RELOAD).write_volatile(u32::MAX);
            timer.add(register::VALUE).write_volatile(u32::MAX);
            timer.add(register::CTRL).write_volatile(1);
        }
        alarm.set_clock_source(SystClkSource::Core);
        Self {
            alarm,
            last: u32::MAX,
            ticks: 0,
            asleep: 0,
        }
    }

    /// Ticks since the start. To be called once in three minutes at least, or some are lost; the alarm sees to it.
    pub fn ticks(&mut self) -> u64 {
        let now = value();
        self.ticks += u64::from(self.last.wrapping_sub(now));
        self.last = now;
        self.ticks
    }

    /// Microseconds since the start.
    pub fn now_us(&mut self) -> u64 {
        self.ticks() / TICKS_PER_US
    }

    /// Ticks of which the core was awake.
    pub fn awake(&mut self) -> u64 {
        self.ticks() - self.asleep
    }

    /// Lets an interrupt become pending at `at_us`, or earlier; at once if that is not in the future.
    pub fn set_alarm(&mut self, at_us: u64) {
        let now = self.ticks();
        let rest = at_us.saturating_mul(TICKS_PER_US).saturating_sub(now);
        self.alarm.disable_counter();
        SCB::clear_pendst();
        self.alarm.set_reload(rest.clamp(1, LONGEST) as u32);
        self.alarm.clear_current();
        self.alarm.enable_interrupt();
        self.alarm.enable_counter();
    }

    /// So many ticks were slept.
    pub fn slept(&mut self, ticks: u32) {
        self.asleep += u64::from(ticks);
    }
}

/// Whether the alarm has gone off since it was set.
pub fn is_time() -> bool {
    SCB::is_pendst_pending()
}

/// Sleeps until an interrupt is pending; for how many ticks. Called for every byte that comes, so it does no more than
/// it has to.
pub fn wait() -> u32 {
    let before = value();
    asm::dsb();
    asm::wfi();
    before.wrapping_sub(value())
}

/// What the timer says: ticks, downwards.
fn value() -> u32 {
    // SAFETY: board.toml says that the timer is there; reading has no effect.
    unsafe { registers().add(register::VALUE).read_volatile() }
}

fn registers() -> *mut u32 {
    device::TIMER.registers.start as usize as *mut u32
}
