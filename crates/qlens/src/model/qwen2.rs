//! Qwen2 and Qwen2.5 (Qwen team, 2024): pre-norm blocks of attention with q, k, v biases, and SwiGLU.

use super::{Pass, Scratch, attention::attention, feed_forward::feed_forward};
use crate::cache::KvCache;

/// Block `il`: the residual stream `x` in and out.
pub(super) fn layer(pass: &Pass<'_>, s: &mut Scratch<'_>, cache: &mut KvCache<'_>, il: usize) {
    let layer = pass.weights.layer(il);
    let n = pass.tokens * pass.config.n_embd;
    pass.rms_norm(
        &mut s.h[..n],
        &s.x[..n],
        pass.weights.vector(&layer.attn_norm),
    );
    attention(pass, s, cache, il, layer);
    pass.compute.add(&mut s.x[..n], &s.h[..n]);
    pass.rms_norm(
        &mut s.h[..n],
        &s.x[..n],
        pass.weights.vector(&layer.ffn_norm),
    );
    feed_forward(pass, s, layer);
    pass.compute.add(&mut s.x[..n], &s.h[..n]);
}
