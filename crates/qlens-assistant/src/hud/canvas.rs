//! Brushes: lines of text, gauges, and the black that is no light at all.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::Gray8;
use embedded_graphics::primitives::{Circle, PrimitiveStyle, Rectangle, StyledDrawable};
use heapless::Vec;

use crate::layout::{Breaker, Measure, PageSize, Step};
use crate::typeface::{LINE_HEIGHT, Typeface, frame};

/// Text that is to be read.
pub(super) const BRIGHT: Gray8 = Gray8::new(255);
/// Text that only has to be found when it is looked for.
pub(super) const DIM: Gray8 = Gray8::new(120);
/// Lines that part and frame.
pub(super) const FAINT: Gray8 = Gray8::new(80);
/// Nothing: black is transparent.
pub(super) const BLACK: Gray8 = Gray8::new(0);

/// Lines that a text other than an answer can have.
const MAX_LINES: usize = 32;
/// Put at the end of a text that had to be cut.
const ELLIPSIS: char = '…';

/// Where a line of text stands between its left and right edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// At the left edge.
    Left,
    /// In the middle.
    Center,
    /// At the right edge.
    Right,
}

/// A display that is being drawn on.
pub(super) struct Canvas<'d, D> {
    pub(super) display: &'d mut D,
}

impl<D: DrawTarget<Color = Gray8>> Canvas<'_, D> {
    pub(super) fn fill(&mut self, area: Rectangle, level: Gray8) -> Result<(), D::Error> {
        self.display.fill_solid(&area, level)
    }

    /// Draws one character of a page that stands in `area`.
    pub(super) fn character(
        &mut self,
        area: Rectangle,
        ch: char,
        line: u32,
        x: u32,
        level: Gray8,
    ) -> Result<(), D::Error> {
        let at = area.top_left + Size::new(x, line * LINE_HEIGHT);
        Typeface.draw(ch, at, level, self.display)
    }

    /// Blanks line `line` of a page that stands in `area`, from pixel `x` to the display's edge.
    pub(super) fn blank_from(
        &mut self,
        area: Rectangle,
        line: u32,
        x: u32,
    ) -> Result<(), D::Error> {
        let corner = area.top_left + Size::new(x, line * LINE_HEIGHT);
        // A line's last blank may hang over the margin; nothing else is right of the text.
        let width = area.size.width.saturating_sub(x) + area.top_left.x.unsigned_abs();
        self.fill(Rectangle::new(corner, Size::new(width, LINE_HEIGHT)), BLACK)
    }

    /// Draws one line from what fits of `text` into the top of `area`.
    pub(super) fn line(
        &mut self,
        area: Rectangle,
        text: &str,
        align: Align,
        level: Gray8,
    ) -> Result<(), D::Error> {
        let lines = area.size.height.min(LINE_HEIGHT);
        self.text(
            Rectangle::new(area.top_left, Size::new(area.size.width, lines)),
            text,
            align,
            level,
        )?;
        Ok(())
    }

    /// Draws `text` into `area`, wrapped, and cut with an ellipsis if there is more of it than lines
    /// that fit. Returns the pixels from the top that it took.
    pub(super) fn text(
        &mut self,
        area: Rectangle,
        text: &str,
        align: Align,
        level: Gray8,
    ) -> Result<u32, D::Error> {
        let size = PageSize {
            width: area.size.width,
            lines: (area.size.height / LINE_HEIGHT).min(MAX_LINES as u32),
        };
        if size.lines == 0 {
            return Ok(0);
        }
        let (starts, end) = lines(text, size);
        let whole = text[end..].trim().is_empty();
        for (index, &start) in starts.iter().enumerate() {
            let last = index + 1 == starts.len();
            let stop = starts.get(index + 1).copied().unwrap_or(end);
            let mut line = text[start..stop].trim_end();
            let mut width = width_of(line);
            let cut = last && !whole;
            if cut {
                let room = size.width.saturating_sub(Typeface.advance(ELLIPSIS));
                while width > room
                    && let Some(ch) = line.chars().next_back()
                {
                    line = &line[..line.len() - ch.len_utf8()];
                    width = width_of(line);
                }
                width += Typeface.advance(ELLIPSIS);
            }
            let free = size.width.saturating_sub(width);
            let mut x = match align {
                Align::Left => 0,
                Align::Center => free / 2,
                Align::Right => free,
            };
            for ch in line.chars().chain(cut.then_some(ELLIPSIS)) {
                self.character(area, ch, index as u32, x, level)?;
                x += Typeface.advance(ch);
            }
        }
        Ok(starts.len() as u32 * LINE_HEIGHT)
    }

    /// Draws a frame that is `percent` full.
    pub(super) fn gauge(&mut self, area: Rectangle, percent: u32) -> Result<(), D::Error> {
        area.draw_styled(&frame(DIM), self.display)?;
        let inside = Rectangle::new(
            area.top_left + Size::new(4, 4),
            Size::new(
                area.size.width.saturating_sub(8) * percent.min(100) / 100,
                area.size.height.saturating_sub(8),
            ),
        );
        self.fill(inside, BRIGHT)
    }

    /// Draws a disc of `diameter` pixels around `center`.
    pub(super) fn disc(&mut self, center: Point, diameter: u32) -> Result<(), D::Error> {
        Circle::with_center(center, diameter)
            .draw_styled(&PrimitiveStyle::with_fill(BRIGHT), self.display)
    }
}

fn width_of(line: &str) -> u32 {
    line.chars().map(|ch| Typeface.advance(ch)).sum()
}

/// Byte offsets at which the lines of `text` begin, and the one at which the last of them ends.
fn lines(text: &str, size: PageSize) -> (Vec<usize, MAX_LINES>, usize) {
    let mut starts = Vec::new();
    let mut end = text.len();
    Breaker::new(size, 0).feed(text, &Typeface, &mut |step| match step {
        Step::Glyph { at, line, .. } => {
            while starts.len() <= line as usize {
                if starts.push(at).is_err() {
                    return false;
                }
            }
            true
        }
        Step::Carry { .. } => true,
        Step::Page { start } => {
            end = start;
            false
        }
    });
    (starts, end)
}
