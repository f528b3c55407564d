//! `qlens`, the host tool: the runtime of the glasses at a command line.
//!
//! One file a verb; what verbs share is beside them: the model's file ([`model_file`]), the session
//! ([`runtime`]), the ways out ([`failure`], [`output`]).

mod bench;
mod boards;
mod chat;
mod destination;
mod failure;
mod generate;
mod inspect;
mod interrupt;
mod logits;
mod model_file;
mod output;
mod plan;
mod runtime;
mod sampling;
mod tokenize;
mod watch;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};

use failure::Failure;

/// Run quantized Qwen models with the very code that runs on the glasses
#[derive(Parser)]
#[command(name = "qlens", version, arg_required_else_help = true, after_help = failure::STATUSES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Inspect(inspect::InspectArgs),
    Plan(plan::PlanArgs),
    Tokenize(tokenize::TokenizeArgs),
    Logits(logits::LogitsArgs),
    Generate(generate::GenerateArgs),
    Chat(chat::ChatArgs),
    Bench(bench::BenchArgs),
}

fn main() -> ExitCode {
    let start = Instant::now();
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("error: qlens itself is wrong, please report it: {panic}");
    }));
    let outcome = match Cli::parse().verb {
        Verb::Inspect(args) => inspect::run(&args),
        Verb::Plan(args) => plan::run(&args),
        Verb::Tokenize(args) => tokenize::run(&args),
        Verb::Logits(args) => logits::run(&args),
        Verb::Generate(args) => generate::run(&args, start),
        Verb::Chat(args) => chat::run(&args),
        Verb::Bench(args) => bench::run(&args),
    };
    outcome.map_or_else(|failure| report(&failure), |()| ExitCode::SUCCESS)
}

fn report(failure: &Failure) -> ExitCode {
    if !failure.sentence().is_empty() {
        eprintln!("error: {}", failure.sentence());
    }
    ExitCode::from(failure.status())
}
