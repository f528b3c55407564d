//! Block formats as they are stored: how the bytes of a block become int8.

use super::{ROWS, Simd};
use crate::{
    kernel::octet::{Block, Iq4Nl, Iq4Xs, Q3K, Q4_0, Q4K, Q5_0, Q6K, Q8_0},
    quant::IQ4_LEVELS,
};

/// A block format as it is stored.
///
/// # Safety
/// `p` points to a whole block of the format in every method; `J` is below `GROUPS`.
pub unsafe trait RowBlocks<S: Simd>: Block {
    /// What a block's header says of its groups' integer scales and minima.
    type Head;

    /// How many bytes [`begin`](Self::begin) goes past.
    const LEAD: usize = 0;

    /// Reads the block scales and the headers of four rows. The other methods take the pointers as it leaves them:
    /// a load can move a pointer at no cost.
    unsafe fn begin(p: &mut [*const u8; ROWS]) -> (S::F4, Self::Head);
    /// Group `J` of four rows: a signed byte for each weight, a power of two of it where that is quicker.
    unsafe fn quants<const J: usize>(p: [*const u8; ROWS], head: &Self::Head) -> [S::Bytes; ROWS];
    /// The weights, moved down to where they count as what they are.
    #[inline(always)]
    unsafe fn weights(quants: S::Bytes) -> S::Bytes {
        quants
    }
    /// The four rows' integer sums of group `J`, integer scales multiplied in.
    #[inline(always)]
    unsafe fn dot<const J: usize>(
        _head: &Self::Head,
        sums: &mut S::Sums,
        w: [S::Bytes; ROWS],
        x: S::Bytes,
    ) -> S::I4 {
        // SAFETY: the caller's promise is the same.
        unsafe { S::dot(sums, w, x) }
    }
    /// Those as sums of products of weights.
    #[inline(always)]
    unsafe fn to_f4(sums: S::I4) -> S::F4 {
        // SAFETY: the caller's promise.
        unsafe { S::to_f4::<0>(sums) }
    }
    /// The four rows' integer scales of the halves of group `J`, for formats that have them.
    #[inline(always)]
    unsafe fn scales<const J: usize>(_head: &Self::Head) -> Option<[S::I4; 2]> {
        None
    }
    /// The four rows' minima in group `J`, for formats that have them.
    #[inline(always)]
    unsafe fn min<const J: usize>(_head: &Self::Head) -> Option<S::F4> {
        None
    }
    /// The four rows' integer minima of the halves of group `J`, as they are subtracted, and before them their scale,
    /// for formats that have them.
    #[inline(always)]
    unsafe fn half_mins<const J: usize>(_head: &Self::Head) -> Option<(S::F4, [S::I4; 2])> {
        None
    }
}

/// What an expression gives for each of four rows. A closure might stay a function of its own, without the target
/// features that its intrinsics need to be instructions.
macro_rules! four {
    (|$p:ident| $row:expr) => {{
        let [a, b, c, d] = $p;
        [
            {
                let $p = a;
                $row
            },
            {
                let $p = b;
                $row
            },
            {
                let $p = c;
                $row
            },
            {
                let $p = d;
                $row
            },
        ]
    }};
}

mod minima;

