//! What can be wrong with a schema, with choices, and with the memory for them.

use core::fmt;

/// A name that a schema has, for messages: its first 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Name {
    bytes: [u8; 32],
    len: u8,
}

impl Name {
    pub(super) fn new(chars: impl Iterator<Item = char>) -> Self {
        let (mut bytes, mut len) = ([0; 32], 0);
        for c in chars {
            let Some(room) = bytes.get_mut(len..len + c.len_utf8()) else {
                break;
            };
            len += c.encode_utf8(room).len();
        }
        Self {
            bytes,
            len: len as u8,
        }
    }

    /// The name, as far as it was kept.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Why no constraint was made. `at` is an offset in bytes from the start of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The text is not JSON.
    Json {
        /// Where it stops being JSON.
        at: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// The schema nests deeper than is supported.
    Nesting {
        /// Where the first one too many begins.
        at: usize,
        /// What lies within each other.
        what: &'static str,
        /// How many may lie within each other.
        most: usize,
    },
    /// The schema is too long.
    Length {
        /// Bytes that it has.
        found: usize,
        /// Bytes that it may have.
        most: usize,
    },
    /// A part of the schema that should be a schema is not an object.
    NoObject {
        /// Where it is.
        at: usize,
    },
    /// A keyword that is not supported, or not in such a schema.
    Keyword {
        /// Where it is.
        at: usize,
        /// The keyword.
        found: Name,
        /// What may be in its place.
        supported: &'static str,
    },
    /// A keyword whose value is of the wrong kind.
    Value {
        /// Where the value is.
        at: usize,
        /// What it has to be.
        expected: &'static str,
    },
    /// A schema that leaves anything possible.
    Anything {
        /// Where it is.
        at: usize,
    },
    /// A schema that leaves nothing possible.
    Nothing {
        /// Where it is.
        at: usize,
        /// Why.
        why: &'static str,
    },
    /// An array without `items`, or an object without `properties`.
    Missing {
        /// Where the schema is.
        at: usize,
        /// What it lacks.
        keyword: &'static str,
    },
    /// A type that JSON Schema does not have.
    Type {
        /// Where it is.
        at: usize,
        /// Its name.
        found: Name,
    },
    /// A keyword or a property that occurs twice.
    Twice {
        /// The second of the two.
        at: usize,
        /// Its name.
        found: Name,
    },
    /// A value of `enum` or `const` that is not of the schema's type.
    EnumType {
        /// Where it is.
        at: usize,
    },
    /// A required property that is not among the properties.
    Required {
        /// Where it is.
        at: usize,
        /// The property.
        found: Name,
    },
    /// More than there may be of something.
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// Where the schema is.
        at: usize,
        /// The largest number accepted.
        most: usize,
    },
    /// Two alternatives can begin with the same character.
    Ambiguous {
        /// Where the schema is that has them.
        at: usize,
        /// The character.
        byte: u8,
    },
    /// There is nothing to choose from.
    NoChoices,
    /// A choice is empty, or longer than a choice may be.
    Choice {
        /// Which one, from 0.
        index: usize,
        /// Bytes that it has.
        found: usize,
        /// Bytes that it may have.
        most: usize,
    },
    /// The memory is too small.
    Memory {
        /// What it is for.
        what: &'static str,
        /// Elements that it has.
        found: usize,
        /// Elements that are enough.
        enough: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json { at, expected } => write!(
                f,
                "the schema is not JSON: at byte {at} there should be {expected}"
            ),
            Self::Nesting { at, what, most } => write!(
                f,
                "the schema nests too deep at byte {at}: at most {most} {what} may lie within each other"
            ),
            Self::Length { found, most } => write!(
                f,
                "the schema has {found} bytes and may have {most}: shorten it"
            ),
            Self::NoObject { at } => write!(
                f,
                "there should be a schema at byte {at}: an object with type, enum, const or anyOf"
            ),
            Self::Keyword {
                at,
                found,
                supported,
            } => write!(
                f,
                "{:?} at byte {at} of the schema is not supported here; what is: {supported}",
                found.as_str()
            ),
            Self::Value { at, expected } => {
                write!(f, "at byte {at} of the schema there should be {expected}")
            }
            Self::Anything { at } => write!(
                f,
                "the schema at byte {at} allows anything: give it a type, enum, const or anyOf"
            ),
            Self::Nothing { at, why } => {
                write!(f, "nothing can satisfy the schema at byte {at}: {why}")
            }
            Self::Missing { at, keyword } => {
                write!(f, "the schema at byte {at} needs {keyword:?}")
            }
            Self::Type { at, found } => write!(
                f,
                "{:?} at byte {at} of the schema is no type; the types are object, array, string, \
                 integer, number, boolean and null",
                found.as_str()
            ),
            Self::Twice { at, found } => write!(
                f,
                "{:?} at byte {at} of the schema is there a second time",
                found.as_str()
            ),
            Self::EnumType { at } => write!(
                f,
                "the value at byte {at} of the schema is not of the type that is stated beside it"
            ),
            Self::Required { at, found } => write!(
                f,
                "{:?} at byte {at} of the schema is required and not among the properties",
                found.as_str()
            ),
            Self::TooMany { what, at, most } => write!(
                f,
                "the schema at byte {at} has too many {what}: at most {most} are supported"
            ),
            Self::Ambiguous { at, byte } => write!(
                f,
                "two alternatives of the schema at byte {at} can begin with '{}': alternatives are \
                 told apart by their first character",
                byte.escape_ascii()
            ),
            Self::NoChoices => {
                f.write_str("there is nothing to choose from: give at least one choice")
            }
            Self::Choice { index, found, most } => write!(
                f,
                "choice {} has {found} bytes; it has to have 1 to {most}",
                index.saturating_add(1)
            ),
            Self::Memory {
                what,
                found,
                enough,
            } => write!(
                f,
                "the memory for {what} has {found} elements; {enough} are enough"
            ),
        }
    }
}

impl core::error::Error for Error {}
