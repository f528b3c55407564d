//! What the tokenizer must know of a character: the tables that `build.rs` generates, and Hangul,
//! which is arithmetic (Unicode Standard, section 3.12).

use tables::{
    CLASS_PAGE, CLASS_PAGES, CLASS_VALUES, CLASSES, COMBINING_CLASS_PAGE, COMBINING_CLASS_PAGES,
    COMBINING_CLASS_VALUES, COMPOSED, COMPOSED_FIRST, COMPOSED_SECOND, DECOMPOSED,
    DECOMPOSED_PARTS, DECOMPOSED_STARTS,
};

#[allow(clippy::unreadable_literal, reason = "generated")]
mod tables {
    include!(concat!(env!("OUT_DIR"), "/unicode_tables.rs"));
}

/// What kind of character one is, for the pre-tokenizer and for normalization.
#[derive(Clone, Copy)]
pub(super) struct Class(u8);

impl Class {
    pub(super) fn of(c: char) -> Self {
        let code = c as usize;
        let number = CLASS_PAGES.get(code / CLASS_PAGE).map_or(0, |&page| {
            let half = usize::from(page) * CLASS_PAGE + code % CLASS_PAGE;
            CLASS_VALUES[half / 2] >> (half % 2 * 4) & 0xf
        });
        Self(CLASSES[usize::from(number)])
    }

    /// `\p{L}`, of Unicode 16.
    pub(super) fn is_letter(self) -> bool {
        self.0 & 1 != 0
    }

    /// `\p{N}`, of Unicode 16.
    pub(super) fn is_number(self) -> bool {
        self.0 & 1 << 1 != 0
    }

    /// `\p{M}`, of Unicode 16.
    pub(super) fn is_mark(self) -> bool {
        self.0 & 1 << 5 != 0
    }

    /// `\s`: the property `White_Space`.
    pub(super) fn is_space(self) -> bool {
        self.0 & 1 << 2 != 0
    }

    /// Whether the character is in NFC by itself and nothing before it can change that: it is a
    /// starter that never composes with what it follows.
    pub(super) fn is_inert(self) -> bool {
        self.0 & 1 << 3 == 0
    }

    fn decomposes(self) -> bool {
        self.0 & 1 << 4 != 0
    }
}

/// The canonical combining class; 0 is a starter.
pub(super) fn combining_class(c: char) -> u8 {
    let code = c as usize;
    COMBINING_CLASS_PAGES
        .get(code / COMBINING_CLASS_PAGE)
        .map_or(0, |&page| {
            let start = usize::from(page) * COMBINING_CLASS_PAGE;
            COMBINING_CLASS_VALUES[start + code % COMBINING_CLASS_PAGE]
        })
}

/// Part `part` of the character's full canonical decomposition, and how many parts there are.
/// `part` is less than that.
pub(super) fn decomposed(c: char, part: usize) -> (char, usize) {
    if let Some(syllable) = hangul::index(c) {
        return hangul::decomposed(syllable, part);
    }
    if Class::of(c).decomposes()
        && let Ok(found) = DECOMPOSED.binary_search(&u32::from(c))
    {
        let start = usize::from(DECOMPOSED_STARTS[found]);
        let end = usize::from(DECOMPOSED_STARTS[found + 1]);
        let mut parts = DECOMPOSED_PARTS[start..end].chars();
        let count = parts.clone().count();
        return (parts.nth(part).unwrap_or(c), count);
    }
    (c, 1)
}

/// The primary composite of two characters, if there is one.
pub(super) fn composed(first: char, second: char) -> Option<char> {
    if let Some(syllable) = hangul::composed(first, second) {
        return Some(syllable);
    }
    let (first, second) = (u32::from(first), u32::from(second));
    let start = COMPOSED_FIRST.partition_point(|&found| found < first);
    let seconds = &COMPOSED_SECOND[start..];
    let count = COMPOSED_FIRST[start..].partition_point(|&found| found == first);
    let found = seconds[..count].binary_search(&second).ok()?;
    char::from_u32(COMPOSED[start + found])
}

