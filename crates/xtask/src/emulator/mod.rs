//! A board that runs in QEMU, held by its outside: the console, the touchpad's keys, the speech and report
//! channel, the display. What a person does with a pair of glasses, a program does through here.

mod bad_link;
mod card;
mod console;
mod folder;
mod hub;
mod machine;
mod pixels;
mod process;
mod qmp;
mod report;
mod sold;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

pub use bad_link::BadLink;
pub use console::Console;
pub use hub::{Figures, Hub};
pub use machine::{Display, Drive, Machine};
pub use pixels::Pixels;
pub use report::Report;

pub use folder::Folder;
use process::Process;

use crate::{boards, interrupt};

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

/// A running board. Dropping it ends QEMU and removes what it left.
pub struct Emulator {
    process: Process,
    /// `None` on a board whose console is everything that it has.
    speech: Option<UnixStream>,
    reports: Receiver<Report>,
    folder: Folder,
}

impl Emulator {
    /// Starts the machine; it runs as soon as this returns, unless a debugger is to start it.
    pub fn start(machine: &Machine<'_>, console: Console) -> Result<Self> {
        let folder = Folder::new()?;
        let arguments = machine.arguments(&folder)?;
        let (sender, reports) = channel();
        let is_sold = machine.board.machine.is_some_and(boards::Machine::is_sold);
        let on_console = is_sold.then(|| sender.clone());
        let mut process = Process::start(
            "qemu-system-aarch64",
            &arguments,
            &folder.qmp(),
            console,
            on_console,
        )?;
        let speech = if is_sold {
            None
        } else {
            let speech = process.connect(&folder.speech())?;
            let listener = speech.try_clone()?;
            thread::spawn(move || pass_on(listener, &sender));
            Some(speech)
        };
        if machine.gdb.is_none() {
            process.go()?;
        }
        Ok(Self {
            process,
            speech,
            reports,
            folder,
        })
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
                    self.console().last_lines()
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
                    self.console().last_lines()
                )
            }
        }
    }

    /// A report that has come, without waiting for one.
    pub fn report(&mut self) -> Result<Option<Report>> {
        match self.reports.try_recv() {
            Ok(report) => Ok(Some(report)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => self.next_report(),
        }
    }

    /// The status that QEMU ended with, waiting so long for it at most.
    pub fn ended(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        self.process.ended(limit)
    }

    /// Presses a key for a moment.
    pub fn tap(&mut self, key: Key) -> Result<()> {
        self.press_for(key, Duration::from_millis(60))
    }

    /// Holds a key long enough to be a long-press.
    pub fn hold(&mut self, key: Key) -> Result<()> {
        self.press_for(key, LONG_PRESS)
    }

    /// Whether there is something to touch; a board without it takes a typed line for a long-press and the words
    /// after it.
    pub fn has_touchpad(&self) -> bool {
        self.speech.is_some()
    }

    fn press_for(&mut self, key: Key, time: Duration) -> Result<()> {
        ensure!(self.has_touchpad(), "the board has no touchpad");
        self.process.qmp.key(key.0, true)?;
        sleep(time);
        self.process.qmp.key(key.0, false)
    }

    /// Says a line into the microphone's channel, or types it at the console of a board that has none.
    pub fn say(&mut self, line: &str) -> Result<()> {
        let mut line = line.split(['\n', '\r']).collect::<Vec<_>>().join(" ");
        line.push('\n');
        match (&mut self.speech, &mut self.process.stdin) {
            (Some(speech), _) => speech
                .write_all(line.as_bytes())
                .context("the speech channel is closed"),
            (None, Some(console)) => console
                .write_all(line.as_bytes())
                .and_then(|()| console.flush())
                .context("the console is closed"),
            (None, None) => bail!("somebody else types at the console"),
        }
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
        self.process.stdin.take()
    }

    /// Saves the display as a PNG file.
    pub fn save_picture(&mut self, path: &Path) -> Result<()> {
        let path = std::path::absolute(path)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        self.process
            .qmp
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

    /// The display's pixels as they are now.
    pub fn pixels(&mut self) -> Result<Pixels> {
        let path = self.folder.picture();
        self.process.qmp.screendump(&path, "ppm")?;
        Pixels::of_ppm(&std::fs::read(&path)?)
    }

    /// Where a sensor hub joins.
    pub fn link(&self) -> PathBuf {
        self.folder.link()
    }

    /// Processor time that the board's cores took of this machine since the start.
    pub fn core_time(&mut self) -> Result<Duration> {
        self.process.core_time()
    }

    /// Ends QEMU in its own way.
    pub fn quit(self) -> Result<()> {
        self.process.quit()
    }

    /// What the board said on its console.
    pub fn console(&self) -> &Console {
        &self.process.console
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
