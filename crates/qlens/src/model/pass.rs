//! One forward pass over a batch of tokens: what its steps share.

use super::{Config, Weights};
use crate::{
    cache::Cache,
    kernel::{Activations, Compute, Quantized, RowLayout},
    quant::{GROUP, Matrix},
    workers::{Workers, for_each_columns},
};

/// Rows of a matrix in one task, at most. A task reads its rows as one run of memory, and what a processor has
/// fetched beyond the run's end is lost, so runs are long.
const ROWS_A_TASK: usize = 256;
/// Tasks of a job for each core, or as many as there are tiles: so that a slow core takes fewer.
const TASKS_A_CORE: usize = 4;

/// What does not change during a pass.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'p> {
    pub config: &'p Config,
    pub weights: &'p Weights<'p, 'p>,
    pub compute: Compute,
    pub workers: &'p dyn Workers,
    /// Tokens in the batch.
    pub tokens: usize,
    /// Position of the first one.
    pub position: usize,
}

/// Intermediate results, each `[batch, …]`.
#[derive(Debug)]
pub(crate) struct Scratch<'a> {
    /// Residual stream, `[batch, n_embd]`.
    pub x: &'a mut [f32],
    /// What is about to be multiplied, or was just: `[batch, n_embd]`.
    pub h: &'a mut [f32],
    /// Queries, `[batch, n_head * head_dim]`, or gates of value heads, `[batch, n_head_v * head_dim_v]`.
    pub q: &'a mut [f32],
    /// Keys, `[batch, n_head_kv * head_dim]`, or decays, `[batch, n_head_v]`.
    pub k: &'a mut [f32],
    /// Values, or strengths, likewise.
    pub v: &'a mut [f32],
    /// The result of attention, or of Gated DeltaNet, as `q`.
    pub attn: &'a mut [f32],
    /// Queries with their gates, `[batch, n_head, 2 * head_dim]`, or what is convolved, `[taps - 1 + batch, channels]`.
    pub mixed: &'a mut [f32],
    /// `[batch, n_ff]`.
    pub gate: &'a mut [f32],
    /// `[batch, n_ff]`.
    pub up: &'a mut [f32],
    /// Attention scores, `[context, 4]`, and room for quantized queries, for every run of up to four heads.
    pub scores: &'a mut [f32],
    /// Cosines of the rotary angles, `[batch, n_rot / 2]`.
    pub cos: &'a mut [f32],
    /// Their sines.
    pub sin: &'a mut [f32],
    /// Rotary frequencies, `[n_rot / 2]`.
    pub frequencies: &'a mut [f64],
    /// Int8 activations.
    pub quantized: Quantized<'a>,
}

