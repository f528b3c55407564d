//! Block formats: how GGUF stores weights, and how a row of activations is quantized to meet them.
//!
//! A row of a quantized matrix is a run of blocks. Whatever the format, each run of
//! [`GROUP`] = 32 weights unpacks to the same thing, a [`Group`]:
//!
//! ```text
//! weight[i] = d * scale[i / 16] * q[i] + min * mins[i / 16]        i in 0..32, q: i8, scale and mins: integers
//! ```
//!
//! so one product kernel serves every format, and a new format is one more [`unpack`](Format::unpack).
//! Superblocks (Q2_K to Q6_K, IQ4_XS: 256 weights) are eight groups that share their `d`.
//!
//! Activations are quantized once a row with one scale for each 32 values ([`Quantized`](crate::kernel::Quantized)). One scale
//! for 256 would lose the small values that share a superblock with an outlier.
//!
//! Formats: <https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h>.

mod format;
pub mod interleave;
mod unpack;

pub use format::Format;
pub(crate) use format::Minima;
pub use unpack::{Group, IQ4_LEVELS};

use bytemuck::{Pod, Zeroable};

use crate::gguf;
use interleave::{MAX_OCTET_BYTES, OCTET, deinterleave};

/// Weights that share one activation scale, and the unit in which products are summed.
pub const GROUP: usize = 32;

/// A block of [`Format::Q8_0`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockQ8_0 {
    /// The scale: half precision, little-endian.
    pub d: [u8; 2],
    /// The weights, of which one stands for `d q`.
    pub q: [i8; GROUP],
}

/// In which order a matrix has its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Layout {
    /// Row after row, as ggml has it.
    Rows,
    /// Eight rows at a time [interleaved](interleave); the rows that are left over, row after row.
    Interleaved,
}

/// How the data of a GGUF tensor type is stored, if it is supported.
pub fn stored(ggml_type: u32) -> Option<(Format, Layout)> {
    let (ggml_type, layout) = match gguf::interleaved(ggml_type) {
        None => (ggml_type, Layout::Rows),
        Some(ggml_type) => (ggml_type, Layout::Interleaved),
    };
    Format::from_ggml(ggml_type).map(|format| (format, layout))
}

/// A matrix as it lies in the model file: `rows` rows of `cols` weights.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'m> {
    format: Format,
    layout: Layout,
    rows: usize,
    cols: usize,
    data: &'m [u8],
}

impl<'m> Matrix<'m> {
    /// Wraps `data`, which must hold exactly `rows` rows of `cols` weights in `format`; otherwise `None`.
    pub fn new(
        format: Format,
        layout: Layout,
        rows: usize,
        cols: usize,
        data: &'m [u8],
    ) -> Option<Self> {
        let bytes = format.row_bytes(cols)?.checked_mul(rows)?;
        let possible = layout == Layout::Rows || format.is_quantized();
        (possible && data.len() == bytes).then_some(Self {
            format,
            layout,
            rows,
            cols,
            data,
        })
    }

    /// How the weights are stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Number of rows: the length of the product.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns: the length of the vector it multiplies.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// How many rows, from the first on, are interleaved: a multiple of 8.
    pub fn interleaved_rows(&self) -> usize {
        match self.layout {
            Layout::Rows => 0,
            Layout::Interleaved => self.rows / OCTET * OCTET,
        }
    }

    /// Bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.data.len().checked_div(self.rows).unwrap_or(0)
    }

    /// All rows, one after the other.
    pub fn data(&self) -> &'m [u8] {
        self.data
    }

    /// Row `r` as stored; `None` past the last one, and for a row that is interleaved.
    pub fn row(&self, r: usize) -> Option<&'m [u8]> {
        let bytes = self.row_bytes();
        let start = r.checked_mul(bytes)?;
        (r < self.rows && r >= self.interleaved_rows()).then(|| &self.data[start..start + bytes])
    }

    /// The octets of rows `r .. r + 8`, block after block, if `r` is a multiple of 8 and they are interleaved.
    pub(crate) fn octets(&self, r: usize) -> Option<&'m [u8]> {
        let bytes = self.row_bytes();
        let start = r.checked_mul(bytes)?;
        (r.is_multiple_of(OCTET) && r < self.interleaved_rows())
            .then(|| &self.data[start..start + OCTET * bytes])
    }

    /// Shows the bytes of row `r`, in pieces, as they are in [`Layout::Rows`]; nothing past the last row.
    pub(crate) fn show_row(&self, r: usize, show: &mut dyn FnMut(&[u8])) {
        if let Some(row) = self.row(r) {
            show(row);
        } else if let Some(octets) = self.octets(r / OCTET * OCTET) {
            let bytes = self.format.block_bytes();
            for octet in octets.chunks_exact(OCTET * bytes) {
                let mut blocks = [0; MAX_OCTET_BYTES];
                deinterleave(self.format, octet, &mut blocks);
                show(&blocks[r % OCTET * bytes..][..bytes]);
            }
        }
    }

    /// Row `r` as f32, into `out` (`[cols]`); false when there is no such row or `out` has another length.
    #[must_use]
    pub fn dequantize_row(&self, r: usize, out: &mut [f32]) -> bool {
        if out.len() != self.cols || r >= self.rows {
            return false;
        }
        if let Some(row) = self.row(r) {
            self.format.dequantize(row, out);
        } else if let Some(octets) = self.octets(r / OCTET * OCTET) {
            let (bytes, len) = (self.format.block_bytes(), self.format.block_len());
            let octets = octets.chunks_exact(OCTET * bytes);
            for (octet, out) in octets.zip(out.chunks_exact_mut(len)) {
                let mut blocks = [0; MAX_OCTET_BYTES];
                deinterleave(self.format, octet, &mut blocks);
                self.format
                    .dequantize(&blocks[r % OCTET * bytes..][..bytes], out);
            }
        }
        true
    }
}
