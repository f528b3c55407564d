//! ChatML, the turns that Qwen models were trained on.
//!
//! ```text
//! <|im_start|>system
//! Answer in one sentence.<|im_end|>
//! <|im_start|>user
//! What is this station called?<|im_end|>
//! <|im_start|>assistant
//! ```
//!
//! What people say is text and nothing else: `<|im_end|>` in a user's turn stays ten characters.

use heapless::{String, Vec};

use crate::gguf::Gguf;

/// Turns that a conversation may have at once.
pub const MAX_TURNS: usize = 64;

const START: &str = "<|im_start|>";
const END: &str = "<|im_end|>";

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Role {
    /// Whoever set the model up.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The first line of the role's turn.
    const fn header(self) -> &'static str {
        match self {
            Self::System => "system\n",
            Self::User => "user\n",
            Self::Assistant => "assistant\n",
        }
    }
}

/// A conversation, borrowed from whoever keeps its texts.
#[derive(Clone, Debug, Default)]
pub struct Chat<'t> {
    turns: Vec<(Role, &'t str), MAX_TURNS>,
    overflowed: bool,
}

/// A piece of the prompt that a conversation makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// A special token, by its name.
    Special(&'static str),
    /// Text without special tokens: `head` and `tail` as one.
    Text {
        /// What the format puts before the turn's text.
        head: &'static str,
        /// The turn's text.
        tail: &'t str,
    },
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

    /// Whether there were more turns than [`MAX_TURNS`], so that this is not the whole conversation.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Its turns, in order.
    pub fn turns(&self) -> &[(Role, &'t str)] {
        &self.turns
    }

    /// The prompt for the assistant's next turn. A conversation that does not begin with a system turn
    /// gets `default_system`, if there is one.
    pub fn pieces<'s>(
        &'s self,
        default_system: Option<&'t str>,
    ) -> impl Iterator<Item = Piece<'t>> + use<'s, 't> {
        let starts_with_system = matches!(self.turns.first(), Some((Role::System, _)));
        let default = default_system
            .filter(|_| !starts_with_system)
            .map(|text| (Role::System, text));
        let open = [
            Piece::Special(START),
            Piece::Text {
                head: Role::Assistant.header(),
                tail: "",
            },
        ];
        default
            .into_iter()
            .chain(self.turns.iter().copied())
            .flat_map(turn_pieces)
            .chain(open)
    }
}

fn turn_pieces((role, text): (Role, &str)) -> [Piece<'_>; 4] {
    [
        Piece::Special(START),
        Piece::Text {
            head: role.header(),
            tail: text,
        },
        Piece::Special(END),
        Piece::Text {
            head: "\n",
            tail: "",
        },
    ]
}

/// Bytes of a default system turn. The longest of the Qwen family has under 300.
pub const DEFAULT_SYSTEM_BYTES: usize = 1024;

/// The system turn that the file's own template puts before a conversation that has none.
///
/// It is what stands between `<|im_start|>system\n` and `<|im_end|>` in one literal of
/// `tokenizer.chat_template`, its escapes resolved. A branch that puts its text together (tools, a
/// given system turn) ends its literal in between and does not count. `None` if there is no such
/// literal, or if it has more than [`DEFAULT_SYSTEM_BYTES`] bytes.
pub fn default_system(gguf: &Gguf<'_>) -> Option<String<DEFAULT_SYSTEM_BYTES>> {
    let template = gguf.get("tokenizer.chat_template")?.as_str()?;
    let mut literals = Literals {
        rest: template,
        in_block: false,
    };
    literals.find_map(|(literal, has_escapes)| {
        let (_, turn) = literal.split_once(START)?;
        let turn = turn.strip_prefix("system")?;
        let text = turn
            .strip_prefix('\n')
            .or_else(|| turn.strip_prefix("\\n").filter(|_| has_escapes))?;
        let (text, _) = text.split_once(END)?;
        if has_escapes {
            unescaped(text)
        } else {
            String::try_from(text).ok()
        }
    })
}

/// The literal texts of a Jinja template, each with whether it is written with escapes: string
/// literals in `{{ }}` and `{% %}` are, what is outside of them is not. Comments are left out.
struct Literals<'t> {
    rest: &'t str,
    in_block: bool,
}

impl<'t> Iterator for Literals<'t> {
    type Item = (&'t str, bool);

    fn next(&mut self) -> Option<(&'t str, bool)> {
        while !self.rest.is_empty() {
            let literal = if self.in_block {
                self.in_block()
            } else {
                self.outside()
            };
            if literal.is_some() {
                return literal;
            }
        }
        None
    }
}

impl<'t> Literals<'t> {
    /// Reads up to the next block and into it.
    fn outside(&mut self) -> Option<(&'t str, bool)> {
        let opening = ["{{", "{%", "{#"]
            .iter()
            .filter_map(|&opening| Some((self.rest.find(opening)?, opening)))
            .min();
        let Some((at, opening)) = opening else {
            return Some((core::mem::take(&mut self.rest), false));
        };
        let text = &self.rest[..at];
        self.rest = &self.rest[at + opening.len()..];
        if opening == "{#" {
            self.rest = self.rest.split_once("#}").map_or("", |(_, rest)| rest);
        } else {
            self.in_block = true;
        }
        (!text.is_empty()).then_some((text, false))
    }

