//! Eight rows by four columns in two registers, a lane a row.

#[allow(clippy::wildcard_imports, reason = "fifty intrinsics")]
use core::arch::aarch64::*;
use core::arch::asm;

use super::{Bytes32, halves, negated, sdot, shift_right_insert, smmla};
use crate::{
    kernel::{
        activations::{QuantizedTile, TILE},
        octet::Octet,
        panel::{self, MIN, PLAIN, Panel, SCALE_AND_MIN, STEPS, TWO_SCALES},
    },
    quant::{
        Format,
        interleave::{OCTET, STEP},
    },
};

type Pair<T> = [T; 2];

/// What `f` makes of either register.
#[inline(always)]
fn each<A: Copy, R>(a: Pair<A>, f: impl Fn(A) -> R) -> Pair<R> {
    [f(a[0]), f(a[1])]
}

/// What `f` makes of either register of two operands.
#[inline(always)]
fn both<A: Copy, B: Copy, R>(a: Pair<A>, b: Pair<B>, f: impl Fn(A, B) -> R) -> Pair<R> {
    [f(a[0], b[0]), f(a[1], b[1])]
}

/// `acc[i] + w[4i..4i + 4] . x[4 L..4 L + 4]`.
#[inline]
#[target_feature(enable = "dotprod")]
fn sdot_lane<const L: usize>(mut acc: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: registers only; the intrinsic is not stable yet.
    unsafe {
        asm!("sdot {a:v}.4s, {w:v}.16b, {x:v}.4b[{l}]",
            a = inout(vreg) acc, w = in(vreg) w, x = in(vreg) x, l = const L,
            options(pure, nomem, nostack, preserves_flags));
    }
    acc
}

/// Four sums of products, or, without `sdot`, the halves of four in eight lanes.
#[derive(Clone, Copy)]
pub struct Sums(int32x4_t, int32x4_t);

/// Adds the products of 16 weights of four rows with four activations, lane `L` of `x`.
#[inline(always)]
unsafe fn dot_lane<const SDOT: bool, const L: usize>(
    acc: Sums,
    w: int8x16_t,
    x: int8x16_t,
) -> Sums {
    // SAFETY: SDOT is true only below an entry point that has dotprod.
    unsafe {
        if SDOT {
            return Sums(
                match L % 4 {
                    0 => sdot_lane::<0>(acc.0, w, x),
                    1 => sdot_lane::<1>(acc.0, w, x),
                    2 => sdot_lane::<2>(acc.0, w, x),
                    _ => sdot_lane::<3>(acc.0, w, x),
                },
                acc.1,
            );
        }
        let lanes = vreinterpretq_s32_s8(x);
        let four = match L % 4 {
            0 => vdupq_laneq_s32::<0>(lanes),
            1 => vdupq_laneq_s32::<1>(lanes),
            2 => vdupq_laneq_s32::<2>(lanes),
            _ => vdupq_laneq_s32::<3>(lanes),
        };
        let four = vreinterpretq_s8_s32(four);
        Sums(
            vpadalq_s16(acc.0, vmull_s8(vget_low_s8(w), vget_low_s8(four))),
            vpadalq_s16(acc.1, vmull_high_s8(w, four)),
        )
    }
}

// SAFETY: Advanced SIMD is there on every aarch64 target; the caller vouches for SDOT.
unsafe impl<const SDOT: bool, const SMMLA: bool> Octet for Bytes32<SDOT, SMMLA> {
    const ONE_ROW: bool = !SMMLA;

    type Bytes = Pair<int8x16_t>;
    type X = Pair<int8x16_t>;
    type Acc = Pair<Sums>;
    type I8 = Pair<int32x4_t>;
    type F8 = Pair<float32x4_t>;
    type F4 = float32x4_t;

