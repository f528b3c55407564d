//! The vocabulary turned into what encoding looks up.
//!
//! A file lists tokens and merges as texts. Encoding needs the other directions: the id of a text,
//! and for a pair of ids its rank and the id it merges to. `builder` makes both in the caller's memory;
//! a packed file brings them along (`stored`). Ranks are the merges' order in the file, never the order
//! of ids. Texts stay where they lie in the file.
//!
//! The index is `u32`s, in this order:
//!
//! | part | entries | holds |
//! |---|---|---|
//! | header | 7 | what it is an index of: see `stored` |
//! | tokens | tokens | the token's kind, and where its text begins in the file's array |
//! | token slots | 3/2 of the tokens | hash table: text to id |
//! | merge slots | 3/2 of the merges | hash table: pair to rank |
//! | merges | 3 × merges | left id, right id, merged id |
//! | byte tokens | 256 | the id of each single byte |
//! | specials | special tokens | their ids, ascending by text |
//!
//! # What a lie costs
//!
//! An index that a file brings along is not trusted, and not walked either. Its header, its fingerprint of
//! the vocabulary and its small parts are checked once ([`Index::stored`]); the rest where it is used, so that a
//! wrong entry can make other tokens, as a wrong vocabulary could, and nothing else:
//!
//! - A slot says where to look, never what is there: what it leads to is compared with the text or the
//!   pair that was asked for, and a slot that leads elsewhere or nowhere finds nothing. Probing ends by
//!   itself ([`Slots`]).
//! - A merge whose token the vocabulary does not have is no merge. Every id that comes out is a token's.
//! - Where a text begins is a place in the file's array of tokens, and no text reaches out of that; one
//!   that no token could have stands for nothing.

use super::bpe::NO_RANK;
use super::builder::Builder;
use super::error::{Error, IndexFault};
use super::slots::{Slots, TextHash, pair_hash, slots};
use super::stored::{HEADER, Header, fingerprint};
use super::vocabulary::{KIND_SHIFT, Kind, Vocabulary};
use super::{MAX_TOKEN_BYTES, byte_level};

/// How many entries the parts of an index have.
#[derive(Debug, Clone, Copy)]
struct Layout {
    tokens: usize,
    merges: usize,
    specials: usize,
}

impl Layout {
    /// That of an index that is to be built.
    fn needed(vocabulary: &Vocabulary<'_>) -> Result<Self, Error> {
        let (tokens, merges) = vocabulary.counts()?;
        let mut specials = 0;
        for token in 0..tokens {
            specials += usize::from(vocabulary.kind(token)?.is_special());
        }
        Ok(Self {
            tokens,
            merges,
            specials,
        })
    }

    fn of(header: &Header) -> Self {
        Self {
            tokens: header.tokens,
            merges: header.merges,
            specials: header.specials,
        }
    }

    /// Entries of each part behind the header, in order.
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

    /// Entries of the whole.
    fn words(&self) -> usize {
        HEADER + self.parts().iter().sum::<usize>()
    }
}

/// Bytes that the index of a vocabulary takes.
pub(super) fn bytes(vocabulary: &Vocabulary<'_>) -> Result<usize, Error> {
    Ok(4 * Layout::needed(vocabulary)?.words())
}

/// What the words of an index say of themselves, if it fits the vocabulary and their number.
pub(super) fn header(vocabulary: &Vocabulary<'_>, words: &[u32]) -> Result<Header, Error> {
    let (tokens, merges) = vocabulary.counts()?;
    let header = Header::read(words).map_err(Error::StoredIndex)?;
    let fault = if (header.tokens, header.merges) != (tokens, merges) {
        IndexFault::Vocabulary
    } else if header.specials > tokens {
        IndexFault::Specials
    } else if !(1..=MAX_TOKEN_BYTES).contains(&header.longest) {
        IndexFault::LongestToken {
            found: header.longest,
            most: MAX_TOKEN_BYTES,
        }
    } else {
        let needed = Layout::of(&header).words();
        if words.len() == needed {
            return Ok(header);
        }
        IndexFault::Length {
            found: words.len(),
            needed,
        }
    };
    Err(Error::StoredIndex(fault))
}

