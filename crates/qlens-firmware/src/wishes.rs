//! What whoever started the board wants of it.

use qlens::KvType;
use qlens_assistant::Assistant;
use qlens_assistant::app::{Context, Settings};
use qlens_assistant::pace::FIRST_WORD_US;

use crate::board;

/// Longest value taken, in bytes: a system prompt is the longest.
pub const VALUE_BYTES: usize = 4096;

/// A value as text.
pub type Value = heapless::String<VALUE_BYTES>;

/// What is wanted; `None` where nobody said anything that makes sense, which the board has told.
#[derive(Debug, Default)]
pub struct Wishes {
    /// Tokens of context.
    pub context: Option<usize>,
    /// Most tokens of an answer.
    pub max_tokens: Option<usize>,
    /// System prompt.
    pub system: Option<Value>,
    /// Longest wait for the first token of an answer, in microseconds.
    pub first_word_us: Option<u64>,
    /// Application time is the time of the sensor hub's recording.
    pub replay: bool,
    /// No application: requests of tests are taken instead.
    pub selftest: bool,
}

impl Wishes {
    /// What was asked for, or what `board.toml` says. A system prompt that the assistant does not take is
    /// told and left out.
    pub fn settings(&self, assistant: &mut Assistant) -> Settings {
        let session = &board().session;
        if let Err(error) = assistant.set_system(self.system.as_deref()) {
            log::warn!("{error}; the model's own system prompt applies");
        }
        Settings {
            context: self
                .context
                .map_or(Context::AtMost(session.context), Context::Exactly),
            batch: session.batch,
            max_tokens: self.max_tokens.unwrap_or(session.max_tokens),
            draft: session.draft,
            // A name of board.toml is one of these: `qlens plan` is tested to take each.
            kv: KvType::from_name(session.kv).unwrap_or_default(),
            first_word_us: self.first_word_us.unwrap_or(FIRST_WORD_US),
            replay: self.replay,
        }
    }
}
