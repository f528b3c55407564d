//! Gated DeltaNet: what is between its products. Written once over [`Lanes`], as [`float`](super::float) is.

use super::{
    float::{dot, exp},
    lanes::{LANES, Lanes},
};

/// Columns of a head's state that lie together: [`Compute::delta_rule`](super::Compute::delta_rule) takes as many at a time.
pub const STATE_COLUMNS: usize = 2 * LANES;

/// `x[i] *= sigmoid(gate[i])`, `sigmoid(x) = 1 / (1 + e^-x)`.
#[inline(always)]
pub fn gate<L: Lanes>(x: &mut [f32], gate: &[f32]) {
    let (x, x_rest) = x.as_chunks_mut::<LANES>();
    let (gate, gate_rest) = gate.as_chunks::<LANES>();
    for (x, gate) in x.iter_mut().zip(gate) {
        sigmoid_times(L::load(gate), L::load(x)).store(x);
    }
    let (x, gate) = (L::load_partial(x_rest), L::load_partial(gate_rest));
    sigmoid_times(gate, x).store_partial(x_rest);
}

/// `sigmoid(g) * x`.
#[inline(always)]
fn sigmoid_times<L: Lanes>(g: L, x: L) -> L {
    x.div(exp(L::splat(0.0).sub(g)).add(L::splat(1.0)))
}

/// `x *= scale / sqrt(sum(x^2) + eps)`.
#[inline(always)]
pub fn l2_norm<L: Lanes>(x: &mut [f32], eps: f32, scale: f32) {
    let factor = L::splat(scale / libm::sqrtf(dot::<L>(x, x) + eps));
    let (x, rest) = x.as_chunks_mut::<LANES>();
    for x in x {
        L::load(x).mul(factor).store(x);
    }
    L::load_partial(rest).mul(factor).store_partial(rest);
}

/// A causal depthwise convolution and SiLU: `x = silu(x kernel[0] + later[0] kernel[1] + later[1] kernel[2] + …)`,
/// `later` and `kernel` being as many rows of as many channels as `x` has, oldest first.
#[inline(always)]
pub fn convolve<L: Lanes>(x: &mut [f32], later: &[f32], kernel: &[f32]) {
    let channels = x.len();
    let (first, kernel) = kernel.split_at(channels);
    for (i, (x, first)) in x.chunks_mut(LANES).zip(first.chunks(LANES)).enumerate() {
        // A chunk of a row is whole but for the last.
        let columns = i * LANES..i * LANES + x.len();
        if let (Some(x), Some(first)) = (x.first_chunk_mut(), first.first_chunk()) {
            let mut sum = L::load(x).mul(L::load(first));
            let rows = later
                .chunks_exact(channels)
                .zip(kernel.chunks_exact(channels));
            for (later, kernel) in rows {
                let (later, kernel) = (&later[columns.clone()], &kernel[columns.clone()]);
                if let (Some(later), Some(kernel)) = (later.first_chunk(), kernel.first_chunk()) {
                    sum = sum.fma(L::load(later), L::load(kernel));
                }
            }
            sigmoid_times(sum, sum).store(x);
        } else {
            let mut sum = L::load_partial(x).mul(L::load_partial(first));
            let rows = later
                .chunks_exact(channels)
                .zip(kernel.chunks_exact(channels));
            for (later, kernel) in rows {
                let later = L::load_partial(&later[columns.clone()]);
                sum = sum.fma(later, L::load_partial(&kernel[columns.clone()]));
            }
            sigmoid_times(sum, sum).store_partial(x);
        }
    }
}

/// One position of the gated delta rule for 32 columns of a head's state:
///
/// ```text
/// d = (v - decay (state^T k)) beta
/// state = decay state + k d^T
/// out = state^T q
/// ```
///
/// `state`: `[q.len(), 32]`; `out`, `v`: `[32]`; sums over rows run from the first to the last.
#[inline(always)]
pub fn delta_rule<L: Lanes>(
    out: &mut [f32],
    state: &mut [f32],
    q: &[f32],
    k: &[f32],
    v: &[f32],
    (decay, beta): (f32, f32),
) {
    let (decay, beta) = (L::splat(decay), L::splat(beta));
    let (state, _) = state.as_chunks_mut::<STATE_COLUMNS>();
    let (mut a, mut b) = (L::splat(0.0), L::splat(0.0));
    for (row, &k) in state.iter().zip(k) {
        let ([first, second], k) = (halves(row), L::splat(k));
        (a, b) = (a.fma(L::load(first), k), b.fma(L::load(second), k));
    }
    let (v, _) = v.as_chunks::<LANES>();
    let [v_a, v_b] = v else { return };
    let a = L::load(v_a).sub(a.mul(decay)).mul(beta);
    let b = L::load(v_b).sub(b.mul(decay)).mul(beta);
    let (mut out_a, mut out_b) = (L::splat(0.0), L::splat(0.0));
    for ((row, &k), &q) in state.iter_mut().zip(k).zip(q) {
        let (first, second) = row.split_at_mut(LANES);
        let (Some(first), Some(second)) = (first.first_chunk_mut(), second.first_chunk_mut())
        else {
            return;
        };
        let (k, q) = (L::splat(k), L::splat(q));
        let (x, y) = (
            L::load(first).mul(decay).fma(a, k),
            L::load(second).mul(decay).fma(b, k),
        );
        x.store(first);
        y.store(second);
        (out_a, out_b) = (out_a.fma(x, q), out_b.fma(y, q));
    }
    let (out, _) = out.as_chunks_mut::<LANES>();
    if let [first, second] = out {
        out_a.store(first);
        out_b.store(second);
    }
}

/// The first sixteen columns, and the others.
#[inline(always)]
fn halves(row: &[f32; STATE_COLUMNS]) -> [&[f32; LANES]; 2] {
    let (halves, _) = row.as_chunks();
    [&halves[0], &halves[1]]
}
