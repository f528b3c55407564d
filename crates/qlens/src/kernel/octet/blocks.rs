//! Interleaved block formats: how the bytes of an octet become steps of weights.

use super::Octet;
use crate::quant::{
    Format, GROUP, IQ4_LEVELS,
    interleave::{OCTET, QUANTS, STEP, iq4_xs, q3_k, q4_k, q6_k},
};

/// A block format as a type.
pub trait Block {
    /// Which format it is.
    const FORMAT: Format;
    /// Groups of 32 columns in a block: 1 or 8.
    const GROUPS: usize = Self::FORMAT.block_len() / GROUP;
}

/// A block format, interleaved.
///
/// # Safety
/// `p` points to a whole octet of blocks of the format in every method; `J` is below `GROUPS`.
pub unsafe trait Blocks<S: Octet>: Block {
    /// Whether the two halves of a group have integer scales of their own.
    const HALVES: bool = false;
    /// Integer scales and minima, where there are any, ready for use.
    type Head;

    /// Reads them.
    unsafe fn head(p: *const u8) -> Self::Head;
    /// The eight steps of group `J`: a signed byte for each weight, a power of two of it where that is quicker.
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8];
    /// The weights of a step, moved down to where they count as what they are.
    #[inline(always)]
    unsafe fn weights(step: S::Bytes) -> S::Bytes {
        step
    }
    /// Sums of products of steps as those of weights.
    #[inline(always)]
    unsafe fn to_f(sums: S::I8) -> S::F8 {
        // SAFETY: the caller's promise.
        unsafe { S::to_f::<0>(sums) }
    }
    /// The integer scales of the two halves of group `J`.
    #[inline(always)]
    unsafe fn scales<const J: usize>(_head: &Self::Head) -> Scales<S> {
        Scales::None
    }
    /// The minima of group `J`.
    #[inline(always)]
    unsafe fn min<const J: usize>(_head: &Self::Head) -> Option<S::F8> {
        None
    }
    /// The integer minima of the two halves of group `J`, as they are subtracted, and before them their scale.
    #[inline(always)]
    unsafe fn half_mins<const J: usize>(_head: &Self::Head) -> Option<(S::F8, [S::I8; 2])> {
        None
    }
}

/// Integer scales of a group of eight rows.
pub enum Scales<S: Octet> {
    /// There are none.
    None,
    /// One for all 32 columns.
    Whole(S::I8),
    /// One for each 16.
    Halves(S::I8, S::I8),
}

/// [`Format::Q8_0`].
pub struct Q8_0;
impl Block for Q8_0 {
    const FORMAT: Format = Format::Q8_0;
}
/// [`Format::Q4_0`].
pub struct Q4_0;
impl Block for Q4_0 {
    const FORMAT: Format = Format::Q4_0;
}
/// [`Format::Q4_1`].
pub struct Q4_1;
impl Block for Q4_1 {
    const FORMAT: Format = Format::Q4_1;
}
/// [`Format::Q5_0`].
pub struct Q5_0;
impl Block for Q5_0 {
    const FORMAT: Format = Format::Q5_0;
}
/// [`Format::Q5_1`].
pub struct Q5_1;
impl Block for Q5_1 {
    const FORMAT: Format = Format::Q5_1;
}
/// [`Format::Q2K`].
pub struct Q2K;
impl Block for Q2K {
    const FORMAT: Format = Format::Q2K;
}
/// [`Format::Q4K`].
pub struct Q4K;
impl Block for Q4K {
    const FORMAT: Format = Format::Q4K;
}
/// [`Format::Q5K`].
pub struct Q5K;
impl Block for Q5K {
    const FORMAT: Format = Format::Q5K;
}
/// [`Format::Q6K`].
pub struct Q6K;
impl Block for Q6K {
    const FORMAT: Format = Format::Q6K;
}
/// [`Format::Iq4Nl`].
pub struct Iq4Nl;
impl Block for Iq4Nl {
    const FORMAT: Format = Format::Iq4Nl;
}
/// [`Format::Iq4Xs`].
pub struct Iq4Xs;
impl Block for Iq4Xs {
    const FORMAT: Format = Format::Iq4Xs;
}
/// [`Format::Q3K`].
pub struct Q3K;
impl Block for Q3K {
    const FORMAT: Format = Format::Q3K;
}

