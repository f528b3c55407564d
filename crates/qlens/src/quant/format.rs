//! The block formats there are, by name and size.

use core::fmt;

use super::GROUP;

/// What is added to the weights of a group once they are multiplied with their scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Minima {
    /// Nothing.
    None,
    /// One number for all 32.
    Whole,
    /// An integer for each 16, times the block's scale of minima.
    Halves,
}

/// How the weights of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
#[non_exhaustive]
pub enum Format {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an f32.
    Bf16,
    /// 32 int8 with an f16 scale.
    Q8_0,
    /// 32 4-bit integers offset by 8, with an f16 scale.
    Q4_0,
    /// 32 4-bit integers, with an f16 scale and an f16 minimum.
    Q4_1,
    /// 32 5-bit integers offset by 16, with an f16 scale.
    Q5_0,
    /// 32 5-bit integers, with an f16 scale and an f16 minimum.
    Q5_1,
    /// 256 2-bit integers; a 4-bit scale and minimum for each 16.
    Q2K,
    /// 256 4-bit integers; a 6-bit scale and minimum for each 32.
    Q4K,
    /// 256 5-bit integers; a 6-bit scale and minimum for each 32.
    Q5K,
    /// 256 6-bit integers offset by 32; an int8 scale for each 16.
    Q6K,
    /// 32 4-bit indices into [16 levels](super::IQ4_LEVELS), with an f16 scale.
    Iq4Nl,
    /// 256 4-bit indices into the same levels; a 6-bit scale, offset by 32, for each 32.
    Iq4Xs,
    /// 256 3-bit integers offset by 4; a 6-bit scale, offset by 32, for each 16.
    Q3K,
}

impl Format {
    /// Every supported format.
    pub const ALL: [Self; 15] = [
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::Q8_0,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q2K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Iq4Nl,
        Self::Iq4Xs,
        Self::Q3K,
    ];

    /// The format that ggml numbers `ggml_type`, if it is supported.
    pub fn from_ggml(ggml_type: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.ggml_type() == ggml_type)
    }

    /// ggml's number for this format, as stored in a GGUF tensor directory.
    pub const fn ggml_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q5_0 => 6,
            Self::Q5_1 => 7,
            Self::Q8_0 => 8,
            Self::Q2K => 10,
            Self::Q3K => 11,
            Self::Q4K => 12,
            Self::Q5K => 13,
            Self::Q6K => 14,
            Self::Iq4Nl => 20,
            Self::Iq4Xs => 23,
            Self::Bf16 => 30,
        }
    }

    /// Weights in a block.
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Iq4Nl => GROUP,
            Self::Q2K | Self::Q3K | Self::Q4K | Self::Q5K | Self::Q6K | Self::Iq4Xs => 8 * GROUP,
        }
    }

    /// Bytes of a block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q8_0 => 2 + 32,
            Self::Q4_0 | Self::Iq4Nl => 2 + 16,
            Self::Q4_1 => 2 + 2 + 16,
            Self::Q5_0 => 2 + 4 + 16,
            Self::Q5_1 => 2 + 2 + 4 + 16,
            Self::Q2K => 16 + 64 + 2 + 2,
            Self::Q4K => 2 + 2 + 12 + 128,
            Self::Q5K => 2 + 2 + 12 + 32 + 128,
            Self::Q6K => 128 + 64 + 16 + 2,
            Self::Iq4Xs => 2 + 2 + 4 + 128,
            Self::Q3K => 32 + 64 + 12 + 2,
        }
    }

    /// Bytes of a row of `cols` weights; `None` when `cols` is no whole number of blocks, or absurd.
    pub fn row_bytes(self, cols: usize) -> Option<usize> {
        if !cols.is_multiple_of(self.block_len()) {
            return None;
        }
        (cols / self.block_len()).checked_mul(self.block_bytes())
    }

    /// Whether products with it take int8 activations (otherwise f32 ones).
    pub const fn is_quantized(self) -> bool {
        self.block_len() > 1
    }

    /// Which minima its groups of 32 weights have.
    pub(crate) const fn minima(self) -> Minima {
        match self {
            Self::Q4_1 | Self::Q5_1 | Self::Q4K | Self::Q5K => Minima::Whole,
            Self::Q2K => Minima::Halves,
            _ => Minima::None,
        }
    }

    /// The name that ggml gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::Q8_0 => "Q8_0",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q2K => "Q2_K",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
            Self::Iq4Nl => "IQ4_NL",
            Self::Iq4Xs => "IQ4_XS",
            Self::Q3K => "Q3_K",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
