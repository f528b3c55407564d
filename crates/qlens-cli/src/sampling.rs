//! The flags that say how the next token is chosen.

use qlens::sampler::{Sampler, SamplerConfig};

use crate::failure::Failure;

/// How to choose the next token. The same seed gives the same answer on every machine.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// Temperature; 0 takes the most likely token, always
    #[arg(
        long = "temp",
        value_name = "T",
        default_value_t = 0.0,
        allow_negative_numbers = true,
        visible_alias = "temperature"
    )]
    temperature: f32,
    /// Choose among the K most likely tokens; 0 is off
    #[arg(long, value_name = "K", default_value_t = 0)]
    top_k: u32,
    /// Choose among the most likely tokens that are this likely together; 1 is off
    #[arg(
        long,
        value_name = "P",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    top_p: f32,
    /// Choose among tokens at least P times as likely as the most likely one; 0 is off
    #[arg(
        long,
        value_name = "P",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    min_p: f32,
    /// Make tokens less likely that were among the last; 1 is off
    #[arg(
        long,
        value_name = "R",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    repetition_penalty: f32,
    /// How many tokens are the last ones
    #[arg(long, value_name = "N", default_value_t = SamplerConfig::default().repeat_last_n)]
    repeat_last_n: usize,
    /// Where the random numbers begin
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
}

impl SamplingArgs {
    /// The sampler that was asked for.
    pub fn sampler(&self) -> Result<Sampler, Failure> {
        Sampler::new(SamplerConfig {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            repeat_last_n: self.repeat_last_n,
            seed: self.seed,
        })
        .map_err(Failure::usage)
    }
}
