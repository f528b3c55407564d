//! How weights are rounded to blocks of IQ4_NL: with the scale, out of some, that leaves the least error.
//!
//! An error counts as much as the square of its weight, as it does where ggml rounds without an importance matrix:
//! large weights matter most to products. For given levels `q` the best scale is `sum(w x q) / sum(w q^2)`, `w = x^2`,
//! and it takes `sum(w x q)^2 / sum(w q^2)` off the error of zeros, so that this is what scales are compared by.

use std::ops::RangeInclusive;

use half::f16;
use qlens::quant::{GROUP, IQ4_LEVELS};

/// Bytes of an IQ4_NL block: an f16 scale and 32 nibbles.
pub const IQ4_NL_BYTES: usize = 2 + GROUP / 2;
/// What the weight of the largest magnitude is tried as, with either sign: an end of the levels, a bit past it, or one of
/// the levels before it, if that suits the others. With steps of 1 the error is smaller by less than 0.3 %.
const EXTREMES: RangeInclusive<u8> = 60..=135;
/// From one of those to the next.
const STEP: usize = 5;
/// How often levels are chosen anew for the scale that was the best for those before.
const ROUNDS: usize = 2;

/// An IQ4_NL block with as little weighted error as any of the scales tried leaves.
///
/// Whatever the weights are, this gives some block; whether it stands for them says
/// [`is_sound`](super::blocks::is_sound).
pub fn iq4_nl(weights: &[f32; GROUP]) -> [u8; IQ4_NL_BYTES] {
    let extreme = weights.iter().fold(0.0, |most: f32, &weight| {
        if most.abs() < weight.abs() {
            weight
        } else {
            most
        }
    });
    let mut scale = f16::ZERO;
    if extreme != 0.0 {
        // In -1..=1, so that no sum is too large or too small for an f32.
        let x = weights.map(|weight| weight / extreme);
        scale = f16::from_f32(best_scale(&x) * extreme);
    }
    // Levels of the scale that is stored.
    let inverse = if scale == f16::ZERO {
        0.0
    } else {
        1.0 / scale.to_f32()
    };
    let nibbles = weights.map(|weight| nearest(weight * inverse));
    let mut block = [0; IQ4_NL_BYTES];
    let (head, quants) = block.split_at_mut(2);
    head.copy_from_slice(&scale.to_le_bytes());
    for (i, pair) in quants.iter_mut().enumerate() {
        *pair = nibbles[i] | nibbles[i + GROUP / 2] << 4;
    }
    block
}

/// The scale for `x`, the largest magnitude of which is 1.
fn best_scale(x: &[f32; GROUP]) -> f32 {
    let mut best = Fit {
        scale: 0.0,
        gain: 0.0,
    };
    for extreme in EXTREMES.step_by(STEP).map(f32::from) {
        best = best.or(Fit::of(x, extreme));
        best = best.or(Fit::of(x, -extreme));
    }
    for _ in 0..ROUNDS {
        best = best.or(Fit::of(x, 1.0 / best.scale));
    }
    best.scale
}

/// A scale, and how much less the error is than that of zeros.
#[derive(Clone, Copy)]
struct Fit {
    scale: f32,
    gain: f32,
}

impl Fit {
    /// The best scale for the levels that are nearest to `x` times `inverse`.
    fn of(x: &[f32; GROUP], inverse: f32) -> Self {
        let q = x.map(|x| f32::from(IQ4_LEVELS[usize::from(nearest(x * inverse))]));
        let (mut product, mut square) = (0.0, 0.0);
        for (x, q) in x.iter().zip(q) {
            let weighted = x * x * q;
            product += weighted * x;
            square += weighted * q;
        }
        // No level is 0, and some weight is 1.
        Self {
            scale: product / square,
            gain: product * product / square,
        }
    }

    fn or(self, other: Self) -> Self {
        if other.gain > self.gain { other } else { self }
    }
}

/// Which level is nearest to the numbers from each half on, -128 the first: the middle between two levels is a whole
/// number of halves.
const NEAREST: [u8; 512] = {
    let mut nearest = [0; 512];
    let mut i = 0;
    while i < nearest.len() {
        let mut level = 0;
        while level < 15
            && IQ4_LEVELS[level] as i32 + IQ4_LEVELS[level + 1] as i32 <= i as i32 - 256
        {
            level += 1;
        }
        nearest[i] = level as u8;
        i += 1;
    }
    nearest
};

fn nearest(x: f32) -> u8 {
    NEAREST[((x + 128.0) * 2.0).clamp(0.0, 511.0) as usize]
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
    fn the_error_is_about_the_least_that_a_scale_leaves() {
        let mut state = 3;
        // Weights of one density, and such that have outliers.
        for power in [1, 3] {
            let (mut ours, mut plain, mut least) = (0.0, 0.0, 0.0);
            for _ in 0..100 {
                let weights: [f32; GROUP] = array::from_fn(|_| {
                    (noise(&mut state) as i32 as f32 / 2.0_f32.powi(31)).powi(power)
                });
                let most = weights.iter().fold(0.0, |most: f32, w| most.max(w.abs()));
                let with = |extreme: f32| error_with(&weights, most / extreme);
                ours += weighted_error(&weights, &read(&iq4_nl(&weights)));
                // Without a search the extreme is the level of the largest magnitude.
                plain += with(-127.0).min(with(127.0));
                least += (200..560)
                    .map(|i| i as f32 / 4.0)
                    .map(|extreme| with(extreme).min(with(-extreme)))
                    .fold(f64::MAX, f64::min);
            }
            assert!(ours < 0.9 * plain, "{ours} {plain}");
            assert!(ours < 1.01 * least, "{ours} {least}");
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
