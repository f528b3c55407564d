//! The same bits everywhere: the firmware computes logits of small models with each of its kernels, on one
//! core and on all, in batches of different sizes, and every one of them hashes to what the host's scalar
//! kernel, the specification, gives.

use std::fs;
use std::ops::ControlFlow;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use qlens_models::Sha256;
use serde_json::Value;

use super::Counts;
use super::bench::{Bench, Checks};
use crate::emulator::{Drive, Emulator, Machine};
use crate::model::Model;
use crate::workspace;

/// The golden file with the tokens whose logits are compared.
const GOLDEN: &str = "crates/qlens/tests/data/fixtures.json";
/// A processor, and which kernels the firmware must find on it.
type Processor = (&'static str, &'static [&'static str]);
const CORTEX_A72: Processor = ("cortex-a72", &["scalar", "neon"]);
const CORTEX_A76: Processor = ("cortex-a76", &["scalar", "neon", "dotprod"]);
const MAX: Processor = ("max", &["scalar", "neon", "dotprod", "i8mm"]);
const EVERY: &[Processor] = &[CORTEX_A72, CORTEX_A76, MAX];
/// For what only the time of a run keeps from every one.
const ONE: &[Processor] = &[CORTEX_A76];

/// Models, and the processors that they run on.
const FIXTURES: [(&str, &[Processor]); 10] = [
    ("qwen2-f16", ONE),
    ("qwen2-q8_0", EVERY),
    ("qwen2-q4_0", EVERY),
    ("qwen2-q4_k_m", EVERY),
    ("qwen3-q5_1", ONE),
    ("qwen3-q2_k", ONE),
    ("qwen3-q3_k_m", ONE),
    ("qwen3-iq4_xs", ONE),
    ("qwen35-f16", ONE),
    ("qwen35-q4_k_m", EVERY),
];
const BATCHES: [u32; 3] = [1, 7, 64];
const PATIENCE: Duration = Duration::from_mins(2);

pub fn run(_: bool) -> Result<Counts> {
    let bench = Bench::prepare()?;
    let golden: Value = serde_json::from_slice(&fs::read(workspace::root().join(GOLDEN))?)?;
    let mut checks = Checks::default();
    for (name, processors) in FIXTURES {
        let model = Bench::fixture(name)?;
        let tokens = tokens(&golden[format!("{name}.gguf")])?;
        let expected = host_bits(&bench, &model, &tokens)?;
        for (cpu, kernels) in processors {
            checks.run(&format!("{name} on {cpu}: the host's bits"), || {
                let machine = Machine {
                    cpu: Some(*cpu),
                    selftest: true,
                    ..bench.machine(Drive::File(&model))
                };
                board_bits(&machine, kernels, &tokens, &expected)
            })?;
        }
    }
    Ok(checks.counts)
}

/// A board that has one kind of processor gives the host's bits for this fixture.
pub(super) fn same_as_host(bench: &Bench, fixture: &str, kernels: &[&str]) -> Result<()> {
    let golden: Value = serde_json::from_slice(&fs::read(workspace::root().join(GOLDEN))?)?;
    let model = Bench::fixture(fixture)?;
    let tokens = tokens(&golden[format!("{fixture}.gguf")])?;
    let expected = host_bits(bench, &model, &tokens)?;
    let machine = Machine {
        selftest: true,
        ..bench.machine(Drive::File(&model))
    };
    board_bits(&machine, kernels, &tokens, &expected)
}

/// The longest case of a fixture, as the commands write it.
fn tokens(golden: &Value) -> Result<String> {
    let cases = golden["cases"].as_array().context("no golden cases")?;
    let tokens = cases
        .iter()
        .filter_map(|case| case["tokens"].as_array())
        .max_by_key(|tokens| tokens.len());
    let tokens = tokens
        .context("no golden tokens")?
        .iter()
        .map(ToString::to_string);
    Ok(tokens.collect::<Vec<_>>().join(","))
}

fn host_bits(bench: &Bench, model: &Model, tokens: &str) -> Result<Sha256> {
    let out = bench.scratch(&format!("{}.logits", model.name));
    let mut command = Command::new(bench.qlens());
    command
        .arg("logits")
        .arg(&model.path)
        .args(["--tokens", tokens, "--kernel", "scalar", "--out"])
        .arg(&out);
    let answer = command
        .stdin(Stdio::null())
        .output()
        .context("cannot run qlens")?;
    ensure!(
        answer.status.success(),
        "`{}` failed: {}",
        workspace::line_of(&command),
        String::from_utf8_lossy(&answer.stderr).trim_end()
    );
    Ok(Sha256::of_file(&out, &mut |_| ControlFlow::Continue(()))?)
}

fn board_bits(
    machine: &Machine<'_>,
    kernels: &[&str],
    tokens: &str,
    expected: &Sha256,
) -> Result<()> {
    let mut emulator = Bench::boot(machine)?;
    ensure!(
        emulator.request("kernels", PATIENCE)? == format!("kernels {}", kernels.join(" ")),
        "the firmware does not find the kernels {kernels:?}"
    );
    let workers = emulator.request("workers", PATIENCE)?;
    let all = workers
        .strip_prefix("workers ")
        .context("no answer to `workers`")?
        .to_owned();
    ensure!(
        all == machine.cores.to_string(),
        "{all} cores work of {}",
        machine.cores
    );
    same_bits(&mut emulator, (kernels, &all), tokens, expected)?;
    ensure!(
        emulator.request("interleave", PATIENCE)? == "interleave changed=true",
        "the firmware does not interleave the model"
    );
    same_bits(&mut emulator, (kernels, &all), tokens, expected).context("interleaved")?;
    emulator.say("off")?;
    ensure!(
        emulator.ended(PATIENCE)?.is_some(),
        "the machine did not switch itself off"
    );
    Ok(())
}

fn same_bits(
    emulator: &mut Emulator,
    (kernels, all): (&[&str], &str),
    tokens: &str,
    expected: &Sha256,
) -> Result<()> {
    for kernel in kernels {
        // The specification is slow, and a batch and its cores are nothing to it.
        let (cores, batches) = if *kernel == "scalar" {
            (&[all][..], &BATCHES[1..2])
        } else {
            (&["1", all][..], &BATCHES[..])
        };
        for workers in cores {
            for batch in batches {
                let setup = format!("kernel={kernel} workers={workers} batch={batch}");
                let answer =
                    emulator.request(&format!("logits {setup} tokens={tokens}"), PATIENCE)?;
                ensure!(
                    answer.starts_with(&format!("logits sha256={expected} ")),
                    "{setup}: not the host's {expected}, but {answer}"
                );
            }
        }
    }
    Ok(())
}
