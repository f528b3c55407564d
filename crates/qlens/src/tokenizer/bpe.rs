//! Byte-pair encoding of one word: merge the adjacent pair of the lowest rank, the leftmost of
//! several, until no pair of the word is in the list of merges.
//!
//! Words are short as a rule, but nothing says so: a line of a thousand dashes is one word, and a
//! prompt may be one. So the pairs stand in a tournament tree, which makes a merge cost the
//! logarithm of the word's length, and a word longer than the scratch is encoded window by window.
//!
//! # Why windows are exact
//!
//! Look at an encoding `t1 t2 … tn` and at the merges that led to it. None reached across the border
//! of two of these tokens, so the bytes on either side of a border were merged without regard to the
//! other side, and any stretch of neighbouring tokens is the encoding of its own bytes. The other
//! way round, if every two neighbours of a sequence are the encoding of their own bytes, then the
//! sequence is the encoding of the whole: the first merge across a border would have happened in the
//! encoding of that pair too. So encodings of windows may be strung together if each window begins
//! with the token that the one before it ended with, and that token comes out again. If it does not,
//! something more than half a window further right has changed it; then encoding stops with an
//! error, not with a wrong result.
//!
//! # Why they do not stop
//!
//! In a trained list a merge comes after those that made its two tokens, so that ranks only ascend
//! while a word is encoded. Whatever is changed by a change further right is changed by a merge of a
//! higher rank, one token further left at a time. The longest such chain in a list bounds how far a
//! word's end reaches back: 236 bytes in the vocabulary of Qwen2.5 (the tests compute it), and half
//! a window is 1,024.

use super::index::Index;
use super::pretokenize::Chars;
use super::{EncodeError, Full, MAX_TOKEN_BYTES};

/// Symbols of a window when the scratch has [`SCRATCH_BYTES`](super::SCRATCH_BYTES).
pub(super) const WINDOW: usize = 2048;
// Enough for the longest tokens that a vocabulary may have: see `Symbols::new`.
const _: () = assert!(WINDOW >= 4 * MAX_TOKEN_BYTES);

/// Bytes of scratch a symbol: token, rank; next, previous, tree.
pub(super) const SYMBOL_BYTES: usize = 2 * size_of::<u32>() + 3 * size_of::<u16>();

/// The rank of a pair that cannot be merged.
pub(super) const NO_RANK: u32 = u32::MAX;

/// The first `len` bytes of some text.
#[derive(Debug, Clone)]
pub(super) struct Bytes<'t> {
    chars: Chars<'t>,
    /// The character being read, in UTF-8, and what of it is left.
    encoded: [u8; 4],
    next: u8,
    end: u8,
    left: usize,
}

impl<'t> Bytes<'t> {
    pub(super) fn new(chars: Chars<'t>, len: usize) -> Self {
        Self {
            chars,
            encoded: [0; 4],
            next: 0,
            end: 0,
            left: len,
        }
    }
}

impl Iterator for Bytes<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        self.left = self.left.checked_sub(1)?;
        if self.next == self.end {
            let c = self.chars.next()?;
            self.next = 0;
            self.end = c.encode_utf8(&mut self.encoded).len() as u8;
        }
        let byte = self.encoded[usize::from(self.next)];
        self.next += 1;
        Some(byte)
    }
}

/// The symbols of a window, in the caller's memory. A symbol is named by the position of its first
/// byte.
pub(super) struct Symbols<'s> {
    /// The token that begins at a position.
    token: &'s mut [u32],
    /// The rank of that token together with the one behind it.
    rank: &'s mut [u32],
    /// Where the symbol behind begins; the window's length for the last.
    next: &'s mut [u16],
    /// Where the symbol before begins; nothing for the first.
    previous: &'s mut [u16],
    /// Node `n`'s children are `2n` and `2n + 1`, the leaves are the positions; a node holds which
    /// position below it has the lowest rank.
    tree: &'s mut [u16],
}