/// An index, built or brought along.
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
    /// Makes the index of a vocabulary in `memory`, whatever is in it, and returns its words. Its
    /// header says of the vocabulary what `fingerprint` is.
    pub(super) fn build(
        vocabulary: &Vocabulary<'_>,
        memory: &'a mut [u8],
        fingerprint: u64,
    ) -> Result<&'a [u32], Error> {
        let layout = Layout::needed(vocabulary)?;
        let found = memory.len();
        let needed = 4 * layout.words();
        let memory = memory
            .get_mut(..needed)
            .ok_or(Error::IndexLength { found, needed })?;
        let words: &mut [u32] =
            bytemuck::try_cast_slice_mut(memory).map_err(|_| Error::IndexAlignment)?;
        let (head, mut rest) = words.split_at_mut(HEADER);
        let [
            tokens,
            token_slots,
            merge_slots,
            merges,
            byte_tokens,
            specials,
        ] = layout.parts().map(|len| {
            let (part, behind) = core::mem::take(&mut rest).split_at_mut(len);
            rest = behind;
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
        let Layout {
            tokens,
            merges,
            specials,
        } = layout;
        let of = Header {
            tokens,
            merges,
            specials,
            longest,
            fingerprint,
        };
        of.write(head);
        Ok(words)
    }

    /// The index that was built into `words`, for a vocabulary that has these counts.
    pub(super) fn over(header: &Header, words: &'a [u32]) -> Self {
        let layout = Layout::of(header);
        let (_, mut rest) = words.split_at(HEADER);
        let [
            tokens,
            token_slots,
            merge_slots,
            merges,
            byte_tokens,
            specials,
        ] = layout.parts().map(|len| {
            let (part, behind) = rest.split_at(len);
            rest = behind;
            part
        });
        Self {
            tokens,
            token_slots: Slots::of(token_slots, layout.tokens),
            merge_slots: Slots::of(merge_slots, layout.merges),
            merges: merges.as_chunks().0,
            byte_tokens,
            specials,
            longest: header.longest,
        }
    }

    /// The index that the vocabulary's file brings along in `words`, as far as that can be known
    /// without walking it.
    pub(super) fn stored(vocabulary: &Vocabulary<'_>, words: &'a [u32]) -> Result<Self, Error> {
        let header = header(vocabulary, words)?;
        if header.fingerprint != fingerprint(vocabulary) {
            return Err(Error::StoredIndex(IndexFault::Vocabulary));
        }
        let index = Self::over(&header, words);
        for byte in 0..=u8::MAX {
            let mut buffer = [0; 4];
            let text = byte_level::char_of(byte).encode_utf8(&mut buffer);
            let found = index.token(vocabulary, index.byte_token(byte));
            if found.is_none_or(|(found, _)| found != text.as_bytes()) {
                return Err(Error::StoredIndex(IndexFault::ByteToken { byte }));
            }
        }
        let mut before: &[u8] = &[];
        for &id in index.specials {
            match index.token(vocabulary, id) {
                Some((text, kind)) if kind.is_special() && text > before => before = text,
                _ => return Err(Error::StoredIndex(IndexFault::Specials)),
            }
        }
        Ok(index)
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
        self.token_slots.find(hash, |id| {
            let entry = self.tokens.get(id as usize);
            entry.is_some_and(|&entry| vocabulary.text(entry) == text)
        })
    }

    /// The token of a single byte.
    pub(super) fn byte_token(&self, byte: u8) -> u32 {
        self.byte_tokens[usize::from(byte)]
    }

    /// The rank of a pair of tokens, [`NO_RANK`] if it is not merged.
    pub(super) fn rank(&self, left: u32, right: u32) -> u32 {
        self.merge_slots
            .find(pair_hash(left, right), |rank| {
                self.merges.get(rank as usize).is_some_and(|&[l, r, id]| {
                    (l, r) == (left, right) && (id as usize) < self.tokens.len()
                })
            })
            .unwrap_or(NO_RANK)
    }

    /// The token that the merge of a rank makes which [`rank`](Self::rank) has found.
    pub(super) fn merged(&self, rank: u32) -> u32 {
        self.merges[rank as usize][2]
    }
}
