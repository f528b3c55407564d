//! `qlens unpack`: the file that a packed one was made from, byte for byte.

use std::path::PathBuf;

use qlens::gguf::{self, Gguf, Value};
use qlens::pack::Plan;
use qlens::quant::interleave::deinterleave_rows;
use qlens_models::Hasher;

use super::original::{GENERAL_ALIGNMENT, Original, is_ours};
use super::{data, places};
use crate::destination::Destination;
use crate::failure::Failure;
use crate::gguf_writer;
use crate::interrupt;
use crate::model_file::ModelFile;
use crate::progress::Bytes;

/// Give back the file that a packed model was made from, byte for byte
#[derive(clap::Args, Debug)]
pub struct UnpackArgs {
    #[arg(value_name = "PACKED", help = "File that `qlens pack` wrote")]
    input: PathBuf,
    #[arg(value_name = "OUT", help = "File to write")]
    output: PathBuf,
}

/// Runs the verb.
pub fn run(args: &UnpackArgs) -> Result<(), Failure> {
    interrupt::listen();
    let file = ModelFile::open(&args.input)?;
    let gguf = file.gguf()?;
    let original = Original::read(&gguf).map_err(|error| file.refuse(error))?;
    // Tensors that share bytes were never packed, and could make any number of bytes out of few.
    places(&gguf).map_err(|error| file.refuse(error))?;
    let mut out = Unpacked {
        out: Destination::open(&args.output, &file)?,
        digest: Hasher::default(),
        progress: Bytes::new("unpacking", file.size()),
    };
    file.read_ahead();
    write(&gguf, &original, &mut out, &|what| file.refuse(what))?;
    if out.digest.finish().to_string() != original.sha256 {
        return Err(file.refuse("it is damaged: what it was made from has another checksum"));
    }
    out.out.finish()
}

/// The file on its way.
struct Unpacked {
    out: Destination,
    digest: Hasher,
    progress: Bytes,
}

impl Unpacked {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if let Some(signal) = interrupt::came() {
            return Err(Failure::stopped(signal));
        }
        self.digest.update(bytes);
        self.progress.add(bytes.len() as u64);
        self.out.write(bytes)
    }
}

fn write(
    gguf: &Gguf<'_>,
    original: &Original,
    out: &mut Unpacked,
    refuse: &dyn Fn(&str) -> Failure,
) -> Result<(), Failure> {
    let head = head(gguf, original);
    out.write(&head)?;
    let alignment = original.alignment.unwrap_or(gguf_writer::DEFAULT_ALIGNMENT);
    let damaged = || refuse("it is damaged: its tensors do not fit where they were");
    let start = (head.len() as u64)
        .checked_next_multiple_of(alignment.into())
        .ok_or_else(damaged)?;
    // The packed file has the tensors in the order of the directory, the original in any.
    let tensors: Vec<_> = gguf.tensors().collect();
    let mut order: Vec<_> = (0..tensors.len()).collect();
    order.sort_by_key(|&index| original.offsets[index]);
    let (mut at, mut padding) = (head.len() as u64, &original.padding[..]);
    for index in order {
        let offset = start.checked_add(original.offsets[index]);
        let gap = offset.and_then(|offset| offset.checked_sub(at));
        let gap = gap.and_then(|gap| padding.split_at_checked(usize::try_from(gap).ok()?));
        let (before, rest) = gap.ok_or_else(damaged)?;
        out.write(before)?;
        padding = rest;
        let (tensor, bytes) = (&tensors[index], data(&tensors[index]));
        at += (before.len() + bytes.len()) as u64;
        let is_interleaved = gguf::interleaved(tensor.ggml_type).is_some();
        match Plan::of(gguf, tensor).filter(|_| is_interleaved) {
            None => out.write(bytes)?,
            Some(plan) => {
                let mut rows = vec![0; plan.octet_bytes];
                let mut scratch = rows.clone();
                let octets = bytes.chunks_exact(plan.octet_bytes);
                let rest = octets.remainder();
                for octet in octets {
                    rows.copy_from_slice(octet);
                    deinterleave_rows(plan.format, &mut rows, &mut scratch);
                    out.write(&rows)?;
                }
                out.write(rest)?;
            }
        }
    }
    out.write(padding)
}

/// The original up to the end of its directory.
fn head(gguf: &Gguf<'_>, original: &Original) -> Vec<u8> {
    let is_kept =
        |key: &str| !is_ours(key) && (key != GENERAL_ALIGNMENT || original.alignment.is_some());
    let entries: Vec<_> = gguf
        .encoded_metadata()
        .filter(|(key, _)| is_kept(key))
        .collect();
    let mut head = b"GGUF".to_vec();
    head.extend(original.version.to_le_bytes());
    head.extend((gguf.tensor_count() as u64).to_le_bytes());
    head.extend((entries.len() as u64).to_le_bytes());
    for (key, encoded) in entries {
        match original.alignment.filter(|_| key == GENERAL_ALIGNMENT) {
            None => head.extend_from_slice(encoded),
            Some(alignment) => head.extend(gguf_writer::entry(key, Value::U32(alignment))),
        }
    }
    for (tensor, offset) in gguf.tensors().zip(&original.offsets) {
        let dims = &tensor.dims[..tensor.n_dims as usize];
        let ggml_type = gguf::interleaved(tensor.ggml_type).unwrap_or(tensor.ggml_type);
        head.extend(gguf_writer::tensor_entry(
            tensor.name,
            dims,
            ggml_type,
            *offset,
        ));
    }
    head
}
