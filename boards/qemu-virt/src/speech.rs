//! The second channel, a virtio console. In: what was said, a line an utterance, as a recogniser
//! would hand it over. Out: a line for each thing that happens, for tools to read.
//!
//! Nobody may be listening, and nobody must be waited for: a line that the device does not take within
//! [`PATIENCE_US`] is dropped and counted.
//!
//! virtio-drivers has a console driver that wants a heap and waits for each byte to be taken, so the
//! two queues are driven here. Not supported: more than the first port.

use core::convert::Infallible;

use embedded_io::{ErrorType, Write};
use qlens_board::Clock;
use qlens_firmware::channel::Channel;
use qlens_firmware::clock::CounterClock;
use virtio_drivers::device::common::Feature;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceType, Transport};
use virtio_drivers::{Error, PAGE_SIZE};

use crate::dma::{self, BoardHal};
use crate::virtio::{self, Slot};

/// The first port's two queues.
const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;

/// Buffers of each queue.
const BUFFERS: usize = 16;
/// Bytes of a buffer.
const BUFFER_BYTES: usize = 1024;
const PAGES: usize = BUFFERS * BUFFER_BYTES / PAGE_SIZE;

const _: () = assert!(
    BUFFERS == u16::BITS as usize,
    "`Speech::free` has a bit a buffer"
);

/// How long a line may wait for a buffer, in microseconds.
const PATIENCE_US: u64 = 20_000;

/// The channel.
pub struct Speech {
    transport: Slot,
    receive: VirtQueue<BoardHal, BUFFERS>,
    received: &'static mut [u8],
    transmit: VirtQueue<BoardHal, BUFFERS>,
    sending: &'static mut [u8],
    /// By the queue's token: the buffer that is on its way under it, and how many bytes of it.
    sent: [Option<(usize, usize)>; BUFFERS],
    /// Transmit buffers that are free, a bit each.
    free: u16,
    /// What was written since the last line end.
    line: heapless::Vec<u8, BUFFER_BYTES>,
    /// Lines that nobody took since one was taken.
    dropped: u32,
}

impl Speech {
    /// The machine's second channel; `None` if it has none or it does not work.
    pub fn find() -> Option<Self> {
        let (transport, _) = virtio::find(DeviceType::Console)?;
        Self::new(transport)
            .inspect_err(|error| log::error!("speech channel: {error}"))
            .ok()
    }

    fn new(mut transport: Slot) -> Result<Self, Error> {
        transport.begin_init(Feature::VERSION_1);
        let receive = VirtQueue::new(&mut transport, RECEIVE, false, false)?;
        let mut transmit = VirtQueue::new(&mut transport, TRANSMIT, false, false)?;
        // Nobody sleeps until a line has been sent.
        transmit.set_dev_notify(false);
        transport.finish_init();
        let mut channel = Self {
            transport,
            receive,
            received: dma::buffer(PAGES).ok_or(Error::DmaError)?,
            transmit,
            sending: dma::buffer(PAGES).ok_or(Error::DmaError)?,
            sent: [None; BUFFERS],
            free: u16::MAX,
            line: heapless::Vec::new(),
            dropped: 0,
        };
        for slot in 0..BUFFERS {
            channel.offer(slot)?;
        }
        channel.transport.notify(RECEIVE);
        Ok(channel)
    }

    /// Gives a receive buffer to the device. As they are given in order once and then as they come
    /// back, the queue's token for a buffer is its number.
    fn offer(&mut self, slot: usize) -> Result<(), Error> {
        let buffer = &mut self.received[slot * BUFFER_BYTES..][..BUFFER_BYTES];
        // SAFETY: The buffers live for ever and are read only after the device gave them back.
        let token = unsafe { self.receive.add(&[], &mut [buffer]) }?;
        if usize::from(token) == slot {
            Ok(())
        } else {
            Err(Error::WrongToken)
        }
    }

    fn take_buffer(&mut self, take: &mut dyn FnMut(u8)) -> Result<(), Error> {
        let Some(token) = self.receive.peek_used() else {
            return Ok(());
        };
        let slot = usize::from(token);
        let buffer = self
            .received
            .get_mut(slot * BUFFER_BYTES..(slot + 1) * BUFFER_BYTES)
            .ok_or(Error::WrongToken)?;
        // SAFETY: This is the buffer that was given with this token.
        let length = unsafe { self.receive.pop_used(token, &[], &mut [&mut *buffer])? };
        for &byte in &buffer[..BUFFER_BYTES.min(length as usize)] {
            take(byte);
        }
        self.offer(slot)?;
        self.transport.notify(RECEIVE);
        Ok(())
    }

    /// Takes back the transmit buffers that the device is done with.
    fn reclaim(&mut self) {
        while let Some(token) = self.transmit.peek_used() {
            let sent = self.sent.get_mut(usize::from(token)).and_then(Option::take);
            let Some((slot, length)) = sent else {
                return;
            };
            let buffer = &self.sending[slot * BUFFER_BYTES..][..length];
            // SAFETY: This is the buffer that was given with this token.
            if unsafe { self.transmit.pop_used(token, &[buffer], &mut []) }.is_err() {
                return;
            }
            self.free |= 1 << slot;
        }
    }

    /// Sends what was collected; drops it if the device takes nothing for [`PATIENCE_US`].
    fn send(&mut self) {
        if self.line.is_empty() {
            return;
        }
        self.reclaim();
        if self.free == 0 {
            let give_up = CounterClock.now_us() + PATIENCE_US;
            while self.free == 0 && CounterClock.now_us() < give_up {
                core::hint::spin_loop();
                self.reclaim();
            }
        }
        if self.put().is_err() {
            self.dropped = self.dropped.saturating_add(1);
        } else if self.dropped > 0 {
            log::warn!("speech channel: nobody took {} lines", self.dropped);
            self.dropped = 0;
        }
        self.line.clear();
    }

    fn put(&mut self) -> Result<(), Error> {
        let slot = self.free.trailing_zeros() as usize;
        if slot >= BUFFERS {
            return Err(Error::QueueFull);
        }
        let length = self.line.len();
        let buffer = &mut self.sending[slot * BUFFER_BYTES..][..length];
        buffer.copy_from_slice(&self.line);
        // SAFETY: The buffer lives for ever and is not touched before the device gave it back.
        let token = unsafe { self.transmit.add(&[buffer], &mut []) }?;
        self.free &= !(1 << slot);
        self.sent[usize::from(token)] = Some((slot, length));
        self.transport.notify(TRANSMIT);
        Ok(())
    }
}

impl Channel for Speech {
    /// At most one buffer's worth at a call.
    fn poll(&mut self, take: &mut dyn FnMut(u8)) {
        self.transport.ack_interrupt();
        if let Err(error) = self.take_buffer(take) {
            log::error!("speech channel: {error}");
        }
    }

    fn has_more(&self) -> bool {
        self.receive.can_pop()
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
