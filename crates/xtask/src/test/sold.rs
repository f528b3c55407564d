//! Boards as they are sold, with the model on a card and nothing but a console: they give the host's tokens and
//! bits on all their cores, show them, and say what is wrong with a card. The Raspberry Pi 3 is in every QEMU that
//! set-up takes, the Raspberry Pi 4 in one of version 9 or newer.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::bench::{Bench, Checks, says};
use super::{Counts, bits, crashes, emulated};
use crate::ask;
use crate::boards;
use crate::emulator::{Console, Drive, Emulator, Machine, Report};
use crate::model::Model;
use crate::workspace;

/// Each with the kernels of its processor.
const BOARDS: [(&str, &[&str]); 2] = [
    ("raspi3", &["scalar", "neon"]),
    ("raspi4", &["scalar", "neon"]),
];
const PATIENCE: Duration = Duration::from_mins(1);

pub fn run(_: bool) -> Result<Counts> {
    let mut checks = Checks::default();
    for (name, kernels) in BOARDS {
        if is_emulated(name)? {
            board(name, kernels, &mut checks)?;
        } else {
            println!("{name}: this QEMU does not have it");
        }
    }
    Ok(checks.counts)
}

/// Whether the QEMU at hand has the board's machine.
fn is_emulated(name: &str) -> Result<bool> {
    let Some(machine) = boards::find(name)?.machine else {
        return Ok(false);
    };
    let mut command = Command::new("qemu-system-aarch64");
    let list = workspace::output(command.args(["-machine", "help"]))?;
    let list = String::from_utf8_lossy(&list);
    Ok(list
        .lines()
        .any(|line| line.split_whitespace().next() == Some(machine.kind)))
}

fn board(name: &str, kernels: &[&str], checks: &mut Checks) -> Result<()> {
    let bench = Bench::prepare_for(name)?;
    for fixture in ["qwen2-q8_0", "qwen2-q4_k_m"] {
        checks.run(&format!("{name}, {fixture}: the host's tokens"), || {
            emulated::same_tokens(&bench, fixture, |machine| machine)
        })?;
    }
    checks.run(
        &format!("{name}, a system prompt: the host's tokens"),
        || {
            emulated::same_tokens(&bench, "qwen2-q8_0", |machine| Machine {
                system: Some("Be brief,\nand \\kind."),
                ..machine
            })
        },
    )?;
    checks.run(
        &format!("{name}, a second question keeps the conversation"),
        || emulated::second_question(&bench),
    )?;
    checks.run(
        &format!("{name}, the display shows text in one green"),
        || emulated::display(&bench),
    )?;
    checks.run(&format!("{name}, all cores: the host's bits"), || {
        bits::same_as_host(&bench, "qwen2-q4_k_m", kernels)
    })?;

    let good = Bench::fixture("qwen2-q8_0")?;
    for (fault, words) in [
        ("null", &["data abort", "null pointer"][..]),
        ("stack", &["stack overflow", "of core 0"]),
        // Whichever takes the task first.
        ("core-stack", &["stack overflow"]),
        ("panic", &["*** panic on core 0", "asked for"]),
    ] {
        checks.run(&format!("{name}, {fault}: reported, then off"), || {
            crashes::reported(&bench, &good, fault, words)
        })?;
    }
    checks.run(&format!("{name}, a card without a model"), || {
        refused(&bench, Drive::Missing, &["no model"])
    })?;
    let flipped = bench.spoiled(&good, "flipped", |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    })?;
    let wrong = Model {
        sha256: good.sha256,
        ..flipped
    };
    checks.run(&format!("{name}, a wrong checksum"), || {
        refused(&bench, Drive::File(&wrong), &["checksum"])
    })?;
    let cut = bench.spoiled(&good, "truncated", |bytes| bytes.truncate(bytes.len() / 2))?;
    checks.run(&format!("{name}, a truncated file"), || {
        refused(&bench, Drive::File(&cut), &["truncated", "ends", "bytes"])
    })
}

/// The board reports an error in one of these words, logs and shows it, and stays at its prompt.
fn refused(bench: &Bench, drive: Drive<'_>, words: &[&str]) -> Result<()> {
    let mut emulator = Emulator::start(&bench.machine(drive), Console::kept())?;
    let said = emulator.wait_for("an error report", PATIENCE, |report| match report {
        Report::Error(said) => Some(said.clone()),
        _ => None,
    })?;
    says(&said, words)?;
    ask::wait_until_ready(&mut emulator, &mut |_, _| {})?;
    says(&emulator.console().lines().join("\n"), words)?;
    ensure!(
        emulator.settled_pixels()?.lines() >= 1,
        "nothing is on the display"
    );
    emulator.quit()
}
