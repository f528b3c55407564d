//! Runs mutated input through what reads it, so that a case that panics, takes more than 64 MB or takes longer than
//! a second is found, named and can be run again.

mod heap;
mod progress;
mod supervisor;
mod watchdog;
mod worker;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use qlens_hostile::{Outcome, Target};

use supervisor::{Run, Summary};

/// Run mutated input through everything that reads it
#[derive(Parser)]
struct Args {
    target: Target,
    /// Where random numbers begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many cases
    #[arg(long, default_value_t = 1000, conflicts_with = "case")]
    count: u64,
    /// Just this one
    #[arg(long, value_name = "INDEX")]
    case: Option<u64>,
    /// Write its input to a file
    #[arg(long, value_name = "FILE", requires = "case")]
    write: Option<PathBuf>,
    /// Run the input in this file instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["case", "count", "seed"])]
    file: Option<PathBuf>,
    /// Run the cases from one index up to another in this process
    #[arg(long, hide = true, num_args = 2)]
    worker: Option<Vec<u64>>,
}

fn main() -> ExitCode {
    run(&Args::parse()).unwrap_or_else(|fault| {
        eprintln!("error: {fault:#}");
        ExitCode::FAILURE
    })
}

fn run(args: &Args) -> Result<ExitCode> {
    let Args { target, seed, .. } = *args;
    if let Some([from, to]) = args.worker.as_deref() {
        worker::run(target, seed, *from..*to)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &args.file {
        let input = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let case = worker::run_input(target, &input)?;
        let (peak, time) = (case.peak, case.time);
        println!("{}: {peak} bytes at once, {time:?}", case.outcome);
        return Ok(ExitCode::SUCCESS);
    }
    let cases = match args.case {
        Some(index) => index..index + 1,
        None => 0..args.count,
    };
    ensure!(!cases.is_empty(), "there is nothing to run");
    if let (Some(index), Some(path)) = (args.case, &args.write) {
        worker::write(target, seed, index, path)?;
    }
    let start = Instant::now();
    let summary = supervisor::run(Run { target, seed }, cases)?;
    say(target, seed, &summary, start);
    Ok(if summary.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn say(target: Target, seed: u64, summary: &Summary, start: Instant) {
    let name = target.name();
    let count: u64 = summary.outcomes.iter().sum();
    let outcomes = [Outcome::Refused, Outcome::TooLarge, Outcome::Taken];
    let outcomes = outcomes.map(|outcome| {
        let count = summary.outcomes[outcome as usize];
        format!("{count} {outcome}")
    });
    println!(
        "{name}: {count} cases of seed {seed} in {:.1} s: {}",
        start.elapsed().as_secs_f64(),
        outcomes.join(", ")
    );
    if summary.ended > 0 {
        println!(
            "{name}: {} of the refused ended their process with a sentence, for want of memory",
            summary.ended
        );
    }
    let (peak, slowest) = (summary.peak, summary.slowest);
    println!(
        "{name}: most memory {:.1} MB (case {}), longest {:.0} ms (case {})",
        peak.0 as f64 / 1e6,
        peak.1,
        slowest.0.as_secs_f64() * 1e3,
        slowest.1
    );
    for (index, said) in &summary.failures {
        println!(
            "{name}: seed {seed}, case {index} FAILED: {said}\nagain: cargo run -p qlens-hostile -- {name} --seed {seed} --case {index}"
        );
    }
}
