//! Instructions of the kernels on x86-64, counted by Valgrind's Callgrind in the benches of `qlens-benches`,
//! and the baseline that they are compared with.
//!
//! A bench is a program that counts from when its work begins to when it ends, the same number each time and
//! on every machine: the kernel is named, not detected, and what the C library does, which takes other
//! instructions on other processors, is left out.

mod baseline;
mod callgrind;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;

use crate::setup::{self, Need, runner};
use crate::{interrupt, workspace};
pub use baseline::{Baseline, COMMAND, Verdict, rustc, save};

/// Instructions: of a group of benches, by name.
pub type Counts = BTreeMap<String, BTreeMap<String, u64>>;

const PACKAGE: &str = "qlens-benches";

/// Said where nothing can be counted.
pub const NOT_HERE: &str =
    "instructions of the kernels are counted on x86-64 alone, and this machine is another";

/// Whether this machine is one that the baseline is of.
pub fn countable() -> bool {
    cfg!(target_arch = "x86_64")
}

/// A line of what the runner prints, of which this is wanted here.
#[derive(Deserialize)]
struct Summary {
    group: String,
    function_name: String,
    id: Option<String>,
    /// Where its profile is, from `project_root` on.
    output_dir: PathBuf,
    project_root: PathBuf,
}

impl Summary {
    /// `decode q4_k`; a bench that is the only one of its function is called as it is.
    fn bench(&self) -> String {
        match self.id.as_deref() {
            None | Some("only") => self.function_name.clone(),
            Some(id) => format!("{} {id}", self.function_name),
        }
    }
}

/// Builds the benches and runs them all.
pub fn count() -> Result<Counts> {
    setup::make_sure_of(&[Need::Program(&setup::VALGRIND), Need::BenchRunner])?;
    let mut command = workspace::cargo("bench");
    command.args(["--package", PACKAGE, "--bench", "kernels", "--quiet", "--"]);
    command.args(["--output-format=json", "--parallel=auto"]);
    // Addresses change nothing that is counted here, and containers forbid that they be fixed.
    command.arg("--allow-aslr=yes");
    command.arg("--home");
    command.arg(workspace::output_folder("gungraun")?);
    command.env("GUNGRAUN_RUNNER", runner::path()?);
    // What is compared is compiled alike everywhere.
    for flags in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        command.env_remove(flags);
    }
    let line = workspace::line_of(&command);
    eprintln!("building the benches of the kernels and counting: {line}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    let bar = progress();
    let mut counts = Counts::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            let summary: Summary = serde_json::from_str(&line)
                .with_context(|| format!("a bench printed {line:?} instead of its summary"))?;
            let profile = profile(&summary.project_root.join(&summary.output_dir))?;
            let count = callgrind::instructions(&profile)
                .with_context(|| format!("in {}", summary.output_dir.display()))?;
            let bench = summary.bench();
            counts
                .entry(summary.group)
                .or_default()
                .insert(bench, count);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let status = child.wait()?;
    interrupt::check()?;
    ensure!(status.success(), "`{line}` failed ({status})");
    ensure!(!counts.is_empty(), "`{line}` counted nothing");
    Ok(counts)
}

/// Of the benches that there were when the baseline was made.
fn progress() -> ProgressBar {
    let known = Baseline::read().map_or(0, |baseline| baseline.len());
    if !std::io::stderr().is_terminal() || known == 0 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(known as u64);
    if let Ok(style) = ProgressStyle::with_template("counting [{wide_bar}] {pos}/{len} benches") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// The text of the one profile in a bench's folder.
fn profile(folder: &Path) -> Result<String> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "out") {
            return fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()));
        }
    }
    bail!("Callgrind left no profile in {}", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_its_bench() {
        let summary = |id: &str| {
            let json = format!(
                r#"{{"baselines":[null,null],"function_name":"decode","group":"avx2",{id}
                "output_dir":"target/x","project_root":"/w","version":"7"}}"#
            );
            serde_json::from_str::<Summary>(&json).unwrap()
        };
        assert_eq!(summary(r#""id":"q4_k","#).bench(), "decode q4_k");
        assert_eq!(summary(r#""id":"only","#).bench(), "decode");
        assert_eq!(summary("").bench(), "decode");
    }
}
