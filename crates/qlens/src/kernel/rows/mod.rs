//! Products of block formats as model files have them, row after row: for files that are mapped read-only,
//! and for the rows that no interleave divides.
//!
//! In decode, [`ROWS`] = 4 rows of weights meet the row of activations. Their integer sums end up in the
//! four lanes of one vector, where the float part of [`scalar`](super::scalar) is done for all of them at
//! once, in its order. In prefill they are only unpacked, into a [`Panel`].
//!
//! An instruction set is a [`Simd`]: 32 bytes at a time, four integer or float lanes at a time. A
//! format is a [`RowBlocks`]: how its bytes become 32 int8 (`blocks`).

mod blocks;

pub use blocks::RowBlocks;

use super::{activations::QuantizedTile, panel::Panel};
use crate::quant::{GROUP, Matrix};
use crate::workers::Columns;

/// Rows of weights at a time.
pub const ROWS: usize = 4;

/// What a vector instruction set offers to products with four rows.
///
/// # Safety
/// The methods may be called only where the instruction set is known to be there, and with pointers to as
/// many bytes as they say, which need not be aligned. Implementations are `inline(always)` so that they take
/// on the target features of their caller.
pub unsafe trait Simd {
    /// 32 bytes of a row.
    type Bytes: Copy;
    /// What goes on from one group's sums to the next's.
    type Sums: Copy;
    /// Four i32, a lane a row.
    type I4: Copy;
    /// Four f32, a lane a row.
    type F4: Copy;

