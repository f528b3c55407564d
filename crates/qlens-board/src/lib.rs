//! What a board is, said once for every board: the application is written against the traits in
//! here, a board crate under `boards/` binds them to its hardware, and the host has a fake of each.
//!
//! | module | holds |
//! |---|---|
//! | [`event`] | what the sensors say: taps, swipes, speech, light, battery |
//! | [`queue`] | the bounded queue that sensor events wait in |
//! | [`gesture`] | raw key presses and releases of a touchpad, turned into events |
//! | [`mod@line`] | bytes of a text channel, cut into lines of bounded length |
//! | [`traits`] | [`Clock`], [`SensorSource`], [`Display`], [`Power`], [`SecondaryCores`] |
//! | [`memory`] | the memory map, and whether a model and its arena fit it |
//! | [`store`] | [`ModelStore`]: where a model's bytes come from |
//! | [`load`] | [`load_model`]: a store's bytes into RAM, hashed on the way |
//! | [`notes`] | [`NoteStore`]: where what the wearer wants kept is kept |
//! | [`settings`] | what whoever starts a board wants of it, and the file that says so |
//! | [`sha256`] | SHA-256 whose compression function a board may replace by its own instructions |
//! | `description` | `board.toml`, read on the host (feature `std`) |
//! | [`fake`] | a host fake of each trait, with faults to inject |
//! | `wire` | two ends of a serial line on the host (feature `std`) |
//!
//! A console is any `embedded_io::Read + Write`; it needs no trait of ours.

#![cfg_attr(not(feature = "std"), no_std)]
#![deny(unsafe_code)]

#[cfg(feature = "std")]
pub mod description;
pub mod event;
pub mod fake;
pub mod gesture;
pub mod line;
pub mod load;
pub mod memory;
pub mod notes;
pub mod queue;
pub mod settings;
pub mod sha256;
pub mod store;
pub mod traits;
#[cfg(feature = "std")]
pub mod wire;

pub use event::{Direction, SensorEvent, SensorKind, Utterance};
pub use load::{LoadError, load_model};
pub use memory::{Layout, MemoryMap, Span, Usage};
pub use notes::{Note, NoteError, NoteStore, RamNotes};
pub use queue::EventQueue;
pub use store::{ModelInfo, ModelStore, StoreError};
pub use traits::{
    Clock, CoreError, Display, Power, SecondaryCores, SensorSource, Throttle, dimmed,
};
