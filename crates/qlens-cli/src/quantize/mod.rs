//! `qlens quantize`: a model of another type from one in any format that runs here. Q8_0 and Q4_0 take the fewest
//! instructions, IQ4_NL and `Q4_K_M` are about as small as Q4_0 and nearer to the weights, Q6_K is between.

mod affine;
mod blocks;
mod five_bits;
mod iq4_nl;
mod k_quants;
mod mixture;
mod requantize;
#[cfg(test)]
mod samples;
mod search;

use std::path::PathBuf;

use qlens::gguf::{Tensor, Value};
use qlens::quant::Format;
use qlens::workers::{Threads, Workers};

use crate::destination::Destination;
use crate::failure::Failure;
use crate::gguf_writer::{Directory, TensorData};
use crate::interrupt;
use crate::model_file::ModelFile;
use crate::output::harmless;
use crate::pack::is_packed;
use crate::runtime::{thread_count, threads};
use mixture::{Mixture, Target};
use requantize::Requantize;

/// What ggml calls the way that blocks are laid out today.
const QUANTIZATION_VERSION: u32 = 2;

/// Rewrite a model as one of another type, block for block as llama.cpp's llama-quantize does
#[derive(clap::Args, Debug)]
pub struct QuantizeArgs {
    #[arg(value_name = "IN", help = "GGUF file or name of a known model")]
    input: PathBuf,
    #[arg(value_name = "OUT", help = "File to write")]
    output: PathBuf,
    #[arg(value_name = "TYPE", help = "What to make of it", ignore_case = true)]
    target: Target,
    /// Threads to compute with; the file is the same for any number [default: one a core]
    #[arg(long, value_name = "N", value_parser = thread_count())]
    threads: Option<u32>,
}

/// Runs the verb.
pub fn run(args: &QuantizeArgs) -> Result<(), Failure> {
    interrupt::listen();
    let file = ModelFile::open(&args.input)?;
    let gguf = file.gguf()?;
    if is_packed(&gguf) {
        let hint = "it is packed: give back what it was made from with `qlens unpack`";
        return Err(file.refuse(hint));
    }
    let mut directory = Directory::of(&gguf);
    let version = Value::U32(QUANTIZATION_VERSION);
    directory.set("general.quantization_version", version);
    directory.set("general.file_type", Value::U32(args.target.file_type()));
    let mixture = Mixture::new(&gguf, args.target);
    let mut steps = Vec::with_capacity(gguf.tensor_count());
    for tensor in gguf.tensors() {
        let step =
            Step::of(&tensor, mixture.format(&tensor)).map_err(|error| file.refuse(error))?;
        let dims = &tensor.dims[..tensor.n_dims as usize];
        directory.tensor(tensor.name, dims, step.ggml_type(&tensor), step.bytes());
        steps.push((tensor, step));
    }

    let destination = Destination::open(&args.output, &file)?;
    file.read_ahead();
    let mut data = TensorData::begin(&directory, "quantizing", destination)?;
    let workers = Threads::new(threads(args.threads));
    for (tensor, step) in &steps {
        step.run(&mut data, &workers, &|weight, format| {
            file.refuse(format_args!(
                "tensor {} has a weight in row {} that is not a number, or too large for {format}",
                harmless(tensor.name),
                weight as u64 / tensor.dims[0],
            ))
        })?;
    }
    data.finish()
}

/// What becomes of a tensor.
enum Step<'m> {
    /// It is copied.
    Keep(&'m [u8]),
    /// It gets another format.
    Requantize(Requantize<'m>),
}

impl<'m> Step<'m> {
    /// `wanted` is the format that the tensor is to get, if it is to have another.
    fn of(tensor: &Tensor<'m>, wanted: Option<Format>) -> Result<Self, String> {
        let known = Format::from_ggml(tensor.ggml_type).zip(tensor.data);
        let Some((format, data)) = known else {
            return Err(format!(
                "tensor {} is stored as {} (type {}), which is not supported",
                harmless(tensor.name),
                tensor.type_name(),
                tensor.ggml_type
            ));
        };
        // A tensor of the format already would only be rounded a second time.
        let Some(wanted) = wanted.filter(|&wanted| wanted != format) else {
            return Ok(Self::Keep(data));
        };
        Requantize::new(format, tensor.n_elements() as usize, data, wanted)
            .map(Self::Requantize)
            .ok_or_else(|| format!("tensor {} is too large", harmless(tensor.name)))
    }

    fn ggml_type(&self, tensor: &Tensor<'_>) -> u32 {
        match self {
            Self::Keep(_) => tensor.ggml_type,
            Self::Requantize(requantize) => requantize.format().ggml_type(),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Keep(data) => data.len() as u64,
            Self::Requantize(requantize) => requantize.bytes() as u64,
        }
    }

    fn run(
        &self,
        out: &mut TensorData,
        workers: &dyn Workers,
        refuse: &dyn Fn(usize, Format) -> Failure,
    ) -> Result<(), Failure> {
        match self {
            Self::Keep(data) => out.write(data),
            Self::Requantize(requantize) => {
                let refuse = |weight| refuse(weight, requantize.format());
                requantize.run(workers, &refuse, &mut |blocks| out.write(blocks))
            }
        }
    }
}
