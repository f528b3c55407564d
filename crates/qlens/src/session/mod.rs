//! A conversation with a model: tokens in, tokens out, everything that changes in one arena.

mod answer;
mod context;
mod draft;
mod embed;
mod error;
pub mod saved;
mod thinking;
mod watch;

pub use answer::{Piece, Stats, Stop, Visit};
pub use error::Error;
pub use watch::{Interrupt, Phase, Progress, Watch};

use core::ops::Range;

use heapless::String;

use thinking::Thinking;

use crate::{
    arena::Arena,
    cache::{Cache, KvCache, Recurrent},
    kernel::{Compute, Kernel, Quantized},
    model::{LayerPlace, Model, Pass, Scratch, Weights},
    plan::Plan,
    quant::GROUP,
    tokenizer::{MAX_PIECE_BYTES, SCRATCH_BYTES, Tokenizer, Utf8Stream},
    workers::Workers,
};

/// How many tokens are drafted at most unless [`Session::set_draft`] says otherwise.
///
/// With the last token they make four, what the kernels multiply at a time.
pub const DRAFT: usize = 3;

/// What computes a pass, and does not change.
struct Engine<'m, 'a, 'w> {
    model: Model<'m>,
    weights: Weights<'m, 'a>,
    compute: Compute,
    prefill_workers: &'w dyn Workers,
    decode_workers: &'w dyn Workers,
}

impl Engine<'_, '_, '_> {
    /// Over `tokens` tokens from `position` on.
    fn pass(&self, phase: Phase, tokens: usize, position: usize) -> Pass<'_> {
        Pass {
            config: self.model.config(),
            weights: &self.weights,
            compute: self.compute,
            workers: match phase {
                Phase::Prefill => self.prefill_workers,
                Phase::Decode => self.decode_workers,
            },
            tokens,
            position,
        }
    }
}

/// A conversation with a model.
///
/// Its context is a list of tokens. [`feed`](Self::feed) and its relatives change the list;
/// [`next`](Self::next) reads what is new of it and writes the token that follows. Where the answer seems to
/// repeat what stands in the context, it reads a few of the tokens that would follow along with it, so that
/// the next calls may find their work done ([`set_draft`](Self::set_draft)).
pub struct Session<'m, 'a, 'w> {
    engine: Engine<'m, 'a, 'w>,
    tokenizer: Tokenizer<'m, 'a>,
    /// Memory for encoding.
    encoder: &'a mut [u8],
    cache: Cache<'a>,
    scratch: Scratch<'a>,
    batch: usize,
    logits: &'a mut [f32],
    candidates: &'a mut [u32],
    /// The first `len` are the context, the first `evaluated` are in the cache. Those between `len` and
    /// `evaluated`, if there are any, are what is left of a draft.
    tokens: &'a mut [u32],
    len: usize,
    evaluated: usize,
    /// Positions whose rows the last pass left in `scratch`.
    rows: Range<usize>,
    /// Whether `logits` are those that follow the whole context.
    ready: bool,
    utf8: Utf8Stream,
    /// Text of the last piece.
    text: String<MAX_PIECE_BYTES>,
    max_tokens: Option<usize>,
    most_drafted: usize,
    thinking: Thinking,
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
            mixed: take(s.mixed)?,
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
        let r = s.recurrent;
        let states = [take(r.state)?, take(r.state)?, take(r.state)?];
        let mut recurrent = Recurrent::new(config, states, take(r.kernels)?);
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
        let weights = Weights::locate(model, layers).map_err(Error::Model)?;
        for il in 0..config.n_layer {
            if let LayerPlace::DeltaNet(at) = config.place(il) {
                recurrent.set_kernel(at, weights.vector(&weights.layer(il).ssm_conv1d));
            }
        }
        Ok(Self {
            engine: Engine {
                model: *model,
                weights,
                compute: Compute::new(Kernel::detect()).map_err(Error::Kernel)?,
                prefill_workers: workers,
                decode_workers: workers,
            },
            tokenizer: Tokenizer::new(model.gguf(), index).map_err(Error::Tokenizer)?,
            encoder: arena.take(SCRATCH_BYTES).ok_or(too_small)?,
            cache: Cache {
                kv: KvCache::new(config, plan.limits().kv, s.context, keys, values),
                recurrent,
            },
            scratch,
            batch: s.batch,
            logits,
            candidates: arena.take(s.vocab).ok_or(too_small)?,
            tokens: arena.take(s.context).ok_or(too_small)?,
            len: 0,
            evaluated: 0,
            rows: 0..0,
            ready: false,
            utf8: Utf8Stream::default(),
            text: String::new(),
            max_tokens: None,
            most_drafted: DRAFT,
            thinking: Thinking::default(),
            stop: None,
            stats: Stats::default(),
        })
    }

    /// Computes with `kernel` instead of the fastest one there is. The results are the same.
    ///
    /// # Errors
    /// This processor cannot run it.
    pub fn with_kernel(mut self, kernel: Kernel) -> Result<Self, Error> {
        self.engine.compute = Compute::new(kernel).map_err(Error::Kernel)?;
        Ok(self)
    }

    /// Reads prompts with `workers`, and writes answers with those that the session was made with. The results
    /// are the same.
    ///
    /// Prompts keep every core busy with arithmetic; an answer waits for memory, which fewer cores may use up,
    /// for less energy. Helpers of the one sleep while the others work.
    #[must_use]
    pub fn with_prefill_workers(mut self, workers: &'w dyn Workers) -> Self {
        self.engine.prefill_workers = workers;
        self
    }

    /// The kernel in use.
    pub fn kernel(&self) -> Kernel {
        self.engine.compute.kernel()
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer<'m, 'a> {
        &self.tokenizer
    }

    /// Ends answers after this many tokens; `None` is no limit but the context's.
    pub fn set_max_tokens(&mut self, most: Option<usize>) {
        self.max_tokens = most;
    }

    /// Drafts at most `most` tokens at a time, and at most a batch less one; 0 is off. What comes out is the
    /// same: a drafted token counts only if the sampler chooses it, from the same logits.
    ///
    /// It pays where answers repeat what is in the context ([`Stats::decode_passes`] tells how much), and most
    /// where memory is what a core waits for: the weights of the layers are read once a pass. Drafts of up to
    /// [`DRAFT`] tokens cost as many products as those of 1.
    pub fn set_draft(&mut self, most: usize) {
        self.most_drafted = most;
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
