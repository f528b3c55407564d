//! How far an answer has come in its constraint: a pushdown automaton over bytes.
//!
//! The stack holds the objects and arrays that are open, [`MAX_DEPTH`] at most; [`Reading`] is what stands on top
//! of it. Alternatives are told apart by their first byte and keys by what was read of them, so that there is one
//! state at a time. No state is a dead end: a byte is taken only if something that satisfies the constraint
//! begins so.

use super::number::{Integer, Number};
use super::program::{Node, Program, Properties};

/// Objects and arrays of an answer within each other, at most.
pub(super) const MAX_DEPTH: usize = 16;

/// An object or an array that is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Frame {
    node: u32,
    /// Elements so far, or the first property that may still come.
    count: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// A value follows, behind a space or not if `spaced`.
    Value {
        node: u32,
        spaced: bool,
    },
    /// The innermost container was opened.
    Opened,
    /// What follows a comma, behind a space or not if `spaced`.
    Next {
        spaced: bool,
    },
    /// The first `at` bytes of a property's key, with its quotes and its colon. Others may begin so, too.
    Key {
        property: u32,
        at: u32,
    },
    /// The first `at` bytes of the literals from `low` to before `high`.
    Literal {
        node: u32,
        low: u32,
        high: u32,
        at: u32,
    },
    /// A string of so many characters so far, the one being read included.
    String {
        node: u32,
        chars: u32,
        at: Char,
    },
    Integer {
        node: u32,
        so_far: Integer,
    },
    Number(Number),
    /// A value has ended.
    Ended,
}

/// Where in a character of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Char {
    Between,
    /// `left` bytes are missing, and the next one is from `low` to `high`.
    Utf8 {
        left: u8,
        low: u8,
        high: u8,
    },
    /// Behind a backslash.
    Escape,
    /// So many digits of `\u00XX`.
    Digits(u8),
}

/// How far an answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    reading: Reading,
    depth: u8,
    open: [Frame; MAX_DEPTH],
}

impl State {
    /// Before the first byte of a value of that node.
    pub(super) fn new(node: u32) -> Self {
        Self {
            reading: Reading::Value {
                node,
                spaced: false,
            },
            depth: 0,
            open: [Frame::default(); MAX_DEPTH],
        }
    }

    /// Goes on with a byte, if it may come; the state is as it was if not.
    #[inline]
    pub(super) fn step(&mut self, program: Program<'_>, byte: u8) -> bool {
        match self.reading {
            Reading::String { node, chars, at } => self.in_string(program, node, chars, at, byte),
            Reading::Key { property, at } => self.key(program, property as usize, at, byte),
            Reading::Value { spaced: true, node } if byte == b' ' => self.reads(Reading::Value {
                node,
                spaced: false,
            }),
            Reading::Value { node, .. } => self.begin(program, node, byte),
            Reading::Next { spaced: true } if byte == b' ' => {
                self.reads(Reading::Next { spaced: false })
            }
            Reading::Next { .. } => self.next(program, byte),
            Reading::Opened => self.close(program, byte) || self.next(program, byte),
            Reading::Ended => self.behind_value(program, byte),
            Reading::Literal {
                node,
                low,
                high,
                at,
            } => {
                self.literal(program, node, low, high, at, byte)
                    || self.may_end(program) && self.behind_value(program, byte)
            }
            Reading::Integer { node, so_far } => {
                let Node::Integer { min, max } = program.node(node) else {
                    return false;
                };
                match so_far.then(byte, min, max) {
                    Some(so_far) => self.reads(Reading::Integer { node, so_far }),
                    None => so_far.is_within(min, max) && self.behind_value(program, byte),
                }
            }
            Reading::Number(so_far) => match so_far.then(byte) {
                Some(so_far) => self.reads(Reading::Number(so_far)),
                None => so_far.is_whole() && self.behind_value(program, byte),
            },
        }
    }

    /// Whether the answer may end here.
    pub(super) fn is_complete(&self, program: Program<'_>) -> bool {
        self.depth == 0 && self.may_end(program)
    }

    /// Between the characters of a string: how many more it may have.
    pub(super) fn room(&self, program: Program<'_>) -> Option<u32> {
        let Reading::String {
            node,
            chars,
            at: Char::Between,
        } = self.reading
        else {
            return None;
        };
        match program.node(node) {
            Node::String { max, .. } => Some(max.saturating_sub(chars)),
            _ => None,
        }
    }

