//! GGUF files, read in place: a model is one slice of bytes, and everything here is a view of it.
//!
//! A GGUF file is a header, a list of metadata (key, type, value), a directory of tensors (name,
//! dimensions, ggml type, offset) and, aligned, the tensors' data. [`Gguf::parse`] walks all of it
//! but the data once and checks all of it; afterwards iterating and looking up cannot fail, and
//! nothing is ever copied. The format is specified in `docs/gguf.md` of the ggml repository.
//!
//! The file is not trusted. Sizes are computed with overflow checks; a count is compared with the
//! bytes that remain before it is used; every limit of this page is enforced:
//!
//! | | |
//! |---|---|
//! | version | 2 and 3, little-endian |
//! | metadata | at most [`MAX_METADATA`] keys, each at most [`MAX_KEY_LEN`] bytes, no key twice |
//! | strings | at most [`MAX_STRING_LEN`] bytes; text values are UTF-8, strings in arrays need not be |
//! | arrays | of scalars or strings; no arrays of arrays |
//! | booleans | 0 or 1 |
//! | `general.alignment` | a power of two from [`MIN_ALIGNMENT`] to [`MAX_ALIGNMENT`]; 32 when absent |
//! | tensors | at most [`MAX_TENSORS`], names at most [`MAX_NAME_LEN`] bytes, no name twice, at most [`MAX_DIMS`] dimensions, whole blocks in a row, offsets aligned, data inside the file |
//!
//! Parsing takes time proportional to the size of the directory and about 5 KiB of stack. Tensors
//! may share data: several names for one matrix are harmless. What a tensor's data *means* is the
//! business of `quant`.

mod error;
mod names;
mod read;
mod tensor;
mod types;
mod value;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod writer;

pub use error::Error;
pub use tensor::{Tensor, Tensors};
pub use types::{INTERLEAVED, TypeInfo, interleaved, type_info, type_name};
pub use value::{Array, Strings, Value, ValueType};

use names::Seen;
use read::Reader;
use tensor::{DataSection, Entry};
use value::Strides;

/// Keys that a file may have. Models in circulation have 25 to 60.
pub const MAX_METADATA: usize = 512;
/// Bytes of a key, by the specification.
pub const MAX_KEY_LEN: u64 = 65_535;
/// Bytes of a text value or of a string in an array. Chat templates are about 10 KB.
pub const MAX_STRING_LEN: u64 = 1 << 20;
/// Tensors that a file may have. The largest mixtures of experts in circulation have under 2,000.
pub const MAX_TENSORS: usize = 16_384;
/// Bytes of a tensor's name, by the specification.
pub const MAX_NAME_LEN: u64 = 64;
/// Dimensions of a tensor.
pub const MAX_DIMS: usize = 4;
/// The smallest `general.alignment`, in bytes, by the specification.
pub const MIN_ALIGNMENT: u32 = 8;
/// The largest `general.alignment`, in bytes: that of a large page.
pub const MAX_ALIGNMENT: u32 = 65_536;

const MAGIC: [u8; 4] = *b"GGUF";
const ALIGNMENT_KEY: &str = "general.alignment";
/// The alignment of a file that does not state one.
const DEFAULT_ALIGNMENT: u32 = 32;
/// A key of no bytes with a value of one: length, type, value.
const LEAST_METADATA_BYTES: usize = 8 + 4 + 1;
/// A tensor of no name and no dimensions: length, count, type, offset.
const LEAST_TENSOR_BYTES: usize = 8 + 4 + 4 + 8;
// One pass of the table of names takes all the keys, so that the vocabulary is walked once.
const _: () = assert!(MAX_METADATA <= names::NAMES_PER_PASS);
/// What a key is called in errors.
const KEY: &str = "a metadata key";

/// A GGUF file that was checked whole: a small handle over the file's bytes, free to copy.
#[derive(Debug, Clone, Copy)]
pub struct Gguf<'m> {
    version: u32,
    metadata_at: usize,
    metadata_count: usize,
    strides: Strides,
    tensors_at: usize,
    tensor_count: usize,
    section: DataSection<'m>,
}

