//! `qlens`, the host tool: the runtime of the glasses at a command line.
//!
//! One file a verb; what verbs share is beside them: the model's file ([`model_file`], and
//! [`gguf_writer`] for a new one), the session ([`runtime`]), the ways out ([`failure`], [`output`],
//! [`destination`]).

mod bench;
mod boards;
mod chat;
mod constrain;
mod convert;
mod destination;
mod embed;
mod failure;
mod generate;
mod gguf_writer;
mod inspect;
mod interrupt;
mod logits;
mod model_file;
mod models;
mod output;
mod pack;
mod perplexity;
mod plan;
mod progress;
mod pull;
mod quantize;
mod replay;
mod runtime;
mod sampling;
mod tokenize;
mod watch;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};

use failure::Failure;

/// Bounds what chat templates take.
#[global_allocator]
static HEAP: qlens_jinja::Heap = qlens_jinja::Heap;

/// Run quantized Qwen models with the very code that runs on the glasses
#[derive(Parser)]
#[command(name = "qlens", version, arg_required_else_help = true, after_help = failure::STATUSES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Models(models::ModelsArgs),
    Pull(pull::PullArgs),
    Inspect(inspect::InspectArgs),
    Plan(plan::PlanArgs),
    Tokenize(tokenize::TokenizeArgs),
    Logits(logits::LogitsArgs),
    Generate(generate::GenerateArgs),
    Chat(chat::ChatArgs),
    Bench(bench::BenchArgs),
    Perplexity(perplexity::PerplexityArgs),
    Embed(embed::EmbedArgs),
    Replay(replay::ReplayArgs),
    Convert(convert::ConvertArgs),
    Quantize(quantize::QuantizeArgs),
    Pack(pack::PackArgs),
    Unpack(pack::UnpackArgs),
}

fn main() -> ExitCode {
    let start = Instant::now();
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("error: qlens itself is wrong, please report it: {panic}");
    }));
    let outcome = match Cli::parse().verb {
        Verb::Models(args) => models::run(&args),
        Verb::Pull(args) => pull::run(&args),
        Verb::Inspect(args) => inspect::run(&args),
        Verb::Plan(args) => plan::run(&args),
        Verb::Tokenize(args) => tokenize::run(&args),
        Verb::Logits(args) => logits::run(&args),
        Verb::Generate(args) => generate::run(&args, start),
        Verb::Chat(args) => chat::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Perplexity(args) => perplexity::run(&args),
        Verb::Embed(args) => embed::run(&args),
        Verb::Replay(args) => replay::run(&args),
        Verb::Convert(args) => convert::run(&args),
        Verb::Quantize(args) => quantize::run(&args),
        Verb::Pack(args) => pack::run(&args),
        Verb::Unpack(args) => pack::unpack(&args),
    };
    outcome.map_or_else(|failure| report(&failure), |()| ExitCode::SUCCESS)
}

fn report(failure: &Failure) -> ExitCode {
    if !failure.sentence().is_empty() {
        eprintln!("error: {}", failure.sentence());
    }
    ExitCode::from(failure.status())
}
