//! Norms, activations, quantization: written once over [`Lanes`], as [`attention`](super::attention) is.

use half::f16;

pub use super::attention::{attend, average_q8_0};
pub use super::recurrent::{convolve, delta_rule, gate, l2_norm};
use super::{
    activations::{Quantized, RowLayout},
    lanes::{LANES, Lanes},
};
use crate::{
    quant::{BlockQ8_0, Format, GROUP, Matrix},
    workers::Columns,
};

/// Splits `x` into whole vectors and what is left over.
macro_rules! lanes {
    ($x:expr) => {
        $x.as_chunks::<LANES>()
    };
}

/// `sum(a[i] * b[i])`.
#[inline(always)]
pub fn dot<L: Lanes>(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (lanes!(a), lanes!(b));
    let mut sum = L::splat(0.0);
    for (a, b) in a.iter().zip(b) {
        sum = sum.fma(L::load(a), L::load(b));
    }
    if !a_rest.is_empty() {
        sum = sum.fma(L::load_partial(a_rest), L::load_partial(b_rest));
    }
    sum.sum()
}

/// The product of a row stored as F32, F16 or BF16 (little-endian bytes) with `x`.
#[inline(always)]
pub fn dot_row<L: Lanes>(format: Format, row: &[u8], x: &[f32]) -> f32 {
    let mut sum = L::splat(0.0);
    let (x, x_rest) = lanes!(x);
    if format == Format::F32 {
        let (row, row_rest) = row.as_chunks::<{ 4 * LANES }>();
        for (w, x) in row.iter().zip(x) {
            sum = sum.fma(L::load(&floats(w)), L::load(x));
        }
        if !x_rest.is_empty() {
            let mut last = [0; 4 * LANES];
            last[..row_rest.len()].copy_from_slice(row_rest);
            sum = sum.fma(L::load(&floats(&last)), L::load_partial(x_rest));
        }
        return sum.sum();
    }
    let (row, row_rest) = row.as_chunks::<{ 2 * LANES }>();
    for (w, x) in row.iter().zip(x) {
        sum = sum.fma(load_halves::<L>(format, w), L::load(x));
    }
    if !x_rest.is_empty() {
        let mut last = [0; 2 * LANES];
        last[..row_rest.len()].copy_from_slice(row_rest);
        sum = sum.fma(load_halves::<L>(format, &last), L::load_partial(x_rest));
    }
    sum.sum()
}

/// Sixteen little-endian f32.
#[inline(always)]
fn floats(bytes: &[u8; 4 * LANES]) -> [f32; LANES] {
    let words = bytes.as_chunks::<4>().0;
    core::array::from_fn(|i| f32::from_le_bytes(words[i]))
}

/// Sixteen little-endian F16 or BF16.
#[inline(always)]
fn load_halves<L: Lanes>(format: Format, bytes: &[u8; 2 * LANES]) -> L {
    let halves = bytes.as_chunks::<2>().0;
    let bits = core::array::from_fn(|i| u16::from_le_bytes(halves[i]));
    if format == Format::F16 {
        L::load_f16(&bits)
    } else {
        L::load_bf16(&bits)
    }
}

/// `out[t][r] = matrix[r] . x[t]` for the columns `r` that `out` spans; `x`: `[rows, cols]`.
#[inline(always)]
pub fn matmul_float<L: Lanes>(matrix: &Matrix<'_>, x: &[f32], out: &mut Columns<'_>) {
    for r in out.columns() {
        let Some(row) = matrix.row(r) else { return };
        for t in 0..out.rows() {
            let x = &x[t * matrix.cols()..][..matrix.cols()];
            out.store(t, r, &[dot_row::<L>(matrix.format(), row, x)]);
        }
    }
}

