//! Products of block formats as model files have them, row after row: for files that are mapped read-only,
//! and for the rows that no interleave divides.
//!
//! In decode, [`ROWS`] = 4 rows of weights meet the row of activations. Their integer sums end up in the
//! four lanes of one vector, where the float part of [`scalar`](super::scalar) is done for all of them at
//! once, in its order. In prefill they are only unpacked, into a [`Panel`].
//!
//! An instruction set is a [`Simd`]: 32 bytes at a time, four integer or float lanes at a time. A
//! format is a [`RowBlocks`]: how its bytes become 32 int8.

use super::{
    activations::QuantizedTile,
    octet::{Block, Q4_0, Q4K, Q5_0, Q6K, Q8_0},
    panel::Panel,
};
use crate::quant::Matrix;
use crate::workers::Columns;

/// Rows of weights at a time.
pub const ROWS: usize = 4;

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
    /// To memory.
    unsafe fn bytes(v: Self::Bytes) -> [[u8; 4]; 8];
}

/// A block format as it is stored.
///
/// # Safety
/// `p` points to a whole block of the format in every method; `J` is below `GROUPS`.
pub unsafe trait RowBlocks<S: Simd>: Block {
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
    /// The four rows' integer scales of the halves of group `J`, for formats that have them.
    fn scales<const J: usize>(_head: &Self::Head) -> Option<[[i32; ROWS]; 2]> {
        None
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

// SAFETY: every offset below is inside the block layout that `quant::unpack` states.
unsafe impl<S: Simd> RowBlocks<S> for Q8_0 {
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
unsafe impl<S: Simd> RowBlocks<S> for Q4_0 {
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
unsafe impl<S: Simd> RowBlocks<S> for Q5_0 {
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
unsafe impl<S: Simd> RowBlocks<S> for Q4K
where
    HeadQ4K<S>: Copy,
{
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
    fn scales<const J: usize>(head: &Self::Head) -> Option<[[i32; ROWS]; 2]> {
        Some([head.scales[J]; 2])
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
unsafe impl<S: Simd> RowBlocks<S> for Q6K {
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
    #[inline(always)]
    fn scales<const J: usize>(head: &Self::Head) -> Option<[[i32; ROWS]; 2]> {
        Some([head[2 * J], head[2 * J + 1]])
    }
}

/// Adds group `J` of the blocks at `p`, group `g` of the activations.
#[inline(always)]
unsafe fn group<S: Simd, B: RowBlocks<S>, const J: usize>(
    p: [*const u8; ROWS],
    (head, d): (&B::Head, S::F4),
    x: &QuantizedTile,
    g: usize,
    acc: S::F4,
) -> S::F4 {
    // SAFETY: the caller promises whole blocks at `p` and a group `g` in `x`.
    unsafe {
        let w = [
            B::quants::<J>(p[0]),
            B::quants::<J>(p[1]),
            B::quants::<J>(p[2]),
            B::quants::<J>(p[3]),
        ];
        let q = S::load(x.q.add(32 * g).cast());
        let sum = S::to_f4(B::dot::<J>(head, w, q));
        let scale = S::mul_f4(d, S::f4([*x.d.add(g); 4]));
        let acc = S::fma_f4(acc, sum, scale);
        match B::min::<J>(head) {
            None => acc,
            Some(min) => S::fma_f4(acc, min, S::f4([*x.s.add(g); 4])),
        }
    }
}

/// The products of four rows of `blocks` blocks with `x`.
#[inline(always)]
unsafe fn four_rows<S: Simd, B: RowBlocks<S>>(
    rows: [*const u8; ROWS],
    x: &QuantizedTile,
    blocks: usize,
) -> [f32; ROWS] {
    // SAFETY: the caller promises `blocks` whole blocks at each of `rows` and as many groups in `x`.
    unsafe {
        let mut acc = S::f4([0.0; 4]);
        for b in 0..blocks {
            let at = b * B::FORMAT.block_bytes();
            let p = [
                rows[0].add(at),
                rows[1].add(at),
                rows[2].add(at),
                rows[3].add(at),
            ];
            let head = B::head(p);
            let (head, g) = ((&head, B::d(p)), b * B::GROUPS);
            acc = group::<S, B, 0>(p, head, x, g, acc);
            // Spelled out, so that each group's shifts and offsets are constants.
            if B::GROUPS == 8 {
                acc = group::<S, B, 1>(p, head, x, g + 1, acc);
                acc = group::<S, B, 2>(p, head, x, g + 2, acc);
                acc = group::<S, B, 3>(p, head, x, g + 3, acc);
                acc = group::<S, B, 4>(p, head, x, g + 4, acc);
                acc = group::<S, B, 5>(p, head, x, g + 5, acc);
                acc = group::<S, B, 6>(p, head, x, g + 6, acc);
                acc = group::<S, B, 7>(p, head, x, g + 7, acc);
            }
        }
        S::array(acc)
    }
}

/// `out[0][r] = matrix[r] . x` for the rows `r` from `start` on that `out` spans, which are not interleaved.
///
/// # Safety
/// The instruction set of `S` is there, and the caller has its target features enabled.
#[inline(always)]
pub unsafe fn decode<S: Simd, B: RowBlocks<S>>(
    matrix: &Matrix<'_>,
    x: &QuantizedTile,
    start: usize,
    out: &mut Columns<'_>,
) {
    let blocks = matrix.cols() / B::FORMAT.block_len();
    let end = out.columns().end;
    for r in (start..end).step_by(ROWS) {
        let rows = four(matrix, r, end);
        // SAFETY: rows are whole, and the caller's promise.
        let products = unsafe { four_rows::<S, B>(rows, x, blocks) };
        match out.from(0, r).first_chunk_mut() {
            Some(out) => *out = products,
            None => out.store(0, r, &products),
        }
    }
}

/// Rows `r .. r + 4`. Past row `end` the last one is repeated, and its products are thrown away.
#[inline(always)]
fn four(matrix: &Matrix<'_>, r: usize, end: usize) -> [*const u8; ROWS] {
    let row = |r: usize| {
        let row = matrix.row(r.min(end - 1));
        row.expect("a row of the matrix").as_ptr()
    };
    [row(r), row(r + 1), row(r + 2), row(r + 3)]
}

/// Unpacks block `b` of rows `r .. r + 8` as the panel's groups from `g` on. Past row `end` the last one is
/// repeated, and its products are thrown away.
///
/// # Safety
/// As [`decode`].
#[inline(always)]
pub unsafe fn unpack<S: Simd, B: RowBlocks<S>>(
    matrix: &Matrix<'_>,
    (r, end): (usize, usize),
    b: usize,
    panel: &mut Panel,
    g: usize,
) {
    for lane in [0, ROWS] {
        // SAFETY: rows are whole, and the caller's promise.
        unsafe {
            let (rows, at) = (four(matrix, r + lane, end), b * B::FORMAT.block_bytes());
            let p = [
                rows[0].add(at),
                rows[1].add(at),
                rows[2].add(at),
                rows[3].add(at),
            ];
            let head = (&B::head(p), S::array(B::d(p)));
            unpack_group::<S, B, 0>(p, head, lane, panel, g);
            if B::GROUPS == 8 {
                unpack_group::<S, B, 1>(p, head, lane, panel, g + 1);
                unpack_group::<S, B, 2>(p, head, lane, panel, g + 2);
                unpack_group::<S, B, 3>(p, head, lane, panel, g + 3);
                unpack_group::<S, B, 4>(p, head, lane, panel, g + 4);
                unpack_group::<S, B, 5>(p, head, lane, panel, g + 5);
                unpack_group::<S, B, 6>(p, head, lane, panel, g + 6);
                unpack_group::<S, B, 7>(p, head, lane, panel, g + 7);
            }
        }
    }
}

/// Unpacks group `J` of the blocks at `p` as lanes `lane .. lane + 4` of the panel's group `g`.
#[inline(always)]
unsafe fn unpack_group<S: Simd, B: RowBlocks<S>, const J: usize>(
    p: [*const u8; ROWS],
    (head, d): (&B::Head, [f32; ROWS]),
    lane: usize,
    panel: &mut Panel,
    g: usize,
) {
    let lanes = lane..lane + ROWS;
    for (r, p) in p.into_iter().enumerate() {
        // SAFETY: the caller promises whole blocks at `p`.
        let weights = unsafe { S::bytes(B::quants::<J>(p)) };
        panel.set_row(g, lane + r, &weights);
    }
    panel.d[g][lanes.clone()].copy_from_slice(&d);
    if let Some(scales) = B::scales::<J>(head) {
        for (to, from) in panel.scales[g].iter_mut().zip(scales) {
            to[lanes.clone()].copy_from_slice(&from);
        }
    }
    // SAFETY: the caller's promise.
    if let Some(min) = unsafe { B::min::<J>(head) } {
        // SAFETY: as above.
        panel.mins[g][lanes].copy_from_slice(&unsafe { S::array(min) });
    }
}
