//! A chart as a PNG.

use std::convert::Infallible;

use anyhow::{Result, anyhow};
use embedded_graphics::Drawable as _;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};
use embedded_graphics::primitives::{Line, Primitive as _, PrimitiveStyle};
use u8g2_fonts::types::{FontColor, VerticalPosition};
use u8g2_fonts::{FontRenderer, fonts};

use crate::chart::{Chart, Track};

/// Pixels of a chart's time.
pub const COLUMNS: usize = 1440;
/// Pixels to the left of it, for names.
const LEFT: i32 = 140;
const RIGHT: i32 = 20;
const TOP: i32 = 8;
const TRACK: i32 = 96;
const GAP: i32 = 14;
const AXIS: i32 = 24;
const ROW: i32 = 20;
/// Rows of what is told at most.
const MOST_ROWS: usize = 40;
/// Pixels of the digits of a time on the axis, and around them.
const TIME: f64 = 60.0;

const INK: Rgb888 = Rgb888::new(0x22, 0x22, 0x22);
const FAINT: Rgb888 = Rgb888::new(0xe2, 0xe2, 0xe2);
const DASHED: Rgb888 = Rgb888::new(0xb0, 0xb0, 0xb0);
/// Lines of a track, told apart by those who see colours differently, too (Okabe and Ito's palette).
const COLOURS: [Rgb888; 3] = [
    Rgb888::new(0x00, 0x72, 0xb2),
    Rgb888::new(0xd5, 0x5e, 0x00),
    Rgb888::new(0x00, 0x9e, 0x73),
];

static FONT: FontRenderer = FontRenderer::new::<fonts::u8g2_font_unifont_t_gb2312>();

/// The bytes of a PNG.
pub fn draw(chart: &Chart) -> Result<Vec<u8>> {
    let (labels, left_out) = place(chart);
    let rows = labels.iter().map(|label| label.row + 1).max().unwrap_or(0);
    let tracks = chart.tracks.len() as i32 * (TRACK + GAP);
    let width = LEFT + COLUMNS as i32 + RIGHT;
    let height = TOP + tracks + AXIS + rows * ROW + GAP;
    let mut canvas = Canvas::new(width as u32, height as u32);
    let axis = TOP + tracks;
    time_axis(&mut canvas, chart.seconds, axis);
    for label in &labels {
        let foot = axis + AXIS + label.row * ROW;
        canvas.line((label.at, TOP), (label.at, foot), FAINT);
    }
    for (index, track) in chart.tracks.iter().enumerate() {
        draw_track(&mut canvas, track, TOP + index as i32 * (TRACK + GAP));
    }
    for label in &labels {
        let foot = axis + AXIS + label.row * ROW;
        canvas.text(&label.text, Point::new(label.left, foot), INK);
    }
    if left_out > 0 {
        let text = format!("{left_out} more");
        canvas.text(&text, Point::new(8, axis + AXIS + (rows - 1) * ROW), INK);
    }
    canvas.png()
}

fn draw_track(canvas: &mut Canvas, track: &Track, top: i32) {
    let y = |share: f64| top + ((1.0 - share) * f64::from(TRACK - 1)).round() as i32;
    let right = LEFT + COLUMNS as i32;
    for edge in [y(0.0), y(1.0)] {
        canvas.line((LEFT, edge), (right, edge), FAINT);
    }
    for &threshold in &track.thresholds {
        for dash in (LEFT..right).step_by(8) {
            canvas.line((dash, y(threshold)), (dash + 3, y(threshold)), DASHED);
        }
    }
    canvas.text(track.name, Point::new(8, top), INK);
    // The first line is what counts: it is drawn over the others.
    for (index, (line, colour)) in track.lines.iter().zip(COLOURS).enumerate().rev() {
        canvas.text(
            line.name,
            Point::new(8, top + (index as i32 + 1) * ROW),
            colour,
        );
        let mut last: Option<(usize, f64)> = None;
        for (column, &shares) in line.columns.iter().enumerate() {
            let Some((low, high)) = shares else {
                continue;
            };
            let x = LEFT + column as i32;
            canvas.line((x, y(low)), (x, y(high)), colour);
            if let Some((before, from)) = last
                && column - before <= line.bridge
            {
                // The shortest way from one to the other.
                let here = from.clamp(low, high);
                canvas.line((LEFT + before as i32, y(from)), (x, y(here)), colour);
            }
            last = Some((column, f64::midpoint(low, high)));
        }
    }
}

