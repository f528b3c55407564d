//! Writes a GGUF file made from another one: what is not changed is copied as it was encoded, and the
//! tensors' data goes through in pieces, so that no model is ever in memory twice.
//!
//! A [`Directory`] says all there is to say about the new file; [`Directory::begin`] writes it and
//! gives a [`TensorData`], which takes the data of the tensors in the directory's order. The format is
//! specified in `docs/gguf.md` of the ggml repository; files are of version 3.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::VecDeque;

use qlens::gguf::{Gguf, MAX_ALIGNMENT, MAX_METADATA, MIN_ALIGNMENT, Value, ValueType};

use crate::destination::Destination;
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::Bytes;

const VERSION: u32 = 3;
/// Magic, version, and the numbers of tensors and keys.
const HEADER_BYTES: usize = 4 + 4 + 8 + 8;
/// The key that says what tensors' offsets are multiples of.
const ALIGNMENT_KEY: &str = "general.alignment";
/// The alignment of a file that does not state one.
pub const DEFAULT_ALIGNMENT: u32 = 32;
/// Bytes that are written between two looks for Ctrl-C.
const PIECE: usize = 1 << 20;

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
    name: &'m str,
    dims: Vec<u64>,
    ggml_type: u32,
    bytes: u64,
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
    pub fn align(&mut self, bytes: u32) -> Result<(), Failure> {
        if !bytes.is_power_of_two() || !(MIN_ALIGNMENT..=MAX_ALIGNMENT).contains(&bytes) {
            return Err(Failure::usage(format_args!(
                "an alignment of {bytes} is not possible; it has to be a power of two from \
                 {MIN_ALIGNMENT} to {MAX_ALIGNMENT}"
            )));
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
    pub fn tensor(&mut self, name: &'m str, dims: &[u64], ggml_type: u32, bytes: u64) {
        self.tensors.push(TensorInfo {
            name,
            dims: dims.to_vec(),
            ggml_type,
            bytes,
        });
    }

    /// Writes all of it, and readies the file for the tensors' data; `what` is said beside a progress
    /// bar.
    ///
    /// # Errors
    /// If the file cannot be written, or would have more keys than can be read.
    pub fn begin(self, what: &'static str, out: Destination) -> Result<TensorData, Failure> {
        if self.metadata.len() > MAX_METADATA {
            return Err(Failure::new(format_args!(
                "the new file would have {} metadata keys, and at most {MAX_METADATA} are possible",
                self.metadata.len()
            )));
        }
        let (head, data_bytes) = self.encode();
        let mut data = TensorData {
            out,
            left: self.tensors.iter().map(|tensor| tensor.bytes).collect(),
            at: 0,
            alignment: u64::from(self.alignment),
            progress: Bytes::new(what, head.len() as u64 + data_bytes),
        };
        data.put(&head)?;
        Ok(data)
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

    /// The file up to its first tensor's data, and how many bytes of data follow.
    fn encode(&self) -> (Vec<u8>, u64) {
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
            head.extend(tensor_entry(
                tensor.name,
                &tensor.dims,
                tensor.ggml_type,
                offset,
            ));
            offset = (offset + tensor.bytes).next_multiple_of(alignment);
        }
        head.resize(head.len().next_multiple_of(self.alignment as usize), 0);
        (head, offset)
    }
}

/// The part of a new file that is still to come: the data of its tensors, in the directory's order.
/// Dropped unfinished, it leaves no file.
pub struct TensorData {
    out: Destination,
    /// Bytes that each tensor still needs, from the one that is being written on.
    left: VecDeque<u64>,
    /// Bytes of data so far, padding included.
    at: u64,
    alignment: u64,
    progress: Bytes,
}

impl TensorData {
    /// Appends `bytes` to the data of the tensor that is being written; once it has all of them, the
    /// next call is about the next tensor.
    ///
    /// # Errors
    /// If the file cannot be written, or a signal asked the program to end.
    ///
    /// # Panics
    /// If these are more bytes than the directory has for the tensor.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let left = self.left.front_mut().expect("a tensor is left to write");
        *left = left
            .checked_sub(bytes.len() as u64)
            .expect("a tensor's data are as long as the directory says");
        let is_whole = *left == 0;
        self.put(bytes)?;
        self.at += bytes.len() as u64;
        if is_whole {
            self.left.pop_front();
            let padding = self.at.next_multiple_of(self.alignment) - self.at;
            self.put(&vec![0; padding as usize])?;
            self.at += padding;
        }
        Ok(())
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// If the system does not let it have that name.
    ///
    /// # Panics
    /// If a tensor lacks data.
    pub fn finish(self) -> Result<(), Failure> {
        assert!(self.left.is_empty(), "every tensor was written");
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

/// A metadata entry as the format has it.
pub fn entry(key: &str, value: Value<'_>) -> Vec<u8> {
    let mut encoded = string(key.as_bytes());
    encoded.extend(value.value_type().number().to_le_bytes());
    encode(value, &mut encoded);
    encoded
}

/// A metadata entry of an array, up to its elements.
fn array(key: &str, element: ValueType, len: usize) -> Vec<u8> {
    let mut encoded = string(key.as_bytes());
    encoded.extend(ValueType::Array.number().to_le_bytes());
    encoded.extend(element.number().to_le_bytes());
    encoded.extend((len as u64).to_le_bytes());
    encoded
}

/// A tensor's entry in the directory as the format has it.
pub fn tensor_entry(name: &str, dims: &[u64], ggml_type: u32, offset: u64) -> Vec<u8> {
    let mut encoded = string(name.as_bytes());
    encoded.extend((dims.len() as u32).to_le_bytes());
    encoded.extend(dims.iter().flat_map(|dim| dim.to_le_bytes()));
    encoded.extend(ggml_type.to_le_bytes());
    encoded.extend(offset.to_le_bytes());
    encoded
}

/// A string as the format has it: its length in eight bytes, its bytes.
fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

/// Appends a value as the format has it, without its type.
fn encode(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::U8(v) => out.push(v),
        Value::I8(v) => out.extend(v.to_le_bytes()),
        Value::U16(v) => out.extend(v.to_le_bytes()),
        Value::I16(v) => out.extend(v.to_le_bytes()),
        Value::U32(v) => out.extend(v.to_le_bytes()),
        Value::I32(v) => out.extend(v.to_le_bytes()),
        Value::F32(v) => out.extend(v.to_le_bytes()),
        Value::Bool(v) => out.push(u8::from(v)),
        Value::Str(v) => out.extend(string(v.as_bytes())),
        Value::Array(v) => {
            out.extend(v.element_type().number().to_le_bytes());
            out.extend((v.len() as u64).to_le_bytes());
            out.extend_from_slice(v.encoded());
        }
        Value::U64(v) => out.extend(v.to_le_bytes()),
        Value::I64(v) => out.extend(v.to_le_bytes()),
        Value::F64(v) => out.extend(v.to_le_bytes()),
    }
}
