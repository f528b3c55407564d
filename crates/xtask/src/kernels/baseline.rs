//! The baseline in the source tree, `crates/qlens-benches/baseline.toml`, and what a run is beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::Counts;
use crate::workspace;

/// What writes it.
pub const COMMAND: &str = "cargo xtask bench --only kernels --save";

/// Per cent that a bench may grow by.
const LIMIT: u128 = 3;

const HEADING: &str = "\
# Instructions (Ir) of each bench in benches/kernels.rs, by group, counted by Callgrind on x86-64 without those of
# the C library. `cargo xtask test` fails if one grows by more than 3 %. Written by:
#
#     cargo xtask bench --only kernels --save

";

/// Counts of an earlier state of the code.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The compiler that it was made with, as it says itself.
    rustc: String,
    instructions: Counts,
}

/// What became of a bench.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// As before, or nearly.
    Same,
    /// Fewer instructions, so many per cent.
    Fewer { now: u64, before: u64 },
    /// More instructions than it may have.
    More { now: u64, before: u64 },
    /// The baseline has no such bench.
    New,
    /// Only the baseline has it.
    Gone,
}

impl Verdict {
    fn of(now: Option<u64>, before: Option<u64>) -> Self {
        let (now, before) = match (now, before) {
            (Some(now), Some(before)) => (now, before),
            (Some(_), None) => return Self::New,
            (None, _) => return Self::Gone,
        };
        let (hundredfold, limit) = (100 * u128::from(now), LIMIT * u128::from(before));
        let same = 100 * u128::from(before);
        if hundredfold > same + limit {
            Self::More { now, before }
        } else if hundredfold + limit < same {
            Self::Fewer { now, before }
        } else {
            Self::Same
        }
    }

    /// Whether the test passes.
    pub fn passes(self) -> bool {
        matches!(self, Self::Same | Self::Fewer { .. })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Same => f.write_str("as before"),
            Self::Fewer { now, before } | Self::More { now, before } => {
                let change = percent(now, before);
                write!(f, "{now} instructions, {change:+.1} % of {before}")
            }
            Self::New => f.write_str("is not in the baseline"),
            Self::Gone => f.write_str("is in the baseline and was not run"),
        }
    }
}

fn percent(now: u64, before: u64) -> f64 {
    (now as f64 / before as f64 - 1.0) * 100.0
}

impl Baseline {
    /// The one in the source tree.
    pub fn read() -> Result<Self> {
        let path = path();
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}; `{COMMAND}` makes it", path.display()))?;
        toml::from_str(&text)
            .with_context(|| format!("{} is damaged; `{COMMAND}` makes it anew", path.display()))
    }

    /// How many benches it has.
    pub fn len(&self) -> usize {
        self.instructions.values().map(BTreeMap::len).sum()
    }

    /// What became of each bench that it or the run has, by name.
    pub fn judge(&self, counts: &Counts) -> Vec<(String, Verdict)> {
        let mut names = BTreeSet::new();
        for (group, benches) in self.instructions.iter().chain(counts) {
            names.extend(benches.keys().map(|bench| (group, bench)));
        }
        let verdict = |(group, bench): (&String, &String)| {
            let of = |counts: &Counts| counts.get(group)?.get(bench).copied();
            let verdict = Verdict::of(of(counts), of(&self.instructions));
            (format!("{group} {bench}"), verdict)
        };
        names.into_iter().map(verdict).collect()
    }

    /// A sentence, if it was made with another compiler than `rustc`.
    pub fn other_compiler(&self, rustc: &str) -> Option<String> {
        (self.rustc != rustc).then(|| {
            format!(
                "the baseline was made with {}, and this is {rustc}: part of a change may be the compiler's",
                self.rustc
            )
        })
    }
}

/// Makes these counts the baseline.
pub fn save(counts: &Counts) -> Result<()> {
    let baseline = Baseline {
        rustc: rustc()?,
        instructions: counts.clone(),
    };
    let path = path();
    fs::write(&path, text(&baseline)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

fn text(baseline: &Baseline) -> Result<String> {
    Ok(format!("{HEADING}{}", toml::to_string(baseline)?))
}

/// Name and version of the compiler in use.
pub fn rustc() -> Result<String> {
    let mut command = Command::new("rustc");
    command.arg("--version").current_dir(workspace::root());
    let said = workspace::output(&mut command)?;
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    let said = String::from_utf8_lossy(&said);
    let words: Vec<&str> = said.split_whitespace().take(2).collect();
    Ok(words.join(" "))
}

fn path() -> PathBuf {
    workspace::root().join("crates/qlens-benches/baseline.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(benches: &[(&str, u64)]) -> Counts {
        let benches = benches.iter().map(|&(name, n)| (name.to_owned(), n));
        Counts::from([("avx2".into(), benches.collect())])
    }

    #[test]
    fn more_than_three_per_cent_is_too_much() {
        let baseline = Baseline {
            rustc: "rustc 1.95.0".into(),
            instructions: counts(&[
                ("decode q4_k", 1000),
                ("gone", 1),
                ("prefill q4_k", 1000),
                ("rope", 1000),
                ("swiglu", 1000),
            ]),
        };
        let now = counts(&[
            ("decode q4_k", 1030),
            ("new", 5),
            ("prefill q4_k", 1031),
            ("rope", 970),
            ("swiglu", 969),
        ]);
        let verdicts = baseline.judge(&now);
        let said: Vec<String> = verdicts
            .iter()
            .map(|(name, verdict)| format!("{name} {verdict} {}", verdict.passes()))
            .collect();
        assert_eq!(
            said,
            [
                "avx2 decode q4_k as before true",
                "avx2 gone is in the baseline and was not run false",
                "avx2 new is not in the baseline false",
                "avx2 prefill q4_k 1031 instructions, +3.1 % of 1000 false",
                "avx2 rope as before true",
                "avx2 swiglu 969 instructions, -3.1 % of 1000 true",
            ]
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let baseline = Baseline {
            rustc: "rustc 1.95.0".into(),
            instructions: counts(&[("decode q4_k", 1000), ("rope", 7)]),
        };
        let text = text(&baseline).unwrap();
        assert!(
            text.contains("[instructions.avx2]\n\"decode q4_k\" = 1000\nrope = 7\n"),
            "{text}"
        );
        assert!(text.contains(COMMAND));
        assert_eq!(toml::from_str::<Baseline>(&text).unwrap(), baseline);
        assert_eq!(baseline.len(), 2);
        assert_eq!(baseline.other_compiler("rustc 1.95.0"), None);
        let said = baseline.other_compiler("rustc 1.96.0").unwrap();
        assert!(said.contains("made with rustc 1.95.0"), "{said}");
    }
}