impl Pass<'_> {
    /// `out[i][t] = matrices[i] x[t]` for all of them, one barrier; every matrix has the columns of `x`.
    pub fn matmul<const N: usize>(
        &self,
        quantized: &mut Quantized<'_>,
        x: &[f32],
        products: [(Matrix<'_>, &mut [f32]); N],
    ) {
        let matrices = products.each_ref().map(|(matrix, _)| *matrix);
        let cols = matrices[0].cols();
        let rows = if matrices.iter().any(|m| m.format().is_quantized()) {
            x.len() / cols
        } else {
            0
        };
        let layout = RowLayout {
            rows,
            groups: cols / GROUP,
        };
        for (t, x) in x.chunks_exact(cols).take(rows).enumerate() {
            self.compute.quantize(x, t, layout, quantized);
        }
        let x = Activations {
            x,
            quantized: quantized.rows(layout),
        };
        let task = self.rows_a_task(matrices.iter().map(Matrix::rows).sum());
        let outs = products.map(|(matrix, out)| (out, matrix.rows()));
        for_each_columns(self.workers, outs, task, |i, part| {
            self.compute.matmul(&matrices[i], &x, part);
        });
    }

    /// Rows in one task of a job of `rows`: a multiple of every kernel's tile.
    fn rows_a_task(&self, rows: usize) -> usize {
        let tile = if self.tokens > 1 { 32 } else { 8 };
        rows.div_ceil(self.workers.count() * TASKS_A_CORE)
            .next_multiple_of(tile)
            .min(ROWS_A_TASK)
    }

    /// RMSNorm of each row of `x`.
    pub fn rms_norm(&self, out: &mut [f32], x: &[f32], weight: &[f32]) {
        for (out, x) in out
            .chunks_exact_mut(weight.len())
            .zip(x.chunks_exact(weight.len()))
        {
            self.compute.rms_norm(out, x, weight, self.config.rms_eps);
        }
    }

    /// Adds `bias` to each row of `x`; an empty one is none.
    pub fn add_bias(&self, x: &mut [f32], bias: &[f32]) {
        if !bias.is_empty() {
            x.chunks_exact_mut(bias.len())
                .for_each(|row| self.compute.add(row, bias));
        }
    }

    /// Rotates every head of each row of `x`, `[tokens, heads, head_dim]`, by its position.
    pub fn rope(&self, x: &mut [f32], width: usize, cos: &[f32], sin: &[f32]) {
        let half = self.config.n_rot / 2;
        let angles = cos.chunks_exact(half).zip(sin.chunks_exact(half));
        for (row, (cos, sin)) in x.chunks_exact_mut(width).zip(angles) {
            for head in row.chunks_exact_mut(self.config.head_dim) {
                self.compute.rope(head, cos, sin);
            }
        }
    }
}

impl Scratch<'_> {
    /// `theta^(-2 i / n_rot)`, in f64 so that far positions keep their angle.
    pub fn set_frequencies(&mut self, config: &Config) {
        let theta = f64::from(config.rope_theta);
        for (i, f) in self.frequencies.iter_mut().enumerate() {
            *f = libm::pow(theta, -2.0 * i as f64 / config.n_rot as f64);
        }
    }

    /// Cosines and sines for `tokens` positions from `position` on.
    pub fn set_angles(&mut self, tokens: usize, position: usize) {
        let half = self.frequencies.len();
        let rows = self
            .cos
            .chunks_exact_mut(half)
            .zip(self.sin.chunks_exact_mut(half));
        for (t, (cos, sin)) in rows.take(tokens).enumerate() {
            for ((cos, sin), f) in cos.iter_mut().zip(sin).zip(&*self.frequencies) {
                let (s, c) = libm::sincos((position + t) as f64 * f);
                (*cos, *sin) = (c as f32, s as f32);
            }
        }
    }
}

impl Pass<'_> {
    /// The embeddings of `tokens` into the residual stream; false if one is outside the vocabulary.
    #[must_use]
    pub fn embed(&self, s: &mut Scratch<'_>, tokens: &[u32]) -> bool {
        let matrix = self.weights.token_embd();
        let mut rows = s.x.chunks_exact_mut(matrix.cols()).zip(tokens);
        rows.all(|(x, &id)| matrix.dequantize_row(id as usize, x))
    }

    /// Block `il` of the model.
    pub fn layer(&self, s: &mut Scratch<'_>, cache: &mut Cache<'_>, il: usize) {
        super::qwen2::layer(self, s, cache, il);
    }

    /// The state, `[n_embd]`, of row `t` of the batch after the last block and the output norm.
    pub fn state(&self, s: &Scratch<'_>, t: usize, out: &mut [f32]) {
        let n = self.config.n_embd;
        self.rms_norm(out, &s.x[t * n..][..n], self.weights.output_norm());
    }

    /// Logits, `[n_vocab]`, of row `t` of the batch after the last block.
    pub fn logits(&self, s: &mut Scratch<'_>, t: usize, out: &mut [f32]) {
        let n = self.config.n_embd;
        let (x, h) = (&s.x[t * n..][..n], &mut s.h[..n]);
        self.rms_norm(h, x, self.weights.output_norm());
        self.matmul(&mut s.quantized, h, [(self.weights.output(), out)]);
    }
}
