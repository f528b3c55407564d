//! Where questions come from: a line editor at a terminal, or lines of a pipe.

use std::io::{self, BufRead as _, IsTerminal as _};

use rustyline::error::ReadlineError;
use rustyline::{Behavior, Config, DefaultEditor};

use crate::failure::{Failure, reason};

/// What can be done beside asking.
pub const KEYS: &str =
    "Ctrl-C cancels an answer, Ctrl-D or /exit ends, /clear forgets everything said so far.";

/// A source of questions, one a line.
pub enum Questions {
    /// Typed, with editing and the questions of this run to go back to.
    Typed(Box<DefaultEditor>),
    /// Read as they come.
    Piped,
}

impl Questions {
    /// The terminal, if standard input is one.
    pub fn new() -> Result<Self, Failure> {
        if !io::stdin().is_terminal() {
            return Ok(Self::Piped);
        }
        // The editor draws on the terminal even if the answers go elsewhere.
        let config = Config::builder()
            .behavior(Behavior::PreferTerm)
            .auto_add_history(true)
            .build();
        let editor = DefaultEditor::with_config(config);
        Ok(Self::Typed(Box::new(
            editor.map_err(|error| refuse(&error))?,
        )))
    }

    /// Whether somebody types them.
    pub fn are_typed(&self) -> bool {
        matches!(self, Self::Typed(_))
    }

    /// The next question; `None` when there are no more.
    pub fn next(&mut self) -> Result<Option<String>, Failure> {
        let line = match self {
            Self::Piped => return piped(),
            Self::Typed(editor) => loop {
                match editor.readline("> ") {
                    // Ctrl-C throws away what was typed; the other signal is a window of another size.
                    Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => {}
                    read => break read,
                }
            },
        };
        match line {
            Ok(line) => Ok(Some(line.trim().to_owned())),
            Err(ReadlineError::Eof) => Ok(None),
            Err(error) => Err(refuse(&error)),
        }
    }
}

fn piped() -> Result<Option<String>, Failure> {
    let mut line = Vec::new();
    match io::stdin().lock().read_until(b'\n', &mut line) {
        Ok(0) => Ok(None),
        Ok(_) => Ok(Some(String::from_utf8_lossy(&line).trim().to_owned())),
        Err(error) => Err(Failure::new(format_args!(
            "stdin cannot be read: {}",
            reason(&error)
        ))),
    }
}

fn refuse(error: &ReadlineError) -> Failure {
    Failure::new(format_args!("the terminal cannot be used: {error}"))
}
