//! Activations as int8: what a row of f32 becomes to meet block formats.
//!
//! Several rows are taken four at a time, as the kernels take them, a single one alone: what belongs to a
//! group of 32 values of the rows of such a tile lies side by side. A last tile of fewer rows has room for
//! four, too.

use crate::quant::GROUP;

/// Rows of a tile, where there are several.
pub(crate) const TILE: usize = 4;

/// Memory for quantized rows: see [`QuantizedRows`] for the layouts.
#[derive(Debug)]
pub struct Quantized<'a> {
    /// `[tiles, groups, tile, 32]`.
    pub q: &'a mut [i8],
    /// `[tiles, groups, tile]`.
    pub d: &'a mut [f32],
    /// Likewise.
    pub s: &'a mut [f32],
    /// `[tiles, groups, 2, tile]`.
    pub bias: &'a mut [i32],
}

/// How rows lie in their memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowLayout {
    /// How many there are.
    pub rows: usize,
    /// Groups of 32 values in a row.
    pub groups: usize,
}

impl RowLayout {
    /// Rows of a tile.
    pub fn tile(self) -> usize {
        if self.rows == 1 { 1 } else { TILE }
    }

    /// Rows that there is room for.
    fn padded(self) -> usize {
        self.rows.next_multiple_of(self.tile())
    }

    /// Where the number of group `g` of row `t` is among those that there is one of for each group.
    #[inline(always)]
    pub fn at(self, t: usize, g: usize) -> usize {
        let tile = self.tile();
        (t / tile * self.groups + g) * tile + t % tile
    }
}

impl Quantized<'_> {
    /// The rows that were quantized.
    ///
    /// # Panics
    /// If there is no room for as many.
    pub fn rows(&self, layout: RowLayout) -> QuantizedRows<'_> {
        let groups = layout.padded() * layout.groups;
        QuantizedRows {
            q: &self.q[..groups * GROUP],
            d: &self.d[..groups],
            s: &self.s[..groups],
            #[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
            bias: &self.bias[..2 * groups],
            layout,
        }
    }
}

/// Rows of activations, `x[t][i] ~ d[t, i / 32] * q[t][i]`, `q` in -127..=127.
///
/// Beside the scales `d` there is `s = d * sum(q)` of each group, for formats that have a minimum, and
/// `bias = -128 * sum(q)` of each half group, which is where sums of products begin when weights are
/// offset by 128 to be unsigned, and what minima of half groups are multiplied with.
#[derive(Clone, Copy, Debug)]
pub struct QuantizedRows<'a> {
    q: &'a [i8],
    d: &'a [f32],
    s: &'a [f32],
    #[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
    bias: &'a [i32],
    layout: RowLayout,
}

impl<'a> QuantizedRows<'a> {
    /// Values in a row: a multiple of 32.
    pub fn cols(&self) -> usize {
        self.layout.groups * GROUP
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.layout.rows
    }

    /// The int8 of group `g` of row `t`.
    ///
    /// # Panics
    /// If there is no such group.
    pub fn q(&self, t: usize, g: usize) -> &'a [i8; GROUP] {
        &self.q.as_chunks().0[self.layout.at(t, g)]
    }

    /// The scale of group `g` of row `t`.
    ///
    /// # Panics
    /// If there is no such group.
    pub fn d(&self, t: usize, g: usize) -> f32 {
        self.d[self.layout.at(t, g)]
    }

    /// `d * sum(q)` of group `g` of row `t`.
    ///
    /// # Panics
    /// If there is no such group.
    pub fn s(&self, t: usize, g: usize) -> f32 {
        self.s[self.layout.at(t, g)]
    }

    /// Where the tile of row `t` lies, `t` being a multiple of 4 or the only row. Rows past the last hold
    /// anything.
    ///
    /// # Panics
    /// If there is no row `t`.
    #[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
    #[inline(always)]
    pub(crate) fn tile(&self, t: usize) -> QuantizedTile {
        assert!(t < self.rows(), "row {t} of {}", self.rows());
        let groups = t * self.layout.groups;
        QuantizedTile {
            q: self.q.as_ptr().wrapping_add(GROUP * groups),
            d: self.d.as_ptr().wrapping_add(groups),
            s: self.s.as_ptr().wrapping_add(groups),
            bias: self.bias.as_ptr().wrapping_add(2 * groups),
        }
    }
}

/// Where the numbers of one row or of four lie: see [`QuantizedRows`].
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuantizedTile {
    /// `[groups, tile, 32]`.
    pub q: *const i8,
    /// `[groups, tile]`.
    pub d: *const f32,
    /// `[groups, tile]`.
    pub s: *const f32,
    /// `[groups, 2, tile]`.
    pub bias: *const i32,
}

/// Rows of activations as both kinds of matrix take them.
#[derive(Clone, Copy, Debug)]
pub struct Activations<'a> {
    /// `[rows, cols]`, for F32, F16 and BF16 matrices.
    pub x: &'a [f32],
    /// The same, for block formats.
    pub quantized: QuantizedRows<'a>,
}
