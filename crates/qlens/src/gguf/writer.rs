//! Writes small GGUF files for tests, well-formed ones and, through the `raw` methods, others.

use std::vec::Vec;

/// Numbers of the metadata types, as files have them.
pub(crate) mod number {
    pub(crate) const U32: u32 = 4;
    pub(crate) const I32: u32 = 5;
    pub(crate) const F32: u32 = 6;
    pub(crate) const BOOL: u32 = 7;
    pub(crate) const STR: u32 = 8;
    pub(crate) const ARRAY: u32 = 9;
}

/// A string as the format has it: its length in eight bytes, its bytes.
pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

/// An array as the format has it: element type, length, elements.
pub(crate) fn array(element_type: u32, len: u64, encoded: &[u8]) -> Vec<u8> {
    [&element_type.to_le_bytes()[..], &len.to_le_bytes(), encoded].concat()
}

/// Collects keys and tensors; [`finish`](Self::finish) makes the file.
#[derive(Clone)]
pub(crate) struct Writer {
    version: u32,
    alignment: usize,
    metadata: Vec<u8>,
    metadata_count: u64,
    directory: Vec<u8>,
    tensor_count: u64,
    data: Vec<u8>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self {
            version: 3,
            alignment: 32,
            metadata: Vec::new(),
            metadata_count: 0,
            directory: Vec::new(),
            tensor_count: 0,
            data: Vec::new(),
        }
    }

    pub(crate) fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// States `general.alignment`; call it before the first tensor.
    pub(crate) fn alignment(mut self, alignment: u32) -> Self {
        self.alignment = alignment as usize;
        self.u32("general.alignment", alignment)
    }

    /// A key with a value of any type number and any bytes.
    pub(crate) fn raw(mut self, key: &[u8], value_type: u32, encoded: &[u8]) -> Self {
        self.metadata.extend(string(key));
        self.metadata.extend(value_type.to_le_bytes());
        self.metadata.extend(encoded);
        self.metadata_count += 1;
        self
    }

    pub(crate) fn u32(self, key: &str, value: u32) -> Self {
        self.raw(key.as_bytes(), number::U32, &value.to_le_bytes())
    }

    pub(crate) fn f32(self, key: &str, value: f32) -> Self {
        self.raw(key.as_bytes(), number::F32, &value.to_le_bytes())
    }

    pub(crate) fn bool(self, key: &str, value: bool) -> Self {
        self.raw(key.as_bytes(), number::BOOL, &[u8::from(value)])
    }

    pub(crate) fn str(self, key: &str, value: &str) -> Self {
        self.raw(key.as_bytes(), number::STR, &string(value.as_bytes()))
    }

    pub(crate) fn strs(self, key: &str, values: &[impl AsRef<[u8]>]) -> Self {
        let encoded: Vec<u8> = values.iter().flat_map(|v| string(v.as_ref())).collect();
        let array = array(number::STR, values.len() as u64, &encoded);
        self.raw(key.as_bytes(), number::ARRAY, &array)
    }

    pub(crate) fn i32s(self, key: &str, values: &[i32]) -> Self {
        let encoded: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let array = array(number::I32, values.len() as u64, &encoded);
        self.raw(key.as_bytes(), number::ARRAY, &array)
    }

    /// A directory entry of any content, without data.
    pub(crate) fn raw_tensor(
        mut self,
        name: &[u8],
        dims: &[u64],
        ggml_type: u32,
        offset: u64,
    ) -> Self {
        self.directory.extend(string(name));
        self.directory.extend((dims.len() as u32).to_le_bytes());
        for dim in dims {
            self.directory.extend(dim.to_le_bytes());
        }
        self.directory.extend(ggml_type.to_le_bytes());
        self.directory.extend(offset.to_le_bytes());
        self.tensor_count += 1;
        self
    }

    /// A tensor with its data, behind the tensors so far, aligned.
    pub(crate) fn tensor(mut self, name: &str, dims: &[u64], ggml_type: u32, data: &[u8]) -> Self {
        let offset = self.data.len().next_multiple_of(self.alignment);
        self.data.resize(offset, 0);
        self.data.extend(data);
        self.raw_tensor(name.as_bytes(), dims, ggml_type, offset as u64)
    }

    /// The file, padded to its alignment.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut file = Vec::from(*b"GGUF");
        file.extend(self.version.to_le_bytes());
        file.extend(self.tensor_count.to_le_bytes());
        file.extend(self.metadata_count.to_le_bytes());
        file.extend(self.metadata);
        file.extend(self.directory);
        file.resize(file.len().next_multiple_of(self.alignment), 0);
        file.extend(self.data);
        file.resize(file.len().next_multiple_of(self.alignment), 0);
        file
    }
}