impl<'s> Symbols<'s> {
    /// Divides the scratch. Tokens may have up to `longest` bytes.
    pub(super) fn new(scratch: &'s mut [u8], longest: usize) -> Result<Self, EncodeError> {
        // An even number, so that the 16-bit parts fill whole words.
        let len = (scratch.len() / SYMBOL_BYTES).min(usize::from(u16::MAX)) & !1;
        // Half a window must hold a token, or encoding would not advance; and the token of the
        // window before comes on top of it.
        let least = 4 * longest.max(1);
        if len < least {
            return Err(EncodeError::Scratch {
                needed: least * SYMBOL_BYTES,
                found: scratch.len(),
            });
        }
        let words: &mut [u32] = bytemuck::try_cast_slice_mut(&mut scratch[..len * SYMBOL_BYTES])
            .map_err(|_| EncodeError::ScratchAlignment)?;
        let (token, words) = words.split_at_mut(len);
        let (rank, words) = words.split_at_mut(len);
        let halves: &mut [u16] = bytemuck::cast_slice_mut(words);
        let (next, halves) = halves.split_at_mut(len);
        let (previous, tree) = halves.split_at_mut(len);
        Ok(Self {
            token,
            rank,
            next,
            previous,
            tree,
        })
    }

    /// Encodes a word of `len` bytes and hands out its tokens.
    pub(super) fn encode(
        &mut self,
        index: &Index<'_>,
        mut word: Bytes<'_>,
        mut len: usize,
        out: &mut dyn FnMut(u32) -> Result<(), Full>,
    ) -> Result<(), EncodeError> {
        // The token that was handed out last, its length, and the rest of the word from it on.
        let mut before: Option<(u32, usize)> = None;
        loop {
            let window = len.min(self.token.len());
            for (symbol, byte) in self.token[..window].iter_mut().zip(word.clone()) {
                *symbol = index.byte_token(byte);
            }
            self.merge(index, window);

            let mut at = 0;
            if let Some((token, bytes)) = before {
                at = usize::from(self.next[0]);
                if self.token[0] != token || at != bytes {
                    return Err(EncodeError::Undecided { bytes: window });
                }
            }
            let end = if window == len { len } else { window / 2 };
            while at < window {
                let next = usize::from(self.next[at]);
                if next > end {
                    break;
                }
                out(self.token[at])?;
                before = Some((self.token[at], next - at));
                at = next;
            }
            if window == len {
                return Ok(());
            }
            let overlap = before.map_or(0, |(_, bytes)| bytes);
            let advance = at - overlap;
            // Windows are long enough for this never to be 0 (see `new`); were it 0, to go on would
            // be to go on for ever.
            let Some(skipped) = advance.checked_sub(1) else {
                return Err(EncodeError::Undecided { bytes: window });
            };
            word.nth(skipped);
            len -= advance;
        }
    }

    /// Merges the first `len` symbols, which are bytes, as far as they can be merged.
    fn merge(&mut self, index: &Index<'_>, len: usize) {
        for at in 0..len {
            self.next[at] = at as u16 + 1;
            self.previous[at] = (at as u16).wrapping_sub(1);
            self.rank[at] = match self.token[..len].get(at + 1) {
                Some(&behind) => index.rank(self.token[at], behind),
                None => NO_RANK,
            };
        }
        for node in (1..len).rev() {
            self.play(node, len);
        }
        if len < 2 {
            return;
        }
        loop {
            let at = usize::from(self.tree[1]);
            if self.rank[at] == NO_RANK {
                return;
            }
            let merged = usize::from(self.next[at]);
            let behind = usize::from(self.next[merged]);
            self.token[at] = index.merged(self.rank[at]);
            self.next[at] = behind as u16;
            self.set_rank(merged, NO_RANK, len);
            let mut rank = NO_RANK;
            if behind < len {
                self.previous[behind] = at as u16;
                rank = index.rank(self.token[at], self.token[behind]);
            }
            self.set_rank(at, rank, len);
            if at > 0 {
                let before = usize::from(self.previous[at]);
                let rank = index.rank(self.token[before], self.token[at]);
                self.set_rank(before, rank, len);
            }
        }
    }

    fn set_rank(&mut self, at: usize, rank: u32, len: usize) {
        self.rank[at] = rank;
        let mut node = len + at;
        while node > 1 {
            node /= 2;
            self.play(node, len);
        }
    }

    /// Lets the two children of a node play: the lower rank wins, of equal ones the one further left.
    fn play(&mut self, node: usize, len: usize) {
        let winner = |child: usize| {
            child
                .checked_sub(len)
                .unwrap_or_else(|| usize::from(self.tree[child]))
        };
        let (a, b) = (winner(2 * node), winner(2 * node + 1));
        let first = (self.rank[a], a) <= (self.rank[b], b);
        self.tree[node] = if first { a } else { b } as u16;
    }
}
