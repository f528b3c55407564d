//! Interleaving the matrices of a model where it lies: for a loader that owns the RAM it read the file into.
//!
//! Rows are permuted eight at a time ([`quant::interleave`]) with a scratch of as
//! many, and the tensor's type in the file's directory becomes its interleaved kin, so that the bytes are
//! again a GGUF file, of the same size, which [`Model::parse`](crate::model::Model::parse) takes. Nothing else
//! of the file changes.

use core::fmt;

use crate::{
    gguf::{self, Detached, Gguf, INTERLEAVED, Tensor},
    quant::{
        self, Format,
        interleave::{OCTET, deinterleave_rows, interleave_rows},
    },
};

/// Tensors of a file that is interleaved, at most: what shares bytes with a tensor takes a walk through the
/// directory for each. A model of 256 layers has 3,075.
pub const MAX_TENSORS: usize = 4096;

/// Why a file is not interleaved. It is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The file cannot be read.
    Gguf(gguf::Error),
    /// The scratch is too small.
    Scratch {
        /// Bytes needed.
        needed: usize,
        /// Bytes there are.
        found: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gguf(error) => error.fmt(f),
            Self::Scratch { needed, found } => write!(
                f,
                "interleaving the model's matrices takes {needed} bytes of scratch, and there are {found}"
            ),
        }
    }
}

impl core::error::Error for Error {}

/// How a tensor is interleaved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its block format.
    pub format: Format,
    /// Bytes of eight rows.
    pub octet_bytes: usize,
    /// Where its data begins, in bytes from the start of the file.
    pub offset: usize,
    /// Bytes of its data. Rows that eight do not divide are at its end and stay as they are.
    pub bytes: usize,
    /// Where the directory has its type, in bytes from the start of the file.
    pub type_at: usize,
}

impl Plan {
    /// The plan for `tensor` of `gguf`, interleaved or not; `None` for one that never is: no matrix in a block
    /// format, fewer than eight rows, only ever read a row at a time, or sharing its bytes with another.
    pub fn of(gguf: &Gguf<'_>, tensor: &Tensor<'_>) -> Option<Self> {
        let (format, _) = quant::stored(tensor.ggml_type)?;
        let [cols, rows, 1, 1] = tensor.dims else {
            return None;
        };
        let row_bytes = format.row_bytes(usize::try_from(cols).ok()?)?;
        let data = tensor.data?;
        let looked_up =
            tensor.name == "token_embd.weight" && gguf.tensor("output.weight").is_some();
        if !format.is_quantized() || tensor.n_dims != 2 || rows < OCTET as u64 || looked_up {
            return None;
        }
        let offset = usize::try_from(tensor.offset).ok()?;
        let (start, end) = (tensor.offset, tensor.offset + data.len() as u64);
        let shared = gguf.tensors().any(|other| {
            let bytes = other
                .data
                .map_or(u64::MAX - other.offset, |d| d.len() as u64);
            other.index != tensor.index && other.offset < end && start < other.offset + bytes
        });
        (!shared).then_some(Self {
            format,
            octet_bytes: OCTET * row_bytes,
            offset,
            bytes: data.len(),
            type_at: tensor.type_at,
        })
    }

    /// The type of the tensor once it is interleaved.
    pub fn interleaved_type(&self) -> u32 {
        INTERLEAVED + self.format.ggml_type()
    }
}

/// Bytes of scratch that [`interleave`] and [`deinterleave`] need for this file.
pub fn scratch_bytes(gguf: &Gguf<'_>) -> usize {
    let plans = gguf.tensors().filter_map(|tensor| Plan::of(gguf, &tensor));
    plans.map(|plan| plan.octet_bytes).max().unwrap_or(0)
}

/// Whether a tensor of the file is interleaved.
pub fn is_interleaved(gguf: &Gguf<'_>) -> bool {
    gguf.tensors()
        .any(|tensor| gguf::interleaved(tensor.ggml_type).is_some())
}

/// Interleaves every matrix of the GGUF file in `file` that products are taken with, unless one is already (who
/// did that chose for all) or there are more tensors than [`MAX_TENSORS`]. Returns whether it did. `progress` is told how many bytes of `file` are behind it.
///
/// # Errors
/// The file is damaged, or the scratch too small.
pub fn interleave(
    file: &mut [u8],
    scratch: &mut [u8],
    progress: &mut dyn FnMut(usize),
) -> Result<bool, Error> {
    let gguf = Gguf::parse(file).map_err(Error::Gguf)?;
    if is_interleaved(&gguf) || gguf.tensor_count() > MAX_TENSORS {
        return Ok(false);
    }
    permute(
        &gguf.detach(),
        file,
        scratch,
        |plan, data, scratch| {
            for rows in data.chunks_exact_mut(plan.octet_bytes) {
                interleave_rows(plan.format, rows, scratch);
            }
            plan.interleaved_type()
        },
        progress,
    )?;
    Ok(true)
}

/// The reverse of [`interleave`] for a file that it did something to: every byte is again what it was.
///
/// # Errors
/// As [`interleave`].
pub fn deinterleave(file: &mut [u8], scratch: &mut [u8]) -> Result<(), Error> {
    let gguf = Gguf::parse(file).map_err(Error::Gguf)?.detach();
    permute(
        &gguf,
        file,
        scratch,
        |plan, data, scratch| {
            for rows in data.chunks_exact_mut(plan.octet_bytes) {
                deinterleave_rows(plan.format, rows, scratch);
            }
            plan.format.ggml_type()
        },
        &mut |_| {},
    )
}

/// Does `permutation` to the data of every tensor that has a [`Plan`], and gives the tensor the type it returns.
fn permute(
    gguf: &Detached,
    file: &mut [u8],
    scratch: &mut [u8],
    permutation: impl Fn(&Plan, &mut [u8], &mut [u8]) -> u32,
    progress: &mut dyn FnMut(usize),
) -> Result<(), Error> {
    let (needed, found) = (scratch_bytes(&gguf.attach(file)), scratch.len());
    if found < needed {
        return Err(Error::Scratch { needed, found });
    }
    for index in 0..gguf.attach(file).tensor_count() {
        let gguf = gguf.attach(file);
        let tensor = gguf.tensors().nth(index);
        let Some(plan) = tensor.and_then(|tensor| Plan::of(&gguf, &tensor)) else {
            continue;
        };
        let end = plan.offset + plan.bytes;
        let data = &mut file[plan.offset..end];
        let ggml_type = permutation(&plan, data, &mut scratch[..plan.octet_bytes]);
        file[plan.type_at..plan.type_at + 4].copy_from_slice(&ggml_type.to_le_bytes());
        progress(end);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{format, vec};

    use super::*;
    use crate::gguf::writer::Writer;

    /// A file of so many small matrices.
    fn matrices(count: usize) -> std::vec::Vec<u8> {
        let block = [7; OCTET * Format::Q8_0.block_bytes()];
        let add = |file: Writer, i| file.tensor(&format!("m{i}"), &[32, 8], 8, &block);
        (0..count).fold(Writer::new(), add).finish()
    }

    #[test]
    fn more_tensors_than_any_model_has_take_no_time() {
        for (count, changes) in [(3, true), (MAX_TENSORS + 1, false)] {
            let mut file = matrices(count);
            let before = file.clone();
            let mut scratch = vec![0; 8 * 34];
            let changed = interleave(&mut file, &mut scratch, &mut |_| {});
            assert_eq!((changed, file != before), (Ok(changes), changes));
        }
    }
}