fn time_axis(canvas: &mut Canvas, seconds: f64, top: i32) {
    let pixels = COLUMNS as f64 / seconds;
    let steps = [
        0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0,
    ];
    let step = steps.into_iter().find(|step| step * pixels >= TIME);
    let step = step.unwrap_or_else(|| (TIME / pixels / 600.0).ceil() * 600.0);
    for index in 0..=(seconds / step) as u32 {
        let at = f64::from(index) * step;
        let x = LEFT + (at * pixels) as i32;
        canvas.line((x, top), (x, top + 4), INK);
        let digits = usize::from(step < 1.0);
        canvas.text(
            &format!("{at:.digits$} s"),
            Point::new(x + 2, top + 2),
            DASHED,
        );
    }
    canvas.line((LEFT, top), (LEFT + COLUMNS as i32, top), INK);
}

/// A label where it is drawn.
struct Label {
    /// Where its time is, and where its text begins.
    at: i32,
    left: i32,
    row: i32,
    text: String,
}

/// Each in the highest row that has room for it, and how many have none.
fn place(chart: &Chart) -> (Vec<Label>, usize) {
    let mut ends: Vec<i32> = Vec::new();
    let (mut labels, mut left_out) = (Vec::new(), 0);
    for (seconds, text) in &chart.labels {
        let at = LEFT + (seconds / chart.seconds * COLUMNS as f64) as i32;
        let width = text_width(text);
        let left = (at + 3)
            .min(LEFT + COLUMNS as i32 + RIGHT - 4 - width)
            .max(4);
        let row = ends.iter().position(|&end| end < left.min(at));
        let row = row.unwrap_or(ends.len());
        if row == MOST_ROWS {
            left_out += 1;
            continue;
        }
        if row == ends.len() {
            ends.push(0);
        }
        ends[row] = left + width + 8;
        labels.push(Label {
            at,
            left,
            row: row as i32,
            text: text.clone(),
        });
    }
    (labels, left_out)
}

fn text_width(text: &str) -> i32 {
    let measured = FONT.get_rendered_dimensions(
        drawable(text).as_str(),
        Point::zero(),
        VerticalPosition::Top,
    );
    measured.map_or(0, |dimensions| dimensions.advance.x)
}

/// The text, with a question mark for each character that the font does not have.
fn drawable(text: &str) -> String {
    let has = |c: char| {
        FONT.get_rendered_dimensions(c, Point::zero(), VerticalPosition::Top)
            .is_ok()
    };
    text.chars().map(|c| if has(c) { c } else { '?' }).collect()
}

/// Pixels in memory.
struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(width: u32, height: u32) -> Self {
        let pixels = vec![0xff; (width * height * 3) as usize];
        Self {
            width,
            height,
            pixels,
        }
    }

    fn line(&mut self, from: (i32, i32), to: (i32, i32), colour: Rgb888) {
        let line = Line::new(from.into(), to.into());
        let Ok(()) = line
            .into_styled(PrimitiveStyle::with_stroke(colour, 1))
            .draw(self);
    }

    fn text(&mut self, text: &str, at: Point, colour: Rgb888) {
        let text = drawable(text);
        // It has all of these characters, and the canvas takes every pixel.
        let _ = FONT.render(
            text.as_str(),
            at,
            VerticalPosition::Top,
            FontColor::Transparent(colour),
            self,
        );
    }

    fn png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder
            .write_header()
            .map_err(|error| anyhow!("no picture: {error}"))?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(bytes)
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
                continue;
            };
            if x < self.width && y < self.height {
                let at = ((y * self.width + x) * 3) as usize;
                self.pixels[at..at + 3].copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}
