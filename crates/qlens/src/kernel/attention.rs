//! Attention of one position over the KV cache: written once over [`Lanes`].

use super::{
    float::exp,
    lanes::{LANES, Lanes},
};
use crate::quant::{BlockQ8_0, GROUP};

fn padded(x: &[u16]) -> [u16; LANES] {
    let mut all = [0; LANES];
    all[..x.len()].copy_from_slice(x);
    all
}

/// Most heads that [`attend`] and [`average_q8_0`] take at a time.
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
    let (scores, _) = scores.as_chunks_mut::<HEADS>();
    match q.len() / head_dim {
        1 => score::<L, 1>(q, keys, head_dim, scores, scale),
        2 => score::<L, 2>(q, keys, head_dim, scores, scale),
        3 => score::<L, 3>(q, keys, head_dim, scores, scale),
        heads => {
            assert_eq!(heads, HEADS, "heads at a time");
            score::<L, HEADS>(q, keys, head_dim, scores, scale);
        }
    }
    // Widths that are known make loops that are only arithmetic.
    let vectors = values.as_chunks::<LANES>().0;
    match head_dim {
        64 => average::<L, _>(out, &vectors.as_chunks::<4>().0, head_dim, scores),
        128 => average::<L, _>(out, &vectors.as_chunks::<8>().0, head_dim, scores),
        256 => average::<L, _>(out, &vectors.as_chunks::<16>().0, head_dim, scores),
        _ => average::<L, _>(out, &values.chunks_exact(head_dim), head_dim, scores),
    }
}

/// What is left of [`attend`] when scores, `[n, 4]`, are there and values are `[n, head_dim / 32]` blocks:
/// `out = softmax(scores) values`.
///
/// The weight of a block's 32 int8 is its position's times the block's scale, rounded once.
#[inline(always)]
pub fn average_q8_0<L: Lanes>(
    out: &mut [f32],
    values: &[BlockQ8_0],
    head_dim: usize,
    scores: &mut [f32],
) {
    let (scores, _) = scores.as_chunks_mut::<HEADS>();
    let values = values.chunks_exact(head_dim / GROUP);
    average::<L, _>(out, &values, head_dim, scores);
}

/// The value of a head at one position, as the cache stores it.
trait Value {
    /// Vector `i` of its columns; lanes past the last column are 0.
    fn load<L: Lanes>(&self, i: usize) -> L;

    /// What vector `i` is multiplied with, given the weights of the position.
    fn weights<L: Lanes>(&self, i: usize, weights: &[f32; HEADS]) -> [f32; HEADS];
}

impl<const W: usize> Value for [[u16; LANES]; W] {
    #[inline(always)]
    fn load<L: Lanes>(&self, i: usize) -> L {
        L::load_f16(&self[i])
    }

    #[inline(always)]
    fn weights<L: Lanes>(&self, _: usize, weights: &[f32; HEADS]) -> [f32; HEADS] {
        *weights
    }
}

impl Value for [u16] {
    #[inline(always)]
    fn load<L: Lanes>(&self, i: usize) -> L {
        let columns = &self[i * LANES..];
        match columns.first_chunk() {
            Some(whole) => L::load_f16(whole),
            None => L::load_f16(&padded(columns)),
        }
    }

    #[inline(always)]
    fn weights<L: Lanes>(&self, _: usize, weights: &[f32; HEADS]) -> [f32; HEADS] {
        *weights
    }
}

impl Value for [BlockQ8_0] {
    #[inline(always)]
    fn load<L: Lanes>(&self, i: usize) -> L {
        let (vectors, _) = self[i / VECTORS].q.as_chunks();
        L::load_i8(&vectors[i % VECTORS])
    }

    #[inline(always)]
    fn weights<L: Lanes>(&self, i: usize, weights: &[f32; HEADS]) -> [f32; HEADS] {
        let d = L::half(u16::from_le_bytes(self[i / VECTORS].d));
        let [a, b, c, d4] = *weights;
        [a * d, b * d, c * d, d4 * d]
    }
}

/// Vectors of a block.
const VECTORS: usize = GROUP / LANES;

