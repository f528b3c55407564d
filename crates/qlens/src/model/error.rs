//! Why a file is no model that runs here.

use core::fmt;

use super::Architecture;
use crate::{gguf, kernel::STATE_COLUMNS, quant::Format, tokenizer};

/// The beginning of a name found in a file, padded with zero bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Name(pub(super) [u8; 24]);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = str::from_utf8(&self.0).unwrap_or("?");
        f.write_str(text.trim_end_matches('\0'))
    }
}

/// The tensors of a model, by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[allow(missing_docs, reason = "named as in the file")]
pub enum TensorKind {
    TokenEmbd,
    OutputNorm,
    Output,
    AttnNorm,
    AttnQ,
    AttnQBias,
    AttnQNorm,
    AttnK,
    AttnKBias,
    AttnKNorm,
    AttnV,
    AttnVBias,
    AttnOutput,
    AttnQkv,
    AttnGate,
    SsmConv1d,
    SsmDtBias,
    SsmA,
    SsmBeta,
    SsmAlpha,
    SsmNorm,
    SsmOut,
    PostAttentionNorm,
    FfnNorm,
    FfnGate,
    FfnUp,
    FfnDown,
}

impl TensorKind {
    /// Its name in a GGUF file, without the `blk.N.` of a layer.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokenEmbd => "token_embd.weight",
            Self::OutputNorm => "output_norm.weight",
            Self::Output => "output.weight",
            Self::AttnNorm => "attn_norm.weight",
            Self::AttnQ => "attn_q.weight",
            Self::AttnQBias => "attn_q.bias",
            Self::AttnQNorm => "attn_q_norm.weight",
            Self::AttnK => "attn_k.weight",
            Self::AttnKBias => "attn_k.bias",
            Self::AttnKNorm => "attn_k_norm.weight",
            Self::AttnV => "attn_v.weight",
            Self::AttnVBias => "attn_v.bias",
            Self::AttnOutput => "attn_output.weight",
            Self::AttnQkv => "attn_qkv.weight",
            Self::AttnGate => "attn_gate.weight",
            Self::SsmConv1d => "ssm_conv1d.weight",
            Self::SsmDtBias => "ssm_dt.bias",
            Self::SsmA => "ssm_a",
            Self::SsmBeta => "ssm_beta.weight",
            Self::SsmAlpha => "ssm_alpha.weight",
            Self::SsmNorm => "ssm_norm.weight",
            Self::SsmOut => "ssm_out.weight",
            Self::PostAttentionNorm => "post_attention_norm.weight",
            Self::FfnNorm => "ffn_norm.weight",
            Self::FfnGate => "ffn_gate.weight",
            Self::FfnUp => "ffn_up.weight",
            Self::FfnDown => "ffn_down.weight",
        }
    }
}

