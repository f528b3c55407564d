//! What a board tells tools about itself: one event a line, the first word names it.
//!
//! | line | when |
//! |---|---|
//! | `loading <bytes> <total>` | while the model is read, a few times a second |
//! | `ready` | at the prompt: after loading, after an answer, after an error |
//! | `state <name>` | the assistant's state changed |
//! | `prompt <id> <id> …` | a question was fed: the ids of the whole context |
//! | `token <id>` | a token was generated |
//! | `text <JSON string>` | and this text of the answer is shown for it |
//! | `done <stop> prompt_us=… decode_us=… prompt_tokens=… tokens=…` | the answer ended |
//! | `error <sentence>` | something failed, and the board lives on |
//! | `mark <number>` | all that a recording has before this mark is done, and shown |
//! | `pace duty=<per cent> brightness=<0 to 255> reason=<words>` | the board changed its pace, see [`crate::pace`] |
//! | `idle instructions=<n> us=<n>` | so many were executed while nothing happened: told once, some ten seconds after the last thing happened |
//! | `dropped <n>` | so many events were lost since the start, because more came than could wait |
//!
//! Nobody may be listening; the channel sees to it that nobody is waited for.

use core::fmt;

use embedded_io::Write;
use qlens::kernel::Kernel;
use qlens::session::Stop;

use crate::State;
use crate::pace::Pace;

/// The end of an answer, in numbers.
pub struct Done {
    /// Why it ended.
    pub stop: Stop,
    /// Microseconds from the question to the first token.
    pub prompt_us: u64,
    /// Microseconds from there to the end.
    pub decode_us: u64,
    /// Tokens of the context when the answer began.
    pub prompt_tokens: usize,
    /// Tokens of the answer.
    pub tokens: usize,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} prompt_us={} decode_us={} prompt_tokens={} tokens={}",
            self.stop.name(),
            self.prompt_us,
            self.decode_us,
            self.prompt_tokens,
            self.tokens
        )
    }
}

/// The report channel. What it does not take is lost.
#[derive(Debug)]
pub struct Report<R>(pub R);

impl<R: Write> Report<R> {
    fn line(&mut self, line: fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(line);
        let _ = self.0.write_all(b"\n");
        let _ = self.0.flush();
    }

    /// `loading`.
    pub fn loading(&mut self, done: u64, total: u64) {
        self.line(format_args!("loading {done} {total}"));
    }

    /// `ready`.
    pub fn ready(&mut self) {
        self.line(format_args!("ready"));
    }

    /// `state`.
    pub fn state(&mut self, state: State) {
        self.line(format_args!("state {state}"));
    }

    /// `prompt`.
    pub fn prompt(&mut self, tokens: &[u32]) {
        self.words("prompt", tokens);
    }

    /// `token`.
    pub fn token(&mut self, token: u32) {
        self.line(format_args!("token {token}"));
    }

    /// `text`.
    pub fn text(&mut self, text: &str) {
        self.line(format_args!("text {}", Json(text)));
    }

    /// `done`.
    pub fn done(&mut self, done: &Done) {
        self.line(format_args!("done {done}"));
    }

    /// `mark`.
    pub fn mark(&mut self, number: u32) {
        self.line(format_args!("mark {number}"));
    }

    /// `pace`.
    pub fn pace(&mut self, pace: &Pace) {
        self.line(format_args!("pace {pace}"));
    }

    /// `idle`.
    pub fn idle(&mut self, instructions: u32, us: u64) {
        self.line(format_args!("idle instructions={instructions} us={us}"));
    }

    /// `dropped`.
    pub fn dropped(&mut self, events: u32) {
        self.line(format_args!("dropped {events}"));
    }

    /// A word, and values after it.
    pub fn words<T: fmt::Display>(&mut self, word: &str, values: impl IntoIterator<Item = T>) {
        let _ = self.0.write_all(word.as_bytes());
        for value in values {
            let _ = self.0.write_fmt(format_args!(" {value}"));
        }
        self.line(format_args!(""));
    }

