//! Products of interleaved block formats.
//!
//! A vector lane is a row of the matrix ([`quant::interleave`](crate::quant::interleave)), so the float part
//! of [`scalar`](super::scalar) is done for eight rows at once, in its order, and no sum crosses lanes.
//!
//! An instruction set is an [`Octet`]: eight rows by four columns at a time. A format is a [`Blocks`]: how
//! its bytes become those (`blocks`). One row of activations meets them as they stream by (`decode`); for
//! several they are unpacked into a [`panel`].

mod blocks;
mod decode;

#[cfg(target_arch = "aarch64")]
pub use blocks::six_bits;
pub use blocks::{
    Block, Blocks, Iq4Nl, Iq4Xs, Q2K, Q3K, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0, Scales,
};

use super::{
    QuantizedRows,
    activations::{QuantizedTile, TILE},
    panel::{
        self, MIN, PLAIN, Panel, SCALE, SCALE_AND_MIN, STEPS, TWO_SCALES, TWO_SCALES_AND_MINS,
    },
    rows::{RowBlocks, Simd},
};
use crate::{
    quant::{
        Format, Matrix,
        interleave::{OCTET, STEP},
    },
    workers::Columns,
};

/// What a vector instruction set offers to products with eight rows.
///
/// # Safety
/// The methods may be called only where the instruction set is known to be there, and with pointers to as
/// many bytes as they say. Implementations are `inline(always)` so that they take on the target features of
/// their caller.
pub unsafe trait Octet {
    /// A step: four columns of eight rows, signed bytes.
    type Bytes: Copy;
    /// The 32 activations of a group.
    type X: Copy;
    /// Sums of products of eight rows, in whatever form they are added up.
    type Acc: Copy;
    /// Eight i32, a lane a row.
    type I8: Copy;
    /// Eight f32, a lane a row.
    type F8: Copy;
    /// Four f32 that lanes are multiplied with.
    type F4: Copy;

