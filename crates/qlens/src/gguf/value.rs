//! Metadata values: scalars by value, strings and arrays as views of the file.

use super::read::Reader;
use super::{Error, MAX_STRING_LEN};

/// The type of a metadata value or of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[allow(missing_docs, reason = "the variants are the format's own type names")]
pub enum ValueType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Str,
    Array,
    U64,
    I64,
    F64,
}

impl ValueType {
    /// The type of this number in a file; `None` if the format does not define it.
    pub fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::U8,
            1 => Self::I8,
            2 => Self::U16,
            3 => Self::I16,
            4 => Self::U32,
            5 => Self::I32,
            6 => Self::F32,
            7 => Self::Bool,
            8 => Self::Str,
            9 => Self::Array,
            10 => Self::U64,
            11 => Self::I64,
            12 => Self::F64,
            _ => return None,
        })
    }

    /// The number that stands for this type in a file.
    pub const fn number(self) -> u32 {
        match self {
            Self::U8 => 0,
            Self::I8 => 1,
            Self::U16 => 2,
            Self::I16 => 3,
            Self::U32 => 4,
            Self::I32 => 5,
            Self::F32 => 6,
            Self::Bool => 7,
            Self::Str => 8,
            Self::Array => 9,
            Self::U64 => 10,
            Self::I64 => 11,
            Self::F64 => 12,
        }
    }

    /// The type's name as the GGUF tools print it, e.g. `u32`.
    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::Bool => "bool",
            Self::Str => "str",
            Self::Array => "arr",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F64 => "f64",
        }
    }

    /// Bytes of a scalar; `None` for strings and arrays, which have no fixed size.
    pub fn size(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::Str | Self::Array => None,
        }
    }
}

/// A metadata value.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "the variants are the format's own type names")]
pub enum Value<'m> {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Str(&'m str),
    Array(Array<'m>),
    U64(u64),
    I64(i64),
    F64(f64),
}

impl<'m> Value<'m> {
    /// The value's type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::Str(_) => ValueType::Str,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// The value of any integer type, unless it is negative. Writers do not agree on one integer
    /// type for one key, so a reader of counts should take them all.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(v) => Some(u64::from(v)),
            Self::U16(v) => Some(u64::from(v)),
            Self::U32(v) => Some(u64::from(v)),
            Self::U64(v) => Some(v),
            Self::I8(v) => u64::try_from(v).ok(),
            Self::I16(v) => u64::try_from(v).ok(),
            Self::I32(v) => u64::try_from(v).ok(),
            Self::I64(v) => u64::try_from(v).ok(),
            _ => None,
        }
    }

    /// The value of a float; an `f64` is rounded to the nearest `f32`.
    pub fn as_f32(&self) -> Option<f32> {
        match *self {
            Self::F32(v) => Some(v),
            Self::F64(v) => Some(v as f32),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&'m str> {
        match *self {
            Self::Str(v) => Some(v),
            _ => None,
        }
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Self::Bool(v) => Some(v),
            _ => None,
        }
    }

    /// The array.
    pub fn as_array(&self) -> Option<Array<'m>> {
        match *self {
            Self::Array(v) => Some(v),
            _ => None,
        }
    }
}

/// The scalar that `bytes` encode; `None` for types without a fixed size, for a wrong number of
/// bytes, and for a boolean other than 0 and 1.
fn scalar(value_type: ValueType, bytes: &[u8]) -> Option<Value<'static>> {
    Some(match value_type {
        ValueType::U8 => Value::U8(u8::from_le_bytes(bytes.try_into().ok()?)),
        ValueType::I8 => Value::I8(i8::from_le_bytes(bytes.try_into().ok()?)),
        ValueType::U16 => Value::U16(u16::from_le_bytes(bytes.try_into().ok()?)),
        ValueType::I16 => Value::I16(i16::from_le_bytes(bytes.try_into().ok()?)),
        ValueType::U32 => Value::U32(u32::from_le_bytes(bytes.try_into().ok()?)),
        ValueType::I32 => Value::I32(i32::from_le_bytes(bytes.try_into().ok()?)),
        ValueType::F32 => Value::F32(f32::from_le_bytes(bytes.try_into().ok()?)),
        ValueType::U64 => Value::U64(u64::from_le_bytes(bytes.try_into().ok()?)),
        ValueType::I64 => Value::I64(i64::from_le_bytes(bytes.try_into().ok()?)),
        ValueType::F64 => Value::F64(f64::from_le_bytes(bytes.try_into().ok()?)),
        ValueType::Bool => match bytes {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            _ => return None,
        },
        ValueType::Str | ValueType::Array => return None,
    })
}

