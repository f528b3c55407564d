//! Formats whose weights are unsigned and have minima.

use super::{Blocks, HeadQ4K, Q2K, Q4_1, Q4K, Q5_1, Q5K, Scales, step};
use crate::{
    kernel::octet::Octet,
    quant::interleave::{OCTET, STEP, q2_k, q4_1, q4_k},
};

// SAFETY: every offset below is inside the octet that `quant::interleave` describes.
unsafe impl<S: Octet> Blocks<S> for Q4_1 {
    /// The minima.
    type Head = S::F8;
    #[inline(always)]
    unsafe fn head(p: *const u8) -> S::F8 {
        // SAFETY: as the impl.
        unsafe { S::halves(p.add(q4_1::MINS)) }
    }
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe {
            eight!(|s| {
                let pair = step::<S>(p.add(q4_1::QUANTS), s % 4);
                if s < 4 {
                    S::and(pair, 0x0F)
                } else {
                    S::shr::<4>(pair)
                }
            })
        }
    }
    #[inline(always)]
    unsafe fn min<const J: usize>(head: &S::F8) -> Option<S::F8> {
        Some(*head)
    }
}

/// Eight steps of unsigned 5-bit weights out of five of bytes.
#[inline(always)]
unsafe fn eight_in_five<S: Octet>(p: *const u8) -> [S::Bytes; 8] {
    // SAFETY: the caller promises five steps at `p`.
    unsafe {
        let (a, b, c) = (step::<S>(p, 0), step::<S>(p, 1), step::<S>(p, 2));
        let (d, e) = (step::<S>(p, 3), step::<S>(p, 4));
        // Bit 5 of the last two, side by side at the top.
        let last = S::sri::<1>(S::and(S::shl::<2>(d), 0x80), S::shl::<2>(e));
        [
            S::and(a, 0x1F),
            S::and(b, 0x1F),
            S::and(c, 0x1F),
            S::and(d, 0x1F),
            S::and(e, 0x1F),
            S::shr::<3>(S::sri::<2>(S::and(d, 0xC0), a)),
            S::shr::<3>(S::sri::<2>(S::and(e, 0xC0), b)),
            S::shr::<3>(S::sri::<2>(S::and(last, 0xC0), c)),
        ]
    }
}

// SAFETY: as for `Q4_1`.
unsafe impl<S: Octet> Blocks<S> for Q5_1 {
    /// The minima.
    type Head = S::F8;
    #[inline(always)]
    unsafe fn head(p: *const u8) -> S::F8 {
        // SAFETY: as the impl.
        unsafe { S::halves(p.add(q4_1::MINS)) }
    }
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe { eight_in_five::<S>(p.add(q4_1::QUANTS)) }
    }
    #[inline(always)]
    unsafe fn min<const J: usize>(head: &S::F8) -> Option<S::F8> {
        Some(*head)
    }
}

// SAFETY: as for `Q4_1`; the header is that of `Q4_K`.
unsafe impl<S: Octet> Blocks<S> for Q5K {
    type Head = HeadQ4K<S>;
    #[inline(always)]
    unsafe fn head(p: *const u8) -> HeadQ4K<S> {
        // SAFETY: as the impl.
        unsafe { <Q4K as Blocks<S>>::head(p) }
    }
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe { eight_in_five::<S>(p.add(q4_k::QUANTS + 5 * STEP * J)) }
    }
    #[inline(always)]
    unsafe fn scales<const J: usize>(head: &HeadQ4K<S>) -> Scales<S> {
        // SAFETY: as the impl.
        unsafe { <Q4K as Blocks<S>>::scales::<J>(head) }
    }
    #[inline(always)]
    unsafe fn min<const J: usize>(head: &HeadQ4K<S>) -> Option<S::F8> {
        // SAFETY: as the impl.
        unsafe { <Q4K as Blocks<S>>::min::<J>(head) }
    }
}

/// 4-bit scales and minima of the half groups of eight Q2_K superblocks, a byte each.
pub struct HeadQ2K<S: Octet> {
    scales: [u8; 16 * OCTET],
    mins: [u8; 16 * OCTET],
    dmin: S::F8,
}

// SAFETY: as for `Q4_1`.
unsafe impl<S: Octet> Blocks<S> for Q2K {
    const HALVES: bool = true;
    type Head = HeadQ2K<S>;
    #[inline(always)]
    unsafe fn head(p: *const u8) -> HeadQ2K<S> {
        // SAFETY: as the impl; both arrays are as many steps.
        unsafe {
            let dmin = S::halves(p.add(q2_k::DMIN));
            let p = p.add(q2_k::SCALES);
            let (mut scales, mut mins) = ([0; 16 * OCTET], [0; 16 * OCTET]);
            for s in 0..16 * OCTET / STEP {
                let both = step::<S>(p, s);
                S::store(scales.as_mut_ptr().add(STEP * s), S::and(both, 0x0F));
                S::store(mins.as_mut_ptr().add(STEP * s), S::shr::<4>(both));
            }
            HeadQ2K { scales, mins, dmin }
        }
    }
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe {
            eight!(|s| {
                let four = step::<S>(p.add(q2_k::QUANTS), J / 4 * 8 + s);
                match J % 4 {
                    0 => S::and(four, 3),
                    1 => S::and(S::shr::<2>(four), 3),
                    2 => S::and(S::shr::<4>(four), 3),
                    _ => S::shr::<6>(four),
                }
            })
        }
    }
    #[inline(always)]
    unsafe fn scales<const J: usize>(head: &HeadQ2K<S>) -> Scales<S> {
        // SAFETY: as `halves`.
        let [first, second] = unsafe { halves::<S, J>(&head.scales) };
        Scales::Halves(first, second)
    }
    #[inline(always)]
    unsafe fn half_mins<const J: usize>(head: &HeadQ2K<S>) -> Option<(S::F8, [S::I8; 2])> {
        // SAFETY: as `halves`.
        Some((head.dmin, unsafe { halves::<S, J>(&head.mins) }))
    }
}

/// The numbers of the halves of group `J`.
#[inline(always)]
unsafe fn halves<S: Octet, const J: usize>(numbers: &[u8; 16 * OCTET]) -> [S::I8; 2] {
    // SAFETY: the caller's promise; `J` is below 8.
    unsafe {
        let p = numbers.as_ptr().add(2 * OCTET * J);
        [S::widen_u8(p), S::widen_u8(p.add(OCTET))]
    }
}
