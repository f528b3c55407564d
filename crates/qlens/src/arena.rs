//! Carves one slice of bytes into typed arrays.

use bytemuck::Pod;

use crate::plan::{Plan, array_bytes};

/// What is left of the arena.
pub(crate) struct Arena<'a> {
    rest: &'a mut [u8],
}

impl<'a> Arena<'a> {
    /// Takes `bytes`, from its first aligned address on.
    pub fn new(bytes: &'a mut [u8]) -> Option<Self> {
        let slack = bytes.as_ptr().align_offset(Plan::ALIGN);
        Some(Self {
            rest: bytes.get_mut(slack..)?,
        })
    }

    /// The next `count` elements, holding whatever the arena held; `None` when the arena is too small.
    pub fn take<T: Pod>(&mut self, count: usize) -> Option<&'a mut [T]> {
        let bytes = array_bytes(count, size_of::<T>())?;
        let (array, rest) = core::mem::take(&mut self.rest).split_at_mut_checked(bytes)?;
        self.rest = rest;
        let array = &mut array[..count * size_of::<T>()];
        bytemuck::try_cast_slice_mut(array).ok()
    }
}
