//! A board's machine as QEMU's command line: what is soldered on (console, display, touchpad, speech), what
//! is plugged in (the model's drive), and what firmware is told before it starts (through `fw_cfg`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};

use super::folder::Folder;
use crate::boards::{Board, Make};
use crate::model::Model;

/// Option of a processor whose counter ticks each nanosecond.
const COUNTER: &str = ",cntfrq=1000000000";

/// What is to be emulated.
pub struct Machine<'a> {
    /// The board; it must have a machine.
    pub board: &'a Board,
    /// Its firmware.
    pub image: &'a Path,
    /// Processor, if not the board's own.
    pub cpu: Option<&'a str>,
    /// RAM, if not the board's own.
    pub memory: Option<&'a str>,
    /// Cores.
    pub cores: u32,
    /// What holds the model.
    pub drive: Drive<'a>,
    /// Context in tokens, if not the firmware's own.
    pub context: Option<u32>,
    /// System prompt, if not the model's own.
    pub system: Option<&'a str>,
    /// Longest answer in tokens, if not the firmware's own.
    pub max_tokens: Option<u32>,
    /// Whether there is a sensor hub, which joins at [`Emulator::link`](super::Emulator::link).
    pub hub: bool,
    /// Application time is that of the hub's recording, which began so many seconds after 1970.
    pub replay: Option<u64>,
    /// Whether the firmware takes requests of tests instead of running the application.
    pub selftest: bool,
    /// Whether virtual time counts instructions, a nanosecond each, instead of following this machine's
    /// clock. Cores then take turns, so this is for one.
    pub icount: bool,
    /// Where the display is seen.
    pub display: Display,
    /// Port on which a debugger is waited for.
    pub gdb: Option<u16>,
}

/// What holds the model.
#[derive(Clone, Copy)]
pub enum Drive<'a> {
    /// There is none.
    Missing,
    /// A block device with the model's file.
    File(&'a Model),
    /// The same, failing every read at and after this byte.
    FailingAt(&'a Model, u64),
    /// No drive: the file lies in RAM at this address before the firmware starts.
    Ram(&'a Model, u64),
}

impl Drive<'_> {
    /// What the model is called.
    pub fn model_name(&self) -> &str {
        match self {
            Self::Missing => "no model",
            Self::File(model) | Self::FailingAt(model, _) | Self::Ram(model, _) => &model.name,
        }
    }
}

/// Where the display is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Display {
    /// Nowhere but in pictures.
    None,
    /// In a window.
    Window,
}

impl<'a> Machine<'a> {
    /// The machine as it comes: two cores unless the board has its own number, everything else the board's and the
    /// firmware's own.
    pub fn of(board: &'a Board, image: &'a Path, drive: Drive<'a>) -> Self {
        Self {
            board,
            image,
            cpu: None,
            memory: None,
            cores: match board.machine.map(|machine| machine.make) {
                Some(Make::Sold { cores }) => cores,
                _ => 2,
            },
            drive,
            context: None,
            system: None,
            max_tokens: None,
            hub: false,
            replay: None,
            selftest: false,
            icount: false,
            display: Display::None,
            gdb: None,
        }
    }

