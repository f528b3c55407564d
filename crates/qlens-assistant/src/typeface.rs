//! The letters. On a waveguide the world shines through every stroke, so they are large and bold, and
//! Latin and Chinese are drawn so that they stand on one line as if they were one face.
//!
//! | script | font | drawn | bytes of flash |
//! |---|---|---|---|
//! | Latin | Helvetica Bold 18 (Adobe, X11) | as it is | 12 760 |
//! | Chinese (GB 2312: 6763 characters), kana, Greek, Cyrillic, arrows, mathematics | GNU Unifont 16 | at 3:2, edges smoothed | 304 973 |
//!
//! A Chinese character is 24 pixels wide, a Latin one 12 on average: 19 and about 37 to a line of the
//! reference display. Characters that neither font has are drawn as a box, so that the reader knows that
//! something is missing; some common ones are drawn as a sibling that is there (`’` as `'`).
//! `NOTICE.md` of this crate has the fonts' licences; both permit embedding.

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::{DrawTarget, DrawTargetExt as _};
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::pixelcolor::{BinaryColor, Gray8};
use embedded_graphics::primitives::{
    PrimitiveStyle, PrimitiveStyleBuilder, Rectangle, StrokeAlignment, StyledDrawable,
};
use u8g2_fonts::types::{FontColor, VerticalPosition};
use u8g2_fonts::{Error, FontRenderer, fonts};

use crate::layout::{Measure, is_wide};

/// Pixels from one line of text to the next.
pub const LINE_HEIGHT: u32 = 32;
/// Pixels from the top of a line to the line that letters stand on.
const BASELINE: i32 = 25;
/// Width of a Chinese character in pixels.
pub const WIDE: u32 = 24;
/// Width of a blank in pixels, for those that the font does not have.
const BLANK: u32 = 6;

static LATIN: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB18_te>();
static WORLD: FontRenderer = FontRenderer::new::<fonts::u8g2_font_unifont_t_gb2312>();

/// The two fonts as one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Typeface;

/// How a character is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Nothing is, but it takes room.
    Blank(u32),
    /// By the Latin font.
    Latin(char),
    /// By the other one.
    World(char),
    /// As a bar of this many pixels, like a dash.
    Bar(u32),
    /// As three full stops, this many pixels apart.
    Ellipsis(u32),
    /// As a box of this many pixels.
    Missing(u32),
}

/// The sibling that `ch` is drawn as, or `ch` itself.
const fn sibling(ch: char) -> char {
    match ch {
        // Quotation marks and primes.
        '\u{2018}'..='\u{201B}' | '\u{2032}' => '\'',
        '\u{201C}'..='\u{201F}' | '\u{2033}' => '"',
        // Hyphens, soft and non-breaking.
        '\u{2010}' | '\u{2011}' => '-',
        // Bullets.
        '\u{2022}' | '\u{2023}' | '\u{2219}' => '\u{25CF}',
        // Check marks: the square root has their shape.
        '\u{2713}' | '\u{2714}' => '\u{221A}',
        // Crosses.
        '\u{2715}'..='\u{2718}' => '×',
        '\u{2044}' => '/',
        // The long vowel of katakana: the Chinese one.
        '\u{30FC}' => '\u{4E00}',
        _ => ch,
    }
}

fn in_latin(ch: char) -> Option<u32> {
    advance_in(&LATIN, ch)
}

fn in_world(ch: char) -> Option<u32> {
    // Two pixels become three.
    advance_in(&WORLD, ch).map(|pixels| pixels * 3 / 2)
}

fn advance_in(font: &FontRenderer, ch: char) -> Option<u32> {
    font.get_rendered_dimensions(ch, Point::zero(), VerticalPosition::Baseline)
        .ok()
        .and_then(|glyph| u32::try_from(glyph.advance.x).ok())
}

