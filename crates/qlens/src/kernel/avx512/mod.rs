//! x86-64 with AVX-512 and its dot products of int8 (VNNI).
//!
//! Decode and rows as files have them are those of [`avx2`](super::avx2), with one instruction for its three a
//! product, but for `Q4_0`, which memory is quick enough for ([`decode`]); prefill has a wide panel ([`panel`]), and
//! the other operations one register for their sixteen lanes.

mod decode;
mod panel;

pub use decode::q4_0;

#[allow(clippy::wildcard_imports, reason = "forty intrinsics")]
use core::arch::x86_64::*;

use super::{
    Quantized, QuantizedRows, RowLayout,
    avx2::{self, Bytes32},
    float, float_operations,
    lanes::{LANES, Lanes},
    octet,
};
use crate::{
    quant::{BlockQ8_0, Matrix},
    workers::Columns,
};

/// Eight rows at a time, as AVX2 has them, with the dot products of VNNI.
type Vnni = Bytes32<true>;

/// Whether processor and operating system have AVX-512 F, BW, DQ, VL and VNNI, and what AVX2's kernel needs.
pub fn is_available() -> bool {
    /// F, DQ, BW, VL.
    const AVX512: u32 = 1 << 16 | 1 << 17 | 1 << 30 | 1 << 31;
    const VNNI: u32 = 1 << 11;
    /// SSE and AVX registers, mask registers, and both parts of the 32 wide ones.
    const STATE: u64 = 0b1110_0110;

    if !avx2::is_available() {
        return false;
    }
    let features = __cpuid_count(7, 0);
    // SAFETY: AVX2 is available only where xsave is there and enabled.
    let state = unsafe { avx2::enabled_state() };
    features.ebx & AVX512 == AVX512 && features.ecx & VNNI != 0 && state & STATE == STATE
}

/// Sixteen f32. Used only below the entry points of this file.
#[derive(Clone, Copy)]
pub struct Avx512(__m512);

/// The first `n` lanes, or all if there are more.
#[inline(always)]
fn first(n: usize) -> __mmask16 {
    ((1_u32 << n.min(LANES)) - 1) as __mmask16
}

#[allow(
    clippy::cast_ptr_alignment,
    reason = "loads and stores are the unaligned ones"
)]
impl Lanes for Avx512 {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: AVX-512 is there, as the entry points of this file demand.
        Self(unsafe { _mm512_set1_ps(x) })
    }
    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        // SAFETY: as above; 16 floats are readable.
        Self(unsafe { _mm512_loadu_ps(x.as_ptr()) })
    }
    #[inline(always)]
    fn load_f16(x: &[u16; LANES]) -> Self {
        // SAFETY: as above; 16 halves are readable.
        Self(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(x.as_ptr().cast())) })
    }
    #[inline(always)]
    fn load_i8(x: &[i8; LANES]) -> Self {
        // SAFETY: as above; 16 bytes are readable.
        Self(unsafe {
            _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(x.as_ptr().cast())))
        })
    }
    #[inline(always)]
    fn store(self, out: &mut [f32; LANES]) {
        // SAFETY: as above; 16 floats are writable.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), self.0) };
    }
    #[inline(always)]
    fn store_f16(self, out: &mut [u16; LANES]) {
        // SAFETY: as above; 16 halves are writable.
        unsafe {
            let halves = _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(self.0);
            _mm256_storeu_si256(out.as_mut_ptr().cast(), halves);
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
    }
    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_abs_ps(self.0) })
    }
    #[inline(always)]
    fn round_away(self) -> Self {
        const TOWARDS_ZERO: i32 = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;
        // SAFETY: as above. The largest number below one half: what is below a tie stays below the next integer.
        unsafe {
            let half = _mm512_set1_ps(f32::from_bits(0x3EFF_FFFF));
            let sign = _mm512_and_ps(self.0, _mm512_set1_ps(-0.0));
            let sum = _mm512_add_ps(self.0, _mm512_or_ps(sign, half));
            Self(_mm512_roundscale_ps::<TOWARDS_ZERO>(sum))
        }
    }
    #[inline(always)]
    fn round(self) -> Self {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        // SAFETY: as above.
        Self(unsafe { _mm512_roundscale_ps::<NEAREST>(self.0) })
    }
    #[inline(always)]
    fn exp2i(self) -> Self {
        // SAFETY: as above.
        unsafe {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(self.0), _mm512_set1_epi32(127));
            Self(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased)))
        }
    }
    #[inline(always)]
    fn store_i8(self, out: &mut [i8; LANES]) -> i32 {
        // SAFETY: as above; 16 bytes are writable.
        unsafe {
            let bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(self.0));
            _mm_storeu_si128(out.as_mut_ptr().cast(), bytes);
            // Sums of unsigned bytes have an instruction of their own.
            let offset = _mm_xor_si128(bytes, _mm_set1_epi8(i8::MIN));
            let sums = _mm_sad_epu8(offset, _mm_setzero_si128());
            let (low, high) = (_mm_extract_epi16::<0>(sums), _mm_extract_epi16::<4>(sums));
            low + high - 128 * LANES as i32
        }
    }
    #[inline(always)]
    fn load_partial(x: &[f32]) -> Self {
        // SAFETY: as above; as many floats are readable as the mask has bits.
        Self(unsafe { _mm512_maskz_loadu_ps(first(x.len()), x.as_ptr()) })
    }
    #[inline(always)]
    fn store_partial(self, out: &mut [f32]) {
        // SAFETY: as above; as many floats are writable as the mask has bits.
        unsafe { _mm512_mask_storeu_ps(out.as_mut_ptr(), first(out.len()), self.0) };
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: as above.
        unsafe {
            let (low, high) = halves(self.0);
            let eight = _mm256_add_ps(low, high);
            let four = _mm_add_ps(
                _mm256_castps256_ps128(eight),
                _mm256_extractf128_ps::<1>(eight),
            );
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }
    #[inline(always)]
    fn largest(self) -> f32 {
        // SAFETY: as above. Of equal lanes, and of those that are no numbers, the second operand is taken.
        unsafe {
            let (low, high) = halves(self.0);
            let eight = _mm256_max_ps(high, low);
            let four = _mm_max_ps(
                _mm256_extractf128_ps::<1>(eight),
                _mm256_castps256_ps128(eight),
            );
            let two = _mm_max_ps(_mm_movehl_ps(four, four), four);
            _mm_cvtss_f32(_mm_max_ss(_mm_movehdup_ps(two), two))
        }
    }
}

/// Lanes 0 to 7, and 8 to 15.
#[inline(always)]
unsafe fn halves(v: __m512) -> (__m256, __m256) {
    // SAFETY: the caller's promise.
    unsafe { (_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v)) }
}

/// Products with block formats.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
pub fn matmul(matrix: &Matrix<'_>, x: &QuantizedRows<'_>, out: &mut Columns<'_>) {
    // SAFETY: the features are enabled here.
    unsafe {
        if out.rows() > 1 {
            panel::matmul(matrix, x, out);
        } else {
            octet::matmul::<Vnni>(matrix, x, out);
        }
    }
}

/// The entry points: functions of [`float`] compiled with AVX-512.
macro_rules! entries {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*);)*) => {
        $($(#[$doc])*
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
        pub fn $name($($arg: $type),*) {
            float::$name::<Avx512>($($arg),*);
        })*
    };
}
float_operations!(entries);
