//! Cuts text into the pieces that byte-pair encoding may not merge across.
//!
//! Qwen's vocabularies were trained on text cut by a regular expression, so encoding must cut the
//! same way. The expression of `qwen2` is
//!
//! ```text
//! (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//! ```
//!
//! and that of `qwen35` has marks stand with letters, so that a vowel sign of Hindi cuts no word in two:
//!
//! ```text
//! (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//! ```
//!
//! The first alternative that matches wins, each with the backtracking of a Perl-like engine. A mark
//! that `qwen35` could also take for the one character before the letters is one of them either way,
//! so that the two expressions differ in nothing but what a letter is: [`PreTokenizer::is_letter`].
//! Every character is a letter, a number, white space or none of these, so that together the
//! alternatives match at every position and nothing is left over.

use super::nfc::{Nfc, Source};
use super::unicode::Class;

/// Which expression cuts the text: the value of `tokenizer.ggml.pre`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PreTokenizer {
    Qwen2,
    Qwen35,
}

impl PreTokenizer {
    /// The pre-tokenizer of a name, if it is a known one.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "qwen2" => Some(Self::Qwen2),
            "qwen35" => Some(Self::Qwen35),
            _ => None,
        }
    }

    /// Moves `chars` behind the next word and returns the word's length in bytes; `None` at the end.
    pub(super) fn next_word(self, chars: &mut Chars<'_>) -> Option<usize> {
        let start = chars.clone();
        let first = chars.next()?;
        let class = Class::of(first);
        let is_letter = self.is_letter(class);

        if first == '\'' {
            let mut behind = chars.clone();
            if let Some(bytes) = contraction(&mut behind) {
                *chars = behind;
                return Some(first.len_utf8() + bytes);
            }
        }
        // `[^\r\n\p{L}\p{N}]?\p{L}+`, `\p{L}` being what `is_letter` says
        if is_letter || !(is_newline(first) || class.is_number()) {
            let letters = chars.skip_while(|c| self.is_letter(Class::of(c)));
            if is_letter || letters > 0 {
                return Some(first.len_utf8() + letters);
            }
        }
        // `\p{N}`
        if class.is_number() {
            return Some(first.len_utf8());
        }
        // ` ?[^\s\p{L}\p{N}]+[\r\n]*`, likewise
        if first == ' ' || !class.is_space() {
            let others = chars.skip_while(|c| self.is_other(Class::of(c)));
            if !class.is_space() || others > 0 {
                return Some(first.len_utf8() + others + chars.skip_while(is_newline));
            }
        }
        *chars = start;
        Some(white_space(chars))
    }

    /// `\p{L}` or `[\p{L}\p{M}]`
    fn is_letter(self, class: Class) -> bool {
        class.is_letter() || self == Self::Qwen35 && class.is_mark()
    }

    /// `[^\s\p{L}\p{N}]` or `[^\s\p{L}\p{M}\p{N}]`
    fn is_other(self, class: Class) -> bool {
        !(class.is_space() || class.is_number() || self.is_letter(class))
    }
}

/// Normalized text with the next character in view. A copy is a position to come back to.
#[derive(Debug, Clone)]
pub(super) struct Chars<'t> {
    next: Option<char>,
    behind: Nfc<'t>,
}

impl<'t> Chars<'t> {
    pub(super) fn new(text: Source<'t>) -> Self {
        let mut behind = Nfc::new(text);
        Self {
            next: behind.next(),
            behind,
        }
    }

    /// Moves on while the characters are such; returns how many bytes they have.
    fn skip_while(&mut self, is_such: impl Fn(char) -> bool) -> usize {
        let mut bytes = 0;
        while let Some(c) = self.next_if(&is_such) {
            bytes += c.len_utf8();
        }
        bytes
    }

    fn next_if(&mut self, is_such: impl Fn(char) -> bool) -> Option<char> {
        self.next.filter(|&c| is_such(c)).inspect(|_| {
            self.next = self.behind.next();
        })
    }
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        self.next_if(|_| true)
    }
}

