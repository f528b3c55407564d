//! The touchpad: a virtio keyboard whose keys are what the glasses' touchpad emits. What they mean is
//! [`qlens_board::gesture`]'s business; this is the device.
//!
//! virtio-drivers has a driver for it that wants a heap for eight bytes of buffer an event, so the
//! queue is driven here: the device is given a number of buffers, fills one an event, and gets it
//! back.

use qlens_board::SensorSource;
use qlens_board::gesture::{Stroke, Touchpad};
use qlens_board::queue::EventSink;
use virtio_drivers::device::common::Feature;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceType, Transport};
use virtio_drivers::{Error, PAGE_SIZE};

use crate::dma::{self, BoardHal};
use crate::virtio::{self, Slot};

/// The queue on which the device sends events.
const EVENTS: u16 = 0;

/// Buffers that the device may fill before the firmware looks; each key costs two events and each
/// event a marker.
const QUEUE: usize = 64;

/// An event is its type, its code and its value: 2, 2 and 4 bytes.
const EVENT_BYTES: usize = 8;

/// evdev's type of key events.
const EV_KEY: u16 = 1;

/// A keyboard, being touched.
pub struct Keyboard {
    transport: Slot,
    queue: VirtQueue<BoardHal, QUEUE>,
    buffers: &'static mut [u8],
    gestures: Touchpad,
}

impl Keyboard {
    /// The machine's keyboard; `None` if it has none or it does not work.
    pub fn find() -> Option<Self> {
        let (transport, _) = virtio::find(DeviceType::Input, 0)?;
        Self::new(transport)
            .inspect_err(|error| log::error!("touchpad: {error}"))
            .ok()
    }

    fn new(mut transport: Slot) -> Result<Self, Error> {
        const { assert!(QUEUE * EVENT_BYTES <= PAGE_SIZE) };
        transport.begin_init(Feature::VERSION_1);
        let queue = VirtQueue::new(&mut transport, EVENTS, false, false)?;
        transport.finish_init();
        let buffers = dma::buffer(1).ok_or(Error::DmaError)?;
        let mut keyboard = Self {
            transport,
            queue,
            buffers,
            gestures: Touchpad::new(),
        };
        for slot in 0..QUEUE {
            keyboard.offer(slot)?;
        }
        keyboard.transport.notify(EVENTS);
        Ok(keyboard)
    }

    /// Gives a buffer to the device. They are given in order once and then in the order in which
    /// they come back, so that the queue's token for a buffer is its number.
    fn offer(&mut self, slot: usize) -> Result<(), Error> {
        let buffer = &mut self.buffers[slot * EVENT_BYTES..][..EVENT_BYTES];
        // SAFETY: The buffers live for ever and are read only after the device gave them back.
        let token = unsafe { self.queue.add(&[], &mut [buffer]) }?;
        if usize::from(token) == slot {
            Ok(())
        } else {
            Err(Error::WrongToken)
        }
    }

    /// The next event: type, code, value.
    fn next(&mut self) -> Result<Option<(u16, u16, u32)>, Error> {
        let Some(token) = self.queue.peek_used() else {
            return Ok(None);
        };
        let slot = usize::from(token);
        let buffer = self
            .buffers
            .get_mut(slot * EVENT_BYTES..(slot + 1) * EVENT_BYTES)
            .ok_or(Error::WrongToken)?;
        // SAFETY: This is the buffer that was given with this token.
        unsafe { self.queue.pop_used(token, &[], &mut [&mut *buffer])? };
        let event = (
            u16::from_le_bytes([buffer[0], buffer[1]]),
            u16::from_le_bytes([buffer[2], buffer[3]]),
            u32::from_le_bytes([buffer[4], buffer[5], buffer[6], buffer[7]]),
        );
        self.offer(slot)?;
        Ok(Some(event))
    }
}

impl SensorSource for Keyboard {
    fn poll(&mut self, now_us: u64, events: &mut dyn EventSink) {
        self.transport.ack_interrupt();
        let mut taken = 0;
        loop {
            match self.next() {
                Ok(Some((EV_KEY, code, value))) => {
                    if let Some(stroke) = Stroke::from_evdev(value) {
                        self.gestures.key(code, stroke, now_us, events);
                    }
                }
                // Markers between events, and what a keyboard has beside keys.
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    log::error!("touchpad: {error}");
                    break;
                }
            }
            taken += 1;
            // A keyboard that babbles must not keep the model from its work.
            if taken == QUEUE {
                break;
            }
        }
        if taken > 0 {
            self.transport.notify(EVENTS);
        }
        self.gestures.tick(now_us, events);
    }

    fn due_us(&self) -> Option<u64> {
        self.gestures.due_us()
    }
}
