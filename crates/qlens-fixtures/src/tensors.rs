//! Which tensors a model of a shape has, and what random numbers are in them.

use std::io::{self, Write};

use qlens::model::{Architecture, DeltaNet};
use qlens::quant::Format;

use crate::Shape;
use crate::weights::{Weights, fitting};

/// Weights that are made at once.
const PIECE: usize = 1 << 16;

/// A tensor of a file that is being made.
pub(crate) struct Tensor {
    pub(crate) name: String,
    /// Elements along each dimension, the contiguous one first.
    pub(crate) dims: Vec<u64>,
    pub(crate) format: Format,
    values: Values,
}

/// What is in a tensor.
#[derive(Clone, Copy)]
enum Values {
    /// Numbers around a mean.
    Around { mean: f32, deviation: f32 },
    /// Numbers from -2 to -1/4: the decay of a state, ever the same sign.
    Negative,
}

impl Tensor {
    /// How many weights it has.
    pub(crate) fn weights(&self) -> usize {
        self.dims.iter().product::<u64>() as usize
    }

    fn bytes_of(&self, weights: usize) -> usize {
        weights / self.format.block_len() * self.format.block_bytes()
    }

    /// Bytes of its data.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes_of(self.weights())
    }

    /// Writes its data.
    pub(crate) fn write(&self, seed: u64, out: &mut dyn Write) -> io::Result<()> {
        let mut random = Weights::of(seed, &self.name);
        let mut piece = vec![0; self.bytes_of(PIECE.min(self.weights()))];
        let mut left = self.bytes();
        while left > 0 {
            let piece = &mut piece[..left.min(self.bytes_of(PIECE))];
            match self.values {
                Values::Around {
                    mean: 0.0,
                    deviation,
                } => {
                    random.fill(self.format, deviation, piece);
                }
                Values::Around { mean, deviation } => {
                    fill(piece, || mean + deviation * random.deviate());
                }
                Values::Negative => fill(piece, || {
                    -(1.125 + 0.25 * random.deviate()).clamp(0.25, 2.0)
                }),
            }
            out.write_all(piece)?;
            left -= piece.len();
        }
        Ok(())
    }
}

fn fill(out: &mut [u8], mut value: impl FnMut() -> f32) {
    for out in out.as_chunks_mut().0 {
        *out = value().to_le_bytes();
    }
}

/// The tensors of a model in their order in the file.
pub(crate) fn of(shape: &Shape, format: Format) -> Vec<Tensor> {
    let mut list = List {
        tensors: Vec::new(),
        prefix: String::new(),
        format,
    };
    let (vocab, embd) = (shape.n_vocab, shape.n_embd);
    // Embeddings are normalised before anything is computed with them, unless they are the output too.
    let deviation = if shape.is_tied {
        unit_products(embd)
    } else {
        1.0
    };
    list.matrix("token_embd.weight", vocab, embd, deviation);
    list.norm("output_norm.weight", embd);
    if !shape.is_tied {
        list.matrix("output.weight", vocab, embd, unit_products(embd));
    }
    for layer in 0..shape.n_layer {
        list.prefix = format!("blk.{layer}.");
        list.layer(shape, layer);
    }
    list.tensors
}

/// The deviation that keeps a product with numbers of deviation 1 at that.
fn unit_products(cols: usize) -> f32 {
    1.0 / (cols as f32).sqrt()
}

struct List {
    tensors: Vec<Tensor>,
    prefix: String,
    format: Format,
}

impl List {
    fn layer(&mut self, shape: &Shape, layer: usize) {
        let (embd, ff) = (shape.n_embd, shape.n_ff);
        self.norm("attn_norm.weight", embd);
        self.norm(
            match shape.architecture {
                Architecture::Qwen35 => "post_attention_norm.weight",
                _ => "ffn_norm.weight",
            },
            embd,
        );
        match shape.delta_net {
            Some(delta_net) if !(layer + 1).is_multiple_of(delta_net.attention_interval) => {
                self.delta_net(&delta_net, embd);
            }
            _ => self.attention(shape),
        }
        self.weights("ffn_gate.weight", ff, embd);
        self.weights("ffn_up.weight", ff, embd);
        self.weights("ffn_down.weight", embd, ff);
    }

    fn attention(&mut self, shape: &Shape) {
        let (embd, head) = (shape.n_embd, shape.head_dim);
        let (q, kv) = (shape.n_head * head, shape.n_head_kv * head);
        let q_rows = match shape.architecture {
            Architecture::Qwen35 => 2 * q,
            _ => q,
        };
        self.weights("attn_q.weight", q_rows, embd);
        self.weights("attn_k.weight", kv, embd);
        self.weights("attn_v.weight", kv, embd);
        self.weights("attn_output.weight", embd, q);
        if shape.architecture == Architecture::Qwen2 {
            for (name, len) in [("q", q), ("k", kv), ("v", kv)] {
                self.vector(&format!("attn_{name}.bias"), &[len], 0.0, 0.3);
            }
        } else {
            self.norm("attn_q_norm.weight", head);
            self.norm("attn_k_norm.weight", head);
        }
    }

    fn delta_net(&mut self, shape: &DeltaNet, embd: usize) {
        let (heads, width, channels) = (shape.n_head_v, shape.v_width(), shape.channels());
        self.weights("attn_qkv.weight", channels, embd);
        self.weights("attn_gate.weight", width, embd);
        self.vector("ssm_conv1d.weight", &[shape.taps, channels], 0.0, 0.5);
        self.vector("ssm_dt.bias", &[heads], 0.0, 0.5);
        self.push("ssm_a", &[heads], Format::F32, Values::Negative);
        self.weights("ssm_beta.weight", heads, embd);
        self.weights("ssm_alpha.weight", heads, embd);
        self.norm("ssm_norm.weight", shape.head_dim_v);
        self.weights("ssm_out.weight", embd, width);
    }

    fn weights(&mut self, name: &str, rows: usize, cols: usize) {
        self.matrix(name, rows, cols, unit_products(cols));
    }

    fn matrix(&mut self, name: &str, rows: usize, cols: usize, deviation: f32) {
        let mean = 0.0;
        let format = fitting(self.format, cols);
        self.push(
            name,
            &[cols, rows],
            format,
            Values::Around { mean, deviation },
        );
    }

    fn norm(&mut self, name: &str, len: usize) {
        self.vector(name, &[len], 1.0, 0.1);
    }

    fn vector(&mut self, name: &str, dims: &[usize], mean: f32, deviation: f32) {
        self.push(name, dims, Format::F32, Values::Around { mean, deviation });
    }

    fn push(&mut self, name: &str, dims: &[usize], format: Format, values: Values) {
        self.tensors.push(Tensor {
            name: format!("{}{name}", self.prefix),
            dims: dims.iter().map(|&dim| dim as u64).collect(),
            format,
            values,
        });
    }
}
