//! The sensor hub without its board: samples in, events out. The firmware of `boards/sensor-hub` puts it on UARTs,
//! the host runs the same code beside the application to know what the two chips must do.
//!
//! ```text
//!  samples, frame by frame           Hub                       qlens_link
//!  ───────────────────────► Decoder ─► Recogniser ─► events ─► Endpoint ───► application processor
//!   (qlens_recording::wire)              words ──────────┘        ▲ ◄─────── commands
//!                                        sound ────── stream ─────┘
//! ```
//!
//! Two clocks: events bear the time of the sample that made them, which is that of the recording; the link lives in the
//! time that is given to [`Hub::poll`]. So what is recognised does not depend on how fast a recording is
//! played, and whoever plays it may stop at any place.
//!
//! # What is promised
//!
//! | what comes | outcome |
//! |---|---|
//! | the other chip does not keep up | no further sample is taken until the longest message has room ([`Hub::takes`]): nothing is lost, the recording waits |
//! | a recording that ends in the middle of a frame | what was whole is used; the next recording's first frame is damaged, and counted |
//! | a recording of another version | not looked at, until one of this version begins |
//! | words without a voice | dropped after a second, and counted |
//! | settings that cannot be followed | the ones before stay, and that is counted |
//!
//! What samples can do wrong is [`qlens_sense`]'s business, what the link can do is [`qlens_link`]'s.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod perception;
mod words;

use embedded_io::{Read, ReadReady, Write, WriteReady};
use qlens_board::SensorKind;
use qlens_link::{Command, Counters, Driver, Endpoint, Event, EventKind, HubStats, State, Timing};
use qlens_recording::Decoder;

pub use perception::Counts;
use perception::Perception;

/// Frames of messages that wait to be sent: three utterances of the longest kind.
pub const TX: usize = 64;
/// Bytes of commands that wait.
pub const RX: usize = 128;
/// Items of each stream that wait.
pub const STREAM: usize = 16;

/// How often the hub says how it is, in microseconds.
const STATS_US: u64 = 10_000_000;

/// The hub's end of the link.
pub(crate) type End = Endpoint<qlens_link::Hub, TX, RX, STREAM>;

/// What a board knows of itself and the hub cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Most bytes of stack that were in use at a time.
    pub stack_bytes: u32,
    /// Share of the time that the core was awake, in thousandths.
    pub busy_permille: u16,
}

/// The hub on a link.
#[derive(Debug)]
pub struct Hub<L> {
    driver: Driver<L, qlens_link::Hub, TX, RX, STREAM>,
    decoder: Decoder,
    perception: Perception,
    /// When to say next how it is.
    stats_us: u64,
}

impl<L: Read + ReadReady + Write + WriteReady> Hub<L> {
    /// A hub that knows nothing yet. `seed` as for [`Endpoint::new`].
    pub fn new(link: L, seed: u64) -> Self {
        Self {
            driver: Driver::new(link, Endpoint::new(seed, Timing::DEFAULT)),
            decoder: Decoder::new(),
            perception: Perception::new(),
            stats_us: STATS_US,
        }
    }

    /// Whether a sample may come: whatever is to be said of it has room in the link's queue. A recording can wait;
    /// a sensor that cannot is told [`Hub::take`] all the same, and what does not fit is counted.
    pub fn takes(&self) -> bool {
        self.driver.endpoint.takes_any()
    }

    /// Takes a byte of the samples' frames; `told` hears of each event that goes out.
    #[inline]
    pub fn take(&mut self, byte: u8, told: &mut dyn FnMut(&Event)) {
        if self.decoder.put(byte) {
            self.take_frame(told);
        }
    }

    fn take_frame(&mut self, told: &mut dyn FnMut(&Event)) {
        match self.decoder.record() {
            Ok(record) => {
                self.perception
                    .record(&record, &mut self.driver.endpoint, told);
            }
            Err(_) => self.perception.damaged(),
        }
    }

    /// Does what is due on the link at `now_us` of this chip's clock, and returns whether it is worth calling again
    /// at once. `figures` is asked when the hub says how it is.
    ///
    /// # Errors
    /// Whatever the link reports; it is taken for lost bytes.
    pub fn poll(
        &mut self,
        now_us: u64,
        figures: &mut dyn FnMut() -> Figures,
    ) -> Result<bool, L::Error> {
        if now_us >= self.stats_us {
            self.stats_us = now_us.saturating_add(STATS_US);
            self.say_how_it_is(now_us, figures());
        }
        let more = self.driver.poll(now_us)?;
        while let Some(command) = self.driver.endpoint.next_message() {
            match command {
                Command::Configure(config) => self.perception.configure(config),
                // There is a clock in the other chip; nothing here shows the time.
                Command::Time { .. } => {}
            }
        }
        Ok(more)
    }

    /// Its own figures are worth less than any event: without plenty of room they stay unsaid.
    fn say_how_it_is(&mut self, now_us: u64, figures: Figures) {
        let end = &mut self.driver.endpoint;
        if !end.takes_any() || end.state() != State::Up {
            return;
        }
        let counts = self.perception.counts();
        let stats = HubStats {
            uptime_s: u32::try_from(now_us / 1_000_000).unwrap_or(u32::MAX),
            events_refused: counts.events_refused,
            stream_unsent: end.counters().stream_unsent.0,
            frames_corrupt: end.counters().corrupt.0,
            samples_rejected: self.perception.rejected(),
            stack_bytes: figures.stack_bytes,
            busy_permille: figures.busy_permille,
        };
        let _ = end.send(&Event {
            at_us: now_us,
            kind: EventKind::Stats(stats),
        });
    }

    /// When [`Hub::poll`] has something to do even if nothing comes.
    pub fn due_us(&self) -> Option<u64> {
        let link = self.driver.endpoint.due_us();
        link.map(|link| link.min(self.stats_us))
    }

    /// Whether the line that wakes the application processor should be high.
    pub fn wake_line(&self) -> bool {
        self.driver.endpoint.wake_line()
    }

    /// How the link is.
    pub fn state(&self) -> State {
        self.driver.endpoint.state()
    }

    /// What was lost on the link, and why.
    pub fn counters(&self) -> &Counters {
        self.driver.endpoint.counters()
    }

    /// What became of the samples.
    pub fn counts(&self) -> Counts {
        self.perception.counts()
    }

    /// The link.
    pub fn link(&mut self) -> &mut L {
        self.driver.link()
    }
}

/// An event of the application at this time.
pub(crate) const fn sensor(at_us: u64, kind: SensorKind) -> Event {
    Event {
        at_us,
        kind: EventKind::Sensor(kind),
    }
}
