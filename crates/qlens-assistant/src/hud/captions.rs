//! Captions: the newest stands at the bottom, and what was there before it moves up, line by line, until it
//! leaves at the top. While the newest grows within its line, only its new characters are drawn.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::pixelcolor::Gray8;
use embedded_graphics::primitives::Rectangle;

use super::canvas::{BLACK, BRIGHT, Canvas, DIM};
use super::{Footer, Geometry, screens};
use crate::assistant::{Assistant, State};
use crate::layout::{Breaker, PageSize, Step};
use crate::typeface::{LINE_HEIGHT, Typeface};

/// Shown where the captions will be.
const NO_CAPTIONS: &str = "What is said now appears here: English in Chinese, 中文变成英文。";

/// What is on the display.
#[derive(Clone, Debug)]
pub(super) struct Captions {
    content: u32,
    /// Where the newest caption begins: it is brighter than the others.
    bright_from: usize,
    breaker: Breaker,
    /// Lines of all captions, of which the last ones are shown.
    lines: u32,
    footer: Footer,
}

/// Draws the captions, or what changed of them since `known` was drawn.
pub(super) fn draw<D, N>(
    geometry: Geometry,
    known: Option<Captions>,
    assistant: &Assistant<N>,
    canvas: &mut Canvas<'_, D>,
) -> Result<Captions, D::Error>
where
    D: DrawTarget<Color = Gray8>,
{
    let captions = assistant.captions();
    let content = assistant.content();
    let (text, bright_from) = if captions.captions().is_empty() {
        (NO_CAPTIONS, usize::MAX)
    } else {
        (captions.captions(), captions.newest())
    };
    let area = geometry.captions();
    let size = PageSize {
        width: area.size.width,
        lines: u32::MAX,
    };
    let known = known.filter(|old| old.content == content && old.bright_from == bright_from);
    let old_footer = known.as_ref().map(|old| old.footer);
    let mut grown = None;
    if let Some(mut old) = known {
        let block = Block {
            area,
            lines: old.lines,
            bright_from,
        };
        if block.feed(&mut old.breaker, text, canvas)? {
            grown = Some((old.breaker, old.lines));
        }
    }
    let (breaker, lines) = if let Some(grown) = grown {
        grown
    } else {
        let whole = if old_footer.is_some() {
            area
        } else {
            geometry.display()
        };
        canvas.fill(whole, BLACK)?;
        let lines = count(text, size);
        let mut breaker = Breaker::new(size, 0);
        let block = Block {
            area,
            lines,
            bright_from,
        };
        block.feed(&mut breaker, text, canvas)?;
        (breaker, lines)
    };
    let footer = Footer {
        hint: match (assistant.silence(), assistant.state()) {
            (Some(silence), _) => silence,
            (None, State::Translating) => "…",
            _ => "",
        },
        waiting: captions.waiting(),
        lost: captions.missed(),
        ..Footer::default()
    };
    if old_footer != Some(footer) {
        screens::footer(geometry, footer, canvas)?;
    }
    Ok(Captions {
        content,
        bright_from,
        breaker,
        lines,
        footer,
    })
}

/// Lines that `text` has.
fn count(text: &str, size: PageSize) -> u32 {
    let mut lines = 0;
    Breaker::new(size, 0).feed(text, &Typeface, &mut |step| {
        if let Step::Glyph { line, .. } = step {
            lines = line + 1;
        }
        true
    });
    lines
}

/// Lines of text of which the last one stands at the bottom of an area.
struct Block {
    area: Rectangle,
    lines: u32,
    /// The byte of the text from which on it is bright.
    bright_from: usize,
}

impl Block {
    /// The row of the area that a line stands in, if it is not above it.
    fn row(&self, line: u32) -> Option<u32> {
        let rows = self.area.size.height / LINE_HEIGHT;
        (line + rows).checked_sub(self.lines)
    }

    /// Draws what `text` has grown by; returns whether it still ends on the last line.
    fn feed<D>(
        &self,
        breaker: &mut Breaker,
        text: &str,
        canvas: &mut Canvas<'_, D>,
    ) -> Result<bool, D::Error>
    where
        D: DrawTarget<Color = Gray8>,
    {
        let mut result = Ok(true);
        breaker.feed(text, &Typeface, &mut |step| {
            match step {
                Step::Glyph { at, ch, line, x } => {
                    if line >= self.lines {
                        result = Ok(false);
                        return false;
                    }
                    if let Some(row) = self.row(line) {
                        let level = if at < self.bright_from { DIM } else { BRIGHT };
                        result = canvas
                            .character(self.area, ch, row, x, level)
                            .map(|()| true);
                    }
                }
                Step::Carry { line, x } => {
                    if let Some(row) = self.row(line) {
                        result = canvas.blank_from(self.area, row, x).map(|()| true);
                    }
                }
                Step::Page { .. } => {}
            }
            result.is_ok()
        });
        result
    }
}
