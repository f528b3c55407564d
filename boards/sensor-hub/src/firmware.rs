//! The loop. Interrupts are masked for good: a byte that comes, or the alarm, makes one pending, the core wakes, and
//! looks at everything, as it would have anyway. That leaves no handler to race with.

use core::mem::MaybeUninit;

use cortex_m::Peripherals;
use cortex_m_rt::entry;
use qlens_board::SensorKind;
use qlens_hub::{Figures, Hub};
use qlens_link::{Event, EventKind};
use static_cell::StaticCell;

use crate::board::{NAME, device};
use crate::clock::{self, Clock};
use crate::stack;
use crate::uart::Uart;

/// While the application processor is to wake, it is called this often, in microseconds.
const WAKE_US: u64 = 20_000;

static HUB: StaticCell<Hub<Uart>> = StaticCell::new();
static LOG: StaticCell<Uart> = StaticCell::new();

/// Counts how often the hub started since it got power: memory that a reset leaves alone.
#[unsafe(link_section = ".uninit.starts")]
static mut STARTS: MaybeUninit<u32> = MaybeUninit::uninit();

#[entry]
fn main() -> ! {
    cortex_m::interrupt::disable();
    defmt_serial::defmt_serial(LOG.init(Uart::new(device::LOG)));
    let Some(peripherals) = Peripherals::take() else {
        cortex_m::peripheral::SCB::sys_reset()
    };
    let mut clock = Clock::new(peripherals.SYST);
    let mut samples = Uart::new(device::SAMPLES);
    let starts = count_start();
    let hub = HUB.init_with(|| Hub::new(Uart::new(device::LINK), starts.into()));
    defmt::info!("{=str}: start {=u32:#x}", NAME, starts);

    let mut wake_us = 0;
    loop {
        let now_us = clock.now_us();
        let awake = clock.awake();
        let Ok(more) = hub.poll(now_us, &mut || figures(awake, now_us));
        let mut until_us = hub.due_us().unwrap_or(u64::MAX);
        if hub.wake_line() {
            if now_us >= wake_us {
                wake_us = now_us + WAKE_US;
                let _ = embedded_io::Write::write(hub.link(), &[0]);
            }
            until_us = until_us.min(wake_us);
        }
        if !more {
            clock.set_alarm(until_us);
            take_samples(&mut samples, hub, &mut clock);
        }
    }
}

/// Takes samples, asleep in between, until one of them was an event or there is something else to do.
fn take_samples(samples: &mut Uart, hub: &mut Hub<Uart>, clock: &mut Clock) {
    // Those that cannot be taken yet must not keep the core from its sleep.
    let takes = hub.takes();
    samples.set_wakes(takes);
    let mut told = false;
    // The alarm ends a sleep before this is full.
    let mut slept = 0_u32;
    while !told {
        slept += clock::wait();
        let byte = if takes { samples.byte() } else { None };
        if let Some(byte) = byte {
            hub.take(byte, &mut |event| {
                told = true;
                clock.slept(core::mem::take(&mut slept));
                tell(event, clock);
            });
        } else if clock::is_time() || hub.link().put_aside() {
            break;
        }
    }
    clock.slept(slept);
}

/// Writes an event to the log.
fn tell(event: &Event, clock: &mut Clock) {
    let EventKind::Sensor(SensorKind::Mark { number }) = event.kind else {
        return defmt::info!("{=u64} us: {}", event.at_us, event.kind);
    };
    // What bench reads: between two marks, how much was done in how much time.
    defmt::info!(
        "mark {=u32} at_us={=u64} awake_ticks={=u64} stack_bytes={=u32}",
        number,
        event.at_us,
        clock.awake(),
        stack::deepest(),
    );
}

fn figures(awake: u64, now_us: u64) -> Figures {
    let ticks = (now_us * crate::clock::TICKS_PER_US).max(1);
    Figures {
        stack_bytes: stack::deepest(),
        busy_permille: (awake.saturating_mul(1000) / ticks).min(1000) as u16,
    }
}

fn count_start() -> u32 {
    let starts = &raw mut STARTS;
    // SAFETY: Nothing else names it, and this runs once. Whatever the memory held is a number.
    unsafe {
        let count = starts.cast::<u32>().read_volatile().wrapping_add(1);
        starts.cast::<u32>().write_volatile(count);
        count
    }
}
