//! Which boards firmware is built for: the folders of `boards/` with a `board.toml` and a crate, and the
//! machine that emulates each. A board without a crate has an operating system, and runs the `qlens` tool. Of `board.toml` only what concerns the outside is looked at here; `qlens-board` reads the whole.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::workspace;

/// The board that is used when none is named.
pub const DEFAULT: &str = "qemu-virt";

/// A board that firmware can be built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// Folder below `boards/`, name of the package and of its binary.
    pub name: String,
    /// Target triple of the firmware.
    pub triple: String,
    /// Where the model lies in RAM, if the board has a place for one.
    pub model_start: Option<u64>,
    /// How QEMU emulates it, if it does.
    pub machine: Option<&'static Machine>,
}

/// QEMU's side of a board.
#[derive(Debug, PartialEq, Eq)]
pub struct Machine {
    /// Argument of `-machine`.
    pub kind: &'static str,
    /// What it is like from outside.
    pub make: Make,
    /// Its firmware's file, as the board's boot loader wants it: bytes that lie in memory as they are. `None`:
    /// the ELF file is loaded.
    pub raw_image: Option<&'static str>,
}

impl Machine {
    /// Whether it is as it is sold.
    pub fn is_sold(&self) -> bool {
        matches!(self.make, Make::Sold { .. })
    }
}

/// What a machine is like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// Put together on the command line, of virtio devices and a firmware configuration device.
    Virt {
        /// Processor when none is named.
        cpu: &'static str,
        /// RAM when nothing is said.
        memory: &'static str,
    },
    /// A board as it is sold: processor and RAM are what they are, the model and everything else that the firmware
    /// is told is on a card, and reports come on the console.
    Sold {
        /// Cores that it has.
        cores: u32,
    },
}

static MACHINES: [(&str, Machine); 3] = [
    (
        "qemu-virt",
        Machine {
            kind: "virt,gic-version=3",
            make: Make::Virt {
                cpu: "cortex-a76",
                memory: "1G",
            },
            raw_image: None,
        },
    ),
    (
        "raspi3",
        Machine {
            kind: "raspi3b",
            make: Make::Sold { cores: 4 },
            raw_image: Some("kernel8.img"),
        },
    ),
    (
        "raspi4",
        Machine {
            kind: "raspi4b",
            make: Make::Sold { cores: 4 },
            raw_image: Some("kernel8.img"),
        },
    ),
];

/// The board of that name.
pub fn find(name: &str) -> Result<Board> {
    let names = names()?;
    if !names.iter().any(|known| known == name) {
        let is_described = folder().join(name).join("board.toml").is_file();
        bail!(
            "{} {name:?}; the boards are: {}",
            if is_described {
                "there is no firmware for the board"
            } else {
                "there is no board"
            },
            names.join(", ")
        );
    }
    let path = folder().join(name).join("board.toml");
    let text = fs::read_to_string(&path)?;
    let described: toml::Table = text
        .parse()
        .with_context(|| format!("{} is not TOML", path.display()))?;
    let triple = described.get("target").and_then(toml::Value::as_str);
    let start = described
        .get("region")
        .and_then(|regions| regions.get("model")?.get("start")?.as_integer());
    Ok(Board {
        name: name.into(),
        triple: triple
            .with_context(|| format!("{} names no target", path.display()))?
            .into(),
        model_start: start.and_then(|start| start.try_into().ok()),
        machine: MACHINES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, machine)| machine),
    })
}

fn folder() -> PathBuf {
    workspace::root().join("boards")
}

/// Names of all boards that there is firmware for, sorted.
pub fn names() -> Result<Vec<String>> {
    let has = |folder: &Path, file| folder.join(file).is_file();
    let mut names: Vec<String> = fs::read_dir(folder())?
        .flatten()
        .filter(|entry| has(&entry.path(), "board.toml") && has(&entry.path(), "Cargo.toml"))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_that_is_not_there_is_answered_with_those_that_are() {
        let board = find(DEFAULT).unwrap();
        assert!(board.machine.is_some() && board.model_start.is_some());
        assert_eq!(board.triple, crate::setup::BARE);
        let said = find("abacus").unwrap_err().to_string();
        assert!(said.contains("abacus") && said.contains(DEFAULT), "{said}");
        // It runs programs, and has no crate.
        let said = find("rokid").unwrap_err().to_string();
        assert!(
            said.contains("no firmware") && said.contains(DEFAULT),
            "{said}"
        );
        assert!(!names().unwrap().contains(&"rokid".to_owned()));
    }
}
