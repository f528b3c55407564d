//! Everything that can be wrong with what a board is given: it says so in a sentence on the display, on
//! the console and in its report, lives on, and takes the next question where there is a model to answer.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::Counts;
use super::bench::{Bench, Checks, says};
use crate::ask;
use crate::emulator::{Console, Drive, Emulator, Key, Machine, Report};
use crate::model::Model;

const PATIENCE: Duration = Duration::from_mins(1);

pub fn run(_: bool) -> Result<Counts> {
    let bench = Bench::prepare()?;
    let good = Bench::fixture("qwen2-q8_0")?;
    let mut checks = Checks::default();

    checks.run("no drive", || {
        refused(&bench, Drive::Missing, &["no model", "no drive"])
    })?;

    let cut = bench.spoiled(&good, "truncated", |bytes| bytes.truncate(bytes.len() / 2))?;
    checks.run("a truncated file", || {
        refused(&bench, Drive::File(&cut), &["truncated", "ends", "bytes"])
    })?;
    let header = bench.spoiled(&good, "header", |bytes| bytes.truncate(100))?;
    checks.run("a file that ends in its header", || {
        refused(&bench, Drive::File(&header), &["damaged"])
    })?;
    let short = Model {
        size: good.size,
        sha256: good.sha256,
        ..cut.clone()
    };
    checks.run("a drive smaller than the model", || {
        refused(
            &bench,
            Drive::File(&short),
            &["drive", "bytes", "short", "sha-256"],
        )
    })?;

    let flipped = bench.spoiled(&good, "flipped", |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    })?;
    let wrong = Model {
        sha256: good.sha256,
        ..flipped
    };
    checks.run("a wrong checksum", || {
        refused(&bench, Drive::File(&wrong), &["sha-256", "checksum"])
    })?;

    let text = bench.spoiled(&good, "text", |bytes| {
        *bytes = b"This is not a model.\n".repeat(5000);
    })?;
    checks.run("a file that is not GGUF", || {
        refused(&bench, Drive::File(&text), &["gguf"])
    })?;

    let other = bench.spoiled(&good, "other", |bytes| {
        if let Some(at) = bytes.windows(5).position(|window| window == b"qwen2") {
            bytes[at..at + 5].copy_from_slice(b"llama");
        }
    })?;
    checks.run("another architecture", || {
        refused(&bench, Drive::File(&other), &["llama"])
    })?;

    checks.run("a drive that fails half-way", || {
        refused(
            &bench,
            Drive::FailingAt(&good, good.size / 2),
            &["drive", "read", "byte"],
        )
    })?;

    checks.run("too little RAM", || {
        let machine = Machine {
            memory: Some("20M"),
            ..bench.machine(Drive::File(&good))
        };
        refused_by(&bench, &machine, &["ram", "memory", "bytes"])
    })?;

    checks.run("a prompt longer than the context", || {
        long_prompt(&bench, &good)
    })?;
    checks.run("speech when nobody listens", || unasked(&bench, &good))?;
    Ok(checks.counts)
}

fn refused(bench: &Bench, drive: Drive<'_>, words: &[&str]) -> Result<()> {
    refused_by(bench, &bench.machine(drive), words)
}

/// The board reports an error in one of these words, shows it, and answers keys.
fn refused_by(bench: &Bench, machine: &Machine<'_>, words: &[&str]) -> Result<()> {
    let mut emulator = Emulator::start(machine, Console::kept())?;
    let said = error(&mut emulator)?;
    says(&said, words)?;
    let shown = emulator.settled_pixels()?;
    emulator.save_picture(&bench.scratch(&format!("error {}.png", machine.drive.model_name())))?;
    ensure!(shown.lines() >= 1, "nothing is on the display");
    let console = emulator.console().lines().join("\n");
    says(&console, words)?;
    // A tap tries again, with the same outcome: so the board is alive.
    emulator.tap(Key::ENTER)?;
    says(&error(&mut emulator)?, words)?;
    emulator.quit()
}

/// The sentence of the next error, after which the board is back at its prompt.
fn error(emulator: &mut Emulator) -> Result<String> {
    let said = emulator.wait_for("an error report", PATIENCE, |report| match report {
        Report::Error(said) => Some(said.clone()),
        _ => None,
    })?;
    emulator.wait_for("the prompt after an error", PATIENCE, |report| {
        (*report == Report::Ready).then_some(())
    })?;
    Ok(said)
}

fn long_prompt(bench: &Bench, model: &Model) -> Result<()> {
    let machine = Machine {
        context: Some(96),
        max_tokens: Some(8),
        ..bench.machine(Drive::File(model))
    };
    let mut emulator = Bench::boot(&machine)?;
    emulator.hold(Key::ENTER)?;
    emulator.wait_for("the assistant to listen", PATIENCE, |report| {
        matches!(report, Report::State(state) if state == "listening").then_some(())
    })?;
    // Every byte is a token in this model.
    emulator.say(&"far too long ".repeat(12))?;
    says(&error(&mut emulator)?, &["context", "long", "token"])?;
    ensure!(
        emulator.settled_pixels()?.lines() >= 1,
        "nothing is on the display"
    );
    let next = ask::ask(&mut emulator, "hi", &mut |_, _| {})?;
    ensure!(
        !next.tokens.is_empty(),
        "no answer after a question that was too long"
    );
    emulator.quit()
}

fn unasked(bench: &Bench, model: &Model) -> Result<()> {
    let mut emulator = Bench::boot(&bench.machine(Drive::File(model)))?;
    emulator.say("nobody asked for this")?;
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        if let Some(report) = emulator.next_report()? {
            ensure!(
                !matches!(report, Report::Prompt(_) | Report::Token(_)),
                "it answered: {report:?}"
            );
        }
    }
    let next = ask::ask(&mut emulator, "hi", &mut |_, _| {})?;
    ensure!(
        !next.tokens.is_empty(),
        "no answer after speech that was not asked for"
    );
    emulator.quit()
}
