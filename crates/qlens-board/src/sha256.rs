//! SHA-256 (FIPS 180-4) over a stream, with a compression function that the board may choose.
//!
//! A model is hundreds of megabytes and is hashed at every boot. The `sha2` crate finds out at run
//! time whether a core has the SHA instructions by asking the operating system, and where there is
//! none it falls back to plain code, so on bare metal it would never use them. Its compression
//! function is public, though, so this module takes that one by default and lets a board that has
//! read its own identification registers pass another.

use core::fmt;

/// Advances a SHA-256 state by whole blocks.
pub type Compress = fn(state: &mut [u32; 8], blocks: &[[u8; 64]]);

/// The first 32 bits of the fractional parts of the square roots of the first eight primes.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A hash being computed.
#[derive(Clone)]
pub struct Sha256 {
    state: [u32; 8],
    /// The bytes of a block that is not full yet.
    pending: [u8; 64],
    /// How many of them there are; below 64.
    filled: usize,
    /// Bytes hashed so far, pending ones included.
    total: u64,
    compress: Compress,
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sha256")
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

impl Sha256 {
    /// A hash of nothing yet, computed by the `sha2` crate.
    pub fn new() -> Self {
        Self::with_compress(sha2::block_api::compress256)
    }

    /// A hash of nothing yet, computed by the board's own compression function.
    pub const fn with_compress(compress: Compress) -> Self {
        Self {
            state: INITIAL,
            pending: [0; 64],
            filled: 0,
            total: 0,
            compress,
        }
    }

    /// Hashes further bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.total = self.total.wrapping_add(bytes.len() as u64);
        if self.filled > 0 {
            let take = bytes.len().min(64 - self.filled);
            self.pending[self.filled..self.filled + take].copy_from_slice(&bytes[..take]);
            self.filled += take;
            bytes = &bytes[take..];
            if self.filled < 64 {
                return;
            }
            (self.compress)(&mut self.state, &[self.pending]);
        }
        let (blocks, rest) = bytes.as_chunks::<64>();
        if !blocks.is_empty() {
            (self.compress)(&mut self.state, blocks);
        }
        self.pending[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }

    /// The hash of everything given so far.
    pub fn finish(mut self) -> [u8; 32] {
        let bits = self.total.wrapping_mul(8);
        // A one bit, zeros up to the last eight bytes of a block, and the length in bits.
        let zeros = if self.filled < 56 { 56 } else { 120 } - self.filled;
        let mut padding = [0; 72];
        padding[0] = 0x80;
        padding[zeros..zeros + 8].copy_from_slice(&bits.to_be_bytes());
        self.update(&padding[..zeros + 8]);
        let mut hash = [0; 32];
        for (out, word) in hash.chunks_exact_mut(4).zip(self.state) {
            out.copy_from_slice(&word.to_be_bytes());
        }
        hash
    }
}

/// A hash, written as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex<'a>(pub &'a [u8; 32]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads a hash of 64 hexadecimal digits, upper or lower case; `None` if it is anything else.
pub fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut hash = [0; 32];
    for (out, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *out = (high << 4 | low) as u8;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::{vec, vec::Vec};

    use proptest::prelude::*;
    use sha2::Digest;

    use super::*;

    fn hex_of(bytes: &[u8]) -> std::string::String {
        let mut hash = Sha256::new();
        hash.update(bytes);
        Hex(&hash.finish()).to_string()
    }

    /// The examples of FIPS 180-4 and of NIST's CAVP.
    #[test]
    fn published_vectors() {
        for (input, expected) in [
            (
                vec![],
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                b"abc".to_vec(),
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".to_vec(),
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (
                vec![b'a'; 1_000_000],
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
            ),
        ] {
            assert_eq!(hex_of(&input), expected);
        }
    }

    #[test]
    fn hex_both_ways() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hash = from_hex(text).unwrap();
        assert_eq!(Hex(&hash).to_string(), text);
        assert_eq!(from_hex(&text.to_uppercase()), Some(hash));
        assert_eq!(from_hex(&text[1..]), None);
        assert_eq!(from_hex(&text.replace('b', "g")), None);
        assert_eq!(from_hex(&"é".repeat(32)), None);
    }

    proptest! {
        /// However a stream is cut, the hash is that of the `sha2` crate's own buffering.
        #[test]
        fn equals_sha2(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8)) {
            let mut ours = Sha256::new();
            for piece in &pieces {
                ours.update(piece);
            }
            let whole: Vec<u8> = pieces.concat();
            let theirs: [u8; 32] = sha2::Sha256::digest(&whole).into();
            prop_assert_eq!(ours.finish(), theirs);
        }
    }
}
