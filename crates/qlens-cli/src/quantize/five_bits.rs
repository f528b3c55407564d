//! How weights are rounded to blocks of Q5_0 and Q5_1, exactly as ggml does it: what takes the place of Q4_K and Q5_K in
//! rows that are no whole superblocks.
//!
//! The specification is `quantize_row_q5_0_ref` and `quantize_row_q5_1_ref` of ggml-quants.c.

use half::f16;
use qlens::quant::{Format, GROUP};

use super::search::{extreme, inverse};

/// Bytes of a Q5_0 block: an f16 scale, 32 high bits, 32 nibbles.
pub const Q5_0_BYTES: usize = 2 + 4 + GROUP / 2;
/// Bytes of a Q5_1 block: an f16 scale, an f16 minimum, 32 high bits, 32 nibbles.
pub const Q5_1_BYTES: usize = 2 + 2 + 4 + GROUP / 2;

/// A Q5_0 block: the weight of the largest magnitude, the first of them, becomes -16.
///
/// Whether it stands for the weights says [`is_sound`](super::blocks::is_sound).
pub fn q5_0(weights: &[f32; GROUP]) -> [u8; Q5_0_BYTES] {
    let d = extreme(weights) / -16.0;
    // The scale is stored rounded, and the levels are computed from what it was before.
    let inverse = inverse(d);
    let levels = weights.map(|weight| ((weight * inverse + 16.5) as i8).clamp(0, 31) as u8);
    let mut block = [0; Q5_0_BYTES];
    block[..2].copy_from_slice(&f16::from_f32(d).to_le_bytes());
    put(&levels, &mut block[2..]);
    block
}

/// A Q5_1 block: the least weight becomes 0, the largest 31.
///
/// Whether it stands for the weights says [`is_sound`](super::blocks::is_sound).
pub fn q5_1(weights: &[f32; GROUP]) -> [u8; Q5_1_BYTES] {
    let low = weights.iter().fold(f32::MAX, |low, &x| low.min(x));
    let high = weights.iter().fold(f32::MIN, |high, &x| high.max(x));
    let d = (high - low) / 31.0;
    let inverse = inverse(d);
    let levels = weights.map(|weight| (((weight - low) * inverse + 0.5) as u8).min(31));
    let mut block = [0; Q5_1_BYTES];
    block[..2].copy_from_slice(&f16::from_f32(d).to_le_bytes());
    block[2..4].copy_from_slice(&f16::from_f32(low).to_le_bytes());
    put(&levels, &mut block[4..]);
    block
}

/// The high bits are the first four bytes; the low nibbles of those behind them are the first half.
fn put(levels: &[u8; GROUP], out: &mut [u8]) {
    for (i, q) in levels.iter().enumerate() {
        out[i / 8] |= q >> 4 << (i % 8);
        out[4 + i % 16] |= (q & 0x0F) << (i / 16 * 4);
    }
}

const _: () = assert!(Q5_0_BYTES == Format::Q5_0.block_bytes());
const _: () = assert!(Q5_1_BYTES == Format::Q5_1.block_bytes());

#[cfg(test)]
mod tests {
    use std::array;

    use super::{
        super::{
            blocks::is_sound,
            samples::{noise, read},
        },
        *,
    };

    type Weights = [f32; GROUP];

    type Round = fn(&Weights) -> Vec<u8>;

    /// A format, how a block of it is made, and how many of its bytes are scales.
    const FORMATS: [(Format, Round, usize); 2] = [
        (Format::Q5_0, |weights| q5_0(weights).to_vec(), 2),
        (Format::Q5_1, |weights| q5_1(weights).to_vec(), 4),
    ];

    #[test]
    fn blocks_that_say_it_exactly_are_found() {
        for scale in [1.0, 3.25, 2.0_f32.powi(-13)] {
            for sign in [1.0, -1.0] {
                let weights = array::from_fn(|i| sign * scale * (i as f32 * 7.0 % 32.0 - 16.0));
                assert_eq!(read(Format::Q5_0, &q5_0(&weights)), weights);
            }
            for min in [0.0, 1.0, 16.0, 31.0, 50.0] {
                let weights = array::from_fn(|i| scale * (i as f32 * 7.0 % 32.0 - min));
                assert_eq!(read(Format::Q5_1, &q5_1(&weights)), weights);
            }
        }
    }

    #[test]
    fn what_is_too_small_for_a_scale_is_zeros() {
        for (format, round, scales) in FORMATS {
            for tiny in [0.0, f32::from_bits(1), 1e-40, f32::MIN_POSITIVE] {
                let weights = array::from_fn(|i| [tiny, -tiny, 0.0, tiny / 2.0][i % 4]);
                let block = round(&weights);
                assert!(is_sound(&weights, &block[..scales]));
                assert!(read(format, &block).iter().all(|&weight| weight == 0.0));
            }
        }
    }

    #[test]
    fn what_no_block_can_stand_for_is_not_sound() {
        for (_, round, scales) in FORMATS {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e30] {
                for at in [0, 1, 31] {
                    let mut weights = [1.0; GROUP];
                    weights[at] = bad;
                    assert!(!is_sound(&weights, &round(&weights)[..scales]), "{bad}");
                }
            }
            let mut state = 1;
            for _ in 0..1_000 {
                let weights = array::from_fn(|_| f32::from_bits(noise(&mut state)));
                let is_finite = weights.iter().all(|weight| weight.is_finite());
                assert!(is_finite || !is_sound(&weights, &round(&weights)[..scales]));
            }
        }
    }
}
