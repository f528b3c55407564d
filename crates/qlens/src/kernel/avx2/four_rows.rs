//! 32 bytes of a row in one register, a lane a row once they are summed.

#[allow(clippy::wildcard_imports, reason = "forty intrinsics")]
use core::arch::x86_64::*;

use super::Bytes32;
use crate::{
    kernel::{
        octet::Octet,
        rows::{ROWS, Simd},
    },
    quant::interleave::STEP,
};

/// Sums of the first 16 products of each row in the lower four lanes, of the others in the upper.
#[inline(always)]
unsafe fn halves(w: [__m256i; ROWS], x: __m256i) -> __m256i {
    // SAFETY: AVX2 is there, as the entry points of this file demand. |w| <= 128 as u8 and |x| <= 127,
    // so that a pair of products is at most 32512 and the 16-bit sums do not saturate.
    unsafe {
        let a = _mm256_hadd_epi32(eighths(w[0], x), eighths(w[1], x));
        let b = _mm256_hadd_epi32(eighths(w[2], x), eighths(w[3], x));
        _mm256_hadd_epi32(a, b)
    }
}

/// Sums of four products each of `w` and `x`.
#[inline(always)]
unsafe fn eighths(w: __m256i, x: __m256i) -> __m256i {
    // SAFETY: as `halves`.
    unsafe {
        let pairs = _mm256_maddubs_epi16(_mm256_sign_epi8(w, w), _mm256_sign_epi8(x, w));
        _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))
    }
}

/// The 16 bytes at `p`.
#[inline(always)]
unsafe fn load16(p: *const u8) -> __m128i {
    // SAFETY: the caller's promise; the load is the unaligned one.
    unsafe { _mm_loadu_si128(p.cast()) }
}

/// One row of [`Simd::five_bits`].
#[inline(always)]
unsafe fn five_bits(p: *const u8, high: __m256i) -> __m256i {
    // SAFETY: 16 bytes at `p` are the caller's promise. Each byte looks at its own bit of the byte of `high` it got.
    unsafe {
        let spread = _mm256_setr_epi64x(
            0,
            0x0101_0101_0101_0101,
            0x0202_0202_0202_0202,
            0x0303_0303_0303_0303,
        );
        let own = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
        let bytes = _mm256_shuffle_epi8(high, spread);
        let clear = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, own), _mm256_setzero_si256());
        let pair = load16(p);
        let nibbles = _mm256_set_m128i(_mm_srli_epi16::<4>(pair), pair);
        // For a nibble, 16 less is the upper four bits set.
        _mm256_or_si256(
            _mm256_and_si256(nibbles, _mm256_set1_epi8(0x0F)),
            _mm256_and_si256(clear, _mm256_set1_epi8(0xF0_u8.cast_signed())),
        )
    }
}

/// Columns `4 s .. 4 s + 4` of four rows in the lower half, columns `16 + 4 s ..` in the upper: see
/// [`Simd::store_columns`].
#[inline(always)]
unsafe fn store_step(p: *mut u8, s: usize, v: __m256i) {
    // SAFETY: the caller's promise; the stores are the unaligned ones.
    unsafe {
        let (first, second) = (p.add(STEP * s), p.add(STEP * (s + 4)));
        _mm_storeu_si128(first.cast(), _mm256_castsi256_si128(v));
        _mm_storeu_si128(second.cast(), _mm256_extracti128_si256::<1>(v));
    }
}

/// The number at `p`, which moves past it.
#[inline(always)]
unsafe fn take<T>(p: &mut *const u8) -> T {
    // SAFETY: the caller promises as many bytes.
    unsafe {
        let number = p.cast::<T>().read_unaligned();
        *p = p.add(size_of::<T>());
        number
    }
}

#[allow(
    clippy::cast_ptr_alignment,
    reason = "loads and stores are the unaligned ones"
)]
// SAFETY: the intrinsics need AVX2, FMA and F16C, which the caller vouches for.
unsafe impl<const VNNI: bool> Simd for Bytes32<VNNI> {
    type Bytes = __m256i;
    type Sums = ();
    type I4 = __m128i;
    type F4 = __m128;

