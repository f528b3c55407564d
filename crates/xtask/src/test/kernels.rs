//! Whether a kernel takes more instructions than it did: each bench against the baseline in the source tree.

use anyhow::Result;

use super::Counts;
use crate::kernels::{self, Baseline, Verdict};

pub fn run(_: bool) -> Result<Counts> {
    if !kernels::countable() {
        println!("{}", kernels::NOT_HERE);
        return Ok(Counts::default());
    }
    let baseline = Baseline::read()?;
    let verdicts = baseline.judge(&kernels::count()?);
    let mut counts = Counts::default();
    for (name, verdict) in &verdicts {
        counts.add(Counts::one(verdict.passes()));
        match verdict {
            Verdict::Same => {}
            _ if verdict.passes() => println!("bench {name}: {verdict}"),
            _ => println!("bench {name} ... FAILED: {verdict}"),
        }
    }
    println!(
        "{} of {} benches are within 3 % of the baseline or below it",
        counts.passed,
        verdicts.len()
    );
    if verdicts
        .iter()
        .any(|(_, verdict)| *verdict != Verdict::Same)
    {
        if let Some(sentence) = baseline.other_compiler(&kernels::rustc()?) {
            println!("{sentence}");
        }
        println!(
            "what is meant to be so becomes the baseline by `{}`; commit what it writes",
            kernels::COMMAND
        );
    }
    Ok(counts)
}
