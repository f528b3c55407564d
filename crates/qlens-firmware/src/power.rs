//! Sleep, and a board with nothing to say of battery and warmth.

use qlens_board::{Power, Throttle};

use crate::{clock, platform, pmu};

/// Sleeps until an interrupt is pending or this time on the clock. One that came after the caller's last look
/// is not missed: it is pending although it is masked.
pub fn idle(until_us: Option<u64>) {
    match until_us {
        Some(at_us) => clock::set_alarm(at_us),
        None => clock::clear_alarm(),
    }
    platform().wait();
    clock::clear_alarm();
}

/// The power of a board without battery and thermometer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mains;

impl Power for Mains {
    fn battery(&mut self) -> Option<(u8, bool)> {
        None
    }

    fn temperature(&mut self) -> Option<i32> {
        None
    }

    fn throttle(&mut self) -> Throttle {
        Throttle::None
    }

    fn instructions(&mut self) -> Option<u32> {
        pmu::instructions()
    }

    fn idle(&mut self, until_us: Option<u64>) {
        idle(until_us);
    }
}
