//! `qlens perplexity`: how well a model foretells a text, counted as llama.cpp's tool of that name counts it,
//! so that figures compare.
//!
//! The text's tokens are cut into chunks of as many as the context holds, and what is left at the end does not
//! count. Each chunk is read by itself, and every token of its second half is scored by the probability that
//! it had after those before it; the first half is what the model knows by then. Special tokens in the text
//! are text. Where the model's file asks for a BOS, the text begins with it and it stands in place of each
//! chunk's first token. A line end at the end of the file is left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use qlens::session::{Interrupt, Progress, Session, Stop, Watch};
use qlens::tokenizer::{SCRATCH_BYTES, Special, Tokenizer};
use serde::Serialize;

use crate::failure::{Failure, reason};
use crate::interrupt;
use crate::model_file::ModelFile;
use crate::output::Output;
use crate::runtime::{Runtime, RuntimeArgs, Settings, rate, timed};

/// Tokens of a chunk when nobody says how many: as many as where figures are published.
const CONTEXT: usize = 512;

/// The second half of a chunk has to have a token that follows another of it.
const LEAST_CONTEXT: i64 = 3;

/// Work that is over sooner shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// Measure how well a model foretells a text: its perplexity, as llama.cpp's tool counts it
#[derive(clap::Args, Debug)]
pub struct PerplexityArgs {
    #[arg(value_name = "MODEL", help = "GGUF file or name of a known model")]
    model: PathBuf,
    #[arg(value_name = "FILE", help = "Text to foretell, in UTF-8")]
    text: PathBuf,
    /// Most chunks to read [default: all of the text]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    chunks: Option<u32>,
    #[arg(
        long,
        help = "Print one line of JSON: perplexity, standard_error, nll, chunks, scored_tokens, text_tokens, stats"
    )]
    json: bool,
    /// Tokens of a chunk [default: 512, or what the model was trained for if that is less]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(LEAST_CONTEXT..))]
    ctx: Option<u32>,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    perplexity: f64,
    /// Null where one token was scored.
    standard_error: Option<f64>,
    /// Mean negative log-likelihood of a scored token, in nats.
    nll: f64,
    chunks: usize,
    scored_tokens: usize,
    /// Of the whole file.
    text_tokens: usize,
    stats: Stats,
}

#[derive(Serialize)]
struct Stats {
    #[serde(flatten)]
    settings: Settings,
    seconds: f64,
    /// Tokens of the chunks that were read.
    tokens_per_second: Option<f64>,
}

/// Negative log-likelihoods, as sums.
#[derive(Debug, Default)]
struct Score {
    tokens: usize,
    sum: f64,
    squares: f64,
}

impl Score {
    fn add(&mut self, nll: f64) {
        self.tokens += 1;
        self.sum += nll;
        self.squares += nll * nll;
    }

    fn mean(&self) -> f64 {
        self.sum / self.tokens as f64
    }

    fn perplexity(&self) -> f64 {
        self.mean().exp()
    }

    /// That of the mean, carried over to the perplexity; `None` where there are not two tokens.
    fn standard_error(&self) -> Option<f64> {
        let others = self.tokens.checked_sub(1).filter(|&n| n > 0)?;
        let variance = self.squares / self.tokens as f64 - self.mean().powi(2);
        // Where all are alike, rounding may make it negative.
        let error = (variance.max(0.0) / others as f64).sqrt();
        Some(error * self.perplexity())
    }
}

