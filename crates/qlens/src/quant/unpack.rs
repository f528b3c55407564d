//! What the bits of each block format mean.

use half::{bf16, f16};

use super::{Format, GROUP};

/// 32 weights of any quantized format: `weight[i] = d * scales[i / 16] * q[i] + min * mins[i / 16]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    /// The integers.
    pub q: [i8; GROUP],
    /// Integer scale of each half; 1 where the format has none.
    pub scales: [i32; 2],
    /// The block's scale.
    pub d: f32,
    /// The group's offset; 0 where the format has none.
    pub min: f32,
    /// Integer multiples of it for each half; 1 where the format has none.
    pub mins: [i32; 2],
}

/// What the 4-bit indices of IQ4_NL and IQ4_XS stand for: closer together where weights are dense.
pub const IQ4_LEVELS: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The 6-bit scale and minimum of group `j` (0..8) out of a Q4_K or Q5_K superblock's 12 packed bytes.
///
/// Groups 0..4 keep theirs in the low six bits of bytes 0..8; those of groups 4..8 are split between
/// the nibbles of bytes 8..12 and the two bits that groups 0..4 left free.
pub(crate) fn scale_min_k4(packed: &[u8], j: usize) -> (u8, u8) {
    if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        (
            packed[j + 4] & 0x0F | packed[j - 4] >> 6 << 4,
            packed[j + 4] >> 4 | packed[j] >> 6 << 4,
        )
    }
}

/// The 6-bit scale of half group `h` (0..16) of a Q3_K superblock, of which 32 is to be subtracted, out of its 12
/// packed bytes: two bits of bytes 8..12 above a nibble of bytes 0..8.
pub(crate) fn scale_q3_k(packed: &[u8], h: usize) -> u8 {
    let high = packed[8 + h % 4] >> (h / 4 * 2) & 3;
    high << 4 | packed[h % 8] >> (h / 8 * 4) & 0x0F
}

/// The 6-bit scale of group `j` (0..8) of an IQ4_XS superblock, of which 32 is to be subtracted: two bits of
/// bytes 2..4 above a nibble of bytes 4..8.
pub(crate) fn scale_iq4_xs(block: &[u8], j: usize) -> u8 {
    let high = block[2 + j / 4] >> (j % 4 * 2) & 3;
    high << 4 | block[4 + j / 2] >> (j % 2 * 4) & 0x0F
}

