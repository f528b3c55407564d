//! What whoever starts a board wants of it, and the text file that says so where there is a card to put one on:
//! `qlens.txt`, a `name = value` a line. The names are those of the reference board's settings.

use core::fmt;

use crate::sha256;
use crate::store::NAME_BYTES;

/// Longest value taken, in bytes: a system prompt is the longest.
pub const VALUE_BYTES: usize = 4096;

/// A value as text.
pub type Value = heapless::String<VALUE_BYTES>;

/// What is wanted of the application; `None` where nobody said anything that makes sense, which the board has told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Tokens of context.
    pub context: Option<usize>,
    /// Most tokens of an answer.
    pub max_tokens: Option<usize>,
    /// System prompt.
    pub system: Option<Value>,
    /// The teleprompter's text.
    pub script: Option<Value>,
    /// Longest wait for the first token of an answer, in microseconds.
    pub first_word_us: Option<u64>,
    /// Application time is the time of the sensor hub's recording.
    pub replay: bool,
    /// No application: requests of tests are taken instead.
    pub selftest: bool,
}

/// Most bytes of the file: a system prompt and some lines.
pub const TEXT_BYTES: usize = VALUE_BYTES + 1024;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// What is wanted of the application.
    pub wishes: Wishes,
    /// Name of the model's file, if not the first that is one.
    pub model_name: Option<heapless::String<NAME_BYTES>>,
    /// What its bytes must hash to.
    pub model_sha256: Option<[u8; 32]>,
    /// Tools read the console and want to be told what happens.
    pub report: bool,
    /// There is a sensor hub on the board's second UART.
    pub hub: bool,
}

/// What is wrong with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingError {
    /// It has too many bytes.
    TooLong {
        /// How many.
        size: usize,
    },
    /// It is not UTF-8.
    NotUtf8,
    /// A line is not `name = value`, or of no name that there is.
    Line {
        /// Its number, from 1.
        number: usize,
    },
    /// A value is not of its kind, too long, or 0.
    Value {
        /// Its line's number, from 1.
        number: usize,
    },
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { size } => {
                write!(f, "it has {size} bytes, at most {TEXT_BYTES} are taken")
            }
            Self::NotUtf8 => f.write_str("it is not UTF-8"),
            Self::Line { number } => write!(
                f,
                "line {number} is not `name = value` with one of the names ctx, max_tokens, system, script, \
                 first_word_s, hub, replay, selftest, report, model.name, model.sha256"
            ),
            Self::Value { number } => write!(f, "the value in line {number} makes no sense"),
        }
    }
}

impl core::error::Error for SettingError {}

impl Settings {
    /// Reads the file's bytes. Empty lines and lines that begin with `#` say nothing; `\n` in a value is a line
    /// end, `\\` a backslash.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, SettingError> {
        let text = core::str::from_utf8(text).map_err(|_| SettingError::NotUtf8)?;
        let mut settings = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let (name, value) = line.split_once('=').ok_or(SettingError::Line { number })?;
            settings
                .take(name.trim(), value.trim())
                .map_err(|wrong| match wrong {
                    Wrong::Name => SettingError::Line { number },
                    Wrong::Value => SettingError::Value { number },
                })?;
        }
        Ok(settings)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Wrong> {
        let tokens = || match value.parse() {
            Ok(0) | Err(_) => Err(Wrong::Value),
            Ok(number) => Ok(Some(number)),
        };
        let is_on = || match value {
            "1" => Ok(true),
            "0" => Ok(false),
            _ => Err(Wrong::Value),
        };
        match name {
            "ctx" => self.wishes.context = tokens()?,
            "max_tokens" => self.wishes.max_tokens = tokens()?,
            "system" => self.wishes.system = Some(unescaped(value).ok_or(Wrong::Value)?),
            "script" => self.wishes.script = Some(unescaped(value).ok_or(Wrong::Value)?),
            "first_word_s" => {
                let seconds: u32 = value.parse().map_err(|_| Wrong::Value)?;
                self.wishes.first_word_us = Some(u64::from(seconds) * 1_000_000);
            }
            "replay" => self.wishes.replay = is_on()?,
            "selftest" => self.wishes.selftest = is_on()?,
            "report" => self.report = is_on()?,
            "hub" => self.hub = is_on()?,
            "model.name" => {
                self.model_name = Some(value.try_into().map_err(|_| Wrong::Value)?);
            }
            "model.sha256" => {
                self.model_sha256 = Some(sha256::from_hex(value).ok_or(Wrong::Value)?);
            }
            _ => return Err(Wrong::Name),
        }
        Ok(())
    }
}