/// `out[i] = f(a[i], b[i])`, all of one length, for a vector at a time. Not a function of a closure: one that is
/// used twice may stay a function of its own, without the target features that its intrinsics need to be
/// instructions.
macro_rules! map2 {
    ($out:expr, $a:expr, $b:expr, |$x:ident, $y:ident| $f:expr) => {{
        let (out, out_rest) = $out.as_chunks_mut::<LANES>();
        let ((a, a_rest), (b, b_rest)) = (lanes!($a), lanes!($b));
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            let ($x, $y) = (L::load(a), L::load(b));
            $f.store(out);
        }
        let ($x, $y) = (L::load_partial(a_rest), L::load_partial(b_rest));
        $f.store_partial(out_rest);
    }};
}

/// `x[i] = f(x[i], b[i])`, likewise.
macro_rules! update2 {
    ($out:expr, $b:expr, |$x:ident, $y:ident| $f:expr) => {{
        let ((out, out_rest), (b, b_rest)) = ($out.as_chunks_mut::<LANES>(), lanes!($b));
        for (out, b) in out.iter_mut().zip(b) {
            let ($x, $y) = (L::load(out), L::load(b));
            $f.store(out);
        }
        let ($x, $y) = (L::load_partial(out_rest), L::load_partial(b_rest));
        $f.store_partial(out_rest);
    }};
}

/// `x += y`.
#[inline(always)]
pub fn add<L: Lanes>(x: &mut [f32], y: &[f32]) {
    update2!(x, y, |x, y| x.add(y));
}

/// `out = x / sqrt(mean(x^2) + eps) * weight`: RMSNorm (Zhang and Sennrich, 2019).
#[inline(always)]
pub fn rms_norm<L: Lanes>(out: &mut [f32], x: &[f32], weight: &[f32], eps: f32) {
    let mean = dot::<L>(x, x) / x.len() as f32;
    let scale = L::splat(1.0 / libm::sqrtf(mean + eps));
    map2!(out, x, weight, |x, w| x.mul(scale).mul(w));
}

/// `e^x`, to about one unit in the last place; x below -87 gives `e^-87`, x above 88 `e^88`.
///
/// `e^x = 2^n e^r` with `n = round(x / ln 2)`, `|r| <= ln 2 / 2`, and the degree-6 polynomial of
/// Cephes' `expf` for `e^r`.
#[inline(always)]
pub fn exp<L: Lanes>(x: L) -> L {
    let x = x.max(L::splat(-87.0)).min(L::splat(88.0));
    let n = x.mul(L::splat(core::f32::consts::LOG2_E)).round();
    // ln 2 in two parts, the first short enough that n times it is exact.
    let r = x
        .fma(n, L::splat(-0.693_359_4))
        .fma(n, L::splat(2.121_944_4e-4));
    let mut p = L::splat(1.987_569_1e-4);
    for c in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        0.166_666_66,
        0.5,
    ] {
        p = L::splat(c).fma(p, r);
    }
    r.fma(p, r.mul(r)).add(L::splat(1.0)).mul(n.exp2i())
}

/// `gate = silu(gate) * up`, `silu(x) = x / (1 + e^-x)`: SwiGLU (Shazeer, 2020).
#[inline(always)]
pub fn swiglu<L: Lanes>(gate: &mut [f32], up: &[f32]) {
    update2!(gate, up, |g, u| {
        let denominator = exp(L::splat(0.0).sub(g)).add(L::splat(1.0));
        g.div(denominator).mul(u)
    });
}

/// Rotates the pairs `(x[i], x[i + cos.len()])` by the angles whose cosines and sines are given
/// (rotary embedding in the NEOX order; Su et al., 2021).
#[inline(always)]
pub fn rope<L: Lanes>(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    let half = cos.len();
    let (low, high) = x.split_at_mut(half);
    let ((low, low_rest), (high, high_rest)) = (low.as_chunks_mut(), high[..half].as_chunks_mut());
    let ((cos, cos_rest), (sin, sin_rest)) = (lanes!(cos), lanes!(sin));
    for (((low, high), c), s) in low.iter_mut().zip(high).zip(cos).zip(sin) {
        let (a, b) = rotate::<L>(L::load(low), L::load(high), L::load(c), L::load(s));
        a.store(low);
        b.store(high);
    }
    let (a, b) = rotate::<L>(
        L::load_partial(low_rest),
        L::load_partial(high_rest),
        L::load_partial(cos_rest),
        L::load_partial(sin_rest),
    );
    a.store_partial(low_rest);
    b.store_partial(high_rest);
}

