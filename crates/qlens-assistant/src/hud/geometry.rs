//! Where things stand on a display of some size. Everything is counted in whole lines of text, so that
//! the same page is laid out the same way wherever it is drawn.

use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::primitives::Rectangle;

use crate::layout::PageSize;
use crate::typeface::LINE_HEIGHT;

/// Pixels that a gauge is high.
pub(super) const GAUGE_HEIGHT: u32 = 14;
/// Pixels between the question and the answer.
const GAP: u32 = 8;

/// From top to bottom: the question, the answer, and a line for page numbers and hints. On a display
/// that is not high enough for all of them the question goes first, then the last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Geometry {
    width: u32,
    height: u32,
    margin: u32,
    question_lines: u32,
    footer_lines: u32,
}

impl Geometry {
    /// The arrangement for a display of `display` pixels. Any size is accepted; text needs about 200 x 32.
    pub const fn new(display: Size) -> Self {
        // Larger displays do not exist on a head, and 16 bits leave room for arithmetic.
        let width = least(display.width, 0xffff);
        let height = least(display.height, 0xffff);
        let lines = height / LINE_HEIGHT;
        Self {
            width,
            height,
            margin: if width >= 240 { 12 } else { 2 },
            question_lines: match lines {
                0..6 => 0,
                6..12 => 1,
                _ => 2,
            },
            footer_lines: if lines < 4 { 0 } else { 1 },
        }
    }

    /// Width and height of a page of the answer.
    pub const fn page(&self) -> PageSize {
        let lines = self.answer().size.height / LINE_HEIGHT;
        PageSize {
            width: self.width.saturating_sub(2 * self.margin),
            lines: if lines == 0 { 1 } else { lines },
        }
    }

    /// The whole display.
    pub const fn display(&self) -> Rectangle {
        Rectangle::new(Point::zero(), Size::new(self.width, self.height))
    }

    /// Where the question stands, with the rule below it; empty on low displays.
    pub const fn question(&self) -> Rectangle {
        let height = self.question_lines * LINE_HEIGHT;
        self.band(self.top(), if height == 0 { 0 } else { height + GAP })
    }

    /// Lines of the question that are shown.
    pub const fn question_lines(&self) -> u32 {
        self.question_lines
    }

    /// Where the answer stands.
    pub const fn answer(&self) -> Rectangle {
        let above = self.top() + self.question().size.height;
        let footer = self.footer();
        let below = footer.top_left.y as u32;
        self.band(above, below.saturating_sub(above))
    }

    /// Where captions stand: all above the last line.
    pub(super) const fn captions(&self) -> Rectangle {
        let lines = self.footer().top_left.y as u32 / LINE_HEIGHT;
        // Whole lines, and no room between the last of them and what is below.
        let height = lines * LINE_HEIGHT;
        let bottom = self.footer().top_left.y as u32;
        self.band(bottom.saturating_sub(height), height)
    }

    /// Where page numbers and hints stand; empty on low displays.
    pub const fn footer(&self) -> Rectangle {
        let height = self.footer_lines * LINE_HEIGHT;
        let bottom = self.height.saturating_sub(self.spare() - self.top());
        self.band(bottom.saturating_sub(height), height)
    }

    /// Pixels that no line of text stands in.
    const fn spare(&self) -> u32 {
        let gap = if self.question_lines == 0 { 0 } else { GAP };
        if self.height < LINE_HEIGHT {
            return 0;
        }
        (self.height - gap) % LINE_HEIGHT
    }

    /// Pixels above the first line: half of those to spare.
    const fn top(&self) -> u32 {
        self.spare() / 2
    }

    /// The display's full width between two heights, without the margins.
    const fn band(&self, top: u32, height: u32) -> Rectangle {
        Rectangle::new(
            Point::new(self.margin as i32, top as i32),
            Size::new(self.width.saturating_sub(2 * self.margin), height),
        )
    }
}

const fn least(a: u32, b: u32) -> u32 {
    if a < b { a } else { b }
}
