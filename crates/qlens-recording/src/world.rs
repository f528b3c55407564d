//! A wearer who is simulated: what they do, and what the sensors measure of it.

mod sensors;

use std::vec::Vec;

pub use sensors::World;

/// Microseconds from one sample of the motion sensor to the next; the other sensors sample at multiples of it.
pub const TICK_US: u64 = 5_000;

/// A finger on the pad.
#[derive(Debug, Clone, PartialEq)]
pub struct Finger {
    /// When it lands, in microseconds.
    pub from_us: u64,
    /// When it is gone.
    pub to_us: u64,
    /// Where it lands, in counts along the temple and across; see [`TouchSample`](qlens_sense::samples::TouchSample).
    pub from: (f64, f64),
    /// Where it lifts.
    pub to: (f64, f64),
    /// How hard it presses, in counts.
    pub pressure: f64,
}

/// The head turns to a pitch.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// When it begins to, in microseconds.
    pub from_us: u64,
    /// When it is there; later than `from_us`.
    pub to_us: u64,
    /// Degrees over the horizon.
    pub pitch: f64,
}

/// What happens, each list in the order of time (microseconds).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {
    /// Touches, one after the other.
    pub fingers: Vec<Finger>,
    /// Movements of the head, one after the other.
    pub turns: Vec<Turn>,
    /// Since when the glasses are on or not.
    pub worn: Vec<(u64, bool)>,
    /// Since when it is so bright, in lux.
    pub lux: Vec<(u64, f64)>,
    /// Since when the wearer walks or not.
    pub walks: Vec<(u64, bool)>,
    /// When a shadow passes, which changes nothing.
    pub shadows: Vec<u64>,
    /// When a temple is lifted off for a third of a second, which changes nothing.
    pub lifts: Vec<u64>,
}
