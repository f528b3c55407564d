//! A tool call, read as it comes: `{"name": "weather", "arguments": {"city": "Kyoto"}}`, checked byte by
//! byte, or the XML of Qwen3.5 ([`xml`](super::xml)), checked when it has come.

use core::{fmt, ops::Range};

use heapless::String;

use super::{END_CALL, Event, json::Json, xml};

/// Why a tool call is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fault {
    /// It is neither JSON nor in the form of `<function=…>`.
    Syntax,
    /// It is nested deeper than 64 levels.
    TooDeep,
    /// It has more bytes than there is room for.
    TooLong,
    /// It has no `name`, or one that is no plain text.
    Name,
    /// It has no `arguments`, or what it has is no object.
    Arguments,
    /// The answer ended in the middle of it.
    Unclosed,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "it is neither JSON nor <function=…> with its parameters",
            Self::TooDeep => "it is nested deeper than 64 levels",
            Self::TooLong => "it is too long",
            Self::Name => "its \"name\" is missing or no plain text",
            Self::Arguments => "its \"arguments\" are missing or no object",
            Self::Unclosed => "the answer ended in the middle of it",
        })
    }
}

/// What a tool is given. Displayed as a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments<'c> {
    /// The JSON object that the model wrote.
    Json(&'c str),
    /// The parameters that it wrote in XML.
    Xml(xml::Parameters<'c>),
}

impl fmt::Display for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(text) => f.write_str(text),
            Self::Xml(parameters) => parameters.fmt(f),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Unknown,
    Json(Json),
    /// JSON that is whole.
    Whole(Json),
    Xml,
    Broken(Fault),
}

/// A tool call under way.
#[derive(Clone, Debug)]
pub(super) struct Call<const N: usize> {
    text: String<N>,
    form: Form,
    /// Bytes of the closing tag that came last.
    closing: usize,
}

impl<const N: usize> Call<N> {
    pub(super) const fn new() -> Self {
        Self {
            text: String::new(),
            form: Form::Unknown,
            closing: 0,
        }
    }

    /// Takes the next character; true if that was the end of the closing tag.
    pub(super) fn push(&mut self, next: char) -> bool {
        if self.is_closing(next) {
            return self.closing == END_CALL.len();
        }
        match &mut self.form {
            Form::Unknown => {
                self.form = match next {
                    _ if next.is_ascii_whitespace() => return false,
                    '{' => Form::Json(Json::new()),
                    '<' => Form::Xml,
                    _ => Form::Broken(Fault::Syntax),
                };
                // A tag that closes at once looks like the beginning of XML.
                self.closing = usize::from(next == '<');
            }
            Form::Whole(_) if next.is_ascii_whitespace() => return false,
            Form::Whole(_) => self.form = Form::Broken(Fault::Syntax),
            Form::Json(_) | Form::Xml | Form::Broken(_) => {}
        }
        self.keep(next);
        false
    }

    /// Follows the closing tag. Within JSON there is none; behind it its text is not kept.
    fn is_closing(&mut self, next: char) -> bool {
        if matches!(self.form, Form::Unknown | Form::Json(_)) {
            return false;
        }
        let expected = END_CALL.as_bytes().get(self.closing).copied();
        self.closing = if expected.map(char::from) == Some(next) {
            self.closing + 1
        } else {
            usize::from(next == '<')
        };
        match self.form {
            Form::Whole(_) => self.closing > 0,
            _ => self.closing == END_CALL.len(),
        }
    }

    fn keep(&mut self, next: char) {
        let at = self.text.len();
        if self.text.push(next).is_err() {
            if !matches!(self.form, Form::Broken(_)) {
                self.form = Form::Broken(Fault::TooLong);
            }
            return;
        }
        let Form::Json(mut json) = self.form else {
            return;
        };
        let mut bytes = [0; 4];
        for (i, &byte) in next.encode_utf8(&mut bytes).as_bytes().iter().enumerate() {
            match json.push(byte, at + i) {
                Ok(true) => {
                    self.form = Form::Whole(json);
                    return;
                }
                Ok(false) => self.form = Form::Json(json),
                Err(fault) => {
                    self.form = Form::Broken(fault);
                    self.closing = usize::from(next == '<');
                    return;
                }
            }
        }
    }

