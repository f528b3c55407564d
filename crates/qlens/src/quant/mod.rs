//! Block formats: how GGUF stores weights, and how a row of activations is quantized to meet them.
//!
//! A row of a quantized matrix is a run of blocks. Whatever the format, each run of
//! [`GROUP`] = 32 weights unpacks to the same thing, a [`Group`]:
//!
//! ```text
//! weight[i] = d * scale[i / 16] * q[i] + min        i in 0..32, q: i8, scale: integer
//! ```
//!
//! so one product kernel serves every format, and a new format is one more [`unpack`](Format::unpack).
//! Superblocks (Q4_K, Q6_K: 256 weights) are eight groups that share their `d`.
//!
//! Activations are quantized once a row with one scale for each 32 values (`Compute::quantize`). One scale
//! for 256 would lose the small values that share a superblock with an outlier.
//!
//! Formats: <https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h>.

mod format;
mod unpack;

pub use format::Format;
pub use unpack::Group;

/// Weights that share one activation scale, and the unit in which products are summed.
pub const GROUP: usize = 32;

/// A matrix as it lies in the model file: `rows` rows of `cols` weights, row-major.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'m> {
    /// How the weights are stored.
    pub format: Format,
    /// Number of rows: the length of the product.
    pub rows: usize,
    /// Number of columns: the length of the vector it multiplies.
    pub cols: usize,
    data: &'m [u8],
}

impl<'m> Matrix<'m> {
    /// Wraps `data`, which must hold exactly `rows` rows of `cols` weights in `format`; otherwise `None`.
    pub fn new(format: Format, rows: usize, cols: usize, data: &'m [u8]) -> Option<Self> {
        let bytes = format.row_bytes(cols)?.checked_mul(rows)?;
        (data.len() == bytes).then_some(Self {
            format,
            rows,
            cols,
            data,
        })
    }

    /// Bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.data.len().checked_div(self.rows).unwrap_or(0)
    }

    /// All rows, one after the other.
    pub fn data(&self) -> &'m [u8] {
        self.data
    }

    /// Row `r` as stored; `None` past the last one.
    pub fn row(&self, r: usize) -> Option<&'m [u8]> {
        let bytes = self.row_bytes();
        let start = r.checked_mul(bytes)?;
        (r < self.rows).then(|| &self.data[start..start + bytes])
    }

    /// Row `r` as f32, into `out` (`[cols]`); false when there is no such row or `out` has another length.
    #[must_use]
    pub fn dequantize_row(&self, r: usize, out: &mut [f32]) -> bool {
        match self.row(r) {
            Some(row) if out.len() == self.cols => {
                self.format.dequantize(row, out);
                true
            }
            _ => false,
        }
    }
}

/// One row of activations, quantized to int8 with a scale for each [`GROUP`] values.
///
/// `x[i] ~ d[i / 32] * q[i]`; `s[g] = d[g] * sum(q[32g..32g + 32])` serves formats that have a minimum.
#[derive(Clone, Copy, Debug)]
pub struct QuantizedRow<'a> {
    /// `[cols]`, in -127..=127.
    pub q: &'a [i8],
    /// `[cols / 32]`.
    pub d: &'a [f32],
    /// `[cols / 32]`.
    pub s: &'a [f32],
}
