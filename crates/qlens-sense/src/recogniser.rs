//! All the recognisers of a pair of glasses, and what they have to know of each other.

use crate::event::{Event, EventKind};
use crate::head::Head;
use crate::intake::Counts;
use crate::light::Light;
use crate::samples::{ImuSample, TouchSample};
use crate::settings::{Settings, SettingsError};
use crate::touch::Touch;
use crate::voice::{Piece, Voice};
use crate::wear::Wear;

/// Which sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Sensor {
    /// The touchpad.
    Touch,
    /// Accelerometer and gyroscope.
    Imu,
    /// Proximity.
    Proximity,
    /// Ambient light.
    Light,
    /// The microphone.
    Microphone,
}

/// The recogniser: each sensor's samples in the order of their times, sensors interleaved as they come.
///
/// While the glasses are off (after `Removed`, until `Worn`) nothing but wear and light is looked at: in a pocket
/// the rest would wake the application processor all day. For it, the samples stopped: that is counted as a gap.
#[derive(Debug, Clone, Default)]
pub struct Recogniser {
    settings: Settings,
    touch: Touch,
    head: Head,
    wear: Wear,
    light: Light,
    voice: Voice,
}

impl Recogniser {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes when something is called a gesture, from the next sample on.
    ///
    /// # Errors
    /// Settings that cannot be followed; those before stay.
    pub fn configure(&mut self, settings: Settings) -> Result<(), SettingsError> {
        settings.check()?;
        self.settings = settings;
        Ok(())
    }

    /// A sample of the touchpad, at `time_us` microseconds.
    pub fn touch(&mut self, time_us: u64, sample: TouchSample) -> Option<Event> {
        if self.is_off() {
            return None;
        }
        self.touch.sample(time_us, sample, &self.settings)
    }

    /// A sample of the motion sensor.
    pub fn imu(&mut self, time_us: u64, sample: ImuSample) -> Option<Event> {
        if self.is_off() {
            return None;
        }
        self.head.sample(time_us, sample, &self.settings)
    }

    /// A sample of the proximity sensor, in its counts.
    pub fn proximity(&mut self, time_us: u64, counts: u16) -> Option<Event> {
        let event = self.wear.sample(time_us, counts)?;
        if event.kind == EventKind::Removed {
            self.touch.forget();
            self.head.forget();
        }
        Some(event)
    }

    /// A word of the light sensor; see [`samples::centilux`](crate::samples::centilux).
    pub fn light(&mut self, time_us: u64, word: u16) -> Option<Event> {
        self.light.sample(time_us, word)
    }

    /// Up to [`FRAME`](crate::voice::FRAME) samples of the microphone, the first of which is of this time. When the
    /// glasses were taken off, the next block ends the utterance.
    pub fn microphone(&mut self, time_us: u64, samples: &[i16]) -> Option<Event> {
        if self.is_off() {
            return self.voice.stop();
        }
        self.voice.block(time_us, samples, &self.settings)
    }

    /// No more samples come, of a recording that is over for instance: ends the utterance and the touch that are under
    /// way.
    pub fn end(&mut self) -> Option<Event> {
        self.touch.forget();
        self.voice.stop()
    }

    /// Sound of the utterance; see [`Voice::read`].
    pub fn read_voice(&mut self, out: &mut [i16]) -> Option<Piece> {
        self.voice.read(out)
    }

    /// Samples of utterances that were not read in time.
    pub const fn voice_unread(&self) -> u32 {
        self.voice.unread()
    }

    /// What became of a sensor's samples.
    pub const fn counts(&self, sensor: Sensor) -> Counts {
        match sensor {
            Sensor::Touch => self.touch.counts(),
            Sensor::Imu => self.head.counts(),
            Sensor::Proximity => self.wear.counts(),
            Sensor::Light => self.light.counts(),
            Sensor::Microphone => self.voice.counts(),
        }
    }

    /// Samples that were not believed, of all sensors.
    pub const fn rejected(&self) -> u32 {
        self.counts(Sensor::Touch)
            .rejected()
            .saturating_add(self.counts(Sensor::Imu).rejected())
            .saturating_add(self.counts(Sensor::Proximity).rejected())
            .saturating_add(self.counts(Sensor::Light).rejected())
            .saturating_add(self.counts(Sensor::Microphone).rejected())
    }

    fn is_off(&self) -> bool {
        self.wear.is_worn() == Some(false)
    }
}
