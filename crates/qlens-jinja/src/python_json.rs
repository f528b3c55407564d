//! JSON as Python writes it, and with it the templates that models were trained with: a space behind each
//! comma and colon, no character escaped that need not be.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        separate(out, first)
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        separate(out, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

fn separate<W: Write + ?Sized>(out: &mut W, first: bool) -> io::Result<()> {
    if first { Ok(()) } else { out.write_all(b", ") }
}

/// A value on one line.
///
/// # Errors
/// It is nothing that JSON has, as a map with keys that are no text.
pub fn line(value: &impl Serialize) -> serde_json::Result<String> {
    written(value, Spaced)
}

/// A value indented by so many spaces a level.
///
/// # Errors
/// As [`line()`].
pub fn indented(value: &impl Serialize, spaces: usize) -> serde_json::Result<String> {
    written(
        value,
        PrettyFormatter::with_indent(" ".repeat(spaces.min(16)).as_bytes()),
    )
}

fn written(value: &impl Serialize, formatter: impl Formatter) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))?;
    Ok(String::from_utf8(bytes).unwrap_or_default())
}
