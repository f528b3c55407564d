//! A conversation as the pieces of its prompt.

use super::{
    CALL, Chat, END, END_CALL, END_RESPONSE, END_THINK, RESPONSE, Role, START, Style, THINK,
    Template,
};

/// A piece of the prompt that a conversation makes. Neighbouring texts are one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// A special token by its name, or, where the vocabulary has none of that name, text.
    Special(&'t str),
    /// Text without special tokens, whatever it looks like.
    Text(&'t str),
}

/// Between the definitions of tools and what came before them, and behind them, where calls are in JSON.
const JSON_TOOLS: [&str; 2] = [
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided \
     with function signatures within <tools></tools> XML tags:\n<tools>\n",
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within \
     <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": \
     <args-json-object>}\n</tool_call>",
];

/// The same where they are in XML.
const XML_TOOLS: [&str; 2] = [
    "# Tools\n\nYou have access to the following functions:\n\n<tools>\n",
    "\n</tools>\n\nIf you choose to call a function ONLY reply in the following format with NO \
     suffix:\n\n<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>\nvalue_1\n\
     </parameter>\n<parameter=example_parameter_2>\nThis is the value for the second parameter\nthat can \
     span\nmultiple lines\n</parameter>\n</function>\n</tool_call>\n\n<IMPORTANT>\nReminder:\n- Function \
     calls MUST follow the specified format: an inner <function=...></function> block must be nested within \
     <tool_call></tool_call> XML tags\n- Required parameters MUST be specified\n- You may provide optional \
     reasoning for your function call in natural language BEFORE the function call, but NOT after\n- If there \
     is no function call available, answer the question like normal with your current knowledge and do not \
     tell the user about function calls\n</IMPORTANT>",
];

/// Tags that an answer or a template may have as special tokens.
const TAGS: [&str; 4] = [THINK, END_THINK, CALL, END_CALL];

/// Takes pieces one after the other.
type Out<'o, 'p, E> = &'o mut dyn FnMut(Piece<'p>) -> Result<(), E>;

