//! The application on fakes of a board, with a small random model, a wearer who follows a script, and a
//! witness who notes each line of the report, when it came and what the display was like then.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::Gray8;
use embedded_io::{ErrorType, Write};
use qlens::KvType;
use qlens::workers::Inline;
use qlens_assistant::Assistant;
use qlens_assistant::app::{App, Context, Memory, Ports, Settings};
use qlens_assistant::pace::FIRST_WORD_US;
use qlens_board::fake::{FakeClock, FakeDisplay, FakePower, FakeStore};
use qlens_board::memory::Region;
use qlens_board::queue::EventSink;
use qlens_board::sha256::Sha256;
use qlens_board::{
    Clock, Display, MemoryMap, SensorEvent, SensorKind, SensorSource, Span, Throttle, Usage,
};

const START: u64 = 0x4000_0000;
const RAM: u64 = 8 << 20;
const DISPLAY: Size = Size::new(240, 160);
const PIXELS: usize = 240 * 160;

pub const SECOND: u64 = 1_000_000;

/// When the wearer does something.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// Once a line that begins with these words was reported for the nth time.
    Line(&'static str, usize),
    /// At this time on the board's clock, in microseconds.
    At(u64),
}

/// A line of the report.
#[derive(Clone, Debug)]
pub struct Line {
    pub at_us: u64,
    pub text: String,
    pub on: bool,
    pub brightness: u8,
    /// What the wearer sees; only at marks.
    pub picture: Vec<u8>,
}

/// All that the parts of the board share.
struct World {
    clock: &'static FakeClock,
    display: RefCell<FakeDisplay<PIXELS>>,
    lines: RefCell<Vec<Line>>,
    unfinished: RefCell<Vec<u8>>,
    pictures: bool,
    hands_asleep: RefCell<Vec<bool>>,
}

impl World {
    fn note(&self, text: String) {
        let display = self.display.borrow();
        let picture = if self.pictures && text.starts_with("mark") {
            let level = if display.on { display.brightness } else { 0 };
            let seen = |&pixel: &u8| (u16::from(pixel) * u16::from(level) / 255) as u8;
            display.pixels.iter().map(seen).collect()
        } else {
            Vec::new()
        };
        self.lines.borrow_mut().push(Line {
            at_us: self.clock.now_us(),
            text,
            on: display.on,
            brightness: display.brightness,
            picture,
        });
    }

    fn count(&self, words: &str) -> usize {
        let lines = self.lines.borrow();
        lines.iter().filter(|line| line.is(words)).count()
    }
}

impl Line {
    pub fn is(&self, words: &str) -> bool {
        self.text == words
            || self
                .text
                .strip_prefix(words)
                .is_some_and(|rest| rest.starts_with(' '))
    }
}

struct Report(Rc<World>);

impl ErrorType for Report {
    type Error = Infallible;
}

