//! How weights are rounded to superblocks of Q4_K, Q5_K and Q6_K: as `quantize_row_q4_K_ref` and its like in
//! ggml-quants.c do it, so that a file made here and one made by ggml's tools are the same file.
//!
//! Each group has the scale, and minimum, that are best for it alone, of some that are tried. These become small
//! integers with the unit that the largest of them allows, and the levels are those that are nearest with what is stored.
//! A group whose scale becomes zero keeps the levels that were found before, though they say nothing.

use std::{array, iter};

use half::f16;
use qlens::quant::{Format, GROUP};

use super::{
    affine::{Affine, Levels},
    search::{Best, extreme, nearest},
};

/// Weights of a superblock.
pub const SUPERBLOCK: usize = 8 * GROUP;
/// Bytes of a Q4_K superblock: two f16 scales, 12 of integer scales and minima, 256 nibbles.
pub const Q4_K_BYTES: usize = 2 + 2 + 12 + SUPERBLOCK / 2;
/// Bytes of a Q5_K superblock: the same with 256 high bits before the nibbles.
pub const Q5_K_BYTES: usize = Q4_K_BYTES + SUPERBLOCK / 8;
/// Bytes of a Q6_K superblock: 256 nibbles, 256 pairs of high bits, 16 int8 scales, an f16 scale.
pub const Q6_K_BYTES: usize = SUPERBLOCK / 2 + SUPERBLOCK / 4 + 16 + 2;

/// The largest 6-bit scale or minimum.
const MOST: f32 = 63.0;
/// Weights that share a scale in Q6_K.
const HALF: usize = GROUP / 2;

/// Levels of Q4_K.
const FOUR_BITS: Levels = Levels {
    top: 15.0,
    first: -1.0,
    steps: 20,
};
/// Levels of Q5_K.
const FIVE_BITS: Levels = Levels {
    top: 31.0,
    first: -0.5,
    steps: 15,
};
/// Weights of a lesser magnitude are zeros in Q6_K.
const LEAST: f32 = 1e-15;
/// No scale of Q6_K is large enough for weights of a greater magnitude.
const GREATEST: f32 = 65_504.0 * 128.0 * 32.0;

/// A Q4_K superblock. Whether it stands for the weights says [`is_sound`](super::blocks::is_sound).
pub fn q4_k(weights: &[f32; SUPERBLOCK]) -> [u8; Q4_K_BYTES] {
    let (head, q) = with_minima(weights, FOUR_BITS);
    let mut block = [0; Q4_K_BYTES];
    block[..16].copy_from_slice(&head);
    put_nibbles(&q, &mut block[16..]);
    block
}

/// A Q5_K superblock. Whether it stands for the weights says [`is_sound`](super::blocks::is_sound).
pub fn q5_k(weights: &[f32; SUPERBLOCK]) -> [u8; Q5_K_BYTES] {
    let (head, q) = with_minima(weights, FIVE_BITS);
    let mut block = [0; Q5_K_BYTES];
    block[..16].copy_from_slice(&head);
    for (j, q) in q.iter().enumerate() {
        for (high, q) in block[16..48].iter_mut().zip(q) {
            *high |= q >> 4 << j;
        }
    }
    put_nibbles(&q, &mut block[48..]);
    block
}

/// The 16 bytes of scales, and the levels of each group.
fn with_minima(weights: &[f32; SUPERBLOCK], of: Levels) -> ([u8; 16], [[u8; GROUP]; 8]) {
    let groups: &[[f32; GROUP]] = weights.as_chunks().0;
    let fits: [Affine; 8] = array::from_fn(|j| Affine::fit(&groups[j], of));
    let most = |of: fn(&Affine) -> f32| fits.iter().map(of).fold(0.0, f32::max);
    let (most_scale, most_offset) = (most(|fit| fit.scale), most(|fit| fit.offset));
    let [d, dmin] = [most_scale, most_offset].map(|most| f16::from_f32(most / MOST));
    let mut head = [0; 16];
    head[..2].copy_from_slice(&d.to_le_bytes());
    head[2..4].copy_from_slice(&dmin.to_le_bytes());
    let (d, dmin) = (d.to_f32(), dmin.to_f32());
    let part = |of: f32, most: f32| {
        let parts = if most > 0.0 { MOST / most } else { 0.0 };
        nearest(parts * of, 0.0, MOST)
    };
    let mut levels = [[0; GROUP]; 8];
    for (j, (x, fit)) in groups.iter().zip(fits).enumerate() {
        let (scale, min) = (part(fit.scale, most_scale), part(fit.offset, most_offset));
        put_scale_min(&mut head[4..], j, scale as u8, min as u8);
        let (scale, min) = (d * scale, dmin * min);
        let stored = if scale == 0.0 {
            fit.levels
        } else {
            x.map(|x| nearest((x + min) / scale, 0.0, of.top))
        };
        levels[j] = stored.map(|q| q as u8);
    }
    (head, levels)
}

