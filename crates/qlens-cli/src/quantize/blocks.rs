//! How weights are rounded to blocks: exactly as ggml does it, so that a file made here and one made
//! by its tools are the same file.
//!
//! The specification is `quantize_row_q8_0_ref` and `quantize_row_q4_0_ref` of ggml-quants.c, compiled
//! without fused multiply-adds, as ggml ships them for x86-64: a product is rounded before 8.5 is added.

use half::f16;
use qlens::quant::GROUP;

use super::search::{extreme, inverse};

/// Bytes of a Q8_0 block: an f16 scale and 32 int8.
pub const Q8_0_BYTES: usize = 2 + GROUP;
/// Bytes of a Q4_0 block: an f16 scale and 32 nibbles.
pub const Q4_0_BYTES: usize = 2 + GROUP / 2;

/// A Q8_0 block: the largest magnitude becomes 127, ties round away from zero.
///
/// Whatever the weights are, this gives some block; whether it stands for them says [`is_sound`].
pub fn q8_0(weights: &[f32; GROUP]) -> [u8; Q8_0_BYTES] {
    let magnitude = weights
        .iter()
        .fold(0.0, |most: f32, weight| most.max(weight.abs()));
    let d = magnitude / 127.0;
    let inverse = inverse(d);
    let mut block = [0; Q8_0_BYTES];
    let (scale, quants) = block.split_at_mut(2);
    scale.copy_from_slice(&f16::from_f32(d).to_le_bytes());
    for (quant, weight) in quants.iter_mut().zip(weights) {
        *quant = (weight * inverse).round() as i8 as u8;
    }
    block
}

/// A Q4_0 block: the weight of the largest magnitude, the first of them, becomes -8, so that a block
/// whose extreme is positive has a negative scale.
///
/// Whatever the weights are, this gives some block; whether it stands for them says [`is_sound`].
pub fn q4_0(weights: &[f32; GROUP]) -> [u8; Q4_0_BYTES] {
    let d = extreme(weights) / -8.0;
    // The scale is stored rounded, and the quants are computed from what it was before.
    let inverse = inverse(d);
    let quant = |weight: f32| ((weight * inverse + 8.5) as i8).clamp(0, 15) as u8;
    let mut block = [0; Q4_0_BYTES];
    let (scale, quants) = block.split_at_mut(2);
    scale.copy_from_slice(&f16::from_f32(d).to_le_bytes());
    let (low, high) = weights.split_at(GROUP / 2);
    for ((pair, &low), &high) in quants.iter_mut().zip(low).zip(high) {
        *pair = quant(low) | quant(high) << 4;
    }
    block
}

/// Whether a block with these f16 scales can stand for these weights: they are finite, and no larger than scales can say.
pub fn is_sound(weights: &[f32], scales: &[u8]) -> bool {
    let mut scales = scales.as_chunks().0.iter();
    scales.all(|&scale| f16::from_le_bytes(scale).is_finite())
        && weights.iter().all(|weight| weight.is_finite())
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "scales are told to the bit")]
mod tests {
    use std::array;

    use super::{super::samples::noise, *};

    /// These weights, and zeros behind them.
    fn weights(first: &[f32]) -> [f32; GROUP] {
        array::from_fn(|i| first.get(i).copied().unwrap_or(0.0))
    }

    fn scale(block: &[u8]) -> f32 {
        f16::from_le_bytes([block[0], block[1]]).to_f32()
    }

    fn quants8(block: [u8; Q8_0_BYTES]) -> [i8; GROUP] {
        array::from_fn(|i| block[2 + i] as i8)
    }

    fn quants4(block: [u8; Q4_0_BYTES]) -> [u8; GROUP] {
        array::from_fn(|i| block[2 + i % 16] >> (i / 16 * 4) & 15)
    }

    #[test]
    fn zeros_are_zeros() {
        assert_eq!(q8_0(&[0.0; GROUP]), [0; Q8_0_BYTES]);
        let block = q4_0(&[0.0; GROUP]);
        // ggml divides zero by -8 and gets its other zero.
        assert_eq!(block[..2], [0, 0x80]);
        assert_eq!(block[2..], [0x88; 16]);
        assert_eq!(q8_0(&[-0.0; GROUP])[2..], [0; GROUP]);
        assert_eq!(q4_0(&[-0.0; GROUP])[2..], [0x88; 16]);
    }

    #[test]
    fn ties_go_away_from_zero_in_q8_0() {
        let block = q8_0(&weights(&[
            127.0,
            0.5,
            -0.5,
            2.5,
            -2.5,
            0.499_999_97,
            -126.5,
        ]));
        assert_eq!(scale(&block), 1.0);
        assert_eq!(quants8(block)[..7], [127, 1, -1, 3, -3, 0, -127]);
        assert_eq!(quants8(q8_0(&weights(&[-127.0, 127.0])))[..2], [-127, 127]);
    }

    #[test]
    fn ties_go_up_in_q4_0_and_the_top_is_cut() {
        let block = q4_0(&weights(&[-8.0, 0.5, -0.5, 1.5, -7.5, 6.5, 7.5, 8.0]));
        assert_eq!(scale(&block), 1.0);
        assert_eq!(quants4(block)[..9], [0, 9, 8, 10, 1, 15, 15, 15, 8]);
    }

