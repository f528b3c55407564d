//! One thing that was measured, and when.

use qlens_sense::samples::{ImuSample, TouchSample};

/// What one sensor said at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Record<'a> {
    /// Microseconds since the recording began.
    pub at_us: u64,
    /// What was measured.
    pub sample: Sample<'a>,
}

impl<'a> Record<'a> {
    /// This, measured at this time (microseconds).
    pub const fn new(at_us: u64, sample: Sample<'a>) -> Self {
        Self { at_us, sample }
    }
}

/// What was measured, or what else a recording says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Sample<'a> {
    /// A recording begins.
    Start {
        /// Of the format; this one's is [`VERSION`](crate::VERSION).
        version: u16,
        /// Seconds since 1970-01-01, where the glasses were worn, at time 0.
        unix_s: u64,
    },
    /// The touchpad.
    Touch(TouchSample),
    /// The motion sensor.
    Imu(ImuSample),
    /// The proximity sensor, in its counts.
    Proximity(u16),
    /// The light sensor's word; see [`qlens_sense::samples::centilux`].
    Light(u16),
    /// The microphone.
    Microphone(Pcm<'a>),
    /// The fuel gauge.
    Battery {
        /// Charge left in 256ths of a percent.
        charge: u16,
        /// On the charger.
        charging: bool,
    },
    /// The thermometer, in 128ths of a degree Celsius.
    Temperature(i16),
    /// What was said, for as long as there is no recogniser: the words of the utterance that is under way or has
    /// just ended.
    Words(&'a str),
    /// A place in the recording.
    Mark {
        /// Which one.
        number: u32,
        /// Whoever plays it waits here until all that came before is done.
        wait: bool,
    },
}

/// Samples of the microphone, as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Pcm<'a>(&'a [[u8; 2]]);

impl<'a> Pcm<'a> {
    /// Samples of two bytes each, low byte first.
    pub const fn new(samples: &'a [[u8; 2]]) -> Self {
        Self(samples)
    }

    /// How many.
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// None.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = i16> + 'a {
        self.0.iter().map(|&bytes| i16::from_le_bytes(bytes))
    }

    pub(crate) const fn bytes(self) -> &'a [u8] {
        self.0.as_flattened()
    }
}
