//! The display, in memory: 480 x 640 pixels of one green, as on the boards.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fs;
use std::io::BufWriter;
use std::path::Path;
use std::rc::Rc;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::{Gray8, GrayColor};
use qlens_board::Display;

use crate::failure::Failure;

/// Columns.
pub const WIDTH: usize = 480;
/// Rows.
pub const HEIGHT: usize = 640;

/// The picture.
pub struct Screen {
    pixels: Vec<u8>,
    is_on: bool,
    brightness: u8,
}

impl Screen {
    pub fn new() -> Self {
        Self {
            pixels: vec![0; WIDTH * HEIGHT],
            is_on: true,
            brightness: 255,
        }
    }

    /// Intensities, rows from the top.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }
}

/// The display that the application draws on, while others look at it.
pub struct Shared(pub Rc<RefCell<Screen>>);

impl OriginDimensions for Shared {
    fn size(&self) -> Size {
        Size::new(WIDTH as u32, HEIGHT as u32)
    }
}

impl DrawTarget for Shared {
    type Color = Gray8;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<Gray8>>,
    {
        let mut screen = self.0.borrow_mut();
        if !screen.is_on {
            return Ok(());
        }
        for Pixel(at, color) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(at.x), usize::try_from(at.y))
                && x < WIDTH
                && y < HEIGHT
            {
                screen.pixels[y * WIDTH + x] = qlens_board::dimmed(color.luma(), screen.brightness);
            }
        }
        Ok(())
    }
}

impl Display for Shared {
    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn set_on(&mut self, on: bool) -> Result<(), Infallible> {
        let mut screen = self.0.borrow_mut();
        if !on {
            screen.pixels.fill(0);
        }
        screen.is_on = on;
        Ok(())
    }

    fn set_brightness(&mut self, level: u8) -> Result<(), Infallible> {
        self.0.borrow_mut().brightness = level;
        Ok(())
    }
}

/// Writes a picture as PNG, in green as the glasses show it.
pub fn save(path: &Path, pixels: &[u8]) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::of_file(path, format_args!("cannot be written: {error}"))
    };
    let file = fs::File::create(path).map_err(|error| failed(&error))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), WIDTH as u32, HEIGHT as u32);
    encoder.set_color(png::ColorType::Rgb);
    let rgb: Vec<u8> = pixels.iter().flat_map(|&green| [0, green, 0]).collect();
    let mut writer = encoder.write_header().map_err(|error| failed(&error))?;
    writer
        .write_image_data(&rgb)
        .and_then(|()| writer.finish())
        .map_err(|error| failed(&error))
}
