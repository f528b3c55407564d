//! Where the parts of an answer go: what is said and called to stdout, thinking to stderr.

use std::io::{IsTerminal as _, Write as _};

use qlens::chat::{Event, Parser};
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::output::{Output, harmless};

/// Bytes that a tool call may have.
const CALL_BYTES: usize = 16 * 1024;

/// A tool call of an answer.
#[derive(Serialize, Debug)]
pub struct ToolCall {
    name: String,
    arguments: Value,
}

/// One that is none.
#[derive(Serialize, Debug)]
pub struct BrokenCall {
    fault: String,
    text: String,
}

/// The parts of an answer.
#[derive(Serialize, Debug, Default)]
pub struct Parts {
    /// What it says.
    #[serde(skip)]
    pub answer: String,
    /// What was thought before.
    #[serde(skip_serializing_if = "String::is_empty")]
    thinking: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    broken_tool_calls: Vec<BrokenCall>,
}

/// An answer on its way.
pub struct Shown<'o> {
    parser: Parser<CALL_BYTES>,
    parts: Parts,
    /// Nothing is shown without.
    output: Option<&'o mut Output>,
    is_dimming: bool,
    /// Whether a line of thinking is to be ended before anything else.
    is_thinking: bool,
    /// Whether a line of stdout is begun.
    is_in_line: bool,
}

impl<'o> Shown<'o> {
    /// At its beginning; `is_thinking` if the prompt began a thought.
    pub fn new(is_thinking: bool, output: Option<&'o mut Output>) -> Self {
        Self {
            parser: Parser::new(is_thinking),
            parts: Parts::default(),
            output,
            is_dimming: std::io::stderr().is_terminal(),
            is_thinking: false,
            is_in_line: false,
        }
    }

    /// The answer goes on.
    pub fn push(&mut self, text: &str) -> Result<(), Failure> {
        self.with_parser(|parser, take| parser.push(text, take))
    }

    /// The answer has ended. Returns its parts, and whether it ended in the middle of a thought.
    pub fn finish(mut self) -> Result<(Parts, bool), Failure> {
        let is_thinking = self.parser.is_thinking();
        self.with_parser(|parser, take| parser.finish(take))?;
        self.end_thinking();
        if self.is_in_line || (self.parts.tool_calls.is_empty() && self.output.is_some()) {
            self.stream("\n")?;
        }
        Ok((self.parts, is_thinking))
    }

    fn with_parser(
        &mut self,
        run: impl FnOnce(&mut Parser<CALL_BYTES>, &mut dyn FnMut(Event<'_>)),
    ) -> Result<(), Failure> {
        // The parser is lent out while the rest is written to.
        let mut parser = std::mem::replace(&mut self.parser, Parser::new(false));
        let mut done = Ok(());
        run(&mut parser, &mut |event| {
            if done.is_ok() {
                done = self.take(event);
            }
        });
        self.parser = parser;
        done
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), Failure> {
        match event {
            Event::Thinking(text) => {
                self.parts.thinking += text;
                self.think(text);
                Ok(())
            }
            Event::Answer(text) => {
                self.parts.answer += text;
                self.end_thinking();
                self.is_in_line = true;
                self.stream(text)
            }
            Event::Call { name, arguments } => {
                let arguments = arguments.to_string();
                match serde_json::from_str(&arguments) {
                    Ok(value) => {
                        self.show_call(name, &arguments)?;
                        self.parts.tool_calls.push(ToolCall {
                            name: name.to_owned(),
                            arguments: value,
                        });
                    }
                    Err(error) => self.broken(&error.to_string(), &arguments),
                }
                Ok(())
            }
            Event::BrokenCall { fault, text } => {
                self.broken(&fault.to_string(), text);
                Ok(())
            }
        }
    }

    fn show_call(&mut self, name: &str, arguments: &str) -> Result<(), Failure> {
        self.end_thinking();
        if std::mem::take(&mut self.is_in_line) {
            self.stream("\n")?;
        }
        self.stream(&format!("{name} {}\n", arguments.replace('\n', " ")))
    }

    fn broken(&mut self, fault: &str, text: &str) {
        self.end_thinking();
        if self.output.is_some() {
            eprintln!("[a tool call that is none: {fault}: {}]", harmless(text));
        }
        self.parts.broken_tool_calls.push(BrokenCall {
            fault: fault.to_owned(),
            text: text.to_owned(),
        });
    }

    fn stream(&mut self, text: &str) -> Result<(), Failure> {
        self.output
            .as_mut()
            .map_or(Ok(()), |output| output.stream(text))
    }

    /// Shows what is thought. That it cannot be shown is no reason to stop.
    fn think(&mut self, text: &str) {
        if self.output.is_none() {
            return;
        }
        self.is_thinking = true;
        let mut stderr = std::io::stderr();
        let _ = if self.is_dimming {
            write!(stderr, "\x1b[2m{}\x1b[0m", harmless(text))
        } else {
            stderr.write_all(text.as_bytes())
        };
    }

    fn end_thinking(&mut self) {
        if std::mem::take(&mut self.is_thinking) {
            eprintln!();
        }
    }
}
