//! Tells the parts of an answer apart while it comes: what the model thinks, what it says, what it calls.
//!
//! An answer comes in pieces that may cut a tag anywhere. What might be the beginning of one is held back
//! until it is clear, and so are line breaks, which belong to the text only if more of it follows.
//!
//! | tag | in what is said | in a thought | in a tool call |
//! |---|---|---|---|
//! | `<think>` | begins a thought if nothing was said yet, else text | text | the call's |
//! | `</think>` | left out | ends it | the call's |
//! | `<tool_call>` | begins a call | text | the call's |
//! | `</tool_call>` | left out | text | ends it, but for one in a JSON string |
//!
//! At the end of the answer a thought may be open, half of a tag is text, and a call without its tag is one
//! if it is whole.

use heapless::String;

use super::{
    CALL, END_CALL, END_THINK, THINK,
    tools::{Arguments, Call, Fault},
};

/// What comes next in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'e> {
    /// A thought goes on.
    Thinking(&'e str),
    /// The answer itself goes on.
    Answer(&'e str),
    /// A tool is to be called.
    Call {
        /// Its name.
        name: &'e str,
        /// What it is given.
        arguments: Arguments<'e>,
    },
    /// A tool call that is none.
    BrokenCall {
        /// Why.
        fault: Fault,
        /// Its text, as far as it was kept.
        text: &'e str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Answer,
    Thinking,
    Call,
}

/// Line breaks to take held ones from.
const LINE_BREAKS: &str = "\n\n\n\n\n\n\n\n";

/// Takes an answer apart. A tool call may have up to `N` bytes.
#[derive(Clone, Debug)]
pub struct Parser<const N: usize> {
    section: Section,
    /// The beginning of what may become a tag.
    tag: String<16>,
    /// Line breaks that came last and may be the end of a section.
    line_breaks: usize,
    /// Nothing of a section came that another goes before: line breaks there are no part of it.
    is_fresh: bool,
    /// Nothing was said yet.
    may_think: bool,
    call: Call<N>,
}

impl<const N: usize> Parser<N> {
    /// At the beginning of an answer; with `is_thinking` in a thought that the prompt began.
    pub const fn new(is_thinking: bool) -> Self {
        Self {
            section: if is_thinking {
                Section::Thinking
            } else {
                Section::Answer
            },
            tag: String::new(),
            line_breaks: 0,
            is_fresh: is_thinking,
            may_think: true,
            call: Call::new(),
        }
    }

    /// Whether a thought is open.
    pub fn is_thinking(&self) -> bool {
        self.section == Section::Thinking
    }

    /// The answer goes on with `text`.
    pub fn push(&mut self, text: &str, out: &mut dyn FnMut(Event<'_>)) {
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let behind = &rest[next.len_utf8()..];
            if self.section == Section::Call {
                if self.call.push(next) {
                    out(self.call.end());
                    self.enter(Section::Answer);
                }
                rest = behind;
            } else if !self.tag.is_empty() {
                if self.begins_tag(next) {
                    rest = behind;
                    self.end_of_tag();
                } else {
                    let text = core::mem::take(&mut self.tag);
                    self.text(&text, out);
                }
            } else if next == '<' {
                // One byte fits.
                let _ = self.tag.push(next);
                rest = behind;
            } else {
                let (text, behind) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
                self.text(text, out);
                rest = behind;
            }
        }
    }

    /// The answer has ended.
    pub fn finish(&mut self, out: &mut dyn FnMut(Event<'_>)) {
        let text = core::mem::take(&mut self.tag);
        self.text(&text, out);
        match self.section {
            Section::Answer => self.flush(out),
            Section::Thinking => self.line_breaks = 0,
            Section::Call => {
                out(self.call.end());
                self.enter(Section::Answer);
            }
        }
    }

    /// Adds a character to what may become a tag, if it still may.
    fn begins_tag(&mut self, next: char) -> bool {
        let len = self.tag.len();
        let is_one = self.tag.push(next).is_ok()
            && self
                .tags()
                .iter()
                .any(|tag| tag.starts_with(self.tag.as_str()));
        if !is_one {
            self.tag.truncate(len);
        }
        is_one
    }

    /// The tags that mean something here.
    fn tags(&self) -> &'static [&'static str] {
        match self.section {
            Section::Answer if self.may_think => &[CALL, END_THINK, END_CALL, THINK],
            Section::Answer => &[CALL, END_THINK, END_CALL],
            Section::Thinking => &[END_THINK],
            Section::Call => &[],
        }
    }

    /// Does what a tag says, if it is whole.
    fn end_of_tag(&mut self) {
        let section = match self.tag.as_str() {
            THINK => Section::Thinking,
            CALL => Section::Call,
            END_THINK | END_CALL => Section::Answer,
            _ => return,
        };
        self.tag.clear();
        if self.section == Section::Answer && section == Section::Answer {
            // One that ends nothing.
            return;
        }
        self.enter(section);
    }

    fn enter(&mut self, section: Section) {
        self.may_think = false;
        (self.section, self.line_breaks, self.is_fresh) = (section, 0, true);
        if section == Section::Call {
            self.call = Call::new();
        }
    }

    /// Text of this section.
    fn text(&mut self, text: &str, out: &mut dyn FnMut(Event<'_>)) {
        let text = if self.is_fresh {
            text.trim_start_matches('\n')
        } else {
            text
        };
        let shown = text.trim_end_matches('\n');
        if !shown.is_empty() {
            self.flush(out);
            self.is_fresh = false;
            if self.section == Section::Answer {
                self.may_think &= shown.trim().is_empty();
            }
            out(self.event(shown));
        }
        self.line_breaks += text.len() - shown.len();
    }

    /// Line breaks that were held back after all.
    fn flush(&mut self, out: &mut dyn FnMut(Event<'_>)) {
        while self.line_breaks > 0 {
            let some = self.line_breaks.min(LINE_BREAKS.len());
            self.line_breaks -= some;
            out(self.event(&LINE_BREAKS[..some]));
        }
    }

    fn event<'e>(&self, text: &'e str) -> Event<'e> {
        match self.section {
            Section::Thinking => Event::Thinking(text),
            Section::Answer | Section::Call => Event::Answer(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{format, string::String, vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    /// Events in writing, neighbouring texts of a kind joined.
    fn told(is_thinking: bool, pieces: &[&str]) -> Vec<String> {
        let mut parser = Parser::<256>::new(is_thinking);
        let mut told: Vec<String> = Vec::new();
        let mut tell = |event: Event<'_>| {
            let (kind, text) = match event {
                Event::Thinking(text) => ("T:", String::from(text)),
                Event::Answer(text) => ("A:", String::from(text)),
                Event::Call { name, arguments } => ("C:", format!("{name} {arguments}")),
                Event::BrokenCall { fault, text } => ("B:", format!("{fault:?} {text}")),
            };
            match told.last_mut() {
                Some(last) if matches!(kind, "T:" | "A:") && last.starts_with(kind) => {
                    *last += &text;
                }
                _ => told.push(String::from(kind) + &text),
            }
        };
        for piece in pieces {
            parser.push(piece, &mut tell);
        }
        parser.finish(&mut tell);
        told
    }

    const CASES: &[(bool, &str, &[&str])] = &[
        (false, "", &[]),
        (false, "Hello.\n", &["A:Hello.\n"]),
        (false, "\n a < b\n\n<b>", &["A:\n a < b\n\n<b>"]),
        (
            false,
            "<think>\nHm.\n\nSo.\n</think>\n\nYes.\n\nNo.",
            &["T:Hm.\n\nSo.", "A:Yes.\n\nNo."],
        ),
        (false, "\n<think>a</think>b", &["T:a", "A:b"]),
        (true, "Hm.\n</think>\n\nYes.", &["T:Hm.", "A:Yes."]),
        (true, "\n\nnever ends\n", &["T:never ends"]),
        (true, "</think>", &[]),
        // Nested, stray, late and cut tags.
        (
            false,
            "<think>a<think>b<tool_call></think>c</think>d",
            &["T:a<think>b<tool_call>", "A:cd"],
        ),
        (false, "a <think>b", &["A:a <think>b"]),
        (false, "<think>a</think><think>b", &["T:a", "A:<think>b"]),
        (false, "a</tool_call>b</think>c", &["A:abc"]),
        (false, "a<thi", &["A:a<thi"]),
        (false, "<<think>", &["A:<<think>"]),
        (true, "a</thi", &["T:a</thi"]),
        (true, "a<</think>b", &["T:a<", "A:b"]),
        // Calls.
        (
            false,
            "Look:\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"</tool_call>\"}}\n</tool_call>\nDone",
            &["A:Look:", "C:f {\"a\": \"</tool_call>\"}", "A:Done"],
        ),
        (
            true,
            "x</think>\n\n<tool_call>{\"arguments\":{},\"name\":\"f\"}</tool_call><tool_call>{\"name\":\"g\",\"arguments\":{}}",
            &["T:x", "C:f {}", "C:g {}"],
        ),
        (
            false,
            "<tool_call>\n<function=f>\n<parameter=city>\nTokyo\n\"x\"\n</parameter>\n<parameter=n>\n3\n</parameter>\n</function>\n</tool_call>",
            &["C:f {\"city\": \"Tokyo\\n\\\"x\\\"\", \"n\": 3}"],
        ),
        (
            false,
            "<tool_call>none</tool_call>a",
            &["B:Syntax none", "A:a"],
        ),
        (false, "<tool_call>{\"name", &["B:Unclosed {\"name"]),
        (false, "<tool_call>", &["B:Unclosed "]),
    ];

    #[test]
    fn parts_are_told_apart_however_they_are_cut() {
        for &(is_thinking, text, expected) in CASES {
            assert_eq!(told(is_thinking, &[text]), expected, "{text:?}");
            let chars: Vec<String> = text.chars().map(String::from).collect();
            let chars: Vec<&str> = chars.iter().map(String::as_str).collect();
            assert_eq!(
                told(is_thinking, &chars),
                expected,
                "{text:?} in characters"
            );
            for (cut, _) in text.char_indices() {
                let (a, b) = text.split_at(cut);
                assert_eq!(
                    told(is_thinking, &[a, b]),
                    expected,
                    "{text:?} cut at {cut}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn no_answer_is_too_odd(
            is_thinking: bool,
            parts in prop::collection::vec(prop_oneof![
                Just("<think>"), Just("</think>"), Just("<tool_call>"), Just("</tool_call>"), Just("<"),
                Just("{\"name\": \"f\", \"arguments\": {\"a\": [1, \"é\"]}}"), Just("\n"), Just("的\\"), Just("\""),
                Just("<function=f>"), Just("</function>"), Just("<parameter=p>"), Just("</parameter>"), Just("{"),
            ], 0..24),
        ) {
            let text: String = parts.concat();
            prop_assert_eq!(told(is_thinking, &parts), told(is_thinking, &[&text]));
        }
    }
}
