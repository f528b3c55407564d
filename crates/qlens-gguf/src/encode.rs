//! Values, keys and tensors' entries as the format has them.

use qlens::gguf::{Value, ValueType};

/// A metadata entry as the format has it.
pub fn entry(key: &str, value: Value<'_>) -> Vec<u8> {
    let mut encoded = string(key.as_bytes());
    encoded.extend(value.value_type().number().to_le_bytes());
    encode(value, &mut encoded);
    encoded
}

/// A metadata entry of an array, up to its elements.
pub(crate) fn array(key: &str, element: ValueType, len: usize) -> Vec<u8> {
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
pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
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
