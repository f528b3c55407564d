//! The card's host controller, by polling and without DMA: it is asked for blocks, and hands out their words one
//! by one. SD Host Controller Simplified Specification 3.00 and SD Physical Layer Simplified Specification 6.00;
//! the published drivers for such controllers want a heap, interrupts or an operating system's timer.
//!
//! Both boards have controllers of this kind, with differences that cost nothing elsewhere: the Raspberry Pi 3's
//! takes accesses of 32 bits only, and loses a write that follows another within two ticks of the card's clock.
//!
//! Not supported: writing, cards of before 2006, and more than 25 MHz.

use core::fmt;

use qlens_board::Clock;
use qlens_board::memory::Device;
use qlens_firmware::clock::CounterClock;

use crate::mailbox;
use crate::registers::Registers;

/// Bytes of a block.
pub const BLOCK: usize = 512;

// Registers, as offsets; 32 bits each, whatever the specification divides them into.
const BLOCK_SIZE_AND_COUNT: u64 = 0x04;
const ARGUMENT: u64 = 0x08;
const COMMAND: u64 = 0x0c;
const RESPONSE: u64 = 0x10;
const DATA: u64 = 0x20;
const STATE: u64 = 0x24;
const HOST_CONTROL: u64 = 0x28;
const CLOCK_CONTROL: u64 = 0x2c;
const INTERRUPT: u64 = 0x30;
const INTERRUPT_STATUS_ENABLE: u64 = 0x34;
const INTERRUPT_SIGNAL_ENABLE: u64 = 0x38;

// Bits of STATE.
const COMMAND_INHIBIT: u32 = 1 << 0;
const DATA_INHIBIT: u32 = 1 << 1;

// Bits of HOST_CONTROL.
const FOUR_LINES: u32 = 1 << 1;
const POWER_3V3: u32 = 0xf << 8;

// Bits of CLOCK_CONTROL.
const INTERNAL_CLOCK: u32 = 1 << 0;
const INTERNAL_CLOCK_STABLE: u32 = 1 << 1;
const CARD_CLOCK: u32 = 1 << 2;
const LONGEST_TIMEOUT: u32 = 0xe << 16;
const RESET_ALL: u32 = 1 << 24;
const RESET_LINES: u32 = 0b11 << 25;

// Bits of INTERRUPT.
const COMMAND_DONE: u32 = 1 << 0;
const TRANSFER_DONE: u32 = 1 << 1;
const READ_READY: u32 = 1 << 5;
const ERRORS: u32 = 0xffff_8000;

// Bits of COMMAND.
const COUNTED: u32 = 1 << 1;
const STOP_BY_ITSELF: u32 = 0b01 << 2;
const FROM_CARD: u32 = 1 << 4;
const MANY_BLOCKS: u32 = 1 << 5;
const WITH_DATA: u32 = 1 << 21;

/// Identification happens at 400 kHz at most, everything else at 25 MHz.
const SLOW: u32 = 400_000;
const FAST: u32 = 25_000_000;

/// If nobody says what the controller's clock is, in hertz: the fastest, so that the card's is too slow at worst.
const CLOCK: u32 = 250_000_000;

/// How long things may take, in microseconds: a command, a block, a card that wakes up.
const COMMAND_US: u64 = 100_000;
const BLOCK_US: u64 = 500_000;
const WAKE_US: u64 = 1_000_000;

/// How often a block is asked for before it counts as unreadable.
const ATTEMPTS: u32 = 3;

/// What the response to a command is, as the command register wants to be told: length and checks.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
enum Response {
    None = 0,
    /// 136 bits, R2.
    Long = 0x01 | 0x08,
    /// 48 bits with number and checksum: R1, R6, R7.
    Short = 0x02 | 0x08 | 0x10,
    /// 48 bits without: R3.
    Unchecked = 0x02,
    /// 48 bits, and then the card is busy: R1b.
    Busy = 0x03 | 0x08 | 0x10,
}

/// Why a card cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardError {
    /// The controller does not come out of its reset, or makes no clock.
    Controller,
    /// No card answers.
    NoCard,
    /// The card did not take a command.
    Command {
        /// Its number.
        number: u32,
        /// The controller's interrupt register.
        status: u32,
    },
    /// A block did not come, or not whole.
    Block {
        /// Its number.
        number: u32,
        /// The controller's interrupt register.
        status: u32,
    },
    /// Somebody tried to write.
    ReadOnly,
}

impl fmt::Display for CardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Controller => f.write_str("the card's controller does not start"),
            Self::NoCard => f.write_str("no card answers"),
            Self::Command { number, status } => {
                write!(
                    f,
                    "the card did not take command {number}, status {status:#010x}"
                )
            }
            Self::Block { number, status } => {
                write!(
                    f,
                    "block {number} of the card cannot be read, status {status:#010x}"
                )
            }
            Self::ReadOnly => f.write_str("cards are only read"),
        }
    }
}