    fn reads(&mut self, reading: Reading) -> bool {
        self.reading = reading;
        true
    }

    /// Whether the value that is being read may end here.
    fn may_end(&self, program: Program<'_>) -> bool {
        match self.reading {
            Reading::Ended => true,
            Reading::Literal { node, low, at, .. } => match program.node(node) {
                Node::Literals(literals) => {
                    program.text(literals[low as usize]).len() == at as usize
                }
                _ => false,
            },
            Reading::Integer { node, so_far } => match program.node(node) {
                Node::Integer { min, max } => so_far.is_within(min, max),
                _ => false,
            },
            Reading::Number(so_far) => so_far.is_whole(),
            _ => false,
        }
    }

    /// The first byte of a value.
    fn begin(&mut self, program: Program<'_>, node: u32, byte: u8) -> bool {
        match program.node(node) {
            Node::Literals(literals) => {
                self.literal(program, node, 0, literals.len() as u32, 0, byte)
            }
            Node::String { .. } => {
                byte == b'"'
                    && self.reads(Reading::String {
                        node,
                        chars: 0,
                        at: Char::Between,
                    })
            }
            Node::Integer { min, max } => Integer::begin(byte, min, max)
                .is_some_and(|so_far| self.reads(Reading::Integer { node, so_far })),
            Node::Number => {
                Number::begin(byte).is_some_and(|so_far| self.reads(Reading::Number(so_far)))
            }
            Node::Array { .. } => byte == b'[' && self.open(node),
            Node::Object(_) => byte == b'{' && self.open(node),
            Node::Any(alternatives) => alternatives
                .iter()
                .any(|&node| self.begin(program, node, byte)),
        }
    }

    fn open(&mut self, node: u32) -> bool {
        let Some(frame) = self.open.get_mut(usize::from(self.depth)) else {
            return false;
        };
        *frame = Frame { node, count: 0 };
        self.depth += 1;
        self.reads(Reading::Opened)
    }

    /// The innermost container.
    fn top(&mut self) -> Option<&mut Frame> {
        self.open.get_mut(usize::from(self.depth).checked_sub(1)?)
    }

    /// The end of the innermost container.
    fn close(&mut self, program: Program<'_>, byte: u8) -> bool {
        let Some(&mut Frame { node, count }) = self.top() else {
            return false;
        };
        let closes = match program.node(node) {
            Node::Array { min, .. } => byte == b']' && count >= min,
            Node::Object(properties) => {
                let needs_more = |(_, is_required)| is_required;
                byte == b'}' && !properties.last(count as usize).is_some_and(needs_more)
            }
            _ => false,
        };
        if closes {
            self.depth -= 1;
            self.reading = Reading::Ended;
        }
        closes
    }

    /// The first byte of an element or a property.
    fn next(&mut self, program: Program<'_>, byte: u8) -> bool {
        let Some(&mut Frame { node, count }) = self.top() else {
            return false;
        };
        match program.node(node) {
            Node::Array { items, max, .. } if count < max => {
                let array = usize::from(self.depth) - 1;
                let begins = self.begin(program, items, byte);
                if begins {
                    self.open[array].count += 1;
                }
                begins
            }
            Node::Object(_) => self.key(program, count as usize, 0, byte),
            _ => false,
        }
    }

    /// What follows a value.
    fn behind_value(&mut self, program: Program<'_>, byte: u8) -> bool {
        if byte != b',' {
            return self.close(program, byte);
        }
        let Some(&mut Frame { node, count }) = self.top() else {
            return false;
        };
        let goes_on = match program.node(node) {
            Node::Array { max, .. } => count < max,
            Node::Object(properties) => (count as usize) < properties.len(),
            _ => false,
        };
        goes_on && self.reads(Reading::Next { spaced: true })
    }

    /// Byte `at` of a key that begins like that of `property`.
    fn key(&mut self, program: Program<'_>, property: usize, at: u32, byte: u8) -> bool {
        let Some(frame) = self.top() else {
            return false;
        };
        let Node::Object(properties) = program.node(frame.node) else {
            return false;
        };
        let first = frame.count as usize;
        let Some((property, is_whole)) = key_with(program, properties, first, property, at, byte)
        else {
            return false;
        };
        if !is_whole {
            return self.reads(Reading::Key {
                property: property as u32,
                at: at + 1,
            });
        }
        frame.count = property as u32 + 1;
        self.reads(Reading::Value {
            node: properties.value(property),
            spaced: true,
        })
    }

