//! Makes an index, in one pass over the tokens and one over the merges.

use super::error::Error;
use super::slots::{Refused, Slots, TextHash, pair_hash};
use super::vocabulary::{KIND_SHIFT, Vocabulary, length};
use super::{MAX_TOKEN_BYTES, MERGES, TOKENS, byte_level};

/// The parts of an index that is being made.
pub(super) struct Builder<'v, 'm, 'a> {
    pub(super) vocabulary: &'v Vocabulary<'m>,
    pub(super) tokens: &'a mut [u32],
    pub(super) token_slots: Slots<&'a mut [u32]>,
    pub(super) merge_slots: Slots<&'a mut [u32]>,
    pub(super) merges: &'a mut [[u32; 3]],
}

impl Builder<'_, '_, '_> {
    /// Enters every token and lists the special ones, as many as `specials` is long; returns the
    /// length of the longest token in bytes.
    pub(super) fn index_tokens(&mut self, specials: &mut [u32]) -> Result<usize, Error> {
        let mut texts = self.vocabulary.tokens.strings().ok_or(Error::Key {
            key: TOKENS,
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

    pub(super) fn find_bytes(&self, byte_tokens: &mut [u32]) -> Result<(), Error> {
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

    pub(super) fn index_merges(&mut self) -> Result<(), Error> {
        let texts = self.vocabulary.merges.strings().ok_or(Error::Key {
            key: MERGES,
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
