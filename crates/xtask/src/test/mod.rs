//! `cargo xtask test`: every test there is, from fast to slow, each stage under a heading. A failure stops
//! nothing; the end is a line a stage and then one line with the counts.

pub mod bench;
mod bits;
mod cargo_stages;
mod crashes;
mod emulated;
mod end_to_end;
mod faults;
mod glasses;
mod golden;
mod hostile;
mod kernels;
mod sold;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::interrupt;

#[derive(clap::Args)]
pub struct Args {
    /// Many more random cases, from another seed each time
    #[arg(long)]
    full: bool,
    /// Only the stages whose names contain this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// Tests that passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: u32,
    pub failed: u32,
}

impl Counts {
    /// One check.
    pub fn one(passed: bool) -> Self {
        Self {
            passed: passed.into(),
            failed: (!passed).into(),
        }
    }

    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// A group of tests that is run, or left out, as one.
struct Stage {
    name: &'static str,
    run: fn(full: bool) -> Result<Counts>,
}

/// In the order they are run.
const STAGES: &[Stage] = &[
    Stage {
        name: "format",
        run: cargo_stages::format,
    },
    Stage {
        name: "host tests",
        run: cargo_stages::host,
    },
    Stage {
        name: "hostile input",
        run: hostile::run,
    },
    Stage {
        name: "lints",
        run: cargo_stages::lints,
    },
    Stage {
        name: "documentation",
        run: cargo_stages::documentation,
    },
    Stage {
        name: "cross: no_std",
        run: cargo_stages::no_std,
    },
    Stage {
        name: "cross: tests on aarch64 Linux",
        run: cargo_stages::cross,
    },
    Stage {
        name: "instructions of the kernels",
        run: kernels::run,
    },
    Stage {
        name: "emulated: boots",
        run: emulated::run,
    },
    Stage {
        name: "emulated: bits",
        run: bits::run,
    },
    Stage {
        name: "emulated: boards as they are sold",
        run: sold::run,
    },
    Stage {
        name: "emulated: faults",
        run: faults::run,
    },
    Stage {
        name: "emulated: two chips",
        run: glasses::run,
    },
    Stage {
        name: "the real model on the host",
        run: golden::run,
    },
    Stage {
        name: "emulated: crashes",
        run: crashes::run,
    },
    Stage {
        name: "end to end",
        run: end_to_end::run,
    },
];

pub fn run(args: &Args) -> ExitCode {
    let mut lines = Vec::new();
    let mut total = Counts::default();
    for stage in STAGES {
        if args
            .only
            .as_ref()
            .is_some_and(|text| !stage.name.contains(text.as_str()))
        {
            continue;
        }
        if interrupt::came() {
            break;
        }
        println!("\n== {}", stage.name);
        let start = Instant::now();
        let counts = (stage.run)(args.full).unwrap_or_else(|fault| {
            println!("FAILED: {fault:#}");
            Counts::one(false)
        });
        lines.push(line_of(stage.name, counts, start.elapsed()));
        total.add(counts);
    }
    println!("\n== result");
    for line in lines {
        println!("{line}");
    }
    if interrupt::came() {
        println!("stopped before the end");
        return ExitCode::from(130);
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 && total.passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn line_of(name: &str, counts: Counts, time: Duration) -> String {
    let verdict = if counts.failed == 0 { "ok" } else { "FAILED" };
    let Counts { passed, failed } = counts;
    format!(
        "{verdict:<7} {name:<36} {passed:>5} passed {failed:>4} failed {:>7.1} s",
        time.as_secs_f64()
    )
}
