//! What the hub tells: the sensor events of the application that it can know of, and where speech begins
//! and ends. Small and `Copy`, where [`SensorKind`] has room for the words of an utterance.

use qlens_board::{Direction, SensorKind};

/// One thing that was recognised, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Event {
    /// Time in microseconds, on the clock of the samples: that of the sample that decided it, except
    /// for voice, where it is that of the utterance's first sample or of the one behind its last.
    pub at_us: u64,
    /// What happened.
    pub kind: EventKind,
}

impl Event {
    /// An event of this kind at this time (microseconds).
    pub const fn new(at_us: u64, kind: EventKind) -> Self {
        Self { at_us, kind }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum EventKind {
    /// A short touch.
    Tap,
    /// A second short touch soon after one that was a [`EventKind::Tap`].
    DoubleTap,
    /// A touch held.
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
    /// Ambient light changed.
    Ambient {
        /// Illuminance in lux.
        lux: u32,
    },
    /// Someone began to speak.
    VoiceStart {
        /// Counts utterances since the start; wraps.
        utterance: u16,
    },
    /// The utterance is over.
    VoiceStop {
        /// The one that [`EventKind::VoiceStart`] began.
        utterance: u16,
        /// Samples that it has, those before the voice and after it included.
        samples: u32,
    },
}

impl EventKind {
    /// The same as the application takes it; `None` for voice, which is for the recogniser of words.
    pub const fn sensor(self) -> Option<SensorKind> {
        Some(match self {
            Self::Tap => SensorKind::Tap,
            Self::DoubleTap => SensorKind::DoubleTap,
            Self::LongPress => SensorKind::LongPress,
            Self::Swipe(direction) => SensorKind::Swipe(direction),
            Self::HeadUp => SensorKind::HeadUp,
            Self::HeadDown => SensorKind::HeadDown,
            Self::Worn => SensorKind::Worn,
            Self::Removed => SensorKind::Removed,
            Self::Ambient { lux } => SensorKind::Ambient { lux },
            Self::VoiceStart { .. } | Self::VoiceStop { .. } => return None,
        })
    }
}
