//! `qlens convert`: a GGUF file from a Hugging Face checkpoint of a Qwen model: `config.json`,
//! `tokenizer.json` and the weights in `*.safetensors`. Keys and tensors are those that llama.cpp's
//! converter makes.
//!
//! Not converted: the part of a model that sees, weights that are quantized, and positions that are scaled.

mod checkpoint;
mod shape;
mod special;
mod tensors;
mod vocabulary;
mod weights;

use std::fs;
use std::path::{Path, PathBuf};

use qlens::gguf::Value;
use qlens::model::Architecture;
use qlens::quant::Format;

use crate::destination::Destination;
use crate::failure::Failure;
use crate::gguf_writer::{Directory, TensorData};
use crate::interrupt;
use checkpoint::{Shards, Weights};
use shape::Shape;
use weights::Tensor;

/// What ggml calls the way that blocks are laid out today.
const QUANTIZATION_VERSION: u32 = 2;

/// Make a GGUF file from a Hugging Face checkpoint
#[derive(clap::Args, Debug)]
pub struct ConvertArgs {
    #[arg(
        value_name = "DIR",
        help = "Folder with config.json, tokenizer.json and *.safetensors"
    )]
    folder: PathBuf,
    #[arg(
        value_name = "OUT",
        help = "File to write; its matrices are BF16 if the checkpoint's are, else F16"
    )]
    output: PathBuf,
}

/// Runs the verb.
pub fn run(args: &ConvertArgs) -> Result<(), Failure> {
    interrupt::listen();
    let path = args.folder.join("config.json");
    let config = checkpoint::json(&path)?;
    let shape = Shape::read(&config).map_err(|what| Failure::of_file(&path, what))?;
    let shards = Shards::open(&args.folder)?;
    let mut weights = Weights::read(&args.folder, &shards)?;

    // An output matrix that is the embeddings may be stored a second time.
    let is_tied = shape
        .is_tied
        .unwrap_or_else(|| !weights.has("lm_head.weight"));
    if is_tied && weights.has("lm_head.weight") {
        weights.take("lm_head.weight")?;
    }
    let further = match shape.architecture {
        Architecture::Qwen35 => blocks_behind(&weights),
        _ => 0,
    };
    let mut tensors = Vec::new();
    for wanted in tensors::wanted(&shape, further, is_tied) {
        let stored = weights.take(&wanted.source)?;
        tensors.push(Tensor::new(wanted, stored)?);
    }
    weights.end()?;
    let matrices = tensors.iter().find_map(Tensor::format_of_file);
    let matrices = matrices.unwrap_or(Format::F16);

    let mut directory = Directory::default();
    state_general(&args.folder, &shape, matrices, &mut directory);
    shape.state(further, &mut directory);
    vocabulary::state(&args.folder, &config, &shape, &mut directory)?;
    for tensor in &tensors {
        let format = tensor.format(matrices);
        let (name, dims) = (tensor.wanted.name.as_str(), tensor.dims());
        directory.tensor(name, &dims, format.ggml_type(), tensor.bytes(format));
    }

    let is_read = |found: &fs::Metadata| shards.contain(&args.folder, found);
    let out = Destination::open_unless(&args.output, &is_read)?;
    let mut data = TensorData::begin(&directory, "converting", out)?;
    for tensor in &tensors {
        tensor.write(tensor.format(matrices), &mut data)?;
    }
    data.finish()
}

/// The number of blocks that predict further tokens. What `config.json` says of them is not asked: they are often
/// taken away when a model is trained further, and the number stays.
fn blocks_behind(weights: &Weights<'_>) -> usize {
    (0..shape::MOST_LAYERS)
        .take_while(|block| weights.has(&format!("mtp.layers.{block}.input_layernorm.weight")))
        .count()
}

fn state_general(folder: &Path, shape: &Shape, matrices: Format, directory: &mut Directory<'_>) {
    let name = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let name = name.file_name().unwrap_or_default().to_string_lossy();
    // ggml's number for a file of mostly this format.
    let file_type = match matrices {
        Format::Bf16 => 32,
        _ => 1,
    };
    let mut set = |key: &str, value| directory.set(&format!("general.{key}"), value);
    set("architecture", Value::Str(shape.architecture.name()));
    set("type", Value::Str("model"));
    set("name", Value::Str(&name));
    set("file_type", Value::U32(file_type));
    set("quantization_version", Value::U32(QUANTIZATION_VERSION));
}
