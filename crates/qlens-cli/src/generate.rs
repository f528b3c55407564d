//! `qlens generate`: one prompt, one answer.

use std::time::{Duration, Instant};

use clap::ArgGroup;
use qlens::chat::Chat;
use qlens::constraint::{Matcher, TokenClasses};
use qlens::sampler::Sampler;
use qlens::session::{Session, Stop};
use qlens::tokenizer::Special;
use serde::Serialize;

use crate::chat::format::{Format, FormatArgs};
use crate::chat::show::{Parts, Shown};
use crate::constrain::ConstraintArgs;
use crate::failure::Failure;
use crate::interrupt;
use crate::model_file::ModelArg;
use crate::output::Output;
use crate::runtime::{
    DraftArgs, Runtime, RuntimeArgs, Settings, peak_rss_bytes, rate, timed, token_count,
    usual_context,
};
use crate::sampling::SamplingArgs;
use crate::watch::Supervisor;

/// Continue a prompt, or answer a question
#[derive(clap::Args, Debug)]
#[command(group = ArgGroup::new("input").required(true).args(["tokens", "prompt", "chat"]))]
pub struct GenerateArgs {
    #[command(flatten)]
    model: ModelArg,
    /// Continue these tokens: ids separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    tokens: Vec<u32>,
    /// Continue this text; special tokens in it count
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// Answer this question, as the model was trained to
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    chat: Option<String>,
    /// What the model is told before the question [default: what its file says]
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["tokens", "prompt"], allow_hyphen_values = true)]
    system: Option<String>,
    /// Most tokens to generate
    #[arg(short = 'n', long, value_name = "N", default_value_t = 256)]
    max_tokens: usize,
    #[arg(
        long,
        help = "Print one line of JSON in place of the text: prompt_tokens, tokens, text, stop, stats; with --chat \
                also thinking and tool_calls, where there are any"
    )]
    json: bool,
    /// Tokens of prompt and answer together [default: 2048, or what the model was trained for if that is less]
    #[arg(long, value_name = "N", value_parser = token_count())]
    ctx: Option<u32>,
    #[command(flatten)]
    constraint: ConstraintArgs,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    drafts: DraftArgs,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    prompt_tokens: &'a [u32],
    /// The stop token left out.
    tokens: &'a [u32],
    text: &'a str,
    #[serde(flatten)]
    parts: Option<&'a Parts>,
    stop: &'static str,
    stats: Stats,
}

/// Sizes and times; times are in seconds.
#[derive(Serialize)]
struct Stats {
    #[serde(flatten)]
    settings: Settings,
    peak_rss_bytes: Option<u64>,
    /// From the start of the program to a session that is ready.
    load_seconds: f64,
    prefill_seconds: f64,
    prefill_tokens_per_second: Option<f64>,
    decode_seconds: f64,
    /// Passes of the model after the prompt's. The first token of an answer follows from the prompt and costs no
    /// such pass; the one that ended it is not in the answer and cost one. With drafts a pass may give several.
    decode_passes: usize,
    /// Of decoding alone.
    tokens_per_second: Option<f64>,
}

/// An answer and what it took.
pub struct Answer {
    /// Its tokens, the stop token left out.
    pub tokens: Vec<u32>,
    /// Its text.
    pub text: String,
    /// Why it ended.
    pub stop: Stop,
    /// Time for the prompt's new part.
    pub prefill: Duration,
    /// Tokens of the prompt's new part.
    pub prefill_tokens: usize,
    /// Time for everything after the prompt.
    pub decode: Duration,
    /// Tokens that followed from others of the answer, the one that ended it included.
    decoded: usize,
    /// Passes of the model that they took.
    pub decode_passes: usize,
}

impl Answer {
    /// Generates what follows the session's context and `matcher` allows, and hands over each piece of text as it
    /// comes.
    pub fn generate(
        session: &mut Session<'_, '_, '_>,
        sampler: &mut Sampler,
        mut matcher: Option<Matcher<'_>>,
        show: &mut dyn FnMut(&str) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let mut supervisor = Supervisor::new();
        let stats = session.stats();
        let (read, prefill) = timed(|| session.prefill(&mut supervisor));
        read.map_err(Failure::new)?;
        supervisor.clear();

        let mut answer = Self {
            tokens: Vec::new(),
            text: String::new(),
            stop: Stop::Cancelled,
            prefill,
            prefill_tokens: stats.prompt_tokens - stats.reused_tokens,
            decode: Duration::ZERO,
            decoded: 0,
            decode_passes: 0,
        };
        let start = Instant::now();
        loop {
            let piece = match &mut matcher {
                Some(matcher) => session.next_constrained(matcher, sampler, &mut supervisor),
                None => session.next(sampler, &mut supervisor),
            };
            let Some(piece) = piece.map_err(Failure::new)? else {
                break;
            };
            answer.tokens.extend(piece.token);
            answer.text += piece.text;
            if !piece.text.is_empty() {
                show(piece.text)?;
            }
        }
        answer.decode = start.elapsed();
        answer.stop = session.stop_reason().unwrap_or(Stop::Cancelled);
        // Only the end of a turn was a token beyond the answer's, unless nothing else could follow.
        let ended = answer.stop == Stop::EndOfTurn && !matcher.is_some_and(|it| it.is_over());
        let chosen = answer.tokens.len() + usize::from(ended);
        answer.decoded = chosen.saturating_sub(1);
        answer.decode_passes = session.stats().decode_passes;
        Ok(answer)
    }

