//! Models of random weights, for tests and benchmarks that need a model's shape and not its knowledge: any
//! architecture, any format, any size, and no download.
//!
//! A [`Fixture`] writes the same bytes on every machine. Its weights are such that logits are finite and of
//! the order of 1. All matrices have the one format that was asked for; rows that are no whole number of
//! its blocks have the format that ggml's quantizer takes in its place:
//!
//! | asked for        | taken  |
//! |------------------|--------|
//! | Q4_K             | Q5_0   |
//! | Q5_K             | Q5_1   |
//! | Q6_K             | Q8_0   |
//! | Q2_K Q3_K IQ4_XS | IQ4_NL |
//! | any, if 32 does not divide the rows either | F16 |

mod shape;
mod tensors;
mod vocabulary;
mod weights;

pub use shape::{Named, Shape};

use std::io::{self, Write};

use qlens::gguf::Value;
use qlens::model::Architecture;
use qlens::quant::Format;
use qlens_gguf::{Directory, Layout};

/// What ggml calls the way that blocks are laid out today.
const QUANTIZATION_VERSION: u32 = 2;
/// What all Qwen models add to the mean square in RMSNorm.
const RMS_EPS: f32 = 1e-6;

/// The least number of tokens that a fixture's vocabulary can have.
pub const LEAST_VOCAB: usize = shape::LEAST_VOCAB;

/// A model that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Fixture {
    /// How large it is; at least [`LEAST_VOCAB`] tokens.
    pub shape: Shape,
    /// The format of its matrices.
    pub format: Format,
    /// Other weights for another seed.
    pub seed: u64,
}

impl Fixture {
    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        let (head, layout) = self.encode(&tensors::of(&self.shape, self.format));
        head.len() as u64 + layout.bytes()
    }

    /// Weights of all tensors.
    pub fn weights(&self) -> u64 {
        let tensors = tensors::of(&self.shape, self.format);
        tensors.iter().map(|tensor| tensor.weights() as u64).sum()
    }

    /// The file up to its first tensor's data. With a hole of zeros behind it, up to [`bytes`](Self::bytes), it is
    /// a model of this shape that takes no space.
    pub fn head(&self) -> Vec<u8> {
        self.encode(&tensors::of(&self.shape, self.format)).0
    }

    /// Writes the file. What is in memory is its directory and a small piece of one tensor.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let tensors = tensors::of(&self.shape, self.format);
        let (head, mut layout) = self.encode(&tensors);
        out.write_all(&head)?;
        for tensor in tensors {
            tensor.write(self.seed, out)?;
            let padding = layout.advance(tensor.bytes());
            out.write_all(&vec![0; padding])?;
        }
        Ok(())
    }

    fn encode(&self, tensors: &[tensors::Tensor]) -> (Vec<u8>, Layout) {
        let mut directory = Directory::default();
        self.state(&mut directory);
        for tensor in tensors {
            let (name, ggml_type) = (tensor.name.as_str(), tensor.format.ggml_type());
            directory.tensor(name, &tensor.dims, ggml_type, tensor.bytes() as u64);
        }
        directory.encode().expect("these are few keys")
    }

    /// All metadata.
    fn state(&self, directory: &mut Directory<'_>) {
        let shape = &self.shape;
        let name = shape.architecture.name();
        directory.set("general.architecture", Value::Str(name));
        directory.set("general.name", Value::Str(&format!("fixture {name}")));
        let file_type = weights::file_type(self.format);
        directory.set("general.file_type", Value::U32(file_type));
        if self.format.is_quantized() {
            let version = Value::U32(QUANTIZATION_VERSION);
            directory.set("general.quantization_version", version);
        }
        let mut set = |key: &str, value| directory.set(&format!("{name}.{key}"), value);
        let number = |size: usize| Value::U32(size as u32);
        set("context_length", number(shape.n_ctx_train));
        set("embedding_length", number(shape.n_embd));
        set("block_count", number(shape.n_layer));
        set("feed_forward_length", number(shape.n_ff));
        set("attention.head_count", number(shape.n_head));
        set("attention.head_count_kv", number(shape.n_head_kv));
        set("attention.layer_norm_rms_epsilon", Value::F32(RMS_EPS));
        set("rope.freq_base", Value::F32(shape.rope_theta));
        if shape.architecture != Architecture::Qwen2 {
            set("attention.key_length", number(shape.head_dim));
            set("attention.value_length", number(shape.head_dim));
        }
        if let Some(delta_net) = shape.delta_net {
            set("ssm.conv_kernel", number(delta_net.taps));
            set("ssm.inner_size", number(delta_net.v_width()));
            set("ssm.state_size", number(delta_net.head_dim_k));
            set("ssm.time_step_rank", number(delta_net.n_head_v));
            set("ssm.group_count", number(delta_net.n_head_k));
            let interval = number(delta_net.attention_interval);
            set("full_attention_interval", interval);
            set("rope.dimension_count", number(shape.n_rot));
            // Thirds for time, height and width, which are the same number in text.
            let pairs = shape.n_rot / 2;
            let third = pairs.div_ceil(3);
            let sections = [third, third, pairs - 2 * third, 0].map(|len| len as i32);
            directory.set_i32s(&format!("{name}.rope.dimension_sections"), &sections);
        }
        vocabulary::state(directory, shape.architecture, shape.n_vocab);
    }
}
