//! The model's shape, as its file states it.

use core::fmt::Write as _;

use heapless::String;

use super::Error;
use crate::gguf::{Gguf, Value};

/// Families of models whose forward pass is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Architecture {
    /// Qwen2, Qwen2.5 and their Coder and Math relatives.
    Qwen2,
    /// Qwen3 (dense): queries and keys are normalised head by head, and nothing has a bias.
    Qwen3,
}

impl Architecture {
    /// Every supported architecture.
    pub const ALL: [Self; 2] = [Self::Qwen2, Self::Qwen3];

    /// Its name in `general.architecture`, which also prefixes its metadata keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }
}

/// The numbers that shape a model. Sizes are in elements.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    /// Which forward pass.
    pub architecture: Architecture,
    /// Transformer blocks.
    pub n_layer: usize,
    /// Width of the residual stream.
    pub n_embd: usize,
    /// Width of the feed-forward network.
    pub n_ff: usize,
    /// Query heads.
    pub n_head: usize,
    /// Key and value heads; each serves `n_head / n_head_kv` query heads.
    pub n_head_kv: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Dimensions of a head that rotate with position.
    pub n_rot: usize,
    /// Base of the rotary frequencies.
    pub rope_theta: f32,
    /// Added to the mean square in RMSNorm.
    pub rms_eps: f32,
    /// Longest context that the model was trained for, in tokens.
    pub n_ctx_train: usize,
    /// Entries of the vocabulary: rows of the embedding and output matrices.
    pub n_vocab: usize,
    /// Bytes of the tokenizer's index in the arena; 0 if the file brings it along.
    pub tokenizer_bytes: usize,
}

/// Bounds of what is believed. Larger numbers would be another family of models, or damage.
// Finding a layer's tensors takes a walk through the directory for each, so this bounds its square.
const MAX_LAYERS: u64 = 256;
const MAX_WIDTH: u64 = 1 << 20;
const MAX_HEADS: u64 = 4096;
const MAX_HEAD_DIM: u64 = 1024;
const MAX_CONTEXT: u64 = 1 << 24;

impl Config {
    /// Reads the shape out of the metadata and the vocabulary.
    ///
    /// # Errors
    /// The architecture is not supported, a number is missing, or absurd.
    pub(super) fn read(
        gguf: &Gguf<'_>,
        n_vocab: usize,
        tokenizer_bytes: usize,
    ) -> Result<Self, Error> {
        let name = gguf.get("general.architecture").and_then(|v| v.as_str());
        let name = name.ok_or(Error::Missing("general.architecture"))?;
        let architecture = Architecture::ALL.into_iter().find(|a| a.name() == name);
        let keys = Keys {
            gguf,
            architecture: architecture.ok_or_else(|| Error::Architecture(clip(name)))?,
        };

        if let Some(scaling) = keys.get("rope.scaling.type").and_then(|v| v.as_str())
            && scaling != "none"
        {
            return Err(Error::RopeScaling(clip(scaling)));
        }
        let n_embd = keys.size("embedding_length", MAX_WIDTH, None)?;
        let n_head = keys.size("attention.head_count", MAX_HEADS, None)?;
        let n_head_kv = keys.size("attention.head_count_kv", MAX_HEADS, Some(n_head))?;
        let head_dim = keys.size("attention.key_length", MAX_HEAD_DIM, Some(n_embd / n_head))?;
        let n_rot = keys.size("rope.dimension_count", MAX_HEAD_DIM, Some(head_dim))?;
        if !n_head.is_multiple_of(n_head_kv) {
            return Err(Error::Heads { n_head, n_head_kv });
        }
        if keys.size("attention.value_length", MAX_HEAD_DIM, Some(head_dim))? != head_dim
            || head_dim == 0
            || n_rot > head_dim
            || !n_rot.is_multiple_of(2)
        {
            return Err(Error::HeadDim { head_dim, n_rot });
        }
        Ok(Self {
            architecture: keys.architecture,
            n_layer: keys.size("block_count", MAX_LAYERS, None)?,
            n_embd,
            n_ff: keys.size("feed_forward_length", MAX_WIDTH, None)?,
            n_head,
            n_head_kv,
            head_dim,
            n_rot,
            rope_theta: keys.positive("rope.freq_base", Some(10_000.0))?,
            rms_eps: keys.positive("attention.layer_norm_rms_epsilon", None)?,
            n_ctx_train: keys.size("context_length", MAX_CONTEXT, None)?,
            n_vocab,
            tokenizer_bytes,
        })
    }

    /// Width of all query heads together.
    pub fn q_width(&self) -> usize {
        self.n_head * self.head_dim
    }

    /// Width of all key heads, or value heads, together.
    pub fn kv_width(&self) -> usize {
        self.n_head_kv * self.head_dim
    }
}

/// The metadata keys of one architecture.
struct Keys<'g, 'm> {
    gguf: &'g Gguf<'m>,
    architecture: Architecture,
}

impl<'m> Keys<'_, 'm> {
    fn get(&self, key: &str) -> Option<Value<'m>> {
        let mut whole: String<96> = String::new();
        write!(whole, "{}.{key}", self.architecture.name()).ok()?;
        self.gguf.get(&whole)
    }

    /// A count from 1 to `most`.
    fn size(&self, key: &'static str, most: u64, default: Option<usize>) -> Result<usize, Error> {
        let Some(value) = self.get(key) else {
            return default.ok_or(Error::Missing(key));
        };
        let found = value.as_u64().ok_or(Error::NotANumber(key))?;
        if found == 0 || found > most {
            return Err(Error::OutOfRange { key, found, most });
        }
        Ok(found as usize)
    }

    fn positive(&self, key: &'static str, default: Option<f32>) -> Result<f32, Error> {
        let Some(value) = self.get(key) else {
            return default.ok_or(Error::Missing(key));
        };
        match value.as_f32() {
            Some(found) if found > 0.0 && found.is_finite() => Ok(found),
            _ => Err(Error::NotANumber(key)),
        }
    }
}

/// The beginning of a name from the file, short enough to keep in an error.
pub(super) fn clip(name: &str) -> super::Name {
    let mut clipped = super::Name::default();
    let mut end = name.len().min(clipped.0.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    clipped.0[..end].copy_from_slice(&name.as_bytes()[..end]);
    clipped
}
