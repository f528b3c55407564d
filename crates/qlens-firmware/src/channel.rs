//! The second channel of a board, beside the console: lines for tools out, lines of tools in. Nobody may be
//! listening, and nobody is waited for.

use core::cell::RefCell;
use core::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write};

use crate::console::{self, Console};

/// A channel of lines both ways. What is written and not taken in time is dropped.
pub trait Channel: Write<Error = Infallible> {
    /// Hands on bytes that have come; returns at once, and need not take all.
    fn poll(&mut self, take: &mut dyn FnMut(u8));

    /// More has come than [`Channel::poll`] took.
    fn has_more(&self) -> bool;
}

/// The writing end of a channel, for whoever reports. Without a channel lines go nowhere.
#[derive(Debug)]
pub struct Report<'c, C>(pub &'c RefCell<Option<C>>);

impl<C> ErrorType for Report<'_, C> {
    type Error = Infallible;
}

impl<C: Channel> Write for Report<'_, C> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        match self.0.borrow_mut().as_mut() {
            Some(channel) => channel.write(buf),
            None => Ok(buf.len()),
        }
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        match self.0.borrow_mut().as_mut() {
            Some(channel) => channel.flush(),
            None => Ok(()),
        }
    }
}

/// What a line for tools begins with on a console that has people on it, too: ASCII's record separator, which is
/// left out of everything else that is written there.
pub const MARK: u8 = 0x1e;

/// Bytes that leave together.
const PIECE_BYTES: usize = 512;

/// The channel of a board that has no second one: its lines are on the console, each behind a [`MARK`]. What
/// comes in is everything that is typed, so that only one of this and [`crate::sensors::Typed`] may read.
#[derive(Debug, Default)]
pub struct OnConsole {
    piece: heapless::Vec<u8, PIECE_BYTES>,
    is_in_line: bool,
}

impl OnConsole {
    /// No line begun.
    pub const fn new() -> Self {
        Self {
            piece: heapless::Vec::new(),
            is_in_line: false,
        }
    }

    fn push(&mut self, byte: u8) {
        if self.piece.is_full() {
            self.send();
        }
        let _ = self.piece.push(byte);
    }

    fn send(&mut self) {
        console::write_report(&self.piece);
        self.piece.clear();
    }
}

impl Channel for OnConsole {
    fn poll(&mut self, take: &mut dyn FnMut(u8)) {
        let mut bytes = [0; 64];
        let Ok(count) = Console.read(&mut bytes);
        for &byte in &bytes[..count] {
            take(byte);
        }
    }

    fn has_more(&self) -> bool {
        Console.read_ready() == Ok(true)
    }
}

impl ErrorType for OnConsole {
    type Error = Infallible;
}

/// Lines leave at their ends.
impl Write for OnConsole {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        for &byte in buf {
            if !self.is_in_line {
                self.push(MARK);
            }
            self.push(byte);
            self.is_in_line = byte != b'\n';
            if !self.is_in_line {
                self.send();
            }
        }
        Ok(buf.len())
    }

    /// A line without an end stays.
    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