    /// QEMU's arguments, with sockets in `folder`.
    pub(super) fn arguments(&self, folder: &Folder) -> Result<Vec<OsString>> {
        let name = &self.board.name;
        let machine = self
            .board
            .machine
            .with_context(|| format!("no emulator for the board {name:?}"))?;
        let (cpu, memory) = match machine.make {
            Make::Virt { cpu, memory } => (cpu, memory),
            Make::Sold { .. } => return self.sold_arguments(machine.kind, folder),
        };
        let cpu = self.cpu.unwrap_or(cpu);
        let mut line = Line::default();
        line.add("-machine", machine.kind)
            .add(
                "-cpu",
                // A counter that ticks once an instruction.
                format!("{cpu}{}", if self.icount { COUNTER } else { "" }),
            )
            .add("-smp", self.cores.to_string())
            .add("-m", self.memory.unwrap_or(memory))
            .path("-kernel", "", self.image, "")
            .add("-global", "virtio-mmio.force-legacy=false")
            // No network: the default one asks for a ROM of a package that is not needed.
            .add("-nic", "none")
            .add("-device", "ramfb")
            .add("-display", self.display.name())
            .add("-chardev", "stdio,id=console,signal=off")
            .add("-serial", "chardev:console")
            .path("-qmp", "unix:", &folder.qmp(), ",server=on,wait=off")
            .add("-device", "virtio-keyboard-device")
            .add("-device", "virtio-serial-device")
            .path(
                "-chardev",
                "socket,id=speech,path=",
                &folder.speech(),
                ",server=on,wait=off",
            )
            .add("-device", "virtconsole,chardev=speech")
            // Held until both sockets are connected, so that no report is lost.
            .flag("-S");
        if self.hub {
            // The second console device, on a bus of its own.
            line.add("-device", "virtio-serial-device,id=hub")
                .path(
                    "-chardev",
                    "socket,id=link,path=",
                    &folder.link(),
                    ",server=on,wait=off",
                )
                .add("-device", "virtconsole,chardev=link,bus=hub.0");
        }
        if let Some(unix_s) = self.replay {
            let start = SystemTime::UNIX_EPOCH + Duration::from_secs(unix_s);
            let start = humantime::format_rfc3339_seconds(start).to_string();
            let start = start.trim_end_matches('Z');
            line.firmware("replay", "1")
                .add("-rtc", format!("base={start},clock=vm"));
        }
        if self.icount {
            line.add("-icount", "shift=0");
        }
        match self.drive {
            Drive::Missing => {}
            Drive::File(model) => {
                line.path(
                    "-drive",
                    "if=none,format=raw,readonly=on,id=model,file=",
                    &model.path,
                    "",
                );
            }
            Drive::FailingAt(model, byte) => {
                // A read that touches this sector fails, however often it is tried.
                let options = format!(
                    "driver=raw,node-name=model,read-only=on,file.driver=blkdebug,\
                     file.inject-error.0.event=none,file.inject-error.0.iotype=read,file.inject-error.0.errno=5,\
                     file.inject-error.0.sector={},file.image.driver=file,file.image.filename=",
                    byte / 512
                );
                line.path("-blockdev", &options, &model.path, "");
            }
            Drive::Ram(model, address) => {
                let options = format!(",addr={address:#x},force-raw=on");
                line.path("-device", "loader,file=", &model.path, &options)
                    .firmware("model.addr", &format!("{address:#x}"));
            }
        }
        if let Drive::File(_) | Drive::FailingAt(..) = self.drive {
            line.add("-device", "virtio-blk-device,drive=model");
        }
        if let Drive::File(model) | Drive::FailingAt(model, _) | Drive::Ram(model, _) = self.drive {
            line.firmware("model.name", &model.name)
                .firmware("model.size", &model.size.to_string())
                .firmware("model.sha256", &model.sha256.to_string());
        }
        if let Some(context) = self.context {
            line.firmware("ctx", &context.to_string());
        }
        if let Some(max_tokens) = self.max_tokens {
            line.firmware("max_tokens", &max_tokens.to_string());
        }
        if self.selftest {
            line.firmware("selftest", "1");
        }
        if let Some(system) = self.system {
            // Any text at all, line ends included, which an argument could not carry.
            let file = folder.write("system", system)?;
            line.path("-fw_cfg", "name=opt/qlens/system,file=", &file, "");
        }
        Ok(line.ends(self.gdb))
    }
}

/// A command line under construction. QEMU splits options at commas; in a value they are doubled.
#[derive(Default)]
pub(super) struct Line(Vec<OsString>);

impl Line {
    pub(super) fn flag(&mut self, option: &str) -> &mut Self {
        self.0.push(option.into());
        self
    }

    pub(super) fn add(&mut self, option: &str, value: impl Into<String>) -> &mut Self {
        self.0.push(option.into());
        self.0.push(value.into().into());
        self
    }

