//! The form in which Qwen3.5 calls tools:
//!
//! ```text
//! <function=weather>
//! <parameter=city>
//! Kyoto
//! </parameter>
//! </function>
//! ```
//!
//! A value has no type there. What is JSON other than a string is taken for it, all else for text; whoever
//! knows the function knows better.

use core::fmt::{self, Write as _};

use super::json;

const END_FUNCTION: &str = "</function>";
const PARAMETER: &str = "<parameter=";
const END_PARAMETER: &str = "</parameter>";

/// The parameters of a call that was checked. Displayed as a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters<'c>(&'c str);

/// The name of the function and its parameters; `None` if it is no such call.
pub(super) fn parse(text: &str) -> Option<(&str, Parameters<'_>)> {
    let rest = text.trim_start().strip_prefix("<function=")?;
    let (name, rest) = rest.split_once('>')?;
    let inner = rest.trim_end().strip_suffix(END_FUNCTION)?;
    let mut parameters = Parameters(inner);
    while parameters.next()?.is_some() {}
    let is_name = !name.is_empty() && !name.contains(|c: char| c == '<' || c.is_control());
    is_name.then_some((name, Parameters(inner)))
}

impl<'c> Parameters<'c> {
    /// The next name and value, `Some(None)` at the end, `None` if something else is there.
    #[allow(clippy::option_option, reason = "an end is no fault")]
    fn next(&mut self) -> Option<Option<(&'c str, &'c str)>> {
        let rest = self.0.trim_start();
        if rest.is_empty() {
            return Some(None);
        }
        let (name, rest) = rest.strip_prefix(PARAMETER)?.split_once('>')?;
        let (value, rest) = rest.split_once(END_PARAMETER)?;
        self.0 = rest;
        let value = value.strip_prefix('\n').unwrap_or(value);
        let value = value.strip_suffix('\n').unwrap_or(value);
        Some(Some((name, value)))
    }
}

impl fmt::Display for Parameters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut rest, mut is_first) = (*self, true);
        f.write_char('{')?;
        while let Some(Some((name, value))) = rest.next() {
            if !is_first {
                f.write_str(", ")?;
            }
            is_first = false;
            write_string(f, name)?;
            f.write_str(": ")?;
            if json::is_value(value) {
                f.write_str(value.trim())?;
            } else {
                write_string(f, value)?;
            }
        }
        f.write_char('}')
    }
}

fn write_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            '\0'..='\u{1f}' => write!(f, "\\u{:04x}", u32::from(c))?,
            _ => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    #[test]
    fn parameters_become_an_object() {
        let text = "\n<function=f>\n<parameter=a>\n1.5\n</parameter>\n<parameter=b>\n[\"x\", {}]\n</parameter>\
            <parameter=c>two\nlines\u{1}\\</parameter>\n<parameter=d>\n\n</parameter>\n</function>\n";
        let (name, parameters) = parse(text).unwrap();
        assert_eq!(name, "f");
        assert_eq!(
            parameters.to_string(),
            r#"{"a": 1.5, "b": ["x", {}], "c": "two\nlines\u0001\\", "d": ""}"#
        );
    }

    #[test]
    fn what_is_no_call_is_none() {
        for text in [
            "",
            "<function=>\n</function>",
            "<function=f>",
            "<function=f\n></function>",
            "<function=f>x</function>",
            "<function=f><parameter=a>1</function>",
            "<function=f><parameter=a></function>",
            "</function><function=f>",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
