//! The touchpad: position and pressure in, taps, long presses and swipes out.
//!
//! ```text
//!             pressed                   held
//!   ┌──────┐ ─────────► ┌──────────┐ ─────────────► ┌───────┐
//!   │ Idle │            │ Touching │   LongPress    │ Spent │
//!   └──────┘ ◄───────── └──────────┘ ─────────────► └───────┘
//!      ▲      released:              moved: Swipe       │
//!      │      Tap, DoubleTap                            │
//!      └────────────────────────────────────────────────┘
//!                 released, or the samples stopped
//! ```
//!
//! A tap is told when it ends and a second one soon after it as a double tap: to hold back the first
//! until no second can come would show the wearer nothing for 800 ms. So a double tap is a `Tap` and
//! a `DoubleTap`.

use qlens_board::Direction;

use crate::event::{Event, EventKind};
use crate::intake::{Arrival, Counts, Intake, count};
use crate::samples::{TOUCH_COUNTS_PER_MM, TouchSample};
use crate::settings::Settings;

/// Pressure at which a touch begins. A finger laid on gives 300 and more, a sleeve or hair under 150.
pub const PRESS: u16 = 220;
/// Pressure under which it ends: a finger that lifts while it moves is still there.
pub const RELEASE: u16 = 120;
/// A contact that breaks for less is one that bounces. Fingers come back after 50 ms at the soonest.
pub const BOUNCE_US: u64 = 25_000;
/// A touch that presses for fewer samples is a spike, not a finger: the shortest tap that people make is 40 ms.
pub const FEWEST_SAMPLES: u8 = 2;
/// A finger that moved so far along the temple draws; one that taps or rests rolls 2 mm.
pub const SWIPE_X: i32 = 5 * TOUCH_COUNTS_PER_MM;
/// The same across, where the pad has but 12 mm.
pub const SWIPE_Y: i32 = 7 * TOUCH_COUNTS_PER_MM / 2;
/// Held so long, a touch is not a finger but water or a case; it counts as stuck until it ends.
pub const STUCK_US: u64 = 20_000_000;

/// Half of what a pad of 100 Hz has between two samples.
const SHORTEST_US: u32 = 5_000;
/// Samples that stop for so long say nothing of the finger.
const LONGEST_US: u32 = 150_000;

#[derive(Debug, Clone, Copy)]
enum Phase {
    Idle,
    Touching(Track),
    /// Reported; nothing more comes of this touch.
    Spent,
}

/// Where a finger is and was.
#[derive(Debug, Clone, Copy)]
struct Track {
    /// Samples of a finger that presses, whose position was read; up to 255.
    positions: u8,
    /// The last three positions.
    recent: [(i32, i32); 3],
    /// Where it began.
    anchor: (i32, i32),
    /// Where it is, smoothed.
    at: (i32, i32),
}

/// The recogniser of touches.
#[derive(Debug, Clone)]
pub struct Touch {
    intake: Intake,
    phase: Phase,
    down_us: u64,
    contact_us: u64,
    /// When the tap ended that a second one can make a double tap.
    tapped_us: Option<u64>,
}

impl Default for Touch {
    fn default() -> Self {
        Self::new()
    }
}

impl Touch {
    /// No finger on it.
    pub const fn new() -> Self {
        Self {
            intake: Intake::new(SHORTEST_US, LONGEST_US),
            phase: Phase::Idle,
            down_us: 0,
            contact_us: 0,
            tapped_us: None,
        }
    }

    /// What became of the samples.
    pub const fn counts(&self) -> Counts {
        self.intake.counts
    }

    /// Gives up what was under way; a finger that is still there counts once it comes again.
    pub fn forget(&mut self) {
        if let Phase::Touching(_) = self.phase {
            self.phase = Phase::Spent;
        }
        self.tapped_us = None;
    }

