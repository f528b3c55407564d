//! The proximity sensor inside the temple: put on or taken off.
//!
//! ```text
//!   ┌─────────┐  near for 500 ms: Worn    ┌──────┐
//!   │ Removed │ ────────────────────────► │ Worn │
//!   └─────────┘ ◄──────────────────────── └──────┘
//!                far for 1 s: Removed
//! ```
//!
//! At the start it is neither, and the first of the two that lasts is told. Counts between near and far
//! change nothing.

use crate::event::{Event, EventKind};
use crate::intake::{Arrival, Counts, Intake, count};
use crate::samples::PROXIMITY_OVERFLOW;

/// Counts of skin at the 8 mm that a temple is from it; a sensor on the table says a tenth.
pub const NEAR: u16 = 3000;
/// Below this there is nobody. Hair between skin and sensor stays above.
pub const FAR: u16 = 1800;
/// So long near: a hand that wipes the lens passes sooner.
pub const WORN_US: u64 = 500_000;
/// So long far: glasses pushed up for a moment are not taken off.
pub const REMOVED_US: u64 = 1_000_000;

/// Of a sensor of 20 Hz.
const SHORTEST_US: u32 = 25_000;
const LONGEST_US: u32 = 2_000_000;

/// The recogniser of wear.
#[derive(Debug, Clone)]
pub struct Wear {
    intake: Intake,
    /// Smoothed counts, times 16.
    level: u32,
    worn: Option<bool>,
    /// Since when the level says something else than `worn`.
    other_us: Option<(bool, u64)>,
}

impl Default for Wear {
    fn default() -> Self {
        Self::new()
    }
}

impl Wear {
    /// Nothing is known.
    pub const fn new() -> Self {
        Self {
            intake: Intake::new(SHORTEST_US, LONGEST_US),
            level: 0,
            worn: None,
            other_us: None,
        }
    }

    /// What became of the samples.
    pub const fn counts(&self) -> Counts {
        self.intake.counts
    }

    /// Whether the glasses are on; `None` before there were samples enough to say.
    pub const fn is_worn(&self) -> Option<bool> {
        self.worn
    }

    /// Takes a sample. Whoever blinds the sensor neither puts the glasses on nor takes them off.
    pub fn sample(&mut self, time_us: u64, counts: u16) -> Option<Event> {
        if counts == PROXIMITY_OVERFLOW {
            count(&mut self.intake.counts.out_of_range);
            return None;
        }
        match self.intake.arrive(time_us) {
            Arrival::Drop => return None,
            Arrival::Anew => {
                self.level = u32::from(counts) * 16;
                self.other_us = None;
            }
            Arrival::After(_) => {
                // A quarter of the step: 16 × 65535 fits many times.
                self.level = (self.level * 3 + u32::from(counts) * 16) / 4;
            }
        }
        let says = match self.level / 16 {
            level if level >= u32::from(NEAR) => true,
            level if level <= u32::from(FAR) => false,
            _ => {
                self.other_us = None;
                return None;
            }
        };
        if self.worn == Some(says) {
            self.other_us = None;
            return None;
        }
        let since_us = match self.other_us {
            Some((said, since_us)) if said == says => since_us,
            _ => time_us,
        };
        self.other_us = Some((says, since_us));
        let (dwell_us, kind) = if says {
            (WORN_US, EventKind::Worn)
        } else {
            (REMOVED_US, EventKind::Removed)
        };
        if time_us - since_us < dwell_us {
            return None;
        }
        self.worn = Some(says);
        self.other_us = None;
        Some(Event::new(time_us, kind))
    }
}
