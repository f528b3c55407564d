//! The specification of a product with a block format. Every other kernel gives its bits.
//!
//! For each group of 32 weights, in ascending order:
//!
//! ```text
//! isum = scale[0] * sum(q[i] x[i], i < 16) + scale[1] * sum(q[i] x[i], i >= 16)     integers
//! acc  = fma(isum, d_w * d_x, acc)                                                  f32
//! acc  = fma(min, s_x, acc)                                     formats that have a minimum
//! ```
//!
//! `|isum| < 2^24` for every format, so its conversion to f32 is exact.

use super::QuantizedRows;
use crate::quant::{Format, GROUP, Matrix, QuantizedRow};
use crate::workers::Columns;

/// `row . x`.
pub fn dot(format: Format, row: &[u8], x: &QuantizedRow<'_>) -> f32 {
    let mut acc = 0.0;
    for (g, q) in x.q.as_chunks::<GROUP>().0.iter().enumerate() {
        let w = format.unpack(row, g);
        let mut halves = [0; 2];
        for i in 0..GROUP {
            halves[i / 16] += i32::from(w.q[i]) * i32::from(q[i]);
        }
        let isum = w.scales[0] * halves[0] + w.scales[1] * halves[1];
        acc = libm::fmaf(isum as f32, w.d * x.d[g], acc);
        if format == Format::Q4K {
            acc = libm::fmaf(w.min, x.s[g], acc);
        }
    }
    acc
}

/// `out[t][r] = matrix[r] . x[t]` for the columns `r` that `out` spans.
pub fn matmul(matrix: &Matrix<'_>, x: &QuantizedRows<'_>, out: &mut Columns<'_>) {
    for r in out.columns() {
        let Some(row) = matrix.row(r) else { return };
        for t in 0..out.rows() {
            out.store(t, r, &[dot(matrix.format, row, &x.row(t))]);
        }
    }
}
