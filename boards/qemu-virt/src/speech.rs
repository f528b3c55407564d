//! The second channel, a virtio console. In: what was said, a line an utterance, as a recogniser
//! would hand it over. Out: a line for each thing that happens, for tools to read.
//!
//! Nobody may be listening, and nobody must be waited for: a line that the device does not take within
//! [`PATIENCE_US`] is dropped and counted.

use core::convert::Infallible;

use embedded_io::{ErrorType, Write};
use qlens_board::Clock;
use qlens_firmware::channel::Channel;
use qlens_firmware::clock::CounterClock;

use crate::port::{BUFFER_BYTES, Port};

/// How long a line may wait for a buffer, in microseconds.
const PATIENCE_US: u64 = 20_000;

/// The channel.
pub struct Speech {
    port: Port,
    /// What was written since the last line end.
    line: heapless::Vec<u8, BUFFER_BYTES>,
    /// Lines that nobody took since one was taken.
    dropped: u32,
}

impl Speech {
    /// The machine's first console device; `None` if it has none or it does not work.
    pub fn find() -> Option<Self> {
        Port::find(0, "speech channel").map(|port| Self {
            port,
            line: heapless::Vec::new(),
            dropped: 0,
        })
    }

    /// Sends what was collected; drops it if the device takes nothing for [`PATIENCE_US`].
    fn send(&mut self) {
        if self.line.is_empty() {
            return;
        }
        let give_up = CounterClock.now_us() + PATIENCE_US;
        while !self.port.is_free() && CounterClock.now_us() < give_up {
            core::hint::spin_loop();
        }
        if self.port.send(&self.line) != Ok(self.line.len()) {
            self.dropped = self.dropped.saturating_add(1);
        } else if self.dropped > 0 {
            log::warn!("speech channel: nobody took {} lines", self.dropped);
            self.dropped = 0;
        }
        self.line.clear();
    }
}

impl Channel for Speech {
    /// At most one buffer's worth at a call.
    fn poll(&mut self, take: &mut dyn FnMut(u8)) {
        let mut bytes = [0; BUFFER_BYTES];
        match self.port.receive(&mut bytes) {
            Ok(many) => bytes[..many].iter().for_each(|&byte| take(byte)),
            Err(error) => log::error!("speech channel: {error}"),
        }
    }

    fn has_more(&self) -> bool {
        self.port.has_more()
    }
}

impl ErrorType for Speech {
    type Error = Infallible;
}

/// Lines leave at their ends.
impl Write for Speech {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        for &byte in buf {
            // A line longer than a buffer leaves in parts.
            if self.line.push(byte).is_err() {
                self.send();
                let _ = self.line.push(byte);
            }
            if byte == b'\n' {
                self.send();
            }
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        self.send();
        Ok(())
    }
}