impl Write for Report {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut *self.0.unfinished.borrow_mut());
                self.0
                    .note(String::from_utf8(line).expect("reports are text"));
            } else {
                self.0.unfinished.borrow_mut().push(byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

struct Lens(Rc<World>);

impl OriginDimensions for Lens {
    fn size(&self) -> Size {
        DISPLAY
    }
}

impl DrawTarget for Lens {
    type Color = Gray8;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Gray8>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        self.0.display.borrow_mut().draw_iter(pixels)
    }
}

impl Display for Lens {
    fn flush(&mut self) -> Result<(), Infallible> {
        self.0.display.borrow_mut().flush()
    }

    fn set_on(&mut self, on: bool) -> Result<(), Infallible> {
        self.0.display.borrow_mut().set_on(on)
    }

    fn set_brightness(&mut self, level: u8) -> Result<(), Infallible> {
        self.0.display.borrow_mut().set_brightness(level)
    }
}

/// The wearer, a recording, and a sensor that babbles.
struct Hands {
    world: Rc<World>,
    script: Vec<(When, SensorKind)>,
    recording: std::vec::IntoIter<SensorEvent>,
    flood: Option<Flood>,
    work_us: u64,
    /// The end of the run, for which the board is to wake up.
    until_us: u64,
}

/// Readings in a flood, from one time to another.
#[derive(Clone, Debug)]
pub struct Flood {
    pub kind: SensorKind,
    pub apart_us: u64,
    pub from_us: u64,
    pub to_us: u64,
}

impl SensorSource for Hands {
    /// Each look takes its time: so long does the model work on a layer.
    fn poll(&mut self, _: u64, events: &mut dyn EventSink) {
        self.world.clock.advance(self.work_us);
        let now = self.world.clock.now_us();
        while let Some((when, kind)) = self.script.first()
            && match *when {
                When::Line(words, times) => self.world.count(words) >= times,
                When::At(at_us) => at_us <= now,
            }
        {
            events.push(SensorEvent::new(now, kind.clone()));
            self.script.remove(0);
        }
        while !events.is_full()
            && let Some(event) = self.recording.next()
        {
            events.push(event);
        }
        if let Some(flood) = &mut self.flood {
            while flood.from_us <= now.min(flood.to_us) {
                events.push(SensorEvent::new(flood.from_us, flood.kind.clone()));
                flood.from_us += flood.apart_us;
            }
        }
    }

    fn due_us(&self) -> Option<u64> {
        let flood = self.flood.as_ref();
        let flood = flood.and_then(|flood| (flood.from_us <= flood.to_us).then_some(flood.from_us));
        let script = match self.script.first() {
            Some(&(When::At(at_us), _)) => Some(at_us),
            Some(&(When::Line(words, times), _)) if self.world.count(words) >= times => Some(0),
            _ => None,
        };
        let recording = (self.recording.len() > 0).then_some(0);
        let due = [flood, script, recording, Some(self.until_us)];
        due.into_iter().flatten().min()
    }

    fn sleep(&mut self, _: u64) {
        self.world.hands_asleep.borrow_mut().push(true);
    }

    fn wake(&mut self, _: u64) {
        self.world.hands_asleep.borrow_mut().push(false);
    }
}

/// What a run is made of.
pub struct Glasses {
    pub settings: Settings,
    pub model: Vec<u8>,
    pub script: Vec<(When, SensorKind)>,
    /// Delivered as there is room for it.
    pub recording: Vec<SensorEvent>,
    pub flood: Option<Flood>,
    /// Time that passes between two looks at the sensors.
    pub work_us: u64,
    /// The run begins and ends at these times of the board's clock.
    pub from_us: u64,
    pub until_us: u64,
    pub unix_s: Option<u64>,
    pub battery: Option<(u8, bool)>,
    pub temperature: Option<i32>,
    pub throttle: Throttle,
    pub instructions: Option<u32>,
    pub pictures: bool,
}

/// What came of it.
pub struct Seen {
    pub lines: Vec<Line>,
    pub assistant: Box<Assistant>,
    pub idles: usize,
    /// The time that the last sleep was to end at.
    pub until_us: Option<u64>,
    pub on: bool,
    pub sleeps: Vec<bool>,
}

/// The bytes of a small random model.
pub fn model(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../qlens/tests/data");
    std::fs::read(format!("{folder}/{name}.gguf")).expect("the fixture is in the repository")
}

impl Glasses {
    pub fn new() -> Self {
        Self {
            settings: Settings {
                context: Context::AtMost(512),
                batch: 16,
                max_tokens: 12,
                draft: 3,
                kv: KvType::F16,
                first_word_us: FIRST_WORD_US,
                replay: false,
            },
            model: model("qwen2-q8_0"),
            script: Vec::new(),
            recording: Vec::new(),
            flood: None,
            work_us: 10,
            from_us: 0,
            until_us: SECOND,
            unix_s: None,
            battery: None,
            temperature: None,
            throttle: Throttle::None,
            instructions: None,
            pictures: false,
        }
    }

    pub fn go(self) -> Seen {
        // Its parts borrow it for as long as they like.
        let clock: &'static FakeClock = Box::leak(Box::new(FakeClock::at(self.from_us)));
        clock.set_unix_s(self.unix_s);
        let world = Rc::new(World {
            clock,
            display: RefCell::new(FakeDisplay::new(DISPLAY.width)),
            lines: RefCell::default(),
            unfinished: RefCell::default(),
            pictures: self.pictures,
            hands_asleep: RefCell::default(),
        });
        let mut power = FakePower::new(clock);
        power.battery = self.battery;
        power.temperature = self.temperature;
        power.throttle = self.throttle;
        power.instructions = self.instructions;
        power.longest_us = u64::MAX;
        let mut assistant = Box::new(Assistant::new(DISPLAY));
        let mut store = FakeStore::new("tiny.gguf", &self.model);
        store.piece = 256 * 1024;
        let regions = [Region {
            usage: Usage::Model,
            start: START,
            size: None,
        }];
        let mut ram = vec![0xa5; RAM as usize];
        let mut memory = Memory {
            map: MemoryMap {
                ram: Span::new(START, RAM),
                regions: &regions,
            },
            model: &mut ram,
            arena: None,
        };
        let until_us = self.until_us;
        let mut running = || clock.now_us() < until_us;
        let ports = Ports {
            display: Lens(world.clone()),
            sensors: Hands {
                world: world.clone(),
                script: self.script,
                recording: self.recording.into_iter(),
                flood: self.flood,
                work_us: self.work_us,
                until_us,
            },
            clock,
            power,
            report: Report(world.clone()),
            console: qlens_board::fake::FakeConsole::<1024>::new(),
        };
        let mut app = App::new(ports, &mut assistant, &mut running);
        app.run(
            &mut store,
            &mut memory,
            &self.settings,
            &Inline,
            Sha256::new,
        );
        let power = app.into_ports().power;
        Seen {
            lines: world.lines.take(),
            assistant,
            idles: power.idles,
            until_us: power.until_us,
            on: world.display.borrow().on,
            sleeps: world.hands_asleep.take(),
        }
    }
}

impl Seen {
    /// Lines that begin with these words.
    pub fn lines(&self, words: &str) -> Vec<&Line> {
        self.lines.iter().filter(|line| line.is(words)).collect()
    }

    /// Where the first line that begins with these words is.
    #[track_caller]
    pub fn place(&self, words: &str) -> usize {
        let place = self.lines.iter().position(|line| line.is(words));
        place.unwrap_or_else(|| panic!("no line {words:?} in {:#?}", self.texts()))
    }

    pub fn texts(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line.text.as_str()).collect()
    }
}

pub fn says(text: &str) -> SensorKind {
    SensorKind::speech(text).expect("short")
}
