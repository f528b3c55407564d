//! What the assistant is doing, and what it knows about the world around it.

use core::fmt;

/// What the assistant is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum State {
    /// The model is being loaded.
    Loading,
    /// Nothing: waiting for a long press.
    Idle,
    /// Waiting for what the user says.
    Listening,
    /// A question is with the model, no word of the answer is there.
    Thinking,
    /// The answer is being written.
    Answering,
    /// The answer is there to be read.
    Paging,
    /// Something went wrong, and a sentence says what.
    Error,
    /// What can be done, to choose from.
    Menu,
    /// Translate is open, and nothing is being translated.
    Captions,
    /// Translate is open, and an utterance is with the model.
    Translating,
    /// The list of notes.
    Notes,
    /// Notes is open, and their summary is being written.
    Summarizing,
    /// Notes is open, and their summary is there to be read.
    Summary,
    /// Notes is open, and asks whether to forget them all.
    Forgetting,
    /// A text to be read aloud.
    Teleprompter,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 15] = [
        Self::Loading,
        Self::Idle,
        Self::Listening,
        Self::Thinking,
        Self::Answering,
        Self::Paging,
        Self::Error,
        Self::Menu,
        Self::Captions,
        Self::Translating,
        Self::Notes,
        Self::Summarizing,
        Self::Summary,
        Self::Forgetting,
        Self::Teleprompter,
    ];

    /// The word for traces and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Idle => "idle",
            Self::Listening => "listening",
            Self::Thinking => "thinking",
            Self::Answering => "answering",
            Self::Paging => "paging",
            Self::Error => "error",
            Self::Menu => "menu",
            Self::Captions => "captions",
            Self::Translating => "translating",
            Self::Notes => "notes",
            Self::Summarizing => "summarizing",
            Self::Summary => "summary",
            Self::Forgetting => "forgetting",
            Self::Teleprompter => "teleprompter",
        }
    }

    /// Whether Notes is open: what is said is a note.
    pub(super) const fn is_of_notes(self) -> bool {
        matches!(
            self,
            Self::Notes | Self::Summarizing | Self::Summary | Self::Forgetting
        )
    }

    /// Whether the last line says that the sensors fell silent: what is open waits for what they hear.
    pub(super) const fn tells_of_silence(self) -> bool {
        matches!(
            self,
            Self::Captions | Self::Translating | Self::Notes | Self::Teleprompter
        )
    }

    /// Whether a look upwards opens the dashboard: not while somebody talks or reads along.
    pub(super) const fn may_open_dashboard(self) -> bool {
        matches!(
            self,
            Self::Idle
                | Self::Paging
                | Self::Error
                | Self::Menu
                | Self::Notes
                | Self::Summary
                | Self::Forgetting
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an error spoilt, which decides what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fault {
    /// There is no model. A tap tries to load it again.
    Load,
    /// The question was not answered, or not to its end. It can be asked again.
    Generation,
    /// What was said was not understood or not accepted. It can be said again.
    Speech,
}

/// How much of something is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Progress {
    /// Bytes or tokens done.
    pub done: u64,
    /// Bytes or tokens in all; 0 if unknown.
    pub total: u64,
}

impl Progress {
    /// Percent done, 0 to 100; 0 if the total is unknown.
    pub const fn percent(self) -> u32 {
        if self.total == 0 {
            return 0;
        }
        let done = if self.done < self.total {
            self.done
        } else {
            self.total
        };
        // Wide enough for any two u64.
        (done as u128 * 100 / self.total as u128) as u32
    }
}
