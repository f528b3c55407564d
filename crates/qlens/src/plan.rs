//! The memory plan: what every section of a session needs, to the byte, before any of it exists.
//!
//! The plan depends on the model's shape and on [`Limits`], never on its weights, so it is made on a
//! host for a board that is not there yet, and again at boot.

use core::fmt;

use crate::{
    cache::{KvCache, KvType, RecurrentSizes, query_scratch},
    kernel::{HEADS, TILE},
    model::{Config, Layer},
    quant::GROUP,
    tokenizer::SCRATCH_BYTES,
};

/// What a session is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Limits {
    /// Tokens of prompts and answers together.
    pub context: usize,
    /// Prompt tokens that go through the model at once; more is faster, and takes more scratch.
    pub batch: usize,
    /// How the KV cache is stored.
    pub kv: KvType,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            context: 2048,
            batch: 64,
            kv: KvType::F16,
        }
    }
}

/// A part of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Section {
    /// What it holds.
    pub name: &'static str,
    /// Its size, a multiple of [`Plan::ALIGN`].
    pub bytes: usize,
}

/// Why there is no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// A context of no tokens, or longer than the model was trained for.
    Context {
        /// Tokens asked for.
        found: usize,
        /// Tokens that the model was trained for.
        most: usize,
    },
    /// A batch of no tokens.
    Batch,
    /// A KV cache of a type that heads of this size cannot be stored in.
    Kv {
        /// The type asked for.
        kv: KvType,
        /// Values of one head's key.
        head_dim: usize,
    },
    /// More bytes than an address can count.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Context { found, most } => {
                write!(
                    f,
                    "a context of {found} tokens is not possible: this model takes 1 to {most}"
                )
            }
            Self::Batch => f.write_str("a batch of 0 tokens is not possible: it takes 1 or more"),
            Self::Kv { kv, head_dim } => write!(
                f,
                "a KV cache of type {kv} takes heads of a multiple of {GROUP} values and those of this model \
                 have {head_dim}: use type {}",
                KvType::F16
            ),
            Self::TooLarge => f.write_str("this context takes more memory than can be addressed"),
        }
    }
}

impl core::error::Error for Error {}

/// Elements of each array in the arena; the KV cache's are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub batch: usize,
    pub layers: usize,
    pub tokenizer: usize,
    pub kv: usize,
    pub recurrent: RecurrentSizes,
    pub embd: usize,
    pub q: usize,
    pub kv_rows: usize,
    pub mixed: usize,
    pub ff: usize,
    pub quantized: usize,
    pub angles: usize,
    pub frequencies: usize,
    pub scores: usize,
    pub vocab: usize,
    pub context: usize,
}

/// Sections of a session's arena and their sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    limits: Limits,
    sizes: Sizes,
    sections: [Section; 8],
    /// How many of them there are.
    used: usize,
    total: usize,
}

impl Plan {
    /// Alignment of every section, in bytes: a cache line.
    pub const ALIGN: usize = 64;