/// The eight steps that an expression gives for `s` in 0..8. A closure might stay a function of its own, without
/// the target features that its intrinsics need to be instructions.
macro_rules! eight {
    (|$s:ident| $step:expr) => {
        [
            {
                let $s = 0;
                $step
            },
            {
                let $s = 1;
                $step
            },
            {
                let $s = 2;
                $step
            },
            {
                let $s = 3;
                $step
            },
            {
                let $s = 4;
                $step
            },
            {
                let $s = 5;
                $step
            },
            {
                let $s = 6;
                $step
            },
            {
                let $s = 7;
                $step
            },
        ]
    };
}

mod minima;

/// Step `s` of those that begin at `p`.
#[inline(always)]
unsafe fn step<S: Octet>(p: *const u8, s: usize) -> S::Bytes {
    // SAFETY: the caller promises as many steps.
    unsafe { S::load(p.add(STEP * s)) }
}

// SAFETY: every offset below is inside the octet that `quant::interleave` describes.
unsafe impl<S: Octet> Blocks<S> for Q8_0 {
    type Head = ();
    #[inline(always)]
    unsafe fn head(_: *const u8) {}
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe { eight!(|s| step::<S>(p.add(QUANTS), s)) }
    }
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Octet> Blocks<S> for Q4_0 {
    type Head = ();
    #[inline(always)]
    unsafe fn head(_: *const u8) {}
    #[inline(always)]
    unsafe fn weights(step: S::Bytes) -> S::Bytes {
        // SAFETY: the caller's promise.
        unsafe { S::asr::<4>(step) }
    }
    #[inline(always)]
    unsafe fn to_f(sums: S::I8) -> S::F8 {
        // SAFETY: the caller's promise.
        unsafe { S::to_f::<4>(sums) }
    }
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe {
            eight!(|s| {
                let pair = step::<S>(p.add(QUANTS), s % 4);
                if s < 4 {
                    S::shl::<4>(pair)
                } else {
                    S::and(pair, 0xF0)
                }
            })
        }
    }
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Octet> Blocks<S> for Q5_0 {
    type Head = ();
    #[inline(always)]
    unsafe fn head(_: *const u8) {}
    #[inline(always)]
    unsafe fn weights(step: S::Bytes) -> S::Bytes {
        // SAFETY: the caller's promise.
        unsafe { S::asr::<3>(step) }
    }
    #[inline(always)]
    unsafe fn to_f(sums: S::I8) -> S::F8 {
        // SAFETY: the caller's promise.
        unsafe { S::to_f::<3>(sums) }
    }
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe {
            let p = p.add(QUANTS);
            let (a, b, c) = (step::<S>(p, 0), step::<S>(p, 1), step::<S>(p, 2));
            let (d, e) = (step::<S>(p, 3), step::<S>(p, 4));
            // Bit 2 of the last two, side by side at the top.
            let last = S::sri::<1>(S::and(S::shl::<5>(d), 0x80), S::shl::<5>(e));
            [
                S::and(a, 0xF8),
                S::and(b, 0xF8),
                S::and(c, 0xF8),
                S::and(d, 0xF8),
                S::and(e, 0xF8),
                S::sri::<3>(S::shl::<5>(a), S::shl::<6>(d)),
                S::sri::<3>(S::shl::<5>(b), S::shl::<6>(e)),
                S::sri::<3>(S::shl::<5>(c), S::and(last, 0xC0)),
            ]
        }
    }
}

/// 64 6-bit scales and 64 6-bit minima of eight Q4_K superblocks, a byte each.
pub struct HeadQ4K<S: Octet> {
    scales: [u8; 64],
    mins: [u8; 64],
    /// `-dmin`.
    dmin: S::F8,
}

