//! A host fake of each trait, plain data all of them, with the faults that hardware has: a block
//! device that fails half-way, a short read, a wrong byte, a core that does not answer. They need no
//! operating system, so that firmware tests may use them too.

use core::cell::Cell;
use core::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::{Gray8, GrayColor};
use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write};

use crate::event::SensorEvent;
use crate::queue::EventSink;
use crate::store::{Flow, ModelInfo, ModelStore, StoreError};
use crate::traits::{Clock, CoreError, Display, Power, SecondaryCores, SensorSource, Throttle};

/// A clock that a test moves.
#[derive(Debug, Default)]
pub struct FakeClock {
    now_us: Cell<u64>,
    unix_s: Cell<Option<u64>>,
}

impl FakeClock {
    /// A clock that stands at this time (microseconds).
    pub const fn at(now_us: u64) -> Self {
        Self {
            now_us: Cell::new(now_us),
            unix_s: Cell::new(None),
        }
    }

    /// Lets time pass (microseconds). The time of day stands still.
    pub fn advance(&self, by_us: u64) {
        self.now_us.set(self.now_us.get().saturating_add(by_us));
    }

    /// Sets the time of day, in seconds since 1970-01-01.
    pub fn set_unix_s(&self, seconds: Option<u64>) {
        self.unix_s.set(seconds);
    }
}

impl Clock for FakeClock {
    fn now_us(&self) -> u64 {
        self.now_us.get()
    }

    fn unix_s(&self) -> Option<u64> {
        self.unix_s.get()
    }
}

/// A recorded trace, played as its times come and as there is room for it.
#[derive(Debug)]
pub struct FakeSensors<'a> {
    trace: &'a [SensorEvent],
    /// Between [`SensorSource::sleep`] and [`SensorSource::wake`].
    pub asleep: bool,
}

impl<'a> FakeSensors<'a> {
    /// Plays `trace`, which is in order of time.
    pub const fn new(trace: &'a [SensorEvent]) -> Self {
        Self {
            trace,
            asleep: false,
        }
    }

    /// Events that have not been played yet.
    pub fn remaining(&self) -> usize {
        self.trace.len()
    }
}

impl SensorSource for FakeSensors<'_> {
    fn poll(&mut self, now_us: u64, events: &mut dyn EventSink) {
        while let Some((first, rest)) = self.trace.split_first()
            && first.at_us <= now_us
            && !events.is_full()
        {
            events.push(first.clone());
            self.trace = rest;
        }
    }

    fn due_us(&self) -> Option<u64> {
        self.trace.first().map(|event| event.at_us)
    }

    fn sleep(&mut self, _now_us: u64) {
        self.asleep = true;
    }

    fn wake(&mut self, _now_us: u64) {
        self.asleep = false;
    }
}

/// What is wrong with a [`FakeStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoreFault {
    /// Nothing.
    #[default]
    None,
    /// There is no device.
    NoModel,
    /// The device reports an error at this byte.
    FailsAt(usize),
    /// The data ends after this many bytes.
    EndsAt(usize),
    /// The device says that all went well, but left out everything from this byte on.
    SilentlyShortAt(usize),
    /// One bit of this byte comes out wrong.
    FlipsBitAt(usize),
}

/// A model in memory, delivered piece by piece.
#[derive(Debug)]
pub struct FakeStore<'a> {
    /// What it delivers.
    pub bytes: &'a [u8],
    /// What it says of them.
    pub info: ModelInfo,
    /// Most bytes of one piece.
    pub piece: usize,
    /// What is wrong with it.
    pub fault: StoreFault,
    /// How often it was read.
    pub reads: usize,
}

impl<'a> FakeStore<'a> {
    /// A store in order that holds `bytes` and tells their true checksum.
    pub fn new(name: &str, bytes: &'a [u8]) -> Self {
        let mut hash = crate::sha256::Sha256::new();
        hash.update(bytes);
        Self {
            bytes,
            info: ModelInfo::new(name, bytes.len() as u64, Some(hash.finish())),
            piece: 4096,
            fault: StoreFault::None,
            reads: 0,
        }
    }
}

