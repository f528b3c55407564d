//! 32 bytes of a row in two registers, a lane a row once they are summed.

#[allow(clippy::wildcard_imports, reason = "fifty intrinsics")]
use core::arch::aarch64::*;
use core::arch::asm;

use super::{Bytes32, shift_left_insert, shift_right_insert, widen};
use crate::{
    kernel::rows::{ROWS, Simd},
    quant::interleave::STEP,
};

type Pair = [int8x16_t; 2];

/// Sums of products since the first group, modulo 2^32. A group's own are the difference of two of them: one
/// subtraction for four rows, where each row would have to begin with zeros.
#[derive(Clone, Copy)]
pub struct Running {
    /// Of each row, in four parts.
    rows: [int32x4_t; ROWS],
    /// The parts added up at the last look, a lane a row.
    seen: int32x4_t,
}

impl Running {
    /// What was added since the last look.
    #[inline(always)]
    unsafe fn look(&mut self) -> int32x4_t {
        // SAFETY: Advanced SIMD is there on every aarch64 target.
        unsafe {
            let [a, b, c, d] = self.rows;
            let now = vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
            let new = vsubq_s32(now, self.seen);
            self.seen = now;
            new
        }
    }

    /// Adds the products of the rows' halves `HALF` of `w` and `x`.
    #[inline(always)]
    unsafe fn add<const SDOT: bool, const HALF: usize>(&mut self, w: [Pair; ROWS], x: Pair) {
        // SAFETY: the caller's promise.
        unsafe {
            self.rows = [
                dot16::<SDOT>(self.rows[0], w[0][HALF], x[HALF]),
                dot16::<SDOT>(self.rows[1], w[1][HALF], x[HALF]),
                dot16::<SDOT>(self.rows[2], w[2][HALF], x[HALF]),
                dot16::<SDOT>(self.rows[3], w[3][HALF], x[HALF]),
            ];
        }
    }
}

/// `acc[i] + w[4i..4i + 4] . x[4i..4i + 4]`.
#[inline]
#[target_feature(enable = "dotprod")]
fn sdot(mut acc: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: registers only; the intrinsic is not stable yet.
    unsafe {
        asm!("sdot {a:v}.4s, {w:v}.16b, {x:v}.16b", a = inout(vreg) acc, w = in(vreg) w, x = in(vreg) x,
            options(pure, nomem, nostack, preserves_flags));
    }
    acc
}

/// Sums of the 16 products of `w` and `x` in four lanes, added to `acc`.
#[inline(always)]
unsafe fn dot16<const SDOT: bool>(acc: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: SDOT is true only below an entry point that has dotprod. Otherwise: a pair of products
    // is at most 128 * 127 * 2 = 32512, which 16 bits hold.
    unsafe {
        if SDOT {
            sdot(acc, w, x)
        } else {
            let low = vmull_s8(vget_low_s8(w), vget_low_s8(x));
            vpadalq_s16(acc, vmlal_high_s8(low, w, x))
        }
    }
}

/// Byte `from` in the lower half, byte `from + 1` in the upper.
#[inline(always)]
unsafe fn spread(from: u8) -> uint8x16_t {
    // SAFETY: Advanced SIMD is there on every aarch64 target.
    unsafe { vcombine_u8(vdup_n_u8(from), vdup_n_u8(from + 1)) }
}

/// One row of [`Simd::five_bits`], row `R`: `clear` are all rows' words, complemented.
#[inline(always)]
unsafe fn five_bits<const R: u8>(p: *const u8, clear: uint8x16_t) -> Pair {
    // SAFETY: 16 bytes at `p` are the caller's promise.
    unsafe {
        // Each byte looks at its own bit of the byte of `clear` it got: all ones where that is set.
        let own = vreinterpretq_u8_u64(vdupq_n_u64(0x8040_2010_0804_0201));
        let first = vtstq_u8(vqtbl1q_u8(clear, spread(4 * R)), own);
        let second = vtstq_u8(vqtbl1q_u8(clear, spread(4 * R + 2)), own);
        // For a nibble, 16 less is the upper four bits set.
        let pair = vld1q_s8(p.cast());
        let second = shift_right_insert::<4>(vreinterpretq_s8_u8(second), pair);
        [
            shift_left_insert::<4>(pair, vreinterpretq_s8_u8(first)),
            second,
        ]
    }
}

