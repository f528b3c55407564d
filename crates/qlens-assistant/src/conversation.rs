//! What was said so far, in a fixed amount of memory: the model forgets everything between two
//! prompts, so the application keeps the turns and hands all of them over each time.
//!
//! All texts lie in one buffer, oldest first, and the oldest turns leave when room is needed. The
//! system prompt lies apart and never leaves.

use core::fmt;

use heapless::{String, Vec};
use qlens::chat::Chat;
use qlens_board::event::UTTERANCE_BYTES;

/// Longest system prompt, in bytes of UTF-8.
pub const SYSTEM_BYTES: usize = 2048;
/// Longest question, in bytes of UTF-8: one utterance.
pub const QUESTION_BYTES: usize = UTTERANCE_BYTES;
/// Longest answer, in bytes of UTF-8. What a model says beyond it is not generated.
pub const ANSWER_BYTES: usize = 8192;
/// Room for the questions and answers of all turns that are kept, in bytes of UTF-8.
pub const HISTORY_BYTES: usize = 16 * 1024;
/// Turns that are kept at most.
pub const MAX_TURNS: usize = 16;

// A turn alone always fits: the current one is never dropped to make room for itself.
const _: () = assert!(QUESTION_BYTES + ANSWER_BYTES <= HISTORY_BYTES);
// The system prompt and all questions and answers: no chat loses one.
const _: () = assert!(2 * MAX_TURNS < qlens::chat::MAX_TURNS);

/// Why a text was not taken into the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The system prompt is longer than [`SYSTEM_BYTES`].
    SystemTooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The question is longer than [`QUESTION_BYTES`].
    QuestionTooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The answer would become longer than [`ANSWER_BYTES`].
    AnswerFull {
        /// The bytes that it has.
        bytes: usize,
    },
    /// There is no question yet that an answer could belong to.
    NoQuestion,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SystemTooLong { bytes } => write!(
                f,
                "the system prompt has {bytes} bytes, at most {SYSTEM_BYTES} fit"
            ),
            Self::QuestionTooLong { bytes } => write!(
                f,
                "the question has {bytes} bytes, at most {QUESTION_BYTES} fit"
            ),
            Self::AnswerFull { bytes } => write!(
                f,
                "the answer has {bytes} bytes and at most {ANSWER_BYTES} fit"
            ),
            Self::NoQuestion => f.write_str("an answer came before any question was asked"),
        }
    }
}

impl core::error::Error for Error {}

/// Lengths in bytes of one turn's two texts.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    question: usize,
    answer: usize,
}

/// The system prompt and the turns that are remembered, oldest first.
#[derive(Debug, Default)]
pub struct Conversation {
    system: Option<String<SYSTEM_BYTES>>,
    /// Question and answer of every turn, one after the other, without gaps.
    text: String<HISTORY_BYTES>,
    turns: Vec<Turn, MAX_TURNS>,
}

impl Conversation {
    /// An empty conversation without a system prompt.
    pub const fn new() -> Self {
        Self {
            system: None,
            text: String::new(),
            turns: Vec::new(),
        }
    }

    /// Sets or removes the system prompt. `None` leaves it to the model's own template.
    ///
    /// # Errors
    /// [`Error::SystemTooLong`]; the old one then stays.
    pub fn set_system(&mut self, system: Option<&str>) -> Result<(), Error> {
        self.system = match system {
            None => None,
            Some(text) => Some(
                String::try_from(text).map_err(|_| Error::SystemTooLong { bytes: text.len() })?,
            ),
        };
        Ok(())
    }

    /// The system prompt, if one was set.
    pub fn system(&self) -> Option<&str> {
        self.system.as_deref()
    }

    /// Turns that are remembered, the one that is being answered included.
    pub fn turns(&self) -> usize {
        self.turns.len()
    }