    pub(super) fn path(
        &mut self,
        option: &str,
        before: &str,
        path: &Path,
        after: &str,
    ) -> &mut Self {
        let path: PathBuf = path.into();
        // `-kernel` takes the whole argument as a path.
        let path = path.to_string_lossy();
        let path = if before.is_empty() && after.is_empty() {
            path.into_owned()
        } else {
            escaped(&path)
        };
        self.add(option, format!("{before}{path}{after}"))
    }

    /// All of it, with the port on which a debugger is waited for.
    pub(super) fn ends(mut self, gdb: Option<u16>) -> Vec<OsString> {
        if let Some(port) = gdb {
            self.add("-gdb", format!("tcp:127.0.0.1:{port}"));
        }
        self.0
    }

    fn firmware(&mut self, name: &str, value: &str) -> &mut Self {
        self.add(
            "-fw_cfg",
            format!("name=opt/qlens/{name},string={}", escaped(value)),
        )
    }
}

fn escaped(value: &str) -> String {
    value.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use qlens_models::Sha256;

    use super::*;
    use crate::boards;

    fn line(change: impl FnOnce(&mut Machine<'_>)) -> String {
        let board = boards::find(boards::DEFAULT).unwrap();
        let model = Model {
            name: "tiny".into(),
            path: "/m/a,b.gguf".into(),
            size: 1000,
            sha256: Sha256([0xab; 32]),
        };
        let mut machine = Machine::of(&board, Path::new("/t/qemu-virt"), Drive::File(&model));
        change(&mut machine);
        let folder = Folder::new().unwrap();
        let words = machine.arguments(&folder).unwrap();
        words
            .iter()
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn says_only_what_was_asked_for() {
        let plain = line(|_| {});
        assert!(
            plain.contains("-cpu cortex-a76 -smp 2 -m 1G -kernel /t/qemu-virt"),
            "{plain}"
        );
        assert!(
            plain.contains("file=/m/a,,b.gguf") && plain.contains("virtio-blk-device,drive=model"),
            "{plain}"
        );
        assert!(
            plain.contains("name=opt/qlens/model.size,string=1000"),
            "{plain}"
        );
        assert!(
            plain.contains(&format!(
                "name=opt/qlens/model.sha256,string={}",
                "ab".repeat(32)
            )),
            "{plain}"
        );
        for absent in [
            "opt/qlens/ctx",
            "opt/qlens/system",
            "opt/qlens/max_tokens",
            "-gdb",
            "model.addr",
            "icount",
            "cntfrq",
            "chardev=link",
            "replay",
            "-rtc",
        ] {
            assert!(!plain.contains(absent), "{absent}: {plain}");
        }
        let all = line(|machine| {
            machine.cpu = Some("cortex-a55");
            machine.memory = Some("700M");
            machine.context = Some(512);
            machine.system = Some("Be brief.");
            machine.max_tokens = Some(8);
            machine.gdb = Some(4321);
            machine.icount = true;
            machine.hub = true;
            machine.replay = Some(1_777_887_660);
        });
        for present in [
            "-cpu cortex-a55,cntfrq=1000000000",
            "-icount shift=0",
            "-m 700M",
            "opt/qlens/ctx,string=512",
            "opt/qlens/system,file=",
            "opt/qlens/max_tokens,string=8",
            "tcp:127.0.0.1:4321",
            "virtconsole,chardev=link,bus=hub.0",
            "opt/qlens/replay,string=1",
            "-rtc base=2026-05-04T09:41:00,clock=vm",
        ] {
            assert!(all.contains(present), "{present}: {all}");
        }
    }

    #[test]
    fn a_missing_drive_is_not_announced() {
        let none = line(|machine| machine.drive = Drive::Missing);
        assert!(
            !none.contains("opt/qlens/model") && !none.contains("virtio-blk"),
            "{none}"
        );
        let failing = line(|machine| {
            if let Drive::File(model) = machine.drive {
                machine.drive = Drive::FailingAt(model, 5120);
            }
        });
        assert!(failing.contains("inject-error.0.sector=10,"), "{failing}");
        assert!(
            failing.contains("virtio-blk-device,drive=model"),
            "{failing}"
        );
    }
}
