//! The sensor hub in QEMU: samples go in on its first UART, the link to the application processor is on its second,
//! and its log comes out on its third, in defmt's coding, which `qlens-log` reads with the help of its image.

use std::ffi::OsString;
use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result};

use super::console::Console;
use super::folder::Folder;
use super::process::Process;
use crate::{interrupt, workspace};

/// What the hub counts in: 20 MHz are 50 instructions a tick, where virtual time is instructions.
const INSTRUCTIONS_A_TICK: u64 = 50;

/// A running hub. Dropping it ends QEMU.
pub struct Hub {
    process: Process,
    /// Reads its log until QEMU closes it.
    log: Child,
    samples: UnixStream,
    _folder: Folder,
}

/// What the hub says of itself at a mark of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// The mark.
    pub mark: u64,
    /// Time of the recording, in microseconds.
    pub at_us: u64,
    /// Instructions since the start.
    pub instructions: u64,
    /// Most bytes of stack that were in use.
    pub stack_bytes: u64,
}

impl Hub {
    /// Starts the hub of this image, joined to whoever listens at `link`. With `icount`, virtual time is
    /// instructions, a nanosecond each.
    pub fn start(image: &Path, link: &Path, icount: bool, console: Console) -> Result<Self> {
        let folder = Folder::new()?;
        let arguments = arguments(image, link, icount, &folder);
        let mut process =
            Process::start("qemu-system-arm", &arguments, &folder.qmp(), console, None)?;
        let samples = process.connect(&folder.samples())?;
        samples.set_write_timeout(Some(interrupt::POLL))?;
        let mut log = Command::new(reader()?)
            .arg(image)
            .stdin(OwnedFd::from(process.connect(&folder.log())?))
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run qlens-log")?;
        let console = process.console.clone();
        if let Some(lines) = log.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(lines).lines().map_while(Result::ok) {
                    console.say(&format!("hub: {line}"));
                }
            });
        }
        process.go()?;
        Ok(Self {
            process,
            log,
            samples,
            _folder: folder,
        })
    }

    /// Gives the hub bytes of a recording; waits while it does not take them, as it does when the application processor
    /// does not take its events.
    pub fn play(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            interrupt::check()?;
            match self.samples.write(bytes) {
                Ok(many) => bytes = &bytes[many..],
                Err(fault) if matches!(fault.kind(), WouldBlock | TimedOut | Interrupted) => {}
                Err(fault) => {
                    let last = self.console().last_lines();
                    return Err(fault).context(format!("the hub does not take its samples{last}"));
                }
            }
        }
        Ok(())
    }

    /// How much it has done at each mark that it passed.
    pub fn figures(&self) -> Vec<Figures> {
        let lines = self.console().lines();
        lines.iter().filter_map(|line| Figures::of(line)).collect()
    }

    /// Starts it again, as a fault would.
    pub fn reset(&mut self) -> Result<()> {
        self.process.qmp.run("system_reset", None)?;
        Ok(())
    }

    /// Holds it where it is: to the application processor it falls silent.
    pub fn freeze(&mut self) -> Result<()> {
        self.process.qmp.run("stop", None)?;
        Ok(())
    }

    /// What it said.
    pub fn console(&self) -> &Console {
        &self.process.console
    }

    /// Ends QEMU in its own way.
    pub fn quit(mut self) -> Result<()> {
        self.process.end()
    }
}

impl Figures {
    fn of(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once("mark ")?;
        let mut words = rest.split(' ');
        let mark = words.next()?.parse().ok()?;
        let mut field = |name: &str| -> Option<u64> {
            words
                .next()?
                .strip_prefix(name)?
                .strip_prefix('=')?
                .parse()
                .ok()
        };
        Some(Self {
            mark,
            at_us: field("at_us")?,
            instructions: field("awake_ticks")? * INSTRUCTIONS_A_TICK,
            stack_bytes: field("stack_bytes")?,
        })
    }
}

/// QEMU's arguments, with sockets in `folder`.
fn arguments(image: &Path, link: &Path, icount: bool, folder: &Folder) -> Vec<OsString> {
    let socket = |path: &Path, more: &str| {
        // QEMU splits options at commas; in a value they are doubled.
        let path = path.to_string_lossy().replace(',', ",,");
        format!("socket,path={path}{more}")
    };
    let server = ",server=on,wait=off";
    let mut line: Vec<OsString> = [
        "-machine",
        "mps2-an505",
        "-display",
        "none",
        "-monitor",
        "none",
    ]
    .map(OsString::from)
    .into();
    let mut add = |option: &str, value: OsString| line.extend([option.into(), value]);
    add("-kernel", image.into());
    let qmp = folder.qmp().to_string_lossy().replace(',', ",,");
    add("-qmp", format!("unix:{qmp}{server}").into());
    for (name, path, more) in [
        ("samples", folder.samples(), server),
        // The application processor may start later, or again.
        ("link", link.to_owned(), ",reconnect=1"),
        ("log", folder.log(), server),
    ] {
        let socket = socket(&path, more).replacen("socket,", &format!("socket,id={name},"), 1);
        add("-chardev", socket.into());
        add("-serial", format!("chardev:{name}").into());
    }
    if icount {
        add("-icount", "shift=0".into());
    }
    // Held until both sockets are connected, so that nothing it says is lost.
    line.push("-S".into());
    line
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.log.kill();
        let _ = self.log.wait();
    }
}

/// Builds what reads the log.
fn reader() -> Result<PathBuf> {
    let mut command = workspace::cargo("build");
    command
        .args(["--quiet", "--package", "qlens-log"])
        .args(["--message-format", "json-render-diagnostics"]);
    workspace::build_binary(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_the_log() {
        let line = "hub: INFO mark 3 at_us=1000 awake_ticks=20 stack_bytes=2048";
        let expected = Figures {
            mark: 3,
            at_us: 1000,
            instructions: 1000,
            stack_bytes: 2048,
        };
        assert_eq!(Figures::of(line), Some(expected));
        for odd in [
            "hub: INFO mark",
            "hub: mark 3 at_us=x awake_ticks=1 stack_bytes=2",
            "",
        ] {
            assert_eq!(Figures::of(odd), None);
        }
    }

    #[test]
    fn the_link_is_where_it_was_said() {
        let folder = Folder::new().unwrap();
        let line = arguments(Path::new("/t/hub"), Path::new("/s/a,b"), true, &folder);
        let line: Vec<_> = line.iter().map(|word| word.to_string_lossy()).collect();
        let line = line.join(" ");
        assert!(
            line.contains("-chardev socket,id=link,path=/s/a,,b,reconnect=1 -serial chardev:link"),
            "{line}"
        );
        assert!(
            line.contains("-kernel /t/hub") && line.contains("-icount shift=0"),
            "{line}"
        );
    }
}
