//! Qwen2, Qwen2.5 (Qwen team, 2024), Qwen3 (2025) and Qwen3.5 (2026): pre-norm blocks of attention and SwiGLU.
//!
//! The order of operations is the same; q, k and v have biases in Qwen2, and each head of q and k a norm in
//! Qwen3. [`attention`] does what it finds tensors for. In Qwen3.5 [`delta_net`] takes attention's place in most
//! layers.

use super::{
    LayerPlace, Pass, Scratch, attention::attention, delta_net::delta_net,
    feed_forward::feed_forward,
};
use crate::cache::Cache;

/// Block `il`: the residual stream `x` in and out.
pub(super) fn layer(pass: &Pass<'_>, s: &mut Scratch<'_>, cache: &mut Cache<'_>, il: usize) {
    let layer = pass.weights.layer(il);
    let n = pass.tokens * pass.config.n_embd;
    pass.rms_norm(
        &mut s.h[..n],
        &s.x[..n],
        pass.weights.vector(&layer.attn_norm),
    );
    match pass.config.place(il) {
        LayerPlace::Attention(at) => attention(pass, s, &mut cache.kv, at, layer),
        LayerPlace::DeltaNet(at) => delta_net(pass, s, &mut cache.recurrent, at, layer),
    }
    pass.compute.add(&mut s.x[..n], &s.h[..n]);
    pass.rms_norm(
        &mut s.h[..n],
        &s.x[..n],
        pass.weights.vector(&layer.ffn_norm),
    );
    feed_forward(pass, s, layer);
    pass.compute.add(&mut s.x[..n], &s.h[..n]);
}
