//! The tensor directory: what each tensor is called, its shape, and where its data lies.

use super::read::Reader;
use super::{Error, MAX_DIMS, MAX_NAME_LEN, type_info, type_name};

/// What a tensor's name is called in errors.
pub(super) const NAME: &str = "a tensor name";

/// An entry of the tensor directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tensor<'m> {
    /// The tensor's name, unique in the file.
    pub name: &'m str,
    /// Elements along each dimension, the contiguous one first (`[n_in, n_out]` of a matrix);
    /// unused ones are 1. Their product is not 0 and fits an `i64`.
    pub dims: [u64; MAX_DIMS],
    /// How many dimensions the file states, 0 to 4.
    pub n_dims: u32,
    /// The block format's number; [`type_name`] names it.
    pub ggml_type: u32,
    /// Where the directory has that number, in bytes from the start of the file.
    pub type_at: usize,
    /// Where the data begins, in bytes from the start of the file.
    pub offset: u64,
    /// The data, a whole number of blocks; `None` if the type is not one of [`type_info`], so that
    /// its size is not known.
    pub data: Option<&'m [u8]>,
    /// The position in the directory, from 0.
    pub index: usize,
}

impl Tensor<'_> {
    /// The number of elements.
    pub fn n_elements(&self) -> u64 {
        self.dims.iter().product()
    }

    /// The name of the tensor's ggml type.
    pub fn type_name(&self) -> &'static str {
        type_name(self.ggml_type)
    }
}

/// An entry as the file states it: its shape is checked, its place not yet.
pub(super) struct Entry<'m> {
    pub(super) name: &'m str,
    dims: [u64; MAX_DIMS],
    n_dims: u32,
    ggml_type: u32,
    type_at: usize,
    /// Bytes from the start of the data section.
    offset: u64,
    /// Bytes of the data, where the type is known.
    bytes: Option<u64>,
    index: usize,
}

impl<'m> Entry<'m> {
    /// Reads the next entry, which is number `index`.
    pub(super) fn read(reader: &mut Reader<'m>, index: usize) -> Result<Self, Error> {
        let name = reader.text(MAX_NAME_LEN, NAME)?;
        let n_dims = reader.u32("the number of a tensor's dimensions")?;
        let mut dims = [1; MAX_DIMS];
        let Some(stated) = dims.get_mut(..n_dims as usize) else {
            return Err(Error::Dimensions {
                tensor: index,
                found: n_dims,
            });
        };
        for dim in stated {
            *dim = reader.u64("a tensor's dimension")?;
        }
        let type_at = reader.at();
        let ggml_type = reader.u32("a tensor's type")?;
        let offset = reader.u64("a tensor's offset")?;
        Ok(Self {
            name,
            dims,
            n_dims,
            ggml_type,
            type_at,
            offset,
            bytes: data_bytes(dims, ggml_type, index)?,
            index,
        })
    }
}

/// Bytes of a tensor's data; `None` for a type whose blocks are not known.
fn data_bytes(dims: [u64; MAX_DIMS], ggml_type: u32, tensor: usize) -> Result<Option<u64>, Error> {
    let impossible = Error::Shape { tensor, dims };
    let elements = dims
        .iter()
        .try_fold(1_u64, |product, &dim| product.checked_mul(dim))
        .filter(|&product| product > 0 && i64::try_from(product).is_ok())
        .ok_or(impossible)?;
    let Some(info) = type_info(ggml_type) else {
        return Ok(None);
    };
    let block_len = u64::from(info.block_len);
    if !dims[0].is_multiple_of(block_len) {
        return Err(Error::RowLength {
            tensor,
            found: dims[0],
            block_len: info.block_len,
        });
    }
    (elements / block_len)
        .checked_mul(u64::from(info.block_bytes))
        .map(Some)
        .ok_or(impossible)
}

/// Where a file's tensor data lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct DataSection<'m> {
    pub(super) file: &'m [u8],
    /// First byte of the section; past the end of a file that has no data.
    pub(super) start: usize,
    pub(super) alignment: u32,
}

impl<'m> DataSection<'m> {
    /// Finds an entry's data, which has to be aligned and inside the file.
    pub(super) fn place(&self, entry: &Entry<'m>) -> Result<Tensor<'m>, Error> {
        if !entry.offset.is_multiple_of(u64::from(self.alignment)) {
            return Err(Error::TensorAlignment {
                tensor: entry.index,
                offset: entry.offset,
                alignment: self.alignment,
            });
        }
        let start = (self.start as u64).checked_add(entry.offset);
        let outside = Error::TensorOutside {
            tensor: entry.index,
            start: start.unwrap_or(u64::MAX),
            bytes: entry.bytes.unwrap_or(0),
            file: self.file.len(),
        };
        let offset = start.ok_or(outside)?;
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.file.get(offset..))
            .ok_or(outside)?;
        let data = match entry.bytes {
            None => None,
            Some(bytes) => Some(
                usize::try_from(bytes)
                    .ok()
                    .and_then(|bytes| rest.get(..bytes))
                    .ok_or(outside)?,
            ),
        };
        Ok(Tensor {
            name: entry.name,
            dims: entry.dims,
            n_dims: entry.n_dims,
            ggml_type: entry.ggml_type,
            type_at: entry.type_at,
            offset,
            data,
            index: entry.index,
        })
    }
}

/// The tensors of a file, in the order of its directory.
#[derive(Debug, Clone)]
pub struct Tensors<'m> {
    pub(super) reader: Reader<'m>,
    pub(super) next: usize,
    pub(super) count: usize,
    pub(super) section: DataSection<'m>,
}

impl<'m> Iterator for Tensors<'m> {
    type Item = Tensor<'m>;

    fn next(&mut self) -> Option<Tensor<'m>> {
        if self.next >= self.count {
            return None;
        }
        let entry = Entry::read(&mut self.reader, self.next).ok()?;
        self.next += 1;
        self.section.place(&entry).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.count - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Tensors<'_> {}
