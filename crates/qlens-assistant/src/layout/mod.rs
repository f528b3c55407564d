//! Where each character of a growing text goes on the page. Text arrives a token at a time while
//! somebody reads it, so the layout goes on from where it stopped: it never looks at old text again,
//! except at the one word that no longer fits its line.
//!
//! Rules, in the terms of [UAX #14](https://www.unicode.org/reports/tr14/), of which this is a small part:
//! Latin breaks after spaces and after a hyphen inside a word; Chinese and Japanese break anywhere but
//! before closing and after opening punctuation; a word wider than the line breaks anywhere. A space at
//! the end of a line hangs over the edge instead of starting the next line, so only a hard line break
//! keeps its indentation. Line breaks at the top of a page are swallowed.
//!
//! Not supported: right-to-left text, shaping, combining marks (they are drawn as characters of their
//! own, boxes if the font has none), hyphenation.

mod class;
mod reader;

use heapless::Vec;

pub use class::is_wide;
use class::{Class, class};
pub use reader::Reader;

/// Pages that one answer can have at most. On the reference display an answer of
/// [`ANSWER_BYTES`](crate::conversation::ANSWER_BYTES) has about a dozen.
pub const MAX_PAGES: usize = 128;

/// How far the pen moves for a character.
pub trait Measure {
    /// Advance width of `ch` in pixels. Zero for a character that takes no room.
    fn advance(&self, ch: char) -> u32;
}

/// What the layout says about the text that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The character at byte `at` stands at pixel `x` of line `line` of the page.
    Glyph {
        /// Byte offset in the text.
        at: usize,
        /// The character.
        ch: char,
        /// Line of the page, from 0.
        line: u32,
        /// Pixels from the left edge of the text.
        x: u32,
    },
    /// Whatever was placed on `line` from pixel `x` on is taken back and placed again on the next line:
    /// the word grew too wide.
    Carry {
        /// Line of the page, from 0.
        line: u32,
        /// Pixels from the left edge of the text.
        x: u32,
    },
    /// The page is full: the text from byte `start` on is on the next one.
    Page {
        /// Byte offset in the text of the next page's first character.
        start: usize,
    },
}

/// Width and height of a page of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PageSize {
    /// Pixels.
    pub width: u32,
    /// Lines, at least 1.
    pub lines: u32,
}

/// The line breaker: a pen and just enough memory of the current word to move it to the next line.
#[derive(Clone, Debug)]
pub struct Breaker {
    size: PageSize,
    /// Bytes of the text that were laid out.
    consumed: usize,
    line: u32,
    x: u32,
    /// Whether nothing stands on the page yet.
    page_empty: bool,
    /// Where the text since the last place at which the line may break begins: byte and pixel.
    word: (usize, u32),
    previous: Class,
    /// Whether the character before `previous` was a letter, for hyphens.
    letter_before: bool,
}

impl Breaker {
    /// A breaker for a page that begins at byte `start` of the text.
    pub const fn new(size: PageSize, start: usize) -> Self {
        Self {
            size,
            consumed: start,
            line: 0,
            x: 0,
            page_empty: true,
            word: (start, 0),
            previous: Class::Space,
            letter_before: false,
        }
    }

    /// Bytes of the text that were laid out so far.
    pub const fn consumed(&self) -> usize {
        self.consumed
    }

    /// Lays out what `text` has grown by since the last call. `text` is the whole text, from its first
    /// byte; everything before [`consumed`](Self::consumed) must be what it was.
    ///
    /// `step` is told each thing as it happens; if it returns `false`, the layout stops there.
    /// Costs time in proportion to the new text, and at most one old line besides.
    pub fn feed(
        &mut self,
        text: &str,
        measure: &impl Measure,
        step: &mut impl FnMut(Step) -> bool,
    ) {
        for ch in text.get(self.consumed..).unwrap_or_default().chars() {
            let at = self.consumed;
            self.consumed += ch.len_utf8();
            if !self.character(text, at, ch, measure, step) {
                return;
            }
        }
    }