/// Half `HALF` of [`Simd::store_columns`].
#[inline(always)]
unsafe fn store_columns<const HALF: usize>(p: *mut u8, w: [Pair; ROWS]) {
    // SAFETY: the caller's promise.
    unsafe {
        let rows = int8x16x4_t(w[0][HALF], w[1][HALF], w[2][HALF], w[3][HALF]);
        let rows = int32x4x4_t(
            vreinterpretq_s32_s8(rows.0),
            vreinterpretq_s32_s8(rows.1),
            vreinterpretq_s32_s8(rows.2),
            vreinterpretq_s32_s8(rows.3),
        );
        let p = p.add(4 * STEP * HALF);
        vst4q_lane_s32::<0>(p.cast(), rows);
        vst4q_lane_s32::<1>(p.add(STEP).cast(), rows);
        vst4q_lane_s32::<2>(p.add(2 * STEP).cast(), rows);
        vst4q_lane_s32::<3>(p.add(3 * STEP).cast(), rows);
    }
}

/// An element from each of four pointers, in the lanes of a vector: of type `s` or `h`, of so many bytes. The
/// pointers move on in the same instructions, where the compiler would move copies of them.
macro_rules! take {
    ($p:expr, $element:literal, $bytes:literal) => {{
        let [a, b, c, d] = $p;
        let v: uint8x16_t;
        asm!(
            concat!("ldr {v:", $element, "}, [{a}], #", $bytes),
            concat!("ld1 {{{v:v}.", $element, "}}[1], [{b}], #", $bytes),
            concat!("ld1 {{{v:v}.", $element, "}}[2], [{c}], #", $bytes),
            concat!("ld1 {{{v:v}.", $element, "}}[3], [{d}], #", $bytes),
            v = out(vreg) v, a = inout(reg) *a, b = inout(reg) *b, c = inout(reg) *c, d = inout(reg) *d,
            options(pure, readonly, nostack, preserves_flags),
        );
        v
    }};
}

#[allow(
    clippy::cast_ptr_alignment,
    reason = "loads and stores of vectors need no alignment"
)]
// SAFETY: Advanced SIMD is there on every aarch64 target; the caller vouches for SDOT.
unsafe impl<const SDOT: bool, const SMMLA: bool> Simd for Bytes32<SDOT, SMMLA> {
    type Bytes = Pair;
    type Sums = Running;
    type I4 = int32x4_t;
    type F4 = float32x4_t;