/// An array of scalars or of strings, as it lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Array<'m> {
    element_type: ValueType,
    len: usize,
    /// All elements as encoded, and nothing else.
    encoded: &'m [u8],
}

impl<'m> Array<'m> {
    /// The type of every element: a scalar type or [`ValueType::Str`].
    pub fn element_type(&self) -> ValueType {
        self.element_type
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements as the file encodes them: scalars back to back, little-endian; strings each
    /// behind their length in eight bytes.
    pub fn encoded(&self) -> &'m [u8] {
        self.encoded
    }

    /// Element `index` of an array of scalars, in constant time; `None` past the end, and for
    /// strings, which only [`strings`](Self::strings) and [`string_at`](Self::string_at) can find.
    pub fn get(&self, index: usize) -> Option<Value<'m>> {
        let size = self.element_type.size()?;
        let start = index.checked_mul(size)?;
        scalar(self.element_type, self.encoded.get(start..)?.get(..size)?)
    }

    /// The elements of an array of scalars; nothing for an array of strings.
    pub fn scalars(&self) -> impl Iterator<Item = Value<'m>> + Clone + 'm {
        let array = *self;
        (0..array.len).map_while(move |index| array.get(index))
    }

    /// The strings of an array of strings, as bytes: tokens need not be UTF-8.
    pub fn strings(&self) -> Option<Strings<'m>> {
        (self.element_type == ValueType::Str).then_some(Strings {
            reader: Reader::new(self.encoded, 0),
            left: self.len,
        })
    }

    /// The string at byte `offset` of [`encoded`](Self::encoded), in constant time. The offset is
    /// one that [`Strings::offset`] gave: an index over a vocabulary keeps these, four bytes each,
    /// instead of slices.
    pub fn string_at(&self, offset: usize) -> Option<&'m [u8]> {
        if self.element_type != ValueType::Str || offset >= self.encoded.len() {
            return None;
        }
        Reader::new(self.encoded, offset)
            .string(MAX_STRING_LEN, "a string")
            .ok()
    }

    /// The elements of an array of `i32`.
    pub fn i32s(&self) -> Option<impl ExactSizeIterator<Item = i32> + Clone + 'm> {
        let fields = self.fields(ValueType::I32)?;
        Some(fields.map(|bytes| i32::from_le_bytes(*bytes)))
    }

    /// The elements of an array of `u32`.
    pub fn u32s(&self) -> Option<impl ExactSizeIterator<Item = u32> + Clone + 'm> {
        let fields = self.fields(ValueType::U32)?;
        Some(fields.map(|bytes| u32::from_le_bytes(*bytes)))
    }

    /// The elements of an array of `f32`.
    pub fn f32s(&self) -> Option<impl ExactSizeIterator<Item = f32> + Clone + 'm> {
        let fields = self.fields(ValueType::F32)?;
        Some(fields.map(|bytes| f32::from_le_bytes(*bytes)))
    }

    fn fields<const N: usize>(&self, wanted: ValueType) -> Option<core::slice::Iter<'m, [u8; N]>> {
        (self.element_type == wanted).then(|| self.encoded.as_chunks().0.iter())
    }
}

/// The strings of an array, in the file's order. Cheap: one length and one slice a string.
#[derive(Debug, Clone)]
pub struct Strings<'m> {
    reader: Reader<'m>,
    left: usize,
}

impl Strings<'_> {
    /// Where the next string begins, for [`Array::string_at`].
    pub fn offset(&self) -> usize {
        self.reader.at()
    }
}

