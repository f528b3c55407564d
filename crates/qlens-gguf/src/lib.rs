//! Writes GGUF files: a new one, or one made from another, of which is copied as it was encoded what is
//! not changed.
//!
//! A [`Directory`] says all there is to say about the new file; [`Directory::encode`] gives the bytes
//! before the tensors' data, and a [`Layout`] of these, which says what padding goes between them. What
//! writes the data holds as much of it as it likes: no model is ever in memory whole. The format is
//! specified in `docs/gguf.md` of the ggml repository; files are of version 3.

mod encode;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::error;
use std::fmt;

use qlens::gguf::{Gguf, MAX_ALIGNMENT, MAX_METADATA, MIN_ALIGNMENT, Value, ValueType};

use encode::{array, string};
pub use encode::{entry, tensor_entry};

const VERSION: u32 = 3;
/// Magic, version, and the numbers of tensors and keys.
const HEADER_BYTES: usize = 4 + 4 + 8 + 8;
/// The key that says what tensors' offsets are multiples of.
const ALIGNMENT_KEY: &str = "general.alignment";
/// The alignment of a file that does not state one.
pub const DEFAULT_ALIGNMENT: u32 = 32;

/// What a new file says of itself: its metadata, and its tensors without their data.
pub struct Directory<'m> {
    metadata: Vec<Entry<'m>>,
    tensors: Vec<TensorInfo<'m>>,
    alignment: u32,
}

struct Entry<'m> {
    key: Cow<'m, str>,
    /// Key, type and value.
    encoded: Cow<'m, [u8]>,
}

struct TensorInfo<'m> {
    name: Cow<'m, str>,
    dims: Vec<u64>,
    ggml_type: u32,
    bytes: u64,
}

impl Default for Directory<'_> {
    /// Nothing, at the alignment of a file that does not state one.
    fn default() -> Self {
        Self {
            metadata: Vec::new(),
            tensors: Vec::new(),
            alignment: DEFAULT_ALIGNMENT,
        }
    }
}

impl<'m> Directory<'m> {
    /// The metadata and the alignment of `source`, and no tensors.
    pub fn of(source: &Gguf<'m>) -> Self {
        let entry = |(key, encoded)| Entry {
            key: Cow::Borrowed(key),
            encoded: Cow::Borrowed(encoded),
        };
        Self {
            metadata: source.encoded_metadata().map(entry).collect(),
            tensors: Vec::new(),
            // A file with a larger one is not parsed.
            alignment: source.alignment() as u32,
        }
    }

    /// Gives a key this value: in its place if it is there, else behind all others.
    ///
    /// # Panics
    /// If the key is `general.alignment`, which [`align`](Self::align) changes.
    pub fn set(&mut self, key: &str, value: Value<'_>) {
        assert_ne!(key, ALIGNMENT_KEY, "the alignment has a method of its own");
        self.put(key, value);
    }

    /// Gives a key these bytes as its array, as [`set`](Self::set) does.
    pub fn set_bytes(&mut self, key: &str, bytes: &[u8]) {
        let mut encoded = array(key, ValueType::U8, bytes.len());
        encoded.extend_from_slice(bytes);
        self.replace(key, encoded);
    }

    /// Gives a key these numbers as its array, as [`set`](Self::set) does.
    pub fn set_u64s(&mut self, key: &str, numbers: &[u64]) {
        let mut encoded = array(key, ValueType::U64, numbers.len());
        encoded.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        self.replace(key, encoded);
    }

    /// Gives a key these texts as its array, as [`set`](Self::set) does.
    pub fn set_texts<T: AsRef<str>>(&mut self, key: &str, texts: &[T]) {
        let mut encoded = array(key, ValueType::Str, texts.len());
        for text in texts {
            encoded.extend(string(text.as_ref().as_bytes()));
        }
        self.replace(key, encoded);
    }

    /// Gives a key these numbers as its array, as [`set`](Self::set) does.
    pub fn set_i32s(&mut self, key: &str, numbers: &[i32]) {
        let mut encoded = array(key, ValueType::I32, numbers.len());
        encoded.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        self.replace(key, encoded);
    }

    /// Gives a key these words as its array of bytes, little-endian and behind as many zeros (fewer than
    /// four) as put them at multiples of four from the start of the file. The key becomes the last one,
    /// and no other may change afterwards.
    pub fn set_words(&mut self, key: &str, words: &[u32]) {
        self.metadata.retain(|entry| entry.key != key);
        let before = HEADER_BYTES + self.metadata.iter().map(|e| e.encoded.len()).sum::<usize>();
        let elements = before + array(key, ValueType::U8, 0).len();
        let padding = elements.next_multiple_of(size_of::<u32>()) - elements;
        let mut bytes = vec![0; padding];
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        self.set_bytes(key, &bytes);
    }

