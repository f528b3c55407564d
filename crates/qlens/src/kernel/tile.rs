//! Products of block formats with int8 activations, written once for all vector instruction sets.
//!
//! A tile is [`ROWS`] = 4 rows of weights by up to [`TOKENS`] = 4 rows of activations. Each group of
//! 32 weights is unpacked once and meets every activation row of the tile: in decode (one row) the
//! weights stream through, in prefill the unpacking is shared. The four rows' integer sums end up in
//! the four lanes of one vector, where the float part of [`scalar`](super::scalar) is done for all of
//! them at once, in its order.
//!
//! An instruction set is a [`Simd`]: 32 bytes at a time, four integer or float lanes at a time. A
//! format is a [`Blocks`]: how its bytes become 32 int8.

use crate::quant::{Format, Matrix, QuantizedRow};
use crate::workers::Columns;

/// Rows of weights in a tile.
pub const ROWS: usize = 4;
/// Most rows of activations in a tile.
pub const TOKENS: usize = 4;

/// What a vector instruction set offers to products.
///
/// # Safety
/// The methods may be called only where the instruction set is known to be there. Implementations
/// are `inline(always)` so that they take on the target features of their caller.
pub unsafe trait Simd {
    /// 32 bytes.
    type Bytes: Copy;
    /// Four i32.
    type I4: Copy;
    /// Four f32.
    type F4: Copy;