impl core::error::Error for CardError {}

/// A controller with a card in it that is ready to be read.
#[derive(Debug)]
pub struct Sdhci {
    registers: Registers,
    /// The card has 2 GB or less, and counts in bytes.
    counts_bytes: bool,
}

impl Sdhci {
    /// Resets this controller and brings its card up. `clock` is the VideoCore's number of the clock it runs on.
    ///
    /// # Errors
    /// What does not answer.
    pub fn open(device: Device, clock: u32) -> Result<Self, CardError> {
        let mut card = Self {
            registers: Registers::of(device),
            counts_bytes: false,
        };
        let base = mailbox::clock_rate(clock).unwrap_or(CLOCK);
        card.reset(base)?;
        card.counts_bytes = card.identify()?;
        card.set_clock(base, FAST)?;
        Ok(card)
    }

    fn reset(&self, base: u32) -> Result<(), CardError> {
        self.registers.write(CLOCK_CONTROL, RESET_ALL);
        let reset = wait_until(COMMAND_US, || {
            self.registers.read(CLOCK_CONTROL) & RESET_ALL == 0
        });
        if !reset {
            return Err(CardError::Controller);
        }
        self.registers.write(HOST_CONTROL, POWER_3V3);
        // Seen here, and nowhere else.
        self.registers.write(INTERRUPT_SIGNAL_ENABLE, 0);
        self.registers.write(INTERRUPT_STATUS_ENABLE, u32::MAX);
        self.set_clock(base, SLOW)
    }

    fn set_clock(&self, base: u32, wanted: u32) -> Result<(), CardError> {
        self.registers
            .change(CLOCK_CONTROL, |value| value & !CARD_CLOCK);
        // The clock is divided by twice this.
        let divisor = base.div_ceil(2 * wanted).clamp(1, 0x3ff);
        let divided = (divisor & 0xff) << 8 | (divisor >> 8) << 6;
        self.registers
            .write(CLOCK_CONTROL, LONGEST_TIMEOUT | divided | INTERNAL_CLOCK);
        let stable = wait_until(COMMAND_US, || {
            self.registers.read(CLOCK_CONTROL) & INTERNAL_CLOCK_STABLE != 0
        });
        if !stable {
            return Err(CardError::Controller);
        }
        self.registers
            .change(CLOCK_CONTROL, |value| value | CARD_CLOCK);
        // The card wants 74 ticks before the first command.
        pause(74 * 1_000_000 / u64::from(SLOW) + 1);
        Ok(())
    }

    /// From power-on to the state in which blocks are transferred: section 4.2.3 of the Physical Layer. Whether
    /// the card counts in bytes.
    fn identify(&self) -> Result<bool, CardError> {
        const VOLTAGE_AND_CHECK: u32 = 0x1aa;
        const VOLTAGES: u32 = 0x00ff_8000;
        const HIGH_CAPACITY: u32 = 1 << 30;
        const READY: u32 = 1 << 31;

        self.command(0, Response::None, 0)?;
        // The first command with an answer: silence is an empty slot, or a card of before 2006.
        match self.command(8, Response::Short, VOLTAGE_AND_CHECK) {
            Ok(VOLTAGE_AND_CHECK) => {}
            _ => return Err(CardError::NoCard),
        }
        let give_up = CounterClock.now_us() + WAKE_US;
        let conditions = loop {
            let asked = HIGH_CAPACITY | VOLTAGES;
            let conditions = self.application_command(41, 0, Response::Unchecked, asked)?;
            if conditions & READY != 0 {
                break conditions;
            }
            if CounterClock.now_us() > give_up {
                return Err(CardError::NoCard);
            }
            pause(1_000);
        };
        self.command(2, Response::Long, 0)?;
        let address = self.command(3, Response::Short, 0)? & 0xffff_0000;
        self.command(7, Response::Busy, address)?;
        self.application_command(6, address, Response::Short, 2)?;
        self.registers
            .change(HOST_CONTROL, |value| value | FOUR_LINES);
        // What a card of high capacity has anyway.
        self.command(16, Response::Short, BLOCK as u32)?;
        Ok(conditions & HIGH_CAPACITY == 0)
    }

    /// A command whose number means something else because another came before it.
    fn application_command(
        &self,
        number: u32,
        address: u32,
        response: Response,
        argument: u32,
    ) -> Result<u32, CardError> {
        self.command(55, Response::Short, address)?;
        self.command(number, response, argument)
    }

