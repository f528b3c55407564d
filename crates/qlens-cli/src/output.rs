//! Standard output: data and nothing else, and no control characters into a terminal.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::io::{self, IsTerminal as _, StdoutLock, Write as _};

use serde::Serialize;

use crate::failure::Failure;

/// The program's output. What is written shows at once.
pub struct Output {
    out: StdoutLock<'static>,
    is_terminal: bool,
}

impl Output {
    /// Takes standard output for the rest of the run.
    pub fn stdout() -> Self {
        let out = io::stdout().lock();
        Self {
            is_terminal: out.is_terminal(),
            out,
        }
    }

    /// Writes a line.
    pub fn line(&mut self, line: Arguments<'_>) -> Result<(), Failure> {
        self.write(|out| writeln!(out, "{line}"))
    }

    /// Writes a value as one line of JSON.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(value).map_err(Failure::new)?;
        self.line(format_args!("{line}"))
    }

    /// Writes a piece of a text that a model makes up as it goes.
    pub fn stream(&mut self, text: &str) -> Result<(), Failure> {
        let shown = if self.is_terminal {
            harmless(text)
        } else {
            Cow::Borrowed(text)
        };
        self.write(|out| out.write_all(shown.as_bytes()))
    }

    fn write(
        &mut self,
        write: impl FnOnce(&mut StdoutLock<'static>) -> io::Result<()>,
    ) -> Result<(), Failure> {
        write(&mut self.out)
            .and_then(|()| self.out.flush())
            .map_err(|error| Failure::output(&error))
    }
}

/// The text with control characters replaced: a model, or whoever wrote its file, has no business in
/// the terminal's settings.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(harmful) {
        Cow::Owned(text.replace(harmful, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_do_not_reach_a_terminal() {
        assert_eq!(harmless("a\tb\n\u{4f60}"), "a\tb\n\u{4f60}");
        assert_eq!(
            harmless("\x1b[31mred\r\u{9b}2J"),
            "\u{fffd}[31mred\u{fffd}\u{fffd}2J"
        );
    }
}
