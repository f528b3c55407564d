//! Norms, attention, activations, quantization: written once over [`Lanes`].

use super::{
    activations::{Quantized, RowLayout},
    lanes::{LANES, Lanes},
};
use crate::{
    quant::{Format, GROUP, Matrix},
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

fn padded(x: &[u16]) -> [u16; LANES] {
    let mut all = [0; LANES];
    all[..x.len()].copy_from_slice(x);
    all
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

/// Rounded to -127..=127. The division may round up or overflow for denormal scales: the clamp keeps q in range.
#[inline(always)]
fn integers<L: Lanes>(v: L) -> L {
    v.round().min(L::splat(127.0)).max(L::splat(-127.0))
}

/// Most heads that [`attend`] takes at a time.
pub const HEADS: usize = 4;

/// Attention of one to four heads that share their keys and values, at one position over the positions cached
/// so far: what is read of the cache is widened once for all of them.
///
/// `q`, `out`: `[heads, head_dim]`; `keys`, `values`: `[n, head_dim]` f16; `scores`: scratch `[n, 4]`.
/// `out = softmax(q . keys^T * scale) values`; positions are taken in ascending order, but for the sum in
/// softmax, which has partial results of every fourth position.
#[inline(always)]
pub fn attend<L: Lanes>(
    out: &mut [f32],
    q: &[f32],
    (keys, values): (&[u16], &[u16]),
    head_dim: usize,
    scores: &mut [f32],
    scale: f32,
) {
    let kv = (keys, values);
    match q.len() / head_dim {
        1 => attend_heads::<L, 1>(out, q, kv, head_dim, scores, scale),
        2 => attend_heads::<L, 2>(out, q, kv, head_dim, scores, scale),
        3 => attend_heads::<L, 3>(out, q, kv, head_dim, scores, scale),
        heads => {
            assert_eq!(heads, HEADS, "heads at a time");
            attend_heads::<L, HEADS>(out, q, kv, head_dim, scores, scale);
        }
    }
}

#[inline(always)]
fn attend_heads<L: Lanes, const H: usize>(
    out: &mut [f32],
    q: &[f32],
    (keys, values): (&[u16], &[u16]),
    head_dim: usize,
    scores: &mut [f32],
    scale: f32,
) {
    let (scores, _) = scores.as_chunks_mut::<HEADS>();
    match head_dim {
        64 => score_whole::<L, H, { 64 / LANES }>(q, keys, scores, scale),
        128 => score_whole::<L, H, { 128 / LANES }>(q, keys, scores, scale),
        _ => score_any::<L, H>(q, keys, head_dim, scores, scale),
    }

    let inverses = softmax::<L>(scores).map(|sum| 1.0 / sum);
    let whole = head_dim / LANES;
    let (chunks, rest) = values.as_chunks::<LANES>();
    if rest.is_empty() && whole * LANES == head_dim {
        for c in 0..whole {
            let mut sums = [L::splat(0.0); H];
            for (value, scores) in chunks.chunks_exact(whole).zip(&*scores) {
                let value = L::load_f16(&value[c]);
                for (sum, score) in sums.iter_mut().zip(scores) {
                    *sum = sum.fma(L::splat(*score), value);
                }
            }
            for ((sum, inverse), out) in
                sums.into_iter().zip(inverses).zip(out.chunks_mut(head_dim))
            {
                sum.mul(L::splat(inverse))
                    .store_partial(&mut out[c * LANES..][..LANES]);
            }
        }
        return;
    }
    for (c, start) in (0..head_dim).step_by(LANES).enumerate() {
        let columns = start..head_dim.min((c + 1) * LANES);
        let mut sums = [L::splat(0.0); H];
        for (value, scores) in values.chunks_exact(head_dim).zip(&*scores) {
            let value = L::load_f16(&padded(&value[columns.clone()]));
            for (sum, score) in sums.iter_mut().zip(scores) {
                *sum = sum.fma(L::splat(*score), value);
            }
        }
        for ((sum, inverse), out) in sums.into_iter().zip(inverses).zip(out.chunks_mut(head_dim)) {
            sum.mul(L::splat(inverse))
                .store_partial(&mut out[columns.clone()]);
        }
    }
}

/// `scores[n] = q . keys[n] * scale` for each of `H` heads of `W` whole vectors: so many that loops unroll.
#[inline(always)]
fn score_whole<L: Lanes, const H: usize, const W: usize>(
    q: &[f32],
    keys: &[u16],
    scores: &mut [[f32; HEADS]],
    scale: f32,
) {
    let (q, keys) = (
        lanes!(q).0.as_chunks::<W>().0,
        lanes!(keys).0.as_chunks::<W>().0,
    );
    let q = &q[..H];
    for (key, scores) in keys.iter().zip(scores) {
        let mut sums = [L::splat(0.0); HEADS];
        for c in 0..W {
            let key = L::load_f16(&key[c]);
            for (sum, q) in sums.iter_mut().zip(q) {
                *sum = sum.fma(L::load(&q[c]), key);
            }
        }
        *scores = L::sums(sums).map(|sum| sum * scale);
    }
}

/// Likewise for heads of any width.
#[inline(always)]
fn score_any<L: Lanes, const H: usize>(
    q: &[f32],
    keys: &[u16],
    head_dim: usize,
    scores: &mut [[f32; HEADS]],
    scale: f32,
) {
    for (key, scores) in keys.chunks_exact(head_dim).zip(scores) {
        let (key, key_rest) = lanes!(key);
        let mut sums = [L::splat(0.0); HEADS];
        for (sum, q) in sums.iter_mut().zip(q.chunks_exact(head_dim).take(H)) {
            let (q, q_rest) = lanes!(q);
            for (key, q) in key.iter().zip(q) {
                *sum = sum.fma(L::load(q), L::load_f16(key));
            }
            if !q_rest.is_empty() {
                let key = L::load_f16(&padded(key_rest));
                *sum = sum.fma(L::load_partial(q_rest), key);
            }
        }
        *scores = L::sums(sums).map(|sum| sum * scale);
    }
}

/// `scores = e^(scores - max(scores))` for each of four heads, `[n, 4]`; returns their sums.
///
/// Of the sixteen lanes those of a head are four apart, so that its sum has four partial results.
#[inline(always)]
fn softmax<L: Lanes>(scores: &mut [[f32; HEADS]]) -> [f32; HEADS] {
    let (whole, rest) = scores.as_flattened_mut().as_chunks_mut::<LANES>();
    let mut last = [f32::NEG_INFINITY; LANES];
    last[..rest.len()].copy_from_slice(rest);
    let mut largest = L::load(&last);
    for s in &*whole {
        largest = largest.max(L::load(s));
    }
    let [a, b, c, d] = largest.quarters(|a, b| if b > a { b } else { a });
    let shift = L::load(&core::array::from_fn(|i| [a, b, c, d][i % HEADS]));

    let mut sum = L::splat(0.0);
    for s in whole {
        let p = exp(L::load(s).sub(shift));
        sum = sum.add(p);
        p.store(s);
    }
    exp(L::load(&last).sub(shift)).store_partial(rest);
    let mut last = [0.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    sum.add(L::load(&last)).quarters(|a, b| a + b)
}