    /// Byte `at` of one of the literals from `low` to before `high`.
    fn literal(
        &mut self,
        program: Program<'_>,
        node: u32,
        low: u32,
        high: u32,
        at: u32,
        byte: u8,
    ) -> bool {
        let Node::Literals(literals) = program.node(node) else {
            return false;
        };
        // They are sorted and begin alike, so that their next bytes ascend; where one ends is before all.
        let begin_alike = &literals[low as usize..high as usize];
        let next = |&text: &u32| program.text(text).get(at as usize).copied();
        let below = begin_alike.partition_point(|text| next(text) < Some(byte));
        let same = begin_alike[below..].partition_point(|text| next(text) == Some(byte));
        same > 0
            && self.reads(Reading::Literal {
                node,
                low: low + below as u32,
                high: low + (below + same) as u32,
                at: at + 1,
            })
    }

    fn in_string(
        &mut self,
        program: Program<'_>,
        node: u32,
        chars: u32,
        at: Char,
        byte: u8,
    ) -> bool {
        let next = match at {
            Char::Between => {
                let Node::String { min, max } = program.node(node) else {
                    return false;
                };
                if byte == b'"' {
                    return chars >= min && self.reads(Reading::Ended);
                }
                return match first_of_char(byte) {
                    Some(at) if chars < max => self.reads(Reading::String {
                        node,
                        chars: chars + 1,
                        at,
                    }),
                    _ => false,
                };
            }
            Char::Utf8 { left, low, high } if (low..=high).contains(&byte) => match left {
                1 => Char::Between,
                _ => continues(left - 1),
            },
            Char::Escape if b"\"\\bfnrt".contains(&byte) => Char::Between,
            Char::Escape if byte == b'u' => Char::Digits(0),
            Char::Digits(0 | 1) if byte == b'0' => match at {
                Char::Digits(0) => Char::Digits(1),
                _ => Char::Digits(2),
            },
            Char::Digits(2) if matches!(byte, b'0' | b'1') => Char::Digits(3),
            Char::Digits(3) if matches!(byte, b'0'..=b'9' | b'a'..=b'f') => Char::Between,
            _ => return false,
        };
        self.reads(Reading::String {
            node,
            chars,
            at: next,
        })
    }
}

/// The property from `first` on that may come next, has the first `at` bytes of the key of `like`, and then
/// `byte`; and whether that is all of its key.
fn key_with(
    program: Program<'_>,
    properties: Properties<'_>,
    first: usize,
    like: usize,
    at: u32,
    byte: u8,
) -> Option<(usize, bool)> {
    let (last, _) = properties.last(first)?;
    let at = at as usize;
    let begun = &program.text(properties.key(like))[..at];
    (first..=last).find_map(|property| {
        let key = program.text(properties.key(property));
        let begins_so = key.get(at) == Some(&byte) && &key[..at] == begun;
        begins_so.then_some((property, key.len() == at + 1))
    })
}

/// What the first byte of a character in a string begins.
fn first_of_char(byte: u8) -> Option<Char> {
    Some(match byte {
        b'\\' => Char::Escape,
        b'"' | ..0x20 => return None,
        0x20..0x80 => Char::Between,
        0xc2..=0xdf => continues(1),
        // Neither longer than needed, nor surrogates, nor beyond U+10FFFF.
        0xe0 => Char::Utf8 {
            left: 2,
            low: 0xa0,
            high: 0xbf,
        },
        0xed => Char::Utf8 {
            left: 2,
            low: 0x80,
            high: 0x9f,
        },
        0xe1..=0xef => continues(2),
        0xf0 => Char::Utf8 {
            left: 3,
            low: 0x90,
            high: 0xbf,
        },
        0xf1..=0xf3 => continues(3),
        0xf4 => Char::Utf8 {
            left: 3,
            low: 0x80,
            high: 0x8f,
        },
        _ => return None,
    })
}

fn continues(left: u8) -> Char {
    Char::Utf8 {
        left,
        low: 0x80,
        high: 0xbf,
    }
}
