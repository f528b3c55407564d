//! The traits that a board implements and the application is written against. Small on purpose: a
//! new board should be an afternoon of binding published drivers to them.

use core::fmt;

use embedded_graphics::{draw_target::DrawTarget, pixelcolor::Gray8};

use crate::queue::EventSink;

/// Monotonic time, and the time of day.
pub trait Clock {
    /// Microseconds since the board started; never goes back.
    fn now_us(&self) -> u64;

    /// Seconds since 1970-01-01, of the place where the glasses are worn; `None` on a board that does not
    /// know. Unlike the other it jumps when somebody sets it.
    fn unix_s(&self) -> Option<u64> {
        None
    }
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now_us(&self) -> u64 {
        (**self).now_us()
    }

    fn unix_s(&self) -> Option<u64> {
        (**self).unix_s()
    }
}

/// Something that notices what the wearer does.
pub trait SensorSource {
    /// Moves whatever was noticed since the last call into `events`, oldest first, and returns at
    /// once; called between tokens and between layers, so it must be cheap when nothing happened.
    ///
    /// `now_us` is the time of the call, for gestures that end by waiting.
    fn poll(&mut self, now_us: u64, events: &mut dyn EventSink);

    /// When [`SensorSource::poll`] will have something to say even if nobody touches anything more;
    /// `None` if only an interrupt can bring news. Whoever sleeps, sleeps no longer than this.
    fn due_us(&self) -> Option<u64> {
        None
    }

    /// Nobody wears the glasses: from now on only what could end that is wanted, and a sensor on another
    /// chip may let the line to it sleep.
    fn sleep(&mut self, _now_us: u64) {}

    /// The glasses are worn again.
    fn wake(&mut self, _now_us: u64) {}
}

/// A source that the machine may lack.
impl<S: SensorSource> SensorSource for Option<S> {
    fn poll(&mut self, now_us: u64, events: &mut dyn EventSink) {
        if let Some(source) = self {
            source.poll(now_us, events);
        }
    }

    fn due_us(&self) -> Option<u64> {
        self.as_ref().and_then(S::due_us)
    }

    fn sleep(&mut self, now_us: u64) {
        if let Some(source) = self {
            source.sleep(now_us);
        }
    }

    fn wake(&mut self, now_us: u64) {
        if let Some(source) = self {
            source.wake(now_us);
        }
    }
}

/// Two sources as one.
impl<A: SensorSource, B: SensorSource> SensorSource for (A, B) {
    fn poll(&mut self, now_us: u64, events: &mut dyn EventSink) {
        self.0.poll(now_us, events);
        self.1.poll(now_us, events);
    }

    fn due_us(&self) -> Option<u64> {
        let dues = [self.0.due_us(), self.1.due_us()];
        dues.into_iter().flatten().min()
    }

    fn sleep(&mut self, now_us: u64) {
        self.0.sleep(now_us);
        self.1.sleep(now_us);
    }

    fn wake(&mut self, now_us: u64) {
        self.0.wake(now_us);
        self.1.wake(now_us);
    }
}

/// A display of one green. Intensity 0 is black, which on these displays is transparent and costs
/// no power; 255 is the brightest green.
pub trait Display: DrawTarget<Color = Gray8> {
    /// Shows what was drawn since the last call.
    ///
    /// # Errors
    /// Whatever the display's driver reports; what is shown is then undefined until the next call.
    fn flush(&mut self) -> Result<(), Self::Error>;

    /// Switches the panel on or off; the picture is kept.
    ///
    /// # Errors
    /// Whatever the display's driver reports.
    fn set_on(&mut self, on: bool) -> Result<(), Self::Error>;

    /// Sets how bright 255 is, from 1 to 255; a display without such a setting stays as bright as it is.
    /// What is drawn already may have to be drawn again.
    ///
    /// # Errors
    /// Whatever the display's driver reports.
    fn set_brightness(&mut self, _level: u8) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// A level of a pixel on a display of this brightness, for displays that have no light of their own to dim. Rounded to
/// the nearest, so that every board shows the same.
pub const fn dimmed(level: u8, brightness: u8) -> u8 {
    ((level as u16 * brightness as u16 + 127) / 255) as u8
}

/// How much the board wants to be spared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Throttle {
    /// Full speed.
    #[default]
    None,
    /// Getting warm or low: leave pauses between tokens.
    Ease,
    /// Stop generating until this clears.
    Stop,
}

/// Battery, temperature, and the switch.
pub trait Power {
    /// Charge left in per cent and whether it is charging; `None` on a board without a battery.
    fn battery(&mut self) -> Option<(u8, bool)>;

    /// Chip temperature in thousandths of a degree Celsius; `None` where there is no sensor.
    fn temperature(&mut self) -> Option<i32>;

    /// How much the board wants to be spared just now.
    fn throttle(&mut self) -> Throttle;

    /// Instructions that the calling core has executed, modulo 2^32, for whoever wants to know how well it
    /// sleeps; `None` where nobody counts them.
    fn instructions(&mut self) -> Option<u32> {
        None
    }

    /// Waits until something may have happened: an interrupt, or `until_us` on the board's clock.
    /// May return early and for no reason; must not return late because an interrupt came between
    /// the caller's last look and the call.
    fn idle(&mut self, until_us: Option<u64>);
}

/// Why a core did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CoreError {
    /// The board has no stack or no release address for this core.
    NoSuchCore {
        /// The core asked for.
        core: usize,
        /// Cores that the board can run, the first one included.
        cores: usize,
    },
    /// It was started before.
    AlreadyOn {
        /// The core asked for.
        core: usize,
    },
    /// The firmware below refused, with its own code.
    Refused {
        /// The core asked for.
        core: usize,
        /// The code, e.g. PSCI's.
        code: i32,
    },
    /// It was started and did not report in time.
    Silent {
        /// The core asked for.
        core: usize,
    },
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchCore { core, cores } => {
                write!(f, "core {core} does not exist: the board runs {cores}")
            }
            Self::AlreadyOn { core } => write!(f, "core {core} is already on"),
            Self::Refused { core, code } => {
                write!(f, "core {core} was refused by the platform, code {code}")
            }
            Self::Silent { core } => write!(f, "core {core} was started and never reported"),
        }
    }
}

impl core::error::Error for CoreError {}

/// The cores beside the one that boots: PSCI on one board, a spin table on another.
pub trait SecondaryCores {
    /// Cores that may be started, the boot core not counted. They are numbered from 1.
    fn count(&self) -> usize;

    /// Starts core `core` in `entry(core)` on a stack of its own, floating point on and FPCR zero,
    /// caches and MMU as on the boot core. Returns once the core runs.
    ///
    /// # Errors
    /// Which core did not start and why; the others are not affected.
    fn start(&mut self, core: usize, entry: fn(usize) -> !) -> Result<(), CoreError>;
}