    #[test]
    fn the_first_of_the_largest_has_its_sign_kept_in_q4_0() {
        let block = q4_0(&weights(&[1.0, 16.0, -16.0]));
        assert_eq!((scale(&block), &quants4(block)[1..3]), (-2.0, &[0, 15][..]));
        let block = q4_0(&weights(&[1.0, -16.0, 16.0]));
        assert_eq!((scale(&block), &quants4(block)[1..3]), (2.0, &[0, 15][..]));
    }

    #[test]
    fn low_nibbles_are_the_first_half() {
        let mut weights = [0.0; GROUP];
        (weights[3], weights[3 + 16]) = (-8.0, 4.0);
        assert_eq!(q4_0(&weights)[2 + 3], 12 << 4);
    }

    #[test]
    fn a_product_is_rounded_before_it_is_added_to() {
        // A fused multiply-add finds 0.99999994 and 3.9999998, and ends at 0 and 3.
        assert_eq!(quants4(q4_0(&weights(&[-9.0, -8.4375])))[1], 1);
        assert_eq!(quants4(q4_0(&weights(&[-15.0, -8.4375])))[1], 4);
    }

    #[test]
    fn quants_are_of_the_scale_before_it_was_rounded() {
        // Halfway between two f16, 1 and the next one: the even one is taken.
        let d = 1.0 + 2.0_f32.powi(-11);
        let block = q8_0(&weights(&[127.0 * d, 63.5 * d]));
        assert_eq!(scale(&block), 1.0);
        assert_eq!(quants8(block)[..2], [127, 64]);
        let block = q4_0(&weights(&[-8.0 * d, 7.0 * d]));
        assert_eq!((scale(&block), quants4(block)[1]), (1.0, 15));
    }

    #[test]
    fn the_smallest_weights_are_zeros() {
        // The reciprocal of these scales is infinite; their f16 is zero, whatever the quants.
        for tiny in [f32::from_bits(1), 1e-40, f32::MIN_POSITIVE] {
            let weights = weights(&[tiny, -tiny, 0.0, tiny / 2.0]);
            assert_eq!(scale(&q8_0(&weights)), 0.0);
            assert_eq!(scale(&q4_0(&weights)), 0.0);
            assert!(
                is_sound(&weights, &q8_0(&weights)[..2])
                    && is_sound(&weights, &q4_0(&weights)[..2])
            );
        }
        // The smallest f16 is a scale.
        let weights = weights(&[-8.0 * 2.0_f32.powi(-24)]);
        assert_eq!(scale(&q4_0(&weights)), 2.0_f32.powi(-24));
    }

    #[test]
    fn what_no_block_can_stand_for_is_not_sound() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e30] {
            for at in [0, 1, 31] {
                let mut weights = [1.0; GROUP];
                weights[at] = bad;
                assert!(!is_sound(&weights, &q8_0(&weights)[..2]), "{bad}");
                assert!(!is_sound(&weights, &q4_0(&weights)[..2]), "{bad}");
            }
        }
        let largest = f16::MAX.to_f32();
        let weights8 = weights(&[127.0 * largest]);
        assert!(
            is_sound(&weights8, &q8_0(&weights8)[..2])
                && !is_sound(&weights8, &q4_0(&weights8)[..2])
        );
        let weights4 = weights(&[8.0 * largest]);
        assert!(is_sound(&weights4, &q4_0(&weights4)[..2]));
    }

    #[test]
    fn any_bits_give_a_block() {
        let mut state = 1;
        for _ in 0..10_000 {
            let weights = array::from_fn(|_| f32::from_bits(noise(&mut state)));
            let (eight, four) = (q8_0(&weights), q4_0(&weights));
            let is_finite = weights.iter().all(|weight| weight.is_finite());
            assert!(
                is_finite || !is_sound(&weights, &eight[..2]) && !is_sound(&weights, &four[..2])
            );
        }
    }

    #[test]
    fn blocks_stand_for_weights_to_half_a_step() {
        let mut state = 2;
        for _ in 0..1_000 {
            let weights: [f32; GROUP] =
                array::from_fn(|_| noise(&mut state) as i32 as f32 / 2.0_f32.powi(33));
            let most = weights.iter().fold(0.0, |most: f32, w| most.max(w.abs()));
            // Half a step, and what an f16 scale is off by at the extreme.
            let (eight, four) = (q8_0(&weights), q4_0(&weights));
            let near8 = most / 127.0 * 0.5 + most / 1024.0;
            // Q4_0 has no step for the extreme of the other sign, so that it can be a whole one off.
            let near4 = most / 8.0 + most / 1024.0;
            for (i, weight) in weights.iter().enumerate() {
                let back8 = scale(&eight) * f32::from(quants8(eight)[i]);
                let back4 = scale(&four) * (f32::from(quants4(four)[i]) - 8.0);
                assert!((back8 - weight).abs() <= near8, "{back8} {weight}");
                assert!((back4 - weight).abs() <= near4, "{back4} {weight}");
            }
        }
    }
}
