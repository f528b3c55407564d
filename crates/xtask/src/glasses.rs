//! Both chips of a pair of glasses in QEMU, joined, and somebody who wears them: a recording of the sensors that is
//! played to the hub, and waits where it says so until the application processor has done all that came before.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use qlens_recording::file::File;
use qlens_recording::{FRAME_BYTES, Record, Sample, render, scene::Scene, wire};

use crate::ask;
use crate::boards::{self, Board};
use crate::emulator::{Console, Emulator, Figures, Hub, Machine, Report};
use crate::setup::{self, Need};
use crate::{image, interrupt, workspace};

/// Name of the hub's board.
const HUB: &str = "sensor-hub";

/// Longest silence while the model answers: a long prompt takes minutes in emulation and is not reported.
const ANSWER: Duration = Duration::from_mins(20);

/// What is played in one go, in microseconds.
const MOMENT_US: u64 = 20_000;

/// The mark that is put behind a recording that does not end with one, so that its end is waited for.
const END: u32 = u32::MAX;

/// Longest wait for a line of the hub's log.
const LOG: Duration = Duration::from_secs(10);

/// A recording, and what its marks are called.
pub struct Recording {
    file: File,
    names: Vec<(u32, String)>,
    /// The mark that is the last to be played.
    last: Option<u32>,
}

/// How fast to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As it was recorded.
    Lived,
    /// As fast as the hub takes it.
    AtOnce,
}

/// The two chips.
pub struct Glasses {
    /// The application processor.
    pub processor: Emulator,
    /// The sensor hub.
    pub hub: Hub,
}

impl Recording {
    /// Reads a recording, or renders a scene.
    pub fn read(path: &Path) -> Result<Self> {
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let scene = Scene::read(path)?;
            let names = scene.waits().map(|(number, name)| (number, name.into()));
            return Ok(Self {
                names: names.collect(),
                file: File::new(render::render(&scene))?,
                last: None,
            });
        }
        let file = File::read(path).with_context(|| path.display().to_string())?;
        if let Some(cut) = file.cut() {
            eprintln!("warning: {}: {cut}", path.display());
        }
        Ok(Self {
            file,
            names: Vec::new(),
            last: None,
        })
    }

    /// One of the repository's scenes by its name, else a file.
    pub fn named_or_file(name: &Path) -> Result<Self> {
        match name.to_str() {
            Some(scene) if scene_file(scene).is_file() => Self::of_repository(scene),
            _ => Self::read(name),
        }
    }

    /// One of the repository's scenes.
    pub fn of_repository(name: &str) -> Result<Self> {
        Self::read(
            &workspace::root()
                .join("traces")
                .join(format!("{name}.toml")),
        )
    }

    /// The same, played up to this mark.
    pub fn upto(self, mark: u32) -> Self {
        Self {
            last: Some(mark),
            ..self
        }
    }

    /// Seconds since 1970 at its beginning.
    pub fn start_unix_s(&self) -> u64 {
        self.file.start_unix_s()
    }

    /// What a mark is called.
    pub fn name(&self, number: u32) -> String {
        let known = self.names.iter().find(|(known, _)| *known == number);
        known.map_or_else(|| format!("mark-{number}"), |(_, name)| name.clone())
    }
}

fn scene_file(name: &str) -> PathBuf {
    workspace::root()
        .join("traces")
        .join(format!("{name}.toml"))
}

/// Builds the hub's firmware.
pub fn hub_image() -> Result<PathBuf> {
    let board: Board = boards::find(HUB)?;
    setup::make_sure_of(&[
        Need::Target(&board.triple),
        Need::Program(&setup::QEMU_SYSTEM),
    ])?;
    Ok(image::firmware(&board)?.path)
}

impl Glasses {
    /// Starts both chips; `machine` has a hub. With `icount`, the hub's time is instructions.
    pub fn start(
        machine: &Machine<'_>,
        hub: &Path,
        icount: bool,
        console: &Console,
    ) -> Result<Self> {
        let processor = Emulator::start(machine, console.clone())?;
        let hub = Hub::start(hub, &processor.link(), icount, console.clone())?;
        Ok(Self { processor, hub })
    }

    /// Waits until the model is loaded.
    pub fn wait_until_ready(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        ask::wait_until_ready(&mut self.processor, progress)
    }

    /// Plays a recording to its end. `at_mark` is called with the number of each mark that it waits at, once all before
    /// it is done; `heard` with every report.
    pub fn play(
        &mut self,
        recording: &Recording,
        pace: Pace,
        heard: &mut dyn FnMut(&Report),
        at_mark: &mut dyn FnMut(&mut Self, u32) -> Result<()>,
    ) -> Result<()> {
        let mut start = Instant::now();
        // Samples are played a moment at a time: each call to the hub costs more than a sample.
        let mut moment = Vec::new();
        let mut from_us = 0_u64;
        let mut waits = false;
        let mut last = END;
        for frame in recording.file.frames() {
            if frame.at_us >= from_us.saturating_add(MOMENT_US) || frame.at_us < from_us {
                self.hub.play(&moment)?;
                moment.clear();
                from_us = frame.at_us;
                if pace == Pace::Lived {
                    self.live_until(start + Duration::from_micros(frame.at_us), heard)?;
                }
            }
            moment.extend_from_slice(frame.bytes);
            waits = frame.wait.is_some();
            let Some(number) = frame.wait else { continue };
            last = number;
            self.hub.play(&moment)?;
            moment.clear();
            let waited = Instant::now();
            self.wait_for_mark(number, &recording.name(number), heard)?;
            at_mark(self, number)?;
            // The wearer waits, too.
            start += waited.elapsed();
            if recording.last == Some(number) {
                return self.wait_for_log(number);
            }
        }
        if !waits {
            let mut frame = [0; FRAME_BYTES];
            let mark = Sample::Mark {
                number: END,
                wait: true,
            };
            let end = wire::encode(&Record::new(from_us, mark), &mut frame);
            moment.extend_from_slice(end.unwrap_or_default());
            self.hub.play(&moment)?;
            last = END;
            self.wait_for_mark(END, "the end", heard)?;
        }
        self.wait_for_log(last)
    }

    /// The hub's log comes another way than its events, and may come later.
    fn wait_for_log(&self, mark: u32) -> Result<()> {
        let start = Instant::now();
        let is_there = |figures: &Figures| figures.mark == u64::from(mark);
        while !self.hub.figures().iter().any(is_there) {
            interrupt::check()?;
            if start.elapsed() > LOG {
                bail!("the hub's log does not come to mark {mark}");
            }
            sleep(interrupt::POLL);
        }
        Ok(())
    }

    fn wait_for_mark(
        &mut self,
        number: u32,
        name: &str,
        heard: &mut dyn FnMut(&Report),
    ) -> Result<()> {
        let what = format!("the glasses to come to {name:?}");
        self.processor.wait_for(&what, ANSWER, |report| {
            heard(report);
            (*report == Report::Mark(number)).then_some(())
        })
    }

    fn live_until(&mut self, then: Instant, heard: &mut dyn FnMut(&Report)) -> Result<()> {
        loop {
            interrupt::check()?;
            while let Some(report) = self.processor.report()? {
                heard(&report);
                if let Report::Error(said) = report {
                    bail!("the glasses report an error: {said}");
                }
            }
            let rest = then.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(());
            }
            sleep(rest.min(interrupt::POLL));
        }
    }

    /// Ends both.
    pub fn quit(self) -> Result<()> {
        self.hub.quit()?;
        self.processor.quit()
    }
}