/// A vector of pairs, rotated.
#[inline(always)]
fn rotate<L: Lanes>(a: L, b: L, cos: L, sin: L) -> (L, L) {
    let minus_b = L::splat(0.0).sub(b);
    (a.mul(cos).fma(minus_b, sin), b.mul(cos).fma(a, sin))
}

/// Half-precision copy of `x`.
#[inline(always)]
pub fn to_f16<L: Lanes>(out: &mut [u16], x: &[f32]) {
    let ((out, out_rest), (x, x_rest)) = (out.as_chunks_mut(), lanes!(x));
    for (out, x) in out.iter_mut().zip(x) {
        L::load(x).store_f16(out);
    }
    let mut last = [0; LANES];
    L::load_partial(x_rest).store_f16(&mut last);
    out_rest.copy_from_slice(&last[..out_rest.len()]);
}

/// Quantizes row `t` of `rows`: see [`QuantizedRows`](super::QuantizedRows).
///
/// `d = max|x| / 127`, `q = round(x / d)`; a group of zeros has `d = 0`. `x`: whole groups.
#[inline(always)]
pub fn quantize<L: Lanes>(x: &[f32], t: usize, layout: RowLayout, rows: &mut Quantized<'_>) {
    let q = rows.q.as_chunks_mut::<GROUP>().0;
    for (g, x) in x.as_chunks::<GROUP>().0.iter().enumerate() {
        let (x, _) = lanes!(x);
        let (a, b) = (L::load(&x[0]), L::load(&x[1]));
        let largest = a.abs().max(b.abs()).largest();
        let d = largest / 127.0;
        let inverse = L::splat(if largest > 0.0 { 127.0 / largest } else { 0.0 });
        let at = layout.at(t, g);
        let (q, _) = q[at].as_chunks_mut();
        let sums = [
            integers(a.mul(inverse)).store_i8(&mut q[0]),
            integers(b.mul(inverse)).store_i8(&mut q[1]),
        ];
        rows.d[at] = d;
        rows.s[at] = d * (sums[0] + sums[1]) as f32;
        // A half's numbers are as far from the other's as there are rows in a tile.
        let at = at + at / layout.tile() * layout.tile();
        rows.bias[at] = -128 * sums[0];
        rows.bias[at + layout.tile()] = -128 * sums[1];
    }
}

/// Quantizes `x`, as many groups as `out` has blocks, as ggml does: `d = max|x| / 127`, `q = x / d` to the nearest
/// integer, ties away from zero, and only then `d` is rounded to half precision.
#[inline(always)]
pub fn to_q8_0<L: Lanes>(out: &mut [BlockQ8_0], x: &[f32]) {
    for (block, x) in out.iter_mut().zip(x.as_chunks::<GROUP>().0) {
        let (x, _) = lanes!(x);
        let (a, b) = (L::load(&x[0]), L::load(&x[1]));
        let d = a.abs().max(b.abs()).largest() / 127.0;
        let inverse = L::splat(if d > 0.0 { 1.0 / d } else { 0.0 });
        let (q, _) = block.q.as_chunks_mut();
        clamped(a.mul(inverse).round_away()).store_i8(&mut q[0]);
        clamped(b.mul(inverse).round_away()).store_i8(&mut q[1]);
        block.d = f16::from_f32(d).to_le_bytes();
    }
}

/// Rounded to -127..=127. The division may round up or overflow for denormal scales: the clamp keeps q in range.
#[inline(always)]
fn integers<L: Lanes>(v: L) -> L {
    clamped(v.round())
}

#[inline(always)]
fn clamped<L: Lanes>(v: L) -> L {
    v.min(L::splat(127.0)).max(L::splat(-127.0))
}
