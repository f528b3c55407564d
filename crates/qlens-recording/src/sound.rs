//! Sound that a wearer says: files of 8-bit mu-law without a header, one channel at 16 kHz.

use std::vec::Vec;

/// Samples of mu-law ([ITU-T G.711](https://www.itu.int/rec/T-REC-G.711)).
pub fn mu_law(bytes: &[u8]) -> Vec<i16> {
    bytes.iter().map(|&byte| linear(byte)).collect()
}

fn linear(byte: u8) -> i16 {
    let code = !byte;
    let exponent = code >> 4 & 7;
    let magnitude = (((i16::from(code & 15) << 3) + 132) << exponent) - 132;
    if code & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_table_are_those_of_the_recommendation() {
        // G.711's 14-bit values, times 4 for 16 bits: ±8031 at full scale, both zeros, and the least step.
        let samples = mu_law(&[0x80, 0x00, 0xff, 0x7f, 0xfe, 0x7e]);
        assert_eq!(samples, [32_124, -32_124, 0, 0, 8, -8]);
    }
}