    fn character(
        &mut self,
        text: &str,
        at: usize,
        ch: char,
        measure: &impl Measure,
        step: &mut impl FnMut(Step) -> bool,
    ) -> bool {
        let class = class(ch);
        let after = at + ch.len_utf8();
        match class {
            Class::Ignored => return true,
            Class::Newline => {
                if !(self.page_empty && self.line == 0) && self.line < self.size.lines {
                    self.line += 1;
                }
                self.x = 0;
                self.word = (after, 0);
                self.previous = Class::Space;
                self.letter_before = false;
                return true;
            }
            _ => {}
        }
        let advance = measure.advance(ch);
        if class == Class::Space {
            self.letter_before = false;
            self.previous = Class::Space;
            let mut go_on = true;
            if self.x + advance > self.size.width {
                // Hangs: whatever comes next does not fit either and opens the next line.
                self.x = self.size.width;
            } else {
                go_on = self.place(at, ch, advance, step);
            }
            self.word = (after, self.x);
            return go_on;
        }
        if self.may_break_before(class) {
            self.word = (at, self.x);
        }
        self.letter_before = self.previous == Class::Letter;
        self.previous = class;
        if self.x + advance > self.size.width && self.x > 0 {
            let (word_at, word_x) = self.word;
            if word_x == 0 {
                self.split_word(at);
            } else {
                if word_at < at
                    && !step(Step::Carry {
                        line: self.line,
                        x: word_x,
                    })
                {
                    return false;
                }
                self.line += 1;
                self.x = 0;
                self.word = (word_at, 0);
                for (offset, moved) in text[word_at..at].char_indices() {
                    let advance = measure.advance(moved);
                    if !matches!(class::class(moved), Class::Ignored)
                        && !self.place(word_at + offset, moved, advance, step)
                    {
                        return false;
                    }
                }
                if self.x + advance > self.size.width && self.x > 0 {
                    self.split_word(at);
                }
            }
        }
        self.place(at, ch, advance, step)
    }

    /// The word alone is wider than the line: the next one begins inside it, at byte `at`, and knows
    /// nothing of this one, since it may be the first of a page that is laid out alone.
    fn split_word(&mut self, at: usize) {
        self.line += 1;
        self.x = 0;
        self.word = (at, 0);
        self.letter_before = false;
    }

    fn may_break_before(&self, class: Class) -> bool {
        let wide = |class| matches!(class, Class::Ideograph | Class::WideOpen | Class::WideClose);
        match (self.previous, class) {
            (Class::Space, _) => true,
            (_, Class::Close | Class::WideClose) | (Class::Open | Class::WideOpen, _) => false,
            (Class::Hyphen, Class::Letter) => self.letter_before,
            (before, after) => wide(before) || wide(after),
        }
    }

    fn place(
        &mut self,
        at: usize,
        ch: char,
        advance: u32,
        step: &mut impl FnMut(Step) -> bool,
    ) -> bool {
        if self.line >= self.size.lines {
            self.line = 0;
            if !step(Step::Page { start: at }) {
                return false;
            }
        }
        self.page_empty = false;
        let x = self.x;
        self.x += advance;
        step(Step::Glyph {
            at,
            ch,
            line: self.line,
            x,
        })
    }
}

/// There are already [`MAX_PAGES`] pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PagesFull;

impl core::fmt::Display for PagesFull {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the text needs more than {MAX_PAGES} pages")
    }
}

impl core::error::Error for PagesFull {}

/// Where the pages of a growing text begin.
#[derive(Clone, Debug)]
pub struct Pages {
    breaker: Breaker,
    /// Byte offsets of the second page and all after it.
    turns: Vec<u32, { MAX_PAGES - 1 }>,
    /// Whether text came that has no page.
    full: bool,
}

impl Pages {
    /// The pages of an empty text: one, and empty.
    pub const fn new(size: PageSize) -> Self {
        Self {
            breaker: Breaker::new(size, 0),
            turns: Vec::new(),
            full: false,
        }
    }

    /// The size that was given.
    pub const fn size(&self) -> PageSize {
        self.breaker.size
    }

    /// Pages so far, at least 1.
    pub fn count(&self) -> usize {
        self.turns.len() + 1
    }

    /// Byte offset at which page `page` (from 0) begins.
    pub fn start(&self, page: usize) -> Option<usize> {
        match page {
            0 => Some(0),
            _ => self.turns.get(page - 1).map(|&start| start as usize),
        }
    }

    /// The bytes of `text` that page `page` shows; beyond the last page, nothing.
    pub fn slice<'t>(&self, text: &'t str, page: usize) -> &'t str {
        let Some(start) = self.start(page) else {
            return "";
        };
        let end = self.start(page + 1).unwrap_or(text.len());
        text.get(start..end).unwrap_or_default()
    }

    /// Forgets the text.
    pub fn clear(&mut self) {
        *self = Self::new(self.size());
    }

    /// Lays out what `text` has grown by; it is the whole text, as in [`Breaker::feed`].
    ///
    /// # Errors
    /// [`PagesFull`]: the text up to the end of the last page is laid out, the rest never will be.
    pub fn extend(&mut self, text: &str, measure: &impl Measure) -> Result<(), PagesFull> {
        let (turns, full) = (&mut self.turns, &mut self.full);
        if !*full {
            self.breaker.feed(text, measure, &mut |step| {
                if let Step::Page { start } = step {
                    *full = turns.push(start as u32).is_err();
                }
                !*full
            });
        }
        if self.full { Err(PagesFull) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
