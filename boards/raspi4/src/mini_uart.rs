//! The second UART, the mini UART of the auxiliary peripherals: the line to the sensor hub. Eight bits, no parity,
//! one stop bit, eight bytes of buffer each way (BCM2835 ARM Peripherals, chapter 2, with the corrections of its
//! errata: an interrupt of received bytes wants bits 0, 2 and 3 of the enable register).

use core::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};

use crate::board::device;
use crate::mailbox;
use crate::registers::Registers;

const ENABLES: u64 = 0x04;
const DATA: u64 = 0x40;
const INTERRUPT_ENABLE: u64 = 0x44;
const INTERRUPT_CLEAR: u64 = 0x48;
const LINE_CONTROL: u64 = 0x4c;
const MODEM_CONTROL: u64 = 0x50;
const LINE_STATUS: u64 = 0x54;
const CONTROL: u64 = 0x60;
const DIVISOR: u64 = 0x68;

const MINI_UART: u32 = 1;
const RECEIVED: u32 = 1 << 0 | 0b11 << 2;
const CLEAR_BOTH: u32 = 0b11 << 1;
const EIGHT_BITS: u32 = 0b11;
const BOTH_WAYS: u32 = 0b11;
const HAS_BYTE: u32 = 1 << 0;
const TAKES_BYTE: u32 = 1 << 5;

/// The VideoCore's number of the clock that the line's is made from, and its rate in hertz if nobody says.
const CORE_CLOCK: u32 = 4;
const CORE_RATE: u32 = 250_000_000;

/// The second UART.
#[derive(Debug)]
pub struct MiniUart {
    registers: Registers,
}

impl MiniUart {
    /// Takes the UART and sets its line up for this many bits a second, received bytes waking whoever enabled its
    /// interrupt. To be called once, on the boot core.
    ///
    /// Its clock is the VideoCore's, which changes with load unless config.txt has `enable_uart=1`.
    pub fn open(baud: u32) -> Self {
        let registers = Registers::of(device::AUX);
        let clock = mailbox::clock_rate(CORE_CLOCK).unwrap_or(CORE_RATE);
        registers.change(ENABLES, |value| value | MINI_UART);
        registers.write(CONTROL, 0);
        registers.write(INTERRUPT_ENABLE, RECEIVED);
        registers.write(INTERRUPT_CLEAR, CLEAR_BOTH);
        registers.write(LINE_CONTROL, EIGHT_BITS);
        registers.write(MODEM_CONTROL, 0);
        registers.write(DIVISOR, (clock / (8 * baud.max(1))).saturating_sub(1));
        registers.write(CONTROL, BOTH_WAYS);
        Self { registers }
    }

    fn is(&self, status: u32) -> bool {
        self.registers.read(LINE_STATUS) & status != 0
    }
}

impl ErrorType for MiniUart {
    type Error = Infallible;
}

/// Takes what has come, and waits for a byte if nothing has.
impl Read for MiniUart {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        if buf.is_empty() {
            return Ok(0);
        }
        while !self.is(HAS_BYTE) {
            core::hint::spin_loop();
        }
        let mut count = 0;
        while count < buf.len() && self.is(HAS_BYTE) {
            buf[count] = self.registers.read(DATA) as u8;
            count += 1;
        }
        Ok(count)
    }
}

impl ReadReady for MiniUart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.is(HAS_BYTE))
    }
}

/// Gives the line what it takes, and waits until it takes a byte if it takes none.
impl Write for MiniUart {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        if buf.is_empty() {
            return Ok(0);
        }
        while !self.is(TAKES_BYTE) {
            core::hint::spin_loop();
        }
        let mut count = 0;
        while count < buf.len() && self.is(TAKES_BYTE) {
            self.registers.write(DATA, u32::from(buf[count]));
            count += 1;
        }
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        // Bit 6: the buffer and the line behind it are empty.
        while !self.is(1 << 6) {
            core::hint::spin_loop();
        }
        Ok(())
    }
}

impl WriteReady for MiniUart {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.is(TAKES_BYTE))
    }
}