    #[inline(always)]
    unsafe fn load(p: *const u8) -> Pair {
        // SAFETY: 32 bytes at `p` are the caller's promise.
        unsafe { [vld1q_s8(p.cast()), vld1q_s8(p.add(16).cast())] }
    }
    #[inline(always)]
    unsafe fn nibbles(p: *const u8) -> Pair {
        // SAFETY: 16 bytes at `p` are the caller's promise.
        unsafe {
            let pair = veorq_s8(vld1q_s8(p.cast()), vdupq_n_s8(0x88_u8.cast_signed()));
            let high = vandq_s8(pair, vdupq_n_s8(0xF0_u8.cast_signed()));
            [vshlq_n_s8::<4>(pair), high]
        }
    }
    #[inline(always)]
    unsafe fn look_up_nibbles(table: &[i8; 16], p: *const u8) -> Pair {
        // SAFETY: 16 bytes at `p` are the caller's promise.
        unsafe {
            let (table, pair) = (vld1q_s8(table.as_ptr()), vld1q_u8(p));
            [
                vqtbl1q_s8(table, vandq_u8(pair, vdupq_n_u8(0x0F))),
                vqtbl1q_s8(table, vshrq_n_u8::<4>(pair)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn unsigned_nibbles(p: *const u8) -> Pair {
        // SAFETY: 16 bytes at `p` are the caller's promise.
        unsafe {
            let pair = vld1q_u8(p);
            let (low, high) = (vandq_u8(pair, vdupq_n_u8(0x0F)), vshrq_n_u8::<4>(pair));
            [vreinterpretq_s8_u8(low), vreinterpretq_s8_u8(high)]
        }
    }
    #[inline(always)]
    unsafe fn five_bits(p: [*const u8; ROWS], high: int32x4_t) -> [Pair; ROWS] {
        // SAFETY: 16 bytes at each of `p` are the caller's promise.
        unsafe {
            let clear = vmvnq_u8(vreinterpretq_u8_s32(high));
            [
                five_bits::<0>(p[0], clear),
                five_bits::<1>(p[1], clear),
                five_bits::<2>(p[2], clear),
                five_bits::<3>(p[3], clear),
            ]
        }
    }
    #[inline(always)]
    unsafe fn and(v: Pair, mask: u8) -> Pair {
        // SAFETY: the caller's promise, here and below.
        unsafe {
            let mask = vdupq_n_s8(mask.cast_signed());
            [vandq_s8(v[0], mask), vandq_s8(v[1], mask)]
        }
    }
    #[inline(always)]
    unsafe fn xor(v: Pair, mask: u8) -> Pair {
        // SAFETY: as above.
        unsafe {
            let mask = vdupq_n_s8(mask.cast_signed());
            [veorq_s8(v[0], mask), veorq_s8(v[1], mask)]
        }
    }
    #[inline(always)]
    unsafe fn shr<const N: i32>(v: Pair) -> Pair {
        // SAFETY: as above.
        unsafe {
            [
                vreinterpretq_s8_u8(vshrq_n_u8::<N>(vreinterpretq_u8_s8(v[0]))),
                vreinterpretq_s8_u8(vshrq_n_u8::<N>(vreinterpretq_u8_s8(v[1]))),
            ]
        }
    }
    #[inline(always)]
    unsafe fn shl<const N: i32>(v: Pair) -> Pair {
        // SAFETY: as above.
        unsafe { [vshlq_n_s8::<N>(v[0]), vshlq_n_s8::<N>(v[1])] }
    }
    #[inline(always)]
    unsafe fn asr<const N: i32>(v: Pair) -> Pair {
        // SAFETY: as above.
        unsafe { [vshrq_n_s8::<N>(v[0]), vshrq_n_s8::<N>(v[1])] }
    }
    #[inline(always)]
    unsafe fn insert<const N: i32>(a: Pair, b: Pair) -> Pair {
        [
            shift_right_insert::<N>(a[0], b[0]),
            shift_right_insert::<N>(a[1], b[1]),
        ]
    }
    #[inline(always)]
    unsafe fn store_columns(p: *mut u8, w: [Pair; ROWS]) {
        // SAFETY: as above.
        unsafe {
            store_columns::<0>(p, w);
            store_columns::<1>(p, w);
        }
    }
    #[inline(always)]
    unsafe fn start() -> Running {
        // SAFETY: as above.
        let zero = unsafe { vdupq_n_s32(0) };
        Running {
            rows: [zero; ROWS],
            seen: zero,
        }
    }
    #[inline(always)]
    unsafe fn dot(sums: &mut Running, w: [Pair; ROWS], x: Pair) -> int32x4_t {
        // SAFETY: as above.
        unsafe {
            sums.add::<SDOT, 0>(w, x);
            sums.add::<SDOT, 1>(w, x);
            sums.look()
        }
    }
    #[inline(always)]
    unsafe fn dot_halves(sums: &mut Running, w: [Pair; ROWS], x: Pair) -> [int32x4_t; 2] {
        // SAFETY: as above.
        unsafe {
            sums.add::<SDOT, 0>(w, x);
            let first = sums.look();
            sums.add::<SDOT, 1>(w, x);
            [first, sums.look()]
        }
    }
    #[inline(always)]
    unsafe fn words(p: [*const u8; ROWS]) -> [int32x4_t; 4] {
        // SAFETY: 16 bytes at each of `p` are the caller's promise.
        unsafe {
            let zero = vdupq_n_s32(0);
            let words = int32x4x4_t(zero, zero, zero, zero);
            let words = vld4q_lane_s32::<0>(p[0].cast(), words);
            let words = vld4q_lane_s32::<1>(p[1].cast(), words);
            let words = vld4q_lane_s32::<2>(p[2].cast(), words);
            let words = vld4q_lane_s32::<3>(p[3].cast(), words);
            [words.0, words.1, words.2, words.3]
        }
    }
    #[inline(always)]
    unsafe fn take_words(p: &mut [*const u8; ROWS]) -> int32x4_t {
        // SAFETY: four bytes at each of `p` are the caller's promise.
        unsafe { vreinterpretq_s32_u8(take!(p, "s", "4")) }
    }
    #[inline(always)]
    unsafe fn byte<const K: usize>(v: int32x4_t) -> int32x4_t {
        // SAFETY: as above.
        unsafe {
            let top = match K {
                0 => vshlq_n_s32::<24>(v),
                1 => vshlq_n_s32::<16>(v),
                2 => vshlq_n_s32::<8>(v),
                _ => v,
            };
            vshrq_n_s32::<24>(top)
        }
    }
    #[inline(always)]
    unsafe fn and_i4(v: int32x4_t, mask: i32) -> int32x4_t {
        // SAFETY: as above.
        unsafe { vandq_s32(v, vdupq_n_s32(mask)) }
    }
    #[inline(always)]
    unsafe fn not_i4(v: int32x4_t) -> int32x4_t {
        // SAFETY: as above.
        unsafe { vmvnq_s32(v) }
    }
    #[inline(always)]
    unsafe fn or_i4(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        // SAFETY: as above.
        unsafe { vorrq_s32(a, b) }
    }
    #[inline(always)]
    unsafe fn all_i4(x: i32) -> int32x4_t {
        // SAFETY: as above.
        unsafe { vdupq_n_s32(x) }
    }
    #[inline(always)]
    unsafe fn shl_i4<const N: i32>(v: int32x4_t) -> int32x4_t {
        // SAFETY: as above.
        unsafe { vshlq_n_s32::<N>(v) }
    }
    #[inline(always)]
    unsafe fn shr_i4<const N: i32>(v: int32x4_t) -> int32x4_t {
        // SAFETY: as above.
        unsafe { vreinterpretq_s32_u32(vshrq_n_u32::<N>(vreinterpretq_u32_s32(v))) }
    }
    #[inline(always)]
    unsafe fn add_i4(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        // SAFETY: as above.
        unsafe { vaddq_s32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_i4(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        // SAFETY: as above.
        unsafe { vmulq_s32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_i4_with(a: int32x4_t, p: *const i32) -> int32x4_t {
        // SAFETY: an integer at `p` is the caller's promise.
        unsafe { vmulq_n_s32(a, *p) }
    }
    #[inline(always)]
    unsafe fn store_i4(p: *mut i32, v: int32x4_t) {
        // SAFETY: 16 bytes at `p` are the caller's promise.
        unsafe { vst1q_s32(p, v) }
    }
    #[inline(always)]
    unsafe fn to_f4<const FRACTION: i32>(v: int32x4_t) -> float32x4_t {
        // SAFETY: as above. A conversion from 0 fraction bits has an instruction of its own.
        unsafe {
            match FRACTION {
                2 => vcvtq_n_f32_s32::<2>(v),
                4 => vcvtq_n_f32_s32::<4>(v),
                5 => vcvtq_n_f32_s32::<5>(v),
                7 => vcvtq_n_f32_s32::<7>(v),
                _ => {
                    debug_assert!(FRACTION == 0, "no format has {FRACTION} bits of fraction");
                    vcvtq_f32_s32(v)
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn zero_f4() -> float32x4_t {
        // SAFETY: as above.
        unsafe { vdupq_n_f32(0.0) }
    }
    #[inline(always)]
    unsafe fn take_halves(p: &mut [*const u8; ROWS]) -> float32x4_t {
        // SAFETY: two bytes at each of `p` are the caller's promise.
        unsafe { widen(vget_low_u16(vreinterpretq_u16_u8(take!(p, "h", "2")))) }
    }
    #[inline(always)]
    unsafe fn neg_f4(a: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vnegq_f32(a) }
    }
    #[inline(always)]
    unsafe fn mul_f4(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_f4_with(a: float32x4_t, p: *const f32) -> float32x4_t {
        // SAFETY: a float at `p` is the caller's promise.
        unsafe { vmulq_n_f32(a, *p) }
    }
    #[inline(always)]
    unsafe fn fma_f4(acc: float32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vfmaq_f32(acc, a, b) }
    }
    #[inline(always)]
    unsafe fn fma_f4_with(acc: float32x4_t, a: float32x4_t, p: *const f32) -> float32x4_t {
        // SAFETY: a float at `p` is the caller's promise.
        unsafe { vfmaq_n_f32(acc, a, *p) }
    }
    #[inline(always)]
    unsafe fn store_f4(p: *mut f32, v: float32x4_t) {
        // SAFETY: 16 bytes at `p` are the caller's promise.
        unsafe { vst1q_f32(p, v) }
    }
}
