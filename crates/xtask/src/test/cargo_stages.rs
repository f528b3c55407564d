//! The stages that cargo runs: format, host tests, lints, documentation, and the cross builds.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::Counts;
use crate::setup::{self, Need};
use crate::{boards, interrupt, workspace};

/// The crates that have to compile without an operating system.
const LIBRARIES: [&str; 7] = [
    "qlens",
    "qlens-board",
    "qlens-assistant",
    "qlens-hub",
    "qlens-link",
    "qlens-recording",
    "qlens-sense",
];
/// Where random cases begin, so that a run says something of the change and not of luck.
const SEED: &str = "20260101";
/// Random cases of a property in `--full`, each time from another seed, where it names no number itself.
const MANY_CASES: &str = "20000";
/// Frames that go over each bad link in `--full`.
const MANY_FRAMES: &str = "1000000";

pub fn format(_: bool) -> Result<Counts> {
    setup::make_sure_of(&[Need::Component("fmt")])?;
    check(workspace::cargo("fmt").args(["--all", "--check"]))
}

pub fn host(full: bool) -> Result<Counts> {
    setup::make_sure_of(&[Need::Program(&setup::PIP)])?;
    let mut command = workspace::cargo("test");
    command
        .arg("--no-fail-fast")
        .env("QLENS_TEST_EVERYTHING", "1");
    if full {
        command
            .env("PROPTEST_CASES", MANY_CASES)
            .env("QLENS_LINK_FRAMES", MANY_FRAMES);
    } else {
        command.env("PROPTEST_RNG_SEED", SEED);
    }
    tests(&mut command)
}

pub fn lints(_: bool) -> Result<Counts> {
    setup::make_sure_of(&[Need::Component("clippy"), Need::Target(setup::BARE)])?;
    let mut counts =
        check(workspace::cargo("clippy").args(["--all-targets", "--quiet", "--", "-Dwarnings"]))?;
    // By itself, as it is built: see there.
    let alone = ["--package", "qlens-log", "--quiet", "--", "-Dwarnings"];
    counts.add(check(workspace::cargo("clippy").args(alone))?);
    for board in boards::names()? {
        let triple = boards::find(&board)?.triple;
        setup::make_sure_of(&[Need::Target(&triple)])?;
        let firmware = ["--package", &board, "--target", &triple];
        let denied = ["--quiet", "--", "-Dwarnings"];
        counts.add(check(
            workspace::cargo("clippy").args(firmware).args(denied),
        )?);
    }
    Ok(counts)
}

pub fn documentation(_: bool) -> Result<Counts> {
    check(
        workspace::cargo("doc")
            .args(["--no-deps", "--quiet"])
            .env("RUSTDOCFLAGS", "-Dwarnings"),
    )
}

pub fn no_std(_: bool) -> Result<Counts> {
    setup::make_sure_of(&[Need::Target(setup::HUB)])?;
    let mut counts = Counts::default();
    for library in LIBRARIES {
        let arguments = [
            "--package",
            library,
            "--target",
            setup::HUB,
            "--features",
            "defmt",
            "--quiet",
        ];
        counts.add(check(workspace::cargo("check").args(arguments))?);
    }
    Ok(counts)
}

pub fn cross(_: bool) -> Result<Counts> {
    setup::make_sure_of(&[Need::Target(setup::LINUX), Need::Program(&setup::QEMU_USER)])?;
    let mut command = workspace::cargo("test");
    command.args(["--no-fail-fast", "--package", "qlens"]);
    command.args(["--features", "std", "--target", setup::LINUX]);
    // What computes. Parsers and tokenizer are the same code on every machine, and their many random
    // cases take the emulator many minutes.
    command.arg("--lib");
    for test in ["golden", "odd_models", "session", "no_heap"] {
        command.args(["--test", test]);
    }
    // Emulation makes up for what optimization costs; link-time optimization would not.
    command.args(["--config", "profile.dev.opt-level=3"]);
    command.env("PROPTEST_RNG_SEED", SEED);
    tests(&mut command)
}

/// A command that is one test: it passes if it succeeds.
fn check(command: &mut Command) -> Result<Counts> {
    let line = workspace::line_of(command);
    println!("{line}");
    let status = command
        .status()
        .with_context(|| format!("cannot run `{line}`"))?;
    interrupt::check()?;
    Ok(Counts::one(status.success()))
}

/// `cargo test`, whose counts are read from what it prints.
fn tests(command: &mut Command) -> Result<Counts> {
    let line = workspace::line_of(command);
    println!("{line}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    let mut counts = Counts::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            counts.add(counts_in(&line).unwrap_or_default());
        }
    }
    let status = child.wait()?;
    interrupt::check()?;
    // A test binary that does not compile, or that dies, prints no counts of its own.
    if !status.success() && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(counts)
}

/// The counts in a line like `test result: ok. 7 passed; 0 failed; 0 ignored; …`.
fn counts_in(line: &str) -> Option<Counts> {
    let (_, rest) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |name: &str| {
        let mut fields = rest.split("; ").filter_map(|field| field.split_once(' '));
        fields.find(|(_, of)| *of == name)?.0.parse().ok()
    };
    Some(Counts {
        passed: number("passed")?,
        failed: number("failed")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_what_cargo_prints() {
        for (line, counts) in [
            (
                "test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 1.2s",
                Some((7, 0)),
            ),
            (
                "test result: FAILED. 2 passed; 13 failed; 0 ignored",
                Some((2, 13)),
            ),
            ("running 3 tests", None),
            ("test result: maybe", None),
        ] {
            assert_eq!(
                counts_in(line),
                counts.map(|(passed, failed)| Counts { passed, failed }),
                "{line}"
            );
        }
    }

    #[test]
    fn a_binary_that_dies_is_a_failure() {
        assert_eq!(
            tests(&mut Command::new("false")).unwrap(),
            Counts {
                passed: 0,
                failed: 1
            }
        );
        assert!(tests(&mut Command::new("/no/such/program")).is_err());
    }
}