    /// Plans a session of a model of this shape.
    ///
    /// # Errors
    /// The limits are impossible for the model, or for this machine's addresses.
    pub fn new(config: &Config, limits: &Limits) -> Result<Self, Error> {
        let (context, batch) = (limits.context, limits.batch.min(limits.context));
        if context == 0 || context > config.n_ctx_train {
            return Err(Error::Context {
                found: context,
                most: config.n_ctx_train,
            });
        }
        if batch == 0 {
            return Err(Error::Batch);
        }
        let (kv, head_dim) = (limits.kv, config.head_dim);
        let row_bytes = kv.row_bytes(head_dim).ok_or(Error::Kv { kv, head_dim })?;
        let times = |a: usize, b: usize| a.checked_mul(b).ok_or(Error::TooLarge);
        let (v_width, n_head_v, channels, taps) = config.delta_net.map_or((0, 0, 0, 1), |d| {
            (d.v_width(), d.n_head_v, d.channels(), d.taps)
        });
        let widest = config
            .n_embd
            .max(config.q_width())
            .max(config.n_ff)
            .max(v_width)
            .next_multiple_of(GROUP);
        let sizes = Sizes {
            batch,
            layers: config.n_layer,
            tokenizer: config.tokenizer_bytes,
            kv: KvCache::bytes(config, kv, context, row_bytes).ok_or(Error::TooLarge)?,
            recurrent: RecurrentSizes::of(config).ok_or(Error::TooLarge)?,
            embd: times(batch, config.n_embd)?,
            q: times(batch, config.q_width().max(v_width))?,
            kv_rows: times(batch, config.kv_width().max(n_head_v))?,
            mixed: if channels == 0 {
                0
            } else {
                let inputs = batch.checked_add(taps - 1).ok_or(Error::TooLarge)?;
                times(inputs, channels)?.max(times(batch, 2 * config.q_width())?)
            },
            ff: times(batch, config.n_ff)?,
            // Rows of activations are quantized four at a time.
            quantized: times(
                batch
                    .checked_next_multiple_of(TILE)
                    .ok_or(Error::TooLarge)?,
                widest,
            )?,
            angles: times(batch, config.n_rot / 2)?,
            frequencies: config.n_rot / 2,
            // Attention takes up to four of the heads that share keys and values at a time.
            scores: times(
                config.n_head_kv * (config.n_head / config.n_head_kv).div_ceil(HEADS),
                times(HEADS, context)?
                    .checked_add(query_scratch(kv, head_dim, HEADS))
                    .ok_or(Error::TooLarge)?,
            )?,
            vocab: config.n_vocab,
            context,
        };
        let s = &sizes;
        let f32s = |counts: &[usize]| section(counts, size_of::<f32>());
        let groups = s.quantized / GROUP;
        let sections = [
            ("kv cache", section(&[s.kv, s.kv], 1)),
            ("recurrent state", {
                let RecurrentSizes { state, kernels } = s.recurrent;
                f32s(&[state, state, state, kernels])
            }),
            (
                "activations",
                f32s(&[
                    s.embd, s.embd, s.q, s.q, s.kv_rows, s.kv_rows, s.mixed, s.ff, s.ff,
                ]),
            ),
            (
                "int8 activations",
                add(
                    section(&[s.quantized], 1),
                    f32s(&[groups, groups, 2 * groups]),
                ),
            ),
            (
                "attention",
                add(
                    f32s(&[s.scores, s.angles, s.angles]),
                    section(&[s.frequencies], 8),
                ),
            ),
            ("logits and sampler", f32s(&[s.vocab, s.vocab])),
            ("tokenizer", section(&[s.tokenizer, SCRATCH_BYTES], 1)),
            (
                "tokens and tensor table",
                add(f32s(&[s.context]), section(&[s.layers], size_of::<Layer>())),
            ),
        ];
        let mut plan = Self {
            limits: *limits,
            sizes,
            sections: [Section { name: "", bytes: 0 }; 8],
            used: 0,
            total: Self::ALIGN - 1,
        };
        for (name, bytes) in sections {
            let bytes = bytes.ok_or(Error::TooLarge)?;
            plan.total = plan.total.checked_add(bytes).ok_or(Error::TooLarge)?;
            // What a model does without is not a part.
            if bytes > 0 {
                plan.sections[plan.used] = Section { name, bytes };
                plan.used += 1;
            }
        }
        Ok(plan)
    }

    /// The arena's parts. Their sum and the slack for alignment make [`total`](Self::total).
    pub fn sections(&self) -> &[Section] {
        &self.sections[..self.used]
    }

    /// Bytes of the arena, wherever it lies: room to align it is included.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Alignment of the sections, in bytes.
    pub fn align(&self) -> usize {
        Self::ALIGN
    }

    /// What the session will hold.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn sizes(&self) -> &Sizes {
        &self.sizes
    }
}

fn add(a: Option<usize>, b: Option<usize>) -> Option<usize> {
    a?.checked_add(b?)
}

/// Bytes of arrays of `size`-byte elements, each aligned.
fn section(counts: &[usize], size: usize) -> Option<usize> {
    counts.iter().try_fold(0_usize, |sum, &count| {
        sum.checked_add(array_bytes(count, size)?)
    })
}

/// Bytes that an array takes in the arena.
pub(crate) fn array_bytes(count: usize, size: usize) -> Option<usize> {
    count
        .checked_mul(size)?
        .checked_next_multiple_of(Plan::ALIGN)
}
