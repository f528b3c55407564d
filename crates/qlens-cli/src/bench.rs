//! `qlens bench`: how fast prompts are read and answers written on this machine.
//!
//! Each phase is warmed up once, with a number of tokens that does not depend on the flags, and then
//! repeated exactly as often as asked: so that the cost of a token is the difference between two runs
//! of different lengths, divided by the difference of the lengths, in whatever is counted outside. A token
//! is decoded without drafts, so that each costs the same; what drafts do to whole answers is measured with
//! prompts of a file ([`answers`]).

mod answers;

use std::time::Duration;

use qlens::sampler::Sampler;
use qlens::session::{Session, Stop};
use serde::Serialize;

use crate::failure::Failure;
use crate::interrupt;
use crate::model_file::ModelArg;
use crate::output::Output;
use crate::runtime::{
    Runtime, RuntimeArgs, Settings, peak_rss_bytes, timed, token_count, usual_context,
};
use crate::watch::Supervisor;

/// Tokens that each phase is warmed up with.
const WARM_UP: usize = 4;

/// Measure how many tokens a second a prompt is read and an answer is written with
#[derive(clap::Args, Debug)]
pub struct BenchArgs {
    #[command(flatten)]
    model: ModelArg,
    /// Tokens of the prompt; 0 measures no prompt
    #[arg(short = 'p', long, value_name = "N", default_value_t = 128)]
    prompt: u32,
    /// Tokens to decode after a prompt of one; 0 measures no decoding
    #[arg(short = 'n', long, value_name = "N", default_value_t = 64)]
    decode: u32,
    /// Measured repetitions, after one warm-up
    #[arg(short = 'r', long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    repetitions: u32,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
    /// Tokens that the session has room for [default: as many as are needed]
    #[arg(long, value_name = "N", value_parser = token_count())]
    ctx: Option<u32>,
    #[command(flatten)]
    answers: answers::AnswerArgs,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// Everything measured; a phase that was skipped is null.
#[derive(Serialize)]
struct Report {
    prefill: Option<Measurement>,
    decode: Option<Measurement>,
    /// One for each prompt of the file.
    answers: Vec<answers::Measurement>,
    settings: BenchSettings,
}

/// What it was measured with.
#[derive(Serialize)]
struct BenchSettings {
    model: String,
    model_bytes: u64,
    /// Bytes of weights that one decoded token reads.
    bytes_per_token: u64,
    #[serde(flatten)]
    runtime: Settings,
    repetitions: u32,
    warm_up_tokens: usize,
    peak_rss_bytes: Option<u64>,
}

/// Tokens a second of one phase.
#[derive(Serialize)]
struct Measurement {
    /// Tokens of one repetition.
    tokens: usize,
    /// Mean over the repetitions.
    tokens_per_second: f64,
    /// Standard deviation over the repetitions; 0 for a single one.
    spread: f64,
    /// Each repetition.
    samples: Vec<f64>,
}

impl Measurement {
    fn new(tokens: usize, times: &[Duration]) -> Self {
        let rates: Vec<f64> = times
            .iter()
            .map(|took| tokens as f64 / took.as_secs_f64().max(1e-9))
            .collect();
        let count = rates.len() as f64;
        let mean = rates.iter().sum::<f64>() / count;
        let squares: f64 = rates.iter().map(|rate| (rate - mean).powi(2)).sum();
        let spread = if rates.len() > 1 {
            (squares / (count - 1.0)).sqrt()
        } else {
            0.0
        };
        Self {
            tokens,
            tokens_per_second: mean,
            spread,
            samples: rates,
        }
    }
}

/// Runs the verb.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    let (prompt, decode) = (args.prompt as usize, args.decode as usize);
    let prompts = args.answers.prompts()?;
    if prompt == 0 && decode == 0 && prompts.is_empty() {
        return Err(Failure::usage(
            "there is nothing to measure with both -p 0 and -n 0",
        ));
    }
    interrupt::listen();
    let file = args.model.open()?;
    let model = file.model()?;
    // A decoded token follows another one.
    let needed = prompt.max(decode + 1).max(WARM_UP + 1);
    let context = match args.ctx {
        Some(tokens) => tokens as usize,
        None if prompts.is_empty() => needed,
        None => needed.max(usual_context(None, &model)),
    };
    if context < needed {
        return Err(Failure::usage(format_args!(
            "-p {prompt} -n {decode} need a context of {needed} tokens or more (--ctx {needed})"
        )));
    }
    let (bytes_per_token, n_vocab) = (model.bytes_per_token(), model.config().n_vocab);
    let mut runtime = Runtime::new(&file, &model, &args.runtime, context)?;
    let (session, settings) = runtime.session()?;
    let mut bench = Bench {
        session,
        tokens: token_list(needed, n_vocab),
    };
    let report = Report {
        prefill: bench.measure(prompt, args.repetitions, Bench::prefill)?,
        decode: bench.measure(decode, args.repetitions, Bench::decode)?,
        answers: answers::measure(&mut bench.session, &prompts, args.answers.draft())?,
        settings: BenchSettings {
            model: file.path().display().to_string(),
            model_bytes: file.size(),
            bytes_per_token,
            runtime: settings,
            repetitions: args.repetitions,
            warm_up_tokens: WARM_UP,
            peak_rss_bytes: peak_rss_bytes(),
        },
    };
    let mut output = Output::stdout();
    if args.json {
        output.json(&report)
    } else {
        report.print(&mut output)
    }
}

