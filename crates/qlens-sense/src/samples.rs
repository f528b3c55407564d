//! Samples as the parts deliver them, and what of a word can be read from it. The formats are those of
//! parts that such glasses have; a driver for another part converts.

/// Largest position along the temple; 0 is at the ear.
pub const TOUCH_X_MAX: u16 = 2000;
/// Largest position across; 0 is at the bottom.
pub const TOUCH_Y_MAX: u16 = 600;
/// Counts of position a millimetre: the pad is 40 mm by 12 mm.
pub const TOUCH_COUNTS_PER_MM: i32 = 50;
/// Largest pressure: ten bits.
pub const TOUCH_PRESSURE_MAX: u16 = 1023;

/// The touchpad, read at a steady 100 Hz whether there is a finger or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TouchSample {
    /// Position along the temple, 0 to [`TOUCH_X_MAX`] towards the eye; means nothing without a finger.
    pub x: u16,
    /// Position across, 0 to [`TOUCH_Y_MAX`] upwards; means nothing without a finger.
    pub y: u16,
    /// Pressure, 0 to [`TOUCH_PRESSURE_MAX`].
    pub pressure: u16,
}

impl TouchSample {
    /// Whether the pad can have measured this.
    pub const fn in_range(self) -> bool {
        self.x <= TOUCH_X_MAX && self.y <= TOUCH_Y_MAX && self.pressure <= TOUCH_PRESSURE_MAX
    }
}

/// Counts of acceleration in 1 g: 16 bits for ±4 g.
pub const ACCEL_COUNTS_PER_G: f32 = 8192.0;
/// Counts of rate in a degree a second: 16 bits for ±1000 °/s.
pub const GYRO_COUNTS_PER_DPS: f32 = 32.768;

/// The motion sensor, at 200 Hz. Axes are those of the head: x out of the face, y to the left ear, z
/// through the crown. At rest and level the accelerometer says +1 g on z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ImuSample {
    /// Specific force, [`ACCEL_COUNTS_PER_G`].
    pub accel: [i16; 3],
    /// Rate of turn by the right-hand rule, [`GYRO_COUNTS_PER_DPS`].
    pub gyro: [i16; 3],
}

/// Whether a word is at the end of its range: what was measured may be anything beyond.
pub(crate) const fn at_rail(word: i16) -> bool {
    word == i16::MAX || word <= -i16::MAX
}

/// What the proximity sensor says when it is blinded, by the sun for instance.
pub const PROXIMITY_OVERFLOW: u16 = u16::MAX;

/// Illuminance in hundredths of a lux, from a word of TI's OPT3001 (four bits of exponent, twelve of
/// mantissa; datasheet SBOS681, "Result Register"). `None` for the exponents it does not have.
pub const fn centilux(word: u16) -> Option<u32> {
    let (exponent, mantissa) = (word >> 12, word & 0xfff);
    if exponent > 11 {
        return None;
    }
    Some((mantissa as u32) << exponent)
}

/// Samples of the microphone a second.
pub const AUDIO_HZ: u32 = 16_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_is_read_as_the_datasheet_says() {
        // The datasheet's own examples: 88.80 lux in two ways, and full scale.
        assert_eq!(centilux(0b0011_0100_0101_0110), Some(8880));
        assert_eq!(centilux(0b0100_0010_0010_1011), Some(8880));
        assert_eq!(centilux(0xbfff), Some(8_386_560));
        assert_eq!(centilux(0xc000), None);
    }

    #[test]
    fn what_is_beyond_the_range_is_not_a_measurement() {
        let edge = TouchSample {
            x: 2000,
            y: 600,
            pressure: 1023,
        };
        assert!(edge.in_range());
        assert!(!TouchSample { x: 2001, ..edge }.in_range());
        assert!(!TouchSample { y: 601, ..edge }.in_range());
        assert!(
            !TouchSample {
                pressure: 1024,
                ..edge
            }
            .in_range()
        );
        assert!(at_rail(32767) && at_rail(-32767) && at_rail(-32768));
        assert!(!at_rail(32766) && !at_rail(-32766));
    }
}