    /// The 32 bytes at `p`.
    unsafe fn load(p: *const u8) -> Self::Bytes;
    /// To the 32 bytes at `p`.
    unsafe fn store(p: *mut u8, v: Self::Bytes);
    /// Each byte and `mask`.
    unsafe fn and(v: Self::Bytes, mask: u8) -> Self::Bytes;
    /// Each byte up by `N` bits, 1 to 7.
    unsafe fn shl<const N: i32>(v: Self::Bytes) -> Self::Bytes;
    /// Each byte down by `N` bits, 1 to 7, zeros coming in.
    unsafe fn shr<const N: i32>(v: Self::Bytes) -> Self::Bytes;
    /// Each byte down by `N` bits, 0 to 7, its sign coming in.
    unsafe fn asr<const N: i32>(v: Self::Bytes) -> Self::Bytes;
    /// The upper `N` bits, 1 to 7, of each byte of `a`, whose others are 0, then the uppermost of `b`'s.
    unsafe fn sri<const N: i32>(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// Entry `index` of `table` for each byte; indices are below 16.
    unsafe fn look_up(table: &[i8; 16], index: Self::Bytes) -> Self::Bytes;
    /// The 32 activations at `p`.
    unsafe fn x(p: *const i8) -> Self::X;
    /// Sums of nothing yet.
    unsafe fn start() -> Self::Acc;
    /// Adds the products of `w` with activations `4 STEP .. 4 STEP + 4`.
    unsafe fn dot<const STEP: usize>(acc: Self::Acc, w: Self::Bytes, x: Self::X) -> Self::Acc;
    /// The sums.
    unsafe fn sums(acc: Self::Acc) -> Self::I8;
    /// Lane by lane.
    unsafe fn add_i(a: Self::I8, b: Self::I8) -> Self::I8;
    /// Lane by lane.
    unsafe fn mul_i(a: Self::I8, b: Self::I8) -> Self::I8;
    /// All lanes with the integer at `p`.
    unsafe fn mul_i_with(a: Self::I8, p: *const i32) -> Self::I8;
    /// The eight signed bytes at `p`.
    unsafe fn widen_i8(p: *const i8) -> Self::I8;
    /// The eight unsigned bytes at `p`.
    unsafe fn widen_u8(p: *const u8) -> Self::I8;
    /// The eight i32 at `p`.
    unsafe fn load_i(p: *const i32) -> Self::I8;
    /// To the eight i32 at `p`.
    unsafe fn store_i(p: *mut i32, v: Self::I8);
    /// Divided by `2^FRACTION`; exact where the quotient is an integer below 2^24.
    unsafe fn to_f<const FRACTION: i32>(v: Self::I8) -> Self::F8;
    /// All lanes 0.
    unsafe fn zero() -> Self::F8;
    /// Eight floats from the half precision ones at `p`.
    unsafe fn halves(p: *const u8) -> Self::F8;
    /// The eight floats at `p`.
    unsafe fn load_f(p: *const f32) -> Self::F8;
    /// To the eight floats at `p`.
    unsafe fn store_f(p: *mut f32, v: Self::F8);
    /// Lane by lane.
    unsafe fn mul(a: Self::F8, b: Self::F8) -> Self::F8;
    /// All lanes with the float at `p`.
    unsafe fn mul_with(a: Self::F8, p: *const f32) -> Self::F8;
    /// `-a`.
    unsafe fn neg(a: Self::F8) -> Self::F8;
    /// `acc + a * b`, rounded once.
    unsafe fn fma(acc: Self::F8, a: Self::F8, b: Self::F8) -> Self::F8;
    /// `acc + a * b` with the float at `p` as every lane of `b`, rounded once.
    unsafe fn fma_with(acc: Self::F8, a: Self::F8, p: *const f32) -> Self::F8;
    /// The four floats at `p`.
    unsafe fn f4(p: *const f32) -> Self::F4;
    /// All lanes with float `T` of `b`.
    unsafe fn mul_lane<const T: i32>(a: Self::F8, b: Self::F4) -> Self::F8;
    /// `acc + a * b` with float `T` of `b`, rounded once.
    unsafe fn fma_lane<const T: i32>(acc: Self::F8, a: Self::F8, b: Self::F4) -> Self::F8;

    /// Whether one row of activations is taken as well as several.
    const ONE_ROW: bool = true;

    /// Puts the int8 of the panel's first `groups` groups in the order that [`products`](Self::products) takes them in.
    #[inline(always)]
    unsafe fn arrange(_panel: &mut Panel, _groups: usize) {}
    /// The sums of the products of a panel's group with the same group of four rows of activations, `[4, 32]` at `x`:
    /// of its first half, and of the second, or, unless `HALVES`, of both.
    #[inline(always)]
    unsafe fn products<const HALVES: bool>(
        w: &[[u8; STEP]; STEPS],
        x: *const i8,
    ) -> ([Self::I8; TILE], [Self::I8; TILE])
    where
        Self: Sized,
    {
        // SAFETY: the caller's promise.
        unsafe { panel::products::<Self, HALVES>(w, x) }
    }
    /// Adds the products of the first octets at `p` with those groups of `x` by a loop of the instruction set's own,
    /// if it has one for `format`. How many of the `octets`, and the sums.
    #[inline(always)]
    unsafe fn decode(
        _format: Format,
        _p: *const u8,
        _octets: usize,
        _x: &QuantizedTile,
        acc: Self::F8,
    ) -> (usize, Self::F8) {
        (0, acc)
    }
    /// Likewise the products of a panel's first groups with those of `x`, four rows.
    #[inline(always)]
    unsafe fn tile(
        _kind: u8,
        _panel: &Panel,
        _groups: usize,
        _x: &QuantizedTile,
        acc: [Self::F8; TILE],
    ) -> (usize, [Self::F8; TILE]) {
        (0, acc)
    }
    /// Likewise the unpacking of `octets` octets of blocks at `p`, as the panel's first groups. Whether it was done.
    #[inline(always)]
    unsafe fn unpack(_format: Format, _p: *const u8, _octets: usize, _panel: &mut Panel) -> bool {
        false
    }
}

/// `out[t][r] = matrix[r] . x[t]` for the columns `r` that `out` spans, which begin and end at multiples of 8, or
/// with the matrix.
///
/// # Safety
/// The instruction set of `S` is there, and the caller has its target features enabled.
#[inline(always)]
pub unsafe fn matmul<S: Octet + Simd>(
    matrix: &Matrix<'_>,
    x: &QuantizedRows<'_>,
    out: &mut Columns<'_>,
) {
    let columns = out.columns();
    assert!(columns.start.is_multiple_of(OCTET) && columns.end <= matrix.rows());
    assert!(columns.end.is_multiple_of(OCTET) || columns.end == matrix.rows());
    assert!(x.cols() == matrix.cols() && x.rows() == out.rows());
    // SAFETY: the caller's promise; rows of the matrix are as long as those of the activations.
    unsafe {
        match matrix.format() {
            Format::Q8_0 => product::<S, Q8_0, PLAIN>(matrix, x, out),
            Format::Q4_0 => product::<S, Q4_0, PLAIN>(matrix, x, out),
            Format::Q4_1 => product::<S, Q4_1, MIN>(matrix, x, out),
            Format::Q5_0 => product::<S, Q5_0, PLAIN>(matrix, x, out),
            Format::Q5_1 => product::<S, Q5_1, MIN>(matrix, x, out),
            Format::Q2K => product::<S, Q2K, TWO_SCALES_AND_MINS>(matrix, x, out),
            Format::Q4K => product::<S, Q4K, SCALE_AND_MIN>(matrix, x, out),
            Format::Q5K => product::<S, Q5K, SCALE_AND_MIN>(matrix, x, out),
            Format::Q6K => product::<S, Q6K, TWO_SCALES>(matrix, x, out),
            Format::Iq4Nl => product::<S, Iq4Nl, PLAIN>(matrix, x, out),
            Format::Iq4Xs => product::<S, Iq4Xs, SCALE>(matrix, x, out),
            Format::Q3K => product::<S, Q3K, TWO_SCALES>(matrix, x, out),
            Format::F32 | Format::F16 | Format::Bf16 => {
                debug_assert!(false, "{} takes f32 activations", matrix.format());
            }
        }
    }
}

#[inline(always)]
unsafe fn product<S: Octet + Simd, B: Blocks<S> + RowBlocks<S>, const KIND: u8>(
    matrix: &Matrix<'_>,
    x: &QuantizedRows<'_>,
    out: &mut Columns<'_>,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match out.rows() {
            0 => {}
            1 if S::ONE_ROW => decode::decode::<S, B>(matrix, &x.tile(0), out),
            _ => panel::prefill::<S, B, KIND>(matrix, x, out),
        }
    }
}
