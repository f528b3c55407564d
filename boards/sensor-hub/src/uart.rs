//! The UART of Arm's Cortex-M System Design Kit (DDI 0479, section 4.3): one byte of buffer each way, an interrupt
//! that is latched until it is cleared.
//!
//! Not supported: parity, flow control, and the interrupt of a sent byte: whoever sends waits for the line.

use core::convert::Infallible;

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use heapless::Vec;
use qlens_board::memory::Device;

/// Offsets of the registers, in words.
mod register {
    pub const DATA: usize = 0;
    pub const STATE: usize = 1;
    pub const CTRL: usize = 2;
    /// Written, it clears.
    pub const INTSTATUS: usize = 3;
    pub const BAUDDIV: usize = 4;
}

/// Bits of `STATE`.
const TX_FULL: u32 = 1;
const RX_FULL: u32 = 1 << 1;

/// Bits of `CTRL`.
const TX_ENABLE: u32 = 1;
const RX_ENABLE: u32 = 1 << 1;
const RX_INTERRUPT: u32 = 1 << 3;

/// The bit of `INTSTATUS` of a received byte.
const RECEIVED: u32 = 1 << 1;

/// Ticks of the system clock a bit: 1.25 million baud, the fastest that the part divides to.
const DIVIDER: u32 = 16;

/// A device's line into the interrupt controller.
#[derive(Debug, Clone, Copy)]
struct Line(u16);

// SAFETY: The number is that of the controller, from board.toml, and stays the same.
unsafe impl InterruptNumber for Line {
    fn number(self) -> u16 {
        self.0
    }
}

/// Most bytes that are put aside: a frame of the link.
const ASIDE: usize = 64;

/// A UART, and its interrupt as far as it wakes the core.
#[derive(Debug)]
pub struct Uart {
    registers: *mut u32,
    line: Option<Line>,
    /// What has come and is not worth waking anybody for yet.
    aside: Vec<u8, ASIDE>,
}

impl Uart {
    /// Takes the UART that board.toml has under this name; whoever calls this twice has two that mix their bytes.
    pub fn new(device: Device) -> Self {
        let mut uart = Self {
            registers: device.registers.start as usize as *mut u32,
            line: device.interrupt.map(|number| Line(number as u16)),
            aside: Vec::new(),
        };
        uart.write_register(register::BAUDDIV, DIVIDER);
        let wakes = if uart.line.is_some() { RX_INTERRUPT } else { 0 };
        uart.write_register(register::CTRL, TX_ENABLE | RX_ENABLE | wakes);
        uart.set_wakes(true);
        uart
    }

    /// Whether a byte that comes wakes the core.
    pub fn set_wakes(&mut self, wakes: bool) {
        match self.line {
            // SAFETY: Interrupts stay masked, no handler runs and no critical section relies on this one.
            Some(line) if wakes => unsafe { NVIC::unmask(line) },
            Some(line) => NVIC::mask(line),
            None => {}
        }
    }

    /// A byte, if one has come. The interrupt that told of it is taken back, so that the next one wakes again.
    pub fn byte(&mut self) -> Option<u8> {
        if self.read_register(register::STATE) & RX_FULL == 0 {
            return None;
        }
        // Before the byte is taken: the next one can come as soon as there is room, and must not be cleared with it.
        self.write_register(register::INTSTATUS, RECEIVED);
        if let Some(line) = self.line {
            NVIC::unpend(line);
        }
        Some(self.read_register(register::DATA) as u8)
    }

    /// Puts a byte that has come aside, to be read later; whether it is time to read, because a zero ended what
    /// was said or because no more can be put aside.
    pub fn put_aside(&mut self) -> bool {
        let Some(byte) = self.byte() else {
            return false;
        };
        let _ = self.aside.push(byte);
        byte == 0 || self.aside.is_full()
    }

    fn read_register(&self, register: usize) -> u32 {
        // SAFETY: board.toml says that a UART of this kind is there; reading takes at most a byte that came.
        unsafe { self.registers.add(register).read_volatile() }
    }

    fn write_register(&mut self, register: usize, value: u32) {
        // SAFETY: As above; nothing that is written changes memory.
        unsafe { self.registers.add(register).write_volatile(value) }
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl Read for Uart {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        let mut many = self.aside.len().min(into.len());
        into[..many].copy_from_slice(&self.aside[..many]);
        self.aside.drain(..many);
        while many < into.len()
            && let Some(byte) = self.byte()
        {
            into[many] = byte;
            many += 1;
        }
        Ok(many)
    }
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.aside.is_empty() || self.read_register(register::STATE) & RX_FULL != 0)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for (at, &byte) in bytes.iter().enumerate() {
            while self.read_register(register::STATE) & TX_FULL != 0 {
                // The line has some; the rest comes when it is ready for it.
                if at > 0 {
                    return Ok(at);
                }
                core::hint::spin_loop();
            }
            self.write_register(register::DATA, byte.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl WriteReady for Uart {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.read_register(register::STATE) & TX_FULL == 0)
    }
}
