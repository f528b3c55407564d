//! Reads JSON where it lies.
//!
//! [`parse`] checks the whole text once. After that a [`Value`] is an offset into it that can be visited as often
//! as it takes, which a schema needs: what `properties` means depends on a `type` that may stand behind it.

use super::error::Error;

/// Objects and arrays within each other, at most.
const MAX_NESTING: usize = 128;

/// What kind of value a text has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
}

/// A value of a text that was found to be JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'s> {
    text: &'s str,
    /// Offset of its first byte.
    pub(super) at: usize,
}

/// Checks a text and gives its value.
pub(super) fn parse(text: &str) -> Result<Value<'_>, Error> {
    let mut check = Check {
        bytes: text.as_bytes(),
        at: 0,
    };
    check.spaces();
    let at = check.at;
    check.document()?;
    Ok(Value { text, at })
}

impl<'s> Value<'s> {
    pub(super) fn kind(&self) -> Kind {
        match self.text.as_bytes().get(self.at) {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// As it is written.
    pub(super) fn raw(&self) -> &'s str {
        self.text
            .get(self.at..end(self.text.as_bytes(), self.at))
            .unwrap_or_default()
    }

    /// The text of a string.
    pub(super) fn string(&self) -> Option<Text<'s>> {
        let quoted = self.raw().strip_prefix('"')?.strip_suffix('"')?;
        Some(Text { quoted })
    }

    /// A number without point and exponent that fits.
    pub(super) fn integer(&self) -> Option<i64> {
        (self.kind() == Kind::Number)
            .then(|| self.raw().parse().ok())
            .flatten()
    }

    /// The members of an object: key, its offset, value. Nothing for other values.
    pub(super) fn members(&self) -> impl Iterator<Item = (Text<'s>, usize, Value<'s>)> + use<'s> {
        let mut items = Items::new(*self, Kind::Object);
        core::iter::from_fn(move || {
            let key = items.next()?;
            let bytes = key.text.as_bytes();
            // Behind the colon.
            items.at = spaces(bytes, spaces(bytes, items.at) + 1);
            Some((key.string()?, key.at, items.next()?))
        })
    }

    /// The elements of an array. Nothing for other values.
    pub(super) fn elements(&self) -> impl Iterator<Item = Value<'s>> + Clone + use<'s> {
        Items::new(*self, Kind::Array)
    }
}

/// What an object or an array consists of, from `at` on.
#[derive(Clone)]
struct Items<'s> {
    text: &'s str,
    at: usize,
}

impl<'s> Items<'s> {
    fn new(of: Value<'s>, kind: Kind) -> Self {
        let at = if of.kind() == kind {
            of.at + 1
        } else {
            of.text.len()
        };
        Self { text: of.text, at }
    }
}

impl<'s> Iterator for Items<'s> {
    type Item = Value<'s>;

    fn next(&mut self) -> Option<Value<'s>> {
        let bytes = self.text.as_bytes();
        let mut at = spaces(bytes, self.at);
        if bytes.get(at) == Some(&b',') {
            at = spaces(bytes, at + 1);
        }
        if matches!(bytes.get(at), None | Some(b'}' | b']')) {
            self.at = bytes.len();
            return None;
        }
        self.at = end(bytes, at);
        Some(Value {
            text: self.text,
            at,
        })
    }
}

/// The text of a string, as it stands between the quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'s> {
    quoted: &'s str,
}

impl<'s> Text<'s> {
    /// What it says.
    pub(super) fn chars(&self) -> impl Iterator<Item = char> + Clone + use<'s> {
        let mut left = self.quoted.chars();
        core::iter::from_fn(move || {
            let c = left.next()?;
            if c != '\\' {
                return Some(c);
            }
            Some(match left.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let high = unit(&mut left)?;
                    if let Some(c) = char::from_u32(high) {
                        return Some(c);
                    }
                    // A pair of surrogates, as was checked: `\uD83D\uDE00`.
                    left.nth(1)?;
                    let low = unit(&mut left)?;
                    return char::from_u32(0x1_0000 + ((high & 0x3ff) << 10 | low & 0x3ff));
                }
                c => c,
            })
        })
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.chars().eq(text.chars())
    }
}

/// Four hexadecimal digits.
fn unit(chars: &mut core::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |unit, _| Some(unit << 4 | chars.next()?.to_digit(16)?))
}

/// The offset of the first byte from `at` on that is not space.
fn spaces(bytes: &[u8], at: usize) -> usize {
    let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    at + bytes.iter().skip(at).take_while(is_space).count()
}