    /// The 32 bytes at `p`.
    unsafe fn load(p: *const u8) -> Self::Bytes;
    /// The low nibbles of the 16 bytes at `p`, then their high nibbles, each less 8 and then times 16.
    unsafe fn nibbles(p: *const u8) -> Self::Bytes;
    /// Entries of `table` for the low nibbles of the 16 bytes at `p`, then for their high nibbles.
    unsafe fn look_up_nibbles(table: &[i8; 16], p: *const u8) -> Self::Bytes;
    /// The low nibbles of the 16 bytes at `p`, then their high nibbles, as they are.
    unsafe fn unsigned_nibbles(p: *const u8) -> Self::Bytes;
    /// For each row the low nibbles of the 16 bytes at its `p`, then their high nibbles, each less 16 where its
    /// bit of the row's lane of `high` is clear.
    unsafe fn five_bits(p: [*const u8; ROWS], high: Self::I4) -> [Self::Bytes; ROWS];
    /// Each byte and `mask`.
    unsafe fn and(v: Self::Bytes, mask: u8) -> Self::Bytes;
    /// Each byte with the bits of `mask` flipped.
    unsafe fn xor(v: Self::Bytes, mask: u8) -> Self::Bytes;
    /// Each byte's bits `N..8`; what comes in from above is not defined.
    unsafe fn shr<const N: i32>(v: Self::Bytes) -> Self::Bytes;
    /// Each byte shifted up by `N`; what comes in from below is not defined.
    unsafe fn shl<const N: i32>(v: Self::Bytes) -> Self::Bytes;
    /// Each byte down by `N` bits, its sign coming in.
    unsafe fn asr<const N: i32>(v: Self::Bytes) -> Self::Bytes;
    /// The upper `N` bits of each byte of `a`, then the uppermost of `b`'s.
    unsafe fn insert<const N: i32>(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// Columns `4 s .. 4 s + 4` of the four rows to the 16 bytes at `p + 32 s`, for `s` in 0..8.
    unsafe fn store_columns(p: *mut u8, w: [Self::Bytes; ROWS]);
    /// Sums of nothing yet.
    unsafe fn start() -> Self::Sums;
    /// Lane `r`: the sum of the products of `w[r]` with `x`, which is in -127..=127.
    unsafe fn dot(sums: &mut Self::Sums, w: [Self::Bytes; ROWS], x: Self::Bytes) -> Self::I4;
    /// Likewise of the first 16 products, and of the others.
    unsafe fn dot_halves(
        sums: &mut Self::Sums,
        w: [Self::Bytes; ROWS],
        x: Self::Bytes,
    ) -> [Self::I4; 2];
    /// Lane `r` of number `i`: the 32-bit word `i` at `p[r]`.
    unsafe fn words(p: [*const u8; ROWS]) -> [Self::I4; 4];
    /// Lane `r`: the 32-bit word at `p[r]`, which moves past it.
    unsafe fn take_words(p: &mut [*const u8; ROWS]) -> Self::I4;
    /// Byte `K` of each lane, signed.
    unsafe fn byte<const K: usize>(v: Self::I4) -> Self::I4;
    /// Each lane and `mask`.
    unsafe fn and_i4(v: Self::I4, mask: i32) -> Self::I4;
    /// All bits of each lane flipped.
    unsafe fn not_i4(v: Self::I4) -> Self::I4;
    /// Lane by lane.
    unsafe fn or_i4(a: Self::I4, b: Self::I4) -> Self::I4;
    /// All lanes `x`.
    unsafe fn all_i4(x: i32) -> Self::I4;
    /// Each lane up by `N` bits, 1 to 31.
    unsafe fn shl_i4<const N: i32>(v: Self::I4) -> Self::I4;
    /// Each lane down by `N` bits, 1 to 31, zeros coming in.
    unsafe fn shr_i4<const N: i32>(v: Self::I4) -> Self::I4;
    /// Lane by lane.
    unsafe fn add_i4(a: Self::I4, b: Self::I4) -> Self::I4;
    /// Lane by lane.
    unsafe fn mul_i4(a: Self::I4, b: Self::I4) -> Self::I4;
    /// All lanes with the integer at `p`.
    unsafe fn mul_i4_with(a: Self::I4, p: *const i32) -> Self::I4;
    /// To the four i32 at `p`.
    unsafe fn store_i4(p: *mut i32, v: Self::I4);
    /// Divided by `2^FRACTION`; exact where the quotient is an integer below 2^24.
    unsafe fn to_f4<const FRACTION: i32>(v: Self::I4) -> Self::F4;
    /// All lanes 0.
    unsafe fn zero_f4() -> Self::F4;
    /// Lane `r`: the half precision float at `p[r]`, which moves past it.
    unsafe fn take_halves(p: &mut [*const u8; ROWS]) -> Self::F4;
    /// `-a`.
    unsafe fn neg_f4(a: Self::F4) -> Self::F4;
    /// Lane by lane.
    unsafe fn mul_f4(a: Self::F4, b: Self::F4) -> Self::F4;
    /// All lanes with the float at `p`.
    unsafe fn mul_f4_with(a: Self::F4, p: *const f32) -> Self::F4;
    /// `acc + a * b`, rounded once.
    unsafe fn fma_f4(acc: Self::F4, a: Self::F4, b: Self::F4) -> Self::F4;
    /// `acc + a * b` with the float at `p` as every lane of `b`, rounded once.
    unsafe fn fma_f4_with(acc: Self::F4, a: Self::F4, p: *const f32) -> Self::F4;
    /// To the four f32 at `p`.
    unsafe fn store_f4(p: *mut f32, v: Self::F4);
}

/// What four rows add up to so far.
struct FourRows<S: Simd> {
    sums: S::Sums,
    acc: S::F4,
}

impl<S: Simd> FourRows<S> {
    /// Adds group `J` of the blocks at `p`, group `g` of the activations.
    #[inline(always)]
    unsafe fn add<B: RowBlocks<S>, const J: usize>(
        &mut self,
        p: [*const u8; ROWS],
        (head, d): (&B::Head, S::F4),
        x: &QuantizedTile,
        g: usize,
    ) {
        // SAFETY: the caller promises whole blocks at `p` and a group `g` in `x`.
        unsafe {
            let q = S::load(x.q.add(GROUP * g).cast());
            let sum = B::dot::<J>(head, &mut self.sums, B::quants::<J>(p, head), q);
            let scale = S::mul_f4_with(d, x.d.add(g));
            self.acc = S::fma_f4(self.acc, B::to_f4(sum), scale);
            if let Some(min) = B::min::<J>(head) {
                self.acc = S::fma_f4_with(self.acc, min, x.s.add(g));
            }
            if let Some((scale, [first, second])) = B::half_mins::<J>(head) {
                // -128 times the activations' sums.
                let bias = x.bias.add(2 * g);
                let (first, second) = (
                    S::mul_i4_with(first, bias),
                    S::mul_i4_with(second, bias.add(1)),
                );
                let sums = S::to_f4::<7>(S::add_i4(first, second));
                self.acc = S::fma_f4(self.acc, sums, S::mul_f4_with(scale, x.d.add(g)));
            }
        }
    }