    /// Begins a turn. The oldest turns leave if the memory for text or for turns is full.
    ///
    /// # Errors
    /// [`Error::QuestionTooLong`]; nothing changed then.
    pub fn ask(&mut self, question: &str) -> Result<(), Error> {
        let bytes = question.len();
        if bytes > QUESTION_BYTES {
            return Err(Error::QuestionTooLong { bytes });
        }
        while self.turns.is_full() || self.text.len() + bytes > HISTORY_BYTES {
            self.drop_front();
        }
        let turn = Turn {
            question: bytes,
            answer: 0,
        };
        // Both fit: the loop above made room, or the conversation is empty.
        if self.text.push_str(question).is_ok() {
            let _ = self.turns.push(turn);
        }
        Ok(())
    }

    /// Appends to the answer of the newest turn. Older turns leave if the memory is full.
    ///
    /// # Errors
    /// [`Error::AnswerFull`] if the piece does not fit whole; the part that fits, up to a character
    /// boundary, was appended. [`Error::NoQuestion`] if there is no turn.
    pub fn answer(&mut self, piece: &str) -> Result<(), Error> {
        let Some(turn) = self.turns.last() else {
            return Err(Error::NoQuestion);
        };
        let fits = piece.floor_char_boundary(ANSWER_BYTES - turn.answer);
        while self.text.len() + fits > HISTORY_BYTES && self.turns.len() > 1 {
            self.drop_front();
        }
        if self.text.push_str(&piece[..fits]).is_ok()
            && let Some(turn) = self.turns.last_mut()
        {
            turn.answer += fits;
        }
        if fits < piece.len() {
            return Err(Error::AnswerFull {
                bytes: self.last_answer().len(),
            });
        }
        Ok(())
    }

    /// Removes the newest turn: its question was taken back.
    pub fn take_back(&mut self) {
        if let Some(turn) = self.turns.pop() {
            self.text
                .truncate(self.text.len() - turn.question - turn.answer);
        }
    }

    /// Removes the oldest turn to make room in the model's context. The newest turn stays.
    ///
    /// Returns whether there was one to remove.
    pub fn drop_oldest(&mut self) -> bool {
        let more = self.turns.len() > 1;
        if more {
            self.drop_front();
        }
        more
    }

    fn drop_front(&mut self) {
        if self.turns.is_empty() {
            return;
        }
        let turn = self.turns.remove(0);
        self.text.drain(..turn.question + turn.answer);
    }

    /// The newest question, empty if there is none.
    pub fn last_question(&self) -> &str {
        let turn = self.turns.last().copied().unwrap_or_default();
        let end = self.text.len() - turn.answer;
        &self.text[end - turn.question..end]
    }

    /// The answer to the newest question as far as it has come, empty if there is none.
    pub fn last_answer(&self) -> &str {
        let turn = self.turns.last().copied().unwrap_or_default();
        &self.text[self.text.len() - turn.answer..]
    }

