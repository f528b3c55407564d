//! What noise is: the mean of its logarithmic power in two bands and of how often it crosses zero, and how far
//! frames of it are from those means. Learned from the frames that are not speech.

/// A 256th of a doubling of power is 0.0118 dB.
const fn decibels(tenths: i32) -> i32 {
    tenths * 8504 / 1000
}

/// A frame exceeds noise by at least this much, 5.5 dB, however steady the noise. Speech at 10 dB over white noise
/// is more than that over it in the low band, which has a seventh of such noise; the swell of a car that passes stays
/// below. This and the next four were chosen on the recordings of the crate's tests, and kept their figures on recordings
/// of other seeds.
pub const LOUD: i32 = decibels(55);
/// And by so many tenths of the mean deviation of the noise from its own mean: 2.4 standard deviations if
/// it is Gaussian. Babble deviates more than a fan.
pub const LOUD_DEVIATIONS: i32 = 30;
/// Speech that is under way goes on with less than what began it, 4.5 dB.
pub const STILL_LOUD: i32 = decibels(45);
/// See [`LOUD_DEVIATIONS`].
pub const STILL_LOUD_DEVIATIONS: i32 = 22;
/// Crossings that differ from the noise's by so many tenths of their mean deviation say that it has another spectrum.
pub const CROSSING_DEVIATIONS: i32 = 40;
/// Power of a microphone's own noise, as [`Spectrum`] has it: about −70 dB of full scale. Below is silence, in which a
/// whisper of the circuit is no voice.
pub const SILENCE: i32 = 22 * 256;
/// Frames until the floor is believed: 300 ms.
pub const LEARNING: u16 = 15;
/// Means follow with a time constant of so many frames: 0.96 s.
pub const MEMORY: i32 = 48;
/// In speech the floor rises to the least power of so many frames, a second: speech has a pause in them, in which
/// the noise is heard; a fan that was switched on has not, and is no endless utterance.
pub const PAUSE: u16 = 50;

/// Sums of a frame, in logarithms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spectrum {
    /// 256 times the base-two logarithm of the power in the low and in the high band.
    bands: [i32; 2],
    crossings: i32,
}

impl Spectrum {
    pub fn new(low: u64, high: u64, crossings: i32) -> Self {
        Self {
            bands: [log2(low).max(SILENCE), log2(high).max(SILENCE)],
            crossings,
        }
    }
}

/// 256 times the base-two logarithm, right to 24: the mantissa is taken for its own logarithm.
fn log2(power: u64) -> i32 {
    let Some(exponent) = power.checked_ilog2() else {
        return 0;
    };
    let mantissa = (power << (63 - exponent)) >> 55;
    exponent as i32 * 256 + (mantissa as i32 & 0xff)
}

/// Mean of something and mean deviation from it, times 256.
#[derive(Debug, Clone, Copy)]
struct Level {
    mean: i32,
    deviation: i32,
    /// The least value, as it is, of the last frames of speech.
    least: i32,
}

impl Level {
    const fn excess(self, value: i32) -> i32 {
        value - self.mean / 256
    }

    /// So many tenths of the deviation.
    const fn deviations(self, tenths: i32) -> i32 {
        self.deviation / 256 * tenths / 10
    }

    fn learn(&mut self, value: i32, memory: i32) {
        let off = value * 256 - self.mean;
        self.mean += off / memory;
        self.deviation += (off.abs() - self.deviation) / memory;
    }
}

/// The noise.
#[derive(Debug, Clone)]
pub(super) struct Floor {
    bands: [Level; 2],
    crossings: Level,
    frames: u16,
    /// Frames of speech since the floor was last raised.
    speaking: u16,
}

impl Floor {
    pub const fn new() -> Self {
        let level = Level {
            mean: 0,
            deviation: 0,
            least: i32::MAX,
        };
        Self {
            bands: [level; 2],
            crossings: level,
            frames: 0,
            speaking: 0,
        }
    }

    /// Whether a frame is more than noise, which is learned from it if not.
    pub fn is_loud(&mut self, spectrum: Spectrum, speaks: bool) -> bool {
        if self.frames < LEARNING {
            self.frames += 1;
            // The plain mean of the frames so far.
            self.learn(spectrum, i32::from(self.frames));
            return false;
        }
        let (least, deviations) = if speaks {
            (STILL_LOUD, STILL_LOUD_DEVIATIONS)
        } else {
            (LOUD, LOUD_DEVIATIONS)
        };
        let other = self.crossings.excess(spectrum.crossings).abs()
            > self.crossings.deviations(CROSSING_DEVIATIONS);
        let loud = self.bands.iter().zip(spectrum.bands).any(|(band, power)| {
            let enough = least.max(band.deviations(deviations));
            let excess = band.excess(power);
            excess > enough || other && excess > enough / 2
        });
        if !loud {
            self.learn(spectrum, MEMORY);
        }
        self.rise(spectrum, speaks);
        loud
    }

    /// Follows noise that became louder while it is taken for speech.
    fn rise(&mut self, spectrum: Spectrum, speaks: bool) {
        let full = self.speaking >= PAUSE;
        for (band, power) in self.bands.iter_mut().zip(spectrum.bands) {
            if full && band.least > band.mean / 256 {
                band.mean = band.least * 256;
            }
            let begins = full || !speaks;
            band.least = power.min(if begins { i32::MAX } else { band.least });
        }
        self.speaking = if full || !speaks {
            0
        } else {
            self.speaking + 1
        };
    }

    fn learn(&mut self, spectrum: Spectrum, memory: i32) {
        for (band, power) in self.bands.iter_mut().zip(spectrum.bands) {
            band.learn(power, memory);
        }
        self.crossings.learn(spectrum.crossings, memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_right_to_a_twelfth() {
        for power in (1..100_000)
            .chain((0..64).map(|bit| 1u64 << bit))
            .chain([u64::MAX])
        {
            let error = f64::from(log2(power)) - 256.0 * (power as f64).log2();
            assert!(error.abs() <= 24.0, "{power}: {error}");
        }
        assert_eq!(log2(0), 0);
    }

    /// A hiss that is little louder than a hum is no hum.
    #[test]
    fn another_spectrum_is_loud_sooner() {
        let frame = |tenths: i32, crossings| Spectrum {
            bands: [40 * 256, 40 * 256 + decibels(tenths)],
            crossings,
        };
        let mut floor = Floor::new();
        for step in 0..200 {
            assert!(!floor.is_loud(frame(step % 3 - 1, 50 + step % 5), false));
        }
        for (tenths, crossings, loud) in [
            (40, 52, false),
            (40, 120, true),
            (40, 5, true),
            (20, 120, false),
            (60, 52, true),
        ] {
            let heard = floor.clone().is_loud(frame(tenths, crossings), false);
            assert_eq!(
                heard, loud,
                "{tenths} tenths of a dB, {crossings} crossings"
            );
        }
        // Speech goes on with less than begins it.
        assert!(!floor.clone().is_loud(frame(50, 52), false));
        assert!(floor.is_loud(frame(50, 52), true));
    }
}