    /// The 32 bytes at `p`, which need not be aligned.
    unsafe fn load(p: *const u8) -> Self::Bytes;
    /// The low nibbles of the 16 bytes at `p`, then their high nibbles.
    unsafe fn nibbles(p: *const u8) -> Self::Bytes;
    /// The low nibbles of the 16 bytes at `p`, then their high nibbles, each less 16 where its bit of
    /// `high` is clear.
    unsafe fn nibbles_signed(p: *const u8, high: u32) -> Self::Bytes;
    /// All bytes `b`.
    unsafe fn splat(b: u8) -> Self::Bytes;
    /// Bitwise and.
    unsafe fn and(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// Bitwise or.
    unsafe fn or(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// Byte by byte, modulo 256.
    unsafe fn sub(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// Each byte's bits `N..8`; what comes in from above is not defined.
    unsafe fn shr<const N: i32>(a: Self::Bytes) -> Self::Bytes;
    /// Each byte shifted up by `N`; what comes in from below is not defined.
    unsafe fn shl<const N: i32>(a: Self::Bytes) -> Self::Bytes;
    /// Lane `r`: the sum of the products of `w[r]` with `x`, which is in -127..=127.
    unsafe fn dot(w: [Self::Bytes; ROWS], x: Self::Bytes) -> Self::I4;
    /// Lane `r`: likewise, the first 16 products times `first[r]`, the others times `second[r]`.
    unsafe fn dot_scaled(
        w: [Self::Bytes; ROWS],
        x: Self::Bytes,
        first: Self::I4,
        second: Self::I4,
    ) -> Self::I4;
    /// Four integers.
    unsafe fn i4(v: [i32; 4]) -> Self::I4;
    /// Lane by lane.
    unsafe fn mul_i4(a: Self::I4, b: Self::I4) -> Self::I4;
    /// Four floats.
    unsafe fn f4(v: [f32; 4]) -> Self::F4;
    /// Four floats from half precision.
    unsafe fn f4_from_f16(v: [u16; 4]) -> Self::F4;
    /// To floats; exact below 2^24.
    unsafe fn to_f4(v: Self::I4) -> Self::F4;
    /// Lane by lane.
    unsafe fn mul_f4(a: Self::F4, b: Self::F4) -> Self::F4;
    /// `acc + a * b`, rounded once.
    unsafe fn fma_f4(acc: Self::F4, a: Self::F4, b: Self::F4) -> Self::F4;
    /// To memory.
    unsafe fn array(v: Self::F4) -> [f32; 4];
}

/// A block format as the tile sees it.
///
/// # Safety
/// `p` points to a whole block of the format in every method; `J` is below `GROUPS`.
unsafe trait Blocks<S: Simd> {
    /// Which format it is.
    const FORMAT: Format;
    /// Groups of 32 in a block.
    const GROUPS: usize = Self::FORMAT.block_len() / crate::quant::GROUP;
    /// What a block's header says of its groups' integer scales and minima.
    type Head: Copy;

    /// Reads it, for the blocks of four rows.
    unsafe fn head(p: [*const u8; ROWS]) -> Self::Head;
    /// The block scales of four rows.
    unsafe fn d(p: [*const u8; ROWS]) -> S::F4;
    /// The int8 of group `J`.
    unsafe fn quants<const J: usize>(p: *const u8) -> S::Bytes;
    /// The four rows' integer sums of group `J`, integer scales multiplied in.
    unsafe fn dot<const J: usize>(_head: &Self::Head, w: [S::Bytes; ROWS], x: S::Bytes) -> S::I4 {
        // SAFETY: the caller's promise is the same.
        unsafe { S::dot(w, x) }
    }
    /// The four rows' minima in group `J`, for formats that have them.
    unsafe fn min<const J: usize>(_head: &Self::Head) -> Option<S::F4> {
        None
    }
}

/// The f16 at `p`, as bits.
#[inline(always)]
unsafe fn half(p: *const u8) -> u16 {
    // SAFETY: two bytes of a block are readable at `p`; they need not be aligned.
    unsafe { p.cast::<u16>().read_unaligned() }
}

/// The halves at offset `at` of four blocks.
#[inline(always)]
unsafe fn halves<S: Simd>(p: [*const u8; ROWS], at: usize) -> S::F4 {
    // SAFETY: `at` is inside the block.
    unsafe {
        S::f4_from_f16([
            half(p[0].add(at)),
            half(p[1].add(at)),
            half(p[2].add(at)),
            half(p[3].add(at)),
        ])
    }
}

struct Q8_0;
struct Q4_0;
struct Q5_0;
struct Q4K;
struct Q6K;

// SAFETY: every offset below is inside the block layout that `quant::unpack` states.
unsafe impl<S: Simd> Blocks<S> for Q8_0 {
    const FORMAT: Format = Format::Q8_0;
    type Head = ();
    #[inline(always)]
    unsafe fn head(_: [*const u8; ROWS]) {}
    #[inline(always)]
    unsafe fn d(p: [*const u8; ROWS]) -> S::F4 {
        // SAFETY: as the impl.
        unsafe { halves::<S>(p, 0) }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: *const u8) -> S::Bytes {
        // SAFETY: as the impl.
        unsafe { S::load(p.add(2)) }
    }
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Simd> Blocks<S> for Q4_0 {
    const FORMAT: Format = Format::Q4_0;
    type Head = ();
    #[inline(always)]
    unsafe fn head(_: [*const u8; ROWS]) {}
    #[inline(always)]
    unsafe fn d(p: [*const u8; ROWS]) -> S::F4 {
        // SAFETY: as the impl.
        unsafe { halves::<S>(p, 0) }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: *const u8) -> S::Bytes {
        // SAFETY: as the impl.
        unsafe { S::sub(S::nibbles(p.add(2)), S::splat(8)) }
    }
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Simd> Blocks<S> for Q5_0 {
    const FORMAT: Format = Format::Q5_0;
    type Head = ();
    #[inline(always)]
    unsafe fn head(_: [*const u8; ROWS]) {}
    #[inline(always)]
    unsafe fn d(p: [*const u8; ROWS]) -> S::F4 {
        // SAFETY: as the impl.
        unsafe { halves::<S>(p, 0) }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: *const u8) -> S::Bytes {
        // SAFETY: as the impl.
        unsafe { S::nibbles_signed(p.add(6), p.add(2).cast::<u32>().read_unaligned()) }
    }
}

/// Integer scales and minima of four Q4_K superblocks, by group.
#[derive(Clone, Copy)]
pub struct HeadQ4K<S: Simd> {
    scales: [[i32; ROWS]; 8],
    mins: [[i32; ROWS]; 8],
    /// `-dmin`.
    dmin: S::F4,
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Simd> Blocks<S> for Q4K
where
    HeadQ4K<S>: Copy,
{
    const FORMAT: Format = Format::Q4K;
    type Head = HeadQ4K<S>;
    #[inline(always)]
    unsafe fn head(p: [*const u8; ROWS]) -> Self::Head {
        let (mut scales, mut mins) = ([[0; ROWS]; 8], [[0; ROWS]; 8]);
        for (r, p) in p.into_iter().enumerate() {
            // SAFETY: the 12 bytes of packed scales begin at offset 4.
            let [a, b, c] = unsafe { p.add(4).cast::<[u32; 3]>().read_unaligned() };
            // Four 6-bit fields a word: see `quant::scale_min_k4`.
            let fields = [
                (a & 0x3F3F_3F3F, b & 0x3F3F_3F3F),
                (
                    c & 0x0F0F_0F0F | a >> 2 & 0x3030_3030,
                    c >> 4 & 0x0F0F_0F0F | b >> 2 & 0x3030_3030,
                ),
            ];
            for (half, (s, m)) in fields.into_iter().enumerate() {
                for k in 0..4 {
                    scales[half * 4 + k][r] = (s >> (8 * k) & 0xFF) as i32;
                    mins[half * 4 + k][r] = (m >> (8 * k) & 0xFF) as i32;
                }
            }
        }
        // SAFETY: as the impl. Negation is exact.
        let dmin = unsafe { S::mul_f4(halves::<S>(p, 2), S::f4([-1.0; 4])) };
        HeadQ4K { scales, mins, dmin }
    }
    #[inline(always)]
    unsafe fn d(p: [*const u8; ROWS]) -> S::F4 {
        // SAFETY: as the impl.
        unsafe { halves::<S>(p, 0) }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: *const u8) -> S::Bytes {
        // SAFETY: as the impl.
        unsafe {
            let pair = S::load(p.add(16 + J / 2 * 32));
            let low = if J.is_multiple_of(2) {
                pair
            } else {
                S::shr::<4>(pair)
            };
            S::and(low, S::splat(0x0F))
        }
    }
    #[inline(always)]
    unsafe fn dot<const J: usize>(head: &Self::Head, w: [S::Bytes; ROWS], x: S::Bytes) -> S::I4 {
        // SAFETY: as the impl.
        unsafe { S::mul_i4(S::dot(w, x), S::i4(head.scales[J])) }
    }
    #[inline(always)]
    unsafe fn min<const J: usize>(head: &Self::Head) -> Option<S::F4> {
        // SAFETY: as the impl.
        Some(unsafe { S::mul_f4(head.dmin, S::to_f4(S::i4(head.mins[J]))) })
    }
}

/// The integer scales of four Q6_K superblocks, by half group.
type HeadQ6K = [[i32; ROWS]; 16];

// SAFETY: as for `Q8_0`.
unsafe impl<S: Simd> Blocks<S> for Q6K {
    const FORMAT: Format = Format::Q6K;
    type Head = HeadQ6K;
    #[inline(always)]
    unsafe fn head(p: [*const u8; ROWS]) -> Self::Head {
        let mut scales = [[0; ROWS]; 16];
        for (r, p) in p.into_iter().enumerate() {
            // SAFETY: as the impl.
            let bytes = unsafe { p.add(192).cast::<[i8; 16]>().read() };
            for (scale, byte) in scales.iter_mut().zip(bytes) {
                scale[r] = i32::from(byte);
            }
        }
        scales
    }
    #[inline(always)]
    unsafe fn d(p: [*const u8; ROWS]) -> S::F4 {
        // SAFETY: as the impl.
        unsafe { halves::<S>(p, 208) }
    }
    #[inline(always)]
    unsafe fn quants<const J: usize>(p: *const u8) -> S::Bytes {
        let (half, k) = (J / 4, J % 4);
        // SAFETY: as the impl.
        unsafe {
            let low = S::load(p.add(half * 64 + k % 2 * 32));
            let low = S::and(if k < 2 { low } else { S::shr::<4>(low) }, S::splat(0x0F));
            let high = S::load(p.add(128 + half * 32));
            let high = match k {
                0 => S::shl::<4>(high),
                1 => S::shl::<2>(high),
                2 => high,
                _ => S::shr::<2>(high),
            };
            S::sub(S::or(low, S::and(high, S::splat(0x30))), S::splat(32))
        }
    }
    #[inline(always)]
    unsafe fn dot<const J: usize>(head: &Self::Head, w: [S::Bytes; ROWS], x: S::Bytes) -> S::I4 {
        // SAFETY: as the impl.
        unsafe { S::dot_scaled(w, x, S::i4(head[2 * J]), S::i4(head[2 * J + 1])) }
    }
}

/// Group `J` of the blocks at `p`, group `g` of the activations.
#[inline(always)]
unsafe fn group<S: Simd, B: Blocks<S>, const T: usize, const J: usize>(
    p: [*const u8; ROWS],
    (head, d): (&B::Head, S::F4),
    x: &[QuantizedRow<'_>; T],
    g: usize,
    acc: &mut [S::F4; T],
) {
    // SAFETY: the caller promises whole blocks at `p` and a group `g` in each of `x`.
    unsafe {
        let w = [
            B::quants::<J>(p[0]),
            B::quants::<J>(p[1]),
            B::quants::<J>(p[2]),
            B::quants::<J>(p[3]),
        ];
        let min = B::min::<J>(head);
        for t in 0..T {
            let q = S::load(x[t].q.as_ptr().add(32 * g).cast());
            let sum = S::to_f4(B::dot::<J>(head, w, q));
            let scale = S::mul_f4(d, S::f4([*x[t].d.get_unchecked(g); 4]));
            acc[t] = S::fma_f4(acc[t], sum, scale);
            if let Some(min) = min {
                acc[t] = S::fma_f4(acc[t], min, S::f4([*x[t].s.get_unchecked(g); 4]));
            }
        }
    }
}

/// One tile: `T` activation rows by four weight rows; `out[t][r]`.
#[inline(always)]
unsafe fn tile<S: Simd, B: Blocks<S>, const T: usize>(
    rows: [*const u8; ROWS],
    x: [QuantizedRow<'_>; T],
    blocks: usize,
) -> [[f32; ROWS]; T] {
    // SAFETY: the caller promises `blocks` whole blocks at each of `rows` and as many groups in `x`.
    unsafe {
        let mut acc = [S::f4([0.0; 4]); T];
        for b in 0..blocks {
            let p = rows.map(|row| row.add(b * B::FORMAT.block_bytes()));
            let head = B::head(p);
            let (head, g) = ((&head, B::d(p)), b * B::GROUPS);
            group::<S, B, T, 0>(p, head, &x, g, &mut acc);
            // Spelled out, so that each group's shifts and offsets are constants.
            if B::GROUPS == 8 {
                group::<S, B, T, 1>(p, head, &x, g + 1, &mut acc);
                group::<S, B, T, 2>(p, head, &x, g + 2, &mut acc);
                group::<S, B, T, 3>(p, head, &x, g + 3, &mut acc);
                group::<S, B, T, 4>(p, head, &x, g + 4, &mut acc);
                group::<S, B, T, 5>(p, head, &x, g + 5, &mut acc);
                group::<S, B, T, 6>(p, head, &x, g + 6, &mut acc);
                group::<S, B, T, 7>(p, head, &x, g + 7, &mut acc);
            }
        }
        let mut out = [[0.0; ROWS]; T];
        for t in 0..T {
            out[t] = S::array(acc[t]);
        }
        out
    }
}

/// All tiles of `out`'s columns.
#[inline(always)]
unsafe fn tiles<S: Simd, B: Blocks<S>>(
    matrix: &Matrix<'_>,
    x: &super::QuantizedRows<'_>,
    out: &mut Columns<'_>,
) {
    // The shape is public to change after `Matrix::new` has checked it.
    let matrix = Matrix::new(B::FORMAT, matrix.rows, matrix.cols, matrix.data());
    let matrix = matrix.expect("rows of whole blocks");
    let bytes = matrix.row_bytes();
    let blocks = matrix.cols / B::FORMAT.block_len();
    assert!(out.columns().end <= matrix.rows && x.cols() == matrix.cols && out.rows() <= x.rows());
    let (start, end) = (out.columns().start, out.columns().end);
    let base = matrix.data().as_ptr();
    for r in (start..end).step_by(ROWS) {
        // Past the last row the tile repeats it and throws the result away.
        let rows = [r, r + 1, r + 2, r + 3].map(|r| {
            // SAFETY: below `matrix.rows`, hence inside its data.
            unsafe { base.add(r.min(end - 1) * bytes) }
        });
        let mut t = 0;
        while t < out.rows() {
            // SAFETY: rows are whole (Matrix::new) and as long as the activations (asserted).
            let n = unsafe {
                if out.rows() - t >= TOKENS {
                    let xs = [x.row(t), x.row(t + 1), x.row(t + 2), x.row(t + 3)];
                    for (i, y) in tile::<S, B, TOKENS>(rows, xs, blocks).iter().enumerate() {
                        out.store(t + i, r, y);
                    }
                    TOKENS
                } else {
                    out.store(t, r, &tile::<S, B, 1>(rows, [x.row(t)], blocks)[0]);
                    1
                }
            };
            t += n;
        }
    }
}

/// `out[t][r] = matrix[r] . x[t]` for the columns `r` that `out` spans.
///
/// # Safety
/// The instruction set of `S` is there, and the caller has its target features enabled.
#[inline(always)]
pub unsafe fn matmul<S: Simd>(
    matrix: &Matrix<'_>,
    x: &super::QuantizedRows<'_>,
    out: &mut Columns<'_>,
) where
    HeadQ4K<S>: Copy,
{
    // SAFETY: the caller's promise.
    unsafe {
        match matrix.format {
            Format::Q8_0 => tiles::<S, Q8_0>(matrix, x, out),
            Format::Q4_0 => tiles::<S, Q4_0>(matrix, x, out),
            Format::Q5_0 => tiles::<S, Q5_0>(matrix, x, out),
            Format::Q4K => tiles::<S, Q4K>(matrix, x, out),
            Format::Q6K => tiles::<S, Q6K>(matrix, x, out),
            Format::F32 | Format::F16 | Format::Bf16 => {
                debug_assert!(false, "{} takes f32 activations", matrix.format);
            }
        }
    }
}
