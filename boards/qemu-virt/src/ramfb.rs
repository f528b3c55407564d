//! The display: a picture in RAM that QEMU's `ramfb` device shows. 480 x 640 like the glasses', of
//! one green, on which black means transparent.
//!
//! Not supported: other sizes, and a panel that can be switched off or dimmed; off is a black picture
//! here, with what was drawn kept aside in nothing but the application, and what is drawn on a dimmed
//! display is written darker.

use core::fmt;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::{Gray8, GrayColor};
use embedded_graphics::primitives::Rectangle;
use qlens_board::{Display, Usage, dimmed};
use qlens_firmware::glasses::PICTURE;

use crate::board;
use crate::fw_cfg::Settings;

/// Columns.
const WIDTH: usize = PICTURE.width as usize;
/// Rows.
const HEIGHT: usize = PICTURE.height as usize;

const PIXELS: usize = WIDTH * HEIGHT;

/// DRM's code for 32-bit pixels of the bytes blue, green, red and an unused one.
const FOURCC_XRGB8888: u32 = u32::from_le_bytes(*b"XR24");

/// Why there is no display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplayError {
    /// The machine has no `ramfb` device.
    NoDevice,
    /// `board.toml` sets too little memory aside for the picture.
    NoMemory {
        /// Bytes that the picture needs.
        needed: usize,
    },
}

impl fmt::Display for DisplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDevice => f.write_str("no display: the machine has no ramfb device"),
            Self::NoMemory { needed } => {
                write!(f, "no display: its picture needs {needed} bytes")
            }
        }
    }
}

impl core::error::Error for DisplayError {}

/// The picture.
pub struct Ramfb {
    pixels: &'static mut [u32],
    on: bool,
    /// What 255 is written as.
    brightness: u8,
}

impl Ramfb {
    /// The one green in a given intensity.
    const fn green(&self, intensity: u8) -> u32 {
        (dimmed(intensity, self.brightness) as u32) << 8
    }

    /// Blackens the picture and tells the device where it is. To be called once.
    ///
    /// Without a `ramfb` device the picture is drawn all the same and nobody sees it; that is what
    /// [`DisplayError::NoDevice`] in the second place of the result says.
    ///
    /// # Errors
    /// [`DisplayError::NoMemory`].
    pub fn new(settings: &mut Settings) -> Result<(Self, Option<DisplayError>), DisplayError> {
        let needed = PIXELS * size_of::<u32>();
        let span = board::MEMORY
            .span(Usage::Framebuffer)
            .filter(|span| span.size >= needed as u64)
            .ok_or(DisplayError::NoMemory { needed })?;
        // SAFETY: The region is mapped read-write, is for the picture alone, and the caller calls
        // this once. Any bits are a pixel.
        let pixels = unsafe { core::slice::from_raw_parts_mut(span.start as *mut u32, PIXELS) };
        pixels.fill(0);

        let stride = (WIDTH * size_of::<u32>()) as u32;
        let mut config = [0; 28];
        config[..8].copy_from_slice(&span.start.to_be_bytes());
        for (field, value) in config[8..].chunks_exact_mut(4).zip([
            FOURCC_XRGB8888,
            0,
            WIDTH as u32,
            HEIGHT as u32,
            stride,
        ]) {
            field.copy_from_slice(&value.to_be_bytes());
        }
        let shown = settings.write("etc/ramfb", &config);
        let display = Self {
            pixels,
            on: true,
            brightness: 255,
        };
        Ok((display, (!shown).then_some(DisplayError::NoDevice)))
    }
}

impl OriginDimensions for Ramfb {
    fn size(&self) -> Size {
        PICTURE
    }
}

impl DrawTarget for Ramfb {
    type Color = Gray8;
    type Error = core::convert::Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Self::Error>
    where
        I: IntoIterator<Item = Pixel<Gray8>>,
    {
        if !self.on {
            return Ok(());
        }
        for Pixel(at, color) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(at.x), usize::try_from(at.y))
                && x < WIDTH
                && y < HEIGHT
            {
                self.pixels[y * WIDTH + x] = self.green(color.luma());
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Gray8) -> Result<(), Self::Error> {
        let area = area.intersection(&embedded_graphics::geometry::Dimensions::bounding_box(self));
        if !self.on || area.is_zero_sized() {
            return Ok(());
        }
        let left = area.top_left.x as usize;
        let top = area.top_left.y as usize;
        let (width, height) = (area.size.width as usize, area.size.height as usize);
        let green = self.green(color.luma());
        for row in self.pixels.chunks_exact_mut(WIDTH).skip(top).take(height) {
            row[left..left + width].fill(green);
        }
        Ok(())
    }
}

impl Display for Ramfb {
    /// The device reads the picture as it is.
    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn set_on(&mut self, on: bool) -> Result<(), Self::Error> {
        if !on {
            self.pixels.fill(0);
        }
        self.on = on;
        Ok(())
    }

    fn set_brightness(&mut self, level: u8) -> Result<(), Self::Error> {
        self.brightness = level;
        Ok(())
    }
}
