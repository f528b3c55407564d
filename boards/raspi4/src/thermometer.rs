//! Power on a board that hangs on a wall: no battery, but a thermometer.

use qlens_board::{Power, Throttle};
use qlens_firmware::power;

use crate::mailbox;

/// The VideoCore knows how warm the chip is.
#[derive(Debug, Clone, Copy, Default)]
pub struct PiPower;

/// At this temperature, in thousandths of a degree, pauses are asked for, and at that an end. The VideoCore itself
/// slows the cores at 80 degrees and again at 85.
const WARM: i32 = 75_000;
const HOT: i32 = 84_000;

impl Power for PiPower {
    fn battery(&mut self) -> Option<(u8, bool)> {
        None
    }

    fn temperature(&mut self) -> Option<i32> {
        mailbox::temperature()
    }

    fn throttle(&mut self) -> Throttle {
        match mailbox::temperature() {
            Some(HOT..) => Throttle::Stop,
            Some(WARM..) => Throttle::Ease,
            _ => Throttle::None,
        }
    }

    fn idle(&mut self, until_us: Option<u64>) {
        power::idle(until_us);
    }
}
