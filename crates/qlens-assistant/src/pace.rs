//! How fast to write and how bright to shine: what battery, heat and the wearer's attention allow. A pure
//! function, [`pacing`], of what is known; [`App`](crate::app::App) does what it says.
//!
//! Decoding is slowed by its duty cycle, the share of time that the cores work: after each piece of work they
//! pause for as much longer as it takes to make up that share ([`Pace::pause_us`]).
//!
//! | duty | chip | battery, off the charger | [`Throttle`] |
//! |---|---|---|---|
//! | 100 % | cooler | fuller | `None` |
//! | 50 % | from 55 °C | below 30 % | `Ease` |
//! | 25 % | from 65 °C | below 15 % | |
//! | 0 | from 75 °C | below 5 % | `Stop` |
//!
//! A step is taken back only [`HEAT_BAND`] below its temperature and [`CHARGE_BAND`] above its charge, so that
//! a reading that wavers changes nothing.
//!
//! Why these numbers. The battery of such glasses holds 0.8 Wh, 2880 J, and cores that are kept busy draw
//! 2.5 to 3.5 W: a quarter of an hour, and ten seconds for each per cent. At 30 % there are five minutes left,
//! which half the duty makes ten; an answer costs the same joules at any duty, but its wearer gets to a
//! charger, and the voltage of an old cell sags less. At 5 % there would be less than a minute, about one
//! answer; what is left is for the display and the sensors. The chip sits in a frame without a fan that lies on
//! skin, which bears 43 °C for hours (ISO 13732-1); how much cooler than its chip a frame is only its maker
//! knows, 12 degrees are assumed here, and a board that knows better says so by [`Throttle`].
//!
//! The display is dimmed and then switched off when the wearer does nothing for a while: sooner on a page
//! that only waits, later on one that is read, never while the model works, for then somebody waits. A full
//! page is sixteen lines of some six words, half a minute for most readers, and a dimmed one can still be
//! read. Black costs nothing, so there is no screen saver.

use core::fmt;

use qlens_board::Throttle;

/// Chip temperatures from which each further step holds, in thousandths of a degree Celsius.
const HEAT: [i32; 3] = [55_000, 65_000, 75_000];
/// A step of heat ends this much below where it begins, in thousandths of a degree Celsius.
pub const HEAT_BAND: i32 = 5_000;

/// Charges below which each further step holds, in per cent.
const CHARGE: [u8; 3] = [30, 15, 5];
/// A step of charge ends this much above where it begins, in per cent.
pub const CHARGE_BAND: u8 = 2;

/// Duty cycle at each step, in per cent.
const DUTY: [u8; 4] = [100, 50, 25, 0];
/// Greatest brightness at each step of charge.
const BRIGHTNESS: [u8; 4] = [255, 255, 160, 96];
/// Brightness of a display that nobody seems to look at.
const DIMMED: u8 = 64;

const SECOND: u64 = 1_000_000;
/// Quiet after which a page that waits is dimmed, and dark, in microseconds.
const WAITING: [u64; 2] = [15 * SECOND, 30 * SECOND];
/// The same for a page that is read.
const READING: [u64; 2] = [60 * SECOND, 90 * SECOND];

/// Longest pause, in microseconds: work that took longer than it can have was interrupted by something else.
const LONGEST_PAUSE_US: u64 = 10 * SECOND;

/// Time for the first token of an answer, in microseconds: nobody looks at a gauge for longer, and a prompt of
/// 2048 tokens is read within it at 50 tokens a second.
pub const FIRST_WORD_US: u64 = 60 * SECOND;

/// Time for which an answer that was begun waits for the chip to cool, in microseconds. A chip at rest
/// loses the degrees of [`HEAT_BAND`] well within it, or never.
pub const HOLD_US: u64 = 120 * SECOND;

/// What the wearer has before their eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Scene {
    /// The model is at work, and they wait for it.
    Working,
    /// Something to read.
    Reading,
    /// Nothing that would be missed.
    Waiting,
}

/// All that the pace depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Conditions {
    /// Charge of the battery in per cent, and whether it is on the charger; `None` if nobody knows.
    pub battery: Option<(u8, bool)>,
    /// Temperature of the chip in thousandths of a degree Celsius; `None` if nobody knows.
    pub milli_celsius: Option<i32>,
    /// What the board asks for.
    pub throttle: Throttle,
    /// What is shown.
    pub scene: Scene,
    /// Time since the wearer did anything or the model ended its work, in microseconds.
    pub quiet_us: u64,
    /// Somebody wears the glasses.
    pub worn: bool,
}

