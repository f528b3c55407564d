//! What a character is to the line breaker. A table of ranges instead of the Unicode data file: the
//! scripts that the display has glyphs for are few.

/// What matters about a character when a line is to be broken near it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Class {
    /// Breaks the line here and takes no room.
    Newline,
    /// Takes no room: controls, joiners, variation selectors, the byte order mark.
    Ignored,
    /// The line may break after it, and it may hang over the edge.
    Space,
    /// Joins its neighbours, but a word may break after it.
    Hyphen,
    /// Narrow closing punctuation: no break before it.
    Close,
    /// Narrow opening punctuation: no break after it.
    Open,
    /// The line may break on both sides.
    Ideograph,
    /// Full-width closing punctuation: no break before it.
    WideClose,
    /// Full-width opening punctuation: no break after it.
    WideOpen,
    /// Part of a word.
    Letter,
}

/// Whether `ch` takes a full cell: CJK characters, kana, hangul, their punctuation, full-width forms,
/// and the pictographs that a font without them shows as a box.
pub const fn is_wide(ch: char) -> bool {
    matches!(ch as u32,
        0x1100..=0x115F
        | 0x2E80..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE4F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F000..=0x1FAFF
        | 0x2_0000..=0x3_FFFD)
}

pub(super) const fn class(ch: char) -> Class {
    match ch {
        '\n' | '\u{B}' | '\u{C}' | '\u{2028}' | '\u{2029}' => Class::Newline,
        '\0'..='\u{8}'
        | '\r'
        | '\u{E}'..='\u{1F}'
        | '\u{7F}'..='\u{9F}'
        | '\u{AD}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}'
        | '\u{E0000}'..='\u{E0FFF}' => Class::Ignored,
        ' ' | '\t' | '\u{2000}'..='\u{2006}' | '\u{2008}'..='\u{200A}' | '\u{3000}' => Class::Space,
        '-' | '\u{2010}' => Class::Hyphen,
        // ‘ “ and the brackets of ASCII.
        '(' | '[' | '{' | '<' | '\u{2018}' | '\u{201C}' => Class::Open,
        // ’ ” … · ° and the stops of ASCII.
        ')' | ']' | '}' | '>' | '\u{2019}' | '\u{201D}' | ',' | '.' | ';' | ':' | '!' | '?'
        | '%' | '\u{2026}' | '\u{B7}' | '\u{B0}' => Class::Close,
        // 〈 《 「 『 【 〔 〖, then full-width ( [ { $ ¥.
        '\u{3008}' | '\u{300A}' | '\u{300C}' | '\u{300E}' | '\u{3010}' | '\u{3014}'
        | '\u{3016}' | '\u{FF08}' | '\u{FF3B}' | '\u{FF5B}' | '\u{FF04}' | '\u{FFE5}' => {
            Class::WideOpen
        }
        // 、 。 〉 》 」 』 】 〕 〗 々 ー ・ 〜, then full-width ) ] } , . : ; ! ? % ~.
        '\u{3001}' | '\u{3002}' | '\u{3009}' | '\u{300B}' | '\u{300D}' | '\u{300F}'
        | '\u{3011}' | '\u{3015}' | '\u{3017}' | '\u{3005}' | '\u{30FC}' | '\u{30FB}'
        | '\u{301C}' | '\u{FF09}' | '\u{FF3D}' | '\u{FF5D}' | '\u{FF0C}' | '\u{FF0E}'
        | '\u{FF1A}' | '\u{FF1B}' | '\u{FF01}' | '\u{FF1F}' | '\u{FF05}' | '\u{FF5E}' => {
            Class::WideClose
        }
        _ if is_wide(ch) => Class::Ideograph,
        _ => Class::Letter,
    }
}