/// Puts the scale and minimum of group `j` among the 12 bytes that eight groups share: those of groups 0..4 are the low
/// six bits of a byte each, those of the others a nibble and the two bits above the former.
fn put_scale_min(packed: &mut [u8], j: usize, scale: u8, min: u8) {
    if j < 4 {
        packed[j] |= scale;
        packed[j + 4] |= min;
    } else {
        packed[j + 4] |= scale & 0x0F | min << 4;
        packed[j - 4] |= scale >> 4 << 6;
        packed[j] |= min >> 4 << 6;
    }
}

/// Two groups share 32 bytes, the second one in the high nibbles.
fn put_nibbles(levels: &[[u8; GROUP]; 8], out: &mut [u8]) {
    for (pair, out) in levels.chunks_exact(2).zip(out.chunks_exact_mut(GROUP)) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = pair[0][i] & 0x0F | pair[1][i] << 4;
        }
    }
}

/// A Q6_K superblock. Whether it stands for the weights says [`is_sound`](super::blocks::is_sound).
pub fn q6_k(weights: &[f32; SUPERBLOCK]) -> [u8; Q6_K_BYTES] {
    let halves: &[[f32; HALF]] = weights.as_chunks().0;
    let fits: [_; 16] = array::from_fn(|h| symmetric(&halves[h]));
    let most = extreme(&fits.map(|(scale, _)| scale));
    let mut block = [0; Q6_K_BYTES];
    if most.abs() < LEAST {
        return block;
    }
    // The largest scale becomes -128, of which there is no opposite.
    let parts = -128.0 / most;
    let d = f16::from_f32(1.0 / parts);
    block[208..].copy_from_slice(&d.to_le_bytes());
    for (h, (x, (scale, found))) in halves.iter().zip(fits).enumerate() {
        let scale = nearest(parts * scale, -128.0, 127.0);
        block[192 + h] = scale as i8 as u8;
        let d = d.to_f32() * scale;
        let levels = if d == 0.0 {
            found
        } else {
            x.map(|x| nearest(x / d, -32.0, 31.0) + 32.0)
        };
        for (i, q) in levels.into_iter().enumerate() {
            put_six_bits(&mut block, h * HALF + i, q as u8);
        }
    }
    block
}

/// The scale with which levels `-32..=31` leave the least error, of 19 that make the extreme about -32; and the levels,
/// 32 more than they are.
fn symmetric(x: &[f32; HALF]) -> (f32, [f32; HALF]) {
    let extreme = extreme(x);
    if extreme.abs() < LEAST {
        return (0.0, [0.0; HALF]);
    }
    // The sums below could be too large for an f32.
    if extreme.abs() > GREATEST {
        return (f32::INFINITY, [0.0; HALF]);
    }
    let (mut best, mut found) = (Best::default(), [0.0; HALF]);
    for step in iter::once(0).chain(-9..=9_i8) {
        let inverse = -(32.0 + 0.1 * f32::from(step)) / extreme;
        let q = x.map(|x| nearest(inverse * x, -32.0, 31.0));
        let (mut product, mut square) = (0.0, 0.0);
        for (x, q) in x.iter().zip(q) {
            product += x * x * x * q;
            square += x * x * q * q;
        }
        if best.improves(product, square) {
            found = q.map(|q| q + 32.0);
        }
    }
    (best.scale, found)
}

/// Puts weight `i` of a superblock: 128 of them have 64 bytes of nibbles, the low ones of which are the first 64, and 32
/// bytes of pairs, the lowest of which are the first 32.
fn put_six_bits(block: &mut [u8], i: usize, q: u8) {
    let (part, i) = (i / 128, i % 128);
    block[part * 64 + i % 64] |= (q & 0x0F) << (i / 64 * 4);
    block[128 + part * 32 + i % 32] |= q >> 4 << (i / 32 * 2);
}

const _: () = assert!(Q4_K_BYTES == Format::Q4K.block_bytes());
const _: () = assert!(Q5_K_BYTES == Format::Q5K.block_bytes());
const _: () = assert!(Q6_K_BYTES == Format::Q6K.block_bytes());

#[cfg(test)]
mod tests {
    use super::{
        super::{
            blocks::is_sound,
            samples::{self, error, noise, read},
        },
        *,
    };

    type Weights = [f32; SUPERBLOCK];

    type Round = fn(&Weights) -> Vec<u8>;

    /// A format, and how a superblock of it is made.
    const FORMATS: [(Format, Round); 3] = [
        (Format::Q4K, |weights| q4_k(weights).to_vec()),
        (Format::Q5K, |weights| q5_k(weights).to_vec()),
        (Format::Q6K, |weights| q6_k(weights).to_vec()),
    ];

    fn is_sound_in(format: Format, weights: &Weights, block: &[u8]) -> bool {
        let scales = if format == Format::Q6K {
            208..210
        } else {
            0..4
        };
        is_sound(weights, &block[scales])
    }

