//! A budget of tokens for thoughts. When it is used up, the thought is closed in the model's place, as if
//! the sampler had chosen the tokens that close it, and the answer begins.

use heapless::Vec;

use super::{Error, Session};
use crate::{
    chat::{END_THINK, THINK},
    tokenizer::Special,
};

/// What closes a thought, as the model would.
const CLOSING: &str = "\n</think>\n\n";

/// Tokens that closing may take.
pub(super) const CLOSING_TOKENS: usize = 16;

/// What is known of the thought that the model is at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Thought {
    pub is_open: bool,
    /// Whether it was at the beginning of the answer.
    pub began_open: bool,
    /// Tokens of the thoughts of this answer, tags left out.
    pub tokens: usize,
    /// How many of the tokens that close it were written.
    pub closing: usize,
}

/// The thought, and its budget.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    budget: Option<Budget>,
    pub thought: Thought,
}

#[derive(Debug)]
struct Budget {
    tokens: usize,
    think: u32,
    end_think: u32,
    closing: Vec<u32, CLOSING_TOKENS>,
}

impl Thinking {
    /// At the beginning of an answer.
    pub(super) fn begin(&mut self, is_open: bool) {
        self.thought = Thought {
            is_open,
            began_open: is_open,
            ..Thought::default()
        };
    }

    /// The token that is to follow whatever the model would say, if there is one.
    pub(super) fn forced(&self) -> Option<u32> {
        let budget = self.budget.as_ref()?;
        let thought = &self.thought;
        let is_used_up = thought.is_open && thought.tokens >= budget.tokens;
        if is_used_up || thought.closing > 0 {
            budget.closing.get(thought.closing).copied()
        } else {
            None
        }
    }

    /// Takes note of a token of the answer; `is_forced` if [`forced`](Self::forced) said it.
    pub(super) fn saw(&mut self, token: u32, is_forced: bool) {
        let Some(budget) = &self.budget else {
            return;
        };
        let thought = &mut self.thought;
        if is_forced {
            thought.closing += 1;
            if thought.closing == budget.closing.len() {
                (thought.is_open, thought.closing) = (false, 0);
            }
        } else if token == budget.think {
            thought.is_open = true;
        } else if token == budget.end_think {
            thought.is_open = false;
        } else {
            thought.tokens += usize::from(thought.is_open);
        }
    }
}

impl Session<'_, '_, '_> {
    /// Lets the model think for at most this many tokens an answer, tags left out; then the thought is
    /// closed and the answer begins. The tokens that close it count as generated. `None` is no limit.
    ///
    /// # Errors
    /// [`Error::NoThinking`], if the vocabulary has no tokens for the tags; nothing changes then.
    pub fn set_thinking_budget(&mut self, most: Option<usize>) -> Result<(), Error> {
        let Some(tokens) = most else {
            self.thinking.budget = None;
            return Ok(());
        };
        let tags = (
            self.tokenizer.special(THINK),
            self.tokenizer.special(END_THINK),
        );
        let (Some(think), Some(end_think)) = tags else {
            return Err(Error::NoThinking);
        };
        let mut closing = [0; CLOSING_TOKENS];
        let encoded =
            self.tokenizer
                .encode_into(CLOSING, Special::Parse, self.encoder, &mut closing);
        let count = encoded.map_err(Error::Encode)?;
        let closing = Vec::from_slice(closing.get(..count).unwrap_or_default());
        self.thinking.budget = Some(Budget {
            tokens,
            think,
            end_think,
            closing: closing.unwrap_or_default(),
        });
        Ok(())
    }

    /// Whether the prompt ends in a thought, which the answer goes on with.
    pub fn prompt_is_thinking(&self) -> bool {
        self.thinking.thought.began_open
    }
}
