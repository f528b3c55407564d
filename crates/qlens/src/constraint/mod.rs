//! Answers that cannot be anything else: exactly one of a list of choices, or JSON of a schema.
//!
//! A [`Constraint`] is compiled once, into memory of the caller's. A [`Matcher`] follows one answer in it, byte by
//! byte, and says which tokens may come; [`Session::next_constrained`](crate::session::Session::next_constrained)
//! lets the sampler choose among these alone. Where the constraint is satisfied and nothing can follow, the answer
//! ends.
//!
//! ```
//! use qlens::{
//!     constraint::{Constraint, Matcher, TokenClasses},
//!     model::Model,
//!     plan::{Limits, Plan},
//!     sampler::Sampler,
//!     session::Session,
//!     tokenizer::Special,
//!     workers::Inline,
//! };
//!
//! # let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/qwen2-q4_0.gguf"))?;
//! # let model = Model::parse(&bytes)?;
//! # let plan = Plan::new(model.config(), &Limits { context: 128, ..Limits::default() })?;
//! # let mut arena = vec![0; plan.total()];
//! # let mut session = Session::new(&model, &plan, &mut arena, &Inline)?;
//! let mut memory = vec![0; session.tokenizer().n_vocab()]; // statics on bare metal
//! let tokens = TokenClasses::new(session.tokenizer(), &mut memory)?; // once a model
//! const INTENTS: [&str; 3] = ["navigate", "translate", "none of these"];
//! let mut memory = [0; Constraint::choices_words(&INTENTS)];
//! let constraint = Constraint::choices(&INTENTS, &mut memory)?; // once a list
//!
//! session.feed_text("Which intent is it?", Special::Plain)?;
//! let mut matcher = Matcher::new(&constraint, &tokens); // once an answer
//! let mut answer = String::new();
//! while let Some(piece) = session.next_constrained(&mut matcher, &mut Sampler::greedy(), &mut ())? {
//!     answer += piece.text;
//! }
//! assert!(INTENTS.contains(&answer.as_str()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Schemas
//!
//! Of JSON Schema (draft 2020-12):
//!
//! | | |
//! |---|---|
//! | `type` | one or a list: `object`, `array`, `string`, `integer`, `number`, `boolean`, `null` |
//! | `enum`, `const` | strings, numbers, booleans and null; a number as the schema spells it |
//! | `anyOf`, `oneOf` | alternatives that differ in their first character; lists of scalars are one alternative |
//! | `properties`, `required` | nothing else comes, as with `additionalProperties` false; in the schema's order |
//! | `items`, `minItems`, `maxItems` | |
//! | `minLength`, `maxLength` | in characters |
//! | `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum` | of integers |
//!
//! Titles, descriptions and other annotations are passed over; every other keyword is refused by name, `$ref` and
//! with it recursion among them. What is answered satisfies the schema. Not everything that does can be answered:
//! there is no space but one behind a comma or a colon, strings escape what has to be escaped (as `\n`, or else
//! `\u001f`), a number has at most 15 digits before its point, as many behind it, and no exponent, an integer has
//! at most 15; 16 objects and arrays may lie within each other.
//!
//! An answer that is cut, by [`Stop::MaxTokens`](crate::session::Stop::MaxTokens) say, is the beginning of one that
//! satisfies the schema. Strings without `maxLength` and arrays without `maxItems` may go on until then.

mod classes;
mod error;
mod json;
mod keywords;
mod matcher;
mod number;
mod program;
mod schema;
mod state;

pub use classes::TokenClasses;
pub use error::{Error, Name};
pub use matcher::Matcher;

use program::{Builder, MAX_TEXT, Program};

/// What an answer has to be.
#[derive(Debug, Clone, Copy)]
pub struct Constraint<'a> {
    program: Program<'a>,
    /// The node of the whole answer.
    node: u32,
}

impl<'a> Constraint<'a> {
    /// Words of memory that a list of choices needs.
    pub const fn choices_words(choices: &[&str]) -> usize {
        let (mut texts, mut at) = (0, 0);
        while at < choices.len() {
            texts += choices[at].len() + 2;
            at += 1;
        }
        choices.len() + 2 + texts.div_ceil(4)
    }

    /// Words of memory that are enough for a schema of that many bytes.
    pub const fn schema_words(bytes: usize) -> usize {
        bytes.saturating_add(16)
    }

    /// The answer is exactly one of `choices`.
    ///
    /// `memory` has [`choices_words`](Self::choices_words).
    ///
    /// # Errors
    /// There is no choice, or one is empty or has more than 65,535 bytes; or [`Error::Memory`].
    pub fn choices(choices: &[&str], memory: &'a mut [u32]) -> Result<Self, Error> {
        let mut builder = Builder::new(memory, Self::choices_words(choices));
        let literals = builder.begin_literals()?;
        for (index, choice) in choices.iter().enumerate() {
            let found = choice.len();
            if !(1..=MAX_TEXT).contains(&found) {
                return Err(Error::Choice {
                    index,
                    found,
                    most: MAX_TEXT,
                });
            }
            builder.literal(choice.bytes())?;
        }
        let node = builder.end_literals(literals).ok_or(Error::NoChoices)?;
        let program = builder.finish();
        Ok(Self { program, node })
    }

    /// The answer is JSON of this schema, which is JSON itself.
    ///
    /// `memory` has [`schema_words`](Self::schema_words).
    ///
    /// # Errors
    /// [`Error`] says where the schema is wrong, or asks for what is not supported.
    pub fn schema(schema: &str, memory: &'a mut [u32]) -> Result<Self, Error> {
        let enough = Self::schema_words(schema.len());
        let (program, node) = schema::compile(schema, memory, enough)?;
        Ok(Self { program, node })
    }
}
