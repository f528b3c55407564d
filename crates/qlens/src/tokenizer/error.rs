//! What can be wrong with a file's vocabulary, and what can go wrong with a text.

use core::fmt;

/// A name that a file gives, for messages: its first 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Name {
    bytes: [u8; 32],
    len: u8,
}

impl Name {
    pub(super) fn new(name: &str) -> Self {
        let mut bytes = [0; 32];
        let kept = &name[..name.floor_char_boundary(bytes.len())];
        bytes[..kept.len()].copy_from_slice(kept.as_bytes());
        Self {
            bytes,
            len: kept.len() as u8,
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

/// Why a file's vocabulary was refused.
///
/// `token` and `merge` are indices into `tokenizer.ggml.tokens` and `tokenizer.ggml.merges`, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The file has no such key, or its value has another type than this key's.
    Key {
        /// The metadata key.
        key: &'static str,
        /// The type that its value must have.
        expected: &'static str,
    },
    /// `tokenizer.ggml.model` names a kind of vocabulary other than byte-level BPE (`gpt2`).
    Model {
        /// The name that the file gives.
        found: Name,
    },
    /// `tokenizer.ggml.pre` names a pre-tokenizer that is not implemented.
    PreTokenizer {
        /// The name that the file gives.
        found: Name,
    },
    /// `tokenizer.ggml.token_type` does not have one entry a token.
    TypeCount {
        /// Its entries.
        found: usize,
        /// The number of tokens.
        expected: usize,
    },
    /// More tokens, more merges, or more bytes of tokens than an index takes.
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The largest number accepted.
        most: usize,
    },
    /// A token's type is none that the format defines.
    TokenType {
        /// The token.
        token: usize,
        /// Its type, or -1 if it is no integer of 32 bits.
        found: i64,
    },
    /// A token is not spelled in the alphabet of byte-level BPE, or, if it is not one of the
    /// ordinary tokens, is not UTF-8 or is empty.
    TokenText {
        /// The token.
        token: usize,
    },
    /// A token is longer than any token of a real vocabulary.
    TokenLength {
        /// The token.
        token: usize,
        /// Its length in bytes.
        found: usize,
        /// The greatest length accepted.
        most: usize,
    },
    /// A token occurs twice, so that its text does not have one id.
    DuplicateToken {
        /// The second of the two.
        token: usize,
        /// The first.
        first: usize,
    },
    /// The vocabulary has no token for a byte, so that some text could not be encoded.
    NoByte {
        /// The byte.
        byte: u8,
    },
    /// A merge is not two tokens with one space between them.
    MergeForm {
        /// The merge.
        merge: usize,
    },
    /// A merge makes a token that the vocabulary does not have.
    MergeToken {
        /// The merge.
        merge: usize,
    },
    /// A merge occurs twice, so that its pair does not have one rank.
    DuplicateMerge {
        /// The second of the two.
        merge: usize,
        /// The first.
        first: usize,
    },
    /// So many entries share a hash that looking them up would take too long: made to do harm.
    Colliding {
        /// Tokens or merges.
        what: &'static str,
        /// The entry at which indexing was given up.
        at: usize,
    },
    /// A metadata key names a token that the vocabulary does not have.
    TokenId {
        /// The metadata key.
        key: &'static str,
        /// The id that it gives.
        found: u64,
        /// The number of tokens.
        tokens: usize,
    },
    /// The memory for the index is too short.
    IndexLength {
        /// Its length in bytes.
        found: usize,
        /// Bytes needed.
        needed: usize,
    },
    /// The memory for the index does not begin at a multiple of four.
    IndexAlignment,
    /// The file brings an index along (`qlens.tokenizer.index`) that cannot be used.
    StoredIndex(IndexFault),
    /// The file brings an index along and does not begin at a multiple of four in memory.
    FileAlignment,
}

/// What is wrong with an index that a file brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum IndexFault {
    /// It is not an array of bytes, or its words do not begin at a multiple of four.
    Form,
    /// It is of another version of this program.
    Version {
        /// The version of the index.
        found: u32,
        /// The version that is read here.
        expected: u32,
    },
    /// It has another length than its counts make.
    Length {
        /// Its words.
        found: usize,
        /// Words needed.
        needed: usize,
    },
    /// It was made of another vocabulary than the file's.
    Vocabulary,
    /// It names a token for a byte that is not that byte.
    ByteToken {
        /// The byte.
        byte: u8,
    },
    /// What it lists as special tokens are none, or are not in the order of their texts.
    Specials,
    /// Its longest token has no bytes, or more than are supported.
    LongestToken {
        /// Bytes of it.
        found: usize,
        /// The greatest length accepted.
        most: usize,
    },
}

