//! Eight rows by four columns in one register, a lane a row.

#[allow(clippy::wildcard_imports, reason = "forty intrinsics")]
use core::arch::x86_64::*;

use super::Bytes32;
use crate::{
    kernel::{activations::QuantizedTile, avx512, octet::Octet},
    quant::Format,
};

#[allow(
    clippy::cast_ptr_alignment,
    reason = "loads and stores are the unaligned ones"
)]
// SAFETY: the intrinsics need AVX2, FMA and F16C, and AVX-512 VNNI where said, which the caller vouches for.
unsafe impl<const VNNI: bool> Octet for Bytes32<VNNI> {
    type Bytes = __m256i;
    /// Where they are: four at a time are broadcast from memory.
    type X = *const i8;
    type Acc = __m256i;
    type I8 = __m256i;
    type F8 = __m256;
    type F4 = *const f32;

    #[inline(always)]
    unsafe fn load(p: *const u8) -> __m256i {
        // SAFETY: 32 bytes at `p` are the caller's promise.
        unsafe { _mm256_loadu_si256(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut u8, v: __m256i) {
        // SAFETY: 32 bytes at `p` are the caller's promise.
        unsafe { _mm256_storeu_si256(p.cast(), v) }
    }
    #[inline(always)]
    unsafe fn and(v: __m256i, mask: u8) -> __m256i {
        // SAFETY: the caller's promise, here and below.
        unsafe { _mm256_and_si256(v, _mm256_set1_epi8(mask.cast_signed())) }
    }
    #[inline(always)]
    unsafe fn shl<const N: i32>(v: __m256i) -> __m256i {
        // SAFETY: as above. Bits that came from the neighbour are masked away.
        unsafe { Self::and(_mm256_slli_epi16::<N>(v), 0xFF << N) }
    }
    #[inline(always)]
    unsafe fn shr<const N: i32>(v: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { Self::and(_mm256_srli_epi16::<N>(v), 0xFF >> N) }
    }
    #[inline(always)]
    unsafe fn asr<const N: i32>(v: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let sign = _mm256_set1_epi8((0x80_u8 >> N).cast_signed());
            _mm256_sub_epi8(_mm256_xor_si256(Self::shr::<N>(v), sign), sign)
        }
    }
    #[inline(always)]
    unsafe fn sri<const N: i32>(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_or_si256(a, Self::shr::<N>(b)) }
    }
    #[inline(always)]
    unsafe fn look_up(table: &[i8; 16], index: __m256i) -> __m256i {
        // SAFETY: as above; 16 bytes are readable.
        unsafe {
            let table = _mm_loadu_si128(table.as_ptr().cast());
            _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), index)
        }
    }
    #[inline(always)]
    unsafe fn x(p: *const i8) -> *const i8 {
        p
    }
    #[inline(always)]
    unsafe fn start() -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn dot<const STEP: usize>(acc: __m256i, w: __m256i, x: *const i8) -> __m256i {
        // SAFETY: 32 bytes at `x` are the caller's promise. |w| <= 128 as u8 and |x| <= 127, so that a
        // pair of products is at most 32512 and the 16-bit sums do not saturate.
        unsafe {
            let four = x.cast::<i32>().add(STEP).read_unaligned();
            let x = _mm256_sign_epi8(_mm256_set1_epi32(four), w);
            if VNNI {
                return _mm256_dpbusd_epi32(acc, _mm256_abs_epi8(w), x);
            }
            let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), x);
            _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }
    #[inline(always)]
    unsafe fn sums(acc: __m256i) -> __m256i {
        acc
    }
    #[inline(always)]
    unsafe fn add_i(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_i(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_mullo_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_i_with(a: __m256i, p: *const i32) -> __m256i {
        // SAFETY: an integer at `p` is the caller's promise.
        unsafe { _mm256_mullo_epi32(a, _mm256_set1_epi32(*p)) }
    }
    #[inline(always)]
    unsafe fn widen_i8(p: *const i8) -> __m256i {
        // SAFETY: 8 bytes at `p` are the caller's promise.
        unsafe { _mm256_cvtepi8_epi32(_mm_loadl_epi64(p.cast())) }
    }
    #[inline(always)]
    unsafe fn widen_u8(p: *const u8) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast())) }
    }
    #[inline(always)]
    unsafe fn load_i(p: *const i32) -> __m256i {
        // SAFETY: 32 bytes at `p` are the caller's promise.
        unsafe { _mm256_loadu_si256(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store_i(p: *mut i32, v: __m256i) {
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(p.cast(), v) }
    }
    #[inline(always)]
    unsafe fn to_f<const FRACTION: i32>(v: __m256i) -> __m256 {
        // SAFETY: as above. A power of two divides exactly.
        unsafe {
            let v = _mm256_cvtepi32_ps(v);
            if FRACTION == 0 {
                v
            } else {
                _mm256_mul_ps(v, _mm256_set1_ps(1.0 / (1 << FRACTION) as f32))
            }
        }
    }
    #[inline(always)]
    unsafe fn zero() -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn halves(p: *const u8) -> __m256 {
        // SAFETY: 16 bytes at `p` are the caller's promise.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(p.cast())) }
    }
    #[inline(always)]
    unsafe fn load_f(p: *const f32) -> __m256 {
        // SAFETY: 32 bytes at `p` are the caller's promise.
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store_f(p: *mut f32, v: __m256) {
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_with(a: __m256, p: *const f32) -> __m256 {
        // SAFETY: a float at `p` is the caller's promise.
        unsafe { _mm256_mul_ps(a, _mm256_set1_ps(*p)) }
    }
    #[inline(always)]
    unsafe fn neg(a: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_xor_ps(a, _mm256_set1_ps(-0.0)) }
    }
    #[inline(always)]
    unsafe fn fma(acc: __m256, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_fmadd_ps(a, b, acc) }
    }
    #[inline(always)]
    unsafe fn fma_with(acc: __m256, a: __m256, p: *const f32) -> __m256 {
        // SAFETY: a float at `p` is the caller's promise.
        unsafe { _mm256_fmadd_ps(a, _mm256_set1_ps(*p), acc) }
    }
    #[inline(always)]
    unsafe fn f4(p: *const f32) -> *const f32 {
        p
    }
    #[inline(always)]
    unsafe fn mul_lane<const T: i32>(a: __m256, b: *const f32) -> __m256 {
        // SAFETY: four floats at `b` are the caller's promise.
        unsafe { Self::mul_with(a, b.add(T as usize)) }
    }
    #[inline(always)]
    unsafe fn fma_lane<const T: i32>(acc: __m256, a: __m256, b: *const f32) -> __m256 {
        // SAFETY: as above.
        unsafe { Self::fma_with(acc, a, b.add(T as usize)) }
    }
    #[inline(always)]
    unsafe fn decode(
        format: Format,
        p: *const u8,
        octets: usize,
        x: &QuantizedTile,
        acc: __m256,
    ) -> (usize, __m256) {
        if !VNNI || format != Format::Q4_0 {
            return (0, acc);
        }
        // SAFETY: the caller's promise.
        (octets, unsafe { avx512::q4_0(p, octets, x, acc) })
    }
}
