//! A vocabulary as a file has it: arrays of texts and types.

use super::error::{Error, Name};
use super::{MERGES, MODEL, TOKENS, TYPES, byte_level};
use crate::gguf::{Array, Gguf, Value, ValueType};

/// Tokens or merges of an index, at most. The largest vocabularies have about 260,000.
const MAX_ENTRIES: usize = 1 << 24;

/// Bytes of the file's array of tokens, at most.
const MAX_TEXT_BYTES: usize = 1 << KIND_SHIFT;

/// A token's entry has its kind above its offset.
pub(super) const KIND_SHIFT: u32 = 29;

/// What a token is: the type that the file gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kind {
    /// Bytes, spelled in the alphabet of byte-level BPE; made by merges.
    Normal,
    /// Stands for text that could not be encoded; byte-level BPE has no such text.
    Unknown,
    /// Steers the model (`<|im_start|>`) and is not text.
    Control,
    /// One piece of text that was added to the vocabulary (`<tool_call>`).
    UserDefined,
    /// A row of the model's matrices that no token uses.
    Unused,
    /// A byte, in vocabularies that are not byte-level BPE.
    Byte,
}

impl Kind {
    /// The kind of a number in `tokenizer.ggml.token_type`.
    pub(super) fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => return None,
        })
    }

    pub(super) fn number(self) -> u32 {
        match self {
            Self::Normal => 1,
            Self::Unknown => 2,
            Self::Control => 3,
            Self::UserDefined => 4,
            Self::Unused => 5,
            Self::Byte => 6,
        }
    }

    /// Whether the token may be looked for in text.
    pub(super) fn is_special(self) -> bool {
        matches!(self, Self::Control | Self::UserDefined)
    }
}

/// The arrays of a file that an index is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vocabulary<'m> {
    pub(super) tokens: Array<'m>,
    pub(super) merges: Array<'m>,
    /// Absent if all tokens are normal.
    pub(super) types: Option<Array<'m>>,
}

impl<'m> Vocabulary<'m> {
    /// The arrays of a file.
    pub(super) fn read(gguf: &Gguf<'m>) -> Result<Self, Error> {
        let model = text(gguf, MODEL)?;
        if model != "gpt2" {
            return Err(Error::Model {
                found: Name::new(model),
            });
        }
        let types = match gguf.get(TYPES) {
            None => None,
            Some(value) => Some(value.as_array().ok_or(Error::Key {
                key: TYPES,
                expected: "an array of 32-bit integers",
            })?),
        };
        Ok(Self {
            tokens: strings(gguf, TOKENS)?,
            merges: strings(gguf, MERGES)?,
            types,
        })
    }

    /// The number of tokens and of merges, if an index takes as many.
    pub(super) fn counts(&self) -> Result<(usize, usize), Error> {
        let tokens = self.tokens.len();
        let merges = self.merges.len();
        for (what, found, most) in [
            ("tokens", tokens, MAX_ENTRIES),
            ("merges", merges, MAX_ENTRIES),
            (
                "bytes of tokens",
                self.tokens.encoded().len(),
                MAX_TEXT_BYTES,
            ),
        ] {
            if found > most {
                return Err(Error::TooMany { what, found, most });
            }
        }
        let types = self.types.map_or(tokens, |types| types.len());
        if types != tokens {
            return Err(Error::TypeCount {
                found: types,
                expected: tokens,
            });
        }
        Ok((tokens, merges))
    }

    pub(super) fn kind(&self, token: usize) -> Result<Kind, Error> {
        let Some(types) = self.types else {
            return Ok(Kind::Normal);
        };
        let found = match types.get(token) {
            Some(Value::I32(found)) => i64::from(found),
            Some(Value::U32(found)) => i64::from(found),
            _ => -1,
        };
        u32::try_from(found)
            .ok()
            .and_then(Kind::from_number)
            .ok_or(Error::TokenType { token, found })
    }

    /// The text of a token, whose entry in the index is `entry`.
    pub(super) fn text(&self, entry: u32) -> &'m [u8] {
        let offset = entry & ((1 << KIND_SHIFT) - 1);
        self.tokens.string_at(offset as usize).unwrap_or_default()
    }
}

/// The number of bytes that a token stands for; `None` if its text is not one of its kind.
pub(super) fn length(text: &[u8], kind: Kind) -> Option<usize> {
    let text = core::str::from_utf8(text).ok()?;
    if kind == Kind::Normal {
        text.chars()
            .all(|c| byte_level::byte_of(c).is_some())
            .then(|| text.chars().count())
    } else {
        (!text.is_empty()).then_some(text.len())
    }
}

/// The text that a key has.
pub(super) fn text<'m>(gguf: &Gguf<'m>, key: &'static str) -> Result<&'m str, Error> {
    gguf.get(key)
        .and_then(|value| value.as_str())
        .ok_or(Error::Key {
            key,
            expected: "a string",
        })
}

fn strings<'m>(gguf: &Gguf<'m>, key: &'static str) -> Result<Array<'m>, Error> {
    gguf.get(key)
        .and_then(|value| value.as_array())
        .filter(|array| array.element_type() == ValueType::Str)
        .ok_or(Error::Key {
            key,
            expected: "an array of strings",
        })
}
