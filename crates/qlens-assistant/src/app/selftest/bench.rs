//! What a prompt or an answer costs on the board: one run of the model between two looks at a counter.
//!
//! The whole of a run is counted and nothing else: setting the session up, the warm-up and what fills the
//! context before it are over when the first look is taken. The warm-up does not depend on the run's length,
//! so the cost of a token is the difference between two runs of different lengths, divided by the difference
//! of the lengths. `qlens bench` measures the same on the host, with the same tokens.

use heapless::Vec;
use qlens::sampler::Sampler;
use qlens::session::{self, Phase, Session};

use super::{Error, MAX_TOKENS};

/// Tokens that each run is warmed up with.
const WARM_UP: usize = 4;

/// A counter that only ever goes up, the finest that the board has.
pub trait Counter {
    /// Where it stands.
    fn ticks(&self) -> u64;

    /// Ticks a second.
    fn frequency(&self) -> u64;
}

/// What is to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    phase: Phase,
    /// Tokens of the run.
    count: usize,
    /// Tokens of the context that the run begins behind.
    position: usize,
}

impl Run {
    /// A run of the phase that has tokens.
    pub(super) fn new(prefill: usize, decode: usize, position: usize) -> Result<Self, Error> {
        let (phase, count) = match (prefill, decode) {
            (count @ 1.., 0) => (Phase::Prefill, count),
            (0, count @ 1..) => (Phase::Decode, count),
            _ => return Err(Error::Run),
        };
        Ok(Self {
            phase,
            count,
            position,
        })
    }

    /// Tokens as a text might have them: spread over the vocabulary, the same in every run, and as many as
    /// the session must have room for.
    pub(super) fn tokens(&self, n_vocab: usize) -> Result<Vec<u32, MAX_TOKENS>, Error> {
        // A decoded token follows another one.
        let first = usize::from(self.phase == Phase::Decode);
        let count = self.count.max(WARM_UP);
        let room = self.position.saturating_add(count).saturating_add(first);
        if room > MAX_TOKENS {
            return Err(Error::TooManyTokens);
        }
        // The multiplier of Knuth's hash, so that neighbours are far apart.
        Ok((1..=room as u64)
            .map(|i| (i.wrapping_mul(2_654_435_761) % n_vocab as u64) as u32)
            .collect())
    }

    /// Warms up, then counts the run; `tokens` are those of [`Run::tokens`].
    pub(super) fn measure(
        self,
        session: &mut Session<'_, '_, '_>,
        tokens: &[u32],
        counter: &dyn Counter,
    ) -> Result<u64, session::Error> {
        let warm_up = Self {
            count: WARM_UP,
            position: 0,
            ..self
        };
        warm_up.ticks(session, tokens, counter)?;
        self.ticks(session, tokens, counter)
    }

    fn ticks(
        self,
        session: &mut Session<'_, '_, '_>,
        tokens: &[u32],
        counter: &dyn Counter,
    ) -> Result<u64, session::Error> {
        session.clear();
        let (before, tokens) = tokens.split_at(self.position);
        if !before.is_empty() {
            session.feed_tokens(before)?;
            session.prefill(&mut ())?;
        }
        let start = match self.phase {
            Phase::Prefill => {
                session.feed_tokens(&tokens[..self.count])?;
                let start = counter.ticks();
                session.prefill(&mut ())?;
                start
            }
            Phase::Decode => {
                session.feed_tokens(&tokens[..1])?;
                let start = counter.ticks();
                decode(session, &tokens[1..=self.count])?;
                start
            }
        };
        Ok(counter.ticks().wrapping_sub(start))
    }
}

/// Decodes as many tokens as there are in `instead`: each goes through the model, and the next is chosen.
fn decode(session: &mut Session<'_, '_, '_>, instead: &[u32]) -> Result<(), session::Error> {
    let mut sampler = Sampler::greedy();
    // Each token is to cost the same.
    session.set_draft(0);
    for token in instead {
        let piece = session.next(&mut sampler, &mut ())?;
        // Where the model would end its turn, something else is put in its mouth.
        if piece.is_none_or(|piece| piece.token.is_none()) {
            session.feed_tokens(&[*token])?;
        }
    }
    Ok(())
}
