//! A model from its store into RAM, hashed while it streams, so that a boot pays for the slower of
//! reading and hashing and not for both.

use core::fmt;

use crate::sha256::{Hex, Sha256};
use crate::store::{Flow, ModelInfo, ModelStore, StoreError};

/// How far loading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Progress {
    /// Bytes read and hashed.
    pub done: u64,
    /// Bytes of the model.
    pub total: u64,
}

/// Why there is no model in RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LoadError {
    /// The store could not deliver.
    Store(StoreError),
    /// The model is larger than the RAM set aside for it.
    TooLarge {
        /// Bytes of the model.
        size: u64,
        /// Bytes of RAM.
        room: u64,
    },
    /// A model of no bytes.
    Empty,
    /// The bytes are not the ones that were promised.
    Checksum {
        /// SHA-256 of what arrived.
        found: [u8; 32],
        /// SHA-256 that was promised.
        expected: [u8; 32],
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::TooLarge { size, room } => write!(
                f,
                "the model has {size} bytes, the board has room for {room}: {} bytes missing",
                size.saturating_sub(*room)
            ),
            Self::Empty => f.write_str("the model has no bytes"),
            Self::Checksum { found, expected } => write!(
                f,
                "the model's checksum is wrong: SHA-256 {}, expected {}",
                Hex(found),
                Hex(expected)
            ),
        }
    }
}

impl core::error::Error for LoadError {}

impl From<StoreError> for LoadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Reads the model of `store` into the front of `ram` and returns its facts; its bytes are then
/// `ram[..info.size]`.
///
/// `hash` is a fresh [`Sha256`] with whatever compression function the board has. `progress` is
/// called after each piece that was read and hashed and may stop the whole.
///
/// # Errors
/// Everything that [`LoadError`] lists. `ram` then holds a part of the model or a wrong one; loading
/// again starts afresh.
pub fn load_model<S: ModelStore + ?Sized>(
    store: &mut S,
    ram: &mut [u8],
    mut hash: Sha256,
    progress: &mut dyn FnMut(Progress) -> Flow,
) -> Result<ModelInfo, LoadError> {
    let info = store.info()?;
    if info.size == 0 {
        return Err(LoadError::Empty);
    }
    let room = ram.len() as u64;
    let into = usize::try_from(info.size)
        .ok()
        .and_then(|size| ram.get_mut(..size))
        .ok_or(LoadError::TooLarge {
            size: info.size,
            room,
        })?;
    let total = info.size;
    let mut done = 0;
    store.read(into, &mut |piece| {
        if info.sha256.is_some() {
            hash.update(piece);
        }
        done += piece.len() as u64;
        progress(Progress { done, total })
    })?;
    if done != total {
        return Err(StoreError::Ended {
            offset: done,
            size: total,
        }
        .into());
    }
    match info.sha256 {
        None => log::warn!("nobody said what the model's checksum is: it was not checked"),
        Some(expected) => {
            let found = hash.finish();
            if found != expected {
                return Err(LoadError::Checksum { found, expected });
            }
        }
    }
    Ok(info)
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
