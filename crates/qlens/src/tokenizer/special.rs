//! Finds special tokens in text: the earliest one, and of several that begin there the longest, like
//! the reference tokenizer does, before anything else is done to the text.

use super::index::Index;
use super::vocabulary::Vocabulary;

/// The special tokens of a vocabulary, ready to be looked for.
#[derive(Debug, Clone)]
pub(super) struct Specials {
    /// A bit for each byte that a special token begins with.
    first_bytes: [u32; 8],
}

/// A special token in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) id: u32,
}

impl Specials {
    pub(super) fn new(vocabulary: &Vocabulary<'_>, index: &Index<'_>) -> Self {
        let mut first_bytes = [0; 8];
        for &id in index.specials {
            if let Some((&[first, ..], _)) = index.token(vocabulary, id) {
                first_bytes[usize::from(first / 32)] |= 1 << (first % 32);
            }
        }
        Self { first_bytes }
    }

    /// The first special token at or behind byte `from`.
    pub(super) fn find(
        &self,
        vocabulary: &Vocabulary<'_>,
        index: &Index<'_>,
        text: &str,
        from: usize,
    ) -> Option<Found> {
        let bytes = text.as_bytes();
        (from..bytes.len())
            .filter(|&start| {
                let byte = bytes[start];
                self.first_bytes[usize::from(byte / 32)] & 1 << (byte % 32) != 0
            })
            .find_map(|start| longest_at(vocabulary, index, bytes, start))
    }
}

/// The longest special token that begins at byte `start`: the tokens that agree with the text so far
/// are neighbours in the list, and every further byte of the text narrows them down.
fn longest_at(
    vocabulary: &Vocabulary<'_>,
    index: &Index<'_>,
    text: &[u8],
    start: usize,
) -> Option<Found> {
    let token = |id: u32| {
        index
            .token(vocabulary, id)
            .map_or(&[][..], |(text, _)| text)
    };
    let mut candidates = index.specials;
    let mut longest = None;
    for (len, &byte) in text[start..].iter().enumerate() {
        // A token that ends here sorts before those that go on; its byte counts as lower than any.
        let byte_of = |&id: &u32| token(id).get(len).copied();
        let low = candidates.partition_point(|id| byte_of(id) < Some(byte));
        let high = candidates.partition_point(|id| byte_of(id) <= Some(byte));
        candidates = candidates.get(low..high).unwrap_or_default();
        let Some(&first) = candidates.first() else {
            break;
        };
        if token(first).len() == len + 1 {
            longest = Some(Found {
                start,
                end: start + len + 1,
                id: first,
            });
        }
    }
    longest
}
