//! x86-64 with AVX2, FMA and F16C.

mod eight_rows;
mod four_rows;

#[allow(clippy::wildcard_imports, reason = "sixty intrinsics")]
use core::arch::x86_64::*;

use super::{
    Quantized, QuantizedRows, RowLayout, float, float_operations,
    lanes::{LANES, Lanes},
    octet,
};
use crate::{
    quant::{BlockQ8_0, Matrix},
    workers::Columns,
};

/// Whether processor and operating system have AVX2, FMA and F16C.
pub fn is_available() -> bool {
    const FMA: u32 = 1 << 12;
    const XSAVE: u32 = 1 << 26 | 1 << 27;
    const AVX: u32 = 1 << 28;
    const F16C: u32 = 1 << 29;
    const AVX2: u32 = 1 << 5;
    const NEEDED: u32 = FMA | XSAVE | AVX | F16C;

    if __cpuid(0).eax < 7
        || __cpuid(1).ecx & NEEDED != NEEDED
        || __cpuid_count(7, 0).ebx & AVX2 == 0
    {
        return false;
    }
    // SAFETY: xsave is there and enabled by the operating system: both bits were just read.
    let state = unsafe { enabled_state() };
    state & 0b110 == 0b110
}

/// The parts of a processor's state that the operating system keeps.
#[target_feature(enable = "xsave")]
pub fn enabled_state() -> u64 {
    // SAFETY: register 0 exists wherever xsave does.
    unsafe { _xgetbv(0) }
}

/// Sixteen f32 in two registers. Used only below the entry points of this file.
#[derive(Clone, Copy)]
pub struct Avx2(__m256, __m256);

impl Avx2 {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(__m256, __m256) -> __m256) -> Self {
        Self(f(self.0, other.0), f(self.1, other.1))
    }
}

/// One intrinsic on both registers.
macro_rules! both {
    ($a:expr, $b:expr, $intrinsic:ident) => {
        // SAFETY: AVX2 is there, as the entry points of this file demand.
        $a.zip($b, |a, b| unsafe { $intrinsic(a, b) })
    };
}

