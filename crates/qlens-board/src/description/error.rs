//! What can be wrong with a `board.toml`.

use std::boxed::Box;
use std::{fmt, io};

use crate::memory::MapError;

/// Why there is no description.
#[derive(Debug)]
pub enum DescriptionError {
    /// The file could not be read.
    File(io::Error),
    /// It is not TOML, or lacks or misspells something.
    Syntax(Box<toml::de::Error>),
    /// Its regions do not make a memory map.
    Map(MapError),
    /// The stacks region is too small for the cores.
    Stacks {
        /// Bytes that the cores need, guard pages included.
        needed: u64,
        /// Bytes that the region has.
        found: u64,
    },
    /// It states a memory map and an operating system's budget, or neither.
    Ram,
    /// An entry that a board with an operating system does not have.
    Userspace {
        /// Its name in the file.
        what: &'static str,
    },
    /// A number that must not be zero, or must be a multiple of a page, is not.
    Number {
        /// Its name in the file.
        what: &'static str,
        /// The number.
        value: u64,
    },
}

impl fmt::Display for DescriptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "cannot be read: {error}"),
            Self::Syntax(error) => write!(f, "is not a board description: {error}"),
            Self::Map(error) => error.fmt(f),
            Self::Stacks { needed, found } => write!(
                f,
                "the stacks region has {found} bytes, its cores need {needed}"
            ),
            Self::Ram => f.write_str(
                "states its RAM either as [ram] or as [userspace]; it has to have one of them",
            ),
            Self::Userspace { what } => write!(
                f,
                "has [userspace] and {what}: an operating system's programs have no such thing"
            ),
            Self::Number { what, value } => write!(
                f,
                "{what} = {value:#x}: a number above zero is needed, whole pages for a stack, and for a budget no \
                 more than the RAM"
            ),
        }
    }
}

impl std::error::Error for DescriptionError {}
