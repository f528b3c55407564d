//! What is said when the hub itself goes wrong. It then starts anew: the application processor joins it again in
//! a moment, and a sensor hub that stands still is worse than one that forgot a gesture.

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, exception};

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let place = info.location();
    defmt::error!(
        "panic at {=str}:{=u32}",
        place.map_or("?", |place| place.file()),
        place.map_or(0, core::panic::Location::line),
    );
    SCB::sys_reset()
}

/// Also a stack that ran over: its limit is set.
#[exception(trampoline = true)]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!(
        "hard fault at {=u32:#x}, called from {=u32:#x}",
        frame.pc(),
        frame.lr()
    );
    SCB::sys_reset()
}

#[exception]
unsafe fn DefaultHandler(number: i16) {
    defmt::error!("exception {=i16}, and they should be masked", number);
    SCB::sys_reset()
}
