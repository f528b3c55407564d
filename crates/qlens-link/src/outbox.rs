//! The sending half of what must not be lost: messages wait here, cut into fragments, until the other
//! side has them in its queue.

use heapless::{Deque, Vec};
use postcard::ser_flavors::Flavor;
use serde::Serialize;

use crate::counters::Counters;
use crate::frame::{Ack, EVENT_PAYLOAD, EventFrame};
use crate::message::MESSAGE_BYTES;

/// Frames that may be under way at a time: as many as [`Ack::seen`] has bits.
pub(crate) const WINDOW: usize = 32;

/// Why a message was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SendError {
    /// The queue has no room for it now; the other side is slow, asleep or gone.
    Full,
    /// It has more bytes than any message may have, or than this end's queue holds.
    TooLong,
}

impl core::fmt::Display for SendError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Full => {
                f.write_str("the other side of the link does not keep up: the queue is full")
            }
            Self::TooLong => write!(
                f,
                "the message is longer than {MESSAGE_BYTES} bytes or than the queue of this end"
            ),
        }
    }
}

impl core::error::Error for SendError {}

/// A frame until it is acknowledged.
#[derive(Debug)]
struct Fragment {
    payload: Vec<u8, EVENT_PAYLOAD, u8>,
    first: bool,
    last: bool,
    /// When it was last sent in this session.
    sent_us: Option<u64>,
    /// The other side has it, though not yet in its queue.
    seen: bool,
}

/// Up to `N` fragments, oldest first.
#[derive(Debug)]
pub(crate) struct Outbox<const N: usize> {
    fragments: Deque<Fragment, N>,
    /// Sequence number of the oldest.
    oldest: u16,
}

impl<const N: usize> Outbox<N> {
    pub const fn new() -> Self {
        Self {
            fragments: Deque::new(),
            oldest: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    /// Whether the longest message has room.
    pub fn takes_any(&self) -> bool {
        N - self.fragments.len() >= MESSAGE_BYTES / EVENT_PAYLOAD
    }

    /// Messages that are not acknowledged.
    pub fn messages(&self) -> usize {
        self.fragments.iter().filter(|it| it.last).count()
    }

    pub fn push<T: Serialize + ?Sized>(&mut self, message: &T) -> Result<(), SendError> {
        let before = self.fragments.len();
        let cutter = Cutter {
            fragments: &mut self.fragments,
            open: Vec::new(),
            added: 0,
        };
        if postcard::serialize_with_flavor(message, cutter).is_ok() {
            return Ok(());
        }
        let could_take = N - before;
        while self.fragments.len() > before {
            self.fragments.pop_back();
        }
        if before == 0 || could_take >= MESSAGE_BYTES / EVENT_PAYLOAD {
            return Err(SendError::TooLong);
        }
        Err(SendError::Full)
    }

    /// A new session: whatever was sent in the old one may not have come.
    pub fn begin(&mut self) {
        for fragment in &mut self.fragments {
            fragment.sent_us = None;
            fragment.seen = false;
        }
    }

    /// Takes the other side's word; says whether it made sense.
    pub fn acknowledge(&mut self, ack: &Ack) -> bool {
        let Some(next) = ack.next else { return true };
        let done = usize::from(next.wrapping_sub(self.oldest));
        if done > usize::from(u16::MAX / 2) {
            // From before the last one: it came late.
            return true;
        }
        let sent = |it: &Fragment| it.sent_us.is_some();
        if done
            > self
                .fragments
                .iter()
                .take(WINDOW)
                .take_while(|it| sent(it))
                .count()
        {
            return false;
        }
        for _ in 0..done {
            self.fragments.pop_front();
        }
        self.oldest = next;
        for (bit, fragment) in self.fragments.iter_mut().take(WINDOW).enumerate() {
            if ack.seen >> bit & 1 == 1 && sent(fragment) {
                fragment.seen = true;
            }
        }
        true
    }

    /// When a frame has to be sent: 0 for at once, `None` if there is none to send.
    pub fn due_us(&self, resend_us: u64) -> Option<u64> {
        let waiting = self.fragments.iter().take(WINDOW).filter(|it| !it.seen);
        waiting
            .map(|it| it.sent_us.map_or(0, |at| at.saturating_add(resend_us)))
            .min()
    }

    /// The oldest frame that has to be sent.
    pub fn transmit(
        &mut self,
        now_us: u64,
        resend_us: u64,
        counters: &mut Counters,
    ) -> Option<EventFrame<'_>> {
        let due = |it: &Fragment| {
            !it.seen
                && it
                    .sent_us
                    .is_none_or(|at| now_us >= at.saturating_add(resend_us))
        };
        let (behind, fragment) = self
            .fragments
            .iter_mut()
            .take(WINDOW)
            .enumerate()
            .find(|(_, it)| due(it))?;
        if fragment.sent_us.replace(now_us).is_some() {
            counters.resent.add(1);
        }
        Some(EventFrame {
            seq: self.oldest.wrapping_add(behind as u16),
            behind: behind as u8,
            first: fragment.first,
            last: fragment.last,
            payload: &fragment.payload,
        })
    }
}

/// Cuts what postcard writes into fragments, so that a long message is never in memory twice.
struct Cutter<'a, const N: usize> {
    fragments: &'a mut Deque<Fragment, N>,
    open: Vec<u8, EVENT_PAYLOAD, u8>,
    added: usize,
}

impl<const N: usize> Cutter<'_, N> {
    fn close(&mut self, last: bool) -> postcard::Result<()> {
        if self.added == MESSAGE_BYTES / EVENT_PAYLOAD {
            return Err(postcard::Error::SerializeBufferFull);
        }
        let fragment = Fragment {
            payload: core::mem::take(&mut self.open),
            first: self.added == 0,
            last,
            sent_us: None,
            seen: false,
        };
        self.added += 1;
        self.fragments
            .push_back(fragment)
            .map_err(|_| postcard::Error::SerializeBufferFull)
    }
}

impl<const N: usize> Flavor for Cutter<'_, N> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        if self.open.is_full() {
            self.close(false)?;
        }
        self.open
            .push(byte)
            .map_err(|_| postcard::Error::SerializeBufferFull)
    }

    fn finalize(mut self) -> postcard::Result<()> {
        self.close(true)
    }
}