/// Runs the verb.
pub fn run(args: &PerplexityArgs) -> Result<(), Failure> {
    let text = read(&args.text)?;
    interrupt::listen();
    let file = ModelFile::open(&args.model)?;
    let model = file.model()?;
    let usual = CONTEXT.min(model.config().n_ctx_train);
    let context = args.ctx.map_or(usual, |tokens| tokens as usize);
    let mut runtime = Runtime::new(&file, &model, &args.runtime, context)?;
    let (mut session, settings) = runtime.session()?;

    let mut tokens = encode(session.tokenizer(), &text)?;
    let text_tokens = tokens.len();
    let whole = text_tokens / context;
    if whole == 0 {
        return Err(Failure::of_file(
            &args.text,
            format_args!(
                "it has {text_tokens} tokens and a chunk needs {context}: \
                 use a longer text or a smaller --ctx"
            ),
        ));
    }
    let chunks = args.chunks.map_or(whole, |most| whole.min(most as usize));
    let bos = session.tokenizer().bos();
    let (mut score, mut reader) = (Score::default(), Reader::new(chunks * context));
    let (outcome, took) = timed(|| {
        let mut chunks = tokens.chunks_exact_mut(context).take(chunks);
        chunks.try_for_each(|chunk| {
            if let Some(bos) = bos {
                chunk[0] = bos;
            }
            score_chunk(&mut session, chunk, &mut score, &mut reader)
        })
    });
    drop(reader);
    outcome?;

    let mut output = Output::stdout();
    let (perplexity, standard_error) = (score.perplexity(), score.standard_error());
    let tokens_per_second = rate(chunks * context, took);
    if args.json {
        return output.json(&Report {
            perplexity,
            standard_error,
            nll: score.mean(),
            chunks,
            scored_tokens: score.tokens,
            text_tokens,
            stats: Stats {
                settings,
                seconds: took.as_secs_f64(),
                tokens_per_second,
            },
        });
    }
    let error = standard_error.map_or_else(String::new, |error| format!(" ± {error:.5}"));
    output.line(format_args!("perplexity {perplexity:.4}{error}"))?;
    eprintln!(
        "chunks: {chunks} of {context} tokens; scored: {} tokens; {:.2} s, {:.1} tokens/s",
        score.tokens,
        took.as_secs_f64(),
        tokens_per_second.unwrap_or_default()
    );
    Ok(())
}

/// The text of a file.
fn read(path: &Path) -> Result<String, Failure> {
    let refuse = |reason: String| Failure::of_file(path, reason);
    let bytes =
        fs::read(path).map_err(|error| refuse(format!("it cannot be read: {}", reason(&error))))?;
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        refuse(format!(
            "it is not text in UTF-8: byte {at} is {:#04x}",
            error.as_bytes()[at]
        ))
    })?;
    if text.is_empty() {
        return Err(refuse("the file is empty; a text is needed".into()));
    }
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

fn encode(tokenizer: &Tokenizer<'_, '_>, text: &str) -> Result<Vec<u32>, Failure> {
    let mut tokens = Vec::from_iter(tokenizer.bos());
    let mut scratch = vec![0_u32; SCRATCH_BYTES.div_ceil(4)];
    let scratch = bytemuck::cast_slice_mut(&mut scratch);
    let encoded = tokenizer.encode(text, Special::Plain, scratch, &mut |id| {
        tokens.push(id);
        Ok(())
    });
    encoded.map(|_| tokens).map_err(Failure::new)
}

/// Scores the second half of a chunk.
fn score_chunk(
    session: &mut Session<'_, '_, '_>,
    chunk: &[u32],
    score: &mut Score,
    reader: &mut Reader,
) -> Result<(), Failure> {
    // Nothing is asked of what follows the last token, nor of what follows those of the first half.
    let (head, tail) = chunk[..chunk.len() - 1].split_at(chunk.len() / 2);
    session.clear();
    session.feed_tokens(head).map_err(Failure::new)?;
    session.prefill(reader).map_err(Failure::new)?;
    go_on(session)?;
    reader.before += head.len();
    session.feed_tokens(tail).map_err(Failure::new)?;
    let mut visit =
        |position: usize, logits: &[f32]| score.add(nll(logits, chunk[position + 1] as usize));
    session.logits(reader, &mut visit).map_err(Failure::new)?;
    go_on(session)?;
    reader.before += tail.len() + 1;
    if !score.perplexity().is_finite() {
        return Err(Failure::new(
            "the text has no perplexity: the model computes something that is no number, its weights are damaged",
        ));
    }
    reader.show(score.perplexity());
    Ok(())
}

