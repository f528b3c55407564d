//! What a verb needs of the machine, and getting it. A need that is met costs a look and no word; one that
//! is not is named before anything is installed, and where this may not install, the exact command is
//! printed instead.

mod apt;
pub mod runner;
mod rust;

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::model;

/// Something that has to be on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need<'a> {
    /// The Rust standard library for a target triple.
    Target(&'a str),
    /// A part of the Rust toolchain that `cargo NAME` runs.
    Component(&'static str),
    /// A program of a Debian package.
    Program(&'static Program),
    /// The runner of the kernels' benches.
    BenchRunner,
}

/// A program, how to see that it is there and new enough, and which package brings it.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// Command that prints the version, its output ending in one after the word `version` or `pip`.
    command: &'static [&'static str],
    /// Oldest version that does, as major and minor.
    least: (u32, u32),
    /// Debian package.
    package: &'static str,
}

/// The emulator of boards. 7.2 is the one of Debian 12 and the first that was tried.
pub static QEMU_SYSTEM: Program = Program {
    command: &["qemu-system-aarch64", "--version"],
    least: (7, 2),
    package: "qemu-system-arm",
};
/// The emulator of Linux programs, cargo's runner for cross tests.
pub static QEMU_USER: Program = Program {
    command: &["qemu-aarch64", "--version"],
    least: (7, 2),
    package: "qemu-user",
};
/// The model of a processor's pipeline. Version 14, Debian 12's default, has two dot products a cycle on a
/// Cortex-A55, which issues one.
pub static LLVM_MCA: Program = Program {
    command: &["llvm-mca-19", "--version"],
    least: (19, 0),
    package: "llvm-19",
};
/// The counter of instructions. 3.19 is the one of Debian 12 and the first that was tried.
pub static VALGRIND: Program = Program {
    command: &["valgrind", "--version"],
    least: (3, 19),
    package: "valgrind",
};
/// The client of the index that the model is published in.
pub static PIP: Program = Program {
    command: &["python3", "-m", "pip", "--version"],
    least: (20, 0),
    package: "python3-pip",
};

/// The target triple of firmware for the application processor.
pub const BARE: &str = "aarch64-unknown-none";
/// The target triple of static Linux programs for it.
pub const LINUX: &str = "aarch64-unknown-linux-musl";
/// The target triple of the sensor hub, which the library crates must also compile for.
pub const HUB: &str = "thumbv8m.main-none-eabihf";

/// `cargo xtask setup`.
pub fn everything() -> Result<()> {
    let components = [Need::Component("clippy"), Need::Component("fmt")];
    let targets = [BARE, LINUX, HUB].map(Need::Target);
    let programs = [&QEMU_SYSTEM, &QEMU_USER, &LLVM_MCA, &VALGRIND, &PIP].map(Need::Program);
    let runner = [Need::BenchRunner];
    make_sure_of(&[&components[..], &targets, &programs, &runner].concat())?;
    let model = model::default()?;
    eprintln!(
        "everything is in place; the model is {}",
        model.path.display()
    );
    Ok(())
}

/// Installs what is missing of these.
pub fn make_sure_of(needs: &[Need<'_>]) -> Result<()> {
    let missing = |need: &&Need<'_>| match need {
        Need::Target(triple) => !rust::has_target(triple),
        Need::Component(name) => !rust::has_component(name),
        Need::Program(program) => program
            .version()
            .is_none_or(|version| version < program.least),
        Need::BenchRunner => !runner::path().is_ok_and(|path| path.is_file()),
    };
    let missing: Vec<Need<'_>> = needs.iter().filter(missing).copied().collect();
    for need in &missing {
        match need {
            Need::Target(triple) => rust::add("target", triple)?,
            Need::Component(name) => {
                rust::add("component", if *name == "fmt" { "rustfmt" } else { name })?;
            }
            Need::BenchRunner => runner::install()?,
            Need::Program(_) => {}
        }
    }
    let programs: Vec<&Program> = missing
        .iter()
        .filter_map(|need| {
            if let Need::Program(program) = need {
                Some(*program)
            } else {
                None
            }
        })
        .collect();
    if programs.is_empty() {
        Ok(())
    } else {
        apt::install(&programs)
    }
}

impl Program {
    /// Major and minor version, if the program can be run and says one.
    fn version(&self) -> Option<(u32, u32)> {
        let (program, arguments) = self.command.split_first()?;
        let answer = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        version_in(&String::from_utf8_lossy(&answer.stdout))
    }

    /// What is called in a sentence.
    fn name(&self) -> &str {
        self.command
            .split_last()
            .map_or("", |(_, rest)| rest.last().unwrap_or(&""))
    }
}

/// The first `major.minor` of a text in which each word may be one, with the program's name before it or not.
fn version_in(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let word = word.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '-');
        let mut numbers = word.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_programs_say_them() {
        for (said, version) in [
            (
                "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright",
                Some((7, 2)),
            ),
            ("qemu-aarch64 version 10.0.2 (Debian)", Some((10, 0))),
            (
                "pip 23.0.1 from /usr/lib/python3/dist-packages/pip (python 3.11)",
                Some((23, 0)),
            ),
            (
                "Debian LLVM version 19.1.7\n  Optimized build.",
                Some((19, 1)),
            ),
            ("valgrind-3.19.0", Some((3, 19))),
            ("", None),
            ("/usr/bin/python3: No module named pip", None),
        ] {
            assert_eq!(version_in(said), version, "{said}");
        }
        assert_eq!(PIP.name(), "pip");
        assert_eq!(LLVM_MCA.name(), "llvm-mca-19");
        assert_eq!(QEMU_USER.name(), "qemu-aarch64");
    }
}
