//! Armv8-A Advanced SIMD, with and without the dot product instructions.

mod eight_rows;
mod four_rows;
mod scores;
mod sdot;
mod smmla;

#[allow(clippy::wildcard_imports, reason = "fifty intrinsics")]
use core::arch::aarch64::*;
use core::arch::asm;

use super::{
    Quantized, QuantizedRows, RowLayout, float, float_operations,
    lanes::{LANES, Lanes},
    octet,
};
use crate::{
    quant::{BlockQ8_0, Matrix},
    workers::Columns,
};

/// Whether this core has `sdot`.
pub fn has_dotprod() -> bool {
    let features: u64;
    // SAFETY: reading an identification register has no effect; Linux emulates the read for user space.
    unsafe {
        asm!("mrs {}, ID_AA64ISAR0_EL1", out(reg) features, options(pure, nomem, nostack, preserves_flags));
    };
    features >> 44 & 0xF >= 1
}

/// Whether this core has `smmla`, and `sdot`.
pub fn has_i8mm() -> bool {
    let features: u64;
    // SAFETY: as above.
    unsafe {
        asm!("mrs {}, ID_AA64ISAR1_EL1", out(reg) features, options(pure, nomem, nostack, preserves_flags));
    }
    features >> 52 & 0xF >= 1 && has_dotprod()
}

/// Four halves to four floats.
#[inline(always)]
fn widen(halves: uint16x4_t) -> float32x4_t {
    let out;
    // SAFETY: one register in, one out; the half-precision vector type has no stable intrinsics.
    unsafe {
        asm!("fcvtl {o:v}.4s, {i:v}.4h", o = out(vreg) out, i = in(vreg) halves,
            options(pure, nomem, nostack, preserves_flags));
    }
    out
}

/// The upper four halves to four floats.
#[inline(always)]
fn widen_high(halves: uint16x8_t) -> float32x4_t {
    let out;
    // SAFETY: as `widen`.
    unsafe {
        asm!("fcvtl2 {o:v}.4s, {i:v}.8h", o = out(vreg) out, i = in(vreg) halves,
            options(pure, nomem, nostack, preserves_flags));
    }
    out
}

/// Eight floats from the half precision ones at `p`.
///
/// # Safety
/// They are there.
#[inline(always)]
unsafe fn halves(p: *const u8) -> [float32x4_t; 2] {
    // SAFETY: 16 bytes at `p` are the caller's promise.
    unsafe {
        let v = vld1q_u16(p.cast());
        [widen(vget_low_u16(v)), widen_high(v)]
    }
}

/// Eight floats with the other sign.
#[inline(always)]
fn negated(v: [float32x4_t; 2]) -> [float32x4_t; 2] {
    // SAFETY: Advanced SIMD is there on every aarch64 target of this crate.
    unsafe { [vnegq_f32(v[0]), vnegq_f32(v[1])] }
}

/// Four floats to four halves.
#[inline(always)]
fn narrow(floats: float32x4_t) -> uint16x4_t {
    let out;
    // SAFETY: as `widen`.
    unsafe {
        asm!("fcvtn {o:v}.4h, {i:v}.4s", o = out(vreg) out, i = in(vreg) floats,
            options(pure, nomem, nostack, preserves_flags));
    }
    out
}

/// Sixteen f32 in four registers.
#[derive(Clone, Copy)]
pub struct Neon([float32x4_t; 4]);

impl Neon {
    #[inline(always)]
    fn map(self, f: impl Fn(float32x4_t) -> float32x4_t) -> Self {
        Self([f(self.0[0]), f(self.0[1]), f(self.0[2]), f(self.0[3])])
    }
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(float32x4_t, float32x4_t) -> float32x4_t) -> Self {
        let (a, b) = (self.0, other.0);
        Self([f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])])
    }
}

/// One intrinsic on all registers of two operands.
macro_rules! all {
    ($a:expr, $b:expr, $intrinsic:ident) => {
        // SAFETY: Advanced SIMD is there on every aarch64 target of this crate.
        $a.zip($b, |a, b| unsafe { $intrinsic(a, b) })
    };
}

