//! A file in memory as a mapping would have it.

use std::ops::{Deref, DerefMut};

/// Bytes that begin at a multiple of 8.
pub struct Aligned(Vec<u64>, usize);

impl Aligned {
    /// Drops all but the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.1 = self.1.min(len);
    }
}

impl From<&[u8]> for Aligned {
    fn from(bytes: &[u8]) -> Self {
        let mut words = vec![0_u64; bytes.len().div_ceil(8)];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Self(words, bytes.len())
    }
}

impl Deref for Aligned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.0)[..self.1]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.0)[..self.1]
    }
}
