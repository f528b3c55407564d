//! An answer under a constraint, token by token.

use super::Constraint;
use super::classes::{END, NEVER, TokenClasses, WALK};
use super::program::Program;
use super::state::State;
use crate::sampler::{Mask, Sampler};

/// How far an answer has come in a constraint, and what may come next.
///
/// One is made for each answer; copying it is cheap.
#[derive(Debug, Clone)]
pub struct Matcher<'c> {
    constraint: Constraint<'c>,
    tokens: &'c TokenClasses<'c>,
    state: State,
}

impl<'c> Matcher<'c> {
    /// Before the first token of an answer.
    pub fn new(constraint: &Constraint<'c>, tokens: &'c TokenClasses<'c>) -> Self {
        Self {
            constraint: *constraint,
            tokens,
            state: State::new(constraint.node),
        }
    }

    /// Whether the answer satisfies the constraint as it is, so that the end of the turn may follow.
    pub fn is_complete(&self) -> bool {
        self.state.is_complete(self.constraint.program)
    }

    /// Whether nothing but the end of the turn can follow.
    pub fn is_over(&self) -> bool {
        self.is_complete() && (0..=u8::MAX).all(|byte| self.after([byte].into_iter()).is_none())
    }

    /// Goes on with a token, if it may come. The end of the turn changes nothing.
    pub fn advance(&mut self, token: u32) -> bool {
        match self.tokens.class(token).chars {
            END => self.is_complete(),
            NEVER => false,
            _ => match self.after(self.tokens.tokenizer.spelled_bytes(token)) {
                Some(state) => {
                    self.state = state;
                    true
                }
                None => false,
            },
        }
    }

    /// Chooses a token among those that may come, as [`Sampler::sample_masked`] does, and goes on with it; `None`
    /// if the vocabulary has none.
    pub fn choose(
        &mut self,
        sampler: &mut Sampler,
        logits: &mut [f32],
        recent: &[u32],
        candidates: &mut [u32],
    ) -> Option<u32> {
        let token = sampler.sample_masked(logits, recent, candidates, self)?;
        self.advance(token).then_some(token)
    }

    /// The state behind these bytes, if they may come.
    fn after(&self, bytes: impl Iterator<Item = u8>) -> Option<State> {
        let mut state = self.state;
        for byte in bytes {
            if !state.step(self.constraint.program, byte) {
                return None;
            }
        }
        Some(state)
    }
}

impl Mask for Matcher<'_> {
    fn allows(&self, token: u32) -> bool {
        match self.tokens.class(token).chars {
            END => self.is_complete(),
            NEVER => false,
            _ => {
                let bytes = self.tokens.tokenizer.spelled_bytes(token);
                self.after(bytes).is_some()
            }
        }
    }

    fn apply(&self, logits: &mut [f32]) {
        let program = self.constraint.program;
        let leads = follows(self.state, program);
        let mut behind_space = self.state;
        let leads_spaced = if behind_space.step(program, b' ') {
            follows(behind_space, program)
        } else {
            [false; 256]
        };
        let walks = |id| {
            let mut state = self.state;
            let mut bytes = self.tokens.tokenizer.spelled_bytes(id);
            bytes.all(|byte| state.step(program, byte))
        };
        let is_complete = self.is_complete();
        let room = self.state.room(program);
        let classes = self.tokens.iter();
        let (known, unknown) = logits.split_at_mut(logits.len().min(classes.len()));
        for ((id, logit), class) in (0..).zip(known).zip(classes) {
            let may_come = match (class.chars, room) {
                (NEVER, _) => false,
                (END, _) => is_complete,
                // Plain text inside of a string: all that counts is its length.
                (chars, Some(room)) if chars != WALK => u32::from(chars) <= room,
                _ => {
                    let leads = if class.is_spaced {
                        &leads_spaced
                    } else {
                        &leads
                    };
                    leads[usize::from(class.lead)] && walks(id)
                }
            };
            if !may_come {
                *logit = f32::NAN;
            }
        }
        unknown.fill(f32::NAN);
    }
}

/// By byte, whether it may follow.
fn follows(state: State, program: Program<'_>) -> [bool; 256] {
    core::array::from_fn(|byte| { state }.step(program, byte as u8))
}
