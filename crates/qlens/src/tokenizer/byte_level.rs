//! The alphabet in which vocabularies of byte-level BPE spell bytes.
//!
//! GPT-2 gave every byte a printable character: most of Latin-1 stands for itself, and the 68 bytes
//! left over (controls, the spaces, the soft hyphen) are U+0100 and on, in order. A space is `Ġ`, a
//! line feed `Ċ`. Token and merge texts in a file are spelled so.

/// Characters that stand for bytes are all below this.
const END: usize = 0x100 + 68;

const CHARS: [char; 256] = {
    let mut chars = ['\0'; 256];
    let mut byte = 0;
    let mut moved = 0x100;
    while byte < 256 {
        let stands_for_itself = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let code = if stands_for_itself {
            byte as u32
        } else {
            moved
        };
        if !stands_for_itself {
            moved += 1;
        }
        // Both ranges are below the surrogates, so that there is always a character.
        if let Some(c) = char::from_u32(code) {
            chars[byte] = c;
        }
        byte += 1;
    }
    chars
};

const BYTES: [Option<u8>; END] = {
    let mut bytes = [None; END];
    let mut byte = 0;
    while byte < 256 {
        bytes[CHARS[byte] as usize] = Some(byte as u8);
        byte += 1;
    }
    bytes
};

/// The character that stands for a byte.
pub(super) fn char_of(byte: u8) -> char {
    CHARS[usize::from(byte)]
}

/// The byte that a character stands for, if it stands for one.
pub(super) fn byte_of(c: char) -> Option<u8> {
    BYTES.get(c as usize).copied().flatten()
}

/// The bytes that a text spells which was found to be spelled in the alphabet. Unlike a walk over its `char`s it
/// need not be known to be UTF-8 again; of any other text come some bytes or none.
#[derive(Debug, Clone)]
pub(super) struct Spelled<'m>(core::slice::Iter<'m, u8>);

impl<'m> Spelled<'m> {
    pub(super) fn new(text: &'m [u8]) -> Self {
        Self(text.iter())
    }
}

impl Iterator for Spelled<'_> {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let first = *self.0.next()?;
        // The alphabet's characters take one byte or two.
        let code = if first < 0x80 {
            usize::from(first)
        } else {
            usize::from(first & 0x1f) << 6 | usize::from(*self.0.next()? & 0x3f)
        };
        *BYTES.get(code)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_characters_are_each_others() {
        for byte in 0..=u8::MAX {
            assert_eq!(byte_of(char_of(byte)), Some(byte));
            let mut buffer = [0; 4];
            let text = char_of(byte).encode_utf8(&mut buffer);
            assert!(Spelled::new(text.as_bytes()).eq([byte]));
        }
        assert_eq!(
            ('\0'..=char::MAX).filter(|&c| byte_of(c).is_some()).count(),
            256
        );
    }

    #[test]
    fn the_alphabet_is_that_of_gpt2() {
        assert_eq!(char_of(b' '), 'Ġ');
        assert_eq!(char_of(b'\n'), 'Ċ');
        assert_eq!(char_of(b'a'), 'a');
        assert_eq!(char_of(0), 'Ā');
        assert_eq!(char_of(0x7f), 'ġ');
        assert_eq!(char_of(0xad), 'Ń');
        assert_eq!(char_of(0xff), 'ÿ');
    }
}
