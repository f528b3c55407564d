//! How `qlens` fails: one sentence on stderr, and an exit status that a script can tell apart.

use std::fmt::Display;
use std::io;
use std::path::Path;

/// The input cannot be used, or the answer is no.
const FAILURE: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// What a shell says of a program that a signal ended: this and the signal's number.
const SIGNALLED: u8 = 128;
/// `SIGPIPE`, by number: Rust programs are not ended by it, so the status says so in its place.
const SIGPIPE: u8 = 13;

/// What `--help` says of the exit statuses.
pub const STATUSES: &str = "\
Data goes to stdout, words to stderr.

Exit status:
  0    done
  1    the input cannot be used (a sentence on stderr says why), or a model does not fit a board
  2    the command line is wrong
  130  stopped by Ctrl-C; what was generated until then was written
  141  whoever read the output went away";

/// The end of a run that did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    status: u8,
    /// Empty when there is nothing to add to what was said already.
    sentence: String,
}

impl Failure {
    /// Something that was given cannot be used.
    pub fn new(sentence: impl Display) -> Self {
        Self::with_status(FAILURE, sentence)
    }

    /// The command line asks for something that makes no sense.
    pub fn usage(sentence: impl Display) -> Self {
        Self::with_status(USAGE, sentence)
    }

    /// A file cannot be used; `reason` says why.
    pub fn of_file(path: &Path, reason: impl Display) -> Self {
        Self::new(format_args!("{}: {reason}", path.display()))
    }

    /// It was said already what is wrong.
    pub fn said() -> Self {
        Self::with_status(FAILURE, "")
    }

    /// A signal of this number asked the program to end.
    pub fn stopped(signal: u8) -> Self {
        Self::with_status(SIGNALLED + signal, "")
    }

    /// Standard output does not take what is written to it.
    pub fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::with_status(SIGNALLED + SIGPIPE, "");
        }
        Self::new(format_args!(
            "the output cannot be written: {}",
            reason(error)
        ))
    }

    fn with_status(status: u8, sentence: impl Display) -> Self {
        Self {
            status,
            sentence: sentence.to_string(),
        }
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        self.status
    }

    /// What to say on stderr, if anything.
    pub fn sentence(&self) -> &str {
        &self.sentence
    }
}

/// What the system says of an error, without its number.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or(&text)
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_words_only() {
        assert_eq!(
            reason(&io::Error::from_raw_os_error(28)),
            "no space left on device"
        );
        assert_eq!(reason(&io::Error::other("it broke")), "it broke");
    }

    #[test]
    fn a_reader_that_went_away_is_no_news() {
        let failure = Failure::output(&io::ErrorKind::BrokenPipe.into());
        assert_eq!((failure.status(), failure.sentence()), (141, ""));
    }
}
