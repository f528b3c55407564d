//! Eight rows of a matrix permuted so that a vector lane is a row: the layout that products are fastest in.
//!
//! The blocks that eight rows have at one place (an *octet* of blocks) become one run of as many bytes,
//! headers first. Then every 32 bytes hold four columns of the eight rows, row by row:
//!
//! ```text
//! r0c0 r0c1 r0c2 r0c3  r1c0 r1c1 r1c2 r1c3  …  r7c3        c = 4 s + k for step s, k in 0..4
//! ```
//!
//! so a product of four activations with 32 bytes adds to eight sums, one a row, and none is ever summed
//! across lanes. What a byte holds is chosen so that unpacking it is one or two operations, most of which
//! leave the weight, signed, in the top bits:
//!
//! | format | headers | bytes of an octet |
//! |---|---|---|
//! | `Q8_0` | 8 scales | steps 0..8: the weight |
//! | `Q4_0` | 8 scales | steps 0..4: signed nibbles, column `c` low and `c + 16` high |
//! | `Q4_1` | 8 scales, 8 minima | steps 0..4: nibbles, column `c` low and `c + 16` high |
//! | `Q5_0` | 8 scales | five bytes hold eight 5-bit weights: step `i < 5` in the top of byte `i`, steps 5, 6, 7 in the low bits of all five (`FIVE`) |
//! | `Q5_1` | 8 scales, 8 minima | five bytes hold eight 5-bit weights: step `i < 5` in the low bits of byte `i`, steps 5, 6, 7 in the top bits of all five (`FIVE_ABOVE`) |
//! | `Q2_K` | 8 scales, 8 minimum scales, 16 x 8 bytes: a scale low and a minimum high | for each four groups, steps 0..8: four 2-bit weights, the first group lowest |
//! | `Q4_K` | 8 scales, 8 minimum scales, 64 6-bit scales, 64 6-bit minima | for each two groups, steps 0..8: nibbles, the first group low and the second high |
//! | `Q5_K` | as `Q4_K` | for each group, five bytes hold eight 5-bit weights as in `Q5_1` |
//! | `Q6_K` | 8 scales, 16 x 8 int8 scales | for each 16 columns, three bytes hold four 6-bit weights: step `i < 3` in the top of byte `i`, step 3 in the low bits of all three |
//! | `IQ4_NL` | 8 scales | steps 0..4: nibbles, column `c` low and `c + 16` high |
//! | `IQ4_XS` | 8 scales, 64 6-bit scales | for each group as `IQ4_NL` |
//! | `Q3_K` | 8 scales, 2 x 64 6-bit scales | for each group, three bytes hold eight 3-bit weights: step `i < 3` in the top of byte `i`, step `3 + i` below it, steps 6 and 7 in the low two bits of bytes 0 and 1, their last bits in those of byte 2 |
//!
//! 64 6-bit numbers take 48 bytes: number `i < 48` in the low bits of byte `i`, numbers 48.. in the top
//! two bits of bytes `i`, `16 + i` and `32 + i`, lowest first. Number `8 g + r` is that of group `g`, row `r`, or, where
//! there are two times 64, of half group `g` of the superblock's first half, then of its second.
//!
//! Nothing is lost: [`deinterleave_rows`] gives the original bytes back.

use super::{
    BlockQ8_0, Format, GROUP,
    unpack::{scale_iq4_xs, scale_min_k4, scale_q3_k},
};

/// Rows that are interleaved.
pub const OCTET: usize = 8;
/// Bytes of the largest octet of blocks.
pub(crate) const MAX_OCTET_BYTES: usize = OCTET * Format::Q6K.block_bytes();
/// Bytes of a step: four columns of eight rows.
pub(crate) const STEP: usize = 4 * OCTET;

/// Where the bits of the 5-bit weights of steps 5, 6 and 7 lie, most significant first: byte and bit.
const FIVE: [[(usize, u32); 5]; 3] = [
    [(0, 2), (0, 1), (0, 0), (3, 1), (3, 0)],
    [(1, 2), (1, 1), (1, 0), (4, 1), (4, 0)],
    [(2, 2), (2, 1), (2, 0), (3, 2), (4, 2)],
];