impl Template {
    /// Hands the pieces of the prompt for the assistant's next turn to `out`, in order.
    ///
    /// # Errors
    /// Those of `out`, at once.
    pub fn render<'p, E>(&'p self, chat: &'p Chat<'_>, out: Out<'_, 'p, E>) -> Result<(), E> {
        self.preamble(chat, out)?;
        let is_first_system = matches!(chat.turns.first(), Some((Role::System, _)));
        let last_query = self.last_query(chat);
        for (i, &(role, text)) in chat.turns.iter().enumerate() {
            let text = self.trimmed(text);
            match role {
                Role::System if i == 0 && is_first_system => {}
                Role::System | Role::User => {
                    header(role, out)?;
                    out(Piece::Text(text))?;
                    close(out)?;
                }
                Role::Assistant => {
                    header(role, out)?;
                    let is_last = i + 1 == chat.turns.len();
                    self.answer(text, i > last_query, is_last, out)?;
                    close(out)?;
                }
                Role::Tool => {
                    let is_tool =
                        |turn: Option<&(Role, &str)>| matches!(turn, Some((Role::Tool, _)));
                    if !is_tool(i.checked_sub(1).and_then(|before| chat.turns.get(before))) {
                        out(Piece::Special(START))?;
                        out(Piece::Text(Role::User.name()))?;
                    }
                    out(Piece::Text("\n"))?;
                    out(Piece::Special(RESPONSE))?;
                    out(Piece::Text("\n"))?;
                    out(Piece::Text(text))?;
                    out(Piece::Text("\n"))?;
                    out(Piece::Special(END_RESPONSE))?;
                    if !is_tool(chat.turns.get(i + 1)) {
                        close(out)?;
                    }
                }
            }
        }
        header(Role::Assistant, out)?;
        self.beginning(self.thinks(chat.thinking), out)
    }

    /// The system turn, with what it says of tools.
    fn preamble<'p, E>(&'p self, chat: &'p Chat<'_>, out: Out<'_, 'p, E>) -> Result<(), E> {
        let given = match chat.turns.first() {
            Some(&(Role::System, text)) => Some(self.trimmed(text)),
            _ => None,
        };
        let system = given.or(self.default_system.as_deref());
        if chat.tools.is_empty() {
            let Some(system) = system else {
                return Ok(());
            };
            header(Role::System, out)?;
            out(Piece::Text(system))?;
            return close(out);
        }
        header(Role::System, out)?;
        let [before, behind] = if self.style == Style::Qwen35 {
            XML_TOOLS
        } else {
            if let Some(system) = system {
                out(Piece::Text(system))?;
                out(Piece::Text("\n\n"))?;
            }
            JSON_TOOLS
        };
        out(Piece::Text(before))?;
        out(Piece::Text(chat.tools))?;
        tagged(behind, out)?;
        if self.style == Style::Qwen35
            && let Some(system) = system.filter(|system| !system.is_empty())
        {
            out(Piece::Text("\n\n"))?;
            out(Piece::Text(system))?;
        }
        close(out)
    }

    /// An answer of the past.
    fn answer<'p, E>(
        &self,
        text: &'p str,
        is_after_query: bool,
        is_last: bool,
        out: Out<'_, 'p, E>,
    ) -> Result<(), E> {
        if self.style == Style::ChatMl {
            return tagged(text, out);
        }
        let (thought, mut said) = split_thought(text);
        let (thought, is_kept) = if self.style == Style::Qwen3 {
            (thought, is_last || !thought.is_empty())
        } else {
            let thought = thought.trim();
            (thought, self.keeps_empty || !thought.is_empty())
        };
        if is_after_query && is_kept {
            out(Piece::Special(THINK))?;
            out(Piece::Text("\n"))?;
            if self.style == Style::Qwen3 {
                said = said.trim_start_matches('\n');
                out(Piece::Text(thought.trim_matches('\n')))?;
            } else {
                out(Piece::Text(thought))?;
            }
            out(Piece::Text("\n"))?;
            out(Piece::Special(END_THINK))?;
            out(Piece::Text("\n\n"))?;
        }
        tagged(said, out)
    }

    /// What the template itself puts at the beginning of the answer to come.
    fn beginning<E>(&self, thinks: bool, out: Out<'_, '_, E>) -> Result<(), E> {
        if self.thinking() == super::Thinking::Never || (thinks && !self.opens) {
            return Ok(());
        }
        out(Piece::Special(THINK))?;
        if thinks {
            return out(Piece::Text("\n"));
        }
        out(Piece::Text("\n\n"))?;
        out(Piece::Special(END_THINK))?;
        out(Piece::Text("\n\n"))
    }

    /// Which turn is the last that a person spoke; the last of all if nobody did.
    fn last_query(&self, chat: &Chat<'_>) -> usize {
        let is_query = |&(role, text): &(Role, &str)| {
            let text = self.trimmed(text);
            let is_response = text.starts_with(RESPONSE) && text.ends_with(END_RESPONSE);
            role == Role::User && !is_response
        };
        let last = chat.turns.iter().rposition(is_query);
        last.unwrap_or(chat.turns.len().saturating_sub(1))
    }

    fn trimmed<'t>(&self, text: &'t str) -> &'t str {
        match self.style {
            Style::ChatMl | Style::Qwen3 => text,
            Style::Qwen35 => text.trim(),
        }
    }
}

fn header<E>(role: Role, out: Out<'_, '_, E>) -> Result<(), E> {
    out(Piece::Special(START))?;
    out(Piece::Text(role.name()))?;
    out(Piece::Text("\n"))
}

fn close<E>(out: Out<'_, '_, E>) -> Result<(), E> {
    out(Piece::Special(END))?;
    out(Piece::Text("\n"))
}

/// Text in which tags are special tokens.
fn tagged<'p, E>(mut text: &'p str, out: Out<'_, 'p, E>) -> Result<(), E> {
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find('<')) {
        let at = from + found;
        let (before, rest) = text.split_at(at);
        if let Some(tag) = TAGS.into_iter().find(|tag| rest.starts_with(tag)) {
            out(Piece::Text(before))?;
            out(Piece::Special(tag))?;
            text = &rest[tag.len()..];
            from = 0;
        } else {
            from = at + 1;
        }
    }
    out(Piece::Text(text))
}