    /// A command without data; the first word of its response.
    fn command(&self, number: u32, response: Response, argument: u32) -> Result<u32, CardError> {
        self.send(number, response, 0, argument)?;
        if matches!(response, Response::Busy) {
            self.wait_for(TRANSFER_DONE, BLOCK_US)
                .map_err(|status| CardError::Command { number, status })?;
        }
        Ok(self.registers.read(RESPONSE))
    }

    fn send(
        &self,
        number: u32,
        response: Response,
        transfer: u32,
        argument: u32,
    ) -> Result<(), CardError> {
        let failed = |status| CardError::Command { number, status };
        let free = wait_until(COMMAND_US, || {
            self.registers.read(STATE) & (COMMAND_INHIBIT | DATA_INHIBIT) == 0
        });
        if !free {
            self.reset_lines();
            return Err(failed(0));
        }
        self.write_slowly(INTERRUPT, u32::MAX);
        self.write_slowly(ARGUMENT, argument);
        self.write_slowly(COMMAND, number << 24 | (response as u32) << 16 | transfer);
        self.wait_for(COMMAND_DONE, COMMAND_US).map_err(failed)
    }

    /// Waits for one of these reasons and takes note of it; the interrupt register if it is an error, or if
    /// nothing comes.
    fn wait_for(&self, reason: u32, limit_us: u64) -> Result<(), u32> {
        let mut status = 0;
        let came = wait_until(limit_us, || {
            status = self.registers.read(INTERRUPT);
            status & (reason | ERRORS) != 0
        });
        if !came || status & ERRORS != 0 {
            self.reset_lines();
            return Err(status);
        }
        self.registers.write(INTERRUPT, reason);
        Ok(())
    }

    /// After an error the controller wants its command and data lines reset.
    fn reset_lines(&self) {
        self.registers
            .change(CLOCK_CONTROL, |value| value | RESET_LINES);
        wait_until(COMMAND_US, || {
            self.registers.read(CLOCK_CONTROL) & RESET_LINES == 0
        });
        self.registers.write(INTERRUPT, u32::MAX);
    }

    /// Two ticks of the card's clock pass, at its slowest.
    fn write_slowly(&self, offset: u64, value: u32) {
        self.registers.write(offset, value);
        pause(2 * 1_000_000 / u64::from(SLOW) + 1);
    }

    /// Reads blocks from this number on.
    ///
    /// # Errors
    /// [`CardError::Block`] names the first of them that cannot be read; what is before it is.
    pub fn read(&self, first: u32, blocks: &mut [[u8; BLOCK]]) -> Result<(), CardError> {
        let mut done = 0;
        let mut attempts = 0;
        while done < blocks.len() {
            let at = first.saturating_add(done as u32);
            let (read, outcome) = self.read_some(at, &mut blocks[done..]);
            done += read;
            match outcome {
                Err(_) if read > 0 => attempts = 1,
                Err(_) if attempts + 1 < ATTEMPTS => attempts += 1,
                Err(status) => {
                    let number = first.saturating_add(done as u32);
                    return Err(CardError::Block { number, status });
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Reads blocks in one transfer; how many came, and whether all did.
    fn read_some(&self, first: u32, blocks: &mut [[u8; BLOCK]]) -> (usize, Result<(), u32>) {
        // The count is a register of 16 bits.
        let count = blocks.len().min(u16::MAX.into());
        self.registers
            .write(BLOCK_SIZE_AND_COUNT, (count as u32) << 16 | BLOCK as u32);
        let transfer = WITH_DATA | FROM_CARD | COUNTED | MANY_BLOCKS | STOP_BY_ITSELF;
        let status_of = |error| match error {
            CardError::Command { status, .. } => status,
            _ => 0,
        };
        let unit = if self.counts_bytes { BLOCK as u32 } else { 1 };
        if let Err(error) = self.send(18, Response::Short, transfer, first.saturating_mul(unit)) {
            return (0, Err(status_of(error)));
        }
        for (done, block) in blocks[..count].iter_mut().enumerate() {
            if let Err(status) = self.wait_for(READ_READY, BLOCK_US) {
                return (done, Err(status));
            }
            for word in block.chunks_exact_mut(4) {
                word.copy_from_slice(&self.registers.read(DATA).to_le_bytes());
            }
        }
        (count, self.wait_for(TRANSFER_DONE, BLOCK_US))
    }
}

/// Looks until it is so or the time is up.
fn wait_until(limit_us: u64, mut is_so: impl FnMut() -> bool) -> bool {
    let give_up = CounterClock.now_us() + limit_us;
    loop {
        if is_so() {
            return true;
        }
        if CounterClock.now_us() > give_up {
            return false;
        }
        core::hint::spin_loop();
    }
}

fn pause(us: u64) {
    let end = CounterClock.now_us() + us;
    while CounterClock.now_us() < end {
        core::hint::spin_loop();
    }
}
