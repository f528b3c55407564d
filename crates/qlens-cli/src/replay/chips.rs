//! The sensor hub and its link, beside the application, in a time that passes as they ask for it.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;

use embedded_io::{ErrorType, Write};
use qlens_board::queue::EventSink;
use qlens_board::wire::{WireEnd, wire};
use qlens_board::{Clock, SensorKind, SensorSource};
use qlens_hub::{Figures, Hub};
use qlens_link::{Event, EventKind, HubSource};
use qlens_recording::file::{File, Frames};
use qlens_recording::{FRAME_BYTES, Record, Sample, wire as frames};
use serde::Serialize;

use super::screen::Screen;

/// What passes at each look at the clock's chips, in microseconds.
const STEP_US: u64 = 1000;

/// The mark that is put behind every recording, so that its end is waited for.
const LAST: u32 = u32::MAX;

/// The time of both chips.
#[derive(Clone)]
pub struct Time {
    now_us: Rc<Cell<u64>>,
    unix_s: u64,
}

impl Time {
    pub fn new(unix_s: u64) -> Self {
        Self {
            now_us: Rc::default(),
            unix_s,
        }
    }

    pub fn pass(&self) {
        self.now_us.set(self.now_us.get() + STEP_US);
    }
}

impl Clock for Time {
    fn now_us(&self) -> u64 {
        self.now_us.get()
    }

    fn unix_s(&self) -> Option<u64> {
        Some(self.unix_s + self.now_us() / 1_000_000)
    }
}

/// Something that the hub recognised.
#[derive(Serialize, Debug, Clone)]
pub struct Happened {
    /// Microseconds of the recording.
    pub at_us: u64,
    /// In the hub's words.
    pub what: String,
}

/// What the glasses said and showed.
#[derive(Default)]
pub struct Told {
    pub events: Vec<Happened>,
    pub answers: Vec<String>,
    pub errors: Vec<String>,
    /// The display at each mark.
    pub shown: Vec<(u32, Vec<u8>)>,
    /// The last mark that was reported.
    mark: Option<u32>,
    /// The model is loaded: somebody can put the glasses on.
    is_ready: bool,
    pub is_over: bool,
}

/// The hub, and the application processor's end of the link.
pub struct Chips<'r> {
    hub: Hub<WireEnd>,
    source: HubSource<WireEnd>,
    frames: Frames<'r>,
    /// The time of what was played last.
    at_us: u64,
    /// The mark that is waited for.
    wait: Option<u32>,
    time: Time,
    told: Rc<RefCell<Told>>,
}

impl<'r> Chips<'r> {
    pub fn new(recording: &'r File, told: Rc<RefCell<Told>>, time: Time) -> Self {
        let [hub, processor] = wire();
        Self {
            hub: Hub::new(hub, 1),
            source: HubSource::new(processor, 2),
            frames: recording.frames(),
            at_us: 0,
            wait: None,
            time,
            told,
        }
    }

    /// Gives the hub what it takes, up to where the recording waits.
    fn play(&mut self) {
        if !self.told.borrow().is_ready {
            return;
        }
        while self.hub.takes() {
            if let Some(mark) = self.wait {
                if self.told.borrow().mark != Some(mark) {
                    return;
                }
                self.wait = None;
                if mark == LAST {
                    self.told.borrow_mut().is_over = true;
                }
            }
            if self.told.borrow().is_over {
                return;
            }
            let mut last = [0; FRAME_BYTES];
            let bytes = if let Some(frame) = self.frames.next() {
                self.wait = frame.wait;
                self.at_us = frame.at_us;
                frame.bytes
            } else {
                self.wait = Some(LAST);
                let mark = Sample::Mark {
                    number: LAST,
                    wait: true,
                };
                // Short enough for any frame.
                frames::encode(&Record::new(self.at_us, mark), &mut last).unwrap_or_default()
            };
            let told = &self.told;
            for &byte in bytes {
                self.hub.take(byte, &mut |event| note(event, told));
            }
        }
    }
}

fn note(event: &Event, told: &RefCell<Told>) {
    if matches!(event.kind, EventKind::Sensor(SensorKind::Mark { .. })) {
        return;
    }
    let what = match &event.kind {
        EventKind::Sensor(kind) => format!("{kind:?}"),
        kind => format!("{kind:?}"),
    };
    told.borrow_mut().events.push(Happened {
        at_us: event.at_us,
        what,
    });
}

impl SensorSource for Chips<'_> {
    fn poll(&mut self, _now_us: u64, events: &mut dyn EventSink) {
        self.time.pass();
        let now_us = self.time.now_us();
        self.play();
        while matches!(self.hub.poll(now_us, &mut Figures::default), Ok(true)) {}
        if self.hub.wake_line() {
            let Ok(_) = self.hub.link().write(&[0]);
        }
        self.source.poll(now_us, events);
    }

    fn sleep(&mut self, now_us: u64) {
        self.source.sleep(now_us);
    }

    fn wake(&mut self, now_us: u64) {
        self.source.wake(now_us);
    }
}

/// Reads the application's reports, and looks at the display where it says that a mark is reached.
pub struct Report {
    line: Vec<u8>,
    told: Rc<RefCell<Told>>,
    screen: Rc<RefCell<Screen>>,
    answer: String,
}

impl Report {
    pub fn new(told: Rc<RefCell<Told>>, screen: Rc<RefCell<Screen>>) -> Self {
        Self {
            line: Vec::new(),
            told,
            screen,
            answer: String::new(),
        }
    }

    fn read(&mut self, line: &str) {
        let mut told = self.told.borrow_mut();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "ready" => told.is_ready = true,
            "text" => self
                .answer
                .push_str(&serde_json::from_str::<String>(rest).unwrap_or_default()),
            "done" => told.answers.push(std::mem::take(&mut self.answer)),
            "error" => {
                // Without a model nothing more comes of it.
                told.is_over |= !told.is_ready;
                told.errors.push(rest.into());
            }
            "mark" => {
                told.mark = rest.parse().ok();
                if let Some(number) = told.mark
                    && number != LAST
                {
                    let pixels = self.screen.borrow().pixels().to_vec();
                    told.shown.push((number, pixels));
                }
            }
            _ => {}
        }
    }
}

impl ErrorType for Report {
    type Error = Infallible;
}

impl Write for Report {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.read(&String::from_utf8_lossy(&line));
            } else {
                self.line.push(byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
