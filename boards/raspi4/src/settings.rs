//! `qlens.txt`: what is wanted of the firmware, a `name = value` a line. The names are those of the reference
//! board's settings.

use core::fmt;

use qlens_board::sha256;
use qlens_board::store::NAME_BYTES;
use qlens_firmware::wishes::{VALUE_BYTES, Wishes};

/// Most bytes of the file: a system prompt and some lines.
pub const TEXT_BYTES: usize = VALUE_BYTES + 1024;

/// What the file says.
#[derive(Debug, Default)]
pub struct Settings {
    /// What is wanted of the application.
    pub wishes: Wishes,
    /// Name of the model's file, if not the first that is one.
    pub model_name: Option<heapless::String<NAME_BYTES>>,
    /// What its bytes must hash to.
    pub model_sha256: Option<[u8; 32]>,
    /// Tools read the console and want to be told what happens.
    pub report: bool,
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
                "line {number} is not `name = value` with one of the names ctx, max_tokens, system, selftest, \
                 report, model.name, model.sha256"
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
        let number = || match value.parse() {
            Ok(0) | Err(_) => Err(Wrong::Value),
            Ok(number) => Ok(Some(number)),
        };
        let is_on = || match value {
            "1" => Ok(true),
            "0" => Ok(false),
            _ => Err(Wrong::Value),
        };
        match name {
            "ctx" => self.wishes.context = number()?,
            "max_tokens" => self.wishes.max_tokens = number()?,
            "system" => self.wishes.system = Some(unescaped(value).ok_or(Wrong::Value)?),
            "selftest" => self.wishes.selftest = is_on()?,
            "report" => self.report = is_on()?,
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
