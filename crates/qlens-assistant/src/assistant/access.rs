//! What can be seen of the assistant from outside.

use super::{Assistant, Fault, Progress, Readings, State, Stop};
use crate::conversation::Conversation;
use crate::layout::Pages;

impl Assistant {
    /// What the assistant is doing.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether the glasses are off: the display is to be dark.
    pub const fn asleep(&self) -> bool {
        self.asleep
    }

    /// Whether the dashboard covers what else would be shown.
    pub const fn dashboard(&self) -> bool {
        self.dashboard
    }

    /// The latest time that any event had, in microseconds.
    pub const fn now_us(&self) -> u64 {
        self.now_us
    }

    /// The turns that are remembered.
    pub const fn conversation(&self) -> &Conversation {
        &self.ask.conversation
    }

    /// The question that is being answered or was answered last; empty if there is none.
    pub fn question(&self) -> &str {
        self.ask.conversation.last_question()
    }

    /// Its answer as far as it has come; empty if there is none.
    pub fn answer(&self) -> &str {
        self.ask.conversation.last_answer()
    }

    /// The pages of the answer.
    pub const fn pages(&self) -> &Pages {
        self.ask.reader.pages()
    }

    /// The page that is looked at, from 0, always below the count.
    pub const fn page(&self) -> usize {
        self.ask.reader.page()
    }

    /// Why the answer ended; `None` as long as it goes on, or if it was cancelled.
    pub const fn ended(&self) -> Option<Stop> {
        self.ask.ended
    }

    /// Tokens of the prompt that the model has read.
    pub const fn prefill(&self) -> Progress {
        self.prefill
    }

    /// Bytes of the model that are loaded.
    pub const fn loading(&self) -> Progress {
        self.loading
    }

    /// Name of the model, as the loader gave it, possibly cut.
    pub fn model_name(&self) -> &str {
        &self.model_name
    }

    /// What the sentence of the error page is about.
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// The sentence of the error page.
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    /// What the sensors said last.
    pub const fn readings(&self) -> Readings {
        self.readings
    }

    /// Changes whenever a page that was shown before is out of date as a whole, and not only longer: a
    /// picture of the same state and content need not be drawn anew.
    pub const fn content(&self) -> u32 {
        self.content
    }
}
