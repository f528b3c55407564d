//! A conversation with a model: tokens in, tokens out, everything that changes in one arena.

mod answer;
mod context;
mod error;
mod watch;

pub use answer::{Piece, Stats, Stop, Visit};
pub use error::Error;
pub use watch::{Interrupt, Phase, Progress, Watch};

use heapless::String;

use crate::{
    arena::Arena,
    cache::KvCache,
    kernel::{Compute, Kernel, Quantized},
    model::{Model, Scratch, Weights},
    plan::Plan,
    quant::GROUP,
    tokenizer::{MAX_PIECE_BYTES, SCRATCH_BYTES, Tokenizer, Utf8Stream},
    workers::Workers,
};

/// A conversation with a model.
///
/// Its context is a list of tokens. [`feed`](Self::feed) and its relatives change the list;
/// [`next`](Self::next) reads what is new of it and writes the token that follows.
pub struct Session<'m, 'a, 'w> {
    model: Model<'m>,
    weights: Weights<'m, 'a>,
    tokenizer: Tokenizer<'m, 'a>,
    /// Memory for encoding.
    encoder: &'a mut [u8],
    compute: Compute,
    workers: &'w dyn Workers,
    cache: KvCache<'a>,
    scratch: Scratch<'a>,
    batch: usize,
    logits: &'a mut [f32],
    candidates: &'a mut [u32],
    /// The context; the first `len` are in use, the first `evaluated` in the KV cache.
    tokens: &'a mut [u32],
    len: usize,
    evaluated: usize,
    /// Whether `logits` are those that follow the whole context.
    ready: bool,
    utf8: Utf8Stream,
    /// Text of the last piece.
    text: String<MAX_PIECE_BYTES>,
    max_tokens: Option<usize>,
    stop: Option<Stop>,
    stats: Stats,
}

impl<'m, 'a, 'w> Session<'m, 'a, 'w> {
    /// Sets a session up in `arena`, which has at least [`Plan::total`] bytes anywhere in memory.
    ///
    /// After this nothing is allocated, on any path.
    ///
    /// # Errors
    /// The arena is too small, by how much, or the plan is not this model's.
    pub fn new(
        model: &Model<'m>,
        plan: &Plan,
        arena: &'a mut [u8],
        workers: &'w dyn Workers,
    ) -> Result<Self, Error>
    where
        'm: 'a,
    {
        let config = model.config();
        if Plan::new(config, plan.limits()).map_err(Error::Plan)? != *plan {
            return Err(Error::OtherModel);
        }
        let too_small = Error::Arena {
            needed: plan.total(),
            found: arena.len(),
        };
        if arena.len() < plan.total() {
            return Err(too_small);
        }
        let s = plan.sizes();
        let mut arena = Arena::new(arena).ok_or(too_small)?;
        let mut take = |count| arena.take::<f32>(count).ok_or(too_small);
        let mut scratch = Scratch {
            x: take(s.embd)?,
            h: take(s.embd)?,
            q: take(s.q)?,
            k: take(s.kv_rows)?,
            v: take(s.kv_rows)?,
            attn: take(s.q)?,
            gate: take(s.ff)?,
            up: take(s.ff)?,
            scores: take(s.scores)?,
            cos: take(s.angles)?,
            sin: take(s.angles)?,
            frequencies: &mut [],
            quantized: Quantized {
                q: &mut [],
                d: take(s.quantized / GROUP)?,
                s: take(s.quantized / GROUP)?,
                bias: &mut [],
            },
        };
        let logits = take(s.vocab)?;
        scratch.quantized.q = arena.take(s.quantized).ok_or(too_small)?;
        scratch.quantized.bias = arena.take(2 * s.quantized / GROUP).ok_or(too_small)?;
        scratch.frequencies = arena.take(s.frequencies).ok_or(too_small)?;
        scratch.set_frequencies(config);
        let (keys, values) = (
            arena.take(s.kv).ok_or(too_small)?,
            arena.take(s.kv).ok_or(too_small)?,
        );
        let layers = arena.take(s.layers).ok_or(too_small)?;
        let index = arena.take(s.tokenizer).ok_or(too_small)?;
        Ok(Self {
            model: *model,
            weights: Weights::locate(model, layers).map_err(Error::Model)?,
            tokenizer: Tokenizer::new(model.gguf(), index).map_err(Error::Tokenizer)?,
            encoder: arena.take(SCRATCH_BYTES).ok_or(too_small)?,
            compute: Compute::new(Kernel::detect()).map_err(Error::Kernel)?,
            workers,
            cache: KvCache::new(config, s.context, keys, values),
            scratch,
            batch: s.batch,
            logits,
            candidates: arena.take(s.vocab).ok_or(too_small)?,
            tokens: arena.take(s.context).ok_or(too_small)?,
            len: 0,
            evaluated: 0,
            ready: false,
            utf8: Utf8Stream::default(),
            text: String::new(),
            max_tokens: None,
            stop: None,
            stats: Stats::default(),
        })
    }

    /// Computes with `kernel` instead of the fastest one there is. The results are the same.
    ///
    /// # Errors
    /// This processor cannot run it.
    pub fn with_kernel(mut self, kernel: Kernel) -> Result<Self, Error> {
        self.compute = Compute::new(kernel).map_err(Error::Kernel)?;
        Ok(self)
    }

    /// The kernel in use.
    pub fn kernel(&self) -> Kernel {
        self.compute.kernel()
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer<'m, 'a> {
        &self.tokenizer
    }

    /// Ends answers after this many tokens; `None` is no limit but the context's.
    pub fn set_max_tokens(&mut self, most: Option<usize>) {
        self.max_tokens = most;
    }

    /// The whole context: prompt and answer.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens[..self.len]
    }

    /// Tokens so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Why the last answer ended; `None` while it goes on.
    pub fn stop_reason(&self) -> Option<Stop> {
        self.stop
    }
}
