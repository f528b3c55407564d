//! The command line of a board as it is sold: there is nothing to choose, and what it is told is on its card.

use std::ffi::OsString;
use std::fmt::Write as _;

use anyhow::{Result, bail};

use super::card;
use super::folder::Folder;
use super::machine::{Display, Drive, Line, Machine};

impl Machine<'_> {
    /// QEMU's arguments for the machine of this kind; its card is made in `folder`.
    pub(super) fn sold_arguments(&self, kind: &str, folder: &Folder) -> Result<Vec<OsString>> {
        let name = &self.board.name;
        if self.cpu.is_some() || self.memory.is_some() || self.icount {
            bail!(
                "the processor, the memory and the clock of the board {name:?} are what they are"
            );
        }
        let model = match self.drive {
            Drive::Missing => None,
            Drive::File(model) => Some(model),
            Drive::FailingAt(..) | Drive::Ram(..) => {
                bail!("the board {name:?} has its model on a card")
            }
        };
        card::write(&folder.card(), model, &self.settings())?;
        let mut line = Line::default();
        line.add("-machine", kind)
            .path("-kernel", "", self.image, "")
            .path("-drive", "if=sd,format=raw,file=", &folder.card(), "")
            .add("-nic", "none")
            .add("-display", self.display.name())
            .add("-chardev", "stdio,id=console,signal=off")
            .add("-serial", "chardev:console")
            .path("-qmp", "unix:", &folder.qmp(), ",server=on,wait=off")
            .flag("-S");
        Ok(line.ends(self.gdb))
    }

    /// The text of `qlens.txt`.
    fn settings(&self) -> String {
        let mut text = String::from("report = 1\n");
        if let Drive::File(model) = self.drive {
            let _ = writeln!(text, "model.sha256 = {}", model.sha256);
        }
        for (name, value) in [("ctx", self.context), ("max_tokens", self.max_tokens)] {
            if let Some(value) = value {
                let _ = writeln!(text, "{name} = {value}");
            }
        }
        if let Some(system) = self.system {
            let system = system.replace('\\', r"\\").replace('\n', r"\n");
            let _ = writeln!(text, "system = {system}");
        }
        if self.selftest {
            text.push_str("selftest = 1\n");
        }
        text
    }
}

impl Display {
    /// QEMU's name for it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Window => "gtk",
        }
    }
}
