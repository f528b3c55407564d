//! Formats whose weights are unsigned and have minima.

use super::{HeadQ4K, RowBlocks, half_scales};
use crate::kernel::{
    octet::{Q2K, Q4_1, Q4K, Q5_1, Q5K},
    rows::{ROWS, Simd},
};

// SAFETY: every offset below is inside the block layout that `quant::unpack` states.
unsafe impl<S: Simd> RowBlocks<S> for Q4_1 {
    /// The minima.
    type Head = S::F4;
    const LEAD: usize = 4;
    #[inline(always)]
    unsafe fn begin(p: &mut [*const u8; ROWS]) -> (S::F4, S::F4) {
        // SAFETY: as the impl.
        unsafe { (S::take_halves(p), S::take_halves(p)) }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: [*const u8; ROWS], _: &S::F4) -> [S::Bytes; ROWS] {
        // SAFETY: as the impl.
        unsafe { four!(|p| S::unsigned_nibbles(p)) }
    }
    #[inline(always)]
    unsafe fn min<const J: usize>(head: &S::F4) -> Option<S::F4> {
        Some(*head)
    }
}

/// High bits and minima of four Q5_1 blocks.
pub struct HeadQ5_1<S: Simd> {
    /// Complemented: 16 is subtracted where the bit is set, which is as good as added to a weight of five bits.
    clear: S::I4,
    mins: S::F4,
}

// SAFETY: as for `Q4_1`.
unsafe impl<S: Simd> RowBlocks<S> for Q5_1 {
    type Head = HeadQ5_1<S>;
    const LEAD: usize = 8;
    #[inline(always)]
    unsafe fn begin(p: &mut [*const u8; ROWS]) -> (S::F4, Self::Head) {
        // SAFETY: as the impl.
        unsafe {
            let (d, mins) = (S::take_halves(p), S::take_halves(p));
            let clear = S::not_i4(S::take_words(p));
            (d, HeadQ5_1 { clear, mins })
        }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: [*const u8; ROWS], head: &Self::Head) -> [S::Bytes; ROWS] {
        // SAFETY: as the impl.
        unsafe {
            let p = S::five_bits(p, head.clear);
            four!(|p| S::and(p, 0x1F))
        }
    }
    #[inline(always)]
    unsafe fn min<const J: usize>(head: &Self::Head) -> Option<S::F4> {
        Some(head.mins)
    }
}

// SAFETY: as for `Q4_1`; the header is that of `Q4_K`.
unsafe impl<S: Simd> RowBlocks<S> for Q5K {
    type Head = HeadQ4K<S>;
    #[inline(always)]
    unsafe fn begin(p: &mut [*const u8; ROWS]) -> (S::F4, Self::Head) {
        // SAFETY: as the impl.
        unsafe { <Q4K as RowBlocks<S>>::begin(p) }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: [*const u8; ROWS], _: &Self::Head) -> [S::Bytes; ROWS] {
        // SAFETY: as the impl.
        unsafe {
            four!(|p| {
                let low = S::load(p.add(48 + J / 2 * 32));
                let low = if J.is_multiple_of(2) {
                    S::shl::<4>(low)
                } else {
                    low
                };
                // Bit J to bit 4.
                let high = S::load(p.add(16));
                let high = match J {
                    0 => S::shl::<4>(high),
                    1 => S::shl::<3>(high),
                    2 => S::shl::<2>(high),
                    3 => S::shl::<1>(high),
                    4 => high,
                    5 => S::shr::<1>(high),
                    6 => S::shr::<2>(high),
                    _ => S::shr::<3>(high),
                };
                S::insert::<4>(S::and(high, 0x10), low)
            })
        }
    }
    #[inline(always)]
    unsafe fn dot<const J: usize>(
        head: &Self::Head,
        sums: &mut S::Sums,
        w: [S::Bytes; ROWS],
        x: S::Bytes,
    ) -> S::I4 {
        // SAFETY: as the impl.
        unsafe { <Q4K as RowBlocks<S>>::dot::<J>(head, sums, w, x) }
    }
    #[inline(always)]
    unsafe fn scales<const J: usize>(head: &Self::Head) -> Option<[S::I4; 2]> {
        // SAFETY: as the impl.
        unsafe { <Q4K as RowBlocks<S>>::scales::<J>(head) }
    }
    #[inline(always)]
    unsafe fn min<const J: usize>(head: &Self::Head) -> Option<S::F4> {
        // SAFETY: as the impl.
        unsafe { <Q4K as RowBlocks<S>>::min::<J>(head) }
    }
}

/// Integer scales and minima of four Q2_K superblocks: byte `i % 4` of number `i / 4` is that of half group `i`.
pub struct HeadQ2K<S: Simd> {
    scales: [S::I4; 4],
    mins: [S::I4; 4],
    dmin: S::F4,
}

// SAFETY: as for `Q4_1`.
unsafe impl<S: Simd> RowBlocks<S> for Q2K {
    type Head = HeadQ2K<S>;
    #[inline(always)]
    unsafe fn begin(p: &mut [*const u8; ROWS]) -> (S::F4, Self::Head) {
        let p = *p;
        // SAFETY: as the impl.
        unsafe {
            let mut last = four!(|p| p.add(80));
            let (d, dmin) = (S::take_halves(&mut last), S::take_halves(&mut last));
            let p = S::words(p);
            let scales = four!(|p| S::and_i4(p, 0x0F0F_0F0F));
            let mins = four!(|p| S::and_i4(S::shr_i4::<4>(p), 0x0F0F_0F0F));
            (d, HeadQ2K { scales, mins, dmin })
        }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: [*const u8; ROWS], _: &Self::Head) -> [S::Bytes; ROWS] {
        // SAFETY: as the impl.
        unsafe {
            four!(|p| {
                let four = S::load(p.add(16 + J / 4 * 32));
                let two = match J % 4 {
                    0 => four,
                    1 => S::shr::<2>(four),
                    2 => S::shr::<4>(four),
                    _ => S::shr::<6>(four),
                };
                S::and(two, 3)
            })
        }
    }
    #[inline(always)]
    unsafe fn dot<const J: usize>(
        head: &Self::Head,
        sums: &mut S::Sums,
        w: [S::Bytes; ROWS],
        x: S::Bytes,
    ) -> S::I4 {
        // SAFETY: as the impl.
        unsafe {
            let [a, b] = S::dot_halves(sums, w, x);
            let [first, second] = half_scales::<S, J>(&head.scales);
            S::add_i4(S::mul_i4(a, first), S::mul_i4(b, second))
        }
    }
    #[inline(always)]
    unsafe fn scales<const J: usize>(head: &Self::Head) -> Option<[S::I4; 2]> {
        // SAFETY: as the impl.
        Some(unsafe { half_scales::<S, J>(&head.scales) })
    }
    #[inline(always)]
    unsafe fn half_mins<const J: usize>(head: &Self::Head) -> Option<(S::F4, [S::I4; 2])> {
        // SAFETY: as the impl.
        Some((head.dmin, unsafe { half_scales::<S, J>(&head.mins) }))
    }
}
