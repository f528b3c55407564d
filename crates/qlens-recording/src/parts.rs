//! The bytes in which parts that such glasses have say what they measured: what a driver reads over I2C in one burst.
//! The registers are named in the [crate's documentation](crate).

use qlens_sense::samples::{ImuSample, TouchSample};

/// Bytes of a finger: x, y, strength, area.
pub const TOUCH_BYTES: usize = 7;
/// Bytes of a motion sample.
pub const IMU_BYTES: usize = 12;

/// A finger in the registers of an `IQS5xx`; the area says nothing that the strength does not.
pub const fn touch(bytes: &[u8; TOUCH_BYTES]) -> TouchSample {
    let &[x1, x0, y1, y0, p1, p0, _] = bytes;
    TouchSample {
        x: u16::from_be_bytes([x1, x0]),
        y: u16::from_be_bytes([y1, y0]),
        pressure: u16::from_be_bytes([p1, p0]),
    }
}

/// The registers of an `IQS5xx` that has this finger on it.
pub const fn of_touch(sample: TouchSample) -> [u8; TOUCH_BYTES] {
    let [x1, x0] = sample.x.to_be_bytes();
    let [y1, y0] = sample.y.to_be_bytes();
    let [p1, p0] = sample.pressure.to_be_bytes();
    // A fingertip of usual size covers some ten electrodes of the pad.
    let area = (sample.pressure / 64) as u8;
    [x1, x0, y1, y0, p1, p0, area]
}

/// The data registers of a BMI270.
pub fn imu(bytes: &[u8; IMU_BYTES]) -> ImuSample {
    let word = |at: usize| i16::from_le_bytes([bytes[at], bytes[at + 1]]);
    ImuSample {
        accel: [word(0), word(2), word(4)],
        gyro: [word(6), word(8), word(10)],
    }
}

/// The data registers of a BMI270 that measures this.
pub fn of_imu(sample: ImuSample) -> [u8; IMU_BYTES] {
    let mut bytes = [0; IMU_BYTES];
    let words = sample.accel.iter().chain(&sample.gyro);
    for (place, word) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    bytes
}

/// Percent left, of a MAX17048's word: it says more than 100 of a battery that is fuller than it learned.
pub const fn percent(charge: u16) -> u8 {
    let percent = charge >> 8;
    if percent > 100 { 100 } else { percent as u8 }
}

/// Thousandths of a degree, of a TMP117's word; `None` for the one that means that nothing was measured yet.
pub const fn milli_celsius(word: i16) -> Option<i32> {
    if word == i16::MIN {
        return None;
    }
    Some(word as i32 * 1000 / 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_the_datasheets_say() {
        let finger = touch(&[0x03, 0xe8, 0x01, 0x2c, 0x02, 0x58, 9]);
        let expected = TouchSample {
            x: 1000,
            y: 300,
            pressure: 600,
        };
        assert_eq!(finger, expected);
        assert_eq!(of_touch(expected), [0x03, 0xe8, 0x01, 0x2c, 0x02, 0x58, 9]);
        let motion = imu(&[0, 0x20, 0xff, 0xff, 0, 0x80, 1, 0, 2, 0, 0xfd, 0xff]);
        assert_eq!(motion.accel, [8192, -1, i16::MIN]);
        assert_eq!(motion.gyro, [1, 2, -3]);
        assert_eq!(imu(&of_imu(motion)), motion);
        assert_eq!((percent(0x5180), percent(0x6500)), (81, 100));
        // The TMP117's datasheet: 0x0c80 is 25 degrees, 0xf380 is -25, 0x8000 is what it says after a reset.
        assert_eq!(milli_celsius(0x0c80), Some(25_000));
        assert_eq!(milli_celsius(0xf380_u16 as i16), Some(-25_000));
        assert_eq!(milli_celsius(i16::MIN), None);
    }
}