/// Likewise where weights are unsigned, and those of the first five steps below.
const FIVE_ABOVE: [[(usize, u32); 5]; 3] = [
    [(3, 7), (3, 6), (0, 7), (0, 6), (0, 5)],
    [(4, 7), (4, 6), (1, 7), (1, 6), (1, 5)],
    [(3, 5), (4, 5), (2, 7), (2, 6), (2, 5)],
];

/// Offsets inside an octet of `Q4_1` or `Q5_1` blocks.
pub(crate) mod q4_1 {
    use super::OCTET;
    /// 8 minima, f16; the scales are at 0.
    pub const MINS: usize = 2 * OCTET;
    /// Weights.
    pub const QUANTS: usize = MINS + 2 * OCTET;
}

/// Offsets inside an octet of `Q4_K` or `Q5_K` blocks.
pub(crate) mod q4_k {
    use super::OCTET;
    /// 8 scales of minima, f16; the scales are at 0.
    pub const DMIN: usize = 2 * OCTET;
    /// 64 6-bit scales.
    pub const SCALES: usize = 4 * OCTET;
    /// 64 6-bit minima.
    pub const MINS: usize = SCALES + 48;
    /// Weights.
    pub const QUANTS: usize = MINS + 48;
}

/// Offsets inside an octet of `Q2_K` blocks.
pub(crate) mod q2_k {
    use super::OCTET;
    /// 8 scales of minima, f16; the scales are at 0.
    pub const DMIN: usize = 2 * OCTET;
    /// Scale and minimum of 16 columns `h` (0..16) of row `r` at `SCALES + 8 h + r`.
    pub const SCALES: usize = 4 * OCTET;
    /// Weights, 256 bytes for each four groups.
    pub const QUANTS: usize = SCALES + 16 * OCTET;
}

/// Offsets inside an octet of `Q6_K` blocks.
pub(crate) mod q6_k {
    use super::OCTET;
    /// Scale of 16 columns `h` (0..16) of row `r` at `SCALES + 8 h + r`; the block scales are at 0.
    pub const SCALES: usize = 2 * OCTET;
    /// Weights, 96 bytes for each 16 columns.
    pub const QUANTS: usize = SCALES + 16 * OCTET;
}

/// Offsets inside an octet of `IQ4_XS` blocks.
pub(crate) mod iq4_xs {
    use super::OCTET;
    /// 64 6-bit scales; the block scales are at 0.
    pub const SCALES: usize = 2 * OCTET;
    /// Nibbles, four steps for each group.
    pub const QUANTS: usize = SCALES + 48;
}

/// Offsets inside an octet of `Q3_K` blocks.
pub(crate) mod q3_k {
    use super::OCTET;
    /// Two times 64 6-bit scales; the block scales are at 0.
    pub const SCALES: usize = 2 * OCTET;
    /// Weights, three steps for each group.
    pub const QUANTS: usize = SCALES + 2 * 48;
}

/// Offset of the weights in an octet of `Q8_0`, `Q4_0`, `Q5_0` or `IQ4_NL` blocks, behind the 8 scales.
pub(crate) const QUANTS: usize = 2 * OCTET;