    /// Takes a sample.
    pub fn sample(
        &mut self,
        time_us: u64,
        sample: TouchSample,
        settings: &Settings,
    ) -> Option<Event> {
        if !sample.in_range() {
            count(&mut self.intake.counts.out_of_range);
            return None;
        }
        match self.intake.arrive(time_us) {
            Arrival::Drop => return None,
            Arrival::Anew => {
                self.phase = Phase::Idle;
                self.tapped_us = None;
            }
            Arrival::After(_) => {}
        }
        let kind = match &mut self.phase {
            Phase::Idle => {
                if sample.pressure >= PRESS {
                    self.down_us = time_us;
                    self.contact_us = time_us;
                    self.phase = Phase::Touching(Track::new(sample));
                }
                return None;
            }
            phase if sample.pressure < RELEASE => {
                if time_us - self.contact_us < BOUNCE_US {
                    return None;
                }
                let ended = core::mem::replace(phase, Phase::Idle);
                let Phase::Touching(track) = ended else {
                    return None;
                };
                if track.positions < FEWEST_SAMPLES {
                    return None;
                }
                self.tapped(settings)
            }
            Phase::Touching(track) => {
                self.contact_us = time_us;
                track.follow(sample);
                if let Some(direction) = track.drawn() {
                    EventKind::Swipe(direction)
                } else if track.positions >= FEWEST_SAMPLES
                    && time_us - self.down_us >= u64::from(settings.long_press_ms) * 1000
                {
                    EventKind::LongPress
                } else {
                    return None;
                }
            }
            Phase::Spent => {
                self.contact_us = time_us;
                if time_us - self.down_us >= STUCK_US {
                    count(&mut self.intake.counts.stuck);
                }
                return None;
            }
        };
        if !matches!(kind, EventKind::Tap | EventKind::DoubleTap) {
            self.phase = Phase::Spent;
            self.tapped_us = None;
        }
        Some(Event::new(time_us, kind))
    }

    /// A short touch ended: the first or the second of two.
    fn tapped(&mut self, settings: &Settings) -> EventKind {
        let limit_us = u64::from(settings.double_tap_ms) * 1000;
        let second = self
            .tapped_us
            .is_some_and(|first_us| self.down_us - first_us <= limit_us);
        if second {
            self.tapped_us = None;
            EventKind::DoubleTap
        } else {
            self.tapped_us = Some(self.contact_us);
            EventKind::Tap
        }
    }
}

impl Track {
    fn new(sample: TouchSample) -> Self {
        let mut track = Self {
            positions: 0,
            recent: [(0, 0); 3],
            anchor: (0, 0),
            at: (0, 0),
        };
        track.follow(sample);
        track
    }

    fn follow(&mut self, sample: TouchSample) {
        // A finger that lifts or lands is a small spot at its own edge: where that is says little.
        if sample.pressure < PRESS {
            return;
        }
        self.positions = self.positions.saturating_add(1);
        self.recent.rotate_left(1);
        self.recent[2] = (i32::from(sample.x), i32::from(sample.y));
        // A single sample may be anywhere; the median of three is not.
        let [a, b, c] = self.recent;
        let here = (median(a.0, b.0, c.0), median(a.1, b.1, c.1));
        match self.positions {
            0..=2 => {}
            3 => {
                self.anchor = here;
                self.at = here;
            }
            _ => {
                self.at.0 += (here.0 - self.at.0) / 2;
                self.at.1 += (here.1 - self.at.1) / 2;
            }
        }
    }

    /// Which way the finger was drawn, if it was.
    fn drawn(&self) -> Option<Direction> {
        let (dx, dy) = (self.at.0 - self.anchor.0, self.at.1 - self.anchor.1);
        let along = dx.abs() * SWIPE_Y;
        let across = dy.abs() * SWIPE_X;
        if along.max(across) < SWIPE_X * SWIPE_Y {
            return None;
        }
        Some(match (along >= across, dx > 0, dy > 0) {
            (true, true, _) => Direction::Forward,
            (true, false, _) => Direction::Back,
            (false, _, true) => Direction::Up,
            (false, _, false) => Direction::Down,
        })
    }
}

fn median(a: i32, b: i32, c: i32) -> i32 {
    a.max(b).min(a.min(b).max(c))
}
