//! Streams: items that may be lost, and whose loss is counted. A full queue drops its oldest, at either
//! end, because the newest sound is the one that somebody waits for.

use heapless::{Deque, Vec};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::counters::Counters;
use crate::frame::STREAM_PAYLOAD;

type Payload = Vec<u8, STREAM_PAYLOAD, u8>;

/// Up to `N` items of one stream, at the end that sends it or at the end that receives it.
#[derive(Debug)]
pub(crate) struct StreamQueue<const N: usize> {
    items: Deque<(u16, Payload), N>,
    /// The last number: given, or received since the other side started.
    last: Option<u16>,
}

impl<const N: usize> StreamQueue<N> {
    pub const fn new() -> Self {
        Self {
            items: Deque::new(),
            last: None,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Drops what waits; how many items that were.
    pub fn clear(&mut self) -> usize {
        let many = self.items.len();
        self.items.clear();
        many
    }

    /// The other side started anew.
    pub fn forget(&mut self) {
        self.last = None;
    }

    /// Whether an item was dropped for this one.
    fn push(&mut self, seq: u16, payload: Payload) -> bool {
        let full = self.items.is_full();
        if full {
            self.items.pop_front();
        }
        let _ = self.items.push_back((seq, payload));
        full
    }

    /// Takes an item to be sent.
    pub fn send<T: Serialize>(&mut self, item: &T, counters: &mut Counters) {
        let mut payload = Payload::new();
        // The size of an item is bounded by its type; the tests have the largest.
        let _ = payload.resize_default(STREAM_PAYLOAD);
        let Ok(length) = postcard::to_slice(item, &mut payload).map(|bytes| bytes.len()) else {
            counters.stream_unsent.add(1);
            return;
        };
        payload.truncate(length);
        let seq = self.last.map_or(0, |last| last.wrapping_add(1));
        self.last = Some(seq);
        if self.push(seq, payload) {
            counters.stream_unsent.add(1);
        }
    }

    /// The oldest item that was not sent.
    pub fn transmit(&mut self) -> Option<(u16, Payload)> {
        self.items.pop_front()
    }

    /// Takes an item that came.
    pub fn accept(&mut self, seq: u16, payload: &[u8], counters: &mut Counters) {
        let step = self.last.map_or(1, |last| seq.wrapping_sub(last));
        if step == 0 || step > u16::MAX / 2 {
            counters.stream_late.add(1);
            return;
        }
        counters.stream_lost.add(usize::from(step - 1));
        self.last = Some(seq);
        let Ok(payload) = Payload::from_slice(payload) else {
            counters.malformed.add(1);
            return;
        };
        if self.push(seq, payload) {
            counters.stream_dropped.add(1);
        }
    }

    /// The oldest item that can be read.
    pub fn pop<T: DeserializeOwned>(&mut self, counters: &mut Counters) -> Option<T> {
        loop {
            let (_, payload) = self.items.pop_front()?;
            match postcard::take_from_bytes(&payload) {
                Ok((item, [])) => return Some(item),
                _ => counters.stream_dropped.add(1),
            }
        }
    }
}
