//! Writes a GGUF file to a [`Destination`]: in pieces, with a progress bar, and until a signal comes. What the file
//! is like is the business of [`qlens_gguf`].

#[cfg(test)]
mod tests;

pub use qlens_gguf::{DEFAULT_ALIGNMENT, Directory, entry, tensor_entry};

use qlens_gguf::{Error, Layout};

use crate::destination::Destination;
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::Bytes;

/// Bytes that are written between two looks for Ctrl-C.
const PIECE: usize = 1 << 20;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Alignment { .. } => Self::usage(error),
            Error::TooManyKeys { .. } => Self::new(error),
        }
    }
}

/// The part of a new file that is still to come: the data of its tensors, in the directory's order.
/// Dropped unfinished, it leaves no file.
pub struct TensorData {
    out: Destination,
    layout: Layout,
    progress: Bytes,
}

impl TensorData {
    /// Writes what comes before the data; `what` is said beside a progress bar.
    ///
    /// # Errors
    /// If the file cannot be written, or would have more keys than can be read.
    pub fn begin(
        directory: &Directory<'_>,
        what: &'static str,
        out: Destination,
    ) -> Result<Self, Failure> {
        let (head, layout) = directory.encode()?;
        let mut data = Self {
            out,
            progress: Bytes::new(what, head.len() as u64 + layout.bytes()),
            layout,
        };
        data.put(&head)?;
        Ok(data)
    }

    /// Appends `bytes` to the data of the tensor that is being written; once it has all of them, the
    /// next call is about the next tensor.
    ///
    /// # Errors
    /// If the file cannot be written, or a signal asked the program to end.
    ///
    /// # Panics
    /// If these are more bytes than the directory has for the tensor.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let padding = self.layout.advance(bytes.len());
        self.put(bytes)?;
        self.put(&vec![0; padding])
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// If the system does not let it have that name.
    ///
    /// # Panics
    /// If a tensor lacks data.
    pub fn finish(self) -> Result<(), Failure> {
        assert!(self.layout.is_complete(), "every tensor was written");
        self.out.finish()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        for piece in bytes.chunks(PIECE) {
            if let Some(signal) = interrupt::came() {
                return Err(Failure::stopped(signal));
            }
            self.out.write(piece)?;
            self.progress.add(piece.len() as u64);
        }
        Ok(())
    }
}