impl fmt::Display for IndexFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Form => write!(f, "is not an array of bytes at a multiple of four"),
            Self::Version { found, expected } => {
                write!(f, "has version {found}, and {expected} is read here")
            }
            Self::Length { found, needed } => {
                write!(f, "has {found} words and needs {needed}")
            }
            Self::Vocabulary => write!(f, "was made of another vocabulary"),
            Self::ByteToken { byte } => {
                write!(f, "has a token for byte {byte:#04x} that is not that byte")
            }
            Self::Specials => write!(f, "lists special tokens that are none, or in disorder"),
            Self::LongestToken { found, most } => write!(
                f,
                "has a longest token of {found} bytes; 1 to {most} are supported"
            ),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Key { key, expected } => {
                write!(f, "the file's {key} is missing or is not {expected}")
            }
            Self::Model { found } => write!(
                f,
                "the file's vocabulary is of the kind \"{}\" (tokenizer.ggml.model); \
                 only byte-level BPE, \"gpt2\", is supported",
                found.as_str()
            ),
            Self::PreTokenizer { found } => write!(
                f,
                "the file's pre-tokenizer is \"{}\" (tokenizer.ggml.pre); \"qwen2\" and \"qwen35\" are \
                 supported",
                found.as_str()
            ),
            Self::TypeCount { found, expected } => write!(
                f,
                "tokenizer.ggml.token_type has {found} entries for {expected} tokens"
            ),
            Self::TooMany { what, found, most } => write!(
                f,
                "the vocabulary has {found} {what}; at most {most} are supported"
            ),
            Self::TokenType { token, found } => {
                write!(f, "token {token} has type {found}; types are 1 to 6")
            }
            Self::TokenText { token } => write!(
                f,
                "the text of token {token} is not spelled as its type requires"
            ),
            Self::TokenLength { token, found, most } => write!(
                f,
                "token {token} has {found} bytes; at most {most} are supported"
            ),
            Self::DuplicateToken { token, first } => {
                write!(f, "token {token} is the same as token {first}")
            }
            Self::NoByte { byte } => write!(f, "the vocabulary has no token for byte {byte:#04x}"),
            Self::MergeForm { merge } => {
                write!(
                    f,
                    "merge {merge} is not two tokens with one space between them"
                )
            }
            Self::MergeToken { merge } => {
                write!(
                    f,
                    "the token that merge {merge} makes is not in the vocabulary"
                )
            }
            Self::DuplicateMerge { merge, first } => {
                write!(f, "merge {merge} is the same as merge {first}")
            }
            Self::Colliding { what, at } => write!(
                f,
                "too many {what} share a hash with {what} number {at}; the file may be made to do harm"
            ),
            Self::TokenId { key, found, tokens } => {
                write!(f, "{key} is {found}, but there are {tokens} tokens")
            }
            Self::IndexLength { found, needed } => write!(
                f,
                "the tokenizer's index needs {needed} bytes and was given {found}"
            ),
            Self::IndexAlignment => {
                write!(
                    f,
                    "the memory for the tokenizer's index is not aligned to 4 bytes"
                )
            }
            Self::StoredIndex(fault) => write!(
                f,
                "the file's qlens.tokenizer.index {fault}: make the file anew with `qlens pack` \
                 from the plain one"
            ),
            Self::FileAlignment => write!(
                f,
                "the file is not aligned to 4 bytes in memory, as its tokenizer's index needs"
            ),
        }
    }
}

impl core::error::Error for Error {}

/// The sink of token ids takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Full;

/// Why a text was not encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EncodeError {
    /// The sink took no more ids; encoding stopped there.
    Full,
    /// The text has more tokens than there was room for.
    TooLong {
        /// Tokens of the whole text.
        tokens: usize,
        /// Tokens there was room for.
        room: usize,
    },
    /// A word is longer than the scratch, and what is behind the scratch's end changes the tokens in
    /// its first half. In the vocabulary of Qwen2.5 no text can do that.
    Undecided {
        /// Bytes of the word that were looked at together.
        bytes: usize,
    },
    /// The scratch is too short.
    Scratch {
        /// Its length in bytes.
        found: usize,
        /// Bytes needed at least; see [`SCRATCH_BYTES`](super::SCRATCH_BYTES).
        needed: usize,
    },
    /// The scratch does not begin at a multiple of four.
    ScratchAlignment,
}

impl From<Full> for EncodeError {
    fn from(Full: Full) -> Self {
        Self::Full
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Full => write!(f, "the text has more tokens than there is room for"),
            Self::TooLong { tokens, room } => write!(
                f,
                "the text has {tokens} tokens and there is room for {room}"
            ),
            Self::Undecided { bytes } => write!(
                f,
                "the tokens of a long word depend on more than the {bytes} bytes \
                 that the scratch holds at a time"
            ),
            Self::Scratch { found, needed } => write!(
                f,
                "the tokenizer's scratch needs {needed} bytes and was given {found}"
            ),
            Self::ScratchAlignment => {
                write!(f, "the tokenizer's scratch is not aligned to 4 bytes")
            }
        }
    }
}

impl core::error::Error for EncodeError {}