// SAFETY: every offset below is inside the block layout that `quant::unpack` states.
unsafe impl<S: Simd> RowBlocks<S> for Q8_0 {
    type Head = ();
    const LEAD: usize = 2;
    #[inline(always)]
    unsafe fn begin(p: &mut [*const u8; ROWS]) -> (S::F4, ()) {
        // SAFETY: as the impl.
        unsafe { (S::take_halves(p), ()) }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: [*const u8; ROWS], (): &()) -> [S::Bytes; ROWS] {
        // SAFETY: as the impl.
        unsafe { four!(|p| S::load(p)) }
    }
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Simd> RowBlocks<S> for Q4_0 {
    type Head = ();
    const LEAD: usize = 2;
    #[inline(always)]
    unsafe fn begin(p: &mut [*const u8; ROWS]) -> (S::F4, ()) {
        // SAFETY: as the impl.
        unsafe { (S::take_halves(p), ()) }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: [*const u8; ROWS], (): &()) -> [S::Bytes; ROWS] {
        // SAFETY: as the impl.
        unsafe { four!(|p| S::nibbles(p)) }
    }
    #[inline(always)]
    unsafe fn weights(quants: S::Bytes) -> S::Bytes {
        // SAFETY: the caller's promise.
        unsafe { S::asr::<4>(quants) }
    }
    #[inline(always)]
    unsafe fn to_f4(sums: S::I4) -> S::F4 {
        // SAFETY: the caller's promise.
        unsafe { S::to_f4::<4>(sums) }
    }
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Simd> RowBlocks<S> for Q5_0 {
    /// The rows' high bits.
    type Head = S::I4;
    const LEAD: usize = 6;
    #[inline(always)]
    unsafe fn begin(p: &mut [*const u8; ROWS]) -> (S::F4, S::I4) {
        // SAFETY: as the impl.
        unsafe { (S::take_halves(p), S::take_words(p)) }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: [*const u8; ROWS], head: &S::I4) -> [S::Bytes; ROWS] {
        // SAFETY: as the impl.
        unsafe { S::five_bits(p, *head) }
    }
}

/// Integer scales and minima of four Q4_K superblocks: byte `J % 4` of number `J / 4` is that of group `J`.
pub struct HeadQ4K<S: Simd> {
    scales: [S::I4; 2],
    mins: [S::I4; 2],
    /// `-dmin`.
    dmin: S::F4,
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Simd> RowBlocks<S> for Q4K {
    type Head = HeadQ4K<S>;
    #[inline(always)]
    unsafe fn begin(p: &mut [*const u8; ROWS]) -> (S::F4, Self::Head) {
        // SAFETY: as the impl. The packed scales are words 1 to 3: see `quant::scale_min_k4`.
        unsafe {
            let [_, a, b, c] = S::words(*p);
            let mut p = *p;
            let (d, dmin) = (S::take_halves(&mut p), S::take_halves(&mut p));
            let low = |v| S::and_i4(v, 0x3F3F_3F3F);
            let four = |v| S::and_i4(v, 0x0F0F_0F0F);
            let two = |v| S::and_i4(S::shr_i4::<2>(v), 0x3030_3030);
            let head = HeadQ4K {
                scales: [low(a), S::or_i4(four(c), two(a))],
                mins: [low(b), S::or_i4(four(S::shr_i4::<4>(c)), two(b))],
                dmin: S::neg_f4(dmin),
            };
            (d, head)
        }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: [*const u8; ROWS], _: &Self::Head) -> [S::Bytes; ROWS] {
        // SAFETY: as the impl.
        unsafe {
            four!(|p| {
                let pair = S::load(p.add(16 + J / 2 * 32));
                let low = if J.is_multiple_of(2) {
                    pair
                } else {
                    S::shr::<4>(pair)
                };
                S::and(low, 0x0F)
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
        unsafe { S::mul_i4(S::dot(sums, w, x), byte::<S, J>(head.scales[J / 4])) }
    }
    #[inline(always)]
    unsafe fn scales<const J: usize>(head: &Self::Head) -> Option<[S::I4; 2]> {
        // SAFETY: as the impl.
        Some([unsafe { byte::<S, J>(head.scales[J / 4]) }; 2])
    }
    #[inline(always)]
    unsafe fn min<const J: usize>(head: &Self::Head) -> Option<S::F4> {
        // SAFETY: as the impl.
        unsafe {
            let min = S::to_f4::<0>(byte::<S, J>(head.mins[J / 4]));
            Some(S::mul_f4(head.dmin, min))
        }
    }
}

/// Byte `J % 4` of each lane, signed.
#[inline(always)]
unsafe fn byte<S: Simd, const J: usize>(v: S::I4) -> S::I4 {
    // SAFETY: the caller's promise.
    unsafe {
        match J % 4 {
            0 => S::byte::<0>(v),
            1 => S::byte::<1>(v),
            2 => S::byte::<2>(v),
            _ => S::byte::<3>(v),
        }
    }
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Simd> RowBlocks<S> for Q6K {
    /// Byte `i % 4` of number `i / 4` is the scale of half group `i`.
    type Head = [S::I4; 4];
    #[inline(always)]
    unsafe fn begin(p: &mut [*const u8; ROWS]) -> (S::F4, Self::Head) {
        let p = *p;
        // SAFETY: as the impl.
        unsafe {
            let mut d = four!(|p| p.add(208));
            (S::take_halves(&mut d), S::words(four!(|p| p.add(192))))
        }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: [*const u8; ROWS], _: &Self::Head) -> [S::Bytes; ROWS] {
        let (half, k) = (J / 4, J % 4);
        // SAFETY: as the impl.
        unsafe {
            four!(|p| {
                let low = S::load(p.add(half * 64 + k % 2 * 32));
                let low = S::and(if k < 2 { S::shl::<4>(low) } else { low }, 0xF0);
                // Less 32: with its upper bit flipped, the high pair has a sign.
                let high = S::xor(S::load(p.add(128 + half * 32)), 0xAA);
                let high = match k {
                    0 => S::shl::<6>(high),
                    1 => S::shl::<4>(high),
                    2 => S::shl::<2>(high),
                    _ => high,
                };
                S::insert::<2>(high, low)
            })
        }
    }
    #[inline(always)]
    unsafe fn weights(quants: S::Bytes) -> S::Bytes {
        // SAFETY: the caller's promise.
        unsafe { S::asr::<2>(quants) }
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
            let ([a, b], [first, second]) = (S::dot_halves(sums, w, x), half_scales::<S, J>(head));
            S::add_i4(S::mul_i4(a, first), S::mul_i4(b, second))
        }
    }
    #[inline(always)]
    unsafe fn to_f4(sums: S::I4) -> S::F4 {
        // SAFETY: the caller's promise.
        unsafe { S::to_f4::<2>(sums) }
    }
    #[inline(always)]
    unsafe fn scales<const J: usize>(head: &Self::Head) -> Option<[S::I4; 2]> {
        // SAFETY: as the impl.
        Some(unsafe { half_scales::<S, J>(head) })
    }
}

/// The numbers of the halves of group `J` of four superblocks: byte `i % 4` of `head[i / 4]` is that of half group `i`.
#[inline(always)]
unsafe fn half_scales<S: Simd, const J: usize>(head: &[S::I4; 4]) -> [S::I4; 2] {
    let four = head[J / 2];
    // SAFETY: the caller's promise.
    unsafe {
        if J.is_multiple_of(2) {
            [S::byte::<0>(four), S::byte::<1>(four)]
        } else {
            [S::byte::<2>(four), S::byte::<3>(four)]
        }
    }
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Simd> RowBlocks<S> for Iq4Nl {
    type Head = ();
    const LEAD: usize = 2;
    #[inline(always)]
    unsafe fn begin(p: &mut [*const u8; ROWS]) -> (S::F4, ()) {
        // SAFETY: as the impl.
        unsafe { (S::take_halves(p), ()) }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: [*const u8; ROWS], (): &()) -> [S::Bytes; ROWS] {
        // SAFETY: as the impl.
        unsafe { four!(|p| S::look_up_nibbles(&IQ4_LEVELS, p)) }
    }
}

/// The first eight bytes of four IQ4_XS superblocks: block scales and high bits, low nibbles.
pub struct HeadIq4Xs<S: Simd> {
    high: S::I4,
    low: S::I4,
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Simd> RowBlocks<S> for Iq4Xs {
    type Head = HeadIq4Xs<S>;
    #[inline(always)]
    unsafe fn begin(p: &mut [*const u8; ROWS]) -> (S::F4, Self::Head) {
        // SAFETY: as the impl.
        unsafe {
            let [high, low, _, _] = S::words(*p);
            let mut p = *p;
            (S::take_halves(&mut p), HeadIq4Xs { high, low })
        }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: [*const u8; ROWS], _: &Self::Head) -> [S::Bytes; ROWS] {
        // SAFETY: as the impl.
        unsafe { four!(|p| S::look_up_nibbles(&IQ4_LEVELS, p.add(8 + 16 * J))) }
    }
    #[inline(always)]
    unsafe fn dot<const J: usize>(
        head: &Self::Head,
        sums: &mut S::Sums,
        w: [S::Bytes; ROWS],
        x: S::Bytes,
    ) -> S::I4 {
        // SAFETY: as the impl.
        unsafe { S::mul_i4(S::dot(sums, w, x), scale_iq4_xs::<S, J>(head)) }
    }
    #[inline(always)]
    unsafe fn scales<const J: usize>(head: &Self::Head) -> Option<[S::I4; 2]> {
        // SAFETY: as the impl.
        Some([unsafe { scale_iq4_xs::<S, J>(head) }; 2])
    }
}

/// The integer scales of group `J` of four IQ4_XS superblocks: see `quant::scale_iq4_xs`.
#[inline(always)]
unsafe fn scale_iq4_xs<S: Simd, const J: usize>(head: &HeadIq4Xs<S>) -> S::I4 {
    // SAFETY: the caller's promise.
    unsafe {
        // Bits 0 and 1 of the high bits are 16 and 17 of their word, and come to 4 and 5.
        let (low, high) = match J {
            0 => (head.low, S::shr_i4::<12>(head.high)),
            1 => (S::shr_i4::<4>(head.low), S::shr_i4::<14>(head.high)),
            2 => (S::shr_i4::<8>(head.low), S::shr_i4::<16>(head.high)),
            3 => (S::shr_i4::<12>(head.low), S::shr_i4::<18>(head.high)),
            4 => (S::shr_i4::<16>(head.low), S::shr_i4::<20>(head.high)),
            5 => (S::shr_i4::<20>(head.low), S::shr_i4::<22>(head.high)),
            6 => (S::shr_i4::<24>(head.low), S::shr_i4::<24>(head.high)),
            _ => (S::shr_i4::<28>(head.low), S::shr_i4::<26>(head.high)),
        };
        let scale = S::or_i4(S::and_i4(low, 0x0F), S::and_i4(high, 0x30));
        S::add_i4(scale, S::all_i4(-32))
    }
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Simd> RowBlocks<S> for Q3K {
    /// Byte `i % 4` of number `i / 4` is 32 more than the scale of half group `i`.
    type Head = [S::I4; 4];
    #[inline(always)]
    unsafe fn begin(p: &mut [*const u8; ROWS]) -> (S::F4, Self::Head) {
        let p = *p;
        // SAFETY: as the impl. See `quant::scale_q3_k`.
        unsafe {
            let mut p = four!(|p| p.add(96));
            let (a, b) = (S::take_words(&mut p), S::take_words(&mut p));
            let c = S::take_words(&mut p);
            let low = |v| S::and_i4(v, 0x0F0F_0F0F);
            let high = |v| S::and_i4(v, 0x3030_3030);
            let head = [
                S::or_i4(low(a), high(S::shl_i4::<4>(c))),
                S::or_i4(low(b), high(S::shl_i4::<2>(c))),
                S::or_i4(low(S::shr_i4::<4>(a)), high(c)),
                S::or_i4(low(S::shr_i4::<4>(b)), high(S::shr_i4::<2>(c))),
            ];
            (S::take_halves(&mut p), head)
        }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: [*const u8; ROWS], _: &Self::Head) -> [S::Bytes; ROWS] {
        // SAFETY: as the impl.
        unsafe {
            four!(|p| {
                // Less 4: with its bit of the mask flipped, the pair has a sign.
                let high = S::xor(S::load(p), 0xFF);
                let high = match J {
                    0 => S::shl::<7>(high),
                    1 => S::shl::<6>(high),
                    2 => S::shl::<5>(high),
                    3 => S::shl::<4>(high),
                    4 => S::shl::<3>(high),
                    5 => S::shl::<2>(high),
                    6 => S::shl::<1>(high),
                    _ => high,
                };
                let low = S::load(p.add(32 + J / 4 * 32));
                let low = match J % 4 {
                    0 => S::shl::<6>(low),
                    1 => S::shl::<4>(low),
                    2 => S::shl::<2>(low),
                    _ => low,
                };
                S::and(S::insert::<1>(high, low), 0xE0)
            })
        }
    }
    #[inline(always)]
    unsafe fn weights(quants: S::Bytes) -> S::Bytes {
        // SAFETY: the caller's promise.
        unsafe { S::asr::<5>(quants) }
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
            let ([a, b], [first, second]) = (S::dot_halves(sums, w, x), scales_q3_k::<S, J>(head));
            S::add_i4(S::mul_i4(a, first), S::mul_i4(b, second))
        }
    }
    #[inline(always)]
    unsafe fn to_f4(sums: S::I4) -> S::F4 {
        // SAFETY: the caller's promise.
        unsafe { S::to_f4::<5>(sums) }
    }
    #[inline(always)]
    unsafe fn scales<const J: usize>(head: &Self::Head) -> Option<[S::I4; 2]> {
        // SAFETY: as the impl.
        Some(unsafe { scales_q3_k::<S, J>(head) })
    }
}

/// The integer scales of the halves of group `J` of four Q3_K superblocks.
#[inline(always)]
unsafe fn scales_q3_k<S: Simd, const J: usize>(head: &[S::I4; 4]) -> [S::I4; 2] {
    // SAFETY: the caller's promise.
    unsafe {
        let ([first, second], less) = (half_scales::<S, J>(head), S::all_i4(-32));
        [S::add_i4(first, less), S::add_i4(second, less)]
    }
}