    /// Makes every tensor begin at a multiple of `bytes`, from the start of the file as well as from
    /// that of the data.
    ///
    /// # Errors
    /// If readers would not take it.
    pub fn align(&mut self, bytes: u32) -> Result<(), Error> {
        if !bytes.is_power_of_two() || !(MIN_ALIGNMENT..=MAX_ALIGNMENT).contains(&bytes) {
            return Err(Error::Alignment { bytes });
        }
        self.alignment = bytes;
        if bytes == DEFAULT_ALIGNMENT {
            self.metadata.retain(|entry| entry.key != ALIGNMENT_KEY);
        } else {
            self.put(ALIGNMENT_KEY, Value::U32(bytes));
        }
        Ok(())
    }

    /// Appends a tensor, whose data are going to be `bytes` bytes; `dims` are elements along each
    /// dimension, the contiguous one first.
    pub fn tensor(
        &mut self,
        name: impl Into<Cow<'m, str>>,
        dims: &[u64],
        ggml_type: u32,
        bytes: u64,
    ) {
        self.tensors.push(TensorInfo {
            name: name.into(),
            dims: dims.to_vec(),
            ggml_type,
            bytes,
        });
    }

    /// The file up to its first tensor's data, and how that is laid out.
    ///
    /// # Errors
    /// If the file would have more keys than can be read.
    pub fn encode(&self) -> Result<(Vec<u8>, Layout), Error> {
        if self.metadata.len() > MAX_METADATA {
            return Err(Error::TooManyKeys {
                found: self.metadata.len(),
            });
        }
        let alignment = u64::from(self.alignment);
        let mut head = b"GGUF".to_vec();
        head.extend(VERSION.to_le_bytes());
        head.extend((self.tensors.len() as u64).to_le_bytes());
        head.extend((self.metadata.len() as u64).to_le_bytes());
        for entry in &self.metadata {
            head.extend_from_slice(&entry.encoded);
        }
        let mut offset = 0_u64;
        for tensor in &self.tensors {
            let (dims, ggml_type) = (&tensor.dims, tensor.ggml_type);
            head.extend(tensor_entry(&tensor.name, dims, ggml_type, offset));
            offset = (offset + tensor.bytes).next_multiple_of(alignment);
        }
        head.resize(head.len().next_multiple_of(self.alignment as usize), 0);
        let layout = Layout {
            left: self.tensors.iter().map(|tensor| tensor.bytes).collect(),
            at: 0,
            bytes: offset,
            alignment,
        };
        Ok((head, layout))
    }

    fn put(&mut self, key: &str, value: Value<'_>) {
        self.replace(key, entry(key, value));
    }

    fn replace(&mut self, key: &str, encoded: Vec<u8>) {
        let encoded = Cow::Owned(encoded);
        match self.metadata.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => entry.encoded = encoded,
            None => self.metadata.push(Entry {
                key: Cow::Owned(key.to_owned()),
                encoded,
            }),
        }
    }
}

/// How the data of a new file's tensors are laid out, in the directory's order, and how much of them is
/// written.
pub struct Layout {
    /// Bytes that each tensor still needs, from the one that is being written on.
    left: VecDeque<u64>,
    /// Bytes so far, padding included.
    at: u64,
    bytes: u64,
    alignment: u64,
}

impl Layout {
    /// Bytes of all data, padding included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes note that `bytes` more bytes of the tensor that is being written are written, and returns how
    /// many zeros to write behind them: none, unless the tensor is whole. The next call is then about the
    /// next tensor.
    ///
    /// # Panics
    /// If these are more bytes than the directory has for the tensor.
    pub fn advance(&mut self, bytes: usize) -> usize {
        let left = self.left.front_mut().expect("a tensor is left to write");
        *left = left
            .checked_sub(bytes as u64)
            .expect("a tensor's data are as long as the directory says");
        let is_whole = *left == 0;
        self.at += bytes as u64;
        if !is_whole {
            return 0;
        }
        self.left.pop_front();
        let padding = self.at.next_multiple_of(self.alignment) - self.at;
        self.at += padding;
        padding as usize
    }

    /// Whether every tensor has its data.
    pub fn is_complete(&self) -> bool {
        self.left.is_empty()
    }
}

/// A file that readers would not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No alignment.
    Alignment {
        /// What was asked for.
        bytes: u32,
    },
    /// More than [`MAX_METADATA`] keys.
    TooManyKeys {
        /// How many there would be.
        found: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alignment { bytes } => write!(
                f,
                "an alignment of {bytes} is not possible; it has to be a power of two from \
                 {MIN_ALIGNMENT} to {MAX_ALIGNMENT}"
            ),
            Self::TooManyKeys { found } => write!(
                f,
                "the new file would have {found} metadata keys, and at most {MAX_METADATA} are possible"
            ),
        }
    }
}

impl error::Error for Error {}
