//! What a model is: its shape, where its weights lie, and its forward pass.
//!
//! [`Model::parse`] checks everything that a forward pass will rely on: that every tensor is there,
//! in a supported format and of the shape that the metadata says. One file an architecture holds the
//! order of operations (`qwen2`, which is Qwen3's and Qwen3.5's, too); what it is made of is beside it (`attention`,
//! `delta_net`, `feed_forward`).

mod attention;
mod config;
mod delta_net;
mod error;
mod feed_forward;
mod fingerprint;
mod pass;
mod qwen2;
mod weights;

pub use config::{Architecture, Config, DeltaNet, LayerPlace};
pub use error::{Error, Name, TensorKind};
pub(crate) use fingerprint::fingerprint;
pub(crate) use pass::{Pass, Scratch};
pub(crate) use weights::{Layer, Weights};

use crate::{
    gguf::Gguf,
    quant,
    tokenizer::{self, Tokenizer},
};

/// A model in memory: flash, a mapped file, RAM. Borrowed, never copied.
#[derive(Clone, Copy, Debug)]
pub struct Model<'m> {
    gguf: Gguf<'m>,
    config: Config,
}

impl<'m> Model<'m> {
    /// Takes `bytes`, a whole GGUF file aligned to at least 4 bytes, for a model.
    ///
    /// # Errors
    /// What is wrong with the file, or not supported, and where.
    pub fn parse(bytes: &'m [u8]) -> Result<Self, Error> {
        let gguf = Gguf::parse(bytes).map_err(Error::Gguf)?;
        // The embedding matrix says how many tokens there are; a vocabulary may name fewer.
        let embedding = gguf
            .tensor("token_embd.weight")
            .ok_or(Error::MissingTensor {
                kind: TensorKind::TokenEmbd,
                layer: None,
            })?;
        let n_vocab = usize::try_from(embedding.dims[1])
            .ok()
            .filter(|&n| u32::try_from(n).is_ok());
        let shape = Error::Shape {
            kind: TensorKind::TokenEmbd,
            layer: None,
        };
        let n_vocab = n_vocab.ok_or(shape)?;
        let tokenizer_bytes = Tokenizer::index_bytes(&gguf).map_err(Error::Tokenizer)?;
        // A token without an embedding could be written and not be read.
        let tokens = gguf.get(tokenizer::TOKENS).and_then(|v| v.as_array());
        if tokens.is_some_and(|tokens| tokens.len() > n_vocab) {
            return Err(shape);
        }
        let config = Config::read(&gguf, n_vocab, tokenizer_bytes)?;
        let model = Self { gguf, config };
        Weights::check(&model)?;
        Ok(model)
    }

    /// Whether a tensor is of a block behind those that the forward pass takes.
    fn is_further_block(&self, name: &str) -> bool {
        let block = name.strip_prefix("blk.").and_then(|n| n.split('.').next());
        let block = block.and_then(|n| n.parse::<usize>().ok());
        block.is_some_and(|il| il >= self.config.n_layer)
    }

    /// The model's shape.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The file it is in.
    pub fn gguf(&self) -> &Gguf<'m> {
        &self.gguf
    }

    /// Bytes of weights that one decoded token reads: every matrix but the embedding, of which it
    /// reads one row (all of it where it is also the output matrix), and the norms.
    pub fn bytes_per_token(&self) -> u64 {
        let tied = self.gguf.tensor("output.weight").is_none();
        self.gguf
            .tensors()
            .map(|t| {
                let bytes = t.data.map_or(0, |d| d.len() as u64);
                let row = quant::stored(t.ggml_type)
                    .and_then(|(format, _)| format.row_bytes(self.config.n_embd));
                match t.name {
                    name if self.is_further_block(name) => 0,
                    "token_embd.weight" if !tied => row.unwrap_or(0) as u64,
                    _ => bytes,
                }
            })
            .sum()
    }
}