    #[test]
    fn blocks_that_say_it_exactly_are_found() {
        let mut state = 4;
        for d in [1.0, 2.0_f32.powi(-9), 3.0 * 2.0_f32.powi(-14)] {
            for (format, round) in FORMATS {
                for _ in 0..50 {
                    // Every group has both ends of the levels, and one has the largest scale and minimum.
                    let mut level = |i: usize, count: u32| match i % GROUP {
                        0 | 16 => 0,
                        1 | 17 => count - 1,
                        _ => noise(&mut state) % count,
                    };
                    let levels: [u32; SUPERBLOCK] = match format {
                        Format::Q4K => array::from_fn(|i| level(i, 16)),
                        Format::Q5K => array::from_fn(|i| level(i, 32)),
                        _ => array::from_fn(|i| level(i, 64)),
                    };
                    let integers: [u32; 16] = array::from_fn(|j| {
                        if j == 5 {
                            63
                        } else {
                            20 + noise(&mut state) % 44
                        }
                    });
                    let weights = array::from_fn(|i| {
                        let q = levels[i] as f32;
                        match format {
                            Format::Q6K if i / 16 == 5 => -128.0 * d * (q - 32.0),
                            Format::Q6K => integers[i / 16] as f32 * d * (q - 32.0),
                            _ => {
                                let (scale, min) = (integers[i / 32], integers[(i / 32 + 3) % 8]);
                                d * scale as f32 * q - d / 2.0 * min as f32
                            }
                        }
                    });
                    assert_eq!(read(format, &round(&weights)), weights, "{format} {d}");
                }
            }
        }
    }

    #[test]
    fn the_error_is_less_than_without_a_search() {
        let mut state = 5;
        for power in [1, 3] {
            for (format, round) in FORMATS {
                let (mut ours, mut plain) = (0.0, 0.0);
                for _ in 0..100 {
                    let weights: Weights = samples::weights(&mut state, power);
                    ours += error(&weights, &read(format, &round(&weights)));
                    let without = match format {
                        Format::Q4K => samples::affine(&weights, 15.0),
                        Format::Q5K => samples::affine(&weights, 31.0),
                        _ => samples::symmetric(&weights, 16, 32.0),
                    };
                    plain += error(&weights, &without);
                }
                // Although theirs are f32 scales for each group, or f16, and these small integers.
                assert!(ours < plain, "{format} {power}: {ours} {plain}");
            }
        }
    }

    #[test]
    fn zeros_are_zeros() {
        for (format, round) in FORMATS {
            for zero in [0.0, -0.0] {
                let weights = [zero; SUPERBLOCK];
                let block = round(&weights);
                assert!(is_sound_in(format, &weights, &block));
                assert!(read(format, &block).iter().all(|&weight| weight == 0.0));
            }
            // A group of zeros among others.
            let mut weights: Weights = samples::weights(&mut 6, 1);
            weights[64..96].fill(0.0);
            let found = read(format, &round(&weights));
            assert!(found[64..96].iter().all(|&weight| weight == 0.0));
            assert!(found[..32].iter().any(|&weight| weight != 0.0));
        }
    }

    #[test]
    fn groups_of_one_number_keep_it() {
        for (format, round) in FORMATS {
            for number in [1.0, -1.0, 0.02, -0.02] {
                let found = read(format, &round(&[number; SUPERBLOCK]));
                let is_near = |found: &f32| (found / number - 1.0).abs() < 0.01;
                assert!(found.iter().all(is_near), "{format} {number} {found:?}");
            }
        }
    }

    #[test]
    fn the_smallest_weights_are_zeros() {
        for (format, round) in FORMATS {
            for tiny in [f32::from_bits(1), 1e-40, f32::MIN_POSITIVE] {
                let weights = array::from_fn(|i| [tiny, -tiny, 0.0, tiny / 2.0][i % 4]);
                let block = round(&weights);
                assert!(is_sound_in(format, &weights, &block));
                assert!(read(format, &block).iter().all(|&weight| weight == 0.0));
            }
        }
    }

    #[test]
    fn what_no_block_can_stand_for_is_not_sound() {
        for (format, round) in FORMATS {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e30] {
                for at in [0, 1, 31, 32, 255] {
                    let mut weights = [1.0; SUPERBLOCK];
                    weights[at] = bad;
                    assert!(!is_sound_in(format, &weights, &round(&weights)), "{bad}");
                }
            }
            // The largest that there is a scale for, whichever level of Q6_K it becomes.
            let steps = if format == Format::Q6K {
                128.0 * 32.0
            } else {
                63.0
            };
            let most = -f16::MAX.to_f32() * steps;
            let weights = [most; SUPERBLOCK];
            assert!(is_sound_in(format, &weights, &round(&weights)), "{format}");
            let weights = weights.map(|weight| weight * 1.04);
            assert!(!is_sound_in(format, &weights, &round(&weights)), "{format}");
        }
    }

    #[test]
    fn any_bits_give_a_block() {
        let mut state = 1;
        for (format, round) in FORMATS {
            for _ in 0..300 {
                let weights = array::from_fn(|_| f32::from_bits(noise(&mut state)));
                let block = round(&weights);
                let is_finite = weights.iter().all(|weight| weight.is_finite());
                assert!(is_finite || !is_sound_in(format, &weights, &block));
            }
        }
    }
}