    /// Questions and answers, oldest turn first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut at = 0;
        self.turns.iter().map(move |turn| {
            let answer = at + turn.question;
            let end = answer + turn.answer;
            let both = (&self.text[at..answer], &self.text[answer..end]);
            at = end;
            both
        })
    }

    /// The conversation as the runtime takes it: the system prompt if one was set, then the turns.
    ///
    /// Every turn but the last has an answer, so the rendered prompt ends where the next answer begins. A
    /// model that may think is asked not to: whoever wears the glasses waits for the first word.
    pub fn chat(&self) -> Chat<'_> {
        let mut chat = Chat::new().with_thinking(Some(false));
        if let Some(system) = &self.system {
            chat = chat.system(system);
        }
        for (question, answer) in self.iter() {
            chat = chat.user(question);
            if !answer.is_empty() {
                chat = chat.assistant(answer);
            }
        }
        chat
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::{String, ToString};
    use std::vec::Vec;

    use qlens::chat::Role;

    use super::*;

    fn turns(conversation: &Conversation) -> Vec<(&str, &str)> {
        conversation.iter().collect()
    }

    #[test]
    fn the_chat_is_the_system_prompt_and_the_turns_in_order() {
        let mut conversation = Conversation::new();
        conversation.set_system(Some("Be brief.")).expect("fits");
        conversation.ask("one?").expect("fits");
        conversation.answer("1").expect("fits");
        conversation.answer("!").expect("fits");
        conversation.ask("two?").expect("fits");
        let expected = [
            (Role::System, "Be brief."),
            (Role::User, "one?"),
            (Role::Assistant, "1!"),
            (Role::User, "two?"),
        ];
        assert_eq!(conversation.chat().turns(), expected);
        conversation.set_system(None).expect("fits");
        assert_eq!(conversation.chat().turns(), &expected[1..]);
        assert!(!conversation.chat().overflowed());
    }

    #[test]
    fn what_is_too_long_changes_nothing() {
        let mut conversation = Conversation::new();
        conversation.set_system(Some("Be brief.")).expect("fits");
        conversation.ask("one?").expect("fits");
        let long = "a".repeat(SYSTEM_BYTES + 1);
        let error = conversation.set_system(Some(&long));
        assert_eq!(error, Err(Error::SystemTooLong { bytes: 2049 }));
        let long = "a".repeat(QUESTION_BYTES + 1);
        let error = conversation.ask(&long).expect_err("does not fit");
        assert_eq!(
            error.to_string(),
            "the question has 1025 bytes, at most 1024 fit"
        );
        assert_eq!(conversation.system(), Some("Be brief."));
        assert_eq!(turns(&conversation), [("one?", "")]);
        let most = "a".repeat(QUESTION_BYTES);
        assert_eq!(conversation.ask(&most), Ok(()));
    }

    #[test]
    fn an_answer_is_cut_at_a_character() {
        let mut conversation = Conversation::new();
        assert_eq!(conversation.answer("early"), Err(Error::NoQuestion));
        conversation.ask("?").expect("fits");
        // Three bytes each, and the bound is not a multiple of three.
        let character = "\u{7AD9}";
        for _ in 0..ANSWER_BYTES / 3 {
            conversation.answer(character).expect("fits");
        }
        let full = Err(Error::AnswerFull { bytes: 8190 });
        assert_eq!(conversation.answer(character), full);
        assert_eq!(conversation.answer("ab"), Ok(()));
        let error = conversation.answer("c").expect_err("does not fit");
        assert_eq!(
            error.to_string(),
            "the answer has 8192 bytes and at most 8192 fit"
        );
        assert!(conversation.last_answer().ends_with("\u{7AD9}ab"));
    }

    #[test]
    fn the_oldest_turns_leave_when_the_memory_is_full() {
        let mut conversation = Conversation::new();
        let answer = "x".repeat(ANSWER_BYTES);
        for question in ["one", "two", "three"] {
            conversation.ask(question).expect("fits");
            conversation.answer(&answer).expect("fits");
        }
        assert_eq!(turns(&conversation), [("three", &*answer)]);
        for number in 0..2 * MAX_TURNS {
            conversation.ask(&number.to_string()).expect("fits");
            conversation.answer("y").expect("fits");
        }
        assert_eq!(conversation.turns(), MAX_TURNS);
        assert_eq!(turns(&conversation)[0], ("16", "y"));
        assert_eq!(conversation.last_question(), "31");
    }

    #[test]
    fn dropping_and_taking_back_leave_the_others_whole() {
        let mut conversation = Conversation::new();
        assert!(!conversation.drop_oldest());
        conversation.take_back();
        for (question, answer) in [("one?", "1"), ("two?", "22"), ("three?", "")] {
            conversation.ask(question).expect("fits");
            conversation.answer(answer).expect("fits");
        }
        assert!(conversation.drop_oldest());
        assert_eq!(turns(&conversation), [("two?", "22"), ("three?", "")]);
        conversation.take_back();
        assert_eq!(turns(&conversation), [("two?", "22")]);
        assert!(!conversation.drop_oldest());
        assert_eq!(conversation.last_answer(), "22");
        conversation.take_back();
        assert_eq!(conversation.last_question(), String::new());
    }
}
