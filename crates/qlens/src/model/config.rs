//! The model's shape, as its file states it.

use core::fmt::Write as _;

use heapless::String;

use super::Error;
use crate::{
    gguf::{Gguf, Value},
    kernel::STATE_COLUMNS,
};

/// Families of models whose forward pass is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Architecture {
    /// Qwen2, Qwen2.5 and their Coder and Math relatives.
    Qwen2,
    /// Qwen3 (dense): queries and keys are normalised head by head, and nothing has a bias.
    Qwen3,
    /// Qwen3.5 (dense): most layers are Gated DeltaNet, the others attention with a gate behind it.
    Qwen35,
}

impl Architecture {
    /// Every supported architecture.
    pub const ALL: [Self; 3] = [Self::Qwen2, Self::Qwen3, Self::Qwen35];

    /// Its name in `general.architecture`, which also prefixes its metadata keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Qwen35 => "qwen35",
        }
    }
}

/// The numbers that shape a model. Sizes are in elements.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    /// Which forward pass.
    pub architecture: Architecture,
    /// The layers that are no attention, where there are any.
    pub delta_net: Option<DeltaNet>,
    /// Transformer blocks. Those behind them that predict further tokens are left out.
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

/// The shape of Gated DeltaNet layers. Sizes are in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DeltaNet {
    /// Every layer of this many is attention, the last of them.
    pub attention_interval: usize,
    /// Query heads, and as many key heads.
    pub n_head_k: usize,
    /// Value heads: head `h` meets the queries and keys of head `h % n_head_k`.
    pub n_head_v: usize,
    /// Width of a query or key head.
    pub head_dim_k: usize,
    /// Width of a value head.
    pub head_dim_v: usize,
    /// Positions that the convolution sees: the current one, and those before it.
    pub taps: usize,
}

impl DeltaNet {
    /// Width of all value heads together.
    pub fn v_width(&self) -> usize {
        self.n_head_v * self.head_dim_v
    }

    /// Width of all query heads together, or of all key heads.
    pub fn k_width(&self) -> usize {
        self.n_head_k * self.head_dim_k
    }

    /// Width of what is convolved: queries, keys and values.
    pub fn channels(&self) -> usize {
        2 * self.k_width() + self.v_width()
    }

    fn read(keys: &Keys<'_, '_>) -> Result<Self, Error> {
        let n_head_k = keys.size("ssm.group_count", MAX_HEADS, None)?;
        let n_head_v = keys.size("ssm.time_step_rank", MAX_HEADS, None)?;
        let inner = keys.size("ssm.inner_size", MAX_WIDTH, None)?;
        let head_dim_v = inner / n_head_v;
        if !n_head_v.is_multiple_of(n_head_k)
            || !inner.is_multiple_of(n_head_v)
            || head_dim_v == 0
            || !head_dim_v.is_multiple_of(STATE_COLUMNS)
        {
            return Err(Error::DeltaNet {
                n_head_k,
                n_head_v,
                inner,
            });
        }
        Ok(Self {
            attention_interval: keys.size("full_attention_interval", MAX_LAYERS, Some(4))?,
            n_head_k,
            n_head_v,
            head_dim_k: keys.size("ssm.state_size", MAX_HEAD_DIM, None)?,
            head_dim_v,
            taps: keys.size("ssm.conv_kernel", MAX_TAPS, None)?,
        })
    }
}

/// Bounds of what is believed. Larger numbers would be another family of models, or damage.
// Finding a layer's tensors takes a walk through the directory for each, so this bounds its square.
const MAX_LAYERS: u64 = 256;
const MAX_WIDTH: u64 = 1 << 20;
const MAX_HEADS: u64 = 4096;
const MAX_HEAD_DIM: u64 = 1024;
const MAX_CONTEXT: u64 = 1 << 24;
const MAX_TAPS: u64 = 16;

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
        // Blocks that predict further tokens stand behind the others, and are not used.
        let blocks = keys.size("block_count", MAX_LAYERS, None)?;
        let further = keys.get("nextn_predict_layers").and_then(|v| v.as_u64());
        let further = further.unwrap_or(0);
        let n_layer = usize::try_from(further)
            .ok()
            .and_then(|further| blocks.checked_sub(further))
            .filter(|&n| n > 0);
        Ok(Self {
            architecture: keys.architecture,
            delta_net: match keys.architecture {
                Architecture::Qwen2 | Architecture::Qwen3 => None,
                Architecture::Qwen35 => Some(DeltaNet::read(&keys)?),
            },
            n_layer: n_layer.ok_or(Error::OutOfRange {
                key: "nextn_predict_layers",
                found: further,
                most: blocks as u64 - 1,
            })?,
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

    /// Where layer `il` is among those of its kind: attention, or Gated DeltaNet.
    pub fn place(&self, il: usize) -> LayerPlace {
        match self.delta_net {
            None => LayerPlace::Attention(il),
            Some(delta_net) => {
                let (before, interval) = (
                    il / delta_net.attention_interval,
                    delta_net.attention_interval,
                );
                if il % interval == interval - 1 {
                    LayerPlace::Attention(before)
                } else {
                    LayerPlace::DeltaNet(il - before)
                }
            }
        }
    }

    /// Layers that are attention, and have a place in the KV cache.
    pub fn attention_layers(&self) -> usize {
        match self.delta_net {
            None => self.n_layer,
            Some(delta_net) => self.n_layer / delta_net.attention_interval,
        }
    }

    /// Layers that are Gated DeltaNet, and have a recurrent state.
    pub fn delta_net_layers(&self) -> usize {
        self.n_layer - self.attention_layers()
    }
}

/// What a layer mixes positions with, and the how manieth of that kind it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerPlace {
    /// Attention, with keys and values in the cache.
    Attention(usize),
    /// Gated DeltaNet, with a recurrent state.
    DeltaNet(usize),
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
