//! A board that runs in QEMU, held by its outside: the console, the touchpad's keys, the speech and report
//! channel, the display. What a person does with a pair of glasses, a program does through here.

mod console;
mod folder;
mod machine;
mod pixels;
mod qmp;
mod report;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

pub use console::Console;
pub use machine::{Display, Drive, Machine};
pub use pixels::Pixels;
pub use report::Report;

use crate::interrupt;
use folder::Folder;
use qmp::Qmp;

/// How long QEMU may take to open its sockets.
const START: Duration = Duration::from_secs(30);
/// What a process said last may still be on its way through a pipe for this long.
const SETTLE: Duration = Duration::from_millis(200);
/// A press this long is a long-press to the touchpad; the firmware asks for 600 ms.
const LONG_PRESS: Duration = Duration::from_millis(900);

/// A key of the touchpad, by QEMU's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(pub &'static str);

impl Key {
    /// The touch surface itself: tapped it is a tap, held it is a long-press.
    pub const ENTER: Self = Self("ret");
    /// Double-tap, which goes back.
    pub const BACK: Self = Self("ac_back");
    /// Swipe forward.
    pub const FORWARD: Self = Self("right");
    /// Swipe back.
    pub const BACKWARD: Self = Self("left");
}

/// A running QEMU. Dropping it ends it and removes what it left.
pub struct Emulator {
    child: Child,
    stdin: Option<ChildStdin>,
    qmp: Qmp,
    speech: UnixStream,
    reports: Receiver<Report>,
    console: Console,
    folder: Folder,
}

impl Emulator {
    /// Starts the machine; it runs as soon as this returns, unless a debugger is to start it.
    pub fn start(machine: &Machine<'_>, console: Console) -> Result<Self> {
        let folder = Folder::new()?;
        let mut command = Command::new("qemu-system-aarch64");
        command.args(machine.arguments(&folder)?);
        let mut child = command
            // Ctrl-C is for this program, which then ends QEMU after what is left to do.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run qemu-system-aarch64")?;
        let stdin = child.stdin.take();
        console.listen(child.stdout.take(), child.stderr.take());

        let mut child = Guard(Some(child));
        // QEMU opens its sockets before it looks at the rest of what it was told.
        let qmp = match Qmp::over(connect(&folder.qmp(), &mut child, &console)?) {
            Ok(qmp) => qmp,
            Err(fault) => {
                sleep(SETTLE);
                child.check(&console)?;
                return Err(fault);
            }
        };
        let speech = connect(&folder.speech(), &mut child, &console)?;
        let (sender, reports) = channel();
        let listener = speech.try_clone()?;
        thread::spawn(move || pass_on(listener, &sender));
        let Some(child) = child.0.take() else {
            bail!("QEMU is gone")
        };
        let mut emulator = Self {
            child,
            stdin,
            qmp,
            speech,
            reports,
            console,
            folder,
        };
        if machine.gdb.is_none() {
            emulator.qmp.run("cont", None)?;
        }
        Ok(emulator)
    }

    /// Waits until `found` takes a report. `silence` is the longest time that may pass without any report;
    /// `what` completes "waited … for". An `error` report that `found` leaves is an error here.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        silence: Duration,
        mut found: impl FnMut(&Report) -> Option<T>,
    ) -> Result<T> {
        let mut heard = Instant::now();
        loop {
            match self.next_report()? {
                Some(report) => {
                    heard = Instant::now();
                    if let Some(value) = found(&report) {
                        return Ok(value);
                    }
                    if let Report::Error(said) = report {
                        bail!("the board reported an error while waiting for {what}: {said}");
                    }
                }
                None if heard.elapsed() > silence => bail!(
                    "waited {} s for {what} and heard nothing from the board{}",
                    silence.as_secs(),
                    self.console.last_lines()
                ),
                None => {}
            }
        }
    }

    /// The next report if one comes within a moment; an error if QEMU ended or Ctrl-C came.
    pub fn next_report(&mut self) -> Result<Option<Report>> {
        interrupt::check()?;
        match self.reports.recv_timeout(interrupt::POLL) {
            Ok(report) => Ok(Some(report)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.ended(Duration::from_secs(5))?;
                let status = status.map_or("without an end".into(), |status| status.to_string());
                bail!(
                    "QEMU ended by itself ({status}){}",
                    self.console.last_lines()
                )
            }
        }
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

    /// Presses a key for a moment.
    pub fn tap(&mut self, key: Key) -> Result<()> {
        self.press_for(key, Duration::from_millis(60))
    }

    /// Holds a key long enough to be a long-press.
    pub fn hold(&mut self, key: Key) -> Result<()> {
        self.press_for(key, LONG_PRESS)
    }

    fn press_for(&mut self, key: Key, time: Duration) -> Result<()> {
        self.qmp.key(key.0, true)?;
        sleep(time);
        self.qmp.key(key.0, false)
    }

    /// Says a line into the microphone's channel.
    pub fn say(&mut self, line: &str) -> Result<()> {
        let line = line.split(['\n', '\r']).collect::<Vec<_>>().join(" ");
        self.speech
            .write_all(format!("{line}\n").as_bytes())
            .context("the speech channel is closed")
    }

    /// Says a request of the self-test and returns the line that answers it, which begins with the same word.
    pub fn request(&mut self, line: &str, silence: Duration) -> Result<String> {
        self.say(line)?;
        let word = line.split(' ').next().unwrap_or(line);
        let what = format!("the answer to `{word}`");
        self.wait_for(&what, silence, |report| match report {
            Report::Other(answer) if answer.starts_with(word) => Some(answer.clone()),
            _ => None,
        })
    }

    /// The console's input, once; closing it is the end of what is typed.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// Saves the display as a PNG file.
    pub fn save_picture(&mut self, path: &Path) -> Result<()> {
        let path = std::path::absolute(path)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        self.qmp
            .screendump(&path, "png")
            .with_context(|| format!("cannot save the display as {}", path.display()))
    }

    /// The display's pixels, as soon as two looks a moment apart see the same.
    pub fn settled_pixels(&mut self) -> Result<Pixels> {
        let mut last = self.pixels()?;
        for _ in 0..40 {
            sleep(Duration::from_millis(250));
            let now = self.pixels()?;
            if now == last {
                break;
            }
            last = now;
        }
        Ok(last)
    }

    fn pixels(&mut self) -> Result<Pixels> {
        let path = self.folder.picture();
        self.qmp.screendump(&path, "ppm")?;
        Pixels::of_ppm(&std::fs::read(&path)?)
    }

    /// Ends QEMU in its own way.
    pub fn quit(mut self) -> Result<()> {
        // It may be gone before it answers.
        let _ = self.qmp.run("quit", None);
        self.ended(Duration::from_secs(10))?;
        Ok(())
    }

    /// What the board said on its console.
    pub fn console(&self) -> &Console {
        &self.console
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends a child that is not an [`Emulator`] yet.
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

/// Passes on what the board reports, line by line, until QEMU closes the channel.
fn pass_on(stream: UnixStream, to: &Sender<Report>) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let report = Report::parse(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
        if to.send(report).is_err() {
            return;
        }
        line.clear();
    }
}
