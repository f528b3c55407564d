//! Reading what is new of the context, and writing what follows it.

use super::{Error, Interrupt, Phase, Progress, Session, Watch, draft};
use crate::{cache::Mark, constraint::Matcher, sampler::Sampler};

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

impl From<Interrupt> for Stop {
    fn from(interrupt: Interrupt) -> Self {
        match interrupt {
            Interrupt::Cancelled => Self::Cancelled,
            Interrupt::Deadline => Self::Deadline,
        }
    }
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
    /// Passes of the model since the first of them. Without drafts each gives one token.
    pub decode_passes: usize,
}

impl Session<'_, '_, '_> {
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
        if !self.ready {
            // A last token that was read as a draft is new nevertheless.
            self.evaluated = self.evaluated.min(self.len.saturating_sub(1));
        }
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
        if self.ready {
            return Ok(());
        }
        if self.evaluated >= self.len
            && let Some(interrupt) = watch.check(self.progress())
        {
            self.stop = Some(interrupt.into());
            return Ok(());
        }
        self.evaluated = self.cache.recurrent.rewind(self.evaluated);
        while self.evaluated < self.len {
            let position = self.evaluated;
            let end = self.len.min(position + self.batch);
            let drafted = if visit.is_none() && end == self.len {
                self.draft(end - position)
            } else {
                0
            };
            let tokens = end + drafted - position;
            if !self.pass(watch, tokens)? {
                return Ok(());
            }
            if let Some(visit) = &mut visit {
                for position in position..end {
                    self.compute_logits(position);
                    visit(position, self.logits);
                }
            }
        }
        if visit.is_none() {
            self.compute_logits(self.len - 1);
        }
        self.ready = true;
        Ok(())
    }

    /// Writes a draft behind the context, for a pass over its last `tokens` and the draft; returns its
    /// length. It reaches no further than the answer can.
    fn draft(&mut self, tokens: usize) -> usize {
        let generated = self.stats.generated_tokens;
        if generated == 0 {
            return 0;
        }
        let left = self
            .max_tokens
            .map_or(usize::MAX, |most| most.saturating_sub(generated));
        let room = left.min(self.tokens.len() - self.len);
        // The token that follows the last one drafted has to have a place, too.
        let most = self
            .most_drafted
            .min(self.batch - tokens)
            .min(room.saturating_sub(1));
        let drafted = draft::write(self.tokens, self.len, most);
        let draft = &self.tokens[self.len..][..drafted];
        let is_end = |&token: &u32| self.tokenizer.is_end_of_turn(token);
        draft.iter().position(is_end).unwrap_or(drafted)
    }

    /// Sends the `tokens` after those evaluated through the model; false if it was interrupted.
    pub(super) fn pass(&mut self, watch: &mut dyn Watch, tokens: usize) -> Result<bool, Error> {
        let (position, at) = (self.evaluated, self.progress());
        let pass = self.engine.pass(at.phase, tokens, position);
        let batch = &self.tokens[position..][..tokens];
        let s = &mut self.scratch;
        if !pass.embed(s, batch) {
            let (token, n_vocab) = (batch.iter().copied().max().unwrap_or(0), self.logits.len());
            return Err(Error::TokenOutOfRange { token, n_vocab });
        }
        s.set_angles(tokens, position);
        let recurrent = &mut self.cache.recurrent;
        if tokens > 1 {
            recurrent.set_mark(match at.phase {
                Phase::Prefill => Mark::Prompt,
                Phase::Decode => Mark::Draft,
            });
        }
        // Half of a pass is lost with a recurrent state, and what was read since its last copy: a single token is
        // read to its end.
        let ends = tokens == 1 && recurrent.is_there();
        recurrent.begin_pass();
        for il in 0..pass.config.n_layer {
            if let Some(interrupt) = watch.check(at) {
                self.stop = Some(interrupt.into());
                if !ends {
                    return Ok(false);
                }
            }
            pass.layer(s, &mut self.cache, il);
        }
        self.cache.recurrent.end_pass(position + tokens);
        self.rows = position..position + tokens;
        self.evaluated = self.rows.end;
        if at.phase == Phase::Decode {
            self.stats.decode_passes += 1;
        }
        Ok(true)
    }

    /// The logits that follow `position`, which was in the last pass.
    fn compute_logits(&mut self, position: usize) {
        let row = position - self.rows.start;
        let pass = self.engine.pass(self.progress().phase, 1, position);
        pass.logits(&mut self.scratch, row, self.logits);
    }

    pub(super) fn progress(&self) -> Progress {
        let generated = self.stats.generated_tokens;
        if generated == 0 {
            Progress {
                phase: Phase::Prefill,
                done: self.evaluated.saturating_sub(self.stats.reused_tokens),
                total: self.len - self.stats.reused_tokens,
            }
        } else {
            let room = self.tokens.len() - self.stats.prompt_tokens;
            Progress {
                phase: Phase::Decode,
                done: generated,
                total: self.max_tokens.unwrap_or(room).min(room),
            }
        }
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
        self.next_piece(None, sampler, watch)
    }

    /// The next piece of an answer that a constraint allows, or `None` when it has ended: the model's turn ends
    /// where nothing can follow, without another pass. Every piece of the answer comes by the same `matcher`, of
    /// this model's tokens.
    ///
    /// # Errors
    /// The context is empty; or [`Error::NoToken`], for which a vocabulary has to lack a byte.
    pub fn next_constrained(
        &mut self,
        matcher: &mut Matcher<'_>,
        sampler: &mut Sampler,
        watch: &mut dyn Watch,
    ) -> Result<Option<Piece<'_>>, Error> {
        self.next_piece(Some(matcher), sampler, watch)
    }

    fn next_piece(
        &mut self,
        matcher: Option<&mut Matcher<'_>>,
        sampler: &mut Sampler,
        watch: &mut dyn Watch,
    ) -> Result<Option<Piece<'_>>, Error> {
        if self.stop.is_none() && matcher.as_ref().is_some_and(|matcher| matcher.is_over()) {
            self.stop = Some(Stop::EndOfTurn);
        }
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
        // A constraint says all of an answer: where there is one, there are no thoughts to close.
        let forced = match matcher {
            Some(_) => None,
            None => self.thinking.forced(),
        };
        // Nobody is asked what follows where that is decided; a prompt is read as one nevertheless.
        let is_asked = forced.is_none() || self.stats.generated_tokens == 0;
        if self.stop.is_none() && !self.ready && is_asked {
            self.evaluate(watch, None)?;
        }
        if self.stop.is_none() {
            let (logits, recent) = (&mut *self.logits, &self.tokens[..self.len]);
            // The logits are the sampler's to change.
            self.ready = false;
            let token = match (forced, matcher) {
                (Some(token), _) => token,
                (None, None) => sampler.sample(logits, recent, self.candidates),
                (None, Some(matcher)) => matcher
                    .choose(sampler, logits, recent, self.candidates)
                    .ok_or(Error::NoToken)?,
            };
            if !self.tokenizer.is_end_of_turn(token) {
                if self.tokens[self.len] != token {
                    // What was drafted here, and all that followed it, did not come.
                    self.evaluated = self.evaluated.min(self.len);
                }
                self.tokens[self.len] = token;
                self.len += 1;
                self.stats.generated_tokens += 1;
                self.thinking.saw(token, forced.is_some());
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
