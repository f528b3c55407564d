//! What can be wrong with a GGUF file, and where.

use core::fmt;

use super::{MAX_ALIGNMENT, MAX_DIMS, MIN_ALIGNMENT, ValueType};

/// Why a file was refused.
///
/// `at` is a byte offset into the file; `tensor` is an index into the tensor directory, counted
/// from 0; `what` names the part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The file does not begin with `GGUF`. Bytes that the file does not have are zero.
    NotGguf {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// The file was written for a big-endian machine.
    BigEndian,
    /// A GGUF version other than 2 and 3.
    Version {
        /// The version that the header states.
        found: u32,
    },
    /// The file ends inside its header, metadata or tensor directory.
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where it begins.
        at: usize,
        /// Bytes it needs.
        needed: u64,
        /// Bytes there are.
        left: usize,
    },
    /// A count is larger than the rest of the file could hold, or than this reader takes.
    TooMany {
        /// What is counted.
        what: &'static str,
        /// Where the count is.
        at: usize,
        /// The count.
        found: u64,
        /// The largest that would have been accepted here.
        most: u64,
    },
    /// A string is longer than this reader takes.
    TooLong {
        /// Which string.
        what: &'static str,
        /// Where its length is.
        at: usize,
        /// Its length in bytes.
        found: u64,
        /// The largest length accepted.
        most: u64,
    },
    /// A key, a tensor's name or a text value is not UTF-8.
    NotUtf8 {
        /// Which string.
        what: &'static str,
        /// Where its text begins.
        at: usize,
    },
    /// A key or a tensor's name occurs twice, so the file does not say which one counts.
    Duplicate {
        /// A key or a tensor name.
        what: &'static str,
        /// Where the second one is.
        at: usize,
        /// Where the first one is.
        first: usize,
    },
    /// So many names share a hash that comparing them would take too long: names made to do harm.
    Colliding {
        /// Keys or tensor names.
        what: &'static str,
        /// The name at which the reader gave up.
        at: usize,
    },
    /// A metadata value has a type number that the format does not define.
    ValueType {
        /// Where the number is.
        at: usize,
        /// The number.
        found: u32,
    },
    /// An array of arrays. No model has one, and no other reader takes one.
    NestedArray {
        /// Where the inner type number is.
        at: usize,
    },
    /// A boolean is neither 0 nor 1.
    Bool {
        /// Where it is.
        at: usize,
        /// The byte.
        found: u8,
    },
    /// `general.alignment` is not a `u32`.
    AlignmentType {
        /// The type it has.
        found: ValueType,
    },
    /// `general.alignment` is not a power of two in the accepted range.
    Alignment {
        /// Its value in bytes.
        found: u32,
    },
    /// A tensor has more than four dimensions.
    Dimensions {
        /// Which tensor.
        tensor: usize,
        /// How many it has.
        found: u32,
    },
    /// A tensor has no elements, or more of them, or of their bytes, than a 64-bit size can count.
    Shape {
        /// Which tensor.
        tensor: usize,
        /// Its dimensions; unused ones are 1.
        dims: [u64; MAX_DIMS],
    },
    /// A tensor's row is not a whole number of its type's blocks.
    RowLength {
        /// Which tensor.
        tensor: usize,
        /// Elements in a row.
        found: u64,
        /// Elements in a block.
        block_len: u32,
    },
    /// A tensor's offset is not a multiple of the file's alignment.
    TensorAlignment {
        /// Which tensor.
        tensor: usize,
        /// Its offset in the data section.
        offset: u64,
        /// The file's alignment.
        alignment: u32,
    },
    /// A tensor does not lie inside the file: most often, the file was cut off.
    TensorOutside {
        /// Which tensor.
        tensor: usize,
        /// Where it begins in the file, or `u64::MAX` where that does not fit.
        start: u64,
        /// Its bytes; 0 for a type whose size is not known.
        bytes: u64,
        /// The bytes of the whole file.
        file: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotGguf { found: [a, b, c, d] } => write!(
                f,
                "not a GGUF file: it begins with the bytes {a:02x} {b:02x} {c:02x} {d:02x}, not with \"GGUF\""
            ),
            Self::BigEndian => f.write_str(
                "the GGUF file is big-endian, and only little-endian files are read: convert the model again",
            ),
            Self::Version { found } => write!(
                f,
                "GGUF version {found} is not supported, only 2 and 3 are: convert the model again"
            ),
            Self::Truncated {
                what,
                at,
                needed,
                left,
            } => write!(
                f,
                "the file is cut off: {what} at byte {at} needs {needed} bytes and {left} are left"
            ),
            Self::TooMany {
                what,
                at,
                found,
                most,
            } => write!(
                f,
                "the file is damaged: byte {at} counts {found} {what}, and at most {most} are possible"
            ),
            Self::TooLong {
                what,
                at,
                found,
                most,
            } => write!(
                f,
                "{what} at byte {at} is {found} bytes long, and at most {most} are accepted"
            ),
            Self::NotUtf8 { what, at } => {
                write!(f, "the file is damaged: {what} at byte {at} is not UTF-8")
            }
            Self::Duplicate { what, at, first } => write!(
                f,
                "the file is ambiguous: {what} at byte {at} repeats the one at byte {first}"
            ),
            Self::Colliding { what, at } => write!(
                f,
                "the {what} were refused at byte {at}: too many of them share a hash"
            ),
            Self::ValueType { at, found } => write!(
                f,
                "the file is damaged: {found} at byte {at} is not a metadata type (0 to 12)"
            ),
            Self::NestedArray { at } => {
                write!(f, "an array of arrays at byte {at} is not supported")
            }
            Self::Bool { at, found } => write!(
                f,
                "the file is damaged: the boolean at byte {at} is {found}, not 0 or 1"
            ),
            Self::AlignmentType { found } => write!(
                f,
                "general.alignment is of type {}, not u32",
                found.name()
            ),
            Self::Alignment { found } => write!(
                f,
                "general.alignment is {found}, not a power of two from {MIN_ALIGNMENT} to {MAX_ALIGNMENT}"
            ),
            Self::Dimensions { tensor, found } => write!(
                f,
                "tensor {tensor} has {found} dimensions, and at most {MAX_DIMS} are supported"
            ),
            Self::Shape {
                tensor,
                dims: [a, b, c, d],
            } => write!(
                f,
                "tensor {tensor} has the impossible shape {a} x {b} x {c} x {d}"
            ),
            Self::RowLength {
                tensor,
                found,
                block_len,
            } => write!(
                f,
                "tensor {tensor} has rows of {found} elements, not a multiple of its block of {block_len}"
            ),
            Self::TensorAlignment {
                tensor,
                offset,
                alignment,
            } => write!(
                f,
                "tensor {tensor} is at offset {offset} of the data, not a multiple of the alignment {alignment}"
            ),
            Self::TensorOutside {
                tensor,
                start,
                bytes,
                file,
            } => write!(
                f,
                "the file is cut off: tensor {tensor} begins at byte {start} and takes {bytes} bytes, \
                 and the file has {file}"
            ),
        }
    }
}

impl core::error::Error for Error {}