    #[inline(always)]
    unsafe fn load(p: *const u8) -> __m256i {
        // SAFETY: 32 bytes at `p` are the caller's promise.
        unsafe { _mm256_loadu_si256(p.cast()) }
    }
    #[inline(always)]
    unsafe fn nibbles(p: *const u8) -> __m256i {
        // SAFETY: 16 bytes at `p` are the caller's promise.
        unsafe {
            let pair = _mm_xor_si128(load16(p), _mm_set1_epi8(0x88_u8.cast_signed()));
            <Self as Simd>::and(_mm256_set_m128i(pair, _mm_slli_epi16::<4>(pair)), 0xF0)
        }
    }
    #[inline(always)]
    unsafe fn look_up_nibbles(table: &[i8; 16], p: *const u8) -> __m256i {
        // SAFETY: 16 bytes at `p` are the caller's promise.
        unsafe {
            let pair = load16(p);
            let index = _mm256_set_m128i(_mm_srli_epi16::<4>(pair), pair);
            <Self as Octet>::look_up(table, <Self as Simd>::and(index, 0x0F))
        }
    }
    #[inline(always)]
    unsafe fn unsigned_nibbles(p: *const u8) -> __m256i {
        // SAFETY: 16 bytes at `p` are the caller's promise.
        unsafe {
            let pair = load16(p);
            <Self as Simd>::and(_mm256_set_m128i(_mm_srli_epi16::<4>(pair), pair), 0x0F)
        }
    }
    #[inline(always)]
    unsafe fn five_bits(p: [*const u8; ROWS], high: __m128i) -> [__m256i; ROWS] {
        // SAFETY: 16 bytes at each of `p` are the caller's promise.
        unsafe {
            let high = _mm256_broadcastsi128_si256(high);
            [
                five_bits(p[0], _mm256_shuffle_epi32::<0x00>(high)),
                five_bits(p[1], _mm256_shuffle_epi32::<0x55>(high)),
                five_bits(p[2], _mm256_shuffle_epi32::<0xAA>(high)),
                five_bits(p[3], _mm256_shuffle_epi32::<0xFF>(high)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn and(v: __m256i, mask: u8) -> __m256i {
        // SAFETY: the caller's promise, here and below.
        unsafe { _mm256_and_si256(v, _mm256_set1_epi8(mask.cast_signed())) }
    }
    #[inline(always)]
    unsafe fn xor(v: __m256i, mask: u8) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_xor_si256(v, _mm256_set1_epi8(mask.cast_signed())) }
    }
    #[inline(always)]
    unsafe fn shr<const N: i32>(v: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_srli_epi16::<N>(v) }
    }
    #[inline(always)]
    unsafe fn shl<const N: i32>(v: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_slli_epi16::<N>(v) }
    }
    #[inline(always)]
    unsafe fn asr<const N: i32>(v: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { <Self as Octet>::asr::<N>(v) }
    }
    #[inline(always)]
    unsafe fn insert<const N: i32>(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { <Self as Octet>::sri::<N>(<Self as Simd>::and(a, !(0xFF >> N)), b) }
    }
    #[inline(always)]
    unsafe fn store_columns(p: *mut u8, w: [__m256i; ROWS]) {
        // SAFETY: the caller's promise. Each half of a register is transposed by itself.
        unsafe {
            let [a, b, c, d] = w;
            let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
            store_step(p, 0, _mm256_unpacklo_epi64(ab, cd));
            store_step(p, 1, _mm256_unpackhi_epi64(ab, cd));
            let (ab, cd) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
            store_step(p, 2, _mm256_unpacklo_epi64(ab, cd));
            store_step(p, 3, _mm256_unpackhi_epi64(ab, cd));
        }
    }
    #[inline(always)]
    unsafe fn start() {}
    #[inline(always)]
    unsafe fn dot((): &mut (), w: [__m256i; ROWS], x: __m256i) -> __m128i {
        // SAFETY: as above.
        unsafe {
            let [first, second] = Self::dot_halves(&mut (), w, x);
            _mm_add_epi32(first, second)
        }
    }
    #[inline(always)]
    unsafe fn dot_halves((): &mut (), w: [__m256i; ROWS], x: __m256i) -> [__m128i; 2] {
        // SAFETY: as above.
        unsafe {
            let halves = halves(w, x);
            [
                _mm256_castsi256_si128(halves),
                _mm256_extracti128_si256::<1>(halves),
            ]
        }
    }
    #[inline(always)]
    unsafe fn words(p: [*const u8; ROWS]) -> [__m128i; 4] {
        // SAFETY: 16 bytes at each of `p` are the caller's promise.
        unsafe {
            let (a, b, c, d) = (load16(p[0]), load16(p[1]), load16(p[2]), load16(p[3]));
            let (low_ab, low_cd) = (_mm_unpacklo_epi32(a, b), _mm_unpacklo_epi32(c, d));
            let (high_ab, high_cd) = (_mm_unpackhi_epi32(a, b), _mm_unpackhi_epi32(c, d));
            [
                _mm_unpacklo_epi64(low_ab, low_cd),
                _mm_unpackhi_epi64(low_ab, low_cd),
                _mm_unpacklo_epi64(high_ab, high_cd),
                _mm_unpackhi_epi64(high_ab, high_cd),
            ]
        }
    }
    #[inline(always)]
    unsafe fn take_words(p: &mut [*const u8; ROWS]) -> __m128i {
        // SAFETY: four bytes at each of `p` are the caller's promise.
        unsafe {
            let words: [i32; ROWS] = [
                take(&mut p[0]),
                take(&mut p[1]),
                take(&mut p[2]),
                take(&mut p[3]),
            ];
            _mm_loadu_si128(words.as_ptr().cast())
        }
    }
    #[inline(always)]
    unsafe fn byte<const K: usize>(v: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe {
            let top = match K {
                0 => _mm_slli_epi32::<24>(v),
                1 => _mm_slli_epi32::<16>(v),
                2 => _mm_slli_epi32::<8>(v),
                _ => v,
            };
            _mm_srai_epi32::<24>(top)
        }
    }
    #[inline(always)]
    unsafe fn and_i4(v: __m128i, mask: i32) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_and_si128(v, _mm_set1_epi32(mask)) }
    }
    #[inline(always)]
    unsafe fn not_i4(v: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_xor_si128(v, _mm_set1_epi32(-1)) }
    }
    #[inline(always)]
    unsafe fn or_i4(a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_or_si128(a, b) }
    }
    #[inline(always)]
    unsafe fn all_i4(x: i32) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_set1_epi32(x) }
    }
    #[inline(always)]
    unsafe fn shl_i4<const N: i32>(v: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_slli_epi32::<N>(v) }
    }
    #[inline(always)]
    unsafe fn shr_i4<const N: i32>(v: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_srli_epi32::<N>(v) }
    }
    #[inline(always)]
    unsafe fn add_i4(a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_i4(a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_mullo_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_i4_with(a: __m128i, p: *const i32) -> __m128i {
        // SAFETY: an integer at `p` is the caller's promise.
        unsafe { _mm_mullo_epi32(a, _mm_set1_epi32(*p)) }
    }
    #[inline(always)]
    unsafe fn store_i4(p: *mut i32, v: __m128i) {
        // SAFETY: 16 bytes at `p` are the caller's promise.
        unsafe { _mm_storeu_si128(p.cast(), v) }
    }
    #[inline(always)]
    unsafe fn to_f4<const FRACTION: i32>(v: __m128i) -> __m128 {
        // SAFETY: as above. A power of two divides exactly.
        unsafe {
            let v = _mm_cvtepi32_ps(v);
            if FRACTION == 0 {
                v
            } else {
                _mm_mul_ps(v, _mm_set1_ps(1.0 / (1 << FRACTION) as f32))
            }
        }
    }
    #[inline(always)]
    unsafe fn zero_f4() -> __m128 {
        // SAFETY: as above.
        unsafe { _mm_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn take_halves(p: &mut [*const u8; ROWS]) -> __m128 {
        // SAFETY: two bytes at each of `p` are the caller's promise.
        unsafe {
            let halves: [u16; ROWS] = [
                take(&mut p[0]),
                take(&mut p[1]),
                take(&mut p[2]),
                take(&mut p[3]),
            ];
            _mm_cvtph_ps(_mm_loadl_epi64(halves.as_ptr().cast()))
        }
    }
    #[inline(always)]
    unsafe fn neg_f4(a: __m128) -> __m128 {
        // SAFETY: as above.
        unsafe { _mm_xor_ps(a, _mm_set1_ps(-0.0)) }
    }
    #[inline(always)]
    unsafe fn mul_f4(a: __m128, b: __m128) -> __m128 {
        // SAFETY: as above.
        unsafe { _mm_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_f4_with(a: __m128, p: *const f32) -> __m128 {
        // SAFETY: a float at `p` is the caller's promise.
        unsafe { _mm_mul_ps(a, _mm_set1_ps(*p)) }
    }
    #[inline(always)]
    unsafe fn fma_f4(acc: __m128, a: __m128, b: __m128) -> __m128 {
        // SAFETY: as above.
        unsafe { _mm_fmadd_ps(a, b, acc) }
    }
    #[inline(always)]
    unsafe fn fma_f4_with(acc: __m128, a: __m128, p: *const f32) -> __m128 {
        // SAFETY: a float at `p` is the caller's promise.
        unsafe { _mm_fmadd_ps(a, _mm_set1_ps(*p), acc) }
    }
    #[inline(always)]
    unsafe fn store_f4(p: *mut f32, v: __m128) {
        // SAFETY: 16 bytes at `p` are the caller's promise.
        unsafe { _mm_storeu_ps(p, v) }
    }
}