    /// What it is, now that it has ended.
    pub(super) fn end(&self) -> Event<'_> {
        let text = self.text.as_str();
        let is_closed = self.closing == END_CALL.len();
        let read = match self.form {
            Form::Unknown | Form::Json(_) => Err(Fault::Unclosed),
            Form::Broken(fault) => Err(fault),
            Form::Whole(json) => self.of_json(&json),
            Form::Xml => {
                let kept = END_CALL.len() - 1;
                // All of the tag but its last character was kept.
                let inner = if is_closed {
                    &text[..text.len().saturating_sub(kept)]
                } else {
                    text
                };
                match xml::parse(inner) {
                    Some((name, parameters)) => Ok((name, Arguments::Xml(parameters))),
                    None if is_closed => Err(Fault::Syntax),
                    None => Err(Fault::Unclosed),
                }
            }
        };
        match read {
            Ok((name, arguments)) => Event::Call { name, arguments },
            Err(fault) => {
                let has_tag = is_closed && !matches!(self.form, Form::Whole(_));
                let tag = &END_CALL[..END_CALL.len() - 1];
                let text = match text.strip_suffix(tag) {
                    Some(before) if has_tag => before,
                    _ => text,
                };
                Event::BrokenCall { fault, text }
            }
        }
    }

    fn of_json(&self, json: &Json) -> Result<(&str, Arguments<'_>), Fault> {
        let slice = |range: &Option<Range<usize>>| {
            let range = range.clone()?;
            self.text.get(range)
        };
        let [name, arguments] = json.fields();
        let name = slice(&name)
            .and_then(|name| name.strip_prefix('"')?.strip_suffix('"'))
            .filter(|name| !name.is_empty() && !name.contains('\\'))
            .ok_or(Fault::Name)?;
        let arguments = slice(&arguments)
            .filter(|arguments| arguments.starts_with('{'))
            .ok_or(Fault::Arguments)?;
        Ok((name, Arguments::Json(arguments)))
    }
}

#[cfg(test)]
mod tests {
    use std::{format, string::String};

    use super::*;

    fn read<const N: usize>(text: &str) -> String {
        let mut call = Call::<N>::new();
        for c in text.chars() {
            assert!(!call.push(c), "{text:?}");
        }
        match call.end() {
            Event::Call { name, arguments } => format!("{name} {arguments}"),
            Event::BrokenCall { fault, .. } => format!("{fault:?}"),
            event => panic!("{event:?}"),
        }
    }

    #[test]
    fn calls_are_read_and_what_is_none_says_why() {
        let deep = format!(
            "{{\"name\": \"f\", \"arguments\": {{\"a\": {}",
            "[".repeat(63)
        );
        for (text, expected) in [
            (
                "{\"name\": \"f\", \"arguments\": {\"a\": [1, -2.5e+3, true, null, \"\\u00e9\\n\"]}}",
                "f {\"a\": [1, -2.5e+3, true, null, \"\\u00e9\\n\"]}",
            ),
            (
                " { \"id\" : 0 , \"arguments\" : { } , \"name\" : \"a.b-c\" } ",
                "a.b-c { }",
            ),
            ("{\"name\": \"f\"}", "Arguments"),
            ("{\"name\": \"f\", \"arguments\": \"{}\"}", "Arguments"),
            ("{\"name\": \"f\", \"arguments\": []}", "Arguments"),
            ("{\"arguments\": {}}", "Name"),
            ("{\"name\": 1, \"arguments\": {}}", "Name"),
            ("{\"name\": \"\", \"arguments\": {}}", "Name"),
            ("{\"name\": \"a\\n\", \"arguments\": {}}", "Name"),
            // Only the outermost object's count.
            ("{\"x\": {\"name\": \"f\", \"arguments\": {}}}", "Name"),
            ("{\"name\": \"f\", \"arguments\": {}", "Unclosed"),
            ("{\"name\": \"f\", \"arguments\": {}}}", "Syntax"),
            ("{\"name\": \"f\" \"arguments\": {}}", "Syntax"),
            ("{\"a\": 01}", "Syntax"),
            ("{\"a\": 1,}", "Syntax"),
            ("{\"a\": [1,]}", "Syntax"),
            ("{\"a\": tru}", "Syntax"),
            ("{\"a\": \"\n\"}", "Syntax"),
            ("{\"a\": \"\\x\"}", "Syntax"),
            ("{a: 1}", "Syntax"),
            ("[]", "Syntax"),
            (&deep, "TooDeep"),
            ("", "Unclosed"),
            ("<function=f></function>", "f {}"),
            ("<function=f>", "Unclosed"),
        ] {
            assert_eq!(read::<256>(text), expected, "{text:?}");
        }
        assert_eq!(read::<8>("{\"name\": \"f\", \"arguments\": {}}"), "TooLong");
        assert_eq!(read::<0>("{"), "TooLong");
    }
}