/// The form of `ch` and the pixels that the pen moves for it.
fn form(ch: char) -> (Form, u32) {
    let blank = |pixels| (Form::Blank(pixels), pixels);
    let bar = |pixels| (Form::Bar(pixels), pixels);
    match ch {
        ' ' | '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' => return blank(BLANK),
        '\t' => return blank(4 * BLANK),
        '\u{3000}' => return blank(WIDE),
        '\u{2012}' | '\u{2013}' | '\u{2212}' => return bar(WIDE / 2 + 2),
        '\u{2014}' | '\u{2015}' => return bar(WIDE),
        '\u{2026}' => {
            let pixels = in_latin('.').unwrap_or(BLANK);
            return (Form::Ellipsis(pixels), 3 * pixels);
        }
        _ => {}
    }
    let drawn = sibling(ch);
    if let Some(pixels) = in_latin(drawn) {
        (Form::Latin(drawn), pixels)
    } else if let Some(pixels) = in_world(drawn) {
        (Form::World(drawn), pixels)
    } else {
        let pixels = if is_wide(ch) { WIDE } else { WIDE / 2 };
        (Form::Missing(pixels), pixels)
    }
}

impl Measure for Typeface {
    fn advance(&self, ch: char) -> u32 {
        form(ch).1
    }
}

impl Typeface {
    /// Draws `ch` in a line of [`LINE_HEIGHT`] pixels whose top left corner is `at`; only pixels of its
    /// strokes are touched. `level` is the intensity of a full stroke.
    ///
    /// # Errors
    /// What the display reports.
    pub fn draw<D>(self, ch: char, at: Point, level: Gray8, display: &mut D) -> Result<(), D::Error>
    where
        D: DrawTarget<Color = Gray8>,
    {
        let pen = at + Point::new(0, BASELINE);
        match form(ch).0 {
            Form::Blank(_) => Ok(()),
            Form::Latin(ch) => draw_latin(ch, pen, level, display),
            Form::Ellipsis(apart) => (0..3).try_for_each(|dot| {
                draw_latin('.', pen + Size::new(dot * apart, 0), level, display)
            }),
            Form::World(ch) => Cell::of(ch).draw(pen, level, display),
            Form::Bar(width) => Rectangle::new(
                pen + Point::new(1, -9),
                Size::new(width.saturating_sub(2), 3),
            )
            .draw_styled(&PrimitiveStyle::with_fill(level), display),
            Form::Missing(width) => Rectangle::new(
                pen + Point::new(1, -18),
                Size::new(width.saturating_sub(2), 20),
            )
            .draw_styled(&frame(level), display),
        }
    }
}

/// A frame two pixels thick that does not reach beyond its rectangle.
pub(crate) const fn frame(level: Gray8) -> PrimitiveStyle<Gray8> {
    PrimitiveStyleBuilder::new()
        .stroke_color(level)
        .stroke_width(2)
        .stroke_alignment(StrokeAlignment::Inside)
        .build()
}

fn draw_latin<D>(ch: char, pen: Point, level: Gray8, display: &mut D) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Gray8>,
{
    // A few accents are wider than their letter or higher than the line. Every character keeps to its own
    // box, so that blanking a box takes away that character and nothing else.
    let corner = pen - Point::new(0, BASELINE);
    let size = Size::new(in_latin(ch).unwrap_or_default(), LINE_HEIGHT);
    let mut cell = display.clipped(&Rectangle::new(corner, size));
    let color = FontColor::Transparent(level);
    match LATIN.render(ch, pen, VerticalPosition::Baseline, color, &mut cell) {
        Err(Error::DisplayError(error)) => Err(error),
        // The form says that the font has it; a glyph that is not there draws nothing.
        _ => Ok(()),
    }
}

/// Pixels of a glyph of the world font, before they are enlarged.
const CELL: i32 = 16;
/// Rows of a cell above the line that letters stand on.
const CELL_ASCENT: i32 = 14;
/// Rows and columns of a cell after enlarging.
const ENLARGED: i32 = CELL * 3 / 2;

/// One glyph of the world font, a bit a pixel.
struct Cell {
    rows: [u16; CELL as usize],
}

