//! The weights of a tensor on their way from a checkpoint into the new file.

use half::{bf16, f16};
use qlens::quant::Format;
use safetensors::Dtype;

use super::checkpoint::Stored;
use super::tensors::{Change, Wanted};
use crate::failure::Failure;
use crate::gguf_writer::TensorData;

/// A tensor with its data.
pub struct Tensor<'a> {
    pub wanted: Wanted,
    stored: Stored<'a>,
    rows: usize,
    cols: usize,
}

impl<'a> Tensor<'a> {
    /// A tensor as the checkpoint has it; a sentence if it has another shape or a type that is not known.
    pub fn new(wanted: Wanted, stored: Stored<'a>) -> Result<Self, Failure> {
        let (name, view) = (&wanted.source, &stored.view);
        if view.shape() != wanted.dims {
            let (found, dims) = (view.shape(), &wanted.dims);
            let what =
                format!("tensor {name} has the shape {found:?}, and config.json says {dims:?}");
            return Err(Failure::of_file(stored.file, what));
        }
        if !matches!(view.dtype(), Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            let what = format!(
                "tensor {name} is stored as {}; F32, F16 and BF16 can be converted",
                view.dtype()
            );
            return Err(Failure::of_file(stored.file, what));
        }
        let (rows, cols) = match wanted.dims[..] {
            [len] => (1, len),
            // Kernels of a convolution have a channel of their own between the two.
            [rows, .., cols] => (rows, cols),
            [] => (1, 1),
        };
        Ok(Self {
            wanted,
            stored,
            rows,
            cols,
        })
    }

    /// The format of a file in which matrices keep what they have of this one; `None` if it is no matrix, or has
    /// more.
    pub fn format_of_file(&self) -> Option<Format> {
        match self.stored.view.dtype() {
            Dtype::F16 if self.is_matrix() => Some(Format::F16),
            Dtype::BF16 if self.is_matrix() => Some(Format::Bf16),
            _ => None,
        }
    }

    /// Its format in a file whose matrices have this one.
    pub fn format(&self, matrices: Format) -> Format {
        if self.is_matrix() {
            matrices
        } else {
            Format::F32
        }
    }

    fn is_matrix(&self) -> bool {
        self.wanted.dims.len() == 2
    }

    /// Elements along each dimension in the new file, the contiguous one first.
    pub fn dims(&self) -> Vec<u64> {
        match self.wanted.dims.len() {
            1 => vec![self.cols as u64],
            _ => vec![self.cols as u64, self.rows as u64],
        }
    }

    /// Bytes in this format.
    pub fn bytes(&self, format: Format) -> u64 {
        (self.rows * self.cols * format.block_bytes()) as u64
    }

    /// Writes its weights in this format, row by row; a sentence if one has no place in it.
    pub fn write(&self, format: Format, out: &mut TensorData) -> Result<(), Failure> {
        let data = self.stored.view.data();
        let row_bytes = data.len() / self.rows;
        let (of_rows, of_columns) = match &self.wanted.heads {
            Some(heads) if heads.is_columns => (None, Some(heads)),
            heads => (heads.as_ref(), None),
        };
        let mut row = vec![0.0; self.cols];
        let mut encoded = Vec::with_capacity(self.cols * format.block_bytes());
        for r in 0..self.rows {
            let source = of_rows.map_or(r, |heads| heads.source(r));
            let stored = &data[source * row_bytes..][..row_bytes];
            decode(self.stored.view.dtype(), stored, &mut row);
            if let Some(heads) = of_columns {
                row = (0..self.cols).map(|c| row[heads.source(c)]).collect();
            }
            match self.wanted.change {
                Change::None => (),
                Change::AddOne => row.iter_mut().for_each(|weight| *weight += 1.0),
                Change::NegativeExp => row.iter_mut().for_each(|weight| *weight = -weight.exp()),
            }
            encoded.clear();
            if !encode(format, &row, &mut encoded) {
                let what = format!(
                    "tensor {} has in row {source} a weight that is no finite number in {format}",
                    self.wanted.source
                );
                return Err(Failure::of_file(self.stored.file, what));
            }
            out.write(&encoded)?;
        }
        Ok(())
    }
}

fn decode(dtype: Dtype, data: &[u8], row: &mut [f32]) {
    fn each<const N: usize>(data: &[u8], row: &mut [f32], weight: impl Fn([u8; N]) -> f32) {
        for (out, bytes) in row.iter_mut().zip(data.as_chunks().0) {
            *out = weight(*bytes);
        }
    }
    match dtype {
        Dtype::F16 => each(data, row, |bytes| f16::from_le_bytes(bytes).to_f32()),
        Dtype::BF16 => each(data, row, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        _ => each(data, row, f32::from_le_bytes),
    }
}

/// Appends a row; false if a weight is not finite in the format.
fn encode(format: Format, row: &[f32], out: &mut Vec<u8>) -> bool {
    match format {
        Format::F16 => row.iter().all(|&weight| {
            let weight = f16::from_f32(weight);
            out.extend(weight.to_le_bytes());
            weight.is_finite()
        }),
        Format::Bf16 => row.iter().all(|&weight| {
            let weight = bf16::from_f32(weight);
            out.extend(weight.to_le_bytes());
            weight.is_finite()
        }),
        _ => row.iter().all(|&weight| {
            out.extend(weight.to_le_bytes());
            weight.is_finite()
        }),
    }
}
