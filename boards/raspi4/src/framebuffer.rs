//! The display: a picture in the VideoCore's memory, which it puts on HDMI. 480 x 640 like the glasses', of one
//! green, on which black means transparent; the VideoCore scales it to the screen.
//!
//! Not supported: other sizes, and a panel that can be switched off; off is a black picture here.

use core::fmt;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Dimensions, OriginDimensions, Size};
use embedded_graphics::pixelcolor::{Gray8, GrayColor};
use embedded_graphics::primitives::Rectangle;
use qlens_board::{Display, Span, Usage, dimmed};
use qlens_firmware::cache;
use qlens_firmware::glasses::PICTURE;

use crate::board;
use crate::mailbox::{BUS_BITS, Message};

const WIDTH: usize = PICTURE.width as usize;
const HEIGHT: usize = PICTURE.height as usize;

/// Bytes of a pixel.
const PIXEL: usize = size_of::<u32>();

/// Tags, and the values that they are given.
const SET_PHYSICAL_SIZE: u32 = 0x0004_8003;
const SET_VIRTUAL_SIZE: u32 = 0x0004_8004;
const SET_DEPTH: u32 = 0x0004_8005;
const SET_ALPHA_MODE: u32 = 0x0004_8007;
const ALLOCATE: u32 = 0x0004_0001;
const GET_PITCH: u32 = 0x0004_0008;
const ALPHA_IGNORED: u32 = 2;

/// Why there is no display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplayError {
    /// The VideoCore gave no picture, or none of the size that was asked for.
    Refused,
    /// It put the picture somewhere else than into its share.
    Outside {
        /// Where.
        picture: Span,
    },
}

impl fmt::Display for DisplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => write!(f, "no display: the VideoCore has no picture of {PICTURE}"),
            Self::Outside { picture } => write!(
                f,
                "no display: the VideoCore put the picture at {picture}, outside its share in board.toml; is \
                 gpu_mem in config.txt less than 76?"
            ),
        }
    }
}

impl core::error::Error for DisplayError {}

/// The picture.
pub struct Framebuffer {
    pixels: &'static mut [u32],
    /// Pixels from a row to the next.
    stride: usize,
    /// Rows that were drawn to since the last flush.
    drawn: core::ops::Range<usize>,
    on: bool,
    /// What 255 is written as: HDMI has no light of its own to dim.
    brightness: u8,
}

impl Framebuffer {
    /// The one green in a given intensity: the second byte, whichever order red and blue have.
    const fn green(&self, intensity: u8) -> u32 {
        (dimmed(intensity, self.brightness) as u32) << 8
    }

    /// Asks for the picture and blackens it. To be called once.
    ///
    /// # Errors
    /// What the VideoCore did instead.
    pub fn new() -> Result<Self, DisplayError> {
        let size = [PICTURE.width, PICTURE.height];
        let mut message = Message::new();
        let physical = message.tag(SET_PHYSICAL_SIZE, &size);
        let virtual_ = message.tag(SET_VIRTUAL_SIZE, &size);
        let depth = message.tag(SET_DEPTH, &[8 * PIXEL as u32]);
        message.tag(SET_ALPHA_MODE, &[ALPHA_IGNORED]);
        // An alignment in, address and size out.
        let memory = message.tag(ALLOCATE, &[4096, 0]);
        let pitch = message.tag(GET_PITCH, &[0]);
        if !message.send()
            || message.answer(physical) != Some(&size[..])
            || message.answer(virtual_) != Some(&size[..])
            || message.answer(depth) != Some(&[8 * PIXEL as u32][..])
        {
            return Err(DisplayError::Refused);
        }
        let (Some(&[address, bytes]), Some(&[pitch])) =
            (message.answer(memory), message.answer(pitch))
        else {
            return Err(DisplayError::Refused);
        };
        let picture = Span::new(u64::from(address & BUS_BITS), u64::from(bytes));
        let stride = pitch as usize / PIXEL;
        let count = stride * HEIGHT;
        if stride < WIDTH || picture.size < (count * PIXEL) as u64 {
            return Err(DisplayError::Refused);
        }
        let share = board::MEMORY.span(Usage::Framebuffer);
        if !share.is_some_and(|share| share.contains(picture)) {
            return Err(DisplayError::Outside { picture });
        }
        // SAFETY: The memory is mapped read-write, the VideoCore only reads it from now on, and the caller calls
        // this once. Any bits are a pixel.
        let pixels = unsafe { core::slice::from_raw_parts_mut(picture.start as *mut u32, count) };
        let mut display = Self {
            pixels,
            stride,
            drawn: 0..HEIGHT,
            on: true,
            brightness: 255,
        };
        display.blacken();
        Ok(display)
    }

    fn blacken(&mut self) {
        self.pixels.fill(0);
        self.drawn = 0..HEIGHT;
        self.show();
    }

    /// The VideoCore does not see the caches of the cores.
    fn show(&mut self) {
        let rows = &self.pixels[self.drawn.start * self.stride..self.drawn.end * self.stride];
        let span = Span::new(rows.as_ptr() as u64, size_of_val(rows) as u64);
        cache::clean_and_drop(span);
        self.drawn = 0..0;
    }

    fn touch(&mut self, rows: core::ops::Range<usize>) {
        self.drawn = if self.drawn.is_empty() {
            rows
        } else {
            self.drawn.start.min(rows.start)..self.drawn.end.max(rows.end)
        };
    }
}

impl OriginDimensions for Framebuffer {
    fn size(&self) -> Size {
        PICTURE
    }
}

impl DrawTarget for Framebuffer {
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
                self.pixels[y * self.stride + x] = self.green(color.luma());
                self.touch(y..y + 1);
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Gray8) -> Result<(), Self::Error> {
        let area = area.intersection(&self.bounding_box());
        if !self.on || area.is_zero_sized() {
            return Ok(());
        }
        let left = area.top_left.x as usize;
        let top = area.top_left.y as usize;
        let (width, height) = (area.size.width as usize, area.size.height as usize);
        let green = self.green(color.luma());
        for row in self
            .pixels
            .chunks_exact_mut(self.stride)
            .skip(top)
            .take(height)
        {
            row[left..left + width].fill(green);
        }
        self.touch(top..top + height);
        Ok(())
    }
}

impl Display for Framebuffer {
    fn flush(&mut self) -> Result<(), Self::Error> {
        self.show();
        Ok(())
    }

    fn set_on(&mut self, on: bool) -> Result<(), Self::Error> {
        if !on {
            self.blacken();
        }
        self.on = on;
        Ok(())
    }

    fn set_brightness(&mut self, level: u8) -> Result<(), Self::Error> {
        self.brightness = level;
        Ok(())
    }
}
