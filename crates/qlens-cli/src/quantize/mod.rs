//! `qlens quantize`: a model in Q8_0 or Q4_0, whose matrices take the fewest instructions, or in IQ4_NL, which is as
//! small as Q4_0 and nearer to the weights, from one in any format that runs here.

mod blocks;
mod iq4_nl;
mod requantize;

use std::path::PathBuf;

use qlens::gguf::{Tensor, Value};
use qlens::quant::{Format, GROUP};
use qlens::workers::{Threads, Workers};

use crate::destination::Destination;
use crate::failure::Failure;
use crate::gguf_writer::{Directory, TensorData};
use crate::interrupt;
use crate::model_file::ModelFile;
use crate::output::harmless;
use crate::pack::is_packed;
use crate::runtime::{thread_count, threads};
use requantize::{Requantize, Target};

/// What ggml calls the way that blocks are laid out today.
const QUANTIZATION_VERSION: u32 = 2;

/// Rewrite a model with every matrix in one format, Q8_0 and Q4_0 rounded exactly as ggml rounds
#[derive(clap::Args, Debug)]
pub struct QuantizeArgs {
    #[arg(value_name = "IN", help = "GGUF file or name of a known model")]
    input: PathBuf,
    #[arg(value_name = "OUT", help = "File to write")]
    output: PathBuf,
    #[arg(
        value_name = "TYPE",
        help = "Format of the matrices",
        ignore_case = true
    )]
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
    let mut steps = Vec::with_capacity(gguf.tensor_count());
    for tensor in gguf.tensors() {
        let step = Step::of(&tensor, args.target).map_err(|error| file.refuse(error))?;
        let dims = &tensor.dims[..tensor.n_dims as usize];
        directory.tensor(tensor.name, dims, step.ggml_type(&tensor), step.bytes());
        steps.push((tensor, step));
    }

    let destination = Destination::open(&args.output, &file)?;
    file.read_ahead();
    let mut data = TensorData::begin(&directory, "quantizing", destination)?;
    let workers = Threads::new(threads(args.threads));
    for (tensor, step) in &steps {
        step.run(&mut data, &workers, &|weight| {
            file.refuse(format_args!(
                "tensor {} has a weight in row {} that is not a number, or too large for {}",
                harmless(tensor.name),
                weight as u64 / tensor.dims[0],
                args.target.format()
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
    Requantize(Requantize<'m>, Target),
}

impl<'m> Step<'m> {
    fn of(tensor: &Tensor<'m>, target: Target) -> Result<Self, String> {
        let known = Format::from_ggml(tensor.ggml_type).zip(tensor.data);
        let Some((format, data)) = known else {
            return Err(format!(
                "tensor {} is stored as {} (type {}), which is not supported",
                harmless(tensor.name),
                tensor.type_name(),
                tensor.ggml_type
            ));
        };
        // As ggml counts dimensions: those behind the last one that is not 1 do not exist.
        let is_matrix = tensor.dims[1..].iter().any(|&dim| dim > 1);
        let is_blocks = tensor.dims[0].is_multiple_of(GROUP as u64);
        // A tensor of the format already would only be rounded a second time.
        if !is_matrix || !is_blocks || format == target.format() {
            return Ok(Self::Keep(data));
        }
        Requantize::new(format, tensor.n_elements() as usize, data, target)
            .map(|requantize| Self::Requantize(requantize, target))
            .ok_or_else(|| format!("tensor {} is too large", harmless(tensor.name)))
    }

    fn ggml_type(&self, tensor: &Tensor<'_>) -> u32 {
        match self {
            Self::Keep(_) => tensor.ggml_type,
            Self::Requantize(_, target) => target.format().ggml_type(),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Keep(data) => data.len() as u64,
            Self::Requantize(requantize, _) => requantize.bytes() as u64,
        }
    }

    fn run(
        &self,
        out: &mut TensorData,
        workers: &dyn Workers,
        refuse: &dyn Fn(usize) -> Failure,
    ) -> Result<(), Failure> {
        match self {
            Self::Keep(data) => out.write(data),
            Self::Requantize(requantize, _) => {
                requantize.run(workers, refuse, &mut |blocks| out.write(blocks))
            }
        }
    }
}
