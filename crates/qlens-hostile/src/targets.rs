//! What is done with an input: a plain function of its bytes, whoever made them.

mod answer;
mod manifest;
mod model;
mod schema;
mod template;
mod tokenizer;

use std::fmt;

use crate::mutate::Words;

/// A kind of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// A model's file, plain or packed, up to two decoded tokens; some are interleaved in place before.
    Model,
    /// A file's vocabulary, with the index that it brings along or without, and texts through it.
    Tokenizer,
    /// A JSON schema, or a list of choices, and an answer held to it.
    Schema,
    /// A chat template: what the runtime makes of it, and the template itself, run.
    Template,
    /// A model's answer with thoughts and tool calls, in pieces.
    Answer,
    /// A model's manifest.
    Manifest,
}

/// What became of an input. That it is one of these is all that is asked of hostile input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was refused with a sentence.
    Refused,
    /// It asks for more memory than there is, which is known before any is taken.
    TooLarge,
    /// It was taken for what it says it is.
    Taken,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Model,
        Self::Tokenizer,
        Self::Schema,
        Self::Template,
        Self::Answer,
        Self::Manifest,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Tokenizer => "tokenizer",
            Self::Schema => "schema",
            Self::Template => "template",
            Self::Answer => "answer",
            Self::Manifest => "manifest",
        }
    }

    /// Runs an input. Bytes that are no text become one.
    ///
    /// # Panics
    /// If what reads it is wrong.
    pub fn run(self, input: &[u8]) -> Outcome {
        let text = || String::from_utf8_lossy(input);
        match self {
            Self::Model => model::run(input),
            Self::Tokenizer => tokenizer::run(input),
            Self::Schema => schema::run(&text()),
            Self::Template => template::run(&text()),
            Self::Answer => answer::run(&text()),
            Self::Manifest => manifest::run(&text()),
        }
    }

    /// The words of its language; `None` if it is a GGUF file.
    pub fn words(self) -> Option<&'static Words> {
        match self {
            Self::Model | Self::Tokenizer => None,
            Self::Schema => Some(&schema::WORDS),
            Self::Template => Some(&template::WORDS),
            Self::Answer => Some(&answer::WORDS),
            Self::Manifest => Some(&manifest::WORDS),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::TooLarge => "too large",
            Self::Taken => "taken",
        })
    }
}

/// Every refusal is a sentence.
fn refused(sentence: impl fmt::Display) -> Outcome {
    let sentence = sentence.to_string();
    assert!(
        sentence.len() > 8 && !sentence.contains('\n'),
        "no sentence: {sentence:?}"
    );
    Outcome::Refused
}

/// A number that depends on all of an input and nothing else, for what has to be decided somehow.
fn digest(input: &[u8]) -> u64 {
    let step = 1 + input.len() / 4096;
    let bytes = input.iter().step_by(step);
    bytes.fold(input.len() as u64, |sum, byte| {
        sum.rotate_left(7).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(*byte)
    })
}
