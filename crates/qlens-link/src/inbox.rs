//! The receiving half of what must not be lost: frames wait here for those before them, and messages
//! for the application. Only what is in the queue is acknowledged.

use heapless::Vec;
use serde::de::DeserializeOwned;

use crate::counters::Counters;
use crate::frame::{EVENT_PAYLOAD, EventFrame};
use crate::message::MESSAGE_BYTES;
use crate::outbox::WINDOW;

/// A frame that came, until its message is complete and there is room for it.
#[derive(Debug)]
struct Slot {
    payload: Vec<u8, EVENT_PAYLOAD, u8>,
    first: bool,
    last: bool,
}

/// Messages in up to `N` bytes, each with two bytes of length, and the window before them.
#[derive(Debug)]
pub(crate) struct Inbox<const N: usize> {
    /// Whole messages one after the other, each in one piece: postcard reads from a slice.
    queue: Vec<u8, N>,
    /// Where the oldest of them begins; what is before it is free.
    start: usize,
    messages: usize,
    /// The lowest sequence number that is not in the queue; unknown until the first frame.
    next: Option<u16>,
    /// Bit `i`: frame `next + i` is in slot `(next + i) % WINDOW`.
    seen: u32,
    slots: [Slot; WINDOW],
}

impl<const N: usize> Inbox<N> {
    pub const fn new() -> Self {
        Self {
            queue: Vec::new(),
            start: 0,
            messages: 0,
            next: None,
            seen: 0,
            slots: [const {
                Slot {
                    payload: Vec::new(),
                    first: false,
                    last: false,
                }
            }; WINDOW],
        }
    }

    /// The other side started anew: its numbers do, too. What is in the queue is there to stay.
    pub fn forget(&mut self) {
        self.next = None;
        self.seen = 0;
    }

    pub fn messages(&self) -> usize {
        self.messages
    }

    /// For [`Ack::next`](crate::frame::Ack::next) and [`Ack::seen`](crate::frame::Ack::seen).
    pub fn state(&self) -> (Option<u16>, u32) {
        (self.next, self.seen)
    }

    /// Takes a frame of the present session.
    pub fn accept(&mut self, frame: &EventFrame<'_>, counters: &mut Counters) {
        if usize::from(frame.behind) >= WINDOW {
            counters.malformed.add(1);
            return;
        }
        let oldest = frame.seq.wrapping_sub(u16::from(frame.behind));
        let next = *self.next.get_or_insert(oldest);
        let gone = oldest.wrapping_sub(next);
        if gone != 0 && gone <= u16::MAX / 2 {
            // The other side no longer has what we wait for. It gives up nothing that we did not
            // acknowledge, so one of us is broken; better to go on than to wait for ever.
            counters.malformed.add(1);
            self.advance(usize::from(gone));
        }
        let ahead = usize::from(frame.seq.wrapping_sub(self.next.unwrap_or(oldest)));
        if ahead >= WINDOW || self.seen >> ahead & 1 == 1 {
            counters.duplicates.add(1);
            return;
        }
        let slot = &mut self.slots[usize::from(frame.seq) % WINDOW];
        slot.payload.clear();
        // As long as a frame's payload at most, by the type of the frame's reader.
        let _ = slot.payload.extend_from_slice(frame.payload);
        slot.first = frame.first;
        slot.last = frame.last;
        self.seen |= 1 << ahead;
        self.deliver(counters);
    }

    fn slot(&self, ahead: usize) -> &Slot {
        let next = usize::from(self.next.unwrap_or(0));
        &self.slots[(next + ahead) % WINDOW]
    }

    fn advance(&mut self, frames: usize) {
        self.next = self.next.map(|next| next.wrapping_add(frames as u16));
        self.seen = u32::try_from(frames)
            .ok()
            .and_then(|frames| self.seen.checked_shr(frames))
            .unwrap_or(0);
    }

    /// Moves the messages that are complete into the queue, as far as there is room.
    fn deliver(&mut self, counters: &mut Counters) {
        loop {
            let run = self.seen.trailing_ones() as usize;
            if run == 0 {
                return;
            }
            // A message that does not begin, or in which another begins, is no message.
            let again = (1..run).find(|&ahead| self.slot(ahead).first);
            let last = (0..run).find(|&ahead| self.slot(ahead).last);
            let length = match (self.slot(0).first, last, again) {
                (false, ..) => {
                    counters.malformed.add(1);
                    self.advance(1);
                    continue;
                }
                (true, Some(last), again) if again.is_none_or(|again| last < again) => last + 1,
                (true, _, Some(again)) => {
                    counters.malformed.add(again);
                    self.advance(again);
                    continue;
                }
                (true, ..) if run > MESSAGE_BYTES / EVENT_PAYLOAD => {
                    counters.malformed.add(run);
                    self.advance(run);
                    continue;
                }
                (true, ..) => return,
            };
            let bytes: usize = (0..length)
                .map(|ahead| self.slot(ahead).payload.len())
                .sum();
            if bytes > MESSAGE_BYTES || bytes + 2 > N {
                counters.undecodable.add(1);
            } else if bytes + 2 > N - (self.queue.len() - self.start) {
                return;
            } else {
                self.store(bytes, length);
            }
            self.advance(length);
        }
    }

    /// Puts a message of so many bytes and fragments into the queue, where there is room for it.
    fn store(&mut self, bytes: usize, fragments: usize) {
        if bytes + 2 > N - self.queue.len() {
            self.queue.copy_within(self.start.., 0);
            self.queue.truncate(self.queue.len() - self.start);
            self.start = 0;
        }
        let next = usize::from(self.next.unwrap_or(0));
        // Neither can fail: the room was looked for.
        let _ = self.queue.extend_from_slice(&(bytes as u16).to_le_bytes());
        for ahead in 0..fragments {
            let payload = &self.slots[(next + ahead) % WINDOW].payload;
            let _ = self.queue.extend_from_slice(payload);
        }
        self.messages += 1;
    }

    /// Takes the oldest message that can be read; those that cannot are counted and gone.
    pub fn pop<T: DeserializeOwned>(&mut self, counters: &mut Counters) -> Option<T> {
        loop {
            let bytes = self.queue.get(self.start..)?;
            let (length, rest) = bytes.split_first_chunk()?;
            let length = usize::from(u16::from_le_bytes(*length));
            let message = rest
                .get(..length)
                .and_then(|bytes| postcard::take_from_bytes::<T>(bytes).ok())
                .filter(|(_, rest)| rest.is_empty());
            let message = message.map(|(message, _)| message);
            self.start = (self.start + 2 + length).min(self.queue.len());
            self.messages = self.messages.saturating_sub(1);
            self.deliver(counters);
            match message {
                Some(message) => return Some(message),
                None => counters.undecodable.add(1),
            }
        }
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
