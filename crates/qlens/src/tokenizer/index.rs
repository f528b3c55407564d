//! The vocabulary turned into what encoding looks up, in the caller's memory.
//!
//! A file lists tokens and merges as texts. Encoding needs the other directions: the id of a text,
//! and for a pair of ids its rank and the id it merges to. [`Builder`] makes both in one pass over
//! the tokens and one over the merges; ranks are the merges' order in the file, never the order of
//! ids. Texts stay where they lie in the file.
//!
//! The index is `u32`s, in this order:
//!
//! | part | entries | holds |
//! |---|---|---|
//! | tokens | tokens | the token's kind, and where its text begins in the file's array |
//! | token slots | 3/2 of the tokens | hash table: text to id |
//! | merge slots | 3/2 of the merges | hash table: pair to rank |
//! | merges | 3 × merges | left id, right id, merged id |
//! | byte tokens | 256 | the id of each single byte |
//! | specials | special tokens | their ids, ascending by text |

use super::bpe::NO_RANK;
use super::error::Error;
use super::slots::{Refused, Slots, TextHash, pair_hash, slots};
use super::{MAX_TOKEN_BYTES, byte_level};
use crate::gguf::{Array, Value};

/// Tokens or merges of an index, at most. The largest vocabularies have about 260,000.
const MAX_ENTRIES: usize = 1 << 24;

/// Bytes of the file's array of tokens, at most.
const MAX_TEXT_BYTES: usize = 1 << KIND_SHIFT;

/// A token's entry has its kind above its offset.
const KIND_SHIFT: u32 = 29;

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
    fn from_number(number: u32) -> Option<Self> {
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

    fn number(self) -> u32 {
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
    fn is_special(self) -> bool {
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

/// How many entries the parts of an index have.
#[derive(Debug, Clone, Copy)]
struct Layout {
    tokens: usize,
    merges: usize,
    specials: usize,
}

impl<'m> Vocabulary<'m> {
    /// Bytes of the index.
    pub(super) fn index_bytes(&self) -> Result<usize, Error> {
        let layout = self.layout()?;
        Ok(4 * layout.parts().iter().sum::<usize>())
    }

    fn layout(&self) -> Result<Layout, Error> {
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
        let mut specials = 0;
        for token in 0..tokens {
            specials += usize::from(self.kind(token)?.is_special());
        }
        Ok(Layout {
            tokens,
            merges,
            specials,
        })
    }

    fn kind(&self, token: usize) -> Result<Kind, Error> {
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
    fn text(&self, entry: u32) -> &'m [u8] {
        let offset = entry & ((1 << KIND_SHIFT) - 1);
        self.tokens.string_at(offset as usize).unwrap_or_default()
    }
}

impl Layout {
    /// Entries of each part, in order.
    fn parts(&self) -> [usize; 6] {
        [
            self.tokens,
            slots(self.tokens),
            slots(self.merges),
            3 * self.merges,
            256,
            self.specials,
        ]
    }
}

/// The finished index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Index<'a> {
    tokens: &'a [u32],
    token_slots: Slots<&'a [u32]>,
    merge_slots: Slots<&'a [u32]>,
    merges: &'a [[u32; 3]],
    byte_tokens: &'a [u32],
    pub(super) specials: &'a [u32],
    /// Bytes of the longest token.
    pub(super) longest: usize,
}

impl<'a> Index<'a> {
    /// Makes the index of a vocabulary in `memory`, whatever is in it.
    pub(super) fn build(vocabulary: &Vocabulary<'_>, memory: &'a mut [u8]) -> Result<Self, Error> {
        let layout = vocabulary.layout()?;
        let found = memory.len();
        let needed = vocabulary.index_bytes()?;
        let memory = memory
            .get_mut(..needed)
            .ok_or(Error::IndexLength { found, needed })?;
        let mut memory: &mut [u32] =
            bytemuck::try_cast_slice_mut(memory).map_err(|_| Error::IndexAlignment)?;
        let [
            tokens,
            token_slots,
            merge_slots,
            merges,
            byte_tokens,
            specials,
        ] = layout.parts().map(|len| {
            let (part, rest) = core::mem::take(&mut memory).split_at_mut(len);
            memory = rest;
            part
        });
        let mut builder = Builder {
            vocabulary,
            tokens,
            token_slots: Slots::clear(token_slots, layout.tokens),
            merge_slots: Slots::clear(merge_slots, layout.merges),
            merges: merges.as_chunks_mut().0,
        };
        let longest = builder.index_tokens(specials)?;
        builder.find_bytes(byte_tokens)?;
        builder.index_merges()?;
        specials.sort_unstable_by_key(|&id| vocabulary.text(builder.tokens[id as usize]));
        Ok(Self {
            tokens: builder.tokens,
            token_slots: builder.token_slots.finish(),
            merge_slots: builder.merge_slots.finish(),
            merges: builder.merges,
            byte_tokens,
            specials,
            longest,
        })
    }

    /// The number of tokens.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The text of a token as the file spells it, and its kind.
    pub(super) fn token<'m>(
        &self,
        vocabulary: &Vocabulary<'m>,
        id: u32,
    ) -> Option<(&'m [u8], Kind)> {
        let &entry = self.tokens.get(id as usize)?;
        Some((
            vocabulary.text(entry),
            Kind::from_number(entry >> KIND_SHIFT)?,
        ))
    }

    /// The id of a text as the file spells it.
    pub(super) fn id_of(&self, vocabulary: &Vocabulary<'_>, text: &[u8]) -> Option<u32> {
        let hash = TextHash::default().then(text).finish();
        self.token_slots
            .find(hash, |id| vocabulary.text(self.tokens[id as usize]) == text)
    }

    /// The token of a single byte.
    pub(super) fn byte_token(&self, byte: u8) -> u32 {
        self.byte_tokens[usize::from(byte)]
    }

    /// The rank of a pair of tokens, [`NO_RANK`] if it is not merged.
    pub(super) fn rank(&self, left: u32, right: u32) -> u32 {
        self.merge_slots
            .find(pair_hash(left, right), |rank| {
                let [l, r, _] = self.merges[rank as usize];
                (l, r) == (left, right)
            })
            .unwrap_or(NO_RANK)
    }

    /// The token that the merge of this rank makes.
    pub(super) fn merged(&self, rank: u32) -> u32 {
        self.merges[rank as usize][2]
    }
}

/// The parts of an index that is being made.
struct Builder<'v, 'm, 'a> {
    vocabulary: &'v Vocabulary<'m>,
    tokens: &'a mut [u32],
    token_slots: Slots<&'a mut [u32]>,
    merge_slots: Slots<&'a mut [u32]>,
    merges: &'a mut [[u32; 3]],
}

