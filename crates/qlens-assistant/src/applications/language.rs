//! Which of the two languages a text is in, told by its script.

use crate::layout::is_wide;

/// A language that the glasses are spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Language {
    /// English, and whatever else has no Chinese characters.
    English,
    /// Chinese.
    Chinese,
}

impl Language {
    /// The language of `text`: Chinese if it has at least as many Chinese characters as words of letters, so
    /// that a name in the other script changes nothing.
    pub fn of(text: &str) -> Self {
        let (mut characters, mut words, mut inside) = (0_usize, 0_usize, false);
        for ch in text.chars() {
            let letter = ch.is_alphabetic() && !is_wide(ch);
            words += usize::from(letter && !inside);
            inside = letter || (inside && matches!(ch, '\'' | '’' | '-'));
            characters += usize::from(is_chinese(ch));
        }
        if characters > 0 && characters >= words {
            Self::Chinese
        } else {
            Self::English
        }
    }
}

/// Whether `ch` is a Chinese character, not counting punctuation.
pub const fn is_chinese(ch: char) -> bool {
    matches!(ch as u32, 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_other_script_changes_nothing() {
        for text in [
            "",
            "123",
            "Hello",
            "What does 出口 mean on that sign?",
            "¿Qué?",
        ] {
            assert_eq!(Language::of(text), Language::English, "{text}");
        }
        for text in [
            "你好",
            "请坐银座线（Ginza Line）",
            "我要 coffee",
            "2024年",
            "don't 不要",
        ] {
            assert_eq!(Language::of(text), Language::Chinese, "{text}");
        }
    }
}