    /// Tokens that a pass of the model gave, the prompt's left out; `None` where there was none.
    pub fn tokens_per_pass(&self) -> Option<f64> {
        (self.decode_passes > 0).then(|| self.decoded as f64 / self.decode_passes as f64)
    }

    /// Tokens a second of decoding alone.
    pub fn rate(&self) -> Option<f64> {
        rate(self.decoded, self.decode)
    }

    /// One line about it, for people.
    pub fn summary(&self) -> String {
        let or_dash =
            |rate: Option<f64>| rate.map_or_else(|| "-".into(), |rate| format!("{rate:.1}"));
        format!(
            "prompt: {} tokens, {:.2} s, {} tokens/s; answer: {} tokens, {:.2} s, {} tokens/s; ended: {}",
            self.prefill_tokens,
            self.prefill.as_secs_f64(),
            or_dash(rate(self.prefill_tokens, self.prefill)),
            self.tokens.len(),
            self.decode.as_secs_f64(),
            or_dash(self.rate()),
            self.stop.name(),
        )
    }
}

/// Runs the verb.
pub fn run(args: &GenerateArgs, start: Instant) -> Result<(), Failure> {
    interrupt::listen();
    let mut sampler = args.sampling.sampler()?;
    let mut memory = Vec::new();
    let constraint = args.constraint.compile(&mut memory)?;
    let file = args.model.open()?;
    let model = file.model()?;
    let format = match &args.chat {
        Some(_) if constraint.is_some() => {
            Some(Format::new(&args.format.without_thinking()?, &file)?)
        }
        Some(_) => Some(Format::new(&args.format, &file)?),
        None if args.format.is_empty() => None,
        None => {
            return Err(Failure::usage(
                "thinking and tools are for conversations: use --chat TEXT",
            ));
        }
    };
    let context = usual_context(args.ctx, &model);
    let mut runtime = Runtime::new(&file, &model, &args.runtime, context)?;
    let (mut session, settings) = runtime.session()?;
    session.set_max_tokens(Some(args.max_tokens));
    session.set_draft(args.drafts.draft);
    let (mut memory, tokens);
    let mut matcher = None;
    if let Some(constraint) = &constraint {
        memory = vec![0; session.tokenizer().n_vocab()];
        tokens = TokenClasses::new(session.tokenizer(), &mut memory).map_err(Failure::new)?;
        matcher = Some(Matcher::new(constraint, &tokens));
    }
    let load = start.elapsed();

    feed(&mut session, args, format.as_ref())?;
    if matcher.is_some() && session.prompt_is_thinking() {
        return Err(file.refuse(
            "its chat template begins every answer with a thought, which --choices and --schema have no place for",
        ));
    }
    let prompt_tokens = session.tokens().to_vec();
    let mut output = Output::stdout();
    let visible = (!args.json).then_some(&mut output);
    let (answer, parts) = if format.is_some() {
        let mut shown = Shown::new(session.prompt_is_thinking(), visible);
        let show = &mut |text: &str| shown.push(text);
        let answer = Answer::generate(&mut session, &mut sampler, matcher, show)?;
        (answer, Some(shown.finish()?.0))
    } else {
        let mut visible = visible;
        let mut show = |text: &str| match &mut visible {
            Some(output) => output.stream(text),
            None => Ok(()),
        };
        let answer = Answer::generate(&mut session, &mut sampler, matcher, &mut show)?;
        show("\n")?;
        (answer, None)
    };
    if args.json {
        output.json(&Report {
            prompt_tokens: &prompt_tokens,
            tokens: &answer.tokens,
            text: parts.as_ref().map_or(&answer.text, |parts| &parts.answer),
            parts: parts.as_ref(),
            stop: answer.stop.name(),
            stats: Stats {
                settings,
                peak_rss_bytes: peak_rss_bytes(),
                load_seconds: load.as_secs_f64(),
                prefill_seconds: answer.prefill.as_secs_f64(),
                prefill_tokens_per_second: rate(answer.prefill_tokens, answer.prefill),
                decode_seconds: answer.decode.as_secs_f64(),
                decode_passes: answer.decode_passes,
                tokens_per_second: answer.rate(),
            },
        })?;
    } else {
        eprintln!("{}", answer.summary());
    }
    match interrupt::came() {
        Some(signal) if answer.stop == Stop::Cancelled => Err(Failure::stopped(signal)),
        _ => Ok(()),
    }
}

/// Puts what was asked into the context.
fn feed(
    session: &mut Session<'_, '_, '_>,
    args: &GenerateArgs,
    format: Option<&Format<'_>>,
) -> Result<(), Failure> {
    if let (Some(question), Some(format)) = (&args.chat, format) {
        format.set_up(session)?;
        let chat = args
            .system
            .as_deref()
            .map_or_else(Chat::new, |system| Chat::new().system(system));
        return Ok(format.feed(session, chat.user(question))?);
    }
    let fed = if let Some(text) = &args.prompt {
        session.feed_text(text, Special::Parse)
    } else {
        session.feed_tokens(&args.tokens)
    };
    fed.map_err(|error| refuse_prompt(&error))
}

/// Why a prompt was refused, and which flag helps.
pub fn refuse_prompt(error: &qlens::session::Error) -> Failure {
    match error {
        qlens::session::Error::PromptTooLong { .. } => {
            Failure::new(format_args!("{error} (--ctx N)"))
        }
        _ => Failure::new(error),
    }
}
