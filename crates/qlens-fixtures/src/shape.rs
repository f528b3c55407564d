//! How large a model is: the small ones of tests, and those that are published.

use qlens::model::{Architecture, DeltaNet};

/// Tokens of the smallest vocabulary: the bytes, the merges and the control tokens.
pub(crate) const LEAST_VOCAB: usize = 256 + crate::vocabulary::MERGES.len() + 3;

/// The numbers that shape a model, as [`Config`](qlens::model::Config) has them. Sizes are in elements.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of Config")]
pub struct Shape {
    pub architecture: Architecture,
    pub n_layer: usize,
    pub n_embd: usize,
    pub n_ff: usize,
    pub n_head: usize,
    pub n_head_kv: usize,
    pub head_dim: usize,
    pub n_rot: usize,
    pub rope_theta: f32,
    pub n_ctx_train: usize,
    pub n_vocab: usize,
    /// Whether the output matrix is the embedding.
    pub is_tied: bool,
    pub delta_net: Option<DeltaNet>,
}

/// Shapes that have a name.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Four layers of width 256
    #[value(name = "qwen2-small")]
    Qwen2Small,
    /// The same with the norms of Qwen3
    #[value(name = "qwen3-small")]
    Qwen3Small,
    /// The same, of which three layers are Gated DeltaNet
    #[value(name = "qwen35-small")]
    Qwen35Small,
    /// 494 million weights
    #[value(name = "qwen2.5-0.5b")]
    Qwen25ZeroFive,
    /// 1544 million weights
    #[value(name = "qwen2.5-1.5b")]
    Qwen25OneFive,
    /// 596 million weights
    #[value(name = "qwen3-0.6b")]
    Qwen3ZeroSix,
    /// 752 million weights
    #[value(name = "qwen3.5-0.8b")]
    Qwen35ZeroEight,
}

impl Named {
    /// Every one of them.
    pub const ALL: [Self; 7] = [
        Self::Qwen2Small,
        Self::Qwen3Small,
        Self::Qwen35Small,
        Self::Qwen25ZeroFive,
        Self::Qwen25OneFive,
        Self::Qwen3ZeroSix,
        Self::Qwen35ZeroEight,
    ];

    /// The small shape of an architecture, if there is one.
    pub fn small(architecture: Architecture) -> Option<Self> {
        [Self::Qwen2Small, Self::Qwen3Small, Self::Qwen35Small]
            .into_iter()
            .find(|named| named.shape().architecture == architecture)
    }

    /// The numbers. Those of published models are the ones of their `config.json`.
    pub fn shape(self) -> Shape {
        match self {
            Self::Qwen2Small => small(Architecture::Qwen2),
            Self::Qwen3Small => small(Architecture::Qwen3),
            Self::Qwen35Small => Shape {
                n_rot: 16,
                delta_net: Some(DeltaNet {
                    attention_interval: 4,
                    n_head_k: 2,
                    n_head_v: 4,
                    head_dim_k: 64,
                    head_dim_v: 64,
                    taps: 4,
                }),
                ..small(Architecture::Qwen35)
            },
            Self::Qwen25ZeroFive => Shape {
                architecture: Architecture::Qwen2,
                n_layer: 24,
                n_embd: 896,
                n_ff: 4864,
                n_head: 14,
                n_head_kv: 2,
                head_dim: 64,
                n_rot: 64,
                rope_theta: 1e6,
                n_ctx_train: 32_768,
                n_vocab: 151_936,
                is_tied: true,
                delta_net: None,
            },
            Self::Qwen25OneFive => Shape {
                n_layer: 28,
                n_embd: 1536,
                n_ff: 8960,
                n_head: 12,
                head_dim: 128,
                n_rot: 128,
                ..Self::Qwen25ZeroFive.shape()
            },
            Self::Qwen3ZeroSix => Shape {
                architecture: Architecture::Qwen3,
                n_layer: 28,
                n_embd: 1024,
                n_ff: 3072,
                n_head: 16,
                n_head_kv: 8,
                head_dim: 128,
                n_rot: 128,
                n_ctx_train: 40_960,
                ..Self::Qwen25ZeroFive.shape()
            },
            Self::Qwen35ZeroEight => Shape {
                architecture: Architecture::Qwen35,
                n_layer: 24,
                n_embd: 1024,
                n_ff: 3584,
                n_head: 8,
                n_head_kv: 2,
                head_dim: 256,
                n_rot: 64,
                rope_theta: 1e7,
                n_ctx_train: 262_144,
                n_vocab: 248_320,
                is_tied: true,
                delta_net: Some(DeltaNet {
                    attention_interval: 4,
                    n_head_k: 16,
                    n_head_v: 16,
                    head_dim_k: 128,
                    head_dim_v: 128,
                    taps: 4,
                }),
            },
        }
    }
}

fn small(architecture: Architecture) -> Shape {
    Shape {
        architecture,
        n_layer: 4,
        n_embd: 256,
        n_ff: 512,
        n_head: 4,
        n_head_kv: 2,
        head_dim: 64,
        n_rot: 64,
        rope_theta: 1e6,
        n_ctx_train: 512,
        n_vocab: LEAST_VOCAB.next_multiple_of(32),
        is_tied: false,
        delta_net: None,
    }
}