/// `out = softmax(scores) values` for as many heads as `out` has, `[heads, head_dim]`.
#[inline(always)]
fn average<'v, L: Lanes, V: Value + ?Sized + 'v>(
    out: &mut [f32],
    values: &(impl IntoIterator<Item = &'v V> + Clone),
    head_dim: usize,
    scores: &mut [[f32; HEADS]],
) {
    let inverses = softmax::<L>(scores).map(|sum| 1.0 / sum);
    match out.len() / head_dim {
        1 => average_heads::<L, V, 1>(out, values, head_dim, scores, inverses),
        2 => average_heads::<L, V, 2>(out, values, head_dim, scores, inverses),
        3 => average_heads::<L, V, 3>(out, values, head_dim, scores, inverses),
        _ => average_heads::<L, V, HEADS>(out, values, head_dim, scores, inverses),
    }
}

#[inline(always)]
fn average_heads<'v, L: Lanes, V: Value + ?Sized + 'v, const H: usize>(
    out: &mut [f32],
    values: &(impl IntoIterator<Item = &'v V> + Clone),
    head_dim: usize,
    scores: &[[f32; HEADS]],
    inverses: [f32; HEADS],
) {
    for (i, start) in (0..head_dim).step_by(LANES).enumerate() {
        let columns = start..head_dim.min(start + LANES);
        let mut sums = [L::splat(0.0); H];
        for (value, scores) in values.clone().into_iter().zip(scores) {
            let weights = value.weights::<L>(i, scores);
            let value = value.load::<L>(i);
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = sum.fma(L::splat(weight), value);
            }
        }
        for ((sum, inverse), out) in sums.into_iter().zip(inverses).zip(out.chunks_mut(head_dim)) {
            sum.mul(L::splat(inverse))
                .store_partial(&mut out[columns.clone()]);
        }
    }
}

/// `scores[n] = q . keys[n] * scale` for each of `H` heads.
#[inline(always)]
fn score<L: Lanes, const H: usize>(
    q: &[f32],
    keys: &[u16],
    head_dim: usize,
    scores: &mut [[f32; HEADS]],
    scale: f32,
) {
    match head_dim {
        64 => score_whole::<L, H, { 64 / LANES }>(q, keys, scores, scale),
        128 => score_whole::<L, H, { 128 / LANES }>(q, keys, scores, scale),
        256 => score_whole::<L, H, { 256 / LANES }>(q, keys, scores, scale),
        _ => score_any::<L, H>(q, keys, head_dim, scores, scale),
    }
}

/// For heads of `W` whole vectors: so many that loops unroll.
#[inline(always)]
fn score_whole<L: Lanes, const H: usize, const W: usize>(
    q: &[f32],
    keys: &[u16],
    scores: &mut [[f32; HEADS]],
    scale: f32,
) {
    let q = q.as_chunks::<LANES>().0.as_chunks::<W>().0;
    let q = q.first_chunk::<H>().expect("as many heads");
    let keys = keys.as_chunks::<LANES>().0.as_chunks::<W>().0;
    for (key, scores) in keys.iter().zip(scores) {
        *scores = L::sums(L::products(q, key)).map(|sum| sum * scale);
    }
}

/// For heads of any width.
#[inline(always)]
fn score_any<L: Lanes, const H: usize>(
    q: &[f32],
    keys: &[u16],
    head_dim: usize,
    scores: &mut [[f32; HEADS]],
    scale: f32,
) {
    for (key, scores) in keys.chunks_exact(head_dim).zip(scores) {
        let (key, key_rest) = key.as_chunks::<LANES>();
        let mut sums = [L::splat(0.0); HEADS];
        for (sum, q) in sums.iter_mut().zip(q.chunks_exact(head_dim).take(H)) {
            let (q, q_rest) = q.as_chunks::<LANES>();
            for (c, (key, q)) in key.iter().zip(q).enumerate() {
                let (q, key) = (L::load(q), L::load_f16(key));
                *sum = if c == 0 { q.mul(key) } else { sum.fma(q, key) };
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
