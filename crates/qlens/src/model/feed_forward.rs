//! The gated feed-forward network (SwiGLU; Shazeer, 2020).

use super::{Layer, Pass, Scratch};

/// `h` in, `down(silu(gate(h)) * up(h))` out, in `h` again.
pub(super) fn feed_forward(pass: &Pass<'_>, s: &mut Scratch<'_>, layer: &Layer) {
    let (c, w, tokens) = (pass.config, pass.weights, pass.tokens);
    let h = &mut s.h[..tokens * c.n_embd];
    let (gate, up) = (&mut s.gate[..tokens * c.n_ff], &mut s.up[..tokens * c.n_ff]);
    let products = [
        (w.matrix(&layer.ffn_gate), &mut *gate),
        (w.matrix(&layer.ffn_up), &mut *up),
    ];
    pass.matmul(&mut s.quantized, h, products);
    pass.compute.swiglu(gate, up);
    pass.matmul(&mut s.quantized, gate, [(w.matrix(&layer.ffn_down), h)]);
}