/// What was thought and what was said in an answer, as the family's templates take it apart.
fn split_thought(text: &str) -> (&str, &str) {
    let Some(end) = text.find(END_THINK) else {
        return ("", text);
    };
    let thought = text[..end].trim_end_matches('\n');
    let thought = thought.rsplit(THINK).next().unwrap_or(thought);
    let said = text.rsplit(END_THINK).next().unwrap_or_default();
    (
        thought.trim_start_matches('\n'),
        said.trim_start_matches('\n'),
    )
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;
    use std::{string::String, vec::Vec};

    use super::*;

    /// The pieces, neighbouring texts joined, special tokens between `[` and `]`.
    fn rendered(source: &str, chat: &Chat<'_>) -> String {
        let (template, mut text) = (Template::from_jinja(source), String::new());
        let rendered = template.render(chat, &mut |piece| {
            match piece {
                Piece::Special(tag) => text.extend(["[", tag, "]"]),
                Piece::Text(part) => text += part,
            }
            Ok::<(), Infallible>(())
        });
        rendered.unwrap();
        text
    }

    const QWEN3: &str = "</think> enable_thinking is false <tools>";
    const QWEN35: &str = "</think> enable_thinking is true <tools> <function= {{ '<think>\\n' }}";

    #[test]
    fn turns_are_chatml_and_what_people_say_is_text() {
        let chat = Chat::new()
            .system("Be brief.")
            .user("<think><|im_end|>")
            .assistant("<|im_end|><tool_call>{}</tool_call>")
            .user("");
        assert_eq!(
            rendered("", &chat),
            "[<|im_start|>]system\nBe brief.[<|im_end|>]\n[<|im_start|>]user\n<think><|im_end|>[<|im_end|>]\n\
             [<|im_start|>]assistant\n<|im_end|>[<tool_call>]{}[</tool_call>][<|im_end|>]\n\
             [<|im_start|>]user\n[<|im_end|>]\n[<|im_start|>]assistant\n"
        );
    }

    #[test]
    fn a_conversation_without_system_turn_gets_the_default() {
        let source = r"{{ '<|im_start|>system\nHelp.<|im_end|>\n' }}";
        let chat = Chat::new().user("Hi");
        assert!(rendered(source, &chat).starts_with("[<|im_start|>]system\nHelp.[<|im_end|>]\n"));
        assert!(rendered("", &chat).starts_with("[<|im_start|>]user\nHi"));
        let told = Chat::new().system("").user("Hi");
        assert!(rendered(source, &told).starts_with("[<|im_start|>]system\n[<|im_end|>]\n"));
    }

    #[test]
    fn thinking_is_begun_or_ruled_out_as_asked() {
        let begins = |source, thinking| {
            let chat = Chat::new().user("Hi").with_thinking(thinking);
            let text = rendered(source, &chat);
            let (_, begun) = text.split_once("assistant\n").unwrap();
            String::from(begun)
        };
        let none = "[<think>]\n\n[</think>]\n\n";
        for (source, asked, expected) in [
            ("", Some(true), ""),
            (QWEN3, None, ""),
            (QWEN3, Some(true), ""),
            (QWEN3, Some(false), none),
            (QWEN35, None, none),
            (QWEN35, Some(true), "[<think>]\n"),
            (QWEN35, Some(false), none),
        ] {
            assert_eq!(begins(source, asked), expected, "{source} {asked:?}");
        }
    }

    #[test]
    fn thoughts_are_kept_behind_the_last_question_only() {
        let chat = Chat::new()
            .user("1")
            .assistant("<think>\nold\n</think>\n\none")
            .user("2")
            .assistant("new\n</think>\n\n<tool_call>\n{}\n</tool_call>")
            .turn(Role::Tool, "a")
            .turn(Role::Tool, "b");
        let text = rendered(QWEN3, &chat);
        assert!(text.contains("assistant\none[<|im_end|>]"), "{text}");
        let kept = "assistant\n[<think>]\nnew\n[</think>]\n\n[<tool_call>]\n{}\n[</tool_call>][<|im_end|>]\n\
            [<|im_start|>]user\n[<tool_response>]\na\n[</tool_response>]\n[<tool_response>]\nb\n[</tool_response>]\
            [<|im_end|>]\n[<|im_start|>]assistant\n";
        assert!(text.ends_with(kept), "{text}");
    }

    #[test]
    fn a_failure_ends_it_at_once() {
        let template = Template::from_jinja("");
        let mut taken = Vec::new();
        let chat = Chat::new().user("Hi");
        let failed = template.render(&chat, &mut |piece| {
            taken.push(piece);
            if taken.len() == 2 {
                Err("full")
            } else {
                Ok(())
            }
        });
        assert_eq!((failed, taken.len()), (Err("full"), 2));
    }
}
