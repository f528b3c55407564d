//! What the sensor hub of a pair of glasses recognises, all day and on milliwatts: raw samples in, [`Event`]s out.
//!
//! | file | from | events |
//! |---|---|---|
//! | [`touch`] | position and pressure, 100 Hz | `Tap`, `DoubleTap`, `LongPress`, `Swipe` |
//! | [`head`] | 6-axis motion, 200 Hz | `HeadUp`, `HeadDown` |
//! | [`wear`] | proximity, 20 Hz | `Worn`, `Removed` |
//! | [`light`] | illuminance, 10 Hz | `Ambient` |
//! | [`voice`] | a microphone, 16 kHz | `VoiceStart`, `VoiceStop`, and the sound between them |
//!
//! Each has the picture of its state machine at the top of its file, and its thresholds as constants with where
//! they come from; those that the application processor may change are [`Settings`]. A [`Recogniser`] has all five.
//! Nothing in it knows a clock, a bus or an interrupt: time comes with the samples, in microseconds, so that a recording
//! gives the same events whenever and wherever it is played.
//!
//! ```
//! use qlens_sense::samples::TouchSample;
//! use qlens_sense::{Event, EventKind, Recogniser};
//!
//! let mut recogniser = Recogniser::new();
//! let mut events = (0..20).filter_map(|step| {
//!     let pressure = if step < 10 { 500 } else { 0 };
//!     recogniser.touch(step * 10_000, TouchSample { x: 1000, y: 300, pressure })
//! });
//! assert_eq!(events.next(), Some(Event::new(120_000, EventKind::Tap)));
//! ```
//!
//! # What is promised
//!
//! | a sensor | outcome | counted in [`Counts`] |
//! |---|---|---|
//! | sends a sample older than its last | dropped | `backwards` |
//! | sends 32 of those in a row | the clock began anew: followed, what was under way given up | `clock_restarts` |
//! | sends faster than the part can sample | dropped: at most two samples for each of the part's | `flooded` |
//! | stops for longer than a few samples | a touch is given up, the horizon looked for again, an utterance ended | `gaps` |
//! | says what the part cannot measure | dropped; of a motion sample at its rails the rest is used | `out_of_range` |
//! | hangs: motion for 1 s, a touch for 20 s, sound for a frame | not believed until it changes | `stuck` |
//!
//! A proximity or light sensor that always says the same is no news, and nothing tells it from one that hangs. No
//! input panics, takes more memory or brings more than one event a sample.
//!
//! While the glasses are off nothing but wear and light is looked at.
//!
//! # Figures
//!
//! Ten simulated hours of gestures, noise from none to twice that of usual parts and people
//! (`cargo test -p qlens-sense --test gestures -- --nocapture`): 4,190 of 4,191 recognised, 1 false. Speech of espeak-ng at
//! 10 dB over noise, English and Chinese (`--test voice`):
//!
//! | noise | speech frames kept | noise frames kept |
//! |---|---|---|
//! | white | 100% | 1.2 to 1.6% |
//! | babble of eight | 99.7 to 100% | 1.0 to 2.0% |
//! | traffic | 100% | 2.0 to 4.0% |
//!
//! State: 8 KiB of sound and less than 1 KiB for all else (`--test properties`), and no heap.
//!
//! Not supported: more than one finger, gestures of the head but up and down, words, and who speaks: babble
//! in which one voice stands out is speech.

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
