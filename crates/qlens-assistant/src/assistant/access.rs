//! What can be seen of the assistant from outside.

use qlens_board::NoteStore;

use super::{Assistant, Entry, Fault, Progress, Readings, State, Stop, TimeOfDay};
use crate::applications::notes::Notes;
use crate::applications::teleprompter::Teleprompter;
use crate::applications::translate::Translate;
use crate::conversation::Conversation;
use crate::layout::Pages;

impl<N> Assistant<N> {
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
        self.looking_up
    }

    /// The latest time that any event had, in microseconds.
    pub const fn now_us(&self) -> u64 {
        self.now_us
    }

    /// What [`set_wall_origin`](Self::set_wall_origin) was told.
    pub const fn wall_origin(&self) -> Option<u64> {
        self.dashboard.wall_origin
    }

    /// The time of day then, if it is known.
    pub fn time_of_day(&self) -> Option<TimeOfDay> {
        self.dashboard.unix_s(self.now_us).map(TimeOfDay::at)
    }

    /// The turns that are remembered.
    pub const fn conversation(&self) -> &Conversation {
        &self.ask.conversation
    }

    /// The entry of the menu that a tap opens.
    pub const fn chosen(&self) -> Entry {
        self.menu.chosen()
    }

    /// The captions, and what waits to be one.
    pub const fn captions(&self) -> &Translate {
        &self.translate
    }

    /// The notes.
    pub const fn notes(&self) -> &Notes<N> {
        &self.notes
    }

    /// The text to be read aloud.
    pub const fn teleprompter(&self) -> &Teleprompter {
        &self.teleprompter
    }

    /// What the model was asked last by the application that is open, if it asks any: a question, an
    /// utterance to translate, or for the summary of the notes. Empty if there is nothing.
    pub fn question(&self) -> &str
    where
        N: NoteStore,
    {
        match self.state {
            State::Captions | State::Translating => self.translate.utterance(),
            _ => self.sheet().heading,
        }
    }

    /// What the model said to it as far as that has come; empty if there is nothing.
    pub fn answer(&self) -> &str {
        match self.state {
            State::Captions | State::Translating => self.translate.caption(),
            state if state.is_of_notes() => self.notes.summary(),
            _ => self.ask.conversation.last_answer(),
        }
    }

    /// The pages of what is read, see [`Sheet`](super::Sheet).
    pub const fn pages(&self) -> &Pages {
        self.reader().pages()
    }

    /// The page that is looked at, from 0, always below the count.
    pub const fn page(&self) -> usize {
        self.reader().page()
    }

    /// Why the last answer of Ask ended; `None` as long as it goes on, or if it was cancelled.
    pub const fn ended(&self) -> Option<Stop> {
        self.ask.ended
    }

    /// Whether the model has been asked for a text, and no word of it is there.
    pub fn is_thinking(&self) -> bool {
        match self.state {
            State::Thinking => true,
            State::Summarizing => self.notes.summary().is_empty(),
            _ => false,
        }
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

    /// The state to which an error page leads that is put away.
    pub const fn back(&self) -> State {
        self.back
    }

    /// The sentence of the error page.
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    /// What the sensors said last.
    pub const fn readings(&self) -> Readings {
        self.dashboard.readings
    }

    /// Changes whenever a page that was shown before is out of date as a whole, and not only longer: a
    /// picture of the same state and content need not be drawn anew.
    pub const fn content(&self) -> u32 {
        self.content
    }
}