impl Cell {
    fn of(ch: char) -> Self {
        let mut cell = Self {
            rows: [0; CELL as usize],
        };
        // Cannot fail: drawing into a cell does not, and a glyph that is not there leaves it empty.
        let _ = WORLD.render(
            ch,
            Point::new(0, CELL_ASCENT),
            VerticalPosition::Baseline,
            FontColor::Transparent(BinaryColor::On),
            &mut cell,
        );
        cell
    }

    /// How many quarters of the pixel (`x`, `y`) of the enlarged glyph its strokes cover. A pixel of
    /// the glyph is three half-pixels of the enlarged one wide and high.
    fn coverage(&self, x: i32, y: i32) -> usize {
        let mut quarters = 0;
        for half_y in [2 * y, 2 * y + 1] {
            let row = self.rows[(half_y / 3) as usize];
            for half_x in [2 * x, 2 * x + 1] {
                quarters += usize::from(row >> (half_x / 3) & 1);
            }
        }
        quarters
    }

    fn draw<D>(&self, pen: Point, level: Gray8, display: &mut D) -> Result<(), D::Error>
    where
        D: DrawTarget<Color = Gray8>,
    {
        use embedded_graphics::pixelcolor::GrayColor as _;
        // Brighter than the covered share: a stroke's soft edge is to add to its weight, not to blur it.
        const INTENSITY: [u32; 5] = [0, 130, 210, 240, 255];
        let corner = pen - Point::new(0, CELL_ASCENT * 3 / 2);
        let full = u32::from(level.luma());
        display.draw_iter((0..ENLARGED).flat_map(|y| {
            (0..ENLARGED).filter_map(move |x| {
                let quarters = self.coverage(x, y);
                let shade = Gray8::new((INTENSITY[quarters] * full / 255) as u8);
                (quarters > 0).then_some(Pixel(corner + Point::new(x, y), shade))
            })
        }))
    }
}

impl OriginDimensions for Cell {
    fn size(&self) -> Size {
        Size::new(CELL as u32, CELL as u32)
    }
}

impl DrawTarget for Cell {
    type Color = BinaryColor;
    type Error = core::convert::Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Self::Error>
    where
        I: IntoIterator<Item = Pixel<Self::Color>>,
    {
        for Pixel(point, color) in pixels {
            if color.is_on()
                && (0..CELL).contains(&point.x)
                && let Some(row) = usize::try_from(point.y)
                    .ok()
                    .and_then(|y| self.rows.get_mut(y))
            {
                *row |= 1 << point.x;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn every_character_of_gb_2312_has_a_glyph() {
        // The 6763 characters of the standard lie in this range of Unicode.
        let found = ('\u{4E00}'..='\u{9FA5}')
            .filter(|&ch| matches!(form(ch), (Form::World(_), WIDE)))
            .count();
        assert_eq!(found, 6763);
    }

    #[test]
    fn common_characters_of_answers_are_never_boxes() {
        for ch in ('!'..='~')
            .chain("éüñßçÅ–—−‘’“”…•→←≤≥≠≈×÷±°√∞αβπΩЖя、。,!?()《》「」あアー々①℃✓✔✗²½€".chars())
        {
            assert!(!matches!(form(ch).0, Form::Missing(_)), "{ch}");
            assert!(form(ch).1 > 0, "{ch}");
        }
    }

    #[test]
    fn what_no_font_has_is_a_box_of_its_width() {
        assert_eq!(form('😀'), (Form::Missing(WIDE), WIDE));
        assert_eq!(form('龍'), (Form::Missing(WIDE), WIDE));
        assert_eq!(form('ش'), (Form::Missing(WIDE / 2), WIDE / 2));
    }

    #[test]
    fn one_line_holds_enough() {
        let text = "Take the stairs at exit 8 and turn left at the ";
        let width: u32 = text.chars().map(|ch| Typeface.advance(ch)).sum();
        let average = f64::from(width) / text.len() as f64;
        let columns = 456.0 / average;
        assert!((30.0..44.0).contains(&columns), "{columns}");
    }
}
