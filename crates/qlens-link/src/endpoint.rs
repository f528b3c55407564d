//! One end of the link, without the link: bytes and the time go in, bytes come out.

use core::marker::PhantomData;

use crate::counters::Counters;
use crate::frame::{Ack, Body, Deframer, FRAME_BYTES, Frame, Stream};
use crate::handshake::{Handshake, Heard};
use crate::inbox::Inbox;
use crate::message::{AudioChunk, ImuSample};
use crate::outbox::{Outbox, SendError};
use crate::side::{Hub, Processor, Side};
use crate::stream::StreamQueue;

/// The waits of the protocol, in microseconds. The two sides need not agree on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Timing {
    /// Between two introductions while there is no session.
    pub hello_us: u64,
    /// Between two acknowledgements at most, whether there is something new or not.
    pub heartbeat_us: u64,
    /// Until an event that is not acknowledged is sent again. Longer than the other side's longest
    /// pause between two polls, or it is sent twice for nothing.
    pub resend_us: u64,
    /// So long without a frame of the session, it is over. Several heartbeats.
    pub silence_us: u64,
}

impl Timing {
    /// For an end that is polled every few milliseconds, on a link of 460,800 baud or more.
    pub const DEFAULT: Self = Self {
        hello_us: 50_000,
        heartbeat_us: 50_000,
        resend_us: 20_000,
        silence_us: 400_000,
    };
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How the link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum State {
    /// Looking for the other side.
    Joining,
    /// The other side is there and speaks another version of the protocol. It is still asked now and then:
    /// somebody may give it a new program.
    OtherVersion {
        /// The version that it speaks; this side's is [`VERSION`](crate::VERSION).
        theirs: u16,
    },
    /// There is a session.
    Up,
    /// There is a session, and the other side sleeps: see [`Endpoint::wake_line`].
    PeerAsleep,
    /// This side said that it would sleep, and waits until the other one knows.
    FallingAsleep,
    /// This side sleeps: it says nothing, and expects nothing.
    Asleep,
}

/// Whether this side takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Awake,
    Asking { until_us: u64 },
    Asleep,
}

/// One end of the link. It is as large as its queues, and grows by nothing that comes in.
///
/// `TX` is the number of frames that messages to be sent may take (a message has one for every
/// [`EVENT_PAYLOAD`](crate::EVENT_PAYLOAD) bytes); `RX` the number of bytes that received messages may take, each two more than it
/// has; `STREAM` the number of items of each stream that wait, at the hub to be sent and at the application
/// processor to be read.
#[derive(Debug)]
pub struct Endpoint<S: Side, const TX: usize, const RX: usize, const STREAM: usize> {
    deframer: Deframer,
    core: Core<TX, RX, STREAM>,
    side: PhantomData<S>,
}

/// Everything but the bytes of the frame that is coming in.
#[derive(Debug)]
pub(crate) struct Core<const TX: usize, const RX: usize, const STREAM: usize> {
    hub: bool,
    timing: Timing,
    now_us: u64,
    handshake: Handshake,
    pub outbox: Outbox<TX>,
    pub inbox: Inbox<RX>,
    pub audio: StreamQueue<STREAM>,
    pub imu: StreamQueue<STREAM>,
    pub counters: Counters,
    /// The stream whose turn it is.
    turn: Stream,
    /// The other side's name since it started.
    peer_boot: u32,
    peer_asleep: bool,
    peer_version: Option<u16>,
    rest: Rest,
    /// When to introduce oneself again.
    hello_us: u64,
    /// When an introduction may be answered: not so often that nothing else is said.
    reply_us: u64,
    /// When something was last heard of the session.
    heard_us: u64,
    /// When to acknowledge.
    ack_us: u64,
}

impl<S: Side, const TX: usize, const RX: usize, const STREAM: usize> Endpoint<S, TX, RX, STREAM> {
    /// An end that starts to look for the other one.
    ///
    /// `seed` should differ each time the chip starts: a counter in memory that survives a reset, a clock,
    /// noise. With the same one each time, frames that the link holds back while this side reboots may be
    /// taken for new ones, and nothing worse.
    ///
    /// As the initial value of a `static` an end takes as much flash as memory: better make it on start.
    pub const fn new(seed: u64, timing: Timing) -> Self {
        const {
            assert!(TX > 0 && STREAM > 0, "a queue of no places");
            assert!(RX > 2, "no message has room in the queue");
        }
        Self {
            deframer: Deframer::new(),
            core: Core {
                hub: S::IS_HUB,
                timing,
                now_us: 0,
                handshake: Handshake::new(S::IS_HUB, seed),
                outbox: Outbox::new(),
                inbox: Inbox::new(),
                audio: StreamQueue::new(),
                imu: StreamQueue::new(),
                counters: Counters::NONE,
                turn: Stream::Audio,
                peer_boot: 0,
                peer_asleep: false,
                peer_version: None,
                rest: Rest::Awake,
                hello_us: 0,
                reply_us: 0,
                heard_us: 0,
                ack_us: 0,
            },
            side: PhantomData,
        }
    }

