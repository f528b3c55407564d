//! The ambient light sensor: how bright the display has to be.
//!
//! ```text
//!            differs from what was told            for 1 s
//!   ┌──────┐ ───────────────────────► ┌─────────┐ ─────────► Ambient, Same
//!   │ Same │                          │ Changed │
//!   └──────┘ ◄─────────────────────── └─────────┘
//!                 no more
//! ```
//!
//! The eye sees ratios, so that a change is one of a quarter, or of 3 lux in the dark. Lamps flicker at 100 Hz,
//! which the part averages over its 100 ms; a shadow that passes takes less than a second.

use crate::event::{Event, EventKind};
use crate::intake::{Arrival, Counts, Intake, count};
use crate::samples::centilux;

/// A change of less than this fraction is none: one in so many.
pub const CHANGE: u32 = 4;
/// And a change of less than so many hundredths of a lux.
pub const CHANGE_CENTILUX: u32 = 300;
/// Noise is smoothed; what differs by more than this fraction (one in so many) is none, and is followed at once.
pub const JUMP: u32 = 2;
/// So long it has to last.
pub const DWELL_US: u64 = 1_000_000;

/// Of a sensor of 10 Hz.
const SHORTEST_US: u32 = 50_000;
const LONGEST_US: u32 = 5_000_000;

/// The recogniser of light.
#[derive(Debug, Clone)]
pub struct Light {
    intake: Intake,
    /// Smoothed hundredths of a lux, times 8: at most 27 bits.
    level: u32,
    told: Option<u32>,
    changed_us: Option<u64>,
}

impl Default for Light {
    fn default() -> Self {
        Self::new()
    }
}

impl Light {
    /// Nothing is known.
    pub const fn new() -> Self {
        Self {
            intake: Intake::new(SHORTEST_US, LONGEST_US),
            level: 0,
            told: None,
            changed_us: None,
        }
    }

    /// What became of the samples.
    pub const fn counts(&self) -> Counts {
        self.intake.counts
    }

    /// Takes a word of the part's result register; the first is told at once.
    pub fn sample(&mut self, time_us: u64, word: u16) -> Option<Event> {
        let Some(here) = centilux(word) else {
            count(&mut self.intake.counts.out_of_range);
            return None;
        };
        match self.intake.arrive(time_us) {
            Arrival::Drop => return None,
            Arrival::Anew => {
                self.level = here * 8;
                self.changed_us = None;
            }
            Arrival::After(_) => {
                let level = self.level / 8;
                if level.abs_diff(here) > level.min(here) / JUMP {
                    self.level = here * 8;
                } else {
                    self.level = self.level - self.level / 4 + here * 2;
                }
            }
        }
        let level = self.level / 8;
        let since_us = match self.told {
            None => return Some(self.tell(time_us, level)),
            Some(told) if level.abs_diff(told) < (told / CHANGE).max(CHANGE_CENTILUX) => {
                self.changed_us = None;
                return None;
            }
            Some(_) => *self.changed_us.get_or_insert(time_us),
        };
        (time_us - since_us >= DWELL_US).then(|| self.tell(time_us, level))
    }

    fn tell(&mut self, time_us: u64, level: u32) -> Event {
        self.told = Some(level);
        self.changed_us = None;
        let lux = (level + 50) / 100;
        Event::new(time_us, EventKind::Ambient { lux })
    }
}
