//! What the firmware prints when it goes wrong itself: in which way, where, all registers; and that it
//! then switches the machine off, so that nothing goes on with state that cannot be trusted.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::Counts;
use super::bench::{Bench, Checks, says};
use crate::emulator::{Drive, Machine};
use crate::model::Model;

/// What is asked for, and what the report has to say.
const FAULTS: [(&str, &[&str]); 7] = [
    ("null", &["data abort", "null pointer"]),
    ("text", &["permission fault", "writing"]),
    ("execute", &["instruction abort", "permission fault"]),
    ("stack", &["stack overflow", "of core 0"]),
    ("core-stack", &["stack overflow", "of core 1"]),
    ("undefined", &["undefined instruction"]),
    ("panic", &["*** panic on core 0", "asked for"]),
];
const PATIENCE: Duration = Duration::from_mins(1);

pub fn run(_: bool) -> Result<Counts> {
    let bench = Bench::prepare()?;
    let model = Bench::fixture("qwen2-q4_0")?;
    let mut checks = Checks::default();
    for (fault, words) in FAULTS {
        checks.run(&format!("{fault}: reported, then off"), || {
            reported(&bench, &model, fault, words)
        })?;
    }
    Ok(checks.counts)
}

/// The board goes wrong in this way, says so in these words, and switches itself off.
pub(super) fn reported(bench: &Bench, model: &Model, fault: &str, words: &[&str]) -> Result<()> {
    let machine = Machine {
        selftest: true,
        ..bench.machine(Drive::File(model))
    };
    let mut emulator = Bench::boot(&machine)?;
    emulator.say(&format!("fault {fault}"))?;
    let status = emulator.ended(PATIENCE)?;
    ensure!(
        status.is_some_and(|status| status.success()),
        "the machine did not switch itself off"
    );
    let console = emulator.console().lines().join("\n");
    for word in words {
        says(&console, &[word])?;
    }
    says(&console, &["backtrace"])?;
    ensure!(
        fault == "panic" || console.contains("ESR") && console.contains("x28"),
        "no registers"
    );
    Ok(())
}
