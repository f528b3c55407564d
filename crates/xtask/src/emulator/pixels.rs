//! The display as numbers, for the questions a test asks of it: is it the size it should be, is anything
//! on it, is it all of one green.

use anyhow::{Context as _, Result, bail};

/// A picture, three bytes a pixel, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    rgb: Vec<u8>,
}

impl Pixels {
    /// Reads a binary portable pixmap (`P6`) as QEMU writes it: no comments, 8 bits a channel.
    pub fn of_ppm(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let mut word = || {
            let end = rest.iter().position(u8::is_ascii_whitespace)?;
            let word = std::str::from_utf8(&rest[..end]).ok()?;
            rest = &rest[end + 1..];
            Some(word)
        };
        let header = (word(), word(), word(), word());
        let (Some("P6"), Some(width), Some(height), Some("255")) = header else {
            bail!("QEMU's picture of the display is not a pixmap");
        };
        let (width, height): (usize, usize) = (width.parse()?, height.parse()?);
        let length = width
            .checked_mul(height)
            .and_then(|n| n.checked_mul(3))
            .context("an endless picture")?;
        if rest.len() != length {
            bail!("QEMU's picture of the display is cut off");
        }
        Ok(Self {
            width,
            height,
            rgb: rest.to_vec(),
        })
    }

    /// Intensities of the green, a byte a pixel, rows from the top.
    pub fn greens(&self) -> Vec<u8> {
        self.rgb.chunks_exact(3).map(|pixel| pixel[1]).collect()
    }

    /// Whether every pixel is a shade of one green, as a waveguide with one colour can show it.
    pub fn is_all_green(&self) -> bool {
        self.rgb
            .chunks_exact(3)
            .all(|pixel| pixel[1] >= pixel[0].max(pixel[2]))
    }

    /// Rows of text: runs of rows with something lit, between rows that are black.
    pub fn lines(&self) -> usize {
        let lit: Vec<bool> = self
            .rgb
            .chunks_exact(self.width * 3)
            .map(|row| row.iter().any(|&c| c > 0))
            .collect();
        lit.iter()
            .enumerate()
            .filter(|&(row, &on)| on && (row == 0 || !lit[row - 1]))
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_pixmap_and_counts() {
        let mut ppm = b"P6\n2 3\n255\n".to_vec();
        ppm.extend([
            0, 0, 0, 0, 9, 0, /**/ 0, 0, 0, 0, 0, 0, /**/ 1, 200, 1, 0, 0, 0,
        ]);
        let pixels = Pixels::of_ppm(&ppm).unwrap();
        assert_eq!((pixels.width, pixels.height, pixels.lines()), (2, 3, 2));
        assert!(pixels.is_all_green());
        assert_eq!(pixels.greens(), [0, 9, 0, 0, 200, 0]);
        let end = ppm.len();
        ppm[end - 1] = 7;
        assert!(!Pixels::of_ppm(&ppm).unwrap().is_all_green());
        assert!(Pixels::of_ppm(&ppm[..end - 1]).is_err());
        assert!(Pixels::of_ppm(b"P5\n2 3\n255\n").is_err());
    }
}
