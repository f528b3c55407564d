//! Products of a matrix in a block format with rows of activations.

use qlens::{
    kernel::{Activations, Compute, Kernel, Quantized, RowLayout},
    quant::{
        Format, GROUP, Layout, Matrix,
        interleave::{OCTET, interleave_rows},
    },
    workers::Columns,
};

use crate::{Work, compute, numbers, warm};

/// Rows of the matrix: four octets.
const ROWS: usize = 32;
/// Columns: two superblocks, so that a loop over them goes round.
const COLS: usize = 512;

/// Rows of activations, quantized.
pub(crate) struct Inputs {
    x: Vec<f32>,
    pub q: Vec<i8>,
    pub d: Vec<f32>,
    pub s: Vec<f32>,
    pub bias: Vec<i32>,
    pub layout: RowLayout,
}

impl Inputs {
    /// Memory for `rows` rows of `cols` activations, nothing quantized yet.
    pub fn new(rows: usize, cols: usize) -> Self {
        let layout = RowLayout {
            rows,
            groups: cols / GROUP,
        };
        let groups = rows.next_multiple_of(layout.tile()) * layout.groups;
        Self {
            x: numbers::floats(rows * cols),
            q: vec![0; groups * GROUP],
            d: vec![0.0; groups],
            s: vec![0.0; groups],
            bias: vec![0; 2 * groups],
            layout,
        }
    }

    /// Quantizes all rows.
    pub fn quantize(&mut self, compute: Compute) {
        let cols = self.layout.groups * GROUP;
        let mut rows = Quantized {
            q: &mut self.q,
            d: &mut self.d,
            s: &mut self.s,
            bias: &mut self.bias,
        };
        for (t, x) in self.x.chunks_exact(cols).enumerate() {
            compute.quantize(x, t, self.layout, &mut rows);
        }
    }

    /// `out[t][r] = matrix[r] . x[t]`.
    pub fn multiply(&mut self, compute: Compute, matrix: &Matrix<'_>, out: &mut [f32]) {
        let quantized = Quantized {
            q: &mut self.q,
            d: &mut self.d,
            s: &mut self.s,
            bias: &mut self.bias,
        };
        let x = Activations {
            x: &self.x,
            quantized: quantized.rows(self.layout),
        };
        compute.matmul(matrix, &x, &mut Columns::all(out, matrix.rows()));
    }
}

/// A matrix in a block format times rows of activations, which are quantized already.
pub struct Product {
    compute: Compute,
    format: Format,
    layout: Layout,
    weights: Vec<u8>,
    inputs: Inputs,
    out: Vec<f32>,
}

impl Product {
    /// For `rows` rows of activations: one in decode, several in prefill.
    ///
    /// # Panics
    /// If the processor cannot run `kernel`, or `format` is not a quantized one.
    pub fn new(kernel: Kernel, format: Format, layout: Layout, rows: usize) -> Box<Self> {
        let compute = compute(kernel);
        let row = format.row_bytes(COLS).expect("whole blocks");
        let mut weights = numbers::blocks(ROWS * row);
        if layout == Layout::Interleaved {
            let mut scratch = vec![0; OCTET * row];
            for rows in weights.chunks_exact_mut(OCTET * row) {
                interleave_rows(format, rows, &mut scratch);
            }
        }
        let mut inputs = Inputs::new(rows, COLS);
        inputs.quantize(compute);
        warm(Self {
            compute,
            format,
            layout,
            weights,
            inputs,
            out: vec![0.0; rows * ROWS],
        })
    }
}

impl Work for Product {
    fn run(&mut self) {
        let matrix = Matrix::new(self.format, self.layout, ROWS, COLS, &self.weights);
        if let Some(matrix) = matrix {
            self.inputs.multiply(self.compute, &matrix, &mut self.out);
        }
    }
}
