//! How weights are rounded to blocks of IQ4_NL: with the scale, out of some, that leaves the least error, as
//! `quantize_iq4_nl` of ggml-quants.c does it without an importance matrix, so that a file made here and one made by
//! ggml's tools are the same file.

use half::f16;
use qlens::quant::{GROUP, IQ4_LEVELS};

use super::search::{Best, extreme, inverse};

/// Bytes of an IQ4_NL block: an f16 scale and 32 nibbles.
pub const IQ4_NL_BYTES: usize = 2 + GROUP / 2;
/// What the weight of the largest magnitude is tried as, besides the largest level: an end of the levels, or as much as
/// this to either side of it.
const REACH: i8 = 7;
/// Weights of a lesser magnitude are zeros.
const LEAST: f32 = 1e-15;
/// No scale is large enough for weights of a greater magnitude.
const MOST: f32 = 65_504.0 * 128.0;

/// An IQ4_NL block with as little weighted error as any of the scales tried leaves.
///
/// Whatever the weights are, this gives some block; whether it stands for them says
/// [`is_sound`](super::blocks::is_sound).
pub fn iq4_nl(weights: &[f32; GROUP]) -> [u8; IQ4_NL_BYTES] {
    let scale = scale(weights);
    // The scale is stored rounded, and the levels are computed from what it was before.
    let inverse = inverse(scale);
    let nibbles = weights.map(|weight| nearest(weight * inverse));
    let mut block = [0; IQ4_NL_BYTES];
    let (head, quants) = block.split_at_mut(2);
    head.copy_from_slice(&f16::from_f32(scale).to_le_bytes());
    for (i, pair) in quants.iter_mut().enumerate() {
        *pair = nibbles[i] | nibbles[i + GROUP / 2] << 4;
    }
    block
}

fn scale(x: &[f32; GROUP]) -> f32 {
    let extreme = extreme(x);
    if extreme.abs() < LEAST {
        return 0.0;
    }
    // The sums below could be too large for an f32.
    if extreme.abs() > MOST {
        return f32::INFINITY;
    }
    let end = f32::from(IQ4_LEVELS[0]);
    let mut best = Best::default();
    let mut try_levels_of = |inverse: f32| {
        let (mut product, mut square) = (0.0, 0.0);
        for x in x {
            let q = f32::from(IQ4_LEVELS[usize::from(nearest(x * inverse))]);
            product += x * x * q * x;
            square += x * x * q * q;
        }
        best.improves(product, square);
    };
    try_levels_of(inverse(extreme / -end));
    for step in -REACH..=REACH {
        try_levels_of((f32::from(step) + end) / extreme);
    }
    best.scale
}

/// Which level is nearest; of two, the upper one.
fn nearest(x: f32) -> u8 {
    let above = IQ4_LEVELS.partition_point(|&level| f32::from(level) <= x);
    let above = above.clamp(1, IQ4_LEVELS.len() - 1);
    let [lower, upper] = [above - 1, above].map(|i| f32::from(IQ4_LEVELS[i]));
    (above - usize::from(x - lower < upper - x)) as u8
}

#[cfg(test)]
mod tests {
    use std::array;

    use qlens::quant::Format;

    use super::{
        super::{blocks::is_sound, samples::noise},
        *,
    };

    /// What a block stands for.
    fn read(block: &[u8]) -> [f32; GROUP] {
        let group = Format::Iq4Nl.unpack(block, 0);
        group.q.map(|q| group.d * f32::from(q))
    }

    fn weighted_error(weights: &[f32; GROUP], found: &[f32; GROUP]) -> f64 {
        let errors = weights.iter().zip(found).map(|(&weight, &found)| {
            let (weight, found) = (f64::from(weight), f64::from(found));
            (weight * (weight - found)).powi(2)
        });
        errors.sum()
    }

    /// The error with the levels that are nearest for one scale.
    fn error_with(weights: &[f32; GROUP], scale: f32) -> f64 {
        let scale = f16::from_f32(scale).to_f32();
        let found = weights.map(|weight| {
            let levels = IQ4_LEVELS.map(|level| scale * f32::from(level));
            let off = |level: &f32| (level - weight).abs();
            let nearest = levels.into_iter().min_by(|a, b| off(a).total_cmp(&off(b)));
            nearest.unwrap()
        });
        weighted_error(weights, &found)
    }

    #[test]
    fn zeros_are_zeros() {
        for zero in [0.0, -0.0] {
            let block = iq4_nl(&[zero; GROUP]);
            assert_eq!((&block[..2], &block[2..]), (&[0; 2][..], &[0x88; 16][..]));
        }
    }

    #[test]
    fn low_nibbles_are_the_first_half() {
        let mut weights = [1.0; GROUP];
        (weights[3], weights[3 + 16]) = (-127.0, 113.0);
        assert_eq!(iq4_nl(&weights)[2 + 3], 0xF0);
    }

    #[test]
    fn levels_are_kept() {
        for scale in [1.0, -0.5, 3.25, -2.0_f32.powi(-14)] {
            let weights = array::from_fn(|i| scale * f32::from(IQ4_LEVELS[i * 7 % 16]));
            let kept = read(&iq4_nl(&weights)).map(f32::to_bits);
            assert_eq!(kept, weights.map(f32::to_bits), "{scale}");
        }
    }

    #[test]
    fn the_error_is_less_than_without_a_search() {
        let mut state = 3;
        // Weights of one density, and such that have outliers.
        for power in [1, 3] {
            let (mut ours, mut plain) = (0.0, 0.0);
            for _ in 0..100 {
                let weights: [f32; GROUP] = array::from_fn(|_| {
                    (noise(&mut state) as i32 as f32 / 2.0_f32.powi(31)).powi(power)
                });
                let most = weights.iter().fold(0.0, |most: f32, w| most.max(w.abs()));
                let with = |extreme: f32| error_with(&weights, most / extreme);
                ours += weighted_error(&weights, &read(&iq4_nl(&weights)));
                // Without a search the extreme is the level of the largest magnitude.
                plain += with(-127.0).min(with(127.0));
            }
            assert!(ours < 0.9 * plain, "{ours} {plain}");
        }
    }

    #[test]
    fn the_smallest_weights_are_zeros() {
        for tiny in [f32::from_bits(1), 1e-40, f32::MIN_POSITIVE] {
            let weights = array::from_fn(|i| [tiny, -tiny, 0.0, tiny / 2.0][i % 4]);
            let block = iq4_nl(&weights);
            assert!(read(&block).iter().all(|&w| w == 0.0));
            assert!(is_sound(&weights, &block[..2]));
        }
    }

    #[test]
    fn what_no_block_can_stand_for_is_not_sound() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e30] {
            for at in [0, 1, 31] {
                let mut weights = [1.0; GROUP];
                weights[at] = bad;
                assert!(!is_sound(&weights, &iq4_nl(&weights)[..2]), "{bad}");
            }
        }
    }

    #[test]
    fn any_bits_give_a_block() {
        let mut state = 1;
        for _ in 0..1_000 {
            let weights = array::from_fn(|_| f32::from_bits(noise(&mut state)));
            let is_finite = weights.iter().all(|weight| weight.is_finite());
            assert!(is_finite || !is_sound(&weights, &iq4_nl(&weights)[..2]));
        }
    }
}
