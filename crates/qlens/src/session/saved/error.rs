//! Why a saved session is not restored.

use core::fmt;

use super::{MAGIC, VERSION};
use crate::cache::KvType;

/// Why a saved session is not restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error<E> {
    /// The reader fails.
    Read {
        /// At which byte or behind it.
        at: u64,
        /// What the reader says.
        error: E,
    },
    /// It ends too early.
    Ends {
        /// What is cut.
        part: &'static str,
        /// The byte at which that begins.
        at: u64,
        /// Its bytes.
        bytes: u64,
    },
    /// It is something else.
    NotASession {
        /// Its first bytes.
        found: [u8; 8],
    },
    /// It is of a version that is not read.
    Version {
        /// Its version.
        found: u32,
    },
    /// It belongs to a model of another shape.
    OtherShape {
        /// The number that differs.
        field: &'static str,
        /// The byte at which it is.
        at: u64,
        /// Its value.
        found: u64,
        /// The session's model's.
        expected: u64,
    },
    /// A field of the header is larger than it can be.
    TooLarge {
        /// What it says.
        field: &'static str,
        /// The byte at which it is.
        at: u64,
        /// Its value.
        found: u64,
        /// The largest possible one.
        most: u64,
    },
    /// It has a KV cache of another type.
    Kv {
        /// Its type.
        found: KvType,
        /// The session's.
        expected: KvType,
    },
    /// It belongs to another model.
    OtherModel {
        /// The fingerprint of that.
        found: u64,
        /// The session's model's.
        expected: u64,
    },
    /// It is longer than the context.
    TooLong {
        /// Its tokens.
        tokens: u64,
        /// Tokens that fit.
        context: usize,
    },
    /// A token that the vocabulary does not have.
    TokenOutOfRange {
        /// Its place in the context.
        index: usize,
        /// The token.
        token: u32,
        /// Entries of the vocabulary.
        n_vocab: usize,
    },
    /// It is damaged.
    Checksum {
        /// The CRC-32 at its end.
        found: u32,
        /// That of its bytes.
        computed: u32,
    },
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { at, error } => {
                write!(
                    f,
                    "the saved session cannot be read on from byte {at}: {error}"
                )
            }
            Self::Ends { part, at, bytes } => write!(
                f,
                "the saved session ends inside {part}, {bytes} bytes from byte {at} on: it was not written to its end"
            ),
            Self::NotASession { found } => write!(
                f,
                "this is not a saved session: it begins with \"{}\", not with \"{}\"",
                found.escape_ascii(),
                MAGIC.escape_ascii()
            ),
            Self::Version { found } => write!(
                f,
                "the saved session has version {found} of its format, and only version {VERSION} is read"
            ),
            Self::OtherShape {
                field,
                at,
                found,
                expected,
            } => write!(
                f,
                "the saved session belongs to another model: at byte {at} it says that {field} is {found}, and this one has {expected}"
            ),
            Self::TooLarge {
                field,
                at,
                found,
                most,
            } => write!(
                f,
                "the saved session says at byte {at} that {field} is {found}, and it is at most {most}: it is damaged"
            ),
            Self::Kv { found, expected } => write!(
                f,
                "the session was saved with a KV cache of type {found} and here it is {expected}: use type {found}"
            ),
            Self::OtherModel { found, expected } => write!(
                f,
                "the saved session belongs to another model: that has the fingerprint {found:016x}, this one {expected:016x}"
            ),
            Self::TooLong { tokens, context } => write!(
                f,
                "the saved session is {tokens} tokens long and the context holds {context}: use a longer context"
            ),
            Self::TokenOutOfRange {
                index,
                token,
                n_vocab,
            } => write!(
                f,
                "token {index} of the saved session is {token}, and the vocabulary has 0 to {}: it is damaged",
                n_vocab.saturating_sub(1)
            ),
            Self::Checksum { found, computed } => write!(
                f,
                "the saved session is damaged: its checksum is {computed:08x}, and {found:08x} is written at its end"
            ),
        }
    }
}

impl<E: core::error::Error> core::error::Error for Error<E> {}