    /// Adds the blocks at `p`, number `b` of their rows, and moves on behind them.
    #[inline(always)]
    unsafe fn add_block<B: RowBlocks<S>>(
        &mut self,
        p: &mut [*const u8; ROWS],
        x: &QuantizedTile,
        b: usize,
    ) {
        // SAFETY: the caller promises whole blocks at `p` and their groups in `x`.
        unsafe {
            let (d, head) = B::begin(p);
            let (head, g) = ((&head, d), b * B::GROUPS);
            self.add::<B, 0>(*p, head, x, g);
            // Spelled out, so that each group's shifts and offsets are constants.
            if B::GROUPS == 8 {
                self.add::<B, 1>(*p, head, x, g + 1);
                self.add::<B, 2>(*p, head, x, g + 2);
                self.add::<B, 3>(*p, head, x, g + 3);
                self.add::<B, 4>(*p, head, x, g + 4);
                self.add::<B, 5>(*p, head, x, g + 5);
                self.add::<B, 6>(*p, head, x, g + 6);
                self.add::<B, 7>(*p, head, x, g + 7);
            }
            *p = at(*p, B::FORMAT.block_bytes() - B::LEAD);
        }
    }
}

/// Those at `bytes` from each pointer on.
#[inline(always)]
unsafe fn at(p: [*const u8; ROWS], bytes: usize) -> [*const u8; ROWS] {
    // SAFETY: the caller promises that they are in the rows.
    unsafe {
        [
            p[0].add(bytes),
            p[1].add(bytes),
            p[2].add(bytes),
            p[3].add(bytes),
        ]
    }
}

/// The products of four rows of `blocks` blocks with `x`.
#[inline(always)]
unsafe fn four_rows<S: Simd, B: RowBlocks<S>>(
    mut p: [*const u8; ROWS],
    x: &QuantizedTile,
    blocks: usize,
) -> [f32; ROWS] {
    let mut products = [0.0; ROWS];
    // SAFETY: the caller promises `blocks` whole blocks at each of `p` and as many groups in `x`.
    unsafe {
        let mut rows = FourRows::<S> {
            sums: S::start(),
            acc: S::zero_f4(),
        };
        // Two at a time where they are small, so that the loop itself counts for less.
        let at_once = if B::GROUPS == 1 { 2 } else { 1 };
        for b in (0..blocks - blocks % at_once).step_by(at_once) {
            rows.add_block::<B>(&mut p, x, b);
            if at_once == 2 {
                rows.add_block::<B>(&mut p, x, b + 1);
            }
        }
        if blocks % at_once == 1 {
            rows.add_block::<B>(&mut p, x, blocks - 1);
        }
        S::store_f4(products.as_mut_ptr(), rows.acc);
    }
    products
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
            let mut p = at(four(matrix, r + lane, end), b * B::FORMAT.block_bytes());
            let (d, head) = B::begin(&mut p);
            let head = (&head, d);
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
    (head, d): (&B::Head, S::F4),
    lane: usize,
    panel: &mut Panel,
    g: usize,
) {
    // SAFETY: the caller promises whole blocks at `p`; the panel has a group `g` of eight lanes.
    unsafe {
        let [a, b, c, e] = B::quants::<J>(p, head);
        let w = [B::weights(a), B::weights(b), B::weights(c), B::weights(e)];
        S::store_columns(panel.row(g, lane), w);
        S::store_f4(panel.d[g][lane..].as_mut_ptr(), d);
        if let Some([first, second]) = B::scales::<J>(head) {
            let [to_first, to_second] = &mut panel.scales[g];
            S::store_i4(to_first[lane..].as_mut_ptr(), first);
            S::store_i4(to_second[lane..].as_mut_ptr(), second);
        }
        if let Some(min) = B::min::<J>(head) {
            S::store_f4(panel.mins[g][lane..].as_mut_ptr(), min);
        }
        if let Some((scale, [first, second])) = B::half_mins::<J>(head) {
            let [to_first, to_second] = &mut panel.half_mins[g];
            S::store_f4(panel.mins[g][lane..].as_mut_ptr(), scale);
            S::store_i4(to_first[lane..].as_mut_ptr(), first);
            S::store_i4(to_second[lane..].as_mut_ptr(), second);
        }
    }
}
