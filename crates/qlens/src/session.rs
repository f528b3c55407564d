//! A conversation with a model: tokens in, tokens out, everything that changes in one arena.

use core::fmt;

use heapless::String;

use crate::{
    arena::Arena,
    cache::KvCache,
    chat::{self, Chat},
    kernel::{self, Compute, Kernel, Quantized},
    model::{self, Model, Pass, Scratch, Weights},
    plan::{self, Plan},
    quant::GROUP,
    sampler::Sampler,
    tokenizer::{
        self, EncodeError, MAX_PIECE_BYTES, SCRATCH_BYTES, Special, Tokenizer, Utf8Stream,
    },
    workers::Workers,
};

/// Which part of its work a session is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Phase {
    /// Reading the prompt, a batch at a time.
    Prefill,
    /// Writing the answer, a token at a time.
    Decode,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Progress {
    /// Reading or writing.
    pub phase: Phase,
    /// Tokens behind it: of the prompt's new part, or of the answer.
    pub done: usize,
    /// Tokens of the prompt's new part, or at most of the answer.
    pub total: usize,
}

/// Why work was broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Interrupt {
    /// Somebody does not want the answer any more.
    Cancelled,
    /// It took too long.
    Deadline,
}

/// Watches a session at work. The runtime has no clock and no buttons; who has them implements this.
pub trait Watch {
    /// Asked before each layer of each batch and each token; an answer breaks the work off.
    ///
    /// What was computed up to the last whole batch stays and is not computed again.
    fn check(&mut self, at: Progress) -> Option<Interrupt>;
}

/// Never interrupts.
impl Watch for () {
    fn check(&mut self, _: Progress) -> Option<Interrupt> {
        None
    }
}

impl<F: FnMut(Progress) -> Option<Interrupt>> Watch for F {
    fn check(&mut self, at: Progress) -> Option<Interrupt> {
        self(at)
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Stop {
    /// The model ended its turn.
    EndOfTurn,
    /// As many tokens as were asked for.
    MaxTokens,
    /// The context is full.
    ContextFull,
    /// [`Interrupt::Cancelled`].
    Cancelled,
    /// [`Interrupt::Deadline`].
    Deadline,
}

impl Stop {
    /// A word for it, as in reports: `end_of_turn`, `max_tokens`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::EndOfTurn => "end_of_turn",
            Self::MaxTokens => "max_tokens",
            Self::ContextFull => "context_full",
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline",
        }
    }
}

/// Is shown a position and the logits, `[n_vocab]`, that follow it.
pub type Visit<'v> = dyn FnMut(usize, &[f32]) + 'v;

/// Something that the model said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'s> {
    /// The token; `None` for what was left of a cut character when the answer ended.
    pub token: Option<u32>,
    /// What it adds to the text: whole characters, or nothing yet.
    pub text: &'s str,
}

/// Tokens so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Stats {
    /// Tokens of the context when generation began.
    pub prompt_tokens: usize,
    /// How many of them were already in the KV cache.
    pub reused_tokens: usize,
    /// Tokens generated since, the stop token left out.
    pub generated_tokens: usize,
}

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
    /// There is nothing to continue.
    EmptyPrompt,
    /// A token that the vocabulary does not have.
    TokenOutOfRange {
        /// The token.
        token: u32,
        /// Entries of the vocabulary.
        n_vocab: usize,
    },
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
            Self::EmptyPrompt => f.write_str("the prompt is empty: there is nothing to continue"),
            Self::TokenOutOfRange { token, n_vocab } => {
                write!(
                    f,
                    "token {token} is out of range: the vocabulary has 0 to {}",
                    n_vocab.saturating_sub(1)
                )
            }
        }
    }
}

impl core::error::Error for Error {}

/// Writes tokens over the context; what differs from what stood there is no longer in the KV cache.
struct Rewrite<'s, 'm, 'a> {
    tokenizer: &'s Tokenizer<'m, 'a>,
    encoder: &'s mut [u8],
    tokens: &'s mut [u32],
    evaluated: &'s mut usize,
    /// Where the next token goes: past the end of the context, tokens are only counted.
    at: usize,
}