/// The offset behind the value at `at`.
fn end(bytes: &[u8], mut at: usize) -> usize {
    let mut open = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => open += 1,
            b'}' | b']' => open = open.saturating_sub(1),
            b'"' => {
                while let Some(&byte) = bytes.get(at)
                    && byte != b'"'
                {
                    at += if byte == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => continue,
            _ => {
                let is_rest = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                at += bytes.iter().skip(at).take_while(is_rest).count();
            }
        }
        if open == 0 {
            return at;
        }
    }
    bytes.len()
}

/// Checks that bytes are JSON (RFC 8259).
struct Check<'s> {
    bytes: &'s [u8],
    at: usize,
}

impl Check<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn spaces(&mut self) {
        self.at = spaces(self.bytes, self.at);
    }

    /// Goes on behind that byte, if it is there.
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Error> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(self.wrong(expected))
        }
    }

    fn wrong(&self, expected: &'static str) -> Error {
        Error::Json {
            at: self.at,
            expected,
        }
    }

    /// One value, spaces around it, and nothing else.
    fn document(&mut self) -> Result<(), Error> {
        // One bit for each container that is open, the innermost lowest: whether it is an object.
        let (mut objects, mut open) = (0_u128, 0);
        loop {
            self.spaces();
            let opens = match self.peek() {
                Some(b'{') => Some(1),
                Some(b'[') => Some(0),
                _ => None,
            };
            if let Some(object) = opens {
                if open == MAX_NESTING {
                    return Err(Error::Nesting {
                        at: self.at,
                        what: "objects and arrays of its text",
                        most: MAX_NESTING,
                    });
                }
                (objects, open) = (objects << 1 | object, open + 1);
                self.at += 1;
                self.spaces();
                if !matches!((object, self.peek()), (1, Some(b'}')) | (0, Some(b']'))) {
                    if object == 1 {
                        self.key()?;
                    }
                    continue;
                }
            } else {
                self.scalar()?;
            }
            // A value has ended, or a container without any has begun.
            let mut is_empty = opens.is_some();
            loop {
                self.spaces();
                if open == 0 {
                    return if self.at == self.bytes.len() {
                        Ok(())
                    } else {
                        Err(self.wrong("the end"))
                    };
                }
                let object = objects & 1 == 1;
                if !is_empty && self.eat(b',') {
                    if object {
                        self.spaces();
                        self.key()?;
                    }
                    break;
                }
                is_empty = false;
                if object {
                    self.expect(b'}', "a comma or the end of the object")?;
                } else {
                    self.expect(b']', "a comma or the end of the array")?;
                }
                (objects, open) = (objects >> 1, open - 1);
            }
        }
    }

    fn key(&mut self) -> Result<(), Error> {
        self.expect(b'"', "a key in quotes")?;
        self.string()?;
        self.spaces();
        self.expect(b':', "a colon")
    }

    fn scalar(&mut self) -> Result<(), Error> {
        if self.eat(b'"') {
            return self.string();
        }
        for word in ["true", "false", "null"] {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(());
            }
        }
        if matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            return self.number();
        }
        Err(self.wrong("a value"))
    }

    fn number(&mut self) -> Result<(), Error> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Error> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == from {
            return Err(self.wrong("a digit"));
        }
        Ok(())
    }

    /// The rest of a string whose first quote was read.
    fn string(&mut self) -> Result<(), Error> {
        loop {
            match self.peek() {
                None => return Err(self.wrong("a quote that ends the string")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(..0x20) => return Err(self.wrong("no control character")),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), Error> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                let at = self.at;
                match self.unit()? {
                    0xd800..0xdc00 => {
                        self.expect(b'\\', "the second half of a surrogate pair")?;
                        if self.peek() == Some(b'u') && matches!(self.unit()?, 0xdc00..0xe000) {
                            return Ok(());
                        }
                        Err(self.wrong("the second half of a surrogate pair"))
                    }
                    0xdc00..0xe000 => Err(Error::Json {
                        at,
                        expected: "the first half of a surrogate pair",
                    }),
                    _ => Ok(()),
                }
            }
            _ => Err(self.wrong("an escape that JSON has")),
        }
    }

    /// `uXXXX`.
    fn unit(&mut self) -> Result<u32, Error> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            unit = unit << 4 | digit.ok_or(self.wrong("four hexadecimal digits"))?;
            self.at += 1;
        }
        Ok(unit)
    }
}