    /// `logits`, see [`super::selftest`].
    pub fn logits(&mut self, sha256: &dyn fmt::Display, positions: usize, vocab: usize) {
        self.line(format_args!(
            "logits sha256={sha256} positions={positions} vocab={vocab}"
        ));
    }

    /// `bench`, see [`super::selftest`].
    pub fn bench(&mut self, kernel: Kernel, ticks: u64, hz: u64) {
        self.line(format_args!("bench kernel={kernel} ticks={ticks} hz={hz}"));
    }

    /// `done` without times, see [`super::selftest`].
    pub fn generated(&mut self, stop: Stop, tokens: usize) {
        self.line(format_args!("done {} tokens={tokens}", stop.name()));
    }

    /// `error`; the sentence becomes one line, whatever is in it.
    pub fn error(&mut self, sentence: &dyn fmt::Display) {
        let _ = self.0.write_all(b"error ");
        let _ = fmt::write(&mut OneLine(&mut self.0), format_args!("{sentence}"));
        self.line(format_args!(""));
    }
}

/// A text as a JSON string (RFC 8259, section 7).
struct Json<'t>(&'t str);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                control if u32::from(control) < 0x20 => write!(f, "\\u{:04x}", u32::from(control))?,
                other => f.write_char(other)?,
            }
        }
        f.write_char('"')
    }
}

/// Writes control characters as spaces.
struct OneLine<'w, R>(&'w mut R);

impl<R: Write> fmt::Write for OneLine<'_, R> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(char::is_control) {
            let end = part.trim_end_matches(char::is_control);
            self.0.write_all(end.as_bytes()).map_err(|_| fmt::Error)?;
            if end.len() < part.len() {
                self.0.write_all(b" ").map_err(|_| fmt::Error)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;

    use qlens_board::fake::FakeConsole;

    use super::*;

    fn written(write: impl FnOnce(&mut Report<FakeConsole<256>>)) -> std::string::String {
        let mut report = Report(FakeConsole::new());
        write(&mut report);
        report.0.written().to_string()
    }

    #[test]
    fn every_line_is_as_the_table_says() {
        assert_eq!(written(|r| r.loading(5, 10)), "loading 5 10\n");
        assert_eq!(written(Report::ready), "ready\n");
        assert_eq!(written(|r| r.state(State::Listening)), "state listening\n");
        assert_eq!(written(|r| r.prompt(&[1, 22, 333])), "prompt 1 22 333\n");
        assert_eq!(written(|r| r.token(7)), "token 7\n");
        assert_eq!(written(|r| r.mark(u32::MAX)), "mark 4294967295\n");
        assert_eq!(written(|r| r.dropped(8)), "dropped 8\n");
        assert_eq!(written(|r| r.idle(9, 10)), "idle instructions=9 us=10\n");
        assert_eq!(
            written(|r| r.pace(&Pace::FULL)),
            "pace duty=100 brightness=255 reason=none\n"
        );
        let done = Done {
            stop: Stop::EndOfTurn,
            prompt_us: 1,
            decode_us: 2,
            prompt_tokens: 3,
            tokens: 4,
        };
        assert_eq!(
            written(|r| r.done(&done)),
            "done end_of_turn prompt_us=1 decode_us=2 prompt_tokens=3 tokens=4\n"
        );
    }

    #[test]
    fn text_is_a_json_string() {
        assert_eq!(
            written(|r| r.text("a\n\"b\"\t\\ 站\u{1}\r")),
            "text \"a\\n\\\"b\\\"\\t\\\\ 站\\u0001\\r\"\n"
        );
    }

    #[test]
    fn an_error_is_one_line() {
        assert_eq!(
            written(|r| r.error(&"of a\nname\r\nand \u{1b}[1m")),
            "error of a name  and  [1m\n"
        );
    }
}