impl<'m> Gguf<'m> {
    /// Reads a file's directory and checks all of it.
    ///
    /// # Errors
    /// [`Error`] says what is wrong and at which byte or tensor.
    pub fn parse(bytes: &'m [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes, 0);
        let version = read_version(&mut reader)?;
        let tensor_count_at = reader.at();
        let tensor_count = reader.u64("the number of tensors")?;
        let metadata_count_at = reader.at();
        let metadata_count = reader.u64("the number of metadata keys")?;

        let metadata_count = bounded(
            "metadata keys",
            metadata_count_at,
            metadata_count,
            (reader.left() / LEAST_METADATA_BYTES).min(MAX_METADATA),
        )?;
        let metadata_at = reader.at();
        let mut strides = Strides::default();
        let alignment = check_metadata(&mut reader, metadata_count, &mut strides)?;

        let tensor_count = bounded(
            "tensors",
            tensor_count_at,
            tensor_count,
            (reader.left() / LEAST_TENSOR_BYTES).min(MAX_TENSORS),
        )?;
        let tensors_at = reader.at();
        let section = check_tensors(&mut reader, tensor_count, alignment)?;
        Ok(Self {
            version,
            metadata_at,
            metadata_count,
            strides,
            tensors_at,
            tensor_count,
            section,
        })
    }

    /// What was learnt of the file, without the file.
    pub(crate) fn detach(&self) -> Detached {
        Detached {
            gguf: Gguf {
                section: DataSection {
                    file: &[],
                    ..self.section
                },
                ..*self
            },
        }
    }

    /// The file's bytes, whole.
    pub fn bytes(&self) -> &'m [u8] {
        self.section.file
    }

    /// The format version, 2 or 3: the same to a reader of little-endian files.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What tensor offsets are multiples of, in bytes.
    pub fn alignment(&self) -> u64 {
        u64::from(self.section.alignment)
    }

    /// Where the tensor data begins, in bytes; the end of a file that has none.
    pub fn data_offset(&self) -> usize {
        self.section.start.min(self.section.file.len())
    }

    /// Every key with its value, in the file's order.
    pub fn metadata(&self) -> Metadata<'m> {
        Metadata {
            reader: Reader::new(self.section.file, self.metadata_at),
            left: self.metadata_count,
            strides: self.strides,
        }
    }

    /// Every key with its entry as the file encodes it: key, type and value. A program that writes
    /// files copies these, so that it need not understand what it keeps.
    pub fn encoded_metadata(&self) -> impl Iterator<Item = (&'m str, &'m [u8])> + Clone + 'm {
        let mut entries = self.metadata();
        core::iter::from_fn(move || {
            let start = entries.reader.at();
            let (key, _) = entries.next()?;
            let entry = entries.reader.file().get(start..entries.reader.at())?;
            Some((key, entry))
        })
    }

    /// The value of a key. Steps through the keys before it: to read many, go through
    /// [`metadata`](Self::metadata) once.
    pub fn get(&self, key: &str) -> Option<Value<'m>> {
        self.metadata()
            .find_map(|(found, value)| (found == key).then_some(value))
    }

    /// Every tensor, in the file's order.
    pub fn tensors(&self) -> Tensors<'m> {
        Tensors {
            reader: Reader::new(self.section.file, self.tensors_at),
            next: 0,
            count: self.tensor_count,
            section: self.section,
        }
    }

    /// The tensor of a name. Steps through the tensors before it: to find many, go through
    /// [`tensors`](Self::tensors) once.
    pub fn tensor(&self, name: &str) -> Option<Tensor<'m>> {
        self.tensors().find(|tensor| tensor.name == name)
    }

    /// The number of tensors.
    pub fn tensor_count(&self) -> usize {
        self.tensor_count
    }
}

/// What [`Gguf::parse`] found in a file that is being changed meanwhile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Detached {
    gguf: Gguf<'static>,
}

