//! JSON (RFC 8259) byte by byte: whether it is an object, whether it is whole, and where the values of two
//! of its members are.

use core::ops::Range;

use super::Fault;

/// Levels of nesting, a bit each.
const MAX_DEPTH: u32 = u64::BITS;

/// Bytes of the longest member that is looked for.
const LONGEST: usize = "arguments".len();

/// The members that are looked for.
const MEMBERS: [&[u8]; 2] = [b"name", b"arguments"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    /// Behind `[`.
    ValueOrEnd,
    /// Behind `{`.
    KeyOrEnd,
    Key,
    Colon,
    /// Behind a value.
    CommaOrEnd,
    /// In a string; with what is left of an escape: 5 is anything, 4 and less are hexadecimal digits.
    String {
        is_key: bool,
        escape: u8,
    },
    Number(Number),
    /// What is left of `true`, `false` or `null`.
    Literal(&'static [u8]),
}

/// What came last of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Int,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

/// An object under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Json {
    expect: Expect,
    /// Of each level, innermost lowest, whether it is an object.
    levels: u64,
    depth: u32,
    /// The key of the outermost object that came last, if it is not too long to be looked for.
    key: [u8; LONGEST],
    key_len: usize,
    /// Where the value of each of [`MEMBERS`] begins and ends.
    found: [Option<(usize, usize)>; 2],
}

impl Json {
    pub(super) const fn new() -> Self {
        Self {
            expect: Expect::Value,
            levels: 0,
            depth: 0,
            key: [0; LONGEST],
            key_len: 0,
            found: [None; 2],
        }
    }

    /// Where the values of `name` and `arguments` are in the outermost object; of several the last.
    pub(super) fn fields(&self) -> [Option<Range<usize>>; 2] {
        self.found.map(|found| found.map(|(start, end)| start..end))
    }

    /// Takes the byte at `at`; true if the outermost value is whole, which is then no number.
    pub(super) fn push(&mut self, byte: u8, at: usize) -> Result<bool, Fault> {
        if let Expect::Number(number) = self.expect {
            match number.next(byte) {
                Some(next) => {
                    self.expect = Expect::Number(next);
                    return Ok(false);
                }
                None if number.is_whole() && self.depth > 0 => self.end_value(at),
                None => return Err(Fault::Syntax),
            }
        }
        match self.expect {
            Expect::String { is_key, escape } => self.string(byte, at, is_key, escape)?,
            Expect::Literal([first, rest @ ..]) if *first == byte => {
                if rest.is_empty() {
                    self.end_value(at + 1);
                } else {
                    self.expect = Expect::Literal(rest);
                }
            }
            Expect::Literal(_) => return Err(Fault::Syntax),
            _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => {}
            _ => self.token(byte, at)?,
        }
        Ok(self.depth == 0 && self.expect == Expect::CommaOrEnd)
    }

    /// Structure, or the beginning of a value.
    fn token(&mut self, byte: u8, at: usize) -> Result<(), Fault> {
        let is_object = self.levels & 1 == 1;
        match (self.expect, byte) {
            (Expect::KeyOrEnd, b'}') | (Expect::ValueOrEnd, b']') => self.close(at),
            (Expect::CommaOrEnd, b'}') if is_object && self.depth > 0 => self.close(at),
            (Expect::CommaOrEnd, b']') if !is_object && self.depth > 0 => self.close(at),
            (Expect::CommaOrEnd, b',') if self.depth > 0 => {
                self.expect = if is_object {
                    Expect::Key
                } else {
                    Expect::Value
                };
            }
            (Expect::KeyOrEnd | Expect::Key, b'"') => {
                if self.depth == 1 {
                    self.key_len = 0;
                }
                self.expect = Expect::String {
                    is_key: true,
                    escape: 0,
                };
            }
            (Expect::Colon, b':') => self.expect = Expect::Value,
            (Expect::Value | Expect::ValueOrEnd, _) => self.value(byte, at)?,
            _ => return Err(Fault::Syntax),
        }
        Ok(())
    }

