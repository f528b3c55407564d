//! Gated DeltaNet (Yang, Kautz and Hatamizadeh, 2024), as Qwen3.5 has it.
//!
//! A value head keeps a matrix, `[head_dim_k, head_dim_v]`, that maps keys to values. At each position it fades by
//! `decay`, what it has for the position's key moves towards the position's value by `beta`, and the query is looked
//! up in it:
//!
//! ```text
//! S = decay S;   S += k (beta (v - S^T k))^T;   out = S^T q
//! ```
//!
//! Projections and convolution run over a batch of positions, the rule from one position to the next, which is
//! decode's order: there is no other that gives the same bits. A head's state is scanned a few columns at a time, so
//! that they stay in the first-level cache meanwhile.

use super::{Layer, Pass, Scratch};
use crate::{cache::Recurrent, kernel::STATE_COLUMNS, workers::for_each_run_of_heads};

/// `h` in, the layer's contribution to the residual stream out, in `h` again. `at`: the place of the layer's state.
pub(super) fn delta_net(
    pass: &Pass<'_>,
    s: &mut Scratch<'_>,
    recurrent: &mut Recurrent<'_>,
    at: usize,
    layer: &Layer,
) {
    let (c, w, tokens, compute) = (pass.config, pass.weights, pass.tokens, pass.compute);
    let Some(shape) = c.delta_net else { return };
    let (channels, k_width, v_width) = (shape.channels(), shape.k_width(), shape.v_width());
    let (n_head_k, n_head_v) = (shape.n_head_k, shape.n_head_v);
    let (dk, dv) = (shape.head_dim_k, shape.head_dim_v);
    let state = recurrent.layer(at);
    let h = &mut s.h[..tokens * c.n_embd];
    let z = &mut s.q[..tokens * v_width];
    let decay = &mut s.k[..tokens * n_head_v];
    let beta = &mut s.v[..tokens * n_head_v];
    let before = (shape.taps - 1) * channels;
    let mixed = &mut s.mixed[..before + tokens * channels];

    mixed[..before].copy_from_slice(state.inputs);
    let products = [
        (w.matrix(&layer.attn_qkv), &mut mixed[before..]),
        (w.matrix(&layer.attn_gate), &mut *z),
        (w.matrix(&layer.ssm_alpha), &mut *decay),
        (w.matrix(&layer.ssm_beta), &mut *beta),
    ];
    pass.matmul(&mut s.quantized, h, products);
    let (dt_bias, a) = (w.vector(&layer.ssm_dt_bias), w.vector(&layer.ssm_a));
    for (decay, beta) in decay
        .chunks_exact_mut(n_head_v)
        .zip(beta.chunks_exact_mut(n_head_v))
    {
        for (((decay, beta), dt_bias), a) in decay.iter_mut().zip(beta).zip(dt_bias).zip(a) {
            *decay = libm::expf(softplus(*decay + dt_bias) * a);
            *beta = 1.0 / (1.0 + libm::expf(-*beta));
        }
    }

    // Row `t` of the inputs makes way for row `t` of the results: no later one looks back as far.
    for t in 0..tokens {
        let (out, rest) = mixed[t * channels..].split_at_mut(channels);
        compute.convolve(out, &rest[..before], state.kernel);
    }
    let (rows, last) = mixed.split_at_mut(tokens * channels);
    state.inputs.copy_from_slice(last);
    let scale = 1.0 / libm::sqrtf(dk as f32);
    for row in rows.chunks_exact_mut(channels) {
        let (q, rest) = row.split_at_mut(k_width);
        for q in q.chunks_exact_mut(dk) {
            compute.l2_norm(q, c.rms_eps, scale);
        }
        for k in rest[..k_width].chunks_exact_mut(dk) {
            compute.l2_norm(k, c.rms_eps, 1.0);
        }
    }

    let out = &mut s.attn[..tokens * v_width];
    let (rows, decay, beta) = (&*rows, &*decay, &*beta);
    for_each_run_of_heads(
        pass.workers,
        (out, v_width),
        (dv, 1, 1),
        state.matrices,
        |heads, out, state| {
            let h = heads.start;
            let (q_at, v_at) = (h % n_head_k * dk, 2 * k_width + h * dv);
            for (i, block) in state.chunks_exact_mut(dk * STATE_COLUMNS).enumerate() {
                let start = i * STATE_COLUMNS;
                for (t, row) in rows.chunks_exact(channels).enumerate() {
                    let (q, k) = (&row[q_at..][..dk], &row[k_width + q_at..][..dk]);
                    let v = &row[v_at + start..][..STATE_COLUMNS];
                    let gates = (decay[t * n_head_v + h], beta[t * n_head_v + h]);
                    let out = &mut out.row(t)[start..start + STATE_COLUMNS];
                    compute.delta_rule(out, block, q, k, v, gates);
                }
            }
        },
    );
    // What was convolved is not needed any more, and there is no other place for what is normalised.
    let normalised = &mut s.mixed[..tokens * v_width];
    pass.rms_norm(normalised, out, w.vector(&layer.ssm_norm));
    compute.swiglu(z, normalised);
    pass.matmul(&mut s.quantized, z, [(w.matrix(&layer.ssm_out), h)]);
}

/// `ln(1 + e^x)`.
fn softplus(x: f32) -> f32 {
    if x > 20.0 {
        x
    } else {
        libm::log1pf(libm::expf(x))
    }
}
