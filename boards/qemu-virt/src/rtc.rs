//! The time of day: a PL031, which QEMU sets to that of its `-rtc` option when the machine starts.

use arm_pl031::Rtc;

use crate::board::device::RTC;

/// Seconds since 1970-01-01; `None` if nobody has set the clock.
pub fn unix_s() -> Option<u64> {
    // SAFETY: board.toml says that a PL031 is at this address, which is aligned; it is mapped as device
    // memory, and its one user only reads it.
    let rtc = unsafe { Rtc::new(RTC.registers.start as *mut u32) };
    match rtc.get_unix_timestamp() {
        0 => None,
        seconds => Some(seconds.into()),
    }
}