#[allow(
    clippy::cast_ptr_alignment,
    reason = "loads and stores are the unaligned ones"
)]
impl Lanes for Avx2 {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: AVX2 is there, as the entry points of this file demand.
        let v = unsafe { _mm256_set1_ps(x) };
        Self(v, v)
    }
    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        // SAFETY: as above; 16 floats are readable.
        unsafe {
            Self(
                _mm256_loadu_ps(x.as_ptr()),
                _mm256_loadu_ps(x.as_ptr().add(8)),
            )
        }
    }
    #[inline(always)]
    fn load_f16(x: &[u16; LANES]) -> Self {
        let p = x.as_ptr().cast::<__m128i>();
        // SAFETY: as above; 16 halves are readable.
        unsafe {
            Self(
                _mm256_cvtph_ps(_mm_loadu_si128(p)),
                _mm256_cvtph_ps(_mm_loadu_si128(p.add(1))),
            )
        }
    }
    #[inline(always)]
    fn load_i8(x: &[i8; LANES]) -> Self {
        let p = x.as_ptr().cast::<__m128i>();
        // SAFETY: as above; 16 bytes are readable.
        unsafe {
            let bytes = _mm_loadu_si128(p);
            let high = _mm_srli_si128::<8>(bytes);
            Self(
                _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
                _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(high)),
            )
        }
    }
    #[inline(always)]
    fn half(bits: u16) -> f32 {
        // SAFETY: as above.
        unsafe { _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits.into()))) }
    }
    #[inline(always)]
    fn store(self, out: &mut [f32; LANES]) {
        // SAFETY: as above; 16 floats are writable.
        unsafe {
            _mm256_storeu_ps(out.as_mut_ptr(), self.0);
            _mm256_storeu_ps(out.as_mut_ptr().add(8), self.1);
        }
    }
    #[inline(always)]
    fn store_f16(self, out: &mut [u16; LANES]) {
        let p = out.as_mut_ptr().cast::<__m128i>();
        // SAFETY: as above; 16 halves are writable.
        unsafe {
            _mm_storeu_si128(p, _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(self.0));
            _mm_storeu_si128(
                p.add(1),
                _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(self.1),
            );
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        both!(self, other, _mm256_add_ps)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        both!(self, other, _mm256_sub_ps)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        both!(self, other, _mm256_mul_ps)
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        both!(self, other, _mm256_div_ps)
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        both!(self, other, _mm256_max_ps)
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        both!(self, other, _mm256_min_ps)
    }
    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        // SAFETY: FMA is there, as the entry points of this file demand.
        unsafe {
            Self(
                _mm256_fmadd_ps(a.0, b.0, self.0),
                _mm256_fmadd_ps(a.1, b.1, self.1),
            )
        }
    }
    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: as above.
        let magnitude = unsafe { _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFF_FFFF)) };
        both!(self, Self(magnitude, magnitude), _mm256_and_ps)
    }
    #[inline(always)]
    fn round(self) -> Self {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        // SAFETY: as above.
        unsafe {
            Self(
                _mm256_round_ps::<NEAREST>(self.0),
                _mm256_round_ps::<NEAREST>(self.1),
            )
        }
    }
    #[inline(always)]
    fn round_away(self) -> Self {
        const TOWARDS_ZERO: i32 = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;
        // The largest number below one half: what is below a tie stays below the next integer.
        let half = Self::splat(f32::from_bits(0x3EFF_FFFF));
        let sign = both!(self, Self::splat(-0.0), _mm256_and_ps);
        let Self(low, high) = self.add(both!(sign, half, _mm256_or_ps));
        // SAFETY: as above.
        unsafe {
            Self(
                _mm256_round_ps::<TOWARDS_ZERO>(low),
                _mm256_round_ps::<TOWARDS_ZERO>(high),
            )
        }
    }
    #[inline(always)]
    fn exp2i(self) -> Self {
        let power = |n| {
            // SAFETY: as above.
            unsafe {
                let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
            }
        };
        Self(power(self.0), power(self.1))
    }
    #[inline(always)]
    fn store_i8(self, out: &mut [i8; LANES]) -> i32 {
        // SAFETY: as above; 16 bytes are writable.
        unsafe {
            let pack =
                |v| _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
            let (a, b) = (_mm256_cvtps_epi32(self.0), _mm256_cvtps_epi32(self.1));
            let bytes = _mm_packs_epi16(pack(a), pack(b));
            _mm_storeu_si128(out.as_mut_ptr().cast(), bytes);
            // Sums of unsigned bytes have an instruction of their own.
            let offset = _mm_xor_si128(bytes, _mm_set1_epi8(i8::MIN));
            let sums = _mm_sad_epu8(offset, _mm_setzero_si128());
            let (low, high) = (_mm_extract_epi16::<0>(sums), _mm_extract_epi16::<4>(sums));
            low + high - 128 * LANES as i32
        }
    }
}

/// 32 bytes at a time, with or without the dot products of AVX-512 VNNI.
#[derive(Clone, Copy)]
pub struct Bytes32<const VNNI: bool>;

/// Products with block formats.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn matmul(matrix: &Matrix<'_>, x: &QuantizedRows<'_>, out: &mut Columns<'_>) {
    // SAFETY: the features are enabled here.
    unsafe { octet::matmul::<Bytes32<false>>(matrix, x, out) }
}

/// The entry points: functions of [`float`] compiled with AVX2.
macro_rules! entries {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*);)*) => {
        $($(#[$doc])*
        #[target_feature(enable = "avx2,fma,f16c")]
        pub fn $name($($arg: $type),*) {
            float::$name::<Avx2>($($arg),*);
        })*
    };
}
float_operations!(entries);
