//! Damage to a text that knows its words.

use std::ops::Range;

use crate::Random;

/// Copies of one part that a text may get at once.
const MOST_COPIES: usize = 400;
/// Bytes that a text may grow to.
const LONGEST: usize = 1 << 16;

/// What a language is made of.
pub struct Words {
    /// What is put anywhere.
    pub pieces: &'static [&'static str],
    /// What opens a level, and what closes it.
    pub brackets: &'static [(&'static str, &'static str)],
}

/// Damages a text: words exchanged, doubled, left out and put in, numbers changed, levels nested, another text
/// spliced in, the end cut off.
pub fn mutate(random: &mut Random, text: &mut String, words: &Words, other: &str) {
    // Much of what is only given other numbers is still taken.
    if random.one_in(4) {
        return numbers(random, text);
    }
    for _ in 0..=random.below(4) {
        match random.below(10) {
            0 => {
                let at = place(random, text);
                text.truncate(at);
            }
            1 => {
                let part = token(random, text);
                text.replace_range(part, "");
            }
            2 => {
                let (from, to) = (token(random, text), token(random, text));
                let part = text[from].to_owned();
                text.replace_range(to, &part);
            }
            3 => {
                let part = token(random, text);
                let copies = random.one(&[1, 1, 2, 16, MOST_COPIES]);
                let copy = text[part.clone()].repeat(copies);
                text.insert_str(part.end, &copy);
            }
            4 | 5 => {
                let at = place(random, text);
                text.insert_str(at, random.one(words.pieces));
            }
            6 => {
                let part = token(random, text);
                text.replace_range(part, random.one(words.pieces));
            }
            7 => nest(random, text, words),
            8 => splice(random, text, other),
            _ => character(random, text),
        }
        if text.len() > LONGEST {
            text.truncate(text.floor_char_boundary(LONGEST));
        }
    }
}

/// Other digits.
fn numbers(random: &mut Random, text: &mut String) {
    let change = |c: char| match c {
        '0'..='9' => random.one(&['0', '1', '9', c, c]),
        _ => c,
    };
    *text = text.chars().map(change).collect();
}

/// A part between brackets, many times.
fn nest(random: &mut Random, text: &mut String, words: &Words) {
    let (open, close) = random.one(words.brackets);
    let levels = random.one(&[1, 2, 15, 17, 63, 65, MOST_COPIES]);
    let part = token(random, text);
    let closed = if random.one_in(4) { 0 } else { levels };
    let inner = [
        &open.repeat(levels),
        &text[part.clone()],
        &close.repeat(closed),
    ]
    .concat();
    text.replace_range(part, &inner);
}

/// A part of another text.
fn splice(random: &mut Random, text: &mut String, other: &str) {
    let [a, b] = [(); 2].map(|()| place(random, other));
    let part = &other[a.min(b)..a.max(b)];
    let at = place(random, text);
    text.insert_str(at, part);
}

/// A character that means something to somebody.
fn character(random: &mut Random, text: &mut String) {
    let at = place(random, text);
    text.insert(
        at,
        random.one(&[
            '\0',
            '\u{7f}',
            '\u{85}',
            '\u{200b}',
            '\u{fdd0}',
            '\u{fffd}',
            '\u{feff}',
            '\u{10ffff}',
            'é',
            '\u{301}',
            '東',
            '😀',
            '"',
            '\'',
            '\\',
            '<',
            '\r',
            '\n',
        ]),
    );
}

/// Where a character begins, or the end.
fn place(random: &mut Random, text: &str) -> usize {
    text.floor_char_boundary(random.below(text.len() + 1))
}

/// A word, a space or a sign, wherever it falls.
fn token(random: &mut Random, text: &str) -> Range<usize> {
    let at = place(random, text);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let start = text[..at]
        .rfind(|c| !is_word(c))
        .map_or(0, |i| text.ceil_char_boundary(i + 1));
    let end = match text[at..].chars().next() {
        Some(c) if is_word(c) => text[at..]
            .find(|c| !is_word(c))
            .map_or(text.len(), |i| at + i),
        Some(c) => return at..at + c.len_utf8(),
        None => text.len(),
    };
    start..end
}
