//! What is done to a seed.

mod bytes;
mod gguf;
mod text;

pub use bytes::mutate as bytes;
pub use gguf::{Numbers, mutate as gguf};
pub use text::{Words, mutate as text};

use crate::{Aligned, Random};

/// Mutates a GGUF file in the first `len` of `data`, as [`gguf()`] does, for a driver that only knows bytes; returns
/// how many are left.
pub fn raw(data: &mut [u8], len: usize, seed: u32) -> usize {
    let mut file = Aligned::from(&data[..len]);
    let numbers = Numbers::of(&file);
    let mut random = Random::of_case(seed.into(), "raw", len as u64);
    let left = gguf(&mut random, &mut file, &numbers);
    data[..left].copy_from_slice(&file[..left]);
    left
}
