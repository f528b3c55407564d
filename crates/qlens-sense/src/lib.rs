//! What the sensor hub of a pair of glasses recognises, all day and on milliwatts: raw samples in, [`Event`]s out.

#![no_std]
#![deny(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod event;
pub mod head;
mod intake;
pub mod light;
mod recogniser;
pub mod samples;
pub mod settings;
pub mod touch;
pub mod voice;
pub mod wear;

pub use event::{Event, EventKind};
pub use intake::{CLOCK_RESTART, Counts};
pub use recogniser::{Recogniser, Sensor};
pub use settings::{Settings, SettingsError};