/// What of a line is wrong.
enum Wrong {
    Name,
    Value,
}

fn unescaped<const N: usize>(value: &str) -> Option<heapless::String<N>> {
    let mut text = heapless::String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            '\\' => match characters.next()? {
                'n' => '\n',
                '\\' => '\\',
                _ => return None,
            },
            other => other,
        };
        text.push(character).ok()?;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use proptest::prelude::*;
    use std::string::ToString;

    use super::*;

    #[test]
    fn every_name_is_taken() {
        let hash = "ab".repeat(32);
        let text = std::format!(
            "# of mine\n\nctx = 96\r\nmax_tokens=8\nsystem = Be brief,\\nand \\\\kind = good.\nselftest = 0\n\
             script = 各位来宾\nfirst_word_s = 90\nreplay = 1\nhub = 1\n\
             report = 1\nmodel.name = Tiny model.gguf\nmodel.sha256 = {hash}"
        );
        let settings = Settings::parse(text.as_bytes()).unwrap();
        let wishes = Wishes {
            context: Some(96),
            max_tokens: Some(8),
            system: Some("Be brief,\nand \\kind = good.".try_into().unwrap()),
            script: Some("各位来宾".try_into().unwrap()),
            first_word_us: Some(90_000_000),
            replay: true,
            selftest: false,
        };
        assert_eq!(settings.wishes, wishes);
        assert!(settings.report && settings.hub);
        assert_eq!(settings.model_name.as_deref(), Some("Tiny model.gguf"));
        assert_eq!(settings.model_sha256, Some([0xab; 32]));
        assert_eq!(Settings::parse(b"").unwrap(), Settings::default());
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line() {
        let line = |number| SettingError::Line { number };
        let value = |number| SettingError::Value { number };
        for (text, error) in [
            ("ctx = 1\nctx", line(2)),
            ("colour = green", line(1)),
            ("Ctx = 1", line(1)),
            ("ctx = 0", value(1)),
            ("ctx = -1", value(1)),
            ("ctx = 99999999999999999999999", value(1)),
            ("\nmax_tokens = many", value(2)),
            ("report = yes", value(1)),
            (r"system = a\b", value(1)),
            (r"system = a\", value(1)),
            ("model.sha256 = ab", value(1)),
        ] {
            assert_eq!(Settings::parse(text.as_bytes()), Err(error), "{text}");
        }
        assert_eq!(Settings::parse(b"ctx = \xff"), Err(SettingError::NotUtf8));
        let long = std::format!("model.name = {}", "x".repeat(NAME_BYTES + 1));
        assert_eq!(Settings::parse(long.as_bytes()), Err(value(1)));
        let long = std::format!("system = {}", "x".repeat(VALUE_BYTES + 1));
        assert_eq!(Settings::parse(long.as_bytes()), Err(value(1)));
        assert!(line(7).to_string().contains("line 7"));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Settings::parse(&text);
        }

        #[test]
        fn a_system_prompt_comes_back(text in r"[a-z\\\n站= #]{0,40}[a-z]") {
            // Spaces around a value are not part of it.
            let text = text.trim();
            let escaped = text.replace('\\', r"\\").replace('\n', r"\n");
            let settings = Settings::parse(std::format!("system = {escaped}").as_bytes()).unwrap();
            prop_assert_eq!(settings.wishes.system.as_deref(), Some(text));
        }
    }
}
