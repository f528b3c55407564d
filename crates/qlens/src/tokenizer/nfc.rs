//! Unicode normalization form C without a buffer: the reference tokenizer normalizes its input, and
//! here there is no heap to normalize into.
//!
//! The usual algorithm collects each run of combining marks to sort it, and a run has no greatest
//! length. [`Nfc`] keeps positions in the text instead and reads a run again for every combining
//! class in it: there are fewer than 60 classes, so that time stays proportional to the text's
//! length however long a run is, and memory constant. The result is exact for every text; nothing
//! is cut to a stream-safe form.
//!
//! Follows Unicode Standard Annex #15 and section 3.11 of the Unicode Standard, with the data of
//! Unicode 9 as the reference has them.

use super::unicode::{self, Class};

/// Text in parts that are read as one, so that a heading and what it introduces need no buffer to be
/// joined in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'t> {
    pub(super) parts: &'t [&'t str],
}

impl Source<'_> {
    /// The character at byte `at` of the parts.
    fn char_at(&self, mut at: usize) -> Option<char> {
        for part in self.parts {
            match at.checked_sub(part.len()) {
                None => return part.get(at..)?.chars().next(),
                Some(behind) => at = behind,
            }
        }
        None
    }
}

/// A position in the canonical decomposition of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    /// Offset of a character of the text, in bytes.
    at: usize,
    /// Which part of its decomposition.
    part: usize,
}

/// A run of non-starters, in canonical order: ascending by class, equal classes as in the text.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: Cursor,
    end: Cursor,
    /// The class whose members are being read, and where to look for the next of them.
    class: u8,
    next: Cursor,
}

/// What is left of a run: the marks that the starter before it does not absorb.
#[derive(Debug, Clone, Copy)]
struct Rest {
    run: Run,
    /// The starter composed with the marks read so far; `None` at the beginning of the text.
    starter: Option<char>,
    /// Class of the last mark that stayed, 0 if none did: it keeps others of its class from the
    /// starter.
    stayed: u8,
}

/// The characters of a text in NFC. A copy is a position that one can come back to.
#[derive(Debug, Clone)]
pub(super) struct Nfc<'t> {
    text: Source<'t>,
    at: Cursor,
    rest: Option<Rest>,
}

impl<'t> Nfc<'t> {
    pub(super) fn new(text: Source<'t>) -> Self {
        Self {
            text,
            at: Cursor { at: 0, part: 0 },
            rest: None,
        }
    }

    /// The decomposed character at a position, and the position behind it.
    fn read(&self, cursor: Cursor) -> Option<(char, Cursor)> {
        let c = self.text.char_at(cursor.at)?;
        let (decomposed, parts) = unicode::decomposed(c, cursor.part);
        let behind = if cursor.part + 1 < parts {
            Cursor {
                part: cursor.part + 1,
                ..cursor
            }
        } else {
            Cursor {
                at: cursor.at + c.len_utf8(),
                part: 0,
            }
        };
        Some((decomposed, behind))
    }

    /// The non-starters from `start` on; `None` if a starter or the end is there.
    fn run(&self, start: Cursor) -> Option<Run> {
        let mut end = start;
        while let Some((c, behind)) = self.read(end)
            && unicode::combining_class(c) != 0
        {
            end = behind;
        }
        (end != start).then_some(Run {
            start,
            end,
            class: 0,
            next: end,
        })
    }

    /// The next mark of a run with its class.
    fn next_of_run(&self, run: &mut Run) -> Option<(char, u8)> {
        loop {
            while run.next != run.end {
                let (c, behind) = self.read(run.next)?;
                run.next = behind;
                if unicode::combining_class(c) == run.class {
                    return Some((c, run.class));
                }
            }
            let mut cursor = run.start;
            let mut least = None;
            while cursor != run.end {
                let (c, behind) = self.read(cursor)?;
                cursor = behind;
                let class = unicode::combining_class(c);
                if class > run.class && least.is_none_or(|least| class < least) {
                    least = Some(class);
                }
            }
            run.class = least?;
            run.next = run.start;
        }
    }

    /// The next mark that the starter does not absorb.
    fn next_of_rest(&self, rest: &mut Rest) -> Option<char> {
        while let Some((mark, class)) = self.next_of_run(&mut rest.run) {
            let composite = rest
                .starter
                .filter(|_| rest.stayed < class)
                .and_then(|starter| unicode::composed(starter, mark));
            if composite.is_none() {
                rest.stayed = class;
                return Some(mark);
            }
            rest.starter = composite;
        }
        None
    }

    /// Reads a starter and all that it absorbs; what remains of the run behind it is `self.rest`.
    fn compose(&mut self, mut starter: char) -> char {
        loop {
            if let Some(run) = self.run(self.at) {
                let rest = Rest {
                    run,
                    starter: Some(starter),
                    stayed: 0,
                };
                let mut ahead = rest;
                let mut any_stays = false;
                while self.next_of_rest(&mut ahead).is_some() {
                    any_stays = true;
                }
                starter = ahead.starter.unwrap_or(starter);
                self.at = run.end;
                if any_stays {
                    self.rest = Some(rest);
                    return starter;
                }
            }
            // With nothing between them two starters may compose as well.
            let Some((composite, behind)) = self
                .read(self.at)
                .and_then(|(next, behind)| Some((unicode::composed(starter, next)?, behind)))
            else {
                return starter;
            };
            starter = composite;
            self.at = behind;
        }
    }
}