    #[inline(always)]
    unsafe fn load(p: *const u8) -> Self::Bytes {
        // SAFETY: 32 bytes at `p` are the caller's promise.
        unsafe { [vld1q_s8(p.cast()), vld1q_s8(p.add(16).cast())] }
    }
    #[inline(always)]
    unsafe fn store(p: *mut u8, v: Self::Bytes) {
        // SAFETY: 32 bytes at `p` are the caller's promise.
        unsafe {
            vst1q_s8(p.cast(), v[0]);
            vst1q_s8(p.add(16).cast(), v[1]);
        }
    }
    #[inline(always)]
    unsafe fn and(v: Self::Bytes, mask: u8) -> Self::Bytes {
        // SAFETY: the caller's promise, here and below.
        each(v, |v| unsafe {
            vandq_s8(v, vdupq_n_s8(mask.cast_signed()))
        })
    }
    #[inline(always)]
    unsafe fn shl<const N: i32>(v: Self::Bytes) -> Self::Bytes {
        // SAFETY: as above.
        each(v, |v| unsafe { vshlq_n_s8::<N>(v) })
    }
    #[inline(always)]
    unsafe fn shr<const N: i32>(v: Self::Bytes) -> Self::Bytes {
        // SAFETY: as above.
        each(v, |v| unsafe {
            vreinterpretq_s8_u8(vshrq_n_u8::<N>(vreinterpretq_u8_s8(v)))
        })
    }
    #[inline(always)]
    unsafe fn asr<const N: i32>(v: Self::Bytes) -> Self::Bytes {
        // SAFETY: as above.
        each(v, |v| unsafe { vshrq_n_s8::<N>(v) })
    }
    #[inline(always)]
    unsafe fn sri<const N: i32>(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        both(a, b, shift_right_insert::<N>)
    }
    #[inline(always)]
    unsafe fn look_up(table: &[i8; 16], index: Self::Bytes) -> Self::Bytes {
        // SAFETY: as above; 16 bytes are readable.
        unsafe {
            let table = vld1q_s8(table.as_ptr());
            each(index, |i| vqtbl1q_s8(table, vreinterpretq_u8_s8(i)))
        }
    }
    #[inline(always)]
    unsafe fn x(p: *const i8) -> Self::X {
        // SAFETY: 32 bytes at `p` are the caller's promise.
        unsafe { [vld1q_s8(p), vld1q_s8(p.add(16))] }
    }
    #[inline(always)]
    unsafe fn start() -> Self::Acc {
        // SAFETY: as above.
        let zero = unsafe { vdupq_n_s32(0) };
        [Sums(zero, zero); 2]
    }
    #[inline(always)]
    unsafe fn dot<const STEP: usize>(acc: Self::Acc, w: Self::Bytes, x: Self::X) -> Self::Acc {
        // SAFETY: as above.
        unsafe {
            [
                dot_lane::<SDOT, STEP>(acc[0], w[0], x[STEP / 4]),
                dot_lane::<SDOT, STEP>(acc[1], w[1], x[STEP / 4]),
            ]
        }
    }
    #[inline(always)]
    unsafe fn sums(acc: Self::Acc) -> Self::I8 {
        each(acc, |Sums(a, b)| {
            if SDOT {
                a
            } else {
                // SAFETY: as above.
                unsafe { vpaddq_s32(a, b) }
            }
        })
    }
    #[inline(always)]
    unsafe fn add_i(a: Self::I8, b: Self::I8) -> Self::I8 {
        // SAFETY: as above.
        both(a, b, |a, b| unsafe { vaddq_s32(a, b) })
    }
    #[inline(always)]
    unsafe fn mul_i(a: Self::I8, b: Self::I8) -> Self::I8 {
        // SAFETY: as above.
        both(a, b, |a, b| unsafe { vmulq_s32(a, b) })
    }
    #[inline(always)]
    unsafe fn mul_i_with(a: Self::I8, p: *const i32) -> Self::I8 {
        // SAFETY: an integer at `p` is the caller's promise.
        each(a, |a| unsafe { vmulq_n_s32(a, *p) })
    }
    #[inline(always)]
    unsafe fn widen_i8(p: *const i8) -> Self::I8 {
        // SAFETY: 8 bytes at `p` are the caller's promise.
        unsafe {
            let v = vmovl_s8(vld1_s8(p));
            [vmovl_s16(vget_low_s16(v)), vmovl_high_s16(v)]
        }
    }
    #[inline(always)]
    unsafe fn widen_u8(p: *const u8) -> Self::I8 {
        // SAFETY: as above.
        unsafe {
            let v = vmovl_u8(vld1_u8(p));
            let wide = [vmovl_u16(vget_low_u16(v)), vmovl_high_u16(v)];
            each(wide, |v| vreinterpretq_s32_u32(v))
        }
    }
    #[inline(always)]
    unsafe fn load_i(p: *const i32) -> Self::I8 {
        // SAFETY: 32 bytes at `p` are the caller's promise.
        unsafe { [vld1q_s32(p), vld1q_s32(p.add(4))] }
    }
    #[inline(always)]
    unsafe fn store_i(p: *mut i32, v: Self::I8) {
        // SAFETY: as above.
        unsafe {
            vst1q_s32(p, v[0]);
            vst1q_s32(p.add(4), v[1]);
        }
    }
    #[inline(always)]
    unsafe fn to_f<const FRACTION: i32>(v: Self::I8) -> Self::F8 {
        // SAFETY: as above. A conversion from 0 fraction bits has an instruction of its own.
        each(v, |v| unsafe {
            match FRACTION {
                2 => vcvtq_n_f32_s32::<2>(v),
                3 => vcvtq_n_f32_s32::<3>(v),
                4 => vcvtq_n_f32_s32::<4>(v),
                5 => vcvtq_n_f32_s32::<5>(v),
                7 => vcvtq_n_f32_s32::<7>(v),
                _ => {
                    debug_assert!(FRACTION == 0, "no format has {FRACTION} bits of fraction");
                    vcvtq_f32_s32(v)
                }
            }
        })
    }
    #[inline(always)]
    unsafe fn zero() -> Self::F8 {
        // SAFETY: as above.
        [unsafe { vdupq_n_f32(0.0) }; 2]
    }
    #[inline(always)]
    unsafe fn halves(p: *const u8) -> Self::F8 {
        // SAFETY: 16 bytes at `p` are the caller's promise.
        unsafe { halves(p) }
    }
    #[inline(always)]
    unsafe fn load_f(p: *const f32) -> Self::F8 {
        // SAFETY: 32 bytes at `p` are the caller's promise.
        unsafe { [vld1q_f32(p), vld1q_f32(p.add(4))] }
    }
    #[inline(always)]
    unsafe fn store_f(p: *mut f32, v: Self::F8) {
        // SAFETY: as above.
        unsafe {
            vst1q_f32(p, v[0]);
            vst1q_f32(p.add(4), v[1]);
        }
    }
    #[inline(always)]
    unsafe fn mul(a: Self::F8, b: Self::F8) -> Self::F8 {
        // SAFETY: as above.
        both(a, b, |a, b| unsafe { vmulq_f32(a, b) })
    }
    #[inline(always)]
    unsafe fn mul_with(a: Self::F8, p: *const f32) -> Self::F8 {
        // SAFETY: a float at `p` is the caller's promise.
        each(a, |a| unsafe { vmulq_n_f32(a, *p) })
    }
    #[inline(always)]
    unsafe fn neg(a: Self::F8) -> Self::F8 {
        negated(a)
    }
    #[inline(always)]
    unsafe fn fma(acc: Self::F8, a: Self::F8, b: Self::F8) -> Self::F8 {
        // SAFETY: as above.
        unsafe { [vfmaq_f32(acc[0], a[0], b[0]), vfmaq_f32(acc[1], a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn fma_with(acc: Self::F8, a: Self::F8, p: *const f32) -> Self::F8 {
        // SAFETY: a float at `p` is the caller's promise.
        both(acc, a, |acc, a| unsafe { vfmaq_n_f32(acc, a, *p) })
    }
    #[inline(always)]
    unsafe fn f4(p: *const f32) -> float32x4_t {
        // SAFETY: four floats at `p` are the caller's promise.
        unsafe { vld1q_f32(p) }
    }
    #[inline(always)]
    unsafe fn mul_lane<const T: i32>(a: Self::F8, b: float32x4_t) -> Self::F8 {
        // SAFETY: as above.
        each(a, |a| unsafe { vmulq_laneq_f32::<T>(a, b) })
    }
    #[inline(always)]
    unsafe fn fma_lane<const T: i32>(acc: Self::F8, a: Self::F8, b: float32x4_t) -> Self::F8 {
        // SAFETY: as above.
        both(acc, a, |acc, a| unsafe { vfmaq_laneq_f32::<T>(acc, a, b) })
    }
    #[inline(always)]
    unsafe fn arrange(panel: &mut Panel, groups: usize) {
        if SMMLA {
            smmla::arrange(panel, groups);
        }
    }
    #[inline(always)]
    unsafe fn products<const HALVES: bool>(
        w: &[[u8; STEP]; STEPS],
        x: *const i8,
    ) -> ([Self::I8; TILE], [Self::I8; TILE]) {
        // SAFETY: the caller's promise; SMMLA is true only below an entry point that has i8mm.
        unsafe {
            if SMMLA {
                smmla::products::<HALVES>(w, x)
            } else {
                panel::products::<Self, HALVES>(w, x)
            }
        }
    }
    #[inline(always)]
    unsafe fn decode(
        format: Format,
        p: *const u8,
        octets: usize,
        x: &QuantizedTile,
        acc: Self::F8,
    ) -> (usize, Self::F8) {
        if SDOT {
            // SAFETY: the caller's promise.
            unsafe { sdot::decode(format, p, octets, x, acc) }
        } else {
            (0, acc)
        }
    }
    #[inline(always)]
    unsafe fn tile(
        kind: u8,
        panel: &Panel,
        groups: usize,
        x: &QuantizedTile,
        acc: [Self::F8; TILE],
    ) -> (usize, [Self::F8; TILE]) {
        let pairs = groups / 2;
        if !SDOT || SMMLA || pairs == 0 {
            return (0, acc);
        }
        // SAFETY: the caller's promise.
        unsafe {
            match kind {
                PLAIN => (2 * pairs, sdot::plain(panel, pairs, x, acc)),
                SCALE_AND_MIN | MIN => (groups, sdot::scale_and_min(panel, groups, x, acc)),
                TWO_SCALES => (groups, sdot::two_scales(panel, groups, x, acc)),
                _ => (0, acc),
            }
        }
    }
    #[inline(always)]
    unsafe fn unpack(format: Format, p: *const u8, octets: usize, panel: &mut Panel) -> bool {
        if !SDOT || octets == 0 {
            return false;
        }
        let bytes = OCTET * format.block_bytes();
        // SAFETY: the caller's promise.
        unsafe {
            match format {
                Format::Q5_0 => sdot::unpack_q5_0(p, octets, panel),
                Format::Q4K => {
                    for b in 0..octets {
                        sdot::unpack_q4_k(p.add(b * bytes), panel, 8 * b);
                    }
                }
                Format::Q6K => {
                    for b in 0..octets {
                        sdot::unpack_q6_k(p.add(b * bytes), panel, 8 * b);
                    }
                }
                _ => return false,
            }
        }
        true
    }
}
