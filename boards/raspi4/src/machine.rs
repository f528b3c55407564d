//! The board: what it is found to be, and what it can do.

use qlens_board::{Span, Usage};
#[cfg(device = "gic-distributor")]
use qlens_firmware::gic as interrupts;
use qlens_firmware::{Platform, glasses, ram};

use crate::board::device::UART;
use crate::glasses::PiGlasses;
use crate::gpio::Function;
#[cfg(device = "local")]
use crate::local as interrupts;
use crate::{board, gpio, mailbox, start, watchdog};

/// The console's clock in hertz, unless config.txt says something else (`init_uart_clock`).
const UART_CLOCK: u32 = 48_000_000;

/// RAM that would be behind this is behind the peripherals.
const MOST_RAM: u64 = if cfg!(device = "local") {
    0x3f00_0000
} else {
    0xfc00_0000
};

struct Pi;

static PI: Pi = Pi;

qlens_firmware::firmware!(PI, board);

impl Platform for Pi {
    fn prepare_console(&self) -> Option<u32> {
        gpio::select(14..=15, Function::Alt0);
        Some(UART_CLOCK)
    }

    fn survey(&self) -> u64 {
        start::call_in_cores();
        let (Some(ram), Some(arm)) = (mailbox::ram_bytes(), mailbox::arm_share()) else {
            log::error!("the VideoCore does not say how much RAM there is");
            watchdog::off();
        };
        let share = board::MEMORY.span(Usage::Framebuffer);
        let share = share.unwrap_or(Span::new(0, 0));
        if arm.end() < share.start {
            log::error!(
                "the VideoCore's share begins at {:#x}, {:#x} is expected: config.txt must not ask for more than \
                 gpu_mem=76",
                arm.end(),
                share.start
            );
            watchdog::off();
        }
        ram.min(MOST_RAM)
    }

    fn main(&self) -> ! {
        #[cfg(device = "gic-distributor")]
        {
            use crate::board::device::{GIC_CPU_INTERFACE, GIC_DISTRIBUTOR};
            let controller = interrupts::Controller::V2 {
                distributor: GIC_DISTRIBUTOR,
                cpu_interface: GIC_CPU_INTERFACE,
            };
            // SAFETY: board.toml says that it is there; all devices are mapped as such.
            unsafe { interrupts::init(controller, board::CORES) };
        }
        #[cfg(device = "local")]
        interrupts::init_core(0);
        if let Some(number) = UART.interrupt {
            interrupts::enable_shared(number);
        }
        log::info!(
            "{}: {} cores, {} MiB of RAM",
            board::NAME,
            board::CORES,
            ram() >> 20
        );
        glasses::run(PiGlasses::default())
    }

    fn init_core(&self, core: usize) {
        interrupts::init_core(core);
    }

    fn wait(&self) {
        interrupts::wait();
    }

    fn wake_others(&self) {
        interrupts::wake_others();
    }

    fn off(&self) -> ! {
        watchdog::off()
    }
}
