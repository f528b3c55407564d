//! Causal grouped-query attention (Ainslie et al., 2023) with rotary positions, over the KV cache.

use super::{Layer, Pass, Scratch};
use crate::{
    cache::{Head, KvCache},
    kernel::{Activations, Compute, HEADS, Quantized, RowLayout},
    quant::{BlockQ8_0, Format, GROUP, Layout, Matrix},
    workers::{Columns, for_each_run_of_heads},
};

/// `h` in, attention's contribution to the residual stream out, in `h` again. `at`: the layer's place in the cache.
pub(super) fn attention(
    pass: &Pass<'_>,
    s: &mut Scratch<'_>,
    cache: &mut KvCache<'_>,
    at: usize,
    layer: &Layer,
) {
    let (c, w, tokens) = (pass.config, pass.weights, pass.tokens);
    let (q_width, kv_width) = (c.q_width(), c.kv_width());
    let h = &mut s.h[..tokens * c.n_embd];
    let (q, attn) = (
        &mut s.q[..tokens * q_width],
        &mut s.attn[..tokens * q_width],
    );
    let (k, v) = (&mut s.k[..tokens * kv_width], &mut s.v[..tokens * kv_width]);

    let attn_q = w.matrix(&layer.attn_q);
    // Twice as many rows: behind each head of queries is one of gates.
    let is_gated = attn_q.rows() > q_width;
    let gated = &mut s.mixed[..if is_gated { 2 * tokens * q_width } else { 0 }];
    let products = [
        (attn_q, if is_gated { &mut *gated } else { &mut *q }),
        (w.matrix(&layer.attn_k), &mut *k),
        (w.matrix(&layer.attn_v), &mut *v),
    ];
    pass.matmul(&mut s.quantized, h, products);
    pass.add_bias(q, w.vector(&layer.attn_q_bias));
    pass.add_bias(k, w.vector(&layer.attn_k_bias));
    pass.add_bias(v, w.vector(&layer.attn_v_bias));
    // Normalised vectors change places with those that they were made of, for there is no copy to keep.
    let q_norm = w.vector(&layer.attn_q_norm);
    let (q, attn) = if q_norm.is_empty() {
        (q, attn)
    } else if is_gated {
        for (out, q) in heads(attn, c.head_dim).zip(gated.chunks_exact(2 * c.head_dim)) {
            pass.rms_norm(out, &q[..c.head_dim], q_norm);
        }
        (attn, q)
    } else {
        pass.rms_norm(attn, q, q_norm);
        (attn, q)
    };
    let k_norm = w.vector(&layer.attn_k_norm);
    let k = if k_norm.is_empty() {
        k
    } else {
        let normalised = &mut attn[..tokens * kv_width];
        pass.rms_norm(normalised, k, k_norm);
        normalised
    };
    pass.rope(q, q_width, s.cos, s.sin);
    pass.rope(k, kv_width, s.cos, s.sin);
    for (t, (k, v)) in k
        .chunks_exact(kv_width)
        .zip(v.chunks_exact(kv_width))
        .enumerate()
    {
        cache.write(pass.compute, at, pass.position + t, k, v);
    }

    let scale = 1.0 / libm::sqrtf(c.head_dim as f32);
    let shared = c.n_head / c.n_head_kv;
    let (q, cache) = (&*q, &*cache);
    for_each_run_of_heads(
        pass.workers,
        (attn, q_width),
        (c.head_dim, shared, HEADS),
        s.scores,
        |heads, out, scores| {
            for t in 0..tokens {
                let seen = pass.position + t + 1;
                let kv_head = heads.start / shared;
                let q = &q[t * q_width..][heads.start * c.head_dim..heads.end * c.head_dim];
                let (out, compute) = (out.row(t), pass.compute);
                let (scores, room) = scores.split_at_mut(HEADS * seen);
                match cache.head(at, kv_head, seen) {
                    Head::F16(keys, values) => {
                        compute.attend(out, q, (keys, values), c.head_dim, scores, scale);
                    }
                    Head::Q8_0(keys, values) => {
                        score_q8_0(compute, (q, c.head_dim), keys, scores, scale, room);
                        compute.average_q8_0(out, values, c.head_dim, scores);
                    }
                }
            }
        },
    );
    for (out, gated) in heads(attn, c.head_dim).zip(gated.chunks_exact(2 * c.head_dim)) {
        pass.compute.gate(out, &gated[c.head_dim..]);
    }
    pass.matmul(&mut s.quantized, attn, [(w.matrix(&layer.attn_output), h)]);
}

fn heads(x: &mut [f32], head_dim: usize) -> impl Iterator<Item = &mut [f32]> {
    x.chunks_exact_mut(head_dim)
}

/// Positions whose scores are computed at a time: few enough to lie on the stack.
const POSITIONS: usize = 128;

/// `scores[n] = q . keys[n] * scale` for one to four heads, `q` being `[heads, head_dim]`, `keys` interleaved
/// octets of `head_dim / 32` blocks a position, and `scores` `[n, 4]`.
///
/// The keys are a matrix in a block format, and the product is what it is with any other: exact sums of int8,
/// and so the queries are quantized first, into `room`.
fn score_q8_0(
    compute: Compute,
    (q, head_dim): (&[f32], usize),
    keys: &[u8],
    scores: &mut [f32],
    scale: f32,
    room: &mut [f32],
) {
    let groups = head_dim / GROUP;
    let layout = RowLayout {
        rows: q.len() / head_dim,
        groups,
    };
    let (ints, scales) = room.split_at_mut(HEADS * head_dim / size_of::<f32>());
    let (d, rest) = scales.split_at_mut(HEADS * groups);
    let (s, bias) = rest.split_at_mut(HEADS * groups);
    let mut quantized = Quantized {
        q: bytemuck::cast_slice_mut(ints),
        d,
        s,
        bias: bytemuck::cast_slice_mut(bias),
    };
    for (t, q) in q.chunks_exact(head_dim).enumerate() {
        compute.quantize(q, t, layout, &mut quantized);
    }
    let x = Activations {
        x: q,
        quantized: quantized.rows(layout),
    };
    let mut products = [0.0; HEADS * POSITIONS];
    let (scores, _) = scores.as_chunks_mut::<HEADS>();
    let row = groups * size_of::<BlockQ8_0>();
    let chunks = keys.chunks(POSITIONS * row);
    for (keys, scores) in chunks.zip(scores.chunks_mut(POSITIONS)) {
        // The last octet may have room for positions that are still to come.
        let n = keys.len() / row;
        if let Some(keys) = Matrix::new(Format::Q8_0, Layout::Interleaved, n, head_dim, keys) {
            let out = &mut products[..layout.rows * n];
            compute.matmul(&keys, &x, &mut Columns::all(out, n));
        }
        // What is past the heads there are is anything, and mixes with nothing.
        let (a, rest) = products.split_at(n);
        let (b, rest) = rest.split_at(n);
        let (c, rest) = rest.split_at(n);
        let heads = a.iter().zip(b).zip(c).zip(&rest[..n]);
        for (scores, (((a, b), c), d)) in scores.iter_mut().zip(heads) {
            *scores = [a * scale, b * scale, c * scale, d * scale];
        }
    }
}