/// Permutes the eight blocks of `format` in `blocks`, one after the other at any distance, into `octet`.
///
/// # Panics
/// If a slice is shorter than that, or `format` is not a quantized one.
pub(crate) fn interleave(format: Format, blocks: [&[u8]; OCTET], octet: &mut [u8]) {
    let halves = |octet: &mut [u8], at: usize| {
        for (out, block) in octet.as_chunks_mut::<2>().0.iter_mut().zip(blocks) {
            *out = [block[at], block[at + 1]];
        }
    };
    match format {
        Format::Q8_0 => {
            halves(octet, 0);
            steps(&mut octet[QUANTS..], blocks, |block| {
                words::<8>(|s| word(block, 2 + 4 * s))
            });
        }
        Format::Q4_0 => {
            halves(octet, 0);
            // The stored nibble is 8 more than the weight.
            steps(&mut octet[QUANTS..], blocks, |block| {
                words::<4>(|s| word(block, 2 + 4 * s) ^ each(0x88))
            });
        }
        Format::Q4_1 => {
            halves(octet, 0);
            halves(&mut octet[q4_1::MINS..], 2);
            steps(&mut octet[q4_1::QUANTS..], blocks, |block| {
                words::<4>(|s| word(block, 4 + 4 * s))
            });
        }
        Format::Q5_0 => {
            halves(octet, 0);
            steps(&mut octet[QUANTS..], blocks, |block| {
                let w = words::<8>(|s| five_bits(&block[2..], s) ^ each(0x10));
                let top = words::<5>(|i| w[i] << 3);
                // See `FIVE`.
                let low = [
                    w[5] >> 2 & each(7),
                    w[6] >> 2 & each(7),
                    w[7] >> 2 & each(7),
                    w[5] & each(3) | (w[7] >> 1 & each(1)) << 2,
                    w[6] & each(3) | (w[7] & each(1)) << 2,
                ];
                words::<5>(|i| top[i] | low[i])
            });
        }
        Format::Q5_1 => {
            halves(octet, 0);
            halves(&mut octet[q4_1::MINS..], 2);
            steps(&mut octet[q4_1::QUANTS..], blocks, |block| {
                five_above(words(|s| five_bits(&block[4..], s)))
            });
        }
        Format::Q2K => {
            halves(octet, 80);
            halves(&mut octet[q2_k::DMIN..], 82);
            for (r, block) in blocks.iter().enumerate() {
                for h in 0..16 {
                    octet[q2_k::SCALES + OCTET * h + r] = block[h];
                }
            }
            steps(&mut octet[q2_k::QUANTS..], blocks, |block| {
                words::<16>(|s| word(block, 16 + 4 * s))
            });
        }
        Format::Q4K | Format::Q5K => {
            halves(octet, 0);
            halves(&mut octet[q4_k::DMIN..], 2);
            let (mut scales, mut mins) = ([0; 64], [0; 64]);
            for (r, block) in blocks.iter().enumerate() {
                for g in 0..8 {
                    (scales[8 * g + r], mins[8 * g + r]) = scale_min_k4(&block[4..16], g);
                }
            }
            octet[q4_k::SCALES..][..48].copy_from_slice(&pack_six_bits(&scales));
            octet[q4_k::MINS..][..48].copy_from_slice(&pack_six_bits(&mins));
            let quants = &mut octet[q4_k::QUANTS..];
            if format == Format::Q4K {
                steps(quants, blocks, |block| {
                    words::<32>(|s| word(block, 16 + 4 * s))
                });
            } else {
                steps(quants, blocks, |block| {
                    let mut all = [[0; 5]; 8];
                    for (g, five) in all.iter_mut().enumerate() {
                        *five = five_above(words(|s| {
                            let low = word(block, 48 + g / 2 * GROUP + 4 * s) >> (g % 2 * 4);
                            let high = word(block, 16 + 4 * s) >> g;
                            (high & each(1)) << 4 | low & each(0x0F)
                        }));
                    }
                    words::<40>(|s| all[s / 5][s % 5])
                });
            }
        }
        Format::Q6K => {
            halves(octet, 208);
            for (r, block) in blocks.iter().enumerate() {
                for h in 0..16 {
                    octet[q6_k::SCALES + OCTET * h + r] = block[192 + h];
                }
            }
            steps(&mut octet[q6_k::QUANTS..], blocks, |block| {
                words::<48>(|s| {
                    let (h, i) = (s / 3, s % 3);
                    let last = six_bits(block, 4 * h + 3);
                    six_bits(block, 4 * h + i) << 2 | last >> (4 - 2 * i) & each(3)
                })
            });
        }
        Format::Iq4Nl => {
            halves(octet, 0);
            steps(&mut octet[QUANTS..], blocks, |block| {
                words::<4>(|s| word(block, 2 + 4 * s))
            });
        }
        Format::Iq4Xs => {
            halves(octet, 0);
            let mut scales = [0; 64];
            for (r, block) in blocks.iter().enumerate() {
                for g in 0..8 {
                    scales[8 * g + r] = scale_iq4_xs(block, g);
                }
            }
            octet[iq4_xs::SCALES..][..48].copy_from_slice(&pack_six_bits(&scales));
            steps(&mut octet[iq4_xs::QUANTS..], blocks, |block| {
                words::<32>(|s| word(block, 8 + 4 * s))
            });
        }
        Format::Q3K => {
            halves(octet, 108);
            let packed = octet[q3_k::SCALES..].as_chunks_mut().0.iter_mut();
            for (i, packed) in packed.take(2).enumerate() {
                let scale = |n: usize| scale_q3_k(&blocks[n % OCTET][96..108], 8 * i + n / OCTET);
                *packed = pack_six_bits(&core::array::from_fn(scale));
            }
            steps(&mut octet[q3_k::QUANTS..], blocks, |block| {
                words::<24>(|s| {
                    let (g, i) = (s / 3, s % 3);
                    let w = |step: usize| three_bits(block, 8 * g + step);
                    let low = match i {
                        0 => w(6) >> 1 & each(3),
                        1 => w(7) >> 1 & each(3),
                        _ => (w(6) & each(1)) << 1 | w(7) & each(1),
                    };
                    w(i) << 5 | w(3 + i) << 2 | low
                })
            });
        }
        Format::F32 | Format::F16 | Format::Bf16 => unreachable!("{format} is not interleaved"),
    }
}

