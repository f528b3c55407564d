//! A file's metadata, whole where it is short.

use std::borrow::Cow;
use std::fmt::Write as _;

use qlens::gguf::{Array, Gguf, Value};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use crate::failure::Failure;
use crate::output::Output;

/// Longer arrays, vocabularies above all, are told by type and length.
const MAX_ARRAY: usize = 32;
/// Characters of a text on a line for people.
const MAX_CHARS: usize = 100;

/// All keys of a file with their values, in its order.
pub struct Metadata<'m>(pub Gguf<'m>);

impl Metadata<'_> {
    /// Writes one line a key.
    pub fn print(&self, output: &mut Output) -> Result<(), Failure> {
        output.line(format_args!(
            "metadata         {} keys",
            self.0.metadata().len()
        ))?;
        for (key, value) in self.0.metadata() {
            let shown = match value {
                Value::Str(text) => one_line(text),
                value => {
                    let shown = serde_json::to_string(&Json(value)).map_err(Failure::new)?;
                    one_line(&shown)
                }
            };
            output.line(format_args!("  {} = {shown}", one_line(key)))?;
        }
        Ok(())
    }
}

/// The beginning of a text on one line, without anything that steers a terminal.
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    let mut chars = text.chars();
    for c in chars.by_ref().take(MAX_CHARS) {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    if chars.next().is_some() {
        // Writing to a string cannot fail.
        let _ = write!(line, " … ({} characters)", text.chars().count());
    }
    line
}

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.metadata().len()))?;
        for (key, value) in self.0.metadata() {
            map.serialize_entry(key, &Json(value))?;
        }
        map.end()
    }
}

/// A value as JSON has it; a number that is none becomes null.
struct Json<'m>(Value<'m>);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::U8(v) => serializer.serialize_u8(v),
            Value::I8(v) => serializer.serialize_i8(v),
            Value::U16(v) => serializer.serialize_u16(v),
            Value::I16(v) => serializer.serialize_i16(v),
            Value::U32(v) => serializer.serialize_u32(v),
            Value::I32(v) => serializer.serialize_i32(v),
            Value::U64(v) => serializer.serialize_u64(v),
            Value::I64(v) => serializer.serialize_i64(v),
            Value::F32(v) => serializer.serialize_f32(v),
            Value::F64(v) => serializer.serialize_f64(v),
            Value::Bool(v) => serializer.serialize_bool(v),
            Value::Str(v) => serializer.serialize_str(v),
            Value::Array(v) => elements(&v, serializer),
        }
    }
}

fn elements<S: Serializer>(array: &Array<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    if array.len() > MAX_ARRAY {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", array.element_type().name())?;
        map.serialize_entry("len", &array.len())?;
        return map.end();
    }
    let mut list = serializer.serialize_seq(Some(array.len()))?;
    if let Some(strings) = array.strings() {
        for string in strings {
            let text: Cow<'_, str> = String::from_utf8_lossy(string);
            list.serialize_element(&text)?;
        }
    } else {
        for value in array.scalars() {
            list.serialize_element(&Json(value))?;
        }
    }
    list.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(one_line("a\nb\x1b[2J"), "a\\nb\\u{1b}[2J");
        assert_eq!(
            one_line(&"好".repeat(101)),
            format!("{} … (101 characters)", "好".repeat(100))
        );
    }

    #[test]
    fn numbers_are_json() {
        let json = |value| serde_json::to_string(&Json(value)).unwrap();
        assert_eq!(json(Value::F32(0.5)), "0.5");
        assert_eq!(json(Value::F32(f32::NAN)), "null");
        assert_eq!(json(Value::I64(-3)), "-3");
        assert_eq!(json(Value::Bool(true)), "true");
    }
}