impl Builder<'_, '_, '_> {
    /// Enters every token and lists the special ones, as many as `specials` is long; returns the
    /// length of the longest token in bytes.
    fn index_tokens(&mut self, specials: &mut [u32]) -> Result<usize, Error> {
        let mut texts = self.vocabulary.tokens.strings().ok_or(Error::Key {
            key: super::TOKENS,
            expected: "an array of strings",
        })?;
        let mut specials = specials.iter_mut();
        let mut longest = 0;
        for token in 0..self.tokens.len() {
            let offset = texts.offset();
            let text = texts.next().unwrap_or_default();
            let kind = self.vocabulary.kind(token)?;
            let len = length(text, kind).ok_or(Error::TokenText { token })?;
            if len > MAX_TOKEN_BYTES {
                return Err(Error::TokenLength {
                    token,
                    found: len,
                    most: MAX_TOKEN_BYTES,
                });
            }
            longest = longest.max(len);
            if kind.is_special()
                && let Some(special) = specials.next()
            {
                *special = token as u32;
            }
            self.tokens[token] = offset as u32 | kind.number() << KIND_SHIFT;

            let (tokens, vocabulary) = (&*self.tokens, self.vocabulary);
            let hash = TextHash::default().then(text).finish();
            self.token_slots
                .insert(hash, token as u32, |id| {
                    vocabulary.text(tokens[id as usize]) == text
                })
                .map_err(|refused| match refused {
                    Refused::Duplicate { first } => Error::DuplicateToken {
                        token,
                        first: first as usize,
                    },
                    Refused::Colliding => Error::Colliding {
                        what: "tokens",
                        at: token,
                    },
                })?;
        }
        Ok(longest)
    }

    fn find_bytes(&self, byte_tokens: &mut [u32]) -> Result<(), Error> {
        for (byte, token) in (0..=u8::MAX).zip(byte_tokens) {
            let mut buffer = [0; 4];
            let text = byte_level::char_of(byte).encode_utf8(&mut buffer);
            *token = self
                .find(TextHash::default().then(text.as_bytes()), |found| {
                    found == text.as_bytes()
                })
                .ok_or(Error::NoByte { byte })?;
        }
        Ok(())
    }

    fn index_merges(&mut self) -> Result<(), Error> {
        let texts = self.vocabulary.merges.strings().ok_or(Error::Key {
            key: super::MERGES,
            expected: "an array of strings",
        })?;
        for (merge, text) in texts.enumerate() {
            let mut parts = text.split(|&byte| byte == b' ');
            let (Some(left), Some(right), None) = (parts.next(), parts.next(), parts.next()) else {
                return Err(Error::MergeForm { merge });
            };
            let left_hash = TextHash::default().then(left);
            let right_hash = TextHash::default().then(right);
            // Every symbol of a word is a token, so that a merge of anything else never applies.
            let (Some(left_id), Some(right_id)) = (
                self.find(left_hash, |found| found == left),
                self.find(right_hash, |found| found == right),
            ) else {
                continue;
            };
            let merged_id = self
                .find(left_hash.then(right), |found| {
                    found
                        .split_at_checked(left.len())
                        .is_some_and(|halves| halves == (left, right))
                })
                .ok_or(Error::MergeToken { merge })?;
            self.merges[merge] = [left_id, right_id, merged_id];

            let merges = &*self.merges;
            self.merge_slots
                .insert(pair_hash(left_id, right_id), merge as u32, |rank| {
                    merges[rank as usize][..2] == [left_id, right_id]
                })
                .map_err(|refused| match refused {
                    Refused::Duplicate { first } => Error::DuplicateMerge {
                        merge,
                        first: first as usize,
                    },
                    Refused::Colliding => Error::Colliding {
                        what: "merges",
                        at: merge,
                    },
                })?;
        }
        Ok(())
    }

    /// The token with this hash whose text is the one looked for.
    fn find(&self, hash: TextHash, is_it: impl Fn(&[u8]) -> bool) -> Option<u32> {
        self.token_slots.find(hash.finish(), |id| {
            is_it(self.vocabulary.text(self.tokens[id as usize]))
        })
    }
}

/// The number of bytes that a token stands for; `None` if its text is not one of its kind.
fn length(text: &[u8], kind: Kind) -> Option<usize> {
    let text = core::str::from_utf8(text).ok()?;
    if kind == Kind::Normal {
        text.chars()
            .all(|c| byte_level::byte_of(c).is_some())
            .then(|| text.chars().count())
    } else {
        (!text.is_empty()).then_some(text.len())
    }
}
