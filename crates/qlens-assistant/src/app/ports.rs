//! What the application is given: a board's devices, its memory, and what is wanted of a session.

use core::fmt;

use qlens::KvType;
use qlens::model::Model;
use qlens::plan::Limits;
use qlens::session;
use qlens_board::memory::MapError;
use qlens_board::{LoadError, MemoryMap};

/// What a board is connected to.
#[derive(Debug)]
pub struct Ports<D, S, C, P, R, W> {
    /// What the wearer sees.
    pub display: D,
    /// What the wearer does.
    pub sensors: S,
    /// Time.
    pub clock: C,
    /// Battery and sleep.
    pub power: P,
    /// One line for each thing that happens, for tools: see the board's README.
    pub report: R,
    /// The answer's text, for people.
    pub console: W,
}

/// Where a model and its arena go.
#[derive(Debug)]
pub struct Memory<'r> {
    /// The board's map, with the RAM that it really has.
    pub map: MemoryMap<'r>,
    /// The map's model region.
    pub model: &'r mut [u8],
    /// The map's arena region, if it has one of its own.
    pub arena: Option<&'r mut [u8]>,
}

/// How long a context is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Somebody asked for this many tokens: if they are too many for the model, that is an error.
    Exactly(usize),
    /// The board's own choice: less if the model takes less.
    AtMost(usize),
}

/// What is wanted of a session.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Tokens of prompts and answers together.
    pub context: Context,
    /// Prompt tokens that go through the model at once.
    pub batch: usize,
    /// Most tokens of an answer.
    pub max_tokens: usize,
    /// Most tokens to draft where an answer repeats what stands before it; 0 for none. The answer is the same.
    pub draft: usize,
    /// How keys and values of the context are stored.
    pub kv: KvType,
    /// Longest wait for the first token of an answer, in microseconds of application time:
    /// [`FIRST_WORD_US`](crate::pace::FIRST_WORD_US), or longer on a board that is slower than glasses may be.
    pub first_word_us: u64,
    /// Application time is the time of the events instead of the board's: a recording is replayed, and is to
    /// give the same display on every board, however fast. Battery and temperature then are the recording's,
    /// too.
    pub replay: bool,
}

impl Settings {
    pub(super) fn limits(&self, model: &Model<'_>) -> Limits {
        Limits {
            context: match self.context {
                Context::Exactly(tokens) => tokens,
                Context::AtMost(tokens) => tokens.min(model.config().n_ctx_train),
            },
            batch: self.batch,
            kv: self.kv,
        }
    }
}

/// Why there is no session.
pub(super) enum Refusal {
    Load(LoadError),
    Model(qlens::model::Error),
    Plan(qlens::plan::Error),
    Map(MapError),
    Session(session::Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Model(error) => error.fmt(f),
            Self::Plan(error) => error.fmt(f),
            Self::Map(error) => error.fmt(f),
            Self::Session(error) => error.fmt(f),
        }
    }
}