/// The 64 6-bit numbers at `p` as bytes; see [`quant::interleave`](crate::quant::interleave).
///
/// # Safety
/// 48 bytes are there.
#[inline(always)]
pub unsafe fn six_bits(p: *const u8) -> [u8; 64] {
    const fn each(byte: u64) -> u64 {
        byte * 0x0101_0101_0101_0101
    }
    // SAFETY: the caller's promise. Words need not be aligned.
    let packed = unsafe { p.cast::<[u64; 6]>().read_unaligned() };
    let mut words = [0; 8];
    for i in 0..6 {
        words[i] = packed[i] & each(0x3F);
    }
    for i in 0..2 {
        words[6 + i] = packed[i] >> 6 & each(3)
            | packed[2 + i] >> 4 & each(0x0C)
            | packed[4 + i] >> 2 & each(0x30);
    }
    bytemuck::cast(words.map(u64::to_le))
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Octet> Blocks<S> for Q4K {
    type Head = HeadQ4K<S>;
    #[inline(always)]
    unsafe fn head(p: *const u8) -> HeadQ4K<S> {
        // SAFETY: as the impl.
        unsafe {
            HeadQ4K {
                scales: six_bits(p.add(q4_k::SCALES)),
                mins: six_bits(p.add(q4_k::MINS)),
                dmin: S::neg(S::halves(p.add(q4_k::DMIN))),
            }
        }
    }
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe {
            eight!(|s| {
                let pair = step::<S>(p.add(q4_k::QUANTS), J / 2 * 8 + s);
                if J.is_multiple_of(2) {
                    S::and(pair, 0x0F)
                } else {
                    S::shr::<4>(pair)
                }
            })
        }
    }
    #[inline(always)]
    unsafe fn scales<const J: usize>(head: &HeadQ4K<S>) -> Scales<S> {
        // SAFETY: 8 J + 8 is at most 64.
        Scales::Whole(unsafe { S::widen_u8(head.scales.as_ptr().add(OCTET * J)) })
    }
    #[inline(always)]
    unsafe fn min<const J: usize>(head: &HeadQ4K<S>) -> Option<S::F8> {
        // SAFETY: as `scales`.
        unsafe {
            let mins = S::widen_u8(head.mins.as_ptr().add(OCTET * J));
            Some(S::mul(head.dmin, S::to_f::<0>(mins)))
        }
    }
}

/// Four steps of 6-bit weights out of three of bytes.
#[inline(always)]
unsafe fn four_in_three<S: Octet>(p: *const u8) -> [S::Bytes; 4] {
    // SAFETY: the caller promises three steps at `p`.
    unsafe {
        let (a, b, c) = (step::<S>(p, 0), step::<S>(p, 1), step::<S>(p, 2));
        let last = S::sri::<2>(S::shl::<6>(a), S::shl::<6>(b));
        [
            S::and(a, 0xFC),
            S::and(b, 0xFC),
            S::and(c, 0xFC),
            S::sri::<4>(last, S::shl::<6>(c)),
        ]
    }
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Octet> Blocks<S> for Q6K {
    const HALVES: bool = true;
    /// Where the octet is.
    type Head = *const u8;
    #[inline(always)]
    unsafe fn head(p: *const u8) -> *const u8 {
        p
    }
    #[inline(always)]
    unsafe fn weights(step: S::Bytes) -> S::Bytes {
        // SAFETY: the caller's promise.
        unsafe { S::asr::<2>(step) }
    }
    #[inline(always)]
    unsafe fn to_f(sums: S::I8) -> S::F8 {
        // SAFETY: the caller's promise.
        unsafe { S::to_f::<2>(sums) }
    }
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe {
            let p = p.add(q6_k::QUANTS + 6 * STEP * J);
            let [a, b, c, d] = four_in_three::<S>(p);
            let [e, f, g, h] = four_in_three::<S>(p.add(3 * STEP));
            [a, b, c, d, e, f, g, h]
        }
    }
    #[inline(always)]
    unsafe fn scales<const J: usize>(p: &*const u8) -> Scales<S> {
        // SAFETY: as the impl.
        unsafe {
            let p = p.add(q6_k::SCALES + 2 * OCTET * J);
            Scales::Halves(S::widen_i8(p.cast()), S::widen_i8(p.add(OCTET).cast()))
        }
    }
}

