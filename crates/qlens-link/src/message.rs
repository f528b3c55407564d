//! What the two sides tell each other, as serde types; on the wire they are in
//! [postcard's format](https://postcard.jamesmunns.com/wire-format).

use heapless::Vec;
use qlens_board::{SensorEvent, SensorKind};
use serde::{Deserialize, Serialize};

/// Version of the protocol: of the frames and of everything that travels in them, which includes
/// [`qlens_board::SensorKind`]. A side that says another one is not talked to.
///
/// Raise it with any change that alters a byte on the wire: the tests hold bytes of each message.
pub const VERSION: u16 = 1;

/// Most bytes of a message: the longest utterance and its time.
pub const MESSAGE_BYTES: usize = 20 * crate::frame::EVENT_PAYLOAD;

/// Most samples of one piece of audio: 1.25 ms at [`AUDIO_HZ`].
pub const AUDIO_SAMPLES: usize = 20;
/// Samples of audio a second.
pub const AUDIO_HZ: u32 = 16_000;

/// Something that must not be lost, from the hub to the application processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Event {
    /// The hub's monotonic time in microseconds.
    pub at_us: u64,
    /// What happened.
    pub kind: EventKind,
}

/// What happened at the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[allow(
    clippy::large_enum_variant,
    reason = "there is no heap to box an utterance into, and queues hold the coded form"
)]
pub enum EventKind {
    /// What the application's sensors say, in the very type it takes: touch, head, wear, light, words.
    Sensor(SensorKind),
    /// Someone began to speak; the time is that of the first sample.
    VoiceStart {
        /// Counts utterances since the hub started; wraps.
        utterance: u16,
    },
    /// The utterance is over.
    VoiceStop {
        /// The one that [`EventKind::VoiceStart`] began.
        utterance: u16,
        /// Samples that it has; those that are missing among the [`AudioChunk`]s were lost.
        samples: u32,
    },
    /// How the hub is.
    Stats(HubStats),
}

impl From<SensorEvent> for Event {
    fn from(event: SensorEvent) -> Self {
        Self {
            at_us: event.at_us,
            kind: EventKind::Sensor(event.kind),
        }
    }
}

impl Event {
    /// The event as the application takes it, or itself if the application does not: voice and the
    /// hub's figures are for the recogniser and the log.
    ///
    /// # Errors
    /// The event, unchanged.
    #[allow(
        clippy::result_large_err,
        reason = "it is the argument that comes back, nothing is copied to say so"
    )]
    pub fn into_sensor(self) -> Result<SensorEvent, Self> {
        match self.kind {
            EventKind::Sensor(kind) => Ok(SensorEvent::new(self.at_us, kind)),
            kind => Err(Self { kind, ..self }),
        }
    }
}

/// The hub's own figures, since it started. Counts stay at their maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HubStats {
    /// Seconds since the hub started.
    pub uptime_s: u32,
    /// Events that were not accepted for sending: a flood.
    pub events_refused: u32,
    /// Items of streams that were not sent.
    pub stream_unsent: u32,
    /// Frames from the application processor that did not arrive whole.
    pub frames_corrupt: u32,
    /// Samples of sensors that were out of range, or whose time ran backwards.
    pub samples_rejected: u32,
    /// Most bytes of stack that were in use at a time.
    pub stack_bytes: u32,
    /// Share of the core's time that was spent awake, in thousandths.
    pub busy_permille: u16,
}

/// Something that must not be lost, from the application processor to the hub. That it goes to sleep
/// or wakes it says by [`Endpoint::sleep`](crate::Endpoint::sleep) and
/// [`wake`](crate::Endpoint::wake), which the link itself has to understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Command {
    /// What to send and when to call something a gesture.
    Configure(HubConfig),
    /// Wall time.
    Time {
        /// Microseconds since 1970-01-01 UTC, when the command was made.
        unix_us: u64,
    },
}

/// Configuration of the hub; the default is what it starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HubConfig {
    /// Whether to send the audio of utterances.
    pub audio: bool,
    /// Whether to send samples of the motion sensor.
    pub imu: bool,
    /// Two touches within this many milliseconds are a double tap.
    pub double_tap_ms: u16,
    /// A touch held this many milliseconds is a long press.
    pub long_press_ms: u16,
    /// Pitch above which the wearer looks up, in hundredths of a degree over the horizon.
    pub head_up_centidegrees: i16,
    /// Pitch below which the wearer looks down again; lower than the former.
    pub head_down_centidegrees: i16,
    /// Milliseconds of silence that end an utterance.
    pub voice_hangover_ms: u16,
}

impl HubConfig {
    /// What the hub starts with.
    pub const DEFAULT: Self = Self {
        audio: true,
        imu: false,
        double_tap_ms: 800,
        long_press_ms: (qlens_board::gesture::HOLD_US / 1000) as u16,
        head_up_centidegrees: 2500,
        head_down_centidegrees: 1500,
        voice_hangover_ms: 200,
    };
}

impl Default for HubConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Some samples of an utterance; may be lost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AudioChunk {
    /// The utterance that they belong to.
    pub utterance: u16,
    /// Samples of it before these.
    pub first: u32,
    /// Mono at [`AUDIO_HZ`]. On the wire two bytes each, low byte first.
    #[serde(with = "pcm")]
    pub samples: Vec<i16, AUDIO_SAMPLES>,
}

/// One sample of the motion sensor, in its own units; may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ImuSample {
    /// The hub's monotonic time in microseconds.
    pub at_us: u64,
    /// Acceleration along x, y, z.
    pub accel: [i16; 3],
    /// Rate of turn about x, y, z.
    pub gyro: [i16; 3],
}

/// Samples as two bytes each. Postcard's own integers of varying length would take three for a loud one,
/// and a chunk of those would not fit a frame.
mod pcm {
    use core::fmt;

    use heapless::Vec;
    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;

    use super::AUDIO_SAMPLES;

    pub fn serialize<S: Serializer>(
        samples: &Vec<i16, AUDIO_SAMPLES>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut bytes = [0; AUDIO_SAMPLES * 2];
        let (pairs, _) = bytes.as_chunks_mut::<2>();
        for (pair, sample) in pairs.iter_mut().zip(samples) {
            *pair = sample.to_le_bytes();
        }
        serializer.serialize_bytes(&bytes[..samples.len() * 2])
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<i16, AUDIO_SAMPLES>, D::Error> {
        struct Pcm;
        impl Visitor<'_> for Pcm {
            type Value = Vec<i16, AUDIO_SAMPLES>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "up to {AUDIO_SAMPLES} samples of two bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                let (pairs, []) = bytes.as_chunks::<2>() else {
                    return Err(E::invalid_length(bytes.len(), &self));
                };
                if pairs.len() > AUDIO_SAMPLES {
                    return Err(E::invalid_length(bytes.len(), &self));
                }
                Ok(pairs.iter().map(|&pair| i16::from_le_bytes(pair)).collect())
            }
        }
        deserializer.deserialize_bytes(Pcm)
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
