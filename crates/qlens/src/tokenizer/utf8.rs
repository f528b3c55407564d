//! Tokens end anywhere, characters do not: a token may be half of one. [`Utf8Stream`] holds bytes
//! back until the character is whole, so that a display never shows a broken one.

use core::fmt::{self, Write};

/// Turns bytes that arrive piece by piece into text.
///
/// What is written, all of it together, is what `String::from_utf8_lossy` makes of all the bytes
/// together, however they were cut: each ill-formed sequence becomes one U+FFFD by the Unicode
/// Standard's "substitution of maximal subparts". At most three bytes are held back.
#[derive(Debug, Clone, Default)]
pub struct Utf8Stream {
    /// The beginning of a character.
    held: [u8; 4],
    len: u8,
}

impl Utf8Stream {
    /// Writes the whole characters that `bytes` complete and contain.
    ///
    /// # Errors
    /// Only those of `out`, at once: some of the text is lost then.
    pub fn push(
        &mut self,
        bytes: impl IntoIterator<Item = u8>,
        out: &mut impl Write,
    ) -> fmt::Result {
        bytes
            .into_iter()
            .try_for_each(|byte| self.push_byte(byte, out))
    }

    /// Writes U+FFFD if a character was begun and not completed. The stream is as new afterwards.
    ///
    /// # Errors
    /// Only those of `out`.
    pub fn finish(&mut self, out: &mut impl Write) -> fmt::Result {
        if core::mem::take(&mut self.len) > 0 {
            out.write_char(char::REPLACEMENT_CHARACTER)?;
        }
        Ok(())
    }

    /// Whether a character was begun.
    pub(crate) fn is_within_character(&self) -> bool {
        self.len > 0
    }

    fn push_byte(&mut self, byte: u8, out: &mut impl Write) -> fmt::Result {
        // What is held is never a whole character, so that there is room for one byte more.
        self.held[usize::from(self.len)] = byte;
        self.len += 1;
        loop {
            let held = &self.held[..usize::from(self.len)];
            match core::str::from_utf8(held) {
                Ok(text) => {
                    self.len = 0;
                    return out.write_str(text);
                }
                Err(error) => {
                    let Some(broken) = error.error_len() else {
                        return Ok(());
                    };
                    // The byte that breaks a sequence may begin the next one.
                    self.held.copy_within(broken.., 0);
                    self.len -= broken as u8;
                    out.write_char(char::REPLACEMENT_CHARACTER)?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn streamed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut stream = Utf8Stream::default();
        let mut text = String::new();
        for piece in pieces {
            stream.push(piece.iter().copied(), &mut text).unwrap();
        }
        stream.finish(&mut text).unwrap();
        text
    }

    #[test]
    fn a_character_appears_with_its_last_byte() {
        let mut stream = Utf8Stream::default();
        let mut text = String::new();
        for &byte in &"好".as_bytes()[..2] {
            stream.push([byte], &mut text).unwrap();
            assert_eq!(text, "");
        }
        stream.push([0xbd], &mut text).unwrap();
        assert_eq!(text, "好");
        stream.finish(&mut text).unwrap();
        assert_eq!(text, "好");
    }

    #[test]
    fn a_character_cut_off_becomes_one_replacement_and_the_stream_begins_anew() {
        let mut stream = Utf8Stream::default();
        let mut text = String::new();
        stream.push([b'a', 0xf0, 0x9f, 0x98], &mut text).unwrap();
        assert_eq!(text, "a");
        stream.finish(&mut text).unwrap();
        stream.push([b'b'], &mut text).unwrap();
        assert_eq!(text, "a\u{fffd}b");
    }

    /// Bytes in which much of UTF-8's syntax goes wrong.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let awkward = prop::sample::select(
            &[
                b'a', 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe4, 0xed, 0xef,
                0xf0, 0xf1, 0xf4, 0xf5, 0xff,
            ][..],
        );
        let text = any::<char>().prop_map(|c| {
            let mut buffer = [0; 4];
            c.encode_utf8(&mut buffer).as_bytes().to_vec()
        });
        prop::collection::vec(
            prop_oneof![
                awkward.prop_map(|byte| std::vec![byte]),
                any::<u8>().prop_map(|byte| std::vec![byte]),
                text
            ],
            0..16,
        )
        .prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn any_cut_gives_what_decoding_the_whole_gives(
            bytes in bytes(),
            cuts in prop::collection::vec(1_usize..6, 1..16),
        ) {
            let expected = String::from_utf8_lossy(&bytes);
            let mut left = &bytes[..];
            let mut pieces = Vec::new();
            for &cut in cuts.iter().cycle() {
                if left.is_empty() {
                    break;
                }
                let (piece, rest) = left.split_at(cut.min(left.len()));
                pieces.push(piece);
                left = rest;
            }
            prop_assert_eq!(streamed(pieces), &*expected);
            prop_assert_eq!(streamed([&bytes[..]]), &*expected);
        }
    }
}