impl Lanes for Neon {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: as in `all`.
        Self([unsafe { vdupq_n_f32(x) }; 4])
    }
    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        let p = x.as_ptr();
        // SAFETY: as in `all`; 16 floats are readable.
        unsafe {
            Self([
                vld1q_f32(p),
                vld1q_f32(p.add(4)),
                vld1q_f32(p.add(8)),
                vld1q_f32(p.add(12)),
            ])
        }
    }
    #[inline(always)]
    fn load_f16(x: &[u16; LANES]) -> Self {
        let p = x.as_ptr();
        // SAFETY: as in `all`; 16 halves are readable.
        unsafe {
            let (a, b) = (vld1q_u16(p), vld1q_u16(p.add(8)));
            Self([
                widen(vget_low_u16(a)),
                widen_high(a),
                widen(vget_low_u16(b)),
                widen_high(b),
            ])
        }
    }
    #[inline(always)]
    fn load_i8(x: &[i8; LANES]) -> Self {
        // Each byte goes to the top of a word, the others of which are taken from nowhere and so are 0: widening
        // in two steps takes three instructions for four lanes, this takes two.
        const TOP: [[u8; 16]; 4] = {
            let mut from = [[0xFF; 16]; 4];
            let mut i = 0;
            while i < LANES {
                from[i / 4][i % 4 * 4 + 3] = i as u8;
                i += 1;
            }
            from
        };
        // SAFETY: as in `all`; 16 bytes are readable.
        unsafe {
            let bytes = vld1q_s8(x.as_ptr());
            let widen = |from: &[u8; 16]| {
                let words = vqtbl1q_s8(bytes, vld1q_u8(from.as_ptr()));
                vcvtq_n_f32_s32::<24>(vreinterpretq_s32_s8(words))
            };
            Self([
                widen(&TOP[0]),
                widen(&TOP[1]),
                widen(&TOP[2]),
                widen(&TOP[3]),
            ])
        }
    }
    #[inline(always)]
    fn half(bits: u16) -> f32 {
        let out;
        // SAFETY: as `widen`.
        unsafe {
            asm!("fcvt {o:s}, {i:h}", o = out(vreg) out, i = in(vreg) f32::from_bits(bits.into()),
                options(pure, nomem, nostack, preserves_flags));
        }
        out
    }
    #[inline(always)]
    fn store(self, out: &mut [f32; LANES]) {
        for (i, v) in self.0.into_iter().enumerate() {
            // SAFETY: as in `all`; 16 floats are writable.
            unsafe { vst1q_f32(out.as_mut_ptr().add(4 * i), v) };
        }
    }
    #[inline(always)]
    fn store_f16(self, out: &mut [u16; LANES]) {
        for (i, v) in self.0.into_iter().enumerate() {
            // SAFETY: as in `all`; 16 halves are writable.
            unsafe { vst1_u16(out.as_mut_ptr().add(4 * i), narrow(v)) };
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        all!(self, other, vaddq_f32)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        all!(self, other, vsubq_f32)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        all!(self, other, vmulq_f32)
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        all!(self, other, vdivq_f32)
    }
    // `fmax` and `fmin` treat NaN and -0 in their own way; comparing and selecting is what the
    // specification says.
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: as in `all`.
        self.zip(other, |a, b| unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) })
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: as in `all`.
        self.zip(other, |a, b| unsafe { vbslq_f32(vcltq_f32(a, b), a, b) })
    }
    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        let (c, a, b) = (self.0, a.0, b.0);
        // SAFETY: as in `all`.
        unsafe {
            Self([
                vfmaq_f32(c[0], a[0], b[0]),
                vfmaq_f32(c[1], a[1], b[1]),
                vfmaq_f32(c[2], a[2], b[2]),
                vfmaq_f32(c[3], a[3], b[3]),
            ])
        }
    }
    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: as in `all`.
        self.map(|v| unsafe { vabsq_f32(v) })
    }
    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: as in `all`.
        self.map(|v| unsafe { vrndnq_f32(v) })
    }
    #[inline(always)]
    fn round_away(self) -> Self {
        // SAFETY: as in `all`.
        self.map(|v| unsafe { vrndaq_f32(v) })
    }
    #[inline(always)]
    fn exp2i(self) -> Self {
        self.map(|n| {
            // SAFETY: as in `all`.
            unsafe {
                let biased = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
                vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased))
            }
        })
    }
    #[inline(always)]
    fn fold(self, f: impl Fn(f32, f32) -> f32, all: impl Fn(Self, Self) -> Self) -> f32 {
        // Only the first register of a half counts from step to step.
        let Self([a, b, c, d]) = self;
        let Self([ac, bd, ..]) = all(Self([a, b, a, b]), Self([c, d, c, d]));
        let Self([four, ..]) = all(Self([ac; 4]), Self([bd; 4]));
        // SAFETY: as in `all`.
        unsafe {
            let swapped = vextq_f32::<2>(four, four);
            let Self([two, ..]) = all(Self([four; 4]), Self([swapped; 4]));
            f(vgetq_lane_f32::<0>(two), vgetq_lane_f32::<1>(two))
        }
    }
    #[inline(always)]
    fn sums(four: [Self; 4]) -> [f32; 4] {
        let mut sums = [0.0; 4];
        // SAFETY: as in `all`; four floats are writable.
        unsafe {
            let halves = four.map(|Self([a, b, c, d])| vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d)));
            // Lanes 0, 2 and 1, 3 of two vectors side by side.
            let two = |a, b| {
                let (a, b) = (vreinterpretq_f64_f32(a), vreinterpretq_f64_f32(b));
                let (low, high) = (vzip1q_f64(a, b), vzip2q_f64(a, b));
                vaddq_f32(vreinterpretq_f32_f64(low), vreinterpretq_f32_f64(high))
            };
            let (ab, cd) = (two(halves[0], halves[1]), two(halves[2], halves[3]));
            vst1q_f32(sums.as_mut_ptr(), vpaddq_f32(ab, cd));
        }
        sums
    }
    #[inline(always)]
    fn products<const H: usize, const W: usize>(
        q: &[[[f32; LANES]; W]; H],
        key: &[[u16; LANES]; W],
    ) -> [Self; 4] {
        scores::products(q, key)
    }
    #[inline(always)]
    fn store_i8(self, out: &mut [i8; LANES]) -> i32 {
        // SAFETY: as in `all`; 16 bytes are writable.
        unsafe {
            let i = self.0.map(|v| vmovn_s32(vcvtq_s32_f32(v)));
            let (a, b) = (
                vmovn_s16(vcombine_s16(i[0], i[1])),
                vmovn_s16(vcombine_s16(i[2], i[3])),
            );
            let bytes = vcombine_s8(a, b);
            vst1q_s8(out.as_mut_ptr(), bytes);
            vaddlvq_s8(bytes).into()
        }
    }
}