/// Hangul syllables: every one is composed of a leading consonant, a vowel and perhaps a trailing
/// consonant.
mod hangul {
    const L: u32 = 0x1100;
    const V: u32 = 0x1161;
    /// One before the first trailing consonant: number 0 of them is none.
    const T: u32 = 0x11a7;
    const SYLLABLES: u32 = 0xac00;
    const L_COUNT: u32 = 19;
    const V_COUNT: u32 = 21;
    const T_COUNT: u32 = 28;

    /// The number of a syllable.
    pub(super) fn index(c: char) -> Option<u32> {
        within(c, SYLLABLES, L_COUNT * V_COUNT * T_COUNT)
    }

    pub(super) fn decomposed(syllable: u32, part: usize) -> (char, usize) {
        let (l, v) = (syllable / (V_COUNT * T_COUNT), syllable / T_COUNT % V_COUNT);
        let t = syllable % T_COUNT;
        let code = [L + l, V + v, T + t][part.min(2)];
        (
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
            if t == 0 { 2 } else { 3 },
        )
    }

    pub(super) fn composed(first: char, second: char) -> Option<char> {
        let code = if let Some(l) = within(first, L, L_COUNT) {
            let v = within(second, V, V_COUNT)?;
            SYLLABLES + (l * V_COUNT + v) * T_COUNT
        } else {
            let lv = index(first).filter(|syllable| syllable % T_COUNT == 0)?;
            SYLLABLES + lv + within(second, T, T_COUNT).filter(|&t| t != 0)?
        };
        char::from_u32(code)
    }

    /// How far the character is behind `start`, if less than `count`.
    fn within(c: char, start: u32, count: u32) -> Option<u32> {
        u32::from(c)
            .checked_sub(start)
            .filter(|&index| index < count)
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};
    use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

    use super::*;

    #[test]
    fn every_character_has_the_class_that_the_unicode_crates_give_it() {
        for c in '\0'..=char::MAX {
            let class = Class::of(c);
            let group = c.general_category_group();
            assert_eq!(
                class.is_letter(),
                group == GeneralCategoryGroup::Letter,
                "{c:?}"
            );
            assert_eq!(
                class.is_number(),
                group == GeneralCategoryGroup::Number,
                "{c:?}"
            );
            assert_eq!(
                class.is_mark(),
                group == GeneralCategoryGroup::Mark,
                "{c:?}"
            );
            assert_eq!(class.is_space(), c.is_whitespace(), "{c:?}");
            let ccc = unicode_normalization::char::canonical_combining_class(c);
            assert_eq!(combining_class(c), ccc, "{c:?}");
            let yes = is_nfc_quick(core::iter::once(c)) == IsNormalized::Yes;
            assert_eq!(class.is_inert(), yes && ccc == 0, "{c:?}");
        }
    }

    #[test]
    fn every_character_decomposes_and_composes_as_the_unicode_crates_say() {
        for c in '\0'..=char::MAX {
            let (_, count) = decomposed(c, 0);
            let parts: String = (0..count).map(|part| decomposed(c, part).0).collect();
            let expected: String = core::iter::once(c).nfd().collect();
            assert_eq!(parts, expected, "{c:?}");
            let parts: Vec<char> = parts.chars().collect();
            for pair in parts.windows(2) {
                let expected = unicode_normalization::char::compose(pair[0], pair[1]);
                assert_eq!(composed(pair[0], pair[1]), expected, "{c:?}");
            }
        }
    }

    #[test]
    fn pairs_that_look_like_hangul_but_are_not_do_not_compose() {
        let edges = [
            '\u{10ff}', '\u{1100}', '\u{1112}', '\u{1113}', '\u{1160}', '\u{1161}', '\u{1175}',
            '\u{1176}', '\u{11a7}', '\u{11a8}', '\u{11c2}', '\u{11c3}', '\u{abff}', '\u{ac00}',
            '\u{ac01}', '\u{ac1c}', '\u{d788}', '\u{d7a3}', '\u{d7a4}',
        ];
        for first in edges {
            for second in edges {
                let expected = unicode_normalization::char::compose(first, second);
                assert_eq!(composed(first, second), expected, "{first:?} {second:?}");
            }
        }
    }
}
