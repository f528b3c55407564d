//! A model's answer, taken apart while it comes.

use qlens::chat::{Event, Parser};

use super::Outcome;
use crate::mutate::Words;

pub static WORDS: Words = Words {
    pieces: &[
        "<think>",
        "</think>",
        "<tool_call>",
        "</tool_call>",
        "<tool_call>\n",
        "\n</tool_call>",
        "<",
        "</",
        "\n",
        "\n\n",
        "{\"name\": \"f\", \"arguments\": {}}",
        "{\"arguments\": {\"a\": [1, -0.5e3]}, \"name\": \"g\"}",
        "\"name\": ",
        "\"arguments\": ",
        "<function=f>",
        "</function>",
        "<parameter=p>",
        "</parameter>",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        "\\u",
        "\\ud83d",
        ",",
        ":",
        "-",
        "0",
        "1e5",
        "true",
        "null",
        "nul",
    ],
    brackets: &[
        ("{\"a\":", "}"),
        ("[", "]"),
        ("<think>", "</think>"),
        ("<tool_call>", "</tool_call>"),
        (
            "<function=f>\n<parameter=p>\n",
            "\n</parameter>\n</function>",
        ),
        ("\"", "\""),
        ("\n", "\n"),
        ("<", ""),
    ],
};

#[derive(Debug, PartialEq)]
enum Part {
    Thinking(String),
    Answer(String),
    Call(String, String),
    Broken(String),
}

pub fn run(text: &str) -> Outcome {
    let mut outcome = Outcome::Refused;
    // Answers that the prompt began with a thought, and others.
    for is_thinking in [false, true] {
        // Calls that fit, and calls that do not.
        for parts in [
            whole_and_cut::<4096>(text, is_thinking),
            whole_and_cut::<64>(text, is_thinking),
        ] {
            if parts.iter().any(|part| matches!(part, Part::Call(..))) {
                outcome = Outcome::Taken;
            }
        }
    }
    outcome
}

/// The parts of the answer, which are the same however it is cut.
fn whole_and_cut<const N: usize>(text: &str, is_thinking: bool) -> Vec<Part> {
    let whole = parts::<N>(std::iter::once(text), is_thinking);
    let chars = text
        .char_indices()
        .map(|(at, c)| &text[at..at + c.len_utf8()]);
    let cut = parts::<N>(chars, is_thinking);
    assert_eq!(whole, cut, "the pieces it comes in change the answer");
    whole
}

fn parts<'t, const N: usize>(
    pieces: impl Iterator<Item = &'t str>,
    is_thinking: bool,
) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut take = |event: Event<'_>| match (event, parts.last_mut()) {
        (Event::Thinking(more), Some(Part::Thinking(text)))
        | (Event::Answer(more), Some(Part::Answer(text))) => text.push_str(more),
        (Event::Thinking(text), _) => parts.push(Part::Thinking(text.to_owned())),
        (Event::Answer(text), _) => parts.push(Part::Answer(text.to_owned())),
        (Event::Call { name, arguments }, _) => {
            parts.push(Part::Call(name.to_owned(), arguments.to_string()));
        }
        (Event::BrokenCall { fault, text }, _) => {
            parts.push(Part::Broken(format!("{fault}: {text}")));
        }
    };
    let mut parser = Parser::<N>::new(is_thinking);
    for piece in pieces {
        parser.push(piece, &mut take);
    }
    parser.finish(&mut take);
    parts
}
