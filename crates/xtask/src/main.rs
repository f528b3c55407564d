//! `cargo xtask`: everything around the code that is not the code. Each verb makes sure of what it needs
//! and then does its work, so that a fresh clone needs one command and no page of instructions.

mod ask;
mod bench;
mod boards;
mod demo;
mod emulate;
mod emulator;
mod glasses;
mod image;
mod interrupt;
mod kernels;
mod model;
mod sections;
mod setup;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Set-up, builds, emulation and tests of qlens"
)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Install everything that the other verbs need: Rust targets, QEMU, the model
    Setup,
    /// Boot the glasses in QEMU, ask a question, show the answer, save the display as pictures
    Demo,
    /// Run every test: host, cross, emulated, end to end
    Test(test::Args),
    /// Measure what can be compared: instructions a token, memory, sizes, cycles of the hot loops
    Bench(bench::Args),
    /// Boot a board in QEMU, to use by hand or to ask it one question
    Emulate(emulate::Args),
    /// Build a board's firmware, or the `qlens` tool for another machine; print its size by section
    Build(image::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    interrupt::listen();
    let outcome = match cli.verb {
        None => Cli::command()
            .print_long_help()
            .map_err(anyhow::Error::from),
        Some(Verb::Setup) => setup::everything(),
        Some(Verb::Demo) => demo::run(),
        Some(Verb::Test(args)) => return test::run(&args),
        Some(Verb::Bench(args)) => bench::run(&args),
        Some(Verb::Emulate(args)) => emulate::run(&args),
        Some(Verb::Build(args)) => image::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if interrupt::came() => {
            eprintln!("stopped");
            ExitCode::from(130)
        }
        Err(fault) => {
            eprintln!("error: {fault:#}");
            ExitCode::FAILURE
        }
    }
}
