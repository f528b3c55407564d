//! How weights are rounded to superblocks of Q4_K, Q5_K and Q6_K.
//!
//! Each group has the scale, and minimum, that are best for it alone. These become small integers with the unit that
//! the largest of them allows, and of the integers near to each those that leave the group the least weighted error.

use std::array;

use half::f16;
use qlens::quant::{Format, GROUP};

use super::{
    affine::{Affine, Group},
    search::{inverse, unit},
    symmetric,
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

/// A Q4_K superblock. Whether it stands for the weights says [`is_sound`](super::blocks::is_sound).
pub fn q4_k(weights: &[f32; SUPERBLOCK]) -> [u8; Q4_K_BYTES] {
    let (head, q) = with_minima(weights, 15.0);
    let mut block = [0; Q4_K_BYTES];
    block[..16].copy_from_slice(&head);
    put_nibbles(&q, &mut block[16..]);
    block
}

/// A Q5_K superblock. Whether it stands for the weights says [`is_sound`](super::blocks::is_sound).
pub fn q5_k(weights: &[f32; SUPERBLOCK]) -> [u8; Q5_K_BYTES] {
    let (head, q) = with_minima(weights, 31.0);
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

/// The 16 bytes of scales, and the levels `0..=top` of each group.
fn with_minima(weights: &[f32; SUPERBLOCK], top: f32) -> ([u8; 16], [[u8; GROUP]; 8]) {
    let groups: &[[f32; GROUP]] = weights.as_chunks().0;
    let fits: [Affine; 8] = array::from_fn(|j| Affine::fit(&groups[j], top));
    let most = |of: fn(&Affine) -> f32| fits.iter().map(of).fold(0.0, f32::max);
    let d = unit(most(|fit| fit.scale), MOST);
    let dmin = unit(most(|fit| fit.offset), MOST);
    let mut head = [0; 16];
    head[..2].copy_from_slice(&d.to_le_bytes());
    head[2..4].copy_from_slice(&dmin.to_le_bytes());
    let mut levels = [[0; GROUP]; 8];
    for (j, (x, fit)) in groups.iter().zip(fits).enumerate() {
        let (scale, min, best) = integers(x, fit, [d, dmin].map(f16::to_f32), top);
        put_scale_min(&mut head[4..], j, scale, min);
        levels[j] = best.levels(x, top).map(|q| q as u8);
    }
    (head, levels)
}

/// The multiples of `d` and `dmin`, out of those next to what `fit` has, that leave the least error, and what they say.
fn integers(x: &[f32; GROUP], fit: Affine, [d, dmin]: [f32; 2], top: f32) -> (u8, u8, Affine) {
    let group = Group::new(*x);
    let next_to = |of: f32, unit: f32| {
        let nearest = (of * inverse(unit)).round();
        [0.0, -1.0, 1.0].map(|off| (nearest + off).clamp(0.0, MOST))
    };
    let mut best = (f32::INFINITY, (0, 0, fit));
    for scale in next_to(fit.scale, d) {
        for min in next_to(fit.offset, dmin) {
            let tried = Affine {
                scale: d * scale,
                offset: dmin * min,
            };
            let error = group.error(tried, &tried.levels(x, top));
            if error < best.0 {
                best = (error, (scale as u8, min as u8, tried));
            }
        }
    }
    best.1
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
    let fits: [f32; 16] = array::from_fn(|h| symmetric::scale(&halves[h], 32.0));
    let d = unit(super::search::largest(&fits), 127.0);
    let mut block = [0; Q6_K_BYTES];
    block[208..].copy_from_slice(&d.to_le_bytes());
    let d = d.to_f32();
    for (h, (x, fit)) in halves.iter().zip(fits).enumerate() {
        let nearest = (fit * inverse(d)).round();
        let mut best = (f32::INFINITY, 0.0);
        for off in [0.0, -1.0, 1.0] {
            let scale = (nearest + off).clamp(-128.0, 127.0);
            let error = symmetric::error(x, d * scale, 32.0);
            if error < best.0 {
                best = (error, scale);
            }
        }
        block[192 + h] = best.1 as i8 as u8;
        let q = symmetric::levels(x, inverse(d * best.1), 32.0);
        for (i, q) in q.into_iter().enumerate() {
            put_six_bits(&mut block, h * HALF + i, (q + 32.0) as u8);
        }
    }
    block
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
                            Format::Q6K if i / 16 == 5 => 127.0 * d * (q - 32.0),
                            Format::Q6K => integers[i / 16] as f32 * -d * (q - 32.0),
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
    fn scales_of_few_bits_do_not_fall_short() {
        // An f16 of this size has no bits left but its last, and rounding one down would cut a third off the extreme.
        for (format, round) in FORMATS {
            for unit in [1.0, 1.4, 1.6, 2.4] {
                let most = unit * 2.0_f32.powi(-24) * 63.0 * 15.0;
                let weights = array::from_fn(|i| if i % 2 == 0 { most } else { -most / 8.0 });
                let found = read(format, &round(&weights));
                assert!((found[0] / most - 1.0).abs() < 0.1, "{format} {unit}");
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
                127.0 * 31.0
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
