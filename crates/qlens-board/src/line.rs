//! Cuts the bytes of a text channel into lines. The channel is not trusted: a line is of bounded
//! length, an over-long one is refused whole and swallowed to its end, and bytes that are no UTF-8
//! are refused rather than guessed at.

use core::fmt;

/// What came to the end of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line, without its end.
    Text(&'a str),
    /// A line that cannot be used.
    Refused(LineError),
}

/// Why a line cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LineError {
    /// Longer than the buffer.
    TooLong {
        /// Bytes it had.
        length: usize,
        /// Bytes a line may have.
        limit: usize,
    },
    /// Not UTF-8.
    NotUtf8 {
        /// First byte that is not part of a character.
        at: usize,
    },
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length, limit } => write!(
                f,
                "a line of {length} bytes was refused: at most {limit} are taken"
            ),
            Self::NotUtf8 { at } => {
                write!(f, "a line was refused: byte {at} of it is not UTF-8")
            }
        }
    }
}

impl core::error::Error for LineError {}

/// Collects bytes until a line ends. `N` is the longest line taken, in bytes.
#[derive(Debug)]
pub struct LineReader<const N: usize> {
    bytes: heapless::Vec<u8, N>,
    /// Bytes of the current line, those that did not fit included.
    length: usize,
    /// The buffer holds a line that was already handed out.
    delivered: bool,
}

impl<const N: usize> Default for LineReader<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> LineReader<N> {
    /// Nothing read yet.
    pub const fn new() -> Self {
        Self {
            bytes: heapless::Vec::new(),
            length: 0,
            delivered: false,
        }
    }

    /// Takes one byte; returns the line if this byte ends one. Ends are LF, CR and CR LF; an empty
    /// line is nothing said and is not reported.
    pub fn push(&mut self, byte: u8) -> Option<Line<'_>> {
        if self.delivered {
            self.bytes.clear();
            self.length = 0;
            self.delivered = false;
        }
        if byte != b'\n' && byte != b'\r' {
            self.length = self.length.saturating_add(1);
            // What does not fit is only counted: the line is refused at its end.
            let _ = self.bytes.push(byte);
            return None;
        }
        if self.length == 0 {
            return None;
        }
        self.delivered = true;
        Some(if self.length > N {
            Line::Refused(LineError::TooLong {
                length: self.length,
                limit: N,
            })
        } else {
            match core::str::from_utf8(&self.bytes) {
                Ok(text) => Line::Text(text),
                Err(error) => Line::Refused(LineError::NotUtf8 {
                    at: error.valid_up_to(),
                }),
            }
        })
    }

    /// Takes back the last character of the line being read: a person pressed backspace.
    /// Returns whether there was one.
    pub fn erase(&mut self) -> bool {
        if self.delivered || self.length > self.bytes.len() {
            return false;
        }
        let mut erased = false;
        while let Some(byte) = self.bytes.pop() {
            self.length -= 1;
            erased = true;
            // Continuation bytes belong to the character before them.
            if byte & 0xc0 != 0x80 {
                break;
            }
        }
        erased
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::{vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    fn lines<const N: usize>(
        reader: &mut LineReader<N>,
        bytes: &[u8],
    ) -> Vec<Result<String, LineError>> {
        bytes
            .iter()
            .filter_map(|&byte| match reader.push(byte)? {
                Line::Text(text) => Some(Ok(text.to_string())),
                Line::Refused(error) => Some(Err(error)),
            })
            .collect()
    }

    #[test]
    fn line_ends_of_all_kinds() {
        let mut reader = LineReader::<16>::new();
        let got = lines(&mut reader, "one\ntwo\r\n\r\n\n三\rfour".as_bytes());
        assert_eq!(got, ["one", "two", "三"].map(|t| Ok(t.to_string())));
        assert_eq!(lines(&mut reader, b"\n"), [Ok("four".to_string())]);
    }

    #[test]
    fn a_line_may_be_exactly_as_long_as_the_buffer() {
        let mut reader = LineReader::<4>::new();
        assert_eq!(lines(&mut reader, b"abcd\n"), [Ok("abcd".to_string())]);
    }

    #[test]
    fn a_long_line_is_refused_whole_and_the_next_is_taken() {
        let mut reader = LineReader::<4>::new();
        let got = lines(&mut reader, b"abcdefgh\nok\n");
        assert_eq!(
            got,
            vec![
                Err(LineError::TooLong {
                    length: 8,
                    limit: 4
                }),
                Ok("ok".to_string())
            ]
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let mut reader = LineReader::<8>::new();
        let got = lines(&mut reader, b"ab\xff\nok\n");
        assert_eq!(
            got,
            vec![Err(LineError::NotUtf8 { at: 2 }), Ok("ok".to_string())]
        );
    }

    #[test]
    fn backspace_takes_a_whole_character() {
        let mut reader = LineReader::<8>::new();
        assert!(!reader.erase());
        assert!(lines(&mut reader, "a站".as_bytes()).is_empty());
        assert!(reader.erase());
        assert_eq!(lines(&mut reader, b"b\n"), [Ok("ab".to_string())]);
        // A line that was handed out is not editable.
        assert!(!reader.erase());
    }

    proptest! {
        /// Whatever comes, no more lines come out than line ends went in, and none is too long.
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = LineReader::<16>::new();
            let ends = bytes.iter().filter(|&&b| b == b'\n' || b == b'\r').count();
            let got = lines(&mut reader, &bytes);
            prop_assert!(got.len() <= ends);
            prop_assert!(got.iter().flatten().all(|text| !text.is_empty() && text.len() <= 16));
        }
    }
}