/// Eight steps of levels out of the four of nibbles at `p`.
#[inline(always)]
unsafe fn levels<S: Octet>(p: *const u8) -> [S::Bytes; 8] {
    // SAFETY: the caller promises four steps at `p`.
    unsafe {
        eight!(|s| {
            let pair = step::<S>(p, s % 4);
            let index = if s < 4 {
                S::and(pair, 0x0F)
            } else {
                S::shr::<4>(pair)
            };
            S::look_up(&IQ4_LEVELS, index)
        })
    }
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Octet> Blocks<S> for Iq4Nl {
    type Head = ();
    #[inline(always)]
    unsafe fn head(_: *const u8) {}
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe { levels::<S>(p.add(QUANTS)) }
    }
}

/// The 64 6-bit scales at `p`, each less 32, as bytes.
#[inline(always)]
unsafe fn scales_less_32(p: *const u8) -> [u8; 64] {
    // SAFETY: the caller promises 48 bytes.
    let mut scales = unsafe { six_bits(p) };
    for scale in &mut scales {
        *scale = scale.wrapping_sub(32);
    }
    scales
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Octet> Blocks<S> for Iq4Xs {
    /// Scale of group `g` of row `r` at `8 g + r`.
    type Head = [u8; 64];
    #[inline(always)]
    unsafe fn head(p: *const u8) -> [u8; 64] {
        // SAFETY: as the impl.
        unsafe { scales_less_32(p.add(iq4_xs::SCALES)) }
    }
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe { levels::<S>(p.add(iq4_xs::QUANTS + 4 * STEP * J)) }
    }
    #[inline(always)]
    unsafe fn scales<const J: usize>(head: &[u8; 64]) -> Scales<S> {
        // SAFETY: 8 J + 8 is at most 64.
        Scales::Whole(unsafe { S::widen_i8(head.as_ptr().add(OCTET * J).cast()) })
    }
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Octet> Blocks<S> for Q3K {
    const HALVES: bool = true;
    /// Scale of half group `h` of row `r` at `8 (h % 8) + r` of array `h / 8`.
    type Head = [[u8; 64]; 2];
    #[inline(always)]
    unsafe fn head(p: *const u8) -> Self::Head {
        // SAFETY: as the impl.
        unsafe {
            let p = p.add(q3_k::SCALES);
            [scales_less_32(p), scales_less_32(p.add(48))]
        }
    }
    #[inline(always)]
    unsafe fn weights(step: S::Bytes) -> S::Bytes {
        // SAFETY: the caller's promise.
        unsafe { S::asr::<5>(step) }
    }
    #[inline(always)]
    unsafe fn to_f(sums: S::I8) -> S::F8 {
        // SAFETY: the caller's promise.
        unsafe { S::to_f::<5>(sums) }
    }
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe {
            let p = p.add(q3_k::QUANTS + 3 * STEP * J);
            let (a, b, c) = (step::<S>(p, 0), step::<S>(p, 1), step::<S>(p, 2));
            [
                S::and(a, 0xE0),
                S::and(b, 0xE0),
                S::and(c, 0xE0),
                S::and(S::shl::<3>(a), 0xE0),
                S::and(S::shl::<3>(b), 0xE0),
                S::and(S::shl::<3>(c), 0xE0),
                S::and(S::sri::<2>(S::shl::<6>(a), S::shl::<6>(c)), 0xE0),
                S::sri::<2>(S::shl::<6>(b), S::shl::<7>(c)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn scales<const J: usize>(head: &Self::Head) -> Scales<S> {
        // SAFETY: 16 (J % 4) + 16 is at most 64.
        unsafe {
            let p = head[J / 4].as_ptr().add(J % 4 * 2 * OCTET);
            Scales::Halves(S::widen_i8(p.cast()), S::widen_i8(p.add(OCTET).cast()))
        }
    }
}
