//! Hostile input: mutated files, schemas, templates, answers and manifests through everything that reads them, by
//! the program of `qlens-hostile`, which names each case that is wrong.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use super::Counts;
use crate::{interrupt, workspace};

/// What is mutated, and how many cases of it there are in a run that is not `--full`: some seconds of each.
const TARGETS: [(&str, u64); 6] = [
    ("model", 1_500),
    ("tokenizer", 5_000),
    ("schema", 5_000),
    ("template", 1_500),
    ("answer", 10_000),
    ("manifest", 5_000),
];
/// Cases of each in `--full`.
const MANY: u64 = 100_000;
/// Where random numbers begin, so that a run says something of the change and not of luck.
const SEED: u64 = 1;

pub fn run(full: bool) -> Result<Counts> {
    let seed = if full { another_seed()? } else { SEED };
    // Built like the tests: with checks of arithmetic, and nothing has to be compiled twice.
    let mut build = workspace::cargo("build");
    build.args(["--package", "qlens-hostile", "--message-format"]);
    let program = workspace::build_binary(build.arg("json-render-diagnostics"))?;
    let mut counts = Counts::default();
    for (target, few) in TARGETS {
        let count = if full { MANY } else { few };
        let mut command = std::process::Command::new(&program);
        command
            .args([target, "--seed", &seed.to_string()])
            .args(["--count", &count.to_string()]);
        let status = command
            .status()
            .with_context(|| format!("cannot run `{}`", workspace::line_of(&command)))?;
        interrupt::check()?;
        counts.add(Counts::one(status.success()));
    }
    Ok(counts)
}

fn another_seed() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(now.context("the clock is before 1970")?.as_secs())
}
