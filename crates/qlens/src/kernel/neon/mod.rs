//! Armv8-A Advanced SIMD, with and without the dot product instructions.

mod eight_rows;
mod sdot;

#[allow(clippy::wildcard_imports, reason = "fifty intrinsics")]
use core::arch::aarch64::*;
use core::arch::asm;

use super::{
    Quantized, QuantizedRows, RowLayout, float, float_operations,
    lanes::{LANES, Lanes},
    octet,
    rows::{ROWS, Simd},
};
use crate::{quant::Matrix, workers::Columns};

/// Whether this core has `sdot`.
pub fn has_dotprod() -> bool {
    let features: u64;
    // SAFETY: reading an identification register has no effect; Linux emulates the read for user space.
    unsafe {
        asm!("mrs {}, ID_AA64ISAR0_EL1", out(reg) features, options(pure, nomem, nostack, preserves_flags));
    };
    features >> 44 & 0xF >= 1
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

/// 32 bytes in two registers; `SDOT` says whether the core has the dot product instructions.
#[derive(Clone, Copy)]
pub struct Bytes32<const SDOT: bool>;

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
unsafe fn dot16<const SDOT: bool>(acc: int32x4_t, w: uint8x16_t, x: uint8x16_t) -> int32x4_t {
    // SAFETY: SDOT is true only below an entry point that has dotprod. Otherwise: a pair of products
    // is at most 128 * 127 * 2 = 32512, which 16 bits hold.
    unsafe {
        let (w, x) = (vreinterpretq_s8_u8(w), vreinterpretq_s8_u8(x));
        if SDOT {
            sdot(acc, w, x)
        } else {
            let low = vmull_s8(vget_low_s8(w), vget_low_s8(x));
            vpadalq_s16(acc, vmlal_s8(low, vget_high_s8(w), vget_high_s8(x)))
        }
    }
}

// SAFETY: Advanced SIMD is there on every aarch64 target; the caller vouches for SDOT.
unsafe impl<const SDOT: bool> Simd for Bytes32<SDOT> {
    type Bytes = [uint8x16_t; 2];
    type I4 = int32x4_t;
    type F4 = float32x4_t;

    #[inline(always)]
    unsafe fn load(p: *const u8) -> Self::Bytes {
        // SAFETY: 32 bytes at `p` are the caller's promise.
        unsafe { [vld1q_u8(p), vld1q_u8(p.add(16))] }
    }
    #[inline(always)]
    unsafe fn nibbles(p: *const u8) -> Self::Bytes {
        // SAFETY: 16 bytes at `p` are the caller's promise.
        unsafe {
            let b = vld1q_u8(p);
            [vandq_u8(b, vdupq_n_u8(0x0F)), vshrq_n_u8::<4>(b)]
        }
    }
    #[inline(always)]
    unsafe fn nibbles_signed(p: *const u8, high: u32) -> Self::Bytes {
        // SAFETY: the caller's promise.
        unsafe {
            // Each byte looks at its own bit of the byte of `high` it got: all ones where that is clear.
            let own = vreinterpretq_u8_u64(vdupq_n_u64(0x8040_2010_0804_0201));
            let clear = vreinterpretq_u8_u32(vdupq_n_u32(!high));
            let spread = |first: u8| vcombine_u8(vdup_n_u8(first), vdup_n_u8(first + 1));
            let [first, second] =
                [spread(0), spread(2)].map(|from| vtstq_u8(vqtbl1q_u8(clear, from), own));
            // For a nibble, 16 less is the upper four bits set.
            let pair = vld1q_u8(p);
            [
                vbslq_u8(vdupq_n_u8(0x0F), pair, first),
                vreinterpretq_u8_s8(shift_right_insert::<4>(
                    vreinterpretq_s8_u8(second),
                    vreinterpretq_s8_u8(pair),
                )),
            ]
        }
    }
    #[inline(always)]
    unsafe fn splat(b: u8) -> Self::Bytes {
        // SAFETY: the caller's promise.
        [unsafe { vdupq_n_u8(b) }; 2]
    }
    #[inline(always)]
    unsafe fn and(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        // SAFETY: the caller's promise.
        unsafe { [vandq_u8(a[0], b[0]), vandq_u8(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn or(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        // SAFETY: the caller's promise.
        unsafe { [vorrq_u8(a[0], b[0]), vorrq_u8(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        // SAFETY: the caller's promise.
        unsafe { [vsubq_u8(a[0], b[0]), vsubq_u8(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn shr<const N: i32>(a: Self::Bytes) -> Self::Bytes {
        // SAFETY: the caller's promise.
        unsafe { [vshrq_n_u8::<N>(a[0]), vshrq_n_u8::<N>(a[1])] }
    }
    #[inline(always)]
    unsafe fn shl<const N: i32>(a: Self::Bytes) -> Self::Bytes {
        // SAFETY: the caller's promise.
        unsafe { [vshlq_n_u8::<N>(a[0]), vshlq_n_u8::<N>(a[1])] }
    }
    #[inline(always)]
    unsafe fn dot(w: [Self::Bytes; ROWS], x: Self::Bytes) -> int32x4_t {
        // SAFETY: the caller's promise.
        unsafe {
            let zero = vdupq_n_s32(0);
            let sum = |w: Self::Bytes| dot16::<SDOT>(dot16::<SDOT>(zero, w[0], x[0]), w[1], x[1]);
            let (a, b) = (
                vpaddq_s32(sum(w[0]), sum(w[1])),
                vpaddq_s32(sum(w[2]), sum(w[3])),
            );
            vpaddq_s32(a, b)
        }
    }
    #[inline(always)]
    unsafe fn dot_scaled(
        w: [Self::Bytes; ROWS],
        x: Self::Bytes,
        first: int32x4_t,
        second: int32x4_t,
    ) -> int32x4_t {
        // SAFETY: the caller's promise.
        unsafe {
            let zero = vdupq_n_s32(0);
            let sum = |w: Self::Bytes, half: usize| dot16::<SDOT>(zero, w[half], x[half]);
            let four = |half: usize| {
                vpaddq_s32(
                    vpaddq_s32(sum(w[0], half), sum(w[1], half)),
                    vpaddq_s32(sum(w[2], half), sum(w[3], half)),
                )
            };
            let (a, b) = (four(0), four(1));
            vmlaq_s32(vmulq_s32(a, first), b, second)
        }
    }
    #[inline(always)]
    unsafe fn i4(v: [i32; 4]) -> int32x4_t {
        // SAFETY: the caller's promise.
        unsafe { vld1q_s32(v.as_ptr()) }
    }
    #[inline(always)]
    unsafe fn mul_i4(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        // SAFETY: the caller's promise.
        unsafe { vmulq_s32(a, b) }
    }
    #[inline(always)]
    unsafe fn f4(v: [f32; 4]) -> float32x4_t {
        // SAFETY: the caller's promise.
        unsafe { vld1q_f32(v.as_ptr()) }
    }
    #[inline(always)]
    unsafe fn f4_from_f16(v: [u16; 4]) -> float32x4_t {
        // SAFETY: the caller's promise.
        unsafe { widen(vld1_u16(v.as_ptr())) }
    }
    #[inline(always)]
    unsafe fn to_f4(v: int32x4_t) -> float32x4_t {
        // SAFETY: the caller's promise.
        unsafe { vcvtq_f32_s32(v) }
    }
    #[inline(always)]
    unsafe fn mul_f4(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's promise.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn fma_f4(acc: float32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's promise.
        unsafe { vfmaq_f32(acc, a, b) }
    }
    #[inline(always)]
    unsafe fn array(v: float32x4_t) -> [f32; 4] {
        let mut out = [0.0; 4];
        // SAFETY: the caller's promise; four floats are writable.
        unsafe { vst1q_f32(out.as_mut_ptr(), v) };
        out
    }
    #[inline(always)]
    unsafe fn bytes(v: Self::Bytes) -> [[u8; 4]; 8] {
        let mut out = [[0; 4]; 8];
        // SAFETY: the caller's promise; 32 bytes are writable.
        unsafe {
            vst1q_u8(out.as_mut_ptr().cast(), v[0]);
            vst1q_u8(out[4..].as_mut_ptr().cast(), v[1]);
        }
        out
    }
}

/// Products with block formats, on any Armv8-A core.
#[target_feature(enable = "neon")]
pub fn matmul_neon(matrix: &Matrix<'_>, x: &QuantizedRows<'_>, out: &mut Columns<'_>) {
    // SAFETY: the feature is enabled here.
    unsafe { octet::matmul::<Bytes32<false>>(matrix, x, out) }
}

/// Products with block formats, on cores with `sdot`.
#[target_feature(enable = "neon,dotprod")]
pub fn matmul_dotprod(matrix: &Matrix<'_>, x: &QuantizedRows<'_>, out: &mut Columns<'_>) {
    // SAFETY: the features are enabled here.
    unsafe { octet::matmul::<Bytes32<true>>(matrix, x, out) }
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
