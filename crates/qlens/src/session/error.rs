//! Why a session does not do what was asked.

use core::fmt;

use crate::{
    chat, kernel, model, plan,
    tokenizer::{self, EncodeError},
};

/// Why a session does not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The arena is too small.
    Arena {
        /// Bytes the plan needs.
        needed: usize,
        /// Bytes there are.
        found: usize,
    },
    /// The plan is impossible.
    Plan(plan::Error),
    /// The plan was made for another model.
    OtherModel,
    /// The model is not what it was checked to be.
    Model(model::Error),
    /// The vocabulary cannot be used.
    Tokenizer(tokenizer::Error),
    /// A text that cannot be encoded.
    Encode(EncodeError),
    /// The processor lacks the kernel.
    Kernel(kernel::Error),
    /// More tokens than the context holds.
    PromptTooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// Tokens that fit.
        context: usize,
    },
    /// A conversation of more turns than [`chat::MAX_TURNS`].
    TooManyTurns,
    /// A budget for thoughts, and no token for `<think>` and `</think>` each.
    NoThinking,
    /// There is nothing to continue.
    EmptyPrompt,
    /// The place for an embedding has another length than the model's states.
    EmbeddingLength {
        /// Its numbers.
        found: usize,
        /// Numbers of a state.
        n_embd: usize,
    },
    /// A token that the vocabulary does not have.
    TokenOutOfRange {
        /// The token.
        token: u32,
        /// Entries of the vocabulary.
        n_vocab: usize,
    },
    /// No token of the vocabulary continues an answer as its constraint wants it.
    NoToken,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arena { needed, found } => write!(
                f,
                "the arena is {} bytes too small: the plan needs {needed} bytes and got {found}; \
                 use a shorter context",
                needed.saturating_sub(*found)
            ),
            Self::Plan(e) => e.fmt(f),
            Self::OtherModel => f.write_str("the plan was made for a model of another shape"),
            Self::Model(e) => e.fmt(f),
            Self::Tokenizer(e) => e.fmt(f),
            Self::Encode(e) => e.fmt(f),
            Self::Kernel(e) => e.fmt(f),
            Self::PromptTooLong { tokens, context } => write!(
                f,
                "the prompt is {tokens} tokens long and the context holds {context}: \
                 shorten the prompt or use a longer context"
            ),
            Self::TooManyTurns => {
                write!(
                    f,
                    "the conversation has more than {} turns: drop the oldest",
                    chat::MAX_TURNS
                )
            }
            Self::NoThinking => f.write_str(
                "the vocabulary has no tokens <think> and </think>: the model does not think, and cannot be limited in it",
            ),
            Self::EmptyPrompt => f.write_str("the prompt is empty: there is nothing to continue"),
            Self::EmbeddingLength { found, n_embd } => write!(
                f,
                "the model's embeddings have {n_embd} numbers and there is room for {found}"
            ),
            Self::TokenOutOfRange { token, n_vocab } => {
                write!(
                    f,
                    "token {token} is out of range: the vocabulary has 0 to {}",
                    n_vocab.saturating_sub(1)
                )
            }
            Self::NoToken => f.write_str(
                "no token of the model's vocabulary can follow under the constraint: \
                 the vocabulary lacks a byte",
            ),
        }
    }
}

impl core::error::Error for Error {}
