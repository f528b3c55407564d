//! Where a model's bytes come from: a block device, a flash window, a card, a file. A store only
//! delivers; [`load_model`](crate::load_model) checks what was delivered.

use core::fmt;

use embedded_io::{Error as _, ErrorKind, Read, Seek, SeekFrom};

/// Longest model name kept, in bytes.
pub const NAME_BYTES: usize = 96;

/// What is known of a model before its first byte is read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ModelInfo {
    /// What to call it, a file name as a rule; cut at [`NAME_BYTES`].
    pub name: heapless::String<NAME_BYTES>,
    /// Bytes.
    pub size: u64,
    /// What the bytes must hash to. `None`: nobody said, so it is not checked.
    pub sha256: Option<[u8; 32]>,
}

impl ModelInfo {
    /// Facts of a model; a name that is too long is cut between two characters.
    pub fn new(name: &str, size: u64, sha256: Option<[u8; 32]>) -> Self {
        let mut kept = heapless::String::new();
        for character in name.chars() {
            if kept.push(character).is_err() {
                break;
            }
        }
        Self {
            name: kept,
            size,
            sha256,
        }
    }
}

/// Why a store cannot deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum StoreError {
    /// There is no device, or nothing in it.
    NoModel,
    /// What was said about the model does not parse.
    BadInfo {
        /// Which fact: `size`, `sha256`, `addr`.
        what: &'static str,
    },
    /// A loader put the model somewhere else than into its region.
    Misplaced {
        /// Where it is said to be.
        found: u64,
        /// Where its region begins.
        expected: u64,
    },
    /// The device holds fewer bytes than the model is said to have.
    DeviceTooSmall {
        /// Bytes the model has.
        size: u64,
        /// Bytes the device has.
        capacity: u64,
    },
    /// The device failed.
    Read {
        /// First byte of the model that could not be read.
        offset: u64,
        /// What the device said.
        kind: ErrorKind,
    },
    /// The data ended early.
    Ended {
        /// Bytes that came.
        offset: u64,
        /// Bytes the model is said to have.
        size: u64,
    },
    /// The receiver wanted no more.
    Stopped {
        /// Bytes that came.
        offset: u64,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoModel => f.write_str("no model: the board has no store with a model in it"),
            Self::BadInfo { what } => write!(f, "the model's {what} as given does not parse"),
            Self::Misplaced { found, expected } => write!(
                f,
                "the model is said to be in RAM at {found:#x}, its region begins at {expected:#x}"
            ),
            Self::DeviceTooSmall { size, capacity } => write!(
                f,
                "the model has {size} bytes and its device only {capacity}"
            ),
            Self::Read {
                offset,
                kind: ErrorKind::Other,
            } => write!(
                f,
                "reading the model failed at byte {offset}: the device reports an error"
            ),
            Self::Read { offset, kind } => {
                write!(f, "reading the model failed at byte {offset}: {kind:?}")
            }
            Self::Ended { offset, size } => {
                write!(f, "the model ended at byte {offset} of {size}")
            }
            Self::Stopped { offset } => write!(f, "loading was stopped at byte {offset}"),
        }
    }
}

impl core::error::Error for StoreError {}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Flow {
    /// Deliver more.
    Continue,
    /// Enough.
    Stop,
}

/// Hands out a model's bytes.
pub trait ModelStore {
    /// What the store holds.
    ///
    /// # Errors
    /// [`StoreError::NoModel`] or [`StoreError::BadInfo`]; asking again later may succeed.
    fn info(&mut self) -> Result<ModelInfo, StoreError>;

    /// The model already lies in the RAM it would be read into (a loader put it there), so that
    /// [`ModelStore::read`] has nothing to move.
    fn is_resident(&self) -> bool {
        false
    }

    /// Fills `into` (as long as the model) from the model's first byte on, and calls `arrived` with
    /// each further piece in order, none left out. A store that can have several requests in flight
    /// does, so that the receiver works on one piece while the next ones come.
    ///
    /// # Errors
    /// What failed and at which byte; `into` then holds a part of the model. The next call starts
    /// afresh.
    fn read(
        &mut self,
        into: &mut [u8],
        arrived: &mut dyn FnMut(&[u8]) -> Flow,
    ) -> Result<(), StoreError>;
}

/// Any `embedded_io` reader that can seek, as a store: a card, a serial flash, a file on a host.
#[derive(Debug)]
pub struct ReaderStore<R> {
    reader: R,
    info: ModelInfo,
    piece: usize,
}

impl<R: Read + Seek> ReaderStore<R> {
    /// A model of which `info` is known, read from byte 0 of `reader` in pieces of at most `piece`
    /// bytes (at least one).
    pub fn new(reader: R, info: ModelInfo, piece: usize) -> Self {
        Self {
            reader,
            info,
            piece: piece.max(1),
        }
    }
}

impl<R: Read + Seek> ModelStore for ReaderStore<R> {
    fn info(&mut self) -> Result<ModelInfo, StoreError> {
        Ok(self.info.clone())
    }

    fn read(
        &mut self,
        into: &mut [u8],
        arrived: &mut dyn FnMut(&[u8]) -> Flow,
    ) -> Result<(), StoreError> {
        let failed = |offset: usize, kind: ErrorKind| StoreError::Read {
            offset: offset as u64,
            kind,
        };
        self.reader
            .seek(SeekFrom::Start(0))
            .map_err(|error| failed(0, error.kind()))?;
        let size = into.len();
        let mut offset = 0;
        while offset < size {
            let end = size.min(offset + self.piece);
            match self.reader.read(&mut into[offset..end]) {
                Ok(0) => {
                    return Err(StoreError::Ended {
                        offset: offset as u64,
                        size: size as u64,
                    });
                }
                Ok(count) => {
                    let piece = &into[offset..offset + count];
                    offset += count;
                    if arrived(piece) == Flow::Stop {
                        return Err(StoreError::Stopped {
                            offset: offset as u64,
                        });
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(offset, error.kind())),
            }
        }
        Ok(())
    }
}
