//! Causal grouped-query attention (Ainslie et al., 2023) with rotary positions, over the KV cache.

use super::{Layer, Pass, Scratch};
use crate::{cache::KvCache, kernel::HEADS, workers::for_each_run_of_heads};

/// `h` in, attention's contribution to the residual stream out, in `h` again.
pub(super) fn attention(
    pass: &Pass<'_>,
    s: &mut Scratch<'_>,
    cache: &mut KvCache<'_>,
    il: usize,
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

    let products = [
        (w.matrix(&layer.attn_q), &mut *q),
        (w.matrix(&layer.attn_k), &mut *k),
        (w.matrix(&layer.attn_v), &mut *v),
    ];
    pass.matmul(&mut s.quantized, h, products);
    pass.add_bias(q, w.vector(&layer.attn_q_bias));
    pass.add_bias(k, w.vector(&layer.attn_k_bias));
    pass.add_bias(v, w.vector(&layer.attn_v_bias));
    pass.rope(q, q_width, s.cos, s.sin);
    pass.rope(k, kv_width, s.cos, s.sin);
    for (t, (k, v)) in k
        .chunks_exact(kv_width)
        .zip(v.chunks_exact(kv_width))
        .enumerate()
    {
        cache.write(pass.compute, il, pass.position + t, k, v);
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
                let kv = cache.head(il, heads.start / shared, seen);
                let q = &q[t * q_width..][heads.start * c.head_dim..heads.end * c.head_dim];
                let scores = &mut scores[..HEADS * seen];
                pass.compute
                    .attend(out.row(t), q, kv, c.head_dim, scores, scale);
            }
        },
    );
    pass.matmul(&mut s.quantized, attn, [(w.matrix(&layer.attn_output), h)]);
}
