//! What a packed file remembers of the file it was made from: all that cannot be computed from the rest.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `qlens.pack.gguf_version` | u32 | the version of the format |
//! | `qlens.pack.alignment` | u32 | `general.alignment`, 0 if the file did not state it |
//! | `qlens.pack.offsets` | u64 array | where each tensor began in the data section |
//! | `qlens.pack.padding` | u8 array | every byte behind the directory that was no tensor's, in order |
//! | `qlens.pack.sha256` | string | the digest of the file |

use qlens::gguf::{Array, Gguf, Value};
use qlens::tokenizer::INDEX_KEY;

use super::places;
use crate::gguf_writer::Directory;

/// What all keys begin with.
const PREFIX: &str = "qlens.pack.";
const VERSION: &str = "qlens.pack.gguf_version";
const ALIGNMENT: &str = "qlens.pack.alignment";
const OFFSETS: &str = "qlens.pack.offsets";
const PADDING: &str = "qlens.pack.padding";
const SHA256: &str = "qlens.pack.sha256";

/// The key of the alignment in any file.
pub const GENERAL_ALIGNMENT: &str = "general.alignment";

/// The file that a packed one was made from.
#[derive(Debug, PartialEq, Eq)]
pub struct Original {
    /// Version of the format.
    pub version: u32,
    /// What it stated; `None` if it did not.
    pub alignment: Option<u32>,
    /// Of each tensor in the order of the directory, from the start of the data section.
    pub offsets: Vec<u64>,
    /// Every byte behind the directory that was no tensor's, in order.
    pub padding: Vec<u8>,
    /// Digest of the file.
    pub sha256: String,
}

/// Whether a file says that it is packed.
pub fn is_packed(gguf: &Gguf<'_>) -> bool {
    gguf.metadata().any(|(key, _)| is_ours(key))
}

/// Whether the key is one of ours.
pub fn is_ours(key: &str) -> bool {
    key.starts_with(PREFIX) || key == INDEX_KEY
}

impl Original {
    /// What is to be remembered of a file with this digest; a sentence if it could not be given back.
    pub fn of(gguf: &Gguf<'_>, file: &[u8], sha256: String) -> Result<Self, String> {
        let start = gguf.data_offset() as u64;
        let mut padding = Vec::new();
        let mut at = directory_end(gguf);
        for (offset, bytes, _) in places(gguf)? {
            padding.extend_from_slice(&file[at..offset]);
            at = offset + bytes;
        }
        padding.extend_from_slice(&file[at..]);
        Ok(Self {
            version: gguf.version(),
            alignment: gguf.get(GENERAL_ALIGNMENT).map(|_| gguf.alignment() as u32),
            offsets: gguf.tensors().map(|tensor| tensor.offset - start).collect(),
            padding,
            sha256,
        })
    }

    /// Writes it down.
    pub fn store(&self, directory: &mut Directory<'_>) {
        directory.set(VERSION, Value::U32(self.version));
        directory.set(ALIGNMENT, Value::U32(self.alignment.unwrap_or(0)));
        directory.set_u64s(OFFSETS, &self.offsets);
        directory.set_bytes(PADDING, &self.padding);
        directory.set(SHA256, Value::Str(&self.sha256));
    }

    /// Reads it back; a sentence if it is not there, or not whole.
    pub fn read(gguf: &Gguf<'_>) -> Result<Self, String> {
        let get = |key| {
            gguf.get(key)
                .ok_or_else(|| format!("it was not packed by qlens: it has no key {key}"))
        };
        let wrong = |key| format!("its key {key} is damaged");
        let number = |key| match get(key)? {
            Value::U32(number) => Ok(number),
            _ => Err(wrong(key)),
        };
        let array = |key| get(key)?.as_array().ok_or_else(|| wrong(key));
        let numbers = |array: Array<'_>| array.scalars().map(|value| value.as_u64()).collect();
        let offsets: Option<Vec<u64>> = numbers(array(OFFSETS)?);
        let offsets = offsets.filter(|offsets| offsets.len() == gguf.tensor_count());
        let padding = array(PADDING)?;
        let sha256 = get(SHA256)?.as_str().ok_or_else(|| wrong(SHA256))?;
        Ok(Self {
            version: number(VERSION)?,
            alignment: Some(number(ALIGNMENT)?).filter(|&alignment| alignment > 0),
            offsets: offsets.ok_or_else(|| wrong(OFFSETS))?,
            padding: padding.encoded().to_vec(),
            sha256: sha256.to_owned(),
        })
    }
}

/// Where the directory ends and padding begins.
fn directory_end(gguf: &Gguf<'_>) -> usize {
    // Behind a tensor's type there is only its offset.
    let last = gguf.tensors().last();
    last.map_or(gguf.data_offset(), |tensor| tensor.type_at + 4 + 8)
}
