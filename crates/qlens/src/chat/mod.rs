//! Conversations as Qwen models were trained on them, and what is what in their answers.
//!
//! ```text
//! <|im_start|>system
//! Answer in one sentence.<|im_end|>
//! <|im_start|>user
//! What is this station called?<|im_end|>
//! <|im_start|>assistant
//! <think>
//! The sign in the picture says …
//! </think>
//!
//! Ueno.
//! ```
//!
//! [`Chat`] is the conversation, [`Template`] the form in which a file wants it, and [`Parser`] tells the
//! parts of an answer apart while it comes: thinking, what is said, tool calls.
//!
//! What people say is text and nothing else: `<|im_end|>` in a user's turn stays ten characters. What
//! the model said may have the tags of thinking and tool calls, and no other special token.

mod json;
mod literals;
mod parser;
mod render;
mod template;
mod tools;
mod xml;

pub use literals::DEFAULT_SYSTEM_BYTES;
pub use parser::{Event, Parser};
pub use render::Piece;
pub use template::{Style, Template, Thinking};
pub use tools::{Arguments, Fault};
pub use xml::Parameters;

use heapless::Vec;

/// Turns that a conversation may have at once.
pub const MAX_TURNS: usize = 64;

const START: &str = "<|im_start|>";
const END: &str = "<|im_end|>";
/// Begins what a model thinks before it answers.
pub const THINK: &str = "<think>";
/// Ends it.
pub const END_THINK: &str = "</think>";
const CALL: &str = "<tool_call>";
const END_CALL: &str = "</tool_call>";
const RESPONSE: &str = "<tool_response>";
const END_RESPONSE: &str = "</tool_response>";

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Role {
    /// Whoever set the model up.
    System,
    /// The person.
    User,
    /// The model: all of what it said, thinking and tool calls as they came.
    Assistant,
    /// What a tool gave back.
    Tool,
}

impl Role {
    /// What templates call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// A conversation, borrowed from whoever keeps its texts.
#[derive(Clone, Debug, Default)]
pub struct Chat<'t> {
    turns: Vec<(Role, &'t str), MAX_TURNS>,
    overflowed: bool,
    tools: &'t str,
    thinking: Option<bool>,
}

impl<'t> Chat<'t> {
    /// A conversation without turns.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what the model is to know before anything is said.
    #[must_use]
    pub fn system(self, text: &'t str) -> Self {
        self.turn(Role::System, text)
    }

    /// Adds what the person said.
    #[must_use]
    pub fn user(self, text: &'t str) -> Self {
        self.turn(Role::User, text)
    }

    /// Adds what the model answered.
    #[must_use]
    pub fn assistant(self, text: &'t str) -> Self {
        self.turn(Role::Assistant, text)
    }

    /// Adds a turn. One past [`MAX_TURNS`] is not kept, and [`overflowed`](Self::overflowed) says so.
    #[must_use]
    pub fn turn(mut self, role: Role, text: &'t str) -> Self {
        self.overflowed |= self.turns.push((role, text)).is_err();
        self
    }

    /// Tools that the model may call: definitions of functions in JSON, one a line. None if empty.
    #[must_use]
    pub fn with_tools(mut self, definitions: &'t str) -> Self {
        self.tools = definitions;
        self
    }

    /// Whether the model is to think before it answers; `None` leaves it to the file's template. Without
    /// effect on a model that does not think.
    #[must_use]
    pub fn with_thinking(mut self, thinking: Option<bool>) -> Self {
        self.thinking = thinking;
        self
    }

    /// Whether there were more turns than [`MAX_TURNS`], so that this is not the whole conversation.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Its turns, in order.
    pub fn turns(&self) -> &[(Role, &'t str)] {
        &self.turns
    }

    /// Definitions of tools, one a line; empty if there are none.
    pub fn tools(&self) -> &'t str {
        self.tools
    }

    /// Whether the model is to think, where somebody decided.
    pub fn thinking(&self) -> Option<bool> {
        self.thinking
    }
}

#[cfg(test)]
mod tests {
    use super::{Chat, MAX_TURNS};

    #[test]
    fn too_many_turns_are_noticed() {
        let full = (0..MAX_TURNS).fold(Chat::new(), |chat, _| chat.user("x"));
        assert!(!full.overflowed());
        assert!(full.user("y").overflowed());
    }
}
