//! What the sensors of a pair of glasses say, in the field's own words.
//!
//! The touchpad's conventions are those of the glasses that exist: swipes are arrow keys, a tap is
//! ENTER, a long press is ENTER held, a double tap is BACK.

use core::fmt;

/// Longest utterance that one event carries, in bytes of UTF-8: about 150 English words or 340
/// Chinese characters, half a minute of speech.
pub const UTTERANCE_BYTES: usize = 1024;

/// What was said, as text.
pub type Utterance = heapless::String<UTTERANCE_BYTES>;

/// One thing that a sensor noticed, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SensorEvent {
    /// Monotonic time of the event in microseconds since the board started.
    pub at_us: u64,
    /// What happened.
    pub kind: SensorKind,
}

impl SensorEvent {
    /// An event of this kind at this time (microseconds).
    pub const fn new(at_us: u64, kind: SensorKind) -> Self {
        Self { at_us, kind }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(
    clippy::large_enum_variant,
    reason = "there is no heap to box an utterance into, and few events exist at a time"
)]
pub enum SensorKind {
    /// A short touch.
    Tap,
    /// Two touches within the double-tap time: back, or cancel.
    DoubleTap,
    /// A touch held: the wearer wants to talk.
    LongPress,
    /// A finger drawn along the temple.
    Swipe(Direction),
    /// The wearer looked up.
    HeadUp,
    /// The wearer looked down again.
    HeadDown,
    /// The glasses were put on.
    Worn,
    /// The glasses were taken off.
    Removed,
    /// Something was said; the recogniser's text of it.
    Speech(Utterance),
    /// Ambient light.
    Ambient {
        /// Illuminance in lux.
        lux: u32,
    },
    /// The state of the battery.
    Battery {
        /// Charge left, 0 to 100.
        percent: u8,
        /// On the charger.
        charging: bool,
    },
    /// Temperature of the chip.
    Temperature {
        /// Thousandths of a degree Celsius.
        milli_celsius: i32,
    },
    /// The sensors fell silent: what the wearer does is not known until one of them says something again.
    Lost,
    /// A mark in a recording that is being replayed: whoever waits for everything before it to be done
    /// wants to be told.
    Mark {
        /// Which one.
        number: u32,
    },
}

impl SensorKind {
    /// A [`SensorKind::Speech`] of this text, or `None` if it is longer than
    /// [`UTTERANCE_BYTES`]: half an utterance is not what was said.
    pub fn speech(text: &str) -> Option<Self> {
        Utterance::try_from(text).ok().map(Self::Speech)
    }
}

/// Which way a swipe went, as the wearer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Direction {
    /// Towards the eye: the next page.
    Forward,
    /// Towards the ear: the previous page.
    Back,
    /// Upwards.
    Up,
    /// Downwards.
    Down,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forward => "forward",
            Self::Back => "back",
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}
