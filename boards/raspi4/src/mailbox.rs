//! The property channel of the mailbox: questions to the VideoCore, which owns the memory, the clocks and the
//! display. A message is a list of tags, each with room for its answer, that the VideoCore answers in place
//! (raspberrypi/firmware wiki, "Mailbox property interface").

use core::sync::atomic::{Ordering, fence};

use qlens_board::{Clock, Span, Usage};
use qlens_firmware::cache;
use qlens_firmware::clock::CounterClock;

use crate::board::{self, device};
use crate::registers::Registers;

const READ: u64 = 0x880;
const STATUS: u64 = 0x898;
const WRITE: u64 = 0x8a0;
const FULL: u32 = 1 << 31;
const EMPTY: u32 = 1 << 30;

/// The channel of properties.
const CHANNEL: u32 = 8;

/// An answered message has this in its second word, an answered tag in its third.
const ANSWERED: u32 = 1 << 31;

/// The VideoCore sees RAM here, past its caches.
const UNCACHED: u32 = 0xc000_0000;

/// And the ARM sees what the VideoCore calls its own without these bits.
pub const BUS_BITS: u32 = 0x3fff_ffff;

/// How long the VideoCore may take, in microseconds.
const PATIENCE_US: u64 = 1_000_000;

/// Words of the longest message.
const WORDS: usize = 64;

/// A message. There is one on its way at a time, which all callers see to by being on the boot core.
#[derive(Debug)]
pub struct Message(heapless::Vec<u32, WORDS>);

/// Where in a message the values of a tag are.
#[derive(Debug, Clone, Copy)]
pub struct Values {
    first: usize,
    count: usize,
}

impl Message {
    /// One without tags.
    pub fn new() -> Self {
        let mut words = heapless::Vec::new();
        // Its size, which is known at the end, and "this is a request".
        let _ = words.extend_from_slice(&[0, 0]);
        Self(words)
    }

    /// Adds a tag with these values, which the answer overwrites.
    pub fn tag(&mut self, tag: u32, values: &[u32]) -> Values {
        let bytes = size_of_val(values) as u32;
        // Room for the end is left: the longest message here has a third of the words.
        let _ = self.0.extend_from_slice(&[tag, bytes, 0]);
        let first = self.0.len();
        let _ = self.0.extend_from_slice(values);
        Values {
            first,
            count: values.len(),
        }
    }

    /// Sends it and waits for the answer; `false` if none comes or the VideoCore does not take it.
    pub fn send(&mut self) -> bool {
        let _ = self.0.push(0);
        self.0[0] = size_of_val(&self.0[..]) as u32;
        let Some(room) = board::MEMORY.span(Usage::Dma) else {
            return false;
        };
        let words = room.start as *mut u32;
        let span = Span::new(room.start, u64::from(self.0[0]));
        for (index, word) in self.0.iter().enumerate() {
            // SAFETY: The region is for this alone, mapped, and larger than any message.
            unsafe { words.add(index).write_volatile(*word) };
        }
        cache::clean_and_drop(span);
        if !exchange(room.start as u32 | UNCACHED | CHANNEL) {
            return false;
        }
        // What was read ahead of the answer is not what is there now.
        cache::clean_and_drop(span);
        fence(Ordering::SeqCst);
        for (index, word) in self.0.iter_mut().enumerate() {
            // SAFETY: As above; the VideoCore is done with it.
            *word = unsafe { words.add(index).read_volatile() };
        }
        self.0[1] == ANSWERED
    }

    /// What the VideoCore answered to a tag; `None` if it does not know it.
    pub fn answer(&self, values: Values) -> Option<&[u32]> {
        let code = self.0.get(values.first - 1)?;
        let values = self.0.get(values.first..values.first + values.count)?;
        (code & ANSWERED != 0).then_some(values)
    }
}

/// Puts a word into the mailbox and waits until it comes back.
fn exchange(word: u32) -> bool {
    let registers = Registers::of(device::ARM_CONTROL);
    let give_up = CounterClock.now_us() + PATIENCE_US;
    let wait_while = |flag| {
        while registers.read(STATUS) & flag != 0 {
            if CounterClock.now_us() > give_up {
                return false;
            }
        }
        true
    };
    if !wait_while(FULL) {
        return false;
    }
    registers.write(WRITE, word);
    loop {
        if !wait_while(EMPTY) {
            return false;
        }
        // Another channel's answer is nobody's.
        if registers.read(READ) == word {
            return true;
        }
    }
}

/// The answer to one tag.
pub fn property<const N: usize>(tag: u32, values: [u32; N]) -> Option<[u32; N]> {
    let mut message = Message::new();
    let at = message.tag(tag, &values);
    if !message.send() {
        return None;
    }
    message.answer(at)?.try_into().ok()
}

/// Bytes of RAM that the board is made with, from its revision code.
pub fn ram_bytes() -> Option<u64> {
    let [code] = property(0x0001_0002, [0])?;
    // Bit 23: a code with fields. Bits 22:20: the memory, in powers of two from 256 MiB.
    (code & 1 << 23 != 0).then_some((256 << 20) << (code >> 20 & 7))
}

/// The ARM's share of the first gigabyte.
pub fn arm_share() -> Option<Span> {
    let [start, size] = property(0x0001_0005, [0, 0])?;
    Some(Span::new(start.into(), size.into()))
}

/// The rate of a clock, in hertz.
pub fn clock_rate(clock: u32) -> Option<u32> {
    let [_, rate] = property(0x0003_0002, [clock, 0])?;
    (rate > 0).then_some(rate)
}

/// The chip's temperature, in thousandths of a degree Celsius.
pub fn temperature() -> Option<i32> {
    let [_, value] = property(0x0003_0006, [0, 0])?;
    i32::try_from(value).ok()
}
