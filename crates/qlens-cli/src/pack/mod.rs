//! `qlens pack` and `qlens unpack`: a model as the kernels want it, once and offline, and back.
//!
//! A packed file is a GGUF file in which the matrices that products are taken with are interleaved
//! ([`qlens::quant::interleave`]), as their types say, and every tensor begins at a page. The index of
//! its vocabulary is there too ([`qlens::tokenizer`]), so that nothing is built when it is opened. What
//! the original looked like beside that is kept under the keys of [`original`], so that unpacking gives
//! it back byte for byte.

mod original;
mod unpack;

use std::path::PathBuf;

use qlens::gguf::{Gguf, Tensor};
use qlens::pack::{self, Plan};
use qlens::quant::interleave::interleave_rows;
use qlens::tokenizer::{self, INDEX_KEY};
use qlens_models::Hasher;

use crate::destination::Destination;
use crate::failure::Failure;
use crate::gguf_writer::{Directory, TensorData};
use crate::interrupt;
use crate::model_file::ModelFile;
use crate::progress::Bytes;
use original::Original;

pub use original::is_packed;
pub use unpack::{UnpackArgs, run as unpack};

/// What tensors of a packed file are aligned to, in bytes: a page of every system that maps it.
const PAGE: u32 = 4096;

/// Rewrite a model so that it is fastest where it lies: matrices interleaved, tensors at pages, tokenizer indexed
#[derive(clap::Args, Debug)]
pub struct PackArgs {
    #[arg(value_name = "MODEL", help = "GGUF file or name of a known model")]
    input: PathBuf,
    #[arg(value_name = "OUT", help = "File to write")]
    output: PathBuf,
}

/// Runs the verb.
pub fn run(args: &PackArgs) -> Result<(), Failure> {
    interrupt::listen();
    let file = ModelFile::open(&args.input)?;
    // Only what will run is worth it: everything wrong with the model is said here.
    let model = file.model()?;
    let gguf = *model.gguf();
    if pack::is_interleaved(&gguf) || is_packed(&gguf) {
        return Err(file.refuse("it is packed already"));
    }
    if gguf.tensor_count() > pack::MAX_TENSORS {
        return Err(file.refuse(format_args!(
            "it has {} tensors, and at most {} can be packed",
            gguf.tensor_count(),
            pack::MAX_TENSORS
        )));
    }
    let mut index = vec![0_u32; model.config().tokenizer_bytes.div_ceil(4)];
    let index = tokenizer::precompile(&gguf, bytemuck::cast_slice_mut(&mut index))
        .map_err(|error| file.refuse(error))?;
    let destination = Destination::open(&args.output, &file)?;
    file.read_ahead();
    let sha256 = digest(file.bytes())?;
    let original = Original::of(&gguf, file.bytes(), sha256);
    let original = original.map_err(|error| file.refuse(error))?;
    let mut directory = Directory::of(&gguf);
    original.store(&mut directory);
    directory.align(PAGE)?;
    directory.set_words(INDEX_KEY, index);
    let steps: Vec<_> = gguf
        .tensors()
        .map(|tensor| (tensor, Plan::of(&gguf, &tensor)))
        .collect();
    for (tensor, plan) in &steps {
        let ggml_type = plan.map_or(tensor.ggml_type, |plan| plan.interleaved_type());
        let dims = &tensor.dims[..tensor.n_dims as usize];
        directory.tensor(tensor.name, dims, ggml_type, data(tensor).len() as u64);
    }
    let mut out = TensorData::begin(&directory, "packing", destination)?;
    let mut scratch = vec![0; pack::scratch_bytes(&gguf)];
    let mut rows = scratch.clone();
    for (tensor, plan) in &steps {
        match plan {
            None => out.write(data(tensor))?,
            Some(plan) => interleave(plan, data(tensor), &mut rows, &mut scratch, &mut out)?,
        }
    }
    out.finish()
}

/// The SHA-256 of a file, in pieces so that a signal is heard.
fn digest(file: &[u8]) -> Result<String, Failure> {
    let mut digest = Hasher::default();
    let mut progress = Bytes::new("hashing", file.len() as u64);
    for piece in file.chunks(1 << 20) {
        if let Some(signal) = interrupt::came() {
            return Err(Failure::stopped(signal));
        }
        digest.update(piece);
        progress.add(piece.len() as u64);
    }
    Ok(digest.finish().to_string())
}

/// A tensor's bytes: [`places`] has found them to be known.
fn data<'m>(tensor: &Tensor<'m>) -> &'m [u8] {
    tensor.data.unwrap_or_default()
}

fn interleave(
    plan: &Plan,
    data: &[u8],
    rows: &mut [u8],
    scratch: &mut [u8],
    out: &mut TensorData,
) -> Result<(), Failure> {
    let (rows, scratch) = (
        &mut rows[..plan.octet_bytes],
        &mut scratch[..plan.octet_bytes],
    );
    let octets = data.chunks_exact(plan.octet_bytes);
    let rest = octets.remainder();
    for octet in octets {
        rows.copy_from_slice(octet);
        interleave_rows(plan.format, rows, scratch);
        out.write(rows)?;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        out.write(rest)
    }
}

/// The place of every tensor's data in a file, in the order of the bytes.
///
/// Fails with a sentence if two share bytes, or one's size is not known.
fn places(gguf: &Gguf<'_>) -> Result<Vec<(usize, usize, usize)>, String> {
    let mut places = Vec::with_capacity(gguf.tensor_count());
    for tensor in gguf.tensors() {
        let bytes = tensor.data.map(<[u8]>::len);
        let bytes = bytes.ok_or_else(|| {
            format!(
                "tensor {} has the unknown type {}",
                tensor.index, tensor.ggml_type
            )
        })?;
        places.push((tensor.offset as usize, bytes, tensor.index));
    }
    places.sort_unstable();
    for pair in places.windows(2) {
        let [(start, bytes, a), (next, _, b)] = [pair[0], pair[1]];
        if start + bytes > next {
            return Err(format!("tensors {a} and {b} share bytes"));
        }
    }
    Ok(places)
}
