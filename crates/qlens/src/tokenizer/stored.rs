//! The index that a packed file brings along, so that nothing is built at boot and no memory is taken.
//!
//! `qlens pack` puts it under [`KEY`], an array of bytes: up to three zeros, so that what follows begins
//! at a multiple of four from the start of the file, then the index ([`index`](super::index)) as it is in
//! memory, little-endian. It is used where it lies.
//!
//! Its header is seven words:
//!
//! | word | holds |
//! |---|---|
//! | 0 | [`VERSION`] of the layout and of its hashes |
//! | 1, 2, 3 | the number of tokens, of merges and of special tokens |
//! | 4 | bytes of the longest token |
//! | 5, 6 | [`fingerprint`] of the vocabulary, lower half first |
//!
//! The fingerprint tells an index from that of a vocabulary that was changed afterwards. It is no proof
//! of anything: who makes a file to do harm makes it fit.

use super::error::{Error, IndexFault};
use super::vocabulary::Vocabulary;
use crate::gguf::{Gguf, ValueType};

/// The metadata key of the index in a packed file.
pub(super) const KEY: &str = "qlens.tokenizer.index";

/// Words of the header.
pub(super) const HEADER: usize = 7;

/// Changes with the layout of the index, the hashes of its tables and the fingerprint.
const VERSION: u32 = 1;

/// What an index says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) tokens: usize,
    pub(super) merges: usize,
    pub(super) specials: usize,
    /// Bytes of the longest token.
    pub(super) longest: usize,
    pub(super) fingerprint: u64,
}

impl Header {
    pub(super) fn read(words: &[u32]) -> Result<Self, IndexFault> {
        let Some(&[version, tokens, merges, specials, longest, low, high]) = words.first_chunk()
        else {
            return Err(IndexFault::Length {
                found: words.len(),
                needed: HEADER,
            });
        };
        if version != VERSION {
            return Err(IndexFault::Version {
                found: version,
                expected: VERSION,
            });
        }
        Ok(Self {
            tokens: tokens as usize,
            merges: merges as usize,
            specials: specials as usize,
            longest: longest as usize,
            fingerprint: u64::from(high) << 32 | u64::from(low),
        })
    }

    /// Writes it into the first words of an index, whose numbers are all below 2²⁴.
    pub(super) fn write(&self, words: &mut [u32]) {
        words.copy_from_slice(&[
            VERSION,
            self.tokens as u32,
            self.merges as u32,
            self.specials as u32,
            self.longest as u32,
            self.fingerprint as u32,
            (self.fingerprint >> 32) as u32,
        ]);
    }
}

/// The words of the file's own index; `None` in a plain file.
pub(super) fn find<'m>(gguf: &Gguf<'m>) -> Result<Option<&'m [u32]>, Error> {
    let Some(value) = gguf.get(KEY) else {
        return Ok(None);
    };
    let bytes = value
        .as_array()
        .filter(|array| array.element_type() == ValueType::U8)
        .ok_or(Error::StoredIndex(IndexFault::Form))?
        .encoded();
    let words = &bytes[bytes.len() % size_of::<u32>()..];
    match bytemuck::try_cast_slice(words) {
        Ok(words) => Ok(Some(words)),
        Err(_)
            if gguf
                .bytes()
                .as_ptr()
                .addr()
                .is_multiple_of(size_of::<u32>()) =>
        {
            Err(Error::StoredIndex(IndexFault::Form))
        }
        Err(_) => Err(Error::FileAlignment),
    }
}

/// A hash of everything that an index depends on: texts of tokens and merges, and tokens' types. Every
/// boot pays for it: five instructions for eight bytes on aarch64, three million for Qwen2.5, where
/// building takes two hundred.
pub(super) fn fingerprint(vocabulary: &Vocabulary<'_>) -> u64 {
    let types = vocabulary.types.map_or(&[][..], |types| types.encoded());
    let arrays = [
        vocabulary.tokens.encoded(),
        vocabulary.merges.encoded(),
        types,
    ];
    arrays.iter().fold(0, |hash, bytes| {
        let (words, rest) = bytes.as_chunks();
        let words = words.iter().map(|word| u64::from_le_bytes(*word));
        let rest = rest.iter().map(|&byte| u64::from(byte));
        words.chain(rest).fold(step(hash, bytes.len() as u64), step)
    })
}

/// A hash that has taken in one word more. The rotation brings high bits, which a product only moves
/// further up, down to where they matter.
fn step(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