    /// Takes bytes that came, any number of them, at `now_us` on this side's monotonic clock. Time that
    /// runs backwards stands still.
    pub fn receive(&mut self, now_us: u64, bytes: &[u8]) {
        self.core.tick(now_us);
        for &byte in bytes {
            if let Some(frame) = self.deframer.push(byte, &mut self.core.counters) {
                self.core.frame(&frame);
            }
        }
    }

    /// The next frame to be sent, if there is one, written to `wire`. Its bytes are to go out before this
    /// is called again.
    pub fn transmit<'w>(
        &mut self,
        now_us: u64,
        wire: &'w mut [u8; FRAME_BYTES],
    ) -> Option<&'w [u8]> {
        self.core.tick(now_us);
        let length = self.core.transmit(wire)?;
        self.core.counters.frames_out.add(1);
        Some(&wire[..length])
    }

    /// When [`Endpoint::transmit`] has something to say even if nothing comes in and nothing is sent: at
    /// once, if that is not in the future. `None` while it sleeps.
    pub fn due_us(&self) -> Option<u64> {
        self.core.due_us()
    }

    /// Sends what must not be lost: it is repeated until it is in the other side's queue, across lost
    /// frames, silence, and reboots of the other side. It may be called before there is a session.
    ///
    /// # Errors
    /// [`SendError`]; the message is then counted as refused, and nothing of it was sent.
    pub fn send(&mut self, message: &S::Sends) -> Result<(), SendError> {
        let sent = self.core.outbox.push(message);
        if sent.is_err() {
            self.core.counters.refused.add(1);
        }
        sent
    }

    /// Whether [`Endpoint::send`] would take any message now, however long: for a sender that can wait.
    pub fn takes_any(&self) -> bool {
        self.core.outbox.takes_any()
    }

    /// Messages that were sent and are not acknowledged yet.
    pub fn unacknowledged(&self) -> usize {
        self.core.outbox.messages()
    }

    /// Takes the oldest message that the other side sent.
    pub fn next_message(&mut self) -> Option<S::Receives> {
        let before = self.core.inbox.state();
        let message = self.core.inbox.pop(&mut self.core.counters);
        if self.core.inbox.state() != before {
            // There is room now for what had to wait, and the other side should know.
            self.core.ack_us = 0;
        }
        message
    }

    /// Messages that [`Endpoint::next_message`] would give.
    pub fn waiting(&self) -> usize {
        self.core.inbox.messages()
    }

    /// How the link is.
    pub fn state(&self) -> State {
        self.core.state()
    }

    /// Whether the line that wakes the other side should be high: it sleeps or cannot be heard, and there
    /// is a message for it.
    pub fn wake_line(&self) -> bool {
        matches!(
            self.state(),
            State::PeerAsleep | State::Joining | State::OtherVersion { .. }
        ) && !self.core.outbox.is_empty()
    }

    /// Announces that this side will sleep. Once [`Endpoint::state`] is [`State::Asleep`] (at the latest
    /// after [`Timing::silence_us`]) the link may be switched off; the other side then keeps its messages,
    /// drops its streams, and raises the wake line when there is something to say. What came before is in
    /// the queue: whoever finds it not empty had better not sleep.
    pub fn sleep(&mut self, now_us: u64) {
        self.core.sleep(now_us);
    }

    /// Takes part again.
    pub fn wake(&mut self, now_us: u64) {
        self.core.wake(now_us);
    }

    /// What was lost, and why.
    pub fn counters(&self) -> &Counters {
        &self.core.counters
    }
}

impl<const TX: usize, const RX: usize, const STREAM: usize> Endpoint<Hub, TX, RX, STREAM> {
    /// Sends sound, which may be lost.
    pub fn send_audio(&mut self, chunk: &AudioChunk) {
        if self.core.streams() {
            self.core.audio.send(chunk, &mut self.core.counters);
        }
    }

    /// Sends a sample of the motion sensor, which may be lost.
    pub fn send_imu(&mut self, sample: &ImuSample) {
        if self.core.streams() {
            self.core.imu.send(sample, &mut self.core.counters);
        }
    }
}

impl<const TX: usize, const RX: usize, const STREAM: usize> Endpoint<Processor, TX, RX, STREAM> {
    /// Takes the oldest piece of sound.
    pub fn next_audio(&mut self) -> Option<AudioChunk> {
        self.core.audio.pop(&mut self.core.counters)
    }

    /// Takes the oldest sample of the motion sensor.
    pub fn next_imu(&mut self) -> Option<ImuSample> {
        self.core.imu.pop(&mut self.core.counters)
    }
}

mod protocol;