/// Tokens as a text might have them: spread over the vocabulary, the same in every run.
fn token_list(count: usize, n_vocab: usize) -> Vec<u32> {
    // The multiplier of Knuth's hash, so that neighbours are far apart.
    (1..=count as u64)
        .map(|i| (i.wrapping_mul(2_654_435_761) % n_vocab as u64) as u32)
        .collect()
}

/// A session to measure, and what to feed it.
struct Bench<'m, 's> {
    session: Session<'m, 's, 's>,
    tokens: Vec<u32>,
}

impl Bench<'_, '_> {
    /// Warms a phase up once and repeats it; `None` for a phase of no tokens.
    fn measure(
        &mut self,
        tokens: usize,
        repetitions: u32,
        run: impl Fn(&mut Self, usize) -> Result<Duration, Failure>,
    ) -> Result<Option<Measurement>, Failure> {
        if tokens == 0 {
            return Ok(None);
        }
        run(self, WARM_UP)?;
        let times = (0..repetitions)
            .map(|_| run(self, tokens))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Measurement::new(tokens, &times)))
    }

    /// Reads a prompt of `count` tokens.
    fn prefill(&mut self, count: usize) -> Result<Duration, Failure> {
        self.session.clear();
        self.session
            .feed_tokens(&self.tokens[..count])
            .map_err(Failure::new)?;
        let (read, took) = timed(|| self.session.prefill(&mut Supervisor::new()));
        read.map_err(Failure::new)?;
        go_on()?;
        Ok(took)
    }

    /// Decodes `count` tokens: each goes through the model, and the next is chosen.
    fn decode(&mut self, count: usize) -> Result<Duration, Failure> {
        let Self { session, tokens } = self;
        session.clear();
        session.set_max_tokens(None);
        session.set_draft(0);
        session.feed_tokens(&tokens[..1]).map_err(Failure::new)?;
        let mut sampler = Sampler::greedy();
        let mut supervisor = Supervisor::new();
        let (decoded, took) = timed(|| {
            for step in 1..=count {
                let piece = session.next(&mut sampler, &mut supervisor)?;
                // Where the model would end its turn, something else is put in its mouth.
                if piece.is_none_or(|piece| piece.token.is_none()) {
                    if session.stop_reason() == Some(Stop::Cancelled) {
                        break;
                    }
                    session.feed_tokens(&tokens[step..=step])?;
                }
            }
            Ok(())
        });
        decoded.map_err(|error: qlens::session::Error| Failure::new(error))?;
        go_on()?;
        Ok(took)
    }
}

/// Ends the run after a Ctrl-C.
fn go_on() -> Result<(), Failure> {
    interrupt::came().map_or(Ok(()), |signal| Err(Failure::stopped(signal)))
}

impl Report {
    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        for (name, phase) in [("prefill", &self.prefill), ("decode", &self.decode)] {
            if let Some(Measurement {
                tokens,
                tokens_per_second,
                spread,
                samples,
            }) = phase
            {
                output.line(format_args!(
                    "{name:<8} {tokens:>6} tokens {tokens_per_second:>10.2} ± {spread:.2} tokens/s, {} times",
                    samples.len()
                ))?;
            }
        }
        for answer in &self.answers {
            answer.print(output)?;
        }
        let BenchSettings {
            model,
            bytes_per_token,
            runtime,
            peak_rss_bytes,
            ..
        } = &self.settings;
        output.line(format_args!(
            "{model}: kernel {}, {} threads, batch {}, context {}, KV cache {}, {bytes_per_token} bytes of weights a decoded token, \
             peak memory {} bytes",
            runtime.kernel,
            runtime.threads,
            runtime.batch,
            runtime.context,
            runtime.kv,
            peak_rss_bytes.unwrap_or_default(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_spread() {
        let times = [1.0, 0.5].map(Duration::from_secs_f64);
        let measured = Measurement::new(10, &times);
        assert!((measured.tokens_per_second - 15.0).abs() < 1e-9);
        assert!((measured.spread - 50_f64.sqrt()).abs() < 1e-9);
        assert!(Measurement::new(10, &times[..1]).spread.abs() < 1e-9);
    }

    #[test]
    fn tokens_are_in_the_vocabulary() {
        assert!(token_list(1000, 288).iter().all(|&id| id < 288));
        assert_eq!(token_list(3, 1), [0, 0, 0]);
    }
}