/// Why a file is no model that runs here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The file is not a sound GGUF file.
    Gguf(gguf::Error),
    /// The vocabulary cannot be used.
    Tokenizer(tokenizer::Error),
    /// Another family of models.
    Architecture(Name),
    /// A way of stretching rotary embeddings that is not supported.
    RopeScaling(Name),
    /// A metadata key is missing (its architecture prefix left out).
    Missing(&'static str),
    /// A metadata key holds something other than the number that belongs there.
    NotANumber(&'static str),
    /// A number is zero or absurdly large.
    OutOfRange {
        /// Which number.
        key: &'static str,
        /// What the file says.
        found: u64,
        /// The largest that is believed.
        most: u64,
    },
    /// Query heads are no multiple of key and value heads.
    Heads {
        /// Query heads.
        n_head: usize,
        /// Key and value heads.
        n_head_kv: usize,
    },
    /// Heads of zero or unequal widths, or more rotating dimensions than a head has, or an odd number.
    HeadDim {
        /// Width of a key head.
        head_dim: usize,
        /// Rotating dimensions.
        n_rot: usize,
    },
    /// Recurrent heads that do not share evenly, or of widths that are not supported.
    DeltaNet {
        /// Key heads.
        n_head_k: usize,
        /// Value heads.
        n_head_v: usize,
        /// Width of all value heads.
        inner: usize,
    },
    /// A tensor is missing.
    MissingTensor {
        /// Which one.
        kind: TensorKind,
        /// In which layer, for those that are in layers.
        layer: Option<usize>,
    },
    /// A tensor has another shape than the metadata says.
    Shape {
        /// Which one.
        kind: TensorKind,
        /// In which layer, for those that are in layers.
        layer: Option<usize>,
    },
    /// A tensor is stored in a block format that is not supported there.
    Format {
        /// Which one.
        kind: TensorKind,
        /// In which layer, for those that are in layers.
        layer: Option<usize>,
        /// ggml's number of its type.
        ggml_type: u32,
    },
    /// The file does not lie at a multiple of 4 in memory.
    Misaligned,
}

/// `blk.3.attn_q.weight`.
struct Full(TensorKind, Option<usize>);

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(layer) = self.1 {
            write!(f, "blk.{layer}.")?;
        }
        f.write_str(self.0.name())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Gguf(e) => e.fmt(f),
            Self::Tokenizer(e) => e.fmt(f),
            Self::Architecture(name) => {
                write!(f, "architecture {name} is not supported; supported:")?;
                Architecture::ALL
                    .iter()
                    .try_for_each(|a| write!(f, " {}", a.name()))
            }
            Self::RopeScaling(name) => write!(f, "rope scaling {name} is not supported"),
            Self::Missing(key) => {
                write!(f, "the file does not state {key}: it is no complete model")
            }
            Self::NotANumber(key) => write!(f, "{key} is not the number that belongs there"),
            Self::OutOfRange { key, found, most } => {
                write!(f, "{key} is {found}, and 1 to {most} are possible")
            }
            Self::Heads { n_head, n_head_kv } => {
                write!(
                    f,
                    "{n_head} query heads cannot share {n_head_kv} key heads evenly"
                )
            }
            Self::HeadDim { head_dim, n_rot } => {
                write!(
                    f,
                    "heads of width {head_dim} with {n_rot} rotating dimensions are not supported"
                )
            }
            Self::DeltaNet {
                n_head_k,
                n_head_v,
                inner,
            } => write!(
                f,
                "{n_head_v} value heads in {inner} values over {n_head_k} key heads are not supported: value heads \
                 have to be a multiple of {STATE_COLUMNS} wide, and as many for each key head"
            ),
            Self::MissingTensor { kind, layer } => {
                write!(
                    f,
                    "tensor {} is missing: the file is no complete model",
                    Full(kind, layer)
                )
            }
            Self::Shape { kind, layer } => {
                write!(
                    f,
                    "tensor {} has another shape than the metadata says",
                    Full(kind, layer)
                )
            }
            Self::Format {
                kind,
                layer,
                ggml_type,
            } => {
                let name = gguf::type_name(ggml_type);
                write!(
                    f,
                    "tensor {} is stored as {name}, which is not supported",
                    Full(kind, layer)
                )?;
                f.write_str(if kind.is_vector() {
                    " there; it has to be F32"
                } else {
                    "; supported:"
                })?;
                if !kind.is_vector() {
                    Format::ALL
                        .iter()
                        .try_for_each(|format| write!(f, " {format}"))?;
                }
                Ok(())
            }
            Self::Misaligned => {
                f.write_str("the model must lie at a multiple of 4 bytes in memory")
            }
        }
    }
}

impl core::error::Error for Error {}

impl TensorKind {
    /// Norms, biases and other vectors of f32.
    pub(super) const fn is_vector(self) -> bool {
        matches!(
            self,
            Self::OutputNorm
                | Self::AttnNorm
                | Self::FfnNorm
                | Self::PostAttentionNorm
                | Self::SsmConv1d
                | Self::SsmDtBias
                | Self::SsmA
                | Self::SsmNorm
                | Self::AttnQNorm
                | Self::AttnKNorm
                | Self::AttnQBias
                | Self::AttnKBias
                | Self::AttnVBias
        )
    }
}
