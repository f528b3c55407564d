//! Two ends of a serial line on the host, for what talks over one on a board: whatever is written to one can be read from
//! the other, at once and undamaged, however much it is.

use core::convert::Infallible;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};

type Bytes = Rc<RefCell<VecDeque<u8>>>;

/// One end. A clone is the same end.
#[derive(Debug, Clone, Default)]
pub struct WireEnd {
    comes: Bytes,
    goes: Bytes,
}

/// A line, as its two ends.
pub fn wire() -> [WireEnd; 2] {
    let [there, back] = [Bytes::default(), Bytes::default()];
    let near = WireEnd {
        comes: Rc::clone(&back),
        goes: Rc::clone(&there),
    };
    let far = WireEnd {
        comes: there,
        goes: back,
    };
    [near, far]
}

impl WireEnd {
    /// Bytes that were written here and not read at the other end.
    pub fn under_way(&self) -> usize {
        self.goes.borrow().len()
    }

    /// Loses them.
    pub fn lose(&self) {
        self.goes.borrow_mut().clear();
    }

    /// Bytes that can be read here.
    pub fn waiting(&self) -> usize {
        self.comes.borrow().len()
    }
}

impl ErrorType for WireEnd {
    type Error = Infallible;
}

impl Read for WireEnd {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        let mut comes = self.comes.borrow_mut();
        let many = into.len().min(comes.len());
        for (place, byte) in into.iter_mut().zip(comes.drain(..many)) {
            *place = byte;
        }
        Ok(many)
    }
}

impl ReadReady for WireEnd {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.waiting() > 0)
    }
}

impl Write for WireEnd {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.goes.borrow_mut().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl WriteReady for WireEnd {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_at_one_end_comes_out_at_the_other() {
        let [mut near, mut far] = wire();
        let mut bytes = [0; 4];
        assert_eq!(near.write(b"hello"), Ok(5));
        assert_eq!(
            (near.under_way(), far.waiting(), near.read_ready()),
            (5, 5, Ok(false))
        );
        assert_eq!((far.read(&mut bytes), &bytes), (Ok(4), b"hell"));
        near.lose();
        assert_eq!(far.read(&mut bytes), Ok(0));
        assert_eq!(far.write(b"hi"), Ok(2));
        assert_eq!(near.read(&mut bytes), Ok(2));
    }
}