impl<'m> Iterator for Strings<'m> {
    type Item = &'m [u8];

    fn next(&mut self) -> Option<&'m [u8]> {
        self.left = self.left.checked_sub(1)?;
        self.reader.string(MAX_STRING_LEN, "a string").ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Strings<'_> {}

/// The ends of the longest arrays of strings, so that looking up a key need not walk a vocabulary.
///
/// A language model has two that matter, its tokens and its merges. Without these, each look-up of
/// a key behind them would step through 300,000 strings.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Strides {
    /// Offset of an array's first string, the offset behind its last one.
    spans: [(usize, usize); 4],
}

impl Strides {
    fn end(&self, start: usize) -> Option<usize> {
        let span = self.spans.iter().find(|span| span.0 == start)?;
        (span.1 > span.0).then_some(span.1)
    }

    /// Whether the array whose strings begin at `start` need not be walked.
    #[cfg(test)]
    pub(super) fn knows(&self, start: usize) -> bool {
        self.end(start).is_some()
    }

    fn remember(&mut self, start: usize, end: usize) {
        if let Some(shortest) = self.spans.iter_mut().min_by_key(|span| span.1 - span.0)
            && end - start > shortest.1 - shortest.0
        {
            *shortest = (start, end);
        }
    }
}

/// Reads the type and the value behind a key, checking all of it. Arrays of strings that `strides`
/// does not know are walked, and then it knows the longest ones.
pub(super) fn read<'m>(reader: &mut Reader<'m>, strides: &mut Strides) -> Result<Value<'m>, Error> {
    match read_type(reader, "the type of a value")? {
        ValueType::Str => Ok(Value::Str(reader.text(MAX_STRING_LEN, "a text value")?)),
        ValueType::Array => Ok(Value::Array(read_array(reader, strides)?)),
        value_type => {
            let at = reader.at();
            let size = value_type.size().unwrap_or(0);
            let bytes = reader.take(size as u64, "a value")?;
            // Only a boolean can fail to be a value of its own size.
            scalar(value_type, bytes).ok_or(Error::Bool {
                at,
                found: bytes.first().copied().unwrap_or(0),
            })
        }
    }
}

fn read_type(reader: &mut Reader<'_>, what: &'static str) -> Result<ValueType, Error> {
    let at = reader.at();
    let found = reader.u32(what)?;
    ValueType::from_number(found).ok_or(Error::ValueType { at, found })
}

fn read_array<'m>(reader: &mut Reader<'m>, strides: &mut Strides) -> Result<Array<'m>, Error> {
    let type_at = reader.at();
    let element_type = read_type(reader, "the element type of an array")?;
    if element_type == ValueType::Array {
        return Err(Error::NestedArray { at: type_at });
    }
    let count_at = reader.at();
    let found = reader.u64("the length of an array")?;
    let start = *reader;

    // A string takes at least the eight bytes of its length.
    let least = element_type.size().unwrap_or(8);
    let most = reader.left() / least;
    let len = usize::try_from(found)
        .ok()
        .filter(|&len| len <= most)
        .ok_or(Error::TooMany {
            what: "array elements",
            at: count_at,
            found,
            most: most as u64,
        })?;

    if element_type != ValueType::Str {
        let encoded = reader.take((len * least) as u64, "an array")?;
        if element_type == ValueType::Bool
            && let Some(index) = encoded.iter().position(|&byte| byte > 1)
        {
            return Err(Error::Bool {
                at: start.at() + index,
                found: encoded[index],
            });
        }
        return Ok(Array {
            element_type,
            len,
            encoded,
        });
    }

    let end = if let Some(end) = strides.end(start.at()) {
        end
    } else {
        let mut walk = start;
        for _ in 0..len {
            walk.string(MAX_STRING_LEN, "a string of an array")?;
        }
        strides.remember(start.at(), walk.at());
        walk.at()
    };
    let encoded = reader.take((end - start.at()) as u64, "an array of strings")?;
    Ok(Array {
        element_type,
        len,
        encoded,
    })
}