impl Detached {
    /// The same over `file`, in which only tensors' data and types may have changed, and these only to types
    /// of as many bytes. Of another file it shows what is not there.
    pub(crate) fn attach<'m>(&self, file: &'m [u8]) -> Gguf<'m> {
        Gguf {
            section: DataSection {
                file,
                ..self.gguf.section
            },
            ..self.gguf
        }
    }
}

/// The keys of a file with their values, in the file's order.
#[derive(Debug, Clone)]
pub struct Metadata<'m> {
    reader: Reader<'m>,
    left: usize,
    strides: Strides,
}

impl<'m> Iterator for Metadata<'m> {
    type Item = (&'m str, Value<'m>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let key = self.reader.text(MAX_KEY_LEN, KEY).ok()?;
        let value = value::read(&mut self.reader, &mut self.strides).ok()?;
        Some((key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Metadata<'_> {}

/// Reads the magic and the version.
fn read_version(reader: &mut Reader<'_>) -> Result<u32, Error> {
    let start = *reader;
    let len = start.left().min(MAGIC.len());
    let begins = reader.clone().take(len as u64, "the magic number")?;
    if begins != &MAGIC[..len] {
        let mut found = [0; MAGIC.len()];
        found[..len].copy_from_slice(begins);
        return Err(Error::NotGguf { found });
    }
    reader.take(MAGIC.len() as u64, "the magic number")?;
    match reader.u32("the version")? {
        version @ (2 | 3) => Ok(version),
        // A big-endian file has the same magic; its version has the wrong end first.
        found if (1..=3).contains(&found.swap_bytes()) => Err(Error::BigEndian),
        found => Err(Error::Version { found }),
    }
}

/// A count as an index type, if `most` or fewer.
fn bounded(what: &'static str, at: usize, found: u64, most: usize) -> Result<usize, Error> {
    usize::try_from(found)
        .ok()
        .filter(|&count| count <= most)
        .ok_or(Error::TooMany {
            what,
            at,
            found,
            most: most as u64,
        })
}

/// Walks the metadata and returns the file's alignment. Leaves `reader` behind the last value.
fn check_metadata(
    reader: &mut Reader<'_>,
    count: usize,
    strides: &mut Strides,
) -> Result<u32, Error> {
    let mut alignment = DEFAULT_ALIGNMENT;
    let mut seen = Seen::new(0, 1);
    for _ in 0..count {
        let at = reader.at();
        let key = reader.text(MAX_KEY_LEN, KEY)?;
        seen.insert(reader, at, key, KEY)?;
        let value = value::read(reader, strides)?;
        if key == ALIGNMENT_KEY {
            let Value::U32(found) = value else {
                return Err(Error::AlignmentType {
                    found: value.value_type(),
                });
            };
            if !found.is_power_of_two() || !(MIN_ALIGNMENT..=MAX_ALIGNMENT).contains(&found) {
                return Err(Error::Alignment { found });
            }
            alignment = found;
        }
    }
    Ok(alignment)
}

/// Walks the tensor directory, checks every tensor's place, and returns where the data lies.
fn check_tensors<'m>(
    reader: &mut Reader<'m>,
    count: usize,
    alignment: u32,
) -> Result<DataSection<'m>, Error> {
    let start = *reader;
    for index in 0..count {
        Entry::read(reader, index)?;
    }
    // A file without tensors need not be padded; one whose padding is cut off has a first tensor
    // that is outside of it. So the section may begin past the end. (A slice ends below
    // `isize::MAX`, so rounding up its offset cannot overflow.)
    let section = DataSection {
        file: reader.file(),
        start: reader.at().next_multiple_of(alignment as usize),
        alignment,
    };
    let passes = Seen::passes(count);
    for pass in 0..passes {
        let mut walk = start;
        let mut seen = Seen::new(pass, passes);
        for index in 0..count {
            let at = walk.at();
            let entry = Entry::read(&mut walk, index)?;
            seen.insert(&walk, at, entry.name, tensor::NAME)?;
            if pass == 0 {
                section.place(&entry)?;
            }
        }
    }
    Ok(section)
}