    fn value(&mut self, byte: u8, at: usize) -> Result<(), Fault> {
        if let Some(found) = self.member() {
            *found = Some((at, at));
        }
        self.expect = match byte {
            b'{' => {
                self.open(true)?;
                Expect::KeyOrEnd
            }
            b'[' => {
                self.open(false)?;
                Expect::ValueOrEnd
            }
            b'"' => Expect::String {
                is_key: false,
                escape: 0,
            },
            b't' => Expect::Literal(b"rue"),
            b'f' => Expect::Literal(b"alse"),
            b'n' => Expect::Literal(b"ull"),
            b'-' => Expect::Number(Number::Minus),
            b'0' => Expect::Number(Number::Zero),
            b'1'..=b'9' => Expect::Number(Number::Int),
            _ => return Err(Fault::Syntax),
        };
        Ok(())
    }

    fn string(&mut self, byte: u8, at: usize, is_key: bool, escape: u8) -> Result<(), Fault> {
        let escape = match (escape, byte) {
            (0, b'"') if is_key => {
                self.expect = Expect::Colon;
                return Ok(());
            }
            (0, b'"') => {
                self.end_value(at + 1);
                return Ok(());
            }
            (0, b'\\') => 5,
            (0, 0x20..) | (5, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 0,
            (5, b'u') => 4,
            (1..=4, _) if byte.is_ascii_hexdigit() => escape - 1,
            _ => return Err(Fault::Syntax),
        };
        if is_key && self.depth == 1 {
            if let Some(place) = self.key.get_mut(self.key_len) {
                *place = byte;
            }
            self.key_len = self.key_len.saturating_add(1);
        }
        self.expect = Expect::String { is_key, escape };
        Ok(())
    }

    fn open(&mut self, is_object: bool) -> Result<(), Fault> {
        if self.depth == MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        self.depth += 1;
        self.levels = self.levels << 1 | u64::from(is_object);
        Ok(())
    }

    fn close(&mut self, at: usize) {
        self.depth -= 1;
        self.levels >>= 1;
        self.end_value(at + 1);
    }

    fn end_value(&mut self, end: usize) {
        if let Some(Some((_, found))) = self.member() {
            *found = end;
        }
        self.expect = Expect::CommaOrEnd;
    }

    /// Where it is noted down where the value of the outermost object's last key is.
    fn member(&mut self) -> Option<&mut Option<(usize, usize)>> {
        let key = self.key.get(..self.key_len).filter(|_| self.depth == 1)?;
        let member = MEMBERS.iter().position(|&member| member == key)?;
        self.found.get_mut(member)
    }
}

impl Number {
    fn next(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus, b'1'..=b'9') | (Self::Int, b'0'..=b'9') => Self::Int,
            (Self::Zero | Self::Int, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Int | Self::Fraction, b'e' | b'E') => Self::E,
            (Self::E, b'+' | b'-') => Self::Sign,
            (Self::E | Self::Sign | Self::Exponent, b'0'..=b'9') => Self::Exponent,
            _ => return None,
        })
    }

    fn is_whole(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Int | Self::Fraction | Self::Exponent
        )
    }
}

/// Whether a text is JSON and no string.
pub(super) fn is_value(text: &str) -> bool {
    let mut json = Json::new();
    // As the one member of an array: the end of a number is told by what follows it.
    let bytes = text.bytes().enumerate().map(|(at, byte)| (byte, at + 1));
    let end = text.len() + 1;
    let mut whole = false;
    for (byte, at) in [(b'[', 0)].into_iter().chain(bytes).chain([(b']', end)]) {
        if whole {
            return false;
        }
        match json.push(byte, at) {
            Ok(is_whole) => whole = is_whole,
            Err(_) => return false,
        }
        // A second member would be one of the array.
        if json.depth == 1 && byte == b',' {
            return false;
        }
    }
    let trimmed = text.trim_start();
    whole && !trimmed.is_empty() && !trimmed.starts_with('"')
}

#[cfg(test)]
mod tests {
    use super::is_value;

    #[test]
    fn values_are_told_from_words() {
        for text in [
            "3",
            "-0.5",
            " true ",
            "null",
            "{\"a\": [1, 2]}",
            "[]",
            "[1, \"],\"]",
        ] {
            assert!(is_value(text), "{text}");
        }
        for text in [
            "", " ", "three", "\"x\"", "1, 2", "1]", "[1", "{", "1 2", "nul", "][",
        ] {
            assert!(!is_value(text), "{text}");
        }
    }
}
