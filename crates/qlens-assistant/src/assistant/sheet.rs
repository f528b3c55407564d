//! What is read page by page, whatever it is: an answer, the notes, their summary, the teleprompter's text.

use qlens_board::NoteStore;

use super::{Assistant, State, Stop};
use crate::layout::{Pages, Reader};

/// Shown where the notes will be.
const NO_NOTES: &str = "What is said now is kept here.";
/// Shown where the teleprompter's text would be.
const NO_SCRIPT: &str = "There is no text. Ask for one first: the last answer is shown here.";

/// A text that is read page by page, and what stands around it.
#[derive(Clone, Copy, Debug)]
pub struct Sheet<'a> {
    /// Stands above the text.
    pub heading: &'a str,
    /// The text.
    pub text: &'a str,
    /// Whether there is none, and it only says so.
    pub is_empty: bool,
    /// The byte of the text before which it is done with, and dim.
    pub read: usize,
    /// Its pages.
    pub pages: &'a Pages,
    /// The page that is looked at, from 0.
    pub page: usize,
    /// Stands below it: what is going on with the text, or what can be done with it.
    pub hint: &'static str,
    /// Things that should be in the text and are lost.
    pub lost: u32,
}

impl<N> Assistant<N> {
    /// That the sensors fell silent, if they did and it is to be said.
    pub(crate) const fn silence(&self) -> Option<&'static str> {
        if self.silent && self.state.tells_of_silence() {
            Some("The sensors fell silent")
        } else {
            None
        }
    }

    pub(super) const fn reader(&self) -> &Reader {
        match self.state {
            State::Notes | State::Forgetting => &self.notes.reader,
            State::Summarizing | State::Summary => &self.notes.summary.reader,
            State::Teleprompter => &self.teleprompter.reader,
            _ => &self.ask.reader,
        }
    }
}

impl<N: NoteStore> Assistant<N> {
    /// What is read page by page in this state; the last answer if that is nothing else.
    pub fn sheet(&self) -> Sheet<'_> {
        let reader = self.reader();
        let sheet = Sheet {
            heading: "",
            text: "",
            is_empty: false,
            read: 0,
            pages: reader.pages(),
            page: reader.page(),
            hint: "",
            lost: 0,
        };
        match self.state {
            State::Notes | State::Forgetting => {
                let none = self.notes.count() == 0;
                Sheet {
                    heading: "Notes",
                    text: if none { NO_NOTES } else { self.notes.list() },
                    is_empty: none,
                    hint: match (self.silence(), none) {
                        (Some(silence), _) => silence,
                        (None, true) => "",
                        (None, false) => "Tap to sum up",
                    },
                    lost: self.notes.lost(),
                    ..sheet
                }
            }
            State::Summarizing | State::Summary => Sheet {
                heading: "Summary of the notes",
                text: self.notes.summary(),
                hint: writing(self.state == State::Summarizing, self.notes.summary.ended),
                ..sheet
            },
            State::Teleprompter => {
                let script = self.teleprompter.script();
                let none = script.is_empty();
                Sheet {
                    heading: "Teleprompter",
                    text: if none { NO_SCRIPT } else { script },
                    is_empty: none,
                    read: self.teleprompter.read(),
                    hint: self.silence().unwrap_or_default(),
                    ..sheet
                }
            }
            _ => Sheet {
                heading: self.ask.conversation.last_question(),
                text: self.ask.conversation.last_answer(),
                hint: writing(self.state == State::Answering, self.ask.ended),
                ..sheet
            },
        }
    }
}

/// What is going on with a text that the model writes.
fn writing(goes_on: bool, ended: Option<Stop>) -> &'static str {
    match (goes_on, ended) {
        (true, _) => "…",
        (_, Some(Stop::MaxTokens | Stop::ContextFull | Stop::Deadline)) => "Cut short",
        _ => "",
    }
}