impl ModelStore for FakeStore<'_> {
    fn info(&mut self) -> Result<ModelInfo, StoreError> {
        match self.fault {
            StoreFault::NoModel => Err(StoreError::NoModel),
            _ => Ok(self.info.clone()),
        }
    }

    fn read(
        &mut self,
        into: &mut [u8],
        arrived: &mut dyn FnMut(&[u8]) -> Flow,
    ) -> Result<(), StoreError> {
        self.reads += 1;
        let size = into.len();
        if size > self.bytes.len() {
            return Err(StoreError::DeviceTooSmall {
                size: size as u64,
                capacity: self.bytes.len() as u64,
            });
        }
        let mut offset = 0;
        while offset < size {
            let mut end = size.min(offset + self.piece.max(1));
            match self.fault {
                StoreFault::FailsAt(at) if at <= offset => {
                    return Err(StoreError::Read {
                        offset: offset as u64,
                        kind: ErrorKind::Other,
                    });
                }
                StoreFault::EndsAt(at) if at <= offset => {
                    return Err(StoreError::Ended {
                        offset: offset as u64,
                        size: size as u64,
                    });
                }
                StoreFault::SilentlyShortAt(at) if at <= offset => return Ok(()),
                StoreFault::FailsAt(at)
                | StoreFault::EndsAt(at)
                | StoreFault::SilentlyShortAt(at) => {
                    end = end.min(at);
                }
                StoreFault::None | StoreFault::NoModel | StoreFault::FlipsBitAt(_) => {}
            }
            let piece = &mut into[offset..end];
            piece.copy_from_slice(&self.bytes[offset..end]);
            if let StoreFault::FlipsBitAt(at) = self.fault
                && (offset..end).contains(&at)
            {
                piece[at - offset] ^= 0x10;
            }
            offset = end;
            if arrived(piece) == Flow::Stop {
                return Err(StoreError::Stopped {
                    offset: offset as u64,
                });
            }
        }
        Ok(())
    }
}

/// A display of `N` pixels in rows of `width`, whose pixels a test looks at.
#[derive(Debug)]
pub struct FakeDisplay<const N: usize> {
    /// Intensities, row after row.
    pub pixels: [u8; N],
    /// Switched on.
    pub on: bool,
    /// How bright 255 is.
    pub brightness: u8,
    /// How often it was shown.
    pub flushes: usize,
    width: u32,
}

impl<const N: usize> FakeDisplay<N> {
    /// A black display of `width` columns and as many whole rows as fit.
    pub const fn new(width: u32) -> Self {
        Self {
            pixels: [0; N],
            on: true,
            brightness: 255,
            flushes: 0,
            width,
        }
    }

    /// How many pixels are not black.
    pub fn lit(&self) -> usize {
        self.pixels.iter().filter(|&&pixel| pixel != 0).count()
    }
}

impl<const N: usize> OriginDimensions for FakeDisplay<N> {
    fn size(&self) -> Size {
        let rows = (N as u32).checked_div(self.width).unwrap_or(0);
        Size::new(self.width, rows)
    }
}

impl<const N: usize> DrawTarget for FakeDisplay<N> {
    type Color = Gray8;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Self::Error>
    where
        I: IntoIterator<Item = Pixel<Self::Color>>,
    {
        let size = self.size();
        for Pixel(at, color) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else {
                continue;
            };
            if x < size.width && y < size.height {
                self.pixels[(y * size.width + x) as usize] = color.luma();
            }
        }
        Ok(())
    }
}

impl<const N: usize> Display for FakeDisplay<N> {
    fn flush(&mut self) -> Result<(), Self::Error> {
        self.flushes += 1;
        Ok(())
    }

    fn set_on(&mut self, on: bool) -> Result<(), Self::Error> {
        self.on = on;
        Ok(())
    }

    fn set_brightness(&mut self, level: u8) -> Result<(), Self::Error> {
        self.brightness = level;
        Ok(())
    }
}

/// A battery, a thermometer and a sleep that moves a clock.
#[derive(Debug)]
pub struct FakePower<'c> {
    /// What [`Power::battery`] says.
    pub battery: Option<(u8, bool)>,
    /// What [`Power::temperature`] says.
    pub temperature: Option<i32>,
    /// What [`Power::throttle`] says.
    pub throttle: Throttle,
    /// What [`Power::instructions`] says, and what each sleep adds to it.
    pub instructions: Option<u32>,
    /// Instructions from one sleep to the next.
    pub instructions_a_wake: u32,
    /// How often the board idled.
    pub idles: usize,
    /// The time that [`Power::idle`] was given last.
    pub until_us: Option<u64>,
    /// Longest sleep: a trace may have something for the time in between.
    pub longest_us: u64,
    clock: &'c FakeClock,
}

