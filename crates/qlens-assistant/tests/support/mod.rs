//! A display in memory that counts what is done to it.

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::{Gray8, GrayColor as _};

/// The size of the reference board's display.
pub const REFERENCE: Size = Size::new(480, 640);

/// The display fails when it is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// Pixels in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub size: Size,
    pub pixels: Vec<u8>,
    /// Pixels written since this was last set to 0.
    pub written: usize,
    /// Writes that are still possible before the display fails.
    pub fails_after: Option<usize>,
}

impl Frame {
    pub fn new(size: Size) -> Self {
        Self {
            size,
            // Not black, so that what is never drawn is found.
            pixels: vec![33; (size.width * size.height) as usize],
            written: 0,
            fails_after: None,
        }
    }
}

impl OriginDimensions for Frame {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Frame {
    type Color = Gray8;
    type Error = Broken;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Broken>
    where
        I: IntoIterator<Item = Pixel<Gray8>>,
    {
        for Pixel(point, color) in pixels {
            self.written += 1;
            if let Some(left) = &mut self.fails_after {
                *left = left.checked_sub(1).ok_or(Broken)?;
            }
            let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) else {
                continue;
            };
            if x < self.size.width && y < self.size.height {
                self.pixels[(y * self.size.width + x) as usize] = color.luma();
            }
        }
        Ok(())
    }
}
