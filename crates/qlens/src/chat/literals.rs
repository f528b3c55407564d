//! What can be told of a Jinja template by its literal texts alone.

use heapless::String;

use super::{END, START};

/// Bytes of a default system turn. The longest of the Qwen family has under 300.
pub const DEFAULT_SYSTEM_BYTES: usize = 1024;

/// The system turn that the file's own template puts before a conversation that has none.
///
/// It is what stands between `<|im_start|>system\n` and `<|im_end|>` in one literal of
/// `tokenizer.chat_template`, its escapes resolved. A branch that puts its text together (tools, a
/// given system turn) ends its literal in between and does not count. `None` if there is no such
/// literal, or if it has more than [`DEFAULT_SYSTEM_BYTES`] bytes.
pub(super) fn default_system(template: &str) -> Option<String<DEFAULT_SYSTEM_BYTES>> {
    Literals::of(template).find_map(|(literal, has_escapes)| {
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
pub(super) struct Literals<'t> {
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
    /// Those of `template`.
    pub(super) fn of(template: &'t str) -> Self {
        Self {
            rest: template,
            in_block: false,
        }
    }

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

    use super::{DEFAULT_SYSTEM_BYTES, default_system};

    fn default_of(template: &str) -> Option<String> {
        default_system(template).map(|text| String::from(text.as_str()))
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