/// Makes `block` that of row `r` in an octet of `Q8_0` blocks.
///
/// # Panics
/// If the octet is shorter than that.
pub(crate) fn put_q8_0(octet: &mut [u8], r: usize, block: &BlockQ8_0) {
    octet[2 * r..][..2].copy_from_slice(&block.d);
    let steps = octet[QUANTS..].as_chunks_mut::<STEP>().0.iter_mut();
    for (step, q) in steps.zip(block.q.as_chunks::<4>().0) {
        step[4 * r..][..4].copy_from_slice(&q.map(i8::cast_unsigned));
    }
}

/// The bytes of four columns of a row, lowest first.
fn word(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

/// All four bytes `byte`.
const fn each(byte: u32) -> u32 {
    byte * 0x0101_0101
}

#[inline]
fn words<const N: usize>(word: impl Fn(usize) -> u32) -> [u32; N] {
    core::array::from_fn(word)
}

/// Writes the steps of an octet, `of` giving those of a row.
#[inline]
fn steps<const N: usize>(octet: &mut [u8], blocks: [&[u8]; OCTET], of: impl Fn(&[u8]) -> [u32; N]) {
    for (r, block) in blocks.into_iter().enumerate() {
        let steps = octet.as_chunks_mut::<STEP>().0.iter_mut();
        for (step, word) in steps.zip(of(block)) {
            step[4 * r..][..4].copy_from_slice(&word.to_le_bytes());
        }
    }
}

/// The reverse of [`interleave`]: eight blocks, one after the other.
///
/// # Panics
/// As [`interleave`].
pub(crate) fn deinterleave(format: Format, octet: &[u8], blocks: &mut [u8]) {
    let bytes = format.block_bytes();
    for (r, block) in blocks.chunks_exact_mut(bytes).take(OCTET).enumerate() {
        let half = |at: usize| [octet[at + 2 * r], octet[at + 2 * r + 1]];
        let byte = |base: usize, s: usize, k: usize| octet[base + STEP * s + 4 * r + k];
        match format {
            Format::Q8_0 => {
                block[..2].copy_from_slice(&half(0));
                for c in 0..32 {
                    block[2 + c] = byte(QUANTS, c / 4, c % 4);
                }
            }
            Format::Q4_0 => {
                block[..2].copy_from_slice(&half(0));
                for c in 0..16 {
                    block[2 + c] = byte(QUANTS, c / 4, c % 4) ^ 0x88;
                }
            }
            Format::Q4_1 => {
                block[..2].copy_from_slice(&half(0));
                block[2..4].copy_from_slice(&half(q4_1::MINS));
                for c in 0..16 {
                    block[4 + c] = byte(q4_1::QUANTS, c / 4, c % 4);
                }
            }
            Format::Q5_0 => {
                block[..2].copy_from_slice(&half(0));
                block[2..bytes].fill(0);
                for c in 0..32 {
                    let (step, k) = (c / 4, c % 4);
                    let signed = if step < 5 {
                        byte(QUANTS, step, k) >> 3
                    } else {
                        gathered(|i| byte(QUANTS, i, k), &FIVE[step - 5])
                    };
                    let stored = signed ^ 0x10;
                    block[2 + c / 8] |= (stored >> 4) << (c % 8);
                    block[6 + c % 16] |= (stored & 0x0F) << (c / 16 * 4);
                }
            }
            Format::Q5_1 => {
                block[..2].copy_from_slice(&half(0));
                block[2..4].copy_from_slice(&half(q4_1::MINS));
                block[4..bytes].fill(0);
                for c in 0..32 {
                    let value = five_above_at(|i| byte(q4_1::QUANTS, i, c % 4), c / 4);
                    block[4 + c / 8] |= (value >> 4) << (c % 8);
                    block[8 + c % 16] |= (value & 0x0F) << (c / 16 * 4);
                }
            }
            Format::Q2K => {
                block[80..82].copy_from_slice(&half(0));
                block[82..84].copy_from_slice(&half(q2_k::DMIN));
                for h in 0..16 {
                    block[h] = octet[q2_k::SCALES + OCTET * h + r];
                }
                for c in 0..64 {
                    block[16 + c] = byte(q2_k::QUANTS, c / 4, c % 4);
                }
            }
            Format::Q4K | Format::Q5K => {
                block[..2].copy_from_slice(&half(0));
                block[2..4].copy_from_slice(&half(q4_k::DMIN));
                block[4..16].fill(0);
                let of = |at: usize, g: usize| six_bits_at(&octet[at..at + 48], 8 * g + r);
                for g in 0..4 {
                    // The reverse of `scale_min_k4`.
                    let (s, m) = (of(q4_k::SCALES, g), of(q4_k::MINS, g));
                    let (s4, m4) = (of(q4_k::SCALES, g + 4), of(q4_k::MINS, g + 4));
                    block[4 + g] = s | s4 >> 4 << 6;
                    block[8 + g] = m | m4 >> 4 << 6;
                    block[12 + g] = s4 & 0x0F | m4 << 4;
                }
                if format == Format::Q4K {
                    for c in 0..128 {
                        block[16 + c] = byte(q4_k::QUANTS, c / 4, c % 4);
                    }
                    continue;
                }
                block[16..bytes].fill(0);
                for c in 0..256 {
                    let (g, i) = (c / GROUP, c % GROUP);
                    let at = |s: usize| byte(q4_k::QUANTS, 5 * g + s, i % 4);
                    let value = five_above_at(at, i / 4);
                    block[16 + i] |= (value >> 4) << g;
                    block[48 + g / 2 * GROUP + i] |= (value & 0x0F) << (g % 2 * 4);
                }
            }
            Format::Q6K => {
                block[208..210].copy_from_slice(&half(0));
                for h in 0..16 {
                    block[192 + h] = octet[q6_k::SCALES + OCTET * h + r];
                }
                block[..192].fill(0);
                for c in 0..256 {
                    let (h, step, k) = (c / 16, c % 16 / 4, c % 4);
                    let at = |i: usize| byte(q6_k::QUANTS, 3 * h + i, k);
                    let signed = if step < 3 {
                        at(step) >> 2
                    } else {
                        (at(0) & 3) << 4 | (at(1) & 3) << 2 | at(2) & 3
                    };
                    let stored = signed ^ 0x20;
                    let place = SixBits::of(c);
                    block[place.low] |= (stored & 0x0F) << place.low_shift;
                    block[place.high] |= (stored >> 4) << place.high_shift;
                }
            }
            Format::Iq4Nl => {
                block[..2].copy_from_slice(&half(0));
                for c in 0..16 {
                    block[2 + c] = byte(QUANTS, c / 4, c % 4);
                }
            }
            Format::Iq4Xs => {
                block[..2].copy_from_slice(&half(0));
                block[2..8].fill(0);
                for g in 0..8 {
                    // The reverse of `scale_iq4_xs`.
                    let scale = six_bits_at(&octet[iq4_xs::SCALES..][..48], 8 * g + r);
                    block[2 + g / 4] |= scale >> 4 << (g % 4 * 2);
                    block[4 + g / 2] |= (scale & 0x0F) << (g % 2 * 4);
                }
                for c in 0..128 {
                    block[8 + c] = byte(iq4_xs::QUANTS, c / 4, c % 4);
                }
            }
            Format::Q3K => {
                block[..108].fill(0);
                block[108..110].copy_from_slice(&half(0));
                for h in 0..16 {
                    // The reverse of `scale_q3_k`.
                    let packed = &octet[q3_k::SCALES + h / 8 * 48..][..48];
                    let scale = six_bits_at(packed, h % 8 * OCTET + r);
                    block[96 + h % 8] |= (scale & 0x0F) << (h / 8 * 4);
                    block[104 + h % 4] |= scale >> 4 << (h / 4 * 2);
                }
                for c in 0..256 {
                    let (g, step, k) = (c / GROUP, c % GROUP / 4, c % 4);
                    let at = |i: usize| byte(q3_k::QUANTS, 3 * g + i, k);
                    let signed = match step {
                        0..3 => at(step) >> 5,
                        3..6 => at(step - 3) >> 2 & 7,
                        6 => (at(0) & 3) << 1 | at(2) >> 1 & 1,
                        _ => (at(1) & 3) << 1 | at(2) & 1,
                    };
                    let stored = signed ^ 4;
                    block[c % GROUP] |= (stored >> 2) << g;
                    block[32 + c / 128 * GROUP + c % GROUP] |= (stored & 3) << (g % 4 * 2);
                }
            }
            Format::F32 | Format::F16 | Format::Bf16 => unreachable!("{format} is not interleaved"),
        }
    }
}

/// Permutes eight rows in place. `rows`: `[8, row_bytes]`; `scratch`: as many bytes, whose content is lost.
///
/// # Panics
/// If `rows` is not eight rows of whole blocks of a quantized format, or `scratch` is of another length.
pub fn interleave_rows(format: Format, rows: &mut [u8], scratch: &mut [u8]) {
    let (row, block) = (rows.len() / OCTET, format.block_bytes());
    assert!(
        rows.len().is_multiple_of(OCTET * block),
        "eight rows of blocks"
    );
    scratch.copy_from_slice(rows);
    for (b, octet) in rows.chunks_exact_mut(OCTET * block).enumerate() {
        let blocks = core::array::from_fn(|r| &scratch[r * row + b * block..][..block]);
        interleave(format, blocks, octet);
    }
}

/// The reverse of [`interleave_rows`].
///
/// # Panics
/// As [`interleave_rows`].
pub fn deinterleave_rows(format: Format, rows: &mut [u8], scratch: &mut [u8]) {
    let (row, block) = (rows.len() / OCTET, format.block_bytes());
    assert!(
        rows.len().is_multiple_of(OCTET * block),
        "eight rows of blocks"
    );
    scratch.copy_from_slice(rows);
    let mut blocks = [0; MAX_OCTET_BYTES];
    for (b, octet) in scratch.chunks_exact(OCTET * block).enumerate() {
        deinterleave(format, octet, &mut blocks);
        for (r, from) in blocks.chunks_exact(block).take(OCTET).enumerate() {
            rows[r * row + b * block..][..block].copy_from_slice(from);
        }
    }
}

/// The number that has its bits, most significant first, at `bits`: which byte and bit.
fn gathered(byte: impl Fn(usize) -> u8, bits: &[(usize, u32)]) -> u8 {
    let bits = bits.iter();
    bits.fold(0, |value, &(at, bit)| value << 1 | byte(at) >> bit & 1)
}

/// Eight steps of unsigned 5-bit weights in five of bytes: see `FIVE_ABOVE`.
fn five_above(w: [u32; 8]) -> [u32; 5] {
    let above = [
        w[5] & each(7),
        w[6] & each(7),
        w[7] & each(7),
        w[5] >> 2 & each(6) | w[7] >> 4 & each(1),
        w[6] >> 2 & each(6) | w[7] >> 3 & each(1),
    ];
    words::<5>(|i| w[i] | above[i] << 5)
}

/// The weight of step `s` in a column of those five.
fn five_above_at(byte: impl Fn(usize) -> u8, s: usize) -> u8 {
    match s.checked_sub(5) {
        None => byte(s) & 0x1F,
        Some(s) => gathered(byte, &FIVE_ABOVE[s]),
    }
}

/// Weights `4 s .. 4 s + 4` of 32, five bits each: the high bits are the first four bytes, nibbles the 16 behind them.
fn five_bits(bytes: &[u8], s: usize) -> u32 {
    let low = word(bytes, 4 + 4 * (s % 4)) >> (s / 4 * 4) & each(0x0F);
    let high = u32::from(bytes[s / 2] >> (s % 2 * 4) & 0x0F);
    // Bit `k` to byte `k`.
    let high = high.wrapping_mul(0x0020_4081) & each(1);
    high << 4 | low
}

/// Weights `4 s .. 4 s + 4` of a `Q6_K` superblock as six bits each, two's complement.
fn six_bits(block: &[u8], s: usize) -> u32 {
    let place = SixBits::of(4 * s);
    let low = word(block, place.low) >> place.low_shift & each(0x0F);
    let high = word(block, place.high) >> place.high_shift & each(3);
    (high << 4 | low) ^ each(0x20)
}

/// Weights `4 s .. 4 s + 4` of a `Q3_K` superblock as three bits each, two's complement: see [`Format::unpack`].
fn three_bits(block: &[u8], s: usize) -> u32 {
    let (j, i) = (s / 8, 4 * (s % 8));
    let low = word(block, 32 + j / 4 * GROUP + i) >> (j % 4 * 2) & each(3);
    let high = word(block, i) >> j & each(1);
    (high << 2 | low) ^ each(4)
}

/// Where a `Q6_K` superblock keeps a weight: see [`Format::unpack`].
struct SixBits {
    low: usize,
    low_shift: usize,
    high: usize,
    high_shift: usize,
}

impl SixBits {
    fn of(c: usize) -> Self {
        let (half, k, i) = (c / 128, c / GROUP % 4, c % GROUP);
        Self {
            low: half * 64 + k % 2 * GROUP + i,
            low_shift: k / 2 * 4,
            high: 128 + half * GROUP + i,
            high_shift: 2 * k,
        }
    }
}

fn pack_six_bits(numbers: &[u8; 64]) -> [u8; 48] {
    core::array::from_fn(|i| numbers[i] | numbers[48 + i % 16] >> (i / 16 * 2) << 6)
}

/// Number `i` of 64.
fn six_bits_at(packed: &[u8], i: usize) -> u8 {
    match i.checked_sub(48) {
        None => packed[i] & 0x3F,
        Some(i) => packed[i] >> 6 | packed[16 + i] >> 6 << 2 | packed[32 + i] >> 6 << 4,
    }
}

#[cfg(test)]
mod tests {
    use std::{vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_is_lost(
            format in proptest::sample::select(Format::ALL.into_iter().filter(|f| f.is_quantized()).collect::<Vec<_>>()),
            blocks in 1..4usize,
            seed: u64,
        ) {
            let len = OCTET * blocks * format.block_bytes();
            let mut state = seed | 1;
            let original: Vec<u8> = core::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            }).take(len).collect();
            let (mut rows, mut scratch) = (original.clone(), vec![0; len]);
            interleave_rows(format, &mut rows, &mut scratch);
            prop_assert_ne!(&rows, &original);
            deinterleave_rows(format, &mut rows, &mut scratch);
            prop_assert_eq!(rows, original);
        }
    }
}
