//! The specification of a product with a block format. Every other kernel gives its bits.
//!
//! For each group of 32 weights, in ascending order:
//!
//! ```text
//! isum = scale[0] * sum(q[i] x[i], i < 16) + scale[1] * sum(q[i] x[i], i >= 16)     integers
//! acc  = fma(isum, d_w * d_x, acc)                                                  f32
//! acc  = fma(min, s_x, acc)                                     formats that have a minimum
//! acc  = fma(msum, min * d_x, acc)                              formats that have one for each half, with
//! msum = mins[0] * sum(x[i], i < 16) + mins[1] * sum(x[i], i >= 16)                 integers
//! ```
//!
//! `|isum| < 2^24` and `|msum| < 2^17` for every format, so their conversion to f32 is exact.

use super::activations::QuantizedRows;
use crate::quant::{
    Format, GROUP, Matrix, Minima,
    interleave::{MAX_OCTET_BYTES, OCTET, deinterleave},
};
use crate::workers::Columns;

/// `acc + row . x[t]` for a run of blocks, which begins at group `first` of `x[t]`.
fn dot(
    format: Format,
    blocks: &[u8],
    (x, t): (&QuantizedRows<'_>, usize),
    first: usize,
    acc: f32,
) -> f32 {
    let groups = blocks.len() / format.block_bytes() * format.block_len() / GROUP;
    let mut acc = acc;
    for g in 0..groups {
        let (w, q) = (format.unpack(blocks, g), x.q(t, first + g));
        let mut halves = [0; 2];
        for i in 0..GROUP {
            halves[i / 16] += i32::from(w.q[i]) * i32::from(q[i]);
        }
        let isum = w.scales[0] * halves[0] + w.scales[1] * halves[1];
        acc = libm::fmaf(isum as f32, w.d * x.d(t, first + g), acc);
        match format.minima() {
            Minima::None => {}
            Minima::Whole => acc = libm::fmaf(w.min, x.s(t, first + g), acc),
            Minima::Halves => {
                let (low, high) = q.split_at(GROUP / 2);
                let sum = |half: &[i8]| half.iter().map(|&q| i32::from(q)).sum::<i32>();
                let msum = w.mins[0] * sum(low) + w.mins[1] * sum(high);
                acc = libm::fmaf(msum as f32, w.min * x.d(t, first + g), acc);
            }
        }
    }
    acc
}

/// `out[t][r] = matrix[r] . x[t]` for the columns `r` that `out` spans.
pub fn matmul(matrix: &Matrix<'_>, x: &QuantizedRows<'_>, out: &mut Columns<'_>) {
    let format = matrix.format();
    for r in out.columns() {
        if let Some(row) = matrix.row(r) {
            for t in 0..out.rows() {
                out.store(t, r, &[dot(format, row, (x, t), 0, 0.0)]);
            }
        } else if let Some(octets) = matrix.octets(r) {
            eight_rows(format, octets, x, r, out);
        }
    }
}

/// Rows `r .. r + 8`, whose blocks are interleaved.
fn eight_rows(
    format: Format,
    octets: &[u8],
    x: &QuantizedRows<'_>,
    r: usize,
    out: &mut Columns<'_>,
) {
    let bytes = format.block_bytes();
    let mut blocks = [0; MAX_OCTET_BYTES];
    for (b, octet) in octets.chunks_exact(OCTET * bytes).enumerate() {
        deinterleave(format, octet, &mut blocks);
        for t in 0..out.rows() {
            let mut sums = [0.0; OCTET];
            if b > 0 {
                out.load(t, r, &mut sums);
            }
            for (sum, block) in sums.iter_mut().zip(blocks.chunks_exact(bytes)) {
                *sum = dot(format, block, (x, t), b * format.block_len() / GROUP, *sum);
            }
            out.store(t, r, &sums);
        }
    }
}
