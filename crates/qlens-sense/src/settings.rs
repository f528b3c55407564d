//! When something is called a gesture: what the application processor may choose.

use core::fmt;

/// The choices; the default is what the glasses start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Settings {
    /// A touch that begins within this many milliseconds of a tap's end makes a double tap.
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

impl Settings {
    /// What the glasses start with.
    pub const DEFAULT: Self = Self {
        double_tap_ms: 800,
        long_press_ms: (qlens_board::gesture::HOLD_US / 1000) as u16,
        head_up_centidegrees: 2500,
        head_down_centidegrees: 1500,
        voice_hangover_ms: 200,
    };

    /// Steepest pitch that can be asked for, in hundredths of a degree: nearer to the zenith, noise is
    /// as large as what is left.
    pub const STEEPEST: i16 = 8000;

    /// Whether they can be followed.
    ///
    /// # Errors
    /// The first that cannot.
    pub const fn check(&self) -> Result<(), SettingsError> {
        let (up, down) = (self.head_up_centidegrees, self.head_down_centidegrees);
        if up > Self::STEEPEST || down < -Self::STEEPEST {
            return Err(SettingsError::TooSteep { up, down });
        }
        if down >= up {
            return Err(SettingsError::NoHysteresis { up, down });
        }
        if self.long_press_ms < Self::SHORTEST_PRESS_MS {
            return Err(SettingsError::LongPressTooShort(self.long_press_ms));
        }
        Ok(())
    }

    /// A long press that is shorter would swallow taps.
    pub const SHORTEST_PRESS_MS: u16 = 300;
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why settings were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SettingsError {
    /// A pitch beyond [`Settings::STEEPEST`], in hundredths of a degree.
    TooSteep {
        /// To look up.
        up: i16,
        /// To look down again.
        down: i16,
    },
    /// Looking down again does not begin below looking up, in hundredths of a degree.
    NoHysteresis {
        /// To look up.
        up: i16,
        /// To look down again.
        down: i16,
    },
    /// A long press that taps would be, in milliseconds.
    LongPressTooShort(u16),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSteep { up, down } => write!(
                f,
                "head up at {up} and down at {down} hundredths of a degree: at most ±{} are told apart",
                Settings::STEEPEST
            ),
            Self::NoHysteresis { up, down } => write!(
                f,
                "head down at {down} hundredths of a degree has to be below head up at {up}"
            ),
            Self::LongPressTooShort(ms) => write!(
                f,
                "a long press of {ms} ms would swallow taps: at least {} ms",
                Settings::SHORTEST_PRESS_MS
            ),
        }
    }
}

impl core::error::Error for SettingsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_followed_is_refused() {
        assert_eq!(Settings::DEFAULT.check(), Ok(()));
        let with = |up, down, press| Settings {
            head_up_centidegrees: up,
            head_down_centidegrees: down,
            long_press_ms: press,
            ..Settings::DEFAULT
        };
        assert_eq!(with(8000, -8000, 300).check(), Ok(()));
        for (settings, refusal) in [
            (
                with(8001, 0, 600),
                SettingsError::TooSteep { up: 8001, down: 0 },
            ),
            (
                with(0, i16::MIN, 600),
                SettingsError::TooSteep {
                    up: 0,
                    down: i16::MIN,
                },
            ),
            (
                with(10, 10, 600),
                SettingsError::NoHysteresis { up: 10, down: 10 },
            ),
            (with(10, 0, 299), SettingsError::LongPressTooShort(299)),
        ] {
            assert_eq!(settings.check(), Err(refusal));
        }
    }
}
