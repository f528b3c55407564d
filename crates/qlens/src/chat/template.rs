//! Which form a file wants conversations in. Its Jinja template is not run, there being no heap to run it
//! in; what the templates of the Qwen family do differently is told by what they contain, never by a
//! model's name.

use heapless::String;

use super::{END_THINK, THINK, literals};
use crate::gguf::Gguf;

/// The metadata key of a file's own template.
const KEY: &str = "tokenizer.chat_template";

/// The generations of the family's templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Style {
    /// Qwen2 and Qwen2.5: turns as they are, tool calls in JSON. Also of files without a template.
    ChatMl,
    /// Qwen3: what was thought in earlier answers is left out.
    Qwen3,
    /// Qwen3.5: likewise; texts are trimmed, tool calls are in XML.
    Qwen35,
}

/// Whether a model thinks before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Thinking {
    /// It does not.
    Never,
    /// As it is told.
    Choice {
        /// What applies where nobody says.
        default: bool,
    },
    /// Its template begins every answer with a thought.
    Always,
}

/// The form in which a file wants conversations.
///
/// Its texts are those of the file's own template wherever that is one of the family's, for
/// conversations that it accepts: it refuses none, though Qwen3.5's wants a question in each and no system
/// turn but the first.
#[derive(Clone, Debug)]
pub struct Template {
    pub(super) style: Style,
    pub(super) default_system: Option<String<{ literals::DEFAULT_SYSTEM_BYTES }>>,
    thinking: Thinking,
    takes_tools: bool,
    /// The prompt begins a thought, which the model would otherwise do by itself.
    pub(super) opens: bool,
    /// In the answers that follow the last question, an empty thought is written down.
    pub(super) keeps_empty: bool,
}

impl Template {
    /// That of a file.
    pub fn of(gguf: &Gguf<'_>) -> Self {
        Self::from_jinja(Self::source(gguf).unwrap_or_default())
    }

    /// A file's own template, in Jinja.
    pub fn source<'m>(gguf: &Gguf<'m>) -> Option<&'m str> {
        gguf.get(KEY)?.as_str()
    }

    /// The form that a Jinja template stands for, if it is one of the family's; the nearest otherwise.
    pub fn from_jinja(source: &str) -> Self {
        let thinks = source.contains(END_THINK);
        let style = match (thinks, source.contains("<function=")) {
            (false, _) => Style::ChatMl,
            (true, false) => Style::Qwen3,
            (true, true) => Style::Qwen35,
        };
        let opens = literals::Literals::of(source)
            .any(|(text, has_escapes)| has_escapes && opens_thought(text));
        let thinking = if source.contains("enable_thinking") {
            // Small models do not think unless they are told to.
            let default = !source.contains("enable_thinking is true");
            Thinking::Choice { default }
        } else if opens {
            Thinking::Always
        } else {
            Thinking::Never
        };
        Self {
            style,
            default_system: literals::default_system(source),
            thinking,
            takes_tools: source.contains("<tools>"),
            opens,
            keeps_empty: !source.contains("and reasoning_content %}"),
        }
    }

    /// Which of the family's templates it is.
    pub fn style(&self) -> Style {
        self.style
    }

    /// Whether the model thinks.
    pub fn thinking(&self) -> Thinking {
        self.thinking
    }

    /// Whether the model was trained to call tools. The definitions are rendered if it was not, too.
    pub fn takes_tools(&self) -> bool {
        self.takes_tools
    }

    /// The system turn that stands before a conversation that has none.
    ///
    /// It is what stands between `<|im_start|>system\n` and `<|im_end|>` in one literal of the file's own
    /// template, its escapes resolved. A branch that puts its text together (tools, a given system turn)
    /// ends its literal in between and does not count. `None` if there is no such literal, or if it has
    /// more than [`DEFAULT_SYSTEM_BYTES`](super::DEFAULT_SYSTEM_BYTES) bytes.
    pub fn default_system(&self) -> Option<&str> {
        self.default_system.as_deref()
    }

    /// Whether a conversation is to be answered with thinking, which may be asked for or ruled out.
    pub fn thinks(&self, asked: Option<bool>) -> bool {
        match self.thinking {
            Thinking::Never => false,
            Thinking::Choice { default } => asked.unwrap_or(default),
            Thinking::Always => asked.unwrap_or(true),
        }
    }
}

/// Whether a literal with escapes is what begins an answer with a thought. Where a thought of the past is
/// written down, a line break is before the tag, and where one is taken apart there is none behind it.
fn opens_thought(literal: &str) -> bool {
    literal
        .strip_suffix("\\n")
        .and_then(|literal| literal.strip_suffix(THINK))
        .is_some_and(|before| before.is_empty() || before.ends_with("assistant\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_template_contains_tells_which_it_is() {
        let never = Thinking::Never;
        let choice = |default| Thinking::Choice { default };
        let cases = [
            ("", Style::ChatMl, never, false, false),
            ("{{ '<tools>' }}", Style::ChatMl, never, false, true),
            (
                "{{ x.split('</think>')[0].split('<think>') }}{% if enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}",
                Style::Qwen3,
                choice(true),
                false,
                false,
            ),
            (
                "{{ '\\n<think>\\n' + x + '</think>' }}{{ '<function=' }}{% if enable_thinking is true %}{{ '<think>\\n' }}",
                Style::Qwen35,
                choice(false),
                true,
                false,
            ),
            (
                r"{{ '</think>' }}{{ '<|im_start|>assistant\n<think>\n' }}",
                Style::Qwen3,
                Thinking::Always,
                true,
                false,
            ),
        ];
        for (source, style, thinking, opens, takes_tools) in cases {
            let template = Template::from_jinja(source);
            assert_eq!(template.style(), style, "{source}");
            assert_eq!(template.thinking(), thinking, "{source}");
            assert_eq!(template.opens, opens, "{source}");
            assert_eq!(template.takes_tools(), takes_tools, "{source}");
        }
    }

    #[test]
    fn asking_decides_where_there_is_a_choice() {
        let thinks = |thinking, asked| {
            Template {
                thinking,
                ..Template::from_jinja("")
            }
            .thinks(asked)
        };
        assert!(!thinks(Thinking::Never, Some(true)));
        assert!(thinks(Thinking::Always, None) && !thinks(Thinking::Always, Some(false)));
        for default in [false, true] {
            let choice = Thinking::Choice { default };
            assert_eq!(thinks(choice, None), default);
            assert_eq!(thinks(choice, Some(!default)), !default);
        }
    }
}
