//! The flags that say what an answer has to be.

use std::fs;
use std::path::PathBuf;

use qlens::constraint::Constraint;

use crate::failure::{Failure, reason};

/// What the answer has to be
#[derive(clap::Args, Debug)]
pub struct ConstraintArgs {
    /// The answer is exactly one of these, which bars separate: 'yes|no|maybe'
    #[arg(
        long,
        value_name = "LIST",
        conflicts_with = "schema",
        allow_hyphen_values = true
    )]
    choices: Option<String>,
    /// The answer is JSON that satisfies the JSON schema in this file, as long as -n does not cut it
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
}

impl ConstraintArgs {
    /// The constraint that was asked for, if one was, in `memory`.
    pub fn compile<'a>(&self, memory: &'a mut Vec<u32>) -> Result<Option<Constraint<'a>>, Failure> {
        if let Some(list) = &self.choices {
            let choices: Vec<&str> = list.split('|').collect();
            memory.resize(Constraint::choices_words(&choices), 0);
            return Constraint::choices(&choices, memory)
                .map(Some)
                .map_err(|error| Failure::usage(format_args!("--choices {list:?}: {error}")));
        }
        let Some(path) = &self.schema else {
            return Ok(None);
        };
        let schema = fs::read_to_string(path).map_err(|error| {
            Failure::of_file(path, format_args!("cannot be read: {}", reason(&error)))
        })?;
        memory.resize(Constraint::schema_words(schema.len()), 0);
        Constraint::schema(&schema, memory)
            .map(Some)
            .map_err(|error| Failure::of_file(path, error))
    }
}
