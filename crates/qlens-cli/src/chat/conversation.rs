//! What was said so far.

use std::collections::VecDeque;

use qlens::chat::{Chat, Role};
use serde::{Deserialize, Serialize};

/// A question and, unless it is still to come, its answer.
#[derive(Serialize, Deserialize)]
struct Turn {
    /// Who asks: a person, or a tool that gives back what it was called for.
    #[serde(with = "Asking")]
    role: Role,
    question: String,
    answer: Option<String>,
}

/// The roles that ask, as they are kept in a file.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Role", rename_all = "lowercase")]
enum Asking {
    User,
    Tool,
    #[serde(skip)]
    System,
    #[serde(skip)]
    Assistant,
}

/// A system text, which stays, and turns, of which the oldest may be forgotten.
#[derive(Serialize, Deserialize)]
pub struct Conversation {
    system: Option<String>,
    turns: VecDeque<Turn>,
}

impl Conversation {
    /// Without turns. Where there is no system text, the model's own default applies.
    pub fn new(system: Option<String>) -> Self {
        Self {
            system,
            turns: VecDeque::new(),
        }
    }

    /// Begins with another system text from now on.
    pub fn set_system(&mut self, system: String) {
        self.system = Some(system);
    }

    /// Adds a question, or what a tool gave back.
    pub fn ask(&mut self, role: Role, question: String) {
        self.turns.push_back(Turn {
            role,
            question,
            answer: None,
        });
    }

    /// Adds the answer to the last question.
    pub fn answer(&mut self, answer: String) {
        if let Some(turn) = self.turns.back_mut() {
            turn.answer = Some(answer);
        }
    }

    /// Removes the last question.
    pub fn take_back(&mut self) {
        self.turns.pop_back();
    }

    /// Removes the oldest question and its answer, and all that tools gave back for it; false if the last
    /// question is all there is.
    pub fn forget_oldest(&mut self) -> bool {
        let next = self
            .turns
            .iter()
            .skip(1)
            .position(|turn| turn.role == Role::User);
        // What a tool gave back makes no sense without the question before it, unless it is the last.
        let end = next.map_or_else(
            || self.turns.len().saturating_sub(1).min(1),
            |next| next + 1,
        );
        self.turns.drain(..end);
        end > 0
    }

    /// Removes all turns.
    pub fn clear(&mut self) {
        self.turns.clear();
    }

    /// As the runtime takes it.
    pub fn chat(&self) -> Chat<'_> {
        let begun = self
            .system
            .as_deref()
            .map_or_else(Chat::new, |system| Chat::new().system(system));
        self.turns.iter().fold(begun, |chat, turn| {
            let chat = chat.turn(turn.role, &turn.question);
            match &turn.answer {
                Some(answer) => chat.assistant(answer),
                None => chat,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_and_the_system_text_never() {
        let mut conversation = Conversation::new(Some("Be brief.".into()));
        for i in 0..3 {
            conversation.ask(Role::User, format!("question {i}"));
            conversation.answer(format!("answer {i}"));
        }
        conversation.ask(Role::User, "last".into());
        assert!(conversation.forget_oldest());
        assert_eq!(
            conversation.chat().turns(),
            [
                (Role::System, "Be brief."),
                (Role::User, "question 1"),
                (Role::Assistant, "answer 1"),
                (Role::User, "question 2"),
                (Role::Assistant, "answer 2"),
                (Role::User, "last"),
            ]
        );
        assert!(conversation.forget_oldest() && conversation.forget_oldest());
        assert!(!conversation.forget_oldest(), "the question itself stays");
        assert_eq!(
            conversation.chat().turns(),
            [(Role::System, "Be brief."), (Role::User, "last")]
        );
        conversation.take_back();
        assert_eq!(conversation.chat().turns(), [(Role::System, "Be brief.")]);
    }
}