    /// Reads up to the next string literal and over it, or out of the block.
    fn in_block(&mut self) -> Option<(&'t str, bool)> {
        let Some((at, found)) = self
            .rest
            .char_indices()
            .find(|(_, c)| matches!(c, '\'' | '"' | '}'))
        else {
            self.rest = "";
            return None;
        };
        let (before, rest) = self.rest.split_at(at);
        self.rest = &rest[1..];
        if found == '}' {
            if before.ends_with('%') {
                self.in_block = false;
            } else if let Some(rest) = self.rest.strip_prefix('}') {
                self.rest = rest;
                self.in_block = false;
            }
            return None;
        }
        let mut escaped = false;
        let end = self.rest.find(|c| {
            let ends = c == found && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (literal, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.strip_prefix(found).unwrap_or_default();
        Some((literal, true))
    }
}

/// The text that a string literal stands for; `None` if it is too long.
fn unescaped(literal: &str) -> Option<String<DEFAULT_SYSTEM_BYTES>> {
    let mut text = String::new();
    let mut chars = literal.chars();
    while let Some(c) = chars.next() {
        let c = match (c, chars.clone().next()) {
            ('\\', Some(escape @ ('\\' | '\'' | '"' | 'n' | 't' | 'r'))) => {
                chars.next();
                match escape {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    itself => itself,
                }
            }
            // Any other backslash stands for itself.
            _ => c,
        };
        text.push(c).ok()?;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::{Chat, DEFAULT_SYSTEM_BYTES, MAX_TURNS, default_system};
    use crate::gguf::{Gguf, writer::Writer};

    fn rendered(chat: &Chat<'_>, default: Option<&'static str>) -> String {
        chat.pieces(default)
            .map(|piece| match piece {
                super::Piece::Special(text) => String::from(text),
                super::Piece::Text { head, tail } => std::format!("{head}{tail}"),
            })
            .collect()
    }

    #[test]
    fn turns_are_rendered_as_chatml() {
        let chat = Chat::new()
            .system("Be brief.")
            .user("Hi")
            .assistant("Hello.")
            .user("<|im_end|>");
        let expected = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
            <|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\n<|im_end|><|im_end|>\n<|im_start|>assistant\n";
        assert_eq!(rendered(&chat, Some("unused")), expected);
    }

    #[test]
    fn a_conversation_without_system_turn_gets_the_default() {
        let chat = Chat::new().user("Hi");
        assert!(
            rendered(&chat, Some("Help."))
                .starts_with("<|im_start|>system\nHelp.<|im_end|>\n<|im_start|>user")
        );
        assert!(rendered(&chat, None).starts_with("<|im_start|>user\nHi"));
    }

    #[test]
    fn too_many_turns_are_noticed() {
        let full = (0..MAX_TURNS).fold(Chat::new(), |chat, _| chat.user("x"));
        assert!(!full.overflowed());
        assert!(full.user("y").overflowed());
    }

    fn default_of(template: &str) -> Option<String> {
        let file = Writer::new()
            .str("tokenizer.chat_template", template)
            .finish();
        let gguf = Gguf::parse(&file).unwrap();
        default_system(&gguf).map(|text| String::from(text.as_str()))
    }

    #[test]
    fn the_default_is_the_templates_literal() {
        let cases = [
            (
                r"{{- '<|im_start|>system\n' }}{{- 'You are Q.' }}{%- else %}{{- '<|im_start|>system\nYou are Q. Help.<|im_end|>\n' }}",
                Some("You are Q. Help."),
            ),
            (
                r"{% if not system %}{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}",
                Some("You are a helpful assistant."),
            ),
            (
                "{% if x == {'a': 1} %}{{ '<|im_start|>system\nA line break as it is.<|im_end|>\n' }}",
                Some("A line break as it is."),
            ),
            (
                "{% if x %}<|im_start|>system\nOutside, with it's \\n.<|im_end|>\n{% endif %}",
                Some("Outside, with it's \\n."),
            ),
            (
                r#"{{ "<|im_start|>system\nPut your \"answer\" in \\boxed{} — it's\ngood.<|im_end|>" }}"#,
                Some("Put your \"answer\" in \\boxed{} — it's\ngood."),
            ),
            (r"{{ '<|im_start|>system\n<|im_end|>' }}", Some("")),
        ];
        for (template, expected) in cases {
            assert_eq!(default_of(template).as_deref(), expected, "{template}");
        }
    }

    #[test]
    fn a_template_that_puts_the_system_turn_together_has_no_default() {
        for template in [
            "",
            r"{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}",
            "<|im_start|>system\n{{ system }}<|im_end|>",
            r"<|im_start|>system\nnot a line break<|im_end|>",
            r"{# '<|im_start|>system\nYou are a comment.<|im_end|>' #}",
            "{# <|im_start|>system\nYou are a comment.<|im_end|>",
            r"{{ '<|im_start|>user\nHi<|im_end|>' }}",
            r"{{ '<|im_start|>system\nNot ended",
            r"{{ '\",
            "{{",
            "{% }",
        ] {
            assert_eq!(default_of(template), None, "{template}");
        }
    }

    #[test]
    fn a_default_that_is_too_long_is_none_and_not_half_of_one() {
        let template =
            |text: &str| std::format!("{{{{ '<|im_start|>system\\n{text}<|im_end|>' }}}}");
        let longest = "x".repeat(DEFAULT_SYSTEM_BYTES);
        assert_eq!(default_of(&template(&longest)), Some(longest.clone()));
        assert_eq!(default_of(&template(&(longest + "x"))), None);
    }
}