impl Format {
    /// Group `g` (weights `32 g .. 32 g + 32`) of a row.
    ///
    /// # Panics
    /// If the row does not hold that group, or the format is not a quantized one.
    pub fn unpack(self, row: &[u8], g: usize) -> Group {
        let groups = self.block_len() / GROUP;
        assert!(groups > 0, "{self} is not a quantized format");
        let start = g / groups * self.block_bytes();
        let block = &row[start..start + self.block_bytes()];
        let j = g % groups;
        match self {
            Self::Q8_0 => plain(half_at(block, 0), |i| block[2 + i] as i8),
            Self::Q4_0 => plain(half_at(block, 0), |i| nibble(&block[2..], i) - 8),
            Self::Q4_1 => Group {
                min: half_at(block, 2),
                ..plain(half_at(block, 0), |i| nibble(&block[4..], i))
            },
            Self::Q5_0 => plain(half_at(block, 0), |i| five_bits(&block[2..], i) - 16),
            Self::Q5_1 => Group {
                min: half_at(block, 2),
                ..plain(half_at(block, 0), |i| five_bits(&block[4..], i))
            },
            Self::Q2K => {
                // Two halves of 128; in each, group k = j % 4 has bits 2 k of 32 bytes that all four groups share.
                let quants = &block[16 + j / 4 * GROUP..];
                let halves = [i32::from(block[2 * j]), i32::from(block[2 * j + 1])];
                Group {
                    q: core::array::from_fn(|i| (quants[i] >> (j % 4 * 2) & 3) as i8),
                    scales: halves.map(|half| half & 0x0F),
                    d: half_at(block, 80),
                    min: half_at(block, 82),
                    mins: halves.map(|half| -(half >> 4)),
                }
            }
            Self::Q4K | Self::Q5K => {
                let (scale, min) = scale_min_k4(&block[4..16], j);
                // Behind the scales Q5_K has 32 bytes of high bits, bit j for group j.
                let (high, low) = match self {
                    Self::Q5K => (Some(&block[16..]), &block[48..]),
                    _ => (None, &block[16..]),
                };
                Group {
                    q: core::array::from_fn(|i| {
                        let low = low[j / 2 * GROUP + i] >> (j % 2 * 4) & 0x0F;
                        let high = high.map_or(0, |high| high[i] >> j & 1);
                        (high << 4 | low) as i8
                    }),
                    scales: [i32::from(scale); 2],
                    d: half_at(block, 0),
                    min: -(half_at(block, 2) * f32::from(min)),
                    mins: [1; 2],
                }
            }
            Self::Q6K => {
                // Two halves of 128; in each, group k = j % 4 has its low nibbles in ql and its
                // high bit pairs at bit 2 k of the 32 bytes of qh that all four groups share.
                let (half, k) = (j / 4, j % 4);
                let low = &block[half * 64 + k % 2 * GROUP..];
                let high = &block[128 + half * 32..];
                let scale = |i: usize| i32::from(block[192 + j * 2 + i] as i8);
                Group {
                    q: core::array::from_fn(|i| {
                        let q = low[i] >> (k / 2 * 4) & 0x0F | (high[i] >> (2 * k) & 3) << 4;
                        q as i8 - 32
                    }),
                    scales: [scale(0), scale(1)],
                    d: half_at(block, 208),
                    min: 0.0,
                    mins: [1; 2],
                }
            }
            Self::Iq4Nl => plain(half_at(block, 0), |i| {
                IQ4_LEVELS[nibble(&block[2..], i) as usize]
            }),
            Self::Iq4Xs => {
                let quants = &block[8 + j * 16..];
                Group {
                    q: core::array::from_fn(|i| IQ4_LEVELS[nibble(quants, i) as usize]),
                    scales: [i32::from(scale_iq4_xs(block, j)) - 32; 2],
                    d: half_at(block, 0),
                    min: 0.0,
                    mins: [1; 2],
                }
            }
            Self::Q3K => {
                // Two halves of 128; in each, group k = j % 4 has its low pairs at bit 2 k of 32 bytes. A bit of
                // the mask, bit j of the 32 bytes that all eight groups share, says that 4 is not subtracted.
                let (half, k) = (j / 4, j % 4);
                let low = &block[32 + half * GROUP..];
                let scale = |i: usize| i32::from(scale_q3_k(&block[96..108], 2 * j + i)) - 32;
                Group {
                    q: core::array::from_fn(|i| {
                        let q = low[i] >> (2 * k) & 3 | (block[i] >> j & 1) << 2;
                        q as i8 - 4
                    }),
                    scales: [scale(0), scale(1)],
                    d: half_at(block, 108),
                    min: 0.0,
                    mins: [1; 2],
                }
            }
            Self::F32 | Self::F16 | Self::Bf16 => unreachable!("asserted above"),
        }
    }

    /// A row as f32. `row` holds `out.len()` weights.
    pub(crate) fn dequantize(self, row: &[u8], out: &mut [f32]) {
        match self {
            Self::F32 => {
                for (o, b) in out.iter_mut().zip(row.as_chunks::<4>().0) {
                    *o = f32::from_le_bytes(*b);
                }
            }
            Self::F16 => {
                for (o, b) in out.iter_mut().zip(row.as_chunks::<2>().0) {
                    *o = f16::from_le_bytes(*b).to_f32();
                }
            }
            Self::Bf16 => {
                for (o, b) in out.iter_mut().zip(row.as_chunks::<2>().0) {
                    *o = bf16::from_le_bytes(*b).to_f32();
                }
            }
            _ => {
                for (g, out) in out.chunks_exact_mut(GROUP).enumerate() {
                    let group = self.unpack(row, g);
                    for (i, o) in out.iter_mut().enumerate() {
                        let d = group.d * group.scales[i / 16] as f32;
                        let min = group.min * group.mins[i / 16] as f32;
                        *o = d * f32::from(group.q[i]) + min;
                    }
                }
            }
        }
    }
}

/// A group with neither integer scales nor a minimum.
fn plain(d: f32, q: impl Fn(usize) -> i8) -> Group {
    Group {
        q: core::array::from_fn(q),
        scales: [1; 2],
        d,
        min: 0.0,
        mins: [1; 2],
    }
}

/// Value `i` of 32 whose high bits are the first four bytes, low nibbles the 16 behind them.
fn five_bits(bytes: &[u8], i: usize) -> i8 {
    nibble(&bytes[4..], i) | ((bytes[i / 8] >> (i % 8) & 1) << 4) as i8
}

/// Value `i` of 16 bytes that keep values 0..16 in their low nibbles and 16..32 in their high ones.
fn nibble(bytes: &[u8], i: usize) -> i8 {
    (bytes[i % 16] >> (i / 16 * 4) & 0x0F) as i8
}