fn is_space(c: char) -> bool {
    Class::of(c).is_space()
}

fn is_newline(c: char) -> bool {
    matches!(c, '\r' | '\n')
}

/// What follows the apostrophe in `(?i:'s|'t|'re|'ve|'m|'ll|'d)`. Case folding takes U+017F, the
/// long s, for an s; no other character folds to these letters.
fn contraction(chars: &mut Chars<'_>) -> Option<usize> {
    let first = chars.next()?;
    let second = match first.to_ascii_lowercase() {
        's' | '\u{17f}' | 't' | 'm' | 'd' => return Some(first.len_utf8()),
        'r' | 'v' => 'e',
        'l' => 'l',
        _ => return None,
    };
    chars.next_if(|c| c.to_ascii_lowercase() == second)?;
    Some(2)
}

/// `\s*[\r\n]+|\s+(?!\S)|\s+` where white space begins: up to the last line end of the white space
/// if it has one; else all but its last character, which belongs to what follows, unless nothing
/// follows or there is no other character.
fn white_space(chars: &mut Chars<'_>) -> usize {
    let mut bytes = 0;
    let mut behind_newline = None;
    let mut before_last = None;
    loop {
        let before = (bytes, chars.clone());
        let Some(c) = chars.next_if(is_space) else {
            break;
        };
        bytes += c.len_utf8();
        if is_newline(c) {
            behind_newline = Some((bytes, chars.clone()));
        }
        before_last = Some(before).filter(|(bytes, _)| *bytes > 0);
    }
    let cut = behind_newline.or(before_last.filter(|_| chars.next.is_some()));
    if let Some((cut_bytes, cut_chars)) = cut {
        bytes = cut_bytes;
        *chars = cut_chars;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use fancy_regex::Regex;
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization as _;

    use super::*;

    const EXPRESSIONS: [(PreTokenizer, &str); 2] = [
        (
            PreTokenizer::Qwen2,
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        (
            PreTokenizer::Qwen35,
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
    ];

    /// The expressions, each in an engine that backtracks.
    fn engines() -> &'static [(PreTokenizer, Regex)] {
        static ENGINES: std::sync::OnceLock<Vec<(PreTokenizer, Regex)>> =
            std::sync::OnceLock::new();
        ENGINES.get_or_init(|| {
            EXPRESSIONS
                .map(|(pre, expression)| (pre, Regex::new(expression).unwrap()))
                .into()
        })
    }

    fn words(text: &str) -> Vec<String> {
        cut(PreTokenizer::Qwen2, text)
    }

    fn cut(pre: PreTokenizer, text: &str) -> Vec<String> {
        let parts = [text];
        let mut chars = Chars::new(Source { parts: &parts });
        let mut words = Vec::new();
        loop {
            let start = chars.clone();
            let Some(bytes) = pre.next_word(&mut chars) else {
                return words;
            };
            let mut word = String::new();
            for c in start {
                if word.len() == bytes {
                    break;
                }
                word.push(c);
            }
            assert_eq!(word.len(), bytes, "{text:?} after {words:?}");
            words.push(word);
        }
    }

    #[test]
    fn a_contraction_is_cut_off_in_any_case() {
        assert_eq!(words("don't I'LL'Ve"), ["don", "'t", " I", "'LL", "'Ve"]);
        assert_eq!(words("'sx"), ["'s", "x"]);
        assert_eq!(words("'\u{17f}x"), ["'\u{17f}", "x"]);
        assert_eq!(words("'lx 'r"), ["'lx", " '", "r"]);
        assert_eq!(words("'"), ["'"]);
    }

    #[test]
    fn one_character_that_is_no_letter_may_lead_letters() {
        assert_eq!(
            words("a b\tc.d\u{301}e"),
            ["a", " b", "\tc", ".d", "\u{301}e"]
        );
        assert_eq!(words("..a"), ["..", "a"]);
        assert_eq!(words("\na\u{2028}b"), ["\n", "a", "\u{2028}b"]);
        assert_eq!(words("1a"), ["1", "a"]);
    }

    #[test]
    fn numbers_stand_alone() {
        assert_eq!(
            words("12 \u{2163}\u{bd}"),
            ["1", "2", " ", "\u{2163}", "\u{bd}"]
        );
    }

    #[test]
    fn other_characters_take_a_space_before_and_line_ends_behind() {
        assert_eq!(words(" ?!\r\n\nx"), [" ?!\r\n\n", "x"]);
        assert_eq!(words("\t?!"), ["\t", "?!"]);
        assert_eq!(words("  !"), [" ", " !"]);
        assert_eq!(words("\u{a0}!"), ["\u{a0}", "!"]);
    }

    #[test]
    fn white_space_is_cut_behind_its_last_line_end_or_before_its_last_character() {
        assert_eq!(words(" \n \r  x"), [" \n \r", " ", " x"]);
        assert_eq!(words(" \n  "), [" \n", "  "]);
        assert_eq!(words("   1"), ["  ", " ", "1"]);
        assert_eq!(words(" 1"), [" ", "1"]);
        assert_eq!(words("\t\t"), ["\t\t"]);
        assert_eq!(words("\u{85}\u{3000}x"), ["\u{85}", "\u{3000}x"]);
        assert!(words("").is_empty());
    }

    #[test]
    fn words_are_cut_after_normalization() {
        assert_eq!(words("cafe\u{301}s"), ["caf\u{e9}s"]);
        assert_eq!(words("e\u{336}\u{301}s"), ["\u{e9}", "\u{336}s"]);
        assert_eq!(words("e\u{336}s"), ["e", "\u{336}s"]);
    }

    #[test]
    fn marks_stand_with_letters_in_qwen35_alone() {
        let hindi = "\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}";
        assert_eq!(cut(PreTokenizer::Qwen35, hindi), [hindi]);
        assert_eq!(
            words(hindi),
            ["\u{939}", "\u{93f}\u{928}", "\u{94d}\u{926}", "\u{940}"]
        );
        let cut = |text| cut(PreTokenizer::Qwen35, text);
        assert_eq!(cut(" \u{336}\u{336}!"), [" \u{336}\u{336}", "!"]);
        assert_eq!(
            cut("!?\u{336}1\u{20e3}"),
            ["!?", "\u{336}", "1", "\u{20e3}"]
        );
        assert_eq!(cut("\n\u{336}"), ["\n", "\u{336}"]);
        assert_eq!(cut("'s\u{336}'\u{336}s"), ["'s", "\u{336}", "'\u{336}s"]);
    }

    #[test]
    fn every_character_is_cut_as_the_expressions_cut_it() {
        // Behind these there are characters for private use, and none.
        for c in ('\0'..='\u{323ff}').chain('\u{e0000}'..='\u{e01ff}') {
            // Its neighbours tell letters, marks, numbers, white space and the rest apart.
            let text: String = std::format!("a{c}!{c} {c}1").nfc().collect();
            for (pre, engine) in engines() {
                let expected = engine.find_iter(&text).map(|found| found.unwrap().as_str());
                assert!(expected.eq(cut(*pre, &text)), "{pre:?} {text:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn any_text_is_cut_as_the_expressions_cut_it(text in prop_oneof![
            "[ \t\r\n\u{a0}\u{85}a-e1!?'sStTdDmMlLrReEvV\u{17f}\u{212a}\u{301}\u{336}\u{93f}\u{20e3}]{0,40}",
            "(\\p{L}|\\p{M}|\\p{N}|\\s|\\p{P}|\\p{S}|\\p{C}| |'|\n){0,24}",
            "\\PC{0,24}",
        ]) {
            let normalized: String = text.nfc().collect();
            for (pre, engine) in engines() {
                let expected: Vec<&str> = engine
                    .find_iter(&normalized)
                    .map(|found| found.unwrap().as_str())
                    .collect();
                prop_assert_eq!(cut(*pre, &text), expected, "{:?}", pre);
            }
        }
    }
}