impl Iterator for Nfc<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        if let Some(mut rest) = self.rest {
            let mark = self.next_of_rest(&mut rest);
            self.rest = mark.map(|_| rest);
            if mark.is_some() {
                return mark;
            }
        }
        if self.at.part == 0 {
            let c = self.text.char_at(self.at.at)?;
            if Class::of(c).is_inert() {
                let behind = self.at.at + c.len_utf8();
                let next = self.text.char_at(behind);
                if next.is_none_or(|next| Class::of(next).is_inert()) {
                    self.at.at = behind;
                    return Some(c);
                }
            }
        }
        if let Some(run) = self.run(self.at) {
            // Marks that follow no starter: they are sorted, and none composes with another.
            self.at = run.end;
            self.rest = Some(Rest {
                run,
                starter: None,
                stayed: 0,
            });
            return self.next();
        }
        let (starter, behind) = self.read(self.at)?;
        self.at = behind;
        Some(self.compose(starter))
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization as _;

    use super::*;

    fn nfc(head: &str, tail: &str) -> String {
        Nfc::new(Source {
            parts: &[head, "", tail],
        })
        .collect()
    }

    fn check(text: &str) {
        let expected: String = text.nfc().collect();
        assert_eq!(nfc(text, ""), expected, "{text:?}");
        for (cut, _) in text.char_indices() {
            let (head, tail) = text.split_at(cut);
            assert_eq!(nfc(head, tail), expected, "{text:?} cut at {cut}");
        }
    }

    #[test]
    fn texts_with_every_rule_of_composition_in_them() {
        for text in [
            "",
            "plain ASCII",
            "cafe\u{301} caf\u{e9}",
            // Order of marks, and one that blocks another of its class.
            "a\u{301}\u{327}\u{300}",
            "a\u{327}\u{301}\u{300}\u{31b}",
            "\u{1ea5}\u{323}",
            // Marks without a starter.
            "\u{301}\u{327}a",
            "\u{344}\u{345}\u{301}x",
            // Singletons, and characters excluded from composition.
            "\u{212b}\u{2126}\u{212a}\u{340}\u{fb1d}\u{958}\u{f43}\u{2adc}",
            // Starters that compose with starters, and one that a mark keeps apart.
            "\u{9c7}\u{9be}\u{9c7}\u{301}\u{9be}",
            "\u{1025}\u{102e} \u{11131}\u{11127}",
            "\u{dd9}\u{dcf}\u{dca}",
            // Hangul, by letter and by syllable.
            "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}",
            "\u{d558}\u{11ab}\u{d55c}\u{11ab}\u{1112}\u{301}\u{1161}",
            "\u{ac00}\u{301}\u{11a8}",
        ] {
            check(text);
        }
    }

    #[test]
    fn every_character_alone_and_between_marks() {
        for c in '\0'..=char::MAX {
            let text: String = ['a', '\u{327}', c, '\u{301}', '\u{345}'].iter().collect();
            assert_eq!(nfc(&text, ""), text.nfc().collect::<String>(), "{c:?}");
            let text: String = core::iter::once(c).collect();
            assert_eq!(nfc(&text, ""), text.nfc().collect::<String>(), "{c:?}");
        }
    }

    #[test]
    fn a_hundred_thousand_marks_in_one_run_are_sorted() {
        let marks: Vec<char> = ('\0'..=char::MAX)
            .filter(|&c| unicode::combining_class(c) != 0)
            .collect();
        let text: String = core::iter::once('e')
            .chain((0..100_000).map(|i| marks[i * 7919 % marks.len()]))
            .chain("\u{301}e\u{301}".chars())
            .collect();
        assert_eq!(nfc(&text, ""), text.nfc().collect::<String>());
    }

    /// Characters that do something in normalization, and a few that do not.
    fn lively() -> impl Strategy<Value = char> {
        prop_oneof![
            prop::sample::select(
                ('\0'..=char::MAX)
                    .filter(|&c| !Class::of(c).is_inert())
                    .collect::<Vec<_>>()
            ),
            prop::sample::select(
                ('\0'..=char::MAX)
                    .filter(|&c| unicode::combining_class(c) != 0)
                    .collect::<Vec<_>>()
            ),
            prop::sample::select(
                ('\0'..=char::MAX)
                    .filter(|&c| unicode::decomposed(c, 0).1 > 1)
                    .collect::<Vec<_>>()
            ),
            prop::sample::select(
                "aeiouAEIOUcs \n\u{3b1}\u{3c9}\u{9c7}\u{1100}"
                    .chars()
                    .collect::<Vec<_>>()
            ),
            prop::sample::select(
                "\u{300}\u{301}\u{302}\u{308}\u{323}\u{327}\u{31b}\u{345}\u{9be}\u{1161}\u{11a8}"
                    .chars()
                    .collect::<Vec<_>>()
            ),
            any::<char>(),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn equals_the_unicode_crate(chars in prop::collection::vec(lively(), 0..24)) {
            check(&chars.into_iter().collect::<String>());
        }
    }
}
