//! The second channel of a board, beside the console: lines for tools out, lines of tools in. Nobody may be
//! listening, and nobody is waited for.

use core::cell::RefCell;
use core::convert::Infallible;

use embedded_io::{ErrorType, Write};

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
