//! A port of a virtio console: bytes in, bytes out, nobody waited for.
//!
//! virtio-drivers has a console driver that wants a heap and waits for each byte to be taken, so the
//! two queues are driven here. Not supported: more than the first port of a device.

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
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
/// Bytes of a buffer, hence most that are sent at once.
pub const BUFFER_BYTES: usize = 1024;
const PAGES: usize = BUFFERS * BUFFER_BYTES / PAGE_SIZE;

const _: () = assert!(
    BUFFERS == u16::BITS as usize,
    "`Port::free` has a bit a buffer"
);

/// The port.
pub struct Port {
    transport: Slot,
    receive: VirtQueue<BoardHal, BUFFERS>,
    received: &'static mut [u8],
    /// The buffer that is being read: its number, the next byte of it, and how many it has.
    reading: Option<(usize, usize, usize)>,
    transmit: VirtQueue<BoardHal, BUFFERS>,
    sending: &'static mut [u8],
    /// By the queue's token: the buffer that is on its way under it, and how many bytes of it.
    sent: [Option<(usize, usize)>; BUFFERS],
    /// Transmit buffers that are free, a bit each.
    free: u16,
}

impl Port {
    /// The port of the machine's `nth` console device, from 0 in the order of the command line; `None` if it has
    /// not as many or it does not work. `name` is what the log calls it.
    pub fn find(nth: usize, name: &str) -> Option<Self> {
        let (transport, _) = virtio::find(DeviceType::Console, nth)?;
        Self::new(transport)
            .inspect_err(|error| log::error!("{name}: {error}"))
            .ok()
    }

    fn new(mut transport: Slot) -> Result<Self, Error> {
        transport.begin_init(Feature::VERSION_1);
        let receive = VirtQueue::new(&mut transport, RECEIVE, false, false)?;
        let mut transmit = VirtQueue::new(&mut transport, TRANSMIT, false, false)?;
        // Nobody sleeps until something has been sent.
        transmit.set_dev_notify(false);
        transport.finish_init();
        let mut port = Self {
            transport,
            receive,
            received: dma::buffer(PAGES).ok_or(Error::DmaError)?,
            reading: None,
            transmit,
            sending: dma::buffer(PAGES).ok_or(Error::DmaError)?,
            sent: [None; BUFFERS],
            free: u16::MAX,
        };
        for slot in 0..BUFFERS {
            port.offer(slot)?;
        }
        port.transport.notify(RECEIVE);
        Ok(port)
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

    /// Takes the next buffer that has come back, to be read.
    fn open(&mut self) -> Result<(), Error> {
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
        self.reading = Some((slot, 0, BUFFER_BYTES.min(length as usize)));
        Ok(())
    }

    /// Fills the front of `into` with what has come; how many bytes that are.
    pub fn receive(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        self.transport.ack_interrupt();
        if self.reading.is_none() {
            self.open()?;
        }
        let Some((slot, at, length)) = self.reading else {
            return Ok(0);
        };
        let many = into.len().min(length - at);
        into[..many].copy_from_slice(&self.received[slot * BUFFER_BYTES + at..][..many]);
        if at + many < length {
            self.reading = Some((slot, at + many, length));
        } else {
            self.reading = None;
            self.offer(slot)?;
            self.transport.notify(RECEIVE);
        }
        Ok(many)
    }

    /// Something has come that was not taken.
    pub fn has_more(&self) -> bool {
        self.reading.is_some() || self.receive.can_pop()
    }

    /// Takes back the transmit buffers that the device is done with; whether one is free.
    pub fn is_free(&mut self) -> bool {
        while let Some(token) = self.transmit.peek_used() {
            let sent = self.sent.get_mut(usize::from(token)).and_then(Option::take);
            let Some((slot, length)) = sent else { break };
            let buffer = &self.sending[slot * BUFFER_BYTES..][..length];
            // SAFETY: This is the buffer that was given with this token.
            if unsafe { self.transmit.pop_used(token, &[buffer], &mut []) }.is_err() {
                break;
            }
            self.free |= 1 << slot;
        }
        self.free != 0
    }

    /// Sends what of this fits a buffer, if one is free; how many bytes that are.
    pub fn send(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let slot = self.free.trailing_zeros() as usize;
        let bytes = &bytes[..bytes.len().min(BUFFER_BYTES)];
        if slot >= BUFFERS || bytes.is_empty() {
            return Ok(0);
        }
        let buffer = &mut self.sending[slot * BUFFER_BYTES..][..bytes.len()];
        buffer.copy_from_slice(bytes);
        // SAFETY: The buffer lives for ever and is not touched before the device gave it back.
        let token = unsafe { self.transmit.add(&[buffer], &mut []) }?;
        self.free &= !(1 << slot);
        self.sent[usize::from(token)] = Some((slot, bytes.len()));
        self.transport.notify(TRANSMIT);
        Ok(bytes.len())
    }
}

/// Why a port did not do what it should: a queue that is not what it was.
#[derive(Debug)]
pub struct PortError(#[allow(dead_code, reason = "it is there to be printed")] Error);

impl core::fmt::Display for PortError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for PortError {}

impl embedded_io::Error for PortError {
    fn kind(&self) -> embedded_io::ErrorKind {
        embedded_io::ErrorKind::Other
    }
}

impl ErrorType for Port {
    type Error = PortError;
}

impl Read for Port {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, PortError> {
        self.receive(into).map_err(PortError)
    }
}

impl ReadReady for Port {
    fn read_ready(&mut self) -> Result<bool, PortError> {
        Ok(self.has_more())
    }
}

impl Write for Port {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, PortError> {
        self.is_free();
        self.send(bytes).map_err(PortError)
    }

    fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

impl WriteReady for Port {
    fn write_ready(&mut self) -> Result<bool, PortError> {
        Ok(self.is_free())
    }
}
