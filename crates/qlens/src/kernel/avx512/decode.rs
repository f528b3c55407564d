//! One row of activations and interleaved `Q4_0`: two steps of eight rows in a register.

#[allow(clippy::wildcard_imports, reason = "twenty intrinsics")]
use core::arch::x86_64::*;

use crate::{
    kernel::activations::QuantizedTile,
    quant::{
        Format, GROUP,
        interleave::{OCTET, QUANTS, STEP},
    },
};

/// Adds the products of `octets` octets of `Q4_0` blocks at `p` with `x` to the sums of eight rows.
///
/// Nibbles count as eight more than they are, to be unsigned, so sums begin at minus as many times the activations'.
///
/// # Safety
/// The processor has what the function is compiled for; the octets are there, and `x`, one row, has as many groups.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
#[allow(clippy::cast_ptr_alignment, reason = "loads are the unaligned ones")]
pub unsafe fn q4_0(p: *const u8, octets: usize, x: &QuantizedTile, mut acc: __m256) -> __m256 {
    /// Bytes from a block to the one to fetch meanwhile: a page, since a processor's own fetching stops at its end.
    const AHEAD: usize = 4096;
    /// `(a ^ b) & c`.
    const XOR_AND: i32 = 0x28;
    let (sign, nibble) = (
        _mm512_set1_epi8(0x88_u8.cast_signed()),
        _mm512_set1_epi8(0x0F),
    );
    // Four activations for eight rows, the next four for the same rows.
    let first = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    let two = _mm512_set1_epi32(2);
    let second = _mm512_add_epi32(first, two);
    let third = _mm512_add_epi32(second, two);
    let fourth = _mm512_add_epi32(third, two);
    for b in 0..octets {
        // SAFETY: an octet and a group of activations are read: the caller's promise.
        unsafe {
            let p = p.add(b * OCTET * Format::Q4_0.block_bytes());
            for line in 0..3 {
                _mm_prefetch::<_MM_HINT_T0>(p.wrapping_add(AHEAD + 64 * line).cast());
            }
            let q = _mm512_broadcast_i64x4(_mm256_loadu_si256(x.q.add(GROUP * b).cast()));
            let (a, c) = (
                _mm512_loadu_si512(p.add(QUANTS).cast()),
                _mm512_loadu_si512(p.add(QUANTS + 2 * STEP).cast()),
            );
            // The bias is -128 times each half's sum.
            let start = (*x.bias.add(2 * b) + *x.bias.add(2 * b + 1)) >> 4;
            let start = _mm512_zextsi256_si512(_mm256_set1_epi32(start));
            let low = |v| _mm512_ternarylogic_epi32::<XOR_AND>(v, sign, nibble);
            let even = _mm512_dpbusd_epi32(start, low(a), _mm512_permutexvar_epi32(first, q));
            let odd = _mm512_setzero_si512();
            let odd = _mm512_dpbusd_epi32(odd, low(c), _mm512_permutexvar_epi32(second, q));
            let (a, c) = (_mm512_srli_epi16::<4>(a), _mm512_srli_epi16::<4>(c));
            let even = _mm512_dpbusd_epi32(even, low(a), _mm512_permutexvar_epi32(third, q));
            let odd = _mm512_dpbusd_epi32(odd, low(c), _mm512_permutexvar_epi32(fourth, q));
            let sums = _mm512_add_epi32(even, odd);
            let sums = _mm256_add_epi32(
                _mm512_castsi512_si256(sums),
                _mm512_extracti64x4_epi64::<1>(sums),
            );
            let d = _mm256_cvtph_ps(_mm_loadu_si128(p.cast()));
            let scale = _mm256_mul_ps(d, _mm256_set1_ps(*x.d.add(b)));
            acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), scale, acc);
        }
    }
    acc
}