impl<'c> FakePower<'c> {
    /// Half a battery at 30 °C; idling moves `clock`.
    pub const fn new(clock: &'c FakeClock) -> Self {
        Self {
            battery: Some((50, false)),
            temperature: Some(30_000),
            throttle: Throttle::None,
            instructions: None,
            instructions_a_wake: 1000,
            idles: 0,
            until_us: None,
            longest_us: 1000,
            clock,
        }
    }
}

impl Power for FakePower<'_> {
    fn battery(&mut self) -> Option<(u8, bool)> {
        self.battery
    }

    fn temperature(&mut self) -> Option<i32> {
        self.temperature
    }

    fn throttle(&mut self) -> Throttle {
        self.throttle
    }

    fn instructions(&mut self) -> Option<u32> {
        self.instructions
    }

    fn idle(&mut self, until_us: Option<u64>) {
        self.idles += 1;
        self.instructions = self
            .instructions
            .map(|count| count.wrapping_add(self.instructions_a_wake));
        self.until_us = until_us;
        let now = self.clock.now_us();
        let rest = until_us.map_or(self.longest_us, |until| until.saturating_sub(now));
        // A sleep that ends at once takes time, too.
        self.clock.advance(rest.clamp(1, self.longest_us));
    }
}

/// Cores that only remember that they were started.
#[derive(Debug)]
pub struct FakeCores<const N: usize> {
    /// Cores that were started.
    pub started: [bool; N],
    /// A core that never reports.
    pub silent: Option<usize>,
}

impl<const N: usize> FakeCores<N> {
    /// `N` secondary cores, all off.
    pub const fn new() -> Self {
        Self {
            started: [false; N],
            silent: None,
        }
    }
}

impl<const N: usize> Default for FakeCores<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> SecondaryCores for FakeCores<N> {
    fn count(&self) -> usize {
        N
    }

    fn start(&mut self, core: usize, _entry: fn(usize) -> !) -> Result<(), CoreError> {
        let started = core
            .checked_sub(1)
            .and_then(|index| self.started.get_mut(index))
            .ok_or(CoreError::NoSuchCore { core, cores: N + 1 })?;
        if *started {
            return Err(CoreError::AlreadyOn { core });
        }
        if self.silent == Some(core) {
            return Err(CoreError::Silent { core });
        }
        *started = true;
        Ok(())
    }
}

/// A console of `N` bytes each way: a test fills `input` and reads `output`. What does not fit into
/// `output` is lost, as on a wire that nobody listens to.
#[derive(Debug, Default)]
pub struct FakeConsole<const N: usize> {
    /// Bytes that will be read.
    pub input: heapless::Deque<u8, N>,
    /// Bytes that were written.
    pub output: heapless::Vec<u8, N>,
}

impl<const N: usize> FakeConsole<N> {
    /// Nothing to read, nothing written.
    pub const fn new() -> Self {
        Self {
            input: heapless::Deque::new(),
            output: heapless::Vec::new(),
        }
    }

    /// Somebody types; what does not fit is lost.
    pub fn type_in(&mut self, text: &str) {
        for &byte in text.as_bytes() {
            let _ = self.input.push_back(byte);
        }
    }

    /// What was written, as text.
    pub fn written(&self) -> &str {
        core::str::from_utf8(&self.output).unwrap_or("(not UTF-8)")
    }
}

impl<const N: usize> ErrorType for FakeConsole<N> {
    type Error = Infallible;
}

impl<const N: usize> Read for FakeConsole<N> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        let mut count = 0;
        for slot in buf {
            let Some(byte) = self.input.pop_front() else {
                break;
            };
            *slot = byte;
            count += 1;
        }
        Ok(count)
    }
}

impl<const N: usize> ReadReady for FakeConsole<N> {
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        Ok(!self.input.is_empty())
    }
}

impl<const N: usize> Write for FakeConsole<N> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        for &byte in buf {
            let _ = self.output.push(byte);
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}
