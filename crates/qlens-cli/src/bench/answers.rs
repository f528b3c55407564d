//! Whole answers to the prompts of a file: how many tokens a pass of the model gives with drafts.

use std::path::PathBuf;

use qlens::chat::Chat;
use qlens::sampler::Sampler;
use qlens::session::Session;
use serde::{Deserialize, Serialize};

use super::go_on;
use crate::failure::{Failure, reason};
use crate::generate::{Answer, refuse_prompt};
use crate::output::Output;
use crate::runtime::DraftArgs;

/// Which prompts, and how they are answered.
#[derive(clap::Args, Debug)]
pub struct AnswerArgs {
    /// Answer each prompt of this TOML file as well, and count the tokens a pass of the model gives
    #[arg(long, value_name = "FILE")]
    prompts: Option<PathBuf>,
    #[command(flatten)]
    drafts: DraftArgs,
}

/// A file of prompts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prompts {
    prompt: Vec<Prompt>,
}

/// A question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    name: String,
    max_tokens: usize,
    text: String,
}

impl AnswerArgs {
    /// The prompts; none without a file.
    pub fn prompts(&self) -> Result<Vec<Prompt>, Failure> {
        let Some(path) = &self.prompts else {
            return Ok(Vec::new());
        };
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(format_args!("{name}: cannot be read: {}", reason(&error)))
        })?;
        let prompts: Prompts = toml::from_str(&text).map_err(|error| {
            Failure::new(format_args!(
                "{name}: no file of prompts: {}",
                error.message()
            ))
        })?;
        Ok(prompts.prompt)
    }

    /// Most tokens of a draft.
    pub fn draft(&self) -> usize {
        self.drafts.draft
    }
}

/// What an answer took.
#[derive(Serialize)]
pub struct Measurement {
    name: String,
    prompt_tokens: usize,
    tokens: usize,
    decode_passes: usize,
    tokens_per_pass: Option<f64>,
    tokens_per_second: Option<f64>,
}

/// Answers each of `prompts`, greedily.
pub fn measure(
    session: &mut Session<'_, '_, '_>,
    prompts: &[Prompt],
    draft: usize,
) -> Result<Vec<Measurement>, Failure> {
    session.set_draft(draft);
    let mut measured = Vec::new();
    for prompt in prompts {
        session.clear();
        session.set_max_tokens(Some(prompt.max_tokens));
        session
            .feed(&Chat::new().user(prompt.text.trim()))
            .map_err(|error| refuse_prompt(&error))?;
        let answer = Answer::generate(session, &mut Sampler::greedy(), None, &mut |_| Ok(()))?;
        go_on()?;
        measured.push(Measurement {
            name: prompt.name.clone(),
            prompt_tokens: answer.prefill_tokens,
            tokens: answer.tokens.len(),
            decode_passes: answer.decode_passes,
            tokens_per_pass: answer.tokens_per_pass(),
            tokens_per_second: answer.rate(),
        });
    }
    Ok(measured)
}

impl Measurement {
    /// One line of it.
    pub fn print(&self, output: &mut Output) -> Result<(), Failure> {
        output.line(format_args!(
            "{}: {} tokens after {} of the prompt, {} passes, {:.2} tokens a pass, {:.2} tokens/s",
            self.name,
            self.tokens,
            self.prompt_tokens,
            self.decode_passes,
            self.tokens_per_pass.unwrap_or_default(),
            self.tokens_per_second.unwrap_or_default(),
        ))
    }
}