impl Rewrite<'_, '_, '_> {
    fn put(&mut self, id: u32) {
        if let Some(place) = self.tokens.get_mut(self.at)
            && *place != id
        {
            *place = id;
            *self.evaluated = (*self.evaluated).min(self.at);
        }
        self.at += 1;
    }

    /// The file's own beginning of every text, where it asks for one.
    fn begin(&mut self) {
        if self.at == 0
            && let Some(bos) = self.tokenizer.bos()
        {
            self.put(bos);
        }
    }

    fn text(mut self, text: &str, special: Special) -> Result<Self, Error> {
        self.begin();
        let (tokenizer, encoder) = (self.tokenizer, core::mem::take(&mut self.encoder));
        let encoded = tokenizer.encode(text, special, encoder, &mut |id| {
            self.put(id);
            Ok(())
        });
        self.encoder = encoder;
        encoded.map(|_| self).map_err(Error::Encode)
    }

    fn joined(mut self, head: &str, tail: &str) -> Result<Self, Error> {
        self.begin();
        let (tokenizer, encoder) = (self.tokenizer, core::mem::take(&mut self.encoder));
        let encoded = tokenizer.encode_joined(head, tail, encoder, &mut |id| {
            self.put(id);
            Ok(())
        });
        self.encoder = encoder;
        encoded.map(|_| self).map_err(Error::Encode)
    }
}

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

    /// Makes the context be exactly `chat`, ready for the assistant's turn.
    ///
    /// What the context already had in common with it stays in the KV cache. Without a system turn the
    /// default of the model's own template applies.
    ///
    /// # Errors
    /// [`Error::PromptTooLong`] or [`Error::Encode`]; the context is then empty.
    /// [`Error::TooManyTurns`]; it is then as it was.
    pub fn feed(&mut self, chat: &Chat<'_>) -> Result<(), Error> {
        if chat.overflowed() {
            return Err(Error::TooManyTurns);
        }
        let default_system = chat::default_system(self.model.gguf());
        let context =
            chat.pieces(default_system.as_deref())
                .try_fold(self.rewrite(0), |context, piece| match piece {
                    chat::Piece::Special(text) => context.text(text, Special::Parse),
                    chat::Piece::Text { head, tail } => context.joined(head, tail),
                });
        let total = context.map(|context| context.at);
        self.set_context(total)
    }

    /// Appends the tokens of `text` to the context.
    ///
    /// # Errors
    /// [`Error::PromptTooLong`] or [`Error::Encode`]; the context is then empty.
    pub fn feed_text(&mut self, text: &str, special: Special) -> Result<(), Error> {
        let context = self.rewrite(self.len).text(text, special);
        let total = context.map(|context| context.at);
        self.set_context(total)
    }

    /// Appends `tokens` to the context.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`], or [`Error::PromptTooLong`]; the context is then as it was.
    pub fn feed_tokens(&mut self, tokens: &[u32]) -> Result<(), Error> {
        let n_vocab = self.logits.len();
        if let Some(&token) = tokens.iter().find(|&&id| id as usize >= n_vocab) {
            return Err(Error::TokenOutOfRange { token, n_vocab });
        }
        let (total, context) = (self.len + tokens.len(), self.tokens.len());
        let Some(room) = self.tokens.get_mut(self.len..total) else {
            return Err(Error::PromptTooLong {
                tokens: total,
                context,
            });
        };
        room.copy_from_slice(tokens);
        self.set_context(Ok(total))
    }

    /// Empties the context and forgets the last answer.
    pub fn clear(&mut self) {
        (self.len, self.evaluated) = (0, 0);
        self.begin_answer();
    }

    /// Nothing is known yet of what follows the context.
    fn begin_answer(&mut self) {
        (self.ready, self.stop) = (false, None);
        self.utf8 = Utf8Stream::default();
        self.stats = Stats {
            prompt_tokens: self.len,
            reused_tokens: self.evaluated,
            generated_tokens: 0,
        };
    }

    /// Begins to write tokens at place `at` of the context.
    fn rewrite(&mut self, at: usize) -> Rewrite<'_, 'm, 'a> {
        Rewrite {
            tokenizer: &self.tokenizer,
            encoder: self.encoder,
            tokens: self.tokens,
            evaluated: &mut self.evaluated,
            at,
        }
    }

    /// Declares the first `len` tokens the context and begins a new answer. Without a length that
    /// fits, what was written of a prompt is no context, and neither is what it was written over.
    fn set_context(&mut self, len: Result<usize, Error>) -> Result<(), Error> {
        let context = self.tokens.len();
        let len = len.and_then(|tokens| {
            (tokens <= context)
                .then_some(tokens)
                .ok_or(Error::PromptTooLong { tokens, context })
        });
        let len = len.inspect_err(|_| self.clear())?;
        // The last token is read again even if it was read before, for the logits that follow it.
        self.evaluated = self.evaluated.min(len.saturating_sub(1));
        self.len = len;
        self.begin_answer();
        Ok(())
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

    /// Reads what is new of the context, a batch at a time. [`next`](Self::next) does it by itself;
    /// who wants to time it apart calls it first. An interrupt ends the answer before it began.
    ///
    /// # Errors
    /// The context is empty.
    pub fn prefill(&mut self, watch: &mut dyn Watch) -> Result<(), Error> {
        self.evaluate(watch, None)
    }

    /// Reads what is new of the context and shows the logits, `[n_vocab]`, that follow each of its
    /// tokens, by position.
    ///
    /// # Errors
    /// The context is empty.
    pub fn logits(&mut self, watch: &mut dyn Watch, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.evaluate(watch, Some(visit))
    }

    fn evaluate(
        &mut self,
        watch: &mut dyn Watch,
        mut visit: Option<&mut Visit<'_>>,
    ) -> Result<(), Error> {
        if self.len == 0 {
            return Err(Error::EmptyPrompt);
        }
        while self.evaluated < self.len {
            let tokens = self.batch.min(self.len - self.evaluated);
            let (position, end) = (self.evaluated, self.evaluated + tokens);
            let pass = Pass {
                config: self.model.config(),
                weights: &self.weights,
                compute: self.compute,
                workers: self.workers,
                tokens,
                position,
            };
            let generated = self.stats.generated_tokens;
            let at = if generated == 0 {
                let (done, total) = (
                    position - self.stats.reused_tokens,
                    self.len - self.stats.reused_tokens,
                );
                Progress {
                    phase: Phase::Prefill,
                    done,
                    total,
                }
            } else {
                let room = self.tokens.len() - self.stats.prompt_tokens;
                Progress {
                    phase: Phase::Decode,
                    done: generated,
                    total: self.max_tokens.unwrap_or(room).min(room),
                }
            };
            let s = &mut self.scratch;
            let batch = &self.tokens[position..end];
            if !pass.embed(s, batch) {
                let (token, n_vocab) =
                    (batch.iter().copied().max().unwrap_or(0), self.logits.len());
                return Err(Error::TokenOutOfRange { token, n_vocab });
            }
            s.set_angles(tokens, position);
            for il in 0..pass.config.n_layer {
                if let Some(interrupt) = watch.check(at) {
                    self.stop = Some(match interrupt {
                        Interrupt::Cancelled => Stop::Cancelled,
                        Interrupt::Deadline => Stop::Deadline,
                    });
                    return Ok(());
                }
                pass.layer(s, &mut self.cache, il);
            }
            if let Some(visit) = &mut visit {
                for t in 0..tokens {
                    pass.logits(s, t, self.logits);
                    visit(position + t, self.logits);
                }
            } else if end == self.len {
                pass.logits(s, tokens - 1, self.logits);
            }
            self.evaluated = end;
        }
        self.ready = true;
        Ok(())
    }

    /// The next piece of the answer, or `None` when it has ended ([`stop_reason`](Self::stop_reason)).
    ///
    /// # Errors
    /// The context is empty.
    pub fn next(
        &mut self,
        sampler: &mut Sampler,
        watch: &mut dyn Watch,
    ) -> Result<Option<Piece<'_>>, Error> {
        if self.stop.is_none()
            && self
                .max_tokens
                .is_some_and(|most| self.stats.generated_tokens >= most)
        {
            self.stop = Some(Stop::MaxTokens);
        }
        // Nothing can follow the last token of a full context, so it is not read.
        if self.stop.is_none() && self.len == self.tokens.len() {
            self.stop = Some(Stop::ContextFull);
        }
        if self.stop.is_none() && !self.ready {
            self.evaluate(watch, None)?;
        }
        if self.stop.is_none() {
            let token = sampler.sample(self.logits, &self.tokens[..self.len], self.candidates);
            // The logits were the sampler's to change.
            self.ready = false;
            if !self.tokenizer.is_end_of_turn(token) {
                self.tokens[self.len] = token;
                self.len += 1;
                self.stats.generated_tokens += 1;
                self.text.clear();
                // A piece is at most as long as `text` (MAX_PIECE_BYTES), so nothing is lost.
                let bytes = self.tokenizer.token_bytes(token);
                let _ = self.utf8.push(bytes.into_iter().flatten(), &mut self.text);
                return Ok(Some(Piece {
                    token: Some(token),
                    text: &self.text,
                }));
            }
            self.stop = Some(Stop::EndOfTurn);
        }
        self.text.clear();
        let _ = self.utf8.finish(&mut self.text);
        Ok((!self.text.is_empty()).then_some(Piece {
            token: None,
            text: &self.text,
        }))
    }
}