/// The steps that hold, for the next call of [`pacing`] to know which way a reading came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Held {
    heat: usize,
    charge: usize,
}

/// What limits the duty cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Limit {
    /// The chip is hot.
    Heat,
    /// The board wants it.
    Board,
    /// The battery is low.
    Battery,
}

/// Why the display is not at its brightest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Shade {
    /// The battery is low.
    Battery,
    /// Nobody seems to look.
    Quiet,
    /// Nobody wears the glasses.
    Removed,
}

/// How fast to write and how bright to shine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Pace {
    /// Share of the time in which the model may work, in per cent; 0: not at all.
    pub duty: u8,
    /// What makes it less than all.
    pub limit: Option<Limit>,
    /// Brightness of the display; 0 is dark.
    pub brightness: u8,
    /// What makes it less than full.
    pub shade: Option<Shade>,
    /// The quiet, in microseconds, after which the brightness changes if nothing else does.
    pub due_us: Option<u64>,
}

impl Pace {
    /// At full speed, at full brightness.
    pub const FULL: Self = Self {
        duty: 100,
        limit: None,
        brightness: 255,
        shade: None,
        due_us: None,
    };

    /// The pause after `worked_us` of work, both in microseconds; `None` if it is not to go on at all.
    pub const fn pause_us(&self, worked_us: u64) -> Option<u64> {
        if self.duty == 0 {
            return None;
        }
        let idle = 100_u8.saturating_sub(self.duty) as u64;
        let pause = worked_us.saturating_mul(idle) / self.duty as u64;
        Some(if pause < LONGEST_PAUSE_US {
            pause
        } else {
            LONGEST_PAUSE_US
        })
    }
}

/// `duty=<per cent> brightness=<0 to 255> reason=<words>`, the words being of heat, board, battery, quiet and
/// removed, joined by `+`, or none.
impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit.map(|limit| match limit {
            Limit::Heat => "heat",
            Limit::Board => "board",
            Limit::Battery => "battery",
        });
        let shade = self.shade.map(|shade| match shade {
            Shade::Battery => "battery",
            Shade::Quiet => "quiet",
            Shade::Removed => "removed",
        });
        write!(
            f,
            "duty={} brightness={} reason=",
            self.duty, self.brightness
        )?;
        match (limit, shade.filter(|&shade| limit != Some(shade))) {
            (None, None) => f.write_str("none"),
            (Some(limit), Some(shade)) => write!(f, "{limit}+{shade}"),
            (limit, shade) => f.write_str(limit.or(shade).unwrap_or_default()),
        }
    }
}

/// The pace under these conditions, and the steps that hold from now on.
pub fn pacing(now: &Conditions, held: Held) -> (Pace, Held) {
    let held = Held {
        heat: now.milli_celsius.map_or(0, |celsius| {
            let reached = |band| HEAT.iter().filter(|&&step| celsius >= step - band).count();
            held.heat.clamp(reached(0), reached(HEAT_BAND))
        }),
        charge: match now.battery {
            // On the charger the battery is what is fed last.
            None | Some((_, true)) => 0,
            Some((percent, false)) => {
                let reached = |band| CHARGE.iter().filter(|&&step| percent < step + band).count();
                held.charge.clamp(reached(0), reached(CHARGE_BAND))
            }
        },
    };
    let board = match now.throttle {
        Throttle::None => 0,
        Throttle::Ease => 1,
        Throttle::Stop => DUTY.len() - 1,
    };
    // Of equals the first.
    let steps = [
        (held.heat, Limit::Heat),
        (board, Limit::Board),
        (held.charge, Limit::Battery),
    ];
    let step = held.heat.max(board).max(held.charge);
    let limit = steps.iter().find(|&&(of, _)| of == step && of > 0);

    let most = BRIGHTNESS[held.charge];
    let shade = (most < u8::MAX).then_some(Shade::Battery);
    let quiet = match now.scene {
        Scene::Working => None,
        Scene::Reading => Some(READING),
        Scene::Waiting => Some(WAITING),
    };
    let (brightness, shade, due_us) = match quiet {
        _ if !now.worn => (0, Some(Shade::Removed), None),
        None => (most, shade, None),
        Some([dim, _]) if now.quiet_us < dim => (most, shade, Some(dim)),
        Some([_, dark]) if now.quiet_us < dark => {
            (most.min(DIMMED), Some(Shade::Quiet), Some(dark))
        }
        Some(_) => (0, Some(Shade::Quiet), None),
    };
    let pace = Pace {
        duty: DUTY[step],
        limit: limit.map(|&(_, limit)| limit),
        brightness,
        shade,
        due_us,
    };
    (pace, held)
}
