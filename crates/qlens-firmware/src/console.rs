//! The PL011 as the console of people: log lines out, typed lines in.

use core::convert::Infallible;
use core::fmt::{self, Write as _};
use core::ptr::NonNull;

use arm_pl011_uart::{
    DataBits, Interrupts, LineConfig, PL011Registers, Parity, StopBits, Uart, UniqueMmioPointer,
};
use embedded_io::{ErrorType, Read, ReadReady, Write};
use log::{LevelFilter, Log, Metadata, Record};
use qlens_board::Clock;
use spin::mutex::SpinMutex;

use crate::channel::MARK;
use crate::clock::CounterClock;
use crate::{board, platform};

/// Bits a second, where the line is set up here; 8 bits, no parity, one stop bit.
const BAUD: u32 = 115_200;

const LINE: LineConfig = LineConfig {
    data_bits: DataBits::Bits8,
    parity: Parity::None,
    stop_bits: StopBits::One,
};

/// Shared by all cores: log lines of two of them must not mix.
static UART: SpinMutex<Option<Uart<'static>>> = SpinMutex::new(None);

/// The registers of the console.
fn uart() -> Option<Uart<'static>> {
    let registers = NonNull::new(board().console.registers.start as *mut PL011Registers)?;
    // SAFETY: board.toml says that a PL011 is there, and it is mapped as device memory by both page
    // tables. Two users exist only while a fatal report is printed.
    Some(Uart::new(unsafe { UniqueMmioPointer::new(registers) }))
}

/// Takes the UART and makes it the destination of the log.
pub fn init() {
    let clock = platform().prepare_console();
    let mut uart = uart();
    if let Some(uart) = &mut uart {
        if let Some(clock) = clock {
            // Only a clock that is too slow for the line is refused; the line then stays as it was.
            let _ = uart.enable(LINE, BAUD, clock);
        }
        uart.set_interrupt_masks(Interrupts::RXI | Interrupts::RTI);
    }
    *UART.lock() = uart;
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// The console as `embedded-io`: reading takes what was typed and never waits, writing waits for the
/// line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Console;

impl ErrorType for Console {
    type Error = Infallible;
}

impl Read for Console {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        let mut uart = UART.lock();
        let Some(uart) = uart.as_mut() else {
            return Ok(0);
        };
        let mut count = 0;
        while count < buf.len() && !uart.is_rx_fifo_empty() {
            // A byte that arrived damaged is as good as not typed.
            if let Ok(Some(byte)) = uart.read_word() {
                buf[count] = byte;
                count += 1;
            }
        }
        Ok(count)
    }
}

impl ReadReady for Console {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(UART
            .lock()
            .as_ref()
            .is_some_and(|uart| !uart.is_rx_fifo_empty()))
    }
}

impl Write for Console {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        if let Some(uart) = UART.lock().as_mut() {
            write_text(uart, buf);
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Text of people, who cannot write what reports are told from it by.
fn write_text(uart: &mut Uart<'_>, bytes: &[u8]) {
    for part in bytes.split(|byte| *byte == MARK) {
        write_bytes(uart, part);
    }
}

/// Text of tools.
pub(crate) fn write_report(bytes: &[u8]) {
    if let Some(uart) = UART.lock().as_mut() {
        write_bytes(uart, bytes);
    }
}

fn write_bytes(uart: &mut Uart<'_>, bytes: &[u8]) {
    for &byte in bytes {
        while uart.is_tx_fifo_full() {
            core::hint::spin_loop();
        }
        uart.write_word(byte);
    }
}

/// The way to the console when nothing can be trusted any more: past the lock, which the core that
/// went wrong may hold.
pub struct Emergency(Option<Uart<'static>>);

impl Emergency {
    /// The console, whoever else uses it.
    pub fn open() -> Self {
        Self(uart())
    }
}

impl fmt::Write for Emergency {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if let Some(uart) = &mut self.0 {
            write_text(uart, text.as_bytes());
        }
        Ok(())
    }
}

struct Logger;

static LOGGER: Logger = Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let now = CounterClock.now_us();
        if let Some(uart) = UART.lock().as_mut() {
            let _ = writeln!(
                Locked(uart),
                "[{:5}.{:06}] {:5} {}: {}",
                now / 1_000_000,
                now % 1_000_000,
                record.level(),
                record.target(),
                record.args()
            );
        }
    }

    fn flush(&self) {}
}

/// The console for a core that holds its lock.
struct Locked<'u, 'r>(&'u mut Uart<'r>);

impl fmt::Write for Locked<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write_text(self.0, text.as_bytes());
        Ok(())
    }
}
