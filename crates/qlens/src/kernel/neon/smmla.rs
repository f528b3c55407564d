//! Products of two rows by two at a time, for cores with `smmla` (`FEAT_I8MM`, Armv8.6-A).
//!
//! The instruction takes eight columns of two rows of either side, so that a panel's steps of four columns are put
//! together by twos; and it sums lanes of two rows of activations side by side, which are told apart afterwards.

#[allow(clippy::wildcard_imports, reason = "twenty intrinsics")]
use core::arch::aarch64::*;
use core::arch::asm;

use crate::{
    kernel::{
        activations::TILE,
        panel::{Panel, STEPS},
    },
    quant::{GROUP, interleave::STEP},
};

/// Adds `[2, 8] . [2, 8]^T`, row-major.
#[inline]
#[target_feature(enable = "neon,i8mm")]
fn smmla(mut acc: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: registers only; the intrinsic is not stable yet.
    unsafe {
        asm!("smmla {a:v}.4s, {w:v}.16b, {x:v}.16b", a = inout(vreg) acc, w = in(vreg) w, x = in(vreg) x,
            options(pure, nomem, nostack, preserves_flags));
    }
    acc
}

/// Each two steps of the panel's first `groups` groups to four pairs of rows, eight columns each.
#[inline(always)]
#[allow(
    clippy::cast_ptr_alignment,
    reason = "loads and stores are the unaligned ones"
)]
pub fn arrange(panel: &mut Panel, groups: usize) {
    for group in &mut panel.q[..groups] {
        for [a, b] in group.as_chunks_mut().0 {
            let (p, q) = (a.as_mut_ptr().cast::<i32>(), b.as_mut_ptr().cast::<i32>());
            // SAFETY: Advanced SIMD is there on every aarch64 target of this crate; a step is two registers.
            unsafe {
                let (a, b) = (vld1q_s32(p), vld1q_s32(q));
                let (c, d) = (vld1q_s32(p.add(4)), vld1q_s32(q.add(4)));
                vst1q_s32(p, vzip1q_s32(a, b));
                vst1q_s32(p.add(4), vzip2q_s32(a, b));
                vst1q_s32(q, vzip1q_s32(c, d));
                vst1q_s32(q.add(4), vzip2q_s32(c, d));
            }
        }
    }
}

/// As [`Octet::products`](crate::kernel::octet::Octet::products).
///
/// # Safety
/// The core has `smmla`; four rows of 32 activations are at `x`.
#[inline(always)]
pub unsafe fn products<const HALVES: bool>(
    w: &[[u8; STEP]; STEPS],
    x: *const i8,
) -> ([[int32x4_t; 2]; TILE], [[int32x4_t; 2]; TILE]) {
    // SAFETY: the caller's promise.
    unsafe {
        let zero = vdupq_n_s32(0);
        let mut a = [zero; 8];
        columns(&mut a, [&w[0], &w[1], &w[2], &w[3]], x);
        let mut b = if HALVES { [zero; 8] } else { a };
        columns(&mut b, [&w[4], &w[5], &w[6], &w[7]], x.add(GROUP / 2));
        (rows(a), rows(b))
    }
}

/// Adds the products of sixteen columns: of row pair `i` with activations' rows 0 and 1, and with 2 and 3, to
/// `sums[2 * i]` and the next.
#[inline(always)]
#[allow(clippy::cast_ptr_alignment, reason = "loads are the unaligned ones")]
unsafe fn columns(sums: &mut [int32x4_t; 8], w: [&[u8; STEP]; STEPS / 2], x: *const i8) {
    // SAFETY: the caller's promise: sixteen columns of four rows, a group apart.
    unsafe {
        let x = [x, x.add(GROUP), x.add(2 * GROUP), x.add(3 * GROUP)];
        let x = [
            vld1q_s64(x[0].cast()),
            vld1q_s64(x[1].cast()),
            vld1q_s64(x[2].cast()),
            vld1q_s64(x[3].cast()),
        ];
        let first = [vzip1q_s64(x[0], x[1]), vzip1q_s64(x[2], x[3])];
        let second = [vzip2q_s64(x[0], x[1]), vzip2q_s64(x[2], x[3])];
        eight(sums, w[0], w[1], first);
        eight(sums, w[2], w[3], second);
    }
}

/// Adds the products of eight columns.
#[inline(always)]
unsafe fn eight(sums: &mut [int32x4_t; 8], low: &[u8; STEP], high: &[u8; STEP], x: [int64x2_t; 2]) {
    let (low, high) = (low.as_ptr().cast::<i8>(), high.as_ptr().cast::<i8>());
    // SAFETY: the caller's promise; a step is two registers.
    unsafe {
        let x = [vreinterpretq_s8_s64(x[0]), vreinterpretq_s8_s64(x[1])];
        let w = [
            vld1q_s8(low),
            vld1q_s8(low.add(16)),
            vld1q_s8(high),
            vld1q_s8(high.add(16)),
        ];
        sums[0] = smmla(sums[0], w[0], x[0]);
        sums[1] = smmla(sums[1], w[0], x[1]);
        sums[2] = smmla(sums[2], w[1], x[0]);
        sums[3] = smmla(sums[3], w[1], x[1]);
        sums[4] = smmla(sums[4], w[2], x[0]);
        sums[5] = smmla(sums[5], w[2], x[1]);
        sums[6] = smmla(sums[6], w[3], x[0]);
        sums[7] = smmla(sums[7], w[3], x[1]);
    }
}

/// The sums by rows of activations, lanes being rows of the matrix.
#[inline(always)]
fn rows(s: [int32x4_t; 8]) -> [[int32x4_t; 2]; TILE] {
    // SAFETY: Advanced SIMD is there on every aarch64 target of this crate.
    unsafe {
        [
            [vuzp1q_s32(s[0], s[2]), vuzp1q_s32(s[4], s[6])],
            [vuzp2q_s32(s[0], s[2]), vuzp2q_s32(s[4], s[6])],
            [vuzp1q_s32(s[1], s[3]), vuzp1q_s32(s[5], s[7])],
            [vuzp2q_s32(s[1], s[3]), vuzp2q_s32(s[5], s[7])],
        ]
    }
}