/// Ends the run after a Ctrl-C.
fn go_on(session: &Session<'_, '_, '_>) -> Result<(), Failure> {
    if session.stop_reason() == Some(Stop::Cancelled) {
        return Err(interrupt::came().map_or_else(Failure::said, Failure::stopped));
    }
    Ok(())
}

/// The negative logarithm of the probability that logits give a token.
fn nll(logits: &[f32], token: usize) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let above = |logit: f32| f64::from(logit) - f64::from(largest);
    let sum: f64 = logits.iter().map(|&logit| above(logit).exp()).sum();
    sum.ln() - above(logits[token])
}

/// Stops at Ctrl-C; draws a bar on stderr where that is a terminal.
struct Reader {
    since: Instant,
    /// Tokens read before the ones that the session is at.
    before: usize,
    total: usize,
    bar: Option<ProgressBar>,
    perplexity: Option<f64>,
}

impl Reader {
    fn new(total: usize) -> Self {
        Self {
            since: Instant::now(),
            before: 0,
            total,
            bar: None,
            perplexity: None,
        }
    }

    /// Shows the perplexity so far beside the bar.
    fn show(&mut self, perplexity: f64) {
        self.perplexity = Some(perplexity);
        if let Some(bar) = &self.bar {
            bar.set_message(format!("perplexity {perplexity:.4}"));
        }
    }
}

impl Watch for Reader {
    fn check(&mut self, at: Progress) -> Option<Interrupt> {
        if interrupt::came().is_some() {
            return Some(Interrupt::Cancelled);
        }
        if self.since.elapsed() > PATIENCE {
            if self.bar.is_none() {
                self.bar = Some(bar(self.total));
                self.perplexity
                    .into_iter()
                    .for_each(|so_far| self.show(so_far));
            }
            if let Some(bar) = &self.bar {
                bar.set_position((self.before + at.done) as u64);
            }
        }
        None
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: usize) -> ProgressBar {
    let bar = ProgressBar::new(total as u64).with_message("reading the text");
    if let Ok(style) = ProgressStyle::with_template("{msg} [{wide_bar}] {pos}/{len} tokens {eta}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn perplexity_and_standard_error_are_by_definition() {
        let mut score = Score::default();
        for nll in [1.0, 2.0, 3.0, 6.0] {
            score.add(nll);
        }
        assert!(close(score.perplexity(), 3_f64.exp()));
        // The variance of the four is 3.5.
        let error = (3.5_f64 / 3.0).sqrt() * 3_f64.exp();
        assert!(close(score.standard_error().unwrap(), error));
    }

    #[test]
    fn one_token_has_no_standard_error_and_equal_ones_have_none_to_speak_of() {
        let mut score = Score::default();
        score.add(0.1);
        assert_eq!(score.standard_error(), None);
        score.add(0.1);
        score.add(0.1);
        assert!(close(score.standard_error().unwrap(), 0.0));
    }

    #[test]
    fn likelihoods_are_those_of_the_softmax() {
        assert!(close(nll(&[0.0, 0.0, 0.0, 0.0], 2), 4_f64.ln()));
        assert!(close(nll(&[3f32.ln(), 0.0], 1), 4_f64.ln()));
        assert!(close(nll(&[-1e30, 1e30], 1), 0.0));
        assert!(close(nll(&[1000.0, 999.0], 0), (1.0 + (-1_f64).exp()).ln()));
        for logits in [
            [f32::NAN, 0.0],
            [f32::INFINITY, 0.0],
            [f32::NEG_INFINITY; 2],
        ] {
            assert!(!nll(&logits, 0).is_finite());
        }
    }
}