/// The upper `N` bits of each byte of `a`, then the uppermost of `b`'s. The compiler takes its own intrinsic
/// for this apart, into three instructions.
#[inline(always)]
fn shift_right_insert<const N: i32>(mut a: int8x16_t, b: int8x16_t) -> int8x16_t {
    // SAFETY: registers only.
    unsafe {
        asm!("sri {a:v}.16b, {b:v}.16b, #{n}", a = inout(vreg) a, b = in(vreg) b, n = const N,
            options(pure, nomem, nostack, preserves_flags));
    }
    a
}

/// The lower `N` bits of each byte of `a`, then above them the lowest of `b`'s.
#[inline(always)]
fn shift_left_insert<const N: i32>(mut a: int8x16_t, b: int8x16_t) -> int8x16_t {
    // SAFETY: registers only.
    unsafe {
        asm!("sli {a:v}.16b, {b:v}.16b, #{n}", a = inout(vreg) a, b = in(vreg) b, n = const N,
            options(pure, nomem, nostack, preserves_flags));
    }
    a
}

/// 32 bytes in two registers; `SDOT` and `SMMLA` say whether the core has those instructions.
#[derive(Clone, Copy)]
pub struct Bytes32<const SDOT: bool, const SMMLA: bool>;

/// Products with block formats, on any Armv8-A core.
#[target_feature(enable = "neon")]
pub fn matmul_neon(matrix: &Matrix<'_>, x: &QuantizedRows<'_>, out: &mut Columns<'_>) {
    // SAFETY: the feature is enabled here.
    unsafe { octet::matmul::<Bytes32<false, false>>(matrix, x, out) }
}

/// Products with block formats, on cores with `sdot`.
#[target_feature(enable = "neon,dotprod")]
pub fn matmul_dotprod(matrix: &Matrix<'_>, x: &QuantizedRows<'_>, out: &mut Columns<'_>) {
    // SAFETY: the features are enabled here.
    unsafe { octet::matmul::<Bytes32<true, false>>(matrix, x, out) }
}

/// Products with block formats, on cores with `smmla`, which one row of activations has no use for.
#[target_feature(enable = "neon,dotprod,i8mm")]
pub fn matmul_i8mm(matrix: &Matrix<'_>, x: &QuantizedRows<'_>, out: &mut Columns<'_>) {
    if out.rows() == 1 {
        return matmul_dotprod(matrix, x, out);
    }
    // SAFETY: the features are enabled here.
    unsafe { octet::matmul::<Bytes32<true, true>>(matrix, x, out) }
}

/// The entry points: functions of [`float`] compiled with Advanced SIMD.
macro_rules! entries {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*);)*) => {
        $($(#[$doc])*
        #[target_feature(enable = "neon")]
        pub fn $name($($arg: $type),*) {
            float::$name::<Neon>($($arg),*);
        })*
    };
}
float_operations!(entries);
