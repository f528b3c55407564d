//! QEMU as a process: started, asked through its machine protocol, ended.

use std::ffi::OsString;
use std::fs;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::console::Console;
use super::qmp::Qmp;
use super::report::Report;
use crate::interrupt;

/// How long QEMU may take to open its sockets.
const START: Duration = Duration::from_secs(30);
/// What a process said last may still be on its way through a pipe for this long.
const SETTLE: Duration = Duration::from_millis(200);
/// Ticks a second in which Linux tells processor time: the same on every machine that it runs on.
const CLOCK_TICKS: u64 = 100;

/// A running QEMU. Dropping it ends it.
pub struct Process {
    child: Child,
    pub stdin: Option<ChildStdin>,
    pub qmp: Qmp,
    pub console: Console,
}

impl Process {
    /// Starts QEMU with these arguments, of which one is `-S`; its protocol is on the socket `qmp`. What the board
    /// reports on its console goes to `reports`.
    pub fn start(
        program: &str,
        arguments: &[OsString],
        qmp: &Path,
        console: Console,
        reports: Option<Sender<Report>>,
    ) -> Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            // Ctrl-C is for this program, which then ends QEMU after what is left to do.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {program}"))?;
        let stdin = child.stdin.take();
        console.listen(child.stdout.take(), child.stderr.take(), reports);
        let mut child = Guard(Some(child));
        // QEMU opens its sockets before it looks at the rest of what it was told.
        let qmp = match Qmp::over(connect(qmp, &mut child, &console)?) {
            Ok(qmp) => qmp,
            Err(fault) => {
                sleep(SETTLE);
                child.check(&console)?;
                return Err(fault);
            }
        };
        let Some(child) = child.0.take() else {
            bail!("QEMU is gone")
        };
        Ok(Self {
            child,
            stdin,
            qmp,
            console,
        })
    }

    /// Connects to a socket that QEMU opens.
    pub fn connect(&mut self, path: &Path) -> Result<UnixStream> {
        UnixStream::connect(path)
            .with_context(|| format!("QEMU did not open its sockets{}", self.console.last_lines()))
    }

    /// Lets the machine run.
    pub fn go(&mut self) -> Result<()> {
        self.qmp.run("cont", None)?;
        Ok(())
    }

    /// Processor time that the machine's cores took of this one, by Linux' account of their threads.
    pub fn core_time(&mut self) -> Result<Duration> {
        let cores = self.qmp.run("query-cpus-fast", None)?;
        let mut ticks = 0;
        for core in cores.as_array().into_iter().flatten() {
            let thread = core.get("thread-id").and_then(Value::as_u64);
            let thread = thread.context("QEMU names no thread of a core")?;
            let path = format!("/proc/{}/task/{thread}/stat", self.child.id());
            let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
            // After the name in brackets, which may hold anything: the twelfth and thirteenth fields.
            let fields = stat.rsplit_once(')').map(|(_, rest)| rest);
            let times = fields
                .unwrap_or_default()
                .split_whitespace()
                .skip(11)
                .take(2);
            ticks += times
                .filter_map(|time| time.parse::<u64>().ok())
                .sum::<u64>();
        }
        Ok(Duration::from_millis(ticks * 1000 / CLOCK_TICKS))
    }

    /// The status that QEMU ended with, waiting so long for it at most.
    pub fn ended(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let start = Instant::now();
        loop {
            match self.child.try_wait()? {
                None if start.elapsed() < limit => sleep(interrupt::POLL),
                status => return Ok(status),
            }
        }
    }

    /// Ends QEMU in its own way.
    pub fn quit(mut self) -> Result<()> {
        self.end()
    }

    /// The same, for whoever still holds it.
    pub fn end(&mut self) -> Result<()> {
        // It may be gone before it answers.
        let _ = self.qmp.run("quit", None);
        self.ended(Duration::from_secs(10))?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends a child that is not a [`Process`] yet.
struct Guard(Option<Child>);

impl Guard {
    /// An error with its last words if it has ended.
    fn check(&mut self, console: &Console) -> Result<()> {
        if let Some(status) = self.0.as_mut().map(Child::try_wait).transpose()?.flatten() {
            sleep(SETTLE);
            bail!("QEMU did not start ({status}){}", console.last_lines());
        }
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn connect(path: &Path, child: &mut Guard, console: &Console) -> Result<UnixStream> {
    let start = Instant::now();
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(fault) if start.elapsed() > START => {
                return Err(fault).context("QEMU did not open its sockets");
            }
            Err(_) => {}
        }
        interrupt::check()?;
        child.check(console)?;
        sleep(interrupt::POLL);
    }
}
