//! `llvm-mca`, LLVM's model of a processor's pipeline: how many cycles an iteration of a loop takes once it
//! goes round and round, with every load a hit in the first cache.
//!
//! Not modelled: the other caches, branches that are guessed wrong, and the core's own way to pair
//! instructions where the model does not know it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// The core of the glasses.
pub const CPU: &str = "cortex-a55";

const PROGRAM: &str = "llvm-mca-19";

/// So many that filling the pipeline does not matter.
const ITERATIONS: &str = "-iterations=10000";

/// Of its JSON, what is wanted here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    code_regions: Vec<Region>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Region {
    summary_view: Summary,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    iterations: u32,
    total_cycles: u64,
}

/// Cycles of one iteration of a loop's instructions.
pub fn cycles(body: &str) -> Result<f64> {
    let cpu = format!("-mcpu={CPU}");
    let mut child = Command::new(PROGRAM)
        .args(["-mtriple=aarch64", &cpu, ITERATIONS, "-json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {PROGRAM}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may have refused already; what it says of that is wanted, not that it hung up.
        let _ = stdin.write_all(body.as_bytes());
    }
    let output = child.wait_with_output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{PROGRAM} refused it: {}",
        complaint.lines().next().unwrap_or("it did not say why")
    );
    cycles_in(&output.stdout)
}

fn cycles_in(json: &[u8]) -> Result<f64> {
    let answer: Answer = serde_json::from_slice(json)
        .with_context(|| format!("{PROGRAM} printed something else"))?;
    let [region] = &answer.code_regions[..] else {
        anyhow::bail!("{PROGRAM} saw {} loops", answer.code_regions.len());
    };
    let Summary {
        iterations,
        total_cycles,
    } = region.summary_view;
    ensure!(
        iterations > 0 && total_cycles > 0,
        "{PROGRAM} did not run it"
    );
    Ok(total_cycles as f64 / f64::from(iterations))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_are_read_from_what_it_prints() {
        let region = r#"{"InstructionInfoView": {"InstructionList": []}, "Instructions": ["nop"], "Name": "",
            "SummaryView": {"BlockRThroughput": 4, "DispatchWidth": 2, "IPC": 0.33, "Instructions": 5000,
            "Iterations": 1000, "TotalCycles": 15001, "TotaluOps": 7000, "uOpsPerCycle": 0.47}}"#;
        let json = |regions: &str| {
            format!(r#"{{"CodeRegions": [{regions}], "TargetInfo": {{"CPUName": "cortex-a55"}}}}"#)
        };
        let cycles = cycles_in(json(region).as_bytes()).unwrap();
        assert!((cycles - 15.001).abs() < 1e-9);
        for bad in [
            json(""),
            json(&format!("{region},{region}")),
            json(&region.replace("1000,", "0,")),
            "error".into(),
        ] {
            assert!(cycles_in(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
